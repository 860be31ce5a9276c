/* SPDX-License-Identifier: MIT */
/*
 * differences.c - what a program can tell, as differences.txt describes it
 */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "program.h"

#define FIRST_TICKET_PORT	61000
#define LAST_PORT		65535
#define DESCRIPTORS		64
#define PAGE			4096
#define STACK_SIZE		(64 << 10)
#define STACK_LIMIT		(6 << 10)
#define PAINT			0xa5
#define MAPPED_MS		300	/* a connection within one namespace needs less */

/* --- connections --- */

/* Another name of the socket, from before it was connected */
static void duplicate(void)
{
	int fd = tcp(0), other = dup(fd);

	say("connect", connect(fd, TO, to_len));
	differs("duplicate");
	say("write through the duplicate", write(other, "x", 1));
	echo(fd);
	close(other);
	close(fd);
}

/* It is under a number that socket() gave for another one, which dup2 has closed. */
static void duplicate_over(void)
{
	struct sockaddr none = { .sa_family = AF_UNSPEC };
	struct in6_addr loopback = IN6ADDR_LOOPBACK_INIT;
	struct sockaddr_storage near = { .ss_family = to.ss_family };
	struct timeval soon = { .tv_usec = 300000 };
	int from = tcp(0), fd = connected(), other = tcp(0);
	socklen_t len = to_len;

	if (to.ss_family == AF_INET)
		((struct sockaddr_in *)&near)->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	else
		((struct sockaddr_in6 *)&near)->sin6_addr = loopback;
	say("bind", bind(from, (struct sockaddr *)&near, to_len));
	say("listen", listen(from, 1));
	say("getsockname", getsockname(from, (struct sockaddr *)&near, &len));
	echo(fd);
	printf("dup2: %d\n", dup2(fd, other) == other);
	say("dissolve", connect(fd, &none, sizeof(none)));
	/* Whom it looks for there instead, it may wait for. */
	setsockopt(other, SOL_SOCKET, SO_SNDTIMEO, &soon, sizeof(soon));
	differs("duplicate-over");
	printf("reached: %d\n", connect(other, (struct sockaddr *)&near, to_len) == 0);
	close(other);
	close(fd);
}

static void bound_port(void)
{
	struct sockaddr_storage any = { .ss_family = to.ss_family };
	socklen_t len = to_len;
	int fd = tcp(0), other = tcp(0);

	say("bind", bind(fd, (struct sockaddr *)&any, to_len));
	getsockname(fd, (struct sockaddr *)&any, &len);
	say("connect", connect(fd, TO, to_len));
	differs("bound-port");
	say("bind the same port", bind(other, (struct sockaddr *)&any, to_len));
	echo(fd);
	close(other);
	close(fd);
}

static void dissolved_accepted(void)
{
	struct sockaddr none = { .sa_family = AF_UNSPEC };
	struct sockaddr_storage name = { 0 };
	socklen_t len = sizeof(name);
	int fd = accepted(listener(4));
	char byte;

	say("read", read(fd, &byte, 1));
	say("dissolve", connect(fd, &none, sizeof(none)));
	say("getsockname", getsockname(fd, (struct sockaddr *)&name, &len));
	differs("dissolved");
	say("a port is left", *port_of(&name) != 0);
	close(fd);
}

static void is_dissolved(void)
{
	char byte = 'x';
	int fd = connected();

	say("write", write(fd, &byte, 1));
	say("read", read(fd, &byte, 1));
	close(fd);
}

