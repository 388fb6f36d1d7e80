/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdio.h>

#include "share/share.h"

static uint64_t abilities(const struct gw_backing *b)
{
	if (!b)
		return 0;
	return (b->ops->iova_map && b->ops->iova_unmap ? GW_SHARE_CAN_IOVA : 0) |
	       (b->ops->file ? GW_SHARE_CAN_FILE : 0) | (b->ops->read ? GW_SHARE_CAN_READ : 0);
}

/* One of the exporter's kinds against all that the importer takes. */
static int match_kind(struct gw_attachment *a, const struct gw_share_entry *exp,
		      struct gw_share_step *step)
{
	const struct gw_importer *imp = a->imp;
	const char *why = "the importer does not take it";
	int ret = -EOPNOTSUPP;

	for (unsigned int i = 0; ret == -EOPNOTSUPP && i < imp->nr_accept; i++) {
		const struct gw_share_accept *take = &imp->accept[i];
		const struct gw_share_entry entry = {
			.kind = take->kind, .id = &a->imp_id, .proof = take->proof,
			.data = { take->data[0], take->data[1] },
		};

		if (take->kind != exp->kind)
			continue;
		ret = exp->kind->match(exp, &entry, &why);
		if (!ret)
			a->match[a->nr_matches++] = (struct gw_match){ entry, a->nr_steps };
	}
	*step = (struct gw_share_step){ .kind = exp->kind, .err = ret };
	if (ret)
		snprintf(step->reason, sizeof(step->reason), "%s", why);
	return ret;
}

int gw_negotiate(struct gw_attachment *a, char reason[GW_SHARE_REASON])
{
	const struct gw_exporter_options *opt = &a->e->x->opt;
	struct gw_share_step *step = a->step;
	int ret;

	for (unsigned int i = 0; i < opt->nr_kinds; i++, step++, a->nr_steps++) {
		const struct gw_share_entry exp = {
			.kind = opt->kinds[i], .id = &opt->id,
			.data = { a->e->bar, abilities(opt->backing) },
		};

		ret = match_kind(a, &exp, step);
		if (ret && ret != -EOPNOTSUPP) {
			snprintf(reason, GW_SHARE_REASON, "%.20s: %.120s", exp.kind->name,
				 step->reason);
			return ret;
		}
	}
	if (a->nr_matches)
		return 0;
	if (a->nr_steps)
		snprintf(reason, GW_SHARE_REASON, "no kind of address in common; %.20s: %.100s",
			 a->step[0].kind->name, a->step[0].reason);
	else
		snprintf(reason, GW_SHARE_REASON, "the exporter offers no kind of address");
	return -EOPNOTSUPP;
}
