/* SPDX-License-Identifier: MIT */
/*
 * confined.c - programs that have given up, or lost, a part of what they could do
 */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "program.h"

#define NOBODY	65534
#define FEW	10

/* A shim has its channel from here on. */
static void first_echo(void)
{
	int fd = connected();

	echo(fd);
	close(fd);
}

/* Whoever started it has left some. */
static void close_inherited(void)
{
	syscall(SYS_close_range, 3, ~0u, 0);
}

static void limit_to(unsigned int num)
{
	struct rlimit limit = { num, num };

	say("RLIMIT_NOFILE", setrlimit(RLIMIT_NOFILE, &limit));
}

static void few(void)
{
	int fds[FEW], num = 0, fd;

	for (int i = 0; i < 3; i++)
		first_echo();
	/* As many as there would be. */
	while (num < FEW && (fd = tcp(0)) >= 0)
		fds[num++] = fd;
	printf("sockets: %d\n", num);
	for (int i = 0; i < num; i++) {
		say("connect", connect(fds[i], TO, to_len));
		echo(fds[i]);
	}
	for (int i = 0; i < num; i++)
		say("close", close(fds[i]));
	first_echo();
}

static void few_from_the_start(void)
{
	close_inherited();
	limit_to(FEW);
	few();
}

static void few_later(void)
{
	close_inherited();
	first_echo();
	limit_to(FEW);
	few();
}

static void few_accepted(void)
{
	int from, fds[FEW], num = 0;

	close_inherited();
	from = listener(8);
	limit_to(FEW);
	while (num < FEW - 4) {
		fds[num] = accepted(from);
		echo_all(fds[num++]);
	}
	say("one too many", accept(from, NULL, NULL));
	for (int i = 0; i < num; i++)
		say("close", close(fds[i]));
	echo_all(accepted(from));
}

/* It does not wait until the server has closed its end. */
static void seven_echoes(void)
{
	for (int i = 0; i < FEW - 3; i++)
		first_echo();
}

/* Into an empty directory that nobody has to remove. */
static void leave_proc(void)
{
	char root[] = "/tmp/slim-root-XXXXXX";

	if (!mkdtemp(root) || chdir(root) || rmdir(root))
		puts("no root");
	say("chroot", chroot("."));
	say("/proc", open("/proc/self", O_RDONLY));
}

/* What was registered, and what is ready, is the same after connect() has put another socket there. */
static void registered(uint32_t events)
{
	struct epoll_event event = { .events = events, .data.u64 = 4711 }, got = { 0 };
	int set = epoll_create1(0), fd = tcp(SOCK_NONBLOCK);

	say("EPOLL_CTL_ADD", epoll_ctl(set, EPOLL_CTL_ADD, fd, &event));
	say("connect", connect(fd, TO, to_len));
	say("epoll_wait", epoll_wait(set, &got, 1, WAIT_MS));
	printf("data %d, writable %d\n", (int)got.data.u64, !!(got.events & EPOLLOUT));
	say("EPOLL_CTL_DEL", epoll_ctl(set, EPOLL_CTL_DEL, fd, NULL));
	close(set);
	finish(fd);
}

static void without_proc(void)
{
	leave_proc();
	first_echo();
	registered(EPOLLOUT);
	registered(EPOLLOUT | EPOLLONESHOT);
	registered(EPOLLOUT | EPOLLET);
}

static void accepts_without_proc(void)
{
	int from = listener(8);

	leave_proc();
	for (int i = 0; i < FEW - 3; i++)
		serve_echo(accepted(from));
}

static void become_nobody(void)
{
	say("setgid", setgid(NOBODY));
	say("setuid", setuid(NOBODY));
}

static void as_nobody(void)
{
	become_nobody();
	first_echo();
	registered(EPOLLOUT);
	registered(EPOLLOUT | EPOLLONESHOT);
	say_names("nobody", connected());
}

static void as_nobody_later(void)
{
	first_echo();
	as_nobody();
}

static void accepts_as_nobody(void)
{
	int from = listener(8);

	become_nobody();
	for (int i = 0; i < FEW - 3; i++)
		serve_echo(accepted(from));
}

/* --- system calls that a shim makes beyond the program's own --- */

static const struct {
	const char *name;
	int number;
} calls[] = {
#define CALL(name) { #name, SYS_##name }
	CALL(rt_sigprocmask), CALL(getsockopt), CALL(setsockopt), CALL(fcntl), CALL(sendto),
	CALL(recvmsg), CALL(dup3), CALL(getpid), CALL(clock_gettime), CALL(getrandom),
	CALL(getsockname), CALL(getpeername), CALL(shutdown), CALL(madvise), CALL(openat),
	CALL(getdents64), CALL(readlinkat), CALL(epoll_ctl),
#undef CALL
};

