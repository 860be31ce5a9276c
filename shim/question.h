/* SPDX-License-Identifier: MIT */
/*
 * question.h - a question to the router, and its answer
 */
#ifndef SHIM_QUESTION_H
#define SHIM_QUESTION_H

#include <stdbool.h>
#include <stdint.h>

#include <slim/channel.h>

/*
 * @type:	of the request (enum slim_frame_type)
 * @request:	a whole frame of @len bytes, whose first fields are filled in when it is sent; the caller's
 * @reply_type:	of the one reply that counts
 * @reply:	room for it, of @reply_len bytes, which is its length exactly; the caller's. What it says counts
 *		where 0 was returned. NULL: none comes
 * @fd:		where a descriptor goes that comes with the reply, the caller's from then on (-1: none came); NULL:
 *		none may come. Where it would find no room, a CLAIM becomes one to KEEP, and all else is not sent
 * @last:	a reply that comes too late must not come at all (CLAIM): on a time-out the channel is shut down
 *		first, then looked at once more
 */
struct question {
	uint16_t type, reply_type;
	uint32_t len, reply_len;
	void *request, *reply;
	int *fd;
	bool last;
};

#endif
