/* SPDX-License-Identifier: GPL-2.0-only */
/* shape.h - rate, TOS and priority of a socket, which its holder cannot change */
#ifndef KMOD_SHAPE_H
#define KMOD_SHAPE_H

#include <linux/slim.h>
#include <linux/types.h>
#include <net/sock.h>

/* Flags that are known, a rate that is not 0, a priority that is one, and 0 in what is reserved */
bool shape_is_valid(const struct slim_shape *shape);

/* What holds where a rule says @first, and the router @second: @first's values come before @second's. */
struct slim_shape shape_join(const struct slim_shape *first, const struct slim_shape *second);

/*
 * Gives the connection @shape, where @before has been its shape: what was shaped and is no more becomes the kernel's
 * default again. Takes no lock: whoever holds the socket's can keep it. Any context.
 */
void shape_apply(struct sock *sk, const struct slim_shape *before, const struct slim_shape *shape);

#endif
