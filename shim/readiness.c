/* SPDX-License-Identifier: MIT */
/*
 * readiness.c - registrations in epoll sets
 *
 * Theory of operation: an epoll set holds (open file, fd). Where the file under an fd
 * is replaced while other descriptors keep the old file open, the old registration
 * would go on; so it is removed before and made again after. What epoll_ctl() was
 * told is in the fd's entry; for a socket that is not known, and one that was registered by
 * several numbers of one set (dup), /proc/self/fdinfo of every epoll set shows it (proc(5): "tfd: 7 events: 19 data: 7"). So it does for one-shot
 * registrations, which may have fired, and then want to be left alone; without /proc (chroot) they are
 * made again: an event too many is better than none.
 */
#include <fcntl.h>
#include <stddef.h>
#include <sys/epoll.h>

#include "mem.h"
#include "readiness.h"
#include "sys.h"

#define TEXT_SIZE	4096

static void add(struct readiness *out, int epfd, uint32_t events, uint64_t data)
{
	if (out->num < READINESS_MAX)
		out->watches[out->num++] = (struct fdtable_watch){ epfd, events, data };
}

static char *put_number(char *at, unsigned int number)
{
	char digits[12];
	int num = 0;

	do {
		digits[num++] = (char)('0' + number % 10);
		number /= 10;
	} while (number);
	while (num)
		*at++ = digits[--num];
	*at = '\0';
	return at;
}

static bool parse_number(const char **at, const char *end, unsigned int base, uint64_t *out)
{
	bool any = false;

	while (*at < end && (**at == ' ' || **at == '\t'))
		++*at;
	for (*out = 0; *at < end; ++*at) {
		unsigned int digit;

		if (**at >= '0' && **at <= '9')
			digit = (unsigned int)(**at - '0');
		else if (**at >= 'a' && **at <= 'f')
			digit = (unsigned int)(**at - 'a') + 10;
		else
			break;
		if (digit >= base)
			break;
		*out = *out * base + digit;
		any = true;
	}
	return any;
}

static const char *behind(const char *at, const char *end, const char *word)
{
	size_t len = 0;

	while (word[len])
		len++;
	for (; at + len <= end; at++)
		if (!memcmp(at, word, len))
			return at + len;
	return NULL;
}

/* One line of fdinfo. */
static void parse_line(struct readiness *out, int epfd, int fd, const char *at,
		       const char *end)
{
	uint64_t target, events, data;

	at = behind(at, end, "tfd:");
	if (!at || !parse_number(&at, end, 10, &target) || target != (uint64_t)fd)
		return;
	at = behind(at, end, "events:");
	if (!at || !parse_number(&at, end, 16, &events))
		return;
	at = behind(at, end, "data:");
	if (at && parse_number(&at, end, 16, &data))
		add(out, epfd, (uint32_t)events, data);
}

static void scan_set(struct readiness *out, int epfd, int fd)
{
	char path[48] = "/proc/self/fdinfo/";
	char text[TEXT_SIZE];
	size_t have = 0;
	long file, got;

	put_number(path + 18, (unsigned int)epfd);
	file = sys_openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
	if (file < 0)
		return;
	while ((got = sys_read((int)file, text + have, sizeof(text) - have)) > 0) {
		const char *line = text, *end;

		have += (size_t)got;
		while ((end = behind(line, text + have, "\n"))) {
			parse_line(out, epfd, fd, line, end);
			line = end;
		}
		have -= (size_t)(line - text);
		memmove(text, line, have);
		if (have == sizeof(text))
			break;
	}
	sys_close((int)file);
}

struct dirent64 {
	uint64_t ino;
	int64_t off;
	uint16_t reclen;
	uint8_t type;
	char name[];
};

static bool is_epoll(int directory, const char *name)
{
	static const char word[] = "anon_inode:[eventpoll]";
	char target[sizeof(word)];

	return sys_readlinkat(directory, name, target, sizeof(target)) ==
	       (long)sizeof(word) - 1 && !memcmp(target, word, sizeof(word) - 1);
}

/* False: there is no /proc. */
static bool scan_all(struct readiness *out, int fd)
{
	char buffer[TEXT_SIZE] __attribute__((aligned(8)));
	long directory = sys_openat(AT_FDCWD, "/proc/self/fd",
				    O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	long got;

	if (directory < 0)
		return false;
	while ((got = sys_getdents64((int)directory, buffer, sizeof(buffer))) > 0) {
		for (long at = 0; at < got;) {
			const struct dirent64 *entry = (const void *)(buffer + at);
			const char *name = entry->name;
			uint64_t number;

			at += entry->reclen;
			if (!is_epoll((int)directory, entry->name))
				continue;
			if (parse_number(&name, entry->name + 16, 10, &number))
				scan_set(out, (int)number, fd);
		}
	}
	sys_close((int)directory);
	return true;
}

static bool is_known(const struct fdtable_entry *entry)
{
	return entry && (entry->flags & FDTABLE_TCP);
}

static bool is_certain(const struct fdtable_entry *entry)
{
	if (!is_known(entry) || (entry->flags & FDTABLE_WATCHED_MORE))
		return false;
	for (unsigned int i = 0; i < entry->watches_num; i++)
		if (entry->watches[i].events & EPOLLONESHOT)
			return false;
	return true;
}

static void add_known(struct readiness *out, const struct fdtable_entry *entry)
{
	for (unsigned int i = 0; i < entry->watches_num; i++)
		add(out, entry->watches[i].epfd, entry->watches[i].events,
		    entry->watches[i].data);
}

/* From @first on. What is not there any more is not made anew; returns whether all were there. */
static bool remove_all(struct readiness *out, unsigned int first, int fd)
{
	struct epoll_event none = { 0 };
	bool all = true;

	for (unsigned int i = first; i < out->num;) {
		if (sys_epoll_ctl(out->watches[i].epfd, EPOLL_CTL_DEL, fd, &none) == 0) {
			i++;
			continue;
		}
		out->watches[i] = out->watches[--out->num];
		all = false;
	}
	return all;
}

/* A set that is not under its number any more may be under another one. */
void readiness_take(struct readiness *out, int fd, const struct fdtable_entry *entry)
{
	bool certain = is_certain(entry);
	unsigned int removed;

	out->num = 0;
	if (certain)
		add_known(out, entry);
	if (remove_all(out, 0, fd) && certain)
		return;
	removed = out->num;
	if (!scan_all(out, fd) && !certain && is_known(entry))
		add_known(out, entry);
	remove_all(out, removed, fd);
}

void readiness_give(const struct readiness *watches, int fd)
{
	for (unsigned int i = 0; i < watches->num; i++) {
		struct epoll_event event = {
			.events = watches->watches[i].events,
			.data.u64 = watches->watches[i].data,
		};

		sys_epoll_ctl(watches->watches[i].epfd, EPOLL_CTL_ADD, fd, &event);
	}
}
