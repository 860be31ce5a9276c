/* SPDX-License-Identifier: MIT */
/*
 * calls.c - what wrapped calls cost over the C library's own, and which system calls they add
 *
 *	calls peer ADDRESS PORT			the other end of Slim's connections
 *	calls count|time ADDRESS PORT [OWN-ADDRESS OWN-PORT]	a line for each call; ADDRESS: the peer's
 *
 * In one process, with the shim: the C library's own functions are found behind it, so that both are called in
 * turns, on sockets of one kind. What is between begin() and end() counts. count: a
 * parent traces it (ptrace), and prints the system calls that the shim adds; time: nanoseconds, as medians of
 * many rounds, and quarters of these.
 */
#include <alloca.h>
#include <arpa/inet.h>
#include <dlfcn.h>
#include <elf.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define NETNS_COOKIE	71
#define PEERNAME	28
#define MARK_NR		0x10000		/* no system call has this number */
#define ROUNDS		201
#define REPEATS		20
#define LIST_MAX	64
#define PAGE		4096

/* --- the functions that are compared --- */

static struct calls {
	int (*socket)(int, int, int);
	int (*connect)(int, const struct sockaddr *, socklen_t);
	int (*bind)(int, const struct sockaddr *, socklen_t);
	int (*listen)(int, int);
	int (*accept)(int, struct sockaddr *, socklen_t *);
	int (*accept4)(int, struct sockaddr *, socklen_t *, int);
	int (*close)(int);
	int (*shutdown)(int, int);
	int (*setsockopt)(int, int, int, const void *, socklen_t);
	int (*getsockopt)(int, int, int, void *, socklen_t *);
	int (*getsockname)(int, struct sockaddr *, socklen_t *);
	int (*getpeername)(int, struct sockaddr *, socklen_t *);
	int (*epoll_ctl)(int, int, int, struct epoll_event *);
	int (*unshare)(int);
} wrapped = {
	socket, connect, bind, listen, accept, accept4, close, shutdown, setsockopt, getsockopt,
	getsockname, getpeername, epoll_ctl, unshare,
}, own;

static void find_own(void)
{
	static const char *const names[] = {
		"socket", "connect", "bind", "listen", "accept", "accept4", "close", "shutdown",
		"setsockopt", "getsockopt", "getsockname", "getpeername", "epoll_ctl", "unshare",
	};
	void *libc = dlopen("libc.so.6", RTLD_NOLOAD | RTLD_LAZY);
	void **place = (void **)&own;

	for (size_t i = 0; libc && i < sizeof(names) / sizeof(names[0]); i++)
		place[i] = dlsym(libc, names[i]);
	if (!own.unshare || own.connect == wrapped.connect)
		errx(1, "the shim is not loaded, or there is no libc.so.6");
}

/* --- what counts --- */

static bool counting;
static uint64_t spent, began;

static uint64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static inline void begin(void)
{
	if (counting)
		syscall(MARK_NR, 1);
	else
		began = now();
}

static inline void end(void)
{
	int error = errno;

	if (counting)
		syscall(MARK_NR, 2);
	else
		spent += now() - began;
	errno = error;
}

#define COUNTED(what) ({ __typeof__(what) ret_; begin(); ret_ = (what); end(); ret_; })

/* --- sockets of all kinds --- */

static struct sockaddr_storage peer, self;
static const struct sockaddr_in near4 = {
	.sin_family = AF_INET, .sin_port = 0x0900, .sin_addr = { 0x0100007f },
};
static const struct sockaddr_in outside = {		/* 198.51.100.1 */
	.sin_family = AF_INET, .sin_port = 0x0900, .sin_addr = { 0x016433c6 },
};
static const struct sockaddr_in6 near6 = {
	.sin6_family = AF_INET6, .sin6_port = 0x0900, .sin6_addr = IN6ADDR_LOOPBACK_INIT,
};
static const struct sockaddr_un unix_name = { .sun_family = AF_UNIX, .sun_path = "\0slim-bench-calls" };

