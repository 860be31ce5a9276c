/* SPDX-License-Identifier: MIT */
/*
 * channel.c - this process's connections to the host's router
 *
 * Theory of operation: a thread takes one of a few slots by an atomic exchange,
 * uses its channel for one request and gives it back; where all are taken it opens a
 * channel of its own for the occasion. All signals are blocked while a slot is held, so
 * that no handler finds its own thread's slot taken, and none leaps out of here.
 *
 * Programs close fds that they do not know: a slot's fd counts only if its
 * SO_COOKIE is still the channel's; otherwise it is forgotten, not closed. The slots live in
 * a page that fork empties (MADV_WIPEONFORK), so that no channel is shared with the
 * parent; a copy that survives tells the child which inherited fds to close. A
 * vforked child shares slots but not fds: the cookies tell.
 *
 * A router that does not answer in time is slow. Its channel is kept and looked at
 * without waiting; until the late reply has come (and been thrown away), requests fail at
 * once. Only a router that is gone is looked for anew, each second.
 */
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>

#include "channel.h"
#include "mem.h"
#include "sys.h"

#define SLOTS		16
#define WORLDS		4
#define FD_HIGH		512	/* channels stay out of the way of low numbers */
#define RETRY_MS	1000
#define SIG_BLOCK_	0
#define SIG_SETMASK_	2
#ifndef MADV_WIPEONFORK
#define MADV_WIPEONFORK	18
#endif

struct slot {
	uint32_t taken;			/* atomic */
	int fd;
	uint64_t cookie;		/* 0: no channel */
	uint32_t next_id;
	uint32_t late_id;		/* a reply that is still owed; 0: none */
};

/* Emptied by fork. */
struct state {
	struct slot slots[SLOTS];
	uint32_t slow;			/* atomic: the router owes somebody an answer */
	uint32_t opened;		/* the inherited ones are closed */
};

/* Survives fork: what the parent had open. */
static struct {
	int fd;
	uint64_t cookie;
} inherited[SLOTS];

static struct state *state_page;
/* Written in turn, so that a reader of an older one is not disturbed. */
static struct channel_world worlds[WORLDS];
static struct channel_world *world;	/* atomic; NULL: nothing known */
static uint32_t world_writing;		/* atomic */
static uint64_t absent_until;		/* ms; atomic */
static bool namespaces_differ;

void channel_namespaces_differ(void)
{
	__atomic_store_n(&namespaces_differ, true, __ATOMIC_RELAXED);
}

bool channel_namespaces_may_differ(void)
{
	return __atomic_load_n(&namespaces_differ, __ATOMIC_RELAXED);
}

