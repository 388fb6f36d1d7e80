/* SPDX-License-Identifier: BSD-3-Clause */
/* The ring: its entries, its indices, and who tells whom. */
#include "unit.h"

#include "companion_rig.h"

#include "base/guard.h"

static int setup(void **state)
{
	return rig_setup_ring(state, NULL, GW_RING_MIN_SHIFT);
}

static int setup_polled(void **state)
{
	const struct gw_companion_options opt = { .poll_us = 1000 };

	return rig_setup_ring(state, &opt, GW_RING_MAX_SHIFT);
}

static void an_entry_maps_where_the_host_says_and_unmaps(void **state)
{
	struct rig *r = *state;
	struct gw_ring_cqe cqe = rig_ring_do(r, GW_RING_MAP, 0, RIG_RAM_GPA + 0x3000, 0x2000);

	assert_int_equal(cqe.status, GW_STATUS_OK);
	assert_int_equal(cqe.flags, 0);
	assert_int_equal(r->nr, 1);
	assert_true(cqe.iova == r->map[0].iova);
	assert_int_equal(cqe.len, 0x2000);
	assert_int_equal(r->map[0].size, 0x2000);
	assert_false(r->map[0].ro);
	/* the same bytes, at another address of this process */
	strcpy(rig_at(r, RIG_RAM_GPA + 0x3000), "guest");
	assert_string_equal((const char *)r->map[0].addr, "guest");
	assert_int_equal(rig_get64(r, GW_REG_USED_BYTES_LO), 0x2000);
	assert_int_equal(rig_get(r, GW_REG_USED_MAPS), 1);
	cqe = rig_ring_do(r, GW_RING_UNMAP, 0, cqe.handle, 0);
	assert_int_equal(cqe.status, GW_STATUS_OK);
	assert_int_equal(r->nr, 0);
	assert_int_equal(rig_get64(r, GW_REG_USED_BYTES_LO), 0);
}

static void the_same_memory_is_mapped_twice_under_different_handles(void **state)
{
	struct rig *r = *state;
	struct gw_ring_cqe a = rig_ring_do(r, GW_RING_MAP, 0, RIG_RAM_GPA, 0x1000);
	struct gw_ring_cqe b = rig_ring_do(r, GW_RING_MAP, 0, RIG_RAM_GPA, 0x1000);

	assert_true(a.handle != b.handle && a.iova != b.iova);
	assert_true(a.handle != RIG_RAM_GPA && b.handle != RIG_RAM_GPA);
	assert_int_equal(rig_ring_do(r, GW_RING_UNMAP, 0, a.handle, 0).status, GW_STATUS_OK);
	assert_int_equal(rig_ring_do(r, GW_RING_UNMAP, 0, a.handle, 0).status, GW_STATUS_NOENT);
	assert_int_equal(r->nr, 1);
	/* the place is used again, the handle is not */
	a = rig_ring_do(r, GW_RING_MAP, 0, RIG_RAM_GPA, 0x1000);
	assert_true(a.handle != b.handle);
	assert_int_equal(rig_ring_do(r, GW_RING_UNMAP, 0, b.handle, 0).status, GW_STATUS_OK);
	assert_int_equal(rig_ring_do(r, GW_RING_UNMAP, 0, a.handle, 0).status, GW_STATUS_OK);
}

