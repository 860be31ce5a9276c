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
 * A router that does not answer in time is slow: requests fail at once, until it has answered
 * anybody. The channel on which an answer is owed is kept and looked at without waiting; what comes
 * there is thrown away. Answers may be owed on several channels, and one of them may never come: any one
 * is enough, and those that are owed still when the router is slow no more cost their channels. Where
 * none comes, the router is asked anew each second, by a HELLO that nobody waits for, on a channel in
 * the place of one that owes. One that is gone is looked for each second, too.
 *
 * The late reply to a CONNECT would bring a connection that somebody has accepted and nobody
 * uses, and keep it for as long as the program asks nothing more. So that channel is closed, and
 * another one, with such a HELLO, takes its place as the one to look at.
 */
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/un.h>

#include "channel.h"
#include "clock.h"
#include "debug.h"
#include "mem.h"
#include "sys.h"

#define SLOTS		32
#define WORLDS		4
#define FD_HIGH		512	/* channels stay out of the way of low numbers */
#define RECENT_MS	1000	/* as long what the router said of the world is good */
#define RETRY_MS	1000
#define STALE_MAX	64	/* descriptors that came too late, at a time */
#define SIG_BLOCK_	0
#define SIG_SETMASK_	2
#ifndef MADV_WIPEONFORK
#define MADV_WIPEONFORK	18
#endif

struct slot {
	uint32_t taken;			/* atomic */
	int fd;
	uint64_t cookie;		/* 0: no channel */
	int passing_fd;			/* by which descriptors come */
	uint64_t passing_cookie;	/* 0: they come with the replies */
	uint32_t next_id;
	uint32_t late;			/* atomic: a reply is still owed */
	uint32_t probe;			/* ... and it is of no other use than to come */
	uint32_t pid;			/* whose it is */
};

/* Emptied by fork. */
struct state {
	struct slot slots[SLOTS];
	uint32_t world_writing;		/* atomic */
	uint32_t opened;		/* the inherited ones are closed */
	uint64_t ask_at;		/* ms; atomic: it is slow, and asked anew then; 0: it answers */
	uint64_t recent_until;		/* ms; atomic: as long the world is not asked for again */
};

/* Survives fork: what the parent had open. */
static struct {
	int fd, passing_fd;
	uint64_t cookie, passing_cookie;
} inherited[SLOTS];

static struct state *state_page;
/* Written in turn, so that a reader of an older one is not disturbed. */
static struct channel_world worlds[WORLDS];
static struct channel_world *world;	/* atomic; NULL: nothing known */
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

/* Channels stay out of the way of low numbers. */
static int move_up(int fd)
{
	long high = sys_fcntl(fd, F_DUPFD_CLOEXEC, FD_HIGH);

	if (high < 0)
		return fd;
	sys_close(fd);
	return (int)high;
}

/*
 * The router is outside of the container: without a pid here; or, where the container has no
 * pid namespace of its own, root.
 */
static bool is_outside(int pid, unsigned int uid)
{
	static const char first[] = "pid:[4026531836]";	/* PROC_PID_INIT_INO */
	char name[sizeof(first)];
	long len;

	if (!pid)
		return true;
	if (uid)
		return false;
	len = sys_readlink("/proc/self/ns/pid", name, sizeof(name));
	/* Without /proc nobody can tell. */
	return len < 0 || (len == sizeof(first) - 1 && !memcmp(name, first, sizeof(first) - 1));
}

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
	long err;

	if (fd < 0)
		return (int)fd;
	memcpy(sun.sun_path + 1, name, sizeof(name) - 1);
	err = sys_connect((int)fd, &sun, offsetof(struct sockaddr_un, sun_path) + sizeof(name));
	if (!err)
		err = sys_getsockopt_exact((int)fd, SOL_SOCKET, SO_PEERCRED, &cred,
					   sizeof(cred));
	if (!err && !is_outside(cred.pid, cred.uid))
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
	return move_up((int)fd);
}

/* A vforked child shares the slots with its parent, though not the descriptors. */
static bool is_parents(const struct slot *slot)
{
	return slot->pid != (uint32_t)sys_getpid() && slot->pid == (uint32_t)sys_getppid();
}

