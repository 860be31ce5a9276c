/* SPDX-License-Identifier: MIT */
/*
 * pointers.c - wrong descriptors, pointers and lengths: what is said is the kernel's own
 *
 * Each call meets each kind of descriptor, with arguments of which most are wrong.
 */
#include <sched.h>
#include <sys/epoll.h>
#include <sys/mman.h>

#include "program.h"

#define FAR	((void *)-4096L)
#define KINDS	12

static char *page;		/* what is behind it cannot be used */
static char *read_only;		/* the address to connect to, where nobody may write */
static char *read_only_length;	/* and its length */
static size_t page_size;

static void make_pages(void)
{
	page_size = (size_t)sysconf(_SC_PAGESIZE);
	page = mmap(NULL, 2 * page_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	munmap(page + page_size, page_size);
	read_only = mmap(NULL, page_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	memcpy(read_only, &to, to_len);
	read_only_length = read_only + sizeof(to);
	memcpy(read_only_length, &to_len, sizeof(to_len));
	mprotect(read_only, page_size, PROT_READ);
}

/* The address to connect to, with its last byte just before the end of a page */
static void *at_the_end(size_t len)
{
	memcpy(page + page_size - len, &to, len);
	return page + page_size - len;
}

static const char *const kinds[KINDS] = {
	"-1", "closed", "file", "pipe", "epoll set", "UNIX", "UDP", "O_PATH", "fresh", "connected",
	"listening", "shut down",
};

/* Both ends have said that it is over, and the socket knows. */
static void end_connection(int fd)
{
	struct sockaddr_storage name;
	socklen_t len = sizeof(name);
	char byte;

	shutdown(fd, SHUT_WR);
	while (read(fd, &byte, 1) > 0)
		;
	for (int i = 0; i < WAIT_MS && !getpeername(fd, (struct sockaddr *)&name, &len); i++)
		poll(NULL, 0, 1);
}

static int fd_of(int kind)
{
	int pair[2], fd;

	switch (kind) {
	case 0:
		return -1;
	case 1:
		return 1000;
	case 2:
		return open("/dev/null", O_RDWR);
	case 3:
		return pipe(pair) ? -1 : (close(pair[1]), pair[0]);
	case 4:
		return epoll_create1(0);
	case 5:
		return socketpair(AF_UNIX, SOCK_STREAM, 0, pair) ? -1 : (close(pair[1]), pair[0]);
	case 6:
		return socket(to.ss_family, SOCK_DGRAM, 0);
	case 7:
		return open("/", O_PATH);
	}
	fd = tcp(0);
	if (kind == 9 || kind == 11)
		if (connect(fd, TO, to_len))
			say("connect", -1);
	if (kind == 10)
		listen(fd, 1);
	if (kind == 11)
		end_connection(fd);
	return fd;
}

static void result(const char *what, int got)
{
	printf(" %s %s;", what, got < 0 ? error_name(errno) : "0");
}

/* A name in @out, and how long it is said to be */
static void name_result(const char *what, int got, socklen_t len)
{
	result(what, got);
	if (!got)
		printf(" (%d)", (int)len);
}

static void bad_connect(int fd)
{
	struct sockaddr_storage other = to;

	result("NULL", connect(fd, NULL, to_len));
	result("far", connect(fd, FAR, to_len));
	result("past the end", connect(fd, (void *)(page + page_size - 8), to_len));
	result("length 0", connect(fd, TO, 0));
	result("1", connect(fd, TO, 1));
	result("2", connect(fd, TO, 2));
	result("15", connect(fd, TO, 15));
	result("-1", connect(fd, TO, (socklen_t)-1));
	result("129", connect(fd, TO, 129));
	other.ss_family = 99;
	result("family 99", connect(fd, (struct sockaddr *)&other, to_len));
	other.ss_family = to.ss_family == AF_INET ? AF_INET6 : AF_INET;
	result("another family", connect(fd, (struct sockaddr *)&other, sizeof(other)));
}

/* What is right is right wherever it lies. */
static void odd_connect(int fd)
{
	result("read-only", connect(fd, (void *)read_only, to_len));
}

static void end_connect(int fd)
{
	result("at the end", connect(fd, at_the_end(to_len), to_len));
}

static void long_connect(int fd)
{
	result("with more", connect(fd, TO, sizeof(to)));
}

static void bad_bind(int fd)
{
	struct sockaddr_storage other = to;

	result("NULL", bind(fd, NULL, to_len));
	result("far", bind(fd, FAR, to_len));
	result("length 0", bind(fd, TO, 0));
	result("15", bind(fd, TO, 15));
	result("-1", bind(fd, TO, (socklen_t)-1));
	*port_of(&other) = 0;
	other.ss_family = 99;
	result("family 99", bind(fd, (struct sockaddr *)&other, to_len));
}

static void bad_names(int fd)
{
	struct sockaddr_storage name;
	struct sockaddr *at = (struct sockaddr *)&name;
	socklen_t len;

	for (int i = 0; i < 2; i++) {
		int (*call)(int, struct sockaddr *, socklen_t *) = i ? getpeername : getsockname;

		printf(i ? " getpeername" : " getsockname");
		len = sizeof(name);
		name_result("NULL", call(fd, NULL, &len), len);
		result("no length", call(fd, at, NULL));
		result("far length", call(fd, at, FAR));
		name_result("far", call(fd, FAR, &len), len);
		len = 0;
		name_result("0", call(fd, at, &len), len);
		len = 0;
		name_result("0, NULL", call(fd, NULL, &len), len);
		len = 3;
		name_result("3", call(fd, at, &len), len);
		len = (socklen_t)-1;
		name_result("-1", call(fd, at, &len), len);
		len = sizeof(name);
		name_result("read-only", call(fd, (void *)read_only, &len), len);
		len = sizeof(name);
		name_result("past the end", call(fd, (void *)(page + page_size - 2), &len), len);
		result("read-only length", call(fd, at, (void *)read_only_length));
	}
}

/* None of these waits: nobody connects. */
static void bad_accept(int fd)
{
	struct sockaddr_storage name;
	socklen_t len = sizeof(name);

	if (fd >= 0)
		fcntl(fd, F_SETFL, O_NONBLOCK);
	result("NULL", accept(fd, NULL, NULL));
	result("no length", accept(fd, (struct sockaddr *)&name, NULL));
	result("far", accept(fd, FAR, &len));
	result("far length", accept(fd, (struct sockaddr *)&name, FAR));
	len = (socklen_t)-1;
	result("-1", accept(fd, (struct sockaddr *)&name, &len));
	result("accept4", accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK));
	result("flags", accept4(fd, NULL, NULL, 0x40000000));
	result("flags 1", accept4(fd, NULL, NULL, 1));
}

static void bad_listen(int fd)
{
	result("-1", listen(fd, -1));
	result("0", listen(fd, 0));
}

static void bad_shutdown(int fd)
{
	result("-1", shutdown(fd, -1));
	result("3", shutdown(fd, 3));
	result("SHUT_RD", shutdown(fd, SHUT_RD));
	result("SHUT_RDWR", shutdown(fd, SHUT_RDWR));
}

static void bad_options(int fd)
{
	int value = 1;
	socklen_t len = sizeof(value);

	result("set", setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &value, sizeof(value)));
	result("set NULL", setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, NULL, sizeof(value)));
	result("set -1", setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &value, (socklen_t)-1));
	result("get", getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &value, &len));
	result("get NULL", getsockopt(fd, SOL_SOCKET, SO_DOMAIN, NULL, &len));
	result("get far", getsockopt(fd, SOL_SOCKET, SO_DOMAIN, FAR, &len));
	result("get, no length", getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &value, NULL));
	result("get, read-only length", getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &value, (void *)read_only_length));
	len = (socklen_t)-1;
	result("get -1", getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &value, &len));
	len = 4;
	result("get cookie, short", getsockopt(fd, SOL_SOCKET, 71, &value, &len));
}

