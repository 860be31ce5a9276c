/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * wire.h - what goes over the wire between routers
 *
 * Two things: the preamble, which is the first bytes of every slim connection, and the
 * messages of the peer channel, a TLS 1.3 connection to a slim port. docs/wire.md tells the
 * whole story and has recorded bytes of each.
 *
 * Message tree of the peer channel:
 *
 *   HELLO               first message of either side, once
 *   CONTAINER_ADD       the sender has this container; replaces one of equal (vni, id)
 *   CONTAINER_REMOVE
 *   LISTENER_ADD        slim connections are welcome there; again when busy changes
 *   LISTENER_REMOVE
 *   SYNC_END            what the sender had when HELLO came has all been said
 *   PING                answered by PONG with the same token
 *   PONG
 *   TENANT              the sender has a tenant of this name and VNI
 *   CONTAINER_TAGS      name and labels of a container: of one that was added, or of the next that
 *                       CONTAINER_ADD names
 *
 * All fields of the structs below are in network byte order on the wire.
 */
#ifndef SLIM_WIRE_H
#define SLIM_WIRE_H

#ifdef __KERNEL__
#include <linux/types.h>
#else
#include <stdint.h>
#endif

/* --- preamble --- */

#define SLIM_WIRE_SIGNATURE	"\r\n\r\n\0\r\nQUIT\n"	/* of PROXY protocol v2 */
#define SLIM_WIRE_SIGNATURE_LEN	12
#define SLIM_WIRE_COMMAND	0x21	/* version 2, PROXY */
#define SLIM_WIRE_TCP4		0x11
#define SLIM_WIRE_TCP6		0x21

/* TLV types, from the range that PROXY protocol v2 leaves to applications */
enum slim_wire_tlv {
	SLIM_WIRE_TLV_VERSION = 0xe0,	/* 1 byte */
	SLIM_WIRE_TLV_VNI,		/* 4 */
	SLIM_WIRE_TLV_HOST,		/* 8 */
	SLIM_WIRE_TLV_KEY,		/* 4 */
	SLIM_WIRE_TLV_SEQUENCE,		/* 8; in version 2 the source's VNI (3), then 5 */
	SLIM_WIRE_TLV_MAC,		/* 8; over all bytes before its value */
};

#define SLIM_WIRE_VNI_MAX	0xffffffu
#define SLIM_WIRE_SOURCE_SHIFT	40	/* bits of the sequence number's 5 bytes */

/* A key seals sequence numbers below this, then no more. */
#define SLIM_WIRE_SEQUENCE_MAX	(1ull << 36)

/* --- keys --- */

/* TLS exporter (RFC 8446, 7.5), with an empty context: key id, key of the TLS client's
 * preambles, key of the TLS server's. */
#define SLIM_WIRE_EXPORTER	"EXPORTER-slim-preamble"
#define SLIM_WIRE_KEY_ID_LEN	4
#define SLIM_WIRE_KEY_LEN	16
#define SLIM_WIRE_EXPORTER_LEN	(SLIM_WIRE_KEY_ID_LEN + 2 * SLIM_WIRE_KEY_LEN)

/* --- peer channel --- */

#define SLIM_WIRE_ALPN			"slim/1"
#define SLIM_WIRE_VERSION		2
#define SLIM_WIRE_VERSION_CROSSING	2	/* from this one on, preambles of version 2 are known */
#define SLIM_WIRE_TLS_HANDSHAKE		0x16	/* first byte of a TLS client */

/* Deadlines, in ms */
#define SLIM_WIRE_HELLO_DEADLINE	5000	/* from accept to HELLO */
#define SLIM_WIRE_DIAL_DEADLINE		2500	/* from connect to HELLO */
#define SLIM_WIRE_PING_INTERVAL		1000
#define SLIM_WIRE_DEAD_AFTER		3000	/* with nothing received */

#define SLIM_WIRE_NAME_LEN		64	/* zero-filled, with a final zero */
#define SLIM_WIRE_MAC_LEN		6
#define SLIM_WIRE_ADDRESSES		16	/* of a host or a container */
#define SLIM_WIRE_PORTS			256	/* slim ports of a host */

/* What one host may announce */
#define SLIM_WIRE_CONTAINERS		65536
#define SLIM_WIRE_CONTAINER_ADDRESSES	131072	/* of all its containers */
#define SLIM_WIRE_LISTENERS		65536

/* Of a container: labels; bytes of its name, a key or a value without the final zero; all of it */
#define SLIM_WIRE_LABELS		64
#define SLIM_WIRE_TAG_MAX		63
#define SLIM_WIRE_TAGS_MAX		((2 * SLIM_WIRE_LABELS + 1) * (SLIM_WIRE_TAG_MAX + 1))

/* The longest message of any type, known or unknown, header included */
#define SLIM_WIRE_MESSAGE_MAX		16384

