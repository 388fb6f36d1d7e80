/* SPDX-License-Identifier: BSD-3-Clause */
#include "share_world.h"

#include <poll.h>
#include <sys/socket.h>

#include "pci_tree.h"
#include "share/audit.h"
#include "share/broker.h"
#include "share/handles.h"
#include "share/policy.h"

/* Who may what, by what handle; and a share from one process to another. */

static const struct gw_share_accept copy_only[] = { { &gw_share_copy } };
static const struct gw_share_accept vram_first[] = {
	{ &gw_share_copy }, { &gw_share_iov_vram, .data = { RIG_BAR } },
};

static int open_share(struct gw_share_client *c, const uint8_t *handle, const char *vm,
		      struct gw_remote_share **s)
{
	return gw_share_client_open(c, handle, vm, copy_only, 1, NULL, s, NULL);
}

static void what_no_line_allows_is_denied(void **state)
{
	static const struct gw_pci_addr fn = { 0, 1, 0, 2 }, elsewhere = { 0, 2, 0, 0 };
	char why[GW_SHARE_REASON];
	struct gw_policy *p;
	struct gw_pci_addr at;
	unsigned int line;
	bool has_fn;

	assert_int_equal(gw_policy_new(&p), 0);
	assert_false(gw_policy_vm(p, "work", 0));
	assert_int_equal(gw_policy_kinds(p, "work", &fn, "screen"), 0);
	assert_int_equal(gw_policy_parse(p,
		"# nothing\n\n"
		"vm work uid 7\n"
		"importer screen uid 8 function 01:00.0   # the card\n"
		"allow vm work function 0000:01:00.2 importer screen kinds iov-vram copy\n"
		"allow vm home function any importer screen kinds copy\n", &line, why), 0);
	assert_true(gw_policy_vm(p, "work", 7));
	assert_false(gw_policy_vm(p, "work", 8));
	assert_true(gw_policy_importer(p, "screen", 8, &at, &has_fn));
	assert_true(has_fn);
	assert_int_equal(at.bus, 1);
	assert_false(gw_policy_importer(p, "screen", 7, &at, &has_fn));
	/* R45: without the administrator's word that it is one GPU, the private way is not taken */
	assert_int_equal(gw_policy_kinds(p, "work", &fn, "screen"), 16);
	assert_int_equal(gw_policy_parse(p, "same-gpu work", &line, why), 0);
	assert_int_equal(gw_policy_kinds(p, "work", &fn, "screen"), 17);
	assert_int_equal(gw_policy_kinds(p, "work", &elsewhere, "screen"), 0);
	assert_int_equal(gw_policy_kinds(p, "work", &fn, "recorder"), 0);
	assert_int_equal(gw_policy_kinds(p, "home", &elsewhere, "screen"), 16);
	assert_true(gw_policy_has(p, "home", &elsewhere));
	assert_false(gw_policy_has(p, "work", &elsewhere));
	gw_policy_free(p);
}

static void a_line_that_makes_no_sense_is_named(void **state)
{
	static const char *const bad[] = {
		"vm work", "vm work uid", "vm work uid x", "vm work uid -1",
		"vm work uid 4294967295",
		"vm work uid 1 function 01:00.0", "importer a uid 1 function nowhere",
		"importer a uid 1 at 01:00.0", "allow", "same-gpu", "same-gpu a b", "deny all",
		"allow vm a function b importer c kinds copy",
		"allow vm a function any importer c kinds copy everything",
		"allow vm a function any importer c kinds",
		"vm 0123456789012345678901234567890123456789012345678901234567890123 uid 1",
	};
	char why[GW_SHARE_REASON], text[256];
	unsigned int line;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct gw_policy *p;

		assert_int_equal(gw_policy_new(&p), 0);
		snprintf(text, sizeof(text), "vm fine uid 1\n\n%s\n", bad[i]);
		assert_int_equal(gw_policy_parse(p, text, &line, why), -EINVAL);
		assert_int_equal(line, 3);
		assert_true(*why);
		gw_policy_free(p);
	}
}

