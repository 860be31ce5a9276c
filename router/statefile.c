/* SPDX-License-Identifier: MIT */
/* statefile.c - what the router must know again after a crash */
#include "statefile.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "endpoint.h"
#include "log.h"

#define MAGIC		0x3145544154534c53u	/* "SLSTATE1" */
#define HEADER_SIZE	4096u			/* a page: records begin on the next */
#define CHUNK_SIZE	(256u << 10)		/* bytes by which a file grows, about */
#define CHECK_SEED	0x736c696du
#define NONE		0u			/* of the free list: no slot */

struct header {
	uint64_t magic;
	char name[STATEFILE_NAME_MAX];
	uint32_t version, size, max, fixed;
	uint64_t check;			/* of all before it */
};

struct slot {
	uint64_t check;			/* of the record */
	uint32_t valid;			/* atomic */
	uint32_t unused;
	/* the record */
};

struct statefile {
	int fd;
	struct statefile_layout layout;
	size_t stride;			/* bytes from slot to slot */
	char *map;
	size_t map_size;
	uint32_t allocated;		/* slots that the file has; grow_lock */
	uint32_t num;			/* atomic: valid ones */
	/* Free slots: the first one's number, from 1, below; above it a count against ABA. */
	uint64_t free;			/* atomic */
	uint32_t *next;			/* of each free slot, from 1 */
	pthread_mutex_t grow_lock;
};

static struct slot *slot_at(const struct statefile *file, uint32_t number)
{
	return (struct slot *)(file->map + HEADER_SIZE + (size_t)(number - 1) * file->stride);
}

static void *record_of(struct slot *slot)
{
	return slot + 1;
}

static struct slot *slot_of(void *record)
{
	return (struct slot *)record - 1;
}

static uint32_t number_of(const struct statefile *file, const struct slot *slot)
{
	return (uint32_t)(((const char *)slot - file->map - HEADER_SIZE) / file->stride) + 1;
}

static size_t stride_of(const struct statefile_layout *layout)
{
	return sizeof(struct slot) + ((size_t)layout->size + 7) / 8 * 8;
}

static uint64_t check_of(const struct statefile *file, struct slot *slot)
{
	uint32_t fixed = file->layout.fixed ? file->layout.fixed : file->layout.size;

	return hash_bytes(record_of(slot), fixed, CHECK_SEED);
}

static bool is_whole(const struct statefile *file, struct slot *slot)
{
	return slot->valid == 1 && slot->check == check_of(file, slot);
}

/* --- free slots --- */

static void push(struct statefile *file, uint32_t number)
{
	uint64_t head = __atomic_load_n(&file->free, __ATOMIC_RELAXED), new;

	do {
		__atomic_store_n(&file->next[number], (uint32_t)head, __ATOMIC_RELAXED);
		new = ((head >> 32) + 1) << 32 | number;
	} while (!__atomic_compare_exchange_n(&file->free, &head, new, true, __ATOMIC_RELEASE,
					      __ATOMIC_RELAXED));
}

static uint32_t pop(struct statefile *file)
{
	uint64_t head = __atomic_load_n(&file->free, __ATOMIC_ACQUIRE), new;

	do {
		if ((uint32_t)head == NONE)
			return NONE;
		new = ((head >> 32) + 1) << 32 |
		      __atomic_load_n(&file->next[(uint32_t)head], __ATOMIC_RELAXED);
	} while (!__atomic_compare_exchange_n(&file->free, &head, new, true, __ATOMIC_ACQUIRE,
					      __ATOMIC_ACQUIRE));
	return (uint32_t)head;
}

/* Slots that are there already; the lowest come first. */
static void push_from(struct statefile *file, uint32_t first, uint32_t last)
{
	for (uint32_t number = last; number >= first; number--)
		push(file, number);
}

/* tmpfs gives up where a signal is pending (stray.c's timer), and takes back what it did. 0 or -errno */
static int allocate(int fd, off_t at, off_t len)
{
	int err;

	do
		err = posix_fallocate(fd, at, len);
	while (err == EINTR);
	return -err;
}

/* grow_lock held. 0 or -errno. */
static int grow(struct statefile *file)
{
	uint32_t more = (uint32_t)(CHUNK_SIZE / file->stride) + 1;	/* one at least */
	uint32_t old = file->allocated;
	int err;

	if (more > file->layout.max - old)
		more = file->layout.max - old;
	if (!more)
		return -ENOSPC;
	err = allocate(file->fd, (off_t)(HEADER_SIZE + old * file->stride),
		       (off_t)(more * file->stride));
	if (err)
		return err;
	file->allocated = old + more;
	push_from(file, old + 1, old + more);
	return 0;
}

