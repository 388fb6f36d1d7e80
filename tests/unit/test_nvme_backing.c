/* SPDX-License-Identifier: BSD-3-Clause */
#include "nvme_rig.h"

static char heard[1024];

static void hear(void *opaque, enum gw_log_level level, const char *line)
{
	size_t n = strlen(heard);

	snprintf(heard + n, sizeof(heard) - n, "%d:%s\n", (int)level, line);
}

static struct gw_log log_to_us = { .level = GW_LOG_HINT, .write = hear };
static char dir[64];

static int refused(const char *fmt, ...)
{
	struct gw_endpoint *ep = NULL;
	char opts[256];
	va_list ap;
	int ret;

	va_start(ap, fmt);
	vsnprintf(opts, sizeof(opts), fmt, ap);
	va_end(ap);
	heard[0] = '\0';
	log_to_us.window_start = 0;
	ret = gw_nvme_type.make(opts, &log_to_us, &ep);
	assert_null(ep);
	assert_non_null(strstr(heard, "0:nvme: "));	/* an error, and what to do */
	assert_non_null(strstr(heard, "2:"));
	return ret;
}

static void make_file(const char *name, off_t size, mode_t mode, char path[128])
{
	int fd;

	snprintf(path, 128, "%s/%s", dir, name);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC, mode);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, size), 0);
	close(fd);
}

static void options_that_make_no_sense_are_named(void **state)
{
	assert_int_equal(refused(""), -EINVAL);
	assert_non_null(strstr(heard, "file="));
	assert_int_equal(refused("file=%s/x,colour=blue", dir), -EINVAL);
	assert_non_null(strstr(heard, "\"colour\""));
	assert_int_equal(refused("file=%s/x,size=much", dir), -EINVAL);
	assert_non_null(strstr(heard, "\"much\""));
	assert_int_equal(refused("file=%s/x,size=0", dir), -EINVAL);
	assert_int_equal(refused("file=%s/x,size=1M,block=1024", dir), -EINVAL);
	assert_non_null(strstr(heard, "512 or 4096"));
	assert_int_equal(refused("file=%s/x,size=1M,poll=1M", dir), -EINVAL);
	assert_int_equal(refused("file=%s/x,serial=abc", dir), -EINVAL);
	assert_int_equal(refused("file=%s/x,size", dir), -EINVAL);
	assert_int_equal(refused("file="), -EINVAL);
}

static void a_missing_file_needs_a_size(void **state)
{
	struct gw_endpoint *ep;
	char path[128], opts[160];
	struct stat st;

	assert_int_equal(refused("file=%s/new", dir), -ENOENT);
	assert_non_null(strstr(heard, "size="));
	assert_int_equal(refused("file=%s/no/new,size=1M", dir), -ENOENT);
	snprintf(path, sizeof(path), "%s/new", dir);
	snprintf(opts, sizeof(opts), "file=%s,size=1G", path);
	assert_int_equal(gw_nvme_type.make(opts, NULL, &ep), 0);
	ep->ops->free(ep);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_size, 1 << 30);
	assert_true(st.st_blocks < 64);		/* sparse */
	unlink(path);
}

static void a_file_keeps_its_data_when_it_grows(void **state)
{
	struct gw_endpoint *ep;
	char path[128], opts[160], buf[4] = { 0 };
	int fd;

	make_file("grow", 1000, 0600, path);
	fd = open(path, O_RDWR);
	assert_int_equal(pwrite(fd, "data", 4, 500), 4);
	snprintf(opts, sizeof(opts), "file=%s,size=64K", path);
	assert_int_equal(gw_nvme_type.make(opts, NULL, &ep), 0);
	assert_int_equal(lseek(fd, 0, SEEK_END), 65536);
	assert_int_equal(pread(fd, buf, 4, 500), 4);
	assert_memory_equal(buf, "data", 4);
	ep->ops->free(ep);
	close(fd);
	unlink(path);
}

static void a_file_of_odd_size_is_used_up_to_its_last_whole_block(void **state)
{
	char path[128];
	struct rig *r;
	uint64_t blocks;

	make_file("odd", 10000, 0600, path);
	r = rig_make(path, "block=4096");
	rig_enable(r);
	rig_expect(r, 0, (struct nvme_sqe){ .opcode = NVME_ADM_IDENTIFY, .nsid = 1,
					    .prp1 = rig_iova(RIG_DATA).v }, NVME_OK);
	memcpy(&blocks, r->bus.mem + RIG_DATA, 8);
	assert_int_equal(blocks, 2);
	rig_close(r);
}

