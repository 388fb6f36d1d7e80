/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_GUEST_CLIENT_VU_H
#define TESTS_GUEST_CLIENT_VU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <gangway/device.h>

/*
 * A vfio-user client that drives devices by itself, for tests. What must work ends the program
 * with a message if it does not.
 */

struct vu {
	int sock;
	uint16_t id;
	int fd;				/* the last descriptor that came with a reply, or -1 */
	bool quiet;			/* an error of the server is returned, not fatal */
};

/** Guest memory: a file that the server maps too. */
struct memory {
	int fd;
	uint8_t *addr;
	uint64_t iova, size;
};

void fail(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));
void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#define must(cond, ...) \
	do { \
		if (!(cond)) \
			fail(__VA_ARGS__); \
	} while (0)

void vu_connect(struct vu *v, const char *path);

/* Each returns the errno that the server answered with, 0 for success. EPIPE: it has gone. */
int vu_dma_map(struct vu *v, int fd, uint64_t off, uint64_t iova, uint64_t size, uint32_t prot);
int vu_dma_unmap(struct vu *v, uint64_t iova, uint64_t size);
int vu_read(struct vu *v, unsigned int region, uint64_t off, void *buf, uint32_t len);
int vu_write(struct vu *v, unsigned int region, uint64_t off, const void *buf, uint32_t len);
int vu_irqs(struct vu *v, unsigned int index, uint32_t flags, uint32_t start, uint32_t nr,
	    const int *fds, unsigned int nr_fds);
int vu_reset(struct vu *v);
/** vu_region() - *@v takes the descriptor if the region can be mapped, at offset 0 */
void vu_region(struct vu *v, unsigned int region, uint64_t *size, uint32_t *flags);
void vu_irq_info(struct vu *v, unsigned int index, uint32_t *count, uint32_t *flags);

uint32_t vu_read32(struct vu *v, unsigned int region, uint64_t off);
uint64_t vu_read64(struct vu *v, unsigned int region, uint64_t off);
void vu_write32(struct vu *v, unsigned int region, uint64_t off, uint32_t val);
void vu_write64(struct vu *v, unsigned int region, uint64_t off, uint64_t val);

/** memory_new() - @size bytes that the device reaches at @iova */
void memory_new(struct vu *v, struct memory *m, uint64_t iova, uint64_t size);

/** pattern_fill() - bytes that depend on @seed and their place */
void pattern_fill(uint8_t *p, size_t size, uint32_t seed);
bool pattern_is(const uint8_t *p, size_t size, uint32_t seed);

/** event_new() - an eventfd, handed to the server for a vector */
int event_new(struct vu *v, unsigned int index, unsigned int vector);

/** event_wait() - how often it was signalled, at least once within @ms; 0: not */
uint64_t event_wait(int fd, int ms);

#define IRQ_TRIGGER	(GW_VU_IRQ_TRIGGER | GW_VU_IRQ_NONE)
#define MAP_RW		3u

/** vu_start() - memory decoding and bus mastering on */
void vu_start(struct vu *v);

/* the tests, by device */
int edu_test(struct vu *v, int argc, char **argv);
int nvme_test(struct vu *v, int argc, char **argv);
int nvme_load(struct vu *v, int argc, char **argv);
int ivshmem_test(struct vu *v, int argc, char **argv);
int igb_test(struct vu *v, int argc, char **argv);
int window_test(struct vu *v, int argc, char **argv);
int memory_test(struct vu *v, int argc, char **argv);
int error_test(struct vu *v, int argc, char **argv);

#endif
