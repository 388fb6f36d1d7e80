/* SPDX-License-Identifier: BSD-3-Clause */
#include "fake_vfio.h"

#include <linux/capability.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/bitmap.h"
#include "host/vfio/function.h"
#include "base/util.h"

#define PAGE	4096u

struct rig {
	struct gw_host *host;
	struct gw_function *f;
	struct gw_irq_sink sink;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	uint64_t fired;
	unsigned int requests, errors;
	char *mem;
};

static void rig_fire(struct gw_irq_sink *sink, const uint64_t pending[GW_IRQ_WORDS])
{
	struct rig *r = container_of(sink, struct rig, sink);

	pthread_mutex_lock(&r->lock);
	r->fired |= pending[0];
	pthread_cond_broadcast(&r->changed);
	pthread_mutex_unlock(&r->lock);
}

static void rig_told(struct rig *r, unsigned int *what)
{
	pthread_mutex_lock(&r->lock);
	(*what)++;
	pthread_cond_broadcast(&r->changed);
	pthread_mutex_unlock(&r->lock);
}

static void rig_request(struct gw_irq_sink *sink)
{
	struct rig *r = container_of(sink, struct rig, sink);

	rig_told(r, &r->requests);
}

static void rig_error(struct gw_irq_sink *sink)
{
	struct rig *r = container_of(sink, struct rig, sink);

	rig_told(r, &r->errors);
}

static void wait_fired(struct rig *r, uint64_t mask)
{
	pthread_mutex_lock(&r->lock);
	while ((r->fired & mask) != mask)
		pthread_cond_wait(&r->changed, &r->lock);
	r->fired = 0;
	pthread_mutex_unlock(&r->lock);
}

/* Until the sink has been told so often of a request and of an error, and no oftener. */
static void wait_told(struct rig *r, unsigned int requests, unsigned int errors)
{
	bool more;

	pthread_mutex_lock(&r->lock);
	while (r->requests < requests || r->errors < errors)
		pthread_cond_wait(&r->changed, &r->lock);
	more = r->requests > requests || r->errors > errors;
	pthread_mutex_unlock(&r->lock);
	assert_false(more);
}

static struct gw_host *host_new(bool hide)
{
	const struct gw_vfio_options opt = { .tree = fake.tree, .hide_caller_iova = hide };
	struct gw_host *host;

	assert_int_equal(gw_vfio_host_new(&opt, &fake.sink, &host), 0);
	return host;
}

static struct rig *rig_open(bool hide)
{
	struct rig *r = malloc(sizeof(*r));

	assert_non_null(r);
	*r = (struct rig){ .sink = { rig_fire, rig_request, rig_error } };
	pthread_mutex_init(&r->lock, NULL);
	pthread_cond_init(&r->changed, NULL);
	r->host = host_new(hide);
	assert_int_equal(r->host->ops->open(r->host, "01:00.0", &r->f), 0);
	r->mem = mmap(NULL, 64 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_true(r->mem != MAP_FAILED);
	return r;
}

static void rig_close(struct rig *r)
{
	r->f->ops->close(r->f);
	r->host->ops->free(r->host);
	munmap(r->mem, 64 * PAGE);
	pthread_cond_destroy(&r->changed);
	pthread_mutex_destroy(&r->lock);
	free(r);
}

static int setup(void **state, bool hide)
{
	int ret = fake_setup(state);

	if (!ret)
		*state = rig_open(hide);
	return ret;
}

static int setup_open(void **state)
{
	return setup(state, false);
}

static int setup_hiding(void **state)
{
	return setup(state, true);
}

static int teardown_open(void **state)
{
	int ret;

	rig_close(*state);
	ret = fake_teardown(state);
	assert_int_equal(fake.nr_maps, 0);
	return ret;
}

static int map(struct rig *r, unsigned int page, uint64_t iova, unsigned int pages,
	       struct gw_mapping *m)
{
	struct gw_memory mem = { .addr = r->mem + page * PAGE };
	gw_iova want = { iova };

