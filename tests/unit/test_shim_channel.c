/* SPDX-License-Identifier: MIT */
/*
 * test_shim_channel.c - the shim's channel, and all that a router may do to it
 * links: shim/channel.c shim/channel_socket.c shim/clock.c shim/debug.c shim/exchange.c shim/frame.c shim/late.c
 * links: shim/slot.c shim/world.c tests/unit/fake_router.c
 * runs: alone
 * libs: pthread
 *
 * The test is the container, in a network namespace of its own; needs root.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../../shim/channel.h"
#include "../../shim/signals.h"
#include "../../shim/slot.h"
#include "fake_router.h"
#include "suite.h"

#define NOBODY		65534
#define FDS		2048
#define AT_ONCE_MS	25	/* without waiting for anybody, on a busy machine */
#define DEADLINE_MAX	(SLIM_CHANNEL_DEADLINE + 100)
#define THREADS		(SLOTS + 32)
#define RETRY_MS	1000

static struct fake_router *router;

/* --- what the tests ask, and when --- */

static uint64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

static unsigned int ms_since(uint64_t start)
{
	return (unsigned int)((now_us() - start) / 1000);
}

static void pause_ms(unsigned int ms)
{
	struct timespec time = { ms / 1000, ms % 1000 * 1000000 };

	nanosleep(&time, NULL);
}

static int status_of(pid_t pid)
{
	int status = -1;

	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

/* The router counts a little later than the shim acts. */
static bool eventually(const uint32_t *count, uint32_t value)
{
	for (int i = 0; i < 500 && __atomic_load_n(count, __ATOMIC_SEQ_CST) < value; i++)
		pause_ms(2);
	return __atomic_load_n(count, __ATOMIC_SEQ_CST) == value;
}

/* 0, -errno, or 1 where the reply is that of another request. */
static int ask_name(uint64_t cookie)
{
	struct slim_name request = { .cookie = cookie };
	struct slim_name_reply reply;
	int err = channel_ask(&(struct question){
		.type = SLIM_FRAME_NAME, .request = &request, .len = sizeof(request),
		.reply_type = SLIM_FRAME_NAME_REPLY, .reply = &reply, .reply_len = sizeof(reply) });

	return err ? err : memcmp(reply.local.addr, &cookie, sizeof(cookie)) != 0;
}

static int ask_connect(uint16_t port, int *fd)
{
	struct slim_connect request = { .dst.port = port };
	struct slim_connect_reply reply;
	uint64_t signals = signals_hold();
	int err = channel_ask_fd(&(struct question){
		.type = SLIM_FRAME_CONNECT, .request = &request, .len = sizeof(request), .fd = fd,
		.reply_type = SLIM_FRAME_CONNECT_REPLY, .reply = &reply, .reply_len = sizeof(reply) });

	signals_let(signals);
	return err ? err : reply.local.port != port;
}

static int ask_claim(uint16_t port, int *fd)
{
	struct slim_claim request = { .ticket.port = port };
	struct slim_claim_reply reply;
	uint64_t signals = signals_hold();
	int err = channel_ask_fd(&(struct question){
		.type = SLIM_FRAME_CLAIM, .request = &request, .len = sizeof(request), .fd = fd, .last = true,
		.reply_type = SLIM_FRAME_CLAIM_REPLY, .reply = &reply, .reply_len = sizeof(reply) });

	signals_let(signals);
	return err ? err : reply.local.port != port;
}

static int ask_listen_by(int (*ask)(const struct question *question))
{
	struct slim_listen request = { .cookie = 1 };
	struct slim_listen_reply reply;

	return ask(&(struct question){
		.type = SLIM_FRAME_LISTEN, .request = &request, .len = sizeof(request),
		.reply_type = SLIM_FRAME_LISTEN_REPLY, .reply = &reply, .reply_len = sizeof(reply) });
}

static int ask_listen(void)
{
	return ask_listen_by(channel_ask);
}

static void tell(void)
{
	struct slim_unlisten request = { .cookie = 1 };

	channel_tell(&(struct question){
		.type = SLIM_FRAME_UNLISTEN, .request = &request, .len = sizeof(request) });
}

/* --- descriptors --- */

static int fds_open(void)
{
	int open = 0;

	for (int fd = 0; fd < FDS; fd++)
		open += fcntl(fd, F_GETFD) >= 0;
	return open;
}

static bool is_channel(int fd)
{
	int domain = 0, type = 0;
	socklen_t len = sizeof(int);

	return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) == 0 &&
	       getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 && domain == AF_UNIX &&
	       type == SOCK_SEQPACKET;
}

/* The number of the only channel. */
static int channel_fd(void)
{
	int found = -1;

	for (int fd = 0; fd < FDS; fd++)
		if (is_channel(fd)) {
			ck_assert_int_eq(found, -1);
			found = fd;
		}
	return found;
}

static void setup(void)
{
	ck_assert_int_eq(unshare(CLONE_NEWNET), 0);
	router = fake_router_new();
}

static void setup_running(void)
{
	setup();
	fake_router_start(router, 0);
}

static void teardown(void)
{
	fake_router_stop(router);
	ck_assert_uint_eq(router->garbage, 0);
}

/* --- a router that does as it should --- */

START_TEST(answers)
{
	const struct world *world;
	uint64_t netns = 0;
	socklen_t len = sizeof(netns);
	int fd = socket(AF_UNIX, SOCK_STREAM, 0), got = -2, before = fds_open();

	ck_assert_ptr_null(world_known());
	world = channel_world();
	ck_assert_ptr_nonnull(world);
	ck_assert_ptr_eq(world_known(), world);
	ck_assert_uint_eq(world->hello.generation, 1);
	ck_assert_uint_eq(world->hello.prefixes_num, 1);
	getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, &netns, &len);
	ck_assert_uint_eq(world->netns_cookie, netns);
	for (uint64_t i = 0; i < 100; i++)
		ck_assert_int_eq(ask_name(i), 0);
	ck_assert_int_eq(ask_connect(80, &got), 0);
	ck_assert_int_eq(got, -1);
	ck_assert_uint_eq(router->opened, 1);
	ck_assert_uint_eq(router->requests[SLIM_FRAME_HELLO], 1);
	ck_assert_uint_eq(router->requests[SLIM_FRAME_NAME], 100);
	ck_assert_int_eq(fds_open(), before + 1);
}
END_TEST

START_TEST(out_of_the_way)
{
	int fd;

	ck_assert_int_eq(ask_name(1), 0);
	fd = channel_fd();
	ck_assert_int_ge(fd, 512);
	ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
}
END_TEST

START_TEST(few_descriptors_allowed)
{
	struct rlimit few = { 64, 64 };

	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
	ck_assert_int_eq(ask_name(1), 0);
	ck_assert_int_eq(ask_name(2), 0);
	ck_assert_int_lt(channel_fd(), 64);
	ck_assert_uint_eq(router->opened, 1);
}
END_TEST

