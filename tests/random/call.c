/* SPDX-License-Identifier: MIT */
/*
 * call.c - a step's call, made by the actor itself
 *
 * All through the C library, as any program would.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <unistd.h>

#include "call.h"
#include "option.h"
#include "place.h"

#define DATA_MAX	4096
#define EVENTS_MAX	16

typedef void call_fn(const struct order *order, struct reply *reply);

__attribute__((format(printf, 2, 3)))
static void add(struct reply *reply, const char *format, ...)
{
	size_t len = strlen(reply->text);
	va_list args;

	va_start(args, format);
	vsnprintf(reply->text + len, sizeof(reply->text) - len, format, args);
	va_end(args);
}

void call_say(struct reply *reply, long ret)
{
	int error = errno;

	reply->ret = (int)ret;
	reply->error = ret < 0 ? error : 0;
	reply->text[0] = '\0';
	if (ret < 0)
		add(reply, "-1 %s", strerrorname_np(error));
	else
		add(reply, "%ld", ret);
}

static int arg(const struct order *order, int which)
{
	return order->step.arg[which];
}

static int socket_flags(int flags)
{
	return (flags & FLAG_NONBLOCK ? SOCK_NONBLOCK : 0) | (flags & FLAG_CLOEXEC ? SOCK_CLOEXEC : 0);
}

static int msg_flags(int flags)
{
	return (flags & MSG_BIT_PEEK ? MSG_PEEK : 0) | (flags & MSG_BIT_DONTWAIT ? MSG_DONTWAIT : 0) |
	       (flags & MSG_BIT_OOB ? MSG_OOB : 0) | (flags & MSG_BIT_WAITALL ? MSG_WAITALL : 0) |
	       (flags & MSG_BIT_MORE ? MSG_MORE : 0);
}

static void do_socket(const struct order *order, struct reply *reply)
{
	call_say(reply, socket(arg(order, 1) == FAMILY_INET6 ? AF_INET6 : AF_INET,
			       SOCK_STREAM | socket_flags(arg(order, 2)), 0));
}

static void do_bind(const struct order *order, struct reply *reply)
{
	struct sockaddr_storage address;
	socklen_t len = place_address(arg(order, 1), arg(order, 2), order->ports, &address);

	call_say(reply, bind(order->fd[0], (void *)&address, len));
}

static void do_listen(const struct order *order, struct reply *reply)
{
	call_say(reply, listen(order->fd[0], arg(order, 1)));
}

static void do_connect(const struct order *order, struct reply *reply)
{
	struct sockaddr_storage address;
	socklen_t len = place_address(arg(order, 1), arg(order, 2), order->ports, &address);

	call_say(reply, connect(order->fd[0], (void *)&address, len));
}

static void do_dissolve(const struct order *order, struct reply *reply)
{
	struct sockaddr address = { .sa_family = AF_UNSPEC };

	call_say(reply, connect(order->fd[0], &address, sizeof(address)));
}

static void say_name(const struct order *order, struct reply *reply, long ret,
		     const struct sockaddr_storage *name, socklen_t len)
{
	char text[100];

	call_say(reply, ret);
	if (ret < 0)
		return;
	place_text(name, len, order->ports, text, sizeof(text));
	add(reply, " %s", text);
}

static void do_accept(const struct order *order, struct reply *reply)
{
	struct sockaddr_storage name = { 0 };
	socklen_t len = sizeof(name);
	int fd = accept4(order->fd[1], (void *)&name, &len, socket_flags(arg(order, 2)));

	say_name(order, reply, fd, &name, len);
}

static void do_sockname(const struct order *order, struct reply *reply)
{
	struct sockaddr_storage name = { 0 };
	socklen_t len = sizeof(name);
	int ret = getsockname(order->fd[0], (void *)&name, &len);

	say_name(order, reply, ret, &name, len);
}

static void do_peername(const struct order *order, struct reply *reply)
{
	struct sockaddr_storage name = { 0 };
	socklen_t len = sizeof(name);
	int ret = getpeername(order->fd[0], (void *)&name, &len);

	say_name(order, reply, ret, &name, len);
}

static void do_shutdown(const struct order *order, struct reply *reply)
{
	static const int hows[] = { SHUT_RD, SHUT_WR, SHUT_RDWR };

	call_say(reply, shutdown(order->fd[0], hows[arg(order, 1)]));
}

static void do_close(const struct order *order, struct reply *reply)
{
	call_say(reply, close(order->fd[0]));
}

static void do_dup(const struct order *order, struct reply *reply)
{
	call_say(reply, dup(order->fd[1]));
}

static void do_dup2(const struct order *order, struct reply *reply)
{
	call_say(reply, dup2(order->fd[0], order->fd[1]));
}

static void do_dup3(const struct order *order, struct reply *reply)
{
	call_say(reply, dup3(order->fd[0], order->fd[1], arg(order, 2) & FLAG_CLOEXEC ? O_CLOEXEC : 0));
}

static void do_dupfd(const struct order *order, struct reply *reply)
{
	call_say(reply, fcntl(order->fd[1], F_DUPFD, arg(order, 2)));
}

static void do_fionbio(const struct order *order, struct reply *reply)
{
	int on = arg(order, 1);

	call_say(reply, ioctl(order->fd[0], FIONBIO, &on));
}

static void do_setfl(const struct order *order, struct reply *reply)
{
	call_say(reply, fcntl(order->fd[0], F_SETFL, arg(order, 1) ? O_NONBLOCK : 0));
}

static void do_setfd(const struct order *order, struct reply *reply)
{
	call_say(reply, fcntl(order->fd[0], F_SETFD, arg(order, 1) ? FD_CLOEXEC : 0));
}

static void do_getfl(const struct order *order, struct reply *reply)
{
	call_say(reply, fcntl(order->fd[0], F_GETFL));
}

static void do_getfd(const struct order *order, struct reply *reply)
{
	call_say(reply, fcntl(order->fd[0], F_GETFD));
}

static void do_setopt(const struct order *order, struct reply *reply)
{
	const struct option *option = &options[arg(order, 1)];
	int value = arg(order, 2);
	struct linger linger = { value >= 0, value >= 0 ? value : 0 };
	struct timeval time = { 0, value * 1000 };

	if (option->type == OPTION_LINGER)
		call_say(reply, setsockopt(order->fd[0], option->level, option->name, &linger, sizeof(linger)));
	else if (option->type == OPTION_TIME)
		call_say(reply, setsockopt(order->fd[0], option->level, option->name, &time, sizeof(time)));
	else
		call_say(reply, setsockopt(order->fd[0], option->level, option->name, &value, sizeof(value)));
}

static void do_getopt(const struct order *order, struct reply *reply)
{
	const struct option *option = &options[arg(order, 1)];
	int values[8] = { 0 };
	socklen_t len = sizeof(values);

	if (option->type == OPTION_INT || option->type == OPTION_READ)
		len = sizeof(int);
	call_say(reply, getsockopt(order->fd[0], option->level, option->name, values, &len));
	if (reply->ret)
		return;
	for (socklen_t i = 0; i < len / sizeof(int); i++)
		add(reply, " %d", values[i]);
}

/* What an actor sends is told from what others send, and from what it sent before. */
static void fill(const struct order *order, char *data, int len)
{
	for (int i = 0; i < len; i++)
		data[i] = (char)('a' + (order->step.actor * 5 + i * 7 + len) % 26);
}