static void a_policy_that_others_may_change_is_not_taken(void **state)
{
	char path[] = "/tmp/gangway-policy-XXXXXX";
	int fd = mkstemp(path);
	struct gw_policy *p;

	close(fd);
	assert_int_equal(gw_policy_new(&p), 0);
	assert_int_equal(gw_policy_load(p, path, NULL), 0);
	chmod(path, 0620);
	assert_int_equal(gw_policy_load(p, path, NULL), -EPERM);
	unlink(path);
	assert_int_equal(gw_policy_load(p, path, NULL), -ENOENT);
	assert_int_equal(gw_policy_load(p, "/dev", NULL), -EBADMSG);
	gw_policy_free(p);
}

/* R23: nothing can be learned from a handle, and one bit that is wrong is as wrong as all. */
static void handles_are_found_whole_or_not_at_all(void **state)
{
	static struct gw_handles h;
	const struct gw_handle like = { .number = 3 };
	uint8_t bytes[GW_SHARE_HANDLE], zero[GW_SHARE_HANDLE] = { 0 }, last[GW_SHARE_HANDLE];

	assert_null(gw_handles_find(&h, zero));
	assert_int_equal(gw_handles_make(&h, &like, bytes), 0);
	assert_ptr_equal(gw_handles_find(&h, bytes), &h.handle[0]);
	for (unsigned int bit = 0; bit < 8 * GW_SHARE_HANDLE; bit++) {
		bytes[bit / 8] ^= 1u << bit % 8;
		assert_null(gw_handles_find(&h, bytes));
		bytes[bit / 8] ^= 1u << bit % 8;
	}
	for (unsigned int i = 0; i < GW_HANDLES_MAX; i++)
		assert_int_equal(gw_handles_make(&h, &like, last), 0);
	assert_null(gw_handles_find(&h, bytes));	/* forgotten */
	assert_non_null(gw_handles_find(&h, last));
}

static struct gw_broker_core core;
static struct gw_share_msg msg;

static void put_ids(uint16_t type, const struct gw_share_id *id, bool publish)
{
	gw_share_msg_init(&msg, type, 1);
	gw_share_put_id(&msg, id);
	if (!publish)
		return;
	gw_share_put_u32(&msg, 0);
	gw_share_put_u64(&msg, RIG_BYTES);
	gw_share_put_text(&msg, "screen", GW_SHARE_NAME);
}

/* What the broker says to an exporter that publishes @id, after it has asked for its cookie. */
static int publish(struct gw_broker_peer *p, int far, struct gw_share_id id)
{
	struct gw_reader r;

	put_ids(GW_SHARE_COOKIE, &id, false);
	gw_broker_message(&core, p, &msg);
	assert_int_equal(gw_share_recv(far, &msg), 0);
	assert_int_equal(msg.status, 0);
	r = gw_reader_init(msg.body, msg.len);
	assert_true(gw_reader_u64(&r, &id.cookie));
	/* another device that had this address before */
	id.cookie++;
	put_ids(GW_SHARE_PUBLISH, &id, true);
	gw_broker_message(&core, p, &msg);
	assert_int_equal(gw_share_recv(far, &msg), 0);
	assert_int_equal(msg.status, -EACCES);
	id.cookie--;
	put_ids(GW_SHARE_PUBLISH, &id, true);
	gw_broker_message(&core, p, &msg);
	assert_int_equal(gw_share_recv(far, &msg), 0);
	return msg.status;
}

