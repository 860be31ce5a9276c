/* SPDX-License-Identifier: MIT */
/* stray.c - closing what a stranger can make hard to close */
#include "stray.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <urcu.h>

#include "log.h"

#define CLOSER_PATIENCE	2		/* ms; there is always more to close */
#define CLOSER_IDLE	1		/* s after which all but one of them end */
#define CLOSER_STACK	(256 * 1024)
#define STALL		(STRAY_PATIENCE / 2)	/* ms: that was no accident */
#define EXIT_TRIES	100
#define EXIT_WAIT	10		/* ms */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t more = PTHREAD_COND_INITIALIZER;
/* Under the lock */
static struct stray *first, **last = &first;
static unsigned int closers, idle;

static uint64_t wary_until;		/* ms; atomic */
static struct log_limit wary_limit = { .burst = 1 };

/* What a thread needs to be called away from a close. Its signal handler reads this. */
static __thread struct {
	timer_t timer;
	bool made;
	volatile sig_atomic_t armed, closing, fired;
	long patience;
} own;

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static void arm(void)
{
	struct itimerspec when = { .it_value.tv_nsec = own.patience * 1000000 };

	timer_settime(own.timer, 0, &when, NULL);
}

/* That a signal came is all that the kernel's waiting asks for. */
static void called_away(int sig)
{
	(void)sig;
	if (own.closing) {
		own.fired = 1;
		arm();		/* it may have come just before the waiting */
	} else {
		own.armed = 0;
	}
}

/* @patience: ms */
static bool make_timer(long patience)
{
	struct sigevent event = {
		.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGRTMIN,
	};

	event._sigev_un._tid = (pid_t)syscall(SYS_gettid);
	own.patience = patience;
	own.made = !timer_create(CLOCK_MONOTONIC, &event, &own.timer);
	return own.made;
}

static void beware(uint64_t now)
{
	__atomic_store_n(&wary_until, now + STRAY_WARY, __ATOMIC_RELAXED);
	if (log_limit_ok(&wary_limit))
		log_warning("closing a container's connection took long (SO_LINGER?): for the "
			    "next %d s it is left to threads of its own", STRAY_WARY / 1000);
}

/* The thread has its timer. It stays armed from one close to the next: that is cheaper. */
static void close_patiently(int fd, uint64_t now)
{
	own.closing = 1;
	if (!own.armed) {
		own.armed = 1;
		arm();
	}
	close(fd);
	own.closing = 0;
	if (!own.fired)
		return;
	own.fired = 0;
	if (now_ms() - now >= STALL)
		beware(now);
}

static int start_closer(void);

/* NULL: it was idle for long enough. Lock held. */
static struct stray *next_one(void)
{
	struct timespec until;
	struct stray *stray;
	int err = 0;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += CLOSER_IDLE;
	idle++;
	while (!first && !(err && closers > 1)) {
		if (closers > 1)
			err = pthread_cond_clockwait(&more, &lock, CLOCK_MONOTONIC, &until);
		else
			pthread_cond_wait(&more, &lock);	/* the last one stays */
	}
	idle--;
	stray = first;
	if (!stray)
		return NULL;
	first = stray->next;
	if (!first)
		last = &first;
	else if (!idle && closers < STRAY_CLOSERS)
		(void)start_closer();	/* this one may be long */
	return stray;
}

/* Whoever starts a closer may have blocked all signals, as RCU's own threads do. */
static void hear_the_timer_alone(void)
{
	sigset_t set;

	sigfillset(&set);
	sigdelset(&set, SIGRTMIN);
	pthread_sigmask(SIG_SETMASK, &set, NULL);
}

static void *closer(void *arg)
{
	struct stray *stray;

	(void)arg;
	hear_the_timer_alone();
	rcu_register_thread();
	make_timer(CLOSER_PATIENCE);
	pthread_mutex_lock(&lock);
	while ((stray = next_one())) {
		pthread_mutex_unlock(&lock);
		if (own.made)
			close_patiently(stray->fd, now_ms());
		else
			close(stray->fd);
		stray->closed(stray);
		pthread_mutex_lock(&lock);
	}
	closers--;
	pthread_mutex_unlock(&lock);
	if (own.made)
		timer_delete(own.timer);
	rcu_unregister_thread();
	return NULL;
}

/* Lock held. 0 or -errno */
static int start_closer(void)
{
	pthread_attr_t attr;
	pthread_t thread;
	int err;

	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, CLOSER_STACK);
	err = pthread_create(&thread, &attr, closer, NULL);
	pthread_attr_destroy(&attr);
	if (!err)
		closers++;
	return -err;
}

int stray_init(void)
{
	struct sigaction action = { .sa_handler = called_away, .sa_flags = SA_RESTART };
	int err;

	if (sigaction(SIGRTMIN, &action, NULL) < 0)
		return -errno;
	pthread_mutex_lock(&lock);
	err = closers ? 0 : start_closer();
	pthread_mutex_unlock(&lock);
	return err;
}

static bool all_closed(void)
{
	bool all;

	pthread_mutex_lock(&lock);
	all = !first && idle == closers;
	pthread_mutex_unlock(&lock);
	return all;
}

void stray_exit(void)
{
	const struct timespec wait = { .tv_nsec = EXIT_WAIT * 1000000 };

	for (int i = 0; i < EXIT_TRIES && !all_closed(); i++)
		nanosleep(&wait, NULL);
}

void stray_close(struct stray *stray)
{
	stray->next = NULL;
	pthread_mutex_lock(&lock);
	*last = stray;
	last = &stray->next;
	if (idle)
		pthread_cond_signal(&more);
	else if (closers < STRAY_CLOSERS)
		(void)start_closer();	/* without: one of the others gets to it */
	pthread_mutex_unlock(&lock);
}

static void forget(struct stray *stray)
{
	free(stray);
}

static bool close_elsewhere(int fd)
{
	struct stray *stray = malloc(sizeof(*stray));

	if (!stray)
		return false;
	stray->fd = fd;
	stray->closed = forget;
	stray_close(stray);
	return true;
}

void stray_close_fd(int fd)
{
	uint64_t now = now_ms();

	if (now < __atomic_load_n(&wary_until, __ATOMIC_RELAXED) ||
	    !(own.made || make_timer(STRAY_PATIENCE))) {
		if (close_elsewhere(fd))
			return;
	}
	if (own.made)
		close_patiently(fd, now);
	else
		close(fd);
}
