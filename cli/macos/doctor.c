/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysctl.h>
#include <sys/types.h>

#include "base/util.h"
#include "cli/cli.h"
#include "cli/finding.h"
#include "cli/macos/args.h"
#include "cli/macos/ask.h"
#include "cli/macos/functions.h"
#include "cli/macos/qemu.h"

/*
 * What is looked at: the driver extension, as `systemextensionsctl list` tells of it; the functions
 * it has, with the window of each DART; the hypervisor; and the QEMU that 'run' would start.
 */

/* What has been found so far. */
struct report {
	struct gw_log *log;
	struct json_object *list;	/* NULL: it is printed as text */
	int code;
};

#define EXTENSION_DOC	"docs/macos.md tells how it is built and installed"

static void found(struct report *r, const char *name, const struct doctor_finding *f)
{
	if (f->state == DOCTOR_BAD)
		r->code = CLI_UNAVAILABLE;
	if (r->list)
		json_object_array_add(r->list, doctor_json(name, f));
	else
		doctor_print(name, f);
}

/* The line of ours: by the name that dext/build gives, or the extension that came before. */
static char *extension_line(char *text)
{
	char *line, *rest = text;

	while ((line = strsep(&rest, "\n")))
		if (strstr(line, "[") && (strstr(line, "gangway") || strstr(line, "VFIOUserPCIDriver")))
			return line;
	return NULL;
}

static void say_state(struct doctor_finding *f, const char *line)
{
	if (strstr(line, "[activated enabled]"))
		doctor_say(f, DOCTOR_OK, NULL, "active");
	else if (strstr(line, "waiting for user"))
		doctor_say(f, DOCTOR_BAD, "approve it: System Settings, General, Login Items & Extensions, "
			   "Driver Extensions", "installed, and waits for approval");
	else if (strstr(line, "uninstall"))
		doctor_say(f, DOCTOR_BAD, "restart this Mac, then install it anew",
			   "being uninstalled, which ends with a restart");
	else if (strstr(line, "disabled"))
		doctor_say(f, DOCTOR_BAD, "enable it: System Settings, General, Login Items & Extensions",
			   "installed, and disabled");
	else
		doctor_say(f, DOCTOR_NOTE, EXTENSION_DOC, "in a state that is not known: %.120s", line);
}

static void check_extension(struct doctor_finding *f, struct report *r)
{
	const char *argv[] = { "systemextensionsctl", "list", NULL };
	char text[16384], *line;
	int ret = ask(argv, text, sizeof(text));

	line = extension_line(text);
	if (ret)
		doctor_say(f, DOCTOR_NOTE, "it comes with macOS 10.15 and later", "systemextensionsctl: %s",
			   ret == -ENOENT ? "no such program" : strerror(-ret));
	else if (!line)
		doctor_say(f, DOCTOR_BAD, EXTENSION_DOC, "gangway's driver extension is not installed");
	else
		say_state(f, line);
}

static void found_window(struct report *r, const struct mac_function *fn)
{
	struct doctor_finding f;
	char window[160];

	functions_window(fn, window, sizeof(window));
	doctor_say(&f, fn->granule ? DOCTOR_OK : DOCTOR_NOTE,
		   fn->granule ? NULL : "1536 MiB are assumed", "%s: %s", fn->info.name, window);
	found(r, "DART", &f);
}

static void check_functions(struct doctor_finding *f, struct report *r)
{
	struct mac_function *list;
	size_t nr;
	int ret = functions_list(r->log, &list, &nr);

	for (size_t i = 0; i < nr; i++)
		found_window(r, &list[i]);
	free(list);
	if (ret == -EACCES)
		doctor_say(f, DOCTOR_BAD, "its entitlements name who may: com.apple.developer.driverkit."
			   "allow-any-userclient-access", "the extension lets nobody in");
	else if (ret)
		doctor_say(f, DOCTOR_BAD, NULL, "%s", strerror(-ret));
	else if (!nr)
		doctor_say(f, DOCTOR_NOTE, "it takes devices of the vendors it was built for (dext/build "
			   "--vendor), and none of class 04; is one plugged in?",
			   "no device has gangway's driver extension");
	else
		doctor_say(f, DOCTOR_OK, NULL, "%zu, see gangway list", nr);
}

static void check_hypervisor(struct doctor_finding *f, struct report *r)
{
	int is = 0;
	size_t size = sizeof(is);

	if (sysctlbyname("kern.hv_support", &is, &size, NULL, 0) || !is)
		doctor_say(f, DOCTOR_BAD, "without it guests are emulated: run --accel tcg",
			   "this machine, or the VM it is, has no hypervisor");
	else
		doctor_say(f, DOCTOR_OK, NULL, "there");
}

static void check_qemu(struct doctor_finding *f, struct report *r)
{
	const char *name = qemu_name(NULL);
	struct qemu_has has;

	qemu_look(name, &has);
	if (!has.there)
		doctor_say(f, DOCTOR_BAD, "qemu/README.md tells how it is built; $QEMU names one",
			   "there is no %.120s that runs", name);
	else if (!has.gangway)
		doctor_say(f, DOCTOR_BAD, "build it with gangway inside: qemu/graft SOURCE, see qemu/README.md; "
			   "$QEMU names it", "%.120s %s has no device gangway-pci", name, has.version);
	else if (!has.hvf)
		doctor_say(f, DOCTOR_BAD, "configure it with --enable-hvf; run --accel tcg goes without",
			   "%.120s %s was built without HVF", name, has.version);
	else
		doctor_say(f, DOCTOR_OK, NULL, "%.120s %s, with gangway and HVF", name, has.version);
}

static const struct check {
	const char *name;
	void (*run)(struct doctor_finding *f, struct report *r);
} checks[] = {
	{ "extension", check_extension },
	{ "functions", check_functions },
	{ "hypervisor", check_hypervisor },
	{ "QEMU", check_qemu },
};

static int doctor_run(int argc, char **argv, struct gw_log *log)
{
	struct report r = { .log = log, .code = CLI_OK };
	struct doctor_finding f;
	bool json;
	int code = args_json_only(argc, argv, "Check what passing devices through needs of this Mac, and say "
				  "what to do about\nwhat is missing.\n", &json, log);

	if (code >= 0)
		return code;
	if (json)
		r.list = json_object_new_array();
	for (size_t i = 0; i < ARRAY_SIZE(checks); i++) {
		checks[i].run(&f, &r);
		found(&r, checks[i].name, &f);
	}
	if (json)
		args_print_json(r.list);
	return r.code;
}

const struct cli_command cli_doctor = { "doctor", "check what passing through needs here",
					doctor_run };
