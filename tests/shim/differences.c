/* SPDX-License-Identifier: MIT */
/*
 * differences.c - what a program can tell, as differences.txt describes it
 */
#include "differences/accepted.h"
#include "differences/connections.h"
#include "differences/filters.h"
#include "differences/resources.h"
#include "differences/tickets.h"
#include "differences/unseen.h"

static const struct test tests[] = {
	{ "duplicate", duplicate },
	{ "duplicate_over", duplicate_over },
	{ "bound_port", bound_port },
	{ "dissolved_accepted", is_dissolved, dissolved_accepted },
	{ "mapped", mapped, .applies = is_ipv4 },
	{ "ipv6only", ipv6only, .applies = is_ipv6 },
	{ "raw_option", raw_option },
	{ "unseen_options", unseen_options },
	{ "unseen_key", unseen_key },
	{ "without_proc", without_proc },
	{ "filter_kills", filter_kills },
	{ "number_again", number_again },
	{ "without_dup3", one_echo, without_dup3 },
	{ "stack_used", stack_used },
	{ "descriptors", descriptors },
	{ "reuseaddr", one_echo, reuseaddr },
	{ "foreign_level", one_echo, foreign_level, .applies = is_ipv4 },
	{ "ticket_ports", one_echo, ticket_ports, "both" },
	{ "spliced", urgent, spliced },
};

RUN_TESTS(tests)
