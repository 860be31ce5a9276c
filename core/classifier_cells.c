/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* classifier_cells.c - rules by their pairs of sets */
#include "classifier_build.h"

static struct classifier_cell *cell_of(const struct classifier_cells_build *build, uint32_t number)
{
	return (struct classifier_cell *)build->cells.data + number;
}

static int cell_add(struct classifier_cells_build *build, uint32_t entry)
{
	struct classifier_cell *cell = classifier_buffer_add(&build->cells, 1, sizeof(*cell),
							     build->allocator);

	if (!cell)
		return -ENOMEM;
	cell->src = build->entries[entry].sets[CLASSIFIER_SRC];
	cell->dst = build->entries[entry].sets[CLASSIFIER_DST];
	cell->first = entry;
	cell->last = entry;
	return 0;
}

/* @table: cells' numbers plus one */
static int entry_place(struct classifier_cells_build *build, uint32_t entry, uint32_t *table,
		       uint32_t table_num)
{
	const uint32_t *sets = build->entries[entry].sets;
	uint32_t i = classifier_slot_of(sets[0], sets[1], table_num);

	build->next[entry] = CLASSIFIER_NONE;
	for (; table[i]; i = i + 1 < table_num ? i + 1 : 0) {
		struct classifier_cell *cell = cell_of(build, table[i] - 1);

		if (cell->src != sets[0] || cell->dst != sets[1])
			continue;
		build->next[cell->last] = entry;
		cell->last = entry;
		return 0;
	}
	table[i] = (uint32_t)build->cells.num + 1;
	return cell_add(build, entry);
}

static int entries_place(struct classifier_cells_build *build)
{
	uint32_t table_num = 2 * build->entries_num + 1;
	uint32_t *table = classifier_zalloc(build->allocator, table_num, sizeof(*table));
	int ret = 0;

	build->next = classifier_zalloc(build->allocator, build->entries_num,
					sizeof(*build->next));
	if (!table || !build->next)
		ret = -ENOMEM;
	for (uint32_t i = 0; !ret && i < build->entries_num; i++)
		ret = entry_place(build, i, table, table_num);
	build->allocator->free(table);
	return ret;
}

static void slot_put(struct classifier_cells_build *build, const struct classifier_slot *slot)
{
	uint32_t i = classifier_slot_of(slot->src, slot->dst, build->slots_num);

	while (build->slots[i].rule != CLASSIFIER_NONE)
		i = i + 1 < build->slots_num ? i + 1 : 0;
	build->slots[i] = *slot;
}

/* The longest run of slots that are not empty, and the empty one behind it: what a probe may have
 * to read; one is always empty. */
static uint32_t run_max(const struct classifier_cells_build *build)
{
	uint32_t run = 0, longest = 0;

	for (uint32_t i = 0; i < 2 * build->slots_num; i++) {
		run = build->slots[i % build->slots_num].rule == CLASSIFIER_NONE ? 0 : run + 1;
		if (run > longest)
			longest = run;
	}
	return longest + 1;
}

static void slots_clear(struct classifier_cells_build *build)
{
	for (uint32_t i = 0; i < build->slots_num; i++)
		build->slots[i] = (struct classifier_slot){ .rule = CLASSIFIER_NONE };
}

static int cell_services(struct classifier_cells_build *build, const struct classifier_cell *cell,
			 uint32_t *services)
{
	int ret;

	*services = build->entries[cell->first].services;
	if (cell->first == cell->last)
		return 0;
	ret = classifier_services_merge(build, cell->first, services);
	*services |= CLASSIFIER_MANY;
	return ret;
}

int classifier_cells_build(struct classifier_cells_build *build)
{
	int ret = entries_place(build);

	if (ret)
		return ret;
	build->slots_num = 2 * (uint32_t)build->cells.num + 1;
	build->slots = classifier_zalloc(build->allocator, build->slots_num,
					 sizeof(*build->slots));
	if (!build->slots)
		return -ENOMEM;
	slots_clear(build);
	for (uint32_t i = 0; !ret && i < build->cells.num; i++) {
		const struct classifier_cell *cell = cell_of(build, i);
		struct classifier_slot slot = { .src = cell->src, .dst = cell->dst };

		slot.rule = build->entries[cell->first].rule;
		ret = cell_services(build, cell, &slot.services);
		slot_put(build, &slot);
	}
	build->slots_run = run_max(build);
	return ret;
}

void classifier_cells_close(struct classifier_cells_build *build)
{
	classifier_buffer_free(&build->cells, build->allocator);
	build->allocator->free(build->next);
	build->allocator->free(build->slots);
}
