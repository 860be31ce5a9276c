/* SPDX-License-Identifier: MIT */
/*
 * fake_router.c - a router that answers the shim as a test wants it to
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "fake_router.h"

#define CHANNELS	512
#define TICK_MS		2

static struct fake_router *own;

/* What came on a channel, and is answered at once or later. */
union request {
	struct slim_frame frame;
	struct slim_connect connect;
	struct slim_listen listen;
	struct slim_unlisten unlisten;
	struct slim_claim claim;
	struct slim_name name;
	char room[256];
};

union reply {
	struct slim_frame frame;
	struct slim_hello_reply hello;
	struct slim_connect_reply connect;
	struct slim_listen_reply listen;
	struct slim_claim_reply claim;
	struct slim_name_reply name;
	char room[1024];
};

static struct channel {
	int fd;
	pid_t pid;
	bool holds;
	union request request;
} channels[CHANNELS];

#define ADD(field)	__atomic_fetch_add(&own->field, 1, __ATOMIC_SEQ_CST)

static const uint32_t request_len[SLIM_FRAME_NUM] = {
	[SLIM_FRAME_HELLO] = sizeof(struct slim_hello),
	[SLIM_FRAME_CONNECT] = sizeof(struct slim_connect),
	[SLIM_FRAME_LISTEN] = sizeof(struct slim_listen),
	[SLIM_FRAME_UNLISTEN] = sizeof(struct slim_unlisten),
	[SLIM_FRAME_CLAIM] = sizeof(struct slim_claim),
	[SLIM_FRAME_NAME] = sizeof(struct slim_name),
};

static const uint32_t reply_len[SLIM_FRAME_NUM] = {
	[SLIM_FRAME_HELLO] = sizeof(struct slim_hello_reply),
	[SLIM_FRAME_CONNECT] = sizeof(struct slim_connect_reply),
	[SLIM_FRAME_LISTEN] = sizeof(struct slim_listen_reply),
	[SLIM_FRAME_CLAIM] = sizeof(struct slim_claim_reply),
	[SLIM_FRAME_NAME] = sizeof(struct slim_name_reply),
};

static void sleep_us(uint32_t us)
{
	struct timespec time = { us / 1000000, us % 1000000 * 1000 };

	nanosleep(&time, NULL);
}

/* A reply tells by its contents which request it is for. */
static uint32_t reply_fill(union reply *reply, const union request *request)
{
	uint16_t type = request->frame.type;

	memset(reply, 0, sizeof(*reply));
	reply->frame = request->frame;
	reply->frame.type++;
	reply->frame.length = reply_len[type];
	reply->name.generation = COUNT(own, generation);
	if (type == SLIM_FRAME_HELLO) {
		reply->hello.prefixes_num = (uint16_t)COUNT(own, prefixes);
		reply->hello.prefixes[0].len = (uint8_t)reply->hello.generation;
	} else if (type == SLIM_FRAME_NAME) {
		memcpy(reply->name.local.addr, &request->name.cookie, 8);
	} else if (type == SLIM_FRAME_LISTEN) {
		reply->listen.error = COUNT(own, error);
	} else if (type == SLIM_FRAME_CLAIM) {
		reply->claim.verdict = SLIM_VERDICT_SLIM;
		reply->claim.local = request->claim.ticket;
	} else if (type == SLIM_FRAME_CONNECT) {
		reply->connect.verdict = SLIM_VERDICT_SLIM;
		reply->connect.local = request->connect.dst;
	}
	return reply_len[type];
}

static uint32_t reply_spoil(union reply *reply, uint32_t len, enum manner manner)
{
	switch (manner) {
	case MANNER_ID:
		reply->frame.id ^= 1;
		break;
	case MANNER_MAGIC:
		reply->frame.magic++;
		break;
	case MANNER_VERSION:
		reply->frame.version++;
		break;
	case MANNER_TYPE:
		reply->frame.type = SLIM_FRAME_LISTEN_REPLY;
		break;
	case MANNER_LENGTH:
		reply->frame.length += 8;
		break;
	case MANNER_SHORT:
		return len - 1;
	case MANNER_LONG:
		return len + 1;
	case MANNER_EMPTY:
		return 0;
	default:
		break;
	}
	return len;
}

