/* SPDX-License-Identifier: MIT */
/*
 * crr.c - connect, request, response, close: connections per second, time of connect()
 *
 * The server closes first, as HTTP's did, so that TIME_WAIT is on its side and clients do not
 * run out of ports; with -w it waits for the client's close.
 */
#include "bench.h"

static void answer(int fd, char *buffer, const struct bench_options *options)
{
	if (bench_receive(fd, buffer, options->size) &&
	    bench_send(fd, buffer, options->size) && options->wait)
		bench_receive(fd, buffer, 1);
	close(fd);
}

static void serve(const struct bench_options *options)
{
	char *buffer = bench_buffer(options);
	int listener = bench_listen(options);

	for (;;) {
		int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

		if (fd >= 0)
			answer(fd, buffer, options);
	}
}

static void transact(int fd, char *buffer, const struct bench_options *options, uint64_t done)
{
	if (!bench_send(fd, buffer, options->size) || !bench_receive(fd, buffer, options->size))
		err(1, "after %" PRIu64 " connections", done);
	close(fd);
}

static void measure(const struct bench_options *options)
{
	char *buffer = bench_buffer(options);
	struct bench_samples samples;
	struct sockaddr_storage to;
	socklen_t len = bench_address(options, &to);
	uint64_t start, now, before, done = 0;

	bench_samples_init(&samples);
	start = now = bench_now();
	while (!bench_over(options, start, now, done)) {
		int fd = bench_socket(to.ss_family);

		before = bench_now();
		if (connect(fd, (struct sockaddr *)&to, len))
			err(1, "connect, after %" PRIu64 " connections", done);
		bench_sample(&samples, bench_now() - before);
		transact(fd, buffer, options, done++);
		now = bench_now();
	}
	free(buffer);
	bench_report("crr", done, now - start, "connect", &samples);
}

int main(int argc, char **argv)
{
	return bench_main(argc, argv, " [-w]", measure, serve);
}
