/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_UNIT_PCI_TREE_H
#define TESTS_UNIT_PCI_TREE_H

#include "unit.h"

#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include <gangway/topology.h>

#include "base/util.h"
#include "config/caps.h"

/* A machine's sysfs, made up in a temporary folder. */

#define ACS_ALL		0x1f	/* SV TB RR CR UF */
#define ACS_ON		(GW_ACS_ISOLATION)

/** A function to be made. Members left 0 are of an ordinary PCIe endpoint without ACS. */
struct tree_fn {
	const char *path;		/* below sys/devices, e.g. pci0000:00/0000:00:01.0 */
	int type; /* enum gw_pci_type; GW_PCI_CONVENTIONAL: no PCIe capability */
	bool acs;			/* it has the capability, and these: */
	uint16_t acs_cap, acs_ctrl;
	uint16_t vendor, device;
	bool bridge, multi;
	unsigned int config_size;	/* 0: 4096 */
	const char *physfn;		/* name of a virtual function's physical one */
	int group;			/* 0: none */
	const char *driver;
};

static char tree_dir[64];

/** tree_path() - below the folder; good until two more were asked for */
static inline __attribute__((format(printf, 1, 2))) const char *tree_path(const char *fmt, ...)
{
	static char path[3][PATH_MAX];
	static unsigned int turn;
	va_list ap;
	int len;

	turn = (turn + 1) % 3;
	len = snprintf(path[turn], PATH_MAX, "%s/", tree_dir);
	va_start(ap, fmt);
	vsnprintf(path[turn] + len, PATH_MAX - (size_t)len, fmt, ap);
	va_end(ap);
	return path[turn];
}

/** tree_mkdirs() - with those above it */
static inline void tree_mkdirs(const char *below)
{
	char path[PATH_MAX];

	strcpy(path, tree_path("%s", below));
	for (char *at = strchr(path + 1, '/'); at; at = strchr(at + 1, '/')) {
		*at = '\0';
		mkdir(path, 0755);
		*at = '/';
	}
	assert_true(!mkdir(path, 0755) || errno == EEXIST);
}

static inline void tree_write(const char *below, const void *bytes, size_t len)
{
	int fd = open(tree_path("%s", below), O_WRONLY | O_CREAT | O_TRUNC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, len), len);
	close(fd);
}

static inline void tree_text(const char *below, const char *text)
{
	tree_write(below, text, strlen(text));
}

static inline void tree_link(const char *below, const char *to)
{
	unlink(tree_path("%s", below));
	assert_int_equal(symlink(to, tree_path("%s", below)), 0);
}

static inline void tree_init(void)
{
	/* in memory, as there are many files */
	strcpy(tree_dir, "/dev/shm/gangway-tree-XXXXXX");
	assert_non_null(mkdtemp(tree_dir));
	tree_mkdirs("sys/bus/pci/devices");
	tree_mkdirs("sys/bus/pci/drivers");
	tree_mkdirs("sys/kernel/iommu_groups");
	tree_mkdirs("proc");
}

static inline int tree_remove_one(const char *path, const struct stat *st, int flag,
				  struct FTW *ftw)
{
	return remove(path);
}

