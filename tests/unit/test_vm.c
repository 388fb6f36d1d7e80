/* SPDX-License-Identifier: BSD-3-Clause */
/* A program with gangway inside: no socket, no process, no file of guest memory. */
#include "unit.h"

#include <dirent.h>
#include <inttypes.h>
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

#include <libfdt.h>

#include <gangway/embed.h>

#include "base/util.h"
#include "config/caps.h"
#include <gangway/devices.h>
#include "devices/probe.h"
#include "devices/probe_regs.h"
#include "host/sim/fault.h"
#include "vm/vm.h"

#define MiB	(1ull << 20)
#define PAGE	16384u

static const gw_gpa ram = { 0x40000000 };
static uint8_t memory[4 * PAGE] __attribute__((aligned(PAGE)));

struct heard {
	struct gw_irq_call call;
	_Atomic unsigned int nr;
};

static void hear(struct gw_irq_call *call, enum gw_irq index, uint32_t vector)
{
	struct heard *h = container_of(call, struct heard, call);

	assert_int_equal(index, GW_IRQ_MSIX);
	assert_int_equal(vector, 3);
	h->nr++;
}

static struct gw_vm *vm_new(enum gw_plan plan, bool device_tree, const char *option)
{
	const struct gw_vm_options opt = { .plan = plan, .device_tree = device_tree,
					   .endpoints = gw_endpoint_types };
	struct gw_vm *vm;

	assert_int_equal(gw_vm_new(&opt, NULL, &vm), 0);
	if (option)
		assert_int_equal(gw_vm_set_option(vm, option), 0);
	return vm;
}

static struct gw_vm_function *open_probe(struct gw_vm *vm)
{
	struct gw_vm_function *f;

	assert_int_equal(gw_vm_open(vm, "sim:probe", NULL, &f), 0);
	return f;
}

static void set(struct gw_device *d, unsigned int region, uint64_t off, uint64_t val, size_t width)
{
	assert_int_equal(d->ops->region_write(d, region, off, &val, width), 0);
}

static uint64_t get(struct gw_device *d, uint64_t off, size_t width)
{
	uint64_t val = 0;

	assert_int_equal(d->ops->region_read(d, 0, off, &val, width), 0);
	return val;
}

/* Have the probe fill @len bytes at @iova, and wait until it has. */
static void fill(struct gw_device *d, uint64_t iova, uint64_t len, uint64_t want)
{
	uint64_t end = gw_now_ns() + 20000000000ull;

	set(d, GW_REGION_CONFIG, GW_PCI_COMMAND, GW_PCI_COMMAND_MEMORY | GW_PCI_COMMAND_MASTER, 2);
	set(d, 0, PROBE_DST, iova, 8);
	set(d, 0, PROBE_LEN, len, 8);
	set(d, 0, PROBE_PATTERN, 0x1122334455667788ull, 8);
	set(d, 0, PROBE_VECTOR, 3, 4);
	set(d, 0, PROBE_COMMAND, PROBE_CMD_FILL, 4);
	while (get(d, PROBE_STATUS, 4) == PROBE_BUSY)
		assert_true(gw_now_ns() < end);
	assert_int_equal(get(d, PROBE_STATUS, 4), want);
}

