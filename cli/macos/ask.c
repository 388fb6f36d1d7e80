/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/macos/ask.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/util.h"

#define PATIENCE_NS	10000000000ull
#define NO_PROGRAM	127

static void child(const char *const argv[], int out)
{
	int null = open("/dev/null", O_RDONLY);

	if (null >= 0)
		dup2(null, STDIN_FILENO);
	dup2(out, STDOUT_FILENO);
	dup2(out, STDERR_FILENO);
	execvp(argv[0], (char *const *)(uintptr_t)argv);
	_exit(NO_PROGRAM);
}

/* Until the end of what it says; what does not fit is dropped. */
static int take(int fd, char *text, size_t size)
{
	uint64_t until = gw_now_ns() + PATIENCE_NS, now;
	char more[512];
	size_t at = 0;
	ssize_t n;

	for (;;) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		bool room = at < size - 1;

		now = gw_now_ns();
		if (now >= until || poll(&p, 1, (int)((until - now) / 1000000) + 1) == 0)
			return -ETIMEDOUT;
		n = read(fd, room ? text + at : more, room ? size - 1 - at : sizeof(more));
		if (n == 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0 && room) {
			at += (size_t)n;
			text[at] = '\0';
		}
	}
}

int ask(const char *const argv[], char *text, size_t size)
{
	int end[2], status, ret;
	pid_t pid;

	*text = '\0';
	if (pipe(end))
		return -errno;
	pid = fork();
	if (!pid)
		child(argv, end[1]);
	ret = pid < 0 ? -errno : 0;
	close(end[1]);
	if (!ret) {
		ret = take(end[0], text, size);
		if (ret)
			kill(pid, SIGKILL);
	}
	close(end[0]);
	if (pid > 0)
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
	if (ret || pid < 0)
		return ret;
	if (WIFEXITED(status) && !WEXITSTATUS(status))
		return 0;
	return WIFEXITED(status) && WEXITSTATUS(status) == NO_PROGRAM ? -ENOENT : -EIO;
}
