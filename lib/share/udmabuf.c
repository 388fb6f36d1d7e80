/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <fcntl.h>
#include <linux/udmabuf.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <gangway/share.h>

#define NODE	"/dev/udmabuf"

/* The kernel's list of the ranges. Return: 0; -EINVAL, -ENOMEM */
static int make_list(int memfd, const struct gw_file_ranges *ranges,
		     struct udmabuf_create_list **list)
{
	unsigned int nr = ranges->raw.nr, i = 0;
	struct gw_file_cursor c;
	struct gw_file_run run;

	if (!nr)
		return -EINVAL;
	*list = calloc(1, sizeof(**list) + nr * sizeof((*list)->list[0]));
	if (!*list)
		return -ENOMEM;
	(*list)->flags = UDMABUF_FLAGS_CLOEXEC;
	(*list)->count = nr;
	gw_file_cursor_init(&c, ranges);
	for (; gw_file_cursor_next(&c, UINT64_MAX, &run); i++) {
		if ((run.at.v | run.size) % (uint64_t)sysconf(_SC_PAGESIZE)) {
			free(*list);
			return -EINVAL;
		}
		(*list)->list[i] = (struct udmabuf_create_item){
			.memfd = (uint32_t)memfd, .offset = run.at.v, .size = run.size,
		};
	}
	return 0;
}

int gw_share_udmabuf(int memfd, const struct gw_file_ranges *ranges, int *fd)
{
	struct udmabuf_create_list *list;
	int ret = make_list(memfd, ranges, &list), node;

	if (ret)
		return ret;
	node = open(NODE, O_RDWR | O_CLOEXEC);
	if (node < 0) {
		ret = errno == ENOENT || errno == ENXIO || errno == ENODEV ? -EOPNOTSUPP : -errno;
		goto free;
	}
	*fd = ioctl(node, UDMABUF_CREATE_LIST, list);
	ret = *fd < 0 ? -errno : 0;
	close(node);
free:
	free(list);
	return ret;
}
