/* SPDX-License-Identifier: MIT */
/*
 * requests.c - every request to slim.ko that is right, and each of them wrong in one thing
 *
 *	requests		about the initial network namespace
 *	requests FILE		about that of FILE, to which nothing is to hold on afterwards
 */
#include <fcntl.h>
#include <limits.h>
#include <stddef.h>

#include "guard.h"

#define ATTRS_MAX	3

static struct message message;
static int host_fd = -1;

/* @value: of its first four bytes; all others are 0 */
struct attribute {
	int type;
	size_t size;
	uint32_t value;
};

/*
 * @attrs:	it needs all of them
 * @may:	another one that it may have, or 0
 * @answer:	to a right one: 0 or -errno
 * @begun:	it comes after BEGIN
 * @owners:	what others are told, where there is an owner: EPERM, or 0: anybody may
 */
static const struct request {
	const char *name;
	int command;
	struct attribute attrs[ATTRS_MAX];
	int may, answer;
	bool begun;
	int owners;
} requests[] = {
	{ .name = "GET", .command = SLIM_CMD_GET },
	{ "OWN", SLIM_CMD_OWN, { { SLIM_A_VERSION, 4, SLIM_GUARD_VERSION } }, .owners = EBUSY },
	{ "SOCKET", SLIM_CMD_SOCKET, { { SLIM_A_COOKIE, 8, 4711 } }, .answer = -ENOENT },
	{ "REVOKE", SLIM_CMD_REVOKE, { { SLIM_A_COOKIE, 8, 4711 } }, .answer = -ENOENT, .owners = EPERM },
	{ "REVOKE of a container's", SLIM_CMD_REVOKE, { { SLIM_A_CONTAINER, 4, 4711 } }, .answer = -ENOENT,
	  .owners = EPERM },
	{ "SHAPE", SLIM_CMD_SHAPE, { { SLIM_A_COOKIE, 8, 4711 }, { SLIM_A_SHAPE, sizeof(struct slim_shape), 0 } },
	  .answer = -ENOENT, .owners = EPERM },
	{ "DRAIN", SLIM_CMD_DRAIN, { { SLIM_A_DRAIN, 4, SLIM_DRAIN_STOP } }, .owners = EPERM },
	{ .name = "STATS", .command = SLIM_CMD_STATS },
	{ "BEGIN", SLIM_CMD_STAGE,
	  { { SLIM_A_STAGE, 4, SLIM_STAGE_BEGIN }, { SLIM_A_GENERATION, 8, 5 },
	    { SLIM_A_COUNTS, sizeof(struct slim_policy_counts), 0 } }, .may = SLIM_A_FLAGS, .owners = EPERM },
	{ "PART", SLIM_CMD_STAGE,
	  { { SLIM_A_STAGE, 4, SLIM_STAGE_PART }, { SLIM_A_PART, 4, SLIM_PART_DOMAINS },
	    { SLIM_A_DATA, sizeof(struct slim_policy_domain), 0 } }, .begun = true, .owners = EPERM },
	{ "END", SLIM_CMD_STAGE, { { SLIM_A_STAGE, 4, SLIM_STAGE_END } }, .answer = -ENODATA, .begun = true,
	  .owners = EPERM },
	{ "COMMIT", SLIM_CMD_COMMIT, { { SLIM_A_GENERATION, 8, 5 } }, .answer = -ENODATA, .owners = EPERM },
	{ "ABORT", SLIM_CMD_ABORT, .owners = EPERM },
	{ "QUERY", SLIM_CMD_QUERY, { { SLIM_A_QUESTIONS, sizeof(struct slim_question), 0 } }, .owners = EPERM },
};

/* Four bytes of an attribute that are not what they may be */
static const struct wrong {
	int type;
	size_t at;
	uint32_t value;
} wrongs[] = {
	{ SLIM_A_VERSION, 0, 0 },
	{ SLIM_A_SHAPE, offsetof(struct slim_shape, flags), SLIM_SHAPE_ALL + 1 },
	{ SLIM_A_SHAPE, offsetof(struct slim_shape, flags), SLIM_SHAPE_RATE },
	{ SLIM_A_SHAPE, offsetof(struct slim_shape, tos), (SLIM_PRIORITY_MAX + 1) << 8 },
	{ SLIM_A_SHAPE, offsetof(struct slim_shape, tos), 1 << 16 },
	{ SLIM_A_DRAIN, 0, 0 },
	{ SLIM_A_DRAIN, 0, SLIM_DRAIN_MAX + 1 },
	{ SLIM_A_STAGE, 0, 0 },
	{ SLIM_A_STAGE, 0, SLIM_STAGE_MAX + 1 },
	{ SLIM_A_GENERATION, 0, 0 },
	{ SLIM_A_PART, 0, 0 },
	{ SLIM_A_PART, 0, SLIM_PART_MAX + 1 },
};

