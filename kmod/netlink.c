// SPDX-License-Identifier: GPL-2.0-only
/* netlink.c - the generic netlink family: attributes, and who does what a command says */
#include "netlink.h"

#include <linux/module.h>
#include <linux/slim.h>

#include "netlink_dump.h"
#include "netlink_policy.h"
#include "netlink_socket.h"

#define STAGE_FLAGS	(SLIM_STAGE_MEMBERS | SLIM_STAGE_CLOSED | SLIM_STAGE_NONE)
#define HOST		[SLIM_A_HOST_FD] = NLA_POLICY_MIN(NLA_S32, 0)

/* What is not named is refused. */
static const struct nla_policy host_policy[SLIM_A_MAX + 1] = { HOST };

static const struct nla_policy own_policy[SLIM_A_MAX + 1] = {
	HOST,
	[SLIM_A_VERSION] = NLA_POLICY_MIN(NLA_U32, 1),
};

static const struct nla_policy socket_policy[SLIM_A_MAX + 1] = {
	HOST,
	[SLIM_A_COOKIE] = { .type = NLA_U64 },
};

static const struct nla_policy revoke_policy[SLIM_A_MAX + 1] = {
	HOST,
	[SLIM_A_COOKIE] = { .type = NLA_U64 },
	[SLIM_A_CONTAINER] = { .type = NLA_U32 },
};

static const struct nla_policy shape_policy[SLIM_A_MAX + 1] = {
	HOST,
	[SLIM_A_COOKIE] = { .type = NLA_U64 },
	[SLIM_A_SHAPE] = NLA_POLICY_EXACT_LEN(sizeof(struct slim_shape)),
};

static const struct nla_policy drain_policy[SLIM_A_MAX + 1] = {
	HOST,
	[SLIM_A_DRAIN] = NLA_POLICY_RANGE(NLA_U32, SLIM_DRAIN_STOP, SLIM_DRAIN_MAX),
};

static const struct nla_policy stage_policy[SLIM_A_MAX + 1] = {
	HOST,
	[SLIM_A_STAGE] = NLA_POLICY_RANGE(NLA_U32, SLIM_STAGE_BEGIN, SLIM_STAGE_MAX),
	[SLIM_A_GENERATION] = NLA_POLICY_MIN(NLA_U64, 1),
	[SLIM_A_COUNTS] = NLA_POLICY_EXACT_LEN(sizeof(struct slim_policy_counts)),
	[SLIM_A_FLAGS] = NLA_POLICY_MASK(NLA_U32, STAGE_FLAGS),
	[SLIM_A_PART] = NLA_POLICY_RANGE(NLA_U32, SLIM_PART_DOMAINS, SLIM_PART_MAX),
	[SLIM_A_DATA] = { .type = NLA_BINARY },
};

static const struct nla_policy commit_policy[SLIM_A_MAX + 1] = {
	HOST,
	[SLIM_A_GENERATION] = NLA_POLICY_MIN(NLA_U64, 1),
};

static const struct nla_policy query_policy[SLIM_A_MAX + 1] = {
	HOST,
	[SLIM_A_QUESTIONS] = NLA_POLICY_MIN_LEN(sizeof(struct slim_question)),
};

#define COMMAND(number, attributes) \
	.cmd = (number), .flags = GENL_ADMIN_PERM, .policy = (attributes), .maxattr = SLIM_A_MAX

static const struct genl_ops ops[] = {
	{ COMMAND(SLIM_CMD_GET, host_policy), .doit = netlink_get },
	{ COMMAND(SLIM_CMD_OWN, own_policy), .doit = netlink_own },
	{ COMMAND(SLIM_CMD_SOCKET, socket_policy), .doit = netlink_socket,
	  .start = netlink_sockets_start, .dumpit = netlink_sockets_dump,
	  .done = netlink_sockets_done },
	{ COMMAND(SLIM_CMD_REVOKE, revoke_policy), .doit = netlink_revoke },
	{ COMMAND(SLIM_CMD_SHAPE, shape_policy), .doit = netlink_shape },
	{ COMMAND(SLIM_CMD_DRAIN, drain_policy), .doit = netlink_drain },
	{ COMMAND(SLIM_CMD_STATS, host_policy), .doit = netlink_stats },
	{ COMMAND(SLIM_CMD_TENANT, host_policy), .start = netlink_host_start,
	  .dumpit = netlink_tenants_dump, .done = netlink_host_done },
	{ COMMAND(SLIM_CMD_RULE, host_policy), .start = netlink_host_start,
	  .dumpit = netlink_rules_dump, .done = netlink_host_done },
	{ COMMAND(SLIM_CMD_STAGE, stage_policy), .doit = netlink_stage },
	{ COMMAND(SLIM_CMD_COMMIT, commit_policy), .doit = netlink_commit },
	{ COMMAND(SLIM_CMD_ABORT, host_policy), .doit = netlink_abort },
	{ COMMAND(SLIM_CMD_QUERY, query_policy), .doit = netlink_query },
};

static const struct genl_multicast_group groups[] = {
	[NETLINK_GROUP_EVENTS] = { .name = SLIM_GENL_EVENTS, .flags = GENL_MCAST_CAP_NET_ADMIN },
	[NETLINK_GROUP_SOCKETS] = { .name = SLIM_GENL_SOCKETS, .flags = GENL_MCAST_CAP_NET_ADMIN },
	[NETLINK_GROUP_GONE] = { .name = SLIM_GENL_GONE, .flags = GENL_MCAST_CAP_NET_ADMIN },
};

/* Not in other namespaces: there is no family for who is in a container. */
struct genl_family netlink_family __ro_after_init = {
	.name = SLIM_GENL_NAME,
	.version = SLIM_GENL_VERSION,
	.maxattr = SLIM_A_MAX,
	.module = THIS_MODULE,
	.netnsok = false,
	.parallel_ops = true,
	.ops = ops,
	.n_ops = ARRAY_SIZE(ops),
	.mcgrps = groups,
	.n_mcgrps = ARRAY_SIZE(groups),
};

int netlink_init(void)
{
	return genl_register_family(&netlink_family);
}

void netlink_exit(void)
{
	genl_unregister_family(&netlink_family);
}
