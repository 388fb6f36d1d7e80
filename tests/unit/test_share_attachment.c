/* SPDX-License-Identifier: BSD-3-Clause */
#include "share_rig.h"

#include <poll.h>

#include "pci_tree.h"

/* What two sides agree on, what is mapped then, and what remains readable of what was not. */

static struct gw_share_step step_of(struct gw_attachment *a, const struct gw_share_kind *kind)
{
	struct gw_share_step step = { 0 };

	for (unsigned int i = 0; gw_attachment_step(a, i, &step); i++)
		if (step.kind == kind)
			return step;
	fail();
	return step;
}

/* A rig in the small: backing, exporter, one export of all pages, one importer. */
struct one {
	struct rig_backing *b;
	struct gw_exporter *x;
	struct gw_export *e;
	struct rig_importer *imp;
	struct gw_attachment *a;
};

static void one_init(struct one *o)
{
	o->b = rig_backing_new();
	o->x = rig_exporter(o->b, 60000);
	o->e = rig_export(o->x, 0, RIG_BYTES / RIG_PAGE);
	o->imp = rig_importer(RIG_AT_ONCE);
	o->a = NULL;
}

static void one_fini(struct one *o)
{
	gw_attachment_detach(o->a);
	gw_export_free(o->e);
	gw_exporter_free(o->x);
	rig_importer_free(o->imp);
	assert_int_equal(o->b->mapped, 0);
	free(o->b);
}

/* R30: no mapping before the kind is agreed on. R33, R14: function and BAR, and then offsets. */
static void a_physical_function_gets_offsets_and_nothing_else_is_made(void **state)
{
	const struct gw_iov_vram_payload *p;
	struct one o;

	one_init(&o);
	assert_int_equal(gw_attach(o.e, &o.imp->base, &o.a, NULL), 0);
	assert_ptr_equal(gw_attachment_kind(o.a), &gw_share_iov_vram);
	assert_null(gw_attachment_payload(o.a, &gw_share_iov_vram));
	assert_int_equal(gw_attachment_map(o.a), 0);
	assert_int_equal(o.b->mapped, 0);
	p = gw_attachment_payload(o.a, &gw_share_iov_vram);
	assert_non_null(p);
	assert_true(gw_share_id_same(p->vf, &rig_vf));
	assert_int_equal(p->bar, RIG_BAR);
	assert_int_equal(gw_bar_ranges_bytes(p->ranges), RIG_BYTES);
	assert_null(gw_attachment_payload(o.a, &gw_share_copy));
	assert_int_equal(gw_attachment_map(o.a), -EPROTO);
	assert_int_equal(gw_attachment_unmap(o.a), 0);
	assert_int_equal(gw_attachment_unmap(o.a), -EPROTO);
	one_fini(&o);
}

/* The order is the exporter's; every kind that was passed over says why. */
static void each_fallback_has_its_reason(void **state)
{
	struct gw_share_step step;
	uint8_t buf[3 * RIG_PAGE];
	struct one o;

	one_init(&o);
	o.imp->base.id = rig_other;
	o.b->no_file = true;
	assert_int_equal(gw_attach(o.e, &o.imp->base, &o.a, NULL), 0);
	assert_int_equal(gw_attachment_map(o.a), 0);
	assert_ptr_equal(gw_attachment_kind(o.a), &gw_share_copy);
	step = step_of(o.a, &gw_share_iov_vram);
	assert_int_equal(step.err, -EOPNOTSUPP);
	assert_non_null(strstr(step.reason, "not the physical function"));
	step = step_of(o.a, &gw_share_iova);
	assert_non_null(strstr(step.reason, "nothing proves"));
	step = step_of(o.a, &gw_share_bar_range);
	assert_non_null(strstr(step.reason, "does not drive"));
	step = step_of(o.a, &gw_share_memfd);
	assert_non_null(strstr(step.reason, "holds more than this"));
	step = step_of(o.a, &gw_share_copy);
	assert_int_equal(step.err, 0);
	assert_int_equal(gw_attachment_read(o.a, 5, buf, sizeof(buf)), 0);
	assert_memory_equal(buf, o.b->bytes + 5, sizeof(buf));
	assert_int_equal(gw_attachment_read(o.a, RIG_BYTES - 5, buf, 6), -ERANGE);
	assert_int_equal(gw_attachment_read(o.a, RIG_BYTES, buf, 0), 0);
	one_fini(&o);
}