static void send_reply(const struct channel *channel, const union request *request,
		       enum manner manner, uint32_t fds)
{
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(8 * sizeof(int))];
	} control = { .header = { .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS } };
	union reply reply;
	struct iovec iov = { &reply, reply_spoil(&reply, reply_fill(&reply, request), manner) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	int file = open("/dev/null", O_RDWR | O_CLOEXEC);

	for (uint32_t i = 0; i < fds; i++)
		memcpy(CMSG_DATA(&control.header) + i * sizeof(int), &file, sizeof(int));
	if (fds) {
		control.header.cmsg_len = CMSG_LEN(fds * sizeof(int));
		msg.msg_control = &control;
		msg.msg_controllen = CMSG_SPACE(fds * sizeof(int));
	}
	if (sendmsg(channel->fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0)
		ADD(sent[request->frame.type]);
	close(file);
}

static void channel_close(struct channel *channel)
{
	close(channel->fd);
	channel->fd = -1;
	channel->holds = false;
	ADD(closed);
}

static void channel_hold(struct channel *channel, const union request *request)
{
	channel->holds = true;
	channel->request = *request;
	ADD(held);
}

static void release(uint32_t types)
{
	uint32_t fds = COUNT(own, fds), held = 0;

	for (struct channel *channel = channels; channel < channels + CHANNELS; channel++) {
		if (channel->fd < 0 || !channel->holds)
			continue;
		if (!(types & 1u << channel->request.frame.type)) {
			held++;
			continue;
		}
		channel->holds = false;
		send_reply(channel, &channel->request, MANNER_ANSWER, fds);
	}
	ORDER(own, held, held);
	ORDER(own, release, 0);
}

/* How the request is to be answered: as ordered, as long as the order lasts. */
static enum manner take_order(uint16_t type, uint32_t *fds)
{
	*fds = 0;
	if (!(COUNT(own, types) & 1u << type) || !COUNT(own, times))
		return MANNER_ANSWER;
	__atomic_fetch_sub(&own->times, 1, __ATOMIC_SEQ_CST);
	*fds = COUNT(own, fds);
	return COUNT(own, manner);
}

static void answer(struct channel *channel, const union request *request)
{
	uint32_t fds;
	enum manner manner = take_order(request->frame.type, &fds);

	if (!reply_len[request->frame.type])
		return;
	if (manner == MANNER_HOLD) {
		channel_hold(channel, request);
		return;
	}
	if (manner == MANNER_CLOSE) {
		channel_close(channel);
		return;
	}
	if (manner == MANNER_DELAY)
		sleep_us(COUNT(own, delay));
	if (manner == MANNER_STOP) {
		kill(channel->pid, SIGSTOP);
		sleep_us(20000);
		kill(channel->pid, SIGCONT);
		sleep_us(5000);
	}
	send_reply(channel, request, manner, fds);
}

/* The sender, and one whole frame; -1: the end; 0: no frame */
static ssize_t receive(const struct channel *channel, union request *request, pid_t *sender)
{
	union {
		struct cmsghdr header;
		char room[256];
	} control;
	struct iovec iov = { request, sizeof(*request) };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = &control, .msg_controllen = sizeof(control),
	};
	ssize_t got = recvmsg(channel->fd, &msg, MSG_DONTWAIT);
	struct ucred cred = { 0 };

	if (got <= 0)
		return -1;
	if (msg.msg_controllen && control.header.cmsg_type == SCM_CREDENTIALS)
		memcpy(&cred, CMSG_DATA(&control.header), sizeof(cred));
	*sender = cred.pid;
	if (msg.msg_controllen != CMSG_SPACE(sizeof(cred)) ||
	    (size_t)got < sizeof(request->frame) ||
	    request->frame.magic != SLIM_CHANNEL_MAGIC || request->frame.type >= SLIM_FRAME_NUM ||
	    (uint32_t)got != request_len[request->frame.type] ||
	    request->frame.length != (uint32_t)got)
		return 0;
	return got;
}