#define SA(address)	((struct sockaddr *)(address))

static int udp, udp6, unix_from, unix_to, unix_pair[2];
static int tcp, tcp_accepted, tcp_dup, tcp_unseen, tcp_fresh, tcp_listener, unix_listener;
static int slim, slim_accepted, slim_listener, epoll_set;

static int check(int result, const char *what)
{
	if (result < 0)
		err(1, "%s", what);
	return result;
}

static uint64_t netns_of(int fd)
{
	uint64_t cookie = 0;
	socklen_t len = sizeof(cookie);

	syscall(SYS_getsockopt, fd, SOL_SOCKET, NETNS_COOKIE, &cookie, &len);
	return cookie;
}

static void be_slim(int fd)
{
	if (netns_of(fd) == netns_of(udp))
		errx(1, "a connection has not taken the slim path");
}

static socklen_t len_of(const struct sockaddr_storage *address)
{
	return address->ss_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
}

/* Two ends within the container; @raw: the first one is nothing that the shim has seen. */
static int tcp_pair(bool raw, int *other)
{
	struct sockaddr_in name = near4;
	socklen_t len = sizeof(name);
	int from, fd;

	name.sin_port = 0;
	from = check(own.socket(AF_INET, SOCK_STREAM, 0), "socket");
	check(own.bind(from, SA(&name), sizeof(name)), "bind");
	check(own.listen(from, 1), "listen");
	check(own.getsockname(from, SA(&name), &len), "getsockname");
	fd = check((raw ? own.socket : wrapped.socket)(AF_INET, SOCK_STREAM, 0), "socket");
	check((raw ? own.connect : wrapped.connect)(fd, SA(&name), len), "connect");
	*other = check(wrapped.accept(from, NULL, NULL), "accept");
	own.close(from);
	return fd;
}

/* The peer is asked for a connection to @self. */
static int ask_back(void)
{
	int fd = check(wrapped.socket(peer.ss_family, SOCK_STREAM, 0), "socket");

	check(wrapped.connect(fd, SA(&peer), len_of(&peer)), "connect to the peer");
	if (write(fd, &self, sizeof(self)) != sizeof(self))
		err(1, "asking the peer");
	return fd;
}

static void make_sockets(void)
{
	struct sockaddr_in any = near4;
	int unused;

	any.sin_port = 0;
	udp = check(wrapped.socket(AF_INET, SOCK_DGRAM, 0), "socket");
	udp6 = check(wrapped.socket(AF_INET6, SOCK_DGRAM, 0), "socket");
	unix_from = check(wrapped.socket(AF_UNIX, SOCK_DGRAM, 0), "socket");
	unix_to = check(wrapped.socket(AF_UNIX, SOCK_DGRAM, 0), "socket");
	check(wrapped.bind(unix_to, SA(&unix_name), sizeof(unix_name)), "bind");
	check(socketpair(AF_UNIX, SOCK_STREAM, 0, unix_pair), "socketpair");
	tcp = tcp_pair(false, &tcp_accepted);
	tcp_dup = check(dup(tcp), "dup");
	tcp_unseen = tcp_pair(true, &unused);
	tcp_fresh = check(wrapped.socket(AF_INET, SOCK_STREAM, 0), "socket");
	tcp_listener = check(wrapped.socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), "socket");
	check(wrapped.bind(tcp_listener, SA(&any), sizeof(any)), "bind");
	check(wrapped.listen(tcp_listener, 64), "listen");
	unix_listener = check(wrapped.socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0), "socket");
	check(wrapped.bind(unix_listener, SA(&unix_name), sizeof(sa_family_t)), "bind");
	check(wrapped.listen(unix_listener, 64), "listen");
	epoll_set = check(epoll_create1(0), "epoll_create1");
}

