/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <gangway/acpi.h>

#include "cli/cli.h"
#include "cli/harden.h"
#include "cli/vm.h"
#include "cli/qemu.h"
#include "cli/report.h"
#include "cli/stop.h"
#include "cli/viommu.h"

/*
 * How it works: the devices are opened and the plan is chosen; for a window or pools the guest's
 * memory is made and mapped; where a device tree is to tell of what devices reach, QEMU prints the
 * one that it would give the guest, and that is amended; for a guest that boots by ACPI, tables are
 * put before its initramfs. Then the sockets are served and QEMU is started. When QEMU ends, for
 * whatever reason, the report follows. SIGTERM and SIGINT end QEMU, and so take the same way out.
 */

#define TERM_GRACE_S	5
#define CLOSING_MS	20000	/* for a host to take everything back */

/* Linux' bounce buffers (kernel-parameters.txt, swiotlb=) */
#define BOUNCE_SLOT	2048u
#define BOUNCE_DEFAULT	(64ull << 20)
#define BOUNCE_MAX	(256ull << 20)
#define CMA_PART	16u

/* What may be dirty of a node of memory, in percent (Documentation/admin-guide/sysctl/vm.rst) */
#define DIRTY_DEFAULT	20u
#define DIRTY_MAX	40u

struct run {
	struct options o;
	struct gw_log *log;
	struct vm vm;
	bool arm, sandbox;
	char qemu[PATH_MAX], kernel[PATH_MAX], initrd[PATH_MAX];
	char dir[64];			/* of sockets and device tree; ours alone */
	char companion[96];
	sigset_t signals;
	int ended_by;			/* the signal that asked us to end, or 0 */
	bool terminal;			/* standard input is one; it was set so: */
	struct termios termios;
};

/* Every kernel has a zero near its beginning, and no text has. */
static bool is_text(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	char buf[4096];
	ssize_t n = fd < 0 ? 0 : read(fd, buf, sizeof(buf));

	if (fd >= 0)
		close(fd);
	return n > 0 && !memchr(buf, 0, (size_t)n);
}

static int find_boot_file(struct run *r, const char *given, const char *what,
			  const char *pattern, char path[PATH_MAX])
{
	if (given) {
		snprintf(path, PATH_MAX, "%s", given);
		if (!access(path, R_OK) && !is_text(path))
			return 0;
		gw_err(r->log, "--%s '%s': %s", what, given, access(path, R_OK) ? strerror(errno) :
		       "it is a text, and nothing that boots");
		gw_hint(r->log, "name a file that can be read; without --%s, the one that "
			"'provision/all' of gangway's source fetched is taken", what);
		return -ENOENT;
	}
	if (!cache_file(pattern, path))
		return 0;
	gw_err(r->log, "no --%s given and none provisioned", what);
	if (r->o.plan == GW_PLAN_POOL)
		gw_hint(r->log, "plan pool needs a kernel with CONFIG_DMA_RESTRICTED_POOL; "
			"'provision/kernel-build arm64 pool' of gangway's source builds one, "
			"'provision/all' makes an initramfs");
	else
		gw_hint(r->log, "'provision/all' of gangway's source fetches Debian kernels and makes an "
			"initramfs");
	return -ENOENT;
}

static int check_accel(const struct run *r)
{
#ifdef __aarch64__
	bool same = r->arm;
#else
	bool same = !r->arm;
#endif
	int fd;

	if (!accel_is(r->o.accel, "kvm"))
		return 0;
	/* the node may be there, and nothing behind it */
	fd = same ? open("/dev/kvm", O_RDWR | O_CLOEXEC) : -1;
	if (fd >= 0) {
		close(fd);
		return 0;
	}
	gw_err(r->log, "--accel kvm: %s%s", same ? "/dev/kvm: " : "", same ? strerror(errno) :
	       "the guest's architecture is not this machine's");
	gw_hint(r->log, same ? "'gangway doctor' looks at KVM; without --accel the guest is emulated" :
		"without --accel the guest is emulated");
	return -EOPNOTSUPP;
}

/* Is this one among the user's own words for QEMU? */
static bool has_word(const struct options *o, const char *word)
{
	for (int i = 0; i < o->nr_qemu_args; i++)
		if (!strcmp(o->qemu_args[i], word))
			return true;
	return false;
}

