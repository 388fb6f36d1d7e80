/* SPDX-License-Identifier: BSD-3-Clause */
/* Descriptors, and the message that each belongs to. */
#include "vfio_user_peer.h"

#include <sys/resource.h>

struct map {
	struct hdr h;
	uint32_t argsz, flags;
	uint64_t off, iova, size;
};

static struct map a_map(uint16_t id, uint64_t iova)
{
	return (struct map){ { id, GW_VU_DMA_MAP, 48, 0, 0 }, 32, 3, 0, iova, 0x1000 };
}

/*
 * A read ends behind the bytes that carried descriptors, it does not begin with them: maps
 * without a file that were sent just before stand in front. QEMU does so for its ROMs.
 */
static void descriptors_belong_to_the_message_they_were_sent_with(void **state)
{
	struct peer *p = *state;
	struct map m;

	/* hold the server in a reset, so that all of it is read at once */
	pthread_mutex_lock(&p->lock);
	send_msg(p, GW_VU_RESET, GW_VU_NO_REPLY, NULL, 0, NULL, 0);
	for (uint16_t i = 0; i < 6; i++) {
		bool fd = i == 2 || i == 3 || i == 5;

		m = a_map(100 + i, i * 0x1000ull);
		assert_true(send_raw(p->sock, &m, sizeof(m), fd ? &p->bar2_fd : NULL, fd));
	}
	pthread_mutex_unlock(&p->lock);
	for (uint16_t i = 0; i < 6; i++)
		assert_int_equal(expect(p, 100 + i, GW_VU_DMA_MAP, NULL, 0), 0);
	assert_trace(p, "reset\n"
			"map 0 1000 off 0 prot 3\n"
			"map 1000 1000 off 0 prot 3\n"
			"map 2000 1000 off 0 prot 3 fd file\n"
			"map 3000 1000 off 0 prot 3 fd file\n"
			"map 4000 1000 off 0 prot 3\n"
			"map 5000 1000 off 0 prot 3 fd file\n");
}

static void descriptors_stay_with_a_message_that_comes_in_pieces(void **state)
{
	struct peer *p = *state;
	struct map m = a_map(5, 0x1000), next = a_map(6, 0x2000);
	char two[sizeof(m) - 7 + 3];

	assert_true(send_raw(p->sock, &m, 7, &p->bar2_fd, 1));
	/* the rest, and the first bytes of another that has its own */
	memcpy(two, (char *)&m + 7, sizeof(m) - 7);
	assert_true(send_raw(p->sock, two, sizeof(m) - 7, NULL, 0));
	assert_true(send_raw(p->sock, &next, 3, &p->bar2_fd, 1));
	assert_true(send_raw(p->sock, (char *)&next + 3, sizeof(next) - 3, NULL, 0));
	assert_int_equal(expect(p, 5, GW_VU_DMA_MAP, NULL, 0), 0);
	assert_int_equal(expect(p, 6, GW_VU_DMA_MAP, NULL, 0), 0);
	assert_trace(p, "map 1000 1000 off 0 prot 3 fd file\nmap 2000 1000 off 0 prot 3 fd file\n");
}

/* The client that went is here again, and as many descriptors are open. */
static void assert_fds_when_back(struct peer *p, unsigned int before)
{
	wait_detached(p, 1);
	p->sock = peer_connect(p->path);
	assert_int_equal(version(p, "{}"), 0);
	assert_fds(before);
}

static void descriptors_in_mid_message_end_the_connection(void **state)
{
	struct peer *p = *state;
	struct map m = a_map(5, 0x1000);
	unsigned int before = count_fds();

	assert_true(send_raw(p->sock, &m, 20, NULL, 0));
	assert_true(send_raw(p->sock, (char *)&m + 20, sizeof(m) - 20, &p->bar2_fd, 1));
	/* both may have been read at once: then they cannot be told from the first byte's */
	if (recv(p->sock, &m, sizeof(m), 0) > 0) {
		assert_trace(p, "map 1000 1000 off 0 prot 3 fd file\n");
		peer_hang_up(p);
	} else {
		assert_true(logged(p, "descriptors in the middle of a message"));
		peer_hang_up(p);
	}
	assert_fds_when_back(p, before);
}

/* Return: how many descriptors are open while nothing is under way. */
static unsigned int many_fds(struct peer *p, int fds[GW_VU_MAX_FDS])
{
	for (unsigned int i = 0; i < GW_VU_MAX_FDS; i++)
		fds[i] = p->bar2_fd;
	assert_in_sync(p);
	return count_fds();
}