static void channel_serve(struct channel *channel)
{
	union request request;
	pid_t sender = 0;
	ssize_t got = receive(channel, &request, &sender);

	if (got < 0) {
		channel_close(channel);
		return;
	}
	if (!got) {
		ADD(garbage);
		return;
	}
	if (sender != channel->pid)
		ADD(strangers);
	ADD(requests[request.frame.type]);
	answer(channel, &request);
}

static void channel_open(int listener)
{
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC), one = 1;
	struct channel *channel = channels;
	struct ucred cred;
	socklen_t len = sizeof(cred);

	if (fd < 0)
		return;
	while (channel->fd >= 0 && channel < channels + CHANNELS - 1)
		channel++;
	getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len);
	setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &one, sizeof(one));
	*channel = (struct channel){ .fd = fd, .pid = cred.pid };
	ADD(opened);
}

static void serve(int listener)
{
	struct pollfd polled[CHANNELS + 1];

	for (int i = 0; i < CHANNELS; i++)
		channels[i].fd = -1;
	for (;;) {
		polled[CHANNELS] = (struct pollfd){ .fd = listener, .events = POLLIN };
		for (int i = 0; i < CHANNELS; i++)
			polled[i] = (struct pollfd){ .fd = channels[i].fd, .events = POLLIN };
		poll(polled, CHANNELS + 1, TICK_MS);
		for (int i = 0; i < CHANNELS; i++)
			if (polled[i].fd >= 0 && polled[i].revents)
				channel_serve(&channels[i]);
		if (polled[CHANNELS].revents)
			channel_open(listener);
		if (COUNT(own, release))
			release(COUNT(own, release));
		else if (COUNT(own, hold_for) && COUNT(own, held) >= COUNT(own, hold_for))
			release(~0u);
	}
}

static int listen_on_name(void)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	static const char name[] = SLIM_CHANNEL_NAME;
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0), one = 1;

	memcpy(sun.sun_path + 1, name, sizeof(name) - 1);
	/* What comes between connect() and accept() says who sent it, too. */
	setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&sun, offsetof(struct sockaddr_un, sun_path) +
		 sizeof(name)) || listen(fd, 1024))
		return -1;
	return fd;
}

struct fake_router *fake_router_new(void)
{
	struct fake_router *router = mmap(NULL, sizeof(*router), PROT_READ | PROT_WRITE,
					  MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	ck_assert_ptr_ne(router, MAP_FAILED);
	router->generation = 1;
	router->prefixes = 1;
	return router;
}

void fake_router_start(struct fake_router *router, uid_t uid)
{
	char byte = 0;
	int ready[2];
	pid_t pid;

	ck_assert_int_eq(pipe(ready), 0);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (!pid) {
		own = router;
		close(ready[0]);
		if (uid && setresuid(uid, uid, uid))
			_exit(1);
		/* Behind setresuid(), which forgets it. */
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		int listener = listen_on_name();

		if (listener < 0 || write(ready[1], &byte, 1) != 1)
			_exit(1);
		close(ready[1]);
		serve(listener);
	}
	router->pid = pid;
	close(ready[1]);
	ck_assert_int_eq(read(ready[0], &byte, 1), 1);
	close(ready[0]);
}

void fake_router_stop(struct fake_router *router)
{
	if (!router->pid)
		return;
	kill(router->pid, SIGKILL);
	waitpid(router->pid, NULL, 0);
	router->pid = 0;
}

void fake_router_order(struct fake_router *router, enum manner manner,
		       enum slim_frame_type type, uint32_t times)
{
	ORDER(router, times, 0);
	ORDER(router, manner, manner);
	ORDER(router, types, 1u << type);
	ORDER(router, times, times);
}

static void release_types(struct fake_router *router, uint32_t types)
{
	ORDER(router, release, types);
	while (COUNT(router, release))
		sleep_us(200);
}

void fake_router_release(struct fake_router *router)
{
	release_types(router, ~0u);
}

void fake_router_release_type(struct fake_router *router, enum slim_frame_type type)
{
	release_types(router, 1u << type);
}
