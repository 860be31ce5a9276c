/* SPDX-License-Identifier: MIT */
/*
 * fuzz_netlink.c - any bytes as the kernel's answers about sockets and rules
 *
 * links: router/diag.c router/diag_info.c router/netfilter_probe.c router/netfilter_legacy.c router/link_request.c router/endpoint.c router/namespace.c tests/fuzz/log.c
 * without: router/diag.c router/netfilter_probe.c
 * libs: nl-3 crypto
 *
 * The kernel makes them, but what of is a container's to choose: names, ports, rules. The first byte
 * chooses the reader, what follows are attributes (or a struct tcp_info) behind a whole header.
 */
#include "input.h"

#include "../../router/diag.c"
#include "../../router/netfilter_probe.c"

static void found_socket(const struct diag_socket *socket, void *data)
{
	char text[ENDPOINT_STRLEN];

	(void)data;
	endpoint_format(&socket->local, text, sizeof(text));
	endpoint_format(&socket->peer, text, sizeof(text));
}

/* A message of exactly this size, so that a sanitizer sees who reads on */
static struct nl_msg *message_of(int type, size_t header, struct input *input)
{
	struct nl_msg *msg = nlmsg_alloc_size(NLMSG_HDRLEN + NLMSG_ALIGN(header + input->left));
	struct nlmsghdr *nlh = nlmsg_put(msg, 0, 0, type, (int)header, 0);
	size_t left;

	require(nlh != NULL);
	input_bytes(input, nlmsg_data(nlh), header);
	left = input->left;
	if (left) {
		require(nlmsg_reserve(msg, left, 0) != NULL);
		input_bytes(input, (char *)nlmsg_data(nlh) + header, left);
	}
	return msg;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = { data, size };
	struct dump dump = { .each = found_socket };
	static struct probe probe;
	struct nl_msg *msg;
	uint8_t which = input_byte(&input);
	size_t before = which / 3 % (CHAINS_MAX + 1);

	switch (which % 3) {
	case 0:
		msg = message_of(SOCK_DIAG_BY_FAMILY, which & 4 ? 8 : sizeof(struct inet_diag_msg),
				 &input);
		(void)valid_cb(msg, &dump);
		break;
	case 1:
		probe = (struct probe){ .except = "slim", .chains_num = before };
		msg = message_of(NFT_MSG_NEWCHAIN, sizeof(struct nfgenmsg), &input);
		(void)chain_found(nlmsg_hdr(msg), &probe);
		require(probe.chains_num <= CHAINS_MAX);
		if (probe.chains_num > before)
			require(memchr(probe.chains[before].name, 0, NFT_NAME_MAXLEN) &&
				memchr(probe.chains[before].table, 0, NFT_NAME_MAXLEN));
		break;
	default:
		probe = (struct probe){ 0 };
		msg = message_of(NFT_MSG_NEWRULE, sizeof(struct nfgenmsg), &input);
		/* Either it is for loopback alone, or it counts. */
		require(rule_found(nlmsg_hdr(msg), &probe) == !probe.counts);
		break;
	}
	nlmsg_free(msg);
	return 0;
}