static void a_device_writes_memory_and_calls(void **state)
{
	struct gw_vm *vm = vm_new(GW_PLAN_AUTO, false, "caller-iova=on");
	struct gw_vm_function *f = open_probe(vm);
	struct gw_device *d = gw_vm_device(f);
	struct heard h = { .call.fire = hear };
	struct gw_slice s = { .at = { ram.v }, .size = sizeof(memory), .addr = memory,
			      .prot = GW_PROT_READ | GW_PROT_WRITE };
	struct gw_irq_set irq = { .index = GW_IRQ_MSIX, .action = GW_IRQ_TRIGGER,
				  .data = GW_IRQ_CALL, .count = PROBE_VECTORS, .call = &h.call };
	struct gw_region_info info;
	uint64_t bytes;

	assert_int_equal(gw_vm_plan(vm, NULL), GW_PLAN_DIRECT);
	assert_null(gw_vm_companion(f));
	assert_int_equal(d->ops->attach(d, NULL, NULL), 0);
	assert_int_equal(d->ops->dma_map(d, &s, -1), 0);
	assert_int_equal(d->ops->irq_set(d, &irq), 0);
	memset(memory, 0, sizeof(memory));
	fill(d, ram.v + PAGE, 8, PROBE_OK);
	assert_memory_equal(memory + PAGE, "\x88\x77\x66\x55\x44\x33\x22\x11\0", 9);
	while (!h.nr)	/* raised after the status */
		usleep(100);
	/* its memory can be mapped from where it is */
	d->ops->region_info(d, GW_REGION_BAR0 + 2, &info);
	assert_non_null(info.addr);
	set(d, GW_REGION_BAR0 + 2, 64, 0x77, 1);
	assert_int_equal(((uint8_t *)info.addr)[64], 0x77);
	assert_int_equal(d->ops->dma_unmap(d, s.at, (gw_vmm_addr){ UINT64_MAX }, &bytes), 0);
	fill(d, ram.v + PAGE, 8, PROBE_FAILED);
	d->ops->detach(d);
	gw_vm_close(f);
	gw_vm_free(vm);
}

/* Memory of another function, as a VMM has it: without a file. Counts how often it is asked. */
struct other {
	struct gw_remote remote;
	_Atomic unsigned int writes;
};

static int other_read(struct gw_remote *r, gw_vmm_addr addr, void *buf, size_t len)
{
	return -EFAULT;
}

static int other_write(struct gw_remote *r, gw_vmm_addr addr, const void *buf, size_t len)
{
	container_of(r, struct other, remote)->writes++;
	return 0;
}

static void other_nothing(struct gw_remote *r)
{
}

static const struct gw_remote_ops other_ops = { other_read, other_write, other_nothing,
						other_nothing };

#define GPU_MEMORY	(1ull << 34)	/* where the guest puts it */

/* The probe fills a piece of a virtual function's memory. Return: messages to the VMM it took */
static unsigned int fill_peer(const char *option, uint8_t *seen)
{
	struct gw_vm *vm = vm_new(GW_PLAN_AUTO, false, "caller-iova=on");
	struct gw_slice s = { .at.v = GPU_MEMORY, .size = 16 * MiB,
			      .prot = GW_PROT_READ | GW_PROT_WRITE };
	struct other other = { .remote.ops = &other_ops };
	struct gw_vm_function *probe, *gpu;
	struct gw_device *d, *g;
	struct gw_region_info info;
	unsigned int writes;

	if (option)
		assert_int_equal(gw_vm_set_option(vm, option), 0);
	probe = open_probe(vm);
	assert_int_equal(gw_vm_open(vm, "sim:gpu,share=16M,pieces=3", NULL, &gpu), 0);
	d = gw_vm_device(probe);
	g = gw_vm_device(gpu);
	assert_int_equal(d->ops->attach(d, &other.remote, NULL), 0);
	assert_int_equal(g->ops->attach(g, &other.remote, NULL), 0);
	set(g, GW_REGION_CONFIG, GW_PCI_BAR0, 0, 4);
	set(g, GW_REGION_CONFIG, GW_PCI_BAR0 + 4, GPU_MEMORY >> 32, 4);
	set(g, GW_REGION_CONFIG, GW_PCI_COMMAND, GW_PCI_COMMAND_MEMORY, 2);
	assert_int_equal(d->ops->dma_map(d, &s, -1), 0);
	fill(d, GPU_MEMORY + 6 * MiB, 8, PROBE_OK);
	g->ops->region_info(g, GW_REGION_BAR0, &info);
	*seen = ((uint8_t *)info.addr)[6 * MiB];
	writes = other.writes;
	g->ops->detach(g);
	gw_vm_close(gpu);
	/* it has gone, and what was there is in nobody's reach */
	if (!writes)
		fill(d, GPU_MEMORY + 6 * MiB, 8, PROBE_FAILED);
	d->ops->detach(d);
	gw_vm_close(probe);
	gw_vm_free(vm);
	return writes;
}