/* R13: the places in a BAR are for who drives that very function of that very device. */
static void only_who_drives_the_function_gets_bar_ranges(void **state)
{
	const struct gw_bar_range_payload *p;
	struct one o;

	one_init(&o);
	o.imp->base.id = rig_vf;
	assert_int_equal(gw_attach(o.e, &o.imp->base, &o.a, NULL), 0);
	assert_int_equal(gw_attachment_map(o.a), 0);
	p = gw_attachment_payload(o.a, &gw_share_bar_range);
	assert_non_null(p);
	assert_true(gw_share_id_same(p->fn, &rig_vf));
	assert_int_equal(gw_bar_ranges_bytes(p->ranges), RIG_BYTES);
	gw_attachment_detach(o.a);
	o.imp->base.id.cookie++;	/* the address is another device's by now */
	assert_int_equal(gw_attach(o.e, &o.imp->base, &o.a, NULL), 0);
	assert_non_null(strstr(step_of(o.a, &gw_share_bar_range).reason, "does not drive"));
	one_fini(&o);
}

/* All matches are kept: what could not be mapped here and now may be the next time. */
static void placement_may_change_which_kind_serves(void **state)
{
	const struct gw_file_payload *p;
	struct one o;

	one_init(&o);
	o.imp->base.id = rig_other;
	assert_int_equal(gw_attach(o.e, &o.imp->base, &o.a, NULL), 0);
	o.b->no_file = true;
	assert_int_equal(gw_attachment_map(o.a), 0);
	assert_ptr_equal(gw_attachment_kind(o.a), &gw_share_copy);
	o.b->no_file = false;
	assert_int_equal(gw_export_move(o.e, NULL, NULL), 0);
	assert_int_equal(o.imp->told, 1);
	assert_int_equal(o.imp->last_why, GW_SHARE_MOVED);
	assert_int_equal(o.imp->ready, 1);
	assert_int_equal(gw_attachment_map(o.a), 0);
	p = gw_attachment_payload(o.a, &gw_share_memfd);
	assert_non_null(p);
	assert_int_equal(p->what, GW_SHARE_FILE_MEMORY);
	one_fini(&o);
}

/* What the importer's own table tells sends it to the next kind, with its reason. */
static void an_importer_may_refuse_a_kind(void **state)
{
	struct gw_share_step step;
	struct one o;

	one_init(&o);
	assert_int_equal(gw_attach(o.e, &o.imp->base, &o.a, NULL), 0);
	assert_int_equal(gw_attachment_refuse(o.a, "too early"), -EPROTO);
	assert_int_equal(gw_attachment_map(o.a), 0);
	assert_int_equal(gw_attachment_refuse(o.a, "4096 MiB and 256 MiB"), 0);
	step = step_of(o.a, &gw_share_iov_vram);
	assert_int_equal(step.err, -EOPNOTSUPP);
	assert_string_equal(step.reason, "4096 MiB and 256 MiB");
	assert_int_equal(gw_attachment_map(o.a), 0);
	assert_ptr_equal(gw_attachment_kind(o.a), &gw_share_memfd);
	assert_int_equal(gw_attachment_refuse(o.a, "no"), 0);
	assert_int_equal(gw_attachment_map(o.a), 0);
	assert_int_equal(gw_attachment_refuse(o.a, "no"), -EOPNOTSUPP);
	assert_int_equal(gw_attachment_map(o.a), -EOPNOTSUPP);
	assert_null(gw_attachment_kind(o.a));
	one_fini(&o);
}

