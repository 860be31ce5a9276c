/* SPDX-License-Identifier: MIT */
/* policy_profile.c - what the policy says of one address */
#include "policy_profile.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "address_step.h"
#include "policy_class.h"
#include "policy_row.h"

#define EVENT_COST	8	/* steps: it is sorted */
#define MOVED_A_STEP	64	/* active rules that are moved in the time of a step */

struct work {
	struct policy_ends ends;
	struct policy_profile_budget *budget;
};

static int spend(const struct work *work, uint64_t steps)
{
	if (steps > work->budget->work)
		return -E2BIG;
	work->budget->work -= steps;
	return 0;
}

/* --- a sweep over the other end's addresses --- */

/* A place where a rule begins to be about addresses, or no longer is. @end: it is the first behind */
struct event {
	uint8_t at[16];
	uint32_t rule;		/* index into the class's */
	bool end;
};

static int compare_events(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(((struct event *)a)->at));
}

/* The other end's addresses of the class's rule @i */
static struct classifier_set other_ends(const struct work *work, const struct policy_class *class,
					uint32_t i, enum policy_side side)
{
	const struct policy_rule *rule = &work->ends.compiled->policy->rules[class->rules[i]];

	return policy_ends_of(&work->ends, side == POLICY_SIDE_FROM ? rule->destination :
							       rule->source);
}

/* With two at the edges of IPv4, so that no interval is of both families */
static int make_events(const struct work *work, const struct policy_class *class,
		       enum policy_side side, struct event **events, size_t *num)
{
	static const uint8_t v4_first[16] = { [10] = 0xff, 0xff };
	static const uint8_t v4_behind[16] = { [9] = 1 };
	size_t max = 2;

	for (uint32_t i = 0; i < class->rules_num; i++)
		max += 2u * other_ends(work, class, i, side).ranges_num;
	if (spend(work, max * EVENT_COST))
		return -E2BIG;
	*events = calloc(max, sizeof(**events));
	if (!*events)
		return -ENOMEM;
	*num = 2;
	memcpy((*events)[0].at, v4_first, 16);
	memcpy((*events)[1].at, v4_behind, 16);
	(*events)[0].rule = (*events)[1].rule = POLICY_NONE;
	for (uint32_t i = 0; i < class->rules_num; i++) {
		struct classifier_set set = other_ends(work, class, i, side);

		for (uint32_t j = 0; j < set.ranges_num; j++) {
			struct event *event = &(*events)[(*num)++];

			memcpy(event->at, set.ranges[j].first, 16);
			event->rule = i;
			event->end = false;
			event = &(*events)[*num];
			memcpy(event->at, set.ranges[j].last, 16);
			event->rule = i;
			event->end = true;
			*num += address_step_up(event->at);
		}
	}
	qsort(*events, *num, sizeof(**events), compare_events);
	return 0;
}