static void what_is_not_asked_for_validly_maps_nothing(void **state)
{
	static const struct { uint16_t op, flags; uint64_t addr, len; uint16_t status; } bad[] = {
		{ GW_RING_MAP, 0, RIG_RAM_GPA, 0, GW_STATUS_INVAL },
		{ GW_RING_MAP, 0, RIG_RAM_GPA, 1, GW_STATUS_INVAL },
		{ GW_RING_MAP, 0, RIG_RAM_GPA, UINT64_MAX, GW_STATUS_INVAL },
		{ GW_RING_MAP, 0, RIG_RAM_GPA, 0 - 4096ull, GW_STATUS_INVAL },
		{ GW_RING_MAP, 0, RIG_RAM_GPA + 1, 4096, GW_STATUS_INVAL },
		{ GW_RING_MAP, 0, RIG_RAM_GPA - 4096, 4096, GW_STATUS_INVAL },
		{ GW_RING_MAP, 0, RIG_RAM_GPA - 4096, 8192, GW_STATUS_INVAL },
		{ GW_RING_MAP, 0, RIG_RAM_GPA + RIG_RAM_SIZE - 4096, 8192, GW_STATUS_INVAL },
		{ GW_RING_MAP, 0, RIG_RAM_GPA + RIG_RAM_SIZE, 4096, GW_STATUS_INVAL },
		{ GW_RING_MAP, 0, 0 - 4096ull, 4096, GW_STATUS_INVAL },
		{ GW_RING_MAP, 0, 0 - 4096ull, 8192, GW_STATUS_INVAL },
		{ GW_RING_MAP, 0, RIG_ROM_GPA, 4096, GW_STATUS_INVAL },
		{ GW_RING_MAP, 0, RIG_BAR_GPA, 4096, GW_STATUS_INVAL },
		{ GW_RING_MAP, GW_RING_F_READ_ONLY, RIG_BAR_GPA, 4096, GW_STATUS_INVAL },
		{ GW_RING_MAP, 2, RIG_RAM_GPA, 4096, GW_STATUS_INVAL },
		{ GW_RING_MAP, 0, RIG_RAM_GPA, 32 << 20, GW_STATUS_INVAL },
		{ GW_RING_UNMAP, GW_RING_F_READ_ONLY, 1ull << 32, 0, GW_STATUS_INVAL },
		{ GW_RING_UNMAP, 0, 0, 0, GW_STATUS_STALE },
		{ GW_RING_UNMAP, 0, RIG_RAM_GPA, 0, GW_STATUS_STALE },
		{ GW_RING_UNMAP, 0, UINT64_MAX, 0, GW_STATUS_STALE },
		{ 0, 0, RIG_RAM_GPA, 4096, GW_STATUS_INVAL },
		{ GW_RING_UNSHARE, 0, RIG_RAM_GPA, 4096, GW_STATUS_INVAL },
		{ 8, 0, RIG_RAM_GPA, 4096, GW_STATUS_INVAL },
		{ UINT16_MAX, 0, RIG_RAM_GPA, 4096, GW_STATUS_INVAL },
	};
	struct rig *r = *state;
	struct gw_ring_cqe cqe = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		cqe = rig_ring_do(r, bad[i].op, bad[i].flags, bad[i].addr, bad[i].len);
		assert_int_equal(cqe.status, bad[i].status);
		assert_true(!cqe.iova && !cqe.len && !cqe.flags);
	}
	assert_int_equal(r->steps, 0);
	assert_int_equal(rig_get(r, GW_REG_USED_MAPS), 0);
}

static struct gw_ring_cqe do_below(struct rig *r, uint16_t op, uint64_t addr, uint64_t len,
				   uint64_t last)
{
	struct gw_ring_cqe cqe = { 0 };

	rig_ring_put(r, op, 0, 5, addr, len);
	r->sq[(r->sq_tail - 1) & (r->size - 1)].last = last;
	rig_ring_push(r, 1);
	assert_true(rig_ring_take(r, &cqe));
	assert_int_equal(cqe.tag, 5);
	return cqe;
}

static void a_last_address_is_for_maps_only(void **state)
{
	struct rig *r = *state;

	assert_int_equal(do_below(r, GW_RING_UNMAP, 1ull << 32, 0, 1).status, GW_STATUS_INVAL);
	assert_int_equal(do_below(r, GW_RING_QUERY, 0, 0, 1).status, GW_STATUS_INVAL);
	assert_int_equal(do_below(r, GW_RING_DROPPED, 0, 0, 1).status, GW_STATUS_INVAL);
	assert_int_equal(r->steps, 0);
}