/* R40, as the physical function meets it: refused with both numbers, and copied instead. */
static void a_share_behind_a_small_window_is_copied(void **state)
{
	const struct gw_vram_extent big = { { 0 }, 2 * RIG_BYTES };
	struct gw_provisioning *table;
	char reason[GW_SHARE_REASON];
	struct gw_vram_import *im;
	struct one o;

	one_init(&o);
	o.b->no_file = true;
	assert_int_equal(gw_provisioning_new(&rig_pf, RIG_BAR, 2, 1 << 30, NULL, &table), 0);
	assert_int_equal(gw_provisioning_set(table, 1, RIG_BYTES, &big, 1), 0);
	assert_int_equal(gw_attach(o.e, &o.imp->base, &o.a, NULL), 0);
	assert_int_equal(gw_provisioning_map(table, o.a, &im, reason), 0);
	assert_null(im);
	assert_ptr_equal(gw_attachment_kind(o.a), &gw_share_copy);
	assert_non_null(strstr(step_of(o.a, &gw_share_iov_vram).reason, "MiB"));
	gw_attachment_detach(o.a);

	/* laid out anew so that it fits, it is found by a new attachment */
	assert_int_equal(gw_provisioning_set(table, 1, 2 * RIG_BYTES, &big, 1), 0);
	assert_int_equal(gw_attach(o.e, &o.imp->base, &o.a, NULL), 0);
	assert_int_equal(gw_provisioning_map(table, o.a, &im, reason), 0);
	assert_non_null(im);
	assert_int_equal(gw_vram_ranges_bytes(gw_vram_import_ranges(im)), RIG_BYTES);
	gw_vram_import_put(im);
	one_fini(&o);
	gw_provisioning_free(table);
}

static void who_cannot_let_go_is_not_let_in(void **state)
{
	static const struct gw_importer_ops lacks[] = {
		{ NULL, rig_quiesce }, { rig_invalidate, NULL },
	};
	char reason[GW_SHARE_REASON];
	struct one o;

	one_init(&o);
	for (int i = 0; i < 2; i++) {
		o.imp->base.ops = &lacks[i];
		assert_int_equal(gw_attach(o.e, &o.imp->base, &o.a, reason), -EOPNOTSUPP);
		assert_non_null(strstr(reason, "let go"));
	}
	o.imp->base.ops = &rig_importer_ops;
	o.imp->base.nr_accept = 0;
	assert_int_equal(gw_attach(o.e, &o.imp->base, &o.a, reason), -EOPNOTSUPP);
	assert_non_null(strstr(reason, "no kind"));
	o.imp->base.nr_accept = GW_SHARE_MAX_KINDS + 1;
	assert_int_equal(gw_attach(o.e, &o.imp->base, &o.a, reason), -EOPNOTSUPP);
	one_fini(&o);
}

/* R32: a kind is an object that anyone may define, with a payload and a match of its own. */
static int odd_match(const struct gw_share_entry *exp, const struct gw_share_entry *imp,
		     const char **why)
{
	*why = "the importer's number";
	return imp->data[0] == 7 ? 0 : imp->data[0] == 8 ? -EACCES : -EOPNOTSUPP;
}

static int odd_map(struct gw_export *e, const struct gw_share_entry *imp, void *payload,
		   char reason[GW_SHARE_REASON])
{
	memset(payload, 9, 100);
	return 0;
}

static void odd_unmap(struct gw_export *e, void *payload)
{
	assert_int_equal(((char *)payload)[99], 9);
}

static const struct gw_share_kind odd = {
	.name = "odd", .uuid = { 1 }, .payload_size = 100,
	.match = odd_match, .map = odd_map, .unmap = odd_unmap,
};