/* --- requests --- */

static void begin(struct guard *guard, int command, int flags)
{
	message_begin(guard, &message, command, flags);
	if (host_fd >= 0)
		message_put(&message, SLIM_A_HOST_FD, &host_fd, sizeof(host_fd));
}

static char *put(const struct attribute *attr, size_t size)
{
	char *value = message_put(&message, attr->type, NULL, size);

	memcpy(value, &attr->value, size < sizeof(attr->value) ? size : sizeof(attr->value));
	return value;
}

/* A domain is to come. */
static void stage_begin(struct guard *guard)
{
	const struct slim_policy_counts counts = { .domains = 1 };

	begin(guard, SLIM_CMD_STAGE, 0);
	message_put32(&message, SLIM_A_STAGE, SLIM_STAGE_BEGIN);
	message_put64(&message, SLIM_A_GENERATION, 4);
	message_put(&message, SLIM_A_COUNTS, &counts, sizeof(counts));
	must(message_talk(guard, &message), "BEGIN");
}

/*
 * What is wrong: attribute @which has @more bytes, or is left out (INT_MIN), or has what @wrong says; there is
 * one more, of type @other and with @value.
 */
struct fault {
	int which, more;
	const struct wrong *wrong;
	int other;
	uint32_t value;
};

/* As large as it is anywhere */
static size_t size_of(int type)
{
	for (size_t i = 0; i < NUM(requests); i++)
		for (int j = 0; j < ATTRS_MAX; j++)
			if (requests[i].attrs[j].type == type)
				return requests[i].attrs[j].size;
	return sizeof(uint32_t);
}

static int ask(struct guard *guard, const struct request *request, struct fault fault)
{
	begin(guard, request->command, 0);
	for (int i = 0; i < ATTRS_MAX && request->attrs[i].type; i++) {
		const struct attribute *attr = &request->attrs[i];
		bool is_it = i == fault.which;
		char *value;

		if (is_it && fault.more == INT_MIN)
			continue;
		value = put(attr, attr->size + (size_t)(is_it ? fault.more : 0));
		if (is_it && fault.wrong)
			memcpy(value + fault.wrong->at, &fault.wrong->value, sizeof(fault.wrong->value));
	}
	if (fault.other)
		put(&(struct attribute){ fault.other, 0, fault.value }, size_of(fault.other));
	return message_talk(guard, &message);
}

static const struct fault none = { .which = -1 };

static const struct request *named(const char *name)
{
	const struct request *request = requests;

	while (strcmp(request->name, name))
		request++;
	return request;
}

/* --- right and wrong ones --- */

static int taken;	/* that were to be refused */

static void is_refused(struct guard *guard, const struct request *request, struct fault fault, const char *what)
{
	int err;

	if (request->begun)
		stage_begin(guard);
	err = ask(guard, request, fault);
	if (err == -EINVAL || err == -ERANGE)
		return;
	taken++;
	check(false, "%s, attribute %d %s: %d", request->name,
	      fault.other ? fault.other : request->attrs[fault.which].type, what, err);
}

static bool has(const struct request *request, int type)
{
	for (int i = 0; i < ATTRS_MAX; i++)
		if (request->attrs[i].type == type)
			return true;
	return type == request->may || type == SLIM_A_HOST_FD;
}

static void wrong_attribute(struct guard *guard, const struct request *request, int which)
{
	const struct attribute *attr = &request->attrs[which];

	is_refused(guard, request, (struct fault){ .which = which, .more = INT_MIN }, "left out");
	is_refused(guard, request, (struct fault){ .which = which, .more = 1 }, "too long");
	is_refused(guard, request, (struct fault){ .which = which, .more = -1 }, "too short");
	is_refused(guard, request, (struct fault){ .which = which, .more = -(int)attr->size }, "empty");
	for (size_t i = 0; i < NUM(wrongs); i++)
		if (wrongs[i].type == attr->type)
			is_refused(guard, request, (struct fault){ .which = which, .wrong = &wrongs[i] },
				   "of a wrong value");
}

