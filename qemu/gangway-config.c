/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "qemu/osdep.h"

#include "gangway-pci.h"

/*
 * How it works: the guest sees the config space of the device, which the library polices bit by
 * bit, but for the bits that QEMU has to act on: BARs, MSI, MSI-X. Writes go to both, the device
 * first. The chain of capabilities is the device's, so all of them stand where they stood.
 *
 * The device delivers one of INTx, MSI and MSI-X, whichever the guest has enabled, all vectors of
 * it; masks are QEMU's. INTx goes down with the guest's next access to a register, which is how a
 * handler begins; if the device still wants it, it comes again. So that there is such an access,
 * nothing is mapped while INTx is what is enabled.
 */

static void config_get(GangwayPCI *g, uint32_t addr, void *buf, int len)
{
	memset(buf, 0xff, len);
	g->dev->ops->region_read(g->dev, GW_REGION_CONFIG, addr, buf, len);
}

static uint32_t config_size(GangwayPCI *g)
{
	struct gw_region_info info;

	g->dev->ops->region_info(g->dev, GW_REGION_CONFIG, &info);
	return MIN(info.size, pci_config_size(&g->pdev));
}

static void own(GangwayPCI *g, uint32_t addr, unsigned int len)
{
	memset(g->own + addr, 0xff, len);
}

void gangway_config_load(GangwayPCI *g)
{
	uint8_t *config = g->pdev.config, multi = config[PCI_HEADER_TYPE] & 0x80;
	struct gw_region_info info;
	uint32_t size;

	g->dev->ops->region_info(g->dev, GW_REGION_CONFIG, &info);
	if (info.size <= PCI_CONFIG_SPACE_SIZE || !pci_bus_is_express(pci_get_bus(&g->pdev)))
		g->pdev.cap_present &= ~QEMU_PCI_CAP_EXPRESS;
	size = config_size(g);
	for (uint32_t at = 0; at < size; at += 4)
		config_get(g, at, config + at, 4);
	config[PCI_HEADER_TYPE] = (config[PCI_HEADER_TYPE] & 0x7f) | multi;
	config[PCI_CAPABILITY_LIST] = 0;	/* QEMU's own list: what it adds */
	pci_set_long(config + PCI_ROM_ADDRESS, 0);
	own(g, PCI_BASE_ADDRESS_0, 24);
	own(g, PCI_ROM_ADDRESS, 4);
	g->own[PCI_HEADER_TYPE] = 0x80;
	g->own[PCI_STATUS] = PCI_STATUS_INTERRUPT;
}

/* Return: where the device's capability @id is, 0: nowhere. @prev: where it is pointed to from. */
static uint8_t find_cap(GangwayPCI *g, uint8_t id, uint8_t *prev)
{
	uint8_t at = PCI_CAPABILITY_LIST, cap[2];
	uint16_t status;

	config_get(g, PCI_STATUS, &status, 2);
	if (!(le16_to_cpu(status) & PCI_STATUS_CAP_LIST))
		return 0;
	/* the library shows no list that has a loop; no list has more than this */
	for (int left = 48; left; left--) {
		*prev = at;
		config_get(g, at, &at, 1);
		at &= ~3;
		if (at < PCI_CONFIG_HEADER_SIZE)
			return 0;
		config_get(g, at, cap, 2);
		if (cap[0] == id)
			return at;
		at++;
	}
	return 0;
}

/* Leave a capability out of the chain that the guest sees. */
static void hide_cap(GangwayPCI *g, uint8_t at, uint8_t prev)
{
	config_get(g, at + 1, g->pdev.config + prev, 1);
	own(g, prev, 1);
}

/* A capability that is QEMU's keeps its place in the device's chain. */
static void own_cap(GangwayPCI *g, uint8_t at, unsigned int len)
{
	own(g, at + 2, len - 2);
}

