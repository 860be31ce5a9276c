/* SPDX-License-Identifier: MIT */
/* peer_message.c - messages of the peer channel, to and from include/slim/wire.h's form */
#include "peer_message.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

#include "tags.h"

/* What a message looks like on the wire, whichever it is */
union frame {
	struct slim_message message;
	struct slim_message_hello hello;
	struct slim_message_container container;
	struct slim_message_container_remove container_remove;
	struct slim_message_listener listener;
	struct slim_message_ping ping;
	struct slim_message_tenant tenant;
	struct slim_message_tags tags;
	struct slim_message_policy_question question;
	struct slim_message_policy_verdict verdict;
};

#define HELLO_LEN(num)		(offsetof(struct slim_message_hello, addresses) + 16 * (num))
#define TAGS_LEN(len)		(offsetof(struct slim_message_tags, text) + (len))
#define VERDICT_LEN(len)	(offsetof(struct slim_message_policy_verdict, text) + (len))
#define CONTAINER_LEN(num)	(offsetof(struct slim_message_container, addresses) + 16 * (num))

/* Encoders return the length, decoders whether the message is right. */
struct kind {
	size_t min, max;
	size_t (*encode)(const struct peer_message *message, union frame *frame);
	bool (*decode)(const union frame *frame, size_t len, struct peer_message *message);
};

static bool addresses_distinct(const struct in6_addr *addresses, size_t num)
{
	for (size_t i = 0; i < num; i++)
		for (size_t j = 0; j < i; j++)
			if (!memcmp(&addresses[i], &addresses[j], sizeof(addresses[i])))
				return false;
	return true;
}

/* Visible ASCII, then nothing but zeroes. */
static bool name_ok(const char name[SLIM_WIRE_NAME_LEN])
{
	size_t len = strnlen(name, SLIM_WIRE_NAME_LEN);

	for (size_t i = 0; i < len; i++)
		if (name[i] <= ' ' || name[i] > '~')
			return false;
	for (size_t i = len; i < SLIM_WIRE_NAME_LEN; i++)
		if (name[i])
			return false;
	return len > 0 && len < SLIM_WIRE_NAME_LEN;
}

static size_t hello_encode(const struct peer_message *message, union frame *frame)
{
	const struct peer_hello *in = &message->hello;
	struct slim_message_hello *out = &frame->hello;

	out->version = htobe16(in->version);
	out->port_first = htobe16(in->port_first);
	out->port_last = htobe16(in->port_last);
	out->vxlan_port = htobe16(in->vxlan_port);
	out->host_id = htobe64(in->host_id);
	out->instance = htobe64(in->instance);
	memcpy(out->name, in->name, strnlen(in->name, sizeof(out->name) - 1));
	out->addresses_num = htobe16((uint16_t)in->addresses_num);
	memcpy(out->addresses, in->addresses, 16 * in->addresses_num);
	return HELLO_LEN(in->addresses_num);
}

static bool hello_decode(const union frame *frame, size_t len, struct peer_message *message)
{
	const struct slim_message_hello *in = &frame->hello;
	struct peer_hello *out = &message->hello;

	out->version = be16toh(in->version);
	out->port_first = be16toh(in->port_first);
	out->port_last = be16toh(in->port_last);
	out->vxlan_port = be16toh(in->vxlan_port);
	out->host_id = be64toh(in->host_id);
	out->instance = be64toh(in->instance);
	memcpy(out->name, in->name, sizeof(out->name));
	out->addresses_num = be16toh(in->addresses_num);
	if (len != HELLO_LEN(out->addresses_num))
		return false;
	memcpy(out->addresses, in->addresses, 16 * out->addresses_num);
	return out->version && out->port_first && out->port_first <= out->port_last &&
	       out->port_last - out->port_first < SLIM_WIRE_PORTS && out->vxlan_port &&
	       !in->reserved[0] && !in->reserved[1] && !in->reserved[2] &&
	       name_ok(out->name) && addresses_distinct(out->addresses, out->addresses_num);
}

