/* SPDX-License-Identifier: MIT */
/*
 * control.h - the socket that slimctl talks to
 *
 * SOCK_SEQPACKET, one JSON object a request, one JSON object (in as many packets as
 * it takes) a reply; docs/control.md. Control thread only; a client that does not read
 * costs memory for one reply and nothing else.
 */
#ifndef CONTROL_H
#define CONTROL_H

#include "config.h"
#include "loop.h"

/* 0 or -errno, logged. */
int control_open(const struct config *config, struct loop *loop);
void control_close(void);

/* Whoever asked the router before this one to be replaced gets an answer: this one runs. */
void control_answer_upgrade(void);

#endif
