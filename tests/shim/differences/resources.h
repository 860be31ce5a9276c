/* SPDX-License-Identifier: MIT */
/*
 * resources.h - what a program can tell that has little stack, or few descriptors
 */
#ifndef TESTS_SHIM_DIFFERENCES_RESOURCES_H
#define TESTS_SHIM_DIFFERENCES_RESOURCES_H

#include <pthread.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "../program.h"

#define DESCRIPTORS	64
#define PAGE		4096
#define STACK_SIZE	(64 << 10)
#define STACK_LIMIT	(6 << 10)
#define PAINT		0xa5

/* A thread's stack, all of which is painted, and where the thread is in it */
static unsigned char stack[STACK_SIZE] __attribute__((aligned(PAGE)));
static const unsigned char *here;

/* Of such a socket the shim asks /proc. */
static void *connects(void *unused)
{
	unsigned char byte;
	int fd = (int)syscall(SYS_socket, to.ss_family, SOCK_STREAM, 0);

	here = &byte;
	if (connect(fd, TO, to_len))
		puts("no connection");
	close(fd);
	return unused;
}

static void stack_used(void)
{
	pthread_attr_t attributes;
	pthread_t thread;
	size_t untouched = 0;

	memset(stack, PAINT, sizeof(stack));
	pthread_attr_init(&attributes);
	pthread_attr_setstack(&attributes, stack, sizeof(stack));
	pthread_create(&thread, &attributes, connects, NULL);
	pthread_join(thread, NULL);
	while (untouched < sizeof(stack) && stack[untouched] == PAINT)
		untouched++;
	differs("stack");
	say("connect takes more than 6 KiB of stack", here - (stack + untouched) > STACK_LIMIT);
	one_echo();
}

static void descriptors(void)
{
	struct rlimit limit = { DESCRIPTORS, DESCRIPTORS };
	int num = 0;

	syscall(SYS_close_range, 3, ~0u, 0);
	setrlimit(RLIMIT_NOFILE, &limit);
	one_echo();
	while (dup(0) >= 0)
		num++;
	differs("channels");
	say("descriptors left", num);
}

#endif
