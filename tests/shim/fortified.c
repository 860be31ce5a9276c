/* SPDX-License-Identifier: MIT */
/*
 * fortified.c - a program as distributions build them: the C library's checking calls, and its 64-bit ones
 *
 * Buffers whose size the compiler knows, and lengths that it does not, make it call __read_chk,
 * __recv_chk, __recvfrom_chk, __poll_chk, __ppoll_chk, __fdelt_chk, fcntl64, sendfile64 and so on.
 */
#undef _FORTIFY_SOURCE
#define _FORTIFY_SOURCE		2
#define _FILE_OFFSET_BITS	64

#include <poll.h>
#include <sys/select.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <time.h>

#include "program.h"

/* What no compiler knows */
static size_t num(size_t value)
{
	static volatile size_t kept;

	kept = value;
	return kept;
}

static void ready_by(int fd, int way)
{
	struct pollfd pollfd[1] = { { .fd = fd, .events = POLLIN } };
	struct timespec time = { .tv_sec = WAIT_MS / 1000 };
	fd_set set;

	if (way == 0) {
		say("poll", poll(pollfd, num(1), WAIT_MS));
	} else if (way == 1) {
		say("ppoll", ppoll(pollfd, num(1), &time, NULL));
	} else {
		FD_ZERO(&set);
		FD_SET(fd, &set);
		say("select", way == 2 ? select(fd + 1, &set, NULL, NULL, NULL) :
		    pselect(fd + 1, &set, NULL, NULL, &time, NULL));
		printf("set: %d\n", !!FD_ISSET(fd, &set));
	}
}

static const char *const ways[] = { "poll", "ppoll", "select", "pselect", NULL };

static void receives(void)
{
	struct sockaddr_storage name;
	socklen_t len = sizeof(name);
	char bytes[16] = "";
	int fd = connected();

	say("send", send(fd, "abcdefghijkl", num(12), 0));
	ready_by(fd, (int)chosen[0]);
	say("recv", recv(fd, bytes, num(3), 0));
	say("recvfrom", recvfrom(fd, bytes + 3, num(3), MSG_WAITALL, (struct sockaddr *)&name, &len));
	say("read", read(fd, bytes + 6, num(3)));
	say("recv", recv(fd, bytes + 9, num(3), MSG_WAITALL));
	printf("%.12s\n", bytes);
	close(fd);
}

/* A file of more than 2 GiB, without its blocks */
static void large_files(void)
{
	char name[] = "/tmp/slim-large-XXXXXX", bytes[8] = "";
	int file = mkstemp(name), fd = connected();
	off_t at = 3LL << 30;
	struct flock lock = { .l_type = F_WRLCK, .l_start = at, .l_len = 1 };

	unlink(name);
	say("ftruncate", ftruncate(file, at + 8));
	say("pwrite", pwrite(file, "behind 2", 8, at));
	say("F_SETLK", fcntl(file, F_SETLK, &lock));
	say("sendfile", sendfile(fd, file, &at, 8));
	printf("at %lld\n", (long long)at);
	say("recv", recv(fd, bytes, num(8), MSG_WAITALL));
	printf("%.8s\n", bytes);
	close(file);
	close(fd);
}

/* The descriptor's flags and numbers, by the 64-bit fcntl */
static void descriptors(void)
{
	int fd = tcp(0), other;

	say("F_SETFL", fcntl(fd, F_SETFL, O_NONBLOCK));
	say("connect", connect(fd, TO, to_len));
	poll(&(struct pollfd){ .fd = fd, .events = POLLOUT }, num(1), WAIT_MS);
	printf("O_NONBLOCK: %d\n", !!(fcntl(fd, F_GETFL) & O_NONBLOCK));
	say("F_SETFL", fcntl(fd, F_SETFL, 0));
	other = fcntl(fd, F_DUPFD_CLOEXEC, 100);
	printf("FD_CLOEXEC: %d\n", fcntl(other, F_GETFD));
	close(fd);
	say_names("duplicate", other);
	echo(other);
	close(other);
}

static const struct test tests[] = {
	{ "receives", receives, NULL, .dimensions = { ways } },
	{ "large_files", large_files, NULL },
	{ "descriptors", descriptors, NULL },
};

RUN_TESTS(tests)