static void close_ours(int fd, uint64_t cookie)
{
	if (cookie && sys_cookie(fd) == cookie)
		sys_close(fd);
}

static void slot_close(struct slot *slot)
{
	close_ours(slot->fd, slot->cookie);
	close_ours(slot->passing_fd, slot->passing_cookie);
	slot->cookie = 0;
	slot->passing_cookie = 0;
	__atomic_store_n(&slot->late, 0, __ATOMIC_RELAXED);
	slot->probe = 0;
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
		/* Of one descriptor exactly: CMSG_SPACE() has room for two. */
		.msg_control = control.bytes, .msg_controllen = CMSG_LEN(sizeof(int)),
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

/*
 * The descriptor that belongs to the reply @id, with that reply once more, came before the
 * reply did. What is there of earlier ones, nobody waits for any more. 0 or -errno.
 */
static int receive_passed(struct slot *slot, uint32_t id, void *reply, uint32_t len,
			  unsigned int type, int *fd)
{
	char frame[SLIM_FRAME_MAX];
	int err;

	if (!slot->passing_cookie || sys_cookie(slot->passing_fd) != slot->passing_cookie)
		return -ENOTCONN;
	for (int i = 0; i < STALE_MAX; i++) {
		int got = -1;

		err = receive(slot->passing_fd, id, frame, len, type, &got, MSG_DONTWAIT);
		if (!err) {
			memcpy(reply, frame, len);
			*fd = got;
			return 0;
		}
		if (err != -EPROTO)
			return err;
	}
	return -EPROTO;
}

static void answered(struct state *state)
{
	if (__atomic_load_n(&state->ask_at, __ATOMIC_RELAXED))
		__atomic_store_n(&state->ask_at, 0, __ATOMIC_RELAXED);
}

/* A reply that came too late is thrown away. Returns whether one is still owed. */
static bool still_late(struct state *state, struct slot *slot)
{
	char frame[SLIM_FRAME_MAX];
	int fd = -1, err;

	if (!slot->late)
		return false;
	/* Of whatever type it is: only that it came counts. */
	err = receive(slot->fd, 0, frame, sizeof(frame), SLIM_FRAME_UNSPEC, &fd,
		      MSG_DONTWAIT);
	if (err == -EAGAIN)
		return true;
	__atomic_store_n(&slot->late, 0, __ATOMIC_RELAXED);
	answered(state);
	/* What it was about is closed, too: no request has the id 0. */
	receive_passed(slot, 0, frame, sizeof(frame), SLIM_FRAME_UNSPEC, &fd);
	if (err != -EPROTO || slot->probe)
		slot_close(slot);
	return false;
}

/* Does @reply say that a descriptor has come the other way? */
static bool has_passed(const struct slot *slot, const void *reply, const int *fd)
{
	const struct slim_claim_reply *claim = reply;

	return slot->passing_cookie && fd && *fd < 0 &&
	       claim->frame.type == SLIM_FRAME_CLAIM_REPLY && claim->verdict == SLIM_VERDICT_SLIM;
}

static int receive_last(struct slot *slot, uint32_t id, void *reply, uint32_t len,
			unsigned int type, int *fd)
{
	if (sys_cookie(slot->passing_fd) == slot->passing_cookie)
		sys_shutdown(slot->passing_fd, SHUT_RDWR);
	return receive_passed(slot, id, reply, len, type, fd);
}

static void frame_fill(void *request, uint32_t len, unsigned int type, uint32_t id)
{
	struct slim_frame *frame = request;

	*frame = (struct slim_frame){
		.magic = SLIM_CHANNEL_MAGIC, .version = SLIM_CHANNEL_VERSION,
		.type = (uint16_t)type, .length = len, .id = id,
	};
}

static void note_inherited(const struct state *state, const struct slot *slot)
{
	long i = slot - state->slots;

	if (!is_kept(state, slot))
		return;
	inherited[i].fd = slot->fd;
	inherited[i].cookie = slot->cookie;
	inherited[i].passing_fd = slot->passing_fd;
	inherited[i].passing_cookie = slot->passing_cookie;
}

static void slot_fill(const struct state *state, struct slot *slot, int fd)
{
	slot->fd = fd;
	slot->cookie = sys_cookie(fd);
	slot->pid = (uint32_t)sys_getpid();
	note_inherited(state, slot);
}

static void ask_later(struct state *state)
{
	__atomic_store_n(&state->ask_at, clock_ms() + RETRY_MS, __ATOMIC_RELAXED);
}

static void owe(struct state *state, struct slot *slot)
{
	__atomic_store_n(&slot->late, 1, __ATOMIC_RELAXED);
	ask_later(state);
}

static uint32_t next_id(struct slot *slot)
{
	return ++slot->next_id ? slot->next_id : ++slot->next_id;
}

/*
 * A new channel in the slot: an answer on it says that the router is back. Where there can be none
 * (its queue is full), it is no less slow.
 */
static void probe(struct state *state, struct slot *slot)
{
	struct slim_hello request;
	int fd;

	slot_close(slot);
	ask_later(state);
	fd = open_socket();
	if (fd < 0)
		return;
	slot_fill(state, slot, fd);
	frame_fill(&request, sizeof(request), SLIM_FRAME_HELLO, next_id(slot));
	if (sys_send(fd, &request, sizeof(request), MSG_NOSIGNAL | MSG_DONTWAIT) !=
	    (long)sizeof(request)) {
		slot_close(slot);
		return;
	}
	slot->probe = 1;
	__atomic_store_n(&slot->late, 1, __ATOMIC_RELAXED);
}

static int too_late(unsigned int type)
{
	debug_say("no answer from the router in time to request %d", (int)type);
	return -ETIMEDOUT;
}

/* One exchange on an open channel. */
static int exchange(struct state *state, struct slot *slot, void *request, uint32_t len,
		    unsigned int type, void *reply, uint32_t reply_len,
		    unsigned int reply_type, int *fd, bool last)
{
	uint32_t id = next_id(slot);
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
	if (!err && has_passed(slot, reply, fd))
		err = receive_passed(slot, id, reply, reply_len, reply_type, fd) ? -EPROTO : 0;
	if (!err) {
		answered(state);
		return 0;
	}
	if (err != -EAGAIN) {
		/* What a router that was killed has handed over, the next one lets go of. */
		if (reply_type == SLIM_FRAME_CLAIM_REPLY && slot->passing_cookie)
			err = receive_last(slot, id, reply, reply_len, reply_type, fd);
		slot_close(slot);
		return err ? -ECONNRESET : 0;
	}
	if (last || type == SLIM_FRAME_CONNECT) {
		/* Nothing can follow what is there now. */
		sys_shutdown(slot->fd, SHUT_RDWR);
		err = receive(slot->fd, id, reply, reply_len, reply_type, fd, MSG_DONTWAIT);
		if (reply_type == SLIM_FRAME_CLAIM_REPLY && slot->passing_cookie &&
		    (err || has_passed(slot, reply, fd)))
			err = receive_last(slot, id, reply, reply_len, reply_type, fd);
		slot_close(slot);
		if (err && !last && is_kept(state, slot))
			probe(state, slot);
		return err ? too_late(type) : 0;
	}
	if (is_kept(state, slot))
		owe(state, slot);
	return too_late(type);
}

static void world_learn(struct state *state, const struct slim_hello_reply *hello,
			uint64_t netns_cookie)
{
	struct channel_world *old = __atomic_load_n(&world, __ATOMIC_ACQUIRE), *new;

	if (hello->prefixes_num > SLIM_CHANNEL_PREFIXES ||
	    hello->addresses_num > SLIM_CHANNEL_ADDRESSES ||
	    (old && old->hello.generation == hello->generation) ||
	    __atomic_exchange_n(&state->world_writing, 1, __ATOMIC_ACQUIRE))
		return;
	new = &worlds[old ? (old - worlds + 1) % WORLDS : 0];
	new->hello = *hello;
	new->netns_cookie = netns_cookie;
	__atomic_store_n(&world, new, __ATOMIC_RELEASE);
	__atomic_store_n(&state->world_writing, 0, __ATOMIC_RELEASE);
}

static int hello(struct state *state, struct slot *slot)
{
	struct slim_hello request;
	struct slim_hello_reply reply;
	int passing = -1;
	int err = exchange(state, slot, &request, sizeof(request), SLIM_FRAME_HELLO, &reply,
			   sizeof(reply), SLIM_FRAME_HELLO_REPLY, &passing, false);

	if (err)
		return err;
	__atomic_store_n(&state->recent_until, clock_ms() + RECENT_MS, __ATOMIC_RELAXED);
	world_learn(state, &reply, sys_netns_cookie(slot->fd));
	/* What is no socket could not be told from a file of the program's. */
	if (passing >= 0 && (slot->passing_cookie || !sys_cookie(passing)))
		sys_close(passing);
	else if (passing >= 0) {
		slot->passing_fd = move_up(passing);
		slot->passing_cookie = sys_cookie(slot->passing_fd);
		/* Else the router would pass descriptors to nobody, and not know. */
		if (!slot->passing_cookie)
			sys_close(slot->passing_fd);
		note_inherited(state, slot);
	}
	return 0;
}

/* What fork left us of the parent's channels. */
static void close_inherited(struct state *state)
{
	if (__atomic_exchange_n(&state->opened, 1, __ATOMIC_ACQ_REL))
		return;
	for (int i = 0; i < SLOTS; i++) {
		close_ours(inherited[i].fd, inherited[i].cookie);
		close_ours(inherited[i].passing_fd, inherited[i].passing_cookie);
		inherited[i].cookie = 0;
		inherited[i].passing_cookie = 0;
	}
}

/* There was no router a moment ago. */
static bool is_absent(void)
{
	uint64_t until = __atomic_load_n(&absent_until, __ATOMIC_RELAXED);

	return until && clock_ms() < until;
}

/* A full backlog or a lack of fds or memory says nothing of the next moment; that sockets are forbidden does. */
static bool is_passing(int err)
{
	return err == -EAGAIN || err == -EMFILE || err == -ENFILE || err == -ENOMEM || err == -ENOBUFS;
}

static int slot_open(struct state *state, struct slot *slot)
{
	int fd;

	if (is_absent())
		return -ECONNREFUSED;
	close_inherited(state);
	fd = open_socket();
	if (fd < 0) {
		if (!is_passing(fd))
			__atomic_store_n(&absent_until, clock_ms() + RETRY_MS,
					 __ATOMIC_RELAXED);
		return fd;
	}
	__atomic_store_n(&absent_until, 0, __ATOMIC_RELAXED);
	slot->passing_cookie = 0;
	slot_fill(state, slot, fd);
	return hello(state, slot);
}

static bool slot_try(struct slot *slot)
{
	return !__atomic_load_n(&slot->taken, __ATOMIC_RELAXED) &&
	       !__atomic_exchange_n(&slot->taken, 1, __ATOMIC_ACQUIRE);
}

static void slot_give(struct slot *slot)
{
	__atomic_store_n(&slot->taken, 0, __ATOMIC_RELEASE);
}

/* @late: one that is owed an answer if there is one; else another one first. NULL: all are taken */
static struct slot *slot_take(struct state *state, bool late)
{
	for (int i = 0; i < 2 * SLOTS; i++) {
		struct slot *slot = &state->slots[i % SLOTS];
		bool wanted = i < SLOTS ? late : !late;

		if (__atomic_load_n(&slot->late, __ATOMIC_RELAXED) == wanted && slot_try(slot))
			return slot;
	}
	return NULL;
}

/* Whether an answer is still owed; -ECHILD: a vforked child has closed what its parent still has. */
static int slot_look(struct state *state, struct slot *slot)
{
	if (slot->cookie && sys_cookie(slot->fd) != slot->cookie) {
		if (is_parents(slot))
			return -ECHILD;
		/* Closed by the program, or a vforked child's; the number may be the program's own now. */
		if (slot->late)
			answered(state);
		slot_close(slot);
	}
	return still_late(state, slot);
}

/* Ready for a request; or -errno. */
static int slot_prepare(struct state *state, struct slot *slot)
{
	int late = slot_look(state, slot);

	if (late < 0)
		return late;
	/* The router answers others. */
	if (late)
		slot_close(slot);
	return slot->cookie ? 0 : slot_open(state, slot);
}

/* Looks for owed answers. Returns whether one has come. */
static bool has_answered(struct state *state)
{
	for (int i = 0; i < SLOTS; i++) {
		struct slot *slot = &state->slots[i];
		int late;

		if (!__atomic_load_n(&slot->late, __ATOMIC_RELAXED) || !slot_try(slot))
			continue;
		late = slot_look(state, slot);
		slot_give(slot);
		if (!late)
			return true;
	}
	return false;
}

/* Is it of no use to ask the router now? */
static bool is_slow(struct state *state)
{
	uint64_t at = __atomic_load_n(&state->ask_at, __ATOMIC_RELAXED), now;
	struct slot *slot;

	if (!at || has_answered(state))
		return false;
	/* Only one asks. */
	now = clock_ms();
	if (now < at || !__atomic_compare_exchange_n(&state->ask_at, &at, now + RETRY_MS, false,
						     __ATOMIC_RELAXED, __ATOMIC_RELAXED))
		return true;
	slot = slot_take(state, true);
	if (slot) {
		/* A vforked child leaves its parent's channels alone. */
		if (!is_parents(slot))
			probe(state, slot);
		slot_give(slot);
	}
	return true;
}

/* With SCM_RIGHTS a descriptor that finds no room is lost, and its connection with it. */
static bool has_room(const struct slot *slot)
{
	long spare = sys_fcntl(slot->fd, F_DUPFD_CLOEXEC, 0);

	if (spare < 0)
		return false;
	sys_close((int)spare);
	return true;
}

/* Looks for room only now: the channel itself may have taken the last of it. */
static int ask_on(struct state *state, struct slot *slot, void *request, uint32_t len,
		  unsigned int type, void *reply, uint32_t reply_len, unsigned int reply_type,
		  int *fd, bool last)
{
	if (fd && !has_room(slot)) {
		if (type != SLIM_FRAME_CLAIM)
			return -EMFILE;
		((struct slim_claim *)request)->flags |= SLIM_CLAIM_KEEP;
	}
	return exchange(state, slot, request, len, type, reply, reply_len, reply_type, fd, last);
}

/* -EBUSY: the router is late, and the request was not sent. */
static int with_slot(void *request, uint32_t len, unsigned int type, void *reply,
		     uint32_t reply_len, unsigned int reply_type, int *fd, bool last)
{
	struct state *state = state_get();
	struct slot own = { 0 }, *slot;
	int err;

	if (!state)
		return -ENOMEM;
	if (is_slow(state))
		return -EBUSY;
	slot = slot_take(state, false);
	if (!slot)
		slot = &own;
	err = slot_prepare(state, slot);
	if (err == -ECHILD) {
		slot_give(slot);
		slot = &own;
		err = slot_prepare(state, slot);
	}
	if (!err && !channel_world_known())
		err = hello(state, slot);	/* the first one's answer came too late */
	if (err == -ETIMEDOUT)
		err = -EBUSY;
	if (!err && request)
		err = ask_on(state, slot, request, len, type, reply, reply_len, reply_type, fd,
			     last);
	/* The router restarted, perhaps: once more on a new channel. */
	if (err == -EPIPE && !slot_prepare(state, slot))
		err = !request ? 0 : ask_on(state, slot, request, len, type, reply, reply_len,
					    reply_type, fd, last);
	if (slot == &own)
		slot_close(slot);
	else
		slot_give(slot);
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
			world_learn(state_get(), &hello_reply, known->netns_cookie);
	}
}

