/* SPDX-License-Identifier: BSD-3-Clause */
#include "dma/accept.h"

#include <errno.h>
#include <inttypes.h>

#include "base/os.h"

/*
 * A VMM counts offsets from the start of the file, or from where the guest's memory begins in it,
 * or from where the second of two nodes does.
 */
static bool offset_fits(const struct gw_ram *ram, uint64_t at, uint64_t off)
{
	return off == at || off == at + ram->fd_off ||
	       (ram->near && at >= ram->near && off == at - ram->near);
}

static bool is_ram(const struct gw_guest_memory *m, const struct gw_slice *s, uint64_t last,
		   int fd)
{
	const struct gw_ram *ram = m->ram;
	uint64_t at = s->at.v - ram->gpa.v;
	uint64_t dev, ino, ram_dev, ram_ino;

	return s->at.v >= ram->gpa.v && last - ram->gpa.v < ram->size &&
	       gw_os_file_id(fd, &dev, &ino) && gw_os_file_id(ram->fd, &ram_dev, &ram_ino) && dev == ram_dev &&
	       ino == ram_ino && offset_fits(ram, at, s->off);
}

static bool meets_ram(const struct gw_guest_memory *m, const struct gw_slice *s, uint64_t last)
{
	const struct gw_ram *ram = m->ram;

	return s->at.v <= ram->gpa.v + (ram->size - 1) && last >= ram->gpa.v;
}

static int refuse_ram(const struct gw_guest_memory *m, const struct gw_slice *s, uint64_t last,
		      int fd)
{
	const struct gw_ram *ram = m->ram;

	const char *what = fd < 0 ? "in no file that is shared" : "not in the file made for it";

	if (ram->path)
		gw_log_guest(m->log, "%s: RAM %#" PRIx64 "-%#" PRIx64 " is %s, which is what the device "
			     "reaches; QEMU needs -machine memory-backend=mem -object memory-backend-file,"
			     "id=mem,size=%" PRIu64 ",mem-path=%s,offset=%" PRIu64 ",share=on",
			     m->name, s->at.v, last, what, ram->size, ram->path,
			     ram->fd_off);
	else
		gw_log_guest(m->log, "%s: RAM %#" PRIx64 "-%#" PRIx64 " is %s, which is what the device "
			     "reaches; do not give QEMU a memory backend of your own",
			     m->name, s->at.v, last, what);
	return -EACCES;
}

int gw_guest_memory_accept(const struct gw_guest_memory *m, struct gw_slice *s, uint64_t last,
			   int fd)
{
	if (s->addr)
		return 0;	/* this program's own */
	if (m->ram && meets_ram(m, s, last)) {
		if (fd < 0 || !is_ram(m, s, last, fd))
			return refuse_ram(m, s, last, fd);
		s->off = m->ram->fd_off + (s->at.v - m->ram->gpa.v);
		return 0;
	}
	if (fd < 0 || m->any || gw_os_is_memory_file(fd))
		return 0;
	gw_log_guest(m->log, "%s: guest memory %#" PRIx64 "-%#" PRIx64 " is a file of a disk or of a "
		     "program, which may keep whoever touches it waiting; use memory-backend-memfd or a "
		     "file in /dev/shm, or start gangway with --any-memory", m->name,
		     s->at.v, last);
	return -EACCES;
}
