/* SPDX-License-Identifier: MIT */
/*
 * nomemory.c - slim.ko when memory is lacking: of what a request allocates, each piece fails once
 *
 * The kernel lets that one of a thread's allocations fail whose number is written into its fail-nth (CONFIG_FAILSLAB).
 * What has failed for that must have changed nothing; whether all is given back, tests/qemu/leaks.sh says.
 */
#include <fcntl.h>

#include "guard.h"

#define TENANT		7
#define TRIES_MAX	500	/* more pieces than any request has */

static struct message message;
static struct guard watch;	/* asks what has changed */
static struct guard guard;	/* requests are sent by it; another one each time */
static int listener;
static uint16_t port;
static int fds[2];		/* a connection; [0] is the end to be sealed */
static uint64_t in_force;	/* the policy's generation */
static int try;			/* of all */

/* --- which allocation fails --- */

static int nth;

static void let_fail(int number)
{
	char text[16];
	int len = snprintf(text, sizeof(text), "%d", number);

	must(pwrite(nth, text, (size_t)len, 0), "fail-nth");
}

/* The number counts down to 0. */
static bool has_failed(void)
{
	char text[16] = "";

	must(pread(nth, text, sizeof(text) - 1, 0), "fail-nth");
	return !atoi(text);
}

/* --- requests: 0 or -errno --- */

static int seal_one(void)
{
	struct slim_seal seal = seal_default();

	/* Of a tenant of which there has been no socket */
	seal.vni = seal.peer_vni = 1000 + (uint32_t)try;
	return seal_socket(fds[0], &seal);
}

static int get(void) { return guard_command(&guard, &message, SLIM_CMD_GET); }
static int stats(void) { return guard_command(&guard, &message, SLIM_CMD_STATS); }

static int own(void) { return guard_own(&guard, -1); }

static int look_at(void)
{
	message_begin(&guard, &message, SLIM_CMD_SOCKET, 0);
	message_put64(&message, SLIM_A_COOKIE, cookie_of(fds[0]));
	return message_talk(&guard, &message);
}

static int list(int command)
{
	int err;

	message_begin(&guard, &message, command, NLM_F_DUMP);
	err = message_send(&guard, &message);
	return err ? err : message_answer(&guard, &message, NULL, NULL);
}

static int list_sockets(void) { return list(SLIM_CMD_SOCKET); }
static int list_tenants(void) { return list(SLIM_CMD_TENANT); }
static int list_rules(void) { return list(SLIM_CMD_RULE); }

static int reshape(void)
{
	const struct slim_shape shape = { .flags = SLIM_SHAPE_RATE, .rate = 1000000 };

	message_begin(&guard, &message, SLIM_CMD_SHAPE, 0);
	message_put64(&message, SLIM_A_COOKIE, cookie_of(fds[0]));
	message_put(&message, SLIM_A_SHAPE, &shape, sizeof(shape));
	return message_talk(&guard, &message);
}

static int cut_off(void)
{
	message_begin(&guard, &message, SLIM_CMD_REVOKE, 0);
	message_put64(&message, SLIM_A_COOKIE, cookie_of(fds[0]));
	return message_talk(&guard, &message);
}

static int query(void)
{
	const struct slim_question question = { .source_vni = TENANT, .destination_vni = TENANT, .service = 80 };

	message_begin(&guard, &message, SLIM_CMD_QUERY, 0);
	message_put(&message, SLIM_A_QUESTIONS, &question, sizeof(question));
	return message_talk(&guard, &message);
}

/* What is refused is told. */
static int attack(void)
{
	return setsockopt(fds[0], SOL_SOCKET, SO_MARK, &(int){ 1 }, sizeof(int)) && errno != ENOPROTOOPT ? -errno : 0;
}

/* --- policies --- */

static int begin(uint64_t generation, uint32_t flags, const struct slim_policy_counts *counts)
{
	message_begin(&guard, &message, SLIM_CMD_STAGE, 0);
	message_put32(&message, SLIM_A_STAGE, SLIM_STAGE_BEGIN);
	message_put64(&message, SLIM_A_GENERATION, generation);
	message_put(&message, SLIM_A_COUNTS, counts, sizeof(*counts));
	if (flags)
		message_put32(&message, SLIM_A_FLAGS, flags);
	return message_talk(&guard, &message);
}

static int part(enum slim_part number, const void *data, size_t size)
{
	message_begin(&guard, &message, SLIM_CMD_STAGE, 0);
	message_put32(&message, SLIM_A_STAGE, SLIM_STAGE_PART);
	message_put32(&message, SLIM_A_PART, number);
	message_put(&message, SLIM_A_DATA, data, size);
	return message_talk(&guard, &message);
}

/* Where the kernel has no memory for an acknowledgement, it says ENOBUFS instead: what was asked for has been done. */
static int commit(uint64_t generation)
{
	int err;

	message_begin(&guard, &message, SLIM_CMD_STAGE, 0);
	message_put32(&message, SLIM_A_STAGE, SLIM_STAGE_END);
	err = message_talk(&guard, &message);
	if (err)
		return err;
	message_begin(&guard, &message, SLIM_CMD_COMMIT, NLM_F_ACK);
	message_put64(&message, SLIM_A_GENERATION, generation);
	err = message_send(&guard, &message);
	if (err)
		return err;
	err = message_answer(&guard, &message, NULL, NULL);
	if (!err || err == -ENOBUFS)
		in_force = generation;
	return err;
}