/* The host of the rig chooses, at 0x80_0000_0000 and above. */
static void a_device_is_not_given_an_address_that_it_cannot_put_out(void **state)
{
	struct rig *r = *state;
	struct gw_ring_cqe rest;
	uint64_t at;

	assert_int_equal(do_below(r, GW_RING_MAP, RIG_RAM_GPA, 4096, UINT32_MAX).status,
			 GW_STATUS_RANGE);
	assert_int_equal(r->nr, 0);		/* nor is it left mapped */
	assert_int_equal(rig_get(r, GW_REG_USED_MAPS), 0);
	at = do_below(r, GW_RING_MAP, RIG_RAM_GPA, 4096, UINT64_MAX).iova;
	at += 1 << 24;				/* where the rig has the next one */
	assert_int_equal(do_below(r, GW_RING_MAP, RIG_RAM_GPA, 8192, at + 8190).status,
			 GW_STATUS_RANGE);
	at += 1 << 24;
	assert_int_equal(do_below(r, GW_RING_MAP, RIG_RAM_GPA, 8192, at + 8191).status,
			 GW_STATUS_OK);
	/* all of a mapping that is split counts */
	r->split = 2;
	at += 1 << 24;
	assert_int_equal(do_below(r, GW_RING_MAP, RIG_RAM_GPA, 8192, at + 0x1ffff).status,
			 GW_STATUS_OK);
	assert_true(rig_ring_take(r, &rest));
	/* and a host that has nothing there is not even asked */
	at = r->steps;
	r->f->fn.limits.iova_first.v = RIG_IOVA;
	assert_int_equal(do_below(r, GW_RING_MAP, RIG_RAM_GPA, 4096, RIG_IOVA - 1).status,
			 GW_STATUS_RANGE);
	assert_int_equal(r->steps, at);
	assert_true(rig_get64(r, GW_REG_IOVA_FIRST_LO) == RIG_IOVA);
}

static void rom_can_be_mapped_for_reading(void **state)
{
	struct rig *r = *state;

	assert_int_equal(rig_ring_do(r, GW_RING_MAP, GW_RING_F_READ_ONLY, RIG_ROM_GPA, 4096).status,
			 GW_STATUS_OK);
	assert_true(r->map[0].ro);
}

static uint64_t little_room(struct gw_function *fn)
{
	return 0x3fff;
}

static void a_query_answers_what_is_used(void **state)
{
	struct rig *r = *state;
	struct gw_ring_cqe cqe = { 0 };

	rig_ring_do(r, GW_RING_MAP, 0, RIG_RAM_GPA, 0x4000);
	rig_ring_do(r, GW_RING_MAP, 0, RIG_RAM_GPA, 0x1000);
	cqe = rig_ring_do(r, GW_RING_QUERY, 0, 0, 0);
	assert_int_equal(cqe.status, GW_STATUS_OK);
	assert_int_equal(cqe.iova, 0x5000);
	assert_int_equal(cqe.len, 2);
	assert_int_equal(cqe.handle, (1 << 30) - 0x5000);
	assert_true(rig_get64(r, GW_REG_LEFT_BYTES_LO) == cqe.handle);
	/* no less than what all functions of the host have left, together */
	r->ops.room = little_room;
	assert_int_equal(rig_ring_do(r, GW_RING_QUERY, 0, 0, 0).handle, 0x3000);
	r->f->fn.limits.max_maps = 2;
	assert_int_equal(rig_ring_do(r, GW_RING_QUERY, 0, 0, 0).handle, 0);
}

static void the_host_s_errors_reach_the_guest(void **state)
{
	static const struct { int err; uint16_t status; } e[] = {
		{ -EIO, GW_STATUS_IOERR }, { -ENOSPC, GW_STATUS_NOROOM },
		{ -ENOMEM, GW_STATUS_NOROOM }, { -ERANGE, GW_STATUS_RANGE },
		{ -EMLINK, GW_STATUS_IOERR }, { -ENODEV, GW_STATUS_IOERR },
	};
	struct rig *r = *state;

	for (size_t i = 0; i < ARRAY_SIZE(e); i++) {
		r->fail_map = e[i].err;
		assert_int_equal(rig_ring_do(r, GW_RING_MAP, 0, RIG_RAM_GPA, 4096).status,
				 e[i].status);
	}
	assert_int_equal(rig_get(r, GW_REG_USED_MAPS), 0);
	assert_int_equal(rig_get64(r, GW_REG_USED_BYTES_LO), 0);
}

