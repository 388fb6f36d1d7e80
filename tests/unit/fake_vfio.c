/* SPDX-License-Identifier: BSD-3-Clause */
#include "fake_vfio.h"

#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/vfio/uapi.h"

#define FAKE_IOAS	5u

struct fake_vfio fake;

int __wrap_ioctl(int fd, unsigned long request, ...);

void fake_bytes(const char *path, const void *bytes, size_t len)
{
	char full[512];
	FILE *f;

	snprintf(full, sizeof(full), "%s/%s", fake.tree, path);
	for (char *p = full + strlen(fake.tree) + 1; (p = strchr(p, '/')); p++) {
		*p = '\0';
		mkdir(full, 0700);
		*p = '/';
	}
	f = fopen(full, "we");
	assert_non_null(f);
	assert_int_equal(fwrite(bytes, 1, len, f), len);
	fclose(f);
}

void fake_write(const char *path, const char *text)
{
	fake_bytes(path, text, strlen(text));
}

void fake_link(const char *path, const char *target)
{
	char full[512];

	snprintf(full, sizeof(full), "%s/%s", fake.tree, path);
	unlink(full);
	assert_int_equal(symlink(target, full), 0);
}

void fake_remove(const char *path)
{
	char full[512];

	snprintf(full, sizeof(full), "%s/%s", fake.tree, path);
	assert_int_equal(unlink(full), 0);
}

/* A function's descriptor is such a file: regions, the last of them config space. */
static void device_file(const char *path)
{
	char full[384];

	fake_write(path, "");
	snprintf(full, sizeof(full), "%s/%s", fake.tree, path);
	assert_int_equal(truncate(full, 8 * FAKE_REGION), 0);
}

void fake_device(const char *bdf, unsigned int group, const char *node)
{
	char path[256];

	snprintf(path, sizeof(path), "dev/vfio/%u", group);
	fake_write(path, "");
	snprintf(path, sizeof(path), "dev/%s", bdf);
	device_file(path);
	if (!node)
		return;
	snprintf(path, sizeof(path), "sys/bus/pci/devices/%s/vfio-dev/%s/dev", bdf, node);
	fake_write(path, "");
	snprintf(path, sizeof(path), "dev/vfio/devices/%s", node);
	device_file(path);
}

void fake_function(const char *bdf, unsigned int group)
{
	char path[256], target[384];
	const uint8_t config[256] = { 0 };

	snprintf(path, sizeof(path), "sys/devices/pci0000:00/%s/vendor", bdf);
	fake_write(path, "");
	fake_write("sys/bus/pci/devices/none", "");
	snprintf(path, sizeof(path), "sys/bus/pci/devices/%s", bdf);
	snprintf(target, sizeof(target), "../../../devices/pci0000:00/%s", bdf);
	fake_link(path, target);
	snprintf(path, sizeof(path), "sys/bus/pci/devices/%s/config", bdf);
	fake_bytes(path, config, sizeof(config));
	snprintf(path, sizeof(path), "sys/bus/pci/devices/%s/vendor", bdf);
	fake_write(path, "0x1b36\n");
	snprintf(path, sizeof(path), "sys/bus/pci/devices/%s/device", bdf);
	fake_write(path, "0x0010\n");
	snprintf(path, sizeof(path), "sys/bus/pci/devices/%s/class", bdf);
	fake_write(path, "0x010802\n");
	snprintf(path, sizeof(path), "sys/bus/pci/devices/%s/driver", bdf);
	fake_link(path, "../../../bus/pci/drivers/vfio-pci");
	snprintf(path, sizeof(path), "sys/bus/pci/devices/%s/iommu_group", bdf);
	snprintf(target, sizeof(target), "../../../kernel/iommu_groups/%u", group);
	fake_link(path, target);
	snprintf(path, sizeof(path), "sys/kernel/iommu_groups/%u/devices/%s", group, bdf);
	fake_write(path, "");
	fake_device(bdf, group, NULL);
}

static pthread_mutex_t log_lock = PTHREAD_MUTEX_INITIALIZER;

static void log_write(void *opaque, enum gw_log_level level, const char *line)
{
	size_t len;

	pthread_mutex_lock(&log_lock);
	len = strlen(fake.log);
	snprintf(fake.log + len, sizeof(fake.log) - len, "%s\n", line);
	pthread_mutex_unlock(&log_lock);
}

bool fake_logged(const char *text)
{
	bool found;

	pthread_mutex_lock(&log_lock);
	found = strstr(fake.log, text) != NULL;
	pthread_mutex_unlock(&log_lock);
	return found;
}