/* An endpoint that holds what it was pointed at, as a disk does whose file does not answer. */
static struct gw_endpoint holder;

static void holder_nothing(struct gw_endpoint *ep)
{
}

static int holder_make(const char *opts, struct gw_log *log, struct gw_endpoint **ep)
{
	static const struct gw_endpoint_ops ops = {
		.quiesce = holder_nothing, .resume = holder_nothing, .reset = holder_nothing,
		.free = holder_nothing,
	};

	holder = (struct gw_endpoint){ .ops = &ops, .desc = { .vendor = 0x1b36, .device = 0x10,
					.class_code = 0x010802, .bar[0] = { .size = PAGE } } };
	*ep = &holder;
	return 0;
}

static const struct gw_endpoint_type holder_type = { "holder", "", holder_make };
static const struct gw_endpoint_type *const holder_types[] = { &holder_type, &gw_probe_type, NULL };

static void memory_of_a_function_that_goes_stays_while_another_uses_it(void **state)
{
	const struct gw_vm_options opt = { .endpoints = holder_types };
	struct gw_slice s = { .at.v = GPU_MEMORY, .size = MiB,
			      .prot = GW_PROT_READ | GW_PROT_WRITE };
	struct other other = { .remote.ops = &other_ops };
	struct iovec iov = { 0 };
	struct gw_endpoint_pin pin = { .iov = &iov, .max_iov = 1 };
	const gw_iova at = { GPU_MEMORY };
	struct gw_vm_function *user, *probe;
	struct gw_device *d, *p;
	struct gw_vm *vm;

	assert_int_equal(gw_vm_new(&opt, NULL, &vm), 0);
	assert_int_equal(gw_vm_set_option(vm, "caller-iova=on"), 0);
	assert_int_equal(gw_vm_open(vm, "sim:holder", NULL, &user), 0);
	probe = open_probe(vm);
	d = gw_vm_device(user);
	p = gw_vm_device(probe);
	assert_int_equal(d->ops->attach(d, &other.remote, NULL), 0);
	assert_int_equal(p->ops->attach(p, &other.remote, NULL), 0);
	set(p, GW_REGION_CONFIG, GW_PCI_BAR0 + 8, 0, 4);
	set(p, GW_REGION_CONFIG, GW_PCI_BAR0 + 12, GPU_MEMORY >> 32, 4);
	set(p, GW_REGION_CONFIG, GW_PCI_COMMAND, GW_PCI_COMMAND_MEMORY, 2);
	set(d, GW_REGION_CONFIG, GW_PCI_COMMAND, GW_PCI_COMMAND_MASTER, 2);
	assert_int_equal(d->ops->dma_map(d, &s, -1), 0);
	assert_int_equal(gw_endpoint_pin(&holder, at, PAGE, GW_DMA_WRITE, &pin), 0);
	p->ops->detach(p);
	gw_vm_close(probe);
	*(volatile uint8_t *)iov.iov_base = 1;
	gw_endpoint_unpin(&holder, &pin);
	assert_int_not_equal(gw_endpoint_pin(&holder, at, PAGE, GW_DMA_WRITE, &pin), 0);
	d->ops->detach(d);
	gw_vm_close(user);
	gw_vm_free(vm);
}

