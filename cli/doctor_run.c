/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/util.h"
#include "cli/doctor.h"
#include "cli/qemu.h"

#define BOOT_SECONDS	10u

#ifdef __aarch64__
#define MACHINE		"virt"
#define CONSOLE		"ttyAMA0"
static const struct options native = { .arch = "arm64" };
#else
#define MACHINE		"q35"
#define CONSOLE		"ttyS0"
static const struct options native = { .arch = "x86_64" };
#endif

void doctor_qemu(struct gw_topology *t, struct doctor_finding *f)
{
	char path[PATH_MAX], version[QEMU_VERSION_SIZE];

	if (qemu_find(&native, NULL, path))
		doctor_say(f, DOCTOR_BAD,
			   "QEMU 10.1 or newer is needed: 'provision/qemu' fetches one, $QEMU "
			   "names one",
			   "no QEMU for %s that knows vfio-user-pci", native.arch);
	else if (qemu_version(path, NULL, version))
		doctor_say(f, DOCTOR_NOTE, "it should say so by --version", "%.200s, of a version that "
			   "is not known", path);
	else
		doctor_say(f, DOCTOR_OK, NULL, "%s, %.200s", version, path);
}

/* A kernel for this machine: a provisioned one, or the system's own. */
static int find_kernel(char path[PATH_MAX])
{
	const char *pattern = strcmp(native.arch, "arm64") ? "kernels/amd64-*/vmlinuz" :
			      "kernels/arm64-*/vmlinuz";
	glob_t g;

	if (!cache_file(pattern, path))
		return 0;
	if (glob("/boot/vmlinuz-*", 0, NULL, &g))
		return -ENOENT;
	snprintf(path, PATH_MAX, "%s", g.gl_pathv[g.gl_pathc - 1]);
	globfree(&g);
	return access(path, R_OK) ? -EACCES : 0;
}

/* Read what the guest prints until @sign comes. */
static bool wait_sign(int fd, const char *sign)
{
	uint64_t end = gw_now_ns() + BOOT_SECONDS * 1000000000ull, now;
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char text[65536];
	size_t len = 0;
	ssize_t n;

	while ((now = gw_now_ns()) < end && poll(&p, 1, (int)((end - now) / 1000000) + 1) > 0) {
		n = read(fd, text + len, sizeof(text) - 1 - len);
		if (n <= 0)
			return false;
		len += (size_t)n;
		text[len] = '\0';
		if (strstr(text, sign))
			return true;
		if (len > sizeof(text) / 2) {
			memmove(text, text + len - 256, 256);
			len = 256;
		}
	}
	return false;
}

static bool boots(const char *qemu, const char *kernel)
{
	const char *const words[] = {
		qemu, "-M", MACHINE, "-accel", "kvm", "-cpu", "host", "-m", "256M", "-nodefaults",
		"-display", "none", "-no-reboot", "-serial", "stdio", "-kernel", kernel, "-append",
		"console=" CONSOLE " panic=-1",
	};
	struct qemu_args a = { 0 };
	bool booted = false;
	int end[2];
	pid_t pid;

	if (pipe2(end, O_CLOEXEC))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		qemu_args_add(&a, "%s", words[i]);
	pid = qemu_spawn(&a, -1, end[1], NULL);
	close(end[1]);
	if (pid > 0) {
		booted = wait_sign(end[0], "Unable to mount root fs");
		kill(pid, SIGKILL);
		qemu_wait(pid);
	}
	close(end[0]);
	qemu_args_fini(&a);
	return booted;
}

void doctor_kvm(struct gw_topology *t, struct doctor_finding *f)
{
	char qemu[PATH_MAX], kernel[PATH_MAX];

	if (access("/dev/kvm", R_OK | W_OK)) {
		if (errno == ENOENT)
			doctor_say(f, DOCTOR_NOTE,
				   "enable virtualisation (VT-x, SVM) in the firmware, and load "
				   "kvm_intel or kvm_amd; guests run under slow emulation without",
				   "there is no /dev/kvm");
		else
			doctor_say(f, DOCTOR_NOTE, "add yourself to the group kvm",
				   "/dev/kvm may not be used: %s", strerror(errno));
		return;
	}
	if (qemu_find(&native, NULL, qemu) || find_kernel(kernel)) {
		doctor_say(f, DOCTOR_NOTE, "'make demo' provisions both",
			   "/dev/kvm is there, but there is no QEMU and kernel to try it with");
		return;
	}
	if (boots(qemu, kernel))
		doctor_say(f, DOCTOR_OK, NULL, "a kernel boots");
	else
		doctor_say(f, DOCTOR_NOTE,
			   "guests run under emulation (-accel tcg) here; in a VM, nested "
			   "virtualisation may be incomplete",
			   "/dev/kvm is there, but no kernel boots with it");
}