static size_t container_encode(const struct peer_message *message, union frame *frame)
{
	const struct peer_container *in = &message->container;
	struct slim_message_container *out = &frame->container;

	out->vni = htobe32(in->vni);
	out->id = htobe32(in->id);
	memcpy(out->mac, in->mac, sizeof(out->mac));
	out->addresses_num = htobe16((uint16_t)in->addresses_num);
	memcpy(out->addresses, in->addresses, 16 * in->addresses_num);
	return CONTAINER_LEN(in->addresses_num);
}

static bool mac_ok(const uint8_t mac[SLIM_WIRE_MAC_LEN])
{
	static const uint8_t zero[SLIM_WIRE_MAC_LEN];

	return !(mac[0] & 1) && memcmp(mac, zero, sizeof(zero));
}

static bool container_decode(const union frame *frame, size_t len,
			     struct peer_message *message)
{
	const struct slim_message_container *in = &frame->container;
	struct peer_container *out = &message->container;

	out->vni = be32toh(in->vni);
	out->id = be32toh(in->id);
	memcpy(out->mac, in->mac, sizeof(out->mac));
	out->addresses_num = be16toh(in->addresses_num);
	if (len != CONTAINER_LEN(out->addresses_num))
		return false;
	memcpy(out->addresses, in->addresses, 16 * out->addresses_num);
	return out->vni <= SLIM_WIRE_VNI_MAX && mac_ok(out->mac) &&
	       addresses_distinct(out->addresses, out->addresses_num);
}

static size_t container_remove_encode(const struct peer_message *message, union frame *frame)
{
	frame->container_remove.vni = htobe32(message->container.vni);
	frame->container_remove.id = htobe32(message->container.id);
	return sizeof(frame->container_remove);
}

static bool container_remove_decode(const union frame *frame, size_t len,
				    struct peer_message *message)
{
	(void)len;
	message->container.vni = be32toh(frame->container_remove.vni);
	message->container.id = be32toh(frame->container_remove.id);
	return message->container.vni <= SLIM_WIRE_VNI_MAX;
}

static size_t listener_encode(const struct peer_message *message, union frame *frame)
{
	const struct peer_listener *in = &message->listener;
	struct slim_message_listener *out = &frame->listener;

	out->vni = htobe32(in->vni);
	out->port = htobe16(in->port);
	out->flags = htobe16(in->busy ? SLIM_LISTENER_BUSY : 0);
	memcpy(out->addr, &in->addr, sizeof(out->addr));
	return sizeof(*out);
}

static bool listener_decode(const union frame *frame, size_t len,
			    struct peer_message *message)
{
	const struct slim_message_listener *in = &frame->listener;
	struct peer_listener *out = &message->listener;
	uint16_t flags = be16toh(in->flags);
	uint16_t known = message->type == SLIM_MESSAGE_LISTENER_ADD ? SLIM_LISTENER_FLAGS : 0;

	(void)len;
	out->vni = be32toh(in->vni);
	out->port = be16toh(in->port);
	out->busy = flags & SLIM_LISTENER_BUSY;
	memcpy(&out->addr, in->addr, sizeof(out->addr));
	return out->vni <= SLIM_WIRE_VNI_MAX && out->port && !(flags & ~known);
}

static size_t empty_encode(const struct peer_message *message, union frame *frame)
{
	(void)message;
	return sizeof(frame->message);
}

static bool empty_decode(const union frame *frame, size_t len, struct peer_message *message)
{
	(void)frame;
	(void)len;
	(void)message;
	return true;
}

static size_t ping_encode(const struct peer_message *message, union frame *frame)
{
	frame->ping.token = htobe64(message->token);
	return sizeof(frame->ping);
}

static bool ping_decode(const union frame *frame, size_t len, struct peer_message *message)
{
	(void)len;
	message->token = be64toh(frame->ping.token);
	return true;
}

static size_t tenant_encode(const struct peer_message *message, union frame *frame)
{
	const struct peer_tenant *in = &message->tenant;

	frame->tenant.vni = htobe32(in->vni);
	memcpy(frame->tenant.name, in->name, strnlen(in->name, sizeof(in->name) - 1));
	return sizeof(frame->tenant);
}

