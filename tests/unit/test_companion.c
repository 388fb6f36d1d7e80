/* SPDX-License-Identifier: BSD-3-Clause */
/* When the guest sees the function, and when its mappings end. */
#include "unit.h"

#include "companion_rig.h"

#define REAL_ID		0x67771234u
#define ON		(GW_PCI_COMMAND_MEMORY | GW_PCI_COMMAND_MASTER)

static int setup(void **state)
{
	return rig_setup(state, NULL);
}

static int setup_shown(void **state)
{
	const struct gw_companion_options opt = { .show = true };

	return rig_setup(state, &opt);
}

static void a_driver_at_work(struct rig *r)
{
	assert_int_equal(rig_control(r, GW_CONTROL_ANNOUNCE), GW_STATUS_OK);
	assert_true(rig_ring_start(r, 6));
	cfg_put(r->fn, GW_PCI_COMMAND, 2, ON);
	assert_int_equal(rig_ring_do(r, GW_RING_MAP, 0, RIG_RAM_GPA, 0x10000).status, GW_STATUS_OK);
	r->f->trace[0] = '\0';
}

static void a_function_hides_until_the_module_is_there(void **state)
{
	struct rig *r = *state;
	uint32_t val = 0;

	assert_int_equal(rig_identity(r), UINT32_MAX);
	assert_int_equal(cfg_get(r->fn, 0, 2), 0xffff);
	assert_int_equal(cfg_get(r->fn, 2, 2), 0xffff);
	assert_int_equal(cfg_get(r->fn, 3, 1), 0xff);
	/* the rest is what a VMM looks at when it resets a device */
	assert_int_equal(cfg_get(r->fn, GW_PCI_COMMAND, 2) & ON, 0);
	cfg_put(r->fn, GW_PCI_COMMAND, 2, ON);
	cfg_put(r->fn, GW_PCI_BAR0, 4, 0xfe000000);
	assert_int_equal(cfg_get(r->fn, GW_PCI_COMMAND, 2) & ON, 0);
	assert_int_equal(cfg_get(r->fn, GW_PCI_BAR0, 4), 0);
	assert_int_equal(r->f->cfg[GW_PCI_COMMAND] & GW_PCI_COMMAND_MASTER, 0);
	assert_int_equal(r->fn->ops->region_read(r->fn, 0, 0, &val, 4), 0);
	assert_int_equal(val, UINT32_MAX);
	assert_int_equal(r->fn->ops->region_write(r->fn, 0, 0, &val, 4), 0);
	assert_int_equal(r->f->mem[0][0], 0);

	assert_int_equal(rig_control(r, GW_CONTROL_ANNOUNCE), GW_STATUS_OK);
	assert_int_equal(rig_identity(r), REAL_ID);
	cfg_put(r->fn, GW_PCI_COMMAND, 2, ON);
	assert_int_equal(r->f->cfg[GW_PCI_COMMAND] & ON, ON);
}

static void a_vmm_that_attaches_sees_who_it_is(void **state)
{
	struct rig *r = *state;

	r->fn->ops->detach(r->fn);
	assert_int_equal(r->fn->ops->attach(r->fn, &r->f->remote, NULL), 0);
	assert_int_equal(rig_identity(r), REAL_ID);
	assert_int_equal(r->fn->ops->reset(r->fn), 0);
	assert_int_equal(rig_identity(r), UINT32_MAX);
}

static void a_function_plugged_in_later_shows_at_once(void **state)
{
	struct rig *r = *state;

	r->fn->ops->detach(r->fn);
	assert_int_equal(rig_control(r, GW_CONTROL_ANNOUNCE), GW_STATUS_OK);
	assert_int_equal(r->fn->ops->attach(r->fn, &r->f->remote, NULL), 0);
	assert_int_equal(r->fn->ops->reset(r->fn), 0);
	assert_int_equal(rig_identity(r), REAL_ID);
	rig_give_memory(r, r->fn);
	assert_true(rig_ring_start(r, 6));
	assert_int_equal(rig_ring_do(r, GW_RING_MAP, 0, RIG_RAM_GPA, 4096).status, 0);
}

