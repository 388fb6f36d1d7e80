/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <gangway/broker.h>

#include "base/util.h"
#include "cli/cli.h"
#include "cli/text.h"
#include "cli/viewer.h"
#include "cli/vnc.h"

/*
 * How it works: a table of subcommands. The broker serves in this thread until a signal stops it.
 * show and watch have a viewer (viewer.c); watch is one loop, again in this thread, which waits for
 * a frame, has VNC's viewers see it, and prints a line each second.
 */

#define TICK_MS		20	/* between two looks at VNC's viewers */
#define SECOND_NS	1000000000ull

struct share_options {
	const char *broker, *as, *policy, *png, *audit;
	unsigned int vnc, frames;
	char **arg;
	int nr_args;
};

static const char help[] =
"Usage: gangway share COMMAND ...\n"
"\n"
"Look at what guests show on the screens of functions that are passed through to them.\n"
"\n"
"  broker --policy FILE   introduce those that share to those that look, as FILE allows, until\n"
"                         SIGTERM or SIGINT; docs/sharing.md says what is in it\n"
"  list                   the screens that there are, and buffers that guests share\n"
"  show SCREEN --png FILE write what is on it to FILE\n"
"  watch SCREEN           say each second how many frames there were, and what was copied to see\n"
"                         them, until SIGTERM or SIGINT\n"
"\n"
"SCREEN is its number or its VM's name, as listed, or HANDLE:VM. A buffer has a number only.\n"
"\n"
"  --broker PATH          the broker's socket\n"
"  --as NAME              what the policy calls the one that looks (default viewer)\n"
"  --audit FILE           broker: add a line of JSON for each decision to FILE\n"
"  --frames N             watch: end after N frames\n"
"  --vnc PORT             watch: show it to VNC viewers of this machine, too\n"
"\n"
"'gangway run' and 'gangway serve' share with --share PATH, and --vm NAME.\n";

static _Atomic bool ended;

static void on_signal(int sig)
{
	ended = true;
}

static void catch_signals(void)
{
	struct sigaction act = { .sa_handler = on_signal };

	sigaction(SIGTERM, &act, NULL);
	sigaction(SIGINT, &act, NULL);
}

static void print_address(const struct gw_share_id *id)
{
	printf("%02x:%02x.%x  ", id->fn.bus, id->fn.dev, id->fn.fn);
}

static void print_bytes(uint64_t bytes)
{
	if (bytes % (1 << 20))
		printf("%4" PRIu64 " KiB  ", bytes >> 10);
	else
		printf("%4" PRIu64 " MiB  ", bytes >> 20);
}

static int do_list(const struct share_options *o, struct gw_log *log)
{
	struct gw_share_client *c;
	struct gw_share_item *list;
	size_t nr = 0;
	int ret = gw_share_client_new(o->broker, o->as, &c);

	if (ret) {
		gw_err(log, "no connection to the broker at %s as %s: %s", o->broker, o->as,
		       strerror(-ret));
		return CLI_FAILED;
	}
	ret = gw_share_client_list(c, &list, &nr);
	if (!ret && nr)
		printf("%-8s%-16s%-9s%-10s%s\n", "SCREEN", "VM", "FUNCTION", "MEMORY", "PICTURE");
	for (size_t i = 0; !ret && i < nr; i++) {
		printf("%-8" PRIu32 "%-16s", list[i].number, list[i].vm);
		print_address(&list[i].id);
		print_bytes(list[i].bytes);
		printf("%s\n", list[i].label);
	}
	if (!ret && !nr)
		gw_info(log, "no screens that %s may see", o->as);
	if (ret)
		gw_err(log, "the broker does not list: %s", strerror(-ret));
	else
		free(list);
	gw_share_client_free(c);
	return ret ? CLI_FAILED : CLI_OK;
}

