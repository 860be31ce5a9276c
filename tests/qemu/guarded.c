/* SPDX-License-Identifier: MIT */
/*
 * guarded.c - what a program may expect of a connection goes on when its socket is sealed
 *
 * Each case is run on an ordinary connection first, and then on sealed ones, of either kind that a router makes: what it
 * reports must be the same.
 */
#include <fcntl.h>
#include <linux/errqueue.h>
#include <linux/net_tstamp.h>
#include <linux/sockios.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>

#include "guard.h"

#define NAME_PORT	40000
#define STAMP_TRIES	4000

static int listener;
static uint16_t port;

/* What a case has seen */
static char report[4096];

static void say(const char *format, ...)
{
	size_t len = strlen(report);
	va_list args;

	va_start(args, format);
	vsnprintf(report + len, sizeof(report) - len, format, args);
	va_end(args);
}

static void say_result(const char *what, long result)
{
	if (result < 0)
		say("%s: %s\n", what, strerrorname_np(errno));
	else
		say("%s: %ld\n", what, result);
}

/* --- the cases: @fd is the program's, @peer the other end --- */

static void data(int fd, int peer)
{
	char buffer[16] = { 0 };
	struct iovec vec[2] = { { "ab", 2 }, { "cd", 2 } };

	say_result("write", write(fd, "hello", 5));
	say_result("read", read(peer, buffer, sizeof(buffer)));
	say("%.5s\n", buffer);
	say_result("writev", writev(fd, vec, 2));
	say_result("recv, waiting for all", recv(peer, buffer, 4, MSG_WAITALL));
	say_result("send", send(peer, "world", 5, 0));
	say_result("peek", recv(fd, buffer, sizeof(buffer), MSG_PEEK));
	say_result("recv", recv(fd, buffer, sizeof(buffer), 0));
	say_result("nothing there", recv(fd, buffer, sizeof(buffer), MSG_DONTWAIT));
}

static void names_report(int fd)
{
	struct sockaddr_in addr;
	char text[64] = "";
	socklen_t len = sizeof(addr);

	say_result("getsockname", getsockname(fd, (void *)&addr, &len));
	inet_ntop(AF_INET, &addr.sin_addr, text, sizeof(text));
	say("%d bytes, family %d\n", len, addr.sin_family);
	say_result("getpeername", getpeername(fd, (void *)&addr, &len));
	say("%d bytes, family %d\n", len, addr.sin_family);
	len = 4;
	memset(&addr, 0, sizeof(addr));
	say_result("getsockname, of 4 bytes", getsockname(fd, (void *)&addr, &len));
	say("%d bytes, address %x\n", len, addr.sin_addr.s_addr);
}

static void names(int fd, int peer)
{
	names_report(fd);
	shutdown(fd, SHUT_WR);
	names_report(fd);
	close(peer);
	names_report(fd);
}

static void half_close(int fd, int peer)
{
	char buffer[8];

	say_result("shutdown", shutdown(fd, SHUT_WR));
	say_result("end", read(peer, buffer, 8));
	say_result("write", send(fd, "x", 1, MSG_NOSIGNAL));
	say_result("the other way", write(peer, "abc", 3));
	say_result("read", read(fd, buffer, 8));
	say_result("shutdown again", shutdown(fd, SHUT_RDWR));
}

static void urgent(int fd, int peer)
{
	char buffer[8];
	int at = -1, one = 1;

	say_result("send urgent", send(peer, "ab!", 3, MSG_OOB));
	for (int n = 0; n < 3;) {
		ioctl(fd, SIOCINQ, &n);
		if (n >= 2)
			break;
	}
	say_result("urgent byte", recv(fd, buffer, 1, MSG_OOB));
	say("%c\n", buffer[0]);
	say_result("read up to it", read(fd, buffer, 8));
	say_result("at mark", ioctl(fd, SIOCATMARK, &at));
	say("%d\n", at);
	say_result("inline", setsockopt(fd, SOL_SOCKET, SO_OOBINLINE, &one, sizeof(one)));
}

