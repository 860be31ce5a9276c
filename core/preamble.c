/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * preamble.c - the first bytes of a slim connection
 *
 * The layout is fixed: every TLV has its place and its length, so decoding compares each TLV's
 * head with the only one that may stand there.
 */
#include "preamble.h"

#ifdef __KERNEL__
#include <linux/errno.h>
#include <linux/string.h>
#else
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#endif

#include "../include/slim/wire.h"

#define ADDRESSES_LEN4	12	/* two addresses, two ports */
#define ADDRESSES_LEN6	36
#define TLV_HEAD_LEN	3

static const uint8_t mapped_prefix[12] = { [10] = 0xff, [11] = 0xff };

static bool is_mapped(const uint8_t *addr)
{
	return !memcmp(addr, mapped_prefix, sizeof(mapped_prefix));
}

static uint8_t *put_bytes(uint8_t *out, const void *data, size_t len)
{
	memcpy(out, data, len);
	return out + len;
}

static uint8_t *put_number(uint8_t *out, uint64_t value, unsigned int len)
{
	for (unsigned int i = 0; i < len; i++)
		out[i] = (uint8_t)(value >> 8 * (len - 1 - i));
	return out + len;
}

static uint64_t get_number(const uint8_t *data, unsigned int len)
{
	uint64_t value = 0;

	for (unsigned int i = 0; i < len; i++)
		value = value << 8 | data[i];
	return value;
}

static uint8_t *put_tlv(uint8_t *out, enum slim_wire_tlv type, uint64_t value,
			unsigned int len)
{
	*out++ = (uint8_t)type;
	out = put_number(out, len, 2);
	return put_number(out, value, len);
}

/* Moves *@data on behind the TLV. */
static bool get_tlv(const uint8_t **data, enum slim_wire_tlv type, uint64_t *value,
		    unsigned int len)
{
	if ((*data)[0] != type || get_number(*data + 1, 2) != len)
		return false;
	*value = get_number(*data + TLV_HEAD_LEN, len);
	*data += TLV_HEAD_LEN + len;
	return true;
}

int preamble_encode(const struct preamble *fields, uint8_t *out)
{
	bool v4 = is_mapped(fields->src) && is_mapped(fields->dst);
	size_t skip = v4 ? sizeof(mapped_prefix) : 0;
	int len = v4 ? PREAMBLE_LEN4 : PREAMBLE_LEN6;
	bool crosses = fields->src_vni && fields->src_vni != fields->vni;

	if (fields->vni > SLIM_WIRE_VNI_MAX || fields->src_vni > SLIM_WIRE_VNI_MAX ||
	    (crosses && fields->sequence >= SLIM_WIRE_SEQUENCE_MAX))
		return -EINVAL;
	out = put_bytes(out, SLIM_WIRE_SIGNATURE, SLIM_WIRE_SIGNATURE_LEN);
	*out++ = SLIM_WIRE_COMMAND;
	*out++ = v4 ? SLIM_WIRE_TCP4 : SLIM_WIRE_TCP6;
	out = put_number(out, (uint64_t)(len - PREAMBLE_HEADER_LEN), 2);
	out = put_bytes(out, fields->src + skip, 16 - skip);
	out = put_bytes(out, fields->dst + skip, 16 - skip);
	out = put_number(out, fields->src_port, 2);
	out = put_number(out, fields->dst_port, 2);
	out = put_tlv(out, SLIM_WIRE_TLV_VERSION,
		      crosses ? PREAMBLE_VERSION_CROSSING : PREAMBLE_VERSION, 1);
	out = put_tlv(out, SLIM_WIRE_TLV_VNI, fields->vni, 4);
	out = put_tlv(out, SLIM_WIRE_TLV_HOST, fields->host_id, 8);
	out = put_tlv(out, SLIM_WIRE_TLV_KEY, fields->key_id, 4);
	out = put_tlv(out, SLIM_WIRE_TLV_SEQUENCE, fields->sequence |
		      (crosses ? (uint64_t)fields->src_vni << SLIM_WIRE_SOURCE_SHIFT : 0), 8);
	*out++ = SLIM_WIRE_TLV_MAC;
	put_number(out, PREAMBLE_MAC_LEN, 2);
	return len;
}