static void one_that_cannot_be_opened_takes_nothing_from_another(void **state)
{
	struct gw_vm *vm = vm_new(GW_PLAN_AUTO, false, "caller-iova=on");
	struct gw_vm_function *f = open_probe(vm), *none;
	struct gw_device *d = gw_vm_device(f);
	struct gw_slice s = { .at = { ram.v }, .size = sizeof(memory), .addr = memory,
			      .prot = GW_PROT_READ | GW_PROT_WRITE };

	assert_int_equal(d->ops->attach(d, NULL, NULL), 0);
	assert_int_equal(d->ops->dma_map(d, &s, -1), 0);
	assert_int_equal(gw_vm_open(vm, "sim:nothing", NULL, &none), -EINVAL);
	fill(d, ram.v, 8, PROBE_OK);
	d->ops->detach(d);
	gw_vm_close(f);
	gw_vm_free(vm);
}

static void functions_reach_each_other_if_the_fabric_lets_them(void **state)
{
	uint8_t seen;

	assert_int_equal(fill_peer(NULL, &seen), 0);
	assert_int_equal(seen, 0x88);
	assert_true(fill_peer("no-peers=on", &seen) > 0);
	assert_int_equal(seen, 0);
}

static void a_card_has_a_function_for_each_guest_device(void **state)
{
	struct gw_vm *vm = vm_new(GW_PLAN_AUTO, false, "caller-iova=on");
	struct gw_vm_function *f[3], *none;

	for (unsigned int round = 0; round < 2; round++) {
		assert_int_equal(gw_vm_open(vm, "sim:gpu,vfs=3", NULL, &f[0]), 0);
		assert_int_equal(gw_vm_open_next(f[0], NULL, &f[1]), 0);
		assert_int_equal(gw_vm_open_next(f[1], NULL, &f[2]), 0);
		assert_int_equal(gw_vm_open_next(f[2], NULL, &none), -ENOENT);
		assert_ptr_equal(f[0]->pf, f[2]->pf);
		assert_int_equal(f[2]->vf, 2);
		assert_string_not_equal(f[0]->fn->info.name, f[1]->fn->info.name);
		gw_vm_close(f[1]);
		gw_vm_close(f[0]);
		gw_vm_close(f[2]);
	}
	f[0] = open_probe(vm);
	assert_int_equal(gw_vm_open_next(f[0], NULL, &none), -ENOENT);
	gw_vm_close(f[0]);
	gw_vm_free(vm);
}

static void the_first_function_decides_for_all(void **state)
{
	struct gw_vm *vm = vm_new(GW_PLAN_AUTO, false, NULL);
	struct gw_vm_function *f = open_probe(vm), *g;
	const char *reason;

	assert_int_equal(gw_vm_plan(vm, &reason), GW_PLAN_PARAVIRT);
	assert_non_null(strstr(reason, "device tree"));
	assert_non_null(gw_vm_companion(f));
	assert_int_equal(gw_vm_set_option(vm, "granule=4K"), -EBUSY);
	assert_int_equal(gw_vm_open(vm, "0000:01:00.0", NULL, &g), -EINVAL);
	assert_int_equal(gw_vm_open(vm, "sim:teapot", NULL, &g), -EINVAL);
	g = open_probe(vm);
	assert_string_not_equal(f->fn->info.name, g->fn->info.name);
	gw_vm_close(f);
	gw_vm_close(g);
	/* the host went with the last, and another may come */
	gw_vm_close(open_probe(vm));
	gw_vm_free(vm);
}

static void what_cannot_work_is_refused(void **state)
{
	struct gw_vm *vm = vm_new(GW_PLAN_DIRECT, false, NULL);
	struct gw_vm_function *f;

	assert_int_equal(gw_vm_open(vm, "sim:probe", NULL, &f), -EOPNOTSUPP);
	assert_int_equal(gw_vm_set_option(vm, "caller-iova"), -EINVAL);
	assert_int_equal(gw_vm_set_option(vm, "no-such=1"), 0);
	assert_int_equal(gw_vm_open(vm, "sim:probe", NULL, &f), -EINVAL);
	gw_vm_free(vm);
	gw_vm_free(NULL);
}

