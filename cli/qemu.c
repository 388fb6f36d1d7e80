/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/qemu.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/*
 * How it works: a QEMU is found by asking each candidate which devices it knows, and that runs it.
 * All is done by the command's own thread, but another one may end the process meanwhile (stop.c):
 * it kills the process group of a QEMU that is being asked. So qemu_wait() has the kernel forget a
 * QEMU's number only while no thread ends the process: until then the number cannot be another's.
 */

#define ASK_MS	30000	/* that one which is asked something may take */

/*
 * The process group of a QEMU that is asked something, which may be a script with a QEMU of its
 * own.
 */
static _Atomic pid_t asked;
static _Atomic bool ending;	/* another thread ends this process */

static void cache_dir(char dir[PATH_MAX])
{
	const char *at = getenv("GANGWAY_CACHE"), *below = "";

	if (!at || !*at) {
		at = getenv("XDG_CACHE_HOME");
		below = "/gangway";
	}
	if (!at || !*at) {
		at = getenv("HOME");
		below = "/.cache/gangway";
	}
	snprintf(dir, PATH_MAX, "%s%s", at ? at : "", below);
}

int cache_file(const char *pattern, char path[PATH_MAX])
{
	char dir[PATH_MAX], full[2 * PATH_MAX];
	struct stat st, best = { 0 };
	glob_t g;

	cache_dir(dir);
	snprintf(full, sizeof(full), "%s/%s", dir, pattern);
	if (glob(full, 0, NULL, &g))
		return -ENOENT;
	*path = '\0';
	for (size_t i = 0; i < g.gl_pathc; i++) {
		if (stat(g.gl_pathv[i], &st) || st.st_mtime < best.st_mtime)
			continue;
		best = st;
		snprintf(path, PATH_MAX, "%s", g.gl_pathv[i]);
	}
	globfree(&g);
	return *path ? 0 : -ENOENT;
}

/* @out: -1: it has our input and output; else it has no input, and all it says goes there */
static void child_exec(const struct qemu_args *a, int fd, int out, pid_t parent)
{
	sigset_t none;
	int null;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(127);	/* we were orphaned before the line above */
	signal(SIGPIPE, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (fd >= 0 && fcntl(fd, F_SETFD, 0))
		_exit(127);
	if (out >= 0) {
		setpgid(0, 0);
		null = open("/dev/null", O_RDWR);
		if (null < 0 || dup2(null, 0) < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0)
			_exit(127);
	}
	execvp(a->arg[0], a->arg);
	_exit(127);
}

pid_t qemu_spawn(const struct qemu_args *a, int fd, int out, struct gw_log *log)
{
	pid_t parent = getpid(), pid;

	if (a->failed) {
		gw_err(log, "QEMU would get more than %d words; give it fewer, or by -readconfig",
		       QEMU_MAX_ARGS);
		return -E2BIG;
	}
	pid = fork();
	if (pid < 0) {
		gw_err(log, "cannot start %s: %s", a->arg[0], strerror(errno));
		return -errno;
	}
	if (!pid)
		child_exec(a, fd, out, parent);
	if (out >= 0) {
		setpgid(pid, pid);	/* whoever of the two comes first */
		atomic_store(&asked, pid);
	}
	return pid;
}

/* Wait until it has ended; its number stays its own until it is reaped. */
static void wait_ended(pid_t pid)
{
	siginfo_t info;

	while (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT) && errno == EINTR)
		continue;
}

void qemu_end_asked(void)
{
	pid_t pid;

	atomic_store(&ending, true);
	pid = atomic_load(&asked);
	if (pid <= 0)
		return;
	kill(-pid, SIGKILL);
	wait_ended(pid);
}

/* Give up one that is asked and does not answer, with whatever it started. Return: 0; -ETIMEDOUT */
static int wait_answer(pid_t pid)
{
	struct pollfd p = { .fd = pidfd_open(pid, 0), .events = POLLIN };
	int n;

	if (p.fd < 0)
		return 0;	/* an older kernel */
	do {
		n = poll(&p, 1, ASK_MS);
	} while (n < 0 && errno == EINTR);
	close(p.fd);
	if (n)
		return 0;
	kill(-pid, SIGKILL);
	return -ETIMEDOUT;
}

int qemu_wait(pid_t pid)
{
	int late = pid == atomic_load(&asked) ? wait_answer(pid) : 0, status;

	wait_ended(pid);
	while (atomic_load(&ending))
		pause();	/* what it did not say is of no interest any more */
	atomic_store(&asked, 0);
	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR)
			return 127;
	}
	if (late)
		return late;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* Is there @text near the beginning of a file? */
static bool begins_with_text(int fd, const char *text)
{
	char buf[4096];
	ssize_t n = pread(fd, buf, sizeof(buf) - 1, 0);

	if (n < 0)
		return false;
	buf[n] = '\0';
	return strstr(buf, text);
}

