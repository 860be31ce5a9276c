/* SPDX-License-Identifier: MIT */
/*
 * denial.h - what policy decides is said in the log, at a rate that is bounded for each tenant
 */
#ifndef DENIAL_H
#define DENIAL_H

#include <stdint.h>

#include "config.h"
#include "ends.h"
#include "policy_force.h"

/* @config outlives all that follows. */
void denial_init(const struct config *config);

/* Of a connection: says it where it is denied, or by each rule that is one to be logged. Any thread; read
 * lock held. */
void denial_say(const struct policy_verdict *verdict, const struct ends *ends);

/* A connection that @verdict allows finds no place (@err: limiting_take()'s) by @rule. Any thread; read lock
 * held. */
void denial_limit(const struct policy_verdict *verdict, const struct policy_rule *rule, int err,
		  const struct ends *ends);

/* Of a packet of @protocol (IPPROTO_*) that the packet path has refused; what is allowed by now is left
 * out. Any thread; read lock held. */
void denial_say_packet(const struct policy_verdict *verdict, uint8_t protocol,
		       const struct ends *ends);

/* A live connection (its host socket's cookie) has been ended. Any thread. */
void denial_cut(uint64_t cookie);

/* The same, of the packet path. Any thread; read lock held. */
void denial_cut_packet(const struct ends *ends);

#endif
