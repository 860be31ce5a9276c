/* SPDX-License-Identifier: MIT */
/* channel.c - shims' connections to the router */
#include "channel.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "accept_pause.h"
#include "claim.h"
#include "container.h"
#include "counters.h"
#include "ledger.h"
#include "limit.h"
#include "listener.h"
#include "log.h"
#include "namespace.h"
#include "outbound.h"
#include "policy_crossing.h"
#include "worker.h"

#define CHANNEL_BACKLOG		128
#define CHANNEL_SNDBUF		4096	/* a few replies: whoever asks reads the answer */
#define CHANNEL_ENDING		128	/* beyond the limit: refused, but not closed yet */

#ifndef SO_PASSRIGHTS
#define SO_PASSRIGHTS		83
#endif

static struct log_limit bad_limit = { .burst = 5 };

/* A LISTEN, on its way to the control thread. */
struct listen_task {
	struct loop_task task;
	struct channel *channel;	/* reference held */
	struct listener_request request;
	uint32_t id;
};

union request {
	struct slim_frame frame;
	struct slim_hello hello;
	struct slim_connect connect;
	struct slim_listen listen;
	struct slim_unlisten unlisten;
	struct slim_claim claim;
	struct slim_name name;
};

void channel_get(struct channel *channel)
{
	__atomic_add_fetch(&channel->refs, 1, __ATOMIC_RELAXED);
}

/* A closer's thread: only now may the container have another one. */
static void closed(struct stray *stray)
{
	struct channel *channel = caa_container_of(stray, struct channel, stray);

	__atomic_sub_fetch(&channel->container->channels, 1, __ATOMIC_RELAXED);
	container_put(channel->container);
	free(channel);
}

/* Nobody knows it any more. */
static void release(struct channel *channel)
{
	/* Nothing can be in its queue. */
	if (channel->passing_fd >= 0)
		close(channel->passing_fd);
	channel->stray.fd = channel->event.fd;
	channel->stray.closed = closed;
	stray_close(&channel->stray);
}

static void free_rcu(struct rcu_head *head)
{
	release(caa_container_of(head, struct channel, rcu));
}

void channel_put(struct channel *channel)
{
	if (__atomic_sub_fetch(&channel->refs, 1, __ATOMIC_ACQ_REL) == 0)
		call_rcu(&channel->rcu, free_rcu);
}

void channel_close(struct channel *channel)
{
	if (channel->closed)
		return;
	channel->closed = true;
	share_cancel(&channel->job);
	loop_remove(channel->worker->loop, &channel->event);
	/* The shim knows at once, also while somebody holds a reference. */
	shutdown(channel->event.fd, SHUT_RDWR);
	cds_list_del(&channel->node);
	counter_inc(channels_closed);
	if (channel->listened)
		listener_check_soon(channel->container, true);
	channel_put(channel);
}

static void bad_frame(struct channel *channel, const char *what)
{
	counter_inc(frames_bad);
	if (log_limit_ok(&bad_limit))
		log_warning("container %s: %s on a channel: closed it",
			    channel->container->name, what);
	channel_close(channel);
}

void channel_request_begin(struct channel *channel)
{
	__atomic_store_n(&channel->asking, true, __ATOMIC_RELAXED);
}

void channel_request_end(struct channel *channel)
{
	__atomic_store_n(&channel->asking, false, __ATOMIC_RELEASE);
}

static int send_frame(int to, void *reply, size_t len, unsigned int type, uint32_t id, int fd)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec iov = { .iov_base = reply, .iov_len = len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct slim_frame *frame = reply;

	frame->magic = SLIM_CHANNEL_MAGIC;
	frame->version = SLIM_CHANNEL_VERSION;
	frame->type = (uint16_t)type;
	frame->length = (uint32_t)len;
	frame->id = id;
	if (fd >= 0) {
		struct cmsghdr *cmsg;

		msg.msg_control = control.bytes;
		msg.msg_controllen = sizeof(control.bytes);
		cmsg = CMSG_FIRSTHDR(&msg);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(cmsg), &fd, sizeof(fd));
	}
	return sendmsg(to, &msg, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? -errno : 0;
}

int channel_reply(struct channel *channel, void *reply, size_t len, unsigned int type,
		  uint32_t id)
{
	return send_frame(channel->event.fd, reply, len, type, id, -1);
}

int channel_hand_over(struct channel *channel, void *reply, size_t len, unsigned int type,
		      uint32_t id, int fd)
{
	int by = channel_passing(channel);
	int err = send_frame(by, reply, len, type, id, fd);

	if (err)
		return err;
	stray_close_fd(fd);
	/* A shim that does not hear of it looks for it when its time is over, or is gone. */
	if (by != channel->event.fd)
		(void)channel_reply(channel, reply, len, type, id);
	return 0;
}

