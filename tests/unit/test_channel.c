/* SPDX-License-Identifier: MIT */
/*
 * test_channel.c - what a hostile shim may send, and what it gets for it
 * links: router/channel.c router/accept_pause.c router/stray.c router/loop.c router/log.c
 * links: router/counters.c router/share.c router/limit.c
 * libs: urcu urcu-common
 */
#include <check.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>
#include <urcu.h>

#include "../../include/slim/channel.h"
#include "../../router/channel.h"
#include "../../router/container.h"
#include "../../router/counters.h"
#include "../../router/claim.h"
#include "../../router/housekeeping.h"
#include "../../router/ledger.h"
#include "../../router/listener.h"
#include "../../router/namespace.h"
#include "../../router/outbound.h"
#include "../../router/policy_crossing.h"
#include "../../router/worker.h"
#include "suite.h"

#define LIMIT		4
#define TURN		2	/* ms */
#define TURNS		2500

#ifndef SO_PASSRIGHTS
#define SO_PASSRIGHTS	83
#endif

static struct config_limits limits = { .channels = LIMIT, .requests = 1000000 };
static struct config_tenant tenant;
static struct share share;
static struct container container = {
	.shares = &share,
	.limits = &limits, .tenant = &tenant, .channel_event.fd = -1, .name = "c",
};
static struct worker worker;		/* its loop is that of the listening socket, too */
static struct loop *control;		/* ... and this runs when the test says so */
static pthread_t thread;
static bool running;
static unsigned int refs, registered;

/* --- what the channel is linked with elsewhere --- */

/* Of other tenants that the container may connect to */
static const struct config_tenant *crossing;

uint32_t policy_crossing_stamp(void)
{
	return crossing ? 17 : 0;
}

void policy_crossing_each(uint32_t vni, void (*each)(const struct config_tenant *tenant, void *data),
			  void *data)
{
	(void)vni;
	if (crossing)
		each(crossing, data);
}

void housekeeping_hurry(void)
{
}

bool container_get(struct container *unused)
{
	(void)unused;
	__atomic_add_fetch(&refs, 1, __ATOMIC_RELAXED);
	return true;
}

void container_put(struct container *unused)
{
	(void)unused;
	__atomic_sub_fetch(&refs, 1, __ATOMIC_RELAXED);
}

struct worker *worker_next(void)
{
	return &worker;
}

int namespace_socket(int netns_fd, int domain, int type, int protocol)
{
	(void)netns_fd;
	return socket(domain, type, protocol);
}

int namespace_socketpair(int netns_fd, int domain, int type, int protocol, int ends[2])
{
	(void)netns_fd;
	return socketpair(domain, type, protocol, ends) < 0 ? -errno : 0;
}

void listener_register(struct container *asker, struct listener_request *request)
{
	registered += !asker->dead;
	request->done(request, asker->dead ? -ESHUTDOWN : 0);
}

void listener_check_soon(struct container *unused, bool ending)
{
	(void)unused;
	(void)ending;
}

struct ledger_entry *ledger_find(uint64_t cookie)
{
	(void)cookie;
	return NULL;
}

/* What a connection is answered with; -1: nothing */
static int handed_over = -1;

void outbound_connect(struct channel *channel, const struct slim_connect *request)
{
	struct slim_connect_reply reply = { .verdict = SLIM_VERDICT_SLIM };

	if (handed_over >= 0 && channel_hand_over(channel, &reply, sizeof(reply), SLIM_FRAME_CONNECT_REPLY,
						  request->frame.id, handed_over))
		abort();
}

void claim_answer(struct channel *channel, const struct slim_claim *request)
{
	(void)channel;
	(void)request;
}

/* --- */

static void *run(void *arg)
{
	(void)arg;
	rcu_register_thread();
	loop_run(worker.loop);
	rcu_unregister_thread();
	return NULL;
}

