// SPDX-License-Identifier: GPL-2.0-only
/* tag.c - what the guard knows of one socket */
#include "tag.h"

#include <linux/inet.h>
#include <linux/slab.h>
#include <linux/timekeeping.h>
#include <net/inet_connection_sock.h>
#include <net/tcp.h>

#include "../core/classifier.h"
#include "event.h"
#include "shape.h"
#include "sockops.h"

static const struct rhashtable_params params = {
	.head_offset = offsetof(struct tag, node),
	.key_offset = offsetof(struct tag, cookie),
	.key_len = sizeof_field(struct tag, cookie),
	.automatic_shrinking = true,
};

static struct rhashtable tags;
static struct workqueue_struct *endings;

struct tag *tag_of(const struct sock *sk)
{
	if (!sockops_is_ours(sk))
		return NULL;
	return rcu_dereference_raw(inet_csk(sk)->icsk_ulp_data);
}

static void tag_put(struct tag *tag)
{
	if (refcount_dec_and_test(&tag->users))
		kfree_rcu(tag, rcu);
}

/* --- ending --- */

/* tcp_abort() leaves alone what nobody holds any more (before 6.11, and in earlier 6.1): that goes on sending. */
static void end_orphan(struct sock *sk)
{
	lock_sock(sk);
	local_bh_disable();
	bh_lock_sock(sk);
	if (sock_flag(sk, SOCK_DEAD) && sk->sk_state != TCP_CLOSE)
		tcp_done(sk);
	bh_unlock_sock(sk);
	local_bh_enable();
	release_sock(sk);
}

/*
 * Then who holds the socket's lock has it ended: a thread that waited for that here would keep
 * others from their end.
 */
static bool is_held(struct tag *tag)
{
	bool held;

	spin_lock_bh(&tag->sk->sk_lock.slock);
	held = sock_owned_by_user_nocheck(tag->sk);
	if (held)
		set_bit(TAG_DEFERRED, &tag->bits);
	spin_unlock_bh(&tag->sk->sk_lock.slock);
	return held;
}

static void end(struct work_struct *work)
{
	struct tag *tag = container_of(work, struct tag, work);
	struct sock *sk = tag->sk;

	if (!is_held(tag)) {
		tcp_abort(sk, ECONNABORTED);
		end_orphan(sk);
	}
	tag_release(tag);
}

static void end_later(struct tag *tag)
{
	sock_hold(tag->sk);
	refcount_inc(&tag->users);
	queue_work(endings, &tag->work);
}

bool tag_revoke(struct tag *tag)
{
	if (test_and_set_bit(TAG_REVOKED, &tag->bits))
		return false;
	if (!is_held(tag))
		end_later(tag);
	atomic64_inc(&tag->host->cut);
	return true;
}

void tag_end_deferred(struct tag *tag)
{
	if (test_and_clear_bit(TAG_DEFERRED, &tag->bits))
		end_later(tag);
}

/* --- its life --- */

struct tag *tag_create(struct sock *sk)
{
	struct tag *tag = kzalloc(sizeof(*tag), GFP_KERNEL_ACCOUNT);

	if (!tag)
		return NULL;
	tag->sk = sk;
	tag->host = host_of(sock_net(sk));
	tag->rule = SLIM_NO_RULE;
	refcount_set(&tag->users, 1);
	spin_lock_init(&tag->shape_lock);
	INIT_WORK(&tag->work, end);
	return tag;
}

static void count_end(const struct tag *tag)
{
	struct stream_counts counts = stream_counts(&tag->stream, tag->sk);

	atomic64_dec(&tag->host->live);
	atomic64_dec(&tag->tenant->live);
	atomic64_add(counts.rx, &tag->tenant->rx_bytes);
	atomic64_add(counts.tx, &tag->tenant->tx_bytes);
}

void tag_destroy(struct tag *tag)
{
	if (tag_is_sealed(tag)) {
		rhashtable_remove_fast(&tags, &tag->node, params);
		count_end(tag);
		event_close(tag);
	}
	tag_put(tag);
}

/* --- sealing --- */

static bool name_is_valid(const struct slim_address *name)
{
	return !name->reserved;
}

