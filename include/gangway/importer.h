/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GANGWAY_IMPORTER_H
#define GANGWAY_IMPORTER_H

#include <gangway/share.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * For a process that uses memory which others export: a display server, a recorder. It connects to
 * the broker, finds an export, and opens it; from then on it has a socket to the exporter's
 * process. examples/share-importer.c shows all of it.
 *
 * Nothing here waits longer than a few seconds. One thread at a time uses a client, or a share.
 */

#define GW_SHARE_HANDLE_SIZE	16	/* bytes */
#define GW_SHARE_NAME_SIZE	64	/* bytes, with the final NUL */

struct gw_share_client;

/**
 * gw_share_client_new() - connect to a broker
 * @broker: its socket
 * @name:   of this importer, as the policy knows it
 *
 * Return: 0; -EACCES the policy has no such importer of this user; -EPROTONOSUPPORT the broker is
 * of another version; -ETIMEDOUT; -ENOMEM; -errno of connect(2).
 */
int gw_share_client_new(const char *broker, const char *name, struct gw_share_client **c);

/** gw_share_client_free() - disconnect; NULL is fine */
void gw_share_client_free(struct gw_share_client *c);

/**
 * gw_share_client_function() - which function this importer drives, by the policy
 *
 * Return: 0; -ENOENT none.
 */
int gw_share_client_function(const struct gw_share_client *c, struct gw_share_id *id);

/** An export that the policy lets this importer have. */
struct gw_share_item {
	uint32_t number;
	unsigned int bar;
	uint64_t bytes;
	struct gw_share_id id;
	char vm[GW_SHARE_NAME_SIZE], label[GW_SHARE_NAME_SIZE];
};

/**
 * gw_share_client_list() - all of them, by number
 * @list: to be freed with free(3)
 *
 * Return: 0; -ENOTCONN the broker has gone; -ETIMEDOUT; -EPROTO; -ENOMEM.
 */
int gw_share_client_list(struct gw_share_client *c, struct gw_share_item **list, size_t *nr);

/** gw_share_client_ask() - a handle for one. Return: 0; -EACCES; else as list() */
int gw_share_client_ask(struct gw_share_client *c, uint32_t number,
			uint8_t handle[GW_SHARE_HANDLE_SIZE]);

/**
 * struct gw_share_events - what gw_remote_share_dispatch() has to say; members may be NULL
 * @invalidate: stop using what was mapped; if it is still mapped when this returns, it is unmapped
 *              for you
 * @ready:      it can be mapped again
 */
struct gw_share_events {
	void (*invalidate)(void *opaque, enum gw_share_why why);
	void (*ready)(void *opaque);
	void *opaque;
};

struct gw_remote_share;

/**
 * gw_share_client_open() - use a handle up, and agree on a kind of address
 * @vm:     whose memory it is
 * @accept: kinds that this importer can use; proofs in it do not count: the exporter makes them
 * @reason: if not NULL, why not
 *
 * Return: 0; -EACCES the handle is not good for this; -EOPNOTSUPP no kind in common; -ENODEV the
 * export has gone; -EINVAL; else as list().
 */
int gw_share_client_open(struct gw_share_client *c, const uint8_t handle[GW_SHARE_HANDLE_SIZE],
			 const char *vm, const struct gw_share_accept *accept, unsigned int nr,
			 const struct gw_share_events *events, struct gw_remote_share **s,
			 char reason[GW_SHARE_REASON]);

/** gw_remote_share_close() - let go, also if mapped. NULL is fine */
void gw_remote_share_close(struct gw_remote_share *s);

/** gw_remote_share_fd() - poll it for reading, then call gw_remote_share_dispatch() */
int gw_remote_share_fd(const struct gw_remote_share *s);

/**
 * gw_remote_share_dispatch() - make the callbacks that are due; does not wait
 *
 * Return: 0; -ENOTCONN the exporter has gone: nothing is mapped any longer; close it.
 */
int gw_remote_share_dispatch(struct gw_remote_share *s);

/**
 * struct gw_remote_map - what was mapped; which members count depends on @kind
 * @size:     bytes of the export
 * @fn, @bar: where it is
 * @bar_ranges: gw_share_iov_vram and gw_share_bar_range
 * @iova:     gw_share_iova: for this importer's function
 * @file:     gw_share_memfd: ranges of @fd, which is of sort @what, GW_SHARE_FILE_*
 * @fd:       also gw_share_copy: memory to which gw_remote_share_read() copies
 * @frame_fd: an eventfd that counts the frames that are there
 * @done_fd: an eventfd to which you write 1 for each frame that you are done with
 */
struct gw_remote_map {
	const struct gw_share_kind *kind;
	uint64_t generation, size;
	struct gw_share_id fn;
	unsigned int bar;
	struct gw_bar_ranges bar_ranges;
	struct gw_iova_ranges iova;
	struct gw_file_ranges file;
	int fd;
	unsigned int what;
	int frame_fd, done_fd;
};

/**
 * gw_remote_share_map() - by the first kind that serves
 * @map: stays the share's, and good until unmap, refuse, close, or invalidate()
 *
 * Return: 0; -ENODEV revoked or dead; -EBUSY it is being moved; -EAGAIN it was taken back
 * meanwhile; -EOPNOTSUPP no kind serves; -EPROTO mapped already, or the exporter makes no sense;
 * -ENOTCONN, -ETIMEDOUT, -ENOMEM.
 */
int gw_remote_share_map(struct gw_remote_share *s, const struct gw_remote_map **map);

/** gw_remote_share_refuse() - not this kind: as gw_attachment_refuse() */
int gw_remote_share_refuse(struct gw_remote_share *s, const char *reason);

/** gw_remote_share_unmap() - all use of it has ended. Return: 0; -EPROTO not mapped; -ENOTCONN */
int gw_remote_share_unmap(struct gw_remote_share *s);

/** gw_remote_share_read() - have bytes copied to the map's file. Return: as gw_attachment_read() */
int gw_remote_share_read(struct gw_remote_share *s, uint64_t pos, uint64_t len);

/** gw_remote_share_step() - as gw_attachment_step(), as it was when the share was opened */
bool gw_remote_share_step(const struct gw_remote_share *s, unsigned int i,
			  struct gw_share_step *step);

#ifdef __cplusplus
}
#endif

#endif
