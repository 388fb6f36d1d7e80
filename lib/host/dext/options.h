/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GW_HOST_DEXT_OPTIONS_H
#define GW_HOST_DEXT_OPTIONS_H

#include <gangway/dext.h>

/** gw_dext_options_fill() - @o with what is 0 replaced by what that stands for */
struct gw_dext_options gw_dext_options_fill(const struct gw_dext_options *o);

#endif
