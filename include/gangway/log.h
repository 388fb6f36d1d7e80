/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GANGWAY_LOG_H
#define GANGWAY_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include <gangway/atomic.h>

#ifdef __cplusplus
extern "C" {
#endif

enum gw_log_level {
	GW_LOG_ERR,
	GW_LOG_WARN,
	GW_LOG_HINT,		/* what the user can do about the error just printed */
	GW_LOG_INFO,
	GW_LOG_DEBUG,
	GW_LOG_TRACE,		/* what a guest or client can make us say without end */
};

#define GW_LOG_LINES		10u	/* limit: lines of what a guest or client causes */
#define GW_LOG_WINDOW_NS	5000000000ull	/* limit: seconds in which so many are */

/**
 * struct gw_log - where the library's messages go
 * @level:  messages above this are dropped before they are formatted
 * @write:  called from any thread with one line without newline, in which control characters and
 *          what is no UTF-8 are spelt out; must not call the library
 * @opaque: handed to @write
 * @most:   lines that gw_log_may() lets through in GW_LOG_WINDOW_NS; 0: GW_LOG_LINES
 *
 * The caller owns it and keeps it alive as long as any object that was given it. A NULL log
 * drops every message.
 */
struct gw_log {
	enum gw_log_level level;
	void (*write)(void *opaque, enum gw_log_level level, const char *line);
	void *opaque;
	uint32_t most;

	/* private: the rate limit of gw_log_may() */
	GW_ATOMIC(uint64_t) window_start;	/* ns, CLOCK_MONOTONIC */
	GW_ATOMIC(uint32_t) in_window;
	GW_ATOMIC(uint32_t) suppressed;
};

/**
 * gw_log_line() - one message, without a newline; dropped where @log is less verbose than @level
 */
void gw_log_line(struct gw_log *log, enum gw_log_level level, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/**
 * gw_log_own() - a log whose limit of what a guest or client causes is its own
 * @own:  the caller's
 * @from: where its lines go; NULL: they are dropped. May go before @own
 *
 * One for each function, endpoint and socket, so that the guest or client of one does not mute
 * another.
 */
void gw_log_own(struct gw_log *own, const struct gw_log *from);

/**
 * gw_log_may() - may one more message go out about what a guest or client can cause again and
 * again?
 *
 * Each log lets so many through in a time, see struct gw_log; the first after a pause says how many
 * it did not.
 */
bool gw_log_may(struct gw_log *log);

/** gw_log_guest() - gw_log_line() at level GW_LOG_WARN, if gw_log_may() */
void gw_log_guest(struct gw_log *log, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#define gw_err(log, ...)   gw_log_line(log, GW_LOG_ERR, __VA_ARGS__)
#define gw_warn(log, ...)  gw_log_line(log, GW_LOG_WARN, __VA_ARGS__)
#define gw_hint(log, ...)  gw_log_line(log, GW_LOG_HINT, __VA_ARGS__)
#define gw_info(log, ...)  gw_log_line(log, GW_LOG_INFO, __VA_ARGS__)
#define gw_debug(log, ...) gw_log_line(log, GW_LOG_DEBUG, __VA_ARGS__)
#define gw_trace(log, ...) gw_log_line(log, GW_LOG_TRACE, __VA_ARGS__)

/** gw_err_guest() - an error of the host's, which a guest can bring about again and again */
#define gw_err_guest(log, ...) do { if (gw_log_may(log)) gw_err(log, __VA_ARGS__); } while (0)

#ifdef __cplusplus
}
#endif

#endif
