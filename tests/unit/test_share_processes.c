/* SPDX-License-Identifier: BSD-3-Clause */
#include "share_world.h"

#include <sys/socket.h>

/*
 * Exporter, importer and broker are killed, or hang, at each state of an attachment. Nobody waits
 * for ever, and a revoke ends before whatever comes after it.
 */

static const struct gw_share_accept copy_only[] = { { &gw_share_copy } };

static const struct gw_share_accept *takes = copy_only;

enum reached { CONNECTED, OPENED, MAPPED, TOLD, NR_REACHED };

/* An importer that goes so far, says so, and then does nothing any longer. */
static void importer_run(const struct world *w, enum reached want, int say)
{
	const struct gw_remote_map *map;
	struct gw_share_client *c;
	struct gw_remote_share *s;

	close(w->say);	/* the exporter is to see when the test closes it */
	close(w->hear);
	if (gw_share_client_new(w->socket, "screen", &c))
		_exit(1);
	if (want >= OPENED &&
	    gw_share_client_open(c, w->handle, "work", takes, 1, NULL, &s, NULL))
		_exit(1);
	if (want >= MAPPED && gw_remote_share_map(s, &map))
		_exit(1);
	exporter_answer(say, 1);
	for (;;)
		pause();
}

static pid_t importer_start(struct world *w, enum reached want)
{
	int32_t v;
	pid_t pid;
	int fd[2];

	assert_int_equal(pipe2(fd, O_CLOEXEC), 0);
	pid = fork();
	if (!pid)
		importer_run(w, want, fd[1]);
	close(fd[1]);
	assert_int_equal(read(fd[0], &v, sizeof(v)), sizeof(v));
	close(fd[0]);
	return pid;
}

/* When the importer has died, its mapping has gone with it, in whatever state it was. */
static void an_importer_may_be_killed_in_any_state(void **state)
{
	for (int want = CONNECTED; want < NR_REACHED; want++) {
		struct world w;
		pid_t pid;

		world_init(&w, 4, 60000);
		pid = importer_start(&w, want);
		if (want == TOLD)
			world_tell(&w, 'r');	/* it is asked, and does not answer */
		world_end(&pid);
		if (want == TOLD)
			assert_int_equal(world_hear(&w), 0);
		/* a minute is how long an importer that lives would be waited for */
		assert_int_equal(world_ask(&w, 'r'), 0);
		assert_int_equal(world_ask(&w, 'a'), 0);
		world_fini(&w);
	}
}

/* An importer that hangs is waited for, and then forced; only one that has it mapped. */
static void an_importer_may_hang_in_any_state(void **state)
{
	for (int want = CONNECTED; want < TOLD; want++) {
		struct world w;
		pid_t pid;

		world_init(&w, 4, 200);
		pid = importer_start(&w, want);
		world_stop(pid);
		assert_int_equal(world_ask(&w, 'r'), want == MAPPED);
		assert_int_equal(world_ask(&w, 'r'), 0);
		assert_int_equal(world_ask(&w, 'a'), 0);
		/* others are not affected */
		world_grant(&w, 'g');
		world_end(&pid);
		pid = importer_start(&w, MAPPED);
		world_end(&pid);
		world_fini(&w);
	}
}

