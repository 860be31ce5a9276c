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

/* --- a number that is a listener's no more when a connection of the listener comes --- */

static int any_listener(struct sockaddr_storage *name)
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

/* (The shim looks after a listener when a connection has come by the packet path, as this one does.) */
static void called_back(void)
{
	struct sockaddr_storage name;
	int own = any_listener(&name), fd = connected(), other = tcp(0);
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
	{ "listens", client, listens, .dimensions = { waits, deeds }, .applies = wait_applies },
};

RUN_TESTS(tests)
