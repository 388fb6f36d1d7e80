/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/viommu.h"

#include <errno.h>
#include <string.h>

#include "base/util.h"

static const struct {
	const char *name, *device, *append;
} kinds[] = {
	[VIOMMU_NONE] = { "none", "", "" },
	/*
	 * A module of most kernels; our initramfs loads what it is told to. Devices wait for it,
	 * but after 10 s, which an emulated machine may need, they would go on without.
	 */
	[VIOMMU_VIRTIO] = { "virtio", "virtio-iommu-pci",
			    " gangway.modules=virtio_iommu deferred_probe_timeout=60" },
	/* Without caching mode the guest tells what it unmaps, but not what it maps. */
	[VIOMMU_INTEL] = { "intel", "intel-iommu,caching-mode=on", " intel_iommu=on" },
};

int viommu_parse(const char *name, enum viommu *viommu)
{
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (strcmp(name, kinds[i].name) != 0)
			continue;
		*viommu = (enum viommu)i;
		return 0;
	}
	return -EINVAL;
}

/* Do QEMU's options make a device, or say what the machine has, by their @i-th word? */
static bool makes(const struct options *o, int i)
{
	static const char *const options[] = { "-device", "-machine", "-M", "-global" };

	for (size_t k = 0; i && k < ARRAY_SIZE(options); k++) {
		const char *before = o->qemu_args[i - 1];

		if (!strcmp(before, options[k]) ||
		    (*before == '-' && !strcmp(before + 1, options[k])))
			return true;
	}
	return false;
}

/* The word of QEMU's options that makes an IOMMU, or NULL. */
static const char *named(const struct options *o)
{
	static const char *const words[] = { "virtio-iommu", "intel-iommu", "amd-iommu",
					     "iommu=smmuv3", "arm-smmuv3" };

	for (int i = 0; i < o->nr_qemu_args; i++) {
		for (size_t k = 0; k < ARRAY_SIZE(words); k++)
			if (makes(o, i) && strstr(o->qemu_args[i], words[k]))
				return words[k];
	}
	return NULL;
}

/* Would QEMU start and the guest run, but devices reach nothing that it maps? Say so before. */
static bool is_deaf(const struct options *o)
{
	for (int i = 0; i < o->nr_qemu_args; i++)
		if (makes(o, i) && strstr(o->qemu_args[i], "intel-iommu") &&
		    (!strstr(o->qemu_args[i], "caching-mode") ||
		     strstr(o->qemu_args[i], "caching-mode=off")))
			return true;
	return false;
}

int viommu_check(const struct options *o, enum gw_plan plan, struct gw_log *log)
{
	const char *what = o->viommu ? kinds[o->viommu].name : named(o);

	if (is_deaf(o)) {
		gw_err(log, "intel-iommu without caching-mode=on does not see what the guest maps");
		gw_hint(log, "--viommu intel adds one that does");
		return -EINVAL;
	}
	if (!what || plan == GW_PLAN_DIRECT)
		return 0;
	gw_err(log, "%s%s: a virtual IOMMU needs plan direct; under plan %s the device's addresses "
	       "are not those that the guest maps", o->viommu ? "--viommu " : "", what,
	       gw_plan_name(plan));
	gw_hint(log, "where the host takes the caller's addresses plan direct can be had; "
		"--host-option caller-iova=on makes a simulated host that does");
	return -EOPNOTSUPP;
}

void viommu_add(const struct options *o, struct qemu_args *a)
{
	if (!o->viommu)
		return;
	qemu_args_add(a, "-device");
	qemu_args_add(a, "%s", kinds[o->viommu].device);
}

const char *viommu_append(const struct options *o)
{
	return kinds[o->viommu].append;
}
