/* SPDX-License-Identifier: MIT */
/*
 * many.c - an ordinary server of many connections, and two ordinary clients that make them
 *
 *   many server PORT PROCESSES
 *	echoes until the client closes; each process accepts from the same listener
 *   many hold ADDRESS PORT NUMBER
 *	opens connections and keeps them; "held N" says that all are open. For each
 *	line on its standard input it sends something else on each, and says what came back:
 *	"intact N", or what went wrong, how often. At the end of its input it ends.
 *   many setups ADDRESS PORT RATE SECONDS CLIENTS
 *	connect, one byte there and back, close (so the client closes first), RATE times a second
 *	between all CLIENTS (processes); RATE 0: as fast as it goes. A client that is behind its
 *	time table begins the next at once, and drops what it is more than 0.1 s behind with. Prints
 *	one line of JSON for each second, and one for all: how many, which failures, how long
 *	it took.
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CHUNK		4096
#define PATIENCE	20		/* seconds for an answer */
#define SECONDS_MAX	600
#define PER_SECOND_MAX	20000		/* samples that are kept of each client's second */
#define CAUSES		16
#define ARREARS		100000000u	/* ns that a client may be behind its time table */

static unsigned long number(const char *text, unsigned long max)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	if (!*text || *end || value > max)
		errx(2, "%s is no number up to %lu", text, max);
	return value;
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static void all_the_fds(void)
{
	struct rlimit limit;

	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

/* --- the server --- */

static int open_listener(uint16_t port)
{
	struct sockaddr_in6 sin6 = {
		.sin6_family = AF_INET6,
		.sin6_port = htons(port),
		.sin6_addr = IN6ADDR_ANY_INIT,
	};
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int on = 1, off = 0;

	if (fd < 0)
		err(1, "socket");
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&sin6, sizeof(sin6)))
		err(1, "cannot bind port %u", port);
	if (listen(fd, 4096))
		err(1, "listen");
	return fd;
}

static void watch(int epoll, int fd, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.fd = fd };

	if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event))
		err(1, "epoll_ctl");
}

static void echo(int fd)
{
	char buffer[CHUNK];
	ssize_t len = recv(fd, buffer, sizeof(buffer), MSG_DONTWAIT);

	if (len < 0 && errno == EAGAIN)
		return;
	if (len <= 0 || send(fd, buffer, (size_t)len, MSG_NOSIGNAL) != len)
		close(fd);
}

static void serve(int listener)
{
	struct epoll_event events[64];
	int epoll = epoll_create1(EPOLL_CLOEXEC);

	all_the_fds();
	watch(epoll, listener, EPOLLIN | EPOLLEXCLUSIVE);
	for (;;) {
		int num = epoll_wait(epoll, events, 64, -1);

		for (int i = 0; i < num; i++) {
			int fd = events[i].data.fd;

			if (fd != listener) {
				echo(fd);
				continue;
			}
			fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
			if (fd >= 0)
				watch(epoll, fd, EPOLLIN);
		}
	}
}

static void server(uint16_t port, unsigned long processes)
{
	int listener = open_listener(port);

	while (--processes) {
		if (fork())
			continue;
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		serve(listener);
	}
	serve(listener);
}

/* --- failures, by cause --- */

struct causes {
	struct cause {
		const char *step;
		int error;
		uint64_t num;
	} list[CAUSES];
	uint64_t num;
};

static void count(struct causes *causes, const char *step, int error)
{
	causes->num++;
	for (size_t i = 0; i < CAUSES; i++) {
		struct cause *cause = &causes->list[i];

		if (cause->num && (strcmp(cause->step, step) || cause->error != error))
			continue;
		cause->step = step;
		cause->error = error;
		cause->num++;
		return;
	}
}

static void print_causes(const struct causes *causes)
{
	const char *comma = "";

	for (size_t i = 0; i < CAUSES && causes->list[i].num; i++, comma = ",")
		printf("%s\"%s: %s\":%" PRIu64, comma, causes->list[i].step,
		       causes->list[i].error ? strerror(causes->list[i].error) :
		       "end of stream", causes->list[i].num);
}

/* --- clients --- */

static struct sockaddr_storage to;
static socklen_t to_len;