static void pause_ms(void)
{
	const struct timespec turn = { .tv_nsec = TURN * 1000000 };

	nanosleep(&turn, NULL);
}

static void answer_listens(void)
{
	rcu_read_lock();
	loop_run_tasks(control);
	rcu_read_unlock();
}

static void setup(void)
{
	ck_assert_int_eq(unshare(CLONE_NEWNET), 0);
	rcu_register_thread();
	ck_assert_int_eq(stray_init(), 0);
	CDS_INIT_LIST_HEAD(&worker.channels);
	worker.loop = loop_new();
	share = (struct share){ 0 };
	shares_init(&worker.shares, worker.loop);
	worker.control = control = loop_new();
	ck_assert_int_eq(channel_listen(&container, worker.loop), 0);
	ck_assert_int_eq(pthread_create(&thread, NULL, run, NULL), 0);
	running = true;
}

static bool all_gone(void)
{
	return !__atomic_load_n(&refs, __ATOMIC_RELAXED) &&
	       !__atomic_load_n(&container.channels, __ATOMIC_RELAXED);
}

static void stop(void)
{
	if (running) {
		loop_stop(worker.loop);
		pthread_join(thread, NULL);
	}
	running = false;
}

static void teardown(void)
{
	struct channel *channel, *next;

	stop();
	rcu_read_lock();
	channel_unlisten(&container, worker.loop);
	loop_run_tasks(worker.loop);
	cds_list_for_each_entry_safe(channel, next, &worker.channels, node)
		channel_close(channel);
	rcu_read_unlock();
	answer_listens();
	rcu_barrier();
	stray_exit();
	ck_assert(all_gone());
	loop_free(worker.loop);
	loop_free(control);
	rcu_unregister_thread();
}

static int shim(void)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0);

	memcpy(sun.sun_path + 1, SLIM_CHANNEL_NAME, sizeof(SLIM_CHANNEL_NAME) - 1);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&sun,
				 offsetof(struct sockaddr_un, sun_path) +
				 sizeof(SLIM_CHANNEL_NAME)), 0);
	return fd;
}

static void fill(void *frame, size_t len, enum slim_frame_type type)
{
	*(struct slim_frame *)frame = (struct slim_frame){
		.magic = SLIM_CHANNEL_MAGIC, .version = SLIM_CHANNEL_VERSION,
		.type = (uint16_t)type, .length = (uint32_t)len,
	};
}

static ssize_t send_hello(int fd)
{
	struct slim_hello hello;

	fill(&hello, sizeof(hello), SLIM_FRAME_HELLO);
	return send(fd, &hello, sizeof(hello), MSG_NOSIGNAL);
}

static void send_listen(int fd)
{
	struct slim_listen request = { .cookie = 1 };

	fill(&request, sizeof(request), SLIM_FRAME_LISTEN);
	ck_assert_int_eq(send(fd, &request, sizeof(request), MSG_NOSIGNAL), sizeof(request));
}

static ssize_t send_with_fd(int channel, int fd)
{
	struct slim_hello hello;
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} space = { .align = {
		.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS,
		.cmsg_len = CMSG_LEN(sizeof(int)),
	} };
	struct iovec iov = { .iov_base = &hello, .iov_len = sizeof(hello) };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = space.bytes, .msg_controllen = sizeof(space.bytes),
	};

	fill(&hello, sizeof(hello), SLIM_FRAME_HELLO);
	memcpy(CMSG_DATA(&space.align), &fd, sizeof(fd));
	return sendmsg(channel, &msg, MSG_NOSIGNAL);
}

/* The next frame, or 0 where the channel ends */
static ssize_t answer(int fd, void *frame)
{
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };

	ck_assert_int_eq(poll(&poll_fd, 1, TURN * TURNS), 1);
	return recv(fd, frame, SLIM_FRAME_MAX, MSG_DONTWAIT);
}

static void hello(int fd)
{
	struct slim_hello_reply reply;

	ck_assert_int_gt(send_hello(fd), 0);
	ck_assert_int_eq(answer(fd, &reply), sizeof(reply));
}

