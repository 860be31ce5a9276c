/* SPDX-License-Identifier: MIT */
/*
 * policy.c - a policy in slim.ko: told, put in force, asked, and kept
 *
 * What it answers is compared with what core/ answers here, of the same policy.
 *
 *	policy		all cases, with a million questions
 *	policy NUM	with so many
 *
 * links: core/classifier.c core/classifier_axis.c core/classifier_build.c core/classifier_cells.c
 * links: core/classifier_crowd.c core/classifier_events.c core/classifier_members.c core/classifier_memory.c
 * links: core/classifier_services.c core/classifier_sieve.c core/classifier_sort.c core/classifier_tree.c
 */
#include <poll.h>
#include <time.h>

#include "../../core/classifier.h"
#include "guard.h"

#define DOMAINS_NUM	3	/* tenant 7, tenant 8, and from 7 to 8, of which both tenants have one */
#define RULES_MAX	100000
#define CHUNK		60000	/* bytes of a message */

static const struct classifier_allocator allocator = { malloc, free };
static struct message message;
static uint64_t random_state = 1;

static uint32_t random_below(uint32_t limit)
{
	random_state = random_state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(random_state >> 33) % limit;
}

static double now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

/* --- a policy, as it is told --- */

static struct told {
	struct slim_policy_counts counts;
	struct slim_policy_domain domains[8];
	struct slim_policy_set sets[2 * RULES_MAX + 8];
	struct slim_policy_range ranges[4 * RULES_MAX + 8];
	struct slim_policy_rule rules[RULES_MAX + 8];
	struct slim_policy_service services[2 * RULES_MAX + 8];
} told;

static void address_put(uint8_t address[16], uint32_t number)
{
	memset(address, 0, 10);
	address[10] = address[11] = 0xff;
	for (int i = 0; i < 4; i++)
		address[12 + i] = (uint8_t)(number >> (24 - 8 * i));
}

static void add_range(uint32_t first, uint32_t last)
{
	struct slim_policy_range *range = &told.ranges[told.counts.ranges++];

	address_put(range->first, first);
	address_put(range->last, last);
	told.sets[told.counts.sets - 1].ranges_num++;
}

static void add_set(void)
{
	told.sets[told.counts.sets++].ranges_num = 0;
}

static void add_service(uint32_t first, uint32_t last)
{
	told.services[told.counts.services++] = (struct slim_policy_service){ first, last };
	told.rules[told.counts.rules - 1].services_num++;
}

static struct slim_policy_domain *add_domain(uint32_t owner, uint32_t source, uint32_t destination, bool allow)
{
	struct slim_policy_domain *domain = &told.domains[told.counts.domains++];

	*domain = (struct slim_policy_domain){ .owner = owner, .source = source, .destination = destination,
					       .flags = allow ? SLIM_POLICY_ALLOW : 0 };
	return domain;
}

static struct slim_policy_rule *add_rule(struct slim_policy_domain *domain, uint32_t source, uint32_t destination,
					 bool allow)
{
	struct slim_policy_rule *rule = &told.rules[told.counts.rules++];

	*rule = (struct slim_policy_rule){ .id = told.counts.rules + 1000, .source = source, .destination = destination,
					   .flags = allow ? SLIM_POLICY_ALLOW : 0 };
	domain->rules_num++;
	return rule;
}

/* Of 10.32.0.0/16, from which questions are, too */
static uint32_t random_address(void)
{
	return 0x0a200000 + random_below(random_below(4) ? 4096 : 65536);
}

static void add_random_set(void)
{
	add_set();
	for (uint32_t i = 1 + random_below(2); i; i--) {
		uint32_t first = random_address();

		add_range(first, first + (random_below(3) ? 0 : random_below(256)));
	}
}

static void add_random_domain(uint32_t owner, uint32_t source, uint32_t destination, uint32_t rules_num)
{
	struct slim_policy_domain *domain = add_domain(owner, source, destination, random_below(2));

	domain->sets_num = 2 * rules_num;
	domain->sets_dynamic = rules_num / 10;
	for (uint32_t i = 0; i < domain->sets_num; i++)
		add_random_set();
	for (uint32_t i = 0; i < rules_num; i++) {
		uint32_t port = random_below(2000);

		add_rule(domain, random_below(domain->sets_num), random_below(domain->sets_num), random_below(2));
		if (random_below(4))
			add_service(port, port + random_below(100));
		else
			add_service(0, CLASSIFIER_SERVICE_MAX);
	}
}

static void make_random(uint32_t rules_num)
{
	memset(&told.counts, 0, sizeof(told.counts));
	add_random_domain(7, 7, 7, rules_num / 2);
	add_random_domain(7, 7, 8, rules_num / 4);
	add_random_domain(8, 7, 8, rules_num / 4);
}

/* --- telling it --- */

static int stage(struct guard *guard, uint32_t what)
{
	message_begin(guard, &message, SLIM_CMD_STAGE, 0);
	message_put32(&message, SLIM_A_STAGE, what);
	return message_talk(guard, &message);
}