static bool name_is_ipv4(const struct slim_address *name)
{
	return ipv6_addr_v4mapped((const struct in6_addr *)name->addr);
}

static bool seal_is_valid(const struct slim_seal *seal)
{
	if (seal->flags & ~(SLIM_SEAL_ACCEPTED | SLIM_SEAL_IPV4) || seal->reserved ||
	    seal->vni > SLIM_VNI_MAX || seal->peer_vni > SLIM_VNI_MAX ||
	    !name_is_valid(&seal->local) || !name_is_valid(&seal->peer) ||
	    !shape_is_valid(&seal->shape))
		return false;
	return !(seal->flags & SLIM_SEAL_IPV4) ||
	       (name_is_ipv4(&seal->local) && name_is_ipv4(&seal->peer));
}

static void tag_fill(struct tag *tag, const struct slim_seal *seal, u64 cookie)
{
	tag->cookie = cookie;
	tag->flags = seal->flags;
	tag->container = seal->container;
	tag->vni = seal->vni;
	tag->peer_vni = seal->peer_vni;
	tag->local = seal->local;
	tag->peer = seal->peer;
	tag->told_shape = seal->shape;
	tag->opened = ktime_get_boottime_ns();
	tag->attack_at = jiffies - HZ;
	stream_begin(&tag->stream, tag->sk);
	if (!tag->local.port)
		tag->local.port = ntohs(inet_sk(tag->sk)->inet_sport);
}

struct slim_question tag_question(const struct tag *tag)
{
	bool accepted = tag->flags & SLIM_SEAL_ACCEPTED;
	const struct slim_address *source = accepted ? &tag->peer : &tag->local;
	const struct slim_address *destination = accepted ? &tag->local : &tag->peer;
	struct slim_question question = {
		.source_vni = accepted ? tag->peer_vni : tag->vni,
		.destination_vni = accepted ? tag->vni : tag->peer_vni,
		.service = CLASSIFIER_SERVICE(CLASSIFIER_TCP, destination->port),
	};

	memcpy(question.source, source->addr, sizeof(question.source));
	memcpy(question.destination, destination->addr, sizeof(question.destination));
	return question;
}

static void set_shape(struct tag *tag, const struct slim_shape *ruled)
{
	struct slim_shape shape = shape_join(ruled, &tag->told_shape);

	spin_lock(&tag->shape_lock);
	if (memcmp(&shape, &tag->shape, sizeof(shape))) {
		shape_apply(tag->sk, &tag->shape, &shape);
		tag->shape = shape;
	}
	spin_unlock(&tag->shape_lock);
}

/* What the policy in force says of it, which is then so. Under rcu_read_lock(). */
static bool judge(struct tag *tag, bool first)
{
	struct slim_question question = tag_question(tag);
	struct slim_shape shape;
	struct verdict verdict;

	force_ask(rcu_dereference(tag->host->force), &question, &verdict);
	if (first)
		verdict_count(&verdict);
	tag->rule = verdict.rule ? verdict.rule->id : SLIM_NO_RULE;
	if (!verdict.allowed)
		return false;
	shape = verdict_shape(&verdict);
	set_shape(tag, &shape);
	return true;
}

static void count_denied(const struct tag *tag)
{
	atomic64_inc(&tag->host->denied);
	atomic64_inc(&tag->tenant->denied);
	event_denied(tag);
}

/* Entered into the table first: see force.h. Whoever drains waits for all that have not seen it. */
static int enter(struct tag *tag)
{
	bool allowed;
	int err;

	rcu_read_lock();
	err = READ_ONCE(tag->host->draining) ?
		      -ESHUTDOWN : rhashtable_lookup_insert_fast(&tags, &tag->node, params);
	if (err) {
		rcu_read_unlock();
		return err;
	}
	allowed = judge(tag, true);
	rcu_read_unlock();
	if (allowed)
		return 0;
	rhashtable_remove_fast(&tags, &tag->node, params);
	count_denied(tag);
	return -EACCES;
}

