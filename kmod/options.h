/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * options.h - which socket options, control messages and ioctls the holder of a sealed socket may use
 *
 * Lists of what is allowed, and nothing else is: an option that a newer kernel adds is refused until it is
 * decided about. (tests/qemu/20-attacks.sh goes through all numbers.)
 */
#ifndef KMOD_OPTIONS_H
#define KMOD_OPTIONS_H

#include <linux/slim.h>
#include <linux/types.h>

/* How an option is read */
enum option_reading {
	OPTION_REFUSED,
	OPTION_READ,
	OPTION_ZERO,		/* it would tell something of the host: 0 */
	OPTION_EMPTY,		/* the same for strings: nothing */
	OPTION_FAMILY,		/* that of the virtual names */
};

enum option_reading option_reading(int level, int name);

/* What of a shape (SLIM_SHAPE_*) keeps an option from being set */
u32 option_shape(int level, int name);

/*
 * Is it no attack to set it, where that is refused? Programs that mean no harm set what can be read, or be set to something
 * else; the shim does it for them, where one socket takes another's place. And TLS: they go on without where
 * the kernel does not do it (ENOENT of TCP_ULP, ENOPROTOOPT of the others).
 */
bool option_is_harmless(int level, int name);

/* May an option be set on a socket with this shape? Then *@least and *@most say to what, if it is a number. */
bool option_may_be_set(const struct slim_shape *shape, int level, int name, int *least, int *most);

struct msghdr;

/* Of all that @msg has, in the kernel's memory; false: *@type, of SOL_SOCKET, is not to be sent. */
bool control_may_be_sent(struct msghdr *msg, int *type);

bool ioctl_is_allowed(unsigned int command);

/* Is it one of sockets, which nobody asks for by accident? */
bool ioctl_is_of_sockets(unsigned int command);

#endif
