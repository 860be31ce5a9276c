/* SPDX-License-Identifier: MIT */
/*
 * readiness.c - each way of waiting for each thing that can happen to a socket
 *
 * One end watches (struct watch), the other one acts: which of the actions it is to take, a byte says that the
 * watching end has written when it is ready to see it.
 */
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <time.h>

#include "program.h"

#define HIGH	1500	/* beyond what an fd_set has room for */
#define SOCKETS	0x123456789abcdef0u	/* data of a registration */
#define INNER	0x0fedcba987654321u

enum way {
	SELECT, PSELECT, POLL, PPOLL, LEVEL, EDGE, ONESHOT, EXCLUSIVE, NESTED, POLLED, WAYS
};

static const char *const ways[] = {
	"select", "pselect", "poll", "ppoll", "level", "edge", "oneshot", "exclusive", "nested", "polled", NULL
};

/* When a connecting socket is registered: poll and select have nothing to register before they wait. */
enum when { BEFORE, CONNECTING, AFTER };

static const char *const whens[] = { "before", "connecting", "after", NULL };

static enum way way(void)
{
	return (enum way)chosen[0];
}

static bool is_set(void)
{
	return way() >= LEVEL;
}

static bool when_applies(void)
{
	return is_set() || chosen[1] == AFTER;
}

/* --- what is watched --- */

struct watch {
	int fd;
	unsigned int interest;	/* EPOLLIN and so on, which are POLLIN and so on */
	int set, outer;
};

static uint32_t way_flags(void)
{
	switch (way()) {
	case EDGE:
		return EPOLLET;
	case ONESHOT:
		return EPOLLONESHOT;
	case EXCLUSIVE:
		return EPOLLEXCLUSIVE;
	default:
		return 0;
	}
}

static void watch_again(const struct watch *watch, const char *what, int op)
{
	struct epoll_event event = { .events = watch->interest | way_flags(), .data.u64 = SOCKETS };

	if (is_set())
		say(what, epoll_ctl(watch->set, op, watch->fd, &event));
}

static struct watch watch_begin(int fd, unsigned int interest)
{
	struct watch watch = { fd, interest, -1, -1 };
	struct epoll_event event = { .events = EPOLLIN, .data.u64 = INNER };

	if (is_set())
		watch.set = epoll_create1(0);
	watch_again(&watch, "EPOLL_CTL_ADD", EPOLL_CTL_ADD);
	if (way() == NESTED) {
		watch.outer = epoll_create1(EPOLL_CLOEXEC);
		say("a set in a set", epoll_ctl(watch.outer, EPOLL_CTL_ADD, watch.set, &event));
	}
	return watch;
}

static void watch_end(const struct watch *watch)
{
	watch_again(watch, "EPOLL_CTL_DEL", EPOLL_CTL_DEL);
	watch_again(watch, "EPOLL_CTL_DEL", EPOLL_CTL_DEL);
	if (is_set())
		close(watch->set);
	if (way() == NESTED)
		close(watch->outer);
}

