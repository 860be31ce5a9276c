/* SPDX-License-Identifier: MIT */
/*
 * meanwhile.c - what another thread does to the number of a socket on which one waits
 *
 * Whoever waits holds the socket, though its number is closed, or is another socket's by then: a listener
 * goes on to listen until its accept() returns, and a socket to connect. Not so in an epoll set.
 */
#include <netinet/tcp.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/time.h>

#include "program.h"

static pthread_t thread;
static pid_t waiting;		/* that thread, once there is one */
static sem_t acted;		/* what the other one has to say is said */

static void *begin(void *wait)
{
	__atomic_store_n(&waiting, (pid_t)syscall(SYS_gettid), __ATOMIC_RELEASE);
	((void (*)(void))wait)();
	return NULL;
}

/* In another thread; goes on when that one waits in the kernel, in the system call that is given, or has waited. */
static void let_wait(void (*wait)(void), long call)
{
	sem_init(&acted, 0, 0);
	if (pthread_create(&thread, NULL, begin, (void *)wait))
		exit(3);
	while (!__atomic_load_n(&waiting, __ATOMIC_ACQUIRE))
		sched_yield();
	wait_until_in(waiting, call, SYS_futex);
}

/* What has come of it is said behind that. */
static int wait_for_turn(int result)
{
	int error = errno;

	sem_wait(&acted);
	errno = error;
	return result;
}

static void end_wait(void)
{
	sem_post(&acted);
	pthread_join(thread, NULL);
}

/* --- a listener --- */

/* What the client is to do next */
#define ECHO	'e'	/* one more connection, which is answered */
#define VAIN	'v'	/* one that is accepted by nobody */
#define REFUSED	'r'	/* none comes */

enum wait { ACCEPT, TIMED, EXPIRING, POLL, EPOLL };
enum deed { CLOSE, SHUT, PUT_OVER, REUSED };

static const char *const waits[] = { "accept", "timed", "expiring", "poll", "epoll", NULL };
static const char *const deeds[] = { "closed", "shut", "put_over", "reused", NULL };

static int from, told, set;
static int pair[2];	/* a pipe, with a byte in it when it is put over the listener */

static enum wait way(void)
{
	return (enum wait)chosen[0];
}

static enum deed deed(void)
{
	return (enum deed)chosen[1];
}

/* What a time-out and a shutdown say would depend on which comes first. */
static bool wait_applies(void)
{
	return way() != EXPIRING || deed() != SHUT;
}

static void tell(char what)
{
	if (write(told, &what, 1) != 1)
		exit(3);
}

static void client(void)
{
	int fd = connected(), other;
	char what = 0;

	say("read", read(fd, &what, 1));
	if (what == ECHO)
		one_echo();
	if (what == VAIN) {
		other = tcp(0);
		what = connect(other, TO, to_len) != 0;
		printf("in vain: %d\n", what || read(other, &what, 1) <= 0);
		close(other);
	}
	if (what != ECHO)
		until_refused(300);
	close(fd);
}

static void waits_in_accept(void)
{
	struct sockaddr_storage peer = { 0 };
	socklen_t len = sizeof(peer);
	int fd = say_fd("accept", wait_for_turn(accept(from, (struct sockaddr *)&peer, &len)));

	if (fd < 0)
		return;
	printf("from %s\n", text_of(&peer));
	say_names("accepted", fd);
	serve_echo(fd);
}

static void waits_in_poll(void)
{
	struct pollfd pollfd = { .fd = from, .events = POLLIN };

	say("poll", wait_for_turn(poll(&pollfd, 1, WAIT_MS)));
	printf("events %x\n", pollfd.revents);
}

/* The pipe ends it where the listener is no longer in the set. */
static void waits_in_epoll(void)
{
	struct epoll_event event = { 0 };

	say("epoll_pwait", wait_for_turn(epoll_pwait(set, &event, 1, WAIT_MS, NULL)));
	printf("the %s: %x\n", event.data.fd == pair[0] ? "pipe" : "listener", event.events);
}