static int add_box(const struct work *work, struct policy_profile *profile,
		   const uint8_t first[16], const uint8_t last[16],
		   const struct policy_stretch *stretch)
{
	uint32_t more = profile->boxes_max ? profile->boxes_max * 2 : 16;
	struct policy_box *bigger;

	if (!work->budget->boxes)
		return -E2BIG;
	work->budget->boxes--;
	if (profile->boxes_num == profile->boxes_max) {
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
 * The rules of a class whose ranges are open.
 * @open:	how many ranges of each
 * @active:	those, in order
 */
struct sweep {
	uint32_t *open;
	uint32_t *active;
	uint32_t active_num;
	struct policy_row row;
};

static uint32_t find_active(const struct sweep *sweep, uint32_t rule)
{
	uint32_t low = 0, high = sweep->active_num;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (sweep->active[middle] < rule)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static void sweep_apply(struct sweep *sweep, const struct event *event)
{
	uint32_t i;

	if (event->end ? --sweep->open[event->rule] : sweep->open[event->rule]++)
		return;
	i = find_active(sweep, event->rule);
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

/* -E2BIG: it would take too long. */
static int paint(const struct work *work, const struct policy_class *class, struct sweep *sweep)
{
	struct policy_row *row = &sweep->row;
	const struct policy *policy = work->ends.compiled->policy;
	uint64_t before = row->work;
	int err = 0;

	policy_row_clear(row);
	for (uint32_t i = 0; i < sweep->active_num && !err && !policy_row_is_full(row); i++) {
		err = policy_row_paint(row, policy,
				       &policy->rules[class->rules[sweep->active[i]]]);
		if (row->work - before > work->budget->work)
			return -E2BIG;
	}
	return err ? err : spend(work, row->work - before + sweep->active_num / MOVED_A_STEP);
}

/*
 * What is decided otherwise than by default between @first and @last. Stretches of several protocols
 * become one box of each.
 */
static int add_boxes(const struct work *work, const struct policy_row *row,
		     struct policy_profile *profile, const uint8_t first[16],
		     const uint8_t last[16])
{
	int err = 0;

	for (uint32_t i = 0; i < row->num && !err; i++) {
		struct policy_stretch part = row->stretches[i];

		if (part.action != profile->action)
			continue;
		for (uint32_t end = part.last; part.first <= end && !err; part.first = part.last + 1) {
			part.last = part.first | 0xffff;
			if (part.last > end)
				part.last = end;
			err = add_box(work, profile, first, last, &part);
		}
	}
	return err;
}

static int sweep_all(const struct work *work, const struct policy_class *class,
		     const struct event *events, size_t num, struct policy_profile *profile)
{
	struct sweep sweep = {
		.open = calloc(class->rules_num + 1u, sizeof(*sweep.open)),
		.active = calloc(class->rules_num + 1u, sizeof(*sweep.active)),
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
			address_step_down(last);
		} else {
			memset(last, 0xff, sizeof(last));
		}
		err = paint(work, class, &sweep);
		if (!err)
			err = add_boxes(work, &sweep.row, profile, first, last);
		if (at == num)
			break;
		memcpy(first, events[at].at, 16);
	}
	policy_row_free(&sweep.row);
	free(sweep.active);
	free(sweep.open);
	return err;
}

static int make_profile(const struct work *work, const struct policy_class *class,
			enum policy_side side, struct policy_profile *profile)
{
	struct event *events = NULL;
	size_t num;
	int err;

	profile->action = work->ends.domain->action == POLICY_ALLOW ? POLICY_DENY : POLICY_ALLOW;
	err = make_events(work, class, side, &events, &num);
	if (!err)
		err = sweep_all(work, class, events, num, profile);
	free(events);
	return err;
}

/* --- all of them --- */

static int make_side(const struct work *work, enum policy_side side,
		     const struct in6_addr *addresses, size_t num,
		     struct policy_profiles *profiles)
{
	uint32_t first = profiles->num;
	struct policy_classes classes;
	int err = policy_classes_make(&classes, &work->ends, side, addresses, num);

	for (uint32_t i = 0; i < classes.num && !err; i++)
		err = make_profile(work, &classes.classes[i], side,
				   &profiles->profiles[profiles->num++]);
	for (size_t i = 0; i < num && !err; i++)
		profiles->of[i][side] = first + classes.of[i];
	policy_classes_free(&classes);
	return err;
}

int policy_profiles_build(struct policy_profiles *profiles, const struct policy_compiled *compiled,
			  const struct policy_domain *domain,
			  const struct classifier_set *dynamic, const struct in6_addr *addresses,
			  size_t num, struct policy_profile_budget *budget)
{
	struct work work = { .budget = budget };
	int err = policy_ends_init(&work.ends, compiled, domain, dynamic);

	profiles->num = 0;
	profiles->of = calloc(num + 1, sizeof(*profiles->of));
	profiles->profiles = calloc((num + 1) * POLICY_SIDE_NUM, sizeof(*profiles->profiles));
	if (!profiles->of || !profiles->profiles)
		err = -ENOMEM;
	for (int side = 0; side < POLICY_SIDE_NUM && !err; side++)
		err = make_side(&work, side, addresses, num, profiles);
	policy_ends_exit(&work.ends);
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
