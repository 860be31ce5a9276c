/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* classifier.c - looking up the first rule that matches */
#include "classifier_layout.h"

/* An address on an axis. @leaf: where it is, once that has been found */
struct spot {
	const void *block;
	const struct classifier_axis *axis;
	uint32_t leaf;
	uint32_t rank;
	const struct classifier_member *list;
};

/*
 * An address and where it lies.
 * @spots:	among the static sets, and among the dynamic ones
 */
struct place {
	struct classifier_key key;
	enum classifier_family family;
	struct spot spots[2];
};

static const struct classifier_member empty_list[1];

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
static bool key_is_max(const struct place *place)
{
	return place->family == CLASSIFIER_IPV4 ? place->key.low == 0xffffffffu :
						  !~(place->key.high & place->key.low);
}

static const void *leaf_of(const struct spot *spot, enum classifier_family family)
{
	const struct classifier_tree *tree = &spot->axis->trees[family];

	if (family == CLASSIFIER_IPV4)
		return (const struct classifier_leaf4 *)at(spot->block, tree->leaves) + spot->leaf;
	return (const struct classifier_leaf6 *)at(spot->block, tree->leaves) + spot->leaf;
}

/* Finds the leaf. */
static void spot_descend(const struct place *place, struct spot *spot)
{
	const struct classifier_tree *tree = &spot->axis->trees[place->family];
	uint32_t i = 0;

	for (uint32_t level = tree->levels; level-- > 0;) {
		const void *keys = at(spot->block, tree->at[level]);

		i *= CLASSIFIER_FANOUT;
		if (place->family == CLASSIFIER_IPV4)
			i += node4_find((const uint32_t *)keys + i, (uint32_t)place->key.low);
		else
			i += node6_find((const struct classifier_key *)keys + i, &place->key);
	}
	spot->leaf = i;
}

/* Finds the place in the leaf. */
static void spot_settle(const struct place *place, struct spot *spot)
{
	const void *leaf = leaf_of(spot, place->family);
	const struct classifier_leaf4 *leaf4 = leaf;
	const struct classifier_leaf6 *leaf6 = leaf;
	bool v4 = place->family == CLASSIFIER_IPV4;
	uint32_t i, list;

	if (key_is_max(place))
		i = (spot->axis->trees[place->family].num - 1) % CLASSIFIER_FANOUT;
	else
		i = v4 ? node4_find(leaf4->keys, (uint32_t)place->key.low) :
			 node6_find(leaf6->keys, &place->key);
	list = v4 ? leaf4->lists[i] : leaf6->lists[i];
	spot->rank = spot->leaf * CLASSIFIER_FANOUT + i +
		     (v4 ? 0 : spot->axis->trees[CLASSIFIER_IPV4].num);
	spot->list = (const struct classifier_member *)at(spot->block, spot->axis->lists) + list;
	__builtin_prefetch(spot->list);
}

static void spot_open(const struct place *place, struct spot *spot, const void *block,
		      const struct classifier_axis *axis)
{
	spot->block = block;
	spot->axis = axis;
	spot->rank = 0;
	spot->list = empty_list;
	if (!block)
		return;
	if (key_is_max(place))
		spot->leaf = (axis->trees[place->family].num - 1) / CLASSIFIER_FANOUT;
	else
		spot_descend(place, spot);
	__builtin_prefetch(leaf_of(spot, place->family));
	__builtin_prefetch((const char *)leaf_of(spot, place->family) + CLASSIFIER_LINE);
}

static void place_open(const struct classifier *classifier,
		       const struct classifier_members *members, enum classifier_side side,
		       const uint8_t *address, struct place *place)
{
	place->family = classifier_key_of(address, &place->key);
	spot_open(place, &place->spots[0], classifier, &classifier->axes[side]);
	spot_open(place, &place->spots[1], members, members ? &members->axes[side] : NULL);
}

static void place_settle(struct place *place)
{
	spot_settle(place, &place->spots[0]);
	if (place->spots[1].block)
		spot_settle(place, &place->spots[1]);
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

/*
 * The first rule of all cells of these sets, if it comes before @best; or else @best. Sets are
 * numbered as rules name them, each rule at most one new one: no rule before number n names
 * set n.
 */
static uint32_t pairs_find(const struct classifier *classifier,
			   const struct classifier_member *src,
			   const struct classifier_member *dst, uint32_t service, uint32_t best,
			   struct classifier_work *work)
{
	for (uint32_t i = 1; i <= src->set && src[i].set < best; i++) {
		uint32_t bit = classifier_filter_bit(src[i].set);

		if (!(src[i].filter & dst->filter))
			continue;
		for (uint32_t j = 1; j <= dst->set && dst[j].set < best; j++) {
			work->pairs++;
			if (dst[j].filter & bit &&
			    src[i].filter & classifier_filter_bit(dst[j].set))
				best = cell_find(classifier, src[i].set, dst[j].set, service, best,
						 work);
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
		return spans_contain(spans + set, place->spots[0].rank);
	}
	if (!members)
		return false;
	spans = at(members, members->spans[side]);
	spans_of = at(members, members->spans_of[side]);
	return spans_contain(spans + spans_of[set & ~CLASSIFIER_DYNAMIC], place->spots[1].rank);
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
	const uint64_t *src_row = row_find(classifier, CLASSIFIER_AXIS_SRC, src->spots[0].rank);
	const uint64_t *dst_row = row_find(classifier, CLASSIFIER_AXIS_DST, dst->spots[0].rank);
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
	place_open(classifier, members, CLASSIFIER_SRC, question->src, &src);
	place_open(classifier, members, CLASSIFIER_DST, question->dst, &dst);
	place_settle(&src);
	place_settle(&dst);
	for (unsigned int i = 0; i < 4; i++)
		best = pairs_find(classifier, src.spots[i / 2].list, dst.spots[i % 2].list,
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