int fake_setup(void **state)
{
	fake = (struct fake_vfio){ .irq_count = { 1, 4, FAKE_VECTORS, 1, 1 }, .dma_buf = -ENOTTY };
	fake.sink = (struct gw_log){ .level = GW_LOG_DEBUG, .write = log_write };
	for (unsigned int i = 0; i < 5; i++)
		for (unsigned int v = 0; v < FAKE_VECTORS; v++)
			fake.irq[i][v] = -1;
	snprintf(fake.tree, sizeof(fake.tree), "/tmp/fake-vfio-XXXXXX");
	if (!mkdtemp(fake.tree))
		return -1;
	fake_write("dev/vfio/vfio", "");
	fake_write("sys/class/iommu/dmar0/name", "");
	fake_function("0000:01:00.0", 7);
	fake_function("0000:02:00.0", 8);
	return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	return remove(path);
}

int fake_teardown(void **state)
{
	for (unsigned int i = 0; i < 5; i++)
		for (unsigned int v = 0; v < FAKE_VECTORS; v++)
			if (fake.irq[i][v] >= 0)
				close(fake.irq[i][v]);
	if (nftw(fake.tree, remove_one, 16, FTW_DEPTH | FTW_PHYS))
		return -1;
	if (fake.wrong)
		fail_msg("the kernel was asked %s", fake.wrong);
	return 0;
}

void fake_fire(unsigned int index, unsigned int vector)
{
	const uint64_t one = 1;

	assert_true(fake.irq[index][vector] >= 0);
	assert_int_equal(write(fake.irq[index][vector], &one, sizeof(one)), sizeof(one));
}

static int answer(int ret)
{
	if (!ret)
		return 0;
	errno = -ret;
	return -1;
}

/*
 * Something that no caller may ask, which is refused; the test fails when it is over. An assertion
 * would jump out of the caller and leave what it has locked.
 */
static int wrong(const char *what)
{
	fake.wrong = what;
	return -EINVAL;
}

static int iommu_info(struct vfio_iommu_type1_info *info)
{
	struct vfio_iommu_type1_info_dma_avail *avail;
	struct vfio_iommu_type1_info_cap_iova_range *cap;

	info->flags = VFIO_IOMMU_INFO_PGSIZES;
	info->iova_pgsizes = 0xfffffffffffff000;
	if (fake.no_iova_ranges)
		return 0;
	info->flags |= VFIO_IOMMU_INFO_CAPS;
	info->cap_offset = 64;
	avail = (void *)((char *)info + 64);
	*avail = (struct vfio_iommu_type1_info_dma_avail){
		.header = { VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL, 1, 128 }, .avail = FAKE_MAPS };
	cap = (void *)((char *)info + 128);
	cap->header = (struct vfio_info_cap_header){ VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE, 1, 0 };
	cap->nr_iovas = 2;
	cap->iova_ranges[0].start = 0;
	cap->iova_ranges[0].end = 0xfedfffff;
	cap->iova_ranges[1].start = 0xfef00000;
	cap->iova_ranges[1].end = (1ull << 39) - 1;
	return 0;
}

static int dma_map(const struct vfio_iommu_type1_dma_map *m)
{
	if (fake.fail_map)
		return fake.fail_map;
	if (fake.nr_maps == FAKE_MAPS)
		return wrong("to map more than it has room for");
	for (unsigned int i = 0; i < fake.nr_maps; i++)
		if (m->iova + m->size > fake.map[i].iova &&
		    fake.map[i].iova + fake.map[i].size > m->iova)
			return wrong("to map over a mapping");
	fake.map[fake.nr_maps++] = (struct fake_map){
		m->iova, m->size, m->vaddr, m->flags & VFIO_DMA_MAP_FLAG_WRITE };
	fake.maps_ever++;
	return 0;
}

static int dma_unmap(struct vfio_iommu_type1_dma_unmap *u)
{
	if (fake.fail_unmap)
		return fake.fail_unmap;
	for (unsigned int i = 0; i < fake.nr_maps; i++) {
		if (fake.map[i].iova != u->iova)
			continue;
		if (fake.map[i].size != u->size)
			return wrong("to unmap part of a mapping");
		fake.map[i] = fake.map[--fake.nr_maps];
		return 0;
	}
	u->size = 0;
	return 0;
}

/* ---- iommufd ---- */

static int ioas_ranges(struct gw_iommufd_ranges *r)
{
	struct gw_iommufd_range *range = (void *)(uintptr_t)r->allowed_iovas;

	if (r->ioas_id != FAKE_IOAS || !r->num_iovas)
		return wrong("for the ranges of nothing");
	r->num_iovas = 1;
	r->out_iova_alignment = 4096;
	*range = (struct gw_iommufd_range){ 0, (1ull << 39) - 1 };
	return 0;
}