static uint64_t now_ms(void)
{
	struct timespec ts = { 0 };

	sys_call(SYS_clock_gettime, CLOCK_MONOTONIC, (long)&ts, 0, 0, 0, 0);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static struct state *state_get(void)
{
	struct state *state = __atomic_load_n(&state_page, __ATOMIC_ACQUIRE), *none = NULL;
	long at;

	if (state)
		return state;
	at = sys_mmap(sizeof(*state), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS);
	if (at < 0 && at > -4096)
		return NULL;
	if (sys_madvise((void *)at, sizeof(*state), MADV_WIPEONFORK) < 0 ||
	    !__atomic_compare_exchange_n(&state_page, &none, (struct state *)at, false,
					 __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
		sys_munmap((void *)at, sizeof(*state));
		return none;
	}
	return (struct state *)at;
}

/* One of the slots, and not a channel for the occasion? */
static bool is_kept(const struct state *state, const struct slot *slot)
{
	return slot >= state->slots && slot < state->slots + SLOTS;
}

/* --- one channel --- */

static int open_socket(void)
{
	static const char name[] = SLIM_CHANNEL_NAME;
	struct timeval deadline = { .tv_usec = SLIM_CHANNEL_DEADLINE * 1000 };
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	struct {
		int pid;
		unsigned int uid, gid;
	} cred;
	long fd = sys_socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	long high, err;

	if (fd < 0)
		return (int)fd;
	memcpy(sun.sun_path + 1, name, sizeof(name) - 1);
	err = sys_connect((int)fd, &sun, offsetof(struct sockaddr_un, sun_path) + sizeof(name));
	if (!err)
		err = sys_getsockopt_exact((int)fd, SOL_SOCKET, SO_PEERCRED, &cred,
					   sizeof(cred));
	/* The router is outside: without a pid here, or, in one pid namespace, root. */
	if (!err && cred.pid && cred.uid)
		err = -EPERM;
	/* Waiting is recvmsg's, with a deadline of its own. */
	if (!err)
		err = sys_fcntl((int)fd, F_SETFL, O_RDWR);
	if (!err)
		err = sys_setsockopt((int)fd, SOL_SOCKET, SO_RCVTIMEO, &deadline,
				     sizeof(deadline));
	if (err) {
		sys_close((int)fd);
		return (int)err;
	}
	high = sys_fcntl((int)fd, F_DUPFD_CLOEXEC, FD_HIGH);
	if (high >= 0) {
		sys_close((int)fd);
		fd = high;
	}
	return (int)fd;
}

static void slot_close(struct slot *slot)
{
	if (slot->cookie && sys_cookie(slot->fd) == slot->cookie)
		sys_close(slot->fd);
	slot->cookie = 0;
	slot->late_id = 0;
}

/*
 * Receives one frame. 0: @reply is the answer to @id; -EAGAIN: not yet; else the
 * channel is of no use any more. An fd that nobody wants is closed.
 */
static int receive(int channel, uint32_t id, void *reply, uint32_t len, unsigned int type,
		   int *fd, int flags)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec iov = { .iov_base = reply, .iov_len = len };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control.bytes, .msg_controllen = sizeof(control.bytes),
	};
	const struct slim_frame *frame = reply;
	int got = -1;
	long ret;

	/* Signals are blocked, but stopping and going on interrupts all the same. */
	do
		ret = sys_recvmsg(channel, &msg, flags | MSG_CMSG_CLOEXEC);
	while (ret == -EINTR);
	if (ret < 0)
		return (int)ret;
	if (msg.msg_controllen >= CMSG_LEN(sizeof(int)) &&
	    control.align.cmsg_level == SOL_SOCKET && control.align.cmsg_type == SCM_RIGHTS)
		memcpy(&got, control.bytes + CMSG_LEN(0), sizeof(got));
	if ((uint32_t)ret == len && frame->magic == SLIM_CHANNEL_MAGIC &&
	    frame->version == SLIM_CHANNEL_VERSION && frame->type == type &&
	    frame->length == len && frame->id == id && !(msg.msg_flags & MSG_TRUNC) &&
	    (got < 0 || fd)) {
		if (fd)
			*fd = got;
		return 0;
	}
	if (got >= 0)
		sys_close(got);
	return -EPROTO;
}

/* A reply that came too late is thrown away. Returns whether one is still owed. */
static bool still_late(struct state *state, struct slot *slot)
{
	char frame[SLIM_FRAME_MAX];
	int fd = -1, err;

	if (!slot->late_id)
		return false;
	/* Of whatever type it is: only that it came counts. */
	err = receive(slot->fd, 0, frame, sizeof(frame), SLIM_FRAME_UNSPEC, &fd,
		      MSG_DONTWAIT);
	if (err == -EAGAIN)
		return true;
	slot->late_id = 0;
	__atomic_store_n(&state->slow, 0, __ATOMIC_RELAXED);
	if (err != -EPROTO)
		slot_close(slot);
	return false;
}

static void frame_fill(void *request, uint32_t len, unsigned int type, uint32_t id)
{
	struct slim_frame *frame = request;

	*frame = (struct slim_frame){
		.magic = SLIM_CHANNEL_MAGIC, .version = SLIM_CHANNEL_VERSION,
		.type = (uint16_t)type, .length = len, .id = id,
	};
}

