/* SPDX-License-Identifier: MIT */
/*
 * place.c - words for addresses, and the addresses that they stand for
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "place.h"

static const char *const names[ADDRESS_NUM] = {
	"any4", "any6", "lo4", "lo6", "A4", "A6", "Am", "B4", "B6", "Bm", "dead4",
};

/* All as IPv6, mapped where they are IPv4's */
static struct in6_addr addresses[ADDRESS_NUM];

static bool is_v4(int address)
{
	return address == ADDRESS_ANY4 || address == ADDRESS_LO4 || address == ADDRESS_A4 ||
	       address == ADDRESS_B4 || address == ADDRESS_DEAD4;
}

static int set(int address, const char *text)
{
	char mapped[80];

	if (inet_pton(AF_INET6, text, &addresses[address]) == 1)
		return 0;
	snprintf(mapped, sizeof(mapped), "::ffff:%s", text);
	return inet_pton(AF_INET6, mapped, &addresses[address]) == 1 ? 0 : -EINVAL;
}

int place_set(char *const *texts)
{
	char dead[64];

	/* Of the same network as A, and nobody's */
	snprintf(dead, sizeof(dead), "%s", texts[0]);
	if (strrchr(dead, '.'))
		strcpy(strrchr(dead, '.'), ".77");
	if (set(ADDRESS_ANY4, "0.0.0.0") || set(ADDRESS_ANY6, "::") || set(ADDRESS_LO4, "127.0.0.1") ||
	    set(ADDRESS_LO6, "::1") || set(ADDRESS_A4, texts[0]) || set(ADDRESS_AM, texts[0]) ||
	    set(ADDRESS_A6, texts[1]) || set(ADDRESS_B4, texts[2]) || set(ADDRESS_BM, texts[2]) ||
	    set(ADDRESS_B6, texts[3]) || set(ADDRESS_DEAD4, dead))
		return -EINVAL;
	return 0;
}

socklen_t place_address(int address, int port, uint16_t ports, struct sockaddr_storage *out)
{
	in_port_t number = port < PORTS ? htons((uint16_t)(ports + port)) : 0;
	struct sockaddr_in6 *in6 = (void *)out;
	struct sockaddr_in *in = (void *)out;

	memset(out, 0, sizeof(*out));
	if (is_v4(address)) {
		in->sin_family = AF_INET;
		in->sin_port = number;
		memcpy(&in->sin_addr, addresses[address].s6_addr + 12, 4);
		return sizeof(*in);
	}
	in6->sin6_family = AF_INET6;
	in6->sin6_port = number;
	in6->sin6_addr = addresses[address];
	return sizeof(*in6);
}

static const char *word_of(const struct in6_addr *address, bool v4)
{
	static _Thread_local char text[INET6_ADDRSTRLEN];

	for (int i = 0; i < ADDRESS_NUM; i++)
		if (is_v4(i) == v4 && !memcmp(&addresses[i], address, sizeof(*address)))
			return names[i];
	return inet_ntop(AF_INET6, address, text, sizeof(text));
}

void place_text(const struct sockaddr_storage *name, socklen_t len, uint16_t ports, char *text, size_t size)
{
	const struct sockaddr_in6 *in6 = (const void *)name;
	const struct sockaddr_in *in = (const void *)name;
	struct in6_addr address = IN6ADDR_ANY_INIT;
	bool v4 = name->ss_family == AF_INET;
	char port_text[16];
	uint16_t port;

	if (!v4 && name->ss_family != AF_INET6) {
		snprintf(text, size, "family %d, %u bytes", name->ss_family, len);
		return;
	}
	port = ntohs(v4 ? in->sin_port : in6->sin6_port);
	if (v4) {
		memset(address.s6_addr + 10, 0xff, 2);
		memcpy(address.s6_addr + 12, &in->sin_addr, 4);
	} else {
		address = in6->sin6_addr;
	}
	if (!port)
		strcpy(port_text, "0");
	else if (port >= ports && port < ports + PORTS)
		snprintf(port_text, sizeof(port_text), "p%d", port - ports);
	else
		snprintf(port_text, sizeof(port_text), "~%u", port);
	snprintf(text, size, "%s:%s (%u bytes)", word_of(&address, v4), port_text, len);
}
