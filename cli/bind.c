/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/quote.h"
#include "cli/cli.h"
#include "cli/inuse.h"
#include "cli/machine.h"
#include "cli/passable.h"
#include "cli/sysfs.h"

/*
 * How it works: the functions of a group move together or not at all. Everything that speaks
 * against it is looked for, and told, before the first one moves; if one then cannot be moved,
 * those that were are moved back, the last one first.
 *
 * A move changes two things in the kernel, the override and the driver, and either command may be
 * ended between any two writes. So both commands look at both: a function that has our override,
 * and another driver or none, is on its way; bind finishes its move, and unbind takes it back. An
 * override that is somebody else's is not ours to lose: it is told, with the way to set it again,
 * before it is overwritten, and put back if the move fails.
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

#define NAME_SIZE	64
#define PLAIN		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-."

/**
 * struct move - a function that moves
 * @override: somebody else's override of its driver, before
 * @begun:    it had our override and yet VFIO did not have it
 * @to:       the driver that it got; empty: none
 */
struct move {
	struct gw_pci_node *node;
	char override[NAME_SIZE], to[NAME_SIZE];
	bool begun;
};

struct moves {
	struct gw_topology *t;
	struct gw_log *log;
	struct move *move;
	size_t nr;
	bool vfio;		/* to vfio-pci, or back */
};

/* The driver it has now, not the one that the topology remembers. */
static void driver_now(struct moves *m, const char *addr, char driver[NAME_SIZE])
{
	char link[PATH_MAX];
	const char *name;

	*driver = '\0';
	if (sysfs_readlink(m->t, link, "sys/bus/pci/devices/%s/driver", addr))
		return;
	name = strrchr(link, '/');
	snprintf(driver, NAME_SIZE, "%.63s", name ? name + 1 : link);
}

/* The override of its driver as it is now; empty: none. */
static void override_now(struct gw_topology *t, const char *addr, char override[NAME_SIZE])
{
	if (sysfs_read(t, override, NAME_SIZE, "sys/bus/pci/devices/%s/driver_override", addr) ||
	    !strcmp(override, "(null)"))
		*override = '\0';
}

static int set_override(struct moves *m, const char *addr, const char *name)
{
	char line[NAME_SIZE + 1];

	snprintf(line, sizeof(line), "%s\n", name);
	return sysfs_write(m->t, line, "sys/bus/pci/devices/%s/driver_override", addr);
}

/* Take its driver from it, and have the kernel choose one anew. @now: what it then has. */
static int choose_driver(struct moves *m, const char *addr, char now[NAME_SIZE])
{
	int ret = 0;

	driver_now(m, addr, now);
	if (*now)
		ret = sysfs_write(m->t, addr, "sys/bus/pci/devices/%s/driver/unbind", addr);
	if (!ret)
		ret = sysfs_write(m->t, addr, "sys/bus/pci/drivers_probe");
	driver_now(m, addr, now);
	return ret;
}

static int move_to_vfio(struct moves *m, struct move *mv, const char *addr)
{
	int ret = set_override(m, addr, VFIO_DRIVER);

	if (!ret)
		ret = choose_driver(m, addr, mv->to);
	if (!strcmp(mv->to, VFIO_DRIVER))
		return 0;
	return ret ? ret : -ENODEV;
}

/*
 * A function with our override, or with that of the driver it has to leave, would come back at
 * once. Another override is what somebody wants to have next.
 */
static int move_from_vfio(struct moves *m, struct move *mv, const char *addr)
{
	const struct gw_pci_node *n = mv->node;
	bool stays = *mv->override && (!*n->driver || strcmp(mv->override, n->driver));
	int ret = stays ? 0 : set_override(m, addr, "");

	if (!ret && (n->vfio || !*n->driver))
		ret = choose_driver(m, addr, mv->to);
	else
		driver_now(m, addr, mv->to);
	/* the error says that no driver wants it, and nothing more */
	if (!n->vfio)
		return ret == -EACCES || ret == -EPERM || ret == -EXDEV ? ret : 0;
	if (strcmp(mv->to, VFIO_DRIVER) && strcmp(mv->to, n->driver))
		return 0;
	return ret ? ret : -EBUSY;
}

