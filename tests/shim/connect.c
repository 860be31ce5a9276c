/* SPDX-License-Identifier: MIT */
/*
 * connect.c - the states of a connecting socket
 */
#include <netinet/tcp.h>
#include <pthread.h>
#include <setjmp.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/time.h>
#include <time.h>

#include "program.h"

static void blocking(void)
{
	struct sockaddr_storage any;
	int fd = connected();

	say("again", connect(fd, TO, to_len));
	say("listen", listen(fd, 1));
	memset(&any, 0, sizeof(any));
	any.ss_family = to.ss_family;
	say("bind", bind(fd, (struct sockaddr *)&any, to_len));
	echo(fd);
	close(fd);
}

static void with_poll(void)
{
	int fd = tcp(SOCK_NONBLOCK | SOCK_CLOEXEC);
	struct pollfd pollfd = { .fd = fd, .events = POLLOUT };

	say("connect", connect(fd, TO, to_len));
	say("poll", poll(&pollfd, 1, WAIT_MS));
	printf("events %x, O_NONBLOCK %d, FD_CLOEXEC %d\n", pollfd.revents,
	       !!(fcntl(fd, F_GETFL) & O_NONBLOCK), fcntl(fd, F_GETFD));
	finish(fd);
}

static void with_select(void)
{
	struct timeval time = { .tv_sec = WAIT_MS / 1000 };
	int fd = tcp(0);
	fd_set set;

	fcntl(fd, F_SETFL, O_NONBLOCK);
	say("connect", connect(fd, TO, to_len));
	FD_ZERO(&set);
	FD_SET(fd, &set);
	say("select", select(fd + 1, NULL, &set, NULL, &time));
	printf("set: %d, FD_CLOEXEC %d\n", FD_ISSET(fd, &set), fcntl(fd, F_GETFD));
	finish(fd);
}

static void refused(void)
{
	in_port_t port = *port_of(&to);
	int fd = tcp(0);

	*port_of(&to) = htons(1);
	say("connect to nobody", connect(fd, TO, to_len));
	say("connect to nobody", connect(fd, TO, to_len));
	*port_of(&to) = port;
	say("connect on the same socket", connect(fd, TO, to_len));
	echo(fd);
	close(fd);
}

/* @ask_first: for the error, which a connect() would else say */
static void refused_later(bool ask_first)
{
	in_port_t port = *port_of(&to);
	int fd = tcp(SOCK_NONBLOCK);
	struct pollfd pollfd = { .fd = fd, .events = POLLOUT | POLLIN };

	*port_of(&to) = htons(1);
	say("connect to nobody", connect(fd, TO, to_len));
	say("poll", poll(&pollfd, 1, WAIT_MS));
	printf("events %x\n", pollfd.revents);
	if (ask_first) {
		printf("SO_ERROR: %s\n", error_name(get_int(fd, SOL_SOCKET, SO_ERROR)));
		printf("SO_ERROR: %d\n", get_int(fd, SOL_SOCKET, SO_ERROR));
	} else {
		say("connect to nobody", connect(fd, TO, to_len));
	}
	*port_of(&to) = port;
	pollfd.events = POLLOUT;
	say("connect on the same socket", connect(fd, TO, to_len));
	say("poll", poll(&pollfd, 1, WAIT_MS));
	printf("events %x\n", pollfd.revents);
	finish(fd);
}

static void refused_error(void)
{
	refused_later(true);
}

static void refused_connect(void)
{
	refused_later(false);
}

static void dissolved(void)
{
	struct sockaddr none = { .sa_family = AF_UNSPEC };
	struct sockaddr_storage name;
	socklen_t len = sizeof(name);
	int fd = tcp(0);

	say("dissolve what never was", connect(fd, &none, sizeof(none)));
	say("connect", connect(fd, TO, to_len));
	say("dissolve", connect(fd, &none, sizeof(none)));
	say("getpeername", getpeername(fd, (struct sockaddr *)&name, &len));
	say("getsockname", getsockname(fd, (struct sockaddr *)&name, &len));
	printf("local %s\n", text_of(&name));
	say("connect again", connect(fd, TO, to_len));
	echo(fd);
	close(fd);
}

/* A socket that is dissolved can listen, in the container. */
static void dissolved_listens(void)
{
	struct sockaddr none = { .sa_family = AF_UNSPEC };
	int fd = connected();

	say("dissolve", connect(fd, &none, sizeof(none)));
	say("listen", listen(fd, 1));
	printf("SO_ACCEPTCONN: %d\n", get_int(fd, SOL_SOCKET, SO_ACCEPTCONN));
	close(fd);
}

/* After the end, a socket is not connected by a second connect(). */
static void after_shutdown(void)
{
	char byte;
	int fd = connected();

	say("shutdown", shutdown(fd, SHUT_WR));
	say("end", read(fd, &byte, 1));
	say("connect", connect(fd, TO, to_len));
	close(fd);
}