#define CALLS_NUM	((int)(sizeof(calls) / sizeof(calls[0])))

static const int errors[] = { EPERM, ENOSYS };

/* From here on the call fails with that error, and does nothing. */
static void refuse(int number, int error)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned int)number, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned int)error),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { sizeof(filter) / sizeof(filter[0]), filter };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
		puts("no filter");
}

/* 0: a connection came, carried a byte and back; else which of that did not */
static int try_connect(void)
{
	char byte = 'x';
	int fd = tcp(0);

	if (connect(fd, TO, to_len))
		return 1;
	if (write(fd, &byte, 1) != 1)
		return 2;
	return read(fd, &byte, 1) == 1 && byte == 'x' && !close(fd) ? 0 : 3;
}

static int try_accept(int from)
{
	char byte = '?';
	int fd = accept(from, NULL, NULL);

	if (fd < 0)
		return 1;
	if (read(fd, &byte, 1) != 1)
		return 2;
	return write(fd, &byte, 1) == 1 && !close(fd) ? 0 : 3;
}

/* In a child for each call and error. @from: where connections come; -1: it makes them */
static void refused_calls(int from, bool channel_first)
{
	for (int i = 0; i < 2 * CALLS_NUM; i++) {
		int error = errors[i % 2], number = calls[i / 2].number;

		if (!child()) {
			if (channel_first)
				try_connect();
			refuse(number, error);
			_exit(from < 0 ? try_connect() : try_accept(from));
		}
		printf("%s, %s: %d\n", calls[i / 2].name, error_name(error), status_of(-1));
	}
}

static void calls_refused(void)
{
	refused_calls(-1, false);
}

static void calls_refused_later(void)
{
	refused_calls(-1, true);
}

static void accepts_refused(void)
{
	refused_calls(listener(8), false);
}

static void connects_to_refused(void)
{
	for (int i = 0; i < 2 * CALLS_NUM; i++)
		printf("%d\n", try_connect());
}

/* --- daemons --- */

static pid_t become_daemon(int keep)
{
	pid_t pid = child();

	if (pid)
		return pid;
	setsid();
	pid = child();
	if (pid)
		_exit(status_of(pid));
	if (keep != 3) {
		dup2(keep, 3);
		keep = 3;
	}
	say("close_range", (int)syscall(SYS_close_range, keep < 0 ? 3 : 4, ~0u, 0));
	return 0;
}

static void daemon_connects(void)
{
	int fd = connected();
	pid_t pid = become_daemon(fd);

	if (!pid) {
		say_names("daemon", 3);
		echo(3);
		first_echo();
		child_ends();
	}
	printf("daemon: %d\n", status_of(pid));
	echo(fd);
}

static void daemon_accepts(void)
{
	int from = listener(8);
	pid_t pid = become_daemon(from);

	if (!pid) {
		for (int i = 0; i < FEW - 3; i++)
			serve_echo(accepted(3));
		child_ends();
	}
	printf("daemon: %d\n", status_of(pid));
}

/* Whatever the program does not know of is its own from now on. */
static void over_all(void)
{
	char bytes[8];
	int pair[2];

	close_inherited();
	first_echo();
	say("socketpair", socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair));
	for (int fd = 5; fd < 1024; fd++)
		if (fcntl(fd, F_GETFD) >= 0 && dup2(pair[0], fd) != fd)
			puts("dup2 failed");
	first_echo();
	say("nothing came", recv(pair[1], bytes, sizeof(bytes), MSG_DONTWAIT));
	first_echo();
}

static const struct test tests[] = {
	{ "few", few_from_the_start, NULL, NULL },
	{ "few_later", few_later, NULL, NULL },
	{ "few_accepted", seven_echoes, few_accepted, NULL },
	{ "without_proc", without_proc, NULL, NULL },
	{ "accepts_without_proc", seven_echoes, accepts_without_proc, NULL },
	{ "as_nobody", as_nobody, NULL, NULL },
	{ "as_nobody_later", as_nobody_later, NULL, NULL },
	{ "accepts_as_nobody", seven_echoes, accepts_as_nobody, NULL },
	{ "calls_refused", calls_refused, NULL, NULL },
	{ "calls_refused_later", calls_refused_later, NULL, NULL },
	{ "accepts_refused", connects_to_refused, accepts_refused, NULL },
	{ "daemon_connects", daemon_connects, NULL, NULL },
	{ "daemon_accepts", seven_echoes, daemon_accepts, NULL },
	{ "over_all", over_all, NULL, NULL },
};

RUN_TESTS(tests)
