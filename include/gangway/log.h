/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GANGWAY_LOG_H
#define GANGWAY_LOG_H

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
};

/**
 * struct gw_log - where the library's messages go
 * @level:  messages above this are dropped before they are formatted
 * @write:  called from any thread with one line without newline, in which control characters and what
 *          is no UTF-8 are spelt out; must not call the library
 * @opaque: handed to @write
 *
 * The caller owns it and keeps it alive as long as any object that was given it. A NULL log
 * drops every message.
 */
struct gw_log {
	enum gw_log_level level;
	void (*write)(void *opaque, enum gw_log_level level, const char *line);
	void *opaque;

	/* private: the rate limit of gw_log_guest() */
	GW_ATOMIC(uint64_t) window_start;	/* ns, CLOCK_MONOTONIC */
	GW_ATOMIC(uint32_t) in_window;
	GW_ATOMIC(uint32_t) suppressed;
};

void gw_log_line(struct gw_log *log, enum gw_log_level level, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/**
 * gw_log_guest() - report something a guest or client caused
 *
 * Like gw_log_line() at level GW_LOG_WARN, but at most 10 lines in 5 seconds for each log; the
 * first line after a pause says how many were suppressed.
 */
void gw_log_guest(struct gw_log *log, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#define gw_err(log, ...)   gw_log_line(log, GW_LOG_ERR, __VA_ARGS__)
#define gw_warn(log, ...)  gw_log_line(log, GW_LOG_WARN, __VA_ARGS__)
#define gw_hint(log, ...)  gw_log_line(log, GW_LOG_HINT, __VA_ARGS__)
#define gw_info(log, ...)  gw_log_line(log, GW_LOG_INFO, __VA_ARGS__)
#define gw_debug(log, ...) gw_log_line(log, GW_LOG_DEBUG, __VA_ARGS__)

#ifdef __cplusplus
}
#endif

#endif