static void bad_epoll(int fd)
{
	int set = epoll_create1(0);
	struct epoll_event event = { .events = EPOLLOUT };
	char *end = page + page_size - sizeof(event);

	memcpy(end, &event, sizeof(event));
	result("op 0", epoll_ctl(set, 0, fd, &event));
	result("op 9", epoll_ctl(set, 9, fd, &event));
	result("ADD NULL", epoll_ctl(set, EPOLL_CTL_ADD, fd, NULL));
	result("ADD far", epoll_ctl(set, EPOLL_CTL_ADD, fd, FAR));
	result("MOD", epoll_ctl(set, EPOLL_CTL_MOD, fd, &event));
	result("ADD", epoll_ctl(set, EPOLL_CTL_ADD, fd, (void *)end));
	result("twice", epoll_ctl(set, EPOLL_CTL_ADD, fd, &event));
	result("DEL NULL", epoll_ctl(set, EPOLL_CTL_DEL, fd, NULL));
	result("DEL", epoll_ctl(set, EPOLL_CTL_DEL, fd, &event));
	result("itself", epoll_ctl(set, EPOLL_CTL_ADD, set, &event));
	result("no set", epoll_ctl(fd, EPOLL_CTL_ADD, set, &event));
	result("-1", epoll_ctl(-1, EPOLL_CTL_ADD, fd, &event));
	close(set);
}

static void bad_close(int fd)
{
	result("close", close(fd));
	result("again", close(fd));
	result("setns", setns(fd, 0));
}

