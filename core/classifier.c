/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* classifier.c - looking up the first rule that matches */
#include "classifier_layout.h"

/*
 * Where an address lies.
 * @ranks:	among the static sets and among the dynamic ones
 * @lists:	of sets that contain it, likewise
 */
struct place {
	uint32_t ranks[2];
	const uint32_t *lists[2];
};

static const uint32_t empty_list[1];

static const void *at(const void *block, uint32_t offset)
{
	return (const char *)block + offset;
}

/* In a node whose first key is at most @key: the last one that is */
static uint32_t node4_find(const uint32_t *node, uint32_t key)
{
	uint32_t i = 8u * (node[8] <= key);

	i += 4u * (node[i + 4] <= key);
	i += 2u * (node[i + 2] <= key);
	return i + (node[i + 1] <= key);
}

static uint32_t node6_find(const struct classifier_key *node, const struct classifier_key *key)
{
	uint32_t i = 8u * classifier_key_le(&node[8], key);

	i += 4u * classifier_key_le(&node[i + 4], key);
	i += 2u * classifier_key_le(&node[i + 2], key);
	return i + classifier_key_le(&node[i + 1], key);
}

/* The padding must not be found: the highest key is told apart. */
static uint32_t tree4_find(const void *block, const struct classifier_tree *tree, uint32_t key)
{
	uint32_t i = 0;

	if (key == 0xffffffffu)
		return tree->num - 1;
	for (uint32_t level = tree->levels; level-- > 0;) {
		const uint32_t *keys = at(block, tree->at[level]);

		i = i * CLASSIFIER_FANOUT + node4_find(keys + i * CLASSIFIER_FANOUT, key);
	}
	return i;
}

static uint32_t tree6_find(const void *block, const struct classifier_tree *tree,
			   const struct classifier_key *key)
{
	uint32_t i = 0;

	if (!~(key->high & key->low))
		return tree->num - 1;
	for (uint32_t level = tree->levels; level-- > 0;) {
		const struct classifier_key *keys = at(block, tree->at[level]);

		i = i * CLASSIFIER_FANOUT + node6_find(keys + i * CLASSIFIER_FANOUT, key);
	}
	return i;
}

static void axis_find(const void *block, const struct classifier_axis *axis,
		      enum classifier_family family, const struct classifier_key *key,
		      uint32_t *rank, const uint32_t **list)
{
	const uint32_t *list_of = at(block, axis->list_of), *lists = at(block, axis->lists);

	if (family == CLASSIFIER_IPV4)
		*rank = tree4_find(block, &axis->trees[family], (uint32_t)key->low);
	else
		*rank = axis->trees[CLASSIFIER_IPV4].num +
			tree6_find(block, &axis->trees[family], key);
	*list = lists + list_of[*rank];
}

static void place_find(const struct classifier *classifier,
		       const struct classifier_members *members, enum classifier_side side,
		       const uint8_t *address, struct place *place)
{
	struct classifier_key key;
	enum classifier_family family = classifier_key_of(address, &key);

	axis_find(classifier, &classifier->axes[side], family, &key, &place->ranks[0],
		  &place->lists[0]);
	place->ranks[1] = 0;
	place->lists[1] = empty_list;
	if (members)
		axis_find(members, &members->axes[side], family, &key, &place->ranks[1],
			  &place->lists[1]);
}

/* The rule of the step that @service lies in */
static uint32_t steps_find(const struct classifier_step *list, uint32_t service)
{
	uint32_t low = 0, high = list->first;

	while (low < high) {
		uint32_t middle = (low + high) / 2;

		if (list[1 + middle].first <= service)
			low = middle + 1;
		else
			high = middle;
	}
	return low ? list[low].rule : CLASSIFIER_NONE;
}

static uint32_t services_find(const struct classifier *classifier, uint32_t services,
			      uint32_t service, uint32_t rule)
{
	const struct classifier_step *steps = at(classifier, classifier->steps);
	uint32_t found = steps_find(steps + (services & ~CLASSIFIER_MANY), service);

	return services & CLASSIFIER_MANY || found == CLASSIFIER_NONE ? found : rule;
}

/* The first rule of the cell @src, @dst, if it comes before @best; or else @best */
static uint32_t cell_find(const struct classifier *classifier, uint32_t src, uint32_t dst,
			  uint32_t service, uint32_t best, struct classifier_work *work)
{
	const struct classifier_slot *slots = at(classifier, classifier->slots);
	uint32_t i = classifier_slot_of(src, dst, classifier->slots_num);
	uint32_t found;

	work->probes++;
	work->slots++;
	while (slots[i].src != src || slots[i].dst != dst) {
		if (slots[i].rule == CLASSIFIER_NONE)
			return best;
		i = i + 1 < classifier->slots_num ? i + 1 : 0;
		work->slots++;
	}
	if (slots[i].rule >= best)
		return best;
	found = services_find(classifier, slots[i].services, service, slots[i].rule);
	return found < best ? found : best;
}

/* The first rule of all cells of these sets, if it comes before @best; or else @best */
static uint32_t pairs_find(const struct classifier *classifier, const uint32_t *src,
			   const uint32_t *dst, uint32_t service, uint32_t best,
			   struct classifier_work *work)
{
	const struct classifier_set_info *src_infos = at(classifier, classifier->infos[0]);
	const struct classifier_set_info *dst_infos = at(classifier, classifier->infos[1]);