enum slim_message_type {
	SLIM_MESSAGE_UNSPEC,
	SLIM_MESSAGE_HELLO,
	SLIM_MESSAGE_CONTAINER_ADD,
	SLIM_MESSAGE_CONTAINER_REMOVE,
	SLIM_MESSAGE_LISTENER_ADD,
	SLIM_MESSAGE_LISTENER_REMOVE,
	SLIM_MESSAGE_SYNC_END,
	SLIM_MESSAGE_PING,
	SLIM_MESSAGE_PONG,
	SLIM_MESSAGE_TENANT,
	SLIM_MESSAGE_CONTAINER_TAGS,
	SLIM_MESSAGE_POLICY_QUESTION,
	SLIM_MESSAGE_POLICY_VERDICT,
	SLIM_MESSAGE_NUM
};

/* The first bytes of every message. @length counts the whole message; @flags is zero.
 * SYNC_END is this and nothing else. */
struct slim_message {
	uint16_t type;
	uint16_t flags;
	uint32_t length;
};

/*
 * @version:	the highest that the sender speaks; both then speak the lower one
 * @host_id:	must be that of the key which the sender proved to have
 * @instance:	random, new with every start of the sender
 * @addresses:	@addresses_num of them are sent; IPv4 mapped
 */
struct slim_message_hello {
	struct slim_message message;
	uint16_t version;
	uint16_t port_first;
	uint16_t port_last;
	uint16_t vxlan_port;
	uint64_t host_id;
	uint64_t instance;
	char name[SLIM_WIRE_NAME_LEN];
	uint16_t addresses_num;
	uint16_t reserved[3];
	uint8_t addresses[SLIM_WIRE_ADDRESSES][16];
};

/* CONTAINER_ADD. @addresses: 1 .. 16, all different; @addresses_num of them are sent. */
struct slim_message_container {
	struct slim_message message;
	uint32_t vni;
	uint32_t id;
	uint8_t mac[SLIM_WIRE_MAC_LEN];
	uint16_t addresses_num;
	uint8_t addresses[SLIM_WIRE_ADDRESSES][16];
};

/* CONTAINER_REMOVE */
struct slim_message_container_remove {
	struct slim_message message;
	uint32_t vni;
	uint32_t id;
};

#define SLIM_LISTENER_BUSY	(1u << 0)	/* its queue is full: packet path, please */
#define SLIM_LISTENER_FLAGS	(SLIM_LISTENER_BUSY)

/* LISTENER_ADD, LISTENER_REMOVE (there @flags is zero) */
struct slim_message_listener {
	struct slim_message message;
	uint32_t vni;
	uint16_t port;
	uint16_t flags;
	uint8_t addr[16];
};

/* PING, PONG */
struct slim_message_ping {
	struct slim_message message;
	uint64_t token;
};

/* TENANT */
struct slim_message_tenant {
	struct slim_message message;
	uint32_t vni;
	char name[SLIM_WIRE_NAME_LEN];
};

/* CONTAINER_TAGS. @text: the name, then keys and values of labels in turn, each with a final zero; as
 * much of it is sent as there is. */
struct slim_message_tags {
	struct slim_message message;
	uint32_t vni;
	uint32_t id;
	char text[SLIM_WIRE_TAGS_MAX];
};

/*
 * POLICY_QUESTION: what does your policy say of this?
 * @token:	comes back
 * @protocol:	IPPROTO_TCP, IPPROTO_UDP, or IPPROTO_ICMP, also for ICMPv6
 */
struct slim_message_policy_question {
	struct slim_message message;
	uint64_t token;
	uint32_t source_vni;
	uint32_t destination_vni;
	uint16_t protocol;
	uint16_t port;			/* destination's */
	uint32_t reserved;
	uint8_t source[16];
	uint8_t destination[16];
};

#define SLIM_VERDICT_ALLOWED	(1u << 0)
#define SLIM_VERDICT_FLAGS	(SLIM_VERDICT_ALLOWED)
#define SLIM_WIRE_VERDICT_MAX	2048

/* POLICY_VERDICT. @text: where the rule is ("FILE:LINE", empty: none matches), then its line, each with a
 * final zero, and cut where it is too long; as much of it is sent as there is. */
struct slim_message_policy_verdict {
	struct slim_message message;
	uint64_t token;
	uint16_t flags;
	uint16_t reserved[3];
	char text[SLIM_WIRE_VERDICT_MAX];
};

_Static_assert(sizeof(struct slim_message) == 8, "a boundary type");
_Static_assert(sizeof(struct slim_message_hello) == 104 + 16 * 16, "a boundary type");
_Static_assert(sizeof(struct slim_message_container) == 24 + 16 * 16, "a boundary type");
_Static_assert(sizeof(struct slim_message_container_remove) == 16, "a boundary type");
_Static_assert(sizeof(struct slim_message_listener) == 32, "a boundary type");
_Static_assert(sizeof(struct slim_message_ping) == 16, "a boundary type");
_Static_assert(sizeof(struct slim_message_tenant) == 76, "a boundary type");
_Static_assert(sizeof(struct slim_message_tags) == 16 + 129 * 64, "a boundary type");
_Static_assert(sizeof(struct slim_message_policy_question) == 64, "a boundary type");
_Static_assert(sizeof(struct slim_message_policy_verdict) == 24 + 2048, "a boundary type");

#endif