static int stage_begin(struct guard *guard, uint64_t generation, uint32_t flags,
		       const struct slim_policy_counts *counts)
{
	message_begin(guard, &message, SLIM_CMD_STAGE, 0);
	message_put32(&message, SLIM_A_STAGE, SLIM_STAGE_BEGIN);
	message_put64(&message, SLIM_A_GENERATION, generation);
	message_put(&message, SLIM_A_COUNTS, counts, sizeof(*counts));
	if (flags)
		message_put32(&message, SLIM_A_FLAGS, flags);
	return message_talk(guard, &message);
}

static int stage_part(struct guard *guard, uint32_t part, const void *data, size_t size, size_t num)
{
	size_t most = CHUNK / size;
	int err = 0;

	for (size_t at = 0; at < num && !err; at += most) {
		size_t some = num - at < most ? num - at : most;

		message_begin(guard, &message, SLIM_CMD_STAGE, 0);
		message_put32(&message, SLIM_A_STAGE, SLIM_STAGE_PART);
		message_put32(&message, SLIM_A_PART, part);
		message_put(&message, SLIM_A_DATA, (const char *)data + at * size, some * size);
		err = message_talk(guard, &message);
	}
	return err;
}

static int stage_parts(struct guard *guard)
{
	int err = stage_part(guard, SLIM_PART_DOMAINS, told.domains, sizeof(told.domains[0]), told.counts.domains);

	if (!err)
		err = stage_part(guard, SLIM_PART_SETS, told.sets, sizeof(told.sets[0]), told.counts.sets);
	if (!err)
		err = stage_part(guard, SLIM_PART_RANGES, told.ranges, sizeof(told.ranges[0]), told.counts.ranges);
	if (!err)
		err = stage_part(guard, SLIM_PART_RULES, told.rules, sizeof(told.rules[0]), told.counts.rules);
	if (!err)
		err = stage_part(guard, SLIM_PART_SERVICES, told.services, sizeof(told.services[0]),
				 told.counts.services);
	return err;
}

static int stage_all(struct guard *guard, uint64_t generation, uint32_t flags)
{
	int err = stage_begin(guard, generation, flags, &told.counts);

	if (!err)
		err = stage_parts(guard);
	return err ? err : stage(guard, SLIM_STAGE_END);
}

/* *@cut: how many were cut */
static int commit(struct guard *guard, uint64_t generation, uint64_t *cut)
{
	int err;

	message_begin(guard, &message, SLIM_CMD_COMMIT, 0);
	message_put64(&message, SLIM_A_GENERATION, generation);
	err = message_talk(guard, &message);
	if (cut)
		*cut = message_u64(&message, SLIM_A_CUT);
	return err;
}

static int enforce(struct guard *guard, uint64_t generation)
{
	int err = stage_all(guard, generation, 0);

	return err ? err : commit(guard, generation, NULL);
}

/* --- the same in user space --- */

struct classified {
	struct classifier *classifiers[8];
	struct classifier_members *members[8];
	uint32_t rules[8];		/* each domain's first */
	double build_ms;
};

static void classify(struct classified *made)
{
	static struct classifier_set sets[NUM(told.sets)];
	static struct classifier_rule rules[NUM(told.rules)];
	uint32_t set = 0, range = 0, rule = 0, service = 0;

	memset(made, 0, sizeof(*made));
	for (uint32_t i = 0; i < told.counts.sets; i++) {
		sets[i] = (struct classifier_set){ (void *)&told.ranges[range], told.sets[i].ranges_num };
		range += told.sets[i].ranges_num;
	}
	for (uint32_t i = 0; i < told.counts.rules; i++) {
		rules[i] = (struct classifier_rule){ told.rules[i].source, told.rules[i].destination,
						     (void *)&told.services[service], told.rules[i].services_num };
		service += told.rules[i].services_num;
	}
	for (uint32_t i = 0; i < told.counts.domains; i++) {
		const struct slim_policy_domain *domain = &told.domains[i];
		const struct classifier_policy policy = { sets + set, domain->sets_num, domain->sets_dynamic,
							  rules + rule, domain->rules_num };
		double begin = now_ms();

		must(-!!classifier_build(&policy, &allocator, &made->classifiers[i]), "classifier_build");
		must(-!!classifier_members_build(made->classifiers[i], sets + set, &allocator, &made->members[i]),
		     "classifier_members_build");
		made->build_ms += now_ms() - begin;
		made->rules[i] = rule;
		set += domain->sets_num;
		rule += domain->rules_num;
	}
}

static void classified_free(struct classified *made)
{
	for (uint32_t i = 0; i < told.counts.domains; i++) {
		classifier_members_free(made->members[i], &allocator);
		classifier_free(made->classifiers[i], &allocator);
	}
}

static struct slim_decision ask_domain(const struct classified *made, uint32_t i, const struct slim_question *question)
{
	struct classifier_question asked = { .service = question->service };
	const struct slim_policy_rule *rule;
	uint32_t n;

