/* SPDX-License-Identifier: MIT */
/*
 * ruleset_refusal.h - how the packets that policy denies are refused
 *
 * Theory of operation: whoever sends one is to be told. Where packets are judged (netdev, at ingress), not every
 * kernel can do that: Debian 12's cannot. There they are marked and let through as far as the bridge, which all of them
 * enter, and refused by a table of that family. A kernel that can do neither drops them, as the log says.
 */
#ifndef RULESET_REFUSAL_H
#define RULESET_REFUSAL_H

/* Finds out what the kernel can do, the first time, by trying. 0, or as ruleset_load(). One thread at a time, whichever */
int ruleset_refusal_find(void);

/* After that: the rules that end a packet in table netdev; with their ends */
const char *ruleset_refusal_rules(void);

/* ... and commands that make what else there has to be, anew; or that remove it. Maybe none */
const char *ruleset_refusal_table(void);
const char *ruleset_refusal_removal(void);

/* Removes it, whoever made it, and where it is not known whether there is such a thing. */
void ruleset_refusal_exit(void);

#endif
