// SPDX-License-Identifier: GPL-2.0-only
/* netlink_policy.c - commands about a host's policy */
#include "netlink_policy.h"

#include <linux/slab.h>
#include <linux/slim.h>

#include "force.h"
#include "request.h"
#include "staged.h"
#include "tag.h"

/* Written under the host's lock, which is held. */
static struct force *in_force(const struct host *host)
{
	return rcu_dereference_protected(host->force, lockdep_is_held(&host->lock));
}

/* --- staging --- */

static void forget(struct host *host)
{
	staged_free(host->staged);
	host->staged = NULL;
}

static int stage_begin(struct host *host, struct nlattr **attrs)
{
	struct slim_policy_counts counts;
	u32 flags = attrs[SLIM_A_FLAGS] ? nla_get_u32(attrs[SLIM_A_FLAGS]) : 0;
	struct staged *staged;

	if (!attrs[SLIM_A_GENERATION] || !attrs[SLIM_A_COUNTS] || attrs[SLIM_A_PART] ||
	    attrs[SLIM_A_DATA])
		return -EINVAL;
	nla_memcpy(&counts, attrs[SLIM_A_COUNTS], sizeof(counts));
	forget(host);
	staged = staged_begin(nla_get_u64(attrs[SLIM_A_GENERATION]), flags, &counts,
			      in_force(host));
	if (IS_ERR(staged))
		return PTR_ERR(staged);
	host->staged = staged;
	return 0;
}

static int stage_part(struct host *host, struct nlattr **attrs)
{
	if (!attrs[SLIM_A_PART] || !attrs[SLIM_A_DATA] || attrs[SLIM_A_GENERATION] ||
	    attrs[SLIM_A_COUNTS] || attrs[SLIM_A_FLAGS])
		return -EINVAL;
	if (!host->staged)
		return -ENODATA;
	return staged_add(host->staged, nla_get_u32(attrs[SLIM_A_PART]),
			  nla_data(attrs[SLIM_A_DATA]), nla_len(attrs[SLIM_A_DATA]));
}

static int stage_end(struct host *host, struct nlattr **attrs)
{
	if (attrs[SLIM_A_PART] || attrs[SLIM_A_DATA] || attrs[SLIM_A_GENERATION] ||
	    attrs[SLIM_A_COUNTS] || attrs[SLIM_A_FLAGS])
		return -EINVAL;
	return host->staged ? staged_build(host->staged) : -ENODATA;
}

int netlink_stage(struct sk_buff *skb, struct genl_info *info)
{
	struct host *host;
	int err;

	if (!info->attrs[SLIM_A_STAGE])
		return -EINVAL;
	host = request_lock(info);
	if (IS_ERR(host))
		return PTR_ERR(host);
	switch (nla_get_u32(info->attrs[SLIM_A_STAGE])) {
	case SLIM_STAGE_BEGIN:
		err = stage_begin(host, info->attrs);
		break;
	case SLIM_STAGE_PART:
		err = stage_part(host, info->attrs);
		break;
	default:
		err = stage_end(host, info->attrs);
	}
	/* A policy of which a part was refused is none. */
	if (err)
		forget(host);
	request_unlock(host);
	return err;
}

int netlink_abort(struct sk_buff *skb, struct genl_info *info)
{
	struct host *host = request_lock(info);

	if (IS_ERR(host))
		return PTR_ERR(host);
	forget(host);
	request_unlock(host);
	return 0;
}

/* --- putting it in force --- */

static bool judge_visit(struct tag *tag, const void *data)
{
	return tag_judge(tag);
}

/* Whoever was sealed by the old one is in the table when all readers of it are gone. */
static u64 publish(struct host *host, struct force *force)
{
	struct force *old = in_force(host);

	rcu_assign_pointer(host->force, force);
	synchronize_rcu();
	force_free(old);
	return tags_each(host, judge_visit, NULL);
}

static int put_commit(struct sk_buff *skb, const struct host *host, u64 cut)
{
	if (nla_put_u64_64bit(skb, SLIM_A_LIVE, atomic64_read(&host->live), SLIM_A_PAD) ||
	    nla_put_u64_64bit(skb, SLIM_A_CUT, cut, SLIM_A_PAD))
		return -EMSGSIZE;
	return 0;
}

/* The reply is made first: nothing fails any more once the policy is in force. */
static int commit(struct host *host, struct genl_info *info)
{
	struct sk_buff *reply;
	struct force *force;
	void *head;

	reply = reply_begin(info, NLMSG_DEFAULT_SIZE, &head);
	if (!reply)
		return -ENOMEM;
	force = staged_take(host->staged, nla_get_u64(info->attrs[SLIM_A_GENERATION]));
	if (IS_ERR(force)) {
		nlmsg_free(reply);
		return PTR_ERR(force);
	}
	forget(host);
	return reply_end(reply, head, info, put_commit(reply, host, publish(host, force)));
}

int netlink_commit(struct sk_buff *skb, struct genl_info *info)
{
	struct host *host;
	int err;

	if (!info->attrs[SLIM_A_GENERATION])
		return -EINVAL;
	host = request_lock(info);
	if (IS_ERR(host))
		return PTR_ERR(host);
	err = commit(host, info);
	request_unlock(host);
	return err;
}

/* --- questions --- */

static u64 answer(const struct host *host, const struct slim_question *questions, u32 num,
		  struct slim_decision *verdicts)
{
	const struct force *force;
	struct verdict verdict;
	u64 generation;
	u32 i;

	rcu_read_lock();
	force = rcu_dereference(host->force);
	generation = force ? force->generation : 0;
	for (i = 0; i < num; i++) {
		force_ask(force, &questions[i], &verdict);
		verdicts[i].allowed = verdict.allowed;
		verdicts[i].rule = verdict.rule ? verdict.rule->id : SLIM_NO_RULE;
	}
	rcu_read_unlock();
	return generation;
}

static int reply_verdicts(struct genl_info *info, const struct host *host,
			  struct slim_decision *verdicts)
{
	const struct nlattr *asked = info->attrs[SLIM_A_QUESTIONS];
	u32 num = nla_len(asked) / sizeof(struct slim_question);
	size_t size = num * sizeof(*verdicts);
	void *head;
	struct sk_buff *reply = reply_begin(info, nla_total_size(size) +
						  nla_total_size_64bit(sizeof(u64)), &head);
	u64 generation;
	int err;

	if (!reply)
		return -ENOMEM;
	generation = answer(host, nla_data(asked), num, verdicts);
	err = nla_put_u64_64bit(reply, SLIM_A_GENERATION, generation, SLIM_A_PAD);
	if (!err)
		err = nla_put(reply, SLIM_A_VERDICTS, size, verdicts);
	return reply_end(reply, head, info, err);
}

int netlink_query(struct sk_buff *skb, struct genl_info *info)
{
	const struct nlattr *asked = info->attrs[SLIM_A_QUESTIONS];
	struct slim_decision *verdicts;
	struct host *host;
	int err = -ENOMEM;

	if (!asked || nla_len(asked) % sizeof(struct slim_question) ||
	    nla_len(asked) > SLIM_QUESTIONS_MAX * sizeof(struct slim_question))
		return -EINVAL;
	host = request_lock(info);
	if (IS_ERR(host))
		return PTR_ERR(host);
	verdicts = kvcalloc(SLIM_QUESTIONS_MAX, sizeof(*verdicts), GFP_KERNEL);
	if (verdicts)
		err = reply_verdicts(info, host, verdicts);
	kvfree(verdicts);
	request_unlock(host);
	return err;
}
