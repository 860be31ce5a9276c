/* SPDX-License-Identifier: MIT */
/*
 * channel.c - this process's connections to the host's router
 *
 * Theory of operation: a thread asks on a channel of those that are kept (slot.c); where all are taken
 * it opens one of its own for the occasion. A channel begins with a HELLO, whose reply says what the world is
 * (world.c). Each reply has a generation behind its frame: where that is another one, the router is asked for
 * the world again. A request that was not sent, because the router has gone away meanwhile, is sent
 * once more, to the next one. What becomes of one that is slow late.c says; one that is gone is looked for
 * each second.
 */
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <sys/socket.h>

#include "channel.h"
#include "channel_socket.h"
#include "clock.h"
#include "exchange.h"
#include "frame.h"
#include "late.h"
#include "signals.h"
#include "slot.h"
#include "sys.h"

#define RECENT_MS	1000	/* as long what the router said of the world is good */
#define ABSENT_MS	1000

static uint64_t absent_until;		/* ms; atomic */

/* --- a channel is opened --- */

static struct question hello_question(struct slim_hello *request, struct slim_hello_reply *reply)
{
	return (struct question){
		.type = SLIM_FRAME_HELLO, .request = request, .len = sizeof(*request),
		.reply_type = SLIM_FRAME_HELLO_REPLY, .reply = reply, .reply_len = sizeof(*reply),
	};
}

static int hello(struct state *state, struct slot *slot)
{
	struct slim_hello request;
	struct slim_hello_reply reply;
	struct question question = hello_question(&request, &reply);
	int passing = -1, err;

	question.fd = &passing;
	err = exchange(state, slot, &question);
	if (err)
		return err;
	__atomic_store_n(&state->recent_until, clock_ms() + RECENT_MS, __ATOMIC_RELAXED);
	world_learn(state, &reply, sys_netns_cookie(slot->fd));
	if (passing >= 0)
		slot_open_passing(state, slot, passing);
	return 0;
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

static int open_channel(struct state *state, struct slot *slot)
{
	int fd;

	if (is_absent())
		return -ECONNREFUSED;
	slot_close_inherited(state);
	fd = channel_socket_open();
	if (fd < 0) {
		if (!is_passing(fd))
			__atomic_store_n(&absent_until, clock_ms() + ABSENT_MS, __ATOMIC_RELAXED);
		return fd;
	}
	__atomic_store_n(&absent_until, 0, __ATOMIC_RELAXED);
	slot_open(state, slot, fd);
	return hello(state, slot);
}

/* Ready for a request; or -errno. */
static int prepare(struct state *state, struct slot *slot)
{
	int late = late_look(state, slot);

	if (late < 0)
		return late;
	/* The router answers others. */
	if (late)
		slot_close(slot);
	return slot->cookie ? 0 : open_channel(state, slot);
}

/* --- a question is asked --- */

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
static int ask_on(struct state *state, struct slot *slot, const struct question *question)
{
	if (question->fd && !has_room(slot)) {
		if (question->type != SLIM_FRAME_CLAIM)
			return -EMFILE;
		((struct slim_claim *)question->request)->flags |= SLIM_CLAIM_KEEP;
	}
	return exchange(state, slot, question);
}

/* As ask(); -ECHILD: that slot is of no use here. */
static int ask_by(struct state *state, struct slot *slot, const struct question *question)
{
	int err = prepare(state, slot);

	if (!err && !world_known())
		err = hello(state, slot);	/* the first one's answer came too late */
	if (err == -ETIMEDOUT)
		err = -EBUSY;
	if (!err && question)
		err = ask_on(state, slot, question);
	/* The router restarted, perhaps: once more on a new channel. */
	if (err == -EPIPE && !prepare(state, slot))
		err = question ? ask_on(state, slot, question) : 0;
	return err;
}

/*
 * @question: NULL: nothing but a channel is wanted. -EBUSY: the router is late, and the request was not sent. The
 * caller holds the signals.
 */
static int ask(const struct question *question)
{
	struct state *state = slot_state();
	struct slot own = { 0 }, *slot;
	int err = -ECHILD;

	if (!state)
		return -ENOMEM;
	if (late_is_slow(state))
		return -EBUSY;
	slot = slot_take(state, false);
	if (slot) {
		err = ask_by(state, slot, question);
		slot_give(slot);
	}
	if (err == -ECHILD) {
		err = ask_by(state, &own, question);
		slot_close(&own);
	}
	return err;
}

static void learn_anew(void)
{
	struct slim_hello request;
	struct slim_hello_reply reply;
	struct question question = hello_question(&request, &reply);

	if (ask(&question) == 0 && world_known())
		world_learn(slot_state(), &reply, world_known()->netns_cookie);
}

/* Every reply that is not HELLO's has the generation behind the frame. */
static void check_generation(const void *reply)
{
	const struct slim_name_reply *common = reply;
	const struct world *known = world_known();

	if (known && known->hello.generation != common->generation)
		learn_anew();
}

/* As ask(), and learns who has answered */
static int ask_and_learn(const struct question *question)
{
	int err = ask(question);

	if (!err && question->reply)
		check_generation(question->reply);
	return err;
}

/* Callers need not know whether a late router was asked. */
static int outcome(int err)
{
	return err == -EBUSY ? -ETIMEDOUT : err;
}

int channel_ask_fd(const struct question *question)
{
	if (question->fd)
		*question->fd = -1;
	return outcome(ask_and_learn(question));
}

int channel_ask(const struct question *question)
{
	uint64_t signals = signals_hold();
	int err = outcome(ask_and_learn(question));

	signals_let(signals);
	return err;
}

/* A router reads what was sent before a channel ended. */
static void leave(const struct question *question)
{
	int fd = channel_socket_open();

	if (fd < 0)
		return;
	frame_send(fd, question, 1);
	sys_close(fd);
}

int channel_ask_or_leave(const struct question *question)
{
	uint64_t signals = signals_hold();
	int err = ask_and_learn(question);

	/* It was not sent, or to a router that went away. */
	if (err == -EBUSY || err == -EPIPE || err == -ECONNRESET)
		leave(question);
	signals_let(signals);
	return outcome(err);
}

/* Not worth a channel of its own: a forked child, say, closes its parent's listener. */
void channel_tell(const struct question *question)
{
	if (slot_any_open())
		channel_ask(question);
}

bool channel_make_room(void)
{
	uint64_t signals = signals_hold();
	bool made = slot_make_room();

	signals_let(signals);
	return made;
}

/* --- the world --- */

void channel_refresh(void)
{
	uint64_t signals = signals_hold();

	learn_anew();
	signals_let(signals);
}

const struct world *channel_world(void)
{
	const struct world *known = world_known();
	uint64_t signals;

	if (known || is_absent())
		return known;
	signals = signals_hold();
	ask(NULL);
	signals_let(signals);
	return world_known();
}

const struct world *channel_world_recent(void)
{
	struct state *state = slot_state();
	uint64_t now = clock_ms(), until;

	if (!state)
		return world_known();
	until = __atomic_load_n(&state->recent_until, __ATOMIC_RELAXED);
	/* Only one asks. */
	if (now >= until && __atomic_compare_exchange_n(&state->recent_until, &until, now + RECENT_MS,
							false, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
		channel_refresh();
	return world_known();
}
