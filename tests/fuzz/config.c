/* SPDX-License-Identifier: BSD-3-Clause */
#include "../unit/fake_function.h"

#include "base/reader.h"
#include "function/function.h"

/*
 * The config write path. An input is a byte of flags, config space if they ask for it, and then
 * accesses: a byte of length, two of offset, and, for a write, the bytes. The fake host ends the
 * program at a write to anything but the forwarded bits of COMMAND, or an unaligned access.
 */

#define FLAG_CONFIG	1u	/* 256 bytes of config space follow */
#define FLAG_EXT	2u	/* 256 bytes of extended config space follow */
#define FLAG_RESET	4u	/* resets fail once the function is open */
#define FLAG_VECTORS	8u	/* the host delivers one vector only */
#define LEN_READ	0x80u

static void device_init(struct fake *f, struct gw_reader *r, uint8_t flags)
{
	memset(f->cfg, 0, sizeof(f->cfg));
	fake_sample_config(f);
	if (flags & FLAG_CONFIG)
		gw_reader_take(r, f->cfg, 256);
	if (flags & FLAG_EXT)
		gw_reader_take(r, f->cfg + 256, 256);
	/* what is refused at open is not of interest here */
	f->cfg[GW_PCI_VENDOR_ID] = 0x34;
	f->cfg[GW_PCI_HEADER_TYPE] &= 0x80;
	f->vectors = flags & FLAG_VECTORS ? 1 : FAKE_MSIX;
	f->sink = NULL;
	f->fail_reset = 0;
	f->trace[0] = '\0';
}

static void check(bool ok)
{
	if (!ok)
		abort();
}

static uint32_t get(struct gw_device *dev, unsigned int off, unsigned int width)
{
	uint8_t b[4];

	check(!dev->ops->region_read(dev, GW_REGION_CONFIG, off, b, width));
	return gw_pci_get(b, 0, width);
}

/* What must hold after any access. */
static void check_device(struct gw_device *dev, struct fake *f)
{
	uint32_t bme = f->cfg[GW_PCI_COMMAND] & GW_PCI_COMMAND_MASTER;

	check(!f->stopped);
	if (get(dev, 0, 4) == UINT32_MAX) {
		check(!bme);		/* fenced */
		return;
	}
	check(get(dev, GW_PCI_ROM, 4) == 0 && get(dev, GW_PCI_INT_PIN, 1) == 0);
	check(!strstr(f->trace, "RESET-WHILE") && !strstr(f->trace, "UNSTOPPED"));
	check(!bme || get(dev, GW_PCI_COMMAND, 2) & GW_PCI_COMMAND_MASTER);
	f->trace[0] = '\0';
}

static bool access_one(struct gw_device *dev, struct gw_reader *r, unsigned int size)
{
	uint8_t len, buf[LEN_READ];
	uint16_t off;
	int ret, want;

	if (!gw_reader_take(r, &len, 1) || !gw_reader_u16(r, &off))
		return false;
	want = off > size || (len & ~LEN_READ) > size - off ? -EINVAL : 0;
	if (len & LEN_READ) {
		ret = dev->ops->region_read(dev, GW_REGION_CONFIG, off, buf, len & ~LEN_READ);
	} else {
		if (!gw_reader_take(r, buf, len))
			return false;
		ret = dev->ops->region_write(dev, GW_REGION_CONFIG, off, buf, len);
	}
	check(ret == want);
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct gw_reader r = gw_reader_init(data, len);
	struct gw_guest_function *gf;
	struct gw_region_info info;
	struct gw_device *dev;
	static struct fake *f;
	struct gw_dma *dma;
	uint8_t flags;

	if (!f)
		f = fake_new();
	if (!gw_reader_take(&r, &flags, 1))
		return 0;
	device_init(f, &r, flags);
	check(!gw_dma_new(&f->fn, GW_PLAN_DIRECT, NULL, &dma));
	f->stopped = 1;		/* no remote is there to be stopped while it opens */
	check(!gw_guest_function_new(&f->fn, dma, NULL, &gf));
	f->stopped = 0;
	dev = gw_guest_function_device(gf);
	check(!dev->ops->attach(dev, &f->remote, NULL));
	dev->ops->region_info(dev, GW_REGION_CONFIG, &info);
	f->fail_reset = flags & FLAG_RESET ? -EIO : 0;
	check_device(dev, f);
	while (access_one(dev, &r, (unsigned int)info.size))
		check_device(dev, f);
	dev->ops->detach(dev);
	check(!(f->cfg[GW_PCI_COMMAND] & GW_PCI_COMMAND_MASTER));
	gw_guest_function_free(gf);
	gw_dma_free(dma);
	return 0;
}
