/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_UNIT_SHARE_WORLD_H
#define TESTS_UNIT_SHARE_WORLD_H

#include "share_rig.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <gangway/broker.h>
#include <gangway/importer.h>

/*
 * A broker and an exporter, each in a process of its own. The test is the importer, or makes more
 * processes. It has no threads, so it can.
 */
struct world {
	char dir[64], socket[96], policy[96], audit[96];
	pid_t broker, exporter;
	int say, hear;			/* to the exporter: a letter; from it: a number */
	uint32_t number;
	uint8_t handle[GW_SHARE_HANDLE_SIZE];	/* granted to "screen" */
};

static const char world_policy[] =
	"vm work uid %u\n"
	"vm other uid %u\n"
	"importer screen uid %u function 0000:01:00.0\n"
	"importer recorder uid %u\n"
	"importer nobody uid %u\n"
	"allow vm work function 0000:01:00.2 importer screen kinds iov-vram memfd copy\n"
	"allow vm work function 0000:01:00.2 importer recorder kinds copy\n"
	"same-gpu work\n";

static inline void world_write(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

/* Does a line of the audit have the verdict, the importer (NULL: nobody yet), and @what? */
static inline bool world_audited(const struct world *w, const char *verdict, const char *importer,
				 const char *what)
{
	static char text[1 << 16];
	char head[128];
	int fd = open(w->audit, O_RDONLY | O_CLOEXEC);
	ssize_t n = read(fd, text, sizeof(text) - 1);
	char *save = NULL;

	close(fd);
	snprintf(head, sizeof(head), "\"verdict\":\"%s\",\"%s%s", verdict,
		 importer ? "importer\":\"" : "pid\":", importer ? importer : "");
	assert_true(n >= 0);
	text[n] = '\0';
	for (char *l = strtok_r(text, "\n", &save); l; l = strtok_r(NULL, "\n", &save))
		if (strstr(l, head) && strstr(l, what))
			return true;
	return false;
}

static inline void world_broker(const struct world *w)
{
	struct gw_broker_options opt = { .socket = w->socket, .policy = w->policy };
	struct gw_broker *b;

	opt.audit = open(w->audit, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (gw_broker_new(&opt, &b))
		_exit(1);
	gw_broker_serve(b);
	_exit(0);
}

/* For any call that wants a broker that is just starting: its socket answers once it is there. */
static inline bool world_soon(int ret, int *tries)
{
	if (ret != -ENOENT || ++*tries > 2000)
		return false;
	usleep(10000);
	return true;
}

static inline void exporter_answer(int to, int32_t v)
{
	if (write(to, &v, sizeof(v)) != sizeof(v))
		_exit(1);
}

static inline void exporter_give_handle(int to, const uint8_t handle[GW_SHARE_HANDLE_SIZE])
{
	if (write(to, handle, GW_SHARE_HANDLE_SIZE) != GW_SHARE_HANDLE_SIZE)
		_exit(1);
}

/* Letters come in, and what they ask for is done. Return: the export, unless it was given up. */
static inline struct gw_export *exporter_obey(int from, int to, struct gw_exporter *x,
					      struct gw_export *e, struct gw_exporter_link *l,
					      uint32_t number)
{
	uint8_t handle[GW_SHARE_HANDLE_SIZE];
	char what;

	while (read(from, &what, 1) == 1) {
		switch (what) {
		case 'r': exporter_answer(to, gw_exporter_revoke(x)); break;
		case 'a': exporter_answer(to, gw_exporter_rearm(x)); break;
		case 'm': exporter_answer(to, gw_export_move(e, NULL, NULL)); break;
		case 'f': gw_export_frame(e); exporter_answer(to, 0); break;
		case 'w': gw_exporter_link_withdraw(l, number); exporter_answer(to, 0); break;
		case 'g': case 'p':	/* 'p': in the process of the test alone */
			exporter_answer(to, gw_exporter_link_grant(l, number, "screen",
								   what == 'p' ? getppid() : 0,
								   handle));
			exporter_give_handle(to, handle);
			break;
		case 'd': gw_export_free(e); e = NULL; exporter_answer(to, 0); break;
		}
	}
	return e;
}

static inline void world_exporter(const struct world *w, int from, int to, unsigned int ranges,
				  unsigned int force_ms)
{
	struct gw_exporter_link_options lo = { .broker = w->socket };
	struct rig_backing *b = rig_backing_new();
	struct gw_exporter_options opt = { .id = rig_vf, .vm = "work", .backing = &b->base,
					   .bar_size = { ranges * 2 * RIG_PAGE + RIG_BYTES },
					   .warn_ms = force_ms / 2, .force_ms = force_ms };
	struct gw_bar_range *range = calloc(ranges, sizeof(*range));
	struct gw_exporter_link *l;
	struct gw_exporter *x;
	struct gw_export *e;
	uint8_t handle[GW_SHARE_HANDLE_SIZE];
	uint32_t number;
	int tries = 0, ret;

	for (unsigned int i = 0; i < ranges; i++)
		range[i] = (struct gw_bar_range){ { i * 2 * RIG_PAGE }, RIG_PAGE };
	do {
		ret = gw_share_cookie(w->socket, "work", &opt.id, &opt.id.cookie);
	} while (world_soon(ret, &tries));
	if (ret || gw_exporter_new(&opt, &x) || gw_export_new(x, 0, range, ranges, &e) ||
	    gw_exporter_link_new(&lo, x, &l) ||
	    gw_exporter_link_publish(l, e, "screen", &number) ||
	    gw_exporter_link_grant(l, number, "screen", 0, handle))
		_exit(1);
	exporter_answer(to, (int32_t)number);
	exporter_give_handle(to, handle);
	e = exporter_obey(from, to, x, e, l, number);
	gw_exporter_link_free(l);
	gw_export_free(e);
	gw_exporter_free(x);
	free(range);
	free(b);
	exit(0);
}

static inline int32_t world_hear(struct world *w)
{
	int32_t v = 0;

	assert_int_equal(read(w->hear, &v, sizeof(v)), sizeof(v));
	return v;
}

static inline void world_tell(struct world *w, char what)
{
	assert_int_equal(write(w->say, &what, 1), 1);
}

static inline int32_t world_ask(struct world *w, char what)
{
	world_tell(w, what);
	return world_hear(w);
}

/* A new handle for "screen": 'g', or 'p', for this process. */
static inline void world_grant(struct world *w, char what)
{
	assert_int_equal(world_ask(w, what), 0);
	assert_int_equal(read(w->hear, w->handle, sizeof(w->handle)), sizeof(w->handle));
}

static inline void world_start_exporter(struct world *w, unsigned int ranges,
					unsigned int force_ms)
{
	int in[2], out[2];

	assert_int_equal(pipe2(in, O_CLOEXEC), 0);
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	w->exporter = fork();
	if (!w->exporter) {
		close(in[1]);
		close(out[0]);
		world_exporter(w, in[0], out[1], ranges, force_ms);
	}
	close(in[0]);
	close(out[1]);
	w->say = in[1];
	w->hear = out[0];
	w->number = (uint32_t)world_hear(w);
	assert_int_equal(read(w->hear, w->handle, sizeof(w->handle)), sizeof(w->handle));
}

static inline void world_init(struct world *w, unsigned int ranges, unsigned int force_ms)
{
	char text[1024];
	unsigned int uid = getuid();

	signal(SIGPIPE, SIG_IGN);
	*w = (struct world){ .dir = "/tmp/gangway-share-XXXXXX" };
	assert_non_null(mkdtemp(w->dir));
	snprintf(w->socket, sizeof(w->socket), "%s/broker", w->dir);
	snprintf(w->policy, sizeof(w->policy), "%s/policy", w->dir);
	snprintf(w->audit, sizeof(w->audit), "%s/audit", w->dir);
	snprintf(text, sizeof(text), world_policy, uid, uid, uid, uid, uid);
	world_write(w->policy, text);
	w->broker = fork();
	if (!w->broker)
		world_broker(w);
	world_start_exporter(w, ranges, force_ms);
}

/* kill() returns before a process has stopped, which may yet answer. */
static inline void world_stop(pid_t pid)
{
	int status;

	assert_int_equal(kill(pid, SIGSTOP), 0);
	assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
	assert_true(WIFSTOPPED(status));
}

static inline void world_end(pid_t *pid)
{
	if (*pid) {
		kill(*pid, SIGKILL);
		waitpid(*pid, NULL, 0);
	}
	*pid = 0;
}

static inline void world_fini(struct world *w)
{
	world_end(&w->exporter);
	world_end(&w->broker);
	close(w->say);
	close(w->hear);
	unlink(w->socket);
	unlink(w->policy);
	unlink(w->audit);
	rmdir(w->dir);
}

static inline struct gw_share_client *world_client(const struct world *w, const char *name)
{
	struct gw_share_client *c;

	assert_int_equal(gw_share_client_new(w->socket, name, &c), 0);
	return c;
}

#endif
