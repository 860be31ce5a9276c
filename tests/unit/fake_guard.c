/* SPDX-License-Identifier: MIT */
/* fake_guard.c - in the place of router/guard.c and router/enforcer_guard.c: the configuration says guard off */
#include <errno.h>

#include "../../router/enforcer.h"
#include "../../router/enforcer_guard.h"
#include "../../router/guard.h"

enum guard_state guard_state(void)
{
	return GUARD_OFF;
}

const char *guard_state_name(enum guard_state state)
{
	(void)state;
	return "off";
}

const char *guard_reason(void)
{
	return NULL;
}

const struct guard_facts *guard_facts(void)
{
	static const struct guard_facts none;

	return &none;
}

int guard_drain(enum slim_drain drain, uint64_t *live, uint64_t *cut)
{
	(void)drain;
	*live = *cut = 0;
	return -ENOENT;
}

enum guard_use guard_use(void)
{
	return GUARD_USE_OPEN;
}

int guard_seal(int fd, const struct guard_seal *seal_by)
{
	(void)fd, (void)seal_by;
	return 0;
}

void enforcer_guard_follow(void)
{
}

void enforcer_guard_members(void)
{
}

const struct enforcer enforcer_guard = { .revoke = enforcer_guard_follow };
