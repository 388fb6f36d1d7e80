/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
#ifndef DEVICES_PROBE_REGS_H
#define DEVICES_PROBE_REGS_H

/*
 * The probe: a function to test and measure with, by unit tests, a driver in a guest, and
 * benchmarks.
 *
 * BAR0  4 KiB, trapped: the registers below. Every width, naturally aligned, at any of them; a
 *       part of a register can be read and written alone. What is not listed reads as zero.
 * BAR2  1 MiB, 64-bit, prefetchable, mapped: plain memory. Keeps its contents over a reset.
 * BAR4  4 KiB, trapped: MSI-X table at 0, pending bits at 0x800, 32 vectors, nothing else. With
 *       the options irq=msi and irq=none these are plain zeroes.
 */

#define PROBE_VENDOR		0x1234
#define PROBE_DEVICE		0x6777
#define PROBE_VECTORS		32u
#define PROBE_MEM_SIZE		0x100000u

#define PROBE_ID		0x00	/* 32 ro: PROBE_ID_VALUE */
#define PROBE_VERSION		0x04	/* 32 ro: 1 */
#define PROBE_RESETS		0x08	/* 32 ro: resets since the endpoint was made */
#define PROBE_WRITES		0x0c	/* 32 ro: register writes since reset, this BAR */
#define PROBE_SCRATCH8		0x10	/*  8 rw */
#define PROBE_SCRATCH16		0x12	/* 16 rw */
#define PROBE_SCRATCH32		0x14	/* 32 rw */
#define PROBE_SCRATCH64		0x18	/* 64 rw */
#define PROBE_IRQ		0x20	/* 32 wo: raise this vector */
#define PROBE_IRQS		0x24	/* 32 wo: raise each vector whose bit is set */
#define PROBE_WIDTH		0x28	/* 32 ro: bytes of the last register write */

/*
 * The DMA engine. A write that covers the first byte of COMMAND starts what it says, with the
 * parameters as they are then; while one is BUSY only STOP has an effect. While bus mastering is
 * off a command waits. STATUS and what follows it are set before the interrupt is raised, which
 * comes at the end of every command, good or bad, if VECTOR names one.
 */
#define PROBE_SRC		0x40	/* 64 rw: IOVA that COPY and SUM read */
#define PROBE_DST		0x48	/* 64 rw: IOVA that COPY and FILL write */
#define PROBE_LEN		0x50	/* 64 rw: bytes */
#define PROBE_COMMAND		0x58	/* 32 rw: PROBE_CMD_* */
#define PROBE_STATUS		0x5c	/* 32 ro: PROBE_IDLE .. */
#define PROBE_ERROR		0x60	/* 32 ro: errno of PROBE_FAILED, positive */
#define PROBE_VECTOR		0x64	/* 32 rw: vector at the end; PROBE_NO_VECTOR after reset */
#define PROBE_PATTERN		0x68	/* 64 rw: what FILL repeats, little endian */
#define PROBE_RESULT		0x70	/* 64 ro: FNV-1a of the bytes that SUM read */
#define PROBE_DONE		0x78	/* 64 ro: bytes done, also while busy */
#define PROBE_REGS_END		0x80

#define PROBE_ID_VALUE		0x42525047u	/* "GPRB" */
#define PROBE_NO_VECTOR		0xffffffffu

enum { PROBE_CMD_STOP, PROBE_CMD_COPY, PROBE_CMD_FILL, PROBE_CMD_SUM };
enum { PROBE_IDLE, PROBE_BUSY, PROBE_OK, PROBE_FAILED };

#define PROBE_SUM_START		0xcbf29ce484222325ull
#define PROBE_SUM_PRIME		0x100000001b3ull

#endif
