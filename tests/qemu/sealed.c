/* SPDX-License-Identifier: MIT */
/*
 * sealed.c - what slim.ko says of a host, as JSON: how many sockets it has sealed, what passed over them, and each that lives
 *
 *	sealed FILE		of the host's network namespace
 *
 * Bytes are those of all its tenants' connections, live ones included. Names have the form ADDRESS:PORT, and IPv6 addresses
 * are in brackets.
 */
#include <fcntl.h>
#include <inttypes.h>

#include "guard.h"

/* What is to be printed of all the messages of a list */
struct list {
	uint64_t rx_bytes, tx_bytes;
	const char *separator;		/* before the next one */
};

static struct guard guard;
static struct message message;
static int host_fd;

static void ask(int command, int flags, void (*visit)(const struct nlmsghdr *head, void *data), void *data)
{
	message_begin(&guard, &message, command, flags);
	message_put32(&message, SLIM_A_HOST_FD, (uint32_t)host_fd);
	errno = -(visit ? message_send(&guard, &message) : message_talk(&guard, &message));
	if (!errno && visit)
		errno = -message_answer(&guard, &message, visit, data);
	must(errno ? -1 : 0, "slim.ko");
}

static uint64_t nested_u64(const struct nlattr *nest, int type)
{
	return attr_u64(attr_find(attr_value(nest), nest->nla_len - NLA_HDRLEN, type));
}

static void print_number(const char *name, uint64_t value)
{
	printf("\"%s\":%" PRIu64 ",", name, value);
}

static void print_name(const char *what, const struct nlattr *nest, int type)
{
	const struct nlattr *attr = attr_find(attr_value(nest), nest->nla_len - NLA_HDRLEN, type);
	struct slim_address name = { 0 };
	char text[INET6_ADDRSTRLEN];

	if (attr)
		memcpy(&name, attr_value(attr), sizeof(name));
	if (IN6_IS_ADDR_V4MAPPED((const struct in6_addr *)name.addr))
		printf("\"%s\":\"%s:%u\",", what, inet_ntop(AF_INET, name.addr + 12, text, sizeof(text)), name.port);
	else
		printf("\"%s\":\"[%s]:%u\",", what, inet_ntop(AF_INET6, name.addr, text, sizeof(text)), name.port);
}

static void take_tenant(const struct nlmsghdr *head, void *data)
{
	const struct nlattr *nest = nlmsg_find(head, SLIM_A_TENANT);
	struct list *list = data;

	if (!nest)
		return;
	list->rx_bytes += nested_u64(nest, SLIM_A_RX_BYTES);
	list->tx_bytes += nested_u64(nest, SLIM_A_TX_BYTES);
}

static void print_socket(const struct nlmsghdr *head, void *data)
{
	const struct nlattr *nest = nlmsg_find(head, SLIM_A_SOCKET);
	struct list *list = data;
	uint64_t rx, tx;

	if (!nest)
		return;
	rx = nested_u64(nest, SLIM_A_RX_BYTES);
	tx = nested_u64(nest, SLIM_A_TX_BYTES);
	list->rx_bytes += rx;
	list->tx_bytes += tx;
	printf("%s{", list->separator);
	print_name("local", nest, SLIM_A_LOCAL);
	print_name("peer", nest, SLIM_A_PEER);
	print_number("cookie", nested_u64(nest, SLIM_A_COOKIE));
	print_number("rx_bytes", rx);
	print_number("tx_bytes", tx);
	printf("\"accepted\":%s}", nested_u64(nest, SLIM_A_SEAL_FLAGS) & SLIM_SEAL_ACCEPTED ? "true" : "false");
	list->separator = ",";
}

int main(int argc, char **argv)
{
	static const struct {
		int attr;
		const char *name;
	} stats[] = {
		{ SLIM_A_SEALED, "sealed" }, { SLIM_A_LIVE, "live" }, { SLIM_A_DENIED, "denied" },
		{ SLIM_A_ATTACKS, "attacks" }, { SLIM_A_CUT, "cut" },
	};
	struct list list = { .separator = "" };

	host_fd = (int)must(open(argc == 2 ? argv[1] : "", O_RDONLY | O_CLOEXEC), "the host's namespace");
	must(guard_open(&guard), "the family");
	putchar('{');
	ask(SLIM_CMD_STATS, 0, NULL, NULL);
	for (size_t i = 0; i < NUM(stats); i++)
		print_number(stats[i].name, message_u64(&message, stats[i].attr));
	ask(SLIM_CMD_TENANT, NLM_F_DUMP, take_tenant, &list);
	printf("\"sockets\":[");
	ask(SLIM_CMD_SOCKET, NLM_F_DUMP, print_socket, &list);
	printf("],");
	print_number("rx_bytes", list.rx_bytes);
	printf("\"tx_bytes\":%" PRIu64 "}\n", list.tx_bytes);
	return 0;
}
