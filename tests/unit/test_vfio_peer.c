/* SPDX-License-Identifier: BSD-3-Clause */
/* One function reaches the registers of another; and the kernel's newer way to do all this. */
#include "fake_vfio.h"
#include "fds.h"
#include "pci_tree.h"

#include <sys/mman.h>

#include "host/vfio/function.h"
#include "vm/vm.h"

/*
 *	00:00.0 host bridge
 *	00:1c.0 root port ── 03:00.0, the client
 *	00:1d.0 root port ── 04:00.0, the provider
 */
#define CLIENT		"0000:03:00.0"
#define PROVIDER	"0000:04:00.0"
#define CLIENT_PATH	"pci0000:00/0000:00:1c.0/" CLIENT
#define PROVIDER_PATH	"pci0000:00/0000:00:1d.0/" PROVIDER

struct pair {
	struct gw_host *host;
	struct gw_function *client, *provider;
};

static const struct gw_bar_range range = { { 0x1000 }, 0x2000 };
static const gw_iova want = { 0x100000 };

static struct gw_host *host_new(enum gw_vfio_choice iommufd)
{
	const struct gw_vfio_options opt = { .tree = fake.tree, .iommufd = iommufd };
	struct gw_host *host;

	assert_int_equal(gw_vfio_host_new(&opt, &fake.sink, &host), 0);
	return host;
}

static struct gw_function *function_open(struct gw_host *host, const char *name)
{
	struct gw_function *f;

	assert_int_equal(host->ops->open(host, name, &f), 0);
	return f;
}

static int tree_setup(void **state)
{
	int ret = fake_setup(state);

	if (ret)
		return ret;
	strcpy(tree_dir, fake.tree);
	tree_add((struct tree_fn){ "pci0000:00/0000:00:00.0", GW_PCI_CONVENTIONAL });
	tree_add((struct tree_fn){ "pci0000:00/0000:00:1c.0", GW_PCI_ROOT_PORT });
	tree_add((struct tree_fn){ "pci0000:00/0000:00:1d.0", GW_PCI_ROOT_PORT });
	tree_add((struct tree_fn){ CLIENT_PATH, .group = 21, .driver = "vfio-pci" });
	tree_add((struct tree_fn){ PROVIDER_PATH, .group = 22, .driver = "vfio-pci" });
	fake_device(CLIENT, 21, "vfio0");
	fake_device(PROVIDER, 22, "vfio1");
	fake_write("dev/iommu", "");
	/* a processor that passes such requests on */
	fake_write("proc/cpuinfo", "vendor_id : AuthenticAMD\ncpu family : 25\n");
	return 0;
}

static int pair_open(void **state, enum gw_vfio_choice iommufd)
{
	struct pair *p = calloc(1, sizeof(*p));

	if (!p || tree_setup(state))
		return -1;
	if (iommufd == GW_VFIO_ON) {
		fake.dma_buf = memfd_create("dma-buf", MFD_CLOEXEC);
		assert_int_equal(ftruncate(fake.dma_buf, FAKE_REGION), 0);
	}
	p->host = host_new(iommufd);
	p->client = function_open(p->host, CLIENT);
	p->provider = function_open(p->host, PROVIDER);
	*state = p;
	return 0;
}

static int setup_type1(void **state)
{
	return pair_open(state, GW_VFIO_OFF);
}

static int setup_iommufd(void **state)
{
	return pair_open(state, GW_VFIO_ON);
}

static int teardown(void **state)
{
	struct pair *p = *state;

	p->client->ops->close(p->client);
	if (p->provider)
		p->provider->ops->close(p->provider);
	p->host->ops->free(p->host);
	free(p);
	assert_int_equal(fake.nr_maps, 0);
	if (fake.dma_buf >= 0)
		close(fake.dma_buf);
	return fake_teardown(state);
}

static int map_peer(struct pair *p, unsigned int bar, const struct gw_bar_range *r,
		    struct gw_mapping *m)
{
	return p->client->ops->peer->dma_map_bar(p->client, p->provider, bar, r, &want, m);
}

static int unmap(struct pair *p, const struct gw_mapping *m)
{
	return p->client->ops->dma_unmap(p->client, m->handle);
}

