/* SPDX-License-Identifier: MIT */
/* ruleset_message.c - messages to nf_tables itself, several to a transaction */
#include "ruleset_message.h"

#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <net/if.h>
#include <netlink/netlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "link_request.h"
#include "memstream.h"

#define SEND_BUFFER	(256 * 1024)	/* a transaction is one datagram */
#define TABLES_FOUND	256		/* to remove in one go */

static struct nl_sock *sock;

int ruleset_message_init(void)
{
	int err;

	sock = nl_socket_alloc();
	if (!sock)
		return -ENOMEM;
	errno = 0;
	if (nl_connect(sock, NETLINK_NETFILTER) >= 0 &&
	    nl_socket_set_buffer_size(sock, SEND_BUFFER, SEND_BUFFER) >= 0)
		return 0;
	err = errno ? -errno : -EIO;
	ruleset_message_exit();
	return err;
}

void ruleset_message_exit(void)
{
	nl_socket_free(sock);
	sock = NULL;
}

struct nl_msg *ruleset_message(int type, int flags)
{
	struct nfgenmsg info = { .nfgen_family = NFPROTO_NETDEV, .version = NFNETLINK_V0 };

	return link_message(NFNL_SUBSYS_NFTABLES << 8 | type, flags, &info, sizeof(info));
}

struct nl_msg *ruleset_message_ingress(const char *table, const char *chain,
				       const char *device, int priority)
{
	struct nl_msg *msg = ruleset_message(NFT_MSG_NEWCHAIN, NLM_F_CREATE | NLM_F_EXCL);
	struct nlattr *hook;

	link_put_string(msg, NFTA_CHAIN_TABLE, table);
	link_put_string(msg, NFTA_CHAIN_NAME, chain);
	link_put_string(msg, NFTA_CHAIN_TYPE, "filter");
	link_put_u32(msg, NFTA_CHAIN_POLICY, htonl(NF_DROP));
	hook = link_nest(msg, NFTA_CHAIN_HOOK);
	link_put_u32(msg, NFTA_HOOK_HOOKNUM, htonl(NF_NETDEV_INGRESS));
	link_put_u32(msg, NFTA_HOOK_PRIORITY, htonl((uint32_t)priority));
	link_put_string(msg, NFTA_HOOK_DEV, device);
	link_nest_end(msg, hook);
	return msg;
}

struct nl_msg *ruleset_message_counter(const char *table, const char *name)
{
	struct nl_msg *msg = ruleset_message(NFT_MSG_NEWOBJ, NLM_F_CREATE);
	static const uint64_t none;
	struct nlattr *data;

	link_put_string(msg, NFTA_OBJ_TABLE, table);
	link_put_string(msg, NFTA_OBJ_NAME, name);
	link_put_u32(msg, NFTA_OBJ_TYPE, htonl(NFT_OBJECT_COUNTER));
	data = link_nest(msg, NFTA_OBJ_DATA);
	link_put(msg, NFTA_COUNTER_PACKETS, &none, sizeof(none));
	link_nest_end(msg, data);
	return msg;
}

/* Begins or ends a transaction. */
static struct nl_msg *bracket(int type)
{
	struct nfgenmsg info = {
		.nfgen_family = AF_UNSPEC,
		.version = NFNETLINK_V0,
		.res_id = htons(NFNL_SUBSYS_NFTABLES),
	};

	return link_message(type, 0, &info, sizeof(info));
}

int ruleset_transaction_begin(struct ruleset_transaction *transaction)
{
	*transaction = (struct ruleset_transaction){ 0 };
	transaction->out = open_memstream(&transaction->data, &transaction->len);
	if (!transaction->out)
		return -ENOMEM;
	ruleset_transaction_add(transaction, bracket(NFNL_MSG_BATCH_BEGIN));
	return 0;
}

void ruleset_transaction_add(struct ruleset_transaction *transaction, struct nl_msg *msg)
{
	static const char padding[NLMSG_ALIGNTO];
	struct nlmsghdr *nlh;

	if (!msg) {
		transaction->failed = true;
		return;
	}
	nlh = nlmsg_hdr(msg);
	nlh->nlmsg_flags |= NLM_F_REQUEST;
	nlh->nlmsg_seq = transaction->seq++;
	fwrite(nlh, nlh->nlmsg_len, 1, transaction->out);
	fwrite(padding, NLMSG_ALIGN(nlh->nlmsg_len) - nlh->nlmsg_len, 1, transaction->out);
	nlmsg_free(msg);
}

/* What the kernel has to say is there when it has taken the transaction: nothing, or errors. */
static int verdict(int fd)
{
	union {
		struct nlmsghdr nlh;
		char bytes[8192];
	} answer;
	int err = 0;

	for (;;) {
		ssize_t len = recv(fd, &answer, sizeof(answer), MSG_DONTWAIT);
		struct nlmsgerr *error = NLMSG_DATA(&answer.nlh);

		if (len < 0 && errno == EINTR)
			continue;
		if (len < 0 && errno != EAGAIN && !err)
			err = -errno;
		if (len < 0)
			return err;
		if (!err && len >= (ssize_t)NLMSG_LENGTH(sizeof(error->error)) &&
		    answer.nlh.nlmsg_type == NLMSG_ERROR)
			err = error->error;
	}
}

