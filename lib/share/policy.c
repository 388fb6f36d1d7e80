/* SPDX-License-Identifier: BSD-3-Clause */
#include "share/policy.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/util.h"

/*
 * How it works: a policy is four arrays of fixed size, one for each sort of line (policy.h). The
 * parser adds to them line by line, and the questions only search them; what no line allows is
 * denied. A policy does not change once it is loaded, so nothing locks it.
 */

#define MAX_FILE	(256u * 1024)
#define MAX_WORDS	16u

struct who {
	char name[GW_SHARE_NAME];
	uid_t uid;
	bool has_fn;
	struct gw_pci_addr fn;
};

struct rule {
	char vm[GW_SHARE_NAME], importer[GW_SHARE_NAME];
	bool any;
	struct gw_pci_addr fn;
	unsigned int kinds;
};

struct gw_policy {
	struct who vm[GW_POLICY_MAX], importer[GW_POLICY_MAX];
	struct rule rule[GW_POLICY_MAX];
	char same_gpu[GW_POLICY_MAX][GW_SHARE_NAME];
	unsigned int nr_vms, nr_importers, nr_rules, nr_same;
};

int gw_policy_new(struct gw_policy **p)
{
	*p = calloc(1, sizeof(**p));
	return *p ? 0 : -ENOMEM;
}

void gw_policy_free(struct gw_policy *p)
{
	free(p);
}

static int wrong(char *why, const char *what, const char *word)
{
	snprintf(why, GW_SHARE_REASON, "%s '%.60s'", what, word);
	return -EINVAL;
}

static int take_name(const char *word, char name[GW_SHARE_NAME], char *why)
{
	if (!word || !*word || strlen(word) >= GW_SHARE_NAME)
		return wrong(why, "no name, or too long a one:", word ? word : "");
	for (const char *c = word; *c; c++)
		if (*c <= ' ' || *c > '~')
			return wrong(why, "not a name:", word);
	strcpy(name, word);
	return 0;
}

static int take_uid(const char *word, uid_t *uid, char *why)
{
	unsigned long long v;
	char *end;

	errno = 0;
	v = strtoull(word, &end, 10);
	if (*word < '0' || *word > '9' || *end || errno || v >= UINT32_MAX)
		return wrong(why, "not a user's number:", word);
	*uid = (uid_t)v;
	return 0;
}

/* [vm|importer] NAME uid NUMBER [function ADDRESS] */
static int parse_who(struct who *list, unsigned int *nr, char **word, unsigned int nr_words,
		     bool may_fn, char *why)
{
	struct who w = { 0 };
	int ret;

	if (*nr == GW_POLICY_MAX)
		return -ENOSPC;
	if ((nr_words != 4 && nr_words != 6) || strcmp(word[2], "uid"))
		return wrong(why, "expected NAME uid NUMBER after", word[0]);
	ret = take_name(word[1], w.name, why);
	if (!ret)
		ret = take_uid(word[3], &w.uid, why);
	if (!ret && nr_words == 6) {
		w.has_fn = may_fn && !strcmp(word[4], "function") &&
			   !gw_pci_addr_parse(word[5], &w.fn);
		if (!w.has_fn)
			return wrong(why, "not function ADDRESS:", word[4]);
	}
	if (!ret)
		list[(*nr)++] = w;
	return ret;
}

/* allow vm NAME function ADDRESS|any importer NAME kinds KIND... */
static int parse_rule(struct gw_policy *p, char **word, unsigned int nr_words, char *why)
{
	struct rule r = { 0 };
	unsigned int bit;
	int ret;

	if (p->nr_rules == GW_POLICY_MAX)
		return -ENOSPC;
	if (nr_words < 9 || strcmp(word[1], "vm") || strcmp(word[3], "function") ||
	    strcmp(word[5], "importer") || strcmp(word[7], "kinds"))
		return wrong(why, "expected vm NAME function ADDRESS importer NAME kinds KIND... "
			     "after", word[0]);
	ret = take_name(word[2], r.vm, why);
	if (!ret)
		ret = take_name(word[6], r.importer, why);
	r.any = !strcmp(word[4], "any");
	if (!ret && !r.any && gw_pci_addr_parse(word[4], &r.fn))
		ret = wrong(why, "not a function's address:", word[4]);
	for (unsigned int i = 8; !ret && i < nr_words; i++) {
		if (!gw_share_kind_by_name(word[i], &bit))
			ret = wrong(why, "not a kind:", word[i]);
		r.kinds |= bit;
	}
	if (!ret)
		p->rule[p->nr_rules++] = r;
	return ret;
}