static void options(int fd, int peer)
{
	static const struct {
		int level, name, value;
	} set[] = {
		{ SOL_SOCKET, SO_KEEPALIVE, 1 }, { SOL_SOCKET, SO_RCVBUF, 50000 }, { SOL_SOCKET, SO_SNDBUF, 60000 },
		{ SOL_SOCKET, SO_RCVLOWAT, 2 }, { SOL_SOCKET, SO_PRIORITY, 4 }, { SOL_SOCKET, SO_REUSEADDR, 1 },
		{ SOL_SOCKET, SO_TIMESTAMP, 1 }, { SOL_SOCKET, SO_ZEROCOPY, 1 },
		{ SOL_SOCKET, SO_MAX_PACING_RATE, 1000000 }, { IPPROTO_TCP, TCP_NODELAY, 1 },
		{ IPPROTO_TCP, TCP_CORK, 1 }, { IPPROTO_TCP, TCP_KEEPIDLE, 77 }, { IPPROTO_TCP, TCP_KEEPINTVL, 7 },
		{ IPPROTO_TCP, TCP_KEEPCNT, 3 }, { IPPROTO_TCP, TCP_USER_TIMEOUT, 1234 },
		{ IPPROTO_TCP, TCP_NOTSENT_LOWAT, 4096 }, { IPPROTO_TCP, TCP_LINGER2, 9 }, { IPPROTO_TCP, TCP_QUICKACK, 1 },
		{ IPPROTO_IP, IP_TOS, 0x10 }, { IPPROTO_IP, IP_TTL, 33 }, { IPPROTO_IP, IP_RECVERR, 1 },
	};
	struct linger linger = { 1, 5 };
	struct timeval time = { .tv_sec = 7 };
	int value;
	socklen_t len;

	(void)peer;
	for (size_t i = 0; i < NUM(set); i++) {
		say("%d %d: ", set[i].level, set[i].name);
		say_result("set", setsockopt(fd, set[i].level, set[i].name, &set[i].value, sizeof(int)));
		len = sizeof(value);
		value = -1;
		say_result("get", getsockopt(fd, set[i].level, set[i].name, &value, &len));
		say("%d\n", value);
	}
	say_result("linger", setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)));
	say_result("timeout", setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof(time)));
	say_result("congestion control", setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "reno", 4));
	value = 0;
	len = sizeof(value);
	say_result("mark", getsockopt(fd, SOL_SOCKET, SO_MARK, &value, &len));
	say("%d, %d bytes\n", value, len);
	say_result("family", getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &value, &len));
	say("%d, %d bytes\n", value, len);
	len = 16;
	say_result("ulp", getsockopt(fd, IPPROTO_TCP, TCP_ULP, report + sizeof(report) - 32, &len));
	say("%d bytes\n", len);
	value = -1;
	len = 2;
	say_result("a short value", getsockopt(fd, SOL_SOCKET, SO_MARK, &value, &len));
	say("%x, %d bytes\n", value, len);
	len = sizeof(value);
	say_result("a negative length", getsockopt(fd, SOL_SOCKET, SO_MARK, &value, &(socklen_t){ (socklen_t)-1 }));
	say_result("no memory", getsockopt(fd, SOL_SOCKET, SO_MARK, (void *)8, &len));
}

/* What comes first where more than one thing is wrong. (Of options that no kernel has) */
static void wrong_options(int fd, int peer)
{
	static const struct {
		int level, name;
	} tried[] = {
		{ SOL_SOCKET, 150 }, { IPPROTO_TCP, 150 }, { IPPROTO_IP, 150 }, { SOL_SOCKET, SO_PRIORITY },
		{ SOL_SOCKET, SO_REUSEADDR },
	};
	void *nowhere = (void *)8;
	int value = 1;

	(void)peer;
	for (size_t i = 0; i < NUM(tried); i++) {
		int level = tried[i].level, name = tried[i].name;

		say("%d %d: ", level, name);
		say_result("set", setsockopt(fd, level, name, &value, 0));
		say_result("set, of 2 bytes", setsockopt(fd, level, name, "??", 2));
		say_result("set from nowhere", setsockopt(fd, level, name, nowhere, sizeof(value)));
	}
	for (int name = 150; name; name = name == 150 ? SO_DOMAIN : 0) {
		say_result("get", getsockopt(fd, SOL_SOCKET, name, &value, &(socklen_t){ sizeof(value) }));
		say_result("get less than nothing", getsockopt(fd, SOL_SOCKET, name, &value, &(socklen_t){ (socklen_t)-1 }));
		say_result("get of a size that is nowhere", getsockopt(fd, SOL_SOCKET, name, &value, nowhere));
	}
	say_result("ulp, of no bytes", setsockopt(fd, IPPROTO_TCP, TCP_ULP, &value, 0));
	say_result("ulp from nowhere", setsockopt(fd, IPPROTO_TCP, TCP_ULP, nowhere, 4));
	say_result("ulp, less than nothing", getsockopt(fd, IPPROTO_TCP, TCP_ULP, &value, &(socklen_t){ (socklen_t)-1 }));
	say_result("ulp, of a size that is nowhere", getsockopt(fd, IPPROTO_TCP, TCP_ULP, &value, nowhere));
}