static void wrong_in_one_thing(struct guard *guard, const struct request *request)
{
	taken = 0;
	for (int i = 0; i < ATTRS_MAX && request->attrs[i].type; i++)
		wrong_attribute(guard, request, i);
	for (int type = 1; type <= SLIM_A_MAX + 1; type++)
		if (!has(request, type))
			is_refused(guard, request, (struct fault){ .which = -1, .other = type, .value = 1 },
				   "of another request");
	if (request->may == SLIM_A_FLAGS)
		is_refused(guard, request, (struct fault){ .which = -1, .other = SLIM_A_FLAGS, .value = 8 },
			   "of a wrong value");
	equal(taken, 0, "%s: wrong in one thing, it is refused", request->name);
}

static void right_and_wrong(struct guard *guard)
{
	for (size_t i = 0; i < NUM(requests); i++) {
		if (requests[i].begun)
			stage_begin(guard);
		equal(ask(guard, &requests[i], none), requests[i].answer, "%s", requests[i].name);
		wrong_in_one_thing(guard, &requests[i]);
	}
}

/* --- how many questions --- */

static int query(struct guard *guard, size_t num)
{
	static const struct slim_question questions[SLIM_QUESTIONS_MAX + 1];

	begin(guard, SLIM_CMD_QUERY, 0);
	message_put(&message, SLIM_A_QUESTIONS, questions, num * sizeof(questions[0]));
	return message_talk(guard, &message);
}

/* --- lists --- */

static int list(struct guard *guard, int command, int attr)
{
	int err;

	begin(guard, command, NLM_F_DUMP);
	if (attr)
		put(&(struct attribute){ attr, 0, 1 }, size_of(attr));
	err = message_send(guard, &message);
	return err ? err : message_answer(guard, &message, NULL, NULL);
}

static void lists(struct guard *guard)
{
	equal(list(guard, SLIM_CMD_SOCKET, 0), 0, "a list of sockets");
	equal(list(guard, SLIM_CMD_SOCKET, SLIM_A_COOKIE), -EINVAL, "... of one, which is none");
	equal(list(guard, SLIM_CMD_TENANT, 0), 0, "a list of tenants");
	equal(list(guard, SLIM_CMD_TENANT, SLIM_A_COOKIE), -EINVAL, "... with another request's attribute");
	equal(list(guard, SLIM_CMD_RULE, 0), 0, "a list of rules");
}

/* --- whose they are --- */

/* @owned: by somebody else */
static void asked_by_others(struct guard *guard, bool owned)
{
	int wrong = 0;

	for (size_t i = 0; i < NUM(requests); i++) {
		const struct request *request = &requests[i];
		bool anybodys = request->command == SLIM_CMD_DRAIN || request->command == SLIM_CMD_OWN;
		int wanted = -request->owners, err;

		if (!owned && anybodys)
			continue;
		if (!owned && request->owners)
			wanted = -ESTALE;
		else if (!request->owners)
			wanted = request->answer;
		err = ask(guard, request, none);
		if (err != wanted) {
			check(false, "%s: %d, not %d", request->name, err, wanted);
			wrong++;
		}
	}
	equal(wrong, 0, owned ? "others are refused what is the owner's" :
				"without an owner nobody has what is an owner's");
}

int main(int argc, char **argv)
{
	struct guard guard, other;

	if (argc > 1)
		host_fd = (int)must(open(argv[1], O_RDONLY | O_CLOEXEC), argv[1]);
	must(guard_open(&guard), "the family");
	must(guard_open(&other), "a second socket");
	asked_by_others(&other, false);
	equal(ask(&other, named("DRAIN"), none), 0, "without one, anybody may DRAIN");
	must(guard_own(&guard, host_fd), "own");
	asked_by_others(&other, true);
	right_and_wrong(&guard);
	equal(query(&guard, SLIM_QUESTIONS_MAX), 0, "as many questions as there may be");
	equal(query(&guard, SLIM_QUESTIONS_MAX + 1), -EINVAL, "one more");
	lists(&guard);
	close(other.fd);
	equal(ask(&guard, named("ABORT"), none), 0, "an owner stays it when somebody else has gone");
	return 0;
}
