/* SPDX-License-Identifier: BSD-3-Clause */
#include "topology/topology.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/regular.h"
#include "base/util.h"

/*
 * How it works: the text of a function's link in bus/pci/devices says where it is, such as
 * ../../../devices/pci0000:00/0000:00:1c.0/0000:01:00.0, so one readlink(2) finds it and all the
 * bridges above it. A node is made with the node above it at hand, which is older and never changes
 * its place; so whatever the links say, no chain of bridges is a loop. A second link that puts a
 * known function elsewhere is refused.
 */

static uint64_t addr_key(const struct gw_pci_addr *a)
{
	return (uint64_t)a->domain << 16 | (uint64_t)a->bus << 8 | (a->dev & 31u) << 3 |
	       (a->fn & 7u);
}

int gw_topology_bad(struct gw_topology *t, const struct gw_pci_addr *addr, const char *what)
{
	char name[GW_PCI_ADDR_SIZE];

	gw_err(t->log, "sysfs makes no sense: %s of %s", what, gw_pci_addr_format(addr, name));
	return -EBADMSG;
}

const char *gw_topology_tree(const struct gw_topology *t)
{
	return t->tree;
}

int gw_topology_path(const struct gw_topology *t, const char *path, char *out, size_t size)
{
	int len = snprintf(out, size, "%s/%s", t->tree, path);

	return len < 0 || (size_t)len >= size ? -ENAMETOOLONG : 0;
}

int gw_topology_open(const char *tree, struct gw_log *log, struct gw_topology **out)
{
	struct gw_topology *t = calloc(1, sizeof(*t));
	char path[PATH_MAX];
	int ret;

	if (!t)
		return -ENOMEM;
	t->log = log;
	ret = snprintf(t->tree, sizeof(t->tree), "%s", tree) >= (int)sizeof(t->tree) ?
		-ENAMETOOLONG : gw_topology_path(t, "sys/bus/pci/devices", path, sizeof(path));
	if (ret)
		goto free_topology;
	t->devices = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (t->devices < 0) {
		ret = -errno;
		goto free_topology;
	}
	*out = t;
	return 0;
free_topology:
	free(t);
	return ret;
}

void gw_topology_close(struct gw_topology *t)
{
	struct gw_imap_node *link;
	struct root *root;

	if (!t)
		return;
	while ((link = gw_imap_from(&t->nodes, 0))) {
		gw_imap_remove(&t->nodes, link);
		free(container_of(link, struct node, link));
	}
	while ((root = t->roots)) {
		t->roots = root->next;
		free(root);
	}
	close(t->devices);
	free(t);
}

const char *gw_pci_path_next(const char *at, char word[NAME_MAX + 1])
{
	size_t len;

	at += strspn(at, "/");
	len = strcspn(at, "/");
	if (!len || len > NAME_MAX)
		return NULL;
	memcpy(word, at, len);
	word[len] = '\0';
	return at + len;
}

int gw_pci_root_parse(const char *name, struct gw_pci_root *root)
{
	struct gw_pci_addr a;
	char full[32];

	/* the name lacks device and function of an address */
	if (strncmp(name, "pci", 3) || strlen(name) >= sizeof(root->name) ||
	    snprintf(full, sizeof(full), "%s:0.0", name + 3) >= (int)sizeof(full) ||
	    gw_pci_addr_parse(full, &a) || strchr(name, ':') != strrchr(name, ':'))
		return -EINVAL;
	*root = (struct gw_pci_root){ .domain = a.domain, .bus = a.bus };
	snprintf(root->name, sizeof(root->name), "%s", name);
	return 0;
}

static struct gw_pci_root *root_get(struct gw_topology *t, const struct gw_pci_root *want)
{
	struct root *r;

	for (r = t->roots; r; r = r->next) {
		if (r->pub.domain == want->domain && r->pub.bus == want->bus)
			return &r->pub;
	}
	r = calloc(1, sizeof(*r));
	if (!r)
		return NULL;
	r->pub = *want;
	r->next = t->roots;
	t->roots = r;
	return &r->pub;
}

static struct node *node_lookup(const struct gw_topology *t, const struct gw_pci_addr *addr)
{
	struct gw_imap_node *link = gw_imap_find(&t->nodes, addr_key(addr));

	return link ? container_of(link, struct node, link) : NULL;
}

/* The function @addr at its place, which is made if it is new. */
static int node_get(struct gw_topology *t, const struct gw_pci_addr *addr,
		    struct gw_pci_root *root, struct gw_pci_node *up, struct gw_pci_node **out)
{
	struct node *n = node_lookup(t, addr);

	if (n && (n->pub.up != up || n->pub.root != root))
		return gw_topology_bad(t, addr, "two places");
	if (!n) {
		if (t->nodes.nr == GW_PCI_MAX_NODES)
			return -ENOSPC;
		n = calloc(1, sizeof(*n));
		if (!n)
			return -ENOMEM;
		n->pub = (struct gw_pci_node){ .addr = *addr, .root = root, .up = up, .group = -1,
					       .type = GW_PCI_TYPE_UNKNOWN,
					       .acs.state = GW_ACS_UNREADABLE };
		n->link.first = n->link.last = addr_key(addr);
		gw_imap_insert(&t->nodes, &n->link);
	}
	*out = &n->pub;
	return 0;
}