	memcpy(asked.src, question->source, 16);
	memcpy(asked.dst, question->destination, 16);
	n = classifier_lookup(made->classifiers[i], made->members[i], &asked);
	if (n == CLASSIFIER_NONE)
		return (struct slim_decision){ !!told.domains[i].flags, SLIM_NO_RULE };
	rule = &told.rules[made->rules[i] + n];
	return (struct slim_decision){ !!rule->flags, rule->id };
}

static struct slim_decision ask_here(const struct classified *made, const struct slim_question *question)
{
	bool within = question->source_vni == question->destination_vni;
	struct slim_decision first, second;

	if (within)
		return question->source_vni == 7 ? ask_domain(made, 0, question) :
						   (struct slim_decision){ 1, SLIM_NO_RULE };
	if (question->source_vni != 7)
		return (struct slim_decision){ 0, SLIM_NO_RULE };
	first = ask_domain(made, 1, question);
	second = ask_domain(made, 2, question);
	return first.allowed && !second.allowed ? second : first;
}

static struct slim_question random_question(void)
{
	struct slim_question question = { .source_vni = 7 + !random_below(20),
					  .destination_vni = 7 + random_below(2), .service = random_below(2100) };

	address_put(question.source, random_address());
	address_put(question.destination, random_address());
	return question;
}

/* How many of so many random questions are answered otherwise than here, and how many are allowed */
static long disagreements(struct guard *guard, const struct classified *made, long num, long *allowed)
{
	static struct slim_question questions[SLIM_QUESTIONS_MAX];
	long wrong = 0;

	*allowed = 0;
	for (long done = 0; done < num; done += SLIM_QUESTIONS_MAX) {
		const struct nlattr *attr;
		const struct slim_decision *verdicts;

		for (int i = 0; i < SLIM_QUESTIONS_MAX; i++)
			questions[i] = random_question();
		message_begin(guard, &message, SLIM_CMD_QUERY, 0);
		message_put(&message, SLIM_A_QUESTIONS, questions, sizeof(questions));
		must(-!!message_talk(guard, &message), "QUERY");
		attr = nlmsg_find(message_head(&message), SLIM_A_VERDICTS);
		must(attr && attr->nla_len == NLA_HDRLEN + sizeof(*verdicts) * SLIM_QUESTIONS_MAX ? 0 : -1, "VERDICTS");
		verdicts = attr_value(attr);
		for (int i = 0; i < SLIM_QUESTIONS_MAX; i++) {
			struct slim_decision here = ask_here(made, &questions[i]);

			wrong += memcmp(&here, &verdicts[i], sizeof(here)) != 0;
			*allowed += verdicts[i].allowed;
		}
	}
	return wrong;
}

static void agreement(struct guard *guard, long num)
{
	static const uint32_t sizes[] = { 8, 300, 10000 };
	struct classified made;
	long allowed;

	for (size_t i = 0; i < NUM(sizes); i++) {
		make_random(sizes[i]);
		equal(enforce(guard, 100 + i), 0, "%u random rules are in force", sizes[i]);
		classify(&made);
		equal(disagreements(guard, &made, num / (long)NUM(sizes), &allowed), 0,
		      "%ld random questions are answered as in user space", num / (long)NUM(sizes));
		check(allowed > num / 1000 && allowed < num / (long)NUM(sizes), "%ld were allowed", allowed);
		classified_free(&made);
	}
}

/* --- members --- */

/* The dynamic sets alone, told anew */
static void make_members(void)
{
	uint32_t num = 0;

	for (uint32_t i = 0; i < told.counts.domains; i++)
		num += told.domains[i].sets_dynamic;
	memset(&told.counts, 0, sizeof(told.counts));
	while (num--)
		add_random_set();
}

static void members(struct guard *guard, long num)
{
	static struct told before;
	struct classified made;
	uint32_t set = 0, range = 0, new_set = 0, new_range = 0;
	long allowed;

	make_random(1000);
	must(enforce(guard, 200), "a policy");
	before = told;
	make_members();
	equal(stage_all(guard, 201, SLIM_STAGE_MEMBERS), 0, "other members of dynamic sets are told");
	equal(commit(guard, 201, NULL), 0, "they are in force");
	equal(stage_part(guard, SLIM_PART_SETS, told.sets, sizeof(told.sets[0]), 1), -ENODATA, "nothing is staged any more");
	/* The policy that has both */
	static struct told joined;

	joined = before;
	joined.counts.ranges = 0;
	for (uint32_t i = 0; i < before.counts.domains; i++) {
		for (uint32_t j = 0; j < before.domains[i].sets_num; j++, set++) {
			bool dynamic = j < before.domains[i].sets_dynamic;
			uint32_t ranges_num = dynamic ? told.sets[new_set].ranges_num : before.sets[set].ranges_num;

			memcpy(&joined.ranges[joined.counts.ranges],
			       dynamic ? &told.ranges[new_range] : &before.ranges[range],
			       ranges_num * sizeof(joined.ranges[0]));
			joined.counts.ranges += ranges_num;
			joined.sets[set].ranges_num = ranges_num;
			range += before.sets[set].ranges_num;
			if (dynamic) {
				new_range += ranges_num;
				new_set++;
			}
		}
	}
	told = joined;
	classify(&made);
	equal(disagreements(guard, &made, num, &allowed), 0, "%ld questions agree", num);
	classified_free(&made);
}