START_TEST(a_descriptor_comes_along)
{
	int before, fd;

	ck_assert_int_eq(ask_name(1), 0);
	before = fds_open();
	ORDER(router, fds, 1);
	fake_router_order(router, MANNER_ANSWER, SLIM_FRAME_CONNECT, 1);
	ck_assert_int_eq(ask_connect(80, &fd), 0);
	ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
	ck_assert_int_eq(fds_open(), before + 1);
	close(fd);
	ORDER(router, fds, 1);
	fake_router_order(router, MANNER_ANSWER, SLIM_FRAME_CLAIM, 1);
	ck_assert_int_eq(ask_claim(80, &fd), 0);
	ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
	close(fd);
	ck_assert_int_eq(fds_open(), before);
}
END_TEST

/* The kernel drops what finds no room; the reply says nothing of it. */
START_TEST(no_room_for_the_descriptor)
{
	struct rlimit few = { 1024, 1024 };
	int first, fd, last = 0;

	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
	ck_assert_int_eq(ask_name(1), 0);
	first = dup(0);
	while ((fd = dup(0)) >= 0)
		last = fd;
	ck_assert_int_eq(errno, EMFILE);
	ORDER(router, fds, 1);
	fake_router_order(router, MANNER_ANSWER, SLIM_FRAME_CONNECT, 1);
	/* It is not even asked for: it would be lost. */
	ck_assert_int_eq(ask_connect(80, &fd), -EMFILE);
	ck_assert_int_eq(fd, -1);
	for (int other = first; other <= last; other++)
		if (!is_channel(other))
			close(other);
	ck_assert_int_eq(ask_name(2), 0);
	ck_assert_uint_eq(router->opened, 1);
}
END_TEST

START_TEST(room_is_made)
{
	struct rlimit few = { 1024, 1024 };
	int fd, last = 0;

	ck_assert(!channel_make_room());
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
	ck_assert_int_eq(ask_name(1), 0);
	while ((fd = dup(0)) >= 0)
		last = fd;
	errno = ENOENT;
	ck_assert(channel_make_room());
	ck_assert_int_eq(errno, ENOENT);
	fd = dup(0);
	ck_assert_int_ge(fd, 0);
	ck_assert(!channel_make_room());
	close(fd);
	close(last);
	/* Another one is opened when it is needed. */
	ck_assert_int_eq(ask_name(2), 0);
	ck_assert_uint_eq(router->opened, 2);
}
END_TEST

START_TEST(hints_have_no_reply)
{
	uint64_t start;

	tell();
	ck_assert_uint_eq(router->opened, 0);
	ck_assert_int_eq(ask_name(1), 0);
	start = now_us();
	tell();
	ck_assert_uint_lt(ms_since(start), AT_ONCE_MS);
	ck_assert(eventually(&router->requests[SLIM_FRAME_UNLISTEN], 1));
	ck_assert_int_eq(ask_name(2), 0);
	ck_assert_uint_eq(router->opened, 1);
}
END_TEST

/* A router that has stopped reading does not stop the program. */
START_TEST(hints_to_a_full_channel)
{
	uint64_t start;

	ck_assert_int_eq(ask_name(1), 0);
	kill(router->pid, SIGSTOP);
	start = now_us();
	for (int i = 0; i < 5000; i++)
		tell();
	ck_assert_uint_lt(ms_since(start), 1000);
	kill(router->pid, SIGCONT);
	for (int i = 0; i < 100 && ask_name(2); i++)
		pause_ms(10);
	ck_assert_int_eq(ask_name(3), 0);
}
END_TEST

START_TEST(generation_changes)
{
	const struct world *first = channel_world(), *second;

	ORDER(router, prefixes, 2);
	ORDER(router, generation, 2);
	ck_assert_int_eq(ask_name(1), 0);
	second = world_known();
	ck_assert_uint_eq(second->hello.generation, 2);
	ck_assert_uint_eq(second->hello.prefixes_num, 2);
	ck_assert_uint_eq(second->hello.prefixes[0].len, 2);
	ck_assert_uint_eq(second->netns_cookie, first->netns_cookie);
	/* Somebody may be reading it yet. */
	ck_assert_uint_eq(first->hello.generation, 1);
	ck_assert_uint_eq(first->hello.prefixes_num, 1);
	ck_assert_uint_eq(router->requests[SLIM_FRAME_HELLO], 2);
	ck_assert_int_eq(ask_name(2), 0);
	ck_assert_uint_eq(router->requests[SLIM_FRAME_HELLO], 2);
	for (uint32_t generation = 3; generation < 20; generation++) {
		ORDER(router, generation, generation);
		ck_assert_int_eq(ask_name(generation), 0);
		ck_assert_uint_eq(world_known()->hello.generation, generation);
	}
	ck_assert_uint_eq(router->opened, 1);
}
END_TEST

/* A new world that is told too late is asked for again. */
/* What nobody has asked for since: once a second, whoever wants it */
START_TEST(the_world_is_recent)
{
	ck_assert_uint_eq(channel_world()->hello.generation, 1);
	ORDER(router, generation, 2);
	for (int i = 0; i < 3; i++)
		ck_assert_uint_eq(channel_world_recent()->hello.generation, 1);
	ck_assert_uint_eq(router->requests[SLIM_FRAME_HELLO], 1);
	usleep(1010000);
	for (int i = 0; i < 3; i++)
		ck_assert_uint_eq(channel_world_recent()->hello.generation, 2);
	ck_assert_uint_eq(router->requests[SLIM_FRAME_HELLO], 2);
}
END_TEST

START_TEST(generation_changes_slowly)
{
	channel_world();
	ORDER(router, generation, 2);
	fake_router_order(router, MANNER_HOLD, SLIM_FRAME_HELLO, 1);
	ck_assert_int_eq(ask_name(1), 0);
	ck_assert_uint_eq(world_known()->hello.generation, 1);
	fake_router_release(router);
	ck_assert_int_eq(ask_name(2), 0);
	ck_assert_uint_eq(world_known()->hello.generation, 2);
}
END_TEST

START_TEST(a_world_too_large)
{
	ORDER(router, prefixes, SLIM_CHANNEL_PREFIXES + 1);
	ck_assert_ptr_null(channel_world());
	ORDER(router, prefixes, SLIM_CHANNEL_PREFIXES);
	ck_assert_ptr_nonnull(channel_world());
}
END_TEST

/* --- a router that says the wrong thing --- */

static const enum manner wrong[] = {
	MANNER_ID, MANNER_MAGIC, MANNER_VERSION, MANNER_TYPE, MANNER_LENGTH, MANNER_SHORT,
	MANNER_LONG, MANNER_EMPTY, MANNER_CLOSE,
};