static void an_unmap_that_fails_can_be_repeated(void **state)
{
	struct rig *r = *state;
	struct gw_ring_cqe cqe = rig_ring_do(r, GW_RING_MAP, 0, RIG_RAM_GPA, 4096);

	r->fail_unmap = -EIO;
	assert_int_equal(rig_ring_do(r, GW_RING_UNMAP, 0, cqe.handle, 0).status, GW_STATUS_IOERR);
	assert_int_equal(rig_get(r, GW_REG_USED_MAPS), 1);
	r->fail_unmap = 0;
	assert_int_equal(rig_ring_do(r, GW_RING_UNMAP, 0, cqe.handle, 0).status, GW_STATUS_OK);
	assert_int_equal(rig_get(r, GW_REG_USED_MAPS), 0);
}

static void a_mapping_in_several_ranges_has_several_completions(void **state)
{
	struct rig *r = *state;
	struct gw_ring_cqe cqe = { 0 };
	uint64_t handle = 0;

	r->split = 3;
	rig_ring_put(r, GW_RING_MAP, 0, 9, RIG_RAM_GPA, 0x4000);
	rig_ring_push(r, 1);
	for (unsigned int i = 0; i < 3; i++) {
		assert_true(rig_ring_take(r, &cqe));
		assert_int_equal(cqe.tag, 9);
		assert_int_equal(cqe.flags, i < 2 ? GW_RING_F_MORE : 0);
		assert_int_equal(cqe.len, i < 2 ? 0x1000 : 0x2000);
		assert_true(!handle || handle == cqe.handle);
		handle = cqe.handle;
	}
	assert_false(rig_ring_take(r, &cqe));
	assert_int_equal(rig_ring_do(r, GW_RING_UNMAP, 0, handle, 0).status, GW_STATUS_OK);
	assert_int_equal(r->nr, 0);
}

static void completions_that_do_not_fit_wait_and_none_is_lost(void **state)
{
	struct rig *r = *state;
	unsigned int segments[64] = { 0 }, done = 0, rings = 0;
	struct gw_ring_cqe cqe = { 0 };

	r->split = 7;
	for (uint32_t i = 0; i < r->size; i++)
		rig_ring_put(r, GW_RING_MAP, 0, i, RIG_RAM_GPA, 0x7000);
	rig_ring_push(r, r->size);
	while (done < r->size) {
		while (rig_ring_take(r, &cqe)) {
			assert_int_equal(cqe.status, 0);
			segments[cqe.tag]++;
			done += !(cqe.flags & GW_RING_F_MORE);
		}
		rig_put(r, GW_REG_RING_DOORBELL, 1);
		assert_true(rings++ < 20);
	}
	for (uint32_t i = 0; i < r->size; i++)
		assert_int_equal(segments[i], 7);
	assert_int_equal(r->nr, r->size);
}

static void a_batch_needs_one_doorbell_and_is_done_when_it_returns(void **state)
{
	struct rig *r = *state;
	struct gw_ring_cqe cqe = { 0 };

	assert_true(rig_ring_start(r, GW_RING_MAX_SHIFT));
	for (uint32_t i = 0; i < 4096; i++)
		rig_ring_put(r, GW_RING_MAP, 0, i, RIG_RAM_GPA + i % 1024 * 4096, 4096);
	assert_true(rig_ring_push(r, 4096));
	assert_int_equal(r->nr, 4096);
	for (uint32_t i = 0; i < 4096; i++) {
		assert_true(rig_ring_take(r, &cqe));
		assert_int_equal(cqe.tag, i);
		rig_ring_put(r, GW_RING_UNMAP, 0, i, cqe.handle, 0);
	}
	assert_true(rig_ring_push(r, 4096));
	assert_int_equal(r->nr, 0);
	assert_int_equal(r->rings, 2);
}

