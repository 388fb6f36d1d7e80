/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLI_MACOS_ASK_H
#define CLI_MACOS_ASK_H

#include <stddef.h>

/**
 * ask() - run a program, looked for in PATH, and take what it says
 * @argv: NULL at the end
 * @text: takes the start of its output, errors too, NUL terminated
 *
 * It has no input, and is ended after 10 s.
 *
 * Return: 0; -ENOENT there is no such program, -ETIMEDOUT, -EIO it failed; or -errno of pipe(2) or
 * fork(2).
 */
int ask(const char *const argv[], char *text, size_t size);

#endif