static int ioas_map(uint32_t ioas, uint32_t flags, struct vfio_iommu_type1_dma_map m)
{
	if (ioas != FAKE_IOAS || !(flags & GW_IOMMUFD_MAP_FIXED) ||
	    !(flags & GW_IOMMUFD_MAP_READABLE))
		return wrong("to map somewhere, or for nobody to read");
	m.flags = flags & GW_IOMMUFD_MAP_WRITEABLE ? VFIO_DMA_MAP_FLAG_WRITE : 0;
	return dma_map(&m);
}

static int ioas_map_file(const struct gw_iommufd_map_file *m)
{
	struct stat is, want;
	int ret;

	if (fake.dma_buf < 0 || fstat(m->fd, &is) || fstat(fake.dma_buf, &want) ||
	    is.st_ino != want.st_ino || m->start)
		return wrong("to map a file that is not the dma-buf");
	ret = ioas_map(m->ioas_id, m->flags, (struct vfio_iommu_type1_dma_map){
		.iova = m->iova, .size = m->length });
	fake.bufs += !ret;
	return ret;
}

static int ioas_unmap(struct gw_iommufd_unmap *u)
{
	struct vfio_iommu_type1_dma_unmap was = { .iova = u->iova, .size = u->length };

	int ret = u->ioas_id == FAKE_IOAS ? dma_unmap(&was) : wrong("to unmap from nothing");

	u->length = was.size;
	return ret;
}

static int iommufd_ioctl(unsigned long request, void *arg)
{
	const struct gw_iommufd_map *m = arg;

	switch (request) {
	case GW_IOMMUFD_IOAS_ALLOC:
		((struct gw_iommufd_alloc *)arg)->out_ioas_id = FAKE_IOAS;
		return 0;
	case GW_IOMMUFD_IOVA_RANGES:
		return ioas_ranges(arg);
	case GW_IOMMUFD_IOAS_MAP:
		return ioas_map(m->ioas_id, m->flags, (struct vfio_iommu_type1_dma_map){
			.vaddr = m->user_va, .iova = m->iova, .size = m->length });
	case GW_IOMMUFD_IOAS_MAP_FILE:
		return ioas_map_file(arg);
	case GW_IOMMUFD_IOAS_UNMAP:
		return ioas_unmap(arg);
	default:
		return -ENOTTY;
	}
}

static int region_info(struct vfio_region_info *r)
{
	r->offset = (uint64_t)r->index * FAKE_REGION;
	r->flags = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;
	if (r->index == VFIO_PCI_CONFIG_REGION_INDEX)
		r->size = 4096;
	else if (r->index == 0)
		r->size = 0x4000;
	else if (r->index == 2)
		r->size = 0x20;
	if (r->index == 0)
		r->flags |= VFIO_REGION_INFO_FLAG_MMAP;
	return 0;
}

static int set_irqs(const struct vfio_irq_set *s)
{
	int fd;

	if (fake.fail_irqs)
		return fake.fail_irqs;
	if (s->flags & (VFIO_IRQ_SET_ACTION_MASK | VFIO_IRQ_SET_ACTION_UNMASK) &&
	    s->index != VFIO_PCI_INTX_IRQ_INDEX)
		return wrong("to mask what is not INTx");
	fake.masks += !!(s->flags & VFIO_IRQ_SET_ACTION_MASK);
	fake.unmasks += !!(s->flags & VFIO_IRQ_SET_ACTION_UNMASK);
	if (s->flags & VFIO_IRQ_SET_ACTION_UNMASK && s->flags & VFIO_IRQ_SET_DATA_EVENTFD) {
		memcpy(&fd, s->data, sizeof(fd));
		if (fd >= 0 && fake.unmask_fd > 0)
			return -EBUSY;
		fake.unmask_fd = fd;
	}
	if (!(s->flags & VFIO_IRQ_SET_ACTION_TRIGGER))
		return 0;
	for (uint32_t v = s->start; v < (s->count ? s->start + s->count : FAKE_VECTORS); v++) {
		if (v >= FAKE_VECTORS)
			return wrong("for a vector that is not there");
		if (fake.irq[s->index][v] >= 0)
			close(fake.irq[s->index][v]);
		fake.irq[s->index][v] = -1;
		if (!s->count || !(s->flags & VFIO_IRQ_SET_DATA_EVENTFD))
			continue;
		memcpy(&fd, s->data + (v - s->start) * sizeof(fd), sizeof(fd));
		fake.irq[s->index][v] = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 0);
	}
	return 0;
}