static void indices_run_over_the_top(void **state)
{
	struct rig *r = *state;
	struct gw_ring_cqe cqe = { 0 };

	/* 2^32 entries take too long: 100 rounds of the ring show that places follow the indices */
	for (uint32_t i = 0; i < 100 * r->size; i++) {
		cqe = rig_ring_do(r, GW_RING_QUERY, 0, 0, 0);
		assert_int_equal(cqe.status, GW_STATUS_OK);
	}
	assert_int_equal(r->hdr->sq_head, 100 * r->size);
	assert_int_equal(r->hdr->sq_event, 100 * r->size);
	assert_int_equal(r->rings, 100 * r->size);	/* nobody polls here */
}

static void a_tail_that_cannot_be_stops_the_ring(void **state)
{
	static const uint32_t tails[] = { 65, 0x80000000, UINT32_MAX };
	struct rig *r = *state;

	for (size_t i = 0; i < ARRAY_SIZE(tails); i++) {
		assert_true(rig_ring_start(r, GW_RING_MIN_SHIFT));
		r->hdr->sq_tail = tails[i];
		rig_put(r, GW_REG_RING_DOORBELL, 1);
		assert_int_equal(rig_get(r, GW_REG_RING_ENABLE), 0);
		rig_put(r, GW_REG_RING_DOORBELL, 1);
		assert_int_equal(r->hdr->cq_tail, 0);
	}
	assert_true(rig_ring_start(r, GW_RING_MIN_SHIFT));
	assert_int_equal(rig_ring_do(r, GW_RING_QUERY, 0, 0, 0).status, GW_STATUS_OK);
}

static void a_head_that_cannot_be_stops_the_ring(void **state)
{
	struct rig *r = *state;

	for (uint32_t i = 0; i < r->size; i++)
		rig_ring_put(r, GW_RING_QUERY, 0, i, 0, 0);
	rig_ring_push(r, r->size);
	r->hdr->cq_head = r->size + 1;		/* more than there were */
	rig_ring_put(r, GW_RING_QUERY, 0, 1, 0, 0);
	rig_ring_push(r, 1);
	assert_int_equal(rig_get(r, GW_REG_RING_ENABLE), 0);
	assert_int_equal(r->hdr->cq_tail, r->size);
}

static void a_guest_that_takes_no_completions_waits(void **state)
{
	struct rig *r = *state;
	struct gw_ring_cqe cqe = { 0 };

	for (uint32_t i = 0; i < r->size; i++)
		rig_ring_put(r, GW_RING_QUERY, 0, i, 0, 0);
	rig_ring_push(r, r->size);
	for (uint32_t i = 0; i < r->size; i++)
		rig_ring_put(r, GW_RING_MAP, 0, i, RIG_RAM_GPA, 4096);
	rig_ring_push(r, r->size);
	for (unsigned int i = 0; i < 100; i++)
		rig_put(r, GW_REG_RING_DOORBELL, 1);
	assert_int_equal(r->nr, 0);
	for (uint32_t i = 0; i < r->size; i++)
		assert_true(rig_ring_take(r, &cqe));
	rig_put(r, GW_REG_RING_DOORBELL, 1);
	assert_int_equal(r->nr, r->size);
}

