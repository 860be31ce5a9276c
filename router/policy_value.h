/* SPDX-License-Identifier: MIT */
/*
 * policy_value.h - the values of slim-policy(5): from text to C
 *
 * Each takes the whole of @text, and returns 0 or -EINVAL; -ERANGE where it says so.
 */
#ifndef POLICY_VALUE_H
#define POLICY_VALUE_H

#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>

/* An address, a prefix, or two addresses of one family with '-' between. -ERANGE where a
 * prefix has bits beyond its length, or a range ends before it begins. */
int policy_value_addresses(const char *text, struct in6_addr *first, struct in6_addr *last);

/* "80" or "8000-8100"; from 0 to 65535. -ERANGE where it ends before it begins. */
int policy_value_ports(const char *text, uint16_t *first, uint16_t *last);

/* "10mbit", "1.5gbit", "800kbit", "64bit", as in tc(8): @out in bytes a second, at least
 * one. -ERANGE beyond 1000gbit. */
int policy_value_rate(const char *text, uint64_t *out);

/* "50/s": @out a second, 1 to 1000000 (else -ERANGE) */
int policy_value_frequency(const char *text, uint64_t *out);

/* 1 to 1000000, else -ERANGE */
int policy_value_connections(const char *text, uint64_t *out);

/* 0 to 6, else -ERANGE */
int policy_value_priority(const char *text, uint64_t *out);

/* A code point of RFC 2474, 2597, 3246, 8622 by name (cs0-cs7, af11-af43, ef, le) or number
 * 0-63: @out is the octet that it gives. */
int policy_value_dscp(const char *text, uint64_t *out);

/* Those names: @num of them */
const char *const *policy_value_dscp_names(size_t *num);

/* The octet itself: 0 to 255, or 0x0 to 0xff */
int policy_value_tos(const char *text, uint64_t *out);

#endif
