/* SPDX-License-Identifier: MIT */
/*
 * fuzz_address.c - any text as an address, any bytes as an endpoint or a socket's name
 *
 * links: router/endpoint.c shim/address.c shim/user.c
 * libs: crypto
 */
#include <arpa/inet.h>
#include <netinet/in.h>

#include "../../router/endpoint.h"
#include "../../shim/address.h"
#include "input.h"

static void check_text(const char *text)
{
	char again[INET6_ADDRSTRLEN];
	struct in6_addr addr, same;

	if (addr_parse(text, &addr))
		return;
	addr_format(&addr, again, sizeof(again));
	require(addr_parse(again, &same) == 0 && !memcmp(&addr, &same, sizeof(addr)));
}

/* The router's way with an endpoint, and back */
static void check_endpoint(const struct slim_endpoint *endpoint)
{
	struct in6_addr addr = endpoint_addr(endpoint);
	struct sockaddr_in6 in6 = endpoint_sockaddr(endpoint);
	struct slim_endpoint again = endpoint_from_sockaddr((struct sockaddr *)&in6);
	struct sockaddr_storage name;
	char text[ENDPOINT_STRLEN];

	require(endpoint_equal(&again, endpoint));
	endpoint_format(endpoint, text, sizeof(text));
	require(strlen(text) < sizeof(text));
	for (int i = 0; i < 2; i++) {
		int family = i ? AF_INET : AF_INET6;

		if (family == AF_INET && !addr_is4(&addr))
			continue;
		require(endpoint_to_sockaddr(endpoint, family, &name) > 0);
		again = endpoint_from_sockaddr((struct sockaddr *)&name);
		require(endpoint_equal(&again, endpoint));
	}
}

/* The shim's way, and back */
static void check_name(const uint8_t *data, size_t size)
{
	struct slim_endpoint endpoint, again;
	union address name, back;
	uint32_t len = (uint32_t)(size < sizeof(name) ? size : sizeof(name));
	uint8_t *exact = malloc(sizeof(name));

	memset(exact, 0, sizeof(name));
	memcpy(exact, data, len);
	memcpy(&name, exact, sizeof(name));
	free(exact);
	if (address_to_endpoint(&name, len, &endpoint))
		return;
	len = address_from_endpoint(&back, name.family, &endpoint);
	require(address_to_endpoint(&back, len, &again) == 0);
	require(!memcmp(&again, &endpoint, sizeof(again)));
	address_clear_any(&again);
	require(!address_is_any(&endpoint) || !again.addr[10]);
	(void)address_is_ticket(&endpoint);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = { data, size };
	struct slim_endpoint endpoint;
	char *text = malloc(size + 1);

	if (size) {
		memcpy(text, data, size);
		check_name(data, size);
	}
	text[size] = '\0';
	check_text(text);
	free(text);
	input_bytes(&input, &endpoint, sizeof(endpoint));
	endpoint.reserved = 0;
	check_endpoint(&endpoint);
	return 0;
}
