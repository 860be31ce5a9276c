/* SPDX-License-Identifier: MIT */
/*
 * slot.c - the channels that a process keeps, and who uses one at this moment
 *
 * Theory of operation: a thread takes one of a few slots by an atomic exchange, uses its channel for one request and
 * gives it back. All signals are blocked while a slot is held, so that no handler finds its own thread's
 * slot taken, and none leaps out of here.
 *
 * Programs close fds that they do not know: a slot's fd counts only if its SO_COOKIE is still the channel's;
 * otherwise it is forgotten, not closed. The slots live in a page that fork empties (MADV_WIPEONFORK), so that no
 * channel is shared with the parent; a copy that survives tells the child which inherited fds to close. A vforked
 * child shares slots but not fds: the cookies tell.
 */
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <sys/mman.h>

#include "channel_socket.h"
#include "slot.h"
#include "sys.h"

#ifndef MADV_WIPEONFORK
#define MADV_WIPEONFORK	18
#endif

/* Survives fork: what the parent had open. */
static struct {
	int fd, passing_fd;
	uint64_t cookie, passing_cookie;
} inherited[SLOTS];

static struct state *state_page;

struct state *slot_state_known(void)
{
	return __atomic_load_n(&state_page, __ATOMIC_ACQUIRE);
}

struct state *slot_state(void)
{
	struct state *state = slot_state_known(), *none = NULL;
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

bool slot_is_kept(const struct state *state, const struct slot *slot)
{
	return slot >= state->slots && slot < state->slots + SLOTS;
}

bool slot_is_parents(const struct slot *slot)
{
	return slot->pid != (uint32_t)sys_getpid() && slot->pid == (uint32_t)sys_getppid();
}

/* --- taken and given back --- */

bool slot_try(struct slot *slot)
{
	return !__atomic_load_n(&slot->taken, __ATOMIC_RELAXED) &&
	       !__atomic_exchange_n(&slot->taken, 1, __ATOMIC_ACQUIRE);
}

void slot_give(struct slot *slot)
{
	__atomic_store_n(&slot->taken, 0, __ATOMIC_RELEASE);
}

struct slot *slot_take(struct state *state, bool late)
{
	for (int i = 0; i < 2 * SLOTS; i++) {
		struct slot *slot = &state->slots[i % SLOTS];
		bool wanted = i < SLOTS ? late : !late;

		if (__atomic_load_n(&slot->late, __ATOMIC_RELAXED) == wanted && slot_try(slot))
			return slot;
	}
	return NULL;
}

/* --- a slot's channel --- */

static void note_inherited(const struct state *state, const struct slot *slot)
{
	long i = slot - state->slots;

	if (!slot_is_kept(state, slot))
		return;
	inherited[i].fd = slot->fd;
	inherited[i].cookie = slot->cookie;
	inherited[i].passing_fd = slot->passing_fd;
	inherited[i].passing_cookie = slot->passing_cookie;
}

void slot_open(const struct state *state, struct slot *slot, int fd)
{
	slot->fd = fd;
	slot->cookie = sys_cookie(fd);
	slot->passing_cookie = 0;
	slot->pid = (uint32_t)sys_getpid();
	note_inherited(state, slot);
}

void slot_open_passing(const struct state *state, struct slot *slot, int fd)
{
	if (slot->passing_cookie || !sys_cookie(fd)) {
		sys_close(fd);
		return;
	}
	slot->passing_fd = channel_socket_move_up(fd);
	slot->passing_cookie = sys_cookie(slot->passing_fd);
	/* Else the router would pass descriptors to nobody, and not know. */
	if (!slot->passing_cookie)
		sys_close(slot->passing_fd);
	note_inherited(state, slot);
}

bool slot_is_there(const struct slot *slot)
{
	return sys_cookie(slot->fd) == slot->cookie;
}

bool slot_has_passing(const struct slot *slot)
{
	return slot->passing_cookie && sys_cookie(slot->passing_fd) == slot->passing_cookie;
}

static void close_ours(int fd, uint64_t cookie)
{
	if (cookie && sys_cookie(fd) == cookie)
		sys_close(fd);
}

void slot_close(struct slot *slot)
{
	close_ours(slot->fd, slot->cookie);
	close_ours(slot->passing_fd, slot->passing_cookie);
	slot->cookie = 0;
	slot->passing_cookie = 0;
	__atomic_store_n(&slot->late, 0, __ATOMIC_RELAXED);
	slot->probe = 0;
}

uint32_t slot_next_id(struct slot *slot)
{
	return ++slot->next_id ? slot->next_id : ++slot->next_id;
}

/* --- all of them --- */

void slot_close_inherited(struct state *state)
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

/* Does the number count against the limit of now? One beyond it gives nobody room. */
static bool counts(int fd)
{
	long spare = sys_fcntl(fd, F_DUPFD_CLOEXEC, fd);

	if (spare >= 0)
		sys_close((int)spare);
	return spare != -EINVAL;
}

bool slot_make_room(void)
{
	struct state *state = slot_state_known();
	bool made = false;

	for (int i = 0; state && i < SLOTS; i++) {
		struct slot *slot = &state->slots[i];

		if (!slot_try(slot))
			continue;
		/* One that is still owed an answer is what says when the router is slow no more. */
		if (slot->cookie && !slot->late && slot_is_there(slot) && counts(slot->fd)) {
			slot_close(slot);
			made = true;
		}
		slot_give(slot);
	}
	return made;
}

bool slot_any_open(void)
{
	const struct state *state = slot_state_known();

	for (int i = 0; state && i < SLOTS; i++)
		if (state->slots[i].cookie)
			return true;
	return false;
}
