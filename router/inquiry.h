/* SPDX-License-Identifier: MIT */
/*
 * inquiry.h - a question of the control socket that takes long: a thread of its own makes the answer
 *
 * Control thread, but for what is said otherwise.
 */
#ifndef INQUIRY_H
#define INQUIRY_H

#include <jansson.h>

#define INQUIRIES_MAX	16	/* at a time, those whose askers went away included */

struct inquiry;

/* The reply, or NULL without memory. @fd: what came along, or -1; borrowed. In a thread that is registered
 * with RCU, outside of a read section. */
typedef json_t *inquiry_make(int fd);

/*
 * @fd:		owned from then on, also when this fails
 * @done:	called once, with the reply as text to be freed, or NULL; nothing here is used after that
 *
 * NULL: there is no thread, or too many are at work.
 */
struct inquiry *inquiry_start(inquiry_make *make, int fd, void (*done)(void *data, char *text),
			      void *data);

/* Nobody waits any more: @done is not called. */
void inquiry_forget(struct inquiry *inquiry);

#endif
