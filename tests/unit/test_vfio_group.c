/* SPDX-License-Identifier: BSD-3-Clause */
/* Two functions of one IOMMU group, each behind a socket of its own. */
#include "fake_vfio.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gangway/guest.h>
#include <gangway/pci.h>
#include <gangway/vfio_user.h>

#include "vfio_user/wire.h"

#define NR	2u
#define RAM	0x10000u
#define GPA	0x40000000u
#define BAR0	0x4000u

static const char *const names[NR] = { "0000:01:00.0", "0000:01:00.1" };

struct rig {
	struct gw_host *host;
	struct gw_function *f[NR];
	struct gw_dma *dma[NR];
	struct gw_guest_function *gf[NR];
	struct gw_vfio_user *server[NR];
	char path[NR][96];
	int ram;
};

static int setup_with(void **state, bool bar_resource)
{
	struct gw_vfio_options opt = { .bar_resource = bar_resource };
	struct rig *r = calloc(1, sizeof(*r));

	if (!r || fake_setup(state))
		return -1;
	fake_function(names[1], 7);
	if (bar_resource)
		fake_bytes("sys/bus/pci/devices/0000:01:00.0/resource0", (char[BAR0]){ 0 }, BAR0);
	opt.tree = fake.tree;
	assert_int_equal(gw_vfio_host_new(&opt, &fake.sink, &r->host), 0);
	for (unsigned int i = 0; i < NR; i++) {
		snprintf(r->path[i], sizeof(r->path[i]), "%s/socket.%u", fake.tree, i);
		assert_int_equal(r->host->ops->open(r->host, names[i], &r->f[i]), 0);
		assert_int_equal(gw_dma_new(r->f[i], GW_PLAN_DIRECT, &fake.sink, &r->dma[i]), 0);
		assert_int_equal(gw_guest_function_new(r->f[i], r->dma[i], &fake.sink, &r->gf[i]), 0);
		assert_int_equal(gw_vfio_user_listen(r->path[i], gw_guest_function_device(r->gf[i]), NULL,
						     &fake.sink, &r->server[i]), 0);
	}
	r->ram = memfd_create("ram", MFD_CLOEXEC);
	assert_int_equal(ftruncate(r->ram, 2 * RAM), 0);
	*state = r;
	return 0;
}

static int setup(void **state)
{
	return setup_with(state, false);
}

static int setup_resource(void **state)
{
	return setup_with(state, true);
}

static int teardown(void **state)
{
	struct rig *r = *state;

	for (unsigned int i = 0; i < NR; i++)
		gw_vfio_user_close(r->server[i]);
	for (unsigned int i = 0; i < NR; i++) {
		gw_guest_function_free(r->gf[i]);
		gw_dma_free(r->dma[i]);
		r->f[i]->ops->close(r->f[i]);
	}
	r->host->ops->free(r->host);
	close(r->ram);
	free(r);
	return fake_teardown(state);
}

/* ---- a VMM; what a forked child may call ---- */

/* Send a command with one descriptor at most. Return: the errno of the reply; EPIPE there is none. */
static int command(int sock, uint16_t cmd, const void *body, uint32_t len, int fd)
{
	uint8_t msg[256] = { 0 }, reply[512];
	uint32_t size = GW_VU_HDR + len, error;
	union { struct cmsghdr head; char room[CMSG_SPACE(sizeof(int))]; } control = { 0 };
	struct iovec iov = { msg, size };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };

	memcpy(msg + 2, &cmd, 2);
	memcpy(msg + 4, &size, 4);
	memcpy(msg + GW_VU_HDR, body, len);
	if (fd >= 0) {
		m.msg_control = &control;
		m.msg_controllen = sizeof(control);
		control.head.cmsg_level = SOL_SOCKET;
		control.head.cmsg_type = SCM_RIGHTS;
		control.head.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&control.head), &fd, sizeof(fd));
	}
	if (sendmsg(sock, &m, MSG_NOSIGNAL) != (ssize_t)size ||
	    recv(sock, reply, sizeof(reply), 0) < (ssize_t)GW_VU_HDR)
		return EPIPE;
	memcpy(&error, reply + 12, 4);
	return (int)error;
}