#define WRONG_NUM	((int)(sizeof(wrong) / sizeof(wrong[0])))

/* It costs the channel and that request, and no descriptor that came along. */
START_TEST(wrong_replies)
{
	int before, fd = -2;

	ck_assert_int_eq(ask_name(1), 0);
	before = fds_open();
	fake_router_order(router, wrong[_i], SLIM_FRAME_NAME, 1);
	ck_assert_int_lt(ask_name(2), 0);
	ck_assert_int_eq(fds_open(), before - 1);
	ck_assert_int_eq(ask_name(3), 0);
	ck_assert(eventually(&router->closed, 1));
	ORDER(router, fds, 1);
	fake_router_order(router, wrong[_i], SLIM_FRAME_CONNECT, 1);
	ck_assert_int_lt(ask_connect(80, &fd), 0);
	ck_assert_int_eq(fd, -1);
	ck_assert_int_eq(fds_open(), before - 1);
	ORDER(router, fds, 1);
	fake_router_order(router, wrong[_i], SLIM_FRAME_CLAIM, 1);
	ck_assert_int_lt(ask_claim(80, &fd), 0);
	ck_assert_int_eq(fd, -1);
	ck_assert_int_eq(ask_name(4), 0);
	ck_assert_int_eq(fds_open(), before);
	ck_assert(eventually(&router->closed, 3));
	ck_assert_uint_eq(router->opened, 4);
}
END_TEST

START_TEST(wrong_hellos)
{
	fake_router_order(router, wrong[_i], SLIM_FRAME_HELLO, 1);
	ck_assert_ptr_null(channel_world());
	ck_assert_int_eq(channel_fd(), -1);
	ck_assert_ptr_nonnull(channel_world());
	ck_assert_uint_eq(channel_world()->hello.generation, 1);
}
END_TEST

/* _i: how many; one is too many where none is expected, two are where one is */
START_TEST(unexpected_descriptors)
{
	int before, fd = -1, err;

	ck_assert_int_eq(ask_name(1), 0);
	before = fds_open();
	ORDER(router, fds, _i);
	fake_router_order(router, MANNER_ANSWER, SLIM_FRAME_NAME, 1);
	ck_assert_int_lt(ask_name(2), 0);
	ck_assert_int_eq(ask_name(3), 0);
	ck_assert_int_eq(fds_open(), before);
	ORDER(router, fds, _i + 1);
	fake_router_order(router, MANNER_ANSWER, SLIM_FRAME_CONNECT, 1);
	err = ask_connect(80, &fd);
	if (!err)
		close(fd);
	ck_assert_int_eq(ask_name(4), 0);
	ck_assert_int_eq(fds_open(), before);
}
END_TEST

/* --- a router that takes its time --- */

START_TEST(deadline)
{
	uint64_t start;
	int fd;

	ck_assert_int_eq(ask_name(1), 0);
	fake_router_order(router, MANNER_HOLD, SLIM_FRAME_NAME, ~0u);
	start = now_us();
	ck_assert_int_eq(ask_name(2), -ETIMEDOUT);
	ck_assert_uint_ge(ms_since(start), SLIM_CHANNEL_DEADLINE - 5);
	ck_assert_uint_lt(ms_since(start), DEADLINE_MAX);
	start = now_us();
	for (int i = 0; i < 100; i++) {
		ck_assert_int_lt(ask_name(3), 0);
		ck_assert_int_lt(ask_connect(80, &fd), 0);
		tell();
	}
	ck_assert_uint_lt(ms_since(start), AT_ONCE_MS);
	ck_assert_uint_eq(router->requests[SLIM_FRAME_NAME], 2);
	ck_assert_uint_eq(router->opened, 1);
}
END_TEST

START_TEST(deadline_of_the_first_request)
{
	uint64_t start = now_us();

	fake_router_order(router, MANNER_HOLD, SLIM_FRAME_HELLO, ~0u);
	ck_assert_int_lt(ask_name(1), 0);
	ck_assert_uint_lt(ms_since(start), DEADLINE_MAX);
	start = now_us();
	for (int i = 0; i < 100; i++)
		ck_assert_ptr_null(channel_world());
	ck_assert_uint_lt(ms_since(start), AT_ONCE_MS);
	ck_assert_uint_eq(router->requests[SLIM_FRAME_HELLO], 1);
	/* The late HELLO_REPLY is as good as none. */
	ORDER(router, times, 0);
	fake_router_release(router);
	ck_assert_int_eq(ask_name(2), 0);
	ck_assert_ptr_nonnull(world_known());
	ck_assert_uint_eq(router->opened, 1);
}
END_TEST

static int ask_or_leave(void)
{
	return ask_listen_by(channel_ask_or_leave);
}

/* What a late router reads when it is back, though nobody could ask it meanwhile. */
START_TEST(left_for_later)
{
	fake_router_order(router, MANNER_HOLD, SLIM_FRAME_HELLO, ~0u);
	ck_assert_int_eq(ask_listen(), -ETIMEDOUT);
	ck_assert_int_eq(ask_listen(), -ETIMEDOUT);
	ck_assert_uint_eq(router->requests[SLIM_FRAME_LISTEN], 0);
	ck_assert_int_eq(ask_or_leave(), -ETIMEDOUT);
	ck_assert(eventually(&router->requests[SLIM_FRAME_LISTEN], 1));
	ORDER(router, times, 0);
	fake_router_release(router);
	for (uint64_t i = 0; i < 20; i++)
		ck_assert_int_eq(ask_name(i), 0);
	/* It answers: that is all there is to asking. */
	ck_assert_int_eq(ask_or_leave(), 0);
	ck_assert_uint_eq(COUNT(router, requests[SLIM_FRAME_LISTEN]), 2);
	/* What it has, it is not told twice. */
	fake_router_order(router, MANNER_HOLD, SLIM_FRAME_LISTEN, 1);
	ck_assert_int_eq(ask_or_leave(), -ETIMEDOUT);
	fake_router_release(router);
	ck_assert_int_eq(ask_name(2), 0);
	ck_assert_uint_eq(COUNT(router, requests[SLIM_FRAME_LISTEN]), 3);
	ck_assert_uint_eq(COUNT(router, strangers), 0);
}
END_TEST

/*
 * A CONNECT too late costs the channel, so that no late reply keeps a connection; an answer
 * on another one says that the router is back.
 */
START_TEST(late_replies)
{
	int before, fd;

	ck_assert_int_eq(ask_name(1), 0);
	before = fds_open();
	for (uint16_t round = 1; round < 4; round++) {
		ORDER(router, fds, 1);
		fake_router_order(router, MANNER_HOLD, SLIM_FRAME_CONNECT, 1);
		ck_assert_int_eq(ask_connect(round, &fd), -ETIMEDOUT);
		ck_assert_int_eq(fd, -1);
		ORDER(router, fds, 1);
		fake_router_release(router);
		while (ask_connect(1000 + round, &fd))
			sched_yield();
		ck_assert_int_eq(fd, -1);
		ck_assert_int_eq(ask_name(round), 0);
		ck_assert_int_eq(fds_open(), before);
	}
	ck_assert_uint_eq(router->opened, 1 + 3 * 2);
	ck_assert_uint_eq(router->requests[SLIM_FRAME_CONNECT], 6);
}
END_TEST

