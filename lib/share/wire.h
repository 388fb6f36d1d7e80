/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GW_SHARE_WIRE_H
#define GW_SHARE_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <gangway/share.h>

#include "base/reader.h"

/*
 * What exporters, importers and the broker say to each other, over sockets that keep messages apart
 * (SOCK_SEQPACKET). Integers are in host byte order: all of it stays on one machine. Each message
 * is a header and a body; a reply has the type and the sequence number of its request, and a status
 * of 0 or -errno. Whoever asks has one request under way. Messages that were not asked for have the
 * sequence number 0.
 *
 * Nothing is sent that could wait for the other side: whoever does not read is hung up on.
 */

#define GW_SHARE_VERSION	1u

enum gw_share_msg_type {
	/* to the broker: u32 version, u32 role, name; reply u32 version, u32 has function, id */
	GW_SHARE_HELLO = 1,
	/* exporter to broker: id, whose cookie does not count; reply u64 cookie */
	GW_SHARE_COOKIE,
	/* exporter to broker: id, u32 BAR, u64 bytes, name of it; reply u32 number */
	GW_SHARE_PUBLISH,
	/* exporter to broker: u32 number */
	GW_SHARE_WITHDRAW,
	/* exporter to broker: u32 number, u32 pid or 0, name of an importer; reply handle */
	GW_SHARE_GRANT,
	/* importer to broker: u32 the first number wanted; reply a few, by number */
	GW_SHARE_LIST,
	/* importer to broker: u32 number; reply handle */
	GW_SHARE_ASK,
	/* importer to broker: handle, name of VM; reply with a socket to the exporter */
	GW_SHARE_ATTACH,
	/*
	 * broker to exporter, with a socket and maybe a pidfd: u32 number, u32 kinds, u32 pid, u32
	 * uid, u32 has
	 */
	/* function, u32 0, id, name */
	GW_SHARE_INTRODUCE,

	/* importer to exporter: u32 number of kinds, then each: UUID, u64[2] data; reply: */
	/* reason, u32 number of steps, then each: UUID, i32 error, reason */
	GW_SHARE_WANT = 32,
	/* empty; reply, with FRAME, DONE and maybe a file: UUID, u64 bytes, u32 BAR, */
	/* u32 what the file is, u32 number of ranges, u32 0, id */
	GW_SHARE_MAP,
	GW_SHARE_RANGES,	/* u64 position in bytes; reply u64 address, u64 length, each */
	GW_SHARE_READ,		/* u64 position, u64 length: into the file that came with MAP */
	GW_SHARE_REFUSE,	/* reason */
	GW_SHARE_UNMAP,		/* empty */
	GW_SHARE_PIN,		/* u32 0 or 1 */
	/* exporter to importer, unasked */
	GW_SHARE_INVALIDATE = 48,	/* u32 why */
	GW_SHARE_READY,
};

#define GW_SHARE_BODY		16384u	/* bytes of a body, at most */
#define GW_SHARE_MAX_FDS	3u
#define GW_SHARE_NAME		64u	/* bytes of a name, with the final NUL: all are sent */
#define GW_SHARE_HANDLE		16u
#define GW_SHARE_ID		32u	/* bytes of a struct gw_share_id on the wire */
#define GW_SHARE_CHUNK		(GW_SHARE_BODY / 16)	/* ranges in one reply */

enum gw_share_role { GW_SHARE_EXPORTER = 1, GW_SHARE_IMPORTER = 2 };

struct gw_share_msg {
	uint16_t type;
	uint32_t seq;
	int32_t status;
	uint64_t generation;
	size_t len;
	unsigned int nr_fds;
	int fd[GW_SHARE_MAX_FDS];	/* a received one is the message's until -1 stands here */
	uint8_t body[GW_SHARE_BODY];
};

/** gw_share_msg_init() - an empty one */
void gw_share_msg_init(struct gw_share_msg *m, uint16_t type, uint32_t seq);

/** gw_share_msg_reply() - make of a request the empty reply to it; its descriptors are closed */
void gw_share_msg_reply(struct gw_share_msg *m, int status);

/** gw_share_msg_close() - close descriptors that nobody took */
void gw_share_msg_close(struct gw_share_msg *m);

/* Append to the body. It must have room. */
void gw_share_put(struct gw_share_msg *m, const void *data, size_t len);
void gw_share_put_u32(struct gw_share_msg *m, uint32_t v);
void gw_share_put_u64(struct gw_share_msg *m, uint64_t v);
void gw_share_put_text(struct gw_share_msg *m, const char *text, size_t size);
void gw_share_put_id(struct gw_share_msg *m, const struct gw_share_id *id);

/* Take from the body. Return: false if it is not there, or (texts) not ended, or unprintable. */
bool gw_share_take_text(struct gw_reader *r, char *text, size_t size);
bool gw_share_take_id(struct gw_reader *r, struct gw_share_id *id);

/**
 * gw_share_send() - whole, at once; descriptors stay the caller's
 *
 * Return: 0; -EAGAIN the other side does not read; -errno of sendmsg(2).
 */
int gw_share_send(int sock, const struct gw_share_msg *m);

/**
 * gw_share_recv() - one message, if there is one
 *
 * Return: 0; -EAGAIN there is none; -ENOTCONN the other side has gone; -EPROTO it makes no sense;
 * -errno of recvmsg(2). After an error nothing of it is left.
 */
int gw_share_recv(int sock, struct gw_share_msg *m);

/**
 * gw_share_wait() - until something can be received
 *
 * Return: 0; -ETIMEDOUT; -errno of poll(2).
 */
int gw_share_wait(int sock, int timeout_ms);

/** gw_share_connect_to() - to a listening socket. Return: descriptor; -errno */
int gw_share_connect_to(const char *path);

/** gw_share_kind_by_uuid() - one of those known everywhere, or NULL; *@bit its bit in a mask */
const struct gw_share_kind *gw_share_kind_by_uuid(const uint8_t uuid[16], unsigned int *bit);

/** gw_share_kind_by_name() - likewise */
const struct gw_share_kind *gw_share_kind_by_name(const char *name, unsigned int *bit);

#endif