	return r->f->ops->dma_map(r->f, &mem, pages * PAGE, &want, m);
}

static int unmap(struct rig *r, const struct gw_mapping *m)
{
	return r->f->ops->dma_unmap(r->f, m->handle);
}

static int irqs_setup(struct rig *r)
{
	unsigned int nr;
	int ret = r->f->ops->irq_setup(r->f, &r->sink, &nr);

	if (!ret)
		assert_int_equal(nr, FAKE_VECTORS);
	return ret;
}

/* @name cannot be opened: the error, and the lines that say why and what to do. */
static void refused(const char *name, int err, const char *why, const char *hint)
{
	struct gw_host *host = host_new(false);
	struct gw_function *f;

	fake.log[0] = '\0';
	assert_int_equal(host->ops->open(host, name, &f), err);
	if (!fake_logged(why) || !fake_logged(hint))
		fail_msg("'%s' and '%s' are not in: %s", why, hint, fake.log);
	host->ops->free(host);
}

static void what_cannot_be_handed_out_is_refused_with_the_way_out(void **state)
{
	refused("nonsense", -ENOENT, "not a PCI address", "0000:01:00.0");
	refused("09:00.0", -ENOENT, "no such PCI function", "gangway list");

	fake_link("sys/bus/pci/devices/0000:01:00.0/driver", "../drivers/nvme");
	refused("01:00.0", -EOPNOTSUPP, "the driver nvme has", "gangway bind 0000:01:00.0");
	fake_remove("sys/bus/pci/devices/0000:01:00.0/driver");
	refused("01:00.0", -EOPNOTSUPP, "no driver has", "gangway bind");
	fake_link("sys/bus/pci/devices/0000:01:00.0/driver", "../drivers/vfio-pci");

	fake_write("sys/kernel/iommu_groups/7/name", "vfio-noiommu\n");
	refused("01:00.0", -EOPNOTSUPP, "without an IOMMU", "enable_unsafe_noiommu_mode");
	fake_remove("sys/kernel/iommu_groups/7/name");

	fake.fail_set_iommu = -EPERM;
	refused("01:00.0", -EOPNOTSUPP, "does not remap interrupts", "allow_unsafe_interrupts");
	fake.fail_set_iommu = 0;
	fake.no_type1 = true;
	refused("01:00.0", -EOPNOTSUPP, "no type1 v2", "modprobe vfio_iommu_type1");
	fake.no_type1 = false;
	fake.fail_device_fd = -EACCES;
	refused("01:00.0", -EACCES, "does not hand it out", "VF token");
	fake.fail_device_fd = 0;
	fake_remove("dev/vfio/7");
	refused("01:00.0", -EOPNOTSUPP, "cannot open", "modprobe vfio-pci");
	fake_remove("sys/bus/pci/devices/0000:01:00.0/iommu_group");
	refused("01:00.0", -EOPNOTSUPP, "no IOMMU covers", "dmesg");
	fake_remove("sys/class/iommu/dmar0/name");
}

static void a_group_that_is_not_viable_names_who_is_in_the_way(void **state)
{
	fake_function("0000:01:00.1", 7);
	fake_link("sys/bus/pci/devices/0000:01:00.1/driver", "../drivers/e1000e");
	fake.not_viable = true;
	refused("01:00.0", -EOPNOTSUPP, "0000:01:00.1 is in the same IOMMU group 7 and is driven by "
		"e1000e", "gangway bind 0000:01:00.1");
	fake_write("sys/bus/pci/devices/0000:01:00.1/class", "0x060100\n");
	refused("01:00.0", -EOPNOTSUPP, "driven by e1000e", "belongs to the machine itself");
	/* a variant of vfio-pci is not in the way, nor is what drives nothing */
	fake_write("sys/bus/pci/devices/0000:01:00.1/vfio-dev/vfio3/dev", "");
	refused("01:00.0", -EOPNOTSUPP, "cannot be handed out", "");
	assert_false(fake_logged("e1000e"));
}

static void what_no_guest_can_have_is_not_opened(void **state)
{
	uint8_t bridge[256] = { [0x0e] = 1 };

	for (unsigned int class = 0x060000; class <= 0x060100; class += 0x100) {
		char text[16];

		snprintf(text, sizeof(text), "%#08x\n", class);
		fake_write("sys/bus/pci/devices/0000:01:00.0/class", text);
		refused("01:00.0", -EOPNOTSUPP, "a part of the machine itself", "");
	}
	fake_write("sys/bus/pci/devices/0000:01:00.0/class", "0x068000\n");
	fake_bytes("sys/bus/pci/devices/0000:01:00.0/config", bridge, sizeof(bridge));
	refused("01:00.0", -EOPNOTSUPP, "is a bridge", "");
}

static void opens(const char *name)
{
	struct gw_host *host = host_new(false);
	struct gw_function_info *list;
	struct gw_function *f;
	size_t nr;

	assert_int_equal(host->ops->list(host, &list, &nr), 0);
	assert_int_equal(nr, 2);
	assert_true(strstr(list[0].name, name) || strstr(list[1].name, name));
	free(list);
	assert_int_equal(host->ops->open(host, name, &f), 0);
	f->ops->close(f);
	host->ops->free(host);
}

static void endpoints_of_a_bridge_class_and_variant_drivers_are_passable(void **state)
{
	fake_write("sys/bus/pci/devices/0000:01:00.0/class", "0x068000\n");
	opens("01:00.0");
	fake_link("sys/bus/pci/devices/0000:01:00.0/driver", "../drivers/nvgrace_gpu_vfio_pci");
	fake_write("sys/bus/pci/devices/0000:01:00.0/vfio-dev/vfio0/dev", "");
	opens("01:00.0");
	/* without a group its own node is worth nothing: there is no IOMMU */
	fake_remove("sys/bus/pci/devices/0000:01:00.0/iommu_group");
	refused("01:00.0", -EOPNOTSUPP, "no IOMMU covers", "dmesg");
}

static void functions_of_vfio_pci_are_listed(void **state)
{
	struct gw_host *host = host_new(false);
	struct gw_function_info *list;
	size_t nr;

	fake_link("sys/bus/pci/devices/0000:02:00.0/driver", "../drivers/nvme");
	assert_int_equal(host->ops->list(host, &list, &nr), 0);
	assert_int_equal(nr, 1);
	assert_string_equal(list[0].name, "0000:01:00.0");
	assert_int_equal(list[0].class_code, 0x010802);
	free(list);
	host->ops->free(host);
}

static void limits_are_the_kernels(void **state)
{
	struct rig *r = *state;

	assert_int_equal(r->f->limits.granule, PAGE);
	assert_int_equal(r->f->limits.max_maps, FAKE_MAPS);
	assert_true(r->f->limits.caller_iova);
	assert_true(r->f->limits.iova_last.v == (1ull << 39) - 1);
}

static void maps_are_checked_before_the_kernel_sees_them(void **state)
{
	struct rig *r = *state;
	struct gw_mapping m, other;

	assert_int_equal(map(r, 0, 0xfee00000, 1, &m), -EADDRNOTAVAIL);
	assert_true(fake_logged("the platform keeps 0xfee00000"));
	assert_int_equal(map(r, 0, 0xfedff000, 2, &m), -EADDRNOTAVAIL);
	assert_int_equal(map(r, 0, 1ull << 39, 1, &m), -EADDRNOTAVAIL);
	assert_int_equal(map(r, 0, -(uint64_t)PAGE, 2, &m), -EINVAL);
	assert_int_equal(map(r, 0, 0x1800, 1, &m), -EINVAL);
	assert_int_equal(map(r, 0, 0x1000, 0, &m), -EINVAL);
	assert_int_equal(fake.maps_ever, 0);

	assert_int_equal(map(r, 0, 0x10000, 4, &m), 0);
	assert_true(m.nr_segments == 1 && m.seg[0].iova.v == 0x10000 && m.seg[0].size == 4 * PAGE);
	assert_true(fake.map[0].vaddr == (uintptr_t)r->mem && fake.map[0].write);
	assert_int_equal(map(r, 0, 0x10000, 4, &other), -EEXIST);
	assert_int_equal(map(r, 8, 0x13000, 4, &other), -EEXIST);
	assert_int_equal(r->f->ops->dma_unmap(r->f, m.handle + 1), -ENOENT);
	assert_int_equal(unmap(r, &m), 0);
	assert_int_equal(unmap(r, &m), -ENOENT);

	/* an old handle does not end a mapping that came to the same address */
	assert_int_equal(map(r, 0, 0x10000, 4, &other), 0);
	assert_int_equal(unmap(r, &m), -ENOENT);
	assert_int_equal(fake.nr_maps, 1);
}

static void the_kernels_refusals_are_handed_on(void **state)
{
	struct rig *r = *state;
	struct gw_mapping m;

	fake.fail_map = -ENOMEM;
	assert_int_equal(map(r, 0, 0x10000, 1, &m), -ENOMEM);
	fake.fail_map = -EFAULT;
	assert_int_equal(map(r, 0, 0x10000, 1, &m), -EFAULT);
	fake.fail_map = 0;
	assert_int_equal(map(r, 0, 0x10000, 1, &m), 0);
	fake.fail_unmap = -EIO;
	assert_int_equal(unmap(r, &m), -EIO);
	fake.fail_unmap = 0;
	/* still known: the address is not given out again */
	assert_int_equal(map(r, 1, 0x10000, 1, &m), -EEXIST);
	fake.nr_maps = 0;
}

static void a_host_that_hides_chooses_far_from_guest_memory(void **state)
{
	struct rig *r = *state;
	struct gw_memory mem;
	struct gw_mapping m[8];

	assert_false(r->f->limits.caller_iova);
	assert_int_equal(map(r, 0, 0x10000, 1, &m[0]), -EOPNOTSUPP);
	for (unsigned int i = 0; i < 8; i++) {
		mem = (struct gw_memory){ .addr = r->mem + i * PAGE };
		assert_int_equal(r->f->ops->dma_map(r->f, &mem, PAGE, NULL, &m[i]), 0);
		assert_true(m[i].seg[0].iova.v >= 1ull << 38);
		assert_true(!i || m[i].seg[0].iova.v >= m[i - 1].seg[0].iova.v + 2 * PAGE);
	}
	for (unsigned int i = 0; i < 8; i++)
		assert_int_equal(unmap(r, &m[i]), 0);
}

static int map_below(struct rig *r, unsigned int page, unsigned int pages, uint64_t last,
		     struct gw_mapping *m)
{
	struct gw_memory mem = { .addr = r->mem + page * PAGE, .last = { last } };

