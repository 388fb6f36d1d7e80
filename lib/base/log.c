/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <gangway/log.h>

#include "base/quote.h"

static void log_vline(struct gw_log *log, enum gw_log_level level, const char *fmt, va_list ap)
{
	char line[512], shown[1024];

	vsnprintf(line, sizeof(line), fmt, ap);
	log->write(log->opaque, level, gw_quote(line, shown, sizeof(shown)));
}

void gw_log_line(struct gw_log *log, enum gw_log_level level, const char *fmt, ...)
{
	va_list ap;

	if (!log || !log->write || level > log->level)
		return;
	va_start(ap, fmt);
	log_vline(log, level, fmt, ap);
	va_end(ap);
}

void gw_log_own(struct gw_log *own, const struct gw_log *from)
{
	memset(own, 0, sizeof(*own));
	if (!from)
		return;
	own->level = from->level;
	own->write = from->write;
	own->opaque = from->opaque;
}

/* The first of a new window reports what the last one held back. */
bool gw_log_may(struct gw_log *log)
{
	struct timespec ts;
	uint64_t now, start;
	uint32_t held;

	if (!log || !log->write)
		return false;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	now = (uint64_t)ts.tv_sec * 1000000000ull + (uint64_t)ts.tv_nsec;
	start = atomic_load(&log->window_start);
	if ((!start || now - start >= GW_LOG_WINDOW_NS) &&
	    atomic_compare_exchange_strong(&log->window_start, &start, now)) {
		atomic_store(&log->in_window, 0);
		held = atomic_exchange(&log->suppressed, 0);
		if (held)
			gw_log_line(log, GW_LOG_WARN, "%u similar messages suppressed", held);
	}
	if (atomic_fetch_add(&log->in_window, 1) < (log->most ? log->most : GW_LOG_LINES))
		return true;
	atomic_fetch_add(&log->suppressed, 1);
	return false;
}

void gw_log_guest(struct gw_log *log, const char *fmt, ...)
{
	va_list ap;

	if (!log || log->level < GW_LOG_WARN || !gw_log_may(log))
		return;
	va_start(ap, fmt);
	log_vline(log, GW_LOG_WARN, fmt, ap);
	va_end(ap);
}
