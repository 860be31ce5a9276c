/* SPDX-License-Identifier: MIT */
/*
 * probe.c - an ordinary server and ordinary clients that say what they reach, and how
 *
 *   probe server PORT NAME		answers NAME until SIGTERM, then says what it has seen
 *   probe client ADDRESS PORT [MS]	one connection: prints PATH and the server's NAME
 *   probe await ADDRESS PORT MS NAME	as often as it takes, until it is "slim NAME"
 *   probe flood ADDRESS PORT MS [N]	one after the other, N at a time; prints how each came out
 *   probe watch ADDRESS PORT		until SIGTERM: prints REACHED as soon as anybody answers
 *   probe echo PORT			gives back what comes, until SIGTERM
 *   probe hold ADDRESS PORT		one connection that talks to it until SIGTERM, or until it is lost
 *
 * With PROBE_FILES=N in the environment, it may have N files open; with PROBE_MEMORY=N, it gets no
 * more than N KiB beyond what it has when it is about to begin. PATH is "slim" where both ends
 * hold a socket of another network namespace than their own, "spliced" where only the client
 * does, "packet" where neither does. Each connection carries a number that the server must give
 * back, followed by the end of the stream.
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE	71
#endif

#define REPLY_MAX	128
/*
 * ms that the server waits for a client: longer than one may take to connect and to get its first bytes
 * through, since the server can have the connection before
 */
#define PATIENCE	8000
#define WATCH_PAUSE	50	/* ms */
#define HOLD_PAUSE	20	/* ms */
#define HOLD_PATIENCE	60000	/* ms */
#define ERRNO_MAX	200
#define STACK		(128 * 1024)

enum outcome {
	SLIM,
	SPLICED,
	PACKET,
	WRONG,			/* another number came back, or nothing, or more */
	OUTCOME_NUM,
};

static const char *const outcome_names[OUTCOME_NUM] = { "slim", "spliced", "packet", "wrong" };

static volatile sig_atomic_t ended;
static uint64_t own_netns;

/* Of the server */
static const char *server_name;
static unsigned long served, empty;

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static void pause_ms(unsigned int ms)
{
	struct timespec ts = { .tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000 };

	nanosleep(&ts, NULL);
}

static uint64_t netns_of(int fd)
{
	uint64_t cookie = 0;
	socklen_t len = sizeof(cookie);

	/* The kernel is asked: the shim would answer as it does everybody. */
	if (syscall(SYS_getsockopt, fd, SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &len))
		err(1, "SO_NETNS_COOKIE");
	return cookie;
}

static void learn_own_netns(void)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);

	if (fd < 0)
		err(1, "socket");
	own_netns = netns_of(fd);
	close(fd);
}

static void set_timeout(int fd, unsigned int ms)
{
	struct timeval tv = { .tv_sec = ms / 1000, .tv_usec = (ms % 1000) * 1000 };

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
}

static void on_signal(int sig)
{
	(void)sig;
	ended = 1;
}

static void end_on_signals(void)
{
	struct sigaction action = { .sa_handler = on_signal };

	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
}

/* PROBE_FILES=N: may have N files open, once it runs */
static void limit_files(void)
{
	const char *files = getenv("PROBE_FILES");
	struct rlimit limit;

	if (!files || getrlimit(RLIMIT_NOFILE, &limit))
		return;
	limit.rlim_cur = (rlim_t)atoi(files);
	if (setrlimit(RLIMIT_NOFILE, &limit))
		err(1, "setrlimit");
}

static void limit_memory(void)
{
	const char *memory = getenv("PROBE_MEMORY");
	struct rlimit limit;
	unsigned long pages;
	FILE *file;

	if (!memory || getrlimit(RLIMIT_AS, &limit))
		return;
	file = fopen("/proc/self/statm", "r");
	if (!file || fscanf(file, "%lu", &pages) != 1)
		err(1, "/proc/self/statm");
	fclose(file);
	limit.rlim_cur = pages * (rlim_t)sysconf(_SC_PAGESIZE) + (rlim_t)atoi(memory) * 1024;
	if (setrlimit(RLIMIT_AS, &limit))
		err(1, "setrlimit");
}

/* --- server --- */

static void *serve(void *arg)
{
	int fd = (int)(intptr_t)arg;
	char reply[REPLY_MAX];
	uint64_t number;

	set_timeout(fd, PATIENCE);
	if (recv(fd, &number, sizeof(number), MSG_WAITALL) == sizeof(number)) {
		int len = snprintf(reply, sizeof(reply), "%s %s %016llx",
				   netns_of(fd) == own_netns ? "own" : "host", server_name,
				   (unsigned long long)number);

		if (send(fd, reply, (size_t)len, MSG_NOSIGNAL) == len)
			__atomic_add_fetch(&served, 1, __ATOMIC_RELAXED);
		shutdown(fd, SHUT_WR);
		while (recv(fd, reply, sizeof(reply), 0) > 0)
			;
	} else {
		__atomic_add_fetch(&empty, 1, __ATOMIC_RELAXED);
	}
	close(fd);
	return NULL;
}

