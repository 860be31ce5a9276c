/* SPDX-License-Identifier: MIT */
/* bulk.c - one stream of data over one TCP connection: buffers per second, until the server has read all of them */
#include "bench.h"

static void serve(const struct bench_options *options)
{
	char *buffer = bench_buffer(options);
	int listener = bench_listen(options);

	for (;;) {
		int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

		if (fd < 0)
			continue;
		while (recv(fd, buffer, options->size, 0) > 0)
			;
		close(fd);
	}
}

/* No more of it: the server closes when it has read the end. */
static void end(int fd, char *buffer, uint64_t done)
{
	if (shutdown(fd, SHUT_WR) || recv(fd, buffer, 1, 0))
		err(1, "after %" PRIu64 " buffers", done);
	close(fd);
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
		if (!bench_send(fd, buffer, options->size))
			err(1, "after %" PRIu64 " buffers", done);
		now = bench_now();
		bench_sample(&samples, now - before);
		done++;
	}
	end(fd, buffer, done);
	free(buffer);
	bench_report("bulk", done, bench_now() - start, "send", &samples);
}

int main(int argc, char **argv)
{
	return bench_main(argc, argv, "", measure, serve);
}