static bool tenant_decode(const union frame *frame, size_t len, struct peer_message *message)
{
	struct peer_tenant *out = &message->tenant;

	(void)len;
	out->vni = be32toh(frame->tenant.vni);
	memcpy(out->name, frame->tenant.name, sizeof(out->name));
	return out->vni && out->vni <= SLIM_WIRE_VNI_MAX && name_ok(out->name);
}

static size_t tags_encode(const struct peer_message *message, union frame *frame)
{
	frame->tags.vni = htobe32(message->tags.vni);
	frame->tags.id = htobe32(message->tags.id);
	memcpy(frame->tags.text, message->tags.text, message->tags.len);
	return TAGS_LEN(message->tags.len);
}

/* Its text is pointed to where the message was read from: peer_message_decode(). */
static bool tags_decode(const union frame *frame, size_t len, struct peer_message *message)
{
	struct peer_tags *out = &message->tags;

	out->vni = be32toh(frame->tags.vni);
	out->id = be32toh(frame->tags.id);
	out->len = len - TAGS_LEN(0);
	return out->vni <= SLIM_WIRE_VNI_MAX && tags_are_good(frame->tags.text, out->len);
}

static size_t question_encode(const struct peer_message *message, union frame *frame)
{
	const struct peer_question *in = &message->question;
	struct slim_message_policy_question *out = &frame->question;

	out->token = htobe64(in->token);
	out->source_vni = htobe32(in->source_vni);
	out->destination_vni = htobe32(in->destination_vni);
	out->protocol = htobe16(in->protocol);
	out->port = htobe16(in->port);
	memcpy(out->source, &in->source, sizeof(out->source));
	memcpy(out->destination, &in->destination, sizeof(out->destination));
	return sizeof(*out);
}

static bool question_decode(const union frame *frame, size_t len, struct peer_message *message)
{
	const struct slim_message_policy_question *in = &frame->question;
	struct peer_question *out = &message->question;

	(void)len;
	out->token = be64toh(in->token);
	out->source_vni = be32toh(in->source_vni);
	out->destination_vni = be32toh(in->destination_vni);
	out->protocol = be16toh(in->protocol);
	out->port = be16toh(in->port);
	memcpy(&out->source, in->source, sizeof(out->source));
	memcpy(&out->destination, in->destination, sizeof(out->destination));
	return !in->reserved && out->source_vni <= SLIM_WIRE_VNI_MAX &&
	       out->destination_vni <= SLIM_WIRE_VNI_MAX &&
	       (out->protocol == IPPROTO_TCP || out->protocol == IPPROTO_UDP ||
		out->protocol == IPPROTO_ICMP);
}

static size_t verdict_encode(const struct peer_message *message, union frame *frame)
{
	frame->verdict.token = htobe64(message->verdict.token);
	frame->verdict.flags = htobe16(message->verdict.allowed ? SLIM_VERDICT_ALLOWED : 0);
	memcpy(frame->verdict.text, message->verdict.text, message->verdict.len);
	return VERDICT_LEN(message->verdict.len);
}

/* Two texts, each with its end, and nothing else */
static bool verdict_text_ok(const char *text, size_t len)
{
	const char *first = memchr(text, '\0', len);

	return first && memchr(first + 1, '\0', len - (size_t)(first + 1 - text)) == text + len - 1;
}

/* For its text see tags_decode(). */
static bool verdict_decode(const union frame *frame, size_t len, struct peer_message *message)
{
	const struct slim_message_policy_verdict *in = &frame->verdict;
	struct peer_verdict *out = &message->verdict;
	uint16_t flags = be16toh(in->flags);

	out->token = be64toh(in->token);
	out->allowed = flags & SLIM_VERDICT_ALLOWED;
	out->len = len - VERDICT_LEN(0);
	return !(flags & ~SLIM_VERDICT_FLAGS) && !in->reserved[0] && !in->reserved[1] &&
	       !in->reserved[2] && verdict_text_ok(in->text, out->len);
}