static void a_ring_is_only_started_where_it_can_be(void **state)
{
	static const struct { uint64_t gpa; uint32_t shift; bool ok; } at[] = {
		{ RIG_RAM_GPA, 5, false },
		{ RIG_RAM_GPA, 13, false },
		{ RIG_RAM_GPA, 38, false },
		{ RIG_RAM_GPA, UINT32_MAX, false },
		{ RIG_RAM_GPA + 64, 6, false },
		{ 0, 6, false },
		{ RIG_RAM_GPA - 4096, 6, false },
		{ RIG_RAM_GPA + RIG_RAM_SIZE - 4096, 6, false },
		{ RIG_RAM_GPA + RIG_RAM_SIZE - 8192, 6, true },
		{ RIG_RAM_GPA + RIG_RAM_SIZE - 8192, 7, false },
		{ RIG_ROM_GPA, 6, false },
		{ RIG_BAR_GPA, 6, false },
		{ 0 - 4096ull, 6, false },
	};
	struct rig *r = *state;

	for (size_t i = 0; i < ARRAY_SIZE(at); i++) {
		rig_put64(r, GW_REG_RING_GPA_LO, at[i].gpa);
		rig_put(r, GW_REG_RING_SHIFT, at[i].shift);
		rig_put(r, GW_REG_RING_ENABLE, 1);
		assert_int_equal(rig_get(r, GW_REG_RING_ENABLE), at[i].ok);
	}
	rig_put(r, GW_REG_RING_ENABLE, 0);
	assert_int_equal(rig_get(r, GW_REG_RING_ENABLE), 0);
	rig_put(r, GW_REG_RING_ENABLE, 2);
	assert_int_equal(rig_get(r, GW_REG_RING_ENABLE), 0);
}

static void the_ring_stops_when_the_vmm_takes_its_memory(void **state)
{
	struct rig *r = *state;
	uint64_t bytes;

	assert_int_equal(r->dev->ops->dma_unmap(r->dev, (gw_vmm_addr){ 0 },
						(gw_vmm_addr){ RIG_RAM_GPA - 1 }, &bytes), 0);
	assert_int_equal(rig_get(r, GW_REG_RING_ENABLE), 1);
	assert_int_equal(r->dev->ops->dma_unmap(r->dev, (gw_vmm_addr){ RIG_RAM_GPA },
						(gw_vmm_addr){ UINT64_MAX }, &bytes), 0);
	assert_int_equal(rig_get(r, GW_REG_RING_ENABLE), 0);
	rig_put(r, GW_REG_RING_DOORBELL, 1);
	rig_put(r, GW_REG_RING_ENABLE, 1);
	assert_int_equal(rig_get(r, GW_REG_RING_ENABLE), 0);
}

static void the_ring_stops_when_the_file_shrinks(void **state)
{
	struct rig *r = *state;

	gw_guard_install();	/* the test runner takes SIGBUS over before each test */
	rig_ring_put(r, GW_RING_QUERY, 0, 1, 0, 0);
	assert_int_equal(ftruncate(r->ram_fd, 4096), 0);
	rig_put(r, GW_REG_RING_DOORBELL, 1);
	assert_int_equal(rig_get(r, GW_REG_RING_ENABLE), 0);
	assert_int_equal(ftruncate(r->ram_fd, RIG_RAM_SIZE), 0);
}

static int event_of(struct rig *r)
{
	int fd = event(), give = dup(fd);
	struct gw_irq_set set = { .index = GW_IRQ_MSI, .action = GW_IRQ_TRIGGER,
				  .data = GW_IRQ_EVENTFD, .count = 1, .fds = &give };

	assert_int_equal(r->dev->ops->irq_set(r->dev, &set), 0);
	assert_int_equal(give, -1);
	return fd;
}

static void an_interrupt_comes_when_asked_for_and_once_for_a_batch(void **state)
{
	struct rig *r = *state;
	struct gw_ring_cqe cqe = { 0 };
	int fd = event_of(r);

	rig_ring_do(r, GW_RING_QUERY, 0, 0, 0);
	assert_int_equal(counted(fd), 0);		/* cq_event was left alone, at ~0 */
	r->hdr->cq_event = 5;				/* at the sixth */
	for (unsigned int i = 1; i < 5; i++)
		rig_ring_do(r, GW_RING_QUERY, 0, 0, 0);
	assert_int_equal(counted(fd), 0);
	rig_ring_do(r, GW_RING_QUERY, 0, 0, 0);
	assert_int_equal(counted(fd), 1);
	rig_ring_do(r, GW_RING_QUERY, 0, 0, 0);
	assert_int_equal(counted(fd), 0);
	r->hdr->cq_event = 7;
	for (uint32_t i = 0; i < r->size; i++)
		rig_ring_put(r, GW_RING_QUERY, 0, i, 0, 0);
	rig_ring_push(r, r->size);
	assert_int_equal(counted(fd), 1);
	while (rig_ring_take(r, &cqe))
		;
	close(fd);
}