static void *echo(void *arg)
{
	int fd = (int)(intptr_t)arg;
	char buf[4096];
	ssize_t len;

	while ((len = recv(fd, buf, sizeof(buf), 0)) > 0 &&
	       send(fd, buf, (size_t)len, MSG_NOSIGNAL) == len)
		;
	close(fd);
	return NULL;
}

static void start_serving(int fd, void *(*run)(void *fd))
{
	pthread_attr_t attr;
	pthread_t thread;

	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, STACK);
	/* One after the other, where there is no memory for a thread. */
	if (pthread_create(&thread, &attr, run, (void *)(intptr_t)fd))
		run((void *)(intptr_t)fd);
	pthread_attr_destroy(&attr);
}

static int server(uint16_t port, void *(*run)(void *fd))
{
	struct sockaddr_in6 sin6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	int one = 1, fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);

	end_on_signals();
	limit_memory();
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&sin6, sizeof(sin6)) || listen(fd, 512))
		err(1, "port %u", port);
	while (!ended) {
		int got = accept4(fd, NULL, NULL, SOCK_CLOEXEC);

		if (got >= 0)
			start_serving(got, run);
		else if (errno != EINTR)
			pause_ms(10);
	}
	if (run == serve)
		printf("served %lu empty %lu\n", served, empty);
	return 0;
}

/* --- clients --- */

struct target {
	struct sockaddr_storage addr;
	socklen_t len;
	unsigned int patience;		/* ms */
};

static void parse_target(struct target *target, const char *address, const char *port)
{
	struct sockaddr_in *sin = (struct sockaddr_in *)&target->addr;
	struct sockaddr_in6 *sin6 = (struct sockaddr_in6 *)&target->addr;
	in_port_t number = htons((uint16_t)atoi(port));

	memset(target, 0, sizeof(*target));
	target->patience = 3000;
	if (inet_pton(AF_INET, address, &sin->sin_addr) == 1) {
		sin->sin_family = AF_INET;
		sin->sin_port = number;
		target->len = sizeof(*sin);
	} else if (inet_pton(AF_INET6, address, &sin6->sin6_addr) == 1) {
		sin6->sin6_family = AF_INET6;
		sin6->sin6_port = number;
		target->len = sizeof(*sin6);
	} else {
		errx(2, "%s is no address", address);
	}
}

static ssize_t read_all(int fd, char *buf, size_t size)
{
	size_t have = 0;

	while (have < size) {
		ssize_t ret = recv(fd, buf + have, size - have, 0);

		if (ret < 0)
			return -errno;
		if (!ret)
			break;
		have += (size_t)ret;
	}
	return (ssize_t)have;
}

static uint64_t next_number(void)
{
	static uint64_t last;

	return (uint64_t)getpid() << 32 | __atomic_add_fetch(&last, 1, __ATOMIC_RELAXED);
}

/* An outcome, or -errno. @name: what the server calls itself */
static int talk(int fd, char *name, size_t size)
{
	unsigned long long back = 0;
	uint64_t number = next_number();
	char reply[REPLY_MAX] = "", side[8];
	bool slim = netns_of(fd) != own_netns;
	ssize_t ret;

	if (send(fd, &number, sizeof(number), MSG_NOSIGNAL) != sizeof(number))
		return -errno;
	ret = read_all(fd, reply, sizeof(reply) - 1);
	if (ret < 0)
		return (int)ret;
	if (sscanf(reply, "%7s %63s %16llx", side, name, &back) != 3 || back != number) {
		snprintf(name, size, "-");
		return WRONG;
	}
	if (!slim)
		return PACKET;
	return strcmp(side, "host") ? SPLICED : SLIM;
}