static void anyone_may_define_a_kind(void **state)
{
	static const struct gw_share_kind *const kinds[] = { &gw_share_iova, &odd, &gw_share_copy };
	const struct gw_exporter_options opt = { .id = rig_vf, .vm = "v", .bar_size = { RIG_BYTES },
						 .kinds = kinds, .nr_kinds = 3 };
	char reason[GW_SHARE_REASON];
	struct one o;

	one_init(&o);
	gw_export_free(o.e);
	gw_exporter_free(o.x);
	assert_int_equal(gw_exporter_new(&opt, &o.x), 0);
	o.e = rig_export(o.x, 1, 2);
	o.imp->accept[0] = (struct gw_share_accept){ &odd, .data = { 6 } };
	o.imp->accept[1] = (struct gw_share_accept){ &odd, .data = { 7 } };
	assert_int_equal(gw_attach(o.e, &o.imp->base, &o.a, NULL), 0);
	assert_int_equal(gw_attachment_map(o.a), 0);
	assert_int_equal(((const char *)gw_attachment_payload(o.a, &odd))[50], 9);
	gw_attachment_detach(o.a);
	o.a = NULL;
	/* an error that is not "try the next" ends it */
	o.imp->accept[1].data[0] = 8;
	assert_int_equal(gw_attach(o.e, &o.imp->base, &o.a, reason), -EACCES);
	assert_string_equal(reason, "odd: the importer's number");
	one_fini(&o);
}

/* R31: attachments of different kinds to one export, at the same time. */
static void one_export_has_attachments_of_different_kinds(void **state)
{
	struct rig_importer *other = rig_importer(RIG_AT_ONCE);
	struct gw_attachment *b;
	struct one o;

	one_init(&o);
	other->base.id = rig_other;
	assert_int_equal(gw_attach(o.e, &o.imp->base, &o.a, NULL), 0);
	assert_int_equal(gw_attach(o.e, &other->base, &b, NULL), 0);
	assert_int_equal(gw_attachment_map(o.a), 0);
	assert_int_equal(gw_attachment_map(b), 0);
	assert_ptr_equal(gw_attachment_kind(o.a), &gw_share_iov_vram);
	assert_ptr_equal(gw_attachment_kind(b), &gw_share_memfd);
	assert_int_equal(gw_exporter_revoke(o.x), 0);
	assert_int_equal(o.imp->told, 1);
	assert_int_equal(other->told, 1);
	gw_attachment_detach(b);
	one_fini(&o);
	rig_importer_free(other);
}

/* Two functions below ports of a switch; the second port redirects or not. */
#define SWITCH	"pci0000:00/0000:00:01.0/0000:03:00.0/"

static void switch_make(void)
{
	tree_init();
	tree_text("proc/cpuinfo", "vendor_id\t: GenuineIntel\ncpu family\t: 6\n");
	tree_add((struct tree_fn){ "pci0000:00/0000:00:01.0", GW_PCI_ROOT_PORT });
	tree_add((struct tree_fn){ "pci0000:00/0000:00:01.0/0000:03:00.0", GW_PCI_UPSTREAM_PORT });
	tree_add((struct tree_fn){ SWITCH "0000:04:00.0", GW_PCI_DOWNSTREAM_PORT, .acs = true });
	tree_add((struct tree_fn){ SWITCH "0000:04:01.0", GW_PCI_DOWNSTREAM_PORT });
	tree_add((struct tree_fn){ SWITCH "0000:04:00.0/0000:01:00.2" });
	tree_add((struct tree_fn){ SWITCH "0000:04:01.0/0000:02:00.0" });
}