/* Walk the text of a link from its last host bridge down to @addr. */
static int node_place(struct gw_topology *t, const struct gw_pci_addr *addr, const char *link,
		      struct gw_pci_node **out)
{
	struct gw_pci_node *node = NULL;
	struct gw_pci_root want, *root = NULL;
	struct gw_pci_addr a;
	char word[NAME_MAX + 1];
	unsigned int depth = 0;
	int ret;

	while ((link = gw_pci_path_next(link, word))) {
		if (!gw_pci_root_parse(word, &want)) {
			/* a host bridge may itself be below a function of another one */
			root = root_get(t, &want);
			if (!root)
				return -ENOMEM;
			node = NULL;
			depth = 0;
			continue;
		}
		if (!root)
			continue;
		if (gw_pci_addr_parse(word, &a)) {
			/* what is between host bridges is of no interest, if one follows */
			node = NULL;
			root = NULL;
			continue;
		}
		if (depth++ == GW_PCI_MAX_DEPTH)
			return -ENOSPC;
		ret = node_get(t, &a, root, node, &node);
		if (ret)
			return ret;
	}
	if (!node || addr_key(&node->addr) != addr_key(addr))
		return gw_topology_bad(t, addr, "the link");
	*out = node;
	return 0;
}

int gw_topology_find(struct gw_topology *t, const struct gw_pci_addr *addr,
		     struct gw_pci_node **out)
{
	struct node *n = node_lookup(t, addr);
	char name[GW_PCI_ADDR_SIZE], link[PATH_MAX];
	ssize_t len;

	if (n) {
		*out = &n->pub;
		return 0;
	}
	len = readlinkat(t->devices, gw_pci_addr_format(addr, name), link, sizeof(link));
	if (len < 0)
		return errno == EINVAL ? gw_topology_bad(t, addr, "the link") : -errno;
	if (len == sizeof(link))
		return gw_topology_bad(t, addr, "the link");
	link[len] = '\0';
	return node_place(t, addr, link, out);
}

int gw_topology_scan(struct gw_topology *t)
{
	int fd = openat(t->devices, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), ret = 0;
	struct gw_pci_node *node;
	struct gw_pci_addr addr;
	struct dirent *e;
	DIR *dir;

	if (fd < 0)
		return -errno;
	dir = fdopendir(fd);
	if (!dir) {
		close(fd);
		return -ENOMEM;
	}
	for (errno = 0; (e = readdir(dir)); errno = 0) {
		if (gw_pci_addr_parse(e->d_name, &addr))
			continue;
		ret = gw_topology_find(t, &addr, &node);
		if (ret == -ENOMEM || (ret == -ENOSPC && t->nodes.nr == GW_PCI_MAX_NODES))
			break;
		ret = 0;
	}
	if (!e && errno)
		ret = -errno;
	closedir(dir);
	return ret;
}

struct gw_pci_node *gw_topology_next(const struct gw_topology *t, const struct gw_pci_node *node)
{
	struct gw_imap_node *link;

	if (node)
		link = gw_imap_next(&container_of(node, struct node, pub)->link);
	else
		link = gw_imap_from(&t->nodes, 0);
	return link ? &container_of(link, struct node, link)->pub : NULL;
}

int gw_pci_root_first(struct gw_topology *t, const struct gw_pci_root *root,
		      struct gw_pci_node **out)
{
	struct gw_pci_addr addr = { .domain = root->domain, .bus = root->bus };
	int ret;

	for (unsigned int devfn = 0; devfn < 256; devfn++) {
		addr.dev = (uint8_t)(devfn >> 3);
		addr.fn = devfn & 7;
		ret = gw_topology_find(t, &addr, out);
		if (ret && ret != -ENOENT)
			return ret;
		if (!ret && (*out)->root == root && !(*out)->up)
			return 0;
	}
	return -ENOENT;
}

int gw_topology_read_bytes(struct gw_topology *t, const struct gw_pci_addr *addr, const char *file,
			   void *bytes, size_t size, size_t *len)
{
	char name[GW_PCI_ADDR_SIZE], path[64];
	int fd, ret = 0;
	ssize_t n;

	snprintf(path, sizeof(path), "%s/%s", gw_pci_addr_format(addr, name), file);
	fd = gw_regular_open(t->devices, path);
	if (fd < 0)
		return fd == -ENOENT && faccessat(t->devices, name, F_OK, 0) ? -ENODEV : fd;
	n = read(fd, bytes, size);
	if (n < 0)
		ret = -errno;
	else if ((size_t)n == size)
		ret = -EMSGSIZE;
	else
		*len = (size_t)n;
	close(fd);
	return ret;
}

int gw_topology_read(struct gw_topology *t, const struct gw_pci_addr *addr, const char *file,
		     char *text, size_t size)
{
	size_t len;
	int ret = gw_topology_read_bytes(t, addr, file, text, size, &len);

	if (!ret)
		text[len - (len && text[len - 1] == '\n')] = '\0';
	return ret;
}

int gw_topology_config(struct gw_topology *t, const struct gw_pci_addr *addr,
		       struct gw_cfgfile *c)
{
	char name[GW_PCI_ADDR_SIZE], path[64];
	int ret;

	snprintf(path, sizeof(path), "%s/config", gw_pci_addr_format(addr, name));
	ret = gw_cfgfile_open(c, t->devices, path);
	return ret && ret != -EBADMSG ? -ENODEV : ret;
}
