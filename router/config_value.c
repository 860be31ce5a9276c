/* SPDX-License-Identifier: MIT */
/* config_value.c - the values of slimrouter.conf(5): from text to C */
#include "config_value.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "endpoint.h"

#include "../include/slim/channel.h"

#define MAPPED_BITS	96	/* in front of an IPv4 address in its IPv6 form */

/* The first bytes of a prefix are enough to write it down; the rest is zero. */
static const struct {
	uint8_t addr[16];
	unsigned int len;
	const char *owner;
} owned_prefixes[] = {
	{ { [10] = 0xff, [11] = 0xff, [12] = 0 }, 104, "\"this network\" (0.0.0.0/8)" },
	{ { [10] = 0xff, [11] = 0xff, [12] = 127 }, 104, "loopback (127.0.0.0/8)" },
	{ { [10] = 0xff, [11] = 0xff, [12] = 224 }, 99, "multicast and reserved (224.0.0.0/3)" },
	{ { 0 }, 127, "loopback (::1)" },
	{ { 0xfe, 0x80 }, 10, "link-local (fe80::/10)" },
	{ { 0xff }, 8, "multicast (ff00::/8)" },
	{ SLIM_TICKET_ADDR6, 128, "Slim's tickets (fd53:4c49:4d00::1)" },
};

int config_value_number(const char *text, unsigned long min, unsigned long max,
			unsigned long *out)
{
	unsigned long value = 0;

	if (!*text)
		return -EINVAL;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return -EINVAL;
		if (value <= max)	/* once beyond, it stays there */
			value = value * 10 + (unsigned long)(*text - '0');
	}
	if (value < min || value > max)
		return -ERANGE;
	*out = value;
	return 0;
}

/* Splits @text at the first @mark. Returns what is behind it, or NULL. @size: of @before */
static const char *split(const char *text, char mark, char *before, size_t size)
{
	const char *found = strchr(text, mark);

	if (!found || (size_t)(found - text) >= size)
		return NULL;
	memcpy(before, text, (size_t)(found - text));
	before[found - text] = '\0';
	return found + 1;
}

int config_value_ports(const char *text, unsigned int max, uint16_t *first, uint16_t *last)
{
	unsigned long from, to;
	char before[8];
	const char *behind = split(text, '-', before, sizeof(before));

	if (config_value_number(behind ? before : text, 1, 65535, &from) ||
	    config_value_number(behind ? behind : text, 1, 65535, &to) || to < from)
		return -EINVAL;
	if (to - from >= max)
		return -ERANGE;
	*first = (uint16_t)from;
	*last = (uint16_t)to;
	return 0;
}

/* Clears what is beyond @len bits. Returns whether any of that was set. */
static bool mask(struct in6_addr *addr, unsigned int len)
{
	bool changed = false;

	for (unsigned int i = len / 8; i < 16; i++) {
		uint8_t keep = i == len / 8 ? (uint8_t)(0xff00 >> len % 8) : 0;

		if (addr->s6_addr[i] & ~keep)
			changed = true;
		addr->s6_addr[i] &= keep;
	}
	return changed;
}

int config_value_prefix(const char *text, struct config_prefix *out)
{
	char before[INET6_ADDRSTRLEN];
	const char *behind = split(text, '/', before, sizeof(before));
	unsigned long len;
	bool v4;

	if (!behind || addr_parse(before, &out->addr))
		return -EINVAL;
	v4 = addr_is4(&out->addr) && !strchr(before, ':');
	if (config_value_number(behind, 1, v4 ? 32 : 128, &len))
		return -EINVAL;
	out->len = (unsigned int)len + (v4 ? MAPPED_BITS : 0);
	return mask(&out->addr, out->len) ? -ERANGE : 0;
}

const char *config_value_prefix_format(const struct config_prefix *prefix, char *out)
{
	char addr[INET6_ADDRSTRLEN];
	bool v4 = addr_is4(&prefix->addr);

	snprintf(out, CONFIG_PREFIX_STRLEN, "%s/%u",
		 addr_format(&prefix->addr, addr, sizeof(addr)),
		 prefix->len - (v4 ? MAPPED_BITS : 0));
	return out;
}

static bool is_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool config_value_name_ok(const char *text)
{
	if (!is_alnum(*text) || strlen(text) >= CONFIG_NAME_MAX)
		return false;
	for (; *text; text++)
		if (!is_alnum(*text) && !strchr("._-", *text))
			return false;
	return true;
}

bool config_value_host_address_ok(const struct in6_addr *addr)
{
	if (addr_is4(addr)) {
		uint32_t v4 = ntohl(addr_get4(addr));

		return v4 && v4 < 0xe0000000;	/* 224.0.0.0 and up: multicast, reserved */
	}
	return !IN6_IS_ADDR_UNSPECIFIED(addr) && !IN6_IS_ADDR_MULTICAST(addr) &&
	       !IN6_IS_ADDR_LINKLOCAL(addr);
}

static bool overlap(const struct config_prefix *a, const struct config_prefix *b)
{
	return config_prefix_covers(a, &b->addr) || config_prefix_covers(b, &a->addr);
}

const char *config_value_prefix_owner(const struct config_prefix *prefix)
{
	struct config_prefix mapped = { .len = MAPPED_BITS, .addr = addr_map4(0) };

	if (prefix->len < MAPPED_BITS && overlap(prefix, &mapped))
		return "IPv4 (::ffff:0:0/96)";
	for (size_t i = 0; i < sizeof(owned_prefixes) / sizeof(owned_prefixes[0]); i++) {
		struct config_prefix owned = { .len = owned_prefixes[i].len };

		memcpy(&owned.addr, owned_prefixes[i].addr, sizeof(owned.addr));
		if (overlap(prefix, &owned))
			return owned_prefixes[i].owner;
	}
	return NULL;
}
