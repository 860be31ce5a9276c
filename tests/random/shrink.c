/* SPDX-License-Identifier: MIT */
/*
 * shrink.c - a script with a difference becomes as short as can be
 *
 * Delta debugging (Zeller, Hildebrandt: Simplifying and isolating failure-inducing input, 2002), in
 * the form that takes pieces out: halves, quarters, at last single steps, over again until none can
 * be spared. Arguments then lose flags and become zero where that does not matter.
 */
#include <string.h>

#include "shrink.h"

#define SHRINK_PATIENCE_MS	200

int shrink_confirm(struct play *play, const struct script *script, struct sort sort, int times)
{
	for (int i = 1; i <= times; i++)
		if (play_script(play, script) && play->sort.op == sort.op &&
		    play->sort.kind == sort.kind)
			return i;
	return 0;
}

static void without(const struct script *from, int at, int num, struct script *to)
{
	to->num = 0;
	for (int i = 0; i < from->num; i++)
		if (i < at || i >= at + num)
			to->steps[to->num++] = from->steps[i];
}

/* One round with pieces of that size. Returns whether any could be spared. */
static bool take_out(struct play *play, struct script *script, int size, struct sort sort, int times)
{
	static struct script shorter;
	bool any = false;

	for (int at = script->num - size; at > -size;) {
		int from = at < 0 ? 0 : at;

		without(script, from, at < 0 ? size + at : size, &shorter);
		if (shorter.num && shrink_confirm(play, &shorter, sort, times)) {
			/* Only what was really played, which may be still less. */
			*script = play->done;
			any = true;
			at = at < script->num ? at : script->num;
		}
		at -= size;
	}
	return any;
}

static void simplify(struct play *play, struct script *script, struct sort sort, int times)
{
	for (int i = 0; i < script->num; i++)
		for (int arg = 0; arg < STEP_ARGS; arg++) {
			enum kind kind = step_kind(script->steps[i].op, arg);
			int16_t had = script->steps[i].arg[arg];

			if (!had || (kind != KIND_FLAGS && kind != KIND_FAMILY && kind != KIND_MSG))
				continue;
			script->steps[i].arg[arg] = 0;
			if (!shrink_confirm(play, script, sort, times) || play->done.num != script->num)
				script->steps[i].arg[arg] = had;
		}
}

void shrink_script(struct play *play, struct script *script, struct sort sort, int times)
{
	int patience = play->patience_ms;

	if (patience > SHRINK_PATIENCE_MS)
		play->patience_ms = SHRINK_PATIENCE_MS;
	for (int size = (script->num + 1) / 2; size > 0; size /= 2)
		while (take_out(play, script, size, sort, times) && size == 1)
			;
	simplify(play, script, sort, times);
	play->patience_ms = patience;
}