/* Of a level that the connection takes no notice of, and what is no message */
static void controls(int fd, int peer)
{
	static const struct {
		size_t len;
		int level, type;
	} tried[] = {
		{ CMSG_LEN(sizeof(int)), IPPROTO_IP, IP_PKTINFO }, { CMSG_LEN(sizeof(int)), SOL_SOCKET, 9 },
		{ 4, SOL_SOCKET, SCM_RIGHTS }, { 0, SOL_SOCKET, SCM_RIGHTS },
	};
	struct iovec vec = { "x", 1 };

	(void)peer;
	for (size_t i = 0; i < NUM(tried); i++) {
		union {
			struct cmsghdr head;
			char room[CMSG_SPACE(sizeof(int))];
		} control = { .head = { tried[i].len, tried[i].level, tried[i].type } };
		struct msghdr message = { .msg_iov = &vec, .msg_iovlen = 1, .msg_control = &control,
					  .msg_controllen = sizeof(control) };

		say("%d bytes, %d %d: ", (int)tried[i].len, tried[i].level, tried[i].type);
		say_result("sendmsg", sendmsg(fd, &message, MSG_NOSIGNAL));
	}
}

/* All of a file's attributes but its owner; and the owner of what was closed (it has a name yet) */
static void attributes(int fd, int peer)
{
	char path[32];
	int name;

	(void)peer;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	name = open(path, O_PATH | O_CLOEXEC);
	say_result("fchmod", fchmod(fd, 0600));
	say_result("the group", fchown(fd, (uid_t)-1, 12345));
	say_result("by its name", fchownat(name, "", (uid_t)-1, 0, AT_EMPTY_PATH));
	close(fd);
	say_result("the owner of what was closed", fchownat(name, "", 12345, (gid_t)-1, AT_EMPTY_PATH));
	close(name);
}

static void info(int fd, int peer)
{
	struct tcp_info tcp = { 0 };
	socklen_t len = sizeof(tcp);
	int64_t stamp[2];
	int value;

	say_result("TCP_INFO", getsockopt(fd, IPPROTO_TCP, TCP_INFO, &tcp, &len));
	say("state %d\n", tcp.tcpi_state);
	write(peer, "abcde", 5);
	recv(fd, report + sizeof(report) - 32, 5, MSG_PEEK | MSG_WAITALL);
	say_result("FIONREAD", ioctl(fd, FIONREAD, &value));
	say("%d\n", value);
	say_result("SIOCOUTQ", ioctl(fd, SIOCOUTQ, &value));
	say_result("SIOCOUTQNSD", ioctl(fd, SIOCOUTQNSD, &value));
	say_result("owner", fcntl(fd, F_SETOWN, getpid()));
	say_result("FIOSETOWN", ioctl(fd, FIOSETOWN, &(int){ getpid() }));
	say_result("SIOCSPGRP", ioctl(fd, SIOCSPGRP, &(int){ getpid() }));
	say_result("FIOGETOWN", ioctl(fd, FIOGETOWN, &value));
	say_result("SIOCGPGRP", ioctl(fd, SIOCGPGRP, &value));
	say_result("SIOCGSTAMP", ioctl(fd, SIOCGSTAMP_OLD, stamp));
	say_result("SIOCGSTAMPNS", ioctl(fd, SIOCGSTAMPNS_OLD, stamp));
	say_result("SIOCGSTAMP, 64 bits", ioctl(fd, SIOCGSTAMP_NEW, stamp));
	say_result("SIOCGSTAMPNS, 64 bits", ioctl(fd, SIOCGSTAMPNS_NEW, stamp));
	say_result("isatty", isatty(fd) - 1);
	value = -1;
	say_result("FIONBIO", ioctl(fd, FIONBIO, &(int){ 1 }));
	say_result("read", read(fd, report + sizeof(report) - 32, 16));
	say_result("and then", read(fd, report + sizeof(report) - 32, 16));
}

static void connect_again(int fd, int peer)
{
	struct sockaddr_in addr = address4("0.0.0.0", 1);
	int one = 1;

	say_result("connect, of a connected socket", connect(fd, (void *)&addr, sizeof(addr)));
	say_result("listen", listen(fd, 5));
	say_result("bind", bind(fd, (void *)&addr, sizeof(addr)));
	say_result("accept", accept(fd, NULL, NULL));
	say_result("it works", write(fd, "x", 1));
	setsockopt(peer, SOL_SOCKET, SO_LINGER, &(struct linger){ 1, 0 }, sizeof(struct linger));
	close(peer);
	poll(&(struct pollfd){ .fd = fd }, 1, 1000);
	say_result("reset", read(fd, &one, 1));
	say_result("and then", read(fd, &one, 1));
}