static int find_parts(struct run *r)
{
	const char *arch = r->arm ? "arm64" : "amd64";
	char pattern[64];
	int ret = qemu_find(&r->o, r->log, r->qemu);

	if (ret)
		return ret;
	r->sandbox = !has_word(&r->o, "-sandbox") && qemu_sandboxes(r->qemu, r->log);
	/* Debian's kernels have no restricted pools */
	if (r->o.plan == GW_PLAN_POOL)
		snprintf(pattern, sizeof(pattern), "kernels/%s-pool-*/Image", arch);
	else
		snprintf(pattern, sizeof(pattern), "kernels/%s-7.2/vmlinuz", arch);
	ret = find_boot_file(r, r->o.kernel, "kernel", pattern, r->kernel);
	if (ret)
		return ret;
	if (r->o.firmware && access(r->o.firmware, R_OK)) {
		gw_err(r->log, "--firmware '%s': %s", r->o.firmware, strerror(errno));
		gw_hint(r->log, "Debian's package qemu-efi-aarch64 has one: "
			"/usr/share/qemu-efi-aarch64/QEMU_EFI.fd");
		return -ENOENT;
	}
	if (r->o.kernel && !r->o.initrd)
		return 0;	/* a kernel of the user's own may need none */
	snprintf(pattern, sizeof(pattern), "initramfs/%s-7.2-*.cpio", arch);
	return find_boot_file(r, r->o.initrd, "initrd", pattern, r->initrd);
}

/* @dumpdtb: where QEMU prints its device tree, and then ends; NULL: it runs */
static void add_machine(const struct run *r, struct qemu_args *a, const char *dumpdtb)
{
	const struct gw_ram *ram = vm_ram(&r->vm);
	char path[40];

	qemu_args_add(a, "%s", r->qemu);
	if (dumpdtb) {
		qemu_args_add(a, "-machine");
		qemu_args_add_file(a, "dumpdtb=", dumpdtb);
	}
	qemu_args_add(a, "-accel");
	qemu_args_add(a, "%s", r->o.accel);
	qemu_args_add(a, "-cpu");
	qemu_args_add(a, "%s", accel_is(r->o.accel, "kvm") ? "host" :
		      r->arm ? "max,pauth-impdef=on" : "max");
	qemu_args_add(a, "-smp");
	qemu_args_add(a, "%u", r->o.cpus);
	qemu_args_add(a, "-m");
	qemu_args_add(a, "%" PRIu64 "B", r->o.memory);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", ram ? ram->fd : -1);
	qemu_args_add_memory(a, r->arm ? "virt" : "q35", ram, path, vm_has_nodes(&r->vm), r->o.memory);
	qemu_args_add(a, "-nodefaults");
	qemu_args_add(a, "-nographic");
	if (r->sandbox) {
		qemu_args_add(a, "-sandbox");
		qemu_args_add(a, QEMU_SANDBOX);
	}
	viommu_add(&r->o, a);
	for (int i = 0; i < r->o.nr_qemu_args; i++)
		qemu_args_add(a, "%s", r->o.qemu_args[i]);
}