static void a_guest_reset_hides_it_in_either_order(void **state)
{
	struct rig *r = *state;

	a_driver_at_work(r);
	r->fn->ops->reset(r->fn);
	r->dev->ops->reset(r->dev);
	assert_int_equal(rig_identity(r), UINT32_MAX);
	a_driver_at_work(r);
	r->dev->ops->reset(r->dev);
	r->fn->ops->reset(r->fn);
	assert_int_equal(rig_identity(r), UINT32_MAX);
	assert_int_equal(r->nr, 0);
	assert_int_equal(rig_get(r, GW_REG_RING_ENABLE), 0);
}

static void the_function_is_quiet_before_its_memory_goes(void **state)
{
	struct rig *r = *state;
	static const uint32_t how[] = { GW_CONTROL_WITHDRAW, GW_CONTROL_ANNOUNCE };

	for (size_t i = 0; i < ARRAY_SIZE(how); i++) {
		a_driver_at_work(r);
		assert_int_equal(rig_control(r, how[i]), GW_STATUS_OK);
		assert_string_equal(r->f->trace, "master-off reset ");
		assert_int_equal(r->nr, 0);
		rig_control(r, GW_CONTROL_WITHDRAW);
		assert_int_equal(rig_identity(r), UINT32_MAX);
	}
	a_driver_at_work(r);
	r->dev->ops->reset(r->dev);
	assert_string_equal(r->f->trace, "master-off reset ");
	a_driver_at_work(r);
	r->dev->ops->detach(r->dev);
	assert_string_equal(r->f->trace, "master-off reset ");
	assert_int_equal(r->nr, 0);
	assert_int_equal(r->f->stopped, 0);
}

static void every_end_of_mappings_is_a_new_generation(void **state)
{
	struct rig *r = *state;
	uint32_t was = rig_get(r, GW_REG_GENERATION);
	struct gw_ring_cqe cqe;

#define NEW(what) do { \
		what; \
		assert_int_not_equal(rig_get(r, GW_REG_GENERATION), was); \
		assert_int_equal(r->nr, 0); \
		was = rig_get(r, GW_REG_GENERATION); \
	} while (0)
	a_driver_at_work(r);
	assert_int_equal(rig_get(r, GW_REG_GENERATION), was);	/* to announce ends nothing */
	assert_int_equal(r->hdr->generation, was);
	cqe = rig_ring_do(r, GW_RING_MAP, 0, RIG_RAM_GPA, 4096);
	NEW(rig_control(r, GW_CONTROL_UNMAP_ALL));
	assert_int_equal(r->hdr->generation, was);
	assert_int_equal(rig_ring_do(r, GW_RING_UNMAP, 0, cqe.handle, 0).status, GW_STATUS_STALE);
	rig_ring_do(r, GW_RING_MAP, 0, RIG_RAM_GPA, 4096);
	NEW(rig_control(r, GW_CONTROL_WITHDRAW));
	NEW(rig_control(r, GW_CONTROL_ANNOUNCE);
	    rig_ring_do(r, GW_RING_MAP, 0, RIG_RAM_GPA, 4096);
	    rig_control(r, GW_CONTROL_ANNOUNCE));
	rig_ring_do(r, GW_RING_MAP, 0, RIG_RAM_GPA, 4096);
	NEW(r->dev->ops->reset(r->dev));
	assert_int_equal(r->hdr->generation, was);	/* for a module that has not noticed */
	a_driver_at_work(r);
	NEW(r->fn->ops->detach(r->fn));
	assert_int_equal(r->fn->ops->attach(r->fn, &r->f->remote, NULL), 0);
}

/* A driver keeps its buffers mapped over a reset of its function, and uses them again. */
static void mappings_outlive_a_reset_of_the_function_whoever_asks(void **state)
{
	struct rig *r = *state;
	uint32_t was;

	a_driver_at_work(r);
	rig_ring_do(r, GW_RING_MAP, 0, RIG_RAM_GPA, 4096);
	was = rig_get(r, GW_REG_GENERATION);
	cfg_put(r->fn, 0x88, 2, 0x8000);
	assert_int_equal(r->nr, 2);
	assert_int_equal(r->fn->ops->reset(r->fn), 0);
	assert_int_equal(r->nr, 2);
	assert_int_equal(rig_get(r, GW_REG_GENERATION), was);
	assert_int_equal(rig_get(r, GW_REG_RING_ENABLE), 1);
	assert_int_equal(rig_identity(r), REAL_ID);
	assert_int_equal(r->f->cfg[GW_PCI_COMMAND] & GW_PCI_COMMAND_MASTER, 0);
}

