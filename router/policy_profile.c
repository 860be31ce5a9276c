/* SPDX-License-Identifier: MIT */
/* policy_profile.c - what the policy says of one address */
#include "policy_profile.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ENTRIES_MAX	(1u << 25)	/* rules of addresses, together */

/* Numbers that grow; of rules in their order */
struct list {
	uint32_t *data;
	uint32_t num, max;
};

/*
 * @set_of:	for each of the policy's sets its index in @dynamic, or POLICY_NONE
 * @rules:	of each address and side
 */
struct work {
	const struct policy_compiled *compiled;
	const struct policy_domain *domain;
	const struct classifier_set *dynamic;
	uint32_t *set_of;
	const struct in6_addr *addresses;
	size_t num;
	struct list (*rules)[POLICY_PROFILE_SIDE_NUM];
	uint64_t entries;
};

static int list_add(struct list *list, uint32_t number)
{
	uint32_t more = list->max ? list->max * 2 : 16;
	uint32_t *bigger;

	if (list->num == list->max) {
		bigger = reallocarray(list->data, more, sizeof(*bigger));
		if (!bigger)
			return -ENOMEM;
		list->data = bigger;
		list->max = more;
	}
	list->data[list->num++] = number;
	return 0;
}

static struct classifier_set set_of(const struct work *work, uint32_t set)
{
	const struct policy_resolved *resolved = &work->compiled->resolved;

	if (work->set_of[set] != POLICY_NONE)
		return work->dynamic[work->set_of[set]];
	return (struct classifier_set){
		resolved->ranges + resolved->sets[set].ranges, resolved->sets[set].ranges_num,
	};
}

/* --- which rules are about which addresses --- */