static int attempt(const struct target *target, char name[64])
{
	int fd = socket(target->addr.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int ret;

	if (fd < 0)
		return -errno;
	set_timeout(fd, target->patience);
	if (connect(fd, (const struct sockaddr *)&target->addr, target->len))
		ret = -errno;
	else
		ret = talk(fd, name, 64);
	close(fd);
	return ret;
}

static int client(const struct target *target)
{
	char name[64] = "-";
	int ret;

	limit_memory();
	ret = attempt(target, name);

	if (ret < 0)
		printf("%s\n", strerrorname_np(-ret));
	else
		printf("%s %s\n", outcome_names[ret], name);
	return ret < 0 || ret == WRONG;
}

struct flood {
	const struct target *target;
	uint64_t until;
	unsigned long outcomes[OUTCOME_NUM], errors[ERRNO_MAX];
	pthread_barrier_t begin;
};

static void *flood_run(void *arg)
{
	struct flood *flood = arg;
	char name[64];

	pthread_barrier_wait(&flood->begin);
	while (now_ms() < flood->until) {
		int ret = attempt(flood->target, name);

		if (ret >= 0)
			__atomic_add_fetch(&flood->outcomes[ret], 1, __ATOMIC_RELAXED);
		else if (-ret < ERRNO_MAX)
			__atomic_add_fetch(&flood->errors[-ret], 1, __ATOMIC_RELAXED);
		if (ret < 0)
			pause_ms(5);
	}
	return NULL;
}

static int flood(const struct target *target, unsigned int ms, unsigned int num)
{
	struct flood flood = { .target = target, .until = now_ms() + ms };
	pthread_t threads[64];

	if (num > 64)
		num = 64;
	pthread_barrier_init(&flood.begin, NULL, num + 1);
	for (unsigned int i = 0; i < num; i++)
		if (pthread_create(&threads[i], NULL, flood_run, &flood))
			errx(1, "no thread");
	limit_memory();
	pthread_barrier_wait(&flood.begin);
	for (unsigned int i = 0; i < num; i++)
		pthread_join(threads[i], NULL);
	for (int i = 0; i < OUTCOME_NUM; i++)
		printf("%s=%lu ", outcome_names[i], flood.outcomes[i]);
	for (int i = 0; i < ERRNO_MAX; i++)
		if (flood.errors[i])
			printf("%s=%lu ", strerrorname_np(i), flood.errors[i]);
	putchar('\n');
	return 0;
}

static int await(const struct target *target, unsigned int ms, const char *wanted)
{
	uint64_t began = now_ms();
	char name[64] = "-";
	int ret;

	do {
		ret = attempt(target, name);
		if (ret == SLIM && !strcmp(name, wanted)) {
			printf("%llu\n", (unsigned long long)(now_ms() - began));
			return 0;
		}
		pause_ms(20);
	} while (now_ms() < began + ms);
	printf("%s: %s %s\n", wanted, ret < 0 ? strerrorname_np(-ret) : outcome_names[ret], name);
	return 1;
}

static int watch(const struct target *target)
{
	unsigned long tries = 0;
	char name[64] = "-";

	end_on_signals();
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (; !ended; tries++) {
		if (attempt(target, name) >= 0)
			printf("REACHED %s\n", name);
		pause_ms(WATCH_PAUSE);
	}
	printf("tried %lu times\n", tries);
	return 0;
}

/* Numbers, each given back before the next: in order, none lost, none twice */
static int hold(const struct target *target)
{
	int fd = socket(target->addr.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	uint64_t number = 0, back;

	end_on_signals();
	setvbuf(stdout, NULL, _IOLBF, 0);
	set_timeout(fd, HOLD_PATIENCE);
	if (connect(fd, (const struct sockaddr *)&target->addr, target->len))
		err(1, "connect");
	printf("%s\n", netns_of(fd) == own_netns ? "packet" : "slim");
	for (; !ended; number++) {
		if (send(fd, &number, sizeof(number), MSG_NOSIGNAL) != sizeof(number) ||
		    recv(fd, &back, sizeof(back), MSG_WAITALL) != sizeof(back) || back != number)
			break;
		pause_ms(HOLD_PAUSE);
	}
	if (ended)
		printf("held\n");
	else
		printf("LOST at %llu: %s\n", (unsigned long long)number, strerrorname_np(errno));
	return !ended;
}

int main(int argc, char **argv)
{
	struct target target;

	learn_own_netns();
	limit_files();
	if (argc == 4 && !strcmp(argv[1], "server")) {
		server_name = argv[3];
		return server((uint16_t)atoi(argv[2]), serve);
	}
	if (argc == 3 && !strcmp(argv[1], "echo"))
		return server((uint16_t)atoi(argv[2]), echo);
	if (argc < 4)
		errx(2, "see the comment in probe.c");
	parse_target(&target, argv[2], argv[3]);
	if (!strcmp(argv[1], "client")) {
		if (argc > 4)
			target.patience = (unsigned int)atoi(argv[4]);
		return client(&target);
	}
	if (!strcmp(argv[1], "flood") && argc > 4)
		return flood(&target, (unsigned int)atoi(argv[4]), argc > 5 ? (unsigned int)atoi(argv[5]) : 1);
	if (!strcmp(argv[1], "await") && argc > 5) {
		target.patience = 800;
		return await(&target, (unsigned int)atoi(argv[4]), argv[5]);
	}
	if (!strcmp(argv[1], "hold"))
		return hold(&target);
	if (strcmp(argv[1], "watch"))
		errx(2, "see the comment in probe.c");
	target.patience = 500;
	return watch(&target);
}
