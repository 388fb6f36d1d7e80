/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "igb.h"

/*
 * Usage: igb-pf BDF
 *
 * The least that a driver of an 82576's physical function does for the virtual ones: the link, a
 * switch between them, and the answers to their messages. It goes by sysfs' resource file, while
 * pci-pf-stub has the function; until it is killed.
 */

#define BAR_SIZE	0x20000u

#define CTRL		0x0000u
#define CTRL_SLU	(1u << 6)	/* link up */
#define STATUS		0x0008u
#define STATUS_LU	(1u << 1)
#define CTRL_EXT	0x0018u
#define CTRL_EXT_PFRSTD	(1u << 14)	/* says to virtual functions that a reset is over */
#define MDIC		0x0020u
#define MDIC_ANEG	(0x1200u | 1u << 21 | 1u << 26)	/* PHY 1, register 0: negotiate again */
#define RCTL		0x0100u
#define RCTL_EN		(1u << 1)
#define RCTL_SECRC	(1u << 26)	/* no checksum in memory */
#define TCTL		0x0400u
#define TCTL_EN		(1u << 1)
#define VMBMEM(vf)	(0x0800u + 64 * (vf))
#define P2VMAILBOX(vf)	(0x0c00u + 4 * (vf))
#define P2V_STS		(1u << 0)
#define P2V_ACK		(1u << 1)
#define P2V_PFU		(1u << 3)
#define MBVFICR		0x0c80u		/* who has sent a message */
#define VFLRE		0x0c88u		/* who was reset */
#define VFRE		0x0c8cu
#define VFTE		0x0c90u
#define GPIE		0x1514u
#define GPIE_MULTI_MSIX	(1u << 4)
#define DTXSWC		0x3500u
#define DTXSWC_LOOPBACK	(1u << 31)
#define RAL(i)		(0x5400u + 8 * (i))
#define RAH(i)		(0x5404u + 8 * (i))
#define RAH_POOL(vf)	(1u << (18 + (vf)))
#define RAH_AV		(1u << 31)
#define MRQC		0x5818u
#define MRQC_VMDQ	3u		/* queues by address, one pool a virtual function */
#define VT_CTL		0x581cu
#define VT_CTL_NO_DEF	(1u << 29)	/* what no address matches is dropped */
#define VMOLR(vf)	(0x5ad0u + 4 * (vf))
#define VMOLR_UNTAGGED	(1u << 24)
#define VMOLR_STRCRC	(1u << 31)

static volatile uint32_t *regs;

static uint32_t get(uint32_t reg)
{
	return regs[reg / 4];
}

static void set(uint32_t reg, uint32_t val)
{
	regs[reg / 4] = val;
}

static void map_registers(const char *bdf)
{
	char path[PATH_MAX];
	void *p;
	int fd;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/resource0", bdf);
	fd = open(path, O_RDWR | O_CLOEXEC);
	p = mmap(NULL, BAR_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED) {
		fprintf(stderr, "igb-pf: %s: %s\n", path, strerror(errno));
		exit(1);
	}
	close(fd);
	regs = p;
}

static void start(void)
{
	set(CTRL, get(CTRL) | CTRL_SLU);
	set(MDIC, MDIC_ANEG);
	while (!(get(STATUS) & STATUS_LU))
		usleep(10000);
	set(GPIE, GPIE_MULTI_MSIX);
	set(VFRE, 0);
	set(VFTE, 0);
	set(VT_CTL, VT_CTL_NO_DEF);
	set(DTXSWC, DTXSWC_LOOPBACK);
	set(MRQC, MRQC_VMDQ);
	set(RCTL, RCTL_EN | RCTL_SECRC);
	set(TCTL, get(TCTL) | TCTL_EN);
	set(CTRL_EXT, get(CTRL_EXT) | CTRL_EXT_PFRSTD);
}

/* Give a virtual function its address, and let it send and receive. */
static void vf_start(unsigned int vf, uint32_t msg[3])
{
	/* 02:47:57:00:00:vf */
	msg[1] = 0x00574702;
	msg[2] = vf << 8;
	set(RAL(1 + vf), msg[1]);
	set(RAH(1 + vf), msg[2] | RAH_POOL(vf) | RAH_AV);
	set(VMOLR(vf), VMOLR_UNTAGGED | VMOLR_STRCRC);
	set(VFRE, get(VFRE) | 1u << vf);
	set(VFTE, get(VFTE) | 1u << vf);
}

static void vf_message(unsigned int vf)
{
	uint32_t msg[3] = { 0 };

	set(P2VMAILBOX(vf), P2V_PFU);
	msg[0] = get(VMBMEM(vf)) & IGB_MSG_TYPE;
	if (msg[0] == IGB_MSG_RESET) {
		vf_start(vf, msg);
		msg[0] |= IGB_MSG_ACK;
	} else {
		msg[0] |= IGB_MSG_NACK;
	}
	for (unsigned int i = 0; i < 3; i++)
		set(VMBMEM(vf) + 4 * i, msg[i]);
	set(P2VMAILBOX(vf), P2V_STS | P2V_ACK);
}

int main(int argc, char **argv)
{
	uint32_t which;

	if (argc != 2) {
		fprintf(stderr, "igb-pf: wants a function\n");
		return 2;
	}
	map_registers(argv[1]);
	start();
	printf("igb-pf: ready\n");
	fflush(stdout);
	for (;; usleep(1000)) {
		which = get(VFLRE);
		for (unsigned int vf = 0; vf < IGB_NR_VFS; vf++)
			if (which & 1u << vf)
				printf("igb-pf: %u was reset\n", vf);
		set(VFLRE, which);
		which = get(MBVFICR);
		set(MBVFICR, which);
		for (unsigned int vf = 0; vf < IGB_NR_VFS; vf++)
			if (which & 1u << vf)
				vf_message(vf);
		fflush(stdout);
	}
}