static void descriptors_nobody_takes_are_closed(void **state)
{
	struct peer *p = *state;
	int fds[GW_VU_MAX_FDS];
	unsigned int before;
	struct map m = a_map(1, 0);

	before = many_fds(p, fds);
	assert_int_equal(call_fds(p, GW_VU_DMA_MAP, &m.argsz, 32, NULL, 0, fds, 2), EMSGSIZE);
	assert_int_equal(call_fds(p, 77, NULL, 0, NULL, 0, fds, ARRAY_SIZE(fds)), EOPNOTSUPP);
	for (unsigned int i = 0; i < 200; i++)
		send_msg(p, 77, GW_VU_NO_REPLY, NULL, 0, fds, ARRAY_SIZE(fds));
	send_msg(p, GW_VU_DMA_READ, GW_VU_REPLY, NULL, 0, fds, 16);
	assert_in_sync(p);
	assert_fds(before);
	assert_trace(p, "");

	/* nor are those of a message that never ends */
	log_unlimit(p);
	assert_true(send_raw(p->sock, &m, 20, fds, GW_VU_OUR_FDS));
	peer_hang_up(p);
	assert_fds_when_back(p, before);
	assert_true(logged(p, "the client went in the middle of a message"));
}

static void a_command_that_takes_no_descriptors_is_done_though_some_came(void **state)
{
	uint32_t info[4] = { 16 }, region[8] = { 32 }, irq[4] = { 16, 0, 2 };
	uint32_t unmap[6] = { 24, 0, 0x10000, 0, 0x1000, 0 }, echo[6];
	uint32_t read[4] = { 0, 0, 0, 4 }, trigger[5] = { 20, 0x21, 2, 0, 1 };
	struct peer *p = *state;
	int fds[GW_VU_MAX_FDS];
	unsigned int before;
	uint8_t out[64];

	before = many_fds(p, fds);
	for (unsigned int nr = 1; nr <= GW_VU_MAX_FDS; nr += 252) {
		assert_int_equal(call_fds(p, GW_VU_DMA_UNMAP, unmap, 24, echo, 24, fds, nr), 0);
		assert_trace(p, "unmap 10000-10fff\n");
		assert_int_equal(call_fds(p, GW_VU_GET_INFO, info, 16, out, 16, fds, nr), 0);
		assert_int_equal(call_fds(p, GW_VU_GET_REGION_INFO, region, 32, out, 32, fds, nr), 0);
		assert_int_equal(call_fds(p, GW_VU_GET_IRQ_INFO, irq, 16, out, 16, fds, nr), 0);
		assert_int_equal(call_fds(p, GW_VU_REGION_READ, read, 16, out, 20, fds, nr), 0);
		assert_trace(p, "read 0 0 4\n");
		assert_int_equal(call_fds(p, GW_VU_SET_IRQS, trigger, 20, NULL, 0, fds, nr), 0);
		assert_trace(p, "irq 2 trigger none 0+1\n");
		assert_int_equal(call_fds(p, GW_VU_RESET, NULL, 0, NULL, 0, fds, nr), 0);
		assert_trace(p, "reset\n");
	}
	assert_in_sync(p);
	assert_fds(before);
}

static void few_descriptors_are_held_for_a_message_that_is_not_complete(void **state)
{
	struct peer *p = *state;
	struct map m = a_map(1, 0);
	int fds[GW_VU_MAX_FDS];
	unsigned int before;

	before = many_fds(p, fds);
	for (size_t len = 1; len < sizeof(m); len += 18) {
		log_unlimit(p);
		forget(p, p->lines);
		assert_true(send_raw(p->sock, &m, len, fds, GW_VU_OUR_FDS + 1));
		assert_closed(p);
		wait_text(p, p->lines, "connection closed: more than 16 descriptors with a message");
		peer_meet(p);
	}
	assert_in_sync(p);
	assert_fds(before);
}

/* The kernel delivers what fits into our table and drops the rest. */
static void descriptors_we_have_no_room_for_refuse_their_message(void **state)
{
	struct peer *p = *state;
	struct rlimit was, tight;
	int fds[GW_VU_MAX_FDS], err;
	unsigned int before;
	struct map m = a_map(1, 0);

	before = many_fds(p, fds);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &was), 0);
	tight = was;
	tight.rlim_cur = before + 20;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &tight), 0);
	err = call_fds(p, GW_VU_SET_IRQS, &(uint32_t[5]){ 20, 0x24, 2, 0, 253 }, 20, NULL, 0, fds,
		       ARRAY_SIZE(fds));
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &was), 0);
	assert_int_equal(err, EMFILE);
	assert_in_sync(p);
	assert_fds(before);
	assert_int_equal(call_fds(p, GW_VU_DMA_MAP, &m.argsz, 32, NULL, 0, fds, 1), 0);
	assert_trace(p, "map 0 1000 off 0 prot 3 fd file\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		met_test(descriptors_belong_to_the_message_they_were_sent_with),
		met_test(descriptors_stay_with_a_message_that_comes_in_pieces),
		met_test(descriptors_in_mid_message_end_the_connection),
		met_test(descriptors_nobody_takes_are_closed),
		met_test(a_command_that_takes_no_descriptors_is_done_though_some_came),
		met_test(few_descriptors_are_held_for_a_message_that_is_not_complete),
		met_test(descriptors_we_have_no_room_for_refuse_their_message),
	};

	return cmocka_run_group_tests_name("vfio_user_fds", tests, NULL, NULL);
}