static void set_target(const char *address, uint16_t port)
{
	struct sockaddr_in6 *sin6 = (struct sockaddr_in6 *)&to;
	struct sockaddr_in *sin = (struct sockaddr_in *)&to;

	to_len = sizeof(*sin);
	sin->sin_family = AF_INET;
	sin->sin_port = htons(port);
	if (inet_pton(AF_INET, address, &sin->sin_addr) == 1)
		return;
	to_len = sizeof(*sin6);
	sin6->sin6_family = AF_INET6;
	sin6->sin6_port = htons(port);
	if (inet_pton(AF_INET6, address, &sin6->sin6_addr) != 1)
		errx(2, "%s is no IPv4 or IPv6 address", address);
}

/* Returns the socket, or -1 and counts why not. */
static int open_one(struct causes *causes)
{
	struct timeval patience = { .tv_sec = PATIENCE };
	int fd = socket(to.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0) {
		count(causes, "socket", errno);
		return -1;
	}
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	if (connect(fd, (struct sockaddr *)&to, to_len) == 0)
		return fd;
	count(causes, "connect", errno);
	close(fd);
	return -1;
}

static bool say(int fd, const void *data, size_t len, struct causes *causes)
{
	if (send(fd, data, len, MSG_NOSIGNAL) == (ssize_t)len)
		return true;
	count(causes, "send", errno);
	return false;
}

static bool hear(int fd, const void *data, size_t len, struct causes *causes)
{
	char buffer[CHUNK];
	ssize_t ret = recv(fd, buffer, len, MSG_WAITALL);

	if (ret == (ssize_t)len && !memcmp(buffer, data, len))
		return true;
	if (ret == (ssize_t)len)
		count(causes, "compare", EILSEQ);
	else
		count(causes, "receive", ret < 0 ? errno : 0);
	return false;
}

/* --- connections that stay --- */

struct word {
	uint32_t pid, round, number;
};

/* All are written to before the first is read. */
static void exchange(const int *fds, unsigned long num, uint32_t round)
{
	struct word word = { .pid = (uint32_t)getpid(), .round = round };
	struct causes causes = { 0 };
	unsigned long intact = 0;

	for (unsigned long i = 0; i < num; i++) {
		word.number = (uint32_t)i;
		say(fds[i], &word, sizeof(word), &causes);
	}
	for (unsigned long i = 0; i < num; i++) {
		word.number = (uint32_t)i;
		intact += hear(fds[i], &word, sizeof(word), &causes);
	}
	if (causes.num) {
		printf("failed {");
		print_causes(&causes);
		printf("} ");
	}
	printf("intact %lu\n", intact);
	fflush(stdout);
}

static void hold(unsigned long num)
{
	int *fds = calloc(num, sizeof(*fds));
	struct causes causes = { 0 };
	char line[64];

	all_the_fds();
	for (unsigned long i = 0; i < num; i++) {
		fds[i] = open_one(&causes);
		if (fds[i] >= 0 && say(fds[i], "x", 1, &causes))
			hear(fds[i], "x", 1, &causes);
	}
	if (causes.num) {
		printf("failed {");
		print_causes(&causes);
		puts("}");
		exit(1);
	}
	printf("held %lu\n", num);
	fflush(stdout);
	for (uint32_t round = 1; fgets(line, sizeof(line), stdin); round++)
		exchange(fds, num, round);
	free(fds);
}

/* --- connections that come and go --- */

/* What one client does in one second; shared memory. */
struct second {
	uint32_t num;
	uint32_t set_up_ns[PER_SECOND_MAX];
};

struct client {
	struct causes causes;
	uint64_t dropped;		/* not begun: their time was over */
	struct second seconds[];
};

static size_t client_size(unsigned long seconds)
{
	return sizeof(struct client) + seconds * sizeof(struct second);
}

static bool set_up(struct causes *causes)
{
	int fd = open_one(causes);
	bool done;

	if (fd < 0)
		return false;
	done = say(fd, "x", 1, causes) && hear(fd, "x", 1, causes);
	close(fd);
	return done;
}

static void sleep_until(uint64_t ns)
{
	struct timespec ts = { .tv_sec = (time_t)(ns / 1000000000u),
			       .tv_nsec = (long)(ns % 1000000000u) };

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL) == EINTR)
		;
}

