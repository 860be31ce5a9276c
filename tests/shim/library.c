/* SPDX-License-Identifier: MIT */
/*
 * library.c - what a library that stands in front of calls may disturb: the unwinding of stacks, the
 * loader, errno, and what lies beside the memory that a call names
 */
#include <dlfcn.h>
#include <libgen.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/un.h>

#include "program.h"

/* --- unwinding: threads that are cancelled --- */

/* The compiler has this called as the stack is unwound. */
static void let_go(const int *fd)
{
	say("closed on the way", close(*fd));
}

/* They end in the one call that is a cancellation point: their cancellation is waiting for it. */
static pthread_barrier_t cancelled;

static void *accepts(void *unused)
{
	int fd __attribute__((cleanup(let_go))) = tcp(0);

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
	say("listen", listen(fd, 1));
	pthread_barrier_wait(&cancelled);
	pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL);
	say("accept", accept(fd, NULL, NULL));
	return unused;
}

static void *connects(void *unused)
{
	int fd __attribute__((cleanup(let_go))) = tcp(0);

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
	pthread_barrier_wait(&cancelled);
	pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL);
	say("connect", connect(fd, TO, to_len));
	return unused;
}

static const char *const calls[] = { "accept", "connect", NULL };

static void unwound(void)
{
	pthread_t thread;
	void *result;

	one_echo();
	pthread_barrier_init(&cancelled, NULL, 2);
	pthread_create(&thread, NULL, chosen[0] ? connects : accepts, NULL);
	pthread_cancel(thread);
	pthread_barrier_wait(&cancelled);
	pthread_join(thread, &result);
	printf("cancelled: %d\n", result == PTHREAD_CANCELED);
}

/* --- the loader --- */

/* Such a library's initialisation may wait for threads, while the loader's lock is held. */
static void loading(void)
{
	char path[PATH_MAX];
	ssize_t len = readlink("/proc/self/exe", path, sizeof(path) - 1);

	path[len < 0 ? 0 : len] = '\0';
	strcat(dirname(path), "/stage/loaded.so");
	/* Where the thread waits for the loader, it does so for ever. */
	alarm(WAIT_MS / 1000);
	printf("loaded: %d\n", !!dlopen(path, RTLD_NOW));
}

/* The musl programs could not load what is built for another C library. */
static bool with_glibc(void)
{
#ifdef __GLIBC__
	return true;
#else
	return false;
#endif
}

/* --- errno --- */

/* As many as there are, though the shim may have had some of them. A call that succeeds leaves errno alone. */
static void errno_of_the_last(void)
{
	struct rlimit few = { 64, 64 };

	setrlimit(RLIMIT_NOFILE, &few);
	one_echo();
	for (int fd = 6; fd < 64; fd++)
		dup2(STDERR_FILENO, fd);
	errno = 0;
	for (int i = 0; i < 3; i++) {
		say_fd("socket", tcp(0));
		printf("errno %d\n", errno);
	}
	say_fd("socket", tcp(0));
}

/* --- memory --- */

/* Of an address that is a family alone, in the last bytes of a page */
static void address_at_the_end(void)
{
	long page = sysconf(_SC_PAGESIZE);
	char *at = mmap(NULL, (size_t)page * 2, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	sa_family_t family = AF_UNIX;
	int other = tcp(0), fd = socket(AF_UNIX, SOCK_DGRAM, 0);

	munmap(at + page, (size_t)page);
	at += page - (long)sizeof(family);
	memcpy(at, &family, sizeof(family));
	say("bind", bind(fd, (struct sockaddr *)at, sizeof(family)));
	say("connect", connect(fd, (struct sockaddr *)at, sizeof(family)));
	family = AF_UNSPEC;
	memcpy(at, &family, sizeof(family));
	say("dissolve", connect(other, (struct sockaddr *)at, sizeof(family)));
}

static const struct test tests[] = {
	{ "unwound", unwound, NULL, NULL, .dimensions = { calls } },
	{ "loading", loading, NULL, "none", .applies = with_glibc },
	{ "errno_of_the_last", errno_of_the_last, NULL, NULL },
	{ "address_at_the_end", address_at_the_end, NULL, "none" },
};

RUN_TESTS(tests)