static int length(const struct order *order)
{
	int len = arg(order, 1);

	return len < 0 ? 0 : len > DATA_MAX ? DATA_MAX : len;
}

static void do_send(const struct order *order, struct reply *reply)
{
	char data[DATA_MAX];

	fill(order, data, length(order));
	call_say(reply, send(order->fd[0], data, (size_t)length(order), msg_flags(arg(order, 2))));
}

static void do_write(const struct order *order, struct reply *reply)
{
	char data[DATA_MAX];

	fill(order, data, length(order));
	call_say(reply, write(order->fd[0], data, (size_t)length(order)));
}

static void do_sendmsg(const struct order *order, struct reply *reply)
{
	char data[DATA_MAX];
	size_t half = (size_t)length(order) / 2;
	struct iovec iov[] = { { data, half }, { data + half, (size_t)length(order) - half } };
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };

	fill(order, data, length(order));
	call_say(reply, sendmsg(order->fd[0], &msg, msg_flags(arg(order, 2))));
}

static void say_data(struct reply *reply, long got, const char *data)
{
	uint32_t sum = 2166136261u;

	call_say(reply, got);
	for (long i = 0; i < got; i++)
		sum = (sum ^ (unsigned char)data[i]) * 16777619u;
	if (got > 0)
		add(reply, " sum %08x", sum);
}

static void do_recv(const struct order *order, struct reply *reply)
{
	char data[DATA_MAX];

	say_data(reply, recv(order->fd[0], data, (size_t)length(order), msg_flags(arg(order, 2))), data);
}

static void do_read(const struct order *order, struct reply *reply)
{
	char data[DATA_MAX];

	say_data(reply, read(order->fd[0], data, (size_t)length(order)), data);
}

static void do_recvmsg(const struct order *order, struct reply *reply)
{
	char data[DATA_MAX];
	struct sockaddr_storage name;
	struct iovec iov = { data, (size_t)length(order) };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_name = &name, .msg_namelen = sizeof(name),
	};

	say_data(reply, recvmsg(order->fd[0], &msg, msg_flags(arg(order, 2))), data);
	if (reply->ret >= 0)
		add(reply, " flags %x, a name of %u", msg.msg_flags & ~MSG_CMSG_CLOEXEC, msg.msg_namelen);
}