	return r->f->ops->dma_map(r->f, &mem, pages * PAGE, NULL, m);
}

/* Devices put out 32, 36 or 44 bits; what the host would choose itself is above the first two. */
static void a_host_that_hides_keeps_to_what_a_device_puts_out(void **state)
{
	static const uint64_t mask[] = { UINT32_MAX, (1ull << 36) - 1, (1ull << 44) - 1, 0xffff };
	struct rig *r = *state;
	struct gw_mapping m[12];
	uint64_t at;

	assert_true(r->f->limits.places);
	for (unsigned int i = 0; i < 12; i++) {
		assert_int_equal(map_below(r, i, 1, mask[i % 4], &m[i]), 0);
		at = m[i].seg[0].iova.v;
		assert_true(at && at + PAGE - 1 <= mask[i % 4]);
		for (unsigned int j = 0; j < i; j++)
			assert_true(at != m[j].seg[0].iova.v);
	}
	/* and says so where it cannot */
	at = r->f->limits.iova_first.v + 2 * PAGE - 1;
	assert_int_equal(map_below(r, 12, 4, at, &m[0]), -ERANGE);
	for (unsigned int i = 1; i < 12; i++)
		assert_int_equal(unmap(r, &m[i]), 0);
}

static void functions_share_what_the_process_may_lock(void **state)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct was[2], caps[2];
	struct rlimit limit, small;
	struct rig *r = *state;
	struct gw_mapping m;