#define NONCE	0x123456789abcdef1ull

static void announce(struct rig *r, uint64_t nonce)
{
	rig_put64(r, GW_REG_NONCE_LO, nonce);
	assert_int_equal(rig_control(r, GW_CONTROL_ANNOUNCE), GW_STATUS_OK);
}

static struct gw_ring_cqe a_driver_with_a_nonce(struct rig *r, uint64_t nonce)
{
	struct gw_ring_cqe cqe;

	announce(r, nonce);
	assert_true(rig_ring_start(r, 6));
	cfg_put(r->fn, GW_PCI_COMMAND, 2, ON);
	cqe = rig_ring_do(r, GW_RING_MAP, 0, RIG_RAM_GPA, 0x10000);
	assert_int_equal(cqe.status, GW_STATUS_OK);
	r->f->trace[0] = '\0';
	return cqe;
}

static void a_module_that_goes_on_over_a_reset_loses_nothing(void **state)
{
	struct rig *r = *state;
	struct gw_ring_cqe cqe = a_driver_with_a_nonce(r, NONCE), more;
	uint32_t was = rig_get(r, GW_REG_GENERATION);

	for (unsigned int i = 0; i < 3; i++) {
		r->f->trace[0] = '\0';
		r->dev->ops->reset(r->dev);
		/* quiet, but neither reset nor hidden: a driver is at work */
		assert_string_equal(r->f->trace, "master-off ");
		assert_int_equal(rig_identity(r), REAL_ID);
		assert_int_equal(cfg_get(r->fn, GW_PCI_COMMAND, 2) & ON, ON);
		cfg_put(r->fn, GW_PCI_COMMAND, 2, ON);
		assert_int_equal(r->f->cfg[GW_PCI_COMMAND] & GW_PCI_COMMAND_MASTER, 0);
		assert_int_equal(r->nr, 1);
		assert_int_equal(rig_get(r, GW_REG_RING_ENABLE), 0);
		/* no address is given out before it is known to whom */
		assert_true(rig_ring_start(r, 6));
		assert_int_equal(rig_ring_do(r, GW_RING_MAP, 0, RIG_RAM_GPA, 4096).status,
				 GW_STATUS_STALE);
		announce(r, NONCE);
		assert_string_equal(r->f->trace, "master-off master-on ");
		assert_int_equal(rig_get(r, GW_REG_GENERATION), was);
		assert_int_equal(r->nr, 1);
		more = rig_ring_do(r, GW_RING_MAP, 0, RIG_RAM_GPA, 4096);
		assert_int_equal(more.status, GW_STATUS_OK);
		announce(r, NONCE);		/* once more is no other kernel either */
		assert_int_equal(r->nr, 2);
		assert_int_equal(rig_ring_do(r, GW_RING_UNMAP, 0, more.handle, 0).status, 0);
	}
	assert_int_equal(rig_ring_do(r, GW_RING_UNMAP, 0, cqe.handle, 0).status, 0);
	assert_int_equal(r->nr, 0);
}

static void another_kernel_finds_nothing_of_the_one_before(void **state)
{
	static const uint64_t other[] = { NONCE + 1, NONCE ^ 1ull << 63, 0 };
	struct rig *r = *state;
	struct gw_ring_cqe cqe;
	uint32_t was;

	for (size_t i = 0; i < ARRAY_SIZE(other); i++) {
		cqe = a_driver_with_a_nonce(r, NONCE);
		was = rig_get(r, GW_REG_GENERATION);
		r->dev->ops->reset(r->dev);
		assert_true(rig_ring_start(r, 6));
		announce(r, other[i]);
		assert_string_equal(r->f->trace, "master-off reset ");
		assert_int_equal(r->nr, 0);
		assert_int_not_equal(rig_get(r, GW_REG_GENERATION), was);
		assert_int_equal(rig_ring_do(r, GW_RING_UNMAP, 0, cqe.handle, 0).status,
				 GW_STATUS_STALE);
		rig_control(r, GW_CONTROL_WITHDRAW);
	}
	/* one that knows of no nonce, and comes without a reset */
	a_driver_with_a_nonce(r, NONCE);
	assert_int_equal(rig_control(r, GW_CONTROL_ANNOUNCE), GW_STATUS_OK);
	assert_string_equal(r->f->trace, "master-off reset ");
	assert_int_equal(r->nr, 0);
}

