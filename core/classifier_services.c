/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* classifier_services.c - lists of services as steps */
#include "classifier_build.h"

static struct classifier_step *steps_add(struct classifier_services_build *build, size_t num)
{
	return classifier_buffer_add(&build->steps, num, sizeof(struct classifier_step),
				     build->allocator);
}

/* Room for @num numbers, in place of what was there */
static uint32_t *numbers_room(struct classifier_services_build *build, size_t num)
{
	build->numbers.num = 0;
	return classifier_buffer_add(&build->numbers, num, sizeof(uint32_t), build->allocator);
}

int classifier_services_open(struct classifier_services_build *build, uint32_t lists_num)
{
	build->known_num = 1;
	while (build->known_num < 2 * ((size_t)lists_num + 1))
		build->known_num *= 2;
	build->known = classifier_zalloc(build->allocator, build->known_num,
					 sizeof(*build->known));
	return build->known ? 0 : -ENOMEM;
}

void classifier_services_close(struct classifier_services_build *build)
{
	classifier_buffer_free(&build->steps, build->allocator);
	classifier_buffer_free(&build->numbers, build->allocator);
	build->allocator->free(build->known);
}

/* --- one rule's --- */

static uint32_t list_hash(const struct classifier_step *list)
{
	uint32_t hash = list->first;

	for (uint32_t i = 1; i <= list->first; i++)
		hash = classifier_mix(hash * 31 + list[i].first);
	return hash;
}

/* The list at @services, the last one, if it is new; or else the one like it, and takes it away */
static uint32_t list_intern(struct classifier_services_build *build, uint32_t services)
{
	const struct classifier_step *steps = build->steps.data;
	const struct classifier_step *list = steps + services;
	size_t i = list_hash(list) & (build->known_num - 1);

	for (; build->known[i]; i = (i + 1) & (build->known_num - 1)) {
		const struct classifier_step *other = steps + build->known[i] - 1;

		if (other->first != list->first ||
		    memcmp(other, list, (list->first + 1) * sizeof(*list)))
			continue;
		build->steps.num = services;
		return build->known[i] - 1;
	}
	build->known[i] = services + 1;
	return services;
}

/* Steps of the union of intervals that begin at @firsts and end before @ends, both sorted */
static int union_add(struct classifier_services_build *build, const uint32_t *firsts,
		     const uint32_t *ends, uint32_t num)
{
	struct classifier_step *steps = steps_add(build, 2 * (size_t)num + 1);
	uint32_t steps_num = 0, i = 0;

	if (!steps)
		return -ENOMEM;
	while (i < num) {
		uint32_t first = firsts[i];

		/* As many have ended as have begun, and none begins just there. */
		while (i + 1 < num && firsts[i + 1] <= ends[i])
			i++;
		steps[++steps_num] = (struct classifier_step){ first, 0 };
		steps[++steps_num] = (struct classifier_step){ ends[i++], CLASSIFIER_NONE };
	}
	steps[0] = (struct classifier_step){ steps_num, 0 };
	build->steps.num -= 2 * (size_t)num - steps_num;
	return 0;
}

int classifier_services_add(struct classifier_services_build *build,
			    const struct classifier_interval *intervals, uint32_t num,
			    uint32_t *services)
{
	uint32_t *firsts = numbers_room(build, 3 * (size_t)num);
	uint32_t *ends = firsts + num, *scratch = ends + num;
	uint32_t list = (uint32_t)build->steps.num;

	if (!firsts)
		return -ENOMEM;
	for (uint32_t i = 0; i < num; i++) {
		firsts[i] = intervals[i].first;
		ends[i] = intervals[i].last + 1;
	}
	classifier_sort_numbers(firsts, scratch, num);
	classifier_sort_numbers(ends, scratch, num);
	if (union_add(build, firsts, ends, num))
		return -ENOMEM;
	*services = list_intern(build, list);
	return 0;
}

/* --- several rules' --- */

/*
 * The services of a cell, cut wherever one of its rules' begins or ends. Each rule, in order, takes
 * the pieces of its services that none has taken yet; @skip leads past those that are taken.
 */