static bool msi_setup(GangwayPCI *g, Error **errp)
{
	uint8_t prev, at = find_cap(g, PCI_CAP_ID_MSI, &prev);
	bool is_64, maskable;
	uint16_t flags;
	int ret;

	if (!at)
		return true;
	flags = pci_get_word(g->pdev.config + at + PCI_MSI_FLAGS);
	is_64 = flags & PCI_MSI_FLAGS_64BIT;
	maskable = flags & PCI_MSI_FLAGS_MASKBIT;
	ret = msi_init(&g->pdev, at, 1 << ((flags & PCI_MSI_FLAGS_QMASK) >> 1), is_64, maskable,
		       errp);
	if (ret == -ENOTSUP) {	/* of this machine */
		error_free(*errp);
		*errp = NULL;
		hide_cap(g, at, prev);
		return true;
	}
	own_cap(g, at, 10 + (is_64 ? 4 : 0) + (maskable ? 10 : 0));
	return !ret;
}

static bool msix_setup(GangwayPCI *g, Error **errp)
{
	uint8_t prev, at = find_cap(g, PCI_CAP_ID_MSIX, &prev);
	uint32_t table, pba;
	unsigned int nr;
	int ret;

	if (!at)
		return true;
	nr = (pci_get_word(g->pdev.config + at + PCI_MSIX_FLAGS) & PCI_MSIX_FLAGS_QSIZE) + 1;
	table = pci_get_long(g->pdev.config + at + PCI_MSIX_TABLE);
	pba = pci_get_long(g->pdev.config + at + PCI_MSIX_PBA);
	if ((table & 7) >= GW_NR_BARS || (pba & 7) >= GW_NR_BARS ||
	    !g->bar[table & 7].g || !g->bar[pba & 7].g) {
		error_setg(errp, "the MSI-X table is in a BAR that there is not");
		return false;
	}
	ret = msix_init(&g->pdev, nr, &g->bar[table & 7].mr, table & 7, table & ~7u,
			&g->bar[pba & 7].mr, pba & 7, pba & ~7u, at, errp);
	if (ret == -ENOTSUP) {
		error_free(*errp);
		*errp = NULL;
		hide_cap(g, at, prev);
		return true;
	}
	if (ret)
		return false;
	for (unsigned int v = 0; v < nr; v++)
		msix_vector_use(&g->pdev, v);
	own_cap(g, at, MSIX_CAP_LENGTH);
	return true;
}

/*
 * On a conventional bus a function is a conventional one. On a root bus there is no link: an
 * endpoint there is integrated into the root complex (PCI Express Base 4.0, 7.5.3.2).
 */
static void express_setup(GangwayPCI *g)
{
	PCIBus *bus = pci_get_bus(&g->pdev);
	uint8_t prev, at = find_cap(g, PCI_CAP_ID_EXP, &prev);
	uint8_t *cap = g->pdev.config + at;
	uint16_t flags;

	if (!at)
		return;
	if (!pci_is_express(&g->pdev)) {
		hide_cap(g, at, prev);
		return;
	}
	g->pdev.exp.exp_cap = at;
	flags = pci_get_word(cap + PCI_EXP_FLAGS);
	if (!pci_bus_is_root(bus) || (flags & PCI_EXP_FLAGS_TYPE) >> 4 != PCI_EXP_TYPE_ENDPOINT)
		return;
	pci_set_word(cap + PCI_EXP_FLAGS, (flags & ~PCI_EXP_FLAGS_TYPE) | PCI_EXP_TYPE_RC_END << 4);
	memset(cap + PCI_EXP_LNKCAP, 0, 8);
	own(g, at + PCI_EXP_FLAGS, 2);
	own(g, at + PCI_EXP_LNKCAP, 8);
	memset(g->pdev.wmask + at + PCI_EXP_LNKCAP, 0, 8);
	memset(g->pdev.wmask + at + PCI_EXP_FLAGS, 0, 2);
	if ((flags & PCI_EXP_FLAGS_VERS) < 2)
		return;
	memset(cap + PCI_EXP_LNKCAP2, 0, 8);
	own(g, at + PCI_EXP_LNKCAP2, 8);
	memset(g->pdev.wmask + at + PCI_EXP_LNKCAP2, 0, 8);
}