/* Put back its override, and whichever driver goes with that. */
static void move_back(struct moves *m, const struct move *mv)
{
	const struct gw_pci_node *n = mv->node;
	const char *was = *mv->override || m->vfio ? mv->override : VFIO_DRIVER;
	char addr[GW_PCI_ADDR_SIZE], now[NAME_SIZE];

	gw_pci_addr_format(&n->addr, addr);
	driver_now(m, addr, now);
	if (!set_override(m, addr, was) && strcmp(now, n->driver) && (*n->driver || *now))
		choose_driver(m, addr, now);
	if (m->vfio ? strcmp(now, VFIO_DRIVER) : !n->vfio || !strcmp(now, n->driver))
		return;
	gw_err(m->log, "%s cannot be moved back and has %s%s", addr, *now ? "driver " : "no driver", now);
	gw_hint(m->log, "'dmesg' may say why; 'gangway %s %s' tries again", m->vfio ? "unbind" : "bind",
		addr);
}

static void say_failed(struct moves *m, const char *addr, int err)
{
	if (err == -EXDEV) {
		gw_err(m->log, "%s is not moved: its files lead out of %s", addr, gw_topology_tree(m->t));
		return;
	}
	gw_err(m->log, "cannot move %s %s " VFIO_DRIVER ": %s", addr, m->vfio ? "to" : "from",
	       strerror(-err));
	if (err == -EACCES || err == -EPERM)
		gw_hint(m->log, "only root may do that");
	else if (m->vfio)
		gw_hint(m->log, "'dmesg' says what " VFIO_DRIVER " has against it");
}

static int move_all(struct moves *m)
{
	char addr[GW_PCI_ADDR_SIZE];
	int ret;

	for (size_t i = 0; i < m->nr; i++) {
		struct move *mv = &m->move[i];

		gw_pci_addr_format(&mv->node->addr, addr);
		ret = m->vfio ? move_to_vfio(m, mv, addr) : move_from_vfio(m, mv, addr);
		if (!ret)
			continue;
		say_failed(m, addr, ret);
		for (i++; i--;)
			move_back(m, &m->move[i]);
		return CLI_FAILED;
	}
	return CLI_OK;
}

/* Is there something to do for it? A move that was begun and not finished counts. */
static bool moves(const struct moves *m, const struct gw_pci_node *n, const char *override)
{
	if (m->vfio)
		return !n->vfio;
	return n->vfio || !*n->driver || !strcmp(override, VFIO_DRIVER);
}

static int choose(struct moves *m, struct gw_pci_node *n)
{
	char addr[GW_PCI_ADDR_SIZE], override[NAME_SIZE];
	struct gw_pci_node *o = NULL;
	size_t room = 0;

	while ((o = gw_passable_next(m->t, n, o)))
		room++;
	m->move = calloc(room, sizeof(*m->move));
	if (!m->move) {
		gw_err(m->log, "out of memory");
		return CLI_FAILED;
	}
	while ((o = gw_passable_next(m->t, n, o))) {
		override_now(m->t, gw_pci_addr_format(&o->addr, addr), override);
		if (!moves(m, o, override))
			continue;
		m->move[m->nr].node = o;
		if (strcmp(override, VFIO_DRIVER))
			strcpy(m->move[m->nr].override, override);
		else
			m->move[m->nr].begun = !o->vfio;
		m->nr++;
	}
	return CLI_OK;
}