static void registers_of_a_peer_are_mapped_by_their_address(void **state)
{
	struct pair *p = *state;
	struct gw_mapping m;
	char path[128];
	int fd;

	assert_int_equal(map_peer(p, 0, &range, &m), 0);
	assert_true(m.nr_segments == 1 && m.seg[0].iova.v == want.v && m.seg[0].size == 0x2000);
	assert_int_equal(fake.nr_maps, 1);
	assert_true(fake.map[0].iova == want.v && fake.map[0].size == 0x2000 && fake.map[0].write);
	/* what is there is BAR 0 of the provider, from the offset on */
	snprintf(path, sizeof(path), "%s/dev/" PROVIDER, fake.tree);
	fd = open(path, O_RDWR | O_CLOEXEC);
	assert_int_equal(pwrite(fd, "x", 1, 0x1000), 1);
	close(fd);
	assert_int_equal(*(char *)(uintptr_t)fake.map[0].vaddr, 'x');
	assert_int_equal(unmap(p, &m), 0);
	assert_int_equal(fake.nr_maps, 0);
	assert_int_equal(unmap(p, &m), -ENOENT);
}

static void what_is_not_in_a_bar_is_refused_before_the_kernel_is_asked(void **state)
{
	static const struct gw_bar_range wrong[] = {
		{ { 0 }, 0 }, { { 0 }, 0x1001 }, { { 0x800 }, 0x1000 }, { { 0x4000 }, 0x1000 },
		{ { 0x3000 }, 0x2000 }, { { UINT64_MAX - 0xfff }, 0x1000 },
		{ { 0x1000 }, UINT64_MAX - 0xfff },
	};
	struct pair *p = *state;
	struct gw_mapping m;
	int fd;

	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		assert_int_equal(map_peer(p, 0, &wrong[i], &m), -EINVAL);
		assert_int_equal(p->provider->ops->peer->bar_export(p->provider, 0, &wrong[i], 1, &fd),
				 -EINVAL);
	}
	assert_int_equal(map_peer(p, 1, &range, &m), -EINVAL);
	assert_int_equal(map_peer(p, GW_NR_BARS, &range, &m), -EINVAL);
	assert_int_equal(fake.maps_ever, 0);
	/* all of it is fine */
	assert_int_equal(map_peer(p, 0, &(struct gw_bar_range){ { 0 }, 0x4000 }, &m), 0);
	assert_int_equal(unmap(p, &m), 0);
}

static void a_peer_is_a_function_of_the_same_host(void **state)
{
	struct gw_host *other = host_new(GW_VFIO_OFF);
	struct pair *p = *state;
	struct gw_function *mine = p->provider;
	struct gw_mapping m;

	p->provider = function_open(other, "0000:01:00.0");
	assert_int_equal(map_peer(p, 0, &range, &m), -EXDEV);
	p->provider->ops->close(p->provider);
	other->ops->free(other);
	p->provider = mine;
}

static void a_host_bridge_that_is_not_known_to_pass_requests_on_is_in_the_way(void **state)
{
	struct pair *p = *state;
	struct gw_mapping m;

	fake_write("proc/cpuinfo", "vendor_id : GenuineIntel\ncpu family : 6\n");
	assert_int_equal(map_peer(p, 0, &range, &m), -EXDEV);
	assert_true(fake_logged(CLIENT " cannot be given " PROVIDER "'s memory"));
	assert_true(fake_logged("gangway p2p " PROVIDER " " CLIENT));
	assert_int_equal(fake.maps_ever, 0);
	fake_write("etc/gangway/host-bridges.conf", "1234 5678\nwhat follows makes no sense\n");
	assert_int_equal(map_peer(p, 0, &range, &m), 0);
	assert_int_equal(unmap(p, &m), 0);
}

static void a_peer_whose_place_is_not_known_is_refused(void **state)
{
	struct pair *p = *state;
	struct gw_mapping m;

	fake_remove("sys/bus/pci/devices/" CLIENT);
	assert_int_equal(map_peer(p, 0, &range, &m), -ENOENT);
	fake_remove("sys/bus/pci/devices/" PROVIDER);
	assert_int_equal(map_peer(p, 0, &range, &m), -ENOENT);
	assert_int_equal(fake.maps_ever, 0);
}

static void the_mapping_ends_before_the_peer_does(void **state)
{
	struct pair *p = *state;
	struct gw_mapping m;

	assert_int_equal(map_peer(p, 0, &range, &m), 0);
	p->provider->ops->close(p->provider);
	p->provider = NULL;
	assert_int_equal(fake.nr_maps, 0);
	/* the handle still wants to be given back */
	assert_int_equal(unmap(p, &m), 0);
	assert_int_equal(unmap(p, &m), -ENOENT);
}