/* Return: a socket to the function; -errno of the handshake. */
static int vmm_open(struct rig *r, unsigned int i)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	const uint16_t version[2] = { 0, 1 };
	int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), err;

	memcpy(a.sun_path, r->path[i], sizeof(r->path[i]));
	if (connect(sock, (struct sockaddr *)&a, sizeof(a)))
		return -errno;
	err = command(sock, GW_VU_VERSION, version, sizeof(version), -1);
	if (!err)
		return sock;
	close(sock);
	return -err;
}

static int vmm_map(struct rig *r, int sock, uint64_t off, uint64_t gpa)
{
	struct { uint32_t argsz, flags; uint64_t off, iova, size; } map = {
		sizeof(map), GW_VU_MAP_READ | GW_VU_MAP_WRITE, off, gpa, RAM };

	return command(sock, GW_VU_DMA_MAP, &map, sizeof(map), r->ram);
}

static int vmm_command(int sock, uint16_t val)
{
	struct { uint64_t off; uint32_t region, count; uint16_t val; } __attribute__((packed)) w = {
		GW_PCI_COMMAND, GW_REGION_CONFIG, 2, val };

	return command(sock, GW_VU_REGION_WRITE, &w, sizeof(w), -1);
}

/* Another VMM connects to a function: what the handshake says, as a positive number. */
static int other_vmm(struct rig *r, unsigned int i)
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (!pid) {
		int sock = vmm_open(r, i);

		_exit(sock < 0 ? -sock : 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* COMMAND as the function has it: its descriptor is a file, config space the last region. */
static uint16_t command_of(unsigned int i)
{
	char path[128];
	uint16_t val;
	int fd;

	snprintf(path, sizeof(path), "%s/dev/%s", fake.tree, names[i]);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_int_equal(pread(fd, &val, 2, 7 * FAKE_REGION + GW_PCI_COMMAND), 2);
	close(fd);
	return val;
}

static void a_group_is_one_vmms_at_a_time(void **state)
{
	struct rig *r = *state;
	int sock[NR];

	assert_true(fake_logged("0000:01:00.1: shares IOMMU group 7 with 0000:01:00.0"));
	sock[0] = vmm_open(r, 0);
	assert_true(sock[0] >= 0);
	assert_int_equal(other_vmm(r, 1), EBUSY);
	assert_true(fake_logged("has other functions of IOMMU group 7"));
	sock[1] = vmm_open(r, 1);
	assert_true(sock[1] >= 0);
	/* not even when it has but one left */
	close(sock[0]);
	assert_int_equal(other_vmm(r, 0), EBUSY);
	close(sock[1]);
	/* at once, although the server of the other function may not know yet that its VMM has gone */
	assert_int_equal(other_vmm(r, 0), 0);
	assert_int_equal(other_vmm(r, 1), 0);
}

static void a_function_that_no_vmm_has_is_no_bus_master(void **state)
{
	struct rig *r = *state;
	int sock = vmm_open(r, 0);

	assert_true(sock >= 0);
	assert_int_equal(vmm_command(sock, GW_PCI_COMMAND_MASTER), 0);
	assert_true(command_of(0) & GW_PCI_COMMAND_MASTER);
	assert_false(command_of(1) & GW_PCI_COMMAND_MASTER);
	for (unsigned int width = 1; width <= 4; width *= 2)
		assert_int_equal(r->f[1]->ops->config_write(r->f[1], GW_PCI_COMMAND, width,
							    GW_PCI_COMMAND_MASTER), -EPERM);
	assert_false(command_of(1) & GW_PCI_COMMAND_MASTER);
	close(sock);
}

static void one_vmm_maps_its_memory_for_both_functions(void **state)
{
	struct rig *r = *state;
	int sock[NR] = { vmm_open(r, 0), vmm_open(r, 1) };

	assert_true(sock[0] >= 0 && sock[1] >= 0);
	assert_int_equal(vmm_map(r, sock[0], 0, GPA), 0);
	assert_int_equal(vmm_map(r, sock[1], 0, GPA), 0);
	assert_int_equal(fake.nr_maps, 1);
	/* other bytes of the same file are other memory */
	assert_int_equal(vmm_map(r, sock[0], 0, GPA + RAM), 0);
	assert_int_equal(vmm_map(r, sock[1], RAM, GPA + RAM), EEXIST);
	assert_int_equal(fake.nr_maps, 2);
	close(sock[0]);
	close(sock[1]);
}

static void what_cannot_be_unmapped_is_in_nobodys_reach(void **state)
{
	struct rig *r = *state;
	int sock = vmm_open(r, 0);

	assert_true(sock >= 0);
	assert_int_equal(vmm_map(r, sock, 0, GPA), 0);
	fake.fail_unmap = -EIO;
	close(sock);
	assert_int_equal(other_vmm(r, 1), EIO);
	assert_int_equal(other_vmm(r, 0), EIO);
	fake.fail_unmap = 0;
	assert_int_equal(other_vmm(r, 1), 0);
	assert_int_equal(fake.nr_maps, 0);
}

static bool is_gone(struct rig *r, unsigned int i)
{
	struct pollfd p = { .events = POLLIN };

	assert_int_equal(r->f[i]->ops->gone(r->f[i], &p.fd), 0);
	return poll(&p, 1, 0) == 1;
}

static void a_function_goes_with_the_vmm_that_was_handed_registers(void **state)
{
	struct rig *r = *state;
	struct gw_region_info info;
	struct gw_device *dev = gw_guest_function_device(r->gf[0]);
	int sock;

	/* this program can have it ever again: it is handed nothing that it had not */
	assert_int_equal(dev->ops->attach(dev, NULL, NULL), 0);
	dev->ops->detach(dev);
	assert_false(is_gone(r, 0));
	dev->ops->region_info(dev, 0, &info);
	assert_true(info.fd >= 0 && info.flags & GW_REGION_F_MMAP);
	sock = vmm_open(r, 0);
	assert_true(sock >= 0);
	assert_false(is_gone(r, 0));
	close(sock);
	assert_int_equal(other_vmm(r, 0), ENODEV);
	assert_true(is_gone(r, 0));
	assert_true(fake_logged("no other VMM gets the function"));
	/* the function beside it has no such file and goes on */
	assert_int_equal(other_vmm(r, 1), 0);
	assert_int_equal(other_vmm(r, 1), 0);
	assert_false(is_gone(r, 1));
}

/* A dma-buf stays good while we have the function open, whoever holds it. */
static void a_function_goes_with_the_vmm_that_was_handed_a_dma_buf(void **state)
{
	const struct gw_bar_range range = { { 0 }, 0x1000 };
	struct rig *r = *state;
	int sock = vmm_open(r, 1), buf = fake.dma_buf, fd;

	assert_true(sock >= 0);
	if (buf < 0)
		fake.dma_buf = memfd_create("buf", MFD_CLOEXEC);
	assert_int_equal(r->f[1]->ops->peer->bar_export(r->f[1], 0, &range, 1, &fd), 0);
	close(fd);
	close(sock);
	assert_int_equal(other_vmm(r, 1), ENODEV);
	assert_true(is_gone(r, 1));
	if (buf < 0)
		close(fake.dma_buf);
	fake.dma_buf = buf;
}

static void the_program_itself_is_one_vmm(void **state)
{
	struct rig *r = *state;
	struct gw_vmm unknown = { .name = "nobody knows" };

	assert_int_equal(r->f[0]->ops->claim->take(r->f[0], NULL), 0);
	assert_int_equal(r->f[1]->ops->claim->take(r->f[1], NULL), 0);
	r->f[0]->ops->claim->drop(r->f[0]);
	assert_int_equal(r->f[0]->ops->claim->take(r->f[0], &unknown), -EBUSY);
	r->f[1]->ops->claim->drop(r->f[1]);
	/* two of whom nothing is known are not taken for one */
	assert_int_equal(r->f[0]->ops->claim->take(r->f[0], &unknown), 0);
	assert_int_equal(r->f[1]->ops->claim->take(r->f[1], &unknown), -EBUSY);
	r->f[0]->ops->claim->drop(r->f[0]);
}

#define T(f)	cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_group_is_one_vmms_at_a_time),
		T(a_function_that_no_vmm_has_is_no_bus_master),
		T(one_vmm_maps_its_memory_for_both_functions),
		T(what_cannot_be_unmapped_is_in_nobodys_reach),
		T(the_program_itself_is_one_vmm),
		cmocka_unit_test_setup_teardown(a_function_goes_with_the_vmm_that_was_handed_registers,
						setup_resource, teardown),
		cmocka_unit_test_setup_teardown(a_function_goes_with_the_vmm_that_was_handed_a_dma_buf,
						setup_resource, teardown),
	};

	return cmocka_run_group_tests_name("vfio_group", tests, NULL, NULL);
}