bool gangway_config_init(GangwayPCI *g, Error **errp)
{
	Error *err = NULL;

	if (msi_setup(g, &err) && msix_setup(g, &err)) {
		express_setup(g);	/* last: QEMU links what it adds */
		return true;
	}
	error_propagate_prepend(errp, err, "cannot show the device's interrupts: ");
	gangway_config_fini(g);
	return false;
}

void gangway_config_fini(GangwayPCI *g)
{
	uint8_t at = g->pdev.msix_cap;
	uint32_t table, pba;

	if (g->bh)
		qemu_bh_delete(g->bh);
	g->bh = NULL;
	if (msix_present(&g->pdev)) {
		table = pci_get_long(g->pdev.config + at + PCI_MSIX_TABLE);
		pba = pci_get_long(g->pdev.config + at + PCI_MSIX_PBA);
		msix_uninit(&g->pdev, &g->bar[table & 7].mr, &g->bar[pba & 7].mr);
	}
	msi_uninit(&g->pdev);
}

uint32_t gangway_config_read(PCIDevice *pdev, uint32_t addr, int len)
{
	GangwayPCI *g = GANGWAY_PCI(pdev);
	uint32_t mask = 0, ours, theirs = 0;
	uint8_t buf[8];	/* of ldn_le_p(), which the compiler sees take eight */

	memcpy(&mask, g->own + addr, len);
	mask = le32_to_cpu(mask);
	ours = pci_default_read_config(pdev, addr, len);
	if (mask != (uint32_t)MAKE_64BIT_MASK(0, 8 * len)) {
		config_get(g, addr, buf, len);
		theirs = ldn_le_p(buf, len);
	}
	return (ours & mask) | (theirs & ~mask);
}

/* From any thread. The vCPU may hold QEMU's lock and wait for this thread, so it is not taken. */
static void irq_fire(struct gw_irq_call *call, enum gw_irq index, uint32_t vector)
{
	GangwayPCI *g = container_of(call, GangwayPCI, call);

	if (index >= GW_IRQ_ERR)
		set_bit_atomic(index, &g->noticed);
	else
		set_bit_atomic(vector, g->fired);
	qemu_bh_schedule(g->bh);
}

static void irq_deliver(GangwayPCI *g, unsigned int vector)
{
	switch (g->mode) {
	case GW_IRQ_MSIX:
		msix_notify(&g->pdev, vector);
		break;
	case GW_IRQ_MSI:
		msi_notify(&g->pdev, vector);
		break;
	case GW_IRQ_INTX:
		g->asserted = true;
		pci_irq_assert(&g->pdev);
		break;
	default:
		break;	/* it came while the guest disabled it */
	}
}

static void notice(GangwayPCI *g, unsigned long noticed)
{
	Error *err = NULL;

	if (noticed & BIT(GW_IRQ_ERR)) {
		error_report("%s: the device has an error that it does not recover from; the guest is "
			     "stopped", g->device ? g->device : "gangway");
		vm_stop(RUN_STATE_INTERNAL_ERROR);
	}
	if (noticed & BIT(GW_IRQ_REQ)) {
		qdev_unplug(DEVICE(g), &err);
		if (err)
			warn_reportf_err(err, "%s: the host wants the device back: ",
					 g->device ? g->device : "gangway");
	}
}