uint64_t channel_hold_signals(void)
{
	uint64_t all = ~0ull, before = 0;

	sys_sigprocmask(SIG_BLOCK_, &all, &before);
	return before;
}

void channel_let_signals(uint64_t held)
{
	sys_sigprocmask(SIG_SETMASK_, &held, NULL);
}

/* As with_slot(), and learns who has answered */
static int ask_and_learn(void *request, uint32_t len, unsigned int type, void *reply,
			 uint32_t reply_len, unsigned int reply_type, int *fd, bool last)
{
	int err = with_slot(request, len, type, reply, reply_len, reply_type, fd, last);

	if (!err && reply)
		check_generation(reply);
	return err;
}

/* Callers need not know whether a late router was asked. */
static int outcome(int err)
{
	return err == -EBUSY ? -ETIMEDOUT : err;
}

int channel_ask_fd(void *request, uint32_t len, unsigned int type, void *reply,
		   uint32_t reply_len, unsigned int reply_type, int *fd, bool last)
{
	if (fd)
		*fd = -1;
	return outcome(ask_and_learn(request, len, type, reply, reply_len, reply_type, fd,
				     last));
}

int channel_ask(void *request, uint32_t len, unsigned int type, void *reply,
		uint32_t reply_len, unsigned int reply_type)
{
	uint64_t signals = channel_hold_signals();
	int err = channel_ask_fd(request, len, type, reply, reply_len, reply_type, NULL, false);

	channel_let_signals(signals);
	return err;
}