static void make_set(void)
{
	struct epoll_event event = { .events = EPOLLIN, .data.fd = from };

	set = epoll_create1(0);
	epoll_ctl(set, EPOLL_CTL_ADD, from, &event);
	event.data.fd = pair[0];
	epoll_ctl(set, EPOLL_CTL_ADD, pair[0], &event);
}

static void act_on_listener(void)
{
	int number = from;

	if (deed() == SHUT) {
		say("shutdown", shutdown(from, SHUT_RD));
	} else if (deed() == PUT_OVER) {
		say("write", write(pair[1], "x", 1));
		say("dup2", dup2(pair[0], from) == number);
	} else {
		say("close", close(from));
		if (deed() == REUSED)
			printf("the same number: %d\n", tcp(0) == number);
	}
}

static void wait_in_accept(void)
{
	struct timeval time = { .tv_sec = way() == TIMED ? WAIT_MS / 1000 : 0,
				.tv_usec = way() == EXPIRING ? 50000 : 0 };
	bool comes = way() != EXPIRING && deed() != SHUT;

	setsockopt(from, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof(time));
	let_wait(waits_in_accept, SYS_accept);
	act_on_listener();
	if (comes)
		tell(ECHO);
	end_wait();
	if (!comes)
		tell(REFUSED);
}

static void wait_in_poll(void)
{
	let_wait(waits_in_poll, SYS_poll);
	act_on_listener();
	tell(deed() == SHUT ? REFUSED : VAIN);
	end_wait();
}

static void wait_in_epoll(void)
{
	make_set();
	let_wait(waits_in_epoll, SYS_epoll_pwait);
	act_on_listener();
	if (deed() != SHUT)
		say("write", write(pair[1], "x", 1));
	end_wait();
	tell(REFUSED);
}

static void listens(void)
{
	if (pipe(pair))
		exit(3);
	from = listener(8);
	told = accepted(from);
	if (way() < POLL)
		wait_in_accept();
	else if (way() == POLL)
		wait_in_poll();
	else
		wait_in_epoll();
	say("accept", accept(from, NULL, NULL));
	say_end(told);
}

/* --- a socket that connects, and whose number is another one's before it does --- */

enum end { ENDS_TIMED, ENDS_INTERRUPTED, ENDS_DEAD };
enum other { FRESH, CONNECTED, DUPLICATE };

static const char *const ends[] = { "timed", "interrupted", "dead", NULL };
static const char *const others[] = { "fresh", "connected", "put_over", NULL };

static int connecting, near;
static struct sockaddr_storage near_name;

/* On all of this container's addresses, its own among them */
static int near_listener(struct sockaddr_storage *name)
{
	int fd = tcp(0);
	socklen_t len = sizeof(*name);

	memset(name, 0, sizeof(*name));
	name->ss_family = to.ss_family;
	if (bind(fd, (struct sockaddr *)name, to_len) || listen(fd, 1))
		say("listen", -1);
	getsockname(fd, (struct sockaddr *)name, &len);
	return fd;
}

static void handle(int number)
{
	(void)number;
}

static void connects_slowly(void)
{
	say("connect", wait_for_turn(connect(connecting, TO, to_len)));
}

static int connected_near(void)
{
	int fd = tcp(0);

	say("connect near", connect(fd, (struct sockaddr *)&near_name, to_len));
	return fd;
}

/* What has its number from now on */
static void replace(enum other other)
{
	int number = connecting, fd;

	if (other == DUPLICATE) {
		fd = connected_near();
		say("dup2", dup2(fd, connecting) == number);
		close(fd);
		return;
	}
	say("close", close(connecting));
	fd = other == FRESH ? tcp(0) : connected_near();
	printf("the same number: %d\n", fd == number);
}