/*
 * Does it exist and know the client side of vfio-user? QEMU does since 10.1. Its exit status
 * does not tell: it is 0 for devices that are not known, too.
 *
 * Return: 0; -ENODEV it does not; -ETIMEDOUT it does not answer (logged).
 */
static int knows_vfio_user(const char *path, bool sandbox, struct gw_log *log)
{
	int out = memfd_create("qemu", MFD_CLOEXEC);
	struct qemu_args a = { 0 };
	int ret = -ENODEV;
	pid_t pid;

	if (out < 0) {
		gw_err(log, "cannot look at %s: %s", path, strerror(errno));
		return ret;
	}
	qemu_args_add(&a, "%s", path);
	if (sandbox) {
		qemu_args_add(&a, "-sandbox");
		qemu_args_add(&a, QEMU_SANDBOX);
	}
	qemu_args_add(&a, "-device");
	qemu_args_add(&a, "vfio-user-pci,help");
	pid = qemu_spawn(&a, -1, out, log);
	if (pid > 0)
		ret = qemu_wait(pid);
	if (ret == -ETIMEDOUT)
		gw_err(log, "%s does not say within %d seconds which devices it has", path, ASK_MS / 1000);
	else if (ret || !begins_with_text(out, "vfio-user-pci options"))
		ret = -ENODEV;
	qemu_args_fini(&a);
	close(out);
	return ret;
}

bool qemu_sandboxes(const char *path, struct gw_log *log)
{
	return !knows_vfio_user(path, true, log);
}

int qemu_version(const char *path, struct gw_log *log, char text[QEMU_VERSION_SIZE])
{
	int out = memfd_create("qemu", MFD_CLOEXEC);
	struct qemu_args a = { 0 };
	char buf[4096], *at;
	ssize_t n = -1;
	pid_t pid;

	if (out < 0)
		return -errno;
	qemu_args_add(&a, "%s", path);
	qemu_args_add(&a, "--version");
	pid = qemu_spawn(&a, -1, out, log);
	if (pid > 0 && !qemu_wait(pid))
		n = pread(out, buf, sizeof(buf) - 1, 0);
	qemu_args_fini(&a);
	close(out);
	buf[n > 0 ? n : 0] = '\0';
	at = strstr(buf, "version ");
	if (!at)
		return -EPROTO;
	at += strlen("version ");
	snprintf(text, QEMU_VERSION_SIZE, "%.*s", (int)strcspn(at, " \n"), at);
	return 0;
}

/* vfio-user-pci came with 10.1. */
bool qemu_is_old(const char *version)
{
	unsigned int major = 0, minor = 0;

	return sscanf(version, "%u.%u", &major, &minor) == 2 &&
	       (major < 10 || (major == 10 && !minor));
}

/* Take the QEMU that the user named; if it is of no use, no other one is looked for. */
static int qemu_named(const char *named, const char *how, const char *binary, struct gw_log *log,
		      char path[PATH_MAX])
{
	char version[QEMU_VERSION_SIZE];
	struct stat st;
	int ret;

	if (!stat(named, &st) && S_ISDIR(st.st_mode))
		snprintf(path, PATH_MAX, "%s/%s", named, binary);
	else
		snprintf(path, PATH_MAX, "%s", named);
	ret = knows_vfio_user(path, false, log);
	if (!ret)
		return 0;
	if (ret == -ETIMEDOUT)
		return -ENOENT;
	if (qemu_version(path, log, version))
		gw_err(log, "%s '%s': %s cannot be started as QEMU", how, named, path);
	else
		gw_err(log, "%s '%s': %s is QEMU %s, without a vfio-user-pci device: %s", how, named, path,
		       version, qemu_is_old(version) ? "it is too old" : "it was built so");
	gw_hint(log, "QEMU 10.1 or newer is needed; 'make demo' in gangway's source provisions one that is used when %s "
		"is not given", how);
	return -ENOENT;
}

int qemu_find(const struct options *o, struct gw_log *log, char path[PATH_MAX])
{
	const char *env = getenv("QEMU");
	char binary[64], pattern[96];

	snprintf(binary, sizeof(binary), "qemu-system-%s",
		 strcmp(o->arch, "arm64") ? o->arch : "aarch64");
	if (o->qemu)
		return qemu_named(o->qemu, "--qemu", binary, log, path);
	if (env && *env)
		return qemu_named(env, "$QEMU", binary, log, path);
	snprintf(path, PATH_MAX, "%s", binary);
	if (!knows_vfio_user(path, false, log))
		return 0;
	snprintf(pattern, sizeof(pattern), "qemu/bin/%s", binary);
	if (!cache_file(pattern, path) && !knows_vfio_user(path, false, log))
		return 0;
	gw_err(log, "no usable %s: not the system's, none provisioned", binary);
	gw_hint(log, "QEMU 10.1 or newer is needed; 'provision/qemu' of gangway's source fetches one, --qemu names one");
	return -ENOENT;
}
