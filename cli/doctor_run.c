/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/util.h"
#include "cli/doctor.h"
#include "cli/qemu.h"

/*
 * How it works: checks for the table of doctor.c, which stand alone. They try what they can: QEMU
 * is asked which devices it knows, and KVM has to boot a kernel.
 */

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

/* The system's own, where there is one: why is it of no use? */
static void say_unusable(struct doctor_finding *f, const char *arch)
{
	const char *advice = "QEMU 10.1 or newer is needed: 'make demo' in gangway's source provisions one, $QEMU or --qemu "
			     "names one";
	const char *binary = strcmp(arch, "arm64") ? "qemu-system-x86_64" : "qemu-system-aarch64";
	char version[QEMU_VERSION_SIZE];

	if (qemu_version(binary, NULL, version))
		doctor_say(f, DOCTOR_BAD, advice, "no QEMU for %s that knows vfio-user-pci", arch);
	else
		doctor_say(f, DOCTOR_BAD, advice, "%s is of version %s, %s", binary, version,
			   qemu_is_old(version) ? "too old for vfio-user-pci" :
			   "and was built without vfio-user-pci");
}

static void look_for_qemu(const struct options *o, struct doctor_finding *f)
{
	char path[PATH_MAX], version[QEMU_VERSION_SIZE];

	if (qemu_find(o, NULL, path))
		say_unusable(f, o->arch);
	else if (qemu_version(path, NULL, version))
		doctor_say(f, DOCTOR_NOTE, "it should say so by --version", "%.200s, of a version that "
			   "is not known", path);
	else
		doctor_say(f, DOCTOR_OK, NULL, "%s, %s%.200s", version,
			   qemu_sandboxes(path, NULL) ? "with -sandbox, " : "", path);
}

void doctor_qemu(struct gw_topology *t, struct doctor_finding *f)
{
	look_for_qemu(&native, f);
}

void doctor_qemu_other(struct gw_topology *t, struct doctor_finding *f)
{
	static const struct options arm = { .arch = "arm64" }, x86 = { .arch = "x86_64" };

	look_for_qemu(strcmp(native.arch, "arm64") ? &arm : &x86, f);
	if (f->state == DOCTOR_BAD)
		f->state = DOCTOR_NOTE;		/* only 'run' with that --arch wants it */
}

void doctor_boot(struct gw_topology *t, struct doctor_finding *f)
{
	static const char *const wanted[][2] = {
		{ "kernels/arm64-7.2/vmlinuz", "arm64's kernel" },
		{ "initramfs/arm64-7.2-*.cpio", "arm64's initramfs" },
		{ "kernels/amd64-7.2/vmlinuz", "x86_64's kernel" },
		{ "initramfs/amd64-7.2-*.cpio", "x86_64's initramfs" },
	};
	char missing[128] = "", path[PATH_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(wanted); i++) {
		size_t len = strlen(missing);

		if (cache_file(wanted[i][0], path))
			snprintf(missing + len, sizeof(missing) - len, "%s%s", len ? ", " : "",
				 wanted[i][1]);
	}
	if (*missing)
		doctor_say(f, DOCTOR_NOTE, "in gangway's source 'make demo' fetches what it needs, 'provision/all' all; or give "
			   "'run' --kernel and --initrd", "not provisioned: %s", missing);
	else
		doctor_say(f, DOCTOR_OK, NULL, "kernels and initramfs for arm64 and x86_64");
}

void doctor_memory(struct gw_topology *t, struct doctor_finding *f)
{
	struct statvfs fs;
	uint64_t room;

	if (statvfs("/dev/shm", &fs)) {
		doctor_say(f, DOCTOR_NOTE, "put --memory-file on another tmpfs", "/dev/shm: %s",
			   strerror(errno));
		return;
	}
	room = (uint64_t)fs.f_bavail * fs.f_frsize;
	if (room < 2ull << 30)
		doctor_say(f, DOCTOR_NOTE, "a guest's --memory-file there must be smaller (in a container: "
			   "docker run --shm-size)", "/dev/shm has room for %" PRIu64 " MiB",
			   room >> 20);
	else
		doctor_say(f, DOCTOR_OK, NULL, "/dev/shm has room for %" PRIu64 " MiB", room >> 20);
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
		doctor_say(f, DOCTOR_NOTE, "'make demo' in gangway's source provisions both",
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