/* It is what it was before the other one's connect() came back. */
static void check_replaced(enum other other)
{
	struct sockaddr_storage name;
	socklen_t len = sizeof(name);
	int end;

	say("getpeername", getpeername(connecting, (struct sockaddr *)&name, &len));
	say("SO_ERROR", get_int(connecting, SOL_SOCKET, SO_ERROR));
	if (other == FRESH)
		say("connect near", connect(connecting, (struct sockaddr *)&near_name, to_len));
	end = accepted(near);
	say("write", write(connecting, "x", 1));
	say("read", read(end, &(char){ 0 }, 1));
	say("close", close(connecting));
	say_end(end);
}

static void wait_in_connect(void)
{
	struct sigaction action = { .sa_handler = handle };

	near = near_listener(&near_name);
	connecting = tcp(0);
	sigaction(SIGUSR1, &action, NULL);
}

/* (It takes a second to die.) */
static bool end_applies(void)
{
	return chosen[0] != ENDS_DEAD || chosen[1] == CONNECTED;
}

static void connects(void)
{
	struct timeval time = { .tv_usec = 100000 };

	wait_in_connect();
	if (chosen[0] == ENDS_TIMED)
		setsockopt(connecting, SOL_SOCKET, SO_SNDTIMEO, &time, sizeof(time));
	if (chosen[0] == ENDS_DEAD)
		set_int(connecting, IPPROTO_TCP, TCP_USER_TIMEOUT, 100);
	let_wait(connects_slowly, SYS_connect);
	replace((enum other)chosen[1]);
	if (chosen[0] == ENDS_INTERRUPTED)
		pthread_kill(thread, SIGUSR1);
	end_wait();
	check_replaced((enum other)chosen[1]);
}

/* The connection that is made in the end is nobody's. */
static void answered(void)
{
	wait_in_connect();
	let_wait(connects_slowly, SYS_connect);
	replace(CONNECTED);
	mend();
	end_wait();
	check_replaced(CONNECTED);
	one_echo();
}

/* --- a number that is a listener's no more when a connection of the listener comes --- */

/* (The shim looks after a listener when a connection has come by the packet path, as this one does.) */
static void called_back(void)
{
	struct sockaddr_storage name;
	int own = near_listener(&name), fd = connected(), other = tcp(0);
	char byte;

	say("write", write(fd, port_of(&name), sizeof(in_port_t)));
	say("read", read(fd, &byte, 1));
	say("connect", syscall(SYS_connect, other, TO, to_len));
	serve_echo(accepted(own));
	close(other);
	close(fd);
}

/* The socket that is under the number then connects, and is watched. */
static void connects_back(int fd)
{
	struct epoll_event event = { .events = EPOLLOUT, .data.fd = fd };
	struct sockaddr_storage peer;
	socklen_t len = sizeof(peer);

	getpeername(told, (struct sockaddr *)&peer, &len);
	say("port", read(told, port_of(&peer), sizeof(in_port_t)));
	set = epoll_create1(0);
	say("EPOLL_CTL_ADD", epoll_ctl(set, EPOLL_CTL_ADD, fd, &event));
	fcntl(fd, F_SETFL, O_NONBLOCK);
	say("connect", connect(fd, (struct sockaddr *)&peer, len));
	say("epoll_wait", epoll_wait(set, &event, 1, WAIT_MS));
	fcntl(fd, F_SETFL, 0);
	echo(fd);
	close(fd);
}

static void accepts_one(void)
{
	say_fd("accept", wait_for_turn(accept(from, NULL, NULL)));
}

static void calls_back(void)
{
	int number, fd;

	from = number = listener(8);
	told = accepted(from);
	let_wait(accepts_one, SYS_accept);
	say("close", close(from));
	fd = tcp(0);
	printf("the same number: %d\n", fd == number);
	tell(ECHO);
	end_wait();
	connects_back(fd);
	say_end(told);
}

static const struct test tests[] = {
	{ "calls_back", called_back, calls_back },
	{ "connects", connects, NULL, "silent long", .dimensions = { ends, others }, .applies = end_applies },
	{ "answered", answered, NULL, "silent long mended" },
	{ "listens", client, listens, .dimensions = { waits, deeds }, .applies = wait_applies },
};

RUN_TESTS(tests)
