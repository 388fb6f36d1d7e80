/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GW_SHARE_POLICY_H
#define GW_SHARE_POLICY_H

#include <sys/types.h>

#include <gangway/log.h>
#include <gangway/topology.h>

#include "share/wire.h"

/*
 * Who may share what with whom. What no line allows is denied.
 *
 *	vm NAME uid NUMBER
 *	importer NAME uid NUMBER [function ADDRESS]
 *	allow vm NAME function ADDRESS|any importer NAME kinds KIND...
 *	same-gpu NAME
 *
 * vm and importer say who may come by these names. The function is the one that the importer
 * drives; kinds are iov-vram, bar-range, iova, memfd and copy. iov-vram also needs same-gpu: the
 * administrator's word that the VM's virtual function and the host's screen are of one device.
 * # begins a comment.
 */

#define GW_POLICY_MAX		256u	/* limit: lines of a policy of each sort */

struct gw_policy;

/** gw_policy_new() - deny everything. Return: 0; -ENOMEM */
int gw_policy_new(struct gw_policy **p);
void gw_policy_free(struct gw_policy *p);

/**
 * gw_policy_parse() - lines of a policy
 * @line: where the error is
 * @why:  what is wrong there, of GW_SHARE_REASON bytes
 *
 * Return: 0; -EINVAL; -ENOSPC more than GW_POLICY_MAX lines of a sort. After an error it is to be
 * freed.
 */
int gw_policy_parse(struct gw_policy *p, const char *text, unsigned int *line, char *why);

/**
 * gw_policy_load() - from a file that nobody but root and the caller may change
 *
 * Return: 0; -EPERM others may; -EFBIG; else as gw_policy_parse(), and -errno of open(2) and
 * read(2). Logged.
 */
int gw_policy_load(struct gw_policy *p, const char *path, struct gw_log *log);

/** gw_policy_vm() - may a process of this user come as this VM? */
bool gw_policy_vm(const struct gw_policy *p, const char *name, uid_t uid);

/** gw_policy_importer() - likewise. *@fn, if @has_fn becomes true, is what it drives */
bool gw_policy_importer(const struct gw_policy *p, const char *name, uid_t uid,
			struct gw_pci_addr *fn, bool *has_fn);

/** gw_policy_has() - does any line give this VM this function? */
bool gw_policy_has(const struct gw_policy *p, const char *vm, const struct gw_pci_addr *fn);

/** gw_policy_kinds() - bits of the kinds by which @importer may have memory of @vm's @fn; 0 none */
unsigned int gw_policy_kinds(const struct gw_policy *p, const char *vm,
			     const struct gw_pci_addr *fn, const char *importer);

#endif
