/* SPDX-License-Identifier: MIT */
/*
 * races.c - sockets are made, sealed, used, closed and revoked, policies change, lists are read: all of it at once
 *
 *	races SECONDS	for so long, and then until enough of each has been
 */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <time.h>

#include "guard.h"

#define THREADS		6	/* that make sockets */
#define KEPT		40	/* sockets that stay until a policy denies them */
#define KEPT_PORT	99	/* no other policy does, and no other socket has it */

static struct guard owner;
static int listener, kept_listener;
static uint16_t port, kept_port;
static volatile bool over;
static volatile unsigned long made, denied, cut, commits, listed, kept, missed, events[SLIM_EVENT_MAX + 1];

static uint32_t random_below(uint64_t *state, uint32_t limit)
{
	*state = *state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(*state >> 33) % limit;
}

/* Cookies of the sockets that are there, more or less: for who revokes */
static uint64_t cookies[THREADS];

static void use(uint64_t *state, int fds[2])
{
	struct linger linger = { 1, 0 };
	char data[4096] = "";

	for (uint32_t i = random_below(state, 8); i; i--) {
		switch (random_below(state, 7)) {
		case 0:
			send(fds[0], data, sizeof(data), MSG_DONTWAIT | MSG_NOSIGNAL);
			break;
		case 1:
			recv(fds[0], data, sizeof(data), MSG_DONTWAIT);
			break;
		case 2:
			send(fds[1], data, sizeof(data), MSG_DONTWAIT | MSG_NOSIGNAL);
			break;
		case 3:
			shutdown(fds[0], (int)random_below(state, 3));
			break;
		case 4:
			connect(fds[0], (struct sockaddr *)&(struct sockaddr_in){ .sin_family = AF_UNSPEC },
				sizeof(struct sockaddr_in));
			break;
		case 5:
			setsockopt(fds[random_below(state, 2)], SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
			break;
		default:
			setsockopt(fds[0], SOL_SOCKET, SO_MARK, &(int){ 1 }, sizeof(int));
		}
	}
}

/* It may have been accepted, used and reset by another thread before this one knows. */
static int connect_one(int domain)
{
	struct sockaddr_in addr = address4(HOST_ADDRESS, port);
	struct sockaddr_in6 addr6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	int fd = (int)must(socket(domain, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket");

	inet_pton(AF_INET6, "::ffff:" HOST_ADDRESS, &addr6.sin6_addr);
	if (domain == AF_INET ? connect(fd, (void *)&addr, sizeof(addr)) : connect(fd, (void *)&addr6, sizeof(addr6)))
		must(errno == ECONNRESET || errno == ECONNABORTED || errno == EPIPE ? 0 : -1, "connect");
	return fd;
}

/* Whose accepted socket it is does not matter. */
static void *make_sockets(void *data)
{
	uint64_t *cookie = data, state = (uint64_t)(cookie - cookies) + 1;
	struct slim_seal seal = seal_default();

	while (!over) {
		int fds[2], which;

		fds[0] = connect_one(random_below(&state, 2) ? AF_INET : AF_INET6);
		fds[1] = (int)must(accept4(listener, NULL, NULL, SOCK_CLOEXEC), "accept");
		which = (int)random_below(&state, 2);
		seal.flags = SLIM_SEAL_IPV4 | (which ? SLIM_SEAL_ACCEPTED : 0);
		seal.container = random_below(&state, 4);
		seal.peer.port = seal.local.port = (uint16_t)(80 + random_below(&state, 4));
		__atomic_store_n(cookie, cookie_of(fds[which]), __ATOMIC_RELAXED);
		if (seal_socket(fds[which], &seal))
			__atomic_add_fetch(&denied, 1, __ATOMIC_RELAXED);
		else
			__atomic_add_fetch(&made, 1, __ATOMIC_RELAXED);
		use(&state, fds);
		close(fds[0]);
		close(fds[1]);
	}
	return NULL;
}

/* --- a number that changes while it is looked at --- */

#define TRIES	20000

static volatile int changing;
static volatile bool tried_enough;

static void *change(void *data)
{
	(void)data;
	while (!tried_enough)
		changing = changing ? 0 : SLIM_PRIORITY_MAX + 1;
	return NULL;
}

/* What is set is what was looked at, whatever its memory says by then. By itself, as it leaves others little time */
static void set_changing(void)
{
	struct slim_seal seal = seal_default();
	unsigned long tried = 0, too_high = 0;
	pthread_t thread;
	int fds[2], value;

	host_connect(listener, port, AF_INET6, fds);
	must(seal_socket(fds[0], &seal), "seal");
	made++;
	pthread_create(&thread, NULL, change, NULL);
	for (int i = 0; i < TRIES; i++) {
		tried += !setsockopt(fds[0], SOL_SOCKET, SO_PRIORITY, (void *)&changing, sizeof(int));
		must(getsockopt(fds[0], SOL_SOCKET, SO_PRIORITY, &value, &(socklen_t){ sizeof(value) }), "SO_PRIORITY");
		too_high += value > SLIM_PRIORITY_MAX;
	}
	tried_enough = true;
	pthread_join(thread, NULL);
	check(tried > 0 && tried < TRIES, "of %d priorities that changed %lu were set", TRIES, tried);
	equal((long)too_high, 0, "... and none that had not been looked at");
	close(fds[0]);
	close(fds[1]);
}

/* --- the owner: one thread, as its socket is one --- */

static int stage(struct message *message, uint32_t what, int part, const void *data, size_t size)
{
	message_begin(&owner, message, SLIM_CMD_STAGE, 0);
	message_put32(message, SLIM_A_STAGE, what);
	if (part) {
		message_put32(message, SLIM_A_PART, (uint32_t)part);
		message_put(message, SLIM_A_DATA, data, size);
	}
	return message_talk(&owner, message);
}

static void reload(struct message *message, uint64_t generation, uint32_t port_denied)
{
	const struct slim_policy_counts counts = { 1, 1, 1, 1, 1 };
	const struct slim_policy_domain domain = { 7, 7, 7, SLIM_POLICY_ALLOW, 1, generation % 2, 1 };
	const struct slim_policy_set set = { 1 };
	struct slim_policy_range range = { { 0 }, { 0 } };
	const struct slim_policy_rule rule = { .id = 1, .services_num = 1 };
	const struct slim_policy_service service = { port_denied, port_denied };

	memset(range.last, 0xff, sizeof(range.last));
	message_begin(&owner, message, SLIM_CMD_STAGE, 0);
	message_put32(message, SLIM_A_STAGE, SLIM_STAGE_BEGIN);
	message_put64(message, SLIM_A_GENERATION, generation);
	message_put(message, SLIM_A_COUNTS, &counts, sizeof(counts));
	must(message_talk(&owner, message), "begin");
	must(stage(message, SLIM_STAGE_PART, SLIM_PART_DOMAINS, &domain, sizeof(domain)), "domain");
	must(stage(message, SLIM_STAGE_PART, SLIM_PART_SETS, &set, sizeof(set)), "set");
	must(stage(message, SLIM_STAGE_PART, SLIM_PART_RANGES, &range, sizeof(range)), "range");
	must(stage(message, SLIM_STAGE_PART, SLIM_PART_RULES, &rule, sizeof(rule)), "rule");
	must(stage(message, SLIM_STAGE_PART, SLIM_PART_SERVICES, &service, sizeof(service)), "service");
	must(stage(message, SLIM_STAGE_END, 0, NULL, 0), "end");
	message_begin(&owner, message, SLIM_CMD_COMMIT, 0);
	message_put64(message, SLIM_A_GENERATION, generation);
	must(message_talk(&owner, message), "commit");
	cut += message_u64(message, SLIM_A_CUT);
	commits++;
}

/* Whoever else comes and goes while a commit goes through all sockets, it leaves out none that it denies. */
static void keep_some(struct message *message, uint64_t *generation)
{
	struct slim_seal seal = seal_default();
	int fds[KEPT][2];
	char byte;

	reload(message, (*generation)++, KEPT_PORT + 1);
	seal.container = 77;
	seal.peer.port = seal.local.port = KEPT_PORT;
	for (int i = 0; i < KEPT; i++) {
		host_connect(kept_listener, kept_port, i % 2 ? AF_INET : AF_INET6, fds[i]);
		must(seal_socket(fds[i][0], &seal), "seal");
		__atomic_add_fetch(&made, 1, __ATOMIC_RELAXED);
	}
	reload(message, (*generation)++, KEPT_PORT);
	for (int i = 0; i < KEPT; i++) {
		missed += recv(fds[i][0], &byte, 1, MSG_DONTWAIT) != -1 || errno != ECONNABORTED;
		close(fds[i][0]);
		close(fds[i][1]);
	}
	kept += KEPT;
}

static void revoke_some(struct message *message, uint64_t *state)
{
	message_begin(&owner, message, SLIM_CMD_REVOKE, 0);
	if (random_below(state, 2))
		message_put64(message, SLIM_A_COOKIE, cookies[random_below(state, THREADS)]);
	else
		message_put32(message, SLIM_A_CONTAINER, random_below(state, 4));
	if (!message_talk(&owner, message))
		cut += message_u64(message, SLIM_A_CUT);
}

static void shape_some(struct message *message, uint64_t *state)
{
	const struct slim_shape shape = { .flags = SLIM_SHAPE_ALL, .rate = 1000000, .tos = 0x10 };

	message_begin(&owner, message, SLIM_CMD_SHAPE, 0);
	message_put64(message, SLIM_A_COOKIE, cookies[random_below(state, THREADS)]);
	message_put(message, SLIM_A_SHAPE, &shape, sizeof(shape));
	message_talk(&owner, message);
}

static void *rule(void *data)
{
	static struct message message;
	uint64_t state = 99, generation = 1;

	(void)data;
	while (!over) {
		switch (random_below(&state, 8)) {
		case 0:
			keep_some(&message, &generation);
			break;
		case 1:
		case 2:
			/* Denies one of the ports that are used */
			reload(&message, generation, 80 + (uint32_t)generation % 5);
			generation++;
			break;
		case 3:
		case 4:
			shape_some(&message, &state);
			break;
		default:
			revoke_some(&message, &state);
		}
	}
	return NULL;
}

/* --- who only looks --- */

static void count(const struct nlmsghdr *head, void *data)
{
	(void)data;
	listed += !!nlmsg_find(head, SLIM_A_SOCKET);
}

static void *list(void *data)
{
	static const int commands[] = { SLIM_CMD_SOCKET, SLIM_CMD_TENANT, SLIM_CMD_RULE };
	static struct message message;
	struct guard guard;

	(void)data;
	must(guard_open(&guard), "open");
	for (unsigned int i = 0; !over; i++) {
		message_begin(&guard, &message, commands[i % NUM(commands)], NLM_F_DUMP);
		must(message_send(&guard, &message), "send");
		message_answer(&guard, &message, count, NULL);
		guard_stat(&guard, SLIM_A_MEMORY);
	}
	return NULL;
}

static void *listen_to_events(void *data)
{
	static _Alignas(8) char buffer[MESSAGE_MAX];
	struct guard guard;

	(void)data;
	must(guard_open(&guard), "open");
	must(guard_join(&guard, guard.events), "join");
	must(guard_join(&guard, guard.sockets), "join");
	must(guard_join(&guard, guard.gone), "join");
	while (!over) {
		struct pollfd in = { .fd = guard.fd, .events = POLLIN };
		const struct nlmsghdr *head = (void *)buffer;
		ssize_t len = poll(&in, 1, 200) == 1 ? recv(guard.fd, buffer, sizeof(buffer), MSG_DONTWAIT) : 0;
		uint64_t event;

		/* What overflows is told by the kernel, and does not matter here. */
		if (len <= 0)
			continue;
		event = attr_u64(nlmsg_find(head, SLIM_A_EVENT));
		if (event <= SLIM_EVENT_MAX)
			events[event]++;
	}
	return NULL;
}

/* --- how much there has been --- */

#define ENOUGH		10
#define SECONDS_MAX	60	/* more than were asked for, on an ordinary kernel */

static bool is_enough(void)
{
	bool enough = made > 10 * ENOUGH && denied > ENOUGH && cut > ENOUGH && commits > ENOUGH && listed > ENOUGH &&
		      kept > ENOUGH;

	for (int i = SLIM_EVENT_OPEN; i <= SLIM_EVENT_MAX; i++)
		enough = enough && events[i] > ENOUGH;
	return enough;
}

int main(int argc, char **argv)
{
	const struct timespec tenth = { .tv_nsec = 100000000 };
	struct timespec time = { .tv_sec = argc > 1 ? atoi(argv[1]) : 10 };
	pthread_t threads[THREADS + 3];

	signal(SIGPIPE, SIG_IGN);
	must(guard_open(&owner), "the family");
	must(guard_own(&owner, -1), "own");
	listener = host_listen(&port);
	kept_listener = host_listen(&kept_port);
	set_changing();
	for (int i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, make_sockets, &cookies[i]);
	pthread_create(&threads[THREADS], NULL, rule, NULL);
	pthread_create(&threads[THREADS + 1], NULL, list, NULL);
	pthread_create(&threads[THREADS + 2], NULL, listen_to_events, NULL);
	nanosleep(&time, NULL);
	for (int i = 0; i < 10 * SECONDS_MAX * slowness() && !is_enough(); i++)
		nanosleep(&tenth, NULL);
	over = true;
	for (size_t i = 0; i < NUM(threads); i++)
		pthread_join(threads[i], NULL);
	check(made > 10 * ENOUGH, "%lu were sealed", made);
	check(denied > ENOUGH, "%lu were denied", denied);
	check(cut > ENOUGH, "%lu were cut", cut);
	check(commits > ENOUGH, "%lu policies were in force", commits);
	check(listed > ENOUGH, "%lu were listed", listed);
	check(kept > ENOUGH, "%lu were kept until a policy denied them", kept);
	equal((long)missed, 0, "... and none outlived its commit");
	for (int i = SLIM_EVENT_OPEN; i <= SLIM_EVENT_MAX; i++)
		check(events[i] > ENOUGH, "%lu events of kind %d", events[i], i);
	equal((long)guard_stat(&owner, SLIM_A_SEALED), (long)made, "each that was sealed was counted");
	for (int i = 0; i < 200 && guard_stat(&owner, SLIM_A_LIVE); i++)
		nanosleep(&(struct timespec){ .tv_nsec = 50000000 }, NULL);
	equal((long)guard_stat(&owner, SLIM_A_LIVE), 0, "none is left");
	return 0;
}