/* Can @client reach @provider? */
static int prove(bool redirect, const struct gw_share_id *provider,
		 const struct gw_share_id *client, const struct gw_p2p_proof **proof, char *reason)
{
	struct gw_pci_node *p, *c;
	struct gw_p2p_hosts *hosts;
	struct gw_topology *t;
	int ret;

	tree_add((struct tree_fn){ SWITCH "0000:04:01.0", GW_PCI_DOWNSTREAM_PORT, .acs = true,
				   .acs_ctrl = redirect ? GW_ACS_RR : 0 });
	assert_int_equal(gw_p2p_hosts_new(&hosts), 0);
	assert_int_equal(gw_topology_open(tree_dir, NULL, &t), 0);
	assert_int_equal(gw_topology_find(t, &provider->fn, &p), 0);
	assert_int_equal(gw_topology_find(t, &client->fn, &c), 0);
	ret = gw_p2p_prove(t, hosts, p, c, proof, reason);
	gw_topology_close(t);
	gw_p2p_hosts_free(hosts);
	return ret;
}

/* R34, R01: over the fabric only with a proof, which nothing but the topology can make. */
static void the_fabric_is_not_used_without_a_proof(void **state)
{
	const struct gw_p2p_proof *proof = NULL;
	char reason[GW_P2P_TEXT_SIZE];
	struct one o;

	switch_make();
	one_init(&o);
	o.imp->base.id = rig_other;
	o.b->no_file = true;
	assert_int_equal(prove(true, &rig_vf, &rig_other, &proof, reason), -EXDEV);
	assert_null(proof);
	assert_non_null(strstr(reason, "0000:04:01.0"));
	assert_non_null(strstr(reason, "all ones"));
	assert_int_equal(gw_attach(o.e, &o.imp->base, &o.a, NULL), 0);
	assert_int_equal(gw_attachment_map(o.a), 0);
	assert_ptr_equal(gw_attachment_kind(o.a), &gw_share_copy);
	gw_attachment_detach(o.a);

	/* one about the other direction is none */
	assert_int_equal(prove(false, &rig_other, &rig_vf, &proof, reason), 0);
	o.imp->accept[2].proof = proof;
	assert_int_equal(gw_attach(o.e, &o.imp->base, &o.a, NULL), 0);
	assert_non_null(strstr(step_of(o.a, &gw_share_iova).reason, "other functions"));
	one_fini(&o);
	gw_p2p_proof_free(proof);
	tree_fini();
}

/* R10: the addresses are those that were made for the importer's function. */
static void with_a_proof_addresses_are_made_for_that_function(void **state)
{
	const struct gw_p2p_proof *proof;
	const struct gw_iova_payload *p;
	char reason[GW_P2P_TEXT_SIZE];
	struct gw_iova_cursor c;
	struct gw_iova_run run;
	struct one o;

	switch_make();
	one_init(&o);
	o.imp->base.id = rig_other;
	assert_int_equal(prove(false, &rig_vf, &rig_other, &proof, reason), 0);
	assert_int_equal(gw_p2p_proof_address(proof), GW_P2P_BUS_ADDRESS);
	o.imp->accept[2].proof = proof;
	assert_int_equal(gw_attach(o.e, &o.imp->base, &o.a, NULL), 0);
	assert_int_equal(o.b->mapped, 0);
	assert_int_equal(gw_attachment_map(o.a), 0);
	p = gw_attachment_payload(o.a, &gw_share_iova);
	assert_non_null(p);
	assert_true(gw_share_id_same(&p->fn, &rig_other));
	gw_iova_cursor_init(&c, &p->ranges);
	assert_true(gw_iova_cursor_next(&c, UINT64_MAX, &run));
	assert_int_equal(run.at.v, 1ull << 40);
	assert_int_equal(o.b->mapped, 1);
	assert_int_equal(gw_exporter_revoke(o.x), 0);
	assert_int_equal(o.b->mapped, 0);
	one_fini(&o);
	gw_p2p_proof_free(proof);
	tree_fini();
}

