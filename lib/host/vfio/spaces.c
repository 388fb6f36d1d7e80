/* SPDX-License-Identifier: BSD-3-Clause */
#include "host/vfio/spaces.h"

#include <errno.h>

int gw_vfio_spaces_get(struct gw_vfio_spaces *spaces, unsigned int group, bool iommufd,
		       struct gw_vfio_space **out, unsigned int *slot)
{
	struct gw_vfio_space *s;

	LIST_FOREACH(s, &spaces->list, link)
		if (s->group == group)
			break;
	if (!s) {
		s = gw_vfio_space_new(iommufd ? &gw_vfio_iommufd : &gw_vfio_type1, &spaces->at,
				      &spaces->locked, group, spaces->log);
		if (!s)
			return -ENOMEM;
		LIST_INSERT_HEAD(&spaces->list, s, link);
	}
	for (*slot = 0; *slot < GW_VFIO_MAX_USERS; ++*slot) {
		if (s->users >> *slot & 1)
			continue;
		s->users |= 1ull << *slot;
		*out = s;
		return 0;
	}
	return -ENOSPC;
}

void gw_vfio_spaces_put(struct gw_vfio_space *s, unsigned int slot)
{
	s->users &= ~(1ull << slot);
	if (s->users)
		return;
	LIST_REMOVE(s, link);
	gw_vfio_space_free(s);
}
