/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GANGWAY_BROKER_H
#define GANGWAY_BROKER_H

#include <sys/types.h>

#include <gangway/importer.h>
#include <gangway/share.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * The broker introduces processes that export memory of functions to those that import it. It has
 * the policy, hands out handles, and writes a line for each decision. Once it has introduced two,
 * they have a socket of their own, and what they have agreed on outlives the broker.
 */

struct gw_broker;

/**
 * struct gw_broker_options
 * @socket: where to listen; made, with rights for its owner and group, and removed at the end
 * @policy: file; see docs/sharing.md. NULL: all is denied
 * @audit:  file for the decisions, a line of JSON each, which stays the caller's; -1: they go to
 *          @log, which lets only a few through of many in a short time
 */
struct gw_broker_options {
	const char *socket, *policy;
	int audit;
	struct gw_log *log;
};

/**
 * gw_broker_new() - read the policy and listen
 *
 * Return: 0; as gw_policy_load() for the policy; -EADDRINUSE somebody listens there already;
 * -ENAMETOOLONG; -ENOMEM; -errno of socket(2) and bind(2). Logged.
 */
int gw_broker_new(const struct gw_broker_options *opt, struct gw_broker **b);

/** gw_broker_serve() - until gw_broker_stop(). Return: 0; -errno of poll(2) */
int gw_broker_serve(struct gw_broker *b);

/** gw_broker_stop() - from any thread, or a signal handler */
void gw_broker_stop(struct gw_broker *b);

/** gw_broker_free() - after gw_broker_serve() has returned; its sockets go. NULL is fine */
void gw_broker_free(struct gw_broker *b);

/* What an exporter's process has to do with a broker. */

struct gw_exporter_link;

/**
 * struct gw_exporter_link_options
 * @broker: its socket
 * @prove:  asked when an importer would use the fabric: *@proof that @client reaches the exporter's
 *          function (it becomes the link's), or an error, with @reason. NULL: never
 */
struct gw_exporter_link_options {
	const char *broker;
	int (*prove)(void *opaque, const struct gw_pci_addr *client,
		     const struct gw_p2p_proof **proof, char reason[GW_SHARE_REASON]);
	void *opaque;
	struct gw_log *log;
};

/**
 * gw_share_cookie() - ask the broker for what tells this device from another at the same address
 * @vm: the name to come by
 * @id: the function; its cookie does not count
 *
 * Return: 0; -EACCES the policy has no such VM of this user, or that VM does not have this
 * function; -ETIMEDOUT; -errno of connect(2).
 */
int gw_share_cookie(const char *broker, const char *vm, const struct gw_share_id *id,
		    uint64_t *cookie);

/**
 * gw_exporter_link_new() - connect to the broker, in a thread that serves importers
 *
 * Return: 0; -EACCES the policy has no such VM of this user; -ETIMEDOUT; -ENOMEM; -errno of
 * connect(2) and pthread_create(3).
 */
int gw_exporter_link_new(const struct gw_exporter_link_options *opt, struct gw_exporter *x,
			 struct gw_exporter_link **l);

/** gw_exporter_link_free() - importers are let go, and exports withdrawn */
void gw_exporter_link_free(struct gw_exporter_link *l);

/**
 * gw_exporter_link_publish() - let importers find an export
 * @label: what it is, for people: "screen"
 * @number: of it, at this broker
 *
 * Return: 0; -EACCES its device is not what the broker knows; -ENOSPC; -ENOTCONN the broker has
 * gone; -ETIMEDOUT.
 */
int gw_exporter_link_publish(struct gw_exporter_link *l, struct gw_export *e, const char *label,
			     uint32_t *number);

/** gw_exporter_link_withdraw() - before the export is freed */
void gw_exporter_link_withdraw(struct gw_exporter_link *l, uint32_t number);

/**
 * gw_exporter_link_grant() - a handle for an importer, to be given to it by whatever way
 * @importer: its name in the policy, which says which user may come by it
 * @pid:      the process that may show it; 0: any of that user and name
 *
 * Return: 0; -EACCES the policy is against it; -ENOENT unknown number; -ENOTCONN; -ETIMEDOUT.
 */
int gw_exporter_link_grant(struct gw_exporter_link *l, uint32_t number, const char *importer,
			   pid_t pid, uint8_t handle[GW_SHARE_HANDLE_SIZE]);

#ifdef __cplusplus
}
#endif

#endif