/* --- what is told wrongly --- */

/* Each number that says how far something reaches, told too large; flags and what is reserved */
static void wrong_numbers(struct guard *guard)
{
	static const struct {
		void *number;
		size_t size;
		uint32_t value;
		const char *what;
	} wrongs[] = {
		{ &told.domains[2].rules_num, 4, 100000, "rules that are not there" },
		{ &told.domains[2].sets_num, 4, 100000, "sets that are not there" },
		{ &told.domains[0].sets_dynamic, 4, 100000, "more dynamic sets than sets" },
		{ &told.domains[0].flags, 4, 2, "an unknown flag of a domain" },
		{ &told.domains[1].source, 4, 1 << 24, "no VNI" },
		{ &told.domains[1].destination, 4, 1 << 24, "no VNI of a destination" },
		{ &told.sets[0].ranges_num, 4, 100000, "ranges that are not there" },
		{ &told.rules[7].services_num, 4, 100000, "services that are not there" },
		{ &told.rules[7].services_num, 4, 0xffffffff, "very many of them" },
		{ &told.rules[0].destination, 4, 100000, "a set that is not there" },
		{ &told.rules[0].reserved, 4, 1, "what is reserved" },
		{ &told.rules[0].shape.flags, 4, 64, "an unknown shape" },
		{ &told.rules[0].shape.priority, 1, 7, "a priority that is none" },
	};

	for (size_t i = 0; i < NUM(wrongs); i++) {
		make_random(8);
		memcpy(wrongs[i].number, &wrongs[i].value, wrongs[i].size);
		equal(stage_all(guard, 303, 0), -EINVAL, "%s", wrongs[i].what);
	}
}

/* Domains without rules, of which nothing else can be wrong */
static void wrong_domains(struct guard *guard)
{
	static const struct {
		uint32_t owner, source, destination;
	} seconds[] = { { 8, 8, 9 }, { 8, 8, 8 }, { 8, 7, 9 }, { 7, 7, 9 } };

	for (size_t i = 0; i < NUM(seconds); i++) {
		memset(&told.counts, 0, sizeof(told.counts));
		add_domain(8, 8, 9, true);
		add_domain(seconds[i].owner, seconds[i].source, seconds[i].destination, true);
		equal(stage_all(guard, 303, 0), -EINVAL, i ? "domains in another order" : "two domains of the same");
	}
	memset(&told.counts, 0, sizeof(told.counts));
	add_domain(7, 7, 7, true)->sets_dynamic = 1;
	equal(stage_all(guard, 303, 0), -EINVAL, "a dynamic set where there is none");
}

#define LARGE	(5 << 20)	/* bytes: an array of pages of its own, behind which there is no memory */

/* Of one kind twice as many are wanted as there are. (Nothing is wrong with zeros, of which there are that many.) */
static void fewer_than_wanted(struct guard *guard)
{
	static const char zeros[LARGE];
	const struct {
		enum slim_part part;
		size_t size;
		uint32_t *num, *wanted;
		const char *what;
	} cases[] = {
		{ SLIM_PART_SETS, sizeof(told.sets[0]), &told.counts.sets, &told.domains[0].sets_num, "sets" },
		{ SLIM_PART_RANGES, sizeof(told.ranges[0]), &told.counts.ranges, &told.sets[0].ranges_num, "ranges" },
		{ SLIM_PART_RULES, sizeof(told.rules[0]), &told.counts.rules, &told.domains[0].rules_num, "rules" },
	};

	for (size_t i = 0; i < NUM(cases); i++) {
		struct slim_policy_domain *domain;
		uint32_t num = (uint32_t)(LARGE / cases[i].size);

		memset(&told.counts, 0, sizeof(told.counts));
		domain = add_domain(7, 7, 7, true);
		domain->sets_num = 1;
		add_set();
		add_range(0, 0xffffffff);
		add_rule(domain, 0, 0, true);
		add_service(0, CLASSIFIER_SERVICE_MAX);
		*cases[i].num = num;
		*cases[i].wanted = 2 * num;
		must(stage_begin(guard, 303, 0, &told.counts), "begin");
		*cases[i].num = 0;
		must(stage_parts(guard), "all others");
		must(stage_part(guard, cases[i].part, zeros, cases[i].size, num), cases[i].what);
		equal(stage(guard, SLIM_STAGE_END), -EINVAL, "%s of which there are not that many", cases[i].what);
	}
}