/* Revoked, rearmed: told, then told that it is ready; the generation is another each time. */
static void generations_tell_mappings_apart(void **state)
{
	uint64_t first, second;
	struct one o;

	one_init(&o);
	assert_int_equal(gw_attach(o.e, &o.imp->base, &o.a, NULL), 0);
	assert_int_equal(gw_attachment_map(o.a), 0);
	first = gw_attachment_generation(o.a);
	assert_true(gw_attachment_valid(o.a, first));
	assert_false(gw_attachment_valid(o.a, 0));
	assert_int_equal(gw_exporter_revoke(o.x), 0);
	assert_int_equal(gw_export_state(o.e), GW_EXPORT_REVOKED);
	assert_int_equal(o.imp->last_why, GW_SHARE_REVOKED);
	assert_false(gw_attachment_valid(o.a, first));
	assert_int_equal(gw_attachment_map(o.a), -ENODEV);
	assert_int_equal(gw_exporter_rearm(o.x), 0);
	assert_int_equal(o.imp->ready, 1);
	assert_int_equal(gw_attachment_map(o.a), 0);
	second = gw_attachment_generation(o.a);
	assert_true(second > first);
	assert_false(gw_attachment_valid(o.a, first));
	assert_true(gw_attachment_valid(o.a, second));
	one_fini(&o);
}

static void a_pin_keeps_it_in_place_but_not_from_a_revoke(void **state)
{
	struct one o;

	one_init(&o);
	assert_int_equal(gw_attach(o.e, &o.imp->base, &o.a, NULL), 0);
	assert_int_equal(gw_attachment_pin(o.a), 0);
	assert_int_equal(gw_attachment_map(o.a), 0);
	assert_int_equal(gw_export_move(o.e, NULL, NULL), -EBUSY);
	assert_int_equal(o.imp->told, 0);
	assert_int_equal(gw_exporter_revoke(o.x), 0);
	assert_int_equal(gw_attachment_state(o.a), GW_ATT_ATTACHED);
	gw_attachment_unpin(o.a);
	assert_int_equal(gw_export_move(o.e, NULL, NULL), 0);
	one_fini(&o);
}

static void what_is_exported_while_revoked_is_born_revoked(void **state)
{
	struct gw_attachment *a;
	struct gw_export *e;
	struct one o;

	one_init(&o);
	assert_int_equal(gw_exporter_revoke(o.x), 0);
	e = rig_export(o.x, 0, 1);
	assert_int_equal(gw_export_state(e), GW_EXPORT_REVOKED);
	assert_int_equal(gw_attach(e, &o.imp->base, &a, NULL), 0);
	assert_int_equal(gw_attachment_map(a), -ENODEV);
	assert_int_equal(gw_exporter_rearm(o.x), 0);
	assert_int_equal(gw_attachment_map(a), 0);
	gw_attachment_detach(a);
	gw_export_free(e);
	one_fini(&o);
}

/* The dead stay dead, and what is left of them can be let go of in any order. */
static void an_export_may_die_before_its_importers(void **state)
{
	char reason[GW_SHARE_REASON];
	struct gw_attachment *b;
	struct one o;

	one_init(&o);
	assert_int_equal(gw_attach(o.e, &o.imp->base, &o.a, NULL), 0);
	assert_int_equal(gw_attachment_map(o.a), 0);
	gw_exporter_free(o.x);
	o.x = NULL;
	assert_int_equal(o.imp->last_why, GW_SHARE_DEAD);
	assert_int_equal(gw_export_state(o.e), GW_EXPORT_DEAD);
	assert_int_equal(gw_attachment_state(o.a), GW_ATT_DEAD);
	assert_int_equal(gw_attachment_map(o.a), -ENODEV);
	assert_int_equal(gw_attach(o.e, &o.imp->base, &b, reason), -ENODEV);
	gw_export_free(o.e);
	o.e = NULL;
	one_fini(&o);
}

static bool readable(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 0) == 1;
}

