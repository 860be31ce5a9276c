/* SPDX-License-Identifier: MIT */
/* policy_force.c - the policy that is in force */
#include "policy_force.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <urcu.h>

#include "directory.h"
#include "endpoint.h"
#include "policy_crossing.h"

/* @compiled may be shared with others; each gives it up. */
struct force {
	struct policy_compiled *compiled;
	struct policy_members *members;
	bool closed;
	struct rcu_head rcu;
};

static struct force *force;
static uint64_t generation;

static void free_force(struct rcu_head *head)
{
	struct force *old = caa_container_of(head, struct force, rcu);

	policy_members_free(old->members);
	policy_compiled_put(old->compiled);
	free(old);
}

/* --- asking --- */

static const struct policy_domain *domain_at(const struct force *now, uint32_t owner,
					     const struct policy_question *question)
{
	return policy_domain_find(now->compiled, owner, question->source_vni,
				  question->destination_vni);
}

static struct in6_addr addr_of(const uint8_t address[16])
{
	struct in6_addr addr;

	memcpy(&addr, address, sizeof(addr));
	return addr;
}

/* May it be a container's at all? */
static bool is_inside(const struct config *config, uint32_t vni, const struct in6_addr *addr)
{
	const struct config_tenant *tenant = config_tenant_by_vni(config, vni);

	return tenant && config_tenant_covers(tenant, addr);
}

static bool is_unknown(const struct force *now, uint32_t vni, const uint8_t address[16])
{
	struct in6_addr addr = addr_of(address);

	return directory_is_unknown(vni, &addr) && is_inside(now->compiled->config, vni, &addr);
}

static bool is_provisional(const struct force *now, const struct policy_domain *domain,
			   const struct policy_question *question,
			   const struct policy_verdict *verdict)
{
	return !verdict->allowed && domain->dynamic_num &&
	       (is_unknown(now, question->source_vni, question->source) ||
		is_unknown(now, question->destination_vni, question->destination));
}

static void set_limits(const struct policy_compiled *compiled, struct policy_verdict *verdict)
{
	for (int i = 0; compiled->quotas && i < 2; i++) {
		verdict->limits[i].rule = verdict->rule;
		verdict->limits[i].quota = compiled->quotas[verdict->number];
	}
}

static void ask_domain(const struct force *now, const struct policy_domain *domain,
		       const struct policy_question *question, struct policy_verdict *verdict)
{
	struct classifier_question asked = { .service = question->service };
	uint32_t n = CLASSIFIER_NONE;

	memcpy(asked.src, question->source, sizeof(asked.src));
	memcpy(asked.dst, question->destination, sizeof(asked.dst));
	if (domain->classifier)
		n = classifier_lookup(domain->classifier,
				      now->members->of[domain - now->compiled->domains], &asked);
	verdict->policy = now->compiled->policy;
	verdict->rule = NULL;
	memset(verdict->limits, 0, sizeof(verdict->limits));
	verdict->allowed = domain->action == POLICY_ALLOW;
	if (n != CLASSIFIER_NONE) {
		verdict->number = domain->rules[n];
		verdict->rule = &now->compiled->policy->rules[verdict->number];
		verdict->allowed = verdict->rule->action == POLICY_ALLOW;
		set_limits(now->compiled, verdict);
	}
	verdict->provisional = is_provisional(now, domain, question, verdict);
}

/* Of addresses that containers have besides those that they are known by, no rule can say whose they are. */
static bool is_link_local(const struct policy_question *question)
{
	struct in6_addr source = addr_of(question->source);
	struct in6_addr destination = addr_of(question->destination);

	return addr_is_link_local(&source) || addr_is_link_local(&destination);
}

/* What is for another tenant's addresses, to which there are connections, would be a packet: those take the slim
 * path alone. */
static bool is_crossing(const struct force *now, const struct policy_question *question)
{
	struct in6_addr destination = addr_of(question->destination);
	const struct policy_crossing *crossings;
	uint32_t num;

	crossings = policy_crossing_from(now->compiled, question->source_vni, &num);
	for (uint32_t i = 0; i < num; i++)
		if (config_tenant_covers(crossings[i].to, &destination))
			return true;
	return false;
}

static void ask_within(const struct force *now, const struct policy_question *question,
		       struct policy_verdict *verdict)
{
	const struct policy_domain *domain = domain_at(now, question->source_vni, question);

	if (domain && (is_link_local(question) || is_crossing(now, question))) {
		verdict->allowed = false;
		verdict->policy = now->compiled->policy;
	} else if (domain) {
		ask_domain(now, domain, question, verdict);
	}
}

/* Both have to say so: the source's is asked first. */
static void ask_between(const struct force *now, const struct policy_question *question,
			struct policy_verdict *verdict)
{
	const struct policy_domain *first = domain_at(now, question->source_vni, question);
	const struct policy_domain *second = domain_at(now, question->destination_vni, question);
	struct policy_verdict other = *verdict;

