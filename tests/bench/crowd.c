/* SPDX-License-Identifier: MIT */
/*
 * crowd.c - connections per second of many threads that connect, to many that accept
 *
 *	crowd server ADDRESS PORT THREADS
 *	crowd client ADDRESS PORT THREADS SECONDS	prints one number
 *
 * Each connection carries a byte there and back. The server closes first, as in crr.c.
 */
#include <pthread.h>

#include "bench.h"

#define STACK	65536

static struct sockaddr_storage to;
static socklen_t to_len;
static int listener;
static uint64_t end;
static uint64_t done;		/* atomic */
static pthread_barrier_t barrier;

static void *serve(void *unused)
{
	char byte;

	for (;;) {
		int fd = accept(listener, NULL, NULL);

		if (fd < 0)
			continue;
		if (read(fd, &byte, 1) == 1 && write(fd, &byte, 1) != 1)
			warn("write");
		close(fd);
	}
	return unused;
}

static void transact(void)
{
	int fd = socket(to.ss_family, SOCK_STREAM, 0);
	char byte = 'x';

	if (connect(fd, (struct sockaddr *)&to, to_len) || write(fd, &byte, 1) != 1 ||
	    read(fd, &byte, 1) != 1)
		err(1, "a connection");
	close(fd);
}

static void *measure(void *unused)
{
	uint64_t own = 0;

	pthread_barrier_wait(&barrier);
	for (; bench_now() < end; own++)
		transact();
	__atomic_fetch_add(&done, own, __ATOMIC_RELAXED);
	return unused;
}

static void start(pthread_t *threads, unsigned int num, void *(*run)(void *))
{
	pthread_attr_t attributes;

	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, STACK);
	for (unsigned int i = 0; i < num; i++)
		if (pthread_create(&threads[i], &attributes, run, NULL))
			errx(1, "no thread can be had");
}

int main(int argc, char **argv)
{
	bool server = argc > 1 && !strcmp(argv[1], "server");
	struct bench_options options = { 0 };
	unsigned int num = argc > 4 ? (unsigned int)atoi(argv[4]) : 0;
	pthread_t threads[1024];
	uint64_t began;
	int one = 1;

	if (argc != (server ? 5 : 6) || !num || num > 1024)
		errx(2, "usage: crowd server|client ADDRESS PORT THREADS [SECONDS]");
	signal(SIGPIPE, SIG_IGN);
	options.address = argv[2];
	options.port = (uint16_t)bench_number(argv[3], 1, 65535);
	to_len = bench_address(&options, &to);
	if (server) {
		listener = socket(to.ss_family, SOCK_STREAM, 0);
		setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
		if (bind(listener, (struct sockaddr *)&to, to_len) || listen(listener, BENCH_BACKLOG))
			err(1, "listening");
		start(threads, num, serve);
		pause();
	}
	pthread_barrier_init(&barrier, NULL, num + 1);
	end = UINT64_MAX;
	start(threads, num, measure);
	began = bench_now();
	end = began + (uint64_t)(atof(argv[5]) * 1e9);
	pthread_barrier_wait(&barrier);
	for (unsigned int i = 0; i < num; i++)
		pthread_join(threads[i], NULL);
	printf("%.0f\n", (double)done * 1e9 / (double)(bench_now() - began));
	return 0;
}
