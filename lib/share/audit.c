/* SPDX-License-Identifier: BSD-3-Clause */
#include "share/audit.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include <json-c/json.h>

static void add(json_object *o, const char *key, const char *text)
{
	json_object_object_add(o, key, json_object_new_string(text));
}

/* One write(2), so that lines of several brokers do not mix. */
static bool write_line(int fd, const char *text)
{
	struct iovec v[] = {
		{ .iov_base = (void *)(uintptr_t)text, .iov_len = strlen(text) },
		{ .iov_base = (void *)(uintptr_t)"\n", .iov_len = 1 },
	};

	return writev(fd, v, 2) == (ssize_t)(v[0].iov_len + 1);
}

static bool write_json(int fd, const char *when, const struct gw_audit *a)
{
	json_object *o = json_object_new_object();
	const char *text;
	bool done;

	if (!o)
		return false;
	add(o, "time", when);
	add(o, "verdict", a->reason ? "deny" : "allow");
	if (a->role)
		add(o, a->role, a->name);
	json_object_object_add(o, "pid", json_object_new_int64(a->pid));
	json_object_object_add(o, "uid", json_object_new_int64(a->uid));
	add(o, "request", a->request);
	add(o, "about", a->about);
	if (a->reason)
		add(o, "reason", a->reason);
	text = json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN);
	done = text && write_line(fd, text);
	json_object_put(o);
	return done;
}

void gw_audit_write(int fd, struct gw_log *log, const struct gw_audit *a)
{
	char when[32];
	time_t now = time(NULL);
	struct tm tm;

	gmtime_r(&now, &tm);
	strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &tm);
	if ((fd >= 0 && write_json(fd, when, a)) || !gw_log_may(log))
		return;
	gw_info(log, "%s %s %s%s%s pid=%d uid=%u %s%s%s%s%s", when, a->reason ? "deny" : "allow",
		a->role ? a->role : "-", a->role ? "=" : "", a->role ? a->name : "", a->pid, a->uid,
		a->request, *a->about ? " " : "", a->about, a->reason ? ": " : "",
		a->reason ? a->reason : "");
}
