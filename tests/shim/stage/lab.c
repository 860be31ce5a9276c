/* SPDX-License-Identifier: MIT */
/* lab.c - what there is to know of a lab: namespaces, and what its routers say */
#include "lab.h"

#include <arpa/inet.h>
#include <err.h>
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../../tools/client.h"
#include "child.h"

#define NODES_MAX	8
#define NODE_NAME_MAX	16
#define NFT_MS		5000

static const char *lab;
static struct node {
	char name[NODE_NAME_MAX];
	int netns;
} nodes[NODES_MAX];

void lab_is(const char *name)
{
	lab = name;
}

static int open_netns(const char *node)
{
	char path[PATH_MAX];
	int fd;

	snprintf(path, sizeof(path), "/run/netns/slim-%s-%s", lab, node);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		err(1, "%s", path);
	return fd;
}

int lab_netns(const char *node)
{
	struct node *known = nodes;

	while (known->name[0] && strcmp(known->name, node))
		known++;
	if (known == nodes + NODES_MAX - 1)
		errx(1, "%s is one node too many", node);
	if (!known->name[0]) {
		snprintf(known->name, sizeof(known->name), "%s", node);
		known->netns = open_netns(node);
	}
	return known->netns;
}

static json_t *ask(const char *host, const char *command)
{
	json_t *request = json_pack("{s:i, s:s}", "version", CLIENT_VERSION, "command", command), *reply;
	char path[PATH_MAX], error[256] = "";

	snprintf(path, sizeof(path), "/run/slim-lab/%s/%s/control.sock", lab, host);
	reply = client_ask(path, request, -1, CLIENT_TIMEOUT, error, sizeof(error));
	json_decref(request);
	if (!reply || !json_is_true(json_object_get(reply, "ok")))
		errx(1, "%s of %s: %s", command, host, error);
	return reply;
}

void lab_counters(const char *host, const char *const names[], long values[], size_t num)
{
	json_t *reply = ask(host, "status");

	for (size_t i = 0; i < num; i++) {
		json_t *counter = json_object_get(json_object_get(reply, "counters"), names[i]);

		if (!counter)
			errx(1, "%s has no counter %s", host, names[i]);
		values[i] = (long)json_integer_value(counter);
	}
	json_decref(reply);
}

bool lab_announced(const char *host, int port)
{
	json_t *reply = ask(host, "listeners"), *listener;
	bool found = false;
	size_t i;

	json_array_foreach(json_object_get(reply, "listeners"), i, listener)
		if (json_integer_value(json_object_get(listener, "port")) == port &&
		    !json_is_true(json_object_get(listener, "busy")))
			found = true;
	json_decref(reply);
	return found;
}

static void enter(const char *node)
{
	if (setns(lab_netns(node), CLONE_NEWNET))
		err(1, "%s", node);
}

/* Asks the kernel of a node for its sockets of a kind; the answer is to be read from what is returned. */
static int ask_sockets(const char *node, uint8_t family, uint8_t protocol, uint32_t states)
{
	struct {
		struct nlmsghdr header;
		struct inet_diag_req_v2 request;
	} message = {
		.header = { .nlmsg_len = sizeof(message), .nlmsg_type = SOCK_DIAG_BY_FAMILY,
			    .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP },
		.request = { .sdiag_family = family, .sdiag_protocol = protocol, .idiag_states = states },
	};
	int fd;

	enter(node);
	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	if (fd < 0 || send(fd, &message, sizeof(message), 0) < 0)
		err(1, "sock_diag in %s", node);
	return fd;
}

static bool is_at(const struct nlmsghdr *header, int port)
{
	const struct inet_diag_msg *socket = NLMSG_DATA(header);

	return header->nlmsg_type == SOCK_DIAG_BY_FAMILY && ntohs(socket->id.idiag_sport) == port;
}

static bool is_there(const char *node, uint8_t family, uint8_t protocol, uint32_t states, int port)
{
	int fd = ask_sockets(node, family, protocol, states);
	char bytes[16384] __attribute__((aligned(NLMSG_ALIGNTO)));
	bool found = false, done = false;

	while (!done) {
		ssize_t got = recv(fd, bytes, sizeof(bytes), 0);
		struct nlmsghdr *header = (struct nlmsghdr *)bytes;

		if (got <= 0)
			err(1, "sock_diag in %s", node);
		for (; NLMSG_OK(header, got); header = NLMSG_NEXT(header, got)) {
			done |= header->nlmsg_type == NLMSG_DONE || header->nlmsg_type == NLMSG_ERROR;
			found |= is_at(header, port);
		}
	}
	close(fd);
	return found;
}

bool lab_listens(const char *node, int port)
{
	return is_there(node, AF_INET, IPPROTO_TCP, 1 << TCP_LISTEN, port) ||
	       is_there(node, AF_INET6, IPPROTO_TCP, 1 << TCP_LISTEN, port) ||
	       is_there(node, AF_INET, IPPROTO_UDP, 1 << TCP_CLOSE, port) ||
	       is_there(node, AF_INET6, IPPROTO_UDP, 1 << TCP_CLOSE, port);
}

long lab_opens(const char *node)
{
	long opens = -1;
	char line[512];
	FILE *file;

	enter(node);
	file = fopen("/proc/thread-self/net/snmp", "re");
	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "Tcp: %*d %*d %*d %*d %ld", &opens) == 1)
			break;
	if (file)
		fclose(file);
	if (opens < 0)
		errx(1, "%s has no count of connections", node);
	return opens;
}

void lab_silence(const char *host, bool silent)
{
	static char begin[] =
		"table inet shim_test {\nchain input {\n"
		"type filter hook input priority -300;\n"
		"tcp flags & (syn | ack) == syn drop\n"
		"udp dport 4789 drop\n}\n}\n";
	static char end[] = "delete table inet shim_test";
	char *argv[] = { "/usr/sbin/nft", silent ? begin : end, NULL };
	struct child nft = child_start(lab_netns(host), argv, (char *[]){ NULL });

	if (child_end(&nft, NFT_MS)) {
		child_tell(&nft, stderr);
		errx(1, "nft has failed in %s", host);
	}
	close(nft.said);
}