/* A tree with a host bridge, and room. */
static void make_tree(void *fdt, int size)
{
	int node;

	assert_int_equal(fdt_create_empty_tree(fdt, size), 0);
	node = fdt_add_subnode(fdt, 0, "pcie");
	assert_int_equal(fdt_setprop_string(fdt, node, "compatible", "pci-host-ecam-generic"), 0);
}

static void a_window_is_where_the_guests_memory_is_already(void **state)
{
	struct gw_vm *vm = vm_new(GW_PLAN_AUTO, true, NULL);
	struct gw_vm_function *f = open_probe(vm);
	struct gw_device *d = gw_vm_device(f);
	struct gw_vm_memory m = { .gpa = ram, .size = 64 * MiB };
	struct gw_sim_stats stats;
	uint64_t iova;
	char fdt[8192];

	m.addr = aligned_alloc(PAGE, m.size);
	assert_int_equal(gw_vm_plan(vm, NULL), GW_PLAN_WINDOW);
	assert_int_equal(gw_vm_reach(f, &m, 0, 0), 0);
	assert_ptr_equal(gw_vm_ram(vm)->addr, m.addr);
	iova = gw_vm_window(vm)->iova.v;
	make_tree(fdt, sizeof(fdt));
	assert_int_equal(gw_vm_amend(vm, fdt), 0);
	assert_non_null(fdt_getprop(fdt, fdt_path_offset(fdt, "/pcie"), "dma-ranges", NULL));
	memset(fdt, 0, sizeof(fdt));
	assert_int_equal(gw_vm_amend(vm, fdt), -EINVAL);
	assert_int_equal(d->ops->attach(d, NULL, NULL), 0);
	fill(d, iova + 32 * MiB, 1, PROBE_OK);
	assert_int_equal(((uint8_t *)m.addr)[32 * MiB], 0x88);
	d->ops->detach(d);
	gw_sim_stats(gw_vm_sim(vm), &stats);
	assert_int_equal(stats.live_maps, 1);
	gw_vm_close(f);
	/* the guest has been told; who comes back finds the window where it was */
	assert_int_equal(gw_vm_window(vm)->iova.v, iova);
	f = open_probe(vm);
	assert_int_equal(gw_vm_reach(f, &m, 0, 0), 0);
	gw_vm_close(f);
	gw_vm_free(vm);
	memset(m.addr, 0, m.size);	/* still the caller's */
	free(m.addr);
}

struct causes {
	unsigned int ram, registers;
};

/* Called by the device's thread; the test looks when the device is quiet. */
static void count_causes(void *opaque, enum gw_log_level level, const char *line)
{
	struct causes *c = opaque;

	c->ram += strstr(line, "addresses of the guest's RAM") != NULL;
	c->registers += strstr(line, "address of a device's registers") != NULL;
}