static void listen_reply(int fd, struct slim_listen_reply *reply)
{
	char frame[SLIM_FRAME_MAX];
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };

	for (int i = 0; i < TURNS && poll(&poll_fd, 1, TURN) == 0; i++)
		answer_listens();
	ck_assert_int_eq(answer(fd, frame), sizeof(*reply));
	memcpy(reply, frame, sizeof(*reply));
}

static bool ended(int fd)
{
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };

	return poll(&poll_fd, 1, 0) == 1 && (poll_fd.revents & POLLHUP);
}

static bool closed_now(int fd)
{
	for (int i = 0; i < TURNS && !ended(fd); i++)
		pause_ms();
	return ended(fd);
}

START_TEST(requests_are_answered)
{
	struct slim_listen_reply reply;
	int fd = shim();

	for (int i = 0; i < 3; i++) {
		hello(fd);
		send_listen(fd);
		listen_reply(fd, &reply);
		ck_assert_uint_eq(reply.error, 0);
	}
	ck_assert(!ended(fd));
	close(fd);
}
END_TEST

/* The descriptor that comes with a frame of @len bytes, or -1 */
static int receive_fd(int from, void *frame, size_t len)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} space;
	struct iovec iov = { .iov_base = frame, .iov_len = len };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &space, .msg_controllen = sizeof(space),
	};
	struct pollfd poll_fd = { .fd = from, .events = POLLIN };
	int fd = -1;

	ck_assert_int_eq(poll(&poll_fd, 1, TURN * TURNS), 1);
	ck_assert_int_eq(recvmsg(from, &msg, MSG_DONTWAIT), (int)len);
	if (msg.msg_controllen)
		memcpy(&fd, CMSG_DATA(&space.header), sizeof(fd));
	return fd;
}

/* Says HELLO; the descriptor that came with the answer, or -1 */
static int hello_fd(int fd, struct slim_hello_reply *reply)
{
	ck_assert_int_gt(send_hello(fd), 0);
	return receive_fd(fd, reply, sizeof(*reply));
}

/* Whether one came */
static bool hello_with_fd(int fd, struct slim_hello_reply *reply)
{
	int passing = hello_fd(fd, reply);

	if (passing >= 0)
		close(passing);
	return passing >= 0;
}

/* When its reply is there, the shim's is the only descriptor of a host socket. */
START_TEST(who_hands_over_keeps_nothing)
{
	struct slim_connect request = { .domain = AF_INET };
	struct slim_hello_reply hello_reply;
	struct slim_connect_reply reply;
	int fd = shim(), passing, ends[2], got;
	char byte;

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
	handed_over = ends[1];
	passing = hello_fd(fd, &hello_reply);
	ck_assert_int_ge(passing, 0);
	fill(&request, sizeof(request), SLIM_FRAME_CONNECT);
	ck_assert_int_eq(send(fd, &request, sizeof(request), MSG_NOSIGNAL), sizeof(request));
	ck_assert_int_eq(receive_fd(fd, &reply, sizeof(reply)), -1);
	got = receive_fd(passing, &reply, sizeof(reply));
	ck_assert_int_ge(got, 0);
	ck_assert_int_eq(read(ends[0], &byte, 1), -1);
	ck_assert_int_eq(errno, EAGAIN);
	close(got);
	ck_assert_int_eq(read(ends[0], &byte, 1), 0);
	handed_over = -1;
	close(ends[0]);
	close(passing);
	close(fd);
}
END_TEST

