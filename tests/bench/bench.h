/* SPDX-License-Identifier: MIT */
/*
 * bench.h - what the measuring programs share: options, sockets, samples
 *
 * They are ordinary programs that know nothing of Slim, so that they measure whatever
 * they are run on. Each prints one line of JSON.
 */
#ifndef BENCH_H
#define BENCH_H

#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BENCH_SIZE_MAX		(1u << 20)
#define BENCH_SAMPLES_MAX	(1u << 22)	/* later ones are not kept */
#define BENCH_BACKLOG		1024

/* @seconds and @count: whichever is reached first ends a client; zero: no bound */
struct bench_options {
	const char *address;	/* NULL: a server */
	uint16_t port;
	size_t size;		/* bytes of a request, and of its response */
	double seconds;
	uint64_t count;
	int cpu;		/* -1: wherever */
	int fifo;		/* priority under SCHED_FIFO, 0: not */
	bool wait;		/* crr: the server waits for the client's close */
};

struct bench_samples {
	uint32_t *ns;
	size_t num;
};

static inline void bench_usage(const char *name, const char *more)
{
	fprintf(stderr,
		"usage: %s server [-p PORT] [-s SIZE] [-c CPU] [-f PRIORITY]%s\n"
		"       %s client ADDRESS [-p PORT] [-s SIZE] [-d SECONDS] [-n COUNT] [-c CPU]"
		" [-f PRIORITY]\n", name, more, name);
	exit(2);
}

static inline double bench_number(const char *text, double min, double max)
{
	char *end;
	double value = strtod(text, &end);

	if (!*text || *end || !(value >= min && value <= max))
		errx(2, "%s is no number from %g to %g", text, min, max);
	return value;
}

static inline void bench_place(const struct bench_options *options)
{
	struct sched_param param = { .sched_priority = options->fifo };
	cpu_set_t set;

	if (options->cpu >= 0) {
		CPU_ZERO(&set);
		CPU_SET(options->cpu, &set);
		if (sched_setaffinity(0, sizeof(set), &set))
			err(1, "cannot run on CPU %d", options->cpu);
	}
	if (options->fifo && sched_setscheduler(0, SCHED_FIFO, &param))
		err(1, "cannot run under SCHED_FIFO");
}

/* Reads the command line, or exits; @more: the server's own options, for the usage. */
static inline void bench_parse(struct bench_options *options, int argc, char **argv,
			       const char *more)
{
	bool client = argc > 2 && !strcmp(argv[1], "client");
	int opt;

	*options = (struct bench_options){ .port = 5201, .size = 1, .cpu = -1 };
	if (argc < 2 || (!client && strcmp(argv[1], "server")))
		bench_usage(argv[0], more);
	if (client)
		options->address = argv[2];
	optind = client ? 3 : 2;
	while ((opt = getopt(argc, argv, "p:s:d:n:c:f:w")) != -1) {
		switch (opt) {
		case 'p':
			options->port = (uint16_t)bench_number(optarg, 1, 65535);
			break;
		case 's':
			options->size = (size_t)bench_number(optarg, 1, BENCH_SIZE_MAX);
			break;
		case 'd':
			options->seconds = bench_number(optarg, 0, 86400);
			break;
		case 'n':
			options->count = (uint64_t)bench_number(optarg, 0, 1e15);
			break;
		case 'c':
			options->cpu = (int)bench_number(optarg, 0, CPU_SETSIZE - 1);
			break;
		case 'f':
			options->fifo = (int)bench_number(optarg, 0, 99);
			break;
		case 'w':
			options->wait = true;
			break;
		default:
			bench_usage(argv[0], more);
		}
	}
	if (optind < argc)
		bench_usage(argv[0], more);
	if (!options->seconds && !options->count)
		options->seconds = 1;
	signal(SIGPIPE, SIG_IGN);
	bench_place(options);
}

static inline uint64_t bench_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static inline bool bench_over(const struct bench_options *options, uint64_t start,
			      uint64_t now, uint64_t done)
{
	return (options->count && done >= options->count) ||
	       (options->seconds && (double)(now - start) >= options->seconds * 1e9);
}

/* --- sockets --- */