/* @every: ns from one beginning to the next, 0: at once */
static void run_client(struct client *client, uint64_t start, uint64_t first, uint64_t every,
		       unsigned long seconds)
{
	uint64_t due = first, end = start + seconds * 1000000000u;

	for (;; due += every) {
		uint64_t began = now_ns();
		struct second *second;

		if (every && due > began) {
			sleep_until(due);
			began = now_ns();
		}
		if (began >= end)
			return;
		for (; every && began > due + ARREARS; due += every)
			client->dropped++;
		second = &client->seconds[(began - start) / 1000000000u];
		if (set_up(&client->causes) && second->num < PER_SECOND_MAX)
			second->set_up_ns[second->num++] = (uint32_t)(now_ns() - began);
	}
}

static int compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static double quantile(const uint32_t *sorted, size_t num, double share)
{
	return num ? sorted[(size_t)(share * (double)(num - 1))] / 1e3 : 0;
}

static uint64_t report_second(char *clients, size_t size, unsigned long num, unsigned long at)
{
	static uint32_t *samples;
	size_t samples_num = 0;

	if (!samples)
		samples = calloc(num * PER_SECOND_MAX, sizeof(*samples));
	for (unsigned long i = 0; i < num; i++) {
		struct second *second = &((struct client *)(clients + i * size))->seconds[at];

		memcpy(samples + samples_num, second->set_up_ns,
		       second->num * sizeof(*samples));
		samples_num += second->num;
	}
	qsort(samples, samples_num, sizeof(*samples), compare);
	printf("{\"second\":%lu,\"done\":%zu,\"p50_us\":%.1f,\"p99_us\":%.1f,\"max_us\":%.1f}\n",
	       at, samples_num, quantile(samples, samples_num, 0.5),
	       quantile(samples, samples_num, 0.99), quantile(samples, samples_num, 1));
	return samples_num;
}

/* False: some failed. */
static bool report(char *clients, size_t size, unsigned long num, unsigned long seconds)
{
	struct causes causes = { 0 };
	uint64_t done = 0, dropped = 0;

	for (unsigned long at = 0; at < seconds; at++)
		done += report_second(clients, size, num, at);
	for (unsigned long i = 0; i < num; i++) {
		struct client *client = (struct client *)(clients + i * size);

		dropped += client->dropped;
		for (size_t j = 0; j < CAUSES; j++)
			for (uint64_t n = 0; n < client->causes.list[j].num; n++)
				count(&causes, client->causes.list[j].step,
				      client->causes.list[j].error);
	}
	printf("{\"done\":%" PRIu64 ",\"failed\":%" PRIu64 ",\"dropped\":%" PRIu64
	       ",\"causes\":{", done, causes.num, dropped);
	print_causes(&causes);
	puts("}}");
	return !causes.num;
}

static bool setups(unsigned long rate, unsigned long seconds, unsigned long num)
{
	uint64_t every = rate ? 1000000000u * num / rate : 0;
	size_t size = client_size(seconds);
	char *clients = mmap(NULL, size * num, PROT_READ | PROT_WRITE,
			     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	uint64_t start = now_ns();

	if (clients == MAP_FAILED)
		err(1, "mmap");
	for (unsigned long i = 0; i < num; i++) {
		if (fork())
			continue;
		run_client((struct client *)(clients + i * size), start,
			   start + every * i / num, every, seconds);
		_exit(0);
	}
	while (wait(NULL) > 0)
		;
	return report(clients, size, num, seconds);
}

int main(int argc, char **argv)
{
	if (argc == 4 && !strcmp(argv[1], "server")) {
		server((uint16_t)number(argv[2], UINT16_MAX), number(argv[3], 64));
		return 0;
	}
	if (argc < 5)
		errx(2, "usage: see the head of many.c");
	set_target(argv[2], (uint16_t)number(argv[3], UINT16_MAX));
	if (argc == 5 && !strcmp(argv[1], "hold"))
		hold(number(argv[4], 1000000));
	else if (argc == 7 && !strcmp(argv[1], "setups"))
		return !setups(number(argv[4], 1000000), number(argv[5], SECONDS_MAX),
			       number(argv[6], 64));
	else
		errx(2, "usage: see the head of many.c");
	return 0;
}
