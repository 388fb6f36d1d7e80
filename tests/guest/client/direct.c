/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <gangway/vfio.h>

/*
 * Usage: vfio-direct p2p EDU IVSHMEM allowed|refused | hide EDU
 *
 * The library itself, without vfio-user in between: DMA to a peer's BAR, dma-bufs, addresses that
 * the host chooses.
 */

#define PAGE		4096u
#define EDU_INVERT	0x04u
#define EDU_DMA_SRC	0x80u
#define EDU_DMA_DST	0x88u
#define EDU_DMA_COUNT	0x90u
#define EDU_DMA_CMD	0x98u
#define EDU_DMA_OUT	2u
#define EDU_BUFFER	0x40000u

#define must(cond, ...) \
	do { \
		if (!(cond)) { \
			fprintf(stderr, "direct: " __VA_ARGS__); \
			fprintf(stderr, " (%s)\n", strerror(errno)); \
			exit(1); \
		} \
	} while (0)

static void log_line(void *opaque, enum gw_log_level level, const char *line)
{
	fprintf(stderr, "%s\n", line);
}

static struct gw_log to_stderr = { .level = GW_LOG_INFO, .write = log_line };

static struct gw_function *open_function(struct gw_host *host, const char *name)
{
	struct gw_function *f;
	int ret = host->ops->open(host, name, &f);

	must(!ret, "%s: %d", name, ret);
	ret = f->ops->reset(f);
	must(!ret, "%s: reset: %d", name, ret);
	must(!f->ops->claim->take(f, NULL), "%s: claim", name);
	must(!f->ops->config_write(f, 4, 2, 6), "%s: COMMAND", name);
	return f;
}

static struct gw_host *open_host(bool hide)
{
	const struct gw_vfio_options opt = { .hide_caller_iova = hide };
	struct gw_host *host;

	must(!gw_vfio_host_new(&opt, &to_stderr, &host), "host");
	return host;
}

static uint64_t reg(struct gw_function *f, unsigned int bar, uint64_t off)
{
	uint64_t val;

	must(!f->ops->reg_read(f, bar, (gw_bar_off){ off }, 8, &val), "read %#lx", (long)off);
	return val;
}

static void set_reg(struct gw_function *f, unsigned int bar, uint64_t off, uint64_t val)
{
	must(!f->ops->reg_write(f, bar, (gw_bar_off){ off }, 8, val), "write %#lx", (long)off);
}

static void edu_dma(struct gw_function *edu, uint64_t src, uint64_t dst, uint32_t flags)
{
	set_reg(edu, 0, EDU_DMA_SRC, src);
	set_reg(edu, 0, EDU_DMA_DST, dst);
	set_reg(edu, 0, EDU_DMA_COUNT, PAGE);
	set_reg(edu, 0, EDU_DMA_CMD, 1 | flags);
	for (int i = 0; reg(edu, 0, EDU_DMA_CMD) & 1; i++) {
		must(i < 1000, "DMA does not end");
		usleep(10000);
	}
}

static uint64_t *guest_memory(size_t size)
{
	uint64_t *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	must(p != MAP_FAILED, "memory");
	for (size_t i = 0; i < size / 8; i++)
		p[i] = i * 0x9e3779b97f4a7c15ull;
	return p;
}

static void check_export(struct gw_function *f)
{
	const struct gw_bar_range two[] = { { { 0x1000 }, 0x2000 }, { { 0x8000 }, 0x1000 } };
	const struct gw_bar_range beyond = { { 0xff000 }, 0x2000 };
	int fd = -1, ret = f->ops->peer->bar_export(f, 2, two, 2, &fd);

	must(!ret, "export: %d", ret);
	must(lseek(fd, 0, SEEK_END) == 0x3000, "the dma-buf is not of the size of its ranges");
	close(fd);
	must(f->ops->peer->bar_export(f, 2, &beyond, 1, &fd) == -EINVAL, "a range behind the BAR's end");
	printf("export: a dma-buf of two ranges\n");
}

static int p2p(const char *edu_name, const char *shm_name, bool allowed)
{
	const struct gw_bar_range range = { { 0x40000 }, 0x10000 };
	struct gw_host *host = open_host(false);
	struct gw_function *edu = open_function(host, edu_name), *shm = open_function(host, shm_name);
	const gw_iova at = { 0x800000 }, ram = { 0x100000 };
	uint64_t *mem = guest_memory(PAGE), word = mem[5];
	struct gw_memory m = { .addr = mem };
	struct gw_mapping map, peer;
	int ret;

	check_export(shm);
	ret = edu->ops->peer->dma_map_bar(edu, shm, 2, &range, &at, &peer);
	must(allowed ? !ret : ret == -EXDEV, "map of a peer's BAR: %d", ret);
	must(!edu->ops->dma_map(edu, &m, PAGE, &ram, &map), "map");
	edu_dma(edu, ram.v, EDU_BUFFER, 0);
	if (allowed) {
		set_reg(shm, 2, range.off.v + 5 * 8, 0);
		edu_dma(edu, EDU_BUFFER, at.v, EDU_DMA_OUT);
		for (unsigned int i = 0; i < PAGE / 8; i++)
			must(reg(shm, 2, range.off.v + i * 8) == mem[i], "word %u in the BAR", i);
	}
	/* with the peer gone, its BAR must be out of reach: the host's own memory is checked by
	 * who reads the shared file */
	shm->ops->close(shm);
	edu_dma(edu, EDU_BUFFER, at.v + PAGE, EDU_DMA_OUT);
	must(mem[5] == word, "memory changed");
	if (allowed)
		must(!edu->ops->dma_unmap(edu, peer.handle), "unmap of a peer's BAR");
	must(!edu->ops->dma_unmap(edu, map.handle), "unmap");
	edu->ops->close(edu);
	host->ops->free(host);
	printf("p2p: %s\n", allowed ? "a page went into the peer's BAR" : "refused");
	return 0;
}

static int hide(const char *edu_name)
{
	struct gw_host *host = open_host(true);
	struct gw_function *edu = open_function(host, edu_name);
	uint64_t *mem = guest_memory(4u << 20);
	struct gw_memory m = { .addr = mem };
	const gw_iova want = { 0x100000 };
	struct gw_mapping map;
	uint64_t iova;

	must(edu->ops->dma_map(edu, &m, PAGE, &want, &map) == -EOPNOTSUPP, "it takes an address");
	must(!edu->ops->dma_map(edu, &m, 4u << 20, NULL, &map), "map");
	iova = map.seg[0].iova.v;
	must(iova >= 1ull << 32, "the address %#llx is among the guest's", (unsigned long long)iova);
	edu_dma(edu, iova + 7 * PAGE, EDU_BUFFER, 0);
	edu_dma(edu, EDU_BUFFER, iova + 900 * PAGE, EDU_DMA_OUT);
	must(!memcmp(mem + 7 * 512, mem + 900 * 512, PAGE), "the page is not what was sent");
	must(!edu->ops->dma_unmap(edu, map.handle), "unmap");
	edu->ops->close(edu);
	host->ops->free(host);
	printf("hide: the host chose %#llx\n", (unsigned long long)iova);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 5 && !strcmp(argv[1], "p2p"))
		return p2p(argv[2], argv[3], !strcmp(argv[4], "allowed"));
	if (argc == 3 && !strcmp(argv[1], "hide"))
		return hide(argv[2]);
	fprintf(stderr, "direct: p2p EDU IVSHMEM allowed|refused, or hide EDU\n");
	return 2;
}