/* The first lines of what QEMU said. */
static void repeat_output(struct run *r, int out)
{
	char text[1024], *line, *rest;
	ssize_t n = pread(out, text, sizeof(text) - 1, 0);

	text[n > 0 ? n : 0] = '\0';
	for (line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
		gw_err(r->log, "QEMU: %s", line);
}

/*
 * A kernel that firmware boots by ACPI does not look at one; but memory of ours it has from there.
 */
static bool has_tree(const struct run *r)
{
	return vm_ram(&r->vm) || (vm_has_tree(&r->vm) && !r->o.firmware);
}

/* Have QEMU print the device tree it would use, and tell it what devices reach. */
static int make_device_tree(struct run *r)
{
	const struct gw_ram *ram = vm_ram(&r->vm);
	struct qemu_args a = { 0 };
	int out = memfd_create("qemu", MFD_CLOEXEC), ret;
	char path[96];
	pid_t pid;

	if (out < 0) {
		ret = -errno;
		gw_err(r->log, "cannot take what QEMU says: %s", strerror(-ret));
		return ret;
	}
	snprintf(path, sizeof(path), "%s/guest.dtb", r->dir);
	add_machine(r, &a, path);
	pid = qemu_spawn(&a, ram ? ram->fd : -1, out, r->log);
	qemu_args_fini(&a);
	ret = pid < 0 ? pid : qemu_wait(pid);
	if (ret == -ETIMEDOUT)
		gw_err(r->log, "QEMU does not get on with printing its device tree: given up");
	if (ret > 0) {
		gw_err(r->log, "QEMU cannot print its device tree (exit status %d)", ret);
		repeat_output(r, out);
		gw_hint(r->log, "what is behind -- must suit '%s -machine virt'", r->qemu);
		ret = -EINVAL;
	}
	close(out);
	return ret ? ret : gw_vm_amend_file(r->vm.gw, path);
}

/*
 * What lies outside the window is bounced. Left alone, Linux sets 64 MiB aside for that, which one
 * deep queue of a disk fills; then it complains and requests wait. Of a small window it first gives
 * 64 MiB to what wants memory in one piece (cma=), and bouncing gets less.
 */
static void bounce_words(const struct run *r, char words[64])
{
	uint64_t window = gw_vm_window(r->vm.gw)->size, bounce = BOUNCE_MAX;

	*words = '\0';
	if (r->vm.plan != GW_PLAN_WINDOW || window >= r->o.memory)
		return;
	while (bounce > window / 4)
		bounce /= 2;
	if (bounce > BOUNCE_DEFAULT)
		snprintf(words, 64, " swiotlb=%" PRIu64, bounce / BOUNCE_SLOT);
	else
		snprintf(words, 64, " cma=%" PRIu64, window / CMA_PART);
}

/*
 * No more than a share of each node may wait to be written; Linux puts what comes on top of that
 * farther away, however empty the window is. So the window's share is as much as that of all memory
 * would have been.
 */
static void dirty_words(const struct run *r, char words[64])
{
	uint64_t window = gw_vm_window(r->vm.gw)->size, percent;

	*words = '\0';
	if (!vm_has_nodes(&r->vm))
		return;
	percent = DIRTY_DEFAULT * (r->o.memory >> 20) / (window >> 20);
	snprintf(words, 64, " sysctl.vm.dirty_ratio=%" PRIu64, percent < DIRTY_MAX ? percent : DIRTY_MAX);
}

/* The user's own words follow ours, and win. */
static void add_command_line(const struct run *r, struct qemu_args *a)
{
	char bounce[64], dirty[64];

	bounce_words(r, bounce);
	dirty_words(r, dirty);
	qemu_args_add(a, "-append");
	/* Linux on x86 does not go on if the timer seems slow, which it is when emulated */
	qemu_args_add(a, "console=%s%s%s%s %s", r->arm ? "ttyAMA0" : "ttyS0 no_timer_check", bounce,
		      dirty, viommu_append(&r->o), r->o.append ? r->o.append : "");
}

/*
 * Where the guest will see the functions, for a module that asks its companion: each is alone on a
 * bus, and so is its companion; buses are numbered in the order of the ports, which is ours.
 */
static void guess_guest_bdfs(struct options *o)
{
	if (o->nr_guest_bdfs)
		return;
	for (unsigned int i = 0; i < MAX_DEVICES; i++)
		o->guest_bdf[o->nr_guest_bdfs++] = (1 + 2 * i) << 8;
}

static void add_guest(const struct run *r, struct qemu_args *a)
{
	qemu_args_add(a, "-serial");
	qemu_args_add(a, "mon:stdio");
	if (r->o.firmware) {
		qemu_args_add(a, "-bios");
		qemu_args_add(a, "%s", r->o.firmware);
	}
	qemu_args_add(a, "-kernel");
	qemu_args_add(a, "%s", r->kernel);
	if (*r->initrd) {
		qemu_args_add(a, "-initrd");
		qemu_args_add(a, "%s", r->initrd);
	}
	add_command_line(r, a);
	if (has_tree(r)) {
		qemu_args_add(a, "-dtb");
		qemu_args_add(a, "%s/guest.dtb", r->dir);
	}
	vm_add_devices(&r->vm, a, true);
}

/* Firmware boots a kernel by ACPI, which has tables of ours from before its initramfs. */
static int make_initrd(struct run *r)
{
	char path[96];
	int ret;

	if (!r->o.firmware || r->vm.plan != GW_PLAN_WINDOW)
		return 0;
	snprintf(path, sizeof(path), "%s/initrd", r->dir);
	ret = gw_acpi_write(gw_vm_window(r->vm.gw), vm_has_nodes(&r->vm), path, r->initrd, r->log);
	snprintf(r->initrd, sizeof(r->initrd), "%s", path);
	return ret;
}

/* Wait for QEMU, or for a signal that asks us to end it. Return: QEMU's status; 0 if we ended it */
static int supervise(struct run *r, pid_t pid)
{
	struct timespec grace = { .tv_sec = TERM_GRACE_S };
	sigset_t child;
	int status, sig;

	for (;;) {
		sig = vm_wait(&r->vm, &r->signals, false);
		if (sig != SIGCHLD)
			break;
		if (waitpid(pid, &status, WNOHANG) == pid)
			return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	}
	gw_info(r->log, "%s: ending the guest", strsignal(sig));
	kill(pid, SIGTERM);
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	sigtimedwait(&child, NULL, &grace);
	if (waitpid(pid, &status, WNOHANG) != pid) {
		kill(pid, SIGKILL);
		qemu_wait(pid);
	}
	r->ended_by = sig;
	return 0;
}

/* As make_args() of serve, for people: what would be started. */
static int print_command(struct run *r)
{
	struct qemu_args a = { 0 };

	add_machine(r, &a, NULL);
	add_guest(r, &a);
	qemu_args_print(&a, stdout);
	qemu_args_fini(&a);
	return 0;
}

/* QEMU puts the terminal into raw mode while it runs, and one that dies leaves it so. */
static void terminal_save(struct run *r)
{
	r->terminal = isatty(STDIN_FILENO) && !tcgetattr(STDIN_FILENO, &r->termios);
}

static void terminal_restore(struct run *r)
{
	sigset_t ttou, was;

	if (!r->terminal)
		return;
	sigemptyset(&ttou);
	sigaddset(&ttou, SIGTTOU);
	pthread_sigmask(SIG_BLOCK, &ttou, &was);	/* we may be in the background by now */
	tcsetattr(STDIN_FILENO, TCSANOW, &r->termios);
	pthread_sigmask(SIG_SETMASK, &was, NULL);
}

static void say_killed(const struct run *r, int sig)
{
	gw_err(r->log, "QEMU was ended by signal %d (%s)", sig, strsignal(sig));
	if (sig == SIGBUS)
		gw_hint(r->log, "there was no room for the guest's memory: give it less --memory, or the "
			"machine (or this container's limit) more");
}

static int start_and_wait(struct run *r)
{
	const struct gw_ram *ram = vm_ram(&r->vm);
	struct qemu_args a = { 0 };
	pid_t pid;

	add_machine(r, &a, NULL);
	add_guest(r, &a);
	for (unsigned int i = 0; i < a.nr; i++)
		gw_debug(r->log, "  %s", a.arg[i]);
	if (isatty(STDIN_FILENO))
		gw_info(r->log, "the guest's console follows; Ctrl-A x ends the guest");
	pid = qemu_spawn(&a, ram ? ram->fd : -1, -1, r->log);
	qemu_args_fini(&a);
	return pid < 0 ? pid : supervise(r, pid);
}

/* The guest may be given more memory than there is, but that should not be a slip. */
static void check_memory(const struct run *r)
{
	uint64_t have = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);

	if (r->o.memory > have)
		gw_warn(r->log, "the guest has %" PRIu64 " MiB of memory and this machine %" PRIu64
			"; ask for less --memory, unless the guest does not use it all",
			r->o.memory >> 20, have >> 20);
}

