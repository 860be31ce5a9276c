/* SPDX-License-Identifier: MIT */
/*
 * moments.c - programs that stop at a moment, until a file is there, and say what they saw then
 *
 *   moments accept PORT FILE [leap]	accepts what is waiting already; prints the peer's address. With leap a
 *					signal comes 20 ms after accept began, and its handler leaps away
 *   moments connect ADDRESS PORT FILE	connects, a signal coming meanwhile, and reads; prints how that went
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define SIGNAL_US	20000
#define LONG_MS		40	/* of the 50 that a router has */

static sigjmp_buf before;
static bool leaps;
static volatile sig_atomic_t handled;

static void handle(int number)
{
	(void)number;
	handled = 1;
	if (leaps)
		siglongjmp(before, 1);
}

static void signal_soon(void)
{
	struct sigaction action = { .sa_handler = handle };
	struct itimerval timer = { .it_value.tv_usec = SIGNAL_US };

	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &timer, NULL);
}

static void wait_for(const char *file)
{
	puts("waiting");
	while (access(file, F_OK))
		poll(NULL, 0, 1);
}

static long long now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000LL + ts.tv_nsec / 1000000;
}

static int accept_then(int port, const char *file)
{
	struct sockaddr_in name = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	socklen_t len = sizeof(name);
	int from = socket(AF_INET, SOCK_STREAM, 0), one = 1;

	setsockopt(from, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(from, (struct sockaddr *)&name, len) || listen(from, 4))
		err(1, "listen");
	wait_for(file);
	if (sigsetjmp(before, 1)) {
		puts("leapt");
		return 0;
	}
	if (leaps)
		signal_soon();
	if (accept(from, (struct sockaddr *)&name, &len) < 0)
		err(1, "accept");
	printf("peer %s\n", inet_ntoa(name.sin_addr));
	return 0;
}

static int connect_then(const char *address, int port, const char *file)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	int fd = socket(AF_INET, SOCK_STREAM, 0), ret;
	long long began;
	char byte;

	inet_pton(AF_INET, address, &to.sin_addr);
	wait_for(file);
	signal_soon();
	began = now();
	ret = connect(fd, (struct sockaddr *)&to, sizeof(to));
	printf("connect: %s, %s, %s\n", ret ? strerror(errno) : "done",
	       handled ? "behind a signal" : "before a signal", now() - began < LONG_MS ? "soon" : "late");
	/* The signal may come now. */
	do {
		ret = (int)read(fd, &byte, 1);
	} while (ret < 0 && errno == EINTR);
	printf("read: %s\n", ret < 0 ? strerror(errno) : ret ? "a byte" : "the end");
	return 0;
}

int main(int argc, char **argv)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	leaps = argc == 5 && !strcmp(argv[4], "leap");
	if (argc >= 4 && !strcmp(argv[1], "accept"))
		return accept_then(atoi(argv[2]), argv[3]);
	if (argc == 5 && !strcmp(argv[1], "connect"))
		return connect_then(argv[2], atoi(argv[3]), argv[4]);
	fprintf(stderr, "usage: see the comment on top of moments.c\n");
	return 2;
}