static void make_slim_sockets(void)
{
	int asking;

	slim = check(wrapped.socket(peer.ss_family, SOCK_STREAM, 0), "socket");
	check(wrapped.connect(slim, SA(&peer), len_of(&peer)), "connect to the peer");
	be_slim(slim);
	slim_listener = check(wrapped.socket(self.ss_family, SOCK_STREAM, 0), "socket");
	check(wrapped.bind(slim_listener, SA(&self), len_of(&self)), "bind");
	check(wrapped.listen(slim_listener, 64), "listen");
	asking = ask_back();
	slim_accepted = check(wrapped.accept(slim_listener, NULL, NULL), "accept");
	be_slim(slim_accepted);
	own.close(asking);
}

/* --- the cases: each uses @c for what counts --- */

#define CASE(name, what) static void name(const struct calls *c) { COUNTED(what); }
#define CONNECT(name, fd, type, address)						\
	static void name(const struct calls *c)						\
	{										\
		type to = address;							\
											\
		COUNTED(c->connect(fd, SA(&to), sizeof(to)));				\
	}

CONNECT(connect_udp, udp, struct sockaddr_in, near4)
CONNECT(connect_udp_outside, udp, struct sockaddr_in, outside)
CONNECT(connect_udp6, udp6, struct sockaddr_in6, near6)
CONNECT(connect_unix, unix_from, struct sockaddr_un, unix_name)
CONNECT(connect_tcp, tcp, struct sockaddr_in, outside)
CONNECT(connect_dup, tcp_dup, struct sockaddr_in, outside)
CONNECT(connect_unseen, tcp_unseen, struct sockaddr_in, outside)
CONNECT(connect_no_fd, -1, struct sockaddr_in, outside)
CASE(connect_static, c->connect(udp, SA(&near4), sizeof(near4)))
CASE(connect_bad, c->connect(udp, SA(8), sizeof(near4)))

static void connect_unspec(const struct calls *c)
{
	struct sockaddr to = { .sa_family = AF_UNSPEC };

	COUNTED(c->connect(udp, &to, sizeof(to)));
}

static void connect_refused(const struct calls *c)
{
	struct sockaddr_in to = near4;
	int fd = c->socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	COUNTED(c->connect(fd, SA(&to), sizeof(to)));
	c->close(fd);
}

static void socket_of(const struct calls *c, int domain, int type)
{
	c->close(COUNTED(c->socket(domain, type, 0)));
}

static void socket_tcp(const struct calls *c) { socket_of(c, AF_INET, SOCK_STREAM); }
static void socket_udp(const struct calls *c) { socket_of(c, AF_INET, SOCK_DGRAM); }
static void socket_unix(const struct calls *c) { socket_of(c, AF_UNIX, SOCK_STREAM); }

static void close_tcp(const struct calls *c)
{
	int fd = c->socket(AF_INET, SOCK_STREAM, 0);

	COUNTED(c->close(fd));
}

static void listen_unix(const struct calls *c) { COUNTED(c->listen(unix_listener, 64)); }
static void accept_none(const struct calls *c) { COUNTED(c->accept(tcp_listener, NULL, NULL)); }

static void accept_from(const struct calls *c, bool whole)
{
	struct sockaddr_in name;
	socklen_t len = sizeof(name);
	int fd = own.socket(AF_INET, SOCK_STREAM, 0), got;

	own.getsockname(tcp_listener, SA(&name), &len);
	check(own.connect(fd, SA(&name), len), "connect");
	got = whole ? COUNTED(c->accept(tcp_listener, SA(&name), &len)) :
	      COUNTED(c->accept4(tcp_listener, NULL, NULL, SOCK_CLOEXEC));
	check(got, "accept");
	own.close(got);
	own.close(fd);
}

static void accept_native(const struct calls *c) { accept_from(c, true); }
static void accept_nameless(const struct calls *c) { accept_from(c, false); }

static void accept_unix(const struct calls *c)
{
	struct sockaddr_un name;
	socklen_t len = sizeof(name);
	int fd = own.socket(AF_UNIX, SOCK_STREAM, 0);

	own.getsockname(unix_listener, SA(&name), &len);
	check(own.connect(fd, SA(&name), len), "connect");
	len = sizeof(name);
	own.close(COUNTED(c->accept(unix_listener, SA(&name), &len)));
	own.close(fd);
}

