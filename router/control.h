/* SPDX-License-Identifier: MIT */
/*
 * control.h - the socket that slimctl talks to
 *
 * SOCK_SEQPACKET, one JSON object a request, one JSON object (in as many packets as
 * it takes) a reply; docs/control.md. Control thread, but for what is said otherwise; a client that does
 * not read costs memory for one reply and nothing else.
 */
#ifndef CONTROL_H
#define CONTROL_H

#include <jansson.h>

#include "config.h"
#include "loop.h"

/* 0 or -errno, logged. */
int control_open(const struct config *config, struct loop *loop);
void control_close(void);

/* Whoever asked the router before this one to be replaced gets an answer: this one runs. */
void control_answer_upgrade(void);

/* A reply that says that the request failed, and why. NULL: no memory. Any thread */
json_t *control_failure(const char *text);

/* @reply as it is sent, with what every one has. Owns @reply, which may be NULL; to be freed; NULL: no
 * memory. Any thread */
char *control_reply(json_t *reply);

#endif