static int do_show(const struct share_options *o, struct gw_log *log)
{
	struct viewer v;
	int ret = viewer_open(&v, o->broker, o->as, o->arg[0], log);

	if (!ret)
		ret = viewer_fetch(&v);
	if (!ret)
		ret = picture_png(&v.picture, v.mem, o->png, log);
	if (!ret)
		gw_info(log, "%s: %ux%u, by %s, %" PRIu64 " bytes copied from the guest's memory",
			o->png, v.picture.width, v.picture.height, viewer_kind(&v), v.copied);
	viewer_close(&v);
	return ret ? CLI_FAILED : CLI_OK;
}

/* A line for the second that has passed. Return: 0; -EIO */
static int print_second(const struct viewer *v, uint64_t frames, uint64_t ns, long changed)
{
	printf("%6.1f frames/s  %8" PRIu64 " frames  %" PRIu64 " bytes copied  by %s  %ux%u",
	       (double)frames * SECOND_NS / (double)ns, v->frames, v->copied, viewer_kind(v),
	       v->picture.width, v->picture.height);
	if (changed >= 0)
		printf("  %ld pixels repainted", changed);
	printf("\n");
	return fflush(stdout) || ferror(stdout) ? -EIO : 0;
}

/* Return: pixels repainted, or -errno. */
static long repaint(struct viewer *v, struct vnc *vnc)
{
	long ret = viewer_fetch(v);

	return ret ? ret : vnc_update(vnc, &v->picture, v->mem);
}

static int watch(const struct share_options *o, struct viewer *v, struct vnc *vnc)
{
	uint64_t since = gw_now_ns(), before = 0, now;
	long changed = 0, ret = 0;

	while (!ended && !(o->frames && v->frames >= o->frames)) {
		ret = viewer_wait(v, vnc ? TICK_MS : 1000);
		if (ret < 0)
			return (int)ret;
		if (vnc && v->has_picture && v->map) {
			ret = repaint(v, vnc);
			changed += ret > 0 ? ret : 0;
			vnc_serve(vnc, 0);
		}
		now = gw_now_ns();
		if (now - since < SECOND_NS)
			continue;
		ret = viewer_refresh(v);
		if (ret && ret != -ENOENT)
			return (int)ret;
		ret = print_second(v, v->frames - before, now - since, vnc ? changed : -1);
		if (ret)
			return (int)ret;	/* who printed it is told by main() */
		since = now;
		before = v->frames;
		changed = 0;
	}
	return 0;
}

static int do_watch(const struct share_options *o, struct gw_log *log)
{
	struct vnc *vnc = NULL;
	struct viewer v;
	int ret;

	catch_signals();
	ret = viewer_open(&v, o->broker, o->as, o->arg[0], log);
	if (!ret && o->vnc)
		ret = vnc_open(&vnc, o->vnc, v.item.vm, log);
	if (!ret && o->vnc)
		gw_info(log, "VNC on 127.0.0.1, port %u", o->vnc);
	if (!ret)
		ret = watch(o, &v, vnc);
	if (ret == -ENOTCONN)
		gw_info(log, "who showed it has gone");
	vnc_close(vnc);
	viewer_close(&v);
	return ret && ret != -ENOTCONN ? CLI_FAILED : CLI_OK;
}

static struct gw_broker *broker;

static void stop_broker(int sig)
{
	gw_broker_stop(broker);
}

static int serve_broker(const struct gw_broker_options *opt)
{
	struct sigaction act = { .sa_handler = stop_broker };
	int ret = gw_broker_new(opt, &broker);

	if (ret)
		return CLI_FAILED;	/* logged */
	sigaction(SIGTERM, &act, NULL);
	sigaction(SIGINT, &act, NULL);
	gw_info(opt->log, "broker at %s", opt->socket);
	ret = gw_broker_serve(broker);
	gw_broker_free(broker);
	return ret ? CLI_FAILED : CLI_OK;
}

static int do_broker(const struct share_options *o, struct gw_log *log)
{
	struct gw_broker_options opt = { .socket = o->broker, .policy = o->policy, .audit = -1,
					 .log = log };
	int ret;

	if (o->audit) {
		opt.audit = open(o->audit, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY |
				 O_NONBLOCK, 0640);
		if (opt.audit < 0) {
			gw_err(log, "%s: cannot write decisions there: %s", o->audit,
			       strerror(errno));
			return CLI_FAILED;
		}
	}
	ret = serve_broker(&opt);
	if (opt.audit >= 0)
		close(opt.audit);
	return ret;
}

