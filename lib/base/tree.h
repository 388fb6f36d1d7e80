/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GW_BASE_TREE_H
#define GW_BASE_TREE_H

/* The trees of the BSDs. */
#ifdef __APPLE__
#include <libkern/tree.h>
#else
#include <bsd/sys/tree.h>
#endif

#endif
