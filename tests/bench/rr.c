/* SPDX-License-Identifier: MIT */
/* rr.c - request and response over one TCP connection: round trips per second */
#include "bench.h"

static void serve(const struct bench_options *options)
{
	char *buffer = bench_buffer(options);
	int listener = bench_listen(options);

	for (;;) {
		int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

		if (fd < 0)
			continue;
		while (bench_receive(fd, buffer, options->size) &&
		       bench_send(fd, buffer, options->size))
			;
		close(fd);
	}
}

static void measure(const struct bench_options *options)
{
	char *buffer = bench_buffer(options);
	struct bench_samples samples;
	struct sockaddr_storage to;
	socklen_t len = bench_address(options, &to);
	uint64_t start, now, before, done = 0;
	int fd = bench_socket(to.ss_family);

	if (connect(fd, (struct sockaddr *)&to, len))
		err(1, "connect");
	bench_samples_init(&samples);
	start = now = bench_now();
	while (!bench_over(options, start, now, done)) {
		before = now;
		if (!bench_send(fd, buffer, options->size) ||
		    !bench_receive(fd, buffer, options->size))
			err(1, "after %" PRIu64 " round trips", done);
		now = bench_now();
		bench_sample(&samples, now - before);
		done++;
	}
	close(fd);
	free(buffer);
	bench_report("rr", done, now - start, "rtt", &samples);
}

int main(int argc, char **argv)
{
	return bench_main(argc, argv, "", measure, serve);
}