static void faults_of_a_guest_that_ignores_the_window_have_a_cause(void **state)
{
	struct causes causes = { 0 };
	struct gw_log log = { .level = GW_LOG_INFO, .write = count_causes, .opaque = &causes };
	const struct gw_vm_options opt = { .plan = GW_PLAN_WINDOW, .device_tree = true,
					   .endpoints = gw_endpoint_types };
	struct gw_vm_memory m = { .gpa = ram, .size = 128 * MiB, .window = 64 * MiB };
	const uint64_t registers = 0x8000000000, end = ram.v + m.size;
	struct gw_vm_function *f;
	struct gw_device *d;
	struct gw_vm *vm;

	assert_int_equal(gw_vm_new(&opt, &log, &vm), 0);
	assert_int_equal(gw_vm_set_option(vm, "base=0x10080000000"), 0);
	f = open_probe(vm);
	d = gw_vm_device(f);
	assert_int_equal(gw_vm_reach(f, &m, 0, 0), 0);
	assert_int_equal(d->ops->attach(d, NULL, NULL), 0);
	set(d, GW_REGION_CONFIG, GW_PCI_BAR0 + 8, (uint32_t)registers, 4);
	set(d, GW_REGION_CONFIG, GW_PCI_BAR0 + 12, registers >> 32, 4);
	for (unsigned int i = 0; i < GW_SIM_FAULTS; i++)
		fill(d, end + i * MiB, 8, PROBE_FAILED);
	assert_false(gw_vm_had_cause(vm, GW_VM_CAUSE_RAM));
	assert_false(gw_vm_had_cause(vm, GW_VM_CAUSE_REGISTERS));
	/* the host's record is full by now */
	for (unsigned int i = 0; i < 3; i++) {
		fill(d, ram.v + i * MiB, 8, PROBE_FAILED);
		fill(d, registers + 8 * i, 8, PROBE_FAILED);
	}
	d->ops->detach(d);
	assert_int_equal(causes.ram, 1);
	assert_int_equal(causes.registers, 1);
	/* they are known when the VMM has gone, too, which is when there is a report */
	assert_true(gw_vm_had_cause(vm, GW_VM_CAUSE_RAM));
	assert_true(gw_vm_had_cause(vm, GW_VM_CAUSE_REGISTERS));
	assert_false(gw_vm_had_cause(vm, GW_VM_CAUSE_UNKNOWN));
	assert_null(gw_vm_cause_text(GW_VM_CAUSE_UNKNOWN));
	gw_vm_close(f);
	gw_vm_free(vm);
}

/* Who waits for a device to be quiet may have what keeps others from looking for peers. */
static void the_cause_of_a_fault_is_found_while_functions_change(void **state)
{
	const struct gw_vm_options opt = { .plan = GW_PLAN_WINDOW, .device_tree = true,
					   .endpoints = gw_endpoint_types };
	struct gw_vm_memory m = { .gpa = ram, .size = 128 * MiB, .window = 64 * MiB };
	const uint32_t registers = 0x80000000;
	struct gw_vm_function *f;
	struct gw_device *d;
	struct gw_vm *vm;

	assert_int_equal(gw_vm_new(&opt, NULL, &vm), 0);
	assert_int_equal(gw_vm_set_option(vm, "base=0x10080000000"), 0);
	f = open_probe(vm);
	d = gw_vm_device(f);
	assert_int_equal(gw_vm_reach(f, &m, 0, 0), 0);
	assert_int_equal(d->ops->attach(d, NULL, NULL), 0);
	set(d, GW_REGION_CONFIG, GW_PCI_BAR0 + 8, registers, 4);
	pthread_rwlock_wrlock(&vm->lock);
	fill(d, registers, 8, PROBE_FAILED);
	pthread_rwlock_unlock(&vm->lock);
	d->ops->detach(d);
	assert_true(gw_vm_had_cause(vm, GW_VM_CAUSE_REGISTERS));
	gw_vm_close(f);
	gw_vm_free(vm);
}

struct thread {
	unsigned long id;
	char name[16];
	uint64_t blocked;		/* signals, a bit each */
};

/* Return: whether it is there; threads of ours that open a device end when they have. */
static bool thread_look(unsigned long id, struct thread *t)
{
	char path[64], line[128];
	FILE *f;

	*t = (struct thread){ .id = id };
	snprintf(path, sizeof(path), "/proc/self/task/%lu/status", id);
	f = fopen(path, "r");
	while (f && fgets(line, sizeof(line), f)) {
		sscanf(line, "Name: %15s", t->name);
		sscanf(line, "SigBlk: %" SCNx64, &t->blocked);
	}
	if (f)
		fclose(f);
	return *t->name;
}

static unsigned int threads_look(struct thread *t, unsigned int room)
{
	DIR *dir = opendir("/proc/self/task");
	unsigned int nr = 0;
	struct dirent *e;

	assert_non_null(dir);
	while ((e = readdir(dir)) && nr < room)
		if (*e->d_name != '.')
			thread_look(strtoul(e->d_name, NULL, 10), &t[nr++]);
	closedir(dir);
	return nr;
}