/* What a process has mapped only its end takes away, which comes before that of the revoke. */
static void an_importer_that_hangs_with_memory_mapped_is_ended(void **state)
{
	static const struct gw_share_accept memory[] = {
		{ &gw_share_memfd, .data = { GW_SHARE_FILE_MEMORY } },
	};
	struct world w;
	int status = 0;
	pid_t pid;

	world_init(&w, RIG_BYTES / RIG_PAGE, 200);
	takes = memory;
	pid = importer_start(&w, MAPPED);
	takes = copy_only;
	world_stop(pid);
	assert_int_equal(world_ask(&w, 'r'), 1);
	assert_int_equal(waitpid(pid, &status, WNOHANG), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	world_fini(&w);
}

/* Maps memory and hangs up, which the exporter may hear of only when it tells of the next revoke. */
static void importer_hang_up(struct world *w, const struct gw_share_accept *memory)
{
	const struct gw_remote_map *map;
	struct gw_share_client *c;
	struct gw_remote_share *s;

	if (gw_share_client_new(w->socket, "screen", &c) ||
	    gw_share_client_open(c, w->handle, "work", memory, 1, NULL, &s, NULL) ||
	    gw_remote_share_map(s, &map))
		_exit(1);
	kill(w->exporter, SIGSTOP);
	shutdown(gw_remote_share_fd(s), SHUT_RDWR);
	world_tell(w, 'r');
	kill(w->exporter, SIGCONT);
	world_hear(w);
	gw_remote_share_close(s);
	gw_share_client_free(c);
}

static void an_importer_that_has_hung_up_is_not_ended(void **state)
{
	static const struct gw_share_accept memory[] = {
		{ &gw_share_memfd, .data = { GW_SHARE_FILE_MEMORY } },
	};
	struct world w;

	world_init(&w, RIG_BYTES / RIG_PAGE, 1000);
	for (unsigned int i = 0; i < 20; i++) {
		pid_t pid = fork();
		int status;

		if (!pid) {
			importer_hang_up(&w, memory);
			_exit(0);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(status, 0);
		assert_int_equal(world_ask(&w, 'a'), 0);
		world_grant(&w, 'g');
	}
	world_fini(&w);
}

/* While one importer hangs, the exporter may go, too. */
static void an_exporter_ends_although_an_importer_hangs(void **state)
{
	struct world w;
	pid_t pid;
	int status;

	world_init(&w, 4, 200);
	pid = importer_start(&w, MAPPED);
	world_stop(pid);
	assert_int_equal(world_ask(&w, 'd'), 0);
	close(w.say);
	w.say = -1;
	assert_int_equal(waitpid(w.exporter, &status, 0), w.exporter);
	assert_int_equal(status, 0);
	w.exporter = 0;
	world_end(&pid);
	world_fini(&w);
}

struct heard {
	int invalidated;
	enum gw_share_why why;
};

static void invalidate(void *opaque, enum gw_share_why why)
{
	struct heard *h = opaque;

	h->invalidated++;
	h->why = why;
}

static void reach(struct world *w, enum reached want, struct gw_share_client **c,
		  struct gw_remote_share **s, struct heard *h)
{
	const struct gw_share_events events = { .invalidate = invalidate, .opaque = h };
	const struct gw_remote_map *map;

	*s = NULL;
	*c = world_client(w, "screen");
	if (want >= OPENED)
		assert_int_equal(gw_share_client_open(*c, w->handle, "work", copy_only, 1, &events,
						      s, NULL), 0);
	if (want >= MAPPED)
		assert_int_equal(gw_remote_share_map(*s, &map), 0);
	if (want >= TOLD)
		world_tell(w, 'r');
}

/* When the exporter has died, the importer hears so, and nothing is mapped. */
static void an_exporter_may_be_killed_in_any_state(void **state)
{
	for (int want = CONNECTED; want < NR_REACHED; want++) {
		const struct gw_remote_map *map;
		struct gw_share_client *c;
		struct gw_remote_share *s;
		struct heard h = { 0 };
		struct world w;

		world_init(&w, 4, 60000);
		reach(&w, want, &c, &s, &h);
		world_end(&w.exporter);
		if (!s) {
			/* the handle is of an exporter that is not there */
			assert_int_not_equal(gw_share_client_open(c, w.handle, "work", copy_only, 1,
								  NULL, &s, NULL), 0);
		} else {
			while (!gw_remote_share_dispatch(s))
				assert_int_equal(gw_remote_share_unmap(s) == -ETIMEDOUT, 0);
			assert_int_equal(h.invalidated, want >= MAPPED);
			assert_int_equal(gw_remote_share_map(s, &map), -ENOTCONN);
			gw_remote_share_close(s);
		}
		gw_share_client_free(c);
		world_fini(&w);
	}
}

static void an_exporter_that_hangs_is_not_waited_for_ever(void **state)
{
	const struct gw_remote_map *map;
	struct gw_share_client *c;
	struct gw_remote_share *s;
	struct heard h = { 0 };
	struct world w;

	world_init(&w, 4, 60000);
	reach(&w, OPENED, &c, &s, &h);
	world_stop(w.exporter);
	assert_int_equal(gw_remote_share_map(s, &map), -ETIMEDOUT);
	/* what comes late is not taken for the reply to what is asked next */
	assert_int_equal(gw_remote_share_map(s, &map), -ENOTCONN);
	kill(w.exporter, SIGCONT);
	gw_remote_share_close(s);
	assert_int_equal(world_ask(&w, 'r'), 0);
	gw_share_client_free(c);
	world_fini(&w);
}

/* An importer may fill the eventfds that it shares with us, and make them block. */
static void an_importer_that_fills_the_fences_stops_nobody(void **state)
{
	const uint64_t full = UINT64_MAX - 1;
	const struct gw_remote_map *map;
	struct gw_share_client *c;
	struct gw_remote_share *s;
	struct heard h = { 0 };
	struct world w;

	world_init(&w, 4, 60000);
	reach(&w, OPENED, &c, &s, &h);
	assert_int_equal(gw_remote_share_map(s, &map), 0);
	for (int i = 0; i < 2; i++) {
		int fd = i ? map->done_fd : map->frame_fd;

		assert_int_equal(write(fd, &full, sizeof(full)), sizeof(full));
		assert_int_equal(fcntl(fd, F_SETFL, 0), 0);
	}
	assert_int_equal(world_ask(&w, 'f'), 0);
	world_tell(&w, 'r');
	while (!h.invalidated)
		assert_int_equal(gw_remote_share_dispatch(s), 0);
	assert_int_equal(world_hear(&w), 0);
	gw_remote_share_close(s);
	gw_share_client_free(c);
	world_fini(&w);
}

/* Two that were introduced go on without the broker; nobody new comes. */
static void the_broker_may_be_killed_in_any_state(void **state)
{
	for (int want = CONNECTED; want < NR_REACHED; want++) {
		struct gw_share_client *c, *other;
		const struct gw_remote_map *map;
		struct gw_share_item *list;
		struct gw_remote_share *s;
		struct heard h = { 0 };
		struct world w;
		size_t nr;

		world_init(&w, 4, 60000);
		reach(&w, want, &c, &s, &h);
		world_end(&w.broker);
		assert_int_equal(gw_share_client_list(c, &list, &nr), -ENOTCONN);
		assert_true(gw_share_client_new(w.socket, "screen", &other) < 0);
		if (want == OPENED)
			assert_int_equal(gw_remote_share_map(s, &map), 0);
		if (want == OPENED || want == MAPPED)
			world_tell(&w, 'r');
		while (want != CONNECTED && !h.invalidated) {
			struct timespec ms = { .tv_nsec = 1000000 };

			assert_int_equal(gw_remote_share_dispatch(s), 0);
			nanosleep(&ms, NULL);
		}
		if (want != CONNECTED)
			assert_int_equal(world_hear(&w), 0);
		gw_remote_share_close(s);
		gw_share_client_free(c);
		world_fini(&w);
	}
}

static void a_broker_that_hangs_keeps_nobody_from_a_revoke(void **state)
{
	struct gw_share_client *c;
	struct gw_share_item *list;
	struct gw_remote_share *s;
	struct heard h = { 0 };
	struct world w;
	size_t nr;

	world_init(&w, 4, 60000);
	reach(&w, MAPPED, &c, &s, &h);
	world_stop(w.broker);
	world_tell(&w, 'r');
	while (!h.invalidated)
		assert_int_equal(gw_remote_share_dispatch(s), 0);
	assert_int_equal(world_hear(&w), 0);
	assert_int_equal(h.why, GW_SHARE_REVOKED);
	assert_int_equal(gw_share_client_list(c, &list, &nr), -ETIMEDOUT);
	kill(w.broker, SIGCONT);
	gw_remote_share_close(s);
	gw_share_client_free(c);
	world_fini(&w);
}

/* The largest list there may be: bounded time, and all of it. */
static void the_largest_list_arrives_whole(void **state)
{
	const struct gw_share_accept vram[] = { { &gw_share_iov_vram, .data = { RIG_BAR } } };
	const struct gw_remote_map *map;
	struct gw_share_client *c;
	struct gw_remote_share *s;
	struct world w;

	world_init(&w, GW_RANGES_MAX, 60000);
	c = world_client(&w, "screen");
	assert_int_equal(gw_share_client_open(c, w.handle, "work", vram, 1, NULL, &s, NULL), 0);
	assert_int_equal(gw_remote_share_map(s, &map), 0);
	assert_int_equal(gw_bar_ranges_bytes(&map->bar_ranges), GW_RANGES_MAX * RIG_PAGE);
	assert_int_equal(map->bar_ranges.raw.nr, GW_RANGES_MAX);
	gw_remote_share_close(s);
	gw_share_client_free(c);
	world_fini(&w);
}

static const char *example;

/* Wait until the example has printed something. */
static void hear(FILE *from, const char *what)
{
	char line[256];

	do
		assert_non_null(fgets(line, sizeof(line), from));
	while (!strstr(line, what));
}

/* examples/share-importer.c, which is given copies, hears of frames and of the end. */
static void the_example_shows_frames(void **state)
{
	struct world w;
	int out[2], status;
	FILE *from;
	pid_t pid;

	if (!example)
		skip();
	world_init(&w, 4, 60000);
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	pid = fork();
	if (!pid) {
		dup2(out[1], STDOUT_FILENO);
		execl(example, example, w.socket, "recorder", NULL);
		_exit(127);
	}
	close(out[1]);
	from = fdopen(out[0], "r");
	hear(from, "mapped ");
	assert_int_equal(world_ask(&w, 'f'), 0);
	hear(from, "frame ");
	assert_int_equal(world_ask(&w, 'd'), 0);
	hear(from, "it has gone");
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	fclose(from);
	world_fini(&w);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_example_shows_frames),
		cmocka_unit_test(an_importer_may_be_killed_in_any_state),
		cmocka_unit_test(an_importer_may_hang_in_any_state),
		cmocka_unit_test(an_importer_that_hangs_with_memory_mapped_is_ended),
		cmocka_unit_test(an_importer_that_has_hung_up_is_not_ended),
		cmocka_unit_test(an_exporter_ends_although_an_importer_hangs),
		cmocka_unit_test(an_exporter_may_be_killed_in_any_state),
		cmocka_unit_test(an_exporter_that_hangs_is_not_waited_for_ever),
		cmocka_unit_test(an_importer_that_fills_the_fences_stops_nobody),
		cmocka_unit_test(the_broker_may_be_killed_in_any_state),
		cmocka_unit_test(a_broker_that_hangs_keeps_nobody_from_a_revoke),
		cmocka_unit_test(the_largest_list_arrives_whole),
	};

	example = argc > 1 ? argv[1] : NULL;
	return cmocka_run_group_tests_name("share processes", tests, NULL, NULL);
}
