/* SPDX-License-Identifier: MIT */
/*
 * fdtable.c - what this process knows of its sockets
 */
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/mman.h>

#include "fdtable.h"
#include "mem.h"
#include "sys.h"

#define CHUNK_ENTRIES	128
#define CHUNKS		8192	/* a million fds */

static struct fdtable_entry *chunks[CHUNKS];

static struct fdtable_entry *chunk_new(struct fdtable_entry **place)
{
	size_t size = CHUNK_ENTRIES * sizeof(struct fdtable_entry);
	long at = sys_mmap(size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS);
	struct fdtable_entry *none = NULL;

	if (at < 0 && at > -4096)
		return NULL;
	if (__atomic_compare_exchange_n(place, &none, (struct fdtable_entry *)at, false,
					__ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
		return (struct fdtable_entry *)at;
	sys_munmap((void *)at, size);
	return none;
}

static struct fdtable_entry *slot(int fd, bool make)
{
	struct fdtable_entry **place, *chunk;

	if (fd < 0 || fd >= CHUNKS * CHUNK_ENTRIES)
		return NULL;
	place = &chunks[fd / CHUNK_ENTRIES];
	chunk = __atomic_load_n(place, __ATOMIC_ACQUIRE);
	if (!chunk && make)
		chunk = chunk_new(place);
	return chunk ? chunk + fd % CHUNK_ENTRIES : NULL;
}

struct fdtable_entry *fdtable_peek(int fd)
{
	return slot(fd, false);
}

struct fdtable_entry *fdtable_find(int fd, uint64_t cookie)
{
	struct fdtable_entry *entry = slot(fd, false);

	if (!entry || !cookie || __atomic_load_n(&entry->cookie, __ATOMIC_ACQUIRE) != cookie)
		return NULL;
	return entry;
}

struct fdtable_entry *fdtable_lookup(int fd, uint64_t *cookie)
{
	struct fdtable_entry *entry = slot(fd, false);
	uint64_t noted = entry ? __atomic_load_n(&entry->cookie, __ATOMIC_ACQUIRE) : 0;

	*cookie = noted ? sys_cookie(fd) : 0;
	if (noted && noted == *cookie)
		return entry;
	/* (Not one that has been made meanwhile.) */
	if (noted)
		__atomic_compare_exchange_n(&entry->cookie, &noted, 0, false, __ATOMIC_RELAXED,
					    __ATOMIC_RELAXED);
	return NULL;
}

void fdtable_forget(int fd)
{
	struct fdtable_entry *entry = slot(fd, false);

	if (!entry)
		return;
	__atomic_store_n(&entry->cookie, 0, __ATOMIC_RELAXED);
	fdtable_closing(fd);
}

void fdtable_closing(int fd)
{
	struct fdtable_entry *entry = slot(fd, false);

	/* (Atomic: a parent's other threads may be adding to them.) */
	if (entry && (entry->flags & FDTABLE_MADE))
		__atomic_and_fetch(&entry->flags, ~(uint32_t)FDTABLE_MADE, __ATOMIC_RELAXED);
}

struct fdtable_entry *fdtable_set(int fd, uint64_t cookie, uint16_t domain)
{
	struct fdtable_entry *entry = slot(fd, true);

	if (!entry)
		return NULL;
	__atomic_store_n(&entry->cookie, 0, __ATOMIC_RELEASE);
	memset(entry, 0, sizeof(*entry));
	entry->domain = domain;
	__atomic_store_n(&entry->cookie, cookie, __ATOMIC_RELEASE);
	return entry;
}

struct fdtable_entry *fdtable_name(int fd, uint64_t cookie, uint16_t domain,
				   const struct slim_endpoint *local,
				   const struct slim_endpoint *peer)
{
	struct fdtable_entry *entry = fdtable_set(fd, 0, domain);

	if (!entry)
		return NULL;
	entry->flags = FDTABLE_NAMED;
	entry->local = *local;
	entry->peer = *peer;
	__atomic_store_n(&entry->cookie, cookie, __ATOMIC_RELEASE);
	return entry;
}

void fdtable_watch(struct fdtable_entry *entry, int op, int epfd, uint32_t events,
		   uint64_t data)
{
	unsigned int i = 0;

	while (i < entry->watches_num && entry->watches[i].epfd != epfd)
		i++;
	/* Made by another number of that set, of which the note is not true any more. */
	if (op != EPOLL_CTL_ADD && i == entry->watches_num)
		entry->flags |= FDTABLE_WATCHED_MORE;
	if (op == EPOLL_CTL_DEL) {
		if (i < entry->watches_num)
			entry->watches[i] = entry->watches[--entry->watches_num];
		return;
	}
	if (i == FDTABLE_WATCHES) {
		entry->flags |= FDTABLE_WATCHED_MORE;
		return;
	}
	entry->watches[i] = (struct fdtable_watch){ epfd, events, data };
	if (i == entry->watches_num)
		entry->watches_num++;
}