/* Whether a CLAIM was answered is the same on both sides, however close it is. */
START_TEST(late_claims)
{
	uint32_t taken = 0;
	int before, fd;

	ck_assert_int_eq(ask_name(1), 0);
	before = fds_open();
	for (uint32_t delay = 44000; delay < 58000; delay += 500) {
		int err;

		ORDER(router, delay, delay);
		ORDER(router, fds, 1);
		fake_router_order(router, MANNER_DELAY, SLIM_FRAME_CLAIM, 1);
		err = ask_claim(9, &fd);
		ck_assert_int_le(err, 0);
		ck_assert_int_eq(err == 0, fd >= 0);
		taken += err == 0;
		if (!err)
			close(fd);
		/* Until the router has answered in one way or the other. */
		while (ask_name(2))
			pause_ms(1);
		ck_assert_uint_eq(COUNT(router, sent[SLIM_FRAME_CLAIM]), taken);
	}
	ck_assert_int_eq(fds_open(), before);
	ck_assert_uint_gt(taken, 0);
	ck_assert_uint_lt(taken, router->requests[SLIM_FRAME_CLAIM]);
}
END_TEST

/* After a CLAIM too late the channel is closed, and the next request has a new one. */
START_TEST(late_claim_costs_the_channel)
{
	uint64_t start;
	int fd;

	ck_assert_int_eq(ask_name(1), 0);
	fake_router_order(router, MANNER_HOLD, SLIM_FRAME_CLAIM, 1);
	start = now_us();
	ck_assert_int_eq(ask_claim(9, &fd), -ETIMEDOUT);
	ck_assert_uint_lt(ms_since(start), DEADLINE_MAX);
	ck_assert(eventually(&router->closed, 1));
	ck_assert_int_eq(ask_name(2), 0);
	ck_assert_uint_eq(router->opened, 2);
}
END_TEST

/* --- a router that comes and goes --- */

START_TEST(nobody_there)
{
	uint64_t start = now_us();

	ck_assert_ptr_null(channel_world());
	ck_assert_int_lt(ask_name(1), 0);
	fake_router_start(router, 0);
	/* It is not looked for each time. */
	ck_assert_int_lt(ask_name(2), 0);
	ck_assert_uint_lt(ms_since(start), 900);
	ck_assert_uint_eq(router->opened, 0);
	pause_ms(1050 - ms_since(start));
	ck_assert_int_eq(ask_name(3), 0);
}
END_TEST

START_TEST(restarts)
{
	int before;

	ck_assert_int_eq(ask_name(1), 0);
	before = fds_open();
	for (uint64_t round = 0; round < 3; round++) {
		fake_router_stop(router);
		fake_router_start(router, 0);
		/* Nobody asked in between: nobody notices. */
		ck_assert_int_eq(ask_name(round), 0);
		ck_assert_int_eq(fds_open(), before);
	}
	ck_assert_uint_eq(router->opened, 4);
}
END_TEST

START_TEST(ends_and_comes_back)
{
	uint64_t start;

	ck_assert_int_eq(ask_name(1), 0);
	fake_router_stop(router);
	start = now_us();
	ck_assert_int_lt(ask_name(2), 0);
	ck_assert_int_eq(channel_fd(), -1);
	/* What it said once is still known. */
	ck_assert_ptr_nonnull(channel_world());
	fake_router_start(router, 0);
	ck_assert_int_lt(ask_name(3), 0);
	ck_assert_uint_lt(ms_since(start), 900);
	ck_assert_uint_eq(router->opened, 1);
	pause_ms(1050 - ms_since(start));
	ck_assert_int_eq(ask_name(4), 0);
	ck_assert_uint_eq(router->opened, 2);
}
END_TEST

START_TEST(ends_while_it_owes_a_reply)
{
	ck_assert_int_eq(ask_name(1), 0);
	fake_router_order(router, MANNER_HOLD, SLIM_FRAME_NAME, 1);
	ck_assert_int_eq(ask_name(2), -ETIMEDOUT);
	fake_router_stop(router);
	fake_router_start(router, 0);
	ck_assert_int_eq(ask_name(3), 0);
	ck_assert_int_ge(channel_fd(), 0);
}
END_TEST

/* --- who may be a router --- */

/* A process of the container that is not root: what it would say is not even asked. */
START_TEST(impostor)
{
	fake_router_start(router, NOBODY);
	ck_assert_ptr_null(channel_world());
	ck_assert_int_lt(ask_name(1), 0);
	ck_assert_int_eq(channel_fd(), -1);
	ck_assert(eventually(&router->closed, 1));
	for (int type = 0; type < SLIM_FRAME_NUM; type++)
		ck_assert_uint_eq(router->requests[type], 0);
}
END_TEST

/* In a pid namespace of its own, as containers are. @within: so is the router */
static int ask_from_pid_namespace(bool within)
{
	pid_t pid = fork();

	if (pid)
		return status_of(pid);
	if (unshare(CLONE_NEWPID))
		_exit(2);
	pid = fork();
	if (pid)
		_exit(status_of(pid));
	if (within)
		fake_router_start(router, NOBODY);
	_exit(ask_name(1) == 0 && channel_world() ? 0 : 1);
}

/* Whoever is outside is the router, whatever its uid here. */
START_TEST(router_outside)
{
	fake_router_start(router, NOBODY);
	ck_assert_int_eq(ask_from_pid_namespace(false), 0);
}
END_TEST

START_TEST(impostor_inside)
{
	ck_assert_int_eq(ask_from_pid_namespace(true), 1);
	router->pid = 0;	/* it ended with its namespace */
	ck_assert_uint_eq(router->requests[SLIM_FRAME_HELLO], 0);
}
END_TEST

/* --- a program that closes what it does not know --- */

/* The file that has the channel's number now gets nothing, and is not closed. */
START_TEST(number_used_by_a_file)
{
	char name[] = "/tmp/slim-channel-XXXXXX";
	int file = mkstemp(name), fd;

	ck_assert_int_ge(file, 0);
	unlink(name);
	ck_assert_int_eq(ask_name(1), 0);
	fd = channel_fd();
	ck_assert_int_eq(dup2(file, fd), fd);
	ck_assert(eventually(&router->closed, 1));
	ck_assert_int_eq(ask_name(2), 0);
	tell();
	ck_assert_int_eq(lseek(fd, 0, SEEK_END), 0);
	ck_assert_uint_eq(router->opened, 2);
	ck_assert_int_ne(channel_fd(), fd);
}
END_TEST

