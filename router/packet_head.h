/* SPDX-License-Identifier: MIT */
/*
 * packet_head.h - what the head of an IP packet says of where it goes
 */
#ifndef PACKET_HEAD_H
#define PACKET_HEAD_H

#include <stddef.h>
#include <stdint.h>

#include "../include/slim/endpoint.h"

/* @protocol: IPPROTO_*; the ports are 0 where it has none, or where they are not in this packet */
struct packet_head {
	uint8_t protocol;
	struct slim_endpoint source, destination;
};

/*
 * @data: from the IP header on, IPv4 or IPv6, @len bytes of it, whatever they are. 0, or -EBADMSG: it is no
 * such packet, or its headers do not fit into what there is. Any thread.
 */
int packet_head_parse(const void *data, size_t len, struct packet_head *head);

#endif
