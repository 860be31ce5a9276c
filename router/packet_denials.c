/* SPDX-License-Identifier: MIT */
/* packet_denials.c - what policy denies on the packet path is said in the log */
#include "packet_denials.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_log.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "denial.h"
#include "endpoint.h"
#include "link_request.h"
#include "log.h"
#include "packet_head.h"
#include "policy_crossing.h"
#include "policy_force.h"

#define AGAIN_MS	1000
#define TRIES_SILENT	10	/* that fail before it is said */
#define MESSAGES_TURN	16	/* datagrams that are read in one go */
#define FLUSH		5	/* hundredths of a second that the kernel may keep some back */
#define MESSAGE_MAX	65536

static struct {
	struct loop *loop;
	struct loop_event event;
	struct loop_timer again;
	struct nl_sock *sock;
	unsigned int tries;
} denials;

/* --- what the kernel shows --- */

static uint32_t service_of(const struct packet_head *head)
{
	switch (head->protocol) {
	case IPPROTO_TCP:
		return CLASSIFIER_SERVICE(CLASSIFIER_TCP, head->destination.port);
	case IPPROTO_UDP:
		return CLASSIFIER_SERVICE(CLASSIFIER_UDP, head->destination.port);
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		return CLASSIFIER_SERVICE(CLASSIFIER_ICMP, 0);
	default:
		return CLASSIFIER_SERVICE(CLASSIFIER_OTHER, 0);
	}
}

/* A container has made it up. */
static void tell(uint32_t vni, const void *packet, size_t len)
{
	struct policy_question question = { .source_vni = vni, .destination_vni = vni };
	struct policy_verdict verdict;
	struct packet_head head;
	struct in6_addr to;

	if (packet_head_parse(packet, len, &head))
		return;
	memcpy(question.source, head.source.addr, sizeof(question.source));
	memcpy(question.destination, head.destination.addr, sizeof(question.destination));
	question.service = service_of(&head);
	policy_ask(&question, &verdict);
	to = endpoint_addr(&head.destination);
	denial_say_packet(&verdict, head.protocol, &(struct ends){
				  vni, policy_crossing_to(vni, &to), head.source, head.destination });
}

static void handle_message(struct nlmsghdr *nlh)
{
	static struct nla_policy policy[NFULA_MAX + 1] = {
		[NFULA_PREFIX] = { .type = NLA_STRING },
		[NFULA_PAYLOAD] = { .type = NLA_UNSPEC },
	};
	struct nlattr *attrs[NFULA_MAX + 1];
	uint32_t vni;
	char *end;

	if (nlh->nlmsg_type != (NFNL_SUBSYS_ULOG << 8 | NFULNL_MSG_PACKET) ||
	    nlmsg_parse(nlh, sizeof(struct nfgenmsg), attrs, NFULA_MAX, policy) ||
	    !attrs[NFULA_PREFIX] || !attrs[NFULA_PAYLOAD])
		return;
	vni = (uint32_t)strtoul(nla_get_string(attrs[NFULA_PREFIX]), &end, 10);
	if (!*end)
		tell(vni, nla_data(attrs[NFULA_PAYLOAD]), (size_t)nla_len(attrs[NFULA_PAYLOAD]));
}

static void denials_handle(struct loop_event *event, uint32_t unused)
{
	static char buffer[MESSAGE_MAX] __attribute__((aligned(NLMSG_ALIGNTO)));

	(void)unused;
	for (int i = 0; i < MESSAGES_TURN; i++) {
		struct sockaddr_nl from = { 0 };
		socklen_t from_len = sizeof(from);
		ssize_t len = recvfrom(event->fd, buffer, sizeof(buffer), MSG_DONTWAIT,
				       (struct sockaddr *)&from, &from_len);
		int left = (int)len;

		if (len < 0 && errno == EAGAIN)
			return;
		/* Else some were lost (ENOBUFS), or somebody else has sent it. */
		if (len < 0 || from.nl_pid)
			continue;
		for (struct nlmsghdr *nlh = (void *)buffer; nlmsg_ok(nlh, left);
		     nlh = nlmsg_next(nlh, &left))
			handle_message(nlh);
	}
}

/* --- listening --- */

/* All in one message: packets may come from then on. */
static int bind_group(struct nl_sock *sock)
{
	const struct nfgenmsg info = {
		.nfgen_family = AF_UNSPEC, .version = NFNETLINK_V0,
		.res_id = htons(PACKET_DENIALS_GROUP),
	};
	const struct nfulnl_msg_config_cmd bind = { .command = NFULNL_CFG_CMD_BIND };
	const struct nfulnl_msg_config_mode mode = {
		.copy_range = htonl(PACKET_DENIALS_BYTES), .copy_mode = NFULNL_COPY_PACKET,
	};
	struct nl_msg *msg = link_message(NFNL_SUBSYS_ULOG << 8 | NFULNL_MSG_CONFIG, NLM_F_ACK,
					  &info, sizeof(info));

	link_put(msg, NFULA_CFG_CMD, &bind, sizeof(bind));
	link_put(msg, NFULA_CFG_MODE, &mode, sizeof(mode));
	link_put_u32(msg, NFULA_CFG_TIMEOUT, htonl(FLUSH));
	return link_request(sock, msg);
}

static int listen_to(struct nl_sock *sock)
{
	int err;

	errno = 0;
	if (nl_connect(sock, NETLINK_NETFILTER) < 0)
		return errno ? -errno : -EIO;
	err = bind_group(sock);
	if (err)
		return err;
	denials.event.fd = nl_socket_get_fd(sock);
	denials.event.handle = denials_handle;
	return loop_add(denials.loop, &denials.event, EPOLLIN);
}

static void start(void)
{
	int err = -ENOMEM;

	denials.sock = nl_socket_alloc();
	if (denials.sock)
		err = listen_to(denials.sock);
	if (!err)
		return;
	nl_socket_free(denials.sock);
	denials.sock = NULL;
	if (++denials.tries == TRIES_SILENT)
		log_warning("cannot say which packets policy denies: listening to "
			    "nfnetlink_log's group %d: %s", PACKET_DENIALS_GROUP, strerror(-err));
	loop_timer_set(denials.loop, &denials.again, AGAIN_MS);
}

static void again_handle(struct loop_timer *unused)
{
	(void)unused;
	start();
}

void packet_denials_init(struct loop *control)
{
	denials.loop = control;
	denials.again.handle = again_handle;
	start();
}

void packet_denials_exit(void)
{
	loop_timer_clear(denials.loop, &denials.again);
	if (denials.sock)
		loop_remove(denials.loop, &denials.event);
	nl_socket_free(denials.sock);
	denials.sock = NULL;
}