/* In $TMPDIR, unless that is so long that a socket there has no address (108 bytes, unix(7)). */
static int make_dir(struct run *r)
{
	const char *tmp = getenv("TMPDIR");
	int ret;

	if (!tmp || *tmp != '/' || strlen(tmp) + strlen("/gangway-XXXXXX") >= sizeof(r->dir))
		tmp = "/tmp";
	snprintf(r->dir, sizeof(r->dir), "%s/gangway-XXXXXX", tmp);
	if (mkdtemp(r->dir))
		return 0;
	ret = -errno;
	gw_err(r->log, "cannot make a folder in %s: %s", tmp, strerror(-ret));
	*r->dir = '\0';
	return ret;
}

/* Return: 0; else the exit code */
static int prepare(struct run *r)
{
	char path[96];
	int ret;

	if (check_accel(r) || find_parts(r))
		return CLI_UNAVAILABLE;
	check_memory(r);
	if (make_dir(r))
		return CLI_FAILED;
	snprintf(r->companion, sizeof(r->companion), "%s/companion", r->dir);
	r->o.companion = r->companion;
	guess_guest_bdfs(&r->o);
	ret = vm_open(&r->vm, &r->o, r->arm, r->log);
	if (ret)
		return ret;
	if (viommu_check(&r->o, r->vm.plan, r->log) ||
	    vm_open_memory(&r->vm, &r->o, (gw_gpa){ ARM_RAM_BASE }) ||
	    (has_tree(r) && make_device_tree(r)) || make_initrd(r))
		return CLI_FAILED;
	snprintf(path, sizeof(path), "%s/function", r->dir);
	return vm_listen(&r->vm, path, r->companion, r->o.spin_us) ? CLI_FAILED : 0;
}