/* The nonce is forgotten with what it stood for. */
static void a_nonce_counts_until_the_generation_s_end(void **state)
{
	struct rig *r = *state;
	uint32_t was;

	a_driver_with_a_nonce(r, NONCE);
	assert_int_equal(rig_get64(r, GW_REG_NONCE_LO), 0);
	rig_control(r, GW_CONTROL_WITHDRAW);
	assert_int_equal(r->nr, 0);
	was = rig_get(r, GW_REG_GENERATION);
	announce(r, 0);
	assert_true(rig_ring_start(r, 6));
	rig_ring_do(r, GW_RING_MAP, 0, RIG_RAM_GPA, 4096);
	r->dev->ops->reset(r->dev);		/* without one: as ever */
	assert_int_equal(r->nr, 0);
	assert_int_not_equal(rig_get(r, GW_REG_GENERATION), was);
	assert_int_equal(rig_identity(r), UINT32_MAX);
	/* kept, and then the VMM goes */
	a_driver_with_a_nonce(r, NONCE);
	r->dev->ops->reset(r->dev);
	assert_int_equal(r->nr, 1);
	r->dev->ops->detach(r->dev);
	assert_int_equal(r->nr, 0);
	assert_int_equal(r->f->cfg[GW_PCI_COMMAND] & GW_PCI_COMMAND_MASTER, 0);
	assert_int_equal(r->dev->ops->attach(r->dev, &r->f->remote, NULL), 0);
	rig_give_memory(r, r->dev);
	was = rig_get(r, GW_REG_GENERATION);
	announce(r, NONCE);
	assert_int_equal(rig_get(r, GW_REG_GENERATION), was);
	assert_int_equal(r->nr, 0);
}

static void the_machine_s_reset_keeps_what_is_mapped_until_somebody_announces(void **state)
{
	struct rig *r = *state;

	for (unsigned int order = 0; order < 2; order++) {
		a_driver_with_a_nonce(r, NONCE);
		if (order)
			r->dev->ops->reset(r->dev);
		r->fn->ops->reset(r->fn);
		if (!order)
			r->dev->ops->reset(r->dev);
		assert_int_equal(rig_identity(r), UINT32_MAX);
		cfg_put(r->fn, GW_PCI_COMMAND, 2, ON);
		assert_int_equal(r->f->cfg[GW_PCI_COMMAND] & ON, 0);
		assert_int_equal(r->nr, 1);
		announce(r, NONCE + 2);
		assert_int_equal(r->nr, 0);
		assert_int_equal(rig_identity(r), REAL_ID);
		cfg_put(r->fn, GW_PCI_COMMAND, 2, ON);
		assert_int_equal(r->f->cfg[GW_PCI_COMMAND] & ON, ON);
		rig_control(r, GW_CONTROL_WITHDRAW);
	}
}

/* A host that cannot turn bus mastering off has its function reset, which it then is not either. */
static void a_function_that_cannot_be_paused_is_fenced(void **state)
{
	struct rig *r = *state;

	a_driver_with_a_nonce(r, NONCE);
	r->f->fail_config = -EIO;
	r->dev->ops->reset(r->dev);
	r->f->fail_config = 0;
	assert_int_equal(r->nr, 1);
	assert_int_equal(rig_identity(r), UINT32_MAX);
}

