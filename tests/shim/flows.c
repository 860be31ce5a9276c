/* SPDX-License-Identifier: MIT */
/*
 * flows.c - what goes by a connection, other than by one read or write at a time
 */
#include <time.h>

#include <linux/errqueue.h>
#include <linux/net_tstamp.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "program.h"

#define MESSAGES	3
#define PART		4
#define CONTROL		512
#define STAMP_TRIES	4000

#ifndef SO_ZEROCOPY
#define SO_ZEROCOPY	60
#endif
#ifndef MSG_ZEROCOPY
#define MSG_ZEROCOPY	0x4000000
#endif
#define TSTAMP_SND	0
#define TSTAMP_ACK	2

/* --- several messages in one call --- */

static void many(void)
{
	char out[] = "onetwothree!", in[MESSAGES][PART + 1] = { { 0 } };
	struct iovec iovs[MESSAGES];
	struct mmsghdr messages[MESSAGES] = { 0 };
	int fd = connected();

	for (int i = 0; i < MESSAGES; i++) {
		iovs[i] = (struct iovec){ out + PART * i, PART };
		messages[i].msg_hdr.msg_iov = &iovs[i];
		messages[i].msg_hdr.msg_iovlen = 1;
	}
	say("sendmmsg", sendmmsg(fd, messages, MESSAGES, 0));
	for (int i = 0; i < MESSAGES; i++) {
		printf("sent: %u\n", messages[i].msg_len);
		iovs[i] = (struct iovec){ in[i], PART };
	}
	say("recvmmsg", recvmmsg(fd, messages, MESSAGES, MSG_WAITALL, NULL));
	for (int i = 0; i < MESSAGES; i++)
		printf("got %u: %s\n", messages[i].msg_len, in[i]);
	close(fd);
}

/* --- the error queue --- */

static bool has_error(int fd)
{
	return poll(&(struct pollfd){ .fd = fd }, 1, WAIT_MS) == 1;
}

/* What the queue's next message says; false: there is none in time */
static bool take_error(int fd, struct sock_extended_err *error, bool *stamped)
{
	union {
		struct cmsghdr header;
		char room[CONTROL];
	} control;
	char bytes[PART];
	struct iovec iov = { bytes, sizeof(bytes) };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control),
	};

	*stamped = false;
	if (!has_error(fd) || recvmsg(fd, &msg, MSG_ERRQUEUE) < 0)
		return false;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c)) {
		if ((c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVERR) ||
		    (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_RECVERR))
			memcpy(error, CMSG_DATA(c), sizeof(*error));
		if (c->cmsg_level == SOL_SOCKET)
			*stamped = true;
	}
	return true;
}

/* When the option is set: on the socket that connects, or listens, or on the connection */
static const char *const whens[] = { "before", "after", NULL };

enum when { BEFORE, AFTER };

static void allow_zero_copy(int fd, enum when when)
{
	if (chosen[0] == when)
		set_int(fd, SOL_SOCKET, SO_ZEROCOPY, 1);
}

/* Whether the kernel has copied after all is its own affair. */
static void uncopied(int fd)
{
	static char bytes[8192];
	struct sock_extended_err error = { 0 };
	bool stamped;

	allow_zero_copy(fd, AFTER);
	say("send", send(fd, bytes, sizeof(bytes), MSG_ZEROCOPY));
	say("completion", take_error(fd, &error, &stamped));
	printf("errno %d, origin %d, from %u to %u\n", error.ee_errno, error.ee_origin, error.ee_info,
	       error.ee_data);
	say("recv", recv(fd, bytes, sizeof(bytes), MSG_WAITALL));
}

static void zero_copy(void)
{
	int fd = tcp(0);

	allow_zero_copy(fd, BEFORE);
	say("connect", connect(fd, TO, to_len));
	uncopied(fd);
	close(fd);
}

static void zero_copy_server(void)
{
	int from = bound(SO_REUSEADDR), fd;

	allow_zero_copy(from, BEFORE);
	say("listen", listen(from, 8));
	fd = accepted(from);
	uncopied(fd);
	say_end(fd);
	close(fd);
}

static void sends_back(void)
{
	int fd = connected();

	echo_all(fd);
	close(fd);
}

static void returns(void)
{
	static char bytes[8192];
	int fd = connected();

	say("recv", recv(fd, bytes, sizeof(bytes), MSG_WAITALL));
	say("send", send(fd, bytes, sizeof(bytes), 0));
	close(fd);
}