#define NAMES(kind, fd)									\
	static void getsockname_##kind(const struct calls *c)				\
	{										\
		struct sockaddr_storage name;						\
		socklen_t len = sizeof(name);						\
											\
		COUNTED(c->getsockname(fd, SA(&name), &len));				\
	}										\
											\
	static void getpeername_##kind(const struct calls *c)				\
	{										\
		struct sockaddr_storage name;						\
		socklen_t len = sizeof(name);						\
											\
		COUNTED(c->getpeername(fd, SA(&name), &len));				\
	}

NAMES(udp, udp)
NAMES(unix, unix_pair[0])
NAMES(tcp, tcp)
NAMES(accepted, tcp_accepted)
NAMES(dup, tcp_dup)
NAMES(unseen, tcp_unseen)
NAMES(slim, slim)
NAMES(slim_accepted, slim_accepted)

static void get(const struct calls *c, int fd, int name, socklen_t len)
{
	struct sockaddr_storage value;

	COUNTED(c->getsockopt(fd, SOL_SOCKET, name, &value, &len));
}

static void getsockopt_error(const struct calls *c) { get(c, tcp, SO_ERROR, 4); }
static void getsockopt_domain(const struct calls *c) { get(c, tcp, SO_DOMAIN, 4); }
static void getsockopt_domain_udp(const struct calls *c) { get(c, udp, SO_DOMAIN, 4); }
static void getsockopt_domain_unix(const struct calls *c) { get(c, unix_pair[0], SO_DOMAIN, 4); }
static void getsockopt_mark_dup(const struct calls *c) { get(c, tcp_dup, SO_MARK, 4); }
static void getsockopt_netns(const struct calls *c) { get(c, tcp_unseen, NETNS_COOKIE, 8); }
static void getsockopt_peername(const struct calls *c) { get(c, tcp_accepted, PEERNAME, 16); }
static void getsockopt_slim(const struct calls *c) { get(c, slim, SO_DOMAIN, 4); }

static void set(const struct calls *c, int fd, int level, int name)
{
	int value = 1;

	COUNTED(c->setsockopt(fd, level, name, &value, sizeof(value)));
}

static void setsockopt_tcp(const struct calls *c) { set(c, tcp, IPPROTO_TCP, TCP_NODELAY); }
static void setsockopt_dup(const struct calls *c) { set(c, tcp_dup, SOL_SOCKET, SO_KEEPALIVE); }
static void setsockopt_unseen(const struct calls *c) { set(c, tcp_unseen, SOL_SOCKET, SO_KEEPALIVE); }
static void setsockopt_udp(const struct calls *c) { set(c, udp, SOL_SOCKET, SO_RCVBUF); }
static void setsockopt_unix(const struct calls *c) { set(c, unix_pair[0], SOL_SOCKET, SO_RCVBUF); }
static void setsockopt_other(const struct calls *c) { set(c, tcp, SOL_SOCKET, SO_BROADCAST); }
static void setsockopt_slim(const struct calls *c) { set(c, slim, IPPROTO_TCP, TCP_NODELAY); }

static void watch(const struct calls *c, int fd)
{
	struct epoll_event event = { .events = EPOLLIN };

	COUNTED(c->epoll_ctl(epoll_set, EPOLL_CTL_ADD, fd, &event));
	own.epoll_ctl(epoll_set, EPOLL_CTL_DEL, fd, &event);
}

static void epoll_tcp(const struct calls *c) { watch(c, tcp); }
static void epoll_dup(const struct calls *c) { watch(c, tcp_dup); }
static void epoll_udp(const struct calls *c) { watch(c, udp); }
static void epoll_slim(const struct calls *c) { watch(c, slim); }

CASE(bind_bound, c->bind(tcp, SA(&near4), sizeof(near4)))
CASE(shutdown_fresh, c->shutdown(tcp_fresh, SHUT_RDWR))
CASE(unshare_nothing, c->unshare(0))

