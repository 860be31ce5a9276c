/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * preamble.h - the first bytes of a slim connection
 *
 * A PROXY protocol v2 header (https://www.haproxy.org/download/2.9/doc/proxy-protocol.txt)
 * with TLVs of ours, in this order and no other: version, tenant, host, key, sequence,
 * MAC. docs/wire.md fixes the bytes. Freestanding: router and module both compile it; the MAC
 * itself is made by the caller, over the first PREAMBLE length - PREAMBLE_MAC_LEN bytes.
 */
#ifndef PREAMBLE_H
#define PREAMBLE_H

#ifdef __KERNEL__
#include <linux/types.h>
#else
#include <stddef.h>
#include <stdint.h>
#endif

#define PREAMBLE_VERSION	1	/* within a tenant */
#define PREAMBLE_VERSION_CROSSING	2	/* from tenant to tenant */
#define PREAMBLE_MAC_LEN	8
#define PREAMBLE_HEADER_LEN	16	/* enough to know the whole length */
#define PREAMBLE_LEN4		79	/* IPv4 source and destination */
#define PREAMBLE_LEN6		103
#define PREAMBLE_MAX		PREAMBLE_LEN6

/*
 * @src:	16 bytes each, IPv4 mapped; both of one family on the wire (mixed: IPv6)
 * @src_port:	host byte order; 0: this connection's own source port
 * @vni:	the destination's tenant, 24 bits
 * @src_vni:	the source's; preamble_encode() takes 0 for @vni
 */
struct preamble {
	uint8_t src[16];
	uint8_t dst[16];
	uint16_t src_port;
	uint16_t dst_port;
	uint32_t vni;
	uint32_t src_vni;
	uint64_t host_id;
	uint32_t key_id;
	uint64_t sequence;
	uint8_t mac[PREAMBLE_MAC_LEN];
};

/*
 * Writes @fields (without MAC: those bytes are left for the caller) to @out, which has
 * PREAMBLE_MAX bytes. Returns the whole length, the MAC's place included.
 */
int preamble_encode(const struct preamble *fields, uint8_t *out);

/*
 * Looks at the first PREAMBLE_HEADER_LEN bytes: the whole preamble's length, or -EBADMSG
 * (-74) where this is none.
 */
int preamble_length(const uint8_t *data);

/* Strict: 0, or -EBADMSG (-74) for anything that preamble_encode() would not write. */
int preamble_decode(const uint8_t *data, size_t len, struct preamble *fields);

#endif