static void print_events(unsigned int events)
{
	static const struct {
		unsigned int bit;
		const char *name;
	} names[] = {
		{ EPOLLIN, "IN" }, { EPOLLPRI, "PRI" }, { EPOLLOUT, "OUT" },
		{ EPOLLERR, "ERR" }, { EPOLLHUP, "HUP" }, { EPOLLRDHUP, "RDHUP" },
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (events & names[i].bit)
			printf(" %s", names[i].name);
	puts("");
}

/* The sets have room for any number: what is beyond FD_SETSIZE, the kernel takes as well. */
union numbers {
	fd_set set;
	unsigned char bytes[(HIGH + 64) / 8 * 2];
};

static void numbers_add(union numbers *numbers, int fd, bool wanted)
{
	memset(numbers, 0, sizeof(*numbers));
	if (wanted)
		numbers->bytes[fd / 8] |= (unsigned char)(1 << fd % 8);
}

static bool numbers_have(const union numbers *numbers, int fd)
{
	return numbers->bytes[fd / 8] & 1 << fd % 8;
}

static int wait_select(const struct watch *watch, int ms)
{
	struct timeval time = { ms / 1000, ms % 1000 * 1000 };
	struct timespec precise = { ms / 1000, ms % 1000 * 1000000 };
	union numbers in, out, pri;
	int fd = watch->fd, ret;

	numbers_add(&in, fd, watch->interest & EPOLLIN);
	numbers_add(&out, fd, watch->interest & EPOLLOUT);
	numbers_add(&pri, fd, watch->interest & EPOLLPRI);
	ret = way() == SELECT ? select(fd + 1, &in.set, &out.set, &pri.set, &time) :
	      pselect(fd + 1, &in.set, &out.set, &pri.set, &precise, NULL);
	printf("read %d, write %d, except %d\n", numbers_have(&in, fd), numbers_have(&out, fd),
	       numbers_have(&pri, fd));
	return ret;
}

static int wait_poll(int fd, unsigned int interest, int ms)
{
	struct pollfd pollfd = { .fd = fd, .events = (short)interest };
	struct timespec time = { ms / 1000, ms % 1000 * 1000000 };
	int ret = way() == PPOLL ? ppoll(&pollfd, 1, &time, NULL) : poll(&pollfd, 1, ms);

	printf("poll:");
	print_events((unsigned int)pollfd.revents);
	return ret;
}

/* In several ways that are the same but for their time-out. */
static int wait_set(int set, int ms)
{
	struct epoll_event event = { 0 };
	struct timespec time = { ms / 1000, ms % 1000 * 1000000 };
	int ret = way() == EDGE ? epoll_pwait(set, &event, 1, ms, NULL) :
		  way() == ONESHOT ? (int)syscall(SYS_epoll_pwait2, set, &event, 1, &time, NULL, 0) :
		  epoll_wait(set, &event, 1, ms);

	if (ret == 1)
		printf("the set's data: %s\n", event.data.u64 == SOCKETS ? "the socket's" :
		       event.data.u64 == INNER ? "the inner set's" : "nobody's");
	printf("epoll:");
	print_events(event.events);
	return ret;
}

static void watch_wait(const struct watch *watch, const char *what, int ms)
{
	int ret;

	if (!is_set())
		ret = way() <= PSELECT ? wait_select(watch, ms) :
		      wait_poll(watch->fd, watch->interest, ms);
	else if (way() == NESTED)
		ret = wait_set(watch->outer, ms);
	else if (way() == POLLED)
		ret = wait_poll(watch->set, EPOLLIN, ms);
	else
		ret = 1;
	if (is_set() && ret == 1)
		ret = wait_set(watch->set, ms);
	say(what, ret);
}

/* --- what happens --- */

static const struct event {
	const char *name;
	unsigned int interest;
	bool lone;	/* it wakes who waits for it once, and not in several steps */
} events[] = {
	{ "readable", EPOLLIN, true },
	{ "writable", EPOLLOUT, true },
	{ "urgent", EPOLLPRI, false },
	{ "ended", EPOLLIN | EPOLLRDHUP, false },
	{ "hung up", EPOLLIN, false },
	{ "reset", EPOLLIN, false },
};

#define EVENTS	(sizeof(events) / sizeof(events[0]))

enum { READABLE, WRITABLE, URGENT, ENDED, HUNG_UP, RESET };

/* What may be asked for: EPOLLEXCLUSIVE takes little else beside it. */
static unsigned int interest_in(size_t which)
{
	return events[which].interest & (way() == EXCLUSIVE ? EPOLLIN | EPOLLOUT : ~0u);
}

/* By the end that does not watch; until nothing more comes. */
static void act(int fd)
{
	struct linger now = { .l_onoff = 1 };
	char what = 0;

	if (read(fd, &what, 1) != 1)
		return;
	if (what == READABLE)
		say("write", write(fd, "r", 1));
	if (what == URGENT)
		say("send", send(fd, "u", 1, MSG_OOB));
	if (what == ENDED)
		say("shutdown", shutdown(fd, SHUT_WR));
	if (what == RESET)
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	else
		say_end(fd);
}

/*
 * Who looks just as a FIN comes may see EPOLLIN a moment before all that it means, on any socket; and the error that a reset
 * brings a moment before the end.
 */
static void wait_until_told(int fd)
{
	struct pollfd pollfd = { .fd = fd, .events = POLLRDHUP };

	for (int i = 0; i < 1000000; i++)
		if (poll(&pollfd, 1, WAIT_MS) != 1 || pollfd.revents & POLLRDHUP)
			return;
}

static void see(struct watch *watch, int which)
{
	const struct event *event = &events[which];
	char what = (char)which;

	printf("--- %s\n", event->name);
	if (which == WRITABLE || write(watch->fd, &what, 1) == 1)
		what = -1;
	if (which == HUNG_UP)
		say("shutdown", shutdown(watch->fd, SHUT_WR));
	if (which >= ENDED)
		wait_until_told(watch->fd);
	watch_wait(watch, "wait", WAIT_MS);
	if (way() != EDGE || event->lone)
		watch_wait(watch, "wait again", 0);
	watch_again(watch, "EPOLL_CTL_MOD", EPOLL_CTL_MOD);
	watch_wait(watch, "wait", 0);
}

/* --- a socket that connects --- */

static int connect_watched(struct watch *watch, unsigned int interest)
{
	int fd = tcp(SOCK_NONBLOCK);
	struct pollfd pollfd = { .fd = fd, .events = POLLOUT };

	if (chosen[1] == BEFORE)
		*watch = watch_begin(fd, interest);
	say("connect", connect(fd, TO, to_len));
	if (chosen[1] == CONNECTING)
		*watch = watch_begin(fd, interest);
	say("poll", poll(&pollfd, 1, WAIT_MS));
	if (chosen[1] == AFTER)
		*watch = watch_begin(fd, interest);
	return fd;
}

static void connects(void)
{
	for (size_t i = 0; i < EVENTS; i++) {
		struct watch watch;
		int fd;

		if (!interest_in(i))
			continue;
		fd = connect_watched(&watch, interest_in(i));
		see(&watch, (int)i);
		watch_end(&watch);
		close(fd);
	}
}

static void acts_for_all(void)
{
	int from = listener(8);

	for (size_t i = 0; i < EVENTS; i++) {
		int fd = interest_in(i) ? accepted(from) : -1;

		act(fd);
		close(fd);
	}
}

/* Nobody listens: in each way the same error, which is then forgotten. */
static void refused(void)
{
	struct watch watch;
	int fd;

	*port_of(&to) = htons(1);
	fd = connect_watched(&watch, EPOLLOUT | EPOLLIN);
	watch_wait(&watch, "wait", WAIT_MS);
	printf("SO_ERROR: %s\n", error_name(get_int(fd, SOL_SOCKET, SO_ERROR)));
	watch_again(&watch, "EPOLL_CTL_MOD", EPOLL_CTL_MOD);
	watch_wait(&watch, "wait", 0);
	watch_end(&watch);
	close(fd);
}

/* Under a number beyond what select(2) was made for. */
static void high(void)
{
	struct rlimit limit = { 2 * HIGH, 2 * HIGH };
	struct watch watch;
	char byte;
	int low = tcp(SOCK_NONBLOCK), fd;

	say("RLIMIT_NOFILE", setrlimit(RLIMIT_NOFILE, &limit));
	fd = fcntl(low, F_DUPFD, HIGH);
	close(low);
	printf("number: %d\n", fd);
	watch = watch_begin(fd, EPOLLOUT);
	say("connect", connect(fd, TO, to_len));
	say("poll", poll(&(struct pollfd){ .fd = fd, .events = POLLOUT }, 1, WAIT_MS));
	watch_wait(&watch, "wait", WAIT_MS);
	watch.interest = EPOLLIN;
	watch_again(&watch, "EPOLL_CTL_MOD", EPOLL_CTL_MOD);
	watch_wait(&watch, "wait, nothing there", 0);
	say("write", write(fd, "x", 1));
	poll(&(struct pollfd){ .fd = fd, .events = POLLIN }, 1, WAIT_MS);
	watch_wait(&watch, "wait", WAIT_MS);
	say("read", read(fd, &byte, 1));
	watch_end(&watch);
	close(fd);
}

/* --- a socket that was accepted --- */

static void accepts(void)
{
	int from = listener(8);

	for (size_t i = 0; i < EVENTS; i++) {
		struct watch watch;
		int fd;

		if (!interest_in(i))
			continue;
		fd = say_fd("accept4", accept4(from, NULL, NULL, SOCK_NONBLOCK));
		watch = watch_begin(fd, interest_in(i));
		see(&watch, (int)i);
		watch_end(&watch);
		close(fd);
	}
}

static void acts_often(void)
{
	for (size_t i = 0; i < EVENTS; i++) {
		int fd = interest_in(i) ? connected() : -1;

		act(fd);
		close(fd);
	}
}

/* --- a socket that listens --- */

static const char *const listen_whens[] = { "before", "after", NULL };

/* Each next connection comes when the last one has been told so. */
static void listens(void)
{
	int from = bound(SO_REUSEADDR);
	struct watch watch;

	if (chosen[1] == BEFORE)
		watch = watch_begin(from, EPOLLIN);
	say("listen", listen(from, 8));
	if (chosen[1] != BEFORE)
		watch = watch_begin(from, EPOLLIN);
	fcntl(from, F_SETFL, O_NONBLOCK);
	for (int i = 0; i < 3; i++) {
		int fd;

		watch_wait(&watch, "wait", WAIT_MS);
		watch_wait(&watch, "wait again", 0);
		fd = accepted(from);
		watch_wait(&watch, "wait, nobody there", 0);
		watch_again(&watch, "EPOLL_CTL_MOD", EPOLL_CTL_MOD);
		watch_wait(&watch, "wait, nobody there", 0);
		accepted(from);
		say("write", write(fd, "x", 1));
		close(fd);
	}
	say("shutdown", shutdown(from, SHUT_RD));
	watch_wait(&watch, "wait", WAIT_MS);
	accepted(from);
	watch_end(&watch);
	close(from);
}

static void comes_thrice(void)
{
	for (int i = 0; i < 3; i++) {
		int fd = connected();
		char byte;

		say("read", read(fd, &byte, 1));
		close(fd);
	}
}

/* --- several registrations of one socket --- */

static void say_all(int set)
{
	struct epoll_event all[4];
	int num = epoll_wait(set, all, 4, 0);

	say("epoll_wait", num);
	for (int i = 0; i < num; i++) {
		printf("of %llu:", (unsigned long long)all[i].data.u64);
		print_events(all[i].events);
	}
}

static void add(int set, int fd, uint32_t interest, uint64_t data)
{
	struct epoll_event event = { .events = interest, .data.u64 = data };

	say("EPOLL_CTL_ADD", epoll_ctl(set, EPOLL_CTL_ADD, fd, &event));
}

static const char *const throughs[] = { "itself", "duplicate", "heir", NULL };
static const char *const changes[] = { "none", "mod", "del", "renewed", NULL };

/* What is done to a registration, by another number of its set than it was made by. */
static void change(int set, int fd)
{
	struct epoll_event event = { .events = EPOLLOUT | EPOLLET, .data.u64 = 2 };

	if (chosen[2] == 1)
		say("EPOLL_CTL_MOD", epoll_ctl(set, EPOLL_CTL_MOD, fd, &event));
	if (chosen[2] >= 2)
		say("EPOLL_CTL_DEL", epoll_ctl(set, EPOLL_CTL_DEL, fd, NULL));
	if (chosen[2] == 3)
		add(set, fd, EPOLLOUT, 3);
}

static void changed(void)
{
	int fd = tcp(SOCK_NONBLOCK), made = epoll_create1(0), set = chosen[1] ? dup(made) : made;

	add(made, fd, EPOLLOUT | EPOLLIN, 1);
	if (chosen[1] == 2)
		close(made);
	if (chosen[0] == BEFORE)
		change(set, fd);
	say("connect", connect(fd, TO, to_len));
	say("poll", poll(&(struct pollfd){ .fd = fd, .events = POLLOUT }, 1, WAIT_MS));
	if (chosen[0] != BEFORE)
		change(set, fd);
	say_all(set);
	say_all(set);
	finish(fd);
}

/* A set's number that is another set's by the time of the connection. */
static void number_reused(void)
{
	int fd = tcp(SOCK_NONBLOCK), set = epoll_create1(0), other;

	add(set, fd, EPOLLOUT, 1);
	close(set);
	other = epoll_create1(0);
	printf("the same number: %d\n", other == set);
	say("connect", connect(fd, TO, to_len));
	say("poll", poll(&(struct pollfd){ .fd = fd, .events = POLLOUT }, 1, WAIT_MS));
	say_all(other);
	add(other, fd, EPOLLOUT, 2);
	say_all(other);
	finish(fd);
}

/* Under another number the socket is there still: what was registered of it is seen once, as before. */
static void kept_elsewhere(void)
{
	int fd = tcp(SOCK_NONBLOCK), made = epoll_create1(0), set = chosen[0] ? dup(made) : made;
	int other = dup(fd);

	add(made, fd, EPOLLOUT | EPOLLIN, 1);
	if (chosen[0] == 2)
		close(made);
	say("connect", connect(fd, TO, to_len));
	say("poll", poll(&(struct pollfd){ .fd = fd, .events = POLLOUT }, 1, WAIT_MS));
	say_all(set);
	finish(fd);
	close(other);
	close(set);
}

static const char *const shots[] = { "waiting", "fired", NULL };

/* A socket that is not connected is hung up, which is an event. What has fired stays so until it is renewed. */
static void one_shot(void)
{
	int fd = tcp(SOCK_NONBLOCK), set = epoll_create1(0);
	struct epoll_event event = { .events = EPOLLOUT | EPOLLONESHOT, .data.u64 = 2 };

	add(set, fd, EPOLLOUT | EPOLLONESHOT, 1);
	if (chosen[0])
		say_all(set);
	say("connect", connect(fd, TO, to_len));
	say("poll", poll(&(struct pollfd){ .fd = fd, .events = POLLOUT }, 1, WAIT_MS));
	say_all(set);
	say("EPOLL_CTL_MOD", epoll_ctl(set, EPOLL_CTL_MOD, fd, &event));
	say_all(set);
	say_all(set);
	finish(fd);
}

/* Level here, edge there, beside an event counter, and each of them the same. */
static void two_sets(void)
{
	int fd = tcp(SOCK_NONBLOCK), one = epoll_create1(0), other = epoll_create1(0);
	int counter = eventfd(1, EFD_NONBLOCK);

	add(one, counter, EPOLLIN, 9);
	if (chosen[0] == BEFORE) {
		add(one, fd, EPOLLOUT, 1);
		add(other, fd, EPOLLOUT | EPOLLET, 2);
	}
	say("connect", connect(fd, TO, to_len));
	say("poll", poll(&(struct pollfd){ .fd = fd, .events = POLLOUT }, 1, WAIT_MS));
	if (chosen[0] != BEFORE) {
		add(one, fd, EPOLLOUT, 1);
		add(other, fd, EPOLLOUT | EPOLLET, 2);
	}
	for (int i = 0; i < 2; i++) {
		say_all(one);
		say_all(other);
	}
	add(one, fd, EPOLLIN, 3);
	finish(fd);
	say_all(one);
}

/* One socket under two numbers in one set; closing one of them leaves the other. */
static void two_numbers(void)
{
	int fd = connected(), other = dup(fd), set = epoll_create1(0);

	add(set, fd, EPOLLOUT, 1);
	add(set, other, EPOLLOUT | EPOLLONESHOT, 2);
	say_all(set);
	say_all(set);
	say("EPOLL_CTL_DEL", epoll_ctl(set, EPOLL_CTL_DEL, fd, NULL));
	close(fd);
	say_all(set);
	echo(other);
	close(other);
	say_all(set);
}

static const struct test tests[] = {
	{ "connects", connects, acts_for_all, .dimensions = { ways, whens }, .applies = when_applies },
	{ "accepts", acts_often, accepts, .dimensions = { ways } },
	{ "listens", comes_thrice, listens, .dimensions = { ways, listen_whens } },
	{ "refused", refused, NULL, "packet", .dimensions = { ways, whens }, .applies = when_applies },
	{ "high", high, NULL, .dimensions = { ways } },
	{ "changed", changed, NULL, .dimensions = { listen_whens, throughs, changes } },
	{ "number_reused", number_reused, NULL },
	{ "kept_elsewhere", kept_elsewhere, NULL, .dimensions = { throughs } },
	{ "one_shot", one_shot, NULL, .dimensions = { shots } },
	{ "two_sets", two_sets, NULL, .dimensions = { listen_whens } },
	{ "two_numbers", two_numbers, NULL },
};

RUN_TESTS(tests)