static void reply_or_close(struct channel *channel, void *reply, size_t len,
			   unsigned int type, uint32_t id)
{
	if (channel_reply(channel, reply, len, type, id))
		channel_close(channel);
}

/* Answers that nobody reads hold memory and, with CONNECT and CLAIM, sockets. */
static void bound_answers(int fd)
{
	int size = CHANNEL_SNDBUF;

	(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
}

/*
 * Makes the passing socket; returns the shim's end of it, or -1: it has one, or must do without.
 * Nothing can be sent to our end.
 */
static int passing_open(struct channel *channel)
{
	int ends[2];

	if (channel->passing_fd >= 0 || channel->container->path == CONTAINER_PATH_PACKET ||
	    namespace_socketpair(channel->container->netns_fd, AF_UNIX,
				 SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends))
		return -1;
	shutdown(ends[0], SHUT_RD);
	bound_answers(ends[0]);
	channel->passing_fd = ends[0];
	return ends[1];
}

uint32_t channel_generation(const struct channel *channel)
{
	uint32_t generation = channel->container->generation + policy_crossing_stamp();

	return generation ? generation : 1;
}

static void add_prefixes(const struct config_tenant *tenant, void *data)
{
	static struct log_limit limit = { .burst = 1 };
	struct slim_hello_reply *reply = data;

	for (size_t i = 0; i < tenant->prefixes_num; i++) {
		struct slim_prefix *prefix = &reply->prefixes[reply->prefixes_num];

		if (reply->prefixes_num == SLIM_CHANNEL_PREFIXES) {
			if (log_limit_ok(&limit))
				log_warning("tenant %s has more prefixes than a program can be told with "
					    "those of others: it does not reach all of them", tenant->name);
			return;
		}
		memcpy(prefix->addr, &tenant->prefixes[i].addr, sizeof(prefix->addr));
		prefix->len = (uint8_t)tenant->prefixes[i].len;
		reply->prefixes_num++;
	}
}

/* None where no connection is to be asked for. */
static void tell_prefixes(const struct container *container, struct slim_hello_reply *reply)
{
	if (container->path == CONTAINER_PATH_PACKET)
		return;
	add_prefixes(container->tenant, reply);
	policy_crossing_each(container->vni, add_prefixes, reply);
}

static void hello(struct channel *channel, const union request *request)
{
	const struct container *container = channel->container;
	struct slim_hello_reply reply = {
		.generation = channel_generation(channel),
		.addresses_num = (uint16_t)container->addresses_num,
	};
	int passing;

	tell_prefixes(container, &reply);
	memcpy(reply.addresses, container->addresses,
	       container->addresses_num * sizeof(container->addresses[0]));
	passing = passing_open(channel);
	if (send_frame(channel->event.fd, &reply, sizeof(reply), SLIM_FRAME_HELLO_REPLY,
		       request->frame.id, passing))
		channel_close(channel);
	if (passing >= 0)
		close(passing);
}

static void listen_done(struct listener_request *request, int err)
{
	struct listen_task *work = caa_container_of(request, struct listen_task, request);
	struct channel *channel = work->channel;
	struct slim_listen_reply reply = {
		.generation = channel_generation(channel), .error = (uint32_t)-err,
	};

	if (err)
		log_debug("container %s: listener not registered: %s",
			  channel->container->name, strerror(-err));
	channel_request_end(channel);
	/* A shim that is gone does not need the answer. */
	(void)channel_reply(channel, &reply, sizeof(reply), SLIM_FRAME_LISTEN_REPLY, work->id);
	channel_put(channel);
	free(work);
}

static void listen_run(struct loop_task *task)
{
	struct listen_task *work = caa_container_of(task, struct listen_task, task);

	listener_register(work->channel->container, &work->request);
}

static void listen_request(struct channel *channel, const union request *request)
{
	struct listen_task *work;

	if (request->listen.flags & ~SLIM_LISTEN_FLAGS) {
		bad_frame(channel, "unknown flags");
		return;
	}
	work = calloc(1, sizeof(*work));
	if (!work) {
		channel_close(channel);
		return;
	}
	channel->listened = true;
	channel_get(channel);
	work->channel = channel;
	work->request.cookie = request->listen.cookie;
	work->request.options = request->listen.options;
	work->request.flags = request->listen.flags;
	work->request.done = listen_done;
	work->id = request->frame.id;
	work->task.run = listen_run;
	channel_request_begin(channel);
	loop_post(channel->worker->control, &work->task);
}

static void unlisten(struct channel *channel, const union request *request)
{
	(void)request;
	listener_check_soon(channel->container, false);
}

static void name(struct channel *channel, const union request *request)
{
	struct ledger_entry *entry = ledger_find(request->name.cookie);
	struct slim_name_reply reply = { .generation = channel_generation(channel) };

	counter_inc(names);
	if (entry && entry->container_id == channel->container->id) {
		reply.domain = entry->domain;
		reply.local = entry->local;
		reply.peer = entry->peer;
	} else {
		reply.error = ENOENT;
	}
	reply_or_close(channel, &reply, sizeof(reply), SLIM_FRAME_NAME_REPLY,
		       request->frame.id);
}

static void connect_request(struct channel *channel, const union request *request)
{
	const struct slim_connect *connect = &request->connect;

	if ((connect->flags & ~SLIM_CONNECT_FLAGS) ||
	    (connect->options & ~SLIM_CONNECT_OPTIONS) ||
	    (connect->domain != AF_INET && connect->domain != AF_INET6))
		bad_frame(channel, "a malformed CONNECT");
	else
		outbound_connect(channel, connect);
}

static void claim(struct channel *channel, const union request *request)
{
	if ((request->claim.flags & ~SLIM_CLAIM_FLAGS) ||
	    (request->claim.domain != AF_INET && request->claim.domain != AF_INET6))
		bad_frame(channel, "a malformed CLAIM");
	else
		claim_answer(channel, &request->claim);
}

static const struct request_type {
	size_t len;
	void (*handle)(struct channel *channel, const union request *request);
} request_types[SLIM_FRAME_NUM] = {
	[SLIM_FRAME_HELLO] = { sizeof(struct slim_hello), hello },
	[SLIM_FRAME_CONNECT] = { sizeof(struct slim_connect), connect_request },
	[SLIM_FRAME_LISTEN] = { sizeof(struct slim_listen), listen_request },
	[SLIM_FRAME_UNLISTEN] = { sizeof(struct slim_unlisten), unlisten },
	[SLIM_FRAME_CLAIM] = { sizeof(struct slim_claim), claim },
	[SLIM_FRAME_NAME] = { sizeof(struct slim_name), name },
};

static void dispatch(struct channel *channel, const union request *request, size_t len)
{
	const struct slim_frame *frame = &request->frame;
	const struct request_type *type;

	if (len < sizeof(*frame) || frame->magic != SLIM_CHANNEL_MAGIC ||
	    frame->version != SLIM_CHANNEL_VERSION || frame->length != len) {
		bad_frame(channel, "not a frame");
		return;
	}
	type = frame->type < SLIM_FRAME_NUM ? &request_types[frame->type] : NULL;
	if (!type || !type->handle || type->len != len) {
		bad_frame(channel, "an unknown frame or a wrong length");
		return;
	}
	if (__atomic_load_n(&channel->asking, __ATOMIC_ACQUIRE)) {
		bad_frame(channel, "a request before the answer to the last one");
		return;
	}
	type->handle(channel, request);
}

/* As recv(2); a frame with descriptors stays where it is, and *@flags has MSG_CTRUNC. */
static ssize_t receive(const struct channel *channel, void *data, size_t size, int *flags)
{
	struct iovec iov = { .iov_base = data, .iov_len = size };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t len = recvmsg(channel->event.fd, &msg,
			      MSG_DONTWAIT | (channel->sealed ? 0 : MSG_PEEK));

	*flags = msg.msg_flags;
	if (len >= 0 && !channel->sealed && !(*flags & MSG_CTRUNC))
		(void)recv(channel->event.fd, NULL, 0, MSG_DONTWAIT);
	return len;
}

/* One frame. Returns whether there may be more. */
static bool job_run(struct share_job *job)
{
	struct channel *channel = caa_container_of(job, struct channel, job);
	union request request;
	unsigned int wait = limit_request_wait(channel->container);
	ssize_t len;
	int flags;

	if (wait) {
		share_delay(job, wait);
		return false;
	}
	len = receive(channel, &request, sizeof(request), &flags);
	if (len < 0 && errno == EAGAIN)
		return false;
	if (len < 0 && errno == EINTR)
		return true;
	limit_request_done(channel->container);
	if (len >= 0 && (flags & MSG_CTRUNC))
		bad_frame(channel, "an fd");
	else if (len <= 0)
		channel_close(channel);
	else if (flags & MSG_TRUNC)
		bad_frame(channel, "too much");
	else
		dispatch(channel, &request, (size_t)len);
	return !channel->closed;
}

static void channel_handle(struct loop_event *event, uint32_t events)
{
	struct channel *channel = caa_container_of(event, struct channel, event);
	struct worker *worker = channel->worker;

	(void)events;
	if (!channel->closed)
		share_add(&worker->shares, &channel->container->shares[worker->index],
			  &channel->job);
}

/* In its worker, which owns it from now on. */
static void start_run(struct loop_task *task)
{
	struct channel *channel = caa_container_of(task, struct channel, start);

	cds_list_add(&channel->node, &channel->worker->channels);
	if (loop_add(channel->worker->loop, &channel->event, EPOLLIN | EPOLLRDHUP | EPOLLET) ||
	    __atomic_load_n(&channel->container->dead, __ATOMIC_ACQUIRE))
		channel_close(channel);
}

/* Sealed when it was made, before anybody could send to it? */
static bool is_sealed(int fd)
{
	int passes = 1;
	socklen_t len = sizeof(passes);

	return !getsockopt(fd, SOL_SOCKET, SO_PASSRIGHTS, &passes, &len) && !passes;
}

/* Accepts one and counts it. NULL with errno set. */
static struct channel *channel_accept(struct container *container)
{
	struct channel *channel = calloc(1, sizeof(*channel));

	if (!channel)
		return NULL;
	channel->passing_fd = -1;
	channel->event.fd = accept4(container->channel_event.fd, NULL, NULL, SOCK_CLOEXEC);
	if (channel->event.fd < 0) {
		free(channel);
		return NULL;
	}
	bound_answers(channel->event.fd);
	channel->event.handle = channel_handle;
	channel->job.run = job_run;
	channel->container = container;
	channel->refs = 1;
	channel->sealed = is_sealed(channel->event.fd);
	container_get(container);
	__atomic_add_fetch(&container->channels, 1, __ATOMIC_RELAXED);
	return channel;
}

static void refuse(struct channel *channel)
{
	shutdown(channel->event.fd, SHUT_RDWR);
	release(channel);
}

static void listen_handle(struct loop_event *event, uint32_t events)
{
	struct container *container =
		caa_container_of(event, struct container, channel_event);
	unsigned int num = __atomic_load_n(&container->channels, __ATOMIC_RELAXED);
	unsigned int limit = container->limits->channels;
	struct channel *channel;

	(void)events;
	if (num >= limit + CHANNEL_ENDING) {
		accept_wait(container->channel_loop, &container->channel_pause, event, EPOLLIN);
		return;
	}
	channel = channel_accept(container);
	if (!channel) {
		accept_pause(container->channel_loop, &container->channel_pause, event, EPOLLIN,
			     errno);
		return;
	}
	if (num >= limit) {
		limit_refuse(container, LIMIT_channels);
		refuse(channel);
		return;
	}
	counter_inc(channels_opened);
	channel->worker = worker_next();
	channel->start.run = start_run;
	loop_post(channel->worker->loop, &channel->start);
}

int channel_adopt(struct container *container, struct loop *control, int fd)
{
	int err;

	container->channel_event.fd = fd;
	container->channel_event.handle = listen_handle;
	container->channel_loop = control;
	err = loop_add(control, &container->channel_event, EPOLLIN);
	if (!err)
		return 0;
	container->channel_event.fd = -1;
	close(fd);
	return err;
}

int channel_listen(struct container *container, struct loop *control)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	socklen_t len = offsetof(struct sockaddr_un, sun_path) + sizeof(SLIM_CHANNEL_NAME);
	int fd = namespace_socket(container->netns_fd, AF_UNIX,
				  SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int none = 0, err;

	if (fd < 0)
		return fd;
	/* Accepted ones inherit it; an older kernel refuses. */
	(void)setsockopt(fd, SOL_SOCKET, SO_PASSRIGHTS, &none, sizeof(none));
	memcpy(sun.sun_path + 1, SLIM_CHANNEL_NAME, sizeof(SLIM_CHANNEL_NAME) - 1);
	if (bind(fd, (struct sockaddr *)&sun, len) < 0 || listen(fd, CHANNEL_BACKLOG) < 0) {
		err = -errno;
		close(fd);
		return err;
	}
	return channel_adopt(container, control, fd);
}

static void listener_closed(struct stray *stray)
{
	container_put(caa_container_of(stray, struct container, channel_stray));
}

/*
 * Whoever has not been accepted yet may have sent descriptors, which closing the listening
 * socket would release: each is accepted, and left to the closers. The socket itself is
 * closed here, since its name may be wanted again at once.
 */
void channel_unlisten(struct container *container, struct loop *control)
{
	struct channel *channel;
	int fd = container->channel_event.fd;

	if (fd < 0)
		return;
	accept_resume(control, &container->channel_pause);
	loop_remove(control, &container->channel_event);
	/* From now on nobody can connect; who is in the queue can be accepted. */
	shutdown(fd, SHUT_RDWR);
	while ((channel = channel_accept(container)))
		refuse(channel);
	if (errno == EINVAL || errno == EAGAIN) {
		close(fd);
	} else {
		container_get(container);
		container->channel_stray.fd = fd;
		container->channel_stray.closed = listener_closed;
		stray_close(&container->channel_stray);
	}
	container->channel_event.fd = -1;
}