/* A shim of a container on the packet path has nothing to ask for, and nothing to get. */
START_TEST(packet_path_has_no_prefixes)
{
	struct config_prefix prefixes[2] = { { .len = 112 }, { .len = 48 } };
	struct slim_hello_reply reply;
	int fd = shim();

	tenant.prefixes = prefixes;
	tenant.prefixes_num = 2;
	container.addresses_num = 1;
	ck_assert(hello_with_fd(fd, &reply));
	ck_assert_uint_eq(reply.prefixes_num, 2);
	close(fd);
	container.path = CONTAINER_PATH_PACKET;
	fd = shim();
	ck_assert(!hello_with_fd(fd, &reply));
	ck_assert_uint_eq(reply.prefixes_num, 0);
	ck_assert_uint_eq(reply.addresses_num, 1);
	close(fd);
	container.path = CONTAINER_PATH_AUTO;
	container.addresses_num = tenant.prefixes_num = 0;
}
END_TEST

/* ... whose generation is in every reply: who sees another one asks again. */
START_TEST(other_tenants_prefixes_are_told)
{
	static struct config_prefix own[] = { { .len = 112 } },
				    others[SLIM_CHANNEL_PREFIXES] = { { .len = 48 }, { .len = 64 } };
	static const struct config_tenant two = { .name = "two", .prefixes = others, .prefixes_num = 2 },
		many = { .name = "many", .prefixes = others, .prefixes_num = SLIM_CHANNEL_PREFIXES };
	struct slim_listen_reply listen;
	struct slim_hello_reply reply;
	uint32_t before;
	int fd = shim();

	tenant.prefixes = own;
	tenant.prefixes_num = 1;
	hello_with_fd(fd, &reply);
	ck_assert_uint_eq(reply.prefixes_num, 1);
	before = reply.generation;
	crossing = &two;
	send_listen(fd);
	listen_reply(fd, &listen);
	ck_assert_uint_ne(listen.generation, before);
	hello_with_fd(fd, &reply);
	ck_assert_uint_eq(reply.generation, listen.generation);
	ck_assert_uint_eq(reply.prefixes_num, 3);
	ck_assert_uint_eq(reply.prefixes[0].len, 112);
	ck_assert_uint_eq(reply.prefixes[2].len, 64);
	crossing = &many;
	hello_with_fd(fd, &reply);
	ck_assert_uint_eq(reply.prefixes_num, SLIM_CHANNEL_PREFIXES);
	close(fd);
	crossing = NULL;
	tenant.prefixes_num = 0;
}
END_TEST

/* An older kernel has no SO_PASSRIGHTS: then frames are looked at first. */
static void pass_rights(void)
{
	int one = 1;

	(void)setsockopt(container.channel_event.fd, SOL_SOCKET, SO_PASSRIGHTS, &one, sizeof(one));
}

START_TEST(requests_are_answered_on_an_older_kernel)
{
	int fd;

	pass_rights();
	fd = shim();
	for (int i = 0; i < 3; i++)
		hello(fd);
	ck_assert(!ended(fd));
	close(fd);
}
END_TEST

/* The writing end stays open as long as anybody has it. */
static bool is_held(int reading)
{
	struct pollfd poll_fd = { .fd = reading, .events = POLLIN };

	return !(poll(&poll_fd, 1, 0) == 1 && (poll_fd.revents & POLLHUP));
}

START_TEST(an_fd_costs_the_channel)
{
	uint64_t bad = counters.frames_bad;
	int fd, ends[2];

	if (_i)
		pass_rights();
	fd = shim();
	ck_assert_int_eq(pipe(ends), 0);
	/* Before it is accepted, and behind a good frame */
	ck_assert_int_gt(send_hello(fd), 0);
	if (send_with_fd(fd, ends[1]) < 0) {
		ck_assert_int_eq(errno, EPERM);		/* the kernel sees to it */
		ck_assert(!_i);
		close(fd);
		return;
	}
	close(ends[1]);
	ck_assert(is_held(ends[0]));
	ck_assert(closed_now(fd));
	ck_assert_uint_eq(counters.frames_bad, bad + 1);
	rcu_barrier();
	for (int i = 0; i < TURNS && is_held(ends[0]); i++)
		pause_ms();
	ck_assert(!is_held(ends[0]));
	close(fd);
}
END_TEST