/* A library that would have TLS in the kernel learns that there is none, and goes on. In a container, as it is */
static void no_tls(int fd, int peer)
{
	int host = (int)must(open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC), "open");
	char byte;

	must(unshare(CLONE_NEWNET), "unshare");
	say_result("an upper layer that there is not", setsockopt(fd, IPPROTO_TCP, TCP_ULP, "none", 4));
	say_result("its keys", setsockopt(fd, SOL_TLS, 1, "", 1));
	must(setns(host, CLONE_NEWNET), "setns");
	close(host);
	say_result("write", write(fd, "x", 1));
	say_result("read", read(peer, &byte, 1));
}

/* Waits for what @peer sends in a moment: level, edge */
static void readiness(int fd, int peer)
{
	int set = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event event = { .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET };

	say_result("epoll_ctl", epoll_ctl(set, EPOLL_CTL_ADD, fd, &event));
	say_result("writable", epoll_wait(set, &event, 1, 1000));
	say("%x\n", event.events);
	write(peer, "a", 1);
	say_result("readable", epoll_wait(set, &event, 1, 1000));
	say("%x\n", event.events & EPOLLIN);
	say_result("edge", epoll_wait(set, &event, 1, 0));
	shutdown(peer, SHUT_WR);
	say_result("end", epoll_wait(set, &event, 1, 1000));
	say("%x\n", event.events & EPOLLRDHUP);
	close(set);
}

static void files(int fd, int peer)
{
	char path[] = "/tmp/guarded-XXXXXX", buffer[8192];
	int file = mkstemp(path), pipes[2];

	unlink(path);
	memset(buffer, 'f', sizeof(buffer));
	write(file, buffer, sizeof(buffer));
	say_result("sendfile", sendfile(fd, file, &(off_t){ 0 }, sizeof(buffer)));
	say_result("received", recv(peer, buffer, sizeof(buffer), MSG_WAITALL));
	pipe2(pipes, O_CLOEXEC);
	write(peer, buffer, 4096);
	recv(fd, buffer, 4096, MSG_PEEK | MSG_WAITALL);
	say_result("splice out of it", splice(fd, NULL, pipes[1], NULL, 4096, 0));
	say_result("splice into it", splice(pipes[0], NULL, fd, NULL, 4096, 0));
	say_result("received", recv(peer, buffer, 4096, MSG_WAITALL));
	close(pipes[0]);
	close(pipes[1]);
	close(file);
}

static void zero_copy(int fd, int peer)
{
	static char page[4096] __attribute__((aligned(4096)));
	char control[256], buffer[4096];
	struct msghdr message = { .msg_control = control, .msg_controllen = sizeof(control) };
	struct pollfd error = { .fd = fd };
	struct cmsghdr *cmsg;

	setsockopt(fd, SOL_SOCKET, SO_ZEROCOPY, &(int){ 1 }, sizeof(int));
	say_result("send", send(fd, page, sizeof(page), MSG_ZEROCOPY));
	say_result("received", recv(peer, buffer, sizeof(buffer), MSG_WAITALL));
	say_result("poll", poll(&error, 1, 2000));
	say_result("completion", recvmsg(fd, &message, MSG_ERRQUEUE));
	say("flags %x\n", message.msg_flags & MSG_ERRQUEUE);
	cmsg = CMSG_FIRSTHDR(&message);
	if (cmsg) {
		const struct sock_extended_err *err = (void *)CMSG_DATA(cmsg);

		say("origin %d, errno %d, %u to %u\n", err->ee_origin, err->ee_errno, err->ee_info, err->ee_data);
	}
	say_result("no more", recvmsg(fd, &message, MSG_ERRQUEUE));
}

/* What came by MSG_ERRQUEUE: which control messages, and what they say that does not change from run to run */
static void say_error(int fd)
{
	char control[512], data[256];
	struct iovec vec = { data, sizeof(data) };
	struct msghdr message = { .msg_iov = &vec, .msg_iovlen = 1, .msg_control = control,
				  .msg_controllen = sizeof(control) };
	struct pollfd error = { .fd = fd };

	say_result("poll", poll(&error, 1, 2000));
	say_result("recvmsg", recvmsg(fd, &message, MSG_ERRQUEUE | MSG_DONTWAIT));
	say("flags %x\n", message.msg_flags & MSG_ERRQUEUE);
	for (struct cmsghdr *cmsg = CMSG_FIRSTHDR(&message); cmsg; cmsg = CMSG_NXTHDR(&message, cmsg)) {
		const struct sock_extended_err *err = (void *)CMSG_DATA(cmsg);

		say("level %d, type %d, %zu bytes\n", cmsg->cmsg_level, cmsg->cmsg_type, cmsg->cmsg_len);
		if (cmsg->cmsg_level != SOL_SOCKET)
			say("origin %d, errno %d, %u, %u, of family %d\n", err->ee_origin, err->ee_errno, err->ee_info,
			    err->ee_data, SO_EE_OFFENDER(err)->sa_family);
	}
}

