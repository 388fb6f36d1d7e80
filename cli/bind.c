/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/inuse.h"
#include "cli/machine.h"
#include "cli/passable.h"
#include "cli/sysfs.h"

/*
 * How it works: the functions of a group move together or not at all. Everything that speaks
 * against it is looked for, and told, before the first one moves; if one then cannot be moved,
 * those that were are moved back, the last one first.
 */

static const struct machine_usage bind_usage = {
	.words = "DEVICE", .min_words = 1, .max_words = 1, .force = true,
	.text = "Hand a function, with all others of its IOMMU group, to the driver vfio-pci, so\n"
		"that it can be passed through. A function whose disk is mounted or whose network\n"
		"is up stays where it is, unless --force is said twice; that of the root file\n"
		"system always.\n\n"
		"  --force --force  also what is in use\n",
}, unbind_usage = {
	.words = "DEVICE", .min_words = 1, .max_words = 1,
	.text = "Hand a function, with all others of its IOMMU group, from vfio-pci back to its own\n"
		"driver.\n",
};

/* A function that moves. */
struct move {
	struct gw_pci_node *node;
	char to[64];		/* the driver that it got; empty: none */
};

struct moves {
	struct gw_topology *t;
	struct gw_log *log;
	struct move *move;
	size_t nr;
	bool vfio;		/* to vfio-pci, or back */
};

/* The driver it has now, not the one that the topology remembers. */
static void driver_now(struct moves *m, const char *addr, char driver[64])
{
	char link[PATH_MAX];
	const char *name;

	*driver = '\0';
	if (sysfs_readlink(m->t, link, "sys/bus/pci/devices/%s/driver", addr))
		return;
	name = strrchr(link, '/');
	snprintf(driver, 64, "%.63s", name ? name + 1 : link);
}

/* Have the kernel choose a driver anew, vfio-pci or whichever fits. */
static int rebind(struct moves *m, const struct gw_pci_node *n, bool vfio, char now[64])
{
	char addr[GW_PCI_ADDR_SIZE];
	int ret;

	gw_pci_addr_format(&n->addr, addr);
	ret = sysfs_write(m->t, vfio ? VFIO_DRIVER "\n" : "\n",
			  "sys/bus/pci/devices/%s/driver_override", addr);
	if (ret)
		return ret;
	driver_now(m, addr, now);
	if (*now)
		ret = sysfs_write(m->t, addr, "sys/bus/pci/devices/%s/driver/unbind", addr);
	if (!ret)
		ret = sysfs_write(m->t, addr, "sys/bus/pci/drivers_probe");
	driver_now(m, addr, now);
	/* that no driver wants it is told by an error that says nothing more */
	if (!vfio)
		return strcmp(now, VFIO_DRIVER) ? 0 : -EBUSY;
	return strcmp(now, VFIO_DRIVER) ? ret ? ret : -ENODEV : 0;
}

static void roll_back(struct moves *m, size_t nr)
{
	char addr[GW_PCI_ADDR_SIZE], now[64];

	while (nr--) {
		struct gw_pci_node *n = m->move[nr].node;

		if (!rebind(m, n, !m->vfio, now))
			continue;
		gw_err(m->log, "%s cannot be moved back and has %s%s",
		       gw_pci_addr_format(&n->addr, addr), *now ? "driver " : "no driver", now);
		gw_hint(m->log, "'dmesg' may say why; 'gangway %s %s' tries again",
			m->vfio ? "unbind" : "bind", addr);
	}
}

static int move_all(struct moves *m)
{
	char addr[GW_PCI_ADDR_SIZE];
	int ret;

	for (size_t i = 0; i < m->nr; i++) {
		struct move *mv = &m->move[i];

		ret = rebind(m, mv->node, m->vfio, mv->to);
		if (!ret)
			continue;
		gw_err(m->log, "cannot move %s %s " VFIO_DRIVER ": %s",
		       gw_pci_addr_format(&mv->node->addr, addr), m->vfio ? "to" : "from",
		       strerror(-ret));
		if (ret == -EACCES || ret == -EPERM)
			gw_hint(m->log, "only root may do that");
		else if (m->vfio)
			gw_hint(m->log, "'dmesg' says what " VFIO_DRIVER " has against it");
		roll_back(m, i + 1);
		return CLI_FAILED;
	}
	return CLI_OK;
}

static int choose(struct moves *m, struct gw_pci_node *n)
{
	size_t room = 0;

	for (struct gw_pci_node *o = NULL; (o = passable_next(m->t, n, o));)
		room++;
	m->move = calloc(room, sizeof(*m->move));
	if (!m->move) {
		gw_err(m->log, "out of memory");
		return CLI_FAILED;
	}
	for (struct gw_pci_node *o = NULL; (o = passable_next(m->t, n, o));) {
		if (!strcmp(o->driver, VFIO_DRIVER) != m->vfio)
			m->move[m->nr++].node = o;
	}
	return CLI_OK;
}