static void what_the_vmm_takes_is_told(void **state)
{
	struct rig *r = *state;
	struct gw_ring_cqe cqe[3], lost;
	unsigned int warnings;
	uint32_t was;
	uint64_t bytes;

	a_driver_with_a_nonce(r, NONCE);
	was = rig_get(r, GW_REG_GENERATION);
	assert_int_equal(rig_ring_do(r, GW_RING_DROPPED, 0, 0, 0).status, GW_STATUS_NOENT);
	cqe[0] = rig_ring_do(r, GW_RING_MAP, GW_RING_F_READ_ONLY, RIG_ROM_GPA, 0x1000);
	cqe[1] = rig_ring_do(r, GW_RING_MAP, GW_RING_F_READ_ONLY, RIG_ROM_GPA + 0x2000, 0x3000);
	warnings = r->f->warnings;
	assert_int_equal(r->fn->ops->dma_unmap(r->fn, (gw_vmm_addr){ RIG_ROM_GPA },
					       (gw_vmm_addr){ RIG_ROM_GPA + (1 << 20) - 1 },
					       &bytes),
			 0);
	/* before the VMM has its answer */
	assert_int_equal(r->hdr->dropped, 2);
	assert_int_equal(r->f->warnings, warnings + 1);
	assert_int_equal(rig_get(r, GW_REG_DROPPED), 2);
	assert_int_equal(r->nr, 1);
	assert_int_equal(r->hdr->generation, was);
	for (unsigned int i = 0; i < 2; i++) {
		lost = rig_ring_do(r, GW_RING_DROPPED, 0, 0, 0);
		assert_int_equal(lost.status, GW_STATUS_OK);
		cqe[2] = lost.handle == cqe[0].handle ? cqe[0] : cqe[1];
		assert_true(lost.handle == cqe[2].handle && lost.iova == cqe[2].iova);
		assert_int_equal(lost.len, cqe[2].len);
		assert_int_equal(rig_ring_do(r, GW_RING_UNMAP, 0, lost.handle, 0).status,
				 GW_STATUS_NOENT);
	}
	assert_int_equal(rig_ring_do(r, GW_RING_DROPPED, 0, 0, 0).status, GW_STATUS_NOENT);
	/* what ends with its generation is not among them */
	rig_control(r, GW_CONTROL_UNMAP_ALL);
	assert_int_equal(rig_get(r, GW_REG_DROPPED), 2);
	assert_int_equal(rig_ring_do(r, GW_RING_DROPPED, 0, 0, 0).status, GW_STATUS_NOENT);
}

static void a_control_that_is_none_changes_nothing(void **state)
{
	struct rig *r = *state;
	uint32_t was;

	a_driver_at_work(r);
	was = rig_get(r, GW_REG_GENERATION);
	assert_int_equal(rig_control(r, 0), GW_STATUS_INVAL);
	assert_int_equal(rig_control(r, 4), GW_STATUS_INVAL);
	assert_int_equal(rig_control(r, UINT32_MAX), GW_STATUS_INVAL);
	assert_int_equal(rig_get(r, GW_REG_GENERATION), was);
	assert_int_equal(r->nr, 1);
	assert_int_equal(rig_identity(r), REAL_ID);
}

static void an_earlier_module_s_function_is_always_there(void **state)
{
	struct rig *r = *state;

	assert_int_equal(rig_identity(r), REAL_ID);
	assert_int_equal(rig_get(r, GW_REG_FEATURES) & (GW_FEATURE_HIDDEN | GW_FEATURE_RESUME), 0);
	cfg_put(r->fn, GW_PCI_COMMAND, 2, ON);
	assert_true(rig_ring_start(r, 6));
	rig_ring_do(r, GW_RING_MAP, 0, RIG_RAM_GPA, 4096);
	r->f->trace[0] = '\0';
	r->dev->ops->reset(r->dev);
	assert_string_equal(r->f->trace, "master-off reset ");
	assert_int_equal(r->nr, 0);
	assert_int_equal(rig_identity(r), REAL_ID);
}

static void the_vmm_takes_memory_and_the_mappings_in_it_go_first(void **state)
{
	struct rig *r = *state;
	uint64_t bytes;

	a_driver_at_work(r);
	rig_ring_do(r, GW_RING_MAP, GW_RING_F_READ_ONLY, RIG_ROM_GPA, 4096);
	assert_int_equal(r->nr, 2);
	assert_int_equal(r->fn->ops->dma_unmap(r->fn, (gw_vmm_addr){ RIG_RAM_GPA },
					       (gw_vmm_addr){ UINT64_MAX }, &bytes), 0);
	assert_int_equal(bytes, RIG_RAM_SIZE);
	assert_int_equal(r->nr, 1);
	assert_true(r->map[1].size);
	assert_int_equal(rig_get(r, GW_REG_USED_MAPS), 1);
}