static void a_file_is_for_one_disk_at_a_time(void **state)
{
	struct gw_endpoint *ep = NULL;
	char path[128], opts[160];

	make_file("one", 1 << 20, 0600, path);
	snprintf(opts, sizeof(opts), "file=%s", path);
	for (int round = 0; round < 2; round++) {
		assert_int_equal(gw_nvme_type.make(opts, &log_to_us, &ep), 0);
		assert_int_equal(refused("file=%s", path), -EBUSY);
		assert_non_null(strstr(heard, "in use by another"));
		ep->ops->free(ep);
	}
	unlink(path);
}

static void files_that_cannot_serve_are_refused(void **state)
{
	char path[128];

	make_file("small", 511, 0600, path);
	assert_int_equal(refused("file=%s", path), -EINVAL);
	assert_non_null(strstr(heard, "511 bytes"));
	unlink(path);
	assert_int_equal(refused("file=%s", dir), -EISDIR);
	assert_int_equal(refused("file=/dev/null,size=1M"), -EINVAL);
	assert_non_null(strstr(heard, "neither"));
	snprintf(path, sizeof(path), "%s/fifo", dir);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(refused("file=%s,size=1M", path), -EINVAL);	/* and does not block */
	unlink(path);
	assert_int_equal(refused("file=%s/big,size=8191T", dir), -EFBIG);
	snprintf(path, sizeof(path), "%s/big", dir);
	unlink(path);
}

static void a_file_that_cannot_be_written_is_refused(void **state)
{
	char path[128];
	uid_t was = geteuid();

	make_file("ro", 4096, 0444, path);
	if (!was && seteuid(65534))
		fail();
	assert_int_equal(refused("file=%s", path), -EACCES);
	assert_non_null(strstr(heard, path));
	if (!was && seteuid(0))
		fail();
	unlink(path);
}

static void a_file_in_use_is_refused(void **state)
{
	struct rig *r = rig_open("size=1M");

	assert_int_equal(refused("file=%s", r->path), -EBUSY);
	rig_close(r);
}

static void an_endpoint_never_put_on_a_bus_can_be_freed(void **state)
{
	const struct gw_endpoint_ops *ops;
	struct gw_endpoint *ep;
	char path[128], opts[160];

	make_file("free", 4096, 0600, path);
	snprintf(opts, sizeof(opts), "file=%s", path);
	assert_int_equal(gw_nvme_type.make(opts, NULL, &ep), 0);
	ops = ep->ops;
	ops->free(ep);
	ops->free(NULL);
	unlink(path);
}

static void a_serial_number_stays_with_its_file(void **state)
{
	char path[128], first[20];
	struct nvme_sqe e = { .opcode = NVME_ADM_IDENTIFY, .cdw10 = 1,
			      .prp1 = RIG_IOVA + RIG_DATA };
	struct rig *r;

	make_file("serial", 4096, 0600, path);
	r = rig_make(path, "");
	rig_enable(r);
	rig_expect(r, 0, e, NVME_OK);
	memcpy(first, r->bus.mem + RIG_DATA + 4, 20);
	r->path[0] = '\0';
	rig_close(r);
	r = rig_make(path, "");
	rig_enable(r);
	rig_expect(r, 0, e, NVME_OK);
	assert_memory_equal(first, r->bus.mem + RIG_DATA + 4, 20);
	rig_close(r);
}

static int setup(void **state)
{
	snprintf(dir, sizeof(dir), "/tmp/gangway-backing-XXXXXX");
	return mkdtemp(dir) && !chmod(dir, 0755) ? 0 : -1;
}

static int teardown(void **state)
{
	return rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(options_that_make_no_sense_are_named),
		cmocka_unit_test(a_missing_file_needs_a_size),
		cmocka_unit_test(a_file_keeps_its_data_when_it_grows),
		cmocka_unit_test(a_file_is_for_one_disk_at_a_time),
		cmocka_unit_test(a_file_of_odd_size_is_used_up_to_its_last_whole_block),
		cmocka_unit_test(files_that_cannot_serve_are_refused),
		cmocka_unit_test(a_file_that_cannot_be_written_is_refused),
		cmocka_unit_test(a_file_in_use_is_refused),
		cmocka_unit_test(an_endpoint_never_put_on_a_bus_can_be_freed),
		cmocka_unit_test(a_serial_number_stays_with_its_file),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