/* An IPv6 listener of this namespace's own; @name gets its address */
static int listener_of_six(struct sockaddr_in6 *name)
{
	socklen_t len = sizeof(*name);
	int fd = socket(AF_INET6, SOCK_STREAM, 0);

	*name = (struct sockaddr_in6){ .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	if (bind(fd, (struct sockaddr *)name, len) || listen(fd, 4) ||
	    getsockname(fd, (struct sockaddr *)name, &len))
		puts("no listener");
	return fd;
}

/* Of the kernel's sockets, one that was connected to an IPv4 address goes on sending by IPv4. */
static void mapped(void)
{
	const struct sockaddr_in *four = (const struct sockaddr_in *)&to;
	struct sockaddr none = { .sa_family = AF_UNSPEC };
	struct sockaddr_in6 name = { .sin6_family = AF_INET6, .sin6_port = four->sin_port };
	int fd = socket(AF_INET6, SOCK_STREAM, 0), from;
	struct pollfd pollfd = { .fd = fd, .events = POLLOUT };

	name.sin6_addr.s6_addr[10] = name.sin6_addr.s6_addr[11] = 0xff;
	memcpy(name.sin6_addr.s6_addr + 12, &four->sin_addr, sizeof(four->sin_addr));
	say("connect to an IPv4 address", connect(fd, (struct sockaddr *)&name, sizeof(name)));
	echo(fd);
	say("dissolve", connect(fd, &none, sizeof(none)));
	from = listener_of_six(&name);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	say("connect to an IPv6 one", connect(fd, (struct sockaddr *)&name, sizeof(name)));
	differs("mapped");
	say("it is connected", poll(&pollfd, 1, MAPPED_MS));
	close(from);
	close(fd);
}

/* It says nothing about a connection. */
static void ipv6only(void)
{
	int fd = tcp(0);

	set_int(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
	say("connect", connect(fd, TO, to_len));
	differs("ipv6only");
	say("IPV6_V6ONLY", get_int(fd, IPPROTO_IPV6, IPV6_V6ONLY));
	echo(fd);
	close(fd);
}

static bool is_ipv4(void)
{
	return to.ss_family != AF_INET6;
}

static bool is_ipv6(void)
{
	return to.ss_family != AF_INET;
}

/* --- what the shim does not see --- */

/* The library's socket, but an option by another way */
static void raw_option(void)
{
	int fd = tcp(0), one = 1;

	syscall(SYS_setsockopt, fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	say("connect", connect(fd, TO, to_len));
	differs("raw-calls");
	say("TCP_NODELAY", get_int(fd, IPPROTO_TCP, TCP_NODELAY));
	echo(fd);
	close(fd);
}

/* All is found, but for values that the kernel changes by itself. */
static void unseen_options(void)
{
	int fd = (int)syscall(SYS_socket, to.ss_family, SOCK_STREAM, 0), one = 1, clamp = 50000;

	syscall(SYS_setsockopt, fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	syscall(SYS_setsockopt, fd, IPPROTO_TCP, TCP_WINDOW_CLAMP, &clamp, sizeof(clamp));
	say("connect", connect(fd, TO, to_len));
	say("TCP_NODELAY", get_int(fd, IPPROTO_TCP, TCP_NODELAY));
	differs("unseen-options");
	say("TCP_WINDOW_CLAMP is the same", get_int(fd, IPPROTO_TCP, TCP_WINDOW_CLAMP) == clamp);
	echo(fd);
	close(fd);
}

/* A server that has no such key answers nothing. */
static void unseen_key(void)
{
	struct timeval time = { .tv_usec = 200000 };
	struct tcp_md5sig key = { .tcpm_keylen = 1, .tcpm_key = "k" };
	int fd = (int)syscall(SYS_socket, to.ss_family, SOCK_STREAM, 0);

	memcpy(&key.tcpm_addr, &to, to_len);
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &time, sizeof(time));
	if (syscall(SYS_setsockopt, fd, IPPROTO_TCP, TCP_MD5SIG, &key, sizeof(key)))
		puts("no key");
	differs("unseen-key");
	say("connect, with a key that the server has not", connect(fd, TO, to_len));
	close(fd);
}

/* Nobody can be asked what is registered. */
static void without_proc(void)
{
	struct epoll_event event = { .events = EPOLLOUT }, got;
	int set = epoll_create1(0), fd = (int)syscall(SYS_socket, to.ss_family, SOCK_STREAM, 0);
	char root[] = "/tmp/slim-root-XXXXXX";

	if (!mkdtemp(root) || chdir(root) || rmdir(root) || chroot("."))
		puts("no root");
	say("EPOLL_CTL_ADD", epoll_ctl(set, EPOLL_CTL_ADD, fd, &event));
	say("connect", connect(fd, TO, to_len));
	differs("no-proc");
	say("epoll_wait", epoll_wait(set, &got, 1, 0));
	echo(fd);
	close(fd);
}

/* --- what the shim needs --- */

/* Of this thread and its children. Returns what @flags want, or 0 */
static int filter_call(int number, unsigned int action, unsigned int flags)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned int)number, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, action),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { sizeof(filter) / sizeof(filter[0]), filter };
	int ret = -1;

	if (!prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		ret = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
	if (ret < 0)
		puts("no filter");
	return ret;
}

static void filter_kills(void)
{
	pid_t pid;

	one_echo();
	pid = child();
	if (!pid) {
		filter_call(SYS_recvmsg, SECCOMP_RET_KILL_PROCESS, 0);
		_exit(connect(tcp(0), TO, to_len) ? 1 : 0);
	}
	differs("filter-kills");
	printf("status of a child that must not call recvmsg: %d\n", status_of(pid));
}

/* What two threads share of whom one connects a descriptor that the other closes */
struct race {
	int fd;
	int calls;		/* by which is heard of the first one's dup3() */
	pthread_barrier_t ready;
};

static void *connects_filtered(void *argument)
{
	struct race *race = argument;

	race->calls = filter_call(SYS_dup3, SECCOMP_RET_USER_NOTIF, SECCOMP_FILTER_FLAG_NEW_LISTENER);
	pthread_barrier_wait(&race->ready);
	say("connect", connect(race->fd, TO, to_len));
	return NULL;
}

/* Closes it just before the other thread calls dup3(), or else when that has ended. */
static void close_meanwhile(struct race *race)
{
	struct pollfd pollfd = { .fd = race->calls, .events = POLLIN };
	struct seccomp_notif call = { 0 };
	struct seccomp_notif_resp go_on = { .flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE };

	poll(&pollfd, 1, -1);
	if (pollfd.revents & POLLIN)
		ioctl(race->calls, SECCOMP_IOCTL_NOTIF_RECV, &call);
	close(race->fd);
	go_on.id = call.id;
	if (pollfd.revents & POLLIN)
		ioctl(race->calls, SECCOMP_IOCTL_NOTIF_SEND, &go_on);
}

static void number_again(void)
{
	struct race race = { .fd = tcp(0) };
	pthread_t thread;

	pthread_barrier_init(&race.ready, NULL, 2);
	pthread_create(&thread, NULL, connects_filtered, &race);
	pthread_barrier_wait(&race.ready);
	close_meanwhile(&race);
	pthread_join(thread, NULL);
	differs("number-again");
	say("the number is closed", fcntl(race.fd, F_GETFD) < 0);
}

/* Without dup3 nothing can be put in a descriptor's place. */
static void without_dup3(void)
{
	int from = listener(4), lowest = dup(from), fd;

	close(lowest);
	filter_call(SYS_dup3, SECCOMP_RET_ERRNO | EPERM, 0);
	fd = accept(from, NULL, NULL);
	differs("no-dup3");
	say("accept gives the lowest number", fd == lowest);
	serve_echo(fd);
}

/* A thread's stack, all of which is painted, and where the thread is in it */
static unsigned char stack[STACK_SIZE] __attribute__((aligned(PAGE)));
static const unsigned char *here;

/* Of such a socket the shim asks /proc. */
static void *connects(void *unused)
{
	unsigned char byte;
	int fd = (int)syscall(SYS_socket, to.ss_family, SOCK_STREAM, 0);

	here = &byte;
	if (connect(fd, TO, to_len))
		puts("no connection");
	close(fd);
	return unused;
}

static void stack_used(void)
{
	pthread_attr_t attributes;
	pthread_t thread;
	size_t untouched = 0;

	memset(stack, PAINT, sizeof(stack));
	pthread_attr_init(&attributes);
	pthread_attr_setstack(&attributes, stack, sizeof(stack));
	pthread_create(&thread, &attributes, connects, NULL);
	pthread_join(thread, NULL);
	while (untouched < sizeof(stack) && stack[untouched] == PAINT)
		untouched++;
	differs("stack");
	say("connect takes more than 6 KiB of stack", here - (stack + untouched) > STACK_LIMIT);
	one_echo();
}

static void descriptors(void)
{
	struct rlimit limit = { DESCRIPTORS, DESCRIPTORS };
	int num = 0;

	syscall(SYS_close_range, 3, ~0u, 0);
	setrlimit(RLIMIT_NOFILE, &limit);
	one_echo();
	while (dup(0) >= 0)
		num++;
	differs("channels");
	say("descriptors left", num);
}

/* The listener does not have it. */
static void reuseaddr(void)
{
	int from = bound(0), fd;

	say("listen", listen(from, 4));
	fd = accepted(from);
	differs("reuseaddr");
	say("SO_REUSEADDR", get_int(fd, SOL_SOCKET, SO_REUSEADDR));
	serve_echo(fd);
}

/* The shim knows the descriptor that it gave. */
static void foreign_level(void)
{
	int fd = accepted(listener(4)), other = dup(fd), class = 0x20;

	say("IPV6_TCLASS", setsockopt(fd, IPPROTO_IPV6, IPV6_TCLASS, &class, sizeof(class)));
	differs("foreign-level");
	say("IPV6_TCLASS, through a duplicate",
	    setsockopt(other, IPPROTO_IPV6, IPV6_TCLASS, &class, sizeof(class)));
	close(other);
	serve_echo(fd);
}

/* --- tickets --- */

static int free_at(const struct sockaddr_storage *name)
{
	int fd = tcp(0), ret = bind(fd, (const struct sockaddr *)name, to_len);

	close(fd);
	return !ret;
}

static void ticket_ports(void)
{
	struct sockaddr_storage any = { .ss_family = to.ss_family };
	int from = listener(4), fd = accepted(from), num = 0;

	echo_all(fd);
	for (int port = FIRST_TICKET_PORT; port <= LAST_PORT; port++) {
		*port_of(&any) = htons((uint16_t)port);
		num += !free_at(&any);
	}
	differs("ticket-ports");
	say("ports from 61000 on are all free", !num);
	close(fd);
}

static bool is_ticket(const struct sockaddr_storage *name)
{
	return !strcmp(text_of(name), "127.83.76.77") || !strcmp(text_of(name), "fd53:4c49:4d00::1");
}

/* Accepted by a way that the shim does not see */
static void spliced(void)
{
	struct sockaddr_storage peer = { 0 };
	socklen_t len = sizeof(peer);
	int from = listener(4), fd = (int)syscall(SYS_accept4, from, NULL, NULL, 0);
	char bytes[8];

	say("read", recv(fd, bytes, 1, MSG_WAITALL));
	syscall(SYS_getpeername, fd, &peer, &len);
	differs("spliced-names");
	say("the peer's name is a ticket's", is_ticket(&peer));
	say("write", write(fd, bytes, 1));
	differs("spliced-urgent");
	say("bytes before an urgent one, and with it", recv(fd, bytes, 3, MSG_WAITALL));
	serve_echo(fd);
}

/* One urgent byte among others */
static void urgent(void)
{
	int fd = connected();
	char bytes[8];

	echo(fd);
	say("send", send(fd, "a", 1, 0));
	say("MSG_OOB", send(fd, "b", 1, MSG_OOB));
	say("send", send(fd, "c", 1, 0));
	say("shutdown", shutdown(fd, SHUT_WR));
	while (read(fd, bytes, sizeof(bytes)) > 0)
		;
	close(fd);
}

static const struct test tests[] = {
	{ "duplicate", duplicate },
	{ "duplicate_over", duplicate_over },
	{ "bound_port", bound_port },
	{ "dissolved_accepted", is_dissolved, dissolved_accepted },
	{ "mapped", mapped, .applies = is_ipv4 },
	{ "ipv6only", ipv6only, .applies = is_ipv6 },
	{ "raw_option", raw_option },
	{ "unseen_options", unseen_options },
	{ "unseen_key", unseen_key },
	{ "without_proc", without_proc },
	{ "filter_kills", filter_kills },
	{ "number_again", number_again },
	{ "without_dup3", one_echo, without_dup3 },
	{ "stack_used", stack_used },
	{ "descriptors", descriptors },
	{ "reuseaddr", one_echo, reuseaddr },
	{ "foreign_level", one_echo, foreign_level, .applies = is_ipv4 },
	{ "ticket_ports", one_echo, ticket_ports, "both" },
	{ "spliced", urgent, spliced },
};

RUN_TESTS(tests)