	assert_int_equal(syscall(SYS_capget, &head, was), 0);
	getrlimit(RLIMIT_MEMLOCK, &limit);
	memcpy(caps, was, sizeof(caps));
	caps[0].effective &= ~(1u << CAP_IPC_LOCK);
	small = (struct rlimit){ .rlim_cur = 8 * PAGE, .rlim_max = limit.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_MEMLOCK, &small), 0);
	assert_int_equal(syscall(SYS_capset, &head, caps), 0);
	assert_true(r->f->ops->room(r->f) == 8 * PAGE);
	assert_int_equal(map_below(r, 0, 3, 0, &m), 0);
	assert_true(r->f->ops->room(r->f) == 5 * PAGE);
	assert_int_equal(unmap(r, &m), 0);
	assert_true(r->f->ops->room(r->f) == 8 * PAGE);
	assert_int_equal(syscall(SYS_capset, &head, was), 0);
	assert_int_equal(setrlimit(RLIMIT_MEMLOCK, &limit), 0);
}

static void registers_and_config_reach_the_function(void **state)
{
	struct rig *r = *state;
	struct gw_bar_info info;
	struct gw_bar_map bar;
	uint32_t val;
	uint64_t reg;

	assert_int_equal(r->f->ops->bar_info(r->f, 0, &info), 0);
	assert_true(info.size == 0x4000 && !info.mappable);
	assert_int_equal(r->f->ops->bar_map(r->f, 0, &bar), -EOPNOTSUPP);
	for (unsigned int b = 0; b <= 2; b += 2) {	/* mapped here, and by system call */
		assert_int_equal(r->f->ops->reg_write(r->f, b, (gw_bar_off){ 8 }, 4, 0xabcd1234), 0);
		assert_int_equal(r->f->ops->reg_read(r->f, b, (gw_bar_off){ 8 }, 8, &reg), 0);
		assert_true(reg == 0xabcd1234);
	}
	assert_int_equal(r->f->ops->reg_read(r->f, 2, (gw_bar_off){ 0x20 }, 4, &reg), -EINVAL);
	assert_int_equal(r->f->ops->reg_read(r->f, 2, (gw_bar_off){ 2 }, 4, &reg), -EINVAL);
	assert_int_equal(r->f->ops->reg_read(r->f, 6, (gw_bar_off){ 0 }, 4, &reg), -EINVAL);
	assert_int_equal(r->f->ops->config_write(r->f, 0x100, 2, 0xbeef), 0);
	assert_int_equal(r->f->ops->config_read(r->f, 0x100, 4, &val), 0);
	assert_int_equal(val, 0xbeef);
	assert_int_equal(r->f->ops->config_read(r->f, 4096, 1, &val), -EINVAL);
	assert_int_equal(r->f->ops->config_read(r->f, 2, 4, &val), -EINVAL);
}