static void nothing_of_or_for_a_function_that_has_gone_is_mapped(void **state)
{
	struct pair *p = *state;
	struct gw_mapping m;

	assert_int_equal(map_peer(p, 0, &range, &m), 0);
	gw_vfio_function_give_up(gw_vfio_fn(p->provider));
	assert_int_equal(fake.nr_maps, 0);
	assert_int_equal(map_peer(p, 0, &range, &m), -ENODEV);
	p->provider->ops->close(p->provider);
	p->provider = function_open(p->host, PROVIDER);
	gw_vfio_function_give_up(gw_vfio_fn(p->client));
	assert_int_equal(map_peer(p, 0, &range, &m), -ENODEV);
	assert_int_equal(fake.nr_maps, 0);
}

/* ---- iommufd ---- */

static void memory_is_mapped_by_iommufd(void **state)
{
	struct gw_memory mem = { .addr = mmap(NULL, 0x4000, PROT_READ | PROT_WRITE,
					      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) };
	const struct gw_memory other = { .addr = (char *)mem.addr + 0x1000 };
	struct pair *p = *state;
	struct gw_mapping m;

	for (unsigned int read_only = 0; read_only < 2; read_only++) {
		mem.read_only = read_only;
		assert_int_equal(p->client->ops->dma_map(p->client, &mem, 0x4000, &want, &m), 0);
		assert_true(fake.map[0].iova == want.v && fake.map[0].size == 0x4000);
		assert_true(fake.map[0].vaddr == (uintptr_t)mem.addr);
		assert_int_equal(fake.map[0].write, !read_only);
		assert_int_equal(unmap(p, &m), 0);
		assert_int_equal(fake.nr_maps, 0);
	}
	assert_int_equal(fake.bufs, 0);
	/* where the kernel does not let go, nothing else is put */
	assert_int_equal(p->client->ops->dma_map(p->client, &mem, 0x4000, &want, &m), 0);
	fake.fail_unmap = -EIO;
	assert_int_equal(unmap(p, &m), -EIO);
	fake.fail_unmap = 0;
	assert_int_equal(p->client->ops->dma_map(p->client, &other, 0x1000, &want, &m), -EEXIST);
	fake.nr_maps = 0;	/* as closing the descriptor does */
	p->client->ops->close(p->client);
	p->client = function_open(p->host, CLIENT);
	assert_int_equal(p->client->ops->dma_map(p->client, &mem, 0x4000, &want, &m), 0);
	fake.nr_maps = 0;	/* the kernel knows nothing of it */
	assert_int_equal(unmap(p, &m), -EIO);
	munmap(mem.addr, 0x4000);
}

static void registers_of_a_peer_are_mapped_by_a_dma_buf(void **state)
{
	struct pair *p = *state;
	struct gw_mapping m;
	unsigned int before;

	before = count_fds();
	assert_int_equal(map_peer(p, 0, &range, &m), 0);
	assert_true(fake.bufs == 1 && fake.map[0].iova == want.v && fake.map[0].size == 0x2000 &&
		    fake.map[0].write);
	assert_int_equal(count_fds(), before);
	assert_int_equal(unmap(p, &m), 0);
	fake.fail_map = -ENOMEM;
	assert_int_equal(map_peer(p, 0, &range, &m), -ENOMEM);
	assert_int_equal(count_fds(), before);
}

/* The kernel ends what it made of a BAR that does not decode, and leaves it to us to go on. */
static void registers_of_a_peer_are_mapped_again_once_they_decode(void **state)
{
	struct pair *p = *state;
	struct gw_mapping m;
	unsigned int before;
	int buf = fake.dma_buf;

	before = count_fds();
	assert_int_equal(map_peer(p, 0, &range, &m), 0);
	/* the IOMMU's entries have gone in the reset, the kernel's record of them has not */
	assert_int_equal(p->provider->ops->reset(p->provider), 0);
	assert_true(fake.bufs == 2 && fake.nr_maps == 1 && fake.map[0].iova == want.v);
	assert_int_equal(p->provider->ops->config_write(p->provider, GW_PCI_COMMAND, 2, 0), 0);
	fake.dma_buf = -ENODEV;		/* not yet */
	assert_int_equal(p->provider->ops->config_write(p->provider, GW_PCI_COMMAND, 2, 2), 0);
	assert_int_equal(fake.nr_maps, 0);
	fake.dma_buf = buf;
	assert_int_equal(p->provider->ops->config_write(p->provider, GW_PCI_COMMAND, 2, 0), 0);
	assert_int_equal(p->provider->ops->config_write(p->provider, GW_PCI_COMMAND, 2, 2), 0);
	assert_true(fake.bufs == 3 && fake.nr_maps == 1);
	/* what decodes already is left alone, as DMA may be under way */
	assert_int_equal(p->provider->ops->config_write(p->provider, GW_PCI_COMMAND, 2, 2), 0);
	assert_true(fake.bufs == 3 && fake.nr_maps == 1);
	assert_int_equal(count_fds(), before);
	assert_int_equal(unmap(p, &m), 0);
	assert_int_equal(fake.nr_maps, 0);
	assert_int_equal(p->provider->ops->reset(p->provider), 0);
	assert_int_equal(fake.bufs, 3);
}