/* Has the next byte a stamp? */
static bool comes_stamped(int fd)
{
	union {
		struct cmsghdr header;
		char room[CONTROL];
	} control;
	char byte = 'x';
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control),
	};
	bool stamped = false;

	if (recvmsg(fd, &msg, 0) != 1)
		say("recvmsg", -1);
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c))
		stamped |= c->cmsg_level == SOL_SOCKET && c->cmsg_type == SO_TIMESTAMPING;
	return stamped;
}

/*
 * When a byte left, and when it was acknowledged; and when those that come back came: a kernel that has
 * stamped nothing before begins to do so a moment after it is asked.
 */
static void stamped_byte(int fd)
{
	bool sent = false, acknowledged = false, stamped = false, all = true;
	int tries = STAMP_TRIES;

	set_int(fd, SOL_SOCKET, SO_TIMESTAMPING,
		SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_RX_SOFTWARE | SOF_TIMESTAMPING_TX_SOFTWARE |
		SOF_TIMESTAMPING_TX_ACK | SOF_TIMESTAMPING_OPT_ID | SOF_TIMESTAMPING_OPT_TSONLY);
	say("write", write(fd, "x", 1));
	while (!sent || !acknowledged) {
		struct sock_extended_err error = { 0 };

		if (!take_error(fd, &error, &stamped))
			break;
		sent |= error.ee_origin == SO_EE_ORIGIN_TIMESTAMPING && error.ee_info == TSTAMP_SND;
		acknowledged |= error.ee_origin == SO_EE_ORIGIN_TIMESTAMPING && error.ee_info == TSTAMP_ACK;
		all &= stamped && !error.ee_data;
	}
	printf("sent %d, acknowledged %d, with stamps of the first byte %d\n", sent, acknowledged, all);
	stamped = comes_stamped(fd);
	while (!stamped && tries-- && write(fd, "x", 1) == 1) {
		poll(NULL, 0, 1);
		stamped = comes_stamped(fd);
	}
	printf("what comes has a stamp: %d\n", stamped);
}

static void stamps(void)
{
	int fd = connected();

	/* Whatever was sent before is acknowledged then. */
	echo(fd);
	stamped_byte(fd);
	close(fd);
}

static void stamps_server(void)
{
	int fd = accepted(listener(8));

	echo(fd);
	stamped_byte(fd);
	close(fd);
}

/* --- flags and counts by ioctl --- */

static void by_ioctl(void)
{
	int on = 1, off = 0, num = -1, fd = tcp(0);
	char byte;

	say("FIONBIO", ioctl(fd, FIONBIO, &on));
	say("connect", connect(fd, TO, to_len));
	poll(&(struct pollfd){ .fd = fd, .events = POLLOUT }, 1, WAIT_MS);
	printf("SO_ERROR: %d\n", get_int(fd, SOL_SOCKET, SO_ERROR));
	say("read", read(fd, &byte, 1));
	say("write", write(fd, "abc", 3));
	say("FIONBIO", ioctl(fd, FIONBIO, &off));
	say("peek", recv(fd, (char[3]){ 0 }, 3, MSG_PEEK | MSG_WAITALL));
	say("FIONREAD", ioctl(fd, FIONREAD, &num));
	printf("to be read: %d\n", num);
	say("SIOCATMARK", ioctl(fd, SIOCATMARK, &num));
	printf("at the mark: %d\n", num);
	say("FIOASYNC", ioctl(fd, FIOASYNC, &on));
	printf("O_ASYNC: %d\n", !!(fcntl(fd, F_GETFL) & O_ASYNC));
	say("FIOCLEX", ioctl(fd, FIOCLEX));
	printf("FD_CLOEXEC: %d\n", fcntl(fd, F_GETFD));
	close(fd);
}

/* --- everything closed but for three --- */

static void all_closed(void)
{
	int fd = connected();

	echo(fd);
#ifdef __GLIBC__
	closefrom(3);
#else
	syscall(SYS_close_range, 3, ~0u, 0);
#endif
	say("write", write(fd, "x", 1));
	one_echo();
}

static const struct test tests[] = {
	{ "many", many, NULL },
	{ "zero_copy", zero_copy, NULL, .dimensions = { whens } },
	{ "zero_copy_accepted", returns, zero_copy_server, .dimensions = { whens } },
	{ "stamps", stamps, NULL },
	{ "stamps_accepted", sends_back, stamps_server },
	{ "by_ioctl", by_ioctl, NULL },
	{ "all_closed", all_closed, NULL },
};

RUN_TESTS(tests)
