/* SPDX-License-Identifier: MIT */
/* packet_head.c - what the head of an IP packet says of where it goes */
#include "packet_head.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <stdbool.h>
#include <string.h>

#include "endpoint.h"

/* What of a packet has not been looked at */
struct rest {
	const uint8_t *data;
	size_t len;
};

/* NULL: there is less than that */
static const void *take(struct rest *rest, size_t len)
{
	const uint8_t *data = rest->data;

	if (rest->len < len)
		return NULL;
	rest->data += len;
	rest->len -= len;
	return data;
}

static uint16_t big_endian16(const uint8_t *data)
{
	return (uint16_t)(data[0] << 8 | data[1]);
}

static int parse_ports(struct rest *rest, struct packet_head *head)
{
	const uint8_t *ports;

	if (head->protocol != IPPROTO_TCP && head->protocol != IPPROTO_UDP)
		return 0;
	ports = take(rest, 4);
	if (!ports)
		return -EBADMSG;
	head->source.port = big_endian16(ports);
	head->destination.port = big_endian16(ports + 2);
	return 0;
}

static int parse4(struct rest *rest, struct packet_head *head)
{
	struct iphdr header;
	const void *data = take(rest, sizeof(header));
	struct in6_addr source, destination;

	if (!data)
		return -EBADMSG;
	memcpy(&header, data, sizeof(header));
	if (header.ihl < 5 || !take(rest, header.ihl * 4u - sizeof(header)))
		return -EBADMSG;
	head->protocol = header.protocol;
	source = addr_map4(header.saddr);
	destination = addr_map4(header.daddr);
	head->source = endpoint_make(&source, 0);
	head->destination = endpoint_make(&destination, 0);
	return ntohs(header.frag_off) & IP_OFFMASK ? 0 : parse_ports(rest, head);
}

static bool is_extension(uint8_t next)
{
	return next == IPPROTO_HOPOPTS || next == IPPROTO_ROUTING || next == IPPROTO_DSTOPTS ||
	       next == IPPROTO_FRAGMENT;
}

/* Returns 1 where no ports follow, since it is not the first fragment. */
static int skip_extension(struct rest *rest, uint8_t *next)
{
	bool fragment = *next == IPPROTO_FRAGMENT;
	const uint8_t *data = take(rest, 8);

	if (!data)
		return -EBADMSG;
	*next = data[0];
	if (fragment)
		return big_endian16(data + 2) & 0xfff8 ? 1 : 0;
	return take(rest, data[1] * 8u) ? 0 : -EBADMSG;
}

static int parse6(struct rest *rest, struct packet_head *head)
{
	struct ip6_hdr header;
	const void *data = take(rest, sizeof(header));
	int ret = 0;

	if (!data)
		return -EBADMSG;
	memcpy(&header, data, sizeof(header));
	head->protocol = header.ip6_nxt;
	head->source = endpoint_make(&header.ip6_src, 0);
	head->destination = endpoint_make(&header.ip6_dst, 0);
	while (!ret && is_extension(head->protocol))
		ret = skip_extension(rest, &head->protocol);
	if (ret)
		return ret < 0 ? ret : 0;
	return parse_ports(rest, head);
}

int packet_head_parse(const void *data, size_t len, struct packet_head *head)
{
	struct rest rest = { .data = data, .len = len };
	unsigned int version = len ? rest.data[0] >> 4 : 0;

	if (version == 4)
		return parse4(&rest, head);
	return version == 6 ? parse6(&rest, head) : -EBADMSG;
}
