/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tag.h - what the guard knows of one socket, and the table of all that are sealed
 *
 * Theory of operation: a tag is made when the socket takes the ULP "slim", and lies in its icsk_ulp_data until the
 * kernel destroys the socket, orphaned or not; as long as anybody holds a descriptor of it that does not happen.
 * When it is sealed it enters the table, by the socket's cookie.
 *
 * A look-up in the table may meet a socket that is being destroyed: its memory stays a TCP socket's
 * (SLAB_TYPESAFE_BY_RCU), so one takes a reference if there still is one, and looks whether the socket has this tag.
 *
 * Ending a connection takes the socket's lock, which its holder can keep for as long as it likes (a call that copies
 * from memory that a file system of its own serves). So it is left to a thread of its own, and where the lock is held
 * at that moment, or when the thread's turn comes, to who gives the lock back (release_cb), who has it started then. From
 * the moment on no call of its holder that may copy from or to memory takes the lock any more, until it has ended.
 */
#ifndef KMOD_TAG_H
#define KMOD_TAG_H

#include <linux/refcount.h>
#include <linux/rhashtable.h>
#include <linux/slim.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>
#include <net/sock.h>
#include <net/tcp_states.h>

#include "force.h"
#include "host.h"
#include "stream.h"

enum tag_bit {
	TAG_SEALED,		/* set once all below is; never cleared */
	TAG_REVOKED,		/* is to end, or has been ended, by us */
	TAG_DEFERRED,		/* who gives the socket's lock back has it ended */
};

/*
 * @users:	the socket, and work that is under way
 * @local, @peer, @container and all further down: of sealed ones
 * @told_shape:	by the router; @shape: what holds, under @shape_lock
 * @rule:	that has allowed it, or SLIM_NO_RULE
 * @attack_at:	when one was told last, in jiffies; @missed: how many were not since then
 * @rcu:	of a tag that nobody uses: that no work is under way for
 *
 * No more than 256 bytes, which is what the kernel gives out.
 */
struct tag {
	struct rhash_head node;
	struct sock *sk;
	struct host *host;
	u64 cookie;
	unsigned long bits;
	refcount_t users;
	u32 flags;
	u32 container;
	u32 vni;
	u32 peer_vni;
	struct slim_address local;
	struct slim_address peer;
	spinlock_t shape_lock;
	struct slim_shape told_shape;
	struct slim_shape shape;
	u32 rule;
	atomic_t missed;
	unsigned long attack_at;
	u64 opened;
	struct stream stream;
	struct tenant *tenant;
	union {
		struct work_struct work;
		struct rcu_head rcu;
	};
};

/* The socket's, or NULL: it has no tag. By who holds a descriptor or a reference, or under rcu_read_lock(). */
struct tag *tag_of(const struct sock *sk);

/* NULL: no memory. Under the socket's lock. */
struct tag *tag_create(struct sock *sk);

/* The socket is being destroyed. Any context. */
void tag_destroy(struct tag *tag);

static inline bool tag_is_sealed(const struct tag *tag)
{
	return test_bit(TAG_SEALED, &tag->bits);
}

static inline bool tag_is_revoked(const struct tag *tag)
{
	return test_bit(TAG_REVOKED, &tag->bits);
}

/* It is to end, and has not yet. */
static inline bool tag_is_ending(const struct tag *tag)
{
	return tag_is_revoked(tag) && READ_ONCE(tag->sk->sk_state) != TCP_CLOSE;
}

/* Errors as <linux/slim.h> says. Process context, under the socket's lock. */
int tag_seal(struct tag *tag, const struct slim_seal *seal);

/* What to ask the policy about it */
struct slim_question tag_question(const struct tag *tag);

/* Begins to end it; false: that has begun before. By who has a reference to the socket. */
bool tag_revoke(struct tag *tag);

/* Who gives the socket's lock back has it ended. */
void tag_end_deferred(struct tag *tag);

/* The socket's lock is being given back. */
static inline void tag_unlocked(struct tag *tag)
{
	if (unlikely(test_bit(TAG_DEFERRED, &tag->bits)))
		tag_end_deferred(tag);
}

/* What the router says of its shape */
void tag_shape(struct tag *tag, const struct slim_shape *shape);

/*
 * Applies its shape once more if one of @flags (SLIM_SHAPE_*) holds: false: none does. For calls that have set what may
 * be shaped: they can have been under way, for as long as their caller liked, while the shape came.
 */
bool tag_reshape(struct tag *tag, u32 flags);

/* What a policy that has come in force says: new shapes, or the end (then true). */
bool tag_judge(struct tag *tag);

/* The tag of a sealed socket of @host, and a reference to both until tag_release(); NULL: there is none */
struct tag *tag_get(const struct host *host, u64 cookie);
void tag_release(struct tag *tag);

/* Calls @visit for each one of @host, with a reference to it. How often that returned true. */
u64 tags_each(const struct host *host, bool (*visit)(struct tag *tag, const void *data),
	      const void *data);

/*
 * rhashtable_walk_enter() and rhashtable_walk_start(). What the walk gives is good until rhashtable_walk_stop(), and
 * perhaps not sealed; it may give the same one twice.
 */
void tags_enter(struct rhashtable_iter *iter);
void tags_resume(struct rhashtable_iter *iter) __acquires(RCU);

int tags_init(void);
void tags_exit(void);

#endif