static void a_kernel_that_makes_no_dma_buf_maps_no_registers(void **state)
{
	struct pair *p = *state;
	int buf = fake.dma_buf;
	struct gw_mapping m;

	fake.dma_buf = -ENOTTY;
	assert_int_equal(map_peer(p, 0, &range, &m), -EOPNOTSUPP);
	fake.dma_buf = -EBUSY;
	assert_int_equal(map_peer(p, 0, &range, &m), -EBUSY);
	fake.dma_buf = buf;
	assert_int_equal(fake.maps_ever, 0);
}

static void iommufd_is_used_where_it_is_and_said_why_not_where_it_is_wanted(void **state)
{
	struct gw_host *host = host_new(GW_VFIO_AUTO);
	struct gw_function *f = function_open(host, CLIENT);
	unsigned int before;

	assert_true(fake_logged(CLIENT ": IOMMU group 21, by iommufd"));
	f->ops->close(f);
	f = function_open(host, "0000:01:00.0");	/* has no node */
	assert_true(fake_logged("0000:01:00.0: IOMMU group 7, by type1"));
	f->ops->close(f);
	host->ops->free(host);
	host = host_new(GW_VFIO_ON);
	before = count_fds();
	assert_int_equal(host->ops->open(host, "0000:01:00.0", &f), -EOPNOTSUPP);
	assert_true(fake_logged("0000:01:00.0: the kernel has no node for it"));
	fake.fail_bind = -EPERM;
	assert_int_equal(host->ops->open(host, CLIENT, &f), -EOPNOTSUPP);
	assert_true(fake_logged("does not remap interrupts"));
	fake.fail_bind = -EBUSY;
	assert_int_equal(host->ops->open(host, CLIENT, &f), -EBUSY);
	fake_remove("dev/iommu");
	assert_int_equal(host->ops->open(host, CLIENT, &f), -EOPNOTSUPP);
	assert_true(fake_logged("this kernel has no iommufd"));
	assert_int_equal(count_fds(), before);
	host->ops->free(host);
}

/* Whoever was to have it would close it once more, and by then it may be another's. */
static void a_function_that_does_not_open_leaves_no_descriptor_behind(void **state)
{
	struct gw_vfio_locked locked = { .limit = UINT64_MAX };
	const struct gw_vfio_folders at = { tree_dir, tree_path("sys"), tree_path("dev") };
	struct gw_vfio_space *s = gw_vfio_space_new(&gw_vfio_iommufd, &at, &locked, 21, &fake.sink);
	int fd = -1;

	assert_non_null(s);
	fake.fail_bind = -EBUSY;
	assert_int_equal(s->ops->open(s, CLIENT, &fd), -EBUSY);
	assert_int_equal(fd, -1);
	fake.fail_bind = 0;
	assert_int_equal(s->ops->open(s, CLIENT, &fd), 0);
	assert_true(fd >= 0);
	close(fd);
	gw_vfio_space_free(s);
}

#define PAIR(f)		cmocka_unit_test_setup_teardown(f, setup_type1, teardown)
#define IOMMUFD(f)	cmocka_unit_test_setup_teardown(f, setup_iommufd, teardown)

/* ---- a guest that has both ---- */

#define BAR_AT		0x80000000ull

static void set(struct gw_device *d, uint64_t off, uint64_t val, size_t width)
{
	assert_int_equal(d->ops->region_write(d, GW_REGION_CONFIG, off, &val, width), 0);
}

static void settle(struct gw_device *d, uint32_t bar)
{
	assert_int_equal(d->ops->attach(d, NULL, NULL), 0);
	set(d, GW_PCI_BAR0, bar, 4);
	set(d, GW_PCI_COMMAND, GW_PCI_COMMAND_MEMORY, 2);
}

