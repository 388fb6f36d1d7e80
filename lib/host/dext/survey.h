/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GW_HOST_DEXT_SURVEY_H
#define GW_HOST_DEXT_SURVEY_H

#include "host/dext/client.h"

/**
 * struct gw_dext_survey - a look at every dext there is
 * @at:      NULL, or the only address that matters: a dext that has another one, as the system
 *           says, is not connected to
 * @found:   takes each client in turn, and owns it. Its @conn is NULL if the dext was not connected
 *           to; then only its root and address are known. May end the look with an error
 * @refused: the last error of a dext that could not be connected to, for the caller to read
 */
struct gw_dext_survey {
	struct gw_dext_services *services;
	struct gw_log *log;
	unsigned int answer_ms, call_ms;
	const struct gw_dext_addr *at;
	int (*found)(void *opaque, struct gw_dext_client *c);
	void *opaque;
	int refused;
};

/**
 * gw_dext_survey_run() - connect to the dexts and ask each who it is
 *
 * Several are asked at a time, each by a thread of its own; one that does not answer in time is
 * logged and left alone.
 *
 * Return: 0; -ENOMEM; or what @found returned.
 */
int gw_dext_survey_run(struct gw_dext_survey *p);

#endif
