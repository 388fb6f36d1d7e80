/* SPDX-License-Identifier: BSD-3-Clause */
#include "vu.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vfio_user/wire.h"

/* The BAR itself: what was written by message is there, and back. */
static void mapped(struct vu *v, uint64_t size)
{
	uint8_t *bar = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, v->fd, 0);
	const uint32_t word = 0x01234567;

	must(bar != MAP_FAILED, "the BAR's descriptor cannot be mapped: %s", strerror(errno));
	must(pattern_is(bar + 2048, 2048, 1), "the mapped BAR is another memory");
	memcpy(bar + 0x30000, &word, sizeof(word));
	must(vu_read32(v, 2, 0x30000) == word, "what was written into the mapped BAR");
	munmap(bar, size);
}

/* ivshmem-plain: BAR 2 is memory that the host shares. */
int ivshmem_test(struct vu *v, int argc, char **argv)
{
	uint8_t page[2048];
	uint32_t flags;
	uint64_t size;

	vu_start(v);
	vu_region(v, 2, &size, &flags);
	must(size >= 1 << 20, "BAR 2 has %llu bytes", (unsigned long long)size);
	for (unsigned int i = 0; i < 64; i++) {
		pattern_fill(page, sizeof(page), i);
		must(!vu_write(v, 2, i * sizeof(page), page, sizeof(page)), "write");
	}
	for (unsigned int i = 0; i < 64; i++) {
		must(!vu_read(v, 2, i * sizeof(page), page, sizeof(page)), "read");
		must(pattern_is(page, sizeof(page), i), "piece %u is not what was written", i);
	}
	if (flags & GW_REGION_F_MMAP)
		mapped(v, size);
	must(!vu_reset(v), "reset");
	must(vu_read32(v, 2, 0) == UINT32_MAX, "memory answers without being enabled");
	vu_start(v);
	must(!vu_read(v, 2, 0, page, sizeof(page)) && pattern_is(page, sizeof(page), 0),
	     "the memory is gone after a reset");
	say("ivshmem: BAR %s by the VMM", flags & GW_REGION_F_MMAP ? "mapped" : "trapped");
	return 0;
}

/* Whoever made the machine has the function report an error that it does not recover from. */
int error_test(struct vu *v, int argc, char **argv)
{
	int error = event_new(v, GW_IRQ_ERR, 0), request = event_new(v, GW_IRQ_REQ, 0);

	/* QEMU's functions report what they do not recover from if SERR# is enabled */
	must(!vu_write(v, GW_REGION_CONFIG, 4, "\x06\x01", 2), "COMMAND");
	must(!event_wait(error, 0), "an error before any");
	say("error: waits");
	must(event_wait(error, 60000), "no word of the error");
	must(!event_wait(request, 0), "an error is no request");
	must(!vu_reset(v), "reset");
	say("error: told");
	return 0;
}
