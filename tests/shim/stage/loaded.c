/* SPDX-License-Identifier: MIT */
/*
 * loaded.c - a library whose initialisation waits for a thread that makes all calls that the shim wraps
 *
 * That they fail does not matter; that they come back does.
 */
#include <pthread.h>
#include <sched.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

static void *calls(void *unused)
{
	socket(-1, 0, 0);
	bind(-1, NULL, 0);
	connect(-1, NULL, 0);
	listen(-1, 0);
	accept(-1, NULL, NULL);
	accept4(-1, NULL, NULL, 0);
	setsockopt(-1, 0, 0, NULL, 0);
	getsockopt(-1, 0, 0, NULL, NULL);
	getsockname(-1, NULL, NULL);
	getpeername(-1, NULL, NULL);
	epoll_ctl(-1, 0, -1, NULL);
	shutdown(-1, 0);
	ioctl(-1, SIOCGIFCONF, NULL);
	setns(-1, 0);
	unshare(0);
	close(-1);
	return unused;
}

static __attribute__((constructor)) void wait_for_them(void)
{
	pthread_t thread;

	if (!pthread_create(&thread, NULL, calls, NULL))
		pthread_join(thread, NULL);
}