/* What a whole connection takes; of the C library's own there is nothing to compare it with. */
static void connect_slim(const struct calls *c, int flags)
{
	struct sockaddr_storage to = peer;
	int fd = c->socket(to.ss_family, SOCK_STREAM | flags, 0);
	int ret = COUNTED(c->connect(fd, SA(&to), len_of(&to)));

	if (ret < 0 && errno != EINPROGRESS)
		err(1, "connect to the peer");
	be_slim(fd);
	c->close(fd);
}

static void connect_slim_waiting(const struct calls *c) { connect_slim(c, 0); }
static void connect_slim_nonblock(const struct calls *c) { connect_slim(c, SOCK_NONBLOCK); }

static void accept_slim(const struct calls *c)
{
	struct sockaddr_storage from;
	socklen_t len = sizeof(from);
	int asking = ask_back();
	int fd = COUNTED(c->accept(slim_listener, SA(&from), &len));

	check(fd, "accept");
	be_slim(fd);
	c->close(fd);
	own.close(asking);
}

static void listen_tcp(const struct calls *c)
{
	struct sockaddr_storage name = self;
	int fd = c->socket(self.ss_family, SOCK_STREAM, 0);

	((struct sockaddr_in *)&name)->sin_port = 0;
	check(c->bind(fd, SA(&name), len_of(&name)), "bind");
	check(COUNTED(c->listen(fd, 1)), "listen");
	c->close(fd);
}

enum kind {
	NATIVE,		/* a socket that is none of Slim's */
	SLIM,		/* one of Slim's */
	WHOLE,		/* what makes one so: only what it takes is of interest */
};

#define NATIVE_CASE(name)	{ #name, name, NATIVE }
#define SLIM_CASE(name)		{ #name, name, SLIM }
#define WHOLE_CASE(name)	{ #name, name, WHOLE }

static const struct {
	const char *name;
	void (*go)(const struct calls *c);
	enum kind kind;
} cases[] = {
	NATIVE_CASE(connect_udp), NATIVE_CASE(connect_udp_outside), NATIVE_CASE(connect_udp6),
	NATIVE_CASE(connect_unix), NATIVE_CASE(connect_tcp), NATIVE_CASE(connect_dup),
	NATIVE_CASE(connect_unseen), NATIVE_CASE(connect_no_fd), NATIVE_CASE(connect_static),
	NATIVE_CASE(connect_bad), NATIVE_CASE(connect_unspec), NATIVE_CASE(connect_refused),
	NATIVE_CASE(socket_tcp), NATIVE_CASE(socket_udp), NATIVE_CASE(socket_unix),
	NATIVE_CASE(close_tcp), NATIVE_CASE(bind_bound), NATIVE_CASE(listen_unix),
	NATIVE_CASE(accept_none), NATIVE_CASE(accept_native), NATIVE_CASE(accept_nameless),
	NATIVE_CASE(accept_unix), NATIVE_CASE(shutdown_fresh), NATIVE_CASE(getsockname_udp),
	NATIVE_CASE(getsockname_unix), NATIVE_CASE(getsockname_tcp), NATIVE_CASE(getsockname_accepted),
	NATIVE_CASE(getsockname_dup), NATIVE_CASE(getsockname_unseen), NATIVE_CASE(getpeername_udp),
	NATIVE_CASE(getpeername_unix), NATIVE_CASE(getpeername_tcp), NATIVE_CASE(getpeername_accepted),
	NATIVE_CASE(getpeername_dup), NATIVE_CASE(getpeername_unseen), NATIVE_CASE(getsockopt_error),
	NATIVE_CASE(getsockopt_domain), NATIVE_CASE(getsockopt_domain_udp),
	NATIVE_CASE(getsockopt_domain_unix), NATIVE_CASE(getsockopt_mark_dup),
	NATIVE_CASE(getsockopt_netns), NATIVE_CASE(getsockopt_peername), NATIVE_CASE(setsockopt_tcp),
	NATIVE_CASE(setsockopt_dup), NATIVE_CASE(setsockopt_unseen), NATIVE_CASE(setsockopt_udp),
	NATIVE_CASE(setsockopt_unix), NATIVE_CASE(setsockopt_other), NATIVE_CASE(epoll_tcp),
	NATIVE_CASE(epoll_dup), NATIVE_CASE(epoll_udp), NATIVE_CASE(unshare_nothing),
	SLIM_CASE(getsockname_slim), SLIM_CASE(getpeername_slim), SLIM_CASE(getsockname_slim_accepted),
	SLIM_CASE(getpeername_slim_accepted), SLIM_CASE(getsockopt_slim), SLIM_CASE(setsockopt_slim),
	SLIM_CASE(epoll_slim),
	WHOLE_CASE(connect_slim_nonblock), WHOLE_CASE(connect_slim_waiting), WHOLE_CASE(accept_slim),
	WHOLE_CASE(listen_tcp),
};

