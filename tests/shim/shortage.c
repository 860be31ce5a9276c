/* SPDX-License-Identifier: MIT */
/*
 * shortage.c - out of descriptors and out of memory, at each point at which that can be
 *
 * A process in whose stead another one answers system calls (seccomp's user notification) connects and
 * accepts as often as there are such points, and each time another one fails. What a program itself calls
 * does not fail: so natively nothing does, and with the shim nobody must see it.
 */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "program.h"

/* More points than there are in a call */
#define POINTS		56
#define ACCEPTED	40
#define LISTENED	40

#define LEVELS		16
#define LEVELS_ACCEPTED	6
#define ROOM_ACCEPTED	3

/* What a shim may call that takes memory or descriptors, and what else it does with its sockets */
static const int watched[] = {
	SYS_socket, SYS_fcntl, SYS_recvmsg, SYS_sendto, SYS_setsockopt, SYS_getsockopt, SYS_dup3,
	SYS_mmap, SYS_madvise, SYS_openat, SYS_getdents64, SYS_readlinkat, SYS_epoll_ctl,
	SYS_getsockname, SYS_getpeername, SYS_shutdown, SYS_ppoll, SYS_rt_sigprocmask, SYS_getrandom,
};

#define WATCHED_NUM	(sizeof(watched) / sizeof(watched[0]))

static const int errors[] = { ENOMEM, EMFILE, ENOBUFS };
static const char *const whens[] = { "first", "later", NULL };
static const char *const ways[] = { "blocking", "polled", NULL };

/* From here on these calls wait for what somebody else says. Returns where they are read, or -1 */
static int filter_on(void)
{
	struct sock_filter filter[WATCHED_NUM + 3];
	struct sock_fprog program = { .filter = filter };
	unsigned short at = 0;

	filter[at++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
						    offsetof(struct seccomp_data, nr));
	for (size_t i = 0; i < WATCHED_NUM; i++)
		filter[at++] = (struct sock_filter)
			BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned int)watched[i],
				 (unsigned char)(WATCHED_NUM - i), 0);
	filter[at++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	filter[at++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF);
	program.len = at;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return -1;
	return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER,
			    &program);
}

static int fd_of_process(pid_t pid)
{
	static int last = -1;

	close(last);
	last = (int)syscall(SYS_pidfd_open, pid, 0);
	return last;
}

/* Answers what comes, until the child has ended: call number @which fails, all others go on. */
static void answer_calls(int notifier, int which, int error)
{
	struct pollfd pollfd = { .fd = notifier, .events = POLLIN };

	while (poll(&pollfd, 1, WAIT_MS) > 0 && (pollfd.revents & POLLIN)) {
		struct seccomp_notif asked = { 0 };
		struct seccomp_notif_resp said = { .flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE };

		if (ioctl(notifier, SECCOMP_IOCTL_NOTIF_RECV, &asked))
			continue;
		said.id = asked.id;
		if (!which--) {
			said.flags = 0;
			said.error = -error;
		}
		ioctl(notifier, SECCOMP_IOCTL_NOTIF_SEND, &said);
	}
}

/* What a child says that does it while call number @which fails; what it is, its parent says. */
static int in_vain(int (*what)(int fd), int fd, int which)
{
	int pair[2], number = -1, notifier, status;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair))
		return -1;
	pid = child();
	if (!pid) {
		number = filter_on();
		if (write(pair[1], &number, sizeof(number)) != sizeof(number) ||
		    read(pair[1], &number, sizeof(number)) != sizeof(number))
			_exit(99);
		_exit(what(fd));
	}
	if (read(pair[0], &number, sizeof(number)) != sizeof(number))
		number = -1;
	notifier = (int)syscall(SYS_pidfd_getfd, fd_of_process(pid), number, 0);
	if (notifier < 0 || write(pair[0], &number, sizeof(number)) != sizeof(number))
		puts("nobody answers");
	close(pair[0]);
	close(pair[1]);
	answer_calls(notifier, which, errors[which % 3]);
	status = status_of(pid);
	close(notifier);
	return status;
}

/* 0: a connection came, carried a byte and back; else which of that did not */
static int connect_it(int fd)
{
	char byte = 'x';

	if (connect(fd, TO, to_len))
		return 1;
	if (write(fd, &byte, 1) != 1)
		return 2;
	return read(fd, &byte, 1) == 1 && byte == 'x' && !close(fd) ? 0 : 3;
}

static bool is_ready(int fd, short events)
{
	return poll(&(struct pollfd){ .fd = fd, .events = events }, 1, WAIT_MS) == 1;
}

/* A non-blocking socket; by nothing that may fail itself */
static int connect_it_polled(int fd)
{
	char byte = 'x';

	if (!connect(fd, TO, to_len) || errno != EINPROGRESS)
		return 1;
	if (!is_ready(fd, POLLOUT) || write(fd, &byte, 1) != 1)
		return 2;
	return is_ready(fd, POLLIN) && read(fd, &byte, 1) == 1 && byte == 'x' && !close(fd) ? 0 : 3;
}

static int accept_it(int from)
{
	char byte = '?';
	int fd = accept(from, NULL, NULL);

	if (fd < 0)
		return 1;
	if (read(fd, &byte, 1) != 1)
		return 2;
	return write(fd, &byte, 1) == 1 && !close(fd) ? 0 : 3;
}

static int listen_on(int fd)
{
	return listen(fd, 8) ? 1 : 0;
}

