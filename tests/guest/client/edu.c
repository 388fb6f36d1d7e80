/* SPDX-License-Identifier: BSD-3-Clause */
#include "vu.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vfio_user/wire.h"

/* QEMU's edu device (docs/specs/edu.rst of QEMU): interrupts by command, and DMA of one page. */

#define EDU_ID		0x00u
#define EDU_INVERT	0x04u
#define EDU_IRQ_STATUS	0x24u
#define EDU_IRQ_RAISE	0x60u
#define EDU_IRQ_ACK	0x64u
#define EDU_DMA_SRC	0x80u
#define EDU_DMA_DST	0x88u
#define EDU_DMA_COUNT	0x90u
#define EDU_DMA_CMD	0x98u
#define EDU_DMA_START	1u
#define EDU_DMA_OUT	2u		/* from the device to memory */
#define EDU_BUFFER	0x40000u
#define PAGE		4096u

static void registers(struct vu *v)
{
	uint64_t size;
	uint32_t flags;

	vu_region(v, 0, &size, &flags);
	must(size == 1 << 20, "edu's BAR has %llu bytes", (unsigned long long)size);
	must((vu_read32(v, 0, EDU_ID) & 0xffff) == 0x00ed, "edu says it is %#x", vu_read32(v, 0, 0));
	vu_write32(v, 0, EDU_INVERT, 0x12345678);
	must(vu_read32(v, 0, EDU_INVERT) == ~0x12345678u, "edu does not invert");
}

static void raise_irq(struct vu *v)
{
	vu_write32(v, 0, EDU_IRQ_RAISE, 1);
}

static void ack_irq(struct vu *v)
{
	vu_write32(v, 0, EDU_IRQ_ACK, vu_read32(v, 0, EDU_IRQ_STATUS));
}

/* As KVM does it: who writes an eventfd of ours unmasks, and no message is needed. */
static void intx_by_eventfd(struct vu *v, int fd)
{
	const uint64_t one = 1;
	int unmask = eventfd(0, EFD_CLOEXEC);

	must(unmask >= 0 && !vu_irqs(v, GW_IRQ_INTX, GW_VU_IRQ_UNMASK | GW_VU_IRQ_EVENTFD, 0, 1,
				     &unmask, 1), "no eventfd that unmasks INTx");
	for (int i = 0; i < 3; i++) {
		raise_irq(v);
		must(event_wait(fd, 5000), "no INTx after an eventfd unmasked it, turn %d", i);
		ack_irq(v);
		must(write(unmask, &one, sizeof(one)) == sizeof(one), "eventfd");
	}
	must(!vu_irqs(v, GW_IRQ_INTX, GW_VU_IRQ_UNMASK | GW_VU_IRQ_EVENTFD, 0, 1, NULL, 0),
	     "INTx is unmasked by an eventfd for good");
	close(unmask);
}

static void intx(struct vu *v)
{
	uint32_t count, flags;
	uint8_t pin = 0;
	int fd;

	vu_irq_info(v, GW_IRQ_INTX, &count, &flags);
	vu_read(v, GW_REGION_CONFIG, 0x3d, &pin, 1);
	must(count == 1 && flags & GW_IRQ_F_AUTOMASKED && pin == 1, "INTx: %u, flags %#x, pin %u",
	     count, flags, pin);
	fd = event_new(v, GW_IRQ_INTX, 0);
	for (int i = 0; i < 3; i++) {
		raise_irq(v);
		must(event_wait(fd, 5000), "no INTx, turn %d", i);
		must(!event_wait(fd, 50), "INTx is not masked by its delivery");
		ack_irq(v);
		must(!vu_irqs(v, GW_IRQ_INTX, GW_VU_IRQ_UNMASK | GW_VU_IRQ_NONE, 0, 1, NULL, 0),
		     "cannot unmask INTx");
	}
	intx_by_eventfd(v, fd);
	must(!vu_irqs(v, GW_IRQ_INTX, IRQ_TRIGGER, 0, 0, NULL, 0), "cannot disable INTx");
	close(fd);
}

static void msi(struct vu *v)
{
	int fd = event_new(v, GW_IRQ_MSI, 0);

	raise_irq(v);
	must(event_wait(fd, 5000), "no MSI");
	must(!vu_irqs(v, GW_IRQ_MSI, GW_VU_IRQ_MASK | GW_VU_IRQ_NONE, 0, 1, NULL, 0), "mask");
	ack_irq(v);
	raise_irq(v);
	must(!event_wait(fd, 200), "an MSI although it is masked");
	must(!vu_irqs(v, GW_IRQ_MSI, GW_VU_IRQ_UNMASK | GW_VU_IRQ_NONE, 0, 1, NULL, 0), "unmask");
	must(event_wait(fd, 5000), "the MSI that fired while it was masked is lost");
	ack_irq(v);
	must(!vu_irqs(v, GW_IRQ_MSI, IRQ_TRIGGER, 0, 0, NULL, 0), "cannot disable MSI");
	close(fd);
}

static void dma(struct vu *v, uint64_t src, uint64_t dst, uint32_t flags)
{
	vu_write64(v, 0, EDU_DMA_SRC, src);
	vu_write64(v, 0, EDU_DMA_DST, dst);
	vu_write64(v, 0, EDU_DMA_COUNT, PAGE);
	vu_write64(v, 0, EDU_DMA_CMD, EDU_DMA_START | flags);
	for (int i = 0; vu_read64(v, 0, EDU_DMA_CMD) & EDU_DMA_START; i++) {
		must(i < 1000, "DMA does not end");
		usleep(10000);
	}
}