/* _i: the type of socket */
START_TEST(number_used_by_a_socket)
{
	static const int types[] = { SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET };
	char byte;
	int pair[2], fd;

	ck_assert_int_eq(ask_name(1), 0);
	fd = channel_fd();
	ck_assert_int_eq(socketpair(AF_UNIX, types[_i], 0, pair), 0);
	ck_assert_int_eq(dup2(pair[0], fd), fd);
	close(pair[0]);
	ck_assert_int_eq(ask_name(2), 0);
	tell();
	ck_assert_int_eq(recv(pair[1], &byte, 1, MSG_DONTWAIT), -1);
	ck_assert_int_eq(errno, EAGAIN);
	/* It is open, and speaks to its peer. */
	ck_assert_int_eq(write(pair[1], "x", 1), 1);
	ck_assert_int_eq(read(fd, &byte, 1), 1);
	ck_assert_uint_eq(router->opened, 2);
}
END_TEST

START_TEST(closed_while_a_reply_is_owed)
{
	char byte;
	int pair[2], fd;

	ck_assert_int_eq(ask_name(1), 0);
	fd = channel_fd();
	fake_router_order(router, MANNER_HOLD, SLIM_FRAME_NAME, 1);
	ck_assert_int_eq(ask_name(2), -ETIMEDOUT);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	ck_assert_int_eq(write(pair[1], "x", 1), 1);
	ck_assert_int_eq(dup2(pair[0], fd), fd);
	ck_assert_int_eq(ask_name(3), 0);
	/* Not mistaken for the late reply. */
	ck_assert_int_eq(recv(fd, &byte, 1, MSG_DONTWAIT), 1);
	ck_assert_uint_eq(router->opened, 2);
}
END_TEST

START_TEST(closes_all_each_time)
{
	for (uint64_t round = 0; round < 20; round++) {
		ck_assert_int_eq(ask_name(round), 0);
		ck_assert_int_eq(close_range(3, ~0u, 0), 0);
	}
	ck_assert_uint_eq(router->opened, 20);
}
END_TEST

/* --- children --- */

/* In a child: 0, or which of the things that must be was not. */
static int ask_as_child(int before)
{
	uint32_t opened = COUNT(router, opened);

	if (!world_known())
		return 1;
	if (ask_name(11) || ask_name(12))
		return 2;
	if (COUNT(router, opened) != opened + 1)
		return 3;
	/* The parent's is closed, its own is open. */
	return fds_open() == before ? 0 : 4;
}

START_TEST(forked)
{
	int before;
	pid_t pid;

	ck_assert_int_eq(ask_name(1), 0);
	before = fds_open();
	pid = fork();
	if (!pid)
		_exit(ask_as_child(before));
	ck_assert_int_eq(status_of(pid), 0);
	ck_assert_int_eq(ask_name(2), 0);
	ck_assert_uint_eq(router->opened, 2);
	ck_assert_uint_eq(router->strangers, 0);
}
END_TEST

/* A grandchild, whose parent never asked. */
START_TEST(forked_twice)
{
	int before;
	pid_t pid;

	ck_assert_int_eq(ask_name(1), 0);
	before = fds_open();
	pid = fork();
	if (!pid) {
		pid = fork();
		if (!pid)
			_exit(ask_as_child(before));
		_exit(status_of(pid));
	}
	ck_assert_int_eq(status_of(pid), 0);
	ck_assert_uint_eq(router->strangers, 0);
}
END_TEST

/* What the parent is owed is nothing to the child. */
START_TEST(forked_while_a_reply_is_owed)
{
	int before;
	pid_t pid;

	ck_assert_int_eq(ask_name(1), 0);
	before = fds_open();
	fake_router_order(router, MANNER_HOLD, SLIM_FRAME_NAME, 1);
	ck_assert_int_eq(ask_name(2), -ETIMEDOUT);
	pid = fork();
	if (!pid)
		_exit(ask_as_child(before));
	ck_assert_int_eq(status_of(pid), 0);
	ck_assert_int_eq(ask_name(2), -ETIMEDOUT);
	fake_router_release(router);
	ck_assert_int_eq(ask_name(3), 0);
	ck_assert_uint_eq(router->strangers, 0);
}
END_TEST

/* The number of the parent's channel is the child's own file by now. */
START_TEST(forked_and_number_used)
{
	char byte;
	int pair[2], fd;
	pid_t pid;

	ck_assert_int_eq(ask_name(1), 0);
	fd = channel_fd();
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	pid = fork();
	if (!pid) {
		dup2(pair[0], fd);
		if (ask_name(2))
			_exit(1);
		_exit(write(fd, "x", 1) == 1 ? 0 : 2);
	}
	ck_assert_int_eq(status_of(pid), 0);
	ck_assert_int_eq(read(pair[1], &byte, 1), 1);
	ck_assert_int_eq(byte, 'x');
	ck_assert_uint_eq(router->strangers, 0);
}
END_TEST

/*
 * A vforked child shares the parent's memory but not its descriptors. @closes: it closes
 * all it has first
 */
static int vforked_child(bool closes)
{
	pid_t pid = vfork();

	if (!pid) {
		if (closes)
			close_range(3, ~0u, 0);
		_exit(ask_name(5) ? 1 : 0);
	}
	return status_of(pid);
}

/* _i: whether the child closes all */
START_TEST(vforked)
{
	int before;

	ck_assert_int_eq(ask_name(1), 0);
	before = fds_open();
	for (uint64_t round = 0; round < 5; round++) {
		ck_assert_int_eq(vforked_child(_i), 0);
		ck_assert_int_eq(ask_name(round), 0);
	}
	ck_assert_int_eq(fds_open(), before);
}
END_TEST

/* What it has opened in its parent's memory is not its parent's; that has one of its own then, and keeps it. */
START_TEST(vforked_first)
{
	int before = fds_open();

	ck_assert_int_eq(vforked_child(false), 0);
	ck_assert_uint_eq(router->opened, 1);
	for (uint64_t i = 0; i < 5; i++)
		ck_assert_int_eq(ask_name(i), 0);
	ck_assert_uint_eq(router->opened, 2);
	ck_assert_int_eq(fds_open(), before + 1);
}
END_TEST

/* --- threads --- */

struct asker {
	pthread_t thread;
	uint64_t number;
	unsigned int right, wrong, failed;
};

static pthread_barrier_t start_line;

static void count(struct asker *asker, int err)
{
	asker->right += err == 0;
	asker->wrong += err > 0;
	asker->failed += err < 0;
}

static void *ask_often(void *data)
{
	struct asker *asker = data;

	pthread_barrier_wait(&start_line);
	for (uint64_t i = 0; i < 100; i++)
		count(asker, ask_name(asker->number << 32 | i));
	return NULL;
}

