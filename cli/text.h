/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLI_TEXT_H
#define CLI_TEXT_H

#include <stdio.h>

/** text_print_indented() - print lines, the last of which may lack its newline, @by columns in */
void text_print_indented(FILE *to, const char *lines, int by);

#endif