/* A server that takes IPv4 and IPv6; says "ready" when clients may come. */
static inline int bench_listen(const struct bench_options *options)
{
	struct sockaddr_in6 sin6 = {
		.sin6_family = AF_INET6,
		.sin6_port = htons(options->port),
		.sin6_addr = IN6ADDR_ANY_INIT,
	};
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int on = 1, off = 0;

	if (fd < 0)
		err(1, "socket");
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&sin6, sizeof(sin6)))
		err(1, "cannot bind port %u", options->port);
	if (listen(fd, BENCH_BACKLOG))
		err(1, "listen");
	puts("ready");
	fflush(stdout);
	return fd;
}

static inline socklen_t bench_address(const struct bench_options *options,
				      struct sockaddr_storage *out)
{
	struct sockaddr_in6 *sin6 = (struct sockaddr_in6 *)out;
	struct sockaddr_in *sin = (struct sockaddr_in *)out;

	memset(out, 0, sizeof(*out));
	if (inet_pton(AF_INET, options->address, &sin->sin_addr) == 1) {
		sin->sin_family = AF_INET;
		sin->sin_port = htons(options->port);
		return sizeof(*sin);
	}
	if (inet_pton(AF_INET6, options->address, &sin6->sin6_addr) != 1)
		errx(2, "%s is no IPv4 or IPv6 address", options->address);
	sin6->sin6_family = AF_INET6;
	sin6->sin6_port = htons(options->port);
	return sizeof(*sin6);
}

static inline int bench_socket(int family)
{
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int on = 1;

	if (fd < 0)
		err(1, "socket");
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	return fd;
}

/* Returns false at the end of the stream. */
static inline bool bench_receive(int fd, char *buffer, size_t len)
{
	size_t done = 0;

	while (done < len) {
		ssize_t ret = recv(fd, buffer + done, len - done, 0);

		if (ret <= 0)
			return false;
		done += (size_t)ret;
	}
	return true;
}

static inline bool bench_send(int fd, const char *buffer, size_t len)
{
	size_t done = 0;

	while (done < len) {
		ssize_t ret = send(fd, buffer + done, len - done, 0);

		if (ret <= 0)
			return false;
		done += (size_t)ret;
	}
	return true;
}

static inline char *bench_buffer(const struct bench_options *options)
{
	char *buffer = malloc(options->size);

	if (!buffer)
		errx(1, "not enough memory");
	memset(buffer, 's', options->size);
	return buffer;
}

/* --- samples --- */

static inline void bench_samples_init(struct bench_samples *samples)
{
	samples->num = 0;
	samples->ns = malloc(BENCH_SAMPLES_MAX * sizeof(*samples->ns));
	if (!samples->ns)
		errx(1, "not enough memory");
}

static inline void bench_sample(struct bench_samples *samples, uint64_t ns)
{
	if (samples->num < BENCH_SAMPLES_MAX)
		samples->ns[samples->num++] = ns < UINT32_MAX ? (uint32_t)ns : UINT32_MAX;
}

static inline int bench_compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

/* Microseconds below which @share of the samples lie; sorts them. */
static inline double bench_quantile(struct bench_samples *samples, double share)
{
	if (!samples->num)
		return 0;
	qsort(samples->ns, samples->num, sizeof(*samples->ns), bench_compare);
	return samples->ns[(size_t)(share * (double)(samples->num - 1))] / 1e3;
}

/* @what: what the samples are the time of */
static inline void bench_report(const char *test, uint64_t count, uint64_t ns, const char *what,
				struct bench_samples *samples)
{
	printf("{\"test\":\"%s\",\"count\":%" PRIu64 ",\"seconds\":%.6f,\"per_second\":%.1f,"
	       "\"%s_p50_us\":%.2f,\"%s_p99_us\":%.2f}\n", test, count, (double)ns / 1e9,
	       (double)count * 1e9 / (double)ns, what, bench_quantile(samples, 0.5), what,
	       bench_quantile(samples, 0.99));
	free(samples->ns);
}

/* What such a program is: a client or a server. @more: as bench_parse() has it */
static inline int bench_main(int argc, char **argv, const char *more,
			     void (*measure)(const struct bench_options *options),
			     void (*serve)(const struct bench_options *options))
{
	struct bench_options options;

	bench_parse(&options, argc, argv, more);
	if (options.address)
		measure(&options);
	else
		serve(&options);
	return 0;
}

#endif