#define CASES	(sizeof(cases) / sizeof(cases[0]))

static const char *const kinds[] = { "native", "slim", "whole" };

/* --- time --- */

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double run(const struct calls *c, size_t i)
{
	spent = 0;
	for (int n = 0; n < REPEATS; n++)
		cases[i].go(c);
	return (double)spent / REPEATS;
}

/* In turns, so that whatever else the machine does meets both. */
static void time_case(size_t i)
{
	static double added[ROUNDS], plain[ROUNDS];

	run(&wrapped, i);
	for (int n = 0; n < ROUNDS; n++) {
		double first = n % 2 ? run(&wrapped, i) : 0;

		plain[n] = run(&own, i);
		added[n] = (n % 2 ? first : run(&wrapped, i)) - plain[n];
	}
	qsort(added, ROUNDS, sizeof(added[0]), compare);
	qsort(plain, ROUNDS, sizeof(plain[0]), compare);
	printf("%s %s %.0f %.0f %.0f %.0f\n", kinds[cases[i].kind], cases[i].name, plain[ROUNDS / 2],
	       added[ROUNDS / 2], added[ROUNDS / 4], added[3 * ROUNDS / 4]);
}

/* What the cheapest system call costs here, in the same words */
static void time_system_call(void)
{
	double each[ROUNDS];

	for (int n = 0; n < ROUNDS; n++) {
		uint64_t start = now();

		for (int i = 0; i < REPEATS; i++)
			syscall(SYS_getppid);
		each[n] = (double)(now() - start) / REPEATS;
	}
	qsort(each, ROUNDS, sizeof(each[0]), compare);
	printf("machine getppid %.0f 0 0 0\n", each[ROUNDS / 2]);
}

/* --- counting --- */

struct list {
	char calls[LIST_MAX][32];
	size_t num;
};