void *statefile_new(struct statefile *file)
{
	uint32_t number;
	int err = 0;

	while (!(number = pop(file)) && !err) {
		pthread_mutex_lock(&file->grow_lock);
		if ((uint32_t)__atomic_load_n(&file->free, __ATOMIC_ACQUIRE) == NONE)
			err = grow(file);
		pthread_mutex_unlock(&file->grow_lock);
	}
	if (!number) {
		errno = -err;
		return NULL;
	}
	return memset(record_of(slot_at(file, number)), 0, file->layout.size);
}

void statefile_commit(struct statefile *file, void *record)
{
	struct slot *slot = slot_of(record);

	slot->check = check_of(file, slot);
	__atomic_store_n(&slot->valid, 1, __ATOMIC_RELEASE);
	__atomic_add_fetch(&file->num, 1, __ATOMIC_RELAXED);
}

void statefile_drop(struct statefile *file, void *record)
{
	struct slot *slot;

	if (!record)
		return;
	slot = slot_of(record);
	if (__atomic_exchange_n(&slot->valid, 0, __ATOMIC_RELEASE))
		__atomic_sub_fetch(&file->num, 1, __ATOMIC_RELAXED);
	push(file, number_of(file, slot));
}

unsigned int statefile_num(const struct statefile *file)
{
	return __atomic_load_n(&file->num, __ATOMIC_RELAXED);
}

void statefile_each(struct statefile *file, void (*each)(void *record, void *data), void *data)
{
	uint32_t allocated = file->allocated;

	for (uint32_t number = 1; number <= allocated; number++) {
		struct slot *slot = slot_at(file, number);

		if (__atomic_load_n(&slot->valid, __ATOMIC_ACQUIRE))
			each(record_of(slot), data);
	}
}

/* --- opening --- */

static struct header header_for(const struct statefile_layout *layout)
{
	struct header header;

	memset(&header, 0, sizeof(header));
	header.magic = MAGIC;
	snprintf(header.name, sizeof(header.name), "%s", layout->name);
	header.version = layout->version;
	header.size = layout->size;
	header.max = layout->max;
	header.fixed = layout->fixed;
	header.check = hash_bytes(&header, offsetof(struct header, check), CHECK_SEED);
	return header;
}

static bool header_matches(int fd, const struct statefile_layout *layout)
{
	struct header want = header_for(layout), have;

	/* Another bound on the number is no other format. */
	if (pread(fd, &have, sizeof(have), 0) != sizeof(have) ||
	    have.check != hash_bytes(&have, offsetof(struct header, check), CHECK_SEED))
		return false;
	want.max = have.max;
	want.check = have.check;
	return !memcmp(&want, &have, sizeof(want));
}

static int header_write(int fd, const struct statefile_layout *layout)
{
	struct header header = header_for(layout);
	int err = allocate(fd, 0, HEADER_SIZE);

	if (err)
		return err;
	return pwrite(fd, &header, sizeof(header), 0) == sizeof(header) ? 0 : -errno;
}

static int file_open(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0)
		return -errno;
	if (flock(fd, LOCK_EX | LOCK_NB) == 0)
		return fd;
	close(fd);
	return errno == EWOULDBLOCK ? -EBUSY : -errno;
}

/* What is at @path is not one of ours. Returns a new one in its place, or -errno. */
static int set_aside(const char *path)
{
	char aside[PATH_MAX + sizeof(".damaged")];

	snprintf(aside, sizeof(aside), "%s.damaged", path);
	if (rename(path, aside) < 0)
		return -errno;
	log_warning("%s is damaged, or of another version: kept as %s, begun anew", path, aside);
	return file_open(path);
}

