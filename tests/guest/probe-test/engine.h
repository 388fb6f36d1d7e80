/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef PROBE_TEST_ENGINE_H
#define PROBE_TEST_ENGINE_H

#include <linux/completion.h>
#include <linux/dma-mapping.h>
#include <linux/interrupt.h>
#include <linux/pci.h>

#include "probe_regs.h"

#undef pr_fmt
#define pr_fmt(fmt) "probe-test: " fmt

#define BIG		528384		/* what drivers of graphics cards ask for at once */

/* The function that is tested with; one is enough. */
struct probe {
	struct pci_dev *pdev;
	struct device *dev;
	void __iomem *regs;
	struct completion done;
	struct completion bound;
	void *shared;		/* coherent memory that processes map */
	dma_addr_t shared_dma;
};

extern struct probe probe;

/* Memory is mapped once, and dma-direct translates: what it does not check is not expected. */
extern bool ranges;

#define FAIL(fmt, ...) ({ pr_err("%s: " fmt "\n", __func__, ##__VA_ARGS__); -EIO; })

irqreturn_t probe_irq(int irq, void *unused);

/* Have the engine do one thing (PROBE_CMD_*), and wait for its interrupt. Return: PROBE_*; -EIO */
int engine_status(u32 command, dma_addr_t src, dma_addr_t dst, size_t len);

/* Likewise; it must go well. */
int engine(u32 command, dma_addr_t src, dma_addr_t dst, size_t len);

/* Bytes that depend on the place and on @seed. */
void fill(void *buf, size_t len, u32 seed);

/* Is it what PROBE_CMD_FILL leaves? Does the engine see the same bytes? Do both see all changes? */
int check_fill(const void *buf, size_t len);
int check_sum(const void *buf, dma_addr_t dma, size_t len);
int check_memory(void *buf, dma_addr_t dma, size_t len, u32 seed);

/* Tests of memory that is allocated for DMA. */
int test_coherent(void);
int test_coherent_atomic(void);
int test_pool(void);
int test_no_mapping(void);
int test_tight(void);

/* Test of what is mapped after all that can be was. */
int test_full(void);

/* Tests of pages in many places, mapped one by one and as a list. */
int test_scattered(void);
int test_scattered_list(void);

/* Test of lists whose entries must not cross a boundary. */
int test_boundary(void);

/* Tests of what only an IOMMU of the guest's own does. */
int test_unmapped(void);
int test_resource(void);

#endif