static const char *option_name(uint64_t level, uint64_t name)
{
	static const struct {
		int level, name;
		const char *word;
	} known[] = {
		{ SOL_SOCKET, 57, "SO_COOKIE" }, { SOL_SOCKET, 71, "SO_NETNS_COOKIE" },
		{ SOL_SOCKET, SO_LINGER, "SO_LINGER" }, { SOL_SOCKET, SO_ACCEPTCONN, "SO_ACCEPTCONN" },
		{ SOL_SOCKET, SO_PROTOCOL, "SO_PROTOCOL" }, { SOL_SOCKET, SO_DOMAIN, "SO_DOMAIN" },
		{ SOL_SOCKET, SO_TYPE, "SO_TYPE" }, { SOL_SOCKET, SO_MARK, "SO_MARK" },
		{ IPPROTO_TCP, TCP_INFO, "TCP_INFO" },
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if ((uint64_t)known[i].level == level && (uint64_t)known[i].name == name)
			return known[i].word;
	return "option";
}

static const char *command_name(uint64_t command)
{
	static const struct {
		uint64_t command;
		const char *word;
	} known[] = {
		{ F_GETFL, "F_GETFL" }, { F_SETFL, "F_SETFL" }, { F_GETFD, "F_GETFD" }, { F_SETFD, "F_SETFD" },
		{ F_DUPFD_CLOEXEC, "F_DUPFD" }, { 16, "F_GETOWN_EX" },
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (known[i].command == command)
			return known[i].word;
	return "fcntl";
}

static void list_add(struct list *list, const struct __ptrace_syscall_info *info)
{
	static const struct {
		uint64_t nr;
		const char *word;
	} known[] = {
		{ SYS_socket, "socket" }, { SYS_connect, "connect" }, { SYS_bind, "bind" },
		{ SYS_listen, "listen" }, { SYS_accept, "accept" }, { SYS_accept4, "accept4" },
		{ SYS_close, "close" }, { SYS_shutdown, "shutdown" }, { SYS_getsockname, "getsockname" },
		{ SYS_getpeername, "getpeername" }, { SYS_epoll_ctl, "epoll_ctl" },
		{ SYS_unshare, "unshare" }, { SYS_dup3, "dup3" }, { SYS_sendto, "send" },
		{ SYS_recvmsg, "recvmsg" }, { SYS_rt_sigprocmask, "sigprocmask" },
		{ SYS_getrandom, "getrandom" }, { SYS_clock_gettime, "clock_gettime" },
		{ SYS_getpid, "getpid" },
	};
	char *to;

	if (list->num == LIST_MAX)
		errx(1, "too many system calls");
	to = list->calls[list->num++];
	if (info->entry.nr == SYS_getsockopt || info->entry.nr == SYS_setsockopt) {
		snprintf(to, sizeof(list->calls[0]), "%s%s", info->entry.nr == SYS_setsockopt ? "=" : "",
			 option_name(info->entry.args[1], info->entry.args[2]));
		return;
	}
	if (info->entry.nr == SYS_fcntl) {
		snprintf(to, sizeof(list->calls[0]), "%s", command_name(info->entry.args[1]));
		return;
	}
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (known[i].nr == info->entry.nr) {
			snprintf(to, sizeof(list->calls[0]), "%s", known[i].word);
			return;
		}
	snprintf(to, sizeof(list->calls[0]), "nr%llu", (unsigned long long)info->entry.nr);
}

/* The calls of @from that @minus has not, in their order */
static void print_added(const struct list *from, const struct list *minus)
{
	bool used[LIST_MAX] = { false };

	for (size_t i = 0; i < from->num; i++) {
		size_t j = 0;

		while (j < minus->num && (used[j] || strcmp(from->calls[i], minus->calls[j])))
			j++;
		if (j < minus->num)
			used[j] = true;
		else
			printf(" %s", from->calls[i]);
	}
	printf("\n");
}

/* Runs @pid until it has marked the end of what counts. False: it has ended */
static bool follow(pid_t pid, struct list *list)
{
	struct __ptrace_syscall_info info;
	bool inside = false;
	int status;

	list->num = 0;
	for (;;) {
		if (ptrace(PTRACE_SYSCALL, pid, 0, 0) || waitpid(pid, &status, 0) != pid)
			err(1, "tracing");
		if (!WIFSTOPPED(status)) {
			if (WIFEXITED(status) && !WEXITSTATUS(status))
				return false;
			errx(1, "what was traced ended with status %#x", status);
		}
		if (WSTOPSIG(status) != (SIGTRAP | 0x80))
			continue;
		if (ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof(info), &info) <= 0)
			err(1, "PTRACE_GET_SYSCALL_INFO");
		if (info.op != PTRACE_SYSCALL_INFO_ENTRY)
			continue;
		if (info.entry.nr == MARK_NR) {
			if (info.entry.args[0] == 2)
				return true;
			inside = true;
		} else if (inside) {
			list_add(list, &info);
		}
	}
}

/* The second time counts: first ones look things up. */
static void count_child(void)
{
	for (size_t i = 0; i < CASES; i++)
		for (int n = 0; n < 2; n++) {
			cases[i].go(cases[i].kind == WHOLE ? &wrapped : &own);
			cases[i].go(&wrapped);
		}
}

static void count_all(void)
{
	struct list plain, added;
	int status;
	pid_t pid = fork();

	check(pid, "fork");
	if (!pid) {
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		make_sockets();
		make_slim_sockets();
		counting = true;
		raise(SIGSTOP);
		count_child();
		_exit(0);
	}
	check(waitpid(pid, &status, 0), "waitpid");
	if (!WIFSTOPPED(status))
		errx(1, "what was to be traced ended");
	check((int)ptrace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL),
	      "PTRACE_SETOPTIONS");
	for (size_t i = 0; i < CASES; i++) {
		for (int n = 0; n < 2; n++)
			if (!follow(pid, &plain) || !follow(pid, &added))
				errx(1, "it ended too early");
		if (cases[i].kind == WHOLE)
			plain.num = 0;
		printf("%s %s", kinds[cases[i].kind], cases[i].name);
		print_added(&added, &plain);
	}
	if (follow(pid, &added))
		errx(1, "there was more");
}