static void *ask_once(void *data)
{
	struct asker *asker = data;

	pthread_barrier_wait(&start_line);
	count(asker, ask_name(asker->number));
	return NULL;
}

static void run_askers(struct asker *askers, unsigned int num, void *(*run)(void *))
{
	pthread_barrier_init(&start_line, NULL, num);
	for (unsigned int i = 0; i < num; i++) {
		askers[i] = (struct asker){ .number = i + 1 };
		ck_assert_int_eq(pthread_create(&askers[i].thread, NULL, run, &askers[i]), 0);
	}
	for (unsigned int i = 0; i < num; i++)
		pthread_join(askers[i].thread, NULL);
}

/* A busy machine may miss a deadline; nobody ever gets somebody else's reply. */
START_TEST(many_threads)
{
	struct asker askers[THREADS];
	unsigned int right = 0;
	int before = fds_open();

	for (int round = 0; round < 5 && right <= THREADS * 50; round++) {
		run_askers(askers, THREADS, ask_often);
		right = 0;
		for (int i = 0; i < THREADS; i++) {
			ck_assert_uint_eq(askers[i].wrong, 0);
			right += askers[i].right;
		}
	}
	ck_assert_uint_gt(right, THREADS * 50);
	ck_assert_int_le(fds_open(), before + SLOTS);
	for (int i = 0; i < 500 && COUNT(router, opened) - COUNT(router, closed) > SLOTS; i++)
		pause_ms(2);
	ck_assert_uint_le(COUNT(router, opened) - COUNT(router, closed), SLOTS);
}
END_TEST

/* So many have a channel each, which is opened once. */
START_TEST(a_channel_for_each_thread)
{
	struct asker askers[SLOTS];
	unsigned int right = 0;

	run_askers(askers, SLOTS, ask_often);
	for (int i = 0; i < SLOTS; i++)
		right += askers[i].right;
	/* One whose answer was late is opened anew. */
	ck_assert_uint_le(COUNT(router, opened), SLOTS + (SLOTS * 100 - right));
}
END_TEST

/* All wait for their answers at the same time: more than there are slots. */
START_TEST(more_threads_than_slots)
{
	struct asker askers[SLOTS + 8];
	unsigned int right = 0;
	int before;

	ck_assert_int_eq(ask_name(1), 0);
	before = fds_open();
	for (int round = 0; round < 20 && right < SLOTS + 8; round++) {
		ORDER(router, hold_for, SLOTS + 8);
		fake_router_order(router, MANNER_HOLD, SLIM_FRAME_NAME, SLOTS + 8);
		run_askers(askers, SLOTS + 8, ask_once);
		right = 0;
		for (int i = 0; i < SLOTS + 8; i++) {
			ck_assert_uint_eq(askers[i].wrong, 0);
			right += askers[i].right;
		}
		ORDER(router, times, 0);
		ORDER(router, hold_for, 0);
		fake_router_release(router);
	}
	ck_assert_uint_eq(right, SLOTS + 8);
	ck_assert_int_le(fds_open(), before + SLOTS - 1);
}
END_TEST

static void *ask_until_told(void *data)
{
	const bool *stop = data;
	uintptr_t wrong_ones = 0;

	for (uint64_t i = 0; !__atomic_load_n(stop, __ATOMIC_RELAXED); i++)
		wrong_ones += ask_name(i) > 0;
	return (void *)wrong_ones;
}