/* R24: which virtual function of which device it is, the machine says, not the exporter. */
static void a_function_is_what_the_machine_says_at_its_index(void **state)
{
	const struct gw_share_id vf = { { 0, 1, 0, 2 }, { 0, 1, 0, 0 }, 1, 0 };
	struct gw_share_id not = vf;
	char why[GW_SHARE_REASON];
	struct gw_policy *policy;
	unsigned int line;
	int pair[2];

	tree_init();
	tree_mkdirs("sys/bus/pci/devices/0000:01:00.0");
	tree_link("sys/bus/pci/devices/0000:01:00.0/virtfn0", "../0000:01:00.1");
	tree_link("sys/bus/pci/devices/0000:01:00.0/virtfn1", "../0000:01:00.2");
	assert_int_equal(gw_policy_new(&policy), 0);
	assert_int_equal(gw_policy_parse(policy, "vm work uid 0\nallow vm work function any importer "
					 "screen kinds copy\n", &line, why), 0);
	gw_broker_core_init(&core, policy, -1, NULL);
	core.tree = tree_dir;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(gw_broker_join(&core, pair[0], -1, 1, 0), 0);
	LIST_FIRST(&core.peers)->role = GW_SHARE_EXPORTER;
	strcpy(LIST_FIRST(&core.peers)->name, "work");
	assert_int_equal(publish(LIST_FIRST(&core.peers), pair[1], vf), 0);
	not.vf = 0;		/* another's index */
	assert_int_equal(publish(LIST_FIRST(&core.peers), pair[1], not), -EACCES);
	not.vf = 7;		/* nobody's */
	assert_int_equal(publish(LIST_FIRST(&core.peers), pair[1], not), -EACCES);
	not.vf = -1;		/* as the physical function, which it is not */
	assert_int_equal(publish(LIST_FIRST(&core.peers), pair[1], not), -EACCES);
	not = vf;
	not.fn.fn = 1;		/* another function at its index */
	assert_int_equal(publish(LIST_FIRST(&core.peers), pair[1], not), -EACCES);
	gw_broker_core_fini(&core);
	close(pair[1]);
	tree_fini();
}

static unsigned int denied, allowed;

static void count_decision(void *opaque, enum gw_log_level level, const char *line)
{
	denied += strstr(line, " deny ") != NULL;
	allowed += strstr(line, " allow ") != NULL;
}

static void refusals_neither_fill_the_log_nor_mute_what_is_allowed(void **state)
{
	struct gw_log log = { .level = GW_LOG_INFO, .write = count_decision };
	struct gw_policy *policy;
	int pair[2];

	assert_int_equal(gw_policy_new(&policy), 0);
	gw_broker_core_init(&core, policy, -1, &log);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(gw_broker_join(&core, pair[0], -1, 1, 0), 0);
	for (int i = 0; i < 100; i++) {
		gw_share_msg_init(&msg, GW_SHARE_HELLO, 1);
		gw_share_put_u32(&msg, GW_SHARE_VERSION);
		gw_share_put_u32(&msg, GW_SHARE_EXPORTER);
		gw_share_put_text(&msg, "stranger", GW_SHARE_NAME);
		gw_broker_message(&core, LIST_FIRST(&core.peers), &msg);
		assert_int_equal(gw_share_recv(pair[1], &msg), 0);
		assert_int_equal(msg.status, -EACCES);
	}
	assert_in_range(denied, 1, 50);	/* a machine may take its time */
	gw_audit_write(-1, &core.allowed, &(struct gw_audit){ .request = "ask", .about = "" });
	assert_int_equal(allowed, 1);
	gw_broker_core_fini(&core);
	close(pair[1]);
}

