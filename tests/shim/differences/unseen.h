/* SPDX-License-Identifier: MIT */
/*
 * unseen.h - what a program can tell that calls the kernel itself
 */
#ifndef TESTS_SHIM_DIFFERENCES_UNSEEN_H
#define TESTS_SHIM_DIFFERENCES_UNSEEN_H

#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/syscall.h>

#include "../program.h"

/* The library's socket, but an option by another way */
static void raw_option(void)
{
	int fd = tcp(0), one = 1;

	syscall(SYS_setsockopt, fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	say("connect", connect(fd, TO, to_len));
	differs("raw-calls");
	say("TCP_NODELAY", get_int(fd, IPPROTO_TCP, TCP_NODELAY));
	echo(fd);
	close(fd);
}

/* All is found, but for values that the kernel changes by itself. */
static void unseen_options(void)
{
	int fd = (int)syscall(SYS_socket, to.ss_family, SOCK_STREAM, 0), one = 1, clamp = 50000;

	syscall(SYS_setsockopt, fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	syscall(SYS_setsockopt, fd, IPPROTO_TCP, TCP_WINDOW_CLAMP, &clamp, sizeof(clamp));
	say("connect", connect(fd, TO, to_len));
	say("TCP_NODELAY", get_int(fd, IPPROTO_TCP, TCP_NODELAY));
	differs("unseen-options");
	say("TCP_WINDOW_CLAMP is the same", get_int(fd, IPPROTO_TCP, TCP_WINDOW_CLAMP) == clamp);
	echo(fd);
	close(fd);
}

/* A server that has no such key answers nothing. */
static void unseen_key(void)
{
	struct timeval time = { .tv_usec = 200000 };
	struct tcp_md5sig key = { .tcpm_keylen = 1, .tcpm_key = "k" };
	int fd = (int)syscall(SYS_socket, to.ss_family, SOCK_STREAM, 0);

	memcpy(&key.tcpm_addr, &to, to_len);
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &time, sizeof(time));
	if (syscall(SYS_setsockopt, fd, IPPROTO_TCP, TCP_MD5SIG, &key, sizeof(key)))
		puts("no key");
	differs("unseen-key");
	say("connect, with a key that the server has not", connect(fd, TO, to_len));
	close(fd);
}

/* Nobody can be asked what is registered. */
static void without_proc(void)
{
	struct epoll_event event = { .events = EPOLLOUT }, got;
	int set = epoll_create1(0), fd = (int)syscall(SYS_socket, to.ss_family, SOCK_STREAM, 0);
	char root[] = "/tmp/slim-root-XXXXXX";

	if (!mkdtemp(root) || chdir(root) || rmdir(root) || chroot("."))
		puts("no root");
	say("EPOLL_CTL_ADD", epoll_ctl(set, EPOLL_CTL_ADD, fd, &event));
	say("connect", connect(fd, TO, to_len));
	differs("no-proc");
	say("epoll_wait", epoll_wait(set, &got, 1, 0));
	echo(fd);
	close(fd);
}

#endif