static int parse_line(struct gw_policy *p, char *text, char *why)
{
	char *word[MAX_WORDS], *save = NULL;
	unsigned int nr = 0;

	text[strcspn(text, "#")] = '\0';
	for (char *w = strtok_r(text, " \t\r", &save); w; w = strtok_r(NULL, " \t\r", &save)) {
		if (nr == MAX_WORDS)
			return wrong(why, "too many words before", w);
		word[nr++] = w;
	}
	if (!nr)
		return 0;
	if (!strcmp(word[0], "vm"))
		return parse_who(p->vm, &p->nr_vms, word, nr, false, why);
	if (!strcmp(word[0], "importer"))
		return parse_who(p->importer, &p->nr_importers, word, nr, true, why);
	if (!strcmp(word[0], "allow"))
		return parse_rule(p, word, nr, why);
	if (strcmp(word[0], "same-gpu"))
		return wrong(why, "expected vm, importer, allow or same-gpu, not", word[0]);
	if (nr != 2)
		return wrong(why, "expected one NAME after", word[0]);
	return p->nr_same == GW_POLICY_MAX ? -ENOSPC :
		take_name(word[1], p->same_gpu[p->nr_same++], why);
}

int gw_policy_parse(struct gw_policy *p, const char *text, unsigned int *line, char *why)
{
	char buf[1024];
	int ret = 0;

	*why = '\0';
	for (*line = 1; *text && !ret; text += *text == '\n', (*line)++) {
		size_t len = strcspn(text, "\n");

		if (len >= sizeof(buf)) {
			ret = wrong(why, "too long a line:", "");
			break;
		}
		memcpy(buf, text, len);
		buf[len] = '\0';
		ret = parse_line(p, buf, why);
		if (ret == -ENOSPC)
			snprintf(why, GW_SHARE_REASON, "more than %u lines of that sort",
				 GW_POLICY_MAX);
		if (ret)
			break;
		text += len;
	}
	return ret;
}

static int read_file(const char *path, char **text)
{
	struct stat st;
	ssize_t n;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), ret = 0;

	if (fd < 0)
		return -errno;
	*text = malloc(MAX_FILE + 1);
	if (!*text)
		ret = -ENOMEM;
	else if (fstat(fd, &st))
		ret = -errno;
	else if (!S_ISREG(st.st_mode))
		ret = -EBADMSG;
	else if ((st.st_uid && st.st_uid != geteuid()) || st.st_mode & 022)
		ret = -EPERM;
	if (!ret) {
		n = read(fd, *text, MAX_FILE + 1);
		ret = n < 0 ? -errno : n > (ssize_t)MAX_FILE ? -EFBIG : 0;
		if (!ret)
			(*text)[n] = '\0';
	}
	if (ret) {
		free(*text);
		*text = NULL;
	}
	close(fd);
	return ret;
}

int gw_policy_load(struct gw_policy *p, const char *path, struct gw_log *log)
{
	char why[GW_SHARE_REASON], *text = NULL;
	unsigned int line;
	int ret = read_file(path, &text);

	if (ret) {
		gw_err(log, "cannot read the policy %s: %s", path, ret == -EPERM ?
		       "others than root and this user may change it" : ret == -EBADMSG ?
		       "it is no file" : strerror(-ret));
		if (ret == -EPERM)
			gw_hint(log, "chmod go-w %s", path);
		return ret;
	}
	ret = gw_policy_parse(p, text, &line, why);
	if (ret)
		gw_err(log, "%s:%u: %s", path, line, why);
	free(text);
	return ret;
}

static bool is(const struct who *w, const char *name, uid_t uid)
{
	return w->uid == uid && !strcmp(w->name, name);
}

bool gw_policy_vm(const struct gw_policy *p, const char *name, uid_t uid)
{
	for (unsigned int i = 0; i < p->nr_vms; i++)
		if (is(&p->vm[i], name, uid))
			return true;
	return false;
}

bool gw_policy_importer(const struct gw_policy *p, const char *name, uid_t uid,
			struct gw_pci_addr *fn, bool *has_fn)
{
	*has_fn = false;
	for (unsigned int i = 0; i < p->nr_importers; i++) {
		if (!is(&p->importer[i], name, uid))
			continue;
		*fn = p->importer[i].fn;
		*has_fn = p->importer[i].has_fn;
		return true;
	}
	return false;
}

static bool rule_is_for(const struct rule *r, const char *vm, const struct gw_pci_addr *fn)
{
	return !strcmp(r->vm, vm) &&
	       (r->any || (r->fn.domain == fn->domain && r->fn.bus == fn->bus &&
			   r->fn.dev == fn->dev && r->fn.fn == fn->fn));
}

bool gw_policy_has(const struct gw_policy *p, const char *vm, const struct gw_pci_addr *fn)
{
	for (unsigned int i = 0; i < p->nr_rules; i++)
		if (rule_is_for(&p->rule[i], vm, fn))
			return true;
	return false;
}

unsigned int gw_policy_kinds(const struct gw_policy *p, const char *vm,
			     const struct gw_pci_addr *fn, const char *importer)
{
	unsigned int kinds = 0, vram;
	bool same = false;

	for (unsigned int i = 0; i < p->nr_rules; i++) {
		const struct rule *r = &p->rule[i];

		if (rule_is_for(r, vm, fn) && !strcmp(r->importer, importer))
			kinds |= r->kinds;
	}
	for (unsigned int i = 0; i < p->nr_same; i++)
		same |= !strcmp(p->same_gpu[i], vm);
	gw_share_kind_by_uuid(gw_share_iov_vram.uuid, &vram);
	return same ? kinds : kinds & ~vram;
}