static void wrong_policies(struct guard *guard)
{
	struct slim_policy_counts counts = { .sets = 1 }, huge = { .rules = SLIM_RULES_MAX + 1 };

	make_random(8);
	must(enforce(guard, 300), "a policy");
	equal(commit(guard, 301, NULL), -ENODATA, "nothing is put in force that was not staged");
	equal(stage(guard, SLIM_STAGE_END), -ENODATA, "nothing was begun");
	equal(stage_begin(guard, 302, 0, &huge), -E2BIG, "too many rules");
	equal(stage_begin(guard, 302, SLIM_STAGE_CLOSED, &counts), -EINVAL, "closed, with a set");
	equal(stage_begin(guard, 302, 3, &counts), -EINVAL, "two kinds at once");
	must(stage_begin(guard, 302, 0, &told.counts), "begin");
	equal(stage(guard, SLIM_STAGE_END), -ENODATA, "not all has come");
	must(stage_begin(guard, 302, 0, &told.counts), "begin");
	equal(stage_part(guard, SLIM_PART_SETS, told.sets, sizeof(told.sets[0]), told.counts.sets + 1), -E2BIG,
	      "more than was said");
	must(stage_begin(guard, 302, 0, &told.counts), "begin");
	equal(stage_part(guard, SLIM_PART_RULES, told.rules, sizeof(told.rules[0]) - 4, 1), -EINVAL, "half a rule");
	told.rules[0].source = 10000;
	equal(stage_all(guard, 303, 0), -EINVAL, "a rule with a set that is not there");
	told.rules[0].source = 0;
	told.rules[0].flags = 2;
	equal(stage_all(guard, 303, 0), -EINVAL, "an unknown flag");
	told.rules[0].flags = 0;
	/* (The last one: they are sorted.) */
	told.domains[2].owner = 9;
	equal(stage_all(guard, 303, 0), -EINVAL, "a domain of somebody else's");
	told.domains[2].owner = 8;
	make_random(8);
	told.domains[2].rules_num--;
	equal(stage_all(guard, 303, 0), -EINVAL, "a rule that is no domain's");
	wrong_numbers(guard);
	wrong_domains(guard);
	fewer_than_wanted(guard);
	make_random(8);
	must(stage_all(guard, 304, 0), "stage");
	equal(commit(guard, 305, NULL), -ENODATA, "what is staged has another number");
	equal(stage_part(guard, SLIM_PART_SETS, told.sets, sizeof(told.sets[0]), 1), -EALREADY, "more, after the end");
	equal(stage_begin(guard, 304, SLIM_STAGE_MEMBERS, &told.counts), -EINVAL, "members, with domains");
	must(stage_all(guard, 304, 0), "stage");
	equal(stage(guard, SLIM_STAGE_END), -EALREADY, "built twice");
	must(stage_all(guard, 304, 0), "stage");
	message_begin(guard, &message, SLIM_CMD_ABORT, 0);
	equal(message_talk(guard, &message), 0, "ABORT");
	equal(commit(guard, 304, NULL), -ENODATA, "what was given up is not there");
	must(guard_command(guard, &message, SLIM_CMD_GET), "GET");
	equal((long)message_u64(&message, SLIM_A_GENERATION), 300, "all the time the first one was in force");
}

/* What needs a policy, where there is none */
static void no_policy(struct guard *guard)
{
	const struct slim_policy_counts counts = { .sets = 1 };

	equal(stage_begin(guard, 1, SLIM_STAGE_MEMBERS, &counts), -ENODATA, "members of no policy");
}

static void stale_members(struct guard *guard)
{
	make_random(100);
	must(enforce(guard, 400), "a policy");
	make_members();
	must(stage_all(guard, 401, SLIM_STAGE_MEMBERS), "members");
	make_random(100);
	must(enforce(guard, 402), "another policy, for which they are given up");
	equal(commit(guard, 401, NULL), -ENODATA, "members of a policy that is no more");
	make_members();
	told.sets[0].ranges_num++;
	equal(stage_all(guard, 403, SLIM_STAGE_MEMBERS), -EINVAL, "a range too few");
}

/* --- what lives --- */

/* Denies what goes to @port; all else is allowed, with @shape. */
static void make_denying(uint16_t denied, const struct slim_shape *shape)
{
	struct slim_policy_domain *domain;

	memset(&told.counts, 0, sizeof(told.counts));
	domain = add_domain(7, 7, 7, true);
	domain->sets_num = 1;
	add_set();
	add_range(0, 0xffffffff);
	add_rule(domain, 0, 0, false);
	add_service(denied, denied);
	add_rule(domain, 0, 0, true)->shape = *shape;
	add_service(0, 0xffff);
}

static struct slim_decision first_rule(const struct nlmsghdr *head)
{
	const struct nlattr *nest = nlmsg_find(head, SLIM_A_RULE);
	struct slim_decision found = { 0 };

	if (!nest)
		return found;
	found.rule = (uint32_t)attr_u64(attr_find(attr_value(nest), nest->nla_len - NLA_HDRLEN, SLIM_A_RULE_ID));
	found.allowed = (uint32_t)attr_u64(attr_find(attr_value(nest), nest->nla_len - NLA_HDRLEN, SLIM_A_HITS));
	return found;
}