static const char *const calls[] = {
	"connect", "connect_odd", "connect_end", "connect_long", "bind", "names", "accept", "listen",
	"shutdown", "options", "epoll_ctl", "close", NULL
};

static void each_kind(void)
{
	static void (*const tried[])(int fd) = {
		bad_connect, odd_connect, end_connect, long_connect, bad_bind, bad_names, bad_accept,
		bad_listen, bad_shutdown, bad_options, bad_epoll, bad_close,
	};

	make_pages();
	for (int kind = 0; kind < KINDS; kind++) {
		int fd = fd_of(kind);

		printf("%s:", kinds[kind]);
		tried[chosen[0]](fd);
		putchar('\n');
		close(fd);
	}
}

/* No descriptor at all */
static void bad_others(void)
{
	result("socket(99)", socket(99, SOCK_STREAM, 0));
	result("type 99", socket(to.ss_family, 99, 0));
	result("protocol 99", socket(to.ss_family, SOCK_STREAM, 99));
	result("flags", socket(to.ss_family, SOCK_STREAM | 0x40000000, 0));
	result("SOCK_SEQPACKET", socket(to.ss_family, SOCK_SEQPACKET, 0));
	result("raw", socket(to.ss_family, SOCK_RAW, 255));
	result("unshare", unshare(0x1));
	result("socketpair", socketpair(to.ss_family, SOCK_STREAM, 0, (int[2]){ 0 }));
	putchar('\n');
	echo(connected());
}

/* errno is left alone by what succeeds. */
static void errno_is_kept(void)
{
	struct sockaddr_storage name;
	socklen_t len = sizeof(name);
	struct epoll_event event = { .events = EPOLLOUT };
	int set = epoll_create1(0), value = 1, fd;

	errno = 4711;
	fd = tcp(0);
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &value, sizeof(value));
	epoll_ctl(set, EPOLL_CTL_ADD, fd, &event);
	if (connect(fd, TO, to_len))
		say("connect", -1);
	getsockname(fd, (struct sockaddr *)&name, &len);
	getpeername(fd, (struct sockaddr *)&name, &len);
	len = sizeof(value);
	getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &value, &len);
	getsockopt(fd, SOL_SOCKET, SO_MARK, &value, &len);
	shutdown(fd, SHUT_WR);
	close(fd);
	printf("client's: %d\n", errno);
}

static void errno_is_kept_there(void)
{
	struct sockaddr_storage name;
	socklen_t len = sizeof(name);
	int from, fd;

	errno = 4711;
	from = listener(4);
	fd = accept(from, (struct sockaddr *)&name, &len);
	getpeername(fd, (struct sockaddr *)&name, &len);
	close(fd);
	close(from);
	printf("server's: %d\n", errno);
}

/* accept() with wrong pointers, when there is a connection: it is lost, natively as here. */
static void accept_into_nothing(void)
{
	struct sockaddr_storage name;
	socklen_t len = sizeof(name);
	int from = listener(4);

	make_pages();
	say("far", accept(from, FAR, &len));
	say("no length", accept(from, (struct sockaddr *)&name, NULL));
	say("read-only length", accept(from, (struct sockaddr *)&name, (void *)read_only_length));
	len = (socklen_t)-1;
	say("-1", accept(from, (struct sockaddr *)&name, &len));
	len = 0;
	say_fd("0", accept(from, NULL, &len));
	printf("%d\n", (int)len);
	len = 0;
	say_fd("0 bytes", accept(from, (struct sockaddr *)&name, &len));
	printf("%d\n", (int)len);
	len = 5;
	memset(&name, 0xaa, sizeof(name));
	say_fd("5 bytes", accept(from, (struct sockaddr *)&name, &len));
	printf("%d, %d behind it\n", (int)len, ((unsigned char *)&name)[5] == 0xaa);
	len = 1000;
	say_fd("1000 bytes", accept(from, (struct sockaddr *)&name, &len));
	printf("%d\n", (int)len);
	len = to_len;
	say_fd("at the end", accept(from, at_the_end(to_len), &len));
	printf("%d\n", (int)len);
}

static void connect_nine_times(void)
{
	for (int i = 0; i < 9; i++) {
		int fd = tcp(0);

		if (connect(fd, TO, to_len))
			say("connect", -1);
		shutdown(fd, SHUT_WR);
		poll(&(struct pollfd){ .fd = fd, .events = POLLIN }, 1, i < 4 ? WAIT_MS : 0);
		close(fd);
	}
}

static const struct test tests[] = {
	{ "wrong", each_kind, NULL, .dimensions = { calls } },
	{ "others", bad_others, NULL },
	{ "errno_is_kept", errno_is_kept, errno_is_kept_there },
	{ "accept_into_nothing", connect_nine_times, accept_into_nothing },
};

RUN_TESTS(tests)