static const struct slim_policy_set set = { 1 };
static const struct slim_policy_range everybody = { .last = { [0 ... 15] = 0xff } };

/* A dynamic set, and a rule about it */
static int reload(void)
{
	const struct slim_policy_counts counts = { 1, 1, 1, 1, 1 };
	const struct slim_policy_domain domain = { TENANT, TENANT, TENANT, SLIM_POLICY_ALLOW, 1, 1, 1 };
	const struct slim_policy_rule rule = { .id = 1, .services_num = 1 };
	const struct slim_policy_service service = { 81, 81 };
	const uint64_t generation = 1 + (uint64_t)try;
	int err = begin(generation, 0, &counts);

	err = err ? err : part(SLIM_PART_DOMAINS, &domain, sizeof(domain));
	err = err ? err : part(SLIM_PART_SETS, &set, sizeof(set));
	err = err ? err : part(SLIM_PART_RANGES, &everybody, sizeof(everybody));
	err = err ? err : part(SLIM_PART_RULES, &rule, sizeof(rule));
	err = err ? err : part(SLIM_PART_SERVICES, &service, sizeof(service));
	return err ? err : commit(generation);
}

/* Other members of that set */
static int change_members(void)
{
	const struct slim_policy_counts counts = { .sets = 1, .ranges = 1 };
	const uint64_t generation = 1 + (uint64_t)try;
	int err = begin(generation, SLIM_STAGE_MEMBERS, &counts);

	err = err ? err : part(SLIM_PART_SETS, &set, sizeof(set));
	err = err ? err : part(SLIM_PART_RANGES, &everybody, sizeof(everybody));
	return err ? err : commit(generation);
}

/* --- all of them --- */

/* @least: how many of its allocations it cannot do without */
static const struct row {
	const char *name;
	int (*request)(void);
	int least;
} rows[] = {
	{ "sealing", seal_one, 2 },
	{ "GET", get, 2 },
	{ "OWN", own, 1 },
	{ "SOCKET", look_at, 2 },
	{ "SOCKET, all", list_sockets, 3 },
	{ "TENANT, all", list_tenants, 2 },
	{ "RULE, all", list_rules, 2 },
	{ "SHAPE", reshape, 1 },
	{ "STATS", stats, 2 },
	{ "a policy", reload, 12 },
	{ "members of a policy", change_members, 6 },
	{ "QUERY", query, 2 },
	{ "an attack", attack, 0 },
	{ "REVOKE", cut_off, 2 },
};

static void prepare(const struct row *row)
{
	struct slim_seal seal = seal_default();
	struct timeval patience = { .tv_sec = 5 * slowness() };

	try++;
	must(guard_open(&guard), "open");
	must(guard_own(&guard, -1), "own");
	setsockopt(guard.fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	host_connect(listener, port, AF_INET6, fds);
	cookie_of(fds[0]);
	if (row->request != seal_one)
		must(seal_socket(fds[0], &seal), "seal");
}

static bool all_gone(void)
{
	for (int i = 0; i < 5000 * slowness() && guard_stat(&watch, SLIM_A_LIVE); i++)
		usleep(1000);
	return !guard_stat(&watch, SLIM_A_LIVE);
}

/* What it has come to, and the end of it */
static bool is_sound(const struct row *row, int err)
{
	bool sealed = row->request != seal_one || !err, sound;

	must(guard_command(&watch, &message, SLIM_CMD_GET), "GET");
	sound = message_u64(&message, SLIM_A_LIVE) == sealed && message_u64(&message, SLIM_A_GENERATION) == in_force;
	close(guard.fd);
	close(fds[0]);
	close(fds[1]);
	return sound && all_gone();
}

static void starve(const struct row *row)
{
	int refused = 0, wrong = 0, err = 0, number;
	bool lacked = true;

	for (number = 1; lacked && number <= TRIES_MAX; number++) {
		prepare(row);
		let_fail(number);
		err = row->request();
		lacked = has_failed();
		let_fail(0);
		refused += lacked && err;
		if (err && (!lacked || (err != -ENOMEM && err != -ENOBUFS)) && ++wrong <= 5)
			check(false, "%s, allocation %d: %s", row->name, number, strerror(-err));
		if (!is_sound(row, err) && ++wrong <= 5)
			check(false, "%s, allocation %d: it is not as it was", row->name, number);
	}
	check(!lacked && !wrong, "%s: %d allocations", row->name, number - 2);
	check(refused >= row->least, "... of which %d are needed", refused);
}

int main(void)
{
	struct guard audience;

	nth = (int)must(open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC), "fail-nth");
	must(guard_open(&watch), "the family");
	/* Events are made for who listens. */
	must(guard_open(&audience), "the family");
	must(guard_join(&audience, audience.events), "join");
	must(guard_join(&audience, audience.sockets), "join");
	must(guard_join(&audience, audience.gone), "join");
	listener = host_listen(&port);
	for (size_t i = 0; i < NUM(rows); i++)
		starve(&rows[i]);
	return 0;
}