static void sum_hits(const struct nlmsghdr *head, void *data)
{
	long *hits = data;
	struct slim_decision rule = first_rule(head);

	if (rule.rule >= 1001 && rule.rule <= 1002)
		hits[rule.rule - 1001] += rule.allowed;
}

static void cutting(struct guard *guard, int listener, uint16_t port)
{
	enum { CONNECTIONS = 400 };
	static int fds[CONNECTIONS][2];
	const struct slim_shape none = { 0 }, shape = { .flags = SLIM_SHAPE_TOS, .tos = 0x28 };
	struct slim_seal seal = seal_default();
	long denied_before = (long)guard_stat(guard, SLIM_A_DENIED), hits[2] = { 0 };
	int ended = 0, lived = 0, tos = 0, extra[2];
	uint64_t cut;
	double begin;

	make_denying(81, &none);
	must(enforce(guard, 500), "a policy");
	for (int i = 0; i < CONNECTIONS; i++) {
		host_connect(listener, port, AF_INET6, fds[i]);
		seal.peer.port = i % 2 ? 90 : 80;
		must(seal_socket(fds[i][0], &seal), "seal");
	}
	host_connect(listener, port, AF_INET6, extra);
	seal.peer.port = 81;
	equal(seal_socket(extra[0], &seal), -EACCES, "what the policy denies is not sealed");
	equal((long)guard_stat(guard, SLIM_A_DENIED), denied_before + 1, "it is counted");
	/* The other way round, the container's port is the destination. */
	seal.flags |= SLIM_SEAL_ACCEPTED;
	equal(setsockopt(extra[0], SOL_SLIM, SLIM_SEAL, &seal, sizeof(seal)), 0, "an accepted one is asked about as such");
	close(extra[0]);
	close(extra[1]);
	message_begin(guard, &message, SLIM_CMD_RULE, NLM_F_DUMP);
	must(message_send(guard, &message), "send");
	must(message_answer(guard, &message, sum_hits, hits), "RULE");
	equal(hits[0], 1, "hits of the rule that denies");
	equal(hits[1], CONNECTIONS + 1, "hits of the one that allows");
	make_denying(90, &shape);
	must(stage_all(guard, 501, 0), "stage");
	begin = now_ms();
	must(commit(guard, 501, &cut), "commit");
	for (int i = 1; i < CONNECTIONS; i += 2) {
		char byte;

		poll(&(struct pollfd){ .fd = fds[i][0], .events = POLLIN }, 1, 5000);
		ended += read(fds[i][0], &byte, 1) < 0 && errno == ECONNABORTED;
	}
	begin = now_ms() - begin;
	equal((long)cut, CONNECTIONS / 2, "a commit cuts what it denies");
	equal(ended, CONNECTIONS / 2, "each of them with ECONNABORTED");
	check(begin < 2000 * slowness(), "all of it within %.0f ms", begin);
	for (int i = 0; i < CONNECTIONS; i += 2) {
		char byte;

		lived += write(fds[i][0], "x", 1) == 1 && read(fds[i][1], &byte, 1) == 1;
	}
	equal(lived, CONNECTIONS / 2, "the others go on");
	getsockopt(fds[0][0], IPPROTO_IP, IP_TOS, &tos, &(socklen_t){ sizeof(tos) });
	equal(tos, 0x28, "with the TOS that their rule says now");
	equal(setsockopt(fds[0][0], IPPROTO_IP, IP_TOS, &(int){ 0 }, sizeof(int)) ? -errno : 0, -ENOPROTOOPT,
	      "which is locked");
	memset(&told.counts, 0, sizeof(told.counts));
	must(stage_all(guard, 502, SLIM_STAGE_CLOSED), "stage");
	must(commit(guard, 502, &cut), "commit");
	no_policy(guard);
	equal((long)cut, CONNECTIONS / 2, "closed: the rest is cut");
	host_connect(listener, port, AF_INET6, extra);
	equal(seal_socket(extra[0], &seal), -EACCES, "and nothing is sealed");
	must(stage_all(guard, 503, SLIM_STAGE_NONE), "stage");
	must(commit(guard, 503, &cut), "commit");
	equal(setsockopt(extra[0], SOL_SLIM, SLIM_SEAL, &seal, sizeof(seal)), 0, "without a policy all of a tenant is allowed");
	close(extra[0]);
	close(extra[1]);
	host_connect(listener, port, AF_INET6, extra);
	seal.peer_vni = 8;
	equal(seal_socket(extra[0], &seal), -EACCES, "and nothing between tenants");
	close(extra[0]);
	close(extra[1]);
	for (int i = 0; i < CONNECTIONS; i++) {
		close(fds[i][0]);
		close(fds[i][1]);
	}
}

/* --- counters of rules --- */

#define RULES	1000	/* more than a message has room for */

