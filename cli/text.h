/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLI_TEXT_H
#define CLI_TEXT_H

#include <stdio.h>

#include <gangway/log.h>

/** text_print_indented() - print lines, the last of which may lack its newline, @by columns in */
void text_print_indented(FILE *to, const char *lines, int by);

/**
 * text_bad_option() - say what is wrong with an option
 * @answer: of getopt_long(3): '?' or ':'; opterr was 0 and the short options began with ':'
 */
void text_bad_option(struct gw_log *log, char **argv, int answer);

#endif