/* A router reads what was sent before a channel ended. */
static void leave(void *request, uint32_t len, unsigned int type)
{
	int fd = open_socket();

	if (fd < 0)
		return;
	frame_fill(request, len, type, 1);
	sys_send(fd, request, len, MSG_NOSIGNAL | MSG_DONTWAIT);
	sys_close(fd);
}

int channel_ask_or_leave(void *request, uint32_t len, unsigned int type, void *reply,
			 uint32_t reply_len, unsigned int reply_type)
{
	uint64_t signals = channel_hold_signals();
	int err = ask_and_learn(request, len, type, reply, reply_len, reply_type, NULL, false);

	/* It was not sent, or to a router that went away. */
	if (err == -EBUSY || err == -EPIPE || err == -ECONNRESET)
		leave(request, len, type);
	channel_let_signals(signals);
	return outcome(err);
}

/* Does the number count against the limit of now? One beyond it gives nobody room. */
static bool counts(int fd)
{
	long spare = sys_fcntl(fd, F_DUPFD_CLOEXEC, fd);

	if (spare >= 0)
		sys_close((int)spare);
	return spare != -EINVAL;
}

bool channel_make_room(void)
{
	struct state *state = __atomic_load_n(&state_page, __ATOMIC_ACQUIRE);
	uint64_t signals = channel_hold_signals();
	bool made = false;

	for (int i = 0; state && i < SLOTS; i++) {
		struct slot *slot = &state->slots[i];

		if (!slot_try(slot))
			continue;
		/* One that is still owed an answer is what says when the router is slow no more. */
		if (slot->cookie && !slot->late && sys_cookie(slot->fd) == slot->cookie &&
		    counts(slot->fd)) {
			slot_close(slot);
			made = true;
		}
		slot_give(slot);
	}
	channel_let_signals(signals);
	return made;
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
		channel_ask(request, len, type, NULL, 0, SLIM_FRAME_UNSPEC);
}

