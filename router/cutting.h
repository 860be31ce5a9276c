/* SPDX-License-Identifier: MIT */
/*
 * cutting.h - ends the live connections that the policy in force denies, and changes others
 *
 * Theory of operation: a sweep asks the policy about each entry of the ledger, names the sockets of
 * those that are denied to the kernel (SOCK_DESTROY), and is repeated until it finds none twice
 * in a row, since one dump can miss a socket. Both ends get an error: ECONNABORTED here, by the kernel's
 * reset ECONNRESET there. The entries stay until the ledger's own sweep finds them dead. A connection that
 * is allowed by a rule with another rate, TOS or priority than it has is changed after that (shaping_live.h), and those
 * that are allowed are counted by the rule that allows them from then on (limiting.h).
 * Sockets of several containers are dealt out (dealing.h).
 */
#ifndef CUTTING_H
#define CUTTING_H

#include "loop.h"

/* Before cutting_start(). */
void cutting_init(struct loop *control);

/*
 * Begins a sweep; if one is under way, another one follows it. At once, or so that all that others bring about
 * take no more than a fifth of the time. Control thread.
 */
void cutting_start(void);
void cutting_start_soon(void);

/* The control thread is out of its loop. */
void cutting_exit(void);

#endif
