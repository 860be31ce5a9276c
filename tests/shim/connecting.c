/* SPDX-License-Identifier: MIT */
/*
 * connecting.c - a socket in each state of connect(), and what can be done to it there
 *
 * A case brings a socket to a state (a peer that answers, refuses, or is silent), in one way, from one kind of
 * local address; undoes that or not; and then does one thing after the other, each with a fresh socket.
 */
#include <netinet/tcp.h>
#include <sys/time.h>
#include <time.h>

#include "program.h"

#ifndef IP_BIND_ADDRESS_NO_PORT
#define IP_BIND_ADDRESS_NO_PORT	24
#endif

/* --- where a socket is bound --- */

/* LATE: the port is chosen by connect(); NUMBER: it is named */
enum local { UNBOUND, ANY, OWN, LATE, NUMBER };

static const char *const locals[] = { "unbound", "any", "own", "late", "number", NULL };

static struct sockaddr_storage own;	/* the container's address that leads to the peer */
static in_port_t bound_port;
static bool is_named;

static socklen_t name_of(int fd, struct sockaddr_storage *name)
{
	socklen_t len = sizeof(*name);

	memset(name, 0, sizeof(*name));
	if (getsockname(fd, (struct sockaddr *)name, &len))
		return 0;
	return len;
}

/* What a route to the peer begins with. */
static void find_own(void)
{
	int fd = socket(to.ss_family, SOCK_DGRAM, 0);

	say("route", connect(fd, TO, to_len));
	name_of(fd, &own);
	*port_of(&own) = 0;
	close(fd);
}

static in_port_t free_port(void)
{
	struct sockaddr_storage name = own;
	int fd = tcp(0);

	if (bind(fd, (struct sockaddr *)&name, to_len))
		say("bind", -1);
	name_of(fd, &name);
	close(fd);
	return *port_of(&name);
}

static void bind_to(int fd, enum local local)
{
	struct sockaddr_storage name = own;

	bound_port = 0;
	is_named = local == NUMBER;
	if (local == UNBOUND)
		return;
	if (local == ANY) {
		memset(&name, 0, sizeof(name));
		name.ss_family = to.ss_family;
	}
	if (is_named)
		*port_of(&name) = free_port();
	if (local == LATE)
		set_int(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
	if (bind(fd, (struct sockaddr *)&name, to_len))
		say("bind", -1);
	name_of(fd, &name);
	bound_port = *port_of(&name);
}

/* What a connection that is dissolved leaves behind, its port and an error, Slim has not. */
static bool is_dissolved;
static bool is_over;

static void say_local(int fd)
{
	struct sockaddr_storage name;

	if (!name_of(fd, &name))
		return;
	printf("local %s\n", text_of(&name));
	if (is_dissolved)
		differs("dissolved");
	printf("port: %s\n", !*port_of(&name) ? "0" : *port_of(&name) != bound_port ? "some" :
	       is_named ? "as named" : "as bound");
}

static void say_both(int fd)
{
	struct sockaddr_storage name;
	socklen_t len = sizeof(name);

	say_local(fd);
	say("getpeername", getpeername(fd, (struct sockaddr *)&name, &len));
}

static int get_state(int fd)
{
	struct tcp_info info = { 0 };
	socklen_t len = sizeof(info);

	getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len);
	return info.tcpi_state;
}

/* --- what is done in the end --- */

static int near;	/* listens on the container's loopback device */
static struct sockaddr_storage near_name;

static void listen_near(void)
{
	near = socket(to.ss_family, SOCK_STREAM, 0);
	memset(&near_name, 0, sizeof(near_name));
	near_name.ss_family = to.ss_family;
	if (to.ss_family == AF_INET)
		((struct sockaddr_in *)&near_name)->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	else
		((struct sockaddr_in6 *)&near_name)->sin6_addr = in6addr_loopback;
	if (bind(near, (struct sockaddr *)&near_name, to_len) || listen(near, 1))
		say("listen", -1);
	name_of(near, &near_name);
	fcntl(near, F_SETFL, O_NONBLOCK);
}