static void an_eventfd_of_the_vmm_is_signalled_by_the_kernel_itself(void **state)
{
	struct rig *r = *state;
	const uint64_t all[GW_IRQ_WORDS] = { 0xff };
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	uint64_t n;

	assert_int_equal(irqs_setup(r), 0);
	assert_int_equal(irqs_setup(r), -EBUSY);
	assert_int_equal(r->f->ops->irq->eventfd(r->f, GW_IRQ_MSIX, 0, fd), -EPROTO);
	assert_int_equal(r->f->ops->irq->enable(r->f, GW_IRQ_MSIX, FAKE_VECTORS + 1), -EINVAL);
	assert_int_equal(r->f->ops->irq_mask(r->f, all), 0);
	assert_int_equal(r->f->ops->irq->enable(r->f, GW_IRQ_MSIX, FAKE_VECTORS), 0);
	assert_int_equal(r->f->ops->irq->enable(r->f, GW_IRQ_MSI, 1), -EBUSY);

	fake_fire(GW_IRQ_MSIX, 3);	/* nobody's yet: by the sink */
	wait_fired(r, 1 << 3);
	assert_int_equal(r->f->ops->irq->eventfd(r->f, GW_IRQ_MSIX, FAKE_VECTORS, fd), -EINVAL);
	assert_int_equal(r->f->ops->irq->eventfd(r->f, GW_IRQ_MSIX, 3, fd), 0);
	fake_fire(GW_IRQ_MSIX, 3);
	assert_int_equal(read(fd, &n, sizeof(n)), sizeof(n));
	fake_fire(GW_IRQ_MSIX, 4);
	wait_fired(r, 1 << 4);
	assert_int_equal(read(fd, &n, sizeof(n)), -1);
	assert_int_equal(r->f->ops->irq->eventfd(r->f, GW_IRQ_MSIX, 3, -1), 0);
	fake_fire(GW_IRQ_MSIX, 3);
	wait_fired(r, 1 << 3);
	assert_int_equal(r->f->ops->irq->enable(r->f, GW_IRQ_MSIX, 0), 0);
	assert_int_equal(fake.irq[GW_IRQ_MSIX][3], -1);
	close(fd);
}

static void interrupts_can_be_taken_down_and_set_up_again(void **state)
{
	struct rig *r = *state;
	const uint64_t all[GW_IRQ_WORDS] = { 0xff };

	r->f->ops->irq_teardown(r->f);		/* of nothing */
	assert_int_equal(irqs_setup(r), 0);
	assert_int_equal(r->f->ops->irq_mask(r->f, all), 0);
	assert_int_equal(r->f->ops->irq->enable(r->f, GW_IRQ_MSIX, FAKE_VECTORS), 0);
	r->f->ops->irq_teardown(r->f);
	assert_int_equal(fake.irq[GW_IRQ_MSIX][3], -1);
	assert_int_equal(irqs_setup(r), 0);
	assert_int_equal(r->f->ops->irq->enable(r->f, GW_IRQ_MSI, 1), 0);
	fake_fire(GW_IRQ_MSI, 0);
	wait_fired(r, 1);
}

static void too_few_vectors_left_is_an_error(void **state)
{
	struct rig *r = *state;

	assert_int_equal(irqs_setup(r), 0);
	fake.fail_irqs = 3;
	assert_int_equal(r->f->ops->irq->enable(r->f, GW_IRQ_MSIX, FAKE_VECTORS), -ENOSPC);
	fake.fail_irqs = 0;
	assert_int_equal(r->f->ops->irq->enable(r->f, GW_IRQ_MSI, 1), 0);
}

static void intx_is_masked_and_unmasked_at_the_kernel(void **state)
{
	struct rig *r = *state;

	assert_true(r->f->intx);
	assert_int_equal(r->f->ops->irq->intx_mask(r->f, true), 0);
	assert_int_equal(r->f->ops->irq->intx_mask(r->f, false), 0);
	assert_true(fake.masks == 1 && fake.unmasks == 1);
}

static void unmask_by(struct rig *r, int fd)
{
	assert_int_equal(r->f->ops->irq->intx_unmask_fd(r->f, fd), 0);
	assert_int_equal(fake.unmask_fd, fd);
}

static void intx_is_unmasked_by_one_eventfd_at_a_time(void **state)
{
	struct rig *r = *state;

	assert_int_equal(irqs_setup(r), 0);
	assert_int_equal(r->f->ops->irq->intx_unmask_fd(r->f, 7), -EPROTO);
	assert_int_equal(r->f->ops->irq->enable(r->f, GW_IRQ_INTX, 1), 0);
	unmask_by(r, 7);
	unmask_by(r, 8);
	unmask_by(r, -1);
	fake.fail_irqs = -EINVAL;
	assert_int_equal(r->f->ops->irq->intx_unmask_fd(r->f, 7), -EINVAL);
	fake.fail_irqs = 0;
	assert_int_equal(r->f->ops->irq->enable(r->f, GW_IRQ_INTX, 0), 0);
	assert_int_equal(r->f->ops->irq->intx_unmask_fd(r->f, 7), -EPROTO);
	assert_int_equal(r->f->ops->irq->enable(r->f, GW_IRQ_MSIX, 1), 0);
	assert_int_equal(r->f->ops->irq->intx_unmask_fd(r->f, 7), -EPROTO);
}

static void an_error_of_the_function_is_handed_on(void **state)
{
	struct rig *r = *state;

	assert_int_equal(irqs_setup(r), 0);
	fake_fire(GW_IRQ_ERR, 0);
	wait_told(r, 0, 1);
	assert_true(fake_logged("0000:01:00.0: the function reported an error"));
}

static void wait_gone(struct gw_function *f)
{
	struct pollfd p = { .events = POLLIN };

	assert_int_equal(f->ops->gone(f, &p.fd), 0);
	assert_int_equal(poll(&p, 1, -1), 1);
}