static const struct {
	const char *name;
	int nr_args;
	bool png, policy;
	int (*run)(const struct share_options *o, struct gw_log *log);
} commands[] = {
	{ "broker", 0, false, true, do_broker },
	{ "list", 0, false, false, do_list },
	{ "show", 1, true, false, do_show },
	{ "watch", 1, false, false, do_watch },
};

enum { OPT_BROKER = 1, OPT_AS, OPT_AUDIT, OPT_POLICY, OPT_PNG, OPT_VNC, OPT_FRAMES, OPT_HELP };

static const struct option long_options[] = {
	{ "broker", required_argument, NULL, OPT_BROKER },
	{ "as", required_argument, NULL, OPT_AS },
	{ "audit", required_argument, NULL, OPT_AUDIT },
	{ "policy", required_argument, NULL, OPT_POLICY },
	{ "png", required_argument, NULL, OPT_PNG },
	{ "vnc", required_argument, NULL, OPT_VNC },
	{ "frames", required_argument, NULL, OPT_FRAMES },
	{ "help", no_argument, NULL, OPT_HELP },
	{ 0 },
};

static bool parse_number(struct gw_log *log, const char *text, unsigned int max, unsigned int *out)
{
	char *end;
	unsigned long v = strtoul(text, &end, 10);

	if (*text < '0' || *text > '9' || *end || !v || v > max) {
		gw_err(log, "'%s': wants a whole number from 1 to %u", text, max);
		return false;
	}
	*out = (unsigned int)v;
	return true;
}

/* Return: -1 to go on; else the exit code. */
static int parse(struct share_options *o, int argc, char **argv, struct gw_log *log)
{
	int opt;

	*o = (struct share_options){ .as = "viewer" };
	optind = 1;
	opterr = 0;
	while ((opt = getopt_long(argc, argv, ":h", long_options, NULL)) != -1) {
		bool good = true;

		switch (opt) {
		case OPT_BROKER: o->broker = optarg; break;
		case OPT_AS: o->as = optarg; break;
		case OPT_AUDIT: o->audit = optarg; break;
		case OPT_POLICY: o->policy = optarg; break;
		case OPT_PNG: o->png = optarg; break;
		case OPT_VNC: good = parse_number(log, optarg, 65535, &o->vnc); break;
		case OPT_FRAMES: good = parse_number(log, optarg, 1000000000, &o->frames); break;
		case OPT_HELP:
		case 'h':
			fputs(help, stdout);
			return CLI_OK;
		default:
			text_bad_option(log, argv, opt);
			return CLI_USAGE;
		}
		if (!good)
			return CLI_USAGE;
	}
	o->arg = argv + optind;
	o->nr_args = argc - optind;
	return -1;
}

static int share_run(int argc, char **argv, struct gw_log *log)
{
	struct share_options o;
	int ret = parse(&o, argc, argv, log);

	if (ret >= 0)
		return ret;
	for (size_t i = 0; o.nr_args && i < ARRAY_SIZE(commands); i++) {
		if (strcmp(commands[i].name, o.arg[0]) != 0)
			continue;
		o.arg++;
		o.nr_args--;
		if (!o.broker || o.nr_args != commands[i].nr_args || (commands[i].png && !o.png) ||
		    (commands[i].policy && !o.policy)) {
			gw_err(log, "share %s: wants --broker PATH%s%s%s; see gangway share --help",
			       commands[i].name, commands[i].nr_args ? ", a screen" : "",
			       commands[i].png ? " and --png FILE" : "",
			       commands[i].policy ? " and --policy FILE" : "");
			return CLI_USAGE;
		}
		return commands[i].run(&o, log);
	}
	gw_err(log, "share: wants broker, list, show or watch; see gangway share --help");
	return CLI_USAGE;
}

const struct cli_command cli_share = {
	.name = "share",
	.summary = "look at what guests show",
	.run = share_run,
};