/* A rule for each of so many ports, of which all allow */
static void make_many(void)
{
	struct slim_policy_domain *domain;

	memset(&told.counts, 0, sizeof(told.counts));
	domain = add_domain(7, 7, 7, false);
	domain->sets_num = 1;
	add_set();
	add_range(0, 0xffffffff);
	for (uint32_t port = 1; port <= RULES; port++) {
		add_rule(domain, 0, 0, true);
		add_service(port, port);
	}
}

/* Seals one and closes it: 0 or -errno. @seal: what is not as usual */
static int seal_once(int listener, uint16_t port, const struct slim_seal *seal)
{
	int fds[2], err;

	host_connect(listener, port, AF_INET6, fds);
	err = seal_socket(fds[0], seal);
	close(fds[0]);
	close(fds[1]);
	return err;
}

static int hit(int listener, uint16_t port, uint16_t wanted)
{
	struct slim_seal seal = seal_default();

	seal.peer.port = wanted;
	return seal_once(listener, port, &seal);
}

/* How often each was told, and its hits */
static struct {
	uint32_t told, hits;
} rules_told[RULES + 1];

static void read_rule(const struct nlmsghdr *head, void *data)
{
	struct slim_decision rule = first_rule(head);

	(void)data;
	if (rule.rule > 1000 && rule.rule <= 1000 + RULES) {
		rules_told[rule.rule - 1000].told++;
		rules_told[rule.rule - 1000].hits += rule.allowed;
	}
}

static void begin_list(struct guard *guard)
{
	memset(rules_told, 0, sizeof(rules_told));
	message_begin(guard, &message, SLIM_CMD_RULE, NLM_F_DUMP);
	must(message_send(guard, &message), "send");
}

/* What has never decided is not told; all else is, once, in as many messages as it takes. */
static void many_hits(struct guard *guard, int listener, uint16_t port)
{
	int right = 0, wrong = 0;
	struct guard other;

	must(guard_open(&other), "open");
	make_many();
	must(enforce(guard, 510), "a policy");
	for (uint16_t i = 2; i <= RULES; i++)
		wrong += !!hit(listener, port, i);
	equal(wrong, 0, "all are sealed");
	equal(hit(listener, port, RULES), 0, "the last one again");
	begin_list(&other);
	must(message_answer(&other, &message, read_rule, NULL), "RULE");
	equal(rules_told[1].told, 0, "a rule that was never first is not told");
	for (int i = 2; i <= RULES; i++)
		right += rules_told[i].told == 1 && rules_told[i].hits == 1u + (i == RULES);
	equal(right, RULES - 1, "all others are, once, with their hits");
	begin_list(&other);
	must(enforce(guard, 511), "another policy");
	must(hit(listener, port, RULES), "seal");
	must(message_answer(&other, &message, read_rule, NULL), "RULE");
	check(rules_told[2].told, "a list has begun");
	equal(rules_told[RULES].told, 0, "it does not go on with another policy's rules");
	close(other.fd);
}

/* Between tenants the rules of both decide, and count. */
static void both_count(struct guard *guard, int listener, uint16_t port)
{
	struct slim_seal seal = seal_default();
	long hits[2] = { 0 };

	memset(&told.counts, 0, sizeof(told.counts));
	for (uint32_t owner = 7; owner <= 8; owner++) {
		struct slim_policy_domain *domain = add_domain(owner, 7, 8, false);

		domain->sets_num = 1;
		add_set();
		add_range(0, 0xffffffff);
		add_rule(domain, 0, 0, true);
		add_service(80, 80);
	}
	must(enforce(guard, 520), "a policy");
	seal.peer_vni = 8;
	equal(seal_once(listener, port, &seal), 0, "both tenants allow it");
	message_begin(guard, &message, SLIM_CMD_RULE, NLM_F_DUMP);
	must(message_send(guard, &message), "send");
	must(message_answer(guard, &message, sum_hits, hits), "RULE");
	equal(hits[0], 1, "the source's rule is counted");
	equal(hits[1], 1, "the destination's, too");
}

/* --- what a rule says of a connection, and what the router does --- */

static int option_of(int fd, int level, int name)
{
	int value = -1;

	return getsockopt(fd, level, name, &value, &(socklen_t){ sizeof(value) }) ? -errno : value;
}

static void shaped_as(int listener, uint16_t port, const int wanted[3], const char *what)
{
	struct slim_seal seal = seal_default();
	int fds[2];

	seal.shape = (struct slim_shape){ .flags = SLIM_SHAPE_ALL, .rate = 5000000, .tos = 0x10, .priority = 1 };
	host_connect(listener, port, AF_INET6, fds);
	must(seal_socket(fds[0], &seal), "seal");
	equal(option_of(fds[0], SOL_SOCKET, SO_MAX_PACING_RATE), wanted[0], "rate: %s", what);
	equal(option_of(fds[0], IPPROTO_IP, IP_TOS), wanted[1], "TOS: %s", what);
	equal(option_of(fds[0], SOL_SOCKET, SO_PRIORITY), wanted[2], "priority: %s", what);
	close(fds[0]);
	close(fds[1]);
}