/* With @m mapped, the kernel has asked for the function. */
static void wanted_back(struct rig *r, struct gw_mapping *m)
{
	assert_int_equal(irqs_setup(r), 0);
	assert_int_equal(map(r, 0, 0x10000, 1, m), 0);
	fake_fire(GW_IRQ_REQ, 0);
	wait_told(r, 1, 0);
}

static void a_function_that_the_kernel_wants_back_goes_when_nothing_is_mapped(void **state)
{
	struct rig *r = *state;
	struct gw_mapping m;
	uint32_t val;

	wanted_back(r, &m);
	assert_int_equal(r->f->ops->config_read(r->f, 0, 4, &val), 0);
	assert_int_equal(unmap(r, &m), 0);
	wait_gone(r->f);
	assert_int_equal(r->f->ops->config_read(r->f, 0, 4, &val), -ENODEV);
	assert_int_equal(map(r, 0, 0x10000, 1, &m), -ENODEV);
	assert_int_equal(r->f->ops->reset(r->f), -ENODEV);
	assert_int_equal(r->f->ops->irq->enable(r->f, GW_IRQ_INTX, 1), -ENODEV);
	assert_int_equal(r->f->ops->irq->eventfd(r->f, GW_IRQ_MSIX, 0, -1), -ENODEV);
	assert_int_equal(r->f->ops->irq->intx_mask(r->f, true), -ENODEV);
	assert_int_equal(r->f->ops->irq->intx_unmask_fd(r->f, 7), -ENODEV);
}

static void a_function_that_is_not_let_go_is_taken_when_the_kernel_asks_again(void **state)
{
	struct rig *r = *state;
	struct gw_mapping m;

	gw_vfio_fn(r->f)->irqs.patience = 0;
	wanted_back(r, &m);
	fake_fire(GW_IRQ_REQ, 0);
	wait_gone(r->f);
	assert_true(fake_logged("did not let go in time"));
	assert_int_equal(unmap(r, &m), -ENODEV);
	assert_int_equal(fake.nr_maps, 0);
}

/* Whoever waits for the kernel got a signal: then it asks once more, and no time has passed. */
static void a_kernel_that_asks_twice_at_once_leaves_the_vmm_its_time(void **state)
{
	struct rig *r = *state;
	struct gw_mapping m;
	uint32_t val;

	wanted_back(r, &m);
	for (unsigned int i = 0; i < 100; i++) {
		fake_fire(GW_IRQ_REQ, 0);
		assert_int_equal(r->f->ops->config_read(r->f, 0, 4, &val), 0);
	}
	assert_int_equal(unmap(r, &m), 0);
	wait_gone(r->f);
	assert_false(fake_logged("did not let go in time"));
}

static void the_bus_is_reset_only_where_nobody_else_is_on_it(void **state)
{
	struct rig *r = *state;

	assert_int_equal(r->f->ops->reset(r->f), 0);
	assert_true(fake.resets == 1 && fake.hot_resets == 0);
	fake.fail_reset = -ENOTTY;
	assert_int_equal(r->f->ops->reset(r->f), 0);
	assert_int_equal(fake.hot_resets, 1);
	fake.hot_reset_shared = true;
	assert_int_equal(r->f->ops->reset(r->f), -EOPNOTSUPP);
	assert_true(fake_logged("0000:01:00.1 of IOMMU group 9"));
	assert_int_equal(fake.hot_resets, 1);
}

static void a_bar_that_can_be_shared_alone_is(void **state)
{
	struct rig *r;
	const struct gw_bar_range range = { { 0x1000 }, 0x1000 }, odd = { { 0x800 }, 0x1000 },
				  beyond = { { 0x3000 }, 0x2000 };
	struct gw_bar_map bar;
	int fd = -1;

	fake.dma_buf = memfd_create("buf", MFD_CLOEXEC);
	assert_int_equal(ftruncate(fake.dma_buf, 0x4000), 0);
	r = rig_open(false);
	assert_int_equal(r->f->ops->bar_map(r->f, 0, &bar), 0);
	assert_int_equal(bar.unit, sysconf(_SC_PAGESIZE));
	assert_true(bar.size == 0x4000 && bar.fd >= 0);
	r->f->ops->bar_unmap(r->f, 0);
	assert_int_equal(r->f->ops->peer->bar_export(r->f, 0, &range, 1, &fd), 0);
	assert_int_equal(fake.feature_flags & 0xffff, 11);
	close(fd);
	assert_int_equal(r->f->ops->peer->bar_export(r->f, 0, &odd, 1, &fd), -EINVAL);
	assert_int_equal(r->f->ops->peer->bar_export(r->f, 0, &beyond, 1, &fd), -EINVAL);
	assert_int_equal(r->f->ops->peer->bar_export(r->f, 0, &range, 0, &fd), -EINVAL);
	rig_close(r);
	assert_int_equal(fake.nr_maps, 0);
	close(fake.dma_buf);
}