static void the_budget_is_kept_whatever_is_asked(void **state)
{
	struct rig *r = *state;
	struct gw_ring_cqe cqe;

	r->f->fn.limits.max_bytes = 0x8000;
	r->f->fn.limits.max_maps = 3;
	assert_true(rig_ring_start(r, 6));
	cqe = rig_ring_do(r, GW_RING_MAP, 0, RIG_RAM_GPA, 0x7000);
	assert_int_equal(rig_ring_do(r, GW_RING_MAP, 0, RIG_RAM_GPA, 0x2000).status,
			 GW_STATUS_NOSPC);
	assert_int_equal(rig_ring_do(r, GW_RING_MAP, 0, RIG_RAM_GPA, 0x1000).status, GW_STATUS_OK);
	assert_int_equal(rig_ring_do(r, GW_RING_MAP, 0, RIG_RAM_GPA, 0x1000).status,
			 GW_STATUS_NOSPC);
	assert_int_equal(rig_ring_do(r, GW_RING_UNMAP, 0, cqe.handle, 0).status, GW_STATUS_OK);
	rig_ring_do(r, GW_RING_MAP, 0, RIG_RAM_GPA, 0x1000);
	rig_ring_do(r, GW_RING_MAP, 0, RIG_RAM_GPA, 0x1000);
	assert_int_equal(rig_ring_do(r, GW_RING_MAP, 0, RIG_RAM_GPA, 0x1000).status,
			 GW_STATUS_NOSPC);
	assert_int_equal(r->nr, 3);
	assert_int_equal(rig_get64(r, GW_REG_USED_BYTES_LO), 0x3000);
}

static void a_function_that_fails_to_reset_stays_off_and_the_memory_goes(void **state)
{
	struct rig *r = *state;

	a_driver_at_work(r);
	r->f->fail_reset = -EIO;
	assert_int_equal(rig_control(r, GW_CONTROL_WITHDRAW), GW_STATUS_OK);
	assert_int_equal(r->nr, 0);
	assert_int_equal(r->f->cfg[GW_PCI_COMMAND] & GW_PCI_COMMAND_MASTER, 0);
	rig_control(r, GW_CONTROL_ANNOUNCE);
	assert_int_equal(rig_identity(r), UINT32_MAX);
	r->f->fail_reset = 0;
}

static void memory_that_cannot_be_unmapped_stays_where_it_is(void **state)
{
	struct rig *r = *state;
	const uint8_t *addr;

	a_driver_at_work(r);
	addr = r->map[0].addr;
	r->fail_unmap = -EIO;
	rig_control(r, GW_CONTROL_UNMAP_ALL);
	assert_int_equal(r->f->errors, 1);
	assert_int_equal(rig_get(r, GW_REG_USED_MAPS), 1);	/* as far as anybody knows */
	r->fn->ops->detach(r->fn);
	r->fail_unmap = 0;
	strcpy(rig_at(r, RIG_RAM_GPA), "still");
	assert_string_equal((const char *)addr, "still");	/* not unmapped, not reused */
	assert_int_equal(r->nr, 1);
	assert_int_equal(r->fn->ops->attach(r->fn, &r->f->remote, NULL), 0);
	r->fn->ops->detach(r->fn);		/* tries again */
	assert_int_equal(r->nr, 0);
	assert_int_equal(r->fn->ops->attach(r->fn, &r->f->remote, NULL), 0);
}

