/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "qemu/osdep.h"

#include "gangway-pci.h"

#include "qemu/units.h"
#include "system/kvm.h"
#include "system/reset.h"

/*
 * How it works: QEMU has the library inside, and each device of this type shows the guest one
 * struct gw_device of it: a function, or the companion of one. All calls of the library are made
 * under QEMU's big lock, so one at a time. Threads of the library never take that lock: what they
 * have to say is noted and seen to by a bottom half, as the vCPU that holds the lock may be waiting
 * for them.
 *
 * A BAR is one region whose accesses are trapped, with regions of memory on top for what can be
 * mapped. HVF wants these in multiples of 16 KiB and aborts on less, so that is the unit everywhere
 * but under KVM.
 */

#define UNIT		(16 * KiB)

static uint64_t map_unit(void)
{
	uint64_t page = qemu_real_host_page_size();

	return kvm_enabled() ? page : MAX(page, UNIT);
}

static uint64_t bar_read(void *opaque, hwaddr addr, unsigned int size)
{
	GangwayBAR *b = opaque;
	uint64_t val = UINT64_MAX;
	uint8_t buf[8];

	if (!b->g->dev->ops->region_read(b->g->dev, b->index, addr, buf, size))
		val = ldn_le_p(buf, size);
	gangway_irqs_accessed(b->g);
	return val;
}

static void bar_write(void *opaque, hwaddr addr, uint64_t val, unsigned int size)
{
	GangwayBAR *b = opaque;
	uint8_t buf[8];

	stn_le_p(buf, size, val);
	b->g->dev->ops->region_write(b->g->dev, b->index, addr, buf, size);
	gangway_irqs_accessed(b->g);
}

static const MemoryRegionOps bar_ops = {
	.read = bar_read,
	.write = bar_write,
	.endianness = DEVICE_LITTLE_ENDIAN,
	.valid = { .min_access_size = 1, .max_access_size = 8 },
	.impl = { .min_access_size = 1, .max_access_size = 8 },
};

static void bar_map(GangwayBAR *b, const struct gw_region_info *info, uint64_t off, uint64_t size)
{
	MemoryRegion *mr = &b->area[b->nr_areas];
	uint64_t unit = map_unit(), first = ROUND_UP(off, unit), end = ROUND_DOWN(off + size, unit);
	uint8_t *addr = (uint8_t *)info->addr + first;

	/* an area that is too small, or lies askew in this process, stays trapped */
	if (first >= end || (uintptr_t)addr % qemu_real_host_page_size())
		return;
	memory_region_init_ram_device_ptr(mr, OBJECT(b->g), "gangway-bar-map", end - first, addr);
	memory_region_add_subregion(&b->mr, first, mr);
	b->nr_areas++;
}

static void bar_init(GangwayPCI *g, unsigned int i)
{
	struct gw_region_info info;
	GangwayBAR *b = &g->bar[i];
	uint8_t type;

	b->g = g;
	b->index = i;
	g->dev->ops->region_info(g->dev, i, &info);
	if (!info.size)
		return;
	type = pci_get_byte(g->pdev.config + PCI_BASE_ADDRESS_0 + 4 * i);
	memory_region_init_io(&b->mr, OBJECT(g), &bar_ops, b, "gangway-bar", info.size);
	if (info.addr && !info.nr_areas)
		bar_map(b, &info, 0, info.size);
	for (unsigned int n = 0; info.addr && n < info.nr_areas; n++)
		bar_map(b, &info, info.area[n].off, info.area[n].size);
	pci_register_bar(&g->pdev, i,
			 type & PCI_BASE_ADDRESS_SPACE_IO ? type & 3 : type & 0xf, &b->mr);
}

static void bars_fini(GangwayPCI *g)
{
	for (unsigned int i = 0; i < GW_NR_BARS; i++)
		for (unsigned int n = 0; n < g->bar[i].nr_areas; n++)
			memory_region_del_subregion(&g->bar[i].mr, &g->bar[i].area[n]);
}

/* The function, or the companion of one that is another device. */
static bool open_device(GangwayPCI *g, Error **errp)
{
	if (!(g->device && *g->device) == !g->function) {
		error_setg(errp, "gangway-pci wants either device= or companion-of=");
		error_append_hint(errp, "device=sim:nvme or device=0000:01:00.0; companion-of=ID names the "
				  "device of a function that has plan=paravirt\n");
		return false;
	}
	if (!g->function) {
		g->gf = gangway_function_open(g, errp);
		if (!g->gf)
			return false;
		g->dev = gw_vm_device(g->gf->f);
		return true;
	}
	if (!g->function->gf || !gw_vm_companion(g->function->gf->f)) {
		error_setg(errp, "the device that companion-of= names has no companion; plan paravirt has "
			   "one");
		return false;
	}
	g->gf = gangway_function_ref(g->function->gf);
	g->dev = gw_vm_companion(g->gf->f);
	return true;
}

/* The host has lost the function: the guest's driver is asked to let go of it. */
static void function_gone(void *opaque)
{
	GangwayPCI *g = opaque;

	qemu_set_fd_handler(g->gone_fd, NULL, NULL, NULL);
	g->gone_fd = -1;
	gw_guest_function_gone(g->gf->f->guest);
}