int preamble_length(const uint8_t *data)
{
	uint64_t len = get_number(data + 14, 2) + PREAMBLE_HEADER_LEN;

	if (memcmp(data, SLIM_WIRE_SIGNATURE, SLIM_WIRE_SIGNATURE_LEN) ||
	    data[12] != SLIM_WIRE_COMMAND)
		return -EBADMSG;
	if (data[13] == SLIM_WIRE_TCP4 && len == PREAMBLE_LEN4)
		return PREAMBLE_LEN4;
	if (data[13] == SLIM_WIRE_TCP6 && len == PREAMBLE_LEN6)
		return PREAMBLE_LEN6;
	return -EBADMSG;
}

/* Moves on behind addresses and ports. False where the short form was called for. */
static bool get_addresses(const uint8_t **data, bool v4, struct preamble *fields)
{
	size_t skip = v4 ? sizeof(mapped_prefix) : 0, len = 16 - skip;
	const uint8_t *ports = *data + 2 * len;

	memcpy(fields->src, mapped_prefix, skip);
	memcpy(fields->dst, mapped_prefix, skip);
	memcpy(fields->src + skip, *data, len);
	memcpy(fields->dst + skip, *data + len, len);
	fields->src_port = (uint16_t)get_number(ports, 2);
	fields->dst_port = (uint16_t)get_number(ports + 2, 2);
	*data = ports + 4;
	return v4 || !is_mapped(fields->src) || !is_mapped(fields->dst);
}

/* The source's tenant; what is left of @sequence is that. */
static bool get_source(uint64_t version, uint32_t vni, uint64_t *sequence, uint32_t *source)
{
	*source = vni;
	if (version == PREAMBLE_VERSION)
		return true;
	*source = (uint32_t)(*sequence >> SLIM_WIRE_SOURCE_SHIFT);
	*sequence &= ((uint64_t)1 << SLIM_WIRE_SOURCE_SHIFT) - 1;
	return version == PREAMBLE_VERSION_CROSSING && *source && *source != vni &&
	       *sequence < SLIM_WIRE_SEQUENCE_MAX;
}

int preamble_decode(const uint8_t *data, size_t len, struct preamble *fields)
{
	uint64_t version, vni, host, key, sequence, mac;
	uint32_t source;

	if (len < PREAMBLE_HEADER_LEN || preamble_length(data) != (int)len)
		return -EBADMSG;
	data += PREAMBLE_HEADER_LEN;
	if (!get_addresses(&data, len == PREAMBLE_LEN4, fields))
		return -EBADMSG;
	if (!get_tlv(&data, SLIM_WIRE_TLV_VERSION, &version, 1) ||
	    !get_tlv(&data, SLIM_WIRE_TLV_VNI, &vni, 4) ||
	    !get_tlv(&data, SLIM_WIRE_TLV_HOST, &host, 8) ||
	    !get_tlv(&data, SLIM_WIRE_TLV_KEY, &key, 4) ||
	    !get_tlv(&data, SLIM_WIRE_TLV_SEQUENCE, &sequence, 8) ||
	    !get_tlv(&data, SLIM_WIRE_TLV_MAC, &mac, PREAMBLE_MAC_LEN))
		return -EBADMSG;
	if (vni > SLIM_WIRE_VNI_MAX || !get_source(version, (uint32_t)vni, &sequence, &source))
		return -EBADMSG;
	fields->vni = (uint32_t)vni;
	fields->src_vni = source;
	fields->host_id = host;
	fields->key_id = (uint32_t)key;
	fields->sequence = sequence;
	put_number(fields->mac, mac, PREAMBLE_MAC_LEN);
	return 0;
}
