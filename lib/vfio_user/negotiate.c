/* SPDX-License-Identifier: BSD-3-Clause */
#include "vfio_user/negotiate.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include <json-c/json.h>

#include "base/reader.h"
#include "vfio_user/dispatch.h"

#define JSON_DEPTH	8

/* Defaults of the specification, for what the client leaves out. */
#define DEFAULT_FDS	1
#define DEFAULT_XFER	(1024 * 1024)

#define MAJOR	0
#define MINOR	0

/* QEMU reads into a buffer as long as its own proposal, 214 bytes with the header. */
static const char our_caps[] =
	"{\"capabilities\":{\"max_msg_fds\":16,\"max_data_xfer_size\":1048576}}";
_Static_assert(sizeof(our_caps) < 190, "QEMU refuses a longer reply");
_Static_assert(GW_VU_OUR_FDS == 16 && GW_VU_MAX_XFER == 1048576, "as the text above says");

static int caps_wrong(struct gw_caps *caps, const char *what)
{
	caps->wrong = what;
	return -EINVAL;
}

static bool caps_number(json_object *caps, const char *key, int64_t min, int64_t max, int64_t *val)
{
	json_object *v;

	if (!json_object_object_get_ex(caps, key, &v))
		return true;
	if (!json_object_is_type(v, json_type_int))
		return false;
	*val = json_object_get_int64(v);	/* saturates */
	if (*val > max)
		*val = max;
	return *val >= min;
}

static int caps_read(json_object *top, struct gw_caps *caps)
{
	int64_t fds = DEFAULT_FDS, xfer = DEFAULT_XFER;
	json_object *obj;

	if (!json_object_is_type(top, json_type_object))
		return caps_wrong(caps, "they are no JSON object");
	if (json_object_object_get_ex(top, "capabilities", &obj)) {
		if (!json_object_is_type(obj, json_type_object))
			return caps_wrong(caps, "\"capabilities\" is no object");
		if (!caps_number(obj, "max_msg_fds", 0, GW_VU_MAX_FDS, &fds))
			return caps_wrong(caps, "\"max_msg_fds\" is no number from 0 on");
		if (!caps_number(obj, "max_data_xfer_size", 1, GW_VU_MAX_XFER, &xfer))
			return caps_wrong(caps, "\"max_data_xfer_size\" is no number from 1 on");
	}
	caps->max_fds = (uint32_t)fds;
	caps->max_xfer = (uint64_t)xfer;
	return 0;
}

int gw_caps_parse(const char *json, size_t len, struct gw_caps *caps)
{
	json_tokener *tok;
	enum json_tokener_error err;
	json_object *top;
	int ret;

	*caps = (struct gw_caps){ .max_fds = DEFAULT_FDS, .max_xfer = DEFAULT_XFER };
	if (!len)
		return 0;
	if (json[len - 1] || strlen(json) != len - 1)
		return caps_wrong(caps, "they do not end with the text's only NUL");
	tok = json_tokener_new_ex(JSON_DEPTH);
	if (!tok)
		return -ENOMEM;
	json_tokener_set_flags(tok, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	top = json_tokener_parse_ex(tok, json, (int)len);
	err = json_tokener_get_error(tok);
	if (err == json_tokener_success)
		ret = caps_read(top, caps);
	else
		ret = caps_wrong(caps, json_tokener_error_desc(err));
	json_object_put(top);
	json_tokener_free(tok);
	return ret;
}

int gw_do_version(struct gw_client *c, struct gw_msg *m, struct gw_reply *r)
{
	struct gw_reader in = gw_reader_init(m->body, m->len);
	uint16_t version[2];
	struct gw_caps caps;
	int ret;

	if (!gw_reader_take(&in, version, sizeof(version)))
		return -EMSGSIZE;
	if (version[0] != MAJOR) {
		gw_log_guest(c->log, "vfio-user: the client speaks version %u.%u, we speak %u.%u",
			     version[0], version[1], MAJOR, MINOR);
		return -EINVAL;
	}
	ret = gw_caps_parse((const char *)in.p, gw_reader_left(&in), &caps);
	if (ret) {
		gw_log_guest(c->log, "vfio-user: the client's capabilities make no sense: %s",
			     caps.wrong ? caps.wrong : strerror(-ret));
		return ret;
	}
	c->max_fds = caps.max_fds;
	pthread_mutex_lock(&c->lock);
	c->max_xfer = caps.max_xfer;
	pthread_mutex_unlock(&c->lock);
	c->attached = true;
	ret = c->dev->ops->attach(c->dev, &c->remote, &c->vmm);
	if (ret) {
		gw_log_guest(c->log, "vfio-user: the device cannot be attached: %s", strerror(-ret));
		c->attached = false;
		c->dev->ops->detach(c->dev);
		return ret;
	}
	gw_client_greeted(c);
	version[1] = MINOR;	/* the lesser of the client's and ours */
	memcpy(r->data, version, sizeof(version));
	memcpy(r->data + sizeof(version), our_caps, sizeof(our_caps));
	r->len = sizeof(version) + sizeof(our_caps);
	return 0;
}