static void *map_and_unmap(void *arg)
{
	struct gw_function *f = arg;
	struct gw_bar_map map;

	for (unsigned int i = 0; i < 2000; i++) {
		if (f->ops->bar_map(f, 0, &map))
			abort();
		(void)*(volatile char *)map.addr;	/* it is there while it is ours */
		f->ops->bar_unmap(f, 0);
	}
	return NULL;
}

static void a_bar_is_mapped_and_unmapped_by_any_thread(void **state)
{
	const struct gw_vfio_options opt = { .tree = fake.tree, .bar_resource = true };
	struct gw_bar_map map[2];
	struct gw_host *host;
	struct gw_function *f;
	pthread_t thread[3];

	fake_bytes("sys/bus/pci/devices/0000:01:00.0/resource0", (char[0x4000]){ 0 }, 0x4000);
	assert_int_equal(gw_vfio_host_new(&opt, &fake.sink, &host), 0);
	assert_int_equal(host->ops->open(host, "01:00.0", &f), 0);
	for (size_t i = 0; i < ARRAY_SIZE(thread); i++)
		assert_int_equal(pthread_create(&thread[i], NULL, map_and_unmap, f), 0);
	for (size_t i = 0; i < ARRAY_SIZE(thread); i++)
		pthread_join(thread[i], NULL);
	/* mapped once, whoever asks, and there as long as anyone has it */
	assert_int_equal(f->ops->bar_map(f, 0, &map[0]), 0);
	assert_int_equal(f->ops->bar_map(f, 0, &map[1]), 0);
	assert_ptr_equal(map[0].addr, map[1].addr);
	f->ops->bar_unmap(f, 0);
	assert_int_equal(*(volatile char *)map[0].addr, 0);
	f->ops->bar_unmap(f, 0);
	/* what is not mapped is not unmapped */
	f->ops->bar_unmap(f, 0);
	f->ops->bar_unmap(f, GW_NR_BARS);
	assert_int_equal(f->ops->bar_map(f, GW_NR_BARS, &map[0]), -EINVAL);
	f->ops->close(f);
	host->ops->free(host);
}

static void options_say_what_is_possible(void **state)
{
	static const char *const bad[][2] = {
		{ "max-bytes", "0" }, { "max-bytes", "1K" }, { "max-bytes", "much" }, { "max-maps", "0" },
		{ "max-maps", "-1" }, { "max-maps", "" }, { "max-maps", "4294967296" },
	};
	struct gw_vfio_options o = { 0 };

	assert_int_equal(gw_vfio_set_option(&o, "hide-caller-iova", "on", &fake.sink), 0);
	assert_true(o.hide_caller_iova);
	assert_int_equal(gw_vfio_set_option(&o, "iommufd", "off", &fake.sink), 0);
	assert_int_equal(o.iommufd, GW_VFIO_OFF);
	assert_int_equal(gw_vfio_set_option(&o, "iommufd", "maybe", &fake.sink), -EINVAL);
	assert_true(fake_logged("not auto, on or off"));
	assert_int_equal(gw_vfio_set_option(&o, "bar-resource", "auto", &fake.sink), -EINVAL);
	assert_int_equal(gw_vfio_set_option(&o, "granule", "4K", &fake.sink), -ENOENT);
	assert_true(fake_logged("hide-caller-iova, bar-resource, iommufd, max-bytes and max-maps"));
	assert_int_equal(gw_vfio_set_option(&o, "max-bytes", "1G", &fake.sink), 0);
	assert_int_equal(gw_vfio_set_option(&o, "max-maps", "7", &fake.sink), 0);
	assert_true(o.max_bytes == 1ull << 30 && o.max_maps == 7);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(gw_vfio_set_option(&o, bad[i][0], bad[i][1], &fake.sink), -EINVAL);
	assert_true(fake_logged("not a size such as 4G"));
}

static struct gw_function *function_with(uint64_t max_bytes, uint64_t max_maps, struct gw_host **host)
{
	const struct gw_vfio_options opt = { .tree = fake.tree, .max_bytes = max_bytes,
					     .max_maps = max_maps };
	struct gw_function *f;

	assert_int_equal(gw_vfio_host_new(&opt, &fake.sink, host), 0);
	assert_int_equal((*host)->ops->open(*host, "01:00.0", &f), 0);
	return f;
}

static int map_pages(struct gw_function *f, char *mem, uint64_t iova, unsigned int pages,
		     struct gw_mapping *m)
{
	const struct gw_memory memory = { .addr = mem };
	const gw_iova want = { iova };

	return gw_function_map(f, &memory, pages * PAGE, &want, m);
}