/* Somebody has chosen a driver for it. That is lost, so let them know how to have it back. */
static void tell_overrides(struct moves *m)
{
	char addr[GW_PCI_ADDR_SIZE];

	for (size_t i = 0; i < m->nr; i++) {
		const struct move *mv = &m->move[i];

		if (!*mv->override || (!m->vfio && strcmp(mv->override, mv->node->driver)))
			continue;
		gw_pci_addr_format(&mv->node->addr, addr);
		gw_warn(m->log, "%s had driver_override %s, which is lost", addr, mv->override);
		if (mv->override[strspn(mv->override, PLAIN)])
			continue;	/* no name that a shell should be shown */
		gw_hint(m->log, "%s: echo %s > /sys/bus/pci/devices/%s/driver_override",
			m->vfio ? "after 'gangway unbind', to have it again" : "to have it again",
			mv->override, addr);
	}
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
	struct gw_pci_node *who = n;
	enum gw_passable answer = gw_passable(m->t, n, &who);
	char addr[GW_PCI_ADDR_SIZE], other[GW_PCI_ADDR_SIZE];

	gw_pci_addr_format(&n->addr, addr);
	switch (answer) {
	case GW_PASSABLE_NEVER:
		gw_err(m->log, "%s is a bridge, or a part of the machine itself; those are not passed "
		       "through", addr);
		return CLI_FAILED;
	case GW_PASSABLE_NO_GROUP:
		gw_err(m->log, "%s has no IOMMU group, so nothing would keep it from any memory",
		       addr);
		gw_hint(m->log, "gangway doctor tells what to do about the IOMMU");
		return CLI_UNAVAILABLE;
	case GW_PASSABLE_NO_IOMMU:
		gw_err(m->log, "%s: VFIO goes without an IOMMU here (noiommu), so nothing would keep it from "
		       "any memory", addr);
		gw_hint(m->log, "gangway doctor tells what to do about the IOMMU");
		return CLI_UNAVAILABLE;
	case GW_PASSABLE_BLOCKED:
		gw_err(m->log, "%s stays: %s of the same group belongs to the machine itself and has driver "
		       "%s", addr, gw_pci_addr_format(&who->addr, other), who->driver);
		gw_hint(m->log, "'gangway groups' tells why they are together; another slot may help");
		return CLI_FAILED;
	default: break;
	}
	if (m->nr && !sysfs_exists(m->t, "sys/bus/pci/drivers/" VFIO_DRIVER)) {
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

/* A function without a driver, for which there is none, has not moved. */
static bool has_moved(const struct move *mv)
{
	return mv->begun || strcmp(mv->node->driver, mv->to);
}

static void show_text(const struct moves *m)
{
	char addr[GW_PCI_ADDR_SIZE], from[128], to[128];
	unsigned int nr = 0;

	for (size_t i = 0; i < m->nr; i++) {
		const struct move *mv = &m->move[i];

		if (!has_moved(mv))
			continue;
		gw_quote(*mv->node->driver ? mv->node->driver : "no driver", from, sizeof(from));
		gw_quote(*mv->to ? mv->to : "no driver", to, sizeof(to));
		printf("%s  %s -> %s\n", gw_pci_addr_format(&mv->node->addr, addr), from, to);
		nr++;
	}
	if (!nr)
		printf("nothing to do\n");
}

static int show_json(const struct moves *m)
{
	struct json_object *list = json_object_new_array(), *o;

	for (size_t i = 0; i < m->nr; i++) {
		const struct move *mv = &m->move[i];

		if (!has_moved(mv))
			continue;
		o = json_object_new_object();
		machine_json_addr(o, "function", mv->node);
		machine_json_name(o, "from", mv->node->driver);
		machine_json_name(o, "to", mv->to);
		machine_json_name(o, "override", *mv->override ? mv->override : NULL);
		json_object_array_add(list, o);
	}
	return machine_json(list);
}

static int show(const struct moves *m, bool json)
{
	if (json)
		return show_json(m);
	show_text(m);
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
	if (code == CLI_OK) {
		tell_overrides(&m);
		code = move_all(&m);
	}
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