static void wait_for(int fd, short events)
{
	poll(&(struct pollfd){ .fd = fd, .events = events }, 1, WAIT_MS);
}

static bool is_silent;	/* the peer: who waits for it waits for long */

static void may_wait(int fd)
{
	if (!is_silent)
		fcntl(fd, F_SETFL, 0);
}

/* To a listener of this container's own, which must see it come. */
static void connects_near(int fd)
{
	int other, ret, state = get_state(fd);

	may_wait(fd);
	ret = say("connect near", connect(fd, (struct sockaddr *)&near_name, to_len));
	is_dissolved = is_dissolved && ret && errno != EINPROGRESS;
	if (state == TCP_CLOSE && (!ret || errno == EINPROGRESS))
		wait_for(near, POLLIN);
	other = accept(near, NULL, NULL);
	say_fd("accept near", other);
	close(other);
	say_both(fd);
}

static void connects_again(int fd)
{
	may_wait(fd);
	say("connect", connect(fd, TO, to_len));
	say("connect", connect(fd, TO, to_len));
	is_dissolved = is_dissolved && get_state(fd) == TCP_CLOSE;
	say_both(fd);
	if (!is_silent)
		echo(fd);
}

static void binds(int fd)
{
	struct sockaddr_storage any = { .ss_family = to.ss_family };

	if (is_over)
		differs("bind-over");
	say("bind", bind(fd, (struct sockaddr *)&any, to_len));
	may_wait(fd);
	say("connect", connect(fd, TO, to_len));
	is_dissolved = is_dissolved && get_state(fd) == TCP_CLOSE;
	if (!is_over)
		say_local(fd);
}

/* In the container: what listens there can be connected to. */
static void listens(int fd)
{
	struct sockaddr_storage name;
	int other = socket(to.ss_family, SOCK_STREAM, 0);

	say("listen", listen(fd, 1));
	printf("SO_ACCEPTCONN: %d\n", get_int(fd, SOL_SOCKET, SO_ACCEPTCONN));
	name_of(fd, &name);
	if (get_int(fd, SOL_SOCKET, SO_ACCEPTCONN) == 1)
		say("connect there", connect(other, (struct sockaddr *)&name, to_len));
	close(other);
}

static void end(int fd)
{
	say("shutdown", shutdown(fd, SHUT_WR));
	fcntl(fd, F_SETFL, 0);
	say_end(fd);
}

/* (What is open comes to its end in the time of the peer, unless that is awaited.) */
static void shuts(int fd)
{
	char byte = 'x';

	if (get_state(fd) == TCP_ESTABLISHED)
		end(fd);
	else
		say("shutdown", shutdown(fd, SHUT_WR));
	if (is_dissolved)
		differs("dissolved");
	say("write", write(fd, &byte, 1));
	say("shutdown", shutdown(fd, SHUT_RDWR));
	say("shutdown", shutdown(fd, SHUT_RDWR));
	say_local(fd);
	may_wait(fd);
	say("connect", connect(fd, TO, to_len));
	say("write", write(fd, &byte, 1));
}

static void looks(int fd)
{
	say_both(fd);
	if (is_dissolved)
		differs("dissolved");
	printf("SO_ERROR: %s\n", error_name(get_int(fd, SOL_SOCKET, SO_ERROR)));
	say_both(fd);
}

static const struct {
	const char *name;
	void (*do_it)(int fd);
} deeds[] = {
	{ "looks", looks }, { "connects again", connects_again }, { "connects near", connects_near },
	{ "binds", binds }, { "listens", listens }, { "shuts", shuts },
};

#define DEEDS	(sizeof(deeds) / sizeof(deeds[0]))

/* --- how a state is undone --- */

enum undo { NOTHING, DISSOLVED, SHUT_READ, SHUT_WRITE, SHUT_BOTH, ENDED };