static void do_poll(const struct order *order, struct reply *reply)
{
	int events = arg(order, 1);
	struct pollfd pollfd = { .fd = order->fd[0] };

	pollfd.events = (short)((events & EVENT_IN ? POLLIN : 0) | (events & EVENT_OUT ? POLLOUT : 0) |
				(events & EVENT_RDHUP ? POLLRDHUP : 0) | (events & EVENT_PRI ? POLLPRI : 0));
	call_say(reply, poll(&pollfd, 1, arg(order, 2)));
	if (reply->ret > 0)
		add(reply, " events %x", (unsigned int)pollfd.revents);
}

static void do_select(const struct order *order, struct reply *reply)
{
	struct timeval time = { 0, arg(order, 2) * 1000 };
	int fd = order->fd[0], events = arg(order, 1);
	fd_set in, out, except;

	FD_ZERO(&in);
	FD_ZERO(&out);
	FD_ZERO(&except);
	if (events & EVENT_IN)
		FD_SET(fd, &in);
	if (events & EVENT_OUT)
		FD_SET(fd, &out);
	if (events & EVENT_PRI)
		FD_SET(fd, &except);
	call_say(reply, select(fd + 1, &in, &out, &except, arg(order, 2) < 0 ? NULL : &time));
	if (reply->ret > 0)
		add(reply, "%s%s%s", FD_ISSET(fd, &in) ? " in" : "", FD_ISSET(fd, &out) ? " out" : "",
		    FD_ISSET(fd, &except) ? " except" : "");
}

static void do_epoll(const struct order *order, struct reply *reply)
{
	(void)order;
	call_say(reply, epoll_create1(0));
}

static void control(const struct order *order, struct reply *reply, int op)
{
	int events = arg(order, 2);
	struct epoll_event event = { .data.u64 = (uint64_t)order->fd[1] };

	event.events = (events & EVENT_IN ? EPOLLIN : 0) | (events & EVENT_OUT ? EPOLLOUT : 0) |
		       (events & EVENT_RDHUP ? EPOLLRDHUP : 0) | (events & EVENT_PRI ? EPOLLPRI : 0) |
		       (events & EVENT_ET ? EPOLLET : 0) | (events & EVENT_ONESHOT ? EPOLLONESHOT : 0);
	call_say(reply, epoll_ctl(order->fd[0], op, order->fd[1], &event));
}

static void do_epadd(const struct order *order, struct reply *reply)
{
	control(order, reply, EPOLL_CTL_ADD);
}

static void do_epmod(const struct order *order, struct reply *reply)
{
	control(order, reply, EPOLL_CTL_MOD);
}

static void do_epdel(const struct order *order, struct reply *reply)
{
	control(order, reply, EPOLL_CTL_DEL);
}

/* By the fds that were registered: in which order they became ready may be a matter of microseconds. */
static void do_epwait(const struct order *order, struct reply *reply)
{
	struct epoll_event events[EVENTS_MAX];
	int got = epoll_wait(order->fd[0], events, EVENTS_MAX, arg(order, 1));

	call_say(reply, got);
	if (got >= 0)
		reply->text[0] = '\0';
	for (uint64_t fd = 0; fd <= FD_LAST; fd++)
		for (int i = 0; i < got; i++)
			if (events[i].data.u64 == fd)
				add(reply, "[%d %x]", (int)fd, events[i].events);
}

static call_fn *const calls[OP_NUM] = {
	[OP_SOCKET] = do_socket, [OP_BIND] = do_bind, [OP_LISTEN] = do_listen, [OP_CONNECT] = do_connect,
	[OP_DISSOLVE] = do_dissolve, [OP_ACCEPT] = do_accept, [OP_SHUTDOWN] = do_shutdown,
	[OP_CLOSE] = do_close, [OP_DUP] = do_dup, [OP_DUP2] = do_dup2, [OP_DUP3] = do_dup3,
	[OP_DUPFD] = do_dupfd, [OP_FIONBIO] = do_fionbio, [OP_SETFL] = do_setfl, [OP_SETFD] = do_setfd,
	[OP_GETFL] = do_getfl, [OP_GETFD] = do_getfd, [OP_SOCKNAME] = do_sockname,
	[OP_PEERNAME] = do_peername, [OP_SETOPT] = do_setopt, [OP_GETOPT] = do_getopt,
	[OP_SEND] = do_send, [OP_RECV] = do_recv, [OP_WRITE] = do_write, [OP_READ] = do_read,
	[OP_SENDMSG] = do_sendmsg, [OP_RECVMSG] = do_recvmsg, [OP_POLL] = do_poll,
	[OP_SELECT] = do_select, [OP_EPOLL] = do_epoll, [OP_EPADD] = do_epadd, [OP_EPMOD] = do_epmod,
	[OP_EPDEL] = do_epdel, [OP_EPWAIT] = do_epwait,
};

void call_make(const struct order *order, struct reply *reply)
{
	calls[order->step.op](order, reply);
}