	for (uint32_t i = 1; i <= src[0] && src_infos[src[i]].first_rule < best; i++) {
		uint32_t partners = src_infos[src[i]].partners;
		uint32_t bit = classifier_filter_bit(src[i]);

		for (uint32_t j = 1; j <= dst[0]; j++) {
			const struct classifier_set_info *info = &dst_infos[dst[j]];

			if (info->first_rule >= best)
				break;
			work->pairs++;
			if (partners & classifier_filter_bit(dst[j]) && info->partners & bit)
				best = cell_find(classifier, src[i], dst[j], service, best, work);
		}
	}
	return best;
}

/* --- crowded rules --- */

static const uint64_t *row_find(const struct classifier *classifier,
				enum classifier_axis_kind kind, uint32_t rank)
{
	const struct classifier_blocks *blocks = &classifier->blocks[kind];
	const uint32_t *starts = at(classifier, blocks->starts);
	const uint64_t *rows = at(classifier, blocks->rows);
	uint32_t low = 0, high = blocks->num;

	while (high - low > 1) {
		uint32_t middle = (low + high) / 2;

		if (starts[middle] <= rank)
			low = middle;
		else
			high = middle;
	}
	return rows + (size_t)low * classifier->words;
}

static bool spans_contain(const struct classifier_span *list, uint32_t rank)
{
	uint32_t low = 0, high = list->first;

	while (low < high) {
		uint32_t middle = (low + high) / 2;

		if (list[1 + middle].last < rank)
			low = middle + 1;
		else
			high = middle;
	}
	return low < list->first && list[1 + low].first <= rank;
}

static bool set_contains(const struct classifier *classifier,
			 const struct classifier_members *members, enum classifier_side side,
			 uint32_t set, const struct place *place)
{
	const struct classifier_span *spans;
	const uint32_t *spans_of;

	if (!(set & CLASSIFIER_DYNAMIC)) {
		spans = at(classifier, classifier->spans[side]);
		return spans_contain(spans + set, place->ranks[0]);
	}
	if (!members)
		return false;
	spans = at(members, members->spans[side]);
	spans_of = at(members, members->spans_of[side]);
	return spans_contain(spans + spans_of[set & ~CLASSIFIER_DYNAMIC], place->ranks[1]);
}

static bool crowded_matches(const struct classifier *classifier,
			    const struct classifier_members *members,
			    const struct classifier_entry *crowded, const struct place *src,
			    const struct place *dst, uint32_t service)
{
	return set_contains(classifier, members, CLASSIFIER_SRC, crowded->sets[0], src) &&
	       set_contains(classifier, members, CLASSIFIER_DST, crowded->sets[1], dst) &&
	       services_find(classifier, crowded->services, service, 0) != CLASSIFIER_NONE;
}

/* How many crowded rules come before @rule */
static uint32_t crowded_before(const struct classifier *classifier,
			       const struct classifier_entry *crowded, uint32_t rule)
{
	uint32_t low = 0, high = classifier->crowded_num;

	while (low < high) {
		uint32_t middle = (low + high) / 2;

		if (crowded[middle].rule < rule)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* The first crowded rule that matches, if it comes before @best; or else @best */
static uint32_t crowded_find(const struct classifier *classifier,
			     const struct classifier_members *members, const struct place *src,
			     const struct place *dst, uint32_t service, uint32_t best,
			     struct classifier_work *work)
{
	const struct classifier_entry *crowded = at(classifier, classifier->crowded);
	const uint64_t *src_row = row_find(classifier, CLASSIFIER_AXIS_SRC, src->ranks[0]);
	const uint64_t *dst_row = row_find(classifier, CLASSIFIER_AXIS_DST, dst->ranks[0]);
	const uint64_t *service_row = row_find(classifier, CLASSIFIER_AXIS_SERVICE, service);
	uint32_t num = crowded_before(classifier, crowded, best);

	for (uint32_t word = 0; word * 64 < num; word++) {
		uint64_t bits = src_row[word] & dst_row[word] & service_row[word];

		work->words++;
		for (; bits; bits &= bits - 1) {
			uint32_t i = word * 64 + (uint32_t)__builtin_ctzll(bits);

			if (i >= num)
				return best;
			work->candidates++;
			if (crowded_matches(classifier, members, &crowded[i], src, dst, service))
				return crowded[i].rule;
		}
	}
	return best;
}

uint32_t classifier_lookup_counted(const struct classifier *classifier,
				   const struct classifier_members *members,
				   const struct classifier_question *question,
				   struct classifier_work *work)
{
	uint32_t best = CLASSIFIER_NONE;
	struct place src, dst;

	memset(work, 0, sizeof(*work));
	place_find(classifier, members, CLASSIFIER_SRC, question->src, &src);
	place_find(classifier, members, CLASSIFIER_DST, question->dst, &dst);
	for (unsigned int i = 0; i < 4; i++)
		best = pairs_find(classifier, src.lists[i / 2], dst.lists[i % 2],
				  question->service, best, work);
	if (classifier->crowded_num)
		best = crowded_find(classifier, members, &src, &dst, question->service, best, work);
	return best;
}

uint32_t classifier_lookup(const struct classifier *classifier,
			   const struct classifier_members *members,
			   const struct classifier_question *question)
{
	struct classifier_work work;

	return classifier_lookup_counted(classifier, members, question, &work);
}

void classifier_stats(const struct classifier *classifier, struct classifier_stats *stats)
{
	stats->size = classifier->size;
	stats->cells = classifier->cells_num;
	stats->slots_run = classifier->slots_run;
	for (unsigned int side = 0; side < CLASSIFIER_SIDE_NUM; side++)
		stats->depth[side] = classifier->axes[side].depth;
	stats->crowded = classifier->crowded_num;
	stats->in_vain = classifier->in_vain;
}

size_t classifier_members_size(const struct classifier_members *members)
{
	return members->size;
}
