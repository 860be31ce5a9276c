/* SPDX-License-Identifier: MIT */
/*
 * packet_sets.h - profiles as sets of nftables
 *
 * A set is named by what is in it. So profiles that say the same share one, and what a table has
 * already need not be made again.
 */
#ifndef PACKET_SETS_H
#define PACKET_SETS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "policy_profile.h"

#define PACKET_SET_NAME	40

/*
 * A profile's boxes of one family and protocol. @any: there are some; @digest: of what they are. (A set has but one
 * protocol, since libnftables up to 1.0.6 would have the kernel turn round the one byte of it for a set with intervals,
 * which kernels refuse, 6.12.117 among them.)
 */
struct packet_set {
	uint64_t digest[2];
	enum classifier_protocol protocol;
	bool v4, any;
};

/* Those of a table, in order. Zero-filled: none */
struct packet_sets {
	struct packet_set *sets;
	size_t num, max;
};

/* Names are good within one process (endpoint.h: hash_seed). */
struct packet_set packet_set_of(const struct policy_profile *profile, bool v4,
				enum classifier_protocol protocol);

/* What packets of the set's protocol are like: "meta l4proto tcp" */
const char *packet_set_protocol(const struct packet_set *set);

/* "s4_0123456789abcdef..." */
const char *packet_set_name(const struct packet_set *set, char name[PACKET_SET_NAME]);

/* "set s4_... { ... }", of addresses and ports, within a table. @profile: that it is of */
void packet_set_put(FILE *out, const struct packet_set *set, const struct policy_profile *profile);

bool packet_sets_have(const struct packet_sets *sets, const struct packet_set *set);
/* 1: it was there already; 0, or -ENOMEM */
int packet_sets_add(struct packet_sets *sets, const struct packet_set *set);
void packet_sets_free(struct packet_sets *sets);

#endif
