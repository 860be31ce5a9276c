/* SPDX-License-Identifier: MIT */
/*
 * uring_accept.c - servers whose accept() no preloaded library sees
 *
 *   uring_accept probe		is there io_uring? (exit status)
 *   uring_accept listen PORT [defer]	listens (with TCP_DEFER_ACCEPT), accepts by io_uring, echoes
 *   uring_accept plain		accepts on fd 3 by accept(2) and echoes (for a static build)
 */
#include "../uring.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#define INHERITED	3
#define DEFER_S		5

static void echo(int fd)
{
	static char buffer[65536];
	ssize_t len;

	while ((len = read(fd, buffer, sizeof(buffer))) > 0)
		for (ssize_t done = 0, ret; done < len; done += ret) {
			ret = write(fd, buffer + done, (size_t)(len - done));
			if (ret <= 0)
				break;
		}
	close(fd);
}

static int listen_on(uint16_t port, int defer)
{
	struct sockaddr_in6 sin6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	int fd = socket(AF_INET6, SOCK_STREAM, 0);

	setsockopt(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, &defer, sizeof(defer));
	if (fd < 0 || bind(fd, (struct sockaddr *)&sin6, sizeof(sin6)) || listen(fd, 128))
		err(1, "cannot listen on port %u", port);
	return fd;
}

/* One process for each connection, so that one that lasts keeps nobody waiting */
static void serve(int fd)
{
	if (fd < 0)
		errx(1, "accept: %s", strerror(-fd));
	if (fork() == 0) {
		echo(fd);
		_exit(0);
	}
	close(fd);
}

int main(int argc, char **argv)
{
	struct ring ring;
	int listener, ret;

	signal(SIGCHLD, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	if (argc == 2 && !strcmp(argv[1], "plain"))
		for (;;) {
			ret = accept(INHERITED, NULL, NULL);
			serve(ret < 0 ? -errno : ret);
		}
	if (argc == 2 && !strcmp(argv[1], "probe"))
		return ring_init(&ring) ? 1 : 0;
	if (argc < 3 || strcmp(argv[1], "listen")) {
		fprintf(stderr, "usage: uring_accept probe|plain|listen PORT [defer]\n");
		return 2;
	}
	ret = ring_init(&ring);
	if (ret)
		errx(1, "io_uring: %s", strerror(-ret));
	listener = listen_on((uint16_t)atoi(argv[2]), argc > 3 ? DEFER_S : 0);
	for (;;)
		serve(ring_accept(&ring, listener));
}