static void watch_function(GangwayPCI *g)
{
	struct gw_function *fn = g->gf->f->fn;

	if (g->function || fn->ops->gone(fn, &g->gone_fd))
		g->gone_fd = -1;
	if (g->gone_fd >= 0)
		qemu_set_fd_handler(g->gone_fd, function_gone, NULL, g);
}

/* QEMU ends without taking its devices apart: the device is to be quiet before memory goes. */
static void exit_notify(Notifier *n, void *data)
{
	GangwayPCI *g = container_of(n, GangwayPCI, exit);

	g->dev->ops->detach(g->dev);
	if (!g->function)
		gangway_function_report(g->gf, g->device);
}

static void gangway_realize(PCIDevice *pdev, Error **errp)
{
	GangwayPCI *g = GANGWAY_PCI(pdev);
	int ret;

	g->mode = GW_NR_IRQS;
	g->gone_fd = -1;
	if (!open_device(g, errp))
		return;
	gangway_say_begin();
	ret = g->dev->ops->attach(g->dev, NULL, NULL);
	gangway_say_end(ret, "cannot attach to the device", errp);
	if (ret)
		goto detach;
	if (!gangway_dma_init(g, errp))
		goto detach;
	gangway_config_load(g);
	for (unsigned int i = 0; i < GW_NR_BARS; i++)
		bar_init(g, i);
	if (!gangway_config_init(g, errp))
		goto fini_bars;
	gangway_irqs_init(g);
	watch_function(g);
	g->exit.notify = exit_notify;
	qemu_add_exit_notifier(&g->exit);
	return;
fini_bars:
	bars_fini(g);
	gangway_dma_fini(g);
detach:
	g->dev->ops->detach(g->dev);
	gangway_function_unref(g->gf);
	g->gf = NULL;
}

static void gangway_exit(PCIDevice *pdev)
{
	GangwayPCI *g = GANGWAY_PCI(pdev);

	qemu_remove_exit_notifier(&g->exit);
	if (g->gone_fd >= 0)
		qemu_set_fd_handler(g->gone_fd, NULL, NULL, NULL);
	gangway_irqs_off(g);
	gangway_config_fini(g);
	bars_fini(g);
	/* quiet first; what it was told of memory it forgets then, too */
	g->dev->ops->detach(g->dev);
	gangway_dma_fini(g);
	if (!g->function)
		gangway_function_report(g->gf, g->device);
	gangway_function_unref(g->gf);
	g->gf = NULL;
}

static void gangway_reset_hold(Object *obj, ResetType type)
{
	GangwayPCI *g = GANGWAY_PCI(obj);

	gangway_irqs_off(g);
	g->dev->ops->reset(g->dev);	/* failure has been said, and fences the function */
	gangway_irqs_init(g);
}

static const Property properties[] = {
	DEFINE_PROP_STRING("device", GangwayPCI, device),
	DEFINE_PROP_STRING("plan", GangwayPCI, plan),
	DEFINE_PROP_STRING("host-options", GangwayPCI, options),
	DEFINE_PROP_SIZE("window", GangwayPCI, window, 0),
	DEFINE_PROP_SIZE("pool-size", GangwayPCI, pool_size, 0),
	DEFINE_PROP_UINT32("poll-us", GangwayPCI, poll_us, 50),
	DEFINE_PROP_BOOL("show-at-once", GangwayPCI, show, false),
	DEFINE_PROP_LINK("companion-of", GangwayPCI, function, TYPE_GANGWAY_PCI, GangwayPCI *),
};

static const VMStateDescription vmstate = { .name = TYPE_GANGWAY_PCI, .unmigratable = 1 };

static void gangway_class_init(ObjectClass *class, GANGWAY_CONST void *data)
{
	ResettableClass *rc = RESETTABLE_CLASS(class);
	PCIDeviceClass *pc = PCI_DEVICE_CLASS(class);
	DeviceClass *dc = DEVICE_CLASS(class);

	dc->desc = "a PCI function that gangway passes through";
	dc->vmsd = &vmstate;
	set_bit(DEVICE_CATEGORY_MISC, dc->categories);
	device_class_set_props(dc, properties);
	rc->phases.hold = gangway_reset_hold;
	pc->realize = gangway_realize;
	pc->exit = gangway_exit;
	pc->config_read = gangway_config_read;
	pc->config_write = gangway_config_write;
}

static void gangway_instance_init(Object *obj)
{
	/* a config space of 4 KiB, if the device has so much */
	PCI_DEVICE(obj)->cap_present |= QEMU_PCI_CAP_EXPRESS;
}

static const TypeInfo type_info = {
	.name = TYPE_GANGWAY_PCI,
	.parent = TYPE_PCI_DEVICE,
	.instance_size = sizeof(GangwayPCI),
	.instance_init = gangway_instance_init,
	.class_init = gangway_class_init,
	.interfaces = (GANGWAY_CONST InterfaceInfo[]) {
		{ INTERFACE_PCIE_DEVICE },
		{ INTERFACE_CONVENTIONAL_PCI_DEVICE },
		{ }
	},
};

static void register_types(void)
{
	type_register_static(&type_info);
}

type_init(register_types)
