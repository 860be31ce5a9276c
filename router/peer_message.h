/* SPDX-License-Identifier: MIT */
/*
 * peer_message.h - messages of the peer channel, to and from include/slim/wire.h's form
 */
#ifndef PEER_MESSAGE_H
#define PEER_MESSAGE_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../include/slim/wire.h"

/* Room for what peer_message_encode() writes */
#define PEER_MESSAGE_MAX	sizeof(struct slim_message_tags)

struct peer_hello {
	uint16_t version;
	uint16_t port_first, port_last;
	uint16_t vxlan_port;
	uint64_t host_id, instance;
	char name[SLIM_WIRE_NAME_LEN];
	struct in6_addr addresses[SLIM_WIRE_ADDRESSES];
	size_t addresses_num;
};

/* CONTAINER_REMOVE uses the first two. */
struct peer_container {
	uint32_t vni, id;
	uint8_t mac[SLIM_WIRE_MAC_LEN];
	struct in6_addr addresses[SLIM_WIRE_ADDRESSES];
	size_t addresses_num;
};

struct peer_listener {
	uint32_t vni;
	uint16_t port;
	bool busy;
	struct in6_addr addr;
};

struct peer_tenant {
	uint32_t vni;
	char name[SLIM_WIRE_NAME_LEN];
};

/* @text: good tags (tags.h); borrowed of whoever encodes, or of what was decoded */
struct peer_tags {
	uint32_t vni, id;
	const char *text;
	size_t len;
};

/* @protocol: IPPROTO_ICMP stands for ICMPv6, too */
struct peer_question {
	uint64_t token;
	uint32_t source_vni, destination_vni;
	uint16_t protocol, port;
	struct in6_addr source, destination;
};

/* @text: where the rule is and its line, each with a final zero; borrowed as that of tags */
struct peer_verdict {
	uint64_t token;
	bool allowed;
	const char *text;
	size_t len;
};

/* A message in host byte order; which member counts follows from @type. */
struct peer_message {
	enum slim_message_type type;
	union {
		struct peer_hello hello;
		struct peer_container container;
		struct peer_listener listener;
		struct peer_tenant tenant;
		struct peer_tags tags;
		struct peer_question question;
		struct peer_verdict verdict;
		uint64_t token;
	};
};

/* Writes @message to @out (PEER_MESSAGE_MAX bytes); returns its length. */
size_t peer_message_encode(const struct peer_message *message, uint8_t *out);

/* The length of the message that starts at @data: 0 where @len is too little to know, -EBADMSG
 * where no message starts like that. */
int peer_message_length(const uint8_t *data, size_t len);

/*
 * @data, @len: one message, as long as peer_message_length() said. 0; -EBADMSG
 * for what peer_message_encode() would not write; -EOPNOTSUPP for an unknown type, to be
 * skipped: a later version's.
 */
int peer_message_decode(const uint8_t *data, size_t len, struct peer_message *message);

#endif