const struct channel_world *channel_world_known(void)
{
	return __atomic_load_n(&world, __ATOMIC_ACQUIRE);
}

void channel_refresh(void)
{
	struct slim_hello request;
	struct slim_hello_reply reply;
	uint64_t signals = channel_hold_signals();

	if (with_slot(&request, sizeof(request), SLIM_FRAME_HELLO, &reply, sizeof(reply),
		      SLIM_FRAME_HELLO_REPLY, NULL, false) == 0 && channel_world_known())
		world_learn(state_get(), &reply, channel_world_known()->netns_cookie);
	channel_let_signals(signals);
}

const struct channel_world *channel_world(void)
{
	const struct channel_world *known = channel_world_known();

	if (known || is_absent())
		return known;
	channel_ask(NULL, 0, SLIM_FRAME_UNSPEC, NULL, 0, SLIM_FRAME_UNSPEC);
	return channel_world_known();
}

const struct channel_world *channel_world_recent(void)
{
	struct state *state = state_get();
	uint64_t now = clock_ms(), until;

	if (!state)
		return channel_world_known();
	until = __atomic_load_n(&state->recent_until, __ATOMIC_RELAXED);
	/* Only one asks. */
	if (now >= until && __atomic_compare_exchange_n(&state->recent_until, &until, now + RECENT_MS,
							false, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
		channel_refresh();
	return channel_world_known();
}