/* Which control message comes with a byte that @peer sends */
static int control_of_byte(int fd, int peer)
{
	char control[256], byte;
	struct iovec vec = { &byte, 1 };
	struct msghdr message = { .msg_iov = &vec, .msg_iovlen = 1, .msg_control = control,
				  .msg_controllen = sizeof(control) };

	if (write(peer, "x", 1) != 1 || recvmsg(fd, &message, 0) != 1)
		return -errno;
	return message.msg_controllen ? CMSG_FIRSTHDR(&message)->cmsg_type : 0;
}

/*
 * Of what is sent, without the packets, and of what comes: a kernel that has stamped nothing before begins to do so a
 * moment after it is asked.
 */
static void time_stamps(int fd, int peer)
{
	int flags = SOF_TIMESTAMPING_TX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_RX_SOFTWARE |
		    SOF_TIMESTAMPING_OPT_ID | SOF_TIMESTAMPING_OPT_TSONLY;
	int type, tries = STAMP_TRIES;

	say_result("SO_TIMESTAMPING", setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPING, &flags, sizeof(flags)));
	say_result("send", send(fd, "abc", 3, 0));
	say_error(fd);
	while (!(type = control_of_byte(fd, peer)) && tries--)
		poll(NULL, 0, 1);
	check(type > 0, "what comes is stamped");
	say("%d\n", type);
}

static void dissolved(int fd, int peer)
{
	struct sockaddr_in6 addr = { .sin6_family = AF_UNSPEC };
	struct sockaddr_in addr4;
	char byte;

	say_result("connect to nobody", connect(fd, (void *)&addr, sizeof(addr)));
	say_result("the peer is reset", read(peer, &byte, 1));
	say_result("getpeername", getpeername(fd, (void *)&addr, &(socklen_t){ sizeof(addr) }));
	say_result("SO_PEERNAME", getsockopt(fd, SOL_SOCKET, SO_PEERNAME, &addr, &(socklen_t){ sizeof(addr) }));
	say_result("getsockname", getsockname(fd, (void *)&addr4, &(socklen_t){ sizeof(addr4) }));
	say("address %x, %s\n", addr4.sin_addr.s_addr, addr4.sin_port ? "a port" : "no port");
	say_result("write", send(fd, "x", 1, MSG_NOSIGNAL));
}

static void many_bytes(int fd, int peer)
{
	static char buffer[1 << 16];
	long left = 20 << 20;

	if (!fork()) {
		for (long sent = 0; sent < left;)
			sent += write(fd, buffer, sizeof(buffer));
		_exit(0);
	}
	while (left > 0) {
		ssize_t got = read(peer, buffer, sizeof(buffer));

		if (got <= 0)
			break;
		left -= got;
	}
	say("%ld bytes are missing\n", left);
	wait(NULL);
}

static const struct {
	const char *name;
	void (*run)(int fd, int peer);
} cases[] = {
	{ "data", data }, { "names", names }, { "half-close", half_close }, { "urgent data", urgent },
	{ "options", options }, { "errors of options", wrong_options }, { "control messages", controls },
	{ "a file's attributes", attributes }, { "TCP_INFO and ioctls", info },
	{ "connect(2) and its like again", connect_again },
	{ "TLS in the kernel", no_tls },
	{ "poll and epoll", readiness }, { "sendfile and splice", files }, { "zero copy", zero_copy },
	{ "time stamps", time_stamps }, { "dissolved", dissolved }, { "20 MB", many_bytes },
};

/* --- connecting --- */

static int connecting(int domain, bool sealed)
{
	struct slim_seal seal = seal_default();
	struct sockaddr_in addr = address4(HOST_ADDRESS, port);
	struct sockaddr_in6 addr6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	int fd = (int)must(socket(domain, SOCK_STREAM | SOCK_NONBLOCK, 0), "socket");

	inet_pton(AF_INET6, "::ffff:" HOST_ADDRESS, &addr6.sin6_addr);
	say_result("connect", domain == AF_INET ? connect(fd, (void *)&addr, sizeof(addr)) :
						  connect(fd, (void *)&addr6, sizeof(addr6)));
	if (sealed)
		must(seal_socket(fd, &seal), "seal");
	return fd;
}