static void memory_dma(struct vu *v)
{
	struct memory m;

	memory_new(v, &m, 0x100000, 16 * PAGE);
	pattern_fill(m.addr, PAGE, 1);
	dma(v, m.iova, EDU_BUFFER, 0);
	dma(v, EDU_BUFFER, m.iova + 3 * PAGE, EDU_DMA_OUT);
	must(pattern_is(m.addr + 3 * PAGE, PAGE, 1), "the page is not what the device was given");

	/* out of reach after the unmap, and there again after the map */
	must(!vu_dma_unmap(v, m.iova, m.size), "unmap");
	memset(m.addr, 0x55, m.size);
	dma(v, EDU_BUFFER, m.iova + 3 * PAGE, EDU_DMA_OUT);
	for (size_t i = 0; i < m.size; i++)
		must(m.addr[i] == 0x55, "the device reached memory after its unmap");
	must(!vu_dma_map(v, m.fd, 0, m.iova, m.size, MAP_RW), "map again");
	dma(v, EDU_BUFFER, m.iova + 4 * PAGE, EDU_DMA_OUT);
	must(pattern_is(m.addr + 4 * PAGE, PAGE, 1), "the page is not there after the second map");
	must(!vu_dma_unmap(v, m.iova, m.size), "unmap");

	/* memory that the device may only read */
	must(!vu_dma_map(v, m.fd, 0, m.iova, m.size, 1), "map for reading");
	memset(m.addr, 0x66, m.size);
	dma(v, EDU_BUFFER, m.iova, EDU_DMA_OUT);
	must(m.addr[0] == 0x66, "the device wrote where it may only read");
	must(!vu_dma_unmap(v, m.iova, m.size), "unmap");
}

int edu_test(struct vu *v, int argc, char **argv)
{
	vu_start(v);
	registers(v);
	intx(v);
	msi(v);
	memory_dma(v);
	must(!vu_reset(v), "reset");
	vu_start(v);
	registers(v);
	msi(v);
	say("edu: registers, INTx, MSI, DMA by content, reset");
	return 0;
}

/* FILE GPA IOVA: guest memory that gangway made, where the platform chose the address. */
int window_test(struct vu *v, int argc, char **argv)
{
	uint64_t gpa, iova, size = 128u << 20;
	uint8_t *mem;
	int fd;

	must(argc == 3, "window wants a file and two addresses");
	gpa = strtoull(argv[1], NULL, 16);
	iova = strtoull(argv[2], NULL, 16);
	fd = open(argv[0], O_RDWR | O_CLOEXEC);
	must(fd >= 0, "%s: %s", argv[0], strerror(errno));
	mem = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	must(mem != MAP_FAILED, "%s: %s", argv[0], strerror(errno));
	must(!vu_dma_map(v, fd, 0, gpa, size, MAP_RW), "guest memory");
	vu_start(v);
	pattern_fill(mem + 5 * PAGE, PAGE, 7);
	dma(v, iova + 5 * PAGE, EDU_BUFFER, 0);
	dma(v, EDU_BUFFER, iova + (31u << 20), EDU_DMA_OUT);
	must(pattern_is(mem + (31u << 20), PAGE, 7), "the page is not where the window has it");
	/* a guest that does not translate is caught */
	memset(mem + (31u << 20), 0x77, PAGE);
	dma(v, EDU_BUFFER, gpa + (31u << 20), EDU_DMA_OUT);
	must(mem[31u << 20] == 0x77, "guest addresses reach memory");
	say("window: DMA by content at %s", argv[2]);
	return 0;
}

/* [limited]: maps that must be refused, each for its reason, and what survives them. */
int memory_test(struct vu *v, int argc, char **argv)
{
	struct memory m;
	int fd = memfd_create("shrinks", MFD_CLOEXEC), ret;

	memory_new(v, &m, 0x100000, 16 * PAGE);
	ret = vu_dma_map(v, m.fd, 0, 0xfee00000, PAGE, MAP_RW);
	must(ret == EADDRNOTAVAIL, "a map over the interrupt window: %s", strerror(ret));
	must(vu_dma_map(v, m.fd, 0, 0xfedff000, 2 * PAGE, MAP_RW), "a map into the window is taken");
	must(vu_dma_map(v, m.fd, 0, 1ull << 60, PAGE, MAP_RW), "a map beyond the IOMMU is taken");
	must(vu_dma_map(v, m.fd, 0, 0x200800, PAGE, MAP_RW), "an unaligned address is taken");
	must(vu_dma_map(v, m.fd, 0, 0x200000, 100, MAP_RW), "an unaligned size is taken");
	must(vu_dma_map(v, m.fd, 0, 0x100000, PAGE, MAP_RW), "an overlap is taken");
	must(vu_dma_map(v, m.fd, 16 * PAGE, 0x200000, PAGE, MAP_RW), "behind the file's end");
	must(vu_dma_map(v, m.fd, 0, -(uint64_t)PAGE, 2 * PAGE, MAP_RW), "a wrap is taken");

	must(fd >= 0 && !ftruncate(fd, 8 * PAGE), "file");
	must(!vu_dma_map(v, fd, 0, 0x400000, 4 * PAGE, MAP_RW), "first half");
	must(!ftruncate(fd, PAGE), "shrink");
	must(vu_dma_map(v, fd, 4 * PAGE, 0x500000, 4 * PAGE, MAP_RW), "a file that shrank is taken");
	must(!vu_dma_unmap(v, 0x400000, 4 * PAGE), "unmap of what shrank");
	ret = 0;
	for (uint64_t i = 0; !ret && i < 500; i++)
		ret = vu_dma_map(v, m.fd, 0, 0x10000000 + i * 2 * PAGE, PAGE, MAP_RW);
	must(ret == (argc ? ENOSPC : 0), "500 more mappings: %s", strerror(ret));
	vu_start(v);
	registers(v);
	say("memory: all refused, and it still works");
	return 0;
}