static void much_to_unmap_at_a_slow_host_is_done_later_and_seen_when_done(void **state)
{
	struct rig *r = *state;
	uint32_t was, status;
	uint64_t begun;

	assert_true(rig_ring_start(r, 8));
	for (unsigned int i = 0; i < 200; i++)
		assert_int_equal(rig_ring_do(r, GW_RING_MAP, 0, RIG_RAM_GPA, 4096).status, 0);
	was = rig_get(r, GW_REG_GENERATION);
	r->delay_us = 10000;
	begun = gw_now_ns();
	status = rig_control(r, GW_CONTROL_UNMAP_ALL);
	assert_true(gw_now_ns() - begun < 3000000000ull);
	assert_int_equal(status, GW_STATUS_BUSY);
	assert_int_equal(rig_ring_do(r, GW_RING_MAP, 0, RIG_RAM_GPA, 4096).status, GW_STATUS_BUSY);
	assert_int_equal(rig_get(r, GW_REG_GENERATION), was);
	r->delay_us = 0;
	while (rig_get(r, GW_REG_GENERATION) == was)
		sched_yield();
	assert_int_equal(rig_maps(r), 0);
	assert_int_equal(rig_ring_do(r, GW_RING_MAP, 0, RIG_RAM_GPA, 4096).status, 0);
}

static void a_companion_is_for_plan_paravirt_and_alone(void **state)
{
	struct rig *r = *state;
	struct gw_companion *c;
	struct guest *g = guest_open(fake_new());

	assert_int_equal(gw_companion_new(g->gf, NULL, NULL, &c), -EPROTO);
	guest_close(g);
	assert_int_equal(gw_companion_new(r->gf, NULL, NULL, &c), -EBUSY);
	gw_companion_free(NULL);
}

static void a_function_without_room_for_the_cookie_works_without(void **state)
{
	struct fake *f = fake_new();
	struct gw_guest_function *gf;
	struct gw_device *d;
	struct gw_dma *dma;
	uint8_t cfg[256];

	/* a vendor capability to the end, and registers of the device's everywhere else */
	memset(f->cfg + 0x40, 0x55, 0xc0);
	f->cfg[GW_PCI_CAP_PTR] = 0x40;
	fake_cap(f, 0x40, GW_PCI_CAP_VENDOR, 0);
	f->cfg[0x42] = 0xc0;
	assert_int_equal(gw_dma_new(&f->fn, GW_PLAN_PARAVIRT, &f->log, &dma), 0);
	assert_int_equal(gw_guest_function_new(&f->fn, dma, &f->log, &gf), 0);
	assert_int_equal(f->warnings, 1);
	d = gw_guest_function_device(gf);
	assert_int_equal(d->ops->region_read(d, GW_REGION_CONFIG, 0, cfg, 256), 0);
	assert_int_equal(cfg[GW_PCI_CAP_PTR], 0x40);
	gw_guest_function_free(gf);
	gw_dma_free(dma);
	fake_free(f);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, rig_teardown)
	const struct CMUnitTest tests[] = {
		T(a_function_hides_until_the_module_is_there),
		T(a_vmm_that_attaches_sees_who_it_is),
		T(a_function_plugged_in_later_shows_at_once),
		T(a_guest_reset_hides_it_in_either_order),
		T(the_function_is_quiet_before_its_memory_goes),
		T(every_end_of_mappings_is_a_new_generation),
		T(mappings_outlive_a_reset_of_the_function_whoever_asks),
		T(a_module_that_goes_on_over_a_reset_loses_nothing),
		T(another_kernel_finds_nothing_of_the_one_before),
		T(a_nonce_counts_until_the_generation_s_end),
		T(the_machine_s_reset_keeps_what_is_mapped_until_somebody_announces),
		T(a_function_that_cannot_be_paused_is_fenced),
		T(what_the_vmm_takes_is_told),
		T(a_control_that_is_none_changes_nothing),
		cmocka_unit_test_setup_teardown(an_earlier_module_s_function_is_always_there,
						setup_shown, rig_teardown),
		T(the_vmm_takes_memory_and_the_mappings_in_it_go_first),
		T(the_budget_is_kept_whatever_is_asked),
		T(a_function_that_fails_to_reset_stays_off_and_the_memory_goes),
		T(memory_that_cannot_be_unmapped_stays_where_it_is),
		T(much_to_unmap_at_a_slow_host_is_done_later_and_seen_when_done),
		T(a_companion_is_for_plan_paravirt_and_alone),
		cmocka_unit_test(a_function_without_room_for_the_cookie_works_without),
	};

	return cmocka_run_group_tests_name("companion", tests, NULL, NULL);
}