/* A second connect(2) says how the first one went, as the shim uses it. */
static void connected_later(int domain, bool sealed, bool blocking)
{
	struct sockaddr_in6 addr = { .sin6_family = (sa_family_t)domain, .sin6_port = htons(80) };
	int fd = connecting(domain, sealed);

	fcntl(fd, F_SETFL, blocking ? 0 : O_NONBLOCK);
	poll(&(struct pollfd){ .fd = fd, .events = POLLOUT }, 1, 2000);
	say_result("connect again", connect(fd, (void *)&addr, sizeof(addr)));
	say_result("and again", connect(fd, (void *)&addr, sizeof(addr)));
	close(fd);
	close(accept(listener, NULL, NULL));
}

static void refused(int domain, bool sealed)
{
	uint16_t right = port;
	struct sockaddr_in6 addr = { .sin6_family = (sa_family_t)domain, .sin6_port = htons(80) };
	uint16_t family = AF_INET6;
	int fd, error = -1;

	port = 1;
	fd = connecting(domain, sealed);
	port = right;
	poll(&(struct pollfd){ .fd = fd, .events = POLLOUT }, 1, 2000);
	say_result("connect again", connect(fd, (void *)&addr, sizeof(addr)));
	say_result("SO_ERROR", getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &(socklen_t){ sizeof(error) }));
	say("%d\n", error);
	/* What the shim asks of a socket that has failed */
	if (domain == AF_INET6)
		say_result("connect with a family alone", connect(fd, (void *)&family, sizeof(family)));
	close(fd);
}

/* --- all of it --- */

static void run_connecting(int domain, int i, bool sealed)
{
	report[0] = 0;
	if (i < 2)
		connected_later(domain, sealed, i);
	else
		refused(domain, sealed);
}

static void run_case(size_t i, int domain, bool sealed)
{
	struct slim_seal seal = seal_default();
	int fds[2];

	report[0] = 0;
	host_connect(listener, port, domain, fds);
	if (sealed)
		must(seal_socket(fds[0], &seal), "seal");
	fcntl(fds[1], F_SETFL, 0);
	cases[i].run(fds[0], fds[1]);
	close(fds[0]);
	close(fds[1]);
}

/* A sealed one's report is to be that of an ordinary one. */
static void compare(const char *name, const char *kind, const char *natively)
{
	if (check(!strcmp(natively, report), "%s, %s", name, kind))
		return;
	printf("--- ordinary\n%s--- sealed\n%s", natively, report);
}

static void virtual_names(void)
{
	struct slim_seal seal = seal_default();
	struct sockaddr_in addr;
	struct sockaddr_in6 addr6;
	char text[64];
	int fds[2];

	host_connect(listener, port, AF_INET6, fds);
	must(seal_socket(fds[0], &seal), "seal");
	must(getsockname(fds[0], (void *)&addr, &(socklen_t){ sizeof(addr) }), "getsockname");
	check(!strcmp(inet_ntop(AF_INET, &addr.sin_addr, text, sizeof(text)), LOCAL_NAME) &&
	      ntohs(addr.sin_port) == NAME_PORT, "its own name is the virtual one");
	must(getpeername(fds[0], (void *)&addr, &(socklen_t){ sizeof(addr) }), "getpeername");
	check(!strcmp(inet_ntop(AF_INET, &addr.sin_addr, text, sizeof(text)), PEER_NAME) && ntohs(addr.sin_port) == 80,
	      "the peer's is, too");
	close(fds[0]);
	close(fds[1]);
	seal.flags = SLIM_SEAL_ACCEPTED;
	seal.local.port = 0;
	inet_pton(AF_INET6, "fd00::7", seal.peer.addr);
	host_connect(listener, port, AF_INET, fds);
	must(seal_socket(fds[1], &seal), "seal");
	must(getpeername(fds[1], (void *)&addr6, &(socklen_t){ sizeof(addr6) }), "getpeername");
	check(addr6.sin6_family == AF_INET6 && !memcmp(&addr6.sin6_addr, seal.peer.addr, 16),
	      "an AF_INET6 program sees AF_INET6 names, whatever the host's socket is");
	must(getsockname(fds[1], (void *)&addr6, &(socklen_t){ sizeof(addr6) }), "getsockname");
	equal(ntohs(addr6.sin6_port), port, "a port that is not told is the socket's own");
	close(fds[0]);
	close(fds[1]);
}