static const char *const undos[] = { "kept", "dissolved", "shut_rd", "shut_wr", "shut_rdwr", "ended", NULL };

/* A connection that is shut down comes to its end in its own time, but for the one of which that is awaited. */
static bool undo_applies(void)
{
	return chosen[2] < SHUT_READ || chosen[2] == ENDED;
}

static bool undo_applies_otherwise(void)
{
	return chosen[2] != ENDED;
}

/* How it came to be connecting does not matter to where it is bound. */
static bool silent_applies(void)
{
	return chosen[2] != ENDED && (!chosen[0] || chosen[1] == UNBOUND || chosen[1] == NUMBER);
}

static void undo(int fd, enum undo how)
{
	struct sockaddr none = { .sa_family = AF_UNSPEC };

	if (how == DISSOLVED)
		say("dissolve", connect(fd, &none, sizeof(none)));
	else if (how == ENDED)
		end(fd);
	else if (how != NOTHING)
		say("shutdown", shutdown(fd, (int)how - SHUT_READ));
}

/* --- how a state is reached --- */

enum way { BLOCKING, NONBLOCKING, ASKED, TIMED, INTERRUPTED };

static const char *const ways[] = { "blocking", "nonblocking", "asked", NULL };
static const char *const silent_ways[] = { "nonblocking", "timed", "interrupted", NULL };

static void interrupt(int signal)
{
	(void)signal;
}

static void try_interrupted(int fd)
{
	struct sigaction action = { .sa_handler = interrupt };
	struct itimerval timer = { .it_value.tv_usec = 2000, .it_interval.tv_usec = 2000 };

	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &timer, NULL);
	say("connect", connect(fd, TO, to_len));
	memset(&timer, 0, sizeof(timer));
	setitimer(ITIMER_REAL, &timer, NULL);
}

/* @way: ASKED: for the error, too */
static int reach(enum way way, enum local local)
{
	struct timeval time = { .tv_usec = 5000 };
	int fd = tcp(0);

	bind_to(fd, local);
	if (way == INTERRUPTED) {
		try_interrupted(fd);
		return fd;
	}
	if (way == TIMED)
		setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &time, sizeof(time));
	else if (way != BLOCKING)
		fcntl(fd, F_SETFL, O_NONBLOCK);
	say("connect", connect(fd, TO, to_len));
	return fd;
}

static void each_deed(enum way way, enum local local, enum undo how)
{
	find_own();
	listen_near();
	for (size_t i = 0; i < DEEDS; i++) {
		int fd;

		printf("--- %s\n", deeds[i].name);
		fd = reach(way, local);
		if (is_silent)
			fcntl(fd, F_SETFL, O_NONBLOCK);
		else
			wait_for(fd, POLLOUT);
		if (way == ASKED)
			printf("SO_ERROR: %s\n", error_name(get_int(fd, SOL_SOCKET, SO_ERROR)));
		undo(fd, how);
		is_dissolved = how == DISSOLVED;
		is_over = how == ENDED;
		deeds[i].do_it(fd);
		close(fd);
	}
}

static void answered(void)
{
	each_deed((enum way)chosen[0], (enum local)chosen[1], (enum undo)chosen[2]);
}

static void refused(void)
{
	*port_of(&to) = htons(1);
	answered();
}

static void silent(void)
{
	static const enum way all[] = { NONBLOCKING, TIMED, INTERRUPTED };

	is_silent = true;
	each_deed(all[chosen[0]], (enum local)chosen[1], (enum undo)chosen[2]);
}

static const struct test tests[] = {
	{ "answered", answered, NULL, .dimensions = { ways, locals, undos }, .applies = undo_applies },
	{ "refused", refused, NULL, "packet", .dimensions = { ways, locals, undos },
	  .applies = undo_applies_otherwise },
	{ "silent", silent, NULL, "silent", .dimensions = { silent_ways, locals, undos },
	  .applies = silent_applies },
};

RUN_TESTS(tests)
