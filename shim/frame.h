/* SPDX-License-Identifier: MIT */
/*
 * frame.h - frames that go over a channel, and descriptors that come with them
 */
#ifndef SHIM_FRAME_H
#define SHIM_FRAME_H

#include <stdbool.h>
#include <stdint.h>

struct question;
struct slot;

/* Sends the request, as number @id, without waiting. 0, or -EPIPE: it was not sent. */
int frame_send(int channel, const struct question *question, uint32_t id);

/*
 * Receives one frame. 0: it is the reply to @id; -EAGAIN: not yet (MSG_DONTWAIT among @flags: not at this moment);
 * else the channel is of no use any more. A descriptor that nobody wants is closed.
 */
int frame_receive(int channel, uint32_t id, const struct question *question, int flags);

/* Does the reply that has come say that a descriptor has come the other way? */
bool frame_has_passed(const struct slot *slot, const struct question *question);

/*
 * The descriptor that belongs to the reply to @id, with that reply once more, came before the
 * reply did. What is there of earlier ones, nobody waits for any more. 0 or -errno.
 */
int frame_receive_passed(const struct slot *slot, uint32_t id, const struct question *question);

/* The same, and the last that comes. @slot has a passing socket, or had one. */
int frame_receive_last(const struct slot *slot, uint32_t id, const struct question *question);

#endif