/* A packet that comes back for its time stamp is not told: only that there was one. */
static void no_packets(void)
{
	const int flags = SOF_TIMESTAMPING_TX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE;
	struct slim_seal seal = seal_default();
	char control[512], data[256];
	struct iovec vec = { data, sizeof(data) };
	struct msghdr message = { .msg_iov = &vec, .msg_iovlen = 1, .msg_control = control,
				  .msg_controllen = sizeof(control) };
	int fds[2];

	host_connect(listener, port, AF_INET6, fds);
	must(seal_socket(fds[0], &seal), "seal");
	must(setsockopt(fds[0], SOL_SOCKET, SO_TIMESTAMPING, &flags, sizeof(flags)), "SO_TIMESTAMPING");
	must(send(fds[0], "abc", 3, 0), "send");
	poll(&(struct pollfd){ .fd = fds[0] }, 1, 2000);
	equal(recvmsg(fds[0], &message, MSG_ERRQUEUE | MSG_DONTWAIT), 0, "a time stamp comes without its packet");
	equal(message.msg_flags & (MSG_ERRQUEUE | MSG_TRUNC), MSG_ERRQUEUE | MSG_TRUNC, "... which is said");
	close(fds[0]);
	close(fds[1]);
}

static void *block(size_t size)
{
	return mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
}

/* The rate holds, and can be changed. @rate: bytes a second */
static double rate_of(int fd, int peer, double seconds)
{
	static char buffer[1 << 16];
	struct timespec begin, now;
	double elapsed;
	long bytes = 0;
	pid_t pid = fork();

	if (!pid) {
		while (write(fd, buffer, sizeof(buffer)) > 0)
			;
		_exit(0);
	}
	/* What the buffers take at first is no matter of the rate. */
	for (long first = 0; first < 1 << 20; first += read(peer, buffer, sizeof(buffer)))
		;
	clock_gettime(CLOCK_MONOTONIC, &begin);
	do {
		bytes += read(peer, buffer, sizeof(buffer));
		clock_gettime(CLOCK_MONOTONIC, &now);
		elapsed = (double)(now.tv_sec - begin.tv_sec) + (double)(now.tv_nsec - begin.tv_nsec) / 1e9;
	} while (elapsed < seconds);
	kill(pid, SIGKILL);
	wait(NULL);
	return (double)bytes / elapsed;
}

static void shape(struct guard *guard, int fd, const struct slim_shape *wanted)
{
	static struct message message;

	message_begin(guard, &message, SLIM_CMD_SHAPE, 0);
	message_put64(&message, SLIM_A_COOKIE, cookie_of(fd));
	message_put(&message, SLIM_A_SHAPE, wanted, sizeof(*wanted));
	equal(message_talk(guard, &message), 0, "SHAPE");
}

/* What is shaped no more is as the kernel has it, and the program's. */
static void unshaped(struct guard *guard, int fd, const struct slim_shape *wanted)
{
	static const struct {
		int level, name, value;
	} options[] = { { SOL_SOCKET, SO_MAX_PACING_RATE, -1 }, { SOL_SOCKET, SO_PRIORITY, 0 }, { IPPROTO_IP, IP_TOS, 0 } };
	int value;

	shape(guard, fd, wanted);
	for (size_t i = 0; i < NUM(options); i++) {
		must(getsockopt(fd, options[i].level, options[i].name, &value, &(socklen_t){ sizeof(value) }), "get");
		equal(value, options[i].value, "option %d is the default", options[i].name);
		equal(setsockopt(fd, options[i].level, options[i].name, &(int){ 4 }, sizeof(int)), 0, "and may be set");
	}
}

static int option_of(int fd, int level, int name)
{
	int value = -1;

	return getsockopt(fd, level, name, &value, &(socklen_t){ sizeof(value) }) ? -errno : value;
}

/* As setsockopt(2) would have set it */
static void tos(struct guard *guard)
{
	const struct slim_shape wanted = { .flags = SLIM_SHAPE_TOS, .tos = 0x13 };
	struct slim_seal seal = seal_default();
	int fds[2], mtu;

	host_connect(listener, port, AF_INET6, fds);
	must(seal_socket(fds[0], &seal), "seal");
	check(option_of(fds[0], IPPROTO_IP, IP_MTU) > 0, "it has a way");
	shape(guard, fds[0], &wanted);
	equal(option_of(fds[0], IPPROTO_IP, IP_MTU), -ENOTCONN, "with another TOS that is looked for anew");
	equal(option_of(fds[0], IPPROTO_IP, IP_TOS), 0x10, "a TOS, without the bits of ECN");
	equal(option_of(fds[0], IPPROTO_IPV6, IPV6_TCLASS), 0x10, "the same of IPv6");
	equal(option_of(fds[0], SOL_SOCKET, SO_PRIORITY), 6, "it says a priority");
	must(send(fds[0], "x", 1, 0), "send");
	mtu = option_of(fds[0], IPPROTO_IP, IP_MTU);
	check(mtu > 0, "it has a way again");
	equal(setsockopt(fds[0], IPPROTO_IP, IP_TOS, &(int){ 0 }, sizeof(int)) ? -errno : 0, -ENOPROTOOPT, "it is locked");
	equal(setsockopt(fds[0], IPPROTO_IPV6, IPV6_TCLASS, &(int){ 0 }, sizeof(int)) ? -errno : 0, -ENOPROTOOPT,
	      "... of IPv6, too");
	equal(option_of(fds[0], IPPROTO_IP, IP_MTU), mtu, "nothing has been set meanwhile: its way is the same");
	close(fds[0]);
	close(fds[1]);
}