/* A rule's come before the router's, each by itself. */
static void joined(struct guard *guard, int listener, uint16_t port)
{
	static const int routers[3] = { 5000000, 0x10, 1 }, rules[3] = { 3000000, 0x28, 4 };
	struct slim_shape shape = { .rate = 3000000, .tos = 0x28, .priority = 4 };

	for (uint32_t flags = 0; flags <= SLIM_SHAPE_ALL; flags++) {
		int wanted[3];

		for (int i = 0; i < 3; i++)
			wanted[i] = flags & 1u << i ? rules[i] : routers[i];
		shape.flags = flags;
		make_denying(81, &shape);
		must(enforce(guard, 530 + flags), "a policy");
		shaped_as(listener, port, wanted, flags ? "the rule's come first" : "the router's");
	}
}

/* Which rule has allowed a connection is told of it. */
static void rule_is_told(struct guard *guard, int listener, uint16_t port)
{
	struct slim_seal seal = seal_default();
	const struct slim_shape none = { 0 };
	const struct nlattr *nest;
	int fds[2];

	make_denying(81, &none);
	must(enforce(guard, 540), "a policy");
	host_connect(listener, port, AF_INET6, fds);
	must(seal_socket(fds[0], &seal), "seal");
	message_begin(guard, &message, SLIM_CMD_SOCKET, 0);
	message_put64(&message, SLIM_A_COOKIE, cookie_of(fds[0]));
	must(message_talk(guard, &message), "SOCKET");
	nest = nlmsg_find(message_head(&message), SLIM_A_SOCKET);
	equal(nest ? (long)attr_u64(attr_find(attr_value(nest), nest->nla_len - NLA_HDRLEN, SLIM_A_RULE_ID)) : -1, 1002,
	      "a socket's rule");
	close(fds[0]);
	close(fds[1]);
}

/* Without its owner the policy is kept. */
static void orphaned(struct guard *guard, int listener, uint16_t port)
{
	struct slim_seal seal = seal_default();
	const struct slim_shape none = { 0 };
	int fds[2];

	make_denying(81, &none);
	must(enforce(guard, 600), "a policy");
	must(stage_all(guard, 601, 0), "another one");
	close(guard->fd);
	host_connect(listener, port, AF_INET6, fds);
	seal.peer.port = 81;
	equal(seal_socket(fds[0], &seal), -EACCES, "without an owner the policy stays in force");
	must(guard_open(guard), "open");
	must(guard_own(guard, -1), "own");
	equal(commit(guard, 601, NULL), -ENODATA, "what it had staged has gone with it");
	must(guard_command(guard, &message, SLIM_CMD_GET), "GET");
	equal((long)message_u64(&message, SLIM_A_GENERATION), 600, "its next owner finds it");
	close(fds[0]);
	close(fds[1]);
}

#define TRIES	5	/* of what is timed: others may have the processor */

/* The least time that building took there, and here; at most so often until the one fits the other */
static bool builds_alike(struct guard *guard, struct classified *made, double *there, double *here)
{
	for (int i = 0; i < TRIES; i++) {
		double begin;

		must(stage_begin(guard, 700, 0, &told.counts), "begin");
		must(stage_parts(guard), "parts");
		begin = now_ms();
		must(stage(guard, SLIM_STAGE_END), "end");
		begin = now_ms() - begin;
		*there = !i || begin < *there ? begin : *there;
		if (i)
			classified_free(made);
		classify(made);
		*here = !i || made->build_ms < *here ? made->build_ms : *here;
		if (*there < (1.5 * *here + 50) * slowness())
			return true;
	}
	return false;
}

static void many_rules(struct guard *guard)
{
	struct classified made;
	double begin, there, here;
	long allowed;
	bool alike;

	make_random(RULES_MAX);
	alike = builds_alike(guard, &made, &there, &here);
	begin = now_ms();
	must(commit(guard, 700, NULL), "commit");
	check(alike, "%u rules: built in %.0f ms, put in force in %.0f ms; built in user space in %.0f ms", RULES_MAX, there,
	      now_ms() - begin, here);
	equal(disagreements(guard, &made, 20000, &allowed), 0, "they agree");
	check(guard_stat(guard, SLIM_A_MEMORY) - (1u << 20) < 200u << 20, "%.1f MB",
	      (double)guard_stat(guard, SLIM_A_MEMORY) / 1048576);
	classified_free(&made);
}

int main(int argc, char **argv)
{
	long num = argc > 1 ? atol(argv[1]) : 1000000;
	struct guard guard;
	uint16_t port;
	int listener;

	must(guard_open(&guard), "the family");
	must(guard_own(&guard, -1), "own");
	listener = host_listen(&port);
	no_policy(&guard);
	agreement(&guard, num);
	members(&guard, num / 20);
	wrong_policies(&guard);
	stale_members(&guard);
	cutting(&guard, listener, port);
	many_hits(&guard, listener, port);
	both_count(&guard, listener, port);
	joined(&guard, listener, port);
	rule_is_told(&guard, listener, port);
	orphaned(&guard, listener, port);
	many_rules(&guard);
	return 0;
}