/* Whatever speaks against taking them away from the machine. */
static int check_use(struct moves *m, unsigned int force)
{
	char addr[GW_PCI_ADDR_SIZE], text[INUSE_TEXT_SIZE];
	int code = CLI_OK;

	for (size_t i = 0; i < m->nr; i++) {
		struct gw_pci_node *n = m->move[i].node;
		enum inuse use = inuse_check(m->t, n, text);

		if (use == INUSE_NO)
			continue;
		gw_pci_addr_format(&n->addr, addr);
		if (use == INUSE_YES && force >= 2) {
			gw_warn(m->log, "%s is taken away although %s", addr, text);
			continue;
		}
		gw_err(m->log, "%s stays: %s", addr, text);
		if (use == INUSE_YES)
			gw_hint(m->log, "end that first, or say --force twice to take it away all "
					"the same");
		code = CLI_FAILED;
	}
	return code;
}

static int check_bind(struct moves *m, struct gw_pci_node *n, unsigned int force)
{
	char addr[GW_PCI_ADDR_SIZE];

	gw_pci_addr_format(&n->addr, addr);
	if (passable_never(n)) {
		gw_err(m->log, "%s is a bridge; bridges are not passed through", addr);
		return CLI_FAILED;
	}
	if (n->group < 0) {
		gw_err(m->log, "%s has no IOMMU group, so nothing would keep it from any memory",
		       addr);
		gw_hint(m->log, "gangway doctor tells what to do about the IOMMU");
		return CLI_UNAVAILABLE;
	}
	if (!sysfs_exists(m->t, "sys/bus/pci/drivers/" VFIO_DRIVER)) {
		gw_err(m->log, "the driver " VFIO_DRIVER " is not there");
		gw_hint(m->log, "modprobe " VFIO_DRIVER);
		return CLI_UNAVAILABLE;
	}
	return check_use(m, force);
}

/* Unbinding a function that a VM has waits for the VM; that is not what anyone wants. */
static int check_unbind(struct moves *m, const struct gw_pci_node *n)
{
	char path[64];
	int fd;

	if (*gw_topology_tree(m->t) || !m->nr)
		return CLI_OK;
	snprintf(path, sizeof(path), "/dev/vfio/%d", n->group);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd >= 0)
		close(fd);
	if (fd >= 0 || errno != EBUSY)
		return CLI_OK;
	gw_err(m->log, "group %d is in use: a VM, or a gangway that serves it, has it open",
	       n->group);
	gw_hint(m->log, "end that first; 'fuser -v %s' says which it is", path);
	return CLI_FAILED;
}

static int show(const struct moves *m, bool json)
{
	struct json_object *list = json ? json_object_new_array() : NULL, *o;
	char addr[GW_PCI_ADDR_SIZE];

	for (size_t i = 0; i < m->nr; i++) {
		const struct move *mv = &m->move[i];

		if (!json) {
			printf("%s  %s -> %s\n", gw_pci_addr_format(&mv->node->addr, addr),
			       *mv->node->driver ? mv->node->driver : "no driver",
			       *mv->to ? mv->to : "no driver");
			continue;
		}
		o = json_object_new_object();
		machine_json_addr(o, "function", mv->node);
		json_object_object_add(o, "from", json_object_new_string(mv->node->driver));
		json_object_object_add(o, "to", json_object_new_string(mv->to));
		json_object_array_add(list, o);
	}
	if (json)
		return machine_json(list);
	if (!m->nr)
		printf("nothing to do\n");
	return CLI_OK;
}

static int run(const struct machine_usage *usage, bool vfio, int argc, char **argv,
	       struct gw_log *log)
{
	struct moves m = { .log = log, .vfio = vfio };
	struct gw_pci_node *n;
	struct machine_args a;
	int code = machine_begin(&a, usage, argc, argv, log, &m.t), ret;

	if (code >= 0)
		return code;
	code = machine_find(m.t, a.word[0], log, &n);
	if (code != CLI_OK)
		goto close;
	ret = gw_topology_scan(m.t);
	if (ret) {
		gw_err(log, "cannot read the functions of this machine: %s", strerror(-ret));
		code = CLI_FAILED;
		goto close;
	}
	code = choose(&m, n);
	if (code == CLI_OK)
		code = vfio ? check_bind(&m, n, a.force) : check_unbind(&m, n);
	if (code == CLI_OK)
		code = move_all(&m);
	if (code == CLI_OK)
		code = show(&m, a.json);
	free(m.move);
close:
	gw_topology_close(m.t);
	return code;
}

static int bind_run(int argc, char **argv, struct gw_log *log)
{
	return run(&bind_usage, true, argc, argv, log);
}

static int unbind_run(int argc, char **argv, struct gw_log *log)
{
	return run(&unbind_usage, false, argc, argv, log);
}

const struct cli_command cli_bind = { "bind", "hand a function to vfio-pci", bind_run };
const struct cli_command cli_unbind = { "unbind", "hand it back to its own driver", unbind_run };