int ruleset_transaction_run(struct ruleset_transaction *transaction)
{
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	int fd = nl_socket_get_fd(sock);
	int err = 0;

	ruleset_transaction_add(transaction, bracket(NFNL_MSG_BATCH_END));
	if (!memstream_close(transaction->out, &transaction->data) || transaction->failed)
		err = -ENOMEM;
	else if (sendto(fd, transaction->data, transaction->len, 0, (struct sockaddr *)&kernel,
			sizeof(kernel)) < 0)
		err = -errno;
	else
		err = verdict(fd);
	free(transaction->data);
	return err;
}

struct found {
	const char *prefix;
	bool (*is_kept)(const char *table);
	char names[TABLES_FOUND][IFNAMSIZ];
	size_t num;
};

static bool table_found(struct nlmsghdr *nlh, void *data)
{
	struct nlattr *name = nlmsg_find_attr(nlh, sizeof(struct nfgenmsg), NFTA_TABLE_NAME);
	struct found *found = data;

	if (name && found->num < TABLES_FOUND && nla_len(name) <= IFNAMSIZ &&
	    !strncmp(nla_get_string(name), found->prefix, strlen(found->prefix)) &&
	    !(found->is_kept && found->is_kept(nla_get_string(name))))
		strcpy(found->names[found->num++], nla_get_string(name));
	return true;
}

static int tables_remove(const struct found *found)
{
	struct ruleset_transaction transaction;
	int err = ruleset_transaction_begin(&transaction);

	if (err)
		return err;
	for (size_t i = 0; i < found->num; i++) {
		struct nl_msg *msg = ruleset_message(NFT_MSG_DELTABLE, 0);

		link_put_string(msg, NFTA_TABLE_NAME, found->names[i]);
		ruleset_transaction_add(&transaction, msg);
	}
	return ruleset_transaction_run(&transaction);
}

static bool is_unsupported(int err)
{
	return err == -EINVAL || err == -EOPNOTSUPP;
}

int ruleset_message_flush(const char *prefix, bool (*is_kept)(const char *table))
{
	struct found found = { .prefix = prefix, .is_kept = is_kept };
	int err;

	do {
		found.num = 0;
		err = link_query(sock, ruleset_message(NFT_MSG_GETTABLE, NLM_F_DUMP),
				 table_found, &found);
		if (is_unsupported(err))
			return 0;
		if (!err && found.num)
			err = tables_remove(&found);
	} while (!err && found.num);
	return err;
}

struct chains {
	void (*each)(const char *table, const char *chain, void *data);
	void *data;
};

static bool chain_found(struct nlmsghdr *nlh, void *data)
{
	struct nlattr *table = nlmsg_find_attr(nlh, sizeof(struct nfgenmsg), NFTA_CHAIN_TABLE);
	struct nlattr *chain = nlmsg_find_attr(nlh, sizeof(struct nfgenmsg), NFTA_CHAIN_NAME);
	const struct chains *chains = data;

	if (table && chain)
		chains->each(nla_get_string(table), nla_get_string(chain), chains->data);
	return true;
}

int ruleset_message_chains(void (*each)(const char *table, const char *chain, void *data),
			   void *data)
{
	struct chains chains = { each, data };
	int err = link_query(sock, ruleset_message(NFT_MSG_GETCHAIN, NLM_F_DUMP), chain_found,
			     &chains);

	return is_unsupported(err) ? 0 : err;
}

struct counters {
	void (*each)(uint8_t family, const char *table, const char *name, uint64_t packets,
		     void *data);
	void *data;
	bool interrupted;
};

static bool counter_found(struct nlmsghdr *nlh, void *data)
{
	const struct nfgenmsg *info = nlmsg_data(nlh);
	struct nlattr *table = nlmsg_find_attr(nlh, sizeof(*info), NFTA_OBJ_TABLE);
	struct nlattr *name = nlmsg_find_attr(nlh, sizeof(*info), NFTA_OBJ_NAME);
	struct nlattr *type = nlmsg_find_attr(nlh, sizeof(*info), NFTA_OBJ_TYPE);
	struct nlattr *inner = nlmsg_find_attr(nlh, sizeof(*info), NFTA_OBJ_DATA);
	struct counters *counters = data;
	struct nlattr *packets;

	counters->interrupted |= nlh->nlmsg_flags & NLM_F_DUMP_INTR;
	if (!table || !name || !inner || !type || nla_get_u32(type) != htonl(NFT_OBJECT_COUNTER))
		return true;
	packets = nla_find(nla_data(inner), nla_len(inner), NFTA_COUNTER_PACKETS);
	if (packets)
		counters->each(info->nfgen_family, nla_get_string(table), nla_get_string(name),
			       be64toh(nla_get_u64(packets)), counters->data);
	return true;
}

int ruleset_message_counters(void (*each)(uint8_t family, const char *table, const char *name,
					  uint64_t packets, void *data), void *data)
{
	struct nl_msg *msg = ruleset_message(NFT_MSG_GETOBJ, NLM_F_DUMP);
	struct counters counters = { .each = each, .data = data };
	int err;

	if (msg)
		((struct nfgenmsg *)nlmsg_data(nlmsg_hdr(msg)))->nfgen_family = NFPROTO_UNSPEC;
	err = link_query(sock, msg, counter_found, &counters);
	if (!err && counters.interrupted)
		return -EINTR;
	return is_unsupported(err) ? 0 : err;
}