START_TEST(one_request_at_a_time)
{
	int fd = shim();

	send_listen(fd);
	send_listen(fd);
	ck_assert(closed_now(fd));
	answer_listens();
	ck_assert_uint_eq(registered, 1);
	close(fd);
}
END_TEST

START_TEST(a_dead_container_has_no_listeners)
{
	struct slim_listen_reply reply;
	int fd = shim();

	hello(fd);
	__atomic_store_n(&container.dead, true, __ATOMIC_RELEASE);
	send_listen(fd);
	listen_reply(fd, &reply);
	ck_assert_uint_eq(reply.error, ESHUTDOWN);
	ck_assert_uint_eq(registered, 0);
	close(fd);
}
END_TEST

/* (A socket's own send buffer would hold hundreds.) */
START_TEST(answers_that_nobody_reads_are_few)
{
	char frame[SLIM_FRAME_MAX];
	struct slim_name request = { .cookie = 1 };
	unsigned int held = 0;
	int fd = shim();
	ssize_t len;

	fill(&request, sizeof(request), SLIM_FRAME_NAME);
	for (int i = 0; i < TURNS && !ended(fd); i++)
		if (send(fd, &request, sizeof(request), MSG_NOSIGNAL) < 0)
			pause_ms();
	ck_assert(ended(fd));
	/* Requests that it has not looked at are said first. */
	while ((len = recv(fd, frame, sizeof(frame), MSG_DONTWAIT)) > 0 ||
	       (len < 0 && errno == ECONNRESET))
		held += len > 0;
	ck_assert_uint_ge(held, 1);
	ck_assert_uint_le(held, 16);
	close(fd);
}
END_TEST

START_TEST(there_is_a_limit)
{
	int fds[LIMIT * 2];

	for (int i = 0; i < LIMIT * 2; i++)
		fds[i] = shim();
	ck_assert(closed_now(fds[LIMIT * 2 - 1]));
	for (int i = 0; i < LIMIT; i++)
		ck_assert(!ended(fds[i]));
	for (int i = 0; i < LIMIT * 2; i++)
		close(fds[i]);
	/* What has ended makes room. */
	for (int i = 0; i < TURNS && !all_gone(); i++)
		pause_ms();
	fds[0] = shim();
	hello(fds[0]);
	close(fds[0]);
}
END_TEST

START_TEST(nobody_waits_at_a_closed_door)
{
	int fd, ends[2];

	stop();
	pass_rights();
	fd = shim();
	ck_assert_int_eq(pipe(ends), 0);
	ck_assert_int_gt(send_with_fd(fd, ends[1]), 0);
	close(ends[1]);
	rcu_read_lock();
	channel_unlisten(&container, worker.loop);
	rcu_read_unlock();
	ck_assert(ended(fd));
	/* The name is free at once. */
	ck_assert_int_eq(channel_listen(&container, worker.loop), 0);
	stray_exit();
	ck_assert(!is_held(ends[0]));
	ck_assert(all_gone());
	close(fd);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("channel");
	TCase *tcase = tcase_create("channel");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 30);
	tcase_add_test(tcase, requests_are_answered);
	tcase_add_test(tcase, who_hands_over_keeps_nothing);
	tcase_add_test(tcase, packet_path_has_no_prefixes);
	tcase_add_test(tcase, other_tenants_prefixes_are_told);
	tcase_add_test(tcase, requests_are_answered_on_an_older_kernel);
	tcase_add_loop_test(tcase, an_fd_costs_the_channel, 0, 2);
	tcase_add_test(tcase, one_request_at_a_time);
	tcase_add_test(tcase, a_dead_container_has_no_listeners);
	tcase_add_test(tcase, answers_that_nobody_reads_are_few);
	tcase_add_test(tcase, there_is_a_limit);
	tcase_add_test(tcase, nobody_waits_at_a_closed_door);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