static void a_handle_is_good_once(void **state)
{
	struct gw_remote_share *s, *again;
	struct gw_share_client *c;
	struct stat st;
	struct world w;

	world_init(&w, 4, 60000);
	assert_int_equal(stat(w.socket, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0660);
	c = world_client(&w, "screen");
	assert_int_equal(open_share(c, w.handle, "work", &s), 0);
	assert_int_equal(open_share(c, w.handle, "work", &again), -EACCES);
	assert_true(world_audited(&w, "allow", "screen", "\"about\":\"vm=work export="));
	assert_true(world_audited(&w, "deny", "screen", "used before"));
	gw_remote_share_close(s);
	gw_share_client_free(c);
	world_fini(&w);
}

/* A guess; and whoever goes on guessing is hung up on. */
static void a_guess_is_refused_and_audited(void **state)
{
	uint8_t guess[GW_SHARE_HANDLE_SIZE] = { 1 };
	struct gw_remote_share *s;
	struct gw_share_client *c;
	struct world w;

	world_init(&w, 4, 60000);
	c = world_client(&w, "screen");
	for (int i = 0; i < 8; i++)
		assert_int_equal(open_share(c, guess, "work", &s), -EACCES);
	assert_int_equal(open_share(c, guess, "work", &s), -ENOTCONN);
	assert_true(world_audited(&w, "deny", "screen", "an unknown handle"));
	gw_share_client_free(c);
	world_fini(&w);
}

/* Shown by another importer or for another VM, it is refused, and used up. */
static void a_handle_of_somebody_else_is_refused(void **state)
{
	struct gw_share_client *c, *other;
	struct gw_remote_share *s;
	struct world w;

	world_init(&w, 4, 60000);
	c = world_client(&w, "screen");
	other = world_client(&w, "recorder");
	assert_int_equal(open_share(other, w.handle, "work", &s), -EACCES);
	assert_true(world_audited(&w, "deny", "recorder", "of another importer"));
	assert_int_equal(open_share(c, w.handle, "work", &s), -EACCES);
	world_grant(&w, 'g');
	assert_int_equal(open_share(c, w.handle, "other", &s), -EACCES);
	assert_true(world_audited(&w, "deny", "screen", "of another VM"));
	gw_share_client_free(c);
	gw_share_client_free(other);
	world_fini(&w);
}

static void a_handle_of_another_process_is_refused(void **state)
{
	uint8_t handle[GW_SHARE_HANDLE_SIZE];
	struct gw_share_client *c;
	struct world w;
	int status;
	pid_t pid;

	world_init(&w, 4, 60000);
	c = world_client(&w, "recorder");
	assert_int_equal(gw_share_client_ask(c, w.number, handle), 0);
	pid = fork();
	if (!pid) {
		struct gw_remote_share *s;
		struct gw_share_client *mine;

		if (gw_share_client_new(w.socket, "recorder", &mine))
			_exit(1);
		_exit(open_share(mine, handle, "work", &s) != -EACCES);
	}
	waitpid(pid, &status, 0);
	assert_int_equal(status, 0);
	assert_true(world_audited(&w, "deny", "recorder", "of another process"));
	gw_share_client_free(c);
	world_fini(&w);
}

/* R21: the exporter may say which process it is for; that another has the bytes helps it nothing. */
static void a_handle_may_be_granted_to_one_process(void **state)
{
	struct gw_share_client *c;
	struct gw_remote_share *s;
	struct world w;
	int status;
	pid_t pid;

	world_init(&w, 4, 60000);
	world_grant(&w, 'p');
	pid = fork();
	if (!pid) {
		c = world_client(&w, "screen");
		_exit(open_share(c, w.handle, "work", &s) != -EACCES);
	}
	waitpid(pid, &status, 0);
	assert_int_equal(status, 0);
	assert_true(world_audited(&w, "deny", "screen", "of another process"));
	world_grant(&w, 'p');
	c = world_client(&w, "screen");
	assert_int_equal(open_share(c, w.handle, "work", &s), 0);
	gw_remote_share_close(s);
	gw_share_client_free(c);
	world_fini(&w);
}

static void after_it_was_withdrawn_a_handle_is_refused(void **state)
{
	struct gw_share_client *c;
	struct gw_remote_share *s;
	struct world w;

	world_init(&w, 4, 60000);
	c = world_client(&w, "screen");
	assert_int_equal(world_ask(&w, 'w'), 0);
	assert_int_equal(open_share(c, w.handle, "work", &s), -EACCES);
	assert_true(world_audited(&w, "deny", "screen", "withdrawn"));
	gw_share_client_free(c);
	world_fini(&w);
}

/* What is revoked can be attached to, and not be mapped. */
static void after_a_revoke_a_handle_gives_nothing(void **state)
{
	const struct gw_remote_map *map;
	struct gw_share_client *c;
	struct gw_remote_share *s;
	struct world w;

	world_init(&w, 4, 60000);
	c = world_client(&w, "screen");
	assert_int_equal(world_ask(&w, 'r'), 0);
	assert_int_equal(open_share(c, w.handle, "work", &s), 0);
	assert_int_equal(gw_remote_share_map(s, &map), -ENODEV);
	gw_remote_share_close(s);
	gw_share_client_free(c);
	world_fini(&w);
}

/* An importer sees what it may have, and nothing of the rest; so does an exporter. */
static void each_sees_what_the_policy_gives_it(void **state)
{
	struct gw_exporter_options opt = { .id = rig_vf, .vm = "other", .bar_size = { RIG_BYTES } };
	uint8_t handle[GW_SHARE_HANDLE_SIZE];
	struct gw_share_client *c;
	struct gw_share_item *list;
	struct gw_share_id id;
	uint64_t cookie;
	struct world w;
	size_t nr;

	world_init(&w, 4, 60000);
	assert_int_equal(gw_share_client_new(w.socket, "stranger", &c), -EACCES);
	assert_true(world_audited(&w, "deny", NULL, "as=importer name=stranger"));
	c = world_client(&w, "nobody");
	assert_int_equal(gw_share_client_list(c, &list, &nr), 0);
	assert_int_equal(nr, 0);
	free(list);
	assert_int_equal(gw_share_client_ask(c, w.number, handle), -EACCES);
	assert_int_equal(gw_share_client_ask(c, 12345, handle), -EACCES);
	assert_int_equal(gw_share_client_function(c, &id), -ENOENT);
	gw_share_client_free(c);
	c = world_client(&w, "screen");
	assert_int_equal(gw_share_client_function(c, &id), 0);
	assert_int_equal(id.fn.bus, 1);
	assert_int_equal(gw_share_client_list(c, &list, &nr), 0);
	assert_int_equal(nr, 1);
	assert_int_equal(list[0].number, w.number);
	assert_string_equal(list[0].vm, "work");
	assert_string_equal(list[0].label, "screen");
	assert_int_equal(list[0].bytes, 4 * RIG_PAGE);
	assert_true(gw_share_id_of_pf(&list[0].id, &id));
	free(list);
	gw_share_client_free(c);
	/* a VM that no line gives the function */
	assert_int_equal(gw_share_cookie(w.socket, "other", &opt.id, &cookie), -EACCES);
	assert_int_equal(gw_share_cookie(w.socket, "stranger", &opt.id, &cookie), -EACCES);
	world_fini(&w);
}

/* R14, R33 from process to process: function and BAR, and exactly the ranges of the export. */
static void a_physical_function_in_another_process_gets_ranges(void **state)
{
	const struct gw_remote_map *map;
	struct gw_share_client *c;
	struct gw_remote_share *s;
	struct gw_bar_cursor cur;
	struct gw_bar_run run;
	uint64_t i = 0;
	struct world w;

	world_init(&w, 3000, 60000);	/* more than one reply has */
	c = world_client(&w, "screen");
	assert_int_equal(gw_share_client_open(c, w.handle, "work", vram_first, 2, NULL, &s, NULL),
			 0);
	assert_int_equal(gw_remote_share_map(s, &map), 0);
	assert_ptr_equal(map->kind, &gw_share_iov_vram);
	assert_int_equal(map->fn.vf, rig_vf.vf);
	assert_int_equal(map->size, 3000 * RIG_PAGE);
	gw_bar_cursor_init(&cur, &map->bar_ranges);
	for (; gw_bar_cursor_next(&cur, UINT64_MAX, &run); i++) {
		assert_int_equal(run.at.v, i * 2 * RIG_PAGE);
		assert_int_equal(run.size, RIG_PAGE);
	}
	assert_int_equal(i, 3000);
	assert_int_equal(gw_remote_share_map(s, &map), -EPROTO);
	assert_int_equal(gw_remote_share_refuse(s, "too small a window"), 0);
	assert_int_equal(gw_remote_share_map(s, &map), 0);
	assert_ptr_equal(map->kind, &gw_share_copy);
	assert_int_equal(gw_remote_share_unmap(s), 0);
	assert_int_equal(gw_remote_share_unmap(s), -EPROTO);
	gw_remote_share_close(s);
	gw_share_client_free(c);
	world_fini(&w);
}

/* The policy has no iov-vram for the recorder, whatever it asks for; it gets copies. */
static void kinds_that_the_policy_does_not_allow_are_not_there(void **state)
{
	uint8_t handle[GW_SHARE_HANDLE_SIZE];
	const struct gw_remote_map *map;
	struct gw_share_client *c;
	struct gw_share_step step;
	struct gw_remote_share *s;
	struct rig_backing *b = rig_backing_new();
	struct world w;
	uint8_t *at;

	world_init(&w, 4, 60000);
	c = world_client(&w, "recorder");
	assert_int_equal(gw_share_client_ask(c, w.number, handle), 0);
	assert_int_equal(gw_share_client_open(c, handle, "work", vram_first, 2, NULL, &s, NULL), 0);
	assert_true(gw_remote_share_step(s, 0, &step));
	assert_ptr_equal(step.kind, &gw_share_iov_vram);
	assert_int_equal(step.err, -EOPNOTSUPP);
	assert_int_equal(gw_remote_share_map(s, &map), 0);
	assert_ptr_equal(map->kind, &gw_share_copy);
	at = mmap(NULL, map->size, PROT_READ, MAP_SHARED, map->fd, 0);
	assert_true(at != MAP_FAILED);
	assert_int_equal(gw_remote_share_read(s, RIG_PAGE / 2, 2 * RIG_PAGE), 0);
	/* the second range is at the third page of the BAR */
	assert_memory_equal(at + RIG_PAGE / 2, b->bytes + RIG_PAGE / 2, RIG_PAGE / 2);
	assert_memory_equal(at + RIG_PAGE, b->bytes + 2 * RIG_PAGE, RIG_PAGE);
	assert_int_equal(gw_remote_share_read(s, 4 * RIG_PAGE, 1), -ERANGE);
	munmap(at, map->size);
	gw_remote_share_close(s);
	gw_share_client_free(c);
	free(b);
	world_fini(&w);
}

static bool readable(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 20000) == 1;
}