static int device_fd(const char *bdf)
{
	char path[512];

	if (fake.fail_device_fd)
		return answer(fake.fail_device_fd);
	snprintf(path, sizeof(path), "%s/dev/%s", fake.tree, bdf);
	return open(path, O_RDWR | O_CLOEXEC);
}

static int hot_info(struct vfio_pci_hot_reset_info *info)
{
	info->count = fake.hot_reset_shared ? 2 : 1;
	info->devices[0] = (struct vfio_pci_dependent_device){ 7, 0, 1, 0 };
	if (fake.hot_reset_shared)
		info->devices[1] = (struct vfio_pci_dependent_device){ 9, 0, 1, 1 };
	return 0;
}

static int device_ioctl(unsigned long request, void *arg)
{
	switch (request) {
	case VFIO_DEVICE_GET_INFO:
		((struct vfio_device_info *)arg)->flags =
			VFIO_DEVICE_FLAGS_PCI | (fake.no_reset ? 0 : VFIO_DEVICE_FLAGS_RESET);
		return 0;
	case VFIO_DEVICE_GET_REGION_INFO:
		return region_info(arg);
	case VFIO_DEVICE_GET_IRQ_INFO:
		((struct vfio_irq_info *)arg)->flags = VFIO_IRQ_INFO_EVENTFD;
		((struct vfio_irq_info *)arg)->count =
			fake.irq_count[((struct vfio_irq_info *)arg)->index];
		return 0;
	case VFIO_DEVICE_SET_IRQS:
		return set_irqs(arg);
	case GW_VFIO_DEVICE_BIND_IOMMUFD:
		return fake.fail_bind;
	case GW_VFIO_DEVICE_ATTACH_PT:
		return ((struct gw_vfio_attach_pt *)arg)->pt_id == FAKE_IOAS ? 0 :
			wrong("to attach to nothing");
	case VFIO_DEVICE_RESET:
		fake.resets++;
		return fake.fail_reset;
	case VFIO_DEVICE_GET_PCI_HOT_RESET_INFO:
		return hot_info(arg);
	case VFIO_DEVICE_PCI_HOT_RESET:
		if (((struct vfio_pci_hot_reset *)arg)->count != 1)
			return wrong("to reset a bus for other groups than the one");
		fake.hot_resets++;
		return 0;
	default:
		return -ENOTTY;
	}
}

/* Some numbers mean one thing to a container and another to a function. */
static bool is_file(int fd, const char *name)
{
	char link[64], path[512];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, sizeof(path) - 1);
	path[n < 0 ? 0 : n] = '\0';
	return strstr(path, name) != NULL;
}

static int container_ioctl(unsigned long request, void *arg)
{
	switch (request) {
	case VFIO_GET_API_VERSION:
		return VFIO_API_VERSION;
	case VFIO_CHECK_EXTENSION:
		return !fake.no_type1;
	case VFIO_SET_IOMMU:
		return answer(fake.fail_set_iommu);
	case VFIO_IOMMU_GET_INFO:
		return answer(iommu_info(arg));
	case VFIO_IOMMU_MAP_DMA:
		return answer(dma_map(arg));
	case VFIO_IOMMU_UNMAP_DMA:
		return answer(dma_unmap(arg));
	default:
		return answer(-ENOTTY);
	}
}

int __wrap_ioctl(int fd, unsigned long request, ...)
{
	va_list ap;
	void *arg;
	int ret;

	va_start(ap, request);
	arg = va_arg(ap, void *);
	va_end(ap);
	if (is_file(fd, "/dev/vfio/vfio"))
		return container_ioctl(request, arg);
	if (is_file(fd, "/dev/iommu"))
		return answer(iommufd_ioctl(request, arg));
	switch (request) {
	case VFIO_GROUP_GET_STATUS:
		((struct vfio_group_status *)arg)->flags =
			fake.not_viable ? 0 : VFIO_GROUP_FLAGS_VIABLE;
		return 0;
	case VFIO_GROUP_SET_CONTAINER:
		return 0;
	case VFIO_GROUP_GET_DEVICE_FD:
		return device_fd(arg);
	case VFIO_DEVICE_FEATURE:
		fake.feature_flags = ((struct vfio_device_feature *)arg)->flags;
		return fake.dma_buf >= 0 ? fcntl(fake.dma_buf, F_DUPFD_CLOEXEC, 0) :
					   answer(fake.dma_buf);
	default:
		ret = device_ioctl(request, arg);
		return ret > 0 ? ret : answer(ret);
	}
}