static void a_function_keeps_to_its_budget(void **state)
{
	char *mem = mmap(NULL, 8 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct gw_mapping m[3];
	struct gw_host *host;
	struct gw_function *f = function_with(4 * PAGE, 2, &host);

	assert_int_equal(map_pages(f, mem, 0, 5, &m[0]), -E2BIG);
	assert_int_equal(map_pages(f, mem, 0, 3, &m[0]), 0);
	assert_int_equal(map_pages(f, mem, 0x10000, 2, &m[1]), -ENOSPC);
	assert_int_equal(map_pages(f, mem, 0x10000, 1, &m[1]), 0);
	assert_int_equal(gw_function_unmap(f, m[0].handle, 3 * PAGE), 0);
	assert_int_equal(map_pages(f, mem, 0, 1, &m[0]), 0);
	assert_int_equal(map_pages(f, mem, 0x20000, 1, &m[2]), -ENOSPC);
	f->ops->close(f);
	host->ops->free(host);
	/* nobody has said how much, and the process may lock all there is: less than that */
	f = function_with(0, 0, &host);
	assert_int_equal(f->limits.max_maps, FAKE_MAPS);
	assert_true(f->limits.max_bytes <= (uint64_t)sysconf(_SC_PHYS_PAGES) * PAGE);
	f->ops->close(f);
	host->ops->free(host);
	munmap(mem, 8 * PAGE);
}

static void what_all_functions_have_locked_is_counted_before_the_kernel_does(void **state)
{
	char *mem = mmap(NULL, 8 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct gw_mapping m[2], more;
	struct gw_vfio_host *vfio;
	struct gw_function *f[2];
	struct gw_host *host;

	f[0] = function_with(0, 0, &host);
	vfio = container_of(host, struct gw_vfio_host, base);
	vfio->spaces.locked.limit = 6 * PAGE;
	assert_int_equal(host->ops->open(host, "02:00.0", &f[1]), 0);
	assert_int_equal(map_pages(f[0], mem, 0, 4, &m[0]), 0);
	/* the kernel would have to be asked too */
	assert_int_equal(map_pages(f[1], mem, 0x100000, 4, &m[1]), -ENOSPC);
	assert_true(fake_logged("all functions here have"));
	assert_int_equal(map_pages(f[1], mem, 0x100000, 2, &m[1]), 0);
	fake.fail_map = -EFAULT;
	assert_int_equal(gw_function_unmap(f[0], m[0].handle, 4 * PAGE), 0);
	assert_int_equal(map_pages(f[0], mem, 0, 4, &m[0]), -EFAULT);
	fake.fail_map = 0;
	assert_int_equal(map_pages(f[0], mem, 0, 4, &m[0]), 0);
	f[0]->ops->close(f[0]);
	assert_int_equal(map_pages(f[1], mem, 0x200000, 4, &more), 0);
	f[1]->ops->close(f[1]);
	assert_true(atomic_load(&vfio->spaces.locked.bytes) == 0);
	host->ops->free(host);
	munmap(mem, 8 * PAGE);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, fake_setup, fake_teardown)
#define OPEN(f) cmocka_unit_test_setup_teardown(f, setup_open, teardown_open)
#define HIDING(f) cmocka_unit_test_setup_teardown(f, setup_hiding, teardown_open)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_cannot_be_handed_out_is_refused_with_the_way_out),
		TEST(a_group_that_is_not_viable_names_who_is_in_the_way),
		TEST(what_no_guest_can_have_is_not_opened),
		TEST(endpoints_of_a_bridge_class_and_variant_drivers_are_passable),
		TEST(functions_of_vfio_pci_are_listed),
		OPEN(limits_are_the_kernels),
		OPEN(maps_are_checked_before_the_kernel_sees_them),
		OPEN(the_kernels_refusals_are_handed_on),
		HIDING(a_host_that_hides_chooses_far_from_guest_memory),
		HIDING(a_host_that_hides_keeps_to_what_a_device_puts_out),
		HIDING(functions_share_what_the_process_may_lock),
		OPEN(registers_and_config_reach_the_function),
		OPEN(an_eventfd_of_the_vmm_is_signalled_by_the_kernel_itself),
		OPEN(interrupts_can_be_taken_down_and_set_up_again),
		OPEN(too_few_vectors_left_is_an_error),
		OPEN(intx_is_unmasked_by_one_eventfd_at_a_time),
		OPEN(intx_is_masked_and_unmasked_at_the_kernel),
		OPEN(an_error_of_the_function_is_handed_on),
		OPEN(a_function_that_the_kernel_wants_back_goes_when_nothing_is_mapped),
		OPEN(a_function_that_is_not_let_go_is_taken_when_the_kernel_asks_again),
		OPEN(a_kernel_that_asks_twice_at_once_leaves_the_vmm_its_time),
		OPEN(the_bus_is_reset_only_where_nobody_else_is_on_it),
		TEST(a_bar_that_can_be_shared_alone_is),
		TEST(a_bar_is_mapped_and_unmapped_by_any_thread),
		TEST(options_say_what_is_possible),
		TEST(a_function_keeps_to_its_budget),
		TEST(what_all_functions_have_locked_is_counted_before_the_kernel_does),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
