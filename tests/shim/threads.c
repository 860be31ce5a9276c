/* SPDX-License-Identifier: MIT */
/*
 * threads.c - many threads, forks in their midst, threads that are cancelled
 */
#include <pthread.h>
#include <sys/epoll.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "program.h"

#define MANY		128	/* set up by one router before the last one's deadline */
#define FORKS		10
#define CONNECTING	4
#define STACK		16384	/* the least that glibc allows */

static pthread_barrier_t barrier;
static unsigned int connects, echoes;

/* 0: a connection came, carried a byte and back */
static int try_echo(void)
{
	char byte = 'x';
	int fd = tcp(0), ret = 1;

	if (connect(fd, TO, to_len) == 0)
		ret = write(fd, &byte, 1) == 1 && read(fd, &byte, 1) == 1 && byte == 'x' ? 0 : 2;
	close(fd);
	return ret;
}

static void *connect_at_once(void *unused)
{
	int ret;

	pthread_barrier_wait(&barrier);
	ret = try_echo();
	__atomic_fetch_add(&connects, ret != 1, __ATOMIC_RELAXED);
	__atomic_fetch_add(&echoes, ret == 0, __ATOMIC_RELAXED);
	return unused;
}

static void allow_many(void)
{
	struct rlimit limit = { 4 * MANY, 4 * MANY };

	say("RLIMIT_NOFILE", setrlimit(RLIMIT_NOFILE, &limit));
}

static void many(void)
{
	pthread_t threads[MANY];
	pthread_attr_t attributes;

	allow_many();
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, STACK);
	pthread_barrier_init(&barrier, NULL, MANY);
	for (int i = 0; i < MANY; i++)
		if (pthread_create(&threads[i], &attributes, connect_at_once, NULL))
			exit(3);
	for (int i = 0; i < MANY; i++)
		pthread_join(threads[i], NULL);
	printf("connected: %u, echoed: %u\n", connects, echoes);
	one_echo();
}

static void many_accepted(void)
{
	int from, right = 0;

	allow_many();
	from = listener(4096);
	/* (One whose client's deadline had passed carries nothing: docs/compatibility.md.) */
	while (right < MANY) {
		char byte;
		int fd = accept(from, NULL, NULL);

		right += fd >= 0 && read(fd, &byte, 1) == 1 && write(fd, &byte, 1) == 1;
		close(fd);
	}
	printf("right: %d\n", right);
	serve_echo(accepted(from));
}

/* A socket of which nothing is known, in an epoll set. */
static void *connect_on_little(void *number)
{
	struct epoll_event event = { .events = EPOLLOUT };
	int set = epoll_create1(0), fd = dup(*(int *)number);

	epoll_ctl(set, EPOLL_CTL_ADD, fd, &event);
	if (connect(fd, TO, to_len) == 0 && epoll_wait(set, &event, 1, WAIT_MS) == 1)
		echoes++;
	close(set);
	*(int *)number = fd;
	return NULL;
}

static void small_stack(void)
{
	int fd = tcp(0);
	pthread_attr_t attributes;
	pthread_t thread;

	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, STACK);
	if (pthread_create(&thread, &attributes, connect_on_little, &fd))
		exit(3);
	pthread_join(thread, NULL);
	printf("connected and writable: %u\n", echoes);
	echo(fd);
}

/* --- children in the midst --- */

static bool stop;

static void *connect_until_told(void *failed)
{
	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED))
		__atomic_fetch_add((unsigned int *)failed, try_echo() != 0, __ATOMIC_RELAXED);
	return NULL;
}

static int spawn_echo(void)
{
	char *arguments[] = { own_arguments[0], own_arguments[1], own_arguments[2],
			      own_arguments[3], "echo", NULL };
	pid_t pid = -1;

	if (posix_spawn(&pid, "/proc/self/exe", NULL, NULL, arguments, environ))
		return -1;
	return status_of(pid);
}

static void echo_only(void)
{
	exit(try_echo());
}