/* Which slots the file has, and which of them are free. 0 or -errno */
static int slots_read(struct statefile *file, off_t size)
{
	size_t room = size > HEADER_SIZE ? (size_t)size - HEADER_SIZE : 0;
	size_t slots = room / file->stride;
	unsigned int damaged = 0;

	/* A part of one behind the last: whoever makes the file longer takes it for zeroes. */
	if (slots < file->layout.max && room % file->stride &&
	    ftruncate(file->fd, (off_t)(HEADER_SIZE + slots * file->stride)) < 0)
		return -errno;
	file->allocated = (uint32_t)(slots < file->layout.max ? slots : file->layout.max);
	for (uint32_t number = file->allocated; number; number--) {
		struct slot *slot = slot_at(file, number);

		if (is_whole(file, slot)) {
			file->num++;
			continue;
		}
		damaged += slot->valid != 0;
		slot->valid = 0;
		push(file, number);
	}
	if (damaged)
		log_warning("state file %s: %u damaged record%s dropped", file->layout.name,
			    damaged, damaged == 1 ? "" : "s");
	return 0;
}

static int map(struct statefile *file)
{
	struct stat st;
	int err;

	if (fstat(file->fd, &st) < 0)
		return -errno;
	file->map_size = HEADER_SIZE + file->stride * file->layout.max;
	/* More than there is now; what lies behind its end is touched by nobody. */
	file->map = mmap(NULL, file->map_size, PROT_READ | PROT_WRITE, MAP_SHARED, file->fd, 0);
	if (file->map == MAP_FAILED)
		return -errno;
	err = slots_read(file, st.st_size);
	if (err)
		munmap(file->map, file->map_size);
	return err;
}

static int file_open_checked(const char *path, const struct statefile_layout *layout)
{
	struct stat st;
	int fd, err;

	/* No file at all: a directory, say. Nobody follows a link. */
	if (lstat(path, &st) == 0 && !S_ISREG(st.st_mode))
		fd = set_aside(path);
	else
		fd = file_open(path);
	if (fd < 0)
		return fd;
	err = fstat(fd, &st) < 0 ? -errno : 0;
	if (!err && st.st_size && !header_matches(fd, layout)) {
		close(fd);
		fd = set_aside(path);
		if (fd < 0)
			return fd;
		st.st_size = 0;
	}
	if (!err && !st.st_size)
		err = header_write(fd, layout);
	if (!err)
		return fd;
	close(fd);
	return err;
}

struct statefile *statefile_open(const char *directory, const struct statefile_layout *layout)
{
	struct statefile *file = calloc(1, sizeof(*file));
	char path[PATH_MAX];
	int err = -ENOMEM;

	snprintf(path, sizeof(path), "%s/%s", directory, layout->name);
	if (!file)
		goto failed;
	file->layout = *layout;
	file->stride = stride_of(layout);
	pthread_mutex_init(&file->grow_lock, NULL);
	file->next = calloc((size_t)layout->max + 1, sizeof(*file->next));
	if (!file->next)
		goto free_file;
	file->fd = file_open_checked(path, layout);
	err = file->fd;
	if (err < 0)
		goto free_file;
	err = map(file);
	if (!err)
		return file;
	close(file->fd);
free_file:
	free(file->next);
	pthread_mutex_destroy(&file->grow_lock);
	free(file);
failed:
	log_error("state file %s: %s", path, err == -EBUSY ? "another slimrouter has it" :
		  strerror(-err));
	errno = -err;
	return NULL;
}

/* To look at only: another router may have it. */
static int file_open_to_look(const char *directory, const struct statefile_layout *layout)
{
	char path[PATH_MAX];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", directory, layout->name);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	return fd < 0 ? -errno : fd;
}

int statefile_check(const char *directory, const struct statefile_layout *layout)
{
	int fd = file_open_to_look(directory, layout), err = 0;
	struct stat st;

	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	if (fstat(fd, &st) < 0)
		err = -errno;
	else if (st.st_size && !header_matches(fd, layout))
		err = -EPROTO;
	close(fd);
	return err;
}

int statefile_peek(const char *directory, const struct statefile_layout *layout,
		   void (*each)(const void *record, void *data), void *data)
{
	struct statefile file = { .layout = *layout, .stride = stride_of(layout) };
	int fd = file_open_to_look(directory, layout);
	off_t at = HEADER_SIZE;
	struct slot *slot;
	int err;

	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	slot = malloc(file.stride);
	err = slot ? 0 : -ENOMEM;
	for (; slot && pread(fd, slot, file.stride, at) == (ssize_t)file.stride;
	     at += (off_t)file.stride)
		if (is_whole(&file, slot))
			each(record_of(slot), data);
	close(fd);
	free(slot);
	return err;
}

void statefile_close(struct statefile *file)
{
	if (!file)
		return;
	munmap(file->map, file->map_size);
	close(file->fd);
	free(file->next);
	pthread_mutex_destroy(&file->grow_lock);
	free(file);
}