/* What the VMM tells one of, without a file, is the BAR of the other: @allowed, it is mapped. */
static void share_a_guest(enum gw_vfio_choice iommufd, bool allowed)
{
	const struct gw_vm_options opt = { .plan = GW_PLAN_DIRECT };
	const struct gw_slice s = { .at.v = BAR_AT + 0x1000, .size = 0x2000,
				    .prot = GW_PROT_READ | GW_PROT_WRITE };
	struct gw_vm_function *client, *provider;
	struct gw_device *d;
	struct gw_vm *vm;
	uint64_t bytes;

	fake.dma_buf = memfd_create("dma-buf", MFD_CLOEXEC);	/* so that VMMs map it, too */
	assert_int_equal(ftruncate(fake.dma_buf, FAKE_REGION), 0);
	assert_int_equal(gw_vm_new(&opt, &fake.sink, &vm), 0);
	vm->host = host_new(iommufd);
	assert_int_equal(gw_vm_open(vm, CLIENT, NULL, &client), 0);
	assert_int_equal(gw_vm_open(vm, PROVIDER, NULL, &provider), 0);
	d = gw_vm_device(client);
	settle(d, 0x90000000);
	settle(gw_vm_device(provider), BAR_AT);
	assert_int_equal(d->ops->dma_map(d, &s, -1), 0);
	assert_int_equal(fake.nr_maps, allowed);
	if (allowed)
		assert_true(fake.map[0].iova == s.at.v && fake.map[0].size == s.size);
	else
		assert_true(fake_logged("cannot reach BAR 0 of " PROVIDER));
	assert_int_equal(d->ops->dma_unmap(d, s.at, (gw_vmm_addr){ s.at.v + s.size - 1 }, &bytes),
			 0);
	assert_int_equal(bytes, s.size);
	assert_int_equal(fake.nr_maps, 0);
	/* it is gone before the function is another's */
	assert_int_equal(d->ops->dma_map(d, &s, -1), 0);
	gw_vm_device(provider)->ops->detach(gw_vm_device(provider));
	gw_vm_close(provider);
	assert_int_equal(fake.nr_maps, 0);
	d->ops->detach(d);
	gw_vm_close(client);
	gw_vm_free(vm);
	close(fake.dma_buf);
}

static void a_function_is_given_the_bar_of_another_of_its_guest(void **state)
{
	share_a_guest(GW_VFIO_OFF, true);
	assert_int_equal(fake.bufs, 0);
}

static void likewise_by_a_dma_buf(void **state)
{
	share_a_guest(GW_VFIO_ON, true);
	assert_int_equal(fake.bufs, 3);	/* once more after the reset when the VMM left */
}

/* The verdict says no: it is known, and out of reach, and the guest goes on. */
static void a_function_behind_a_bridge_in_the_way_is_not(void **state)
{
	fake_write("proc/cpuinfo", "vendor_id : GenuineIntel\ncpu family : 6\n");
	share_a_guest(GW_VFIO_OFF, false);
	assert_int_equal(fake.maps_ever, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		PAIR(registers_of_a_peer_are_mapped_by_their_address),
		PAIR(what_is_not_in_a_bar_is_refused_before_the_kernel_is_asked),
		PAIR(a_peer_is_a_function_of_the_same_host),
		PAIR(a_host_bridge_that_is_not_known_to_pass_requests_on_is_in_the_way),
		PAIR(a_peer_whose_place_is_not_known_is_refused),
		PAIR(the_mapping_ends_before_the_peer_does),
		PAIR(nothing_of_or_for_a_function_that_has_gone_is_mapped),
		IOMMUFD(memory_is_mapped_by_iommufd),
		IOMMUFD(registers_of_a_peer_are_mapped_by_a_dma_buf),
		IOMMUFD(registers_of_a_peer_are_mapped_again_once_they_decode),
		IOMMUFD(a_kernel_that_makes_no_dma_buf_maps_no_registers),
		IOMMUFD(the_mapping_ends_before_the_peer_does),
		cmocka_unit_test_setup_teardown(
			iommufd_is_used_where_it_is_and_said_why_not_where_it_is_wanted, tree_setup,
			fake_teardown),
		cmocka_unit_test_setup_teardown(
			a_function_that_does_not_open_leaves_no_descriptor_behind, tree_setup,
			fake_teardown),
		cmocka_unit_test_setup_teardown(
			a_function_is_given_the_bar_of_another_of_its_guest, tree_setup,
			fake_teardown),
		cmocka_unit_test_setup_teardown(likewise_by_a_dma_buf, tree_setup, fake_teardown),
		cmocka_unit_test_setup_teardown(
			a_function_behind_a_bridge_in_the_way_is_not, tree_setup, fake_teardown),
	};

	return cmocka_run_group_tests_name("vfio_peer", tests, NULL, NULL);
}
