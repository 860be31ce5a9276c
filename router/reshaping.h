/* SPDX-License-Identifier: MIT */
/*
 * reshaping.h - live connections get the rate, TOS and priority that the policy in force says, and the
 * mark by which its limits find them
 *
 * Only after those that it denies (cutting.h), since each change takes some system calls. Control thread.
 */
#ifndef RESHAPING_H
#define RESHAPING_H

#include <stdbool.h>

struct ledger_entry;

/**
 * reshaping_start() - in a thread of its own
 * @differ:	there are connections whose rule says something else than they have; else what earlier changes
 *		have left behind is tidied up, no more
 * @done:	called when that is over, with 0 or -errno: some are left as they were
 *
 * None is running.
 */
void reshaping_start(bool differ, void (*done)(int err));

bool reshaping_is_running(void);

/*
 * Is there a limit, and has the connection no mark yet by which that would find it? Whoever accepts one asks for
 * limits when it is in the ledger, and a policy is in force before its sweep asks this: so one of them
 * marks it. Read lock held.
 */
bool reshaping_is_unmarked(const struct ledger_entry *entry);

#endif