/* EINTR of a read, native on the new socket too. */
static void interrupt(int signal)
{
	(void)signal;
}

static void interrupted(void)
{
	struct sigaction action = { .sa_handler = interrupt };
	struct timeval time = { .tv_usec = 50000 };
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGALRM };
	struct itimerspec soon = { .it_value.tv_nsec = 50000000 };
	timer_t timer;
	char byte;
	int fd = connected();

	sigaction(SIGALRM, &action, NULL);
	timer_create(CLOCK_MONOTONIC, &event, &timer);
	timer_settime(timer, 0, &soon, NULL);
	say("read", read(fd, &byte, 1));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof(time));
	say("read with SO_RCVTIMEO", read(fd, &byte, 1));
	/* The echo's time is the machine's. */
	time = (struct timeval){ .tv_sec = 5 };
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof(time));
	echo(fd);
	close(fd);
}

/* --- while it is connecting: the wire loses what would finish it --- */

static void every_20_ms(int flags)
{
	struct sigaction action = { .sa_handler = interrupt, .sa_flags = flags };
	struct itimerval timer = { { 0, 20000 }, { 0, 20000 } };

	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &timer, NULL);
}

static void no_more(void)
{
	struct itimerval timer = { 0 };

	setitimer(ITIMER_REAL, &timer, NULL);
}

static void time_out(void)
{
	struct timeval time = { .tv_usec = 100000 };
	int fd = tcp(0);

	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &time, sizeof(time));
	say("connect", connect(fd, TO, to_len));
	say("connect", connect(fd, TO, to_len));
	printf("SO_ERROR: %d\n", get_int(fd, SOL_SOCKET, SO_ERROR));
	say_fd("close", close(fd));
}

static void signalled(void)
{
	int fd = tcp(0);

	every_20_ms(0);
	say("connect", connect(fd, TO, to_len));
	no_more();
	fcntl(fd, F_SETFL, O_NONBLOCK);
	say("connect", connect(fd, TO, to_len));
	close(fd);
}

/* With SO_SNDTIMEO, SA_RESTART does not start anew. */
static void signalled_restart(void)
{
	struct timeval time = { .tv_usec = 100000 };
	int fd = tcp(0);

	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &time, sizeof(time));
	every_20_ms(SA_RESTART);
	say("connect", connect(fd, TO, to_len));
	no_more();
	close(fd);
}

static void connecting(void)
{
	struct epoll_event event = { .events = EPOLLOUT, .data.u64 = 3 };
	struct sockaddr none = { .sa_family = AF_UNSPEC };
	int fd = tcp(SOCK_NONBLOCK), set = epoll_create1(0);
	struct pollfd pollfd = { .fd = fd, .events = POLLOUT | POLLIN };
	struct sockaddr_storage name;
	socklen_t len = sizeof(name);
	char byte;

	epoll_ctl(set, EPOLL_CTL_ADD, fd, &event);
	say("connect", connect(fd, TO, to_len));
	say("connect", connect(fd, TO, to_len));
	say("poll", poll(&pollfd, 1, 50));
	say("epoll_wait", epoll_wait(set, &event, 1, 50));
	say("read", read(fd, &byte, 1));
	say("write", write(fd, &byte, 1));
	say("getpeername", getpeername(fd, (struct sockaddr *)&name, &len));
	say("getsockname", getsockname(fd, (struct sockaddr *)&name, &len));
	printf("local %s, port: %d\n", text_of(&name), *port_of(&name) != 0);
	printf("SO_ERROR: %d\n", get_int(fd, SOL_SOCKET, SO_ERROR));
	say("listen", listen(fd, 1));
	say("dissolve", connect(fd, &none, sizeof(none)));
	say("getpeername", getpeername(fd, (struct sockaddr *)&name, &len));
	say("connect", connect(fd, TO, to_len));
	say("shutdown", shutdown(fd, SHUT_RDWR));
	say("poll", poll(&pollfd, 1, 50));
	say_fd("close", close(fd));
}

static void user_timeout(void)
{
	int fd = tcp(0);

	set_int(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, 300);
	say("connect", connect(fd, TO, to_len));
	close(fd);
}

/* --- ... and is answered after all --- */

#define SIGNALS_ENOUGH	5

static volatile sig_atomic_t signals;

static void mend_at_last(int number)
{
	(void)number;
	if (++signals == SIGNALS_ENOUGH)
		mend();
}

static int interrupted_connect(void)
{
	int fd = tcp(0);

	every_20_ms(0);
	say("interrupted", connect(fd, TO, to_len));
	say("again", connect(fd, TO, to_len));
	no_more();
	fcntl(fd, F_SETFL, O_NONBLOCK);
	say("again, non-blocking", connect(fd, TO, to_len));
	return fd;
}

