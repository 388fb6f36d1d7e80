/* SPDX-License-Identifier: BSD-3-Clause */
/* Guest memory that only the VMM sees; the VMM is this process. */
#include "vfio_user_peer.h"

#include "vfio_user/private.h"

#define SIZE	0x4000u

struct rig {
	struct gw_private seen;
	int sock[2];
};

static int setup(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));

	assert_non_null(r);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, r->sock), 0);
	*state = r;
	return 0;
}

static int close_rig(void **state)
{
	struct rig *r = *state;

	close(r->sock[0]);
	close(r->sock[1]);
	free(r);
	return 0;
}

static int memory(void)
{
	/* a name as a path may be: with spaces, a newline, and longer than a line is read */
	char name[250];
	int fd;

	memset(name, 'x', sizeof(name));
	memcpy(name, "a b\nc", 5);
	name[240] = '\0';
	fd = memfd_create(name, MFD_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, SIZE), 0);
	return fd;
}

static void *map(int fd, int prot, int flags)
{
	void *at = mmap(NULL, SIZE, prot, flags, fd, 0);

	assert_ptr_not_equal(at, MAP_FAILED);
	return at;
}

static void a_writable_private_mapping_is_private(void **state)
{
	struct rig *r = *state;
	int fd = memory();
	void *at = map(fd, PROT_READ | PROT_WRITE, MAP_PRIVATE);

	assert_true(gw_private_memory(&r->seen, r->sock[0], fd));
	munmap(at, SIZE);
	close(fd);
}

static void a_shared_mapping_beside_it_decides(void **state)
{
	struct rig *r = *state;
	int fd = memory();
	void *first = map(fd, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	void *second = map(fd, PROT_READ | PROT_WRITE, MAP_SHARED);

	assert_false(gw_private_memory(&r->seen, r->sock[0], fd));
	munmap(first, SIZE);
	munmap(second, SIZE);
	close(fd);
}

static void memory_that_cannot_be_written_is_the_same_for_all(void **state)
{
	struct rig *r = *state;
	int fd = memory();
	void *at = map(fd, PROT_READ, MAP_PRIVATE);

	assert_false(gw_private_memory(&r->seen, r->sock[0], fd));
	munmap(at, SIZE);
	close(fd);
}

static void a_file_that_is_not_mapped_is_let_pass(void **state)
{
	struct rig *r = *state;
	int fd = memory();

	assert_false(gw_private_memory(&r->seen, r->sock[0], fd));
	close(fd);
	assert_false(gw_private_memory(&r->seen, r->sock[0], fd));	/* nor is there a file */
}

static void a_peer_that_is_not_known_is_let_pass(void **state)
{
	struct rig *r = *state;
	int fd = memory();
	void *at = map(fd, PROT_READ | PROT_WRITE, MAP_PRIVATE);

	assert_false(gw_private_memory(&r->seen, fd, fd));	/* no socket, no peer */
	munmap(at, SIZE);
	close(fd);
}

static void each_file_is_looked_for_once(void **state)
{
	struct rig *r = *state;
	int fd = memory(), other, again = dup(fd);
	void *at = map(fd, PROT_READ | PROT_WRITE, MAP_PRIVATE);

	assert_true(gw_private_memory(&r->seen, r->sock[0], fd));
	munmap(at, SIZE);
	assert_true(gw_private_memory(&r->seen, r->sock[0], fd));
	assert_true(gw_private_memory(&r->seen, r->sock[0], again));
	/* until so many others came that it is forgotten */
	for (unsigned int i = 0; i < GW_PRIVATE_FILES; i++) {
		assert_true(gw_private_memory(&r->seen, r->sock[0], fd));
		other = memory();
		assert_false(gw_private_memory(&r->seen, r->sock[0], other));
		close(other);
	}
	assert_false(gw_private_memory(&r->seen, r->sock[0], fd));
	close(fd);
	close(again);
}

static int dma_map(struct peer *p, uint64_t iova, int fd)
{
	struct { uint32_t argsz, flags; uint64_t off, iova, size; } m = { 32, 3, 0, iova, SIZE };

	return call_fds(p, GW_VU_DMA_MAP, &m, sizeof(m), NULL, 0, &fd, 1);
}

static void a_server_refuses_private_memory_and_says_what_to_do(void **state)
{
	struct peer *p = *state;
	int good = memory(), bad = memory();
	void *shared = map(good, PROT_READ | PROT_WRITE, MAP_SHARED);
	void *private = map(bad, PROT_READ | PROT_WRITE, MAP_PRIVATE);

	assert_int_equal(dma_map(p, 0x10000, good), 0);
	assert_int_equal(dma_map(p, 0x20000, bad), EACCES);
	assert_true(logged(p, "0x20000-0x23fff is private"));
	assert_true(logged(p, "share=on"));
	assert_int_equal(dma_map(p, 0x20000, good), 0);
	assert_trace(p, "map 10000 4000 off 0 prot 3 fd file\nmap 20000 4000 off 0 prot 3 fd file\n");
	munmap(shared, SIZE);
	munmap(private, SIZE);
	close(good);
	close(bad);
}

#define rig_test(f) cmocka_unit_test_setup_teardown(f, setup, close_rig)

int main(void)
{
	const struct CMUnitTest tests[] = {
		rig_test(a_writable_private_mapping_is_private),
		rig_test(a_shared_mapping_beside_it_decides),
		rig_test(memory_that_cannot_be_written_is_the_same_for_all),
		rig_test(a_file_that_is_not_mapped_is_let_pass),
		rig_test(a_peer_that_is_not_known_is_let_pass),
		rig_test(each_file_is_looked_for_once),
		met_test(a_server_refuses_private_memory_and_says_what_to_do),
	};

	return cmocka_run_group_tests_name("vfio_user_private", tests, NULL, NULL);
}