static int fork_echo(void)
{
	pid_t pid = fork();

	if (!pid)
		_exit(try_echo() || try_echo());
	return status_of(pid);
}

static int vfork_echo(void)
{
	pid_t pid = vfork();

	if (!pid)
		_exit(try_echo());
	return status_of(pid);
}

static void children_amid(void)
{
	pthread_t threads[CONNECTING];
	unsigned int failed = 0, forked = 0, spawned = 0, vforked = 0;

	for (int i = 0; i < CONNECTING; i++)
		pthread_create(&threads[i], NULL, connect_until_told, &failed);
	for (int i = 0; i < FORKS; i++) {
		forked += fork_echo() != 0;
		spawned += spawn_echo() != 0;
		vforked += vfork_echo() != 0;
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	for (int i = 0; i < CONNECTING; i++)
		pthread_join(threads[i], NULL);
	printf("failed: threads %u, forked %u, spawned %u, vforked %u\n", failed, forked,
	       spawned, vforked);
	one_echo();
}

/* --- threads that are cancelled --- */

static bool cancelled(pthread_t thread)
{
	void *result;

	pthread_cancel(thread);
	pthread_join(thread, &result);
	return result == PTHREAD_CANCELED;
}

static pid_t waiting;	/* the thread that is to be cancelled */

static void *connects_slowly(void *fd)
{
	__atomic_store_n(&waiting, (pid_t)syscall(SYS_gettid), __ATOMIC_RELEASE);
	say("connect", connect(*(int *)fd, TO, to_len));
	return NULL;
}

static void *accepts_nothing(void *from)
{
	__atomic_store_n(&waiting, (pid_t)syscall(SYS_gettid), __ATOMIC_RELEASE);
	say("accept", accept(*(int *)from, NULL, NULL));
	return NULL;
}

/* While it waits in system call @number */
static void cancel_in(void *(*wait)(void *fd), int fd, long number)
{
	pthread_t thread;
	pid_t tid;

	__atomic_store_n(&waiting, 0, __ATOMIC_RELEASE);
	pthread_create(&thread, NULL, wait, &fd);
	while (!(tid = __atomic_load_n(&waiting, __ATOMIC_ACQUIRE)))
		sched_yield();
	wait_until_in(tid, number, number);
	printf("cancelled: %d\n", cancelled(thread));
}

static int descriptors(void)
{
	int num = 0;

	for (int fd = 0; fd < 1024; fd++)
		num += fcntl(fd, F_GETFD) >= 0;
	return num;
}

static int left_by_connect(void)
{
	int fd = tcp(0);

	cancel_in(connects_slowly, fd, SYS_connect);
	say("close", close(fd));
	return descriptors();
}

/* What the first of them leaves, a shim's channel perhaps, is all that is ever left. */
static void cancelled_connecting(void)
{
	int left = left_by_connect();

	for (int i = 0; i < 5; i++)
		printf("left over: %d\n", left_by_connect() - left);
	mend();
	one_echo();
	printf("left over: %d\n", descriptors() - left);
}

static void cancelled_accepting(void)
{
	int from = listener(8), other = tcp(0), left;

	serve_echo(accepted(from));
	say("listen", listen(other, 1));
	left = descriptors();
	for (int i = 0; i < 5; i++)
		cancel_in(accepts_nothing, other, SYS_accept);
	printf("left over: %d\n", descriptors() - left);
	serve_echo(accepted(from));
	printf("left over: %d\n", descriptors() - left);
}

static void two_echoes(void)
{
	one_echo();
	one_echo();
}

/* It is to end at its next cancellation point, which is connect(). */
static void *connects_too_late(void *fd)
{
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
	pthread_barrier_wait(&barrier);
	pthread_barrier_wait(&barrier);
	pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL);
	say("connect", connect(*(int *)fd, TO, to_len));
	return NULL;
}