/* Forked in the midst of other threads' requests. */
START_TEST(forked_among_threads)
{
	pthread_t threads[4];
	bool stop = false;
	void *wrong_ones;

	ck_assert_int_eq(ask_name(1), 0);
	for (int i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, ask_until_told, &stop);
	for (int i = 0; i < 50; i++) {
		pid_t pid = fork();

		if (!pid) {
			int tries = 0;

			while (ask_name(3) && ++tries < 10)
				pause_ms(5);
			_exit(tries < 10 ? 0 : 1);
		}
		ck_assert_int_eq(status_of(pid), 0);
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	for (int i = 0; i < 4; i++) {
		pthread_join(threads[i], &wrong_ones);
		ck_assert_ptr_null(wrong_ones);
	}
	ck_assert_uint_eq(router->strangers, 0);
}
END_TEST

/* --- answers that are owed, on several channels --- */

static void *name_asked(void *err)
{
	*(int *)err = ask_name(1);
	return NULL;
}

static void *listen_asked(void *err)
{
	*(int *)err = ask_listen();
	return NULL;
}

/* A NAME is under way, then a LISTEN as well; both are held. */
static void ask_two(pthread_t threads[2], int errs[2])
{
	fake_router_order(router, MANNER_HOLD, SLIM_FRAME_NAME, ~0u);
	ORDER(router, types, 1u << SLIM_FRAME_NAME | 1u << SLIM_FRAME_LISTEN);
	pthread_create(&threads[0], NULL, name_asked, &errs[0]);
	ck_assert(eventually(&router->held, 1));
	pause_ms(SLIM_CHANNEL_DEADLINE / 2);
	pthread_create(&threads[1], NULL, listen_asked, &errs[1]);
}

static void owe_two(void)
{
	pthread_t threads[2];
	int errs[2];

	ask_two(threads, errs);
	for (int i = 0; i < 2; i++) {
		pthread_join(threads[i], NULL);
		ck_assert_int_eq(errs[i], -ETIMEDOUT);
	}
	ORDER(router, times, 0);
	ck_assert_uint_eq(COUNT(router, held), 2);
}

/* Any of them suffices; nobody waits for the other. _i: the type that is answered */
START_TEST(one_of_two_comes)
{
	uint64_t start;

	ck_assert_int_eq(ask_name(1), 0);
	owe_two();
	start = now_us();
	ck_assert_int_eq(ask_name(2), -ETIMEDOUT);
	fake_router_release_type(router, _i);
	for (uint64_t i = 0; i < 20; i++)
		ck_assert_int_eq(ask_name(i), 0);
	ck_assert_uint_lt(ms_since(start), AT_ONCE_MS);
	ck_assert_uint_eq(COUNT(router, held), 1);
	ck_assert_uint_eq(router->opened, 2);
}
END_TEST

/* A router that answers one thread is not slow, whatever it owes to another. */
START_TEST(others_are_answered)
{
	pthread_t threads[2];
	int errs[2] = { 0, -1 };

	ck_assert_int_eq(ask_name(1), 0);
	for (int round = 0; round < 20 && errs[1]; round++) {
		ask_two(threads, errs);
		pthread_join(threads[0], NULL);
		ck_assert_int_eq(errs[0], -ETIMEDOUT);
		ORDER(router, times, 0);
		fake_router_release_type(router, SLIM_FRAME_LISTEN);
		pthread_join(threads[1], NULL);
		if (!errs[1])
			ck_assert_int_eq(ask_name(2), 0);
		fake_router_release(router);
		for (int i = 0; i < 500 && ask_name(3); i++)
			pause_ms(2);
	}
	ck_assert_int_eq(errs[1], 0);
}
END_TEST

/* Where all others are in use, the slot that waits for an answer gets another channel. */
START_TEST(owed_slot_is_used_again)
{
	struct asker askers[SLOTS];
	unsigned int right = 0;
	int before;

	ck_assert_int_eq(ask_name(1), 0);
	before = fds_open();
	owe_two();
	fake_router_release_type(router, SLIM_FRAME_LISTEN);
	ck_assert_int_eq(ask_name(2), 0);
	for (int round = 0; round < 20 && right < SLOTS; round++) {
		ORDER(router, hold_for, COUNT(router, held) + SLOTS);
		fake_router_order(router, MANNER_HOLD, SLIM_FRAME_NAME, SLOTS);
		run_askers(askers, SLOTS, ask_once);
		right = 0;
		for (int i = 0; i < SLOTS; i++)
			right += askers[i].right;
		ORDER(router, times, 0);
		ORDER(router, hold_for, 0);
	}
	ck_assert_uint_eq(right, SLOTS);
	ck_assert_int_le(fds_open(), before + SLOTS - 1);
}
END_TEST

/* After a second the router is asked on another channel, and nobody waits for that. */
START_TEST(never_comes)
{
	int before;
	uint64_t start;

	ck_assert_int_eq(ask_name(1), 0);
	before = fds_open();
	fake_router_order(router, MANNER_HOLD, SLIM_FRAME_NAME, 1);
	ck_assert_int_eq(ask_name(2), -ETIMEDOUT);
	for (start = now_us(); ms_since(start) < RETRY_MS - 200; pause_ms(20))
		ck_assert_int_eq(ask_name(3), -ETIMEDOUT);
	ck_assert_uint_eq(COUNT(router, opened), 1);
	pause_ms(250);
	start = now_us();
	ck_assert_int_eq(ask_name(4), -ETIMEDOUT);
	ck_assert_uint_lt(ms_since(start), AT_ONCE_MS);
	for (int i = 0; i < 50 && ask_name(5); i++)
		pause_ms(2);
	ck_assert_int_eq(ask_name(6), 0);
	ck_assert(eventually(&router->closed, 2));
	ck_assert_uint_eq(router->opened, 3);
	ck_assert_int_eq(fds_open(), before);
}
END_TEST

/* One that is stopped costs each of some seconds one question, and no wait. */
START_TEST(stopped_for_long)
{
	unsigned int waited = 0;
	uint64_t start;
	int fd;

	ck_assert_int_eq(ask_name(1), 0);
	kill(router->pid, SIGSTOP);
	ck_assert_int_eq(ask_connect(80, &fd), -ETIMEDOUT);
	for (uint64_t began = now_us(); ms_since(began) < 3 * RETRY_MS + 500; pause_ms(10)) {
		start = now_us();
		ck_assert_int_eq(ask_connect(80, &fd), -ETIMEDOUT);
		waited += ms_since(start) >= SLIM_CHANNEL_DEADLINE - 5;
	}
	ck_assert_uint_eq(waited, 0);
	kill(router->pid, SIGCONT);
	for (int i = 0; i < 500 && ask_name(2); i++)
		pause_ms(2);
	ck_assert_int_eq(ask_name(3), 0);
	ck_assert_uint_le(COUNT(router, opened), 1 + 1 + 3 + 1);
}
END_TEST

/* No channel can be opened while it is stopped; those that are open are not tried in turn. */
START_TEST(stopped_with_a_full_queue)
{
	struct rlimit many = { 4096, 4096 };
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	static const char name[] = SLIM_CHANNEL_NAME;
	pthread_t threads[2];
	int errs[2], fd;
	uint64_t start;

	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &many), 0);
	ck_assert_int_eq(ask_name(1), 0);
	while (COUNT(router, opened) < 2) {
		ask_two(threads, errs);
		ORDER(router, times, 0);
		fake_router_release(router);
		for (int i = 0; i < 2; i++)
			pthread_join(threads[i], NULL);
		while (ask_name(2))
			pause_ms(1);
	}
	kill(router->pid, SIGSTOP);
	memcpy(sun.sun_path + 1, name, sizeof(name) - 1);
	do
		fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0);
	while (connect(fd, (struct sockaddr *)&sun,
		       offsetof(struct sockaddr_un, sun_path) + sizeof(name)) == 0);
	ck_assert_int_eq(errno, EAGAIN);
	ck_assert_int_eq(ask_connect(80, &fd), -ETIMEDOUT);
	start = now_us();
	for (int i = 0; i < 10; i++)
		ck_assert_int_eq(ask_connect(80, &fd), -ETIMEDOUT);
	ck_assert_uint_lt(ms_since(start), AT_ONCE_MS);
}
END_TEST

/* --- signals --- */

static volatile sig_atomic_t signals, wrong_in_handler;
static sigjmp_buf out_of_handler;

static void ask_in_handler(int number)
{
	int error = errno;

	(void)number;
	signals++;
	wrong_in_handler += ask_name(0xabc) > 0;
	errno = error;
}

static void jump(int number)
{
	(void)number;
	signals++;
	siglongjmp(out_of_handler, 1);
}

static void every_ms(void (*handler)(int))
{
	struct sigaction action = { .sa_handler = handler };
	struct itimerval timer = { { 0, 1000 }, { 0, 1000 } };

	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &timer, NULL);
}

static void no_more(void)
{
	struct itimerval timer = { 0 };

	setitimer(ITIMER_REAL, &timer, NULL);
}

START_TEST(handler_asks_too)
{
	every_ms(ask_in_handler);
	for (uint64_t i = 0; i < 5000 || signals < 20; i++)
		ck_assert_int_eq(ask_name(i), 0);
	no_more();
	ck_assert_int_eq(wrong_in_handler, 0);
	ck_assert_uint_eq(router->opened, 1);
}
END_TEST

/* Out of whatever runs, again and again: no slot is lost, no reply left over. */
START_TEST(handler_jumps_away)
{
	volatile uint64_t asked = 0, failed = 0;

	ck_assert_int_eq(ask_name(1), 0);
	every_ms(jump);
	sigsetjmp(out_of_handler, 1);
	while (signals < 200) {
		asked++;
		failed += ask_name(asked) != 0;
	}
	no_more();
	ck_assert_uint_gt(asked, 200);
	ck_assert_uint_eq(failed, 0);
	ck_assert_int_eq(ask_name(2), 0);
	ck_assert_uint_eq(router->opened, 1);
}
END_TEST

static void ignore(int number)
{
	(void)number;
	signals++;
}