static void frames_are_counted_and_nobody_waits_for_ever(void **state)
{
	struct gw_fence *frame, *done;
	struct one o;
	int err;

	one_init(&o);
	assert_int_equal(gw_attach(o.e, &o.imp->base, &o.a, NULL), 0);
	frame = gw_attachment_fence(o.a, GW_FENCE_FRAME);
	done = gw_attachment_fence(o.a, GW_FENCE_DONE);
	gw_export_frame(o.e);	/* nobody has it mapped */
	assert_false(readable(gw_fence_fd(frame)));
	assert_int_equal(gw_attachment_map(o.a), 0);
	gw_export_frame(o.e);
	gw_export_frame(o.e);
	assert_true(readable(gw_fence_fd(frame)));
	assert_int_equal(gw_fence_count(frame, &err), 2);
	assert_int_equal(err, 0);
	gw_fence_signal(done);
	assert_int_equal(gw_fence_count(done, &err), 1);
	assert_int_equal(gw_exporter_revoke(o.x), 0);
	gw_fence_count(done, &err);
	assert_int_equal(err, -ECANCELED);
	assert_true(readable(gw_fence_fd(done)));
	gw_export_free(o.e);
	o.e = NULL;
	gw_fence_count(done, &err);
	assert_int_equal(err, -ENODEV);
	one_fini(&o);
}

static void exports_that_are_refused(void **state)
{
	static const struct { struct gw_bar_range r[2]; unsigned int bar; int ret; } bad[] = {
		{ { { { 0 }, 0 } }, 0, -EINVAL },
		{ { { { 0 }, RIG_PAGE } }, 1, -EINVAL },
		{ { { { 0 }, RIG_PAGE } }, 6, -EINVAL },
		{ { { { 1 }, RIG_PAGE } }, 0, -EINVAL },
		{ { { { 0 }, 1 } }, 0, -EINVAL },
		{ { { { RIG_BYTES }, RIG_PAGE } }, 0, -EINVAL },
		{ { { { RIG_BYTES - RIG_PAGE }, 2 * RIG_PAGE } }, 0, -EINVAL },
		{ { { { 0 - RIG_PAGE }, 2 * RIG_PAGE } }, 0, -EOVERFLOW },
		{ { { { 0 }, RIG_BYTES }, { { 0 }, RIG_PAGE } }, 0, -EOVERFLOW },
	};
	static struct gw_bar_range many[GW_RANGES_MAX + 1];
	struct gw_export *e;
	struct one o;

	one_init(&o);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(gw_export_new(o.x, bad[i].bar, bad[i].r, bad[i].r[1].size ? 2 : 1,
					       &e), bad[i].ret);
	assert_int_equal(gw_export_new(o.x, 0, many, 0, &e), -EINVAL);
	assert_int_equal(gw_export_new(o.x, 0, many, GW_RANGES_MAX + 1, &e), -ENOSPC);
	one_fini(&o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_physical_function_gets_offsets_and_nothing_else_is_made),
		cmocka_unit_test(each_fallback_has_its_reason),
		cmocka_unit_test(only_who_drives_the_function_gets_bar_ranges),
		cmocka_unit_test(placement_may_change_which_kind_serves),
		cmocka_unit_test(an_importer_may_refuse_a_kind),
		cmocka_unit_test(a_share_behind_a_small_window_is_copied),
		cmocka_unit_test(who_cannot_let_go_is_not_let_in),
		cmocka_unit_test(anyone_may_define_a_kind),
		cmocka_unit_test(one_export_has_attachments_of_different_kinds),
		cmocka_unit_test(the_fabric_is_not_used_without_a_proof),
		cmocka_unit_test(with_a_proof_addresses_are_made_for_that_function),
		cmocka_unit_test(generations_tell_mappings_apart),
		cmocka_unit_test(a_pin_keeps_it_in_place_but_not_from_a_revoke),
		cmocka_unit_test(what_is_exported_while_revoked_is_born_revoked),
		cmocka_unit_test(an_export_may_die_before_its_importers),
		cmocka_unit_test(frames_are_counted_and_nobody_waits_for_ever),
		cmocka_unit_test(exports_that_are_refused),
	};

	return cmocka_run_group_tests_name("share attachment", tests, NULL, NULL);
}