static void connects(void)
{
	bool later = chosen[0] == 1;

	for (int i = 0; i < POINTS; i++) {
		int status, fd;

		if (later && connect_it(tcp(0)))
			puts("no connection");
		fd = tcp(chosen[1] ? SOCK_NONBLOCK : 0);
		status = in_vain(chosen[1] ? connect_it_polled : connect_it, fd, i);
		close(fd);
		if (status)
			printf("call %d, %s: %d\n", i, error_name(errors[i % 3]), status);
	}
	puts("all tried");
}

static void listens(void)
{
	struct sockaddr_storage any = to;
	int status = 0;

	*port_of(&any) = 0;	/* nobody comes to these */
	for (int i = 0; i < LISTENED; i++) {
		int fd = tcp(0);

		if (bind(fd, (struct sockaddr *)&any, to_len))
			say("bind", -1);
		status |= in_vain(listen_on, fd, i);
		close(fd);
	}
	printf("listening: %d\n", status);
	echo_all(accepted(listener(8)));
}

static void accepts(void)
{
	int from = listener(8);

	for (int i = 0; i < ACCEPTED; i++) {
		int status = in_vain(accept_it, from, i);

		if (status)
			printf("call %d, %s: %d\n", i, error_name(errors[i % 3]), status);
	}
	puts("all tried");
}

static void connects_to_those(void)
{
	for (int i = 0; i < ACCEPTED; i++)
		if (connect_it(tcp(0)))
			printf("connection %d fails\n", i);
}

/* --- a limit of descriptors, at each level --- */

static void up_to(unsigned int num)
{
	struct rlimit limit = { num, num };

	setrlimit(RLIMIT_NOFILE, &limit);
}

/* As many connections as there can be, then one that finds no room, and what else wants some */
static void at_level(unsigned int num)
{
	int fds[LEVELS], made = 0, fd;
	bool well = true;

	syscall(SYS_close_range, 3, ~0u, 0);
	up_to(3 + num);
	while (made < LEVELS && (fd = tcp(0)) >= 0) {
		fds[made++] = fd;
		if (connect(fd, TO, to_len))
			well = false;
	}
	printf("room for %u: %d, %s, %d\n", num, made, error_name(errno), well);
	for (int i = 0; i < made; i++) {
		char byte = 'x';

		if (write(fds[i], &byte, 1) != 1 || read(fds[i], &byte, 1) != 1)
			printf("connection %d is of no use\n", i);
		close(fds[i]);
	}
}

static void levels(void)
{
	for (unsigned int i = 0; i < LEVELS; i++) {
		if (!child()) {
			at_level(i);
			child_ends();
		}
		wait(NULL);
	}
}

/* The listener has the first number, what it accepts the others. */
static void accepts_at_level(int from, unsigned int num)
{
	int made = 0, fd;

	dup2(from, 3);
	syscall(SYS_close_range, 4, ~0u, 0);
	up_to(4 + num);
	while (made < (int)num && (fd = accept(3, NULL, NULL)) >= 0) {
		echo_all(fd);
		made++;
	}
	/* (Nobody has to connect for that.) */
	say("one more", accept(3, NULL, NULL));
	printf("room for %u: %d\n", num, made);
	/* There is room again. */
	syscall(SYS_close_range, 4, 3 + num, 0);
	up_to(4 + num);
	for (int i = 0; i < 2; i++) {
		fd = accept(3, NULL, NULL);
		echo_all(fd);
		close(fd);
	}
}

static void accepts_at_levels(void)
{
	int from = listener(32);

	for (unsigned int i = 1; i < LEVELS_ACCEPTED; i++) {
		if (!child()) {
			accepts_at_level(from, i);
			child_ends();
		}
		wait(NULL);
	}
}

static void connects_to_levels(void)
{
	for (unsigned int i = 1; i < LEVELS_ACCEPTED; i++)
		for (unsigned int j = 0; j < i + 2; j++)
			if (connect_it(tcp(0)))
				puts("a connection fails");
}

/* One is accepted while there is hardly any room, the others when some has come. */
static void room_comes(int from, unsigned int num)
{
	dup2(from, 3);
	syscall(SYS_close_range, 4, ~0u, 0);
	up_to(4 + num);
	for (int i = 0; i < ROOM_ACCEPTED; i++) {
		int fd = accept(3, NULL, NULL);

		echo_all(fd);
		close(fd);
		close(0);
	}
}

static void accepts_when_room_comes(void)
{
	int from = listener(32);

	for (unsigned int i = 1; i < LEVELS_ACCEPTED; i++) {
		if (!child()) {
			room_comes(from, i);
			child_ends();
		}
		wait(NULL);
	}
	puts("all accepted");
}

static void connects_as_room_comes(void)
{
	for (unsigned int i = 1; i < LEVELS_ACCEPTED; i++)
		for (int j = 0; j < ROOM_ACCEPTED; j++)
			if (connect_it(tcp(0)))
				printf("room for %u: connection %d fails\n", i, j);
}

static const struct test tests[] = {
	{ "connects", connects, NULL, .dimensions = { whens, ways } },
	{ "listens", one_echo, listens },
	{ "accepts", connects_to_those, accepts },
	{ "levels", levels, NULL },
	{ "accepts_when_room_comes", connects_as_room_comes, accepts_when_room_comes },
	{ "accepts_at_levels", connects_to_levels, accepts_at_levels },
};

RUN_TESTS(tests)