/* One exchange on an open channel. */
static int exchange(struct state *state, struct slot *slot, void *request, uint32_t len,
		    unsigned int type, void *reply, uint32_t reply_len,
		    unsigned int reply_type, int *fd, bool last)
{
	uint32_t id = ++slot->next_id ? slot->next_id : ++slot->next_id;
	long ret;
	int err;

	frame_fill(request, len, type, id);
	ret = sys_send(slot->fd, request, len, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (ret != (long)len) {
		slot_close(slot);
		return -EPIPE;		/* not sent: it may be, on another channel */
	}
	if (!reply)
		return 0;
	err = receive(slot->fd, id, reply, reply_len, reply_type, fd, 0);
	if (!err)
		return 0;
	if (err != -EAGAIN) {
		slot_close(slot);
		return -ECONNRESET;
	}
	if (last) {
		/* Nothing can follow what is there now. */
		sys_shutdown(slot->fd, SHUT_RDWR);
		err = receive(slot->fd, id, reply, reply_len, reply_type, fd, MSG_DONTWAIT);
		slot_close(slot);
		return err ? -ETIMEDOUT : 0;
	}
	if (is_kept(state, slot)) {
		slot->late_id = id;
		__atomic_store_n(&state->slow, 1, __ATOMIC_RELAXED);
	}
	return -ETIMEDOUT;
}

static void world_learn(const struct slim_hello_reply *hello, uint64_t netns_cookie)
{
	struct channel_world *old = __atomic_load_n(&world, __ATOMIC_ACQUIRE), *new;

	if (hello->prefixes_num > SLIM_CHANNEL_PREFIXES ||
	    hello->addresses_num > SLIM_CHANNEL_ADDRESSES ||
	    (old && old->hello.generation == hello->generation) ||
	    __atomic_exchange_n(&world_writing, 1, __ATOMIC_ACQUIRE))
		return;
	new = &worlds[old ? (old - worlds + 1) % WORLDS : 0];
	new->hello = *hello;
	new->netns_cookie = netns_cookie;
	__atomic_store_n(&world, new, __ATOMIC_RELEASE);
	__atomic_store_n(&world_writing, 0, __ATOMIC_RELEASE);
}

static int hello(struct state *state, struct slot *slot)
{
	struct slim_hello request;
	struct slim_hello_reply reply;
	int err = exchange(state, slot, &request, sizeof(request), SLIM_FRAME_HELLO, &reply,
			   sizeof(reply), SLIM_FRAME_HELLO_REPLY, NULL, false);

	if (!err)
		world_learn(&reply, sys_netns_cookie(slot->fd));
	return err;
}

/* What fork left us of the parent's channels. */
static void close_inherited(struct state *state)
{
	if (__atomic_exchange_n(&state->opened, 1, __ATOMIC_ACQ_REL))
		return;
	for (int i = 0; i < SLOTS; i++) {
		if (inherited[i].cookie && sys_cookie(inherited[i].fd) == inherited[i].cookie)
			sys_close(inherited[i].fd);
		inherited[i].cookie = 0;
	}
}

static int slot_open(struct state *state, struct slot *slot)
{
	uint64_t until = __atomic_load_n(&absent_until, __ATOMIC_RELAXED);
	int fd;

	if (until && now_ms() < until)
		return -ECONNREFUSED;
	close_inherited(state);
	fd = open_socket();
	if (fd < 0) {
		/* A full backlog or a lack of fds says nothing of the next moment. */
		if (fd == -ECONNREFUSED || fd == -EPERM)
			__atomic_store_n(&absent_until, now_ms() + RETRY_MS,
					 __ATOMIC_RELAXED);
		return fd;
	}
	__atomic_store_n(&absent_until, 0, __ATOMIC_RELAXED);
	slot->fd = fd;
	slot->cookie = sys_cookie(fd);
	slot->late_id = 0;
	if (is_kept(state, slot)) {
		inherited[slot - state->slots].fd = fd;
		inherited[slot - state->slots].cookie = slot->cookie;
	}
	return hello(state, slot);
}

/* While the router owes an answer, the slot that waits for it is the one to look at. */
static struct slot *slot_take(struct state *state)
{
	bool slow = __atomic_load_n(&state->slow, __ATOMIC_RELAXED);

	for (int i = 0; i < SLOTS; i++)
		if ((!slow || state->slots[i].late_id) &&
		    !__atomic_load_n(&state->slots[i].taken, __ATOMIC_RELAXED) &&
		    !__atomic_exchange_n(&state->slots[i].taken, 1, __ATOMIC_ACQUIRE))
			return &state->slots[i];
	return NULL;
}

/* Ready for a request; or -errno. */
static int slot_prepare(struct state *state, struct slot *slot)
{
	if (slot->cookie && sys_cookie(slot->fd) != slot->cookie) {
		/* Closed by the program; the number may be its own now. */
		slot->cookie = 0;
		if (slot->late_id)
			__atomic_store_n(&state->slow, 0, __ATOMIC_RELAXED);
		slot->late_id = 0;
	}
	if (slot->cookie && still_late(state, slot))
		return -ETIMEDOUT;
	if (__atomic_load_n(&state->slow, __ATOMIC_RELAXED))
		return -ETIMEDOUT;
	return slot->cookie ? 0 : slot_open(state, slot);
}

static int with_slot(void *request, uint32_t len, unsigned int type, void *reply,
		     uint32_t reply_len, unsigned int reply_type, int *fd, bool last)
{
	struct state *state = state_get();
	struct slot own = { 0 }, *slot;
	int err;

	if (!state)
		return -ENOMEM;
	slot = slot_take(state);
	if (!slot)
		slot = &own;
	err = slot_prepare(state, slot);
	if (!err && !channel_world_known())
		err = hello(state, slot);	/* the first one's answer came too late */
	if (!err && request)
		err = exchange(state, slot, request, len, type, reply, reply_len, reply_type,
			       fd, last);
	/* The router restarted, perhaps: once more on a new channel. */
	if (err == -EPIPE && !slot_prepare(state, slot))
		err = exchange(state, slot, request, len, type, reply, reply_len, reply_type,
			       fd, last);
	if (slot == &own)
		slot_close(slot);
	else
		__atomic_store_n(&slot->taken, 0, __ATOMIC_RELEASE);
	return err;
}

/* Every reply that is not HELLO's has the generation behind the frame. */
static void check_generation(const void *reply)
{
	const struct slim_name_reply *common = reply;
	const struct channel_world *known = channel_world_known();

	if (known && known->hello.generation != common->generation) {
		struct slim_hello request;
		struct slim_hello_reply hello_reply;

		if (with_slot(&request, sizeof(request), SLIM_FRAME_HELLO, &hello_reply,
			      sizeof(hello_reply), SLIM_FRAME_HELLO_REPLY, NULL, false) == 0)
			world_learn(&hello_reply, known->netns_cookie);
	}
}

int channel_ask(void *request, uint32_t len, unsigned int type, void *reply,
		uint32_t reply_len, unsigned int reply_type, int *fd, bool last)
{
	uint64_t all = ~0ull, old = 0;
	int err;

	if (fd)
		*fd = -1;
	sys_sigprocmask(SIG_BLOCK_, &all, &old);
	err = with_slot(request, len, type, reply, reply_len, reply_type, fd, last);
	if (!err && reply)
		check_generation(reply);
	sys_sigprocmask(SIG_SETMASK_, &old, NULL);
	return err;
}

static bool is_open(void)
{
	struct state *state = __atomic_load_n(&state_page, __ATOMIC_ACQUIRE);

	for (int i = 0; state && i < SLOTS; i++)
		if (state->slots[i].cookie)
			return true;
	return false;
}

/* Not worth a channel of its own: a forked child, say, closes its parent's listener. */
void channel_tell(void *request, uint32_t len, unsigned int type)
{
	if (is_open())
		channel_ask(request, len, type, NULL, 0, SLIM_FRAME_UNSPEC, NULL, false);
}

const struct channel_world *channel_world_known(void)
{
	return __atomic_load_n(&world, __ATOMIC_ACQUIRE);
}

const struct channel_world *channel_world(void)
{
	const struct channel_world *known = channel_world_known();

	if (known)
		return known;
	channel_ask(NULL, 0, SLIM_FRAME_UNSPEC, NULL, 0, SLIM_FRAME_UNSPEC, NULL, false);
	return channel_world_known();
}