	verdict->allowed = false;
	verdict->policy = now->compiled->policy;
	if (!first || !second)
		return;
	ask_domain(now, first, question, verdict);
	ask_domain(now, second, question, &other);
	if (verdict->allowed && other.allowed) {
		verdict->second = other.rule;
		verdict->second_number = other.number;
	} else if (verdict->allowed) {
		*verdict = other;
	}
	verdict->limits[1] = other.limits[1];
}

/* @verdict: as it is without a policy */
static void ask(const struct force *now, const struct policy_question *question,
		struct policy_verdict *verdict)
{
	bool within = question->source_vni == question->destination_vni;

	if (now->closed)
		verdict->allowed = false;
	else if (now->compiled && within)
		ask_within(now, question, verdict);
	else if (now->compiled)
		ask_between(now, question, verdict);
}

void policy_ask(const struct policy_question *question, struct policy_verdict *verdict)
{
	const struct force *now;

	*verdict = (struct policy_verdict){
		.allowed = question->source_vni == question->destination_vni,
		.generation = __atomic_load_n(&generation, __ATOMIC_ACQUIRE),
	};
	now = rcu_dereference(force);
	if (now)
		ask(now, question, verdict);
}

void policy_ask_other(struct policy_compiled *compiled, struct policy_members *members,
		      const struct policy_question *question, struct policy_verdict *verdict)
{
	const struct force other = { .compiled = compiled, .members = members };

	*verdict = (struct policy_verdict){
		.allowed = question->source_vni == question->destination_vni,
	};
	ask(&other, question, verdict);
}

struct policy_question policy_question_tcp(const struct ends *ends)
{
	struct policy_question question = {
		.source_vni = ends->source_vni, .destination_vni = ends->destination_vni,
		.service = CLASSIFIER_SERVICE(CLASSIFIER_TCP, ends->destination.port),
	};

	memcpy(question.source, ends->source.addr, sizeof(question.source));
	memcpy(question.destination, ends->destination.addr, sizeof(question.destination));
	return question;
}

void policy_ask_tcp(const struct ends *ends, struct policy_verdict *verdict)
{
	struct policy_question question = policy_question_tcp(ends);

	policy_ask(&question, verdict);
}

void policy_count(const struct policy_verdict *verdict)
{
	const struct force *now = rcu_dereference(force);

	if (!now || !now->compiled || now->compiled->policy != verdict->policy)
		return;
	if (verdict->rule)
		__atomic_fetch_add(&now->compiled->hits[verdict->number], 1, __ATOMIC_RELAXED);
	if (verdict->second)
		__atomic_fetch_add(&now->compiled->hits[verdict->second_number], 1, __ATOMIC_RELAXED);
}

bool policy_is_stale(const struct policy_verdict *verdict)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return policy_generation() != verdict->generation;
}

const struct policy_compiled *policy_in_force(void)
{
	const struct force *now = rcu_dereference(force);

	return now ? now->compiled : NULL;
}

struct policy_compiled *policy_in_force_get(void)
{
	struct policy_compiled *compiled;
	const struct force *now;

	rcu_read_lock();
	now = rcu_dereference(force);
	compiled = now ? now->compiled : NULL;
	if (compiled)
		policy_compiled_get(compiled);
	rcu_read_unlock();
	return compiled;
}

bool policy_is_closed(void)
{
	const struct force *now = rcu_dereference(force);

	return now && now->closed;
}

uint64_t policy_generation(void)
{
	return __atomic_load_n(&generation, __ATOMIC_ACQUIRE);
}

/* --- publishing --- */

/*
 * The policy first, then the generation: who has read the new generation has asked the new
 * policy, and who has asked the old one finds that the generation has changed.
 */
static int publish(const struct force *what)
{
	struct force *next = malloc(sizeof(*next)), *old = force;

	if (!next) {
		policy_members_free(what->members);
		policy_compiled_put(what->compiled);
		return -ENOMEM;
	}
	*next = *what;
	rcu_assign_pointer(force, next);
	__atomic_fetch_add(&generation, 1, __ATOMIC_SEQ_CST);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (old)
		call_rcu(&old->rcu, free_force);
	return 0;
}

int policy_publish(struct policy_compiled *compiled, struct policy_members *members)
{
	return publish(&(struct force){ .compiled = compiled, .members = members });
}

int policy_publish_members(struct policy_members *members)
{
	policy_compiled_get(force->compiled);
	return publish(&(struct force){ .compiled = force->compiled, .members = members });
}

int policy_publish_closed(void)
{
	return publish(&(struct force){ .closed = true });
}

void policy_force_exit(void)
{
	struct force *old = force;

	rcu_set_pointer(&force, NULL);
	if (old)
		call_rcu(&old->rcu, free_force);
}