static void cancelled_before(int flags)
{
	struct sockaddr_storage name;
	socklen_t len = sizeof(name);
	int fd = tcp(flags);
	pthread_t thread;
	void *result;

	pthread_barrier_init(&barrier, NULL, 2);
	pthread_create(&thread, NULL, connects_too_late, &fd);
	pthread_barrier_wait(&barrier);
	pthread_cancel(thread);
	pthread_barrier_wait(&barrier);
	pthread_join(thread, &result);
	printf("cancelled: %d\n", result == PTHREAD_CANCELED);
	say("getpeername", getpeername(fd, (struct sockaddr *)&name, &len));
	fcntl(fd, F_SETFL, 0);
	say("connect", connect(fd, TO, to_len));
	echo(fd);
}

static void cancelled_before_blocking(void)
{
	cancelled_before(0);
}

static void cancelled_before_nonblocking(void)
{
	cancelled_before(SOCK_NONBLOCK);
}

static void *connects_on(void *unused)
{
	pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
	for (;;)
		try_echo();
	return unused;
}

/* Threads that end anywhere leave a process that connects as ever. */
static void cancelled_anywhere(void)
{
	for (int i = 0; i < 3 * FORKS; i++) {
		pthread_t thread;

		pthread_create(&thread, NULL, connects_on, NULL);
		poll(NULL, 0, i % 7);
		if (!cancelled(thread))
			puts("not cancelled");
	}
	one_echo();
}

/* --- beside threads that wait --- */

static unsigned int came_back;

static void *waits_in_accept(void *from)
{
	accept(*(int *)from, NULL, NULL);
	__atomic_fetch_add(&came_back, 1, __ATOMIC_RELAXED);
	return NULL;
}

static void *waits_in_connect(void *unused)
{
	connect(tcp(0), TO, to_len);
	__atomic_fetch_add(&came_back, 1, __ATOMIC_RELAXED);
	return unused;
}

/* A listener's life, with all that waiting calls have to do with; the errors that are not wanted */
static unsigned int live_as_listener(void)
{
	struct sockaddr_storage name;
	socklen_t len = sizeof(name);
	int fd = socket(to.ss_family, SOCK_STREAM | SOCK_NONBLOCK, 0), other = tcp(0);
	unsigned int errors = 0;

	errors += listen(fd, 8) != 0;
	errors += getsockname(fd, (struct sockaddr *)&name, &len) != 0;
	errors += dup2(fd, other) != other || close(fd) != 0;
	errors += accept(other, NULL, NULL) != -1 || errno != EAGAIN;
	errors += fcntl(other, F_SETFL, 0) != 0 || shutdown(other, SHUT_RD) != 0;
	errors += accept(other, NULL, NULL) != -1 || errno != EINVAL;
	return errors + (close(other) != 0);
}

static void beside_waiting(void)
{
	int from = tcp(0);
	pthread_t thread;
	unsigned int errors = 0;

	say("listen", listen(from, 8));
	for (int i = 0; i < CONNECTING; i++) {
		pthread_create(&thread, NULL, waits_in_accept, &from);
		pthread_create(&thread, NULL, waits_in_connect, NULL);
	}
	poll(NULL, 0, 300);
	for (int i = 0; i < FORKS; i++)
		errors += live_as_listener();
	printf("errors: %u, came back meanwhile: %u\n", errors,
	       __atomic_load_n(&came_back, __ATOMIC_RELAXED));
}

static const struct test tests[] = {
	{ "many", many, many_accepted, NULL },
	{ "small_stack", small_stack, NULL, NULL },
	{ "children_amid", children_amid, NULL, NULL },
	{ "cancelled_connecting", cancelled_connecting, NULL, "silent long mended" },
	{ "cancelled_accepting", two_echoes, cancelled_accepting, NULL },
	{ "cancelled_before_blocking", cancelled_before_blocking, NULL, NULL },
	{ "cancelled_before_nonblocking", cancelled_before_nonblocking, NULL, NULL },
	{ "cancelled_anywhere", cancelled_anywhere, NULL, NULL },
	{ "beside_waiting", beside_waiting, NULL, "silent" },
	{ "echo", echo_only, NULL, "part" },
};

RUN_TESTS(tests)