START_TEST(signals_and_the_deadline)
{
	sigset_t before, after, one;
	uint64_t start;

	sigemptyset(&one);
	sigaddset(&one, SIGUSR2);
	sigprocmask(SIG_BLOCK, &one, NULL);
	sigprocmask(SIG_BLOCK, NULL, &before);
	ck_assert_int_eq(ask_name(1), 0);
	every_ms(ignore);
	fake_router_order(router, MANNER_HOLD, SLIM_FRAME_NAME, 1);
	start = now_us();
	ck_assert_int_eq(ask_name(2), -ETIMEDOUT);
	ck_assert_uint_ge(ms_since(start), SLIM_CHANNEL_DEADLINE - 5);
	ck_assert_uint_lt(ms_since(start), DEADLINE_MAX);
	no_more();
	sigprocmask(SIG_BLOCK, NULL, &after);
	for (int number = 1; number < 32; number++)
		ck_assert_int_eq(sigismember(&before, number), sigismember(&after, number));
}
END_TEST

/* Stopping and going on again ends a wait, though no signal is delivered. */
START_TEST(stopped_and_continued)
{
	int fd;

	ck_assert_int_eq(ask_name(1), 0);
	for (uint16_t i = 0; i < 5; i++) {
		fake_router_order(router, MANNER_STOP, SLIM_FRAME_NAME, 1);
		ck_assert_int_eq(ask_name(i), 0);
		fake_router_order(router, MANNER_STOP, SLIM_FRAME_CLAIM, 1);
		ck_assert_int_eq(ask_claim(i, &fd), 0);
	}
	ck_assert_uint_eq(router->opened, 1);
}
END_TEST

START_TEST(errno_is_left_alone)
{
	errno = 12345;
	ck_assert_int_eq(ask_name(1), 0);
	fake_router_order(router, MANNER_CLOSE, SLIM_FRAME_NAME, 1);
	ck_assert_int_lt(ask_name(2), 0);
	fake_router_stop(router);
	errno = 12345;
	ck_assert_int_lt(ask_name(3), 0);
	tell();
	ck_assert_int_eq(errno, 12345);
}
END_TEST

static void forbid_unix_sockets(void)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_socket, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0])),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_UNIX, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EAFNOSUPPORT),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { sizeof(filter) / sizeof(filter[0]), filter };

	ck_assert_int_eq(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
	ck_assert_int_eq(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), 0);
}

/* As services whose families of sockets are restricted: it is not tried again by each call. */
START_TEST(forbidden)
{
	forbid_unix_sockets();
	ck_assert_int_eq(ask_name(1), -EAFNOSUPPORT);
	ck_assert_int_eq(ask_name(2), -ECONNREFUSED);
	ck_assert_ptr_null(channel_world());
}
END_TEST

static TCase *running(Suite *suite, const char *name)
{
	TCase *tc = tcase_create(name);

	tcase_add_checked_fixture(tc, setup_running, teardown);
	tcase_set_timeout(tc, 30);
	suite_add_tcase(suite, tc);
	return tc;
}

static TCase *absent(Suite *suite)
{
	TCase *tc = tcase_create("no router at first");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 30);
	tcase_add_test(tc, nobody_there);
	tcase_add_test(tc, impostor);
	tcase_add_test(tc, router_outside);
	tcase_add_test(tc, impostor_inside);
	tcase_add_test(tc, forbidden);
	suite_add_tcase(suite, tc);
	return tc;
}

static void add_replies(TCase *tc)
{
	tcase_add_test(tc, answers);
	tcase_add_test(tc, out_of_the_way);
	tcase_add_test(tc, few_descriptors_allowed);
	tcase_add_test(tc, a_descriptor_comes_along);
	tcase_add_test(tc, no_room_for_the_descriptor);
	tcase_add_test(tc, room_is_made);
	tcase_add_test(tc, hints_have_no_reply);
	tcase_add_test(tc, hints_to_a_full_channel);
	tcase_add_test(tc, generation_changes);
	tcase_add_test(tc, the_world_is_recent);
	tcase_add_test(tc, generation_changes_slowly);
	tcase_add_test(tc, a_world_too_large);
	tcase_add_loop_test(tc, wrong_replies, 0, WRONG_NUM);
	tcase_add_loop_test(tc, wrong_hellos, 0, WRONG_NUM);
	tcase_add_loop_test(tc, unexpected_descriptors, 1, 4);
}

static void add_time(TCase *tc)
{
	tcase_add_test(tc, deadline);
	tcase_add_test(tc, deadline_of_the_first_request);
	tcase_add_test(tc, left_for_later);
	tcase_add_test(tc, late_replies);
	tcase_add_test(tc, late_claims);
	tcase_add_test(tc, late_claim_costs_the_channel);
	tcase_add_test(tc, restarts);
	tcase_add_test(tc, ends_and_comes_back);
	tcase_add_test(tc, ends_while_it_owes_a_reply);
}

static void add_owed(TCase *tc)
{
	tcase_add_loop_test(tc, one_of_two_comes, SLIM_FRAME_NAME, SLIM_FRAME_NAME + 1);
	tcase_add_loop_test(tc, one_of_two_comes, SLIM_FRAME_LISTEN, SLIM_FRAME_LISTEN + 1);
	tcase_add_test(tc, others_are_answered);
	tcase_add_test(tc, owed_slot_is_used_again);
	tcase_add_test(tc, never_comes);
	tcase_add_test(tc, stopped_for_long);
	tcase_add_test(tc, stopped_with_a_full_queue);
}

static void add_program(TCase *tc)
{
	tcase_add_test(tc, number_used_by_a_file);
	tcase_add_loop_test(tc, number_used_by_a_socket, 0, 3);
	tcase_add_test(tc, closed_while_a_reply_is_owed);
	tcase_add_test(tc, closes_all_each_time);
	tcase_add_test(tc, forked);
	tcase_add_test(tc, forked_twice);
	tcase_add_test(tc, forked_while_a_reply_is_owed);
	tcase_add_test(tc, forked_and_number_used);
	tcase_add_loop_test(tc, vforked, 0, 2);
	tcase_add_test(tc, vforked_first);
	tcase_add_test(tc, many_threads);
	tcase_add_test(tc, a_channel_for_each_thread);
	tcase_add_test(tc, more_threads_than_slots);
	tcase_add_test(tc, forked_among_threads);
	tcase_add_test(tc, handler_asks_too);
	tcase_add_test(tc, handler_jumps_away);
	tcase_add_test(tc, signals_and_the_deadline);
	tcase_add_test(tc, stopped_and_continued);
	tcase_add_test(tc, errno_is_left_alone);
}

int main(void)
{
	Suite *suite = suite_create("shim: channel");

	add_replies(running(suite, "replies"));
	add_time(running(suite, "time"));
	add_owed(running(suite, "owed"));
	add_program(running(suite, "program"));
	absent(suite);
	return suite_run(suite);
}