static int timed_connect(void)
{
	struct timeval time = { .tv_usec = 20000 }, none = { 0 };
	int fd = tcp(0);

	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &time, sizeof(time));
	say("timed", connect(fd, TO, to_len));
	say("again", connect(fd, TO, to_len));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &none, sizeof(none));
	return fd;
}

static void finish_late(int fd)
{
	struct pollfd pollfd = { .fd = fd, .events = POLLOUT };

	say("poll", poll(&pollfd, 1, WAIT_MS));
	printf("events %x\n", pollfd.revents);
	finish(fd);
}

/* The last of them goes on for as long as that takes, whatever signals come. */
static void answered_late(void)
{
	struct sigaction action = { .sa_handler = mend_at_last, .sa_flags = SA_RESTART };
	int first = interrupted_connect(), second = timed_connect(), third = tcp(0);

	every_20_ms(SA_RESTART);
	sigaction(SIGALRM, &action, NULL);
	say("restarted", connect(third, TO, to_len));
	no_more();
	printf("after signals: %d\n", signals >= SIGNALS_ENOUGH);
	say("again", connect(third, TO, to_len));
	echo(third);
	close(third);
	finish_late(first);
	finish_late(second);
}

/* One more try, and not the six that take two minutes */
static void one_more_try(void)
{
	int fd = tcp(0);

	set_int(fd, IPPROTO_TCP, TCP_SYNCNT, 1);
	say("connect", connect(fd, TO, to_len));
	say("again", connect(fd, (struct sockaddr *)&(struct sockaddr){ .sa_family = AF_UNSPEC },
			     sizeof(struct sockaddr)));
	close(fd);
}

/* A connect() that goes on after each signal dies all the same. */
static void signalled_until_dead(void)
{
	int fd = tcp(0);

	set_int(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, 300);
	every_20_ms(SA_RESTART);
	say("connect", connect(fd, TO, to_len));
	no_more();
	say("getpeername", getpeername(fd, (struct sockaddr *)&(struct sockaddr_storage){ 0 },
				       &(socklen_t){ sizeof(struct sockaddr_storage) }));
	close(fd);
}

/* --- arguments --- */

static void bad_arguments(void)
{
	long page = sysconf(_SC_PAGESIZE);
	char *pages = mmap(NULL, (size_t)page * 2, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *edge = pages + page - to_len;
	int fd = tcp(0), udp = socket(to.ss_family, SOCK_DGRAM, 0), pipes[2];
	struct sockaddr_storage other = to;

	munmap(pages + page, (size_t)page);
	memcpy(edge, &to, to_len);
	say("a pointer to nowhere", connect(fd, (struct sockaddr *)8, to_len));
	say("no pointer", connect(fd, NULL, to_len));
	say("half of it unmapped", connect(fd, (struct sockaddr *)(edge + 8), to_len));
	say("length 3", connect(fd, TO, 3));
	say("length 15", connect(fd, TO, 15));
	say("no fd", connect(-1, TO, to_len));
	say("no such fd", connect(999, TO, to_len));
	if (pipe(pipes) == 0)
		say("a pipe", connect(pipes[0], TO, to_len));
	say("UDP", connect(udp, TO, to_len));
	other.ss_family = AF_UNIX;
	say("another family", connect(fd, (struct sockaddr *)&other, to_len));
	say("at the end of the memory", connect(fd, (struct sockaddr *)edge, to_len));
	echo(fd);
	close(fd);
	fd = tcp(0);
	memcpy(&other, &to, sizeof(to));
	say("longer than need be", connect(fd, (struct sockaddr *)&other, sizeof(other)));
	echo(fd);
	close(fd);
}

/* Longer than any address: nothing is connected. */
static void lengths(void)
{
	struct sockaddr_storage name;
	socklen_t len = sizeof(name);
	char room[256] = { 0 };
	int fd = tcp(0);

	memcpy(room, &to, to_len);
	say("length -1", connect(fd, (struct sockaddr *)room, (socklen_t)-1));
	say("length 129", connect(fd, (struct sockaddr *)room, 129));
	say("getpeername", getpeername(fd, (struct sockaddr *)&name, &len));
	say("connect", connect(fd, TO, to_len));
	echo(fd);
	close(fd);
}

/* Bound to a port of its own: that is what both ends see. */
static void bound_first(void)
{
	struct sockaddr_storage local = { 0 }, name;
	socklen_t len = sizeof(name);
	int fd = tcp(0);

	local.ss_family = to.ss_family;
	*port_of(&local) = htons((uint16_t)(20000 + getpid() % 10000));
	set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	say("bind", bind(fd, (struct sockaddr *)&local, to_len));
	say("connect", connect(fd, TO, to_len));
	say("getsockname", getsockname(fd, (struct sockaddr *)&name, &len));
	printf("the port as bound: %d\n", *port_of(&name) == *port_of(&local));
	say_names("bound", fd);
	echo(fd);
	close(fd);
}

/* A mapped address on an AF_INET6 socket; and that it may not be */
static void mapped(void)
{
	struct sockaddr_in *in = (struct sockaddr_in *)&to;
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = in->sin_port };
	int fd = socket(AF_INET6, SOCK_STREAM, 0);
	bool is_mapped = to.ss_family == AF_INET;

	if (is_mapped) {
		in6.sin6_addr.s6_addr[10] = in6.sin6_addr.s6_addr[11] = 0xff;
		memcpy(in6.sin6_addr.s6_addr + 12, &in->sin_addr, 4);
		memcpy(&to, &in6, sizeof(in6));
		to_len = sizeof(in6);
	}
	set_int(fd, IPPROTO_IPV6, IPV6_V6ONLY, is_mapped);
	say("connect, IPV6_V6ONLY", connect(fd, TO, to_len));
	close(fd);
	fd = connected();
	say_names("mapped", fd);
	echo(fd);
	close(fd);
}

