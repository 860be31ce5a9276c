/* SPDX-License-Identifier: MIT */
/*
 * policy.h - who may talk to whom, as slim-policy(5) says it
 *
 * What a policy's files say, checked but not yet compiled: names of containers and labels
 * are still names, since what they stand for changes while the policy does not. Immutable
 * once policy_load() has returned it.
 */
#ifndef POLICY_H
#define POLICY_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config.h"
#include "policy_source.h"

#define POLICY_NONE		UINT32_MAX	/* no tenant, set, group or string */
#define POLICY_RULES_MAX	(1u << 20)

enum policy_action {
	POLICY_DENY,
	POLICY_ALLOW,
	POLICY_ACTION_NUM
};

enum policy_protocol {
	POLICY_PROTOCOL_ANY,
	POLICY_PROTOCOL_TCP,
	POLICY_PROTOCOL_UDP,
	POLICY_PROTOCOL_ICMP,	/* ICMPv6 for IPv6 addresses */
	POLICY_PROTOCOL_NUM
};

enum policy_member_type {
	POLICY_MEMBER_ANY,
	POLICY_MEMBER_OUTSIDE,	/* all but the tenant's prefixes */
	POLICY_MEMBER_RANGE,
	POLICY_MEMBER_GROUP,
	POLICY_MEMBER_CONTAINER,
	POLICY_MEMBER_LABEL,
	POLICY_MEMBER_NUM
};

/*
 * @range:	both ends included; IPv4 mapped; of one family: ::/0 holds no IPv4 address
 * @group:	index into policy.groups; @named: the same while it is read, a string and where it stands
 * @name:	string: of the container, or the label's key; @value: the label's
 */
struct policy_member {
	enum policy_member_type type;
	union {
		struct {
			struct in6_addr first, last;
		} range;
		uint32_t group;
		struct {
			uint32_t name;
			struct policy_place place;
		} named;
		struct {
			uint32_t name, value;
		} text;
	};
};

/* Some addresses of one tenant: @num of policy.members from @first on. Equal ones are one. */
struct policy_set {
	uint32_t tenant;
	uint32_t first, num;
};

/* @set: POLICY_NONE where it was named and not defined, which is an error */
struct policy_group {
	uint32_t tenant;
	uint32_t name;
	uint32_t set;
	struct policy_place place;	/* where it is defined, else where it is named first */
};

struct policy_ports {
	uint16_t first, last;
};

/*
 * @tenant:	whose rule it is: in a set of another tenant's, the rule is one of those
 *		that both have to say
 * @ports:	@ports_num of policy.ports from here on; 0: all
 * @rate:	bytes a second of each connection; 0: unlimited
 * @connections, @setups:	of each source container, at once and a second; 0: unlimited
 * @tos:	the whole octet; @priority: of the socket; -1: left as they are
 */
struct policy_rule {
	struct policy_place place;
	uint32_t tenant;
	uint32_t source, destination;
	uint32_t ports, ports_num;
	uint64_t rate;
	uint32_t connections, setups;
	int16_t tos;
	int8_t priority;
	uint8_t action;			/* enum policy_action */
	uint8_t protocol;		/* enum policy_protocol */
	bool log;
};

/* An aggregate rate: of the whole tenant, or of each container in a set */
struct policy_limit {
	struct policy_place place;
	uint32_t tenant;
	uint32_t set;			/* POLICY_NONE: the tenant */
	uint64_t rate;			/* bytes a second */
};

/* What a policy says about a tenant. @vni: 0 where the configuration is not known */
struct policy_tenant {
	uint32_t name;
	uint32_t vni;
	enum policy_action action;	/* of what no rule matches; default allow */
	struct policy_place place;	/* of its `default`, where @said */
	struct policy_place limit;	/* of its own limit, where @limited */
	bool said, limited;
};

/* Strings are offsets into @strings, each with a final zero. */
struct policy {
	struct policy_sources sources;
	struct policy_tenant *tenants;
	struct policy_group *groups;
	struct policy_set *sets;
	struct policy_member *members;
	struct policy_rule *rules;	/* in their order; those of all tenants */
	struct policy_ports *ports;
	struct policy_limit *limits;
	char *strings;
	uint32_t tenants_num, groups_num, sets_num, members_num;
	uint32_t rules_num, ports_num, limits_num, strings_len;
};

/**
 * policy_load() - read and check a policy
 * @file:	its path; it may include others
 * @config:	whose tenants it is about; NULL where it is not known, and is not checked
 * @errors:	set to what is wrong (policy_report.h), or to NULL; to be freed
 *
 * Returns the policy, to be freed with policy_free(); NULL with *@errors set (but for
 * memory that did not suffice even for that).
 */
struct policy *policy_load(const char *file, const struct config *config, char **errors);

/* The same, from the files of an earlier policy, of which there is at least one, and not from the disk. */
struct policy *policy_load_saved(const struct policy_sources *saved, const struct config *config,
				 char **errors);

/* The same, from memory: @name stands for the file in messages. */
struct policy *policy_parse(const char *name, const char *text, size_t len,
			    const struct config *config, char **errors);
void policy_free(struct policy *policy);

static inline const char *policy_string(const struct policy *policy, uint32_t string)
{
	return policy->strings + string;
}

#endif