#define FIXED(type)	sizeof(type), sizeof(type)

static const struct kind kinds[SLIM_MESSAGE_NUM] = {
	[SLIM_MESSAGE_HELLO] = { HELLO_LEN(1), HELLO_LEN(SLIM_WIRE_ADDRESSES),
		hello_encode, hello_decode },
	[SLIM_MESSAGE_CONTAINER_ADD] = { CONTAINER_LEN(1), CONTAINER_LEN(SLIM_WIRE_ADDRESSES),
		container_encode, container_decode },
	[SLIM_MESSAGE_CONTAINER_REMOVE] = { FIXED(struct slim_message_container_remove),
		container_remove_encode, container_remove_decode },
	[SLIM_MESSAGE_LISTENER_ADD] = { FIXED(struct slim_message_listener),
		listener_encode, listener_decode },
	[SLIM_MESSAGE_LISTENER_REMOVE] = { FIXED(struct slim_message_listener),
		listener_encode, listener_decode },
	[SLIM_MESSAGE_SYNC_END] = { FIXED(struct slim_message), empty_encode, empty_decode },
	[SLIM_MESSAGE_PING] = { FIXED(struct slim_message_ping), ping_encode, ping_decode },
	[SLIM_MESSAGE_PONG] = { FIXED(struct slim_message_ping), ping_encode, ping_decode },
	[SLIM_MESSAGE_TENANT] = { FIXED(struct slim_message_tenant), tenant_encode, tenant_decode },
	[SLIM_MESSAGE_CONTAINER_TAGS] = { TAGS_LEN(2), TAGS_LEN(SLIM_WIRE_TAGS_MAX),
		tags_encode, tags_decode },
	[SLIM_MESSAGE_POLICY_QUESTION] = { FIXED(struct slim_message_policy_question),
		question_encode, question_decode },
	[SLIM_MESSAGE_POLICY_VERDICT] = { VERDICT_LEN(2), VERDICT_LEN(SLIM_WIRE_VERDICT_MAX),
		verdict_encode, verdict_decode },
};

static bool known(unsigned int type)
{
	return type > SLIM_MESSAGE_UNSPEC && type < SLIM_MESSAGE_NUM;
}

size_t peer_message_encode(const struct peer_message *message, uint8_t *out)
{
	union frame frame = { 0 };
	size_t len = kinds[message->type].encode(message, &frame);

	frame.message.type = htobe16((uint16_t)message->type);
	frame.message.length = htobe32((uint32_t)len);
	memcpy(out, &frame, len);
	return len;
}

int peer_message_length(const uint8_t *data, size_t len)
{
	struct slim_message head;
	unsigned int type;

	if (len < sizeof(head))
		return 0;
	memcpy(&head, data, sizeof(head));
	type = be16toh(head.type);
	len = be32toh(head.length);
	if (type == SLIM_MESSAGE_UNSPEC || len < sizeof(head) || len > SLIM_WIRE_MESSAGE_MAX)
		return -EBADMSG;
	if (known(type) && (head.flags || len < kinds[type].min || len > kinds[type].max))
		return -EBADMSG;
	return (int)len;
}

int peer_message_decode(const uint8_t *data, size_t len, struct peer_message *message)
{
	union frame frame = { 0 };
	unsigned int type;
	int length = peer_message_length(data, len);

	if (length <= 0 || (size_t)length != len)
		return -EBADMSG;
	type = (unsigned int)data[0] << 8 | data[1];
	if (!known(type))
		return -EOPNOTSUPP;
	memcpy(&frame, data, len);
	message->type = (enum slim_message_type)type;
	if (type == SLIM_MESSAGE_CONTAINER_TAGS)
		message->tags.text = (const char *)data + TAGS_LEN(0);
	if (type == SLIM_MESSAGE_POLICY_VERDICT)
		message->verdict.text = (const char *)data + VERDICT_LEN(0);
	return kinds[type].decode(&frame, len, message) ? 0 : -EBADMSG;
}
