/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * gangway in a program: open a simulated device, be its guest, and hear its interrupt.
 *
 *	cc embed.c $(pkg-config --cflags --libs gangway-devices) -o embed && ./embed
 *
 * With a PCI address in place of "sim:probe", of a function that is bound to vfio-pci, the same
 * calls open that; and then the plain library gangway is enough.
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <gangway/devices.h>
#include <gangway/embed.h>

/* The guest: this much memory, at this address. The device reaches it in units of 16 KiB. */
#define GUEST_GPA	0x40000000ull
#define GUEST_SIZE	0x10000ull

/* Registers of the probe, in BAR0: it fills memory and then raises a vector. */
#define PROBE_DST	0x48
#define PROBE_LEN	0x50
#define PROBE_COMMAND	0x58
#define PROBE_VECTOR	0x64
#define PROBE_PATTERN	0x68
#define PROBE_FILL	2

#define PCI_COMMAND	4
#define PCI_COMMAND_MEMORY_AND_MASTER	6

/* Interrupts come from threads of the library. */
struct doorbell {
	struct gw_irq_call call;	/* first: gw_irq_call is all that ring() is given */
	pthread_mutex_t lock;
	pthread_cond_t rung;
	int vector;
};

static void ring(struct gw_irq_call *call, enum gw_irq index, uint32_t vector)
{
	struct doorbell *b = (struct doorbell *)call;

	(void)index;
	pthread_mutex_lock(&b->lock);
	b->vector = (int)vector;
	pthread_cond_signal(&b->rung);
	pthread_mutex_unlock(&b->lock);
}

/* Return: the vector; -1 none came within @seconds. */
static int wait_for_ring(struct doorbell *b, int seconds)
{
	struct timespec until;
	int ret = 0, vector;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += seconds;
	pthread_mutex_lock(&b->lock);
	while (b->vector < 0 && !ret)
		ret = pthread_cond_timedwait(&b->rung, &b->lock, &until);
	vector = b->vector;
	pthread_mutex_unlock(&b->lock);
	return vector;
}

static void say(void *opaque, enum gw_log_level level, const char *line)
{
	(void)opaque;
	(void)level;
	fprintf(stderr, "%s\n", line);
}

static int put(struct gw_device *d, unsigned int region, uint64_t off, uint64_t val, size_t width)
{
	return d->ops->region_write(d, region, off, &val, width);
}

/* Connect the guest: its memory, and where interrupts go. */
static int connect_guest(struct gw_device *d, void *memory, struct doorbell *b)
{
	struct gw_slice s = { .at = { GUEST_GPA }, .size = GUEST_SIZE, .addr = memory,
			      .prot = GW_PROT_READ | GW_PROT_WRITE };
	struct gw_irq_info info;
	struct gw_irq_set irqs = { .index = GW_IRQ_MSIX, .action = GW_IRQ_TRIGGER,
				   .data = GW_IRQ_CALL, .call = &b->call };
	int ret = d->ops->dma_map(d, &s, -1);

	if (ret)
		return ret;
	d->ops->irq_info(d, GW_IRQ_MSIX, &info);
	irqs.count = info.count;
	return d->ops->irq_set(d, &irqs);
}

/* What a driver in the guest would do. */
static int drive(struct gw_device *d)
{
	static const char text[8] = "gangway";
	uint64_t pattern;
	int ret;

	memcpy(&pattern, text, sizeof(pattern));
	ret = put(d, GW_REGION_CONFIG, PCI_COMMAND, PCI_COMMAND_MEMORY_AND_MASTER, 2);
	if (!ret)
		ret = put(d, GW_REGION_BAR0, PROBE_DST, GUEST_GPA + 0x100, 8);
	if (!ret)
		ret = put(d, GW_REGION_BAR0, PROBE_LEN, sizeof(text), 8);
	if (!ret)
		ret = put(d, GW_REGION_BAR0, PROBE_PATTERN, pattern, 8);
	if (!ret)
		ret = put(d, GW_REGION_BAR0, PROBE_VECTOR, 7, 4);
	return ret ? ret : put(d, GW_REGION_BAR0, PROBE_COMMAND, PROBE_FILL, 4);
}

static int be_the_guest(struct gw_device *d, char *memory)
{
	struct doorbell b = { { ring }, PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, -1 };
	int ret = d->ops->attach(d, NULL, NULL), vector;

	if (ret)
		return ret;
	ret = connect_guest(d, memory, &b);
	if (!ret)
		ret = drive(d);
	if (!ret) {
		vector = wait_for_ring(&b, 30);
		printf("vector %d; the device wrote \"%.8s\"\n", vector, memory + 0x100);
	}
	d->ops->detach(d);	/* it reaches nothing any more, and calls nobody */
	return ret;
}

int main(void)
{
	const struct gw_vm_options opt = { .plan = GW_PLAN_DIRECT, .endpoints = gw_endpoint_types };
	struct gw_log log = { .level = GW_LOG_INFO, .write = say };
	char *memory = aligned_alloc(GUEST_SIZE, GUEST_SIZE);
	struct gw_vm_function *f;
	struct gw_vm *vm;
	int ret;

	if (!memory || gw_vm_new(&opt, &log, &vm))
		return 1;
	/* as a Linux host does, the simulated one is to take the guest's own addresses */
	ret = gw_vm_set_option(vm, "caller-iova=on");
	if (!ret)
		ret = gw_vm_open(vm, "sim:probe", NULL, &f);
	if (!ret) {
		ret = be_the_guest(gw_vm_device(f), memory);
		gw_vm_close(f);
	}
	gw_vm_free(vm);
	free(memory);
	return ret ? 1 : 0;
}