static void frames_are_counted_across_processes(void **state)
{
	const struct gw_remote_map *map;
	struct gw_share_client *c;
	struct gw_remote_share *s;
	uint64_t frames = 0;
	struct world w;

	world_init(&w, 4, 60000);
	c = world_client(&w, "screen");
	assert_int_equal(open_share(c, w.handle, "work", &s), 0);
	assert_int_equal(gw_remote_share_map(s, &map), 0);
	assert_int_equal(world_ask(&w, 'f'), 0);
	assert_int_equal(world_ask(&w, 'f'), 0);
	assert_true(readable(map->frame_fd));
	assert_int_equal(read(map->frame_fd, &frames, sizeof(frames)), sizeof(frames));
	assert_int_equal(frames, 2);
	gw_remote_share_close(s);
	gw_share_client_free(c);
	world_fini(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_no_line_allows_is_denied),
		cmocka_unit_test(a_line_that_makes_no_sense_is_named),
		cmocka_unit_test(a_policy_that_others_may_change_is_not_taken),
		cmocka_unit_test(handles_are_found_whole_or_not_at_all),
		cmocka_unit_test(a_function_is_what_the_machine_says_at_its_index),
		cmocka_unit_test(refusals_neither_fill_the_log_nor_mute_what_is_allowed),
		cmocka_unit_test(a_handle_is_good_once),
		cmocka_unit_test(a_guess_is_refused_and_audited),
		cmocka_unit_test(a_handle_of_somebody_else_is_refused),
		cmocka_unit_test(a_handle_of_another_process_is_refused),
		cmocka_unit_test(a_handle_may_be_granted_to_one_process),
		cmocka_unit_test(after_it_was_withdrawn_a_handle_is_refused),
		cmocka_unit_test(after_a_revoke_a_handle_gives_nothing),
		cmocka_unit_test(each_sees_what_the_policy_gives_it),
		cmocka_unit_test(a_physical_function_in_another_process_gets_ranges),
		cmocka_unit_test(kinds_that_the_policy_does_not_allow_are_not_there),
		cmocka_unit_test(frames_are_counted_across_processes),
	};

	return cmocka_run_group_tests_name("share broker", tests, NULL, NULL);
}
