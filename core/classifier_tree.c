/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* classifier_tree.c - the static B-trees of an axis: ranks are put into leaves, levels come last */
#include "classifier_build.h"

/* Place @i of the last leaf, which is a new one if that is the first */
static int leaf4_put(struct classifier_axis_build *axis, uint32_t i, uint32_t key, uint32_t list)
{
	struct classifier_buffer *leaves = &axis->leaves[CLASSIFIER_IPV4];
	struct classifier_leaf4 *leaf;

	if (!i) {
		leaf = classifier_buffer_add(leaves, 1, sizeof(*leaf), axis->allocator);
		if (!leaf)
			return -ENOMEM;
		memset(leaf, 0xff, sizeof(*leaf));
	}
	leaf = (struct classifier_leaf4 *)leaves->data + leaves->num - 1;
	leaf->keys[i] = key;
	leaf->lists[i] = list;
	return 0;
}

static int leaf6_put(struct classifier_axis_build *axis, uint32_t i,
		     const struct classifier_key *key, uint32_t list)
{
	struct classifier_buffer *leaves = &axis->leaves[CLASSIFIER_IPV6];
	struct classifier_leaf6 *leaf;

	if (!i) {
		leaf = classifier_buffer_add(leaves, 1, sizeof(*leaf), axis->allocator);
		if (!leaf)
			return -ENOMEM;
		memset(leaf, 0xff, sizeof(*leaf));
	}
	leaf = (struct classifier_leaf6 *)leaves->data + leaves->num - 1;
	leaf->keys[i] = *key;
	leaf->lists[i] = list;
	return 0;
}

int classifier_rank_add(struct classifier_axis_build *axis, enum classifier_family family,
		    const struct classifier_key *key, uint32_t list)
{
	uint32_t i = axis->trees[family].num++ % CLASSIFIER_FANOUT;

	axis->ranks_num++;
	if (family == CLASSIFIER_IPV4)
		return leaf4_put(axis, i, (uint32_t)key->low, list);
	return leaf6_put(axis, i, key, list);
}

static size_t key_size(enum classifier_family family)
{
	return family == CLASSIFIER_IPV4 ? sizeof(uint32_t) : sizeof(struct classifier_key);
}

/* The first key of a leaf, or of a node of the level that begins at @from */
static const void *node_key(const struct classifier_axis_build *axis,
			    enum classifier_family family, bool leaves, size_t from, size_t i)
{
	const void *data = leaves ? axis->leaves[family].data : axis->levels[family].data;

	if (!leaves)
		return (const char *)data + (from + i * CLASSIFIER_FANOUT) * key_size(family);
	if (family == CLASSIFIER_IPV4)
		return ((const struct classifier_leaf4 *)data)[i].keys;
	return ((const struct classifier_leaf6 *)data)[i].keys;
}

/* The level above @num leaves, or above @num nodes from @from on */
static int level_add(struct classifier_axis_build *axis, enum classifier_family family,
		     bool leaves, size_t from, size_t num)
{
	size_t size = key_size(family);
	size_t padded = (num + CLASSIFIER_FANOUT - 1) / CLASSIFIER_FANOUT * CLASSIFIER_FANOUT;
	char *keys = classifier_buffer_add(&axis->levels[family], padded, size, axis->allocator);

	if (!keys)
		return -ENOMEM;
	memset(keys, 0xff, padded * size);
	for (size_t i = 0; i < num; i++)
		memcpy(keys + i * size, node_key(axis, family, leaves, from, i), size);
	return 0;
}

int classifier_tree_make(struct classifier_axis_build *axis, enum classifier_family family)
{
	struct classifier_tree *tree = &axis->trees[family];
	size_t num = axis->leaves[family].num, from = 0;
	int ret = 0;

	while (!ret && num > 1) {
		size_t start = axis->levels[family].num;

		tree->at[tree->levels] = (uint32_t)(start * key_size(family));
		ret = level_add(axis, family, !tree->levels, from, num);
		tree->levels++;
		num = (num + CLASSIFIER_FANOUT - 1) / CLASSIFIER_FANOUT;
		from = start;
	}
	return ret;
}

void classifier_tree_parts(const struct classifier_axis_build *axis, enum classifier_family family,
			   struct classifier_tree *tree, struct classifier_part *parts)
{
	size_t size = family == CLASSIFIER_IPV4 ? sizeof(struct classifier_leaf4) :
						  sizeof(struct classifier_leaf6);

	parts[0] = (struct classifier_part){ &tree->leaves, axis->leaves[family].data,
					     axis->leaves[family].num * size };
	parts[1] = (struct classifier_part){ &tree->at[0], axis->levels[family].data,
					     axis->levels[family].num * key_size(family) };
}
