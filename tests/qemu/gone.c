/* SPDX-License-Identifier: MIT */
/* gone.c - how slim.ko tells which sealed sockets are gone. By a clock that counts instructions: closing one takes 25 us. */
#include <poll.h>
#include <sys/resource.h>
#include <time.h>

#include "guard.h"

#define TOGETHER	256	/* are sent when so many have come */
#define NUM_MAX		600
#define TICK_MS		4		/* of the kernel's clock */

struct sealed {
	int fds[2];
	uint64_t cookie;
};

static struct guard owner, listening;
static struct sealed all[NUM_MAX];
static int listener;
static uint16_t port;

static uint64_t clock_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static void open_all(int num)
{
	struct slim_seal seal = seal_default();

	for (int i = 0; i < num; i++) {
		host_connect(listener, port, AF_INET6, all[i].fds);
		must(seal_socket(all[i].fds[0], &seal), "seal");
		all[i].cookie = cookie_of(all[i].fds[0]);
	}
}

static void close_all(int num)
{
	for (int i = 0; i < num; i++) {
		close(all[i].fds[1]);
		close(all[i].fds[0]);
	}
}

/* The next message is of those from @first on, in their order: how many; 0: something else came, or nothing did */
static int told(int first, int num)
{
	static _Alignas(8) char buffer[MESSAGE_MAX];
	struct pollfd in = { .fd = listening.fd, .events = POLLIN };
	const struct nlmsghdr *head = (const struct nlmsghdr *)buffer;
	const struct nlattr *cookies;
	int i, len;

	if (poll(&in, 1, 1000 * slowness()) != 1 || recv(listening.fd, buffer, sizeof(buffer), 0) < 0 ||
	    attr_u64(nlmsg_find(head, SLIM_A_EVENT)) != SLIM_EVENT_GONE)
		return 0;
	cookies = nlmsg_find(head, SLIM_A_COOKIES);
	len = cookies ? (cookies->nla_len - NLA_HDRLEN) / (int)sizeof(uint64_t) : 0;
	for (i = 0; i < len && first + i < num; i++)
		if (memcmp(attr_value(cookies) + (size_t)i * sizeof(uint64_t), &all[first + i].cookie, sizeof(uint64_t)))
			return 0;
	return i == len ? len : 0;
}

static void one(void)
{
	uint64_t began;
	long took;

	open_all(1);
	close(all[0].fds[1]);
	began = clock_us();
	close(all[0].fds[0]);
	equal(told(0, 1), 1, "one that is gone is told");
	took = (long)(clock_us() - began);
	check(took > 1000 * (SLIM_GONE_MS - TICK_MS) && took < 1000 * (SLIM_GONE_MS + 2 * TICK_MS), "... after %ld us", took);
}

static void some(void)
{
	open_all(TOGETHER - 1);
	close_all(TOGETHER - 1);
	equal(told(0, TOGETHER - 1), TOGETHER - 1, "as many as there is room for but one are told together, in their order");
}

/* (What has come when the time of the first one is over is sent, too.) */
static void many(void)
{
	int num = 0, most = 0;

	open_all(NUM_MAX);
	close_all(NUM_MAX);
	while (num < NUM_MAX) {
		int more = told(num, NUM_MAX);

		if (!more)
			break;
		if (more > most)
			most = more;
		num += more;
	}
	equal(most, TOGETHER, "of more, those that there is room for are sent at once");
	equal(num, NUM_MAX, "... and the rest, in their order");
}

int main(void)
{
	const struct rlimit files = { 2 * NUM_MAX + 100, 2 * NUM_MAX + 100 };

	must(setrlimit(RLIMIT_NOFILE, &files), "files");
	must(guard_open(&owner), "the family");
	must(guard_own(&owner, -1), "own");
	must(guard_open(&listening), "another socket");
	must(guard_join(&listening, listening.gone), "join");
	listener = host_listen(&port);
	one();
	some();
	many();
	return 0;
}