int tag_seal(struct tag *tag, const struct slim_seal *seal)
{
	u64 cookie = atomic64_read(&tag->sk->sk_cookie);
	int err;

	if (tag_is_sealed(tag))
		return -EALREADY;
	if (!seal_is_valid(seal))
		return -EINVAL;
	if (!cookie)
		return -ENODATA;
	tag->tenant = host_tenant(tag->host, seal->vni);
	if (!tag->tenant)
		return -ENOMEM;
	tag_fill(tag, seal, cookie);
	err = enter(tag);
	if (err)
		return err;
	atomic64_inc(&tag->host->live);
	atomic64_inc(&tag->host->sealed);
	atomic64_inc(&tag->tenant->live);
	atomic64_inc(&tag->tenant->sealed);
	/* Who sees it sealed, sees all else. */
	smp_mb__before_atomic();
	set_bit(TAG_SEALED, &tag->bits);
	event_open(tag);
	return 0;
}

void tag_shape(struct tag *tag, const struct slim_shape *shape)
{
	tag->told_shape = *shape;
	rcu_read_lock();
	judge(tag, false);
	rcu_read_unlock();
}

bool tag_reshape(struct tag *tag, u32 flags)
{
	bool holds;

	if (!flags)
		return false;
	spin_lock(&tag->shape_lock);
	holds = tag->shape.flags & flags;
	if (holds)
		shape_apply(tag->sk, &tag->shape, &tag->shape);
	spin_unlock(&tag->shape_lock);
	return holds;
}

bool tag_judge(struct tag *tag)
{
	bool allowed;

	rcu_read_lock();
	allowed = judge(tag, false);
	rcu_read_unlock();
	if (allowed || !tag_revoke(tag))
		return false;
	count_denied(tag);
	return true;
}

/* --- the table --- */

/* Is the socket that the table named still this tag's? Under rcu_read_lock(). */
static bool hold(struct tag *tag)
{
	if (!refcount_inc_not_zero(&tag->users))
		return false;
	if (refcount_inc_not_zero(&tag->sk->sk_refcnt)) {
		if (tag_of(tag->sk) == tag)
			return true;
		sock_put(tag->sk);
	}
	tag_put(tag);
	return false;
}

void tag_release(struct tag *tag)
{
	sock_put(tag->sk);
	tag_put(tag);
}

struct tag *tag_get(const struct host *host, u64 cookie)
{
	struct tag *tag;

	rcu_read_lock();
	tag = rhashtable_lookup(&tags, &cookie, params);
	if (tag && (tag->host != host || !tag_is_sealed(tag) || !hold(tag)))
		tag = NULL;
	rcu_read_unlock();
	return tag;
}

void tags_enter(struct rhashtable_iter *iter)
{
	rhashtable_walk_enter(&tags, iter);
}

/*
 * Where the one that was met last has gone meanwhile, the kernel's walk leaves out one that stands
 * behind it; so that chain is begun anew. Where the table has changed its size, it goes on by what
 * may have been freed.
 */
void tags_resume(struct rhashtable_iter *iter) __acquires(RCU)
{
	if (rhashtable_walk_start_check(iter) == -EAGAIN)
		iter->p = NULL;
	else if (!iter->p)
		iter->skip = 0;
}

/* Begins anew where the table changes its size meanwhile; whom it meets twice is not harmed. */
u64 tags_each(const struct host *host, bool (*visit)(struct tag *tag, const void *data),
	      const void *data)
{
	struct rhashtable_iter iter;
	struct tag *tag;
	u64 num = 0;

	tags_enter(&iter);
	tags_resume(&iter);
	while ((tag = rhashtable_walk_next(&iter))) {
		if (IS_ERR(tag) || tag->host != host || !hold(tag))
			continue;
		rhashtable_walk_stop(&iter);
		num += visit(tag, data);
		tag_release(tag);
		cond_resched();
		tags_resume(&iter);
	}
	rhashtable_walk_stop(&iter);
	rhashtable_walk_exit(&iter);
	return num;
}

int tags_init(void)
{
	int err = rhashtable_init(&tags, &params);

	if (err)
		return err;
	endings = alloc_workqueue("slim", WQ_UNBOUND, 0);
	if (endings)
		return 0;
	rhashtable_destroy(&tags);
	return -ENOMEM;
}

void tags_exit(void)
{
	destroy_workqueue(endings);
	rhashtable_destroy(&tags);
}