static inline void tree_fini(void)
{
	nftw(tree_dir, tree_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static inline void tree_config(const struct tree_fn *f, uint8_t *cfg)
{
	uint16_t cap = f->acs_cap ? f->acs_cap : ACS_ALL;

	memset(cfg, 0, GW_PCI_CFG_SIZE);
	gw_pci_put(cfg, GW_PCI_VENDOR_ID, 2, f->physfn ? 0xffff : f->vendor);
	gw_pci_put(cfg, GW_PCI_VENDOR_ID + 2, 2, f->physfn ? 0xffff : f->device);
	cfg[GW_PCI_HEADER_TYPE] = (uint8_t)(f->bridge | (f->multi ? GW_PCI_HEADER_TYPE_MULTI : 0));
	if (f->type == GW_PCI_CONVENTIONAL)
		return;
	cfg[GW_PCI_STATUS] = GW_PCI_STATUS_CAPS;
	cfg[GW_PCI_CAP_PTR] = 0x40;
	gw_pci_put(cfg, 0x40, 4, GW_PCI_CAP_PM | 0x50 << 8);
	gw_pci_put(cfg, 0x50, 4, GW_PCI_CAP_PCIE | (uint32_t)(2 | f->type << 4) << 16);
	gw_pci_put(cfg, 0x100, 4, 0x140u << 20 | 1u << 16 | GW_PCI_EXT_SERIAL);
	if (f->acs) {
		gw_pci_put(cfg, 0x140, 4, 1u << 16 | GW_PCI_EXT_ACS);
		gw_pci_put(cfg, 0x144, 4, (uint32_t)f->acs_ctrl << 16 | cap);
	} else {
		gw_pci_put(cfg, 0x140, 4, 1u << 16 | GW_PCI_EXT_VENDOR);
	}
}

static inline void tree_number(const char *dir, const char *file, unsigned int digits,
			       unsigned int v)
{
	char path[PATH_MAX], text[32];

	snprintf(path, sizeof(path), "sys/devices/%s/%s", dir, file);
	snprintf(text, sizeof(text), "0x%0*x\n", (int)digits, v);
	tree_text(path, text);
}

static inline void tree_fn_link(const char *dir, const char *name, const char *fmt, ...)
{
	char path[PATH_MAX], to[PATH_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(to, sizeof(to), fmt, ap);
	va_end(ap);
	snprintf(path, sizeof(path), "sys/devices/%s/%s", dir, name);
	tree_link(path, to);
}

/** tree_add() - make a function */
static inline void tree_add(struct tree_fn f)
{
	const char *name = strrchr(f.path, '/') + 1;
	uint8_t cfg[GW_PCI_CFG_SIZE];
	char path[PATH_MAX], to[PATH_MAX];

	if (!f.vendor) {
		f.vendor = 0x1234;
		f.device = f.device ? f.device : 0x5678;
	}
	switch (f.type) {
	case GW_PCI_ROOT_PORT:
	case GW_PCI_UPSTREAM_PORT:
	case GW_PCI_DOWNSTREAM_PORT:
	case GW_PCI_TO_PCI_BRIDGE:
	case GW_PCI_TO_PCIE_BRIDGE: f.bridge = true;
	}
	snprintf(path, sizeof(path), "sys/devices/%s", f.path);
	tree_mkdirs(path);
	tree_config(&f, cfg);
	snprintf(path, sizeof(path), "sys/devices/%s/config", f.path);
	tree_write(path, cfg, f.config_size ? f.config_size : f.type == GW_PCI_CONVENTIONAL ?
		   GW_PCI_CFG_SIZE_CONV : GW_PCI_CFG_SIZE);
	tree_number(f.path, "vendor", 4, f.vendor);
	tree_number(f.path, "device", 4, f.device);
	tree_number(f.path, "class", 6, f.bridge ? 0x060400 : 0x010802);
	snprintf(path, sizeof(path), "sys/bus/pci/devices/%s", name);
	snprintf(to, sizeof(to), "../../../devices/%s", f.path);
	tree_link(path, to);
	if (f.physfn)
		tree_fn_link(f.path, "physfn", "../%s", f.physfn);
	if (f.driver)
		tree_fn_link(f.path, "driver", "../../../bus/pci/drivers/%s", f.driver);
	if (f.group) {
		/* so that the link works, whatever the depth */
		tree_fn_link(f.path, "iommu_group", "%s/sys/kernel/iommu_groups/%d", tree_dir,
			     f.group);
		snprintf(path, sizeof(path), "sys/kernel/iommu_groups/%d/devices", f.group);
		tree_mkdirs(path);
		snprintf(path, sizeof(path), "sys/kernel/iommu_groups/%d/type", f.group);
		tree_text(path, "DMA-FQ\n");
	}
}

/** tree_poke() - change config space */
static inline void tree_poke(const char *fn, unsigned int off, unsigned int width, uint32_t v)
{
	char path[PATH_MAX];
	uint8_t b[4];
	int fd;

	snprintf(path, sizeof(path), "sys/bus/pci/devices/%s/config", fn);
	fd = open(tree_path("%s", path), O_WRONLY);
	gw_pci_put(b, 0, width, v);
	assert_int_equal(pwrite(fd, b, width, off), width);
	close(fd);
}

/** tree_file() - a file of a function */
static inline void tree_file(const char *fn, const char *file, const char *text)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "sys/bus/pci/devices/%s/%s", fn, file);
	tree_text(path, text);
}

static inline struct gw_pci_node *tree_find(struct gw_topology *t, const char *name)
{
	struct gw_pci_node *n;
	struct gw_pci_addr a;

	assert_int_equal(gw_pci_addr_parse(name, &a), 0);
	assert_int_equal(gw_topology_find(t, &a, &n), 0);
	return n;
}

#endif