/* The first address that is not below @bound */
static size_t find(const struct work *work, const uint8_t bound[16])
{
	size_t low = 0, high = work->num;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (memcmp(&work->addresses[middle], bound, 16) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static int deal_rule(struct work *work, uint32_t number, uint32_t set,
		     enum policy_profile_side side)
{
	struct classifier_set ends = set_of(work, set);

	for (uint32_t i = 0; i < ends.ranges_num; i++) {
		const struct classifier_range *range = &ends.ranges[i];

		for (size_t at = find(work, range->first);
		     at < work->num && memcmp(&work->addresses[at], range->last, 16) <= 0; at++) {
			struct list *list = &work->rules[at][side];

			/* Ranges of a dynamic set may overlap. */
			if (list->num && list->data[list->num - 1] == number)
				continue;
			if (++work->entries > ENTRIES_MAX)
				return -E2BIG;
			if (list_add(list, number))
				return -ENOMEM;
		}
	}
	return 0;
}

static int deal(struct work *work)
{
	const struct policy *policy = work->compiled->policy;
	int err = 0;

	for (uint32_t i = 0; i < work->domain->rules_num && !err; i++) {
		uint32_t number = work->domain->rules[i];
		const struct policy_rule *rule = &policy->rules[number];

		err = deal_rule(work, number, rule->source, POLICY_PROFILE_FROM);
		if (!err)
			err = deal_rule(work, number, rule->destination, POLICY_PROFILE_TO);
	}
	return err;
}

/* --- services: what of them is decided, and how --- */

struct stretch {
	uint32_t first, last;
	uint32_t action;
};

/* In order, apart */
struct row {
	struct stretch *data;
	uint32_t num, max;
};

static int row_insert(struct row *row, uint32_t at, uint32_t first, uint32_t last, uint32_t action)
{
	uint32_t more = row->max ? row->max * 2 : 16;
	struct stretch *bigger;

	if (row->num == row->max) {
		bigger = reallocarray(row->data, more, sizeof(*bigger));
		if (!bigger)
			return -ENOMEM;
		row->data = bigger;
		row->max = more;
	}
	memmove(row->data + at + 1, row->data + at, (row->num - at) * sizeof(*row->data));
	row->data[at] = (struct stretch){ first, last, action };
	row->num++;
	return 0;
}

/* What of the interval is not decided yet, is decided so. */
static int row_paint(struct row *row, uint32_t first, uint32_t last, uint32_t action)
{
	uint32_t at = 0;
	int err = 0;

	while (at < row->num && row->data[at].last < first)
		at++;
	while (!err && first <= last) {
		uint32_t until = last;

		if (at < row->num && row->data[at].first <= first) {
			if (row->data[at].last >= last)
				return 0;
			first = row->data[at++].last + 1;
			continue;
		}
		if (at < row->num && row->data[at].first <= last)
			until = row->data[at].first - 1;
		err = row_insert(row, at++, first, until, action);
		first = until + 1;
	}
	return err;
}

static int row_paint_rule(struct row *row, const struct policy *policy,
			  const struct policy_rule *rule)
{
	static const uint32_t protocols[POLICY_PROTOCOL_NUM] = {
		[POLICY_PROTOCOL_TCP] = CLASSIFIER_TCP,
		[POLICY_PROTOCOL_UDP] = CLASSIFIER_UDP,
		[POLICY_PROTOCOL_ICMP] = CLASSIFIER_ICMP,
	};
	uint32_t protocol = protocols[rule->protocol];
	int err = 0;

	if (rule->protocol == POLICY_PROTOCOL_ANY)
		return row_paint(row, 0, CLASSIFIER_SERVICE_MAX, rule->action);
	if (!rule->ports_num)
		return row_paint(row, CLASSIFIER_SERVICE(protocol, 0),
				 CLASSIFIER_SERVICE(protocol, 0xffff), rule->action);
	for (uint32_t i = 0; i < rule->ports_num && !err; i++) {
		const struct policy_ports *ports = &policy->ports[rule->ports + i];

		err = row_paint(row, CLASSIFIER_SERVICE(protocol, ports->first),
				CLASSIFIER_SERVICE(protocol, ports->last), rule->action);
	}
	return err;
}

/* --- a sweep over the other end's addresses --- */

/* A place where a rule begins to be about addresses, or no longer is. @end: it is the first behind */
struct event {
	uint8_t at[16];
	uint32_t rule;		/* index into the list */
	bool end;
};

static int compare_events(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(((struct event *)a)->at));
}

static bool step_up(uint8_t address[16])
{
	int i = 15;

	while (i >= 0 && !++address[i])
		i--;
	return i >= 0;
}

static bool step_down(uint8_t address[16])
{
	int i = 15;

	while (i >= 0 && !address[i]--)
		i--;
	return i >= 0;
}

static uint32_t other_set(const struct policy_rule *rule, enum policy_profile_side side)
{
	return side == POLICY_PROFILE_FROM ? rule->destination : rule->source;
}

/* With two at the edges of IPv4, so that no interval is of both families */
static int make_events(const struct work *work, const struct list *list,
		       enum policy_profile_side side, struct event **events, size_t *num)
{
	static const uint8_t v4_first[16] = { [10] = 0xff, 0xff };
	static const uint8_t v4_behind[16] = { [9] = 1 };
	size_t max = 2;

	for (uint32_t i = 0; i < list->num; i++)
		max += 2u * set_of(work, other_set(&work->compiled->policy->rules[list->data[i]],
						   side)).ranges_num;
	*events = calloc(max, sizeof(**events));
	if (!*events)
		return -ENOMEM;
	*num = 2;
	memcpy((*events)[0].at, v4_first, 16);
	memcpy((*events)[1].at, v4_behind, 16);
	(*events)[0].rule = (*events)[1].rule = POLICY_NONE;
	for (uint32_t i = 0; i < list->num; i++) {
		struct classifier_set set = set_of(work,
			other_set(&work->compiled->policy->rules[list->data[i]], side));

		for (uint32_t j = 0; j < set.ranges_num; j++) {
			struct event *event = &(*events)[(*num)++];

			memcpy(event->at, set.ranges[j].first, 16);
			event->rule = i;
			event->end = false;
			event = &(*events)[*num];
			memcpy(event->at, set.ranges[j].last, 16);
			event->rule = i;
			event->end = true;
			*num += step_up(event->at);
		}
	}
	qsort(*events, *num, sizeof(**events), compare_events);
	return 0;
}

static int add_box(struct policy_profile *profile, const uint8_t first[16], const uint8_t last[16],
		   const struct stretch *stretch)
{
	uint32_t more = profile->boxes_max ? profile->boxes_max * 2 : 16;
	struct policy_box *bigger;

	if (profile->boxes_num == profile->boxes_max) {
		if (more > POLICY_PROFILE_BOXES_MAX)
			return -E2BIG;
		bigger = reallocarray(profile->boxes, more, sizeof(*bigger));
		if (!bigger)
			return -ENOMEM;
		profile->boxes = bigger;
		profile->boxes_max = more;
	}
	bigger = &profile->boxes[profile->boxes_num++];
	memcpy(&bigger->first, first, 16);
	memcpy(&bigger->last, last, 16);
	bigger->service_first = stretch->first;
	bigger->service_last = stretch->last;
	return 0;
}

/*
 * The rules of a list whose ranges are open.
 * @open:	how many ranges of each
 * @active:	those, in order
 */
struct sweep {
	uint32_t *open;
	uint32_t *active;
	uint32_t active_num;
	struct row row;
};

static void sweep_apply(struct sweep *sweep, const struct event *event)
{
	uint32_t i = 0;

	if (event->end ? --sweep->open[event->rule] : sweep->open[event->rule]++)
		return;
	while (i < sweep->active_num && sweep->active[i] < event->rule)
		i++;
	if (event->end) {
		sweep->active_num--;
		memmove(sweep->active + i, sweep->active + i + 1,
			(sweep->active_num - i) * sizeof(*sweep->active));
	} else {
		memmove(sweep->active + i + 1, sweep->active + i,
			(sweep->active_num - i) * sizeof(*sweep->active));
		sweep->active[i] = event->rule;
		sweep->active_num++;
	}
}

/*
 * What is decided otherwise than by default between @first and @last. Stretches of several protocols
 * become one box of each.
 */
static int add_boxes(const struct work *work, const struct list *list, struct sweep *sweep,
		     struct policy_profile *profile, const uint8_t first[16],
		     const uint8_t last[16])
{
	struct row *row = &sweep->row;
	const struct policy *policy = work->compiled->policy;
	int err = 0;

	row->num = 0;
	for (uint32_t i = 0; i < sweep->active_num && !err; i++)
		err = row_paint_rule(row, policy, &policy->rules[list->data[sweep->active[i]]]);
	for (uint32_t i = 0; i < row->num && !err; i++) {
		struct stretch part = row->data[i];

		if (part.action != profile->action)
			continue;
		for (uint32_t end = part.last; part.first <= end && !err; part.first = part.last + 1) {
			part.last = part.first | 0xffff;
			if (part.last > end)
				part.last = end;
			err = add_box(profile, first, last, &part);
		}
	}
	return err;
}

static int sweep_all(const struct work *work, const struct list *list, const struct event *events,
		 size_t num, struct policy_profile *profile)
{
	struct sweep sweep = {
		.open = calloc(list->num + 1u, sizeof(*sweep.open)),
		.active = calloc(list->num + 1u, sizeof(*sweep.active)),
	};
	uint8_t first[16] = { 0 }, last[16];
	size_t at = 0;
	int err = sweep.open && sweep.active ? 0 : -ENOMEM;

	while (!err) {
		for (; at < num && !memcmp(events[at].at, first, 16); at++)
			if (events[at].rule != POLICY_NONE)
				sweep_apply(&sweep, &events[at]);
		if (at < num) {
			memcpy(last, events[at].at, 16);
			step_down(last);
		} else {
			memset(last, 0xff, sizeof(last));
		}
		err = add_boxes(work, list, &sweep, profile, first, last);
		if (at == num)
			break;
		memcpy(first, events[at].at, 16);
	}
	free(sweep.row.data);
	free(sweep.active);
	free(sweep.open);
	return err;
}

static int make_profile(const struct work *work, const struct list *list,
			enum policy_profile_side side, struct policy_profile *profile)
{
	struct event *events = NULL;
	size_t num;
	int err;

	profile->action = work->domain->action == POLICY_ALLOW ? POLICY_DENY : POLICY_ALLOW;
	err = make_events(work, list, side, &events, &num);
	if (!err)
		err = sweep_all(work, list, events, num, profile);
	free(events);
	return err;
}

/* --- all of them --- */

static bool same_rules(const struct list *a, const struct list *b)
{
	return a->num == b->num && (!a->num || !memcmp(a->data, b->data, a->num * sizeof(*a->data)));
}

/* That of an earlier address that is in the same sets; POLICY_NONE: there is none. The last ones are
 * most likely to be. */
static uint32_t known_profile(const struct work *work, const struct policy_profiles *profiles,
			      size_t address, enum policy_profile_side side)
{
	for (size_t i = address; i-- > 0;)
		if (same_rules(&work->rules[i][side], &work->rules[address][side]))
			return profiles->of[i][side];
	return POLICY_NONE;
}

static int make_profiles(const struct work *work, struct policy_profiles *profiles)
{
	int err = 0;

	for (size_t i = 0; i < work->num * POLICY_PROFILE_SIDE_NUM && !err; i++) {
		size_t address = i / POLICY_PROFILE_SIDE_NUM;
		enum policy_profile_side side = i % POLICY_PROFILE_SIDE_NUM;
		uint32_t *of = &profiles->of[address][side];

		*of = known_profile(work, profiles, address, side);
		if (*of != POLICY_NONE)
			continue;
		*of = profiles->num++;
		err = make_profile(work, &work->rules[address][side], side, &profiles->profiles[*of]);
	}
	return err;
}

int policy_profiles_build(struct policy_profiles *profiles, const struct policy_compiled *compiled,
			  const struct policy_domain *domain,
			  const struct classifier_set *dynamic, const struct in6_addr *addresses,
			  size_t num)
{
	struct work work = {
		.compiled = compiled, .domain = domain, .dynamic = dynamic,
		.addresses = addresses, .num = num,
		.set_of = malloc((compiled->policy->sets_num + 1u) * sizeof(*work.set_of)),
		.rules = calloc(num + 1, sizeof(*work.rules)),
	};
	int err = -ENOMEM;

	memset(profiles, 0, sizeof(*profiles));
	profiles->of = calloc(num + 1, sizeof(*profiles->of));
	profiles->profiles = calloc(num * POLICY_PROFILE_SIDE_NUM + 1,
				    sizeof(*profiles->profiles));
	if (work.set_of && work.rules && profiles->of && profiles->profiles) {
		memset(work.set_of, 0xff, compiled->policy->sets_num * sizeof(*work.set_of));
		for (uint32_t i = 0; i < domain->dynamic_num; i++)
			work.set_of[domain->dynamic[i]] = i;
		err = deal(&work);
	}
	if (!err)
		err = make_profiles(&work, profiles);
	for (size_t i = 0; i < num && work.rules; i++)
		for (int side = 0; side < POLICY_PROFILE_SIDE_NUM; side++)
			free(work.rules[i][side].data);
	free(work.rules);
	free(work.set_of);
	return err;
}

void policy_profiles_free(struct policy_profiles *profiles)
{
	for (uint32_t i = 0; i < profiles->num; i++)
		free(profiles->profiles[i].boxes);
	free(profiles->profiles);
	free(profiles->of);
	memset(profiles, 0, sizeof(*profiles));
}