static void a_slow_host_does_not_keep_a_doorbell(void **state)
{
	struct rig *r = *state;
	struct gw_ring_cqe cqe = { 0 };
	uint64_t begun;
	uint32_t done = 0;

	assert_true(rig_ring_start(r, 8));
	r->delay_us = 20000;			/* 256 of them: 5.1 s */
	for (uint32_t i = 0; i < r->size; i++)
		rig_ring_put(r, GW_RING_MAP, 0, i, RIG_RAM_GPA, 4096);
	begun = gw_now_ns();
	rig_ring_push(r, r->size);
	assert_true(gw_now_ns() - begun < 3000000000ull);
	assert_true(rig_maps(r) < r->size);
	r->delay_us = 0;
	/* the poller goes on by itself */
	while (done < r->size) {
		if (rig_ring_take(r, &cqe))
			done++;
		else
			sched_yield();
	}
	assert_int_equal(rig_maps(r), r->size);
}

static void entries_are_done_whether_or_not_somebody_polls(void **state)
{
	struct rig *r = *state;
	struct gw_companion_stats s;
	struct gw_ring_cqe cqe = { 0 };

	/* polling goes on and off as the machine pleases; an entry is done either way */
	for (unsigned int i = 0; i < 500; i++) {
		cqe = rig_ring_do(r, GW_RING_MAP, 0, RIG_RAM_GPA, 4096);
		assert_int_equal(cqe.status, GW_STATUS_OK);
		cqe = rig_ring_do(r, GW_RING_UNMAP, 0, cqe.handle, 0);
		assert_int_equal(cqe.status, GW_STATUS_OK);
	}
	gw_companion_stats(r->c, &s);
	assert_int_equal(s.maps, 500);
	assert_int_equal(s.unmaps, 500);
	assert_int_equal(rig_maps(r), 0);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, rig_teardown)
	const struct CMUnitTest tests[] = {
		T(an_entry_maps_where_the_host_says_and_unmaps),
		T(the_same_memory_is_mapped_twice_under_different_handles),
		T(what_is_not_asked_for_validly_maps_nothing),
		T(a_last_address_is_for_maps_only),
		T(a_device_is_not_given_an_address_that_it_cannot_put_out),
		T(rom_can_be_mapped_for_reading),
		T(a_query_answers_what_is_used),
		T(the_host_s_errors_reach_the_guest),
		T(an_unmap_that_fails_can_be_repeated),
		T(a_mapping_in_several_ranges_has_several_completions),
		T(completions_that_do_not_fit_wait_and_none_is_lost),
		T(a_batch_needs_one_doorbell_and_is_done_when_it_returns),
		T(indices_run_over_the_top),
		T(a_tail_that_cannot_be_stops_the_ring),
		T(a_head_that_cannot_be_stops_the_ring),
		T(a_guest_that_takes_no_completions_waits),
		T(a_ring_is_only_started_where_it_can_be),
		T(the_ring_stops_when_the_vmm_takes_its_memory),
		T(the_ring_stops_when_the_file_shrinks),
		T(an_interrupt_comes_when_asked_for_and_once_for_a_batch),
		T(a_slow_host_does_not_keep_a_doorbell),
		cmocka_unit_test_setup_teardown(entries_are_done_whether_or_not_somebody_polls,
						setup_polled, rig_teardown),
	};

	return cmocka_run_group_tests_name("companion_ring", tests, NULL, NULL);
}