static void *connect_some(void *data)
{
	long *right = data;

	for (int i = 0; i < 5; i++) {
		int fd = tcp(0);
		char byte = (char)('a' + i), got = 0;

		if (connect(fd, TO, to_len) == 0 && write(fd, &byte, 1) == 1 &&
		    read(fd, &got, 1) == 1 && got == byte)
			++*right;
		close(fd);
	}
	return NULL;
}

static void threads(void)
{
	pthread_t all[24];
	long right[24] = { 0 }, sum = 0;

	for (int i = 0; i < 24; i++)
		pthread_create(&all[i], NULL, connect_some, &right[i]);
	for (int i = 0; i < 24; i++) {
		pthread_join(all[i], NULL);
		sum += right[i];
	}
	printf("echoed: %ld\n", sum);
}

static sigjmp_buf away;
static volatile sig_atomic_t connecting_now;

static void leap(int number)
{
	(void)number;
	if (connecting_now)
		siglongjmp(away, 1);
}

static void connect_at_most(int fd, long us)
{
	struct itimerval time = { .it_value.tv_usec = us }, none = { 0 };

	if (!sigsetjmp(away, 1)) {
		setitimer(ITIMER_REAL, &time, NULL);
		connecting_now = 1;
		connect(fd, TO, to_len);
	}
	connecting_now = 0;
	setitimer(ITIMER_REAL, &none, NULL);
}

static int descriptors(void)
{
	int num = 0;

	for (int fd = 0; fd < 1024; fd++)
		num += fcntl(fd, F_GETFD) >= 0;
	return num;
}

/* Out of the handler of a signal, as programs do that know no better time-out. */
static void leapt_from(void)
{
	int before, more;

	signal(SIGALRM, leap);
	one_echo();
	before = descriptors();
	for (long us = 1; us < 600; us++) {
		int fd = tcp(0);

		connect_at_most(fd, us);
		close(fd);
	}
	/* (A channel whose answer came too late may be closed, too.) */
	more = descriptors() - before;
	printf("left over: %d\n", more > 0 ? more : 0);
	one_echo();
}

static const struct test tests[] = {
	{ "blocking", blocking, NULL, NULL },
	{ "poll", with_poll, NULL, NULL },
	{ "select", with_select, NULL, NULL },
	{ "refused", refused, NULL, NULL },
	{ "refused_error", refused_error, NULL, NULL },
	{ "refused_connect", refused_connect, NULL, NULL },
	{ "dissolved", dissolved, NULL, NULL },
	{ "dissolved_listens", dissolved_listens, NULL, NULL },
	{ "after_shutdown", after_shutdown, NULL, NULL },
	{ "interrupted", interrupted, NULL, NULL },
	{ "bad_arguments", bad_arguments, NULL, NULL },
	{ "lengths", lengths, NULL, NULL },
	{ "leapt_from", leapt_from, NULL, NULL },
	{ "bound", bound_first, NULL, NULL },
	{ "mapped", mapped, NULL, NULL },
	{ "threads", threads, NULL, NULL },
	{ "time_out", time_out, NULL, "silent" },
	{ "signalled", signalled, NULL, "silent" },
	{ "signalled_restart", signalled_restart, NULL, "silent" },
	{ "connecting", connecting, NULL, "silent" },
	{ "user_timeout", user_timeout, NULL, "silent long" },
	{ "one_more_try", one_more_try, NULL, "silent long" },
	{ "signalled_until_dead", signalled_until_dead, NULL, "silent long" },
	{ "answered_late", answered_late, NULL, "silent long mended" },
};

RUN_TESTS(tests)