static void irqs_run(void *opaque)
{
	GangwayPCI *g = opaque;
	unsigned long word, noticed = qatomic_xchg(&g->noticed, 0);

	for (unsigned int i = 0; i < ARRAY_SIZE(g->fired); i++) {
		word = qatomic_xchg(&g->fired[i], 0);
		while (word) {
			irq_deliver(g, i * BITS_PER_LONG + ctzl(word));
			word &= word - 1;
		}
	}
	if (noticed)
		notice(g, noticed);
}

static int irqs_ask(GangwayPCI *g, enum gw_irq index, uint32_t count)
{
	struct gw_irq_set set = { .index = index, .action = GW_IRQ_TRIGGER, .count = count,
				  .data = count ? GW_IRQ_CALL : GW_IRQ_NONE, .call = &g->call };

	return g->dev->ops->irq_set(g->dev, &set);
}

static uint32_t irqs_count(GangwayPCI *g, enum gw_irq index)
{
	struct gw_irq_info info = { 0 };

	g->dev->ops->irq_info(g->dev, index, &info);
	return info.count;
}

/* Under INTx every access is trapped. */
static void show_areas(GangwayPCI *g, bool show)
{
	for (unsigned int i = 0; i < GW_NR_BARS; i++)
		for (unsigned int n = 0; n < g->bar[i].nr_areas; n++)
			memory_region_set_enabled(&g->bar[i].area[n], show);
}

static void set_mode(GangwayPCI *g, enum gw_irq mode)
{
	if (mode == g->mode)
		return;
	if (g->mode != GW_NR_IRQS)
		irqs_ask(g, g->mode, 0);
	bitmap_zero(g->fired, GW_MAX_VECTORS);
	if (g->asserted)
		pci_irq_deassert(&g->pdev);
	g->asserted = false;
	g->mode = mode;
	if (mode == GW_NR_IRQS)
		return;
	show_areas(g, mode != GW_IRQ_INTX);
	if (irqs_ask(g, mode, irqs_count(g, mode))) {
		error_report("%s: the device's interrupts cannot be enabled",
			     g->device ? g->device : "gangway");
		g->mode = GW_NR_IRQS;
	}
}

/* The index that the guest has enabled. */
static void irqs_follow(GangwayPCI *g)
{
	if (msix_enabled(&g->pdev))
		set_mode(g, GW_IRQ_MSIX);
	else if (msi_enabled(&g->pdev))
		set_mode(g, GW_IRQ_MSI);
	else
		set_mode(g, irqs_count(g, GW_IRQ_INTX) ? GW_IRQ_INTX : GW_NR_IRQS);
}

void gangway_irqs_init(GangwayPCI *g)
{
	if (!g->bh)
		g->bh = qemu_bh_new(irqs_run, g);
	g->call.fire = irq_fire;
	irqs_ask(g, GW_IRQ_ERR, 1);
	irqs_ask(g, GW_IRQ_REQ, 1);
	irqs_follow(g);
}

void gangway_irqs_off(GangwayPCI *g)
{
	set_mode(g, GW_NR_IRQS);
	irqs_ask(g, GW_IRQ_ERR, 0);
	irqs_ask(g, GW_IRQ_REQ, 0);
	qatomic_set(&g->noticed, 0);
}

void gangway_irqs_accessed(GangwayPCI *g)
{
	struct gw_irq_set set = { .index = GW_IRQ_INTX, .action = GW_IRQ_UNMASK,
				  .data = GW_IRQ_NONE, .count = 1 };

	if (!g->asserted)
		return;
	g->asserted = false;
	pci_irq_deassert(&g->pdev);
	g->dev->ops->irq_set(g->dev, &set);
}

void gangway_config_write(PCIDevice *pdev, uint32_t addr, uint32_t val, int len)
{
	GangwayPCI *g = GANGWAY_PCI(pdev);
	uint8_t buf[8];

	stn_le_p(buf, len, val);
	g->dev->ops->region_write(g->dev, GW_REGION_CONFIG, addr, buf, len);
	pci_default_write_config(pdev, addr, val, len);
	irqs_follow(g);
}