static uint64_t pacing_rate(int fd)
{
	struct {
		struct tcp_info known;
		uint64_t pacing_rate;	/* of newer headers */
	} info = { 0 };

	must(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &(socklen_t){ sizeof(info) }), "TCP_INFO");
	return info.pacing_rate;
}

static void rates(struct guard *guard)
{
	struct slim_seal seal = seal_default();
	struct slim_shape wanted = { .flags = SLIM_SHAPE_RATE | SLIM_SHAPE_TOS, .rate = 4000000, .tos = 0x28 };
	int fds[2], value;
	double rate;

	seal.shape = (struct slim_shape){ .flags = SLIM_SHAPE_ALL, .rate = 2000000, .tos = 0x10, .priority = 3 };
	host_connect(listener, port, AF_INET6, fds);
	must(seal_socket(fds[0], &seal), "seal");
	must(getsockopt(fds[0], IPPROTO_IP, IP_TOS, &value, &(socklen_t){ sizeof(value) }), "IP_TOS");
	equal(value, 0x10, "sealed with a TOS");
	must(getsockopt(fds[0], SOL_SOCKET, SO_PRIORITY, &value, &(socklen_t){ sizeof(value) }), "SO_PRIORITY");
	equal(value, 3, "and a priority");
	check(pacing_rate(fds[0]) <= 2000000, "what it has begun with is slower: %lu", pacing_rate(fds[0]));
	rate = rate_of(fds[0], fds[1], 2);
	check(rate > 1.6e6 && rate < 2.3e6, "sealed with 2 MB/s: %.2f", rate / 1e6);
	shape(guard, fds[0], &wanted);
	rate = rate_of(fds[0], fds[1], 2);
	check(rate > 3.2e6 && rate < 4.6e6, "changed to 4 MB/s: %.2f", rate / 1e6);
	must(getsockopt(fds[0], IPPROTO_IP, IP_TOS, &value, &(socklen_t){ sizeof(value) }), "IP_TOS");
	equal(value, 0x28, "another TOS");
	wanted.flags = 0;
	unshaped(guard, fds[0], &wanted);
	close(fds[0]);
	close(fds[1]);
	host_connect(listener, port, AF_INET6, fds);
	seal.shape.flags = SLIM_SHAPE_PRIORITY;
	must(seal_socket(fds[0], &seal), "seal");
	equal(setsockopt(fds[0], IPPROTO_IP, IP_TOS, &(int){ 0x10 }, sizeof(int)) ? -errno : 0, -ENOPROTOOPT,
	      "where the priority is locked, TOS, which changes it, is");
	close(fds[0]);
	close(fds[1]);
}

int main(void)
{
	static const char *const kinds[] = { "as a router makes them", "AF_INET" };
	static const int domains[] = { AF_INET6, AF_INET };
	static const char *const ways[] = { "connected later", "connected later, blocking", "refused" };
	char *natively = block(sizeof(report));
	struct guard guard;

	signal(SIGPIPE, SIG_IGN);
	must(guard_open(&guard), "the family");
	must(guard_own(&guard, -1), "own");
	listener = host_listen(&port);
	for (size_t i = 0; i < NUM(cases); i++) {
		/* What an AF_INET program would have natively */
		run_case(i, AF_INET, false);
		memcpy(natively, report, sizeof(report));
		for (size_t kind = 0; kind < NUM(kinds); kind++) {
			run_case(i, domains[kind], true);
			compare(cases[i].name, kinds[kind], natively);
		}
	}
	for (size_t kind = 0; kind < NUM(kinds); kind++) {
		for (int i = 0; i < (int)NUM(ways); i++) {
			run_connecting(domains[kind], i, false);
			memcpy(natively, report, sizeof(report));
			run_connecting(domains[kind], i, true);
			compare(ways[i], kinds[kind], natively);
		}
	}
	virtual_names();
	no_packets();
	tos(&guard);
	rates(&guard);
	return 0;
}