static bool is_fault(int sig)
{
	return sig == SIGBUS || sig == SIGSEGV || sig == SIGFPE || sig == SIGILL || sig == SIGTRAP;
}

static void the_programs_signals_stay_the_programs(void **state)
{
	struct gw_vm *vm = vm_new(GW_PLAN_DIRECT, false, "caller-iova=on");
	struct thread before[64], t[64];
	unsigned int nr_before = threads_look(before, 64), nr, ours = 0;
	struct gw_vm_function *f = open_probe(vm);

	assert_int_equal(gw_vm_device(f)->ops->attach(gw_vm_device(f), NULL, NULL), 0);
	nr = threads_look(t, 64);
	for (unsigned int i = 0, k; i < nr; i++) {
		for (k = 0; k < nr_before && before[k].id != t[i].id; k++)
			continue;
		if (k < nr_before)
			continue;
		/* while it is being started it has another name, or blocks all there is */
		while (thread_look(t[i].id, &t[i]) && (strncmp(t[i].name, "gw-", 3) != 0 ||
						       t[i].blocked >> (SIGSEGV - 1) & 1))
			sched_yield();
		if (!*t[i].name)
			continue;
		ours++;
		for (int sig = 1; sig < 32; sig++)
			if (sig != SIGKILL && sig != SIGSTOP)
				assert_int_equal(t[i].blocked >> (sig - 1) & 1, !is_fault(sig));
	}
	assert_true(ours);
	gw_vm_device(f)->ops->detach(gw_vm_device(f));
	gw_vm_close(f);
	gw_vm_free(vm);
}

static void a_pool_stays_where_the_guest_was_told(void **state)
{
	struct gw_vm *vm = vm_new(GW_PLAN_POOL, true, NULL);
	struct gw_vm_function *f = open_probe(vm);
	struct gw_vm_memory m = { .gpa = ram, .size = 512 * MiB };
	uint64_t gpa, iova;
	char fdt[8192];

	assert_int_equal(gw_vm_reach(f, &m, 0x80, 32 * MiB), 0);
	gpa = gw_vm_pools(vm)->pool[0].gpa.v;
	iova = gw_vm_pools(vm)->pool[0].iova.v;
	make_tree(fdt, sizeof(fdt));
	assert_int_equal(gw_vm_amend(vm, fdt), 0);
	assert_true(fdt_path_offset(fdt, "/reserved-memory") >= 0);
	assert_int_equal(gw_vm_amend(vm, fdt), -EEXIST);
	gw_vm_close(f);
	f = open_probe(vm);
	assert_int_equal(gw_vm_reach(f, &m, 0x80, 0), 0);
	assert_int_equal(gw_vm_pools(vm)->nr, 1);
	assert_int_equal(gw_vm_pools(vm)->pool[0].gpa.v, gpa);
	assert_int_equal(gw_vm_pools(vm)->pool[0].iova.v, iova);
	gw_vm_close(f);
	gw_vm_free(vm);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_device_writes_memory_and_calls),
		cmocka_unit_test(functions_reach_each_other_if_the_fabric_lets_them),
		cmocka_unit_test(memory_of_a_function_that_goes_stays_while_another_uses_it),
		cmocka_unit_test(one_that_cannot_be_opened_takes_nothing_from_another),
		cmocka_unit_test(a_card_has_a_function_for_each_guest_device),
		cmocka_unit_test(the_first_function_decides_for_all),
		cmocka_unit_test(what_cannot_work_is_refused),
		cmocka_unit_test(a_window_is_where_the_guests_memory_is_already),
		cmocka_unit_test(faults_of_a_guest_that_ignores_the_window_have_a_cause),
		cmocka_unit_test(the_cause_of_a_fault_is_found_while_functions_change),
		cmocka_unit_test(the_programs_signals_stay_the_programs),
		cmocka_unit_test(a_pool_stays_where_the_guest_was_told),
	};

	return cmocka_run_group_tests_name("vm", tests, NULL, NULL);
}
