/* SPDX-License-Identifier: MIT */
/*
 * test_policy_victims.c - which connections a policy would cut, where containers cannot be looked at
 *
 * links: router/policy_victims.c router/endpoint.c router/text.c
 * libs: urcu urcu-common jansson
 */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <urcu.h>

#include "../../router/container.h"
#include "../../router/diag.h"
#include "../../router/directory.h"
#include "../../router/endpoint.h"
#include "../../router/ledger.h"
#include "../../router/packet_cutting.h"
#include "../../router/policy_force.h"
#include "../../router/policy_show.h"
#include "../../router/policy_victims.h"
#include "../../router/tags.h"
#include "suite.h"

#define CONTAINERS	3

/* --- what it stands on --- */

struct diag {
	int netns_fd;
};

/* @opens, @dumps: of each container, by netns_fd; @fails: which of its dumps, from 1 */
static struct {
	struct container containers[CONTAINERS];
	int opens[CONTAINERS];
	int dumps[CONTAINERS], fails[CONTAINERS];
	unsigned int refs, opened;
} world;

void containers_each(void (*each)(struct container *container, void *data), void *data)
{
	ck_assert(rcu_read_ongoing());
	for (int i = 0; i < CONTAINERS; i++)
		each(&world.containers[i], data);
}

struct container *container_by_id(uint32_t id)
{
	ck_assert(rcu_read_ongoing());
	return &world.containers[id - 1];
}

/* The last one goes meanwhile. */
bool container_get(struct container *container)
{
	if (container->id == CONTAINERS)
		return false;
	world.refs++;
	return true;
}

void container_put(struct container *container)
{
	(void)container;
	world.refs--;
}

/* Nothing that waits for the kernel is for a read section. */
struct diag *diag_open(int netns_fd)
{
	struct diag *diag = malloc(sizeof(*diag));

	ck_assert(!rcu_read_ongoing());
	ck_assert_int_ge(netns_fd, 0);
	if (world.opens[netns_fd]) {
		free(diag);
		errno = world.opens[netns_fd];
		return NULL;
	}
	world.opened++;
	diag->netns_fd = netns_fd;
	return diag;
}

void diag_close(struct diag *diag)
{
	world.opened -= diag != NULL;
	free(diag);
}

/* Each has one connection, to a port of its number. */
int diag_dump(struct diag *diag, unsigned int states, uint16_t port_first, uint16_t port_last,
	      bool info, void (*each)(const struct diag_socket *socket, void *data), void *data)
{
	struct diag_socket socket = { .family = AF_INET, .cookie = 7 };
	struct in6_addr addr = addr_map4(htonl(0x0a010101));

	(void)port_first;
	(void)port_last;
	ck_assert(!rcu_read_ongoing() && !info);
	if (++world.dumps[diag->netns_fd] == world.fails[diag->netns_fd])
		return -EIO;
	socket.local = endpoint_make(&addr, 4711);
	socket.peer = endpoint_make(&addr, (uint16_t)(diag->netns_fd + 1));
	if (states == DIAG_LIVE)
		each(&socket, data);
	return 0;
}

void ledger_each(void (*each)(struct ledger_entry *entry, void *data), void *data)
{
	(void)each;
	(void)data;
	ck_assert(rcu_read_ongoing());
}

bool packet_cutting_judges(const struct container *container, const struct diag_socket *socket)
{
	(void)container;
	(void)socket;
	return true;
}

struct policy_question policy_question_tcp(const struct ends *ends)
{
	(void)ends;
	return (struct policy_question){ 0 };
}

void policy_ask_other(struct policy_compiled *compiled, struct policy_members *members,
		      const struct policy_question *question, struct policy_verdict *verdict)
{
	(void)compiled;
	(void)members;
	(void)question;
	ck_assert(rcu_read_ongoing());
	*verdict = (struct policy_verdict){ 0 };
}

const struct policy_domain *policy_domain_find(const struct policy_compiled *compiled, uint32_t owner,
					       uint32_t source, uint32_t destination)
{
	static const struct policy_domain domain;

	(void)compiled;
	(void)owner;
	(void)source;
	(void)destination;
	return &domain;
}

const struct tags *directory_tags(uint32_t vni, const struct in6_addr *addr)
{
	(void)vni;
	(void)addr;
	ck_assert(rcu_read_ongoing());
	return NULL;
}

const char *config_tenant_name(const struct config *config, uint32_t vni)
{
	(void)config;
	(void)vni;
	return "?";
}

json_t *policy_show_place(const struct policy *policy, const struct policy_place *place)
{
	(void)policy;
	(void)place;
	return json_null();
}

/* --- what is found --- */

static json_t *unseen;

/* "1 2": the ports of those that would be cut */
static void finds(const char *ports, const char *cannot)
{
	static struct policy_compiled compiled;
	json_t *found, *item;
	char text[100] = "", names[100] = "";
	size_t i;

	found = policy_victims(&compiled, NULL, NULL, unseen);
	ck_assert_ptr_nonnull(found);
	json_array_foreach(found, i, item) {
		const char *destination = json_string_value(json_object_get(item, "destination"));

		strcat(strcat(text, " "), strchr(destination, ':') + 1);
	}
	json_array_foreach(unseen, i, item) {
		ck_assert_ptr_nonnull(json_string_value(json_object_get(item, "error")));
		strcat(strcat(names, " "), json_string_value(json_object_get(item, "container")));
	}
	json_decref(found);
	ck_assert_str_eq(text, ports);
	ck_assert_str_eq(names, cannot);
	ck_assert_uint_eq(world.refs, 0);
	ck_assert_uint_eq(world.opened, 0);
}

static void setup(void)
{
	for (int i = 0; i < CONTAINERS; i++) {
		world.containers[i].id = (uint32_t)i + 1;
		world.containers[i].netns_fd = i;
		snprintf(world.containers[i].name, sizeof(world.containers[i].name), "c%d", i + 1);
	}
	unseen = json_array();
}

static void teardown(void)
{
	json_decref(unseen);
}

START_TEST(all)
{
	finds(" 1 2", "");
}
END_TEST

START_TEST(one_cannot_be_entered)
{
	world.opens[0] = EMFILE;
	finds(" 2", " c1");
}
END_TEST

START_TEST(one_is_not_named_wholly)
{
	world.fails[1] = _i;
	finds(" 1", " c2");
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("policy_victims");
	TCase *tc = tcase_create("containers");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, all);
	tcase_add_test(tc, one_cannot_be_entered);
	tcase_add_loop_test(tc, one_is_not_named_wholly, 1, 5);
	suite_add_tcase(s, tc);
	return s;
}

int main(void)
{
	rcu_register_thread();
	return suite_run(suite());
}
