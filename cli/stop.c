/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/stop.h"

#include <dirent.h>
#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/thread.h"

#include "cli/cli.h"

#define GRACE_MS	1000	/* for a main thread that is nearly through */

/* A folder of ours has files and sockets, and nothing deeper. */
static void remove_folder(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *e;

	while (dir && (e = readdir(dir)))
		unlinkat(dirfd(dir), e->d_name, 0);	/* not . and .. */
	if (dir)
		closedir(dir);
	rmdir(path);
}

static __attribute__((noreturn)) void end_now(const struct stop *s, int code)
{
	if (s->first)
		s->first();
	if (s->left && s->folder)
		remove_folder(s->left);
	else if (s->left)
		unlink(s->left);
	_exit(code);
}

static int signal_code(const struct stop *s, int fd)
{
	struct signalfd_siginfo info;

	if (!s->base || read(fd, &info, sizeof(info)) != sizeof(info))
		return CLI_OK;
	return s->base + (int)info.ssi_signo;
}

/*
 * Nothing is read from the descriptor of signals: the main thread takes what is pending if it gets
 * on in time.
 */
static void *stop_run(void *opaque)
{
	struct stop *s = opaque;
	int fd = signalfd(-1, &s->signals, SFD_CLOEXEC | SFD_NONBLOCK);
	struct pollfd p[] = { { .fd = s->wake[0], .events = POLLIN }, { .fd = fd, .events = POLLIN } };
	int ret = poll(p, fd < 0 ? 1 : 2, s->ms);

	if (!ret) {
		gw_err(s->log, "the host does not answer; ended without it");
		end_now(s, CLI_FAILED);
	}
	if (ret > 0 && !p[0].revents && !poll(p, 1, GRACE_MS)) {
		gw_warn(s->log, "ended by a signal while the host was being waited for");
		end_now(s, signal_code(s, fd));
	}
	if (fd >= 0)
		close(fd);
	return NULL;
}

static void stop_start(struct stop *s)
{
	if (pipe(s->wake))
		return;			/* then the main thread has to come to it */
	s->runs = !gw_thread_start(&s->thread, "gw-stop", stop_run, s);
	if (s->runs)
		return;
	close(s->wake[0]);
	close(s->wake[1]);
}

void stop_while_opening(struct stop *s)
{
	s->ms = -1;
	if (s->left && !s->folder && !access(s->left, F_OK))
		s->left = NULL;
	stop_start(s);
}

void stop_while_closing(struct stop *s)
{
	stop_start(s);
}

void stop_done(struct stop *s)
{
	if (!s->runs)
		return;
	close(s->wake[1]);
	pthread_join(s->thread, NULL);
	close(s->wake[0]);
	s->runs = false;
}