struct pieces {
	uint32_t *starts;
	uint32_t *skip;
	uint32_t *rules;
	uint32_t num;
};

static const struct classifier_step *entry_steps(const struct classifier_cells_build *build,
						 uint32_t entry)
{
	return (const struct classifier_step *)build->services->steps.data +
	       build->entries[entry].services;
}

static size_t cell_steps(const struct classifier_cells_build *build, uint32_t entry)
{
	size_t num = 0;

	for (; entry != CLASSIFIER_NONE; entry = build->next[entry])
		num += entry_steps(build, entry)->first;
	return num;
}

static int pieces_cut(const struct classifier_cells_build *build, uint32_t entry,
		      struct pieces *pieces)
{
	size_t max = cell_steps(build, entry), num = 0;
	uint32_t *numbers = numbers_room(build->services, 3 * (max + 1));

	if (!numbers)
		return -ENOMEM;
	pieces->starts = numbers;
	pieces->skip = numbers + max + 1;
	pieces->rules = pieces->skip + max + 1;
	pieces->num = 0;
	for (; entry != CLASSIFIER_NONE; entry = build->next[entry]) {
		const struct classifier_step *list = entry_steps(build, entry);

		for (uint32_t i = 1; i <= list->first; i++)
			numbers[num++] = list[i].first;
	}
	classifier_sort_numbers(numbers, pieces->skip, num);
	for (size_t i = 0; i < num; i++) {
		if (!i || numbers[i] != numbers[i - 1])
			numbers[pieces->num++] = numbers[i];
	}
	for (uint32_t i = 0; i <= pieces->num; i++) {
		pieces->skip[i] = i;
		pieces->rules[i] = CLASSIFIER_NONE;
	}
	return 0;
}

static uint32_t piece_at(const struct pieces *pieces, uint32_t start)
{
	uint32_t low = 0, high = pieces->num;

	while (high - low > 1) {
		uint32_t middle = (low + high) / 2;

		if (pieces->starts[middle] <= start)
			low = middle;
		else
			high = middle;
	}
	return low;
}

/* The first piece from @i on that is not taken; the way to it becomes shorter. */
static uint32_t piece_free(const struct pieces *pieces, uint32_t i)
{
	while (pieces->skip[i] != i) {
		pieces->skip[i] = pieces->skip[pieces->skip[i]];
		i = pieces->skip[i];
	}
	return i;
}

static void pieces_take(const struct pieces *pieces, const struct classifier_step *list,
			uint32_t rule)
{
	for (uint32_t i = 1; i < list->first; i += 2) {
		uint32_t piece = piece_free(pieces, piece_at(pieces, list[i].first));

		while (piece < pieces->num && pieces->starts[piece] < list[i + 1].first) {
			pieces->rules[piece] = rule;
			pieces->skip[piece] = piece + 1;
			piece = piece_free(pieces, piece + 1);
		}
	}
}

static int pieces_put(struct classifier_services_build *build, const struct pieces *pieces,
		      uint32_t *services)
{
	struct classifier_step *steps;
	uint32_t num = 0;

	*services = (uint32_t)build->steps.num;
	steps = steps_add(build, (size_t)pieces->num + 1);
	if (!steps)
		return -ENOMEM;
	for (uint32_t i = 0; i < pieces->num; i++) {
		if (!num || steps[num].rule != pieces->rules[i])
			steps[++num] = (struct classifier_step){ pieces->starts[i],
								 pieces->rules[i] };
	}
	steps[0] = (struct classifier_step){ num, 0 };
	build->steps.num -= pieces->num - num;
	return 0;
}

int classifier_services_merge(struct classifier_cells_build *build, uint32_t entry,
			      uint32_t *services)
{
	struct pieces pieces;
	int ret = pieces_cut(build, entry, &pieces);

	for (; !ret && entry != CLASSIFIER_NONE; entry = build->next[entry])
		pieces_take(&pieces, entry_steps(build, entry), build->entries[entry].rule);
	return ret ? ret : pieces_put(build->services, &pieces, services);
}