/* --- the other end --- */

static void *serve_one(void *arg)
{
	struct sockaddr_storage back;
	int fd = (int)(intptr_t)arg, other = -1;
	char byte;

	if (recv(fd, &back, sizeof(back), MSG_WAITALL) == sizeof(back)) {
		other = socket(back.ss_family, SOCK_STREAM, 0);
		if (connect(other, SA(&back), len_of(&back)))
			warn("connecting back");
		while (read(fd, &byte, 1) > 0)
			;
		close(other);
	}
	close(fd);
	return NULL;
}

static void serve(void)
{
	int from = socket(peer.ss_family, SOCK_STREAM, 0), one = 1;

	setsockopt(from, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	check(bind(from, SA(&peer), len_of(&peer)), "bind");
	check(listen(from, 1024), "listen");
	for (;;) {
		int fd = accept(from, NULL, NULL);
		pthread_t thread;

		if (fd >= 0 && !pthread_create(&thread, NULL, serve_one, (void *)(intptr_t)fd))
			pthread_detach(thread);
	}
}

/* --- the command line --- */

/*
 * In the midst of a page of the stack, so that the shim finds what is on it in the page that it uses itself,
 * whatever the addresses are this time.
 */
static __attribute__((noinline)) void run_mode(const char *mode)
{
	uintptr_t at = (uintptr_t)__builtin_frame_address(0) % PAGE;
	volatile char *room = alloca((at + PAGE / 2) % PAGE + 1);

	room[0] = 0;
	if (!strcmp(mode, "count")) {
		count_all();
		return;
	}
	make_sockets();
	make_slim_sockets();
	time_system_call();
	for (size_t i = 0; i < CASES; i++)
		if (cases[i].kind != WHOLE)
			time_case(i);
}

static void parse(const char *address, const char *port, struct sockaddr_storage *out)
{
	struct sockaddr_in *in = (struct sockaddr_in *)out;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)out;

	if (inet_pton(AF_INET, address, &in->sin_addr) == 1)
		in->sin_family = AF_INET;
	else if (inet_pton(AF_INET6, address, &in6->sin6_addr) == 1)
		in6->sin6_family = AF_INET6;
	else
		errx(2, "%s is no address", address);
	in->sin_port = htons((uint16_t)atoi(port));
}

int main(int argc, char **argv)
{
	if (argc < 4)
		errx(2, "usage: calls peer|count|time ADDRESS PORT [OWN-ADDRESS OWN-PORT]");
	setvbuf(stdout, NULL, _IOLBF, 0);
	signal(SIGPIPE, SIG_IGN);
	parse(argv[2], argv[3], &peer);
	if (!strcmp(argv[1], "peer"))
		serve();
	if (argc < 6)
		errx(2, "calls %s wants an address and a port of its own", argv[1]);
	parse(argv[4], argv[5], &self);
	find_own();
	run_mode(argv[1]);
	return 0;
}