/* Those that end us. */
static struct stop stop_for(const struct run *r)
{
	struct stop s = { .log = r->log, .signals = r->signals, .left = r->dir, .folder = true,
			  .ms = CLOSING_MS, .base = 128 };

	sigdelset(&s.signals, SIGCHLD);
	return s;
}

/*
 * Prepare until a signal comes: hosts, and a QEMU that prints its device tree, may take as long as
 * they like.
 */
static int prepare_until_signal(struct run *r)
{
	struct stop guard = stop_for(r);
	int ret;

	guard.first = qemu_end_asked;
	stop_while_opening(&guard);
	ret = prepare(r);
	stop_done(&guard);
	return ret;
}

static void clean_up(struct run *r)
{
	char path[96];

	vm_close(&r->vm);
	if (!*r->dir)
		return;
	snprintf(path, sizeof(path), "%s/guest.dtb", r->dir);
	unlink(path);
	snprintf(path, sizeof(path), "%s/initrd", r->dir);
	unlink(path);
	rmdir(r->dir);
}

static void block_signals(struct run *r)
{
	static const int signals[] = { SIGTERM, SIGINT, SIGHUP, SIGCHLD };

	sigemptyset(&r->signals);
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		sigaddset(&r->signals, signals[i]);
	/* before the first thread starts, so that only supervise() takes them */
	sigprocmask(SIG_BLOCK, &r->signals, NULL);
}

static int run_run(int argc, char **argv, struct gw_log *log)
{
	struct run r = { .log = log };
	struct stop guard;
	int ret, status;

	ret = options_parse(&r.o, argc, argv, OPTIONS_RUN, log);
	if (ret || r.o.help)
		return ret;
	r.arm = !strcmp(r.o.arch, "arm64");
	block_signals(&r);
	ret = harden(!options_simulated(&r.o), log);
	if (!ret)
		ret = report_check(r.o.report, log);
	if (!ret)
		ret = prepare_until_signal(&r);
	if (!ret && r.o.dry_run)
		ret = print_command(&r);
	if (ret || r.o.dry_run) {
		clean_up(&r);
		return ret;
	}
	terminal_save(&r);
	status = start_and_wait(&r);
	terminal_restore(&r);
	guard = stop_for(&r);
	stop_while_closing(&guard);
	vm_stop(&r.vm);
	ret = report_print(&r.vm, r.o.report);
	clean_up(&r);
	stop_done(&guard);
	if (r.ended_by)
		return 128 + r.ended_by;
	if (status > 128)
		say_killed(&r, status - 128);
	else if (status)
		gw_err(log, "QEMU ended with status %d", status);
	return status ? CLI_FAILED : ret;
}

const struct cli_command cli_run = { "run", "boot a guest with devices passed through", run_run };
