/* SPDX-License-Identifier: MIT */
/*
 * test_policy_parse.c - slim-policy(5): what is taken, what is refused, and how it is said
 *
 * links: router/policy.c router/policy_archive.c router/policy_pack.c router/policy_build.c router/policy_check.c router/policy_lex.c router/policy_ends.c router/policy_include.c router/policy_parse.c router/policy_parser.c router/policy_rule.c router/policy_report.c router/policy_source.c router/policy_value.c router/config.c router/config_lex.c router/config_parse.c router/config_report.c router/config_value.c router/config_word.c router/base64.c router/endpoint.c router/log.c
 * libs: check
 */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "../../router/endpoint.h"
#include "../../router/policy.h"
#include "../../router/policy_archive.h"
#include "../../router/policy_value.h"
#include "suite.h"

#define COUNT(a)	((int)(sizeof(a) / sizeof((a)[0])))
#define MANY		100000

static struct config *config;

static void setup(void)
{
	static const char text[] = "host h1 { address 192.0.2.1; }\n"
				   "tenant blue { vni 1; prefix 10.1.0.0/16; prefix fd01::/48; }\n"
				   "tenant green { vni 2; prefix 10.2.0.0/16; }\n"
				   "tenant clash { vni 3; prefix 10.1.128.0/17; }\n";
	char error[512];

	config = config_parse("t", text, strlen(text), error, sizeof(error));
	ck_assert_msg(config != NULL, "%s", error);
}

static void teardown(void)
{
	config_free(config);
}

static struct policy *good(const char *text)
{
	char *errors;
	struct policy *policy = policy_parse("p", text, strlen(text), config, &errors);

	ck_assert_msg(policy != NULL, "%s", errors);
	ck_assert_ptr_null(errors);
	return policy;
}

static const struct policy_member *members(const struct policy *policy, uint32_t set)
{
	return policy->members + policy->sets[set].first;
}

START_TEST(empty)
{
	struct policy *policy = good("# nothing\n\n   \n");

	ck_assert_uint_eq(policy->rules_num, 0);
	ck_assert_uint_eq(policy->tenants_num, 0);
	policy_free(policy);
	policy_free(NULL);
}
END_TEST

START_TEST(whole)
{
	struct policy *policy = good("tenant blue\n"
				     "default deny\n"
				     "allow tcp from web, 10.1.9.9 to container db1 port 80,8000-8100 \\\n"
				     "  rate 100mbit dscp af21 priority 3 connections 10 setups 50/s log\n"
				     "group web = 10.1.1.0/24, 10.1.2.4-10.1.2.9, label tier=web\n"
				     "deny any log # and no more\n"
				     "limit tenant rate 10gbit\n"
				     "limit each web rate 800kbit\n");
	const struct policy_rule *rule = policy->rules;
	const struct policy_member *member;

	ck_assert_uint_eq(policy->tenants_num, 1);
	ck_assert_int_eq(policy->tenants[0].action, POLICY_DENY);
	ck_assert_uint_eq(policy->tenants[0].vni, 1);
	ck_assert_uint_eq(policy->rules_num, 2);
	ck_assert_int_eq(rule->action, POLICY_ALLOW);
	ck_assert_int_eq(rule->protocol, POLICY_PROTOCOL_TCP);
	ck_assert_uint_eq(rule->place.line, 3);
	ck_assert_uint_eq(rule->rate, 12500000);
	ck_assert_int_eq(rule->tos, 18 << 2);
	ck_assert_int_eq(rule->priority, 3);
	ck_assert_uint_eq(rule->connections, 10);
	ck_assert_uint_eq(rule->setups, 50);
	ck_assert(rule->log);
	ck_assert_uint_eq(rule->ports_num, 2);
	ck_assert_uint_eq(policy->ports[rule->ports + 1].first, 8000);
	ck_assert_uint_eq(policy->ports[rule->ports + 1].last, 8100);

	member = members(policy, rule->source);
	ck_assert_uint_eq(policy->sets[rule->source].num, 2);
	ck_assert_int_eq(member[0].type, POLICY_MEMBER_GROUP);
	ck_assert_int_eq(member[1].type, POLICY_MEMBER_RANGE);
	member = members(policy, policy->groups[member[0].group].set);
	ck_assert_int_eq(member[1].range.last.s6_addr[15], 9);
	ck_assert_int_eq(member[2].type, POLICY_MEMBER_LABEL);
	ck_assert_str_eq(policy_string(policy, member[2].text.value), "web");
	member = members(policy, rule->destination);
	ck_assert_int_eq(member->type, POLICY_MEMBER_CONTAINER);
	ck_assert_str_eq(policy_string(policy, member->text.name), "db1");

	rule++;
	ck_assert_int_eq(rule->action, POLICY_DENY);
	ck_assert_int_eq(rule->tos, -1);
	ck_assert_int_eq(members(policy, rule->source)->type, POLICY_MEMBER_ANY);
	ck_assert_uint_eq(rule->source, rule->destination);
	ck_assert_uint_eq(policy->limits_num, 2);
	ck_assert_uint_eq(policy->limits[0].rate, 1250000000);
	ck_assert_uint_eq(policy->limits[0].set, POLICY_NONE);
	ck_assert_uint_eq(policy->limits[1].rate, 100000);
	policy_free(policy);
}
END_TEST

START_TEST(between_tenants)
{
	struct policy *policy = good("tenant blue\n"
				     "allow tcp from web to api of green port 443\n"
				     "group web = any\n"
				     "tenant green\n"
				     "group api = 10.2.0.1\n"
				     "allow tcp from web of blue to api port 443\n");
	const struct policy_rule *rule = policy->rules;

	ck_assert_uint_eq(policy->rules_num, 2);
	ck_assert_uint_ne(rule[0].tenant, rule[1].tenant);
	ck_assert_uint_eq(rule[0].source, rule[1].source);
	ck_assert_uint_eq(rule[0].destination, rule[1].destination);
	policy_free(policy);
}
END_TEST

/* What is said of a text with one error: where, the words, and what is marked ("": the line's end) */
static const struct {
	const char *text, *said, *caret;
} wrongs[] = {
	{ "alow any\n", "p:1:1: found \"alow\", expected allow, deny, group, default, limit, "
	  "include or tenant; did you mean \"allow\"?\n", "alow" },
	{ "allow any\n", "p:1:1: before this must stand whom it is about: tenant NAME\n", "a" },
	{ "tenant bleu\n", "p:1:8: found \"bleu\", expected a tenant of slimrouter.conf; did you "
	  "mean \"blue\"?\n", "bleu" },
	{ "tenant red\n", "p:1:8: found \"red\", expected a tenant of slimrouter.conf\n", "red" },
	{ "tenant\n", "p:1:7: found the end of the line, expected a tenant of slimrouter.conf\n",
	  "" },
	{ "tenant blue\nallow tpc to any\n", "p:2:7: found \"tpc\", expected tcp, udp, icmp or any; "
	  "did you mean \"tcp\"?\n", "tpc" },
	{ "tenant blue\nallow\n", "p:2:6: found the end of the line, expected tcp, udp, icmp or "
	  "any\n", "" },
	{ "tenant blue\nallow tcp form any\n", "p:2:11: found \"form\", expected from, to, port, an "
	  "option or the end of the line; did you mean \"from\"?\n", "form" },
	{ "tenant blue\nallow tcp from any from any\n", "p:2:20: \"from\" is said twice\n", "f" },
	{ "tenant blue\nallow any to any port 80\n", "p:2:18: ports are of tcp and udp only\n",
	  "p" },
	{ "tenant blue\ndeny tcp to any rate 1mbit\n", "p:2:17: \"rate\" is for what is allowed\n",
	  "r" },
	{ "tenant blue\nallow udp to any connections 5\n", "p:2:18: \"connections\" is of tcp "
	  "connections\n", "c" },
	{ "tenant blue\nallow tcp port 70000\n", "p:2:16: found \"70000\", expected a port from 0 "
	  "to 65535, or a range of them\n", "70000" },
	{ "tenant blue\nallow tcp port 90-80\n", "p:2:16: found \"90-80\", expected a port from 0 "
	  "to 65535, or a range of them\n", "90-80" },
	{ "tenant blue\nallow tcp port 80,\n", "p:2:19: found the end of the line, expected a port "
	  "from 0 to 65535, or a range of them\n", "" },
	{ "tenant blue\nallow tcp to 10.1.0.1/16\n", "p:2:14: found \"10.1.0.1/16\", expected a "
	  "prefix without bits beyond its length\n", "10.1.0.1/16" },
	{ "tenant blue\nallow tcp to 10.1.0.9-10.1.0.1\n", "p:2:14: found \"10.1.0.9-10.1.0.1\", "
	  "expected a range whose end is not before its beginning\n", "10.1.0.9-10.1.0.1" },
	{ "tenant blue\nallow tcp to 10.1.0\n", "p:2:14: found \"10.1.0\", expected an address, "
	  "prefix, range, group, container, label, any or outside\n", "10.1.0" },
	{ "tenant blue\nallow tcp to 10.1.0.1, any\n", "p:2:14: \"any\" includes what else is "
	  "listed\n", "1" },
	{ "tenant blue\nallow tcp to webb\n", "p:2:14: there is no group \"webb\" in tenant "
	  "\"blue\"\n", "webb" },
	{ "tenant green\ngroup wobb = any\ntenant blue\ngroup bew = any\ngroup web = any\n"
	  "group wxxb = any\nallow tcp to 10.1.0.1, webb\n", "p:7:24: there is no group \"webb\" in "
	  "tenant \"blue\"; did you mean \"web\"?\n", "webb" },
	{ "tenant blue\nallow tcp to api\n", "p:2:14: there is no group \"api\" in tenant \"blue\"\n",
	  "api" },
	{ "tenant blue\nallow tcp to outsde\n", "p:2:14: there is no group \"outsde\" in tenant "
	  "\"blue\"; did you mean \"outside\"?\n", "outsde" },
	{ "tenant blue\nallow tcp to 10.1.0.1,\\\n  webb\n", "p:3:3: there is no group \"webb\" in "
	  "tenant \"blue\"\n", "webb" },
	{ "tenant blue\nallow tcp to web of gren\n", "p:2:21: found \"gren\", expected a tenant of "
	  "slimrouter.conf; did you mean \"green\"?\n", "gren" },
	{ "tenant blue\nallow tcp to container\n", "p:2:23: found the end of the line, expected a "
	  "container's name, of 1 to 63 bytes\n", "" },
	{ "tenant blue\nallow tcp to label tier\n", "p:2:24: found the end of the line, expected "
	  "\"=\" and the label's value\n", "" },
	{ "tenant blue\nallow tcp rate 5mb\n", "p:2:16: found \"5mb\", expected a rate from 8bit to "
	  "1000gbit, as 64kbit, 100mbit or 2.5gbit\n", "5mb" },
	{ "tenant blue\nallow tcp tos 256\n", "p:2:15: found \"256\", expected an octet: 0 to 255, "
	  "or 0x00 to 0xff\n", "256" },
	{ "tenant blue\nallow tcp dscp af44\n", "p:2:16: found \"af44\", expected a code point: cs0 "
	  "to cs7, af11 to af43, ef, le, or 0 to 63; did you mean \"af41\"?\n", "af44" },
	{ "tenant blue\nallow tcp dscp 64\n", "p:2:16: found \"64\", expected a code point: cs0 "
	  "to cs7, af11 to af43, ef, le, or 0 to 63\n", "64" },
	{ "tenant blue\nallow tcp dscp ef tos 4\n", "p:2:19: \"dscp\" and \"tos\" are two ways to "
	  "say the same\n", "t" },
	{ "tenant blue\nallow tcp setups 0/s\n", "p:2:18: found \"0/s\", expected a number of "
	  "connections a second from 1/s to 1000000/s\n", "0/s" },
	{ "tenant blue\nallow tcp priority 7\n", "p:2:20: found \"7\", expected a number from 0 to "
	  "6\n", "7" },
	{ "tenant blue\ngroup any = 10.1.0.1\n", "p:2:7: found \"any\", expected a group's name, "
	  "which begins with a letter and is no word of the language\n", "any" },
	{ "tenant blue\ngroup a 10.1.0.1\n", "p:2:9: found \"10.1.0.1\", expected \"=\" and the "
	  "group's members\n", "10.1.0.1" },
	{ "tenant blue\ngroup a = 10.1.0.1\ngroup a = 10.1.0.2\n", "p:3:7: this group is defined "
	  "before, at p:2\n", "a" },
	{ "tenant blue\ngroup a = b\ngroup b = a\n", "p:2:7: group \"b\" holds itself, by group "
	  "\"a\"\n", "a" },
	{ "tenant blue\ngroup a = a\n", "p:2:7: group \"a\" holds itself, by group \"a\"\n", "a" },
	{ "tenant blue\ngroup a = any of green\n", "p:2:7: a group holds addresses of its own "
	  "tenant\n", "a" },
	{ "tenant blue\nallow tcp to outside of green\n", "p:2:14: \"outside\" belongs to no other "
	  "tenant\n", "o" },
	{ "tenant blue\nallow tcp from any of green to any of green\n", "p:2:1: neither end of this "
	  "rule is in tenant \"blue\"\n", "a" },
	{ "tenant blue\nallow udp from any of green\n", "p:2:1: only tcp connections go from tenant "
	  "to tenant\n", "a" },
	{ "tenant blue\nallow tcp to any of clash\n", "p:2:1: tenants \"blue\" and \"clash\" cannot "
	  "talk: their prefixes 10.1.0.0/16 and 10.1.128.0/17 overlap\n", "a" },
	{ "tenant blue\ndefault deny\ndefault allow\n", "p:3:1: the default of this tenant is said "
	  "before, at p:2\n", "d" },
	{ "tenant blue\ndefault maybe\n", "p:2:9: found \"maybe\", expected allow or deny\n",
	  "maybe" },
	{ "tenant blue\nlimit tenent rate 1gbit\n", "p:2:7: found \"tenent\", expected tenant, or each "
	  "and whom it limits; did you mean \"tenant\"?\n", "tenent" },
	{ "tenant blue\nlimit eahc any rate 1gbit\n", "p:2:7: found \"eahc\", expected tenant, or each "
	  "and whom it limits; did you mean \"each\"?\n", "eahc" },
	{ "tenant blue\nlimit tenant rte 1gbit\n", "p:2:14: found \"rte\", expected rate; did you mean "
	  "\"rate\"?\n", "rte" },
	{ "tenant blue\nlimit tenant rate 1gbit\nlimit tenant rate 2gbit\n", "p:3:1: the limit of this "
	  "tenant is said before, at p:2\n", "l" },
	{ "tenant blue\nallow tcp to container \"\"\n", "p:2:24: found \"\", expected a container's "
	  "name, of 1 to 63 bytes\n", "\"" },
	{ "tenant blue\nallow tcp to label \"\"=x\n", "p:2:20: found \"\", expected a label as "
	  "KEY=VALUE, of 63 bytes each at most\n", "\"" },
	{ "tenant blue\nallow tcp to label a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p/q/r/s/t/u/v/w/x/y/z/a/b/c/d/e/12"
	  "=x\n", "p:2:20: found \"a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p/q/r/s/t/u/v/w/x/y/z/...\", "
	  "expected a label as KEY=VALUE, of 63 bytes each at most\n",
	  "a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p/q/r/s/t/u/v/w/x/y/z/a/b/c/d/e/12" },
	{ "tenant blue\nlimit each any\n", "p:2:15: found the end of the line, expected rate\n", "" },
	{ "tenant blue\nlimit rate 1gbit\n", "p:2:7: found \"rate\", expected tenant, or each and "
	  "whom it limits\n", "rate" },
	{ "tenant blue\nlimit each any of green rate 1gbit\n", "p:2:12: a limit is of the tenant's "
	  "own containers\n", "a" },
	{ "tenant blue green\n", "p:1:13: found \"green\", expected the end of the line\n", "green" },
	{ "tenant \"blue\n", "p:1:8: found a string without its closing quote, expected a tenant of "
	  "slimrouter.conf\n", "\"blu" },
	{ "tenant blue\ngroup a = nine, 10.1.0.300\nallow tcp to a\n", "p:2:17: found \"10.1.0.300\", "
	  "expected an address, prefix, range, group, container, label, any or outside\n",
	  "10.1.0.300" },
	{ "tenant blue\nallow tcp; deny\n", "p:2:7: found \"tcp;\", expected tcp, udp, icmp or any; "
	  "did you mean \"tcp\"?\n", "tcp;" },
	{ "tenant blue\nallow tcp\001\n", "p:2:10: found the byte 0x01, expected from, to, port, an "
	  "option or the end of the line\n", "?" },
	{ "include other\n", "p:1:1: only a file can include others\n", "i" },
};

START_TEST(wrong)
{
	const char *text = wrongs[_i].text, *said = wrongs[_i].said, *below = wrongs[_i].caret, *line, *caret;
	struct policy *policy;
	size_t width;
	char *errors;

	policy = policy_parse("p", text, strlen(text), config, &errors);
	ck_assert_ptr_null(policy);
	ck_assert_ptr_nonnull(errors);
	ck_assert_msg(!strncmp(errors, said, strlen(said)), "said:\n%sexpected:\n%s", errors, said);
	line = errors + strlen(said);
	caret = strchr(strchr(line, '\n') + 1, '^');
	ck_assert_ptr_nonnull(caret);
	line += caret - (strchr(line, '\n') + 1);
	ck_assert_msg(!strncmp(line, below, strlen(below)) && (*below || *line == '\n'),
		      "the caret is in the wrong place:\n%s", errors);
	width = 1 + strspn(caret + 1, "~");
	ck_assert_msg(width == (*below ? strlen(below) : 1) && caret[width] == '\n',
		      "the mark has the wrong width:\n%s", errors);
	ck_assert_msg(!strchr(strchr(caret, '\n') + 1, ':'), "more is said:\n%s", errors);
	free(errors);
}
END_TEST

/* Two are said then: what stands behind the word is not expected there. */
START_TEST(words_as_groups)
{
	static const char text[] = "tenant blue\nallow tcp from contaner db1\nallow tcp to lable a=b\n";
	char *errors;

	ck_assert_ptr_null(policy_parse("p", text, strlen(text), config, &errors));
	ck_assert_ptr_nonnull(strstr(errors, "p:2:16: there is no group \"contaner\" in tenant \"blue\"; "
				     "did you mean \"container\"?\n"));
	ck_assert_ptr_nonnull(strstr(errors, "p:3:14: there is no group \"lable\" in tenant \"blue\"; "
				     "did you mean \"label\"?\n"));
	free(errors);
}
END_TEST

/* What containers may be called, and have for labels */
START_TEST(tags)
{
	struct policy *policy = good("tenant blue\nallow tcp from container web+1, container \"a:b\" to "
				     "label app.kubernetes.io/name=web, label \"a b=c,#\"=\"\", "
				     "label \"\xc3\xa9\"=\"any\", label any=x\n");
	const struct policy_member *member = members(policy, policy->rules[0].source);

	ck_assert_str_eq(policy_string(policy, member[0].text.name), "web+1");
	ck_assert_str_eq(policy_string(policy, member[1].text.name), "a:b");
	member = members(policy, policy->rules[0].destination);
	ck_assert_str_eq(policy_string(policy, member[0].text.name), "app.kubernetes.io/name");
	ck_assert_str_eq(policy_string(policy, member[0].text.value), "web");
	ck_assert_str_eq(policy_string(policy, member[1].text.name), "a b=c,#");
	ck_assert_str_eq(policy_string(policy, member[1].text.value), "");
	ck_assert_str_eq(policy_string(policy, member[2].text.name), "\xc3\xa9");
	ck_assert_str_eq(policy_string(policy, member[3].text.name), "any");
	policy_free(policy);
}
END_TEST

static unsigned int lines_with(const char *text, const char *what)
{
	unsigned int num = 0;

	for (; (text = strstr(text, what)); text++)
		num++;
	return num;
}

START_TEST(all_at_once)
{
	static const char text[] = "tenant blue\nalow\nallow tcp\ndeny xyz\ngroup a = b\n";
	char *errors, many[8192];
	struct policy *policy = policy_parse("p", text, strlen(text), config, &errors);
	size_t len = 0;

	ck_assert_ptr_null(policy);
	ck_assert_uint_eq(lines_with(errors, "p:"), 3);
	free(errors);
	for (int i = 0; i < 150; i++)
		len += (size_t)sprintf(many + len, "wrong %d\n", i);
	policy = policy_parse("p", many, len, config, &errors);
	ck_assert_ptr_null(policy);
	ck_assert_uint_eq(lines_with(errors, "p:"), 100);
	ck_assert_ptr_nonnull(strstr(errors, "\n50 more errors, not shown here\n"));
	free(errors);
}
END_TEST

/* Without a configuration, tenants are what they are called. */
START_TEST(offline)
{
	static const char text[] = "tenant anybody\nallow tcp to any of somebody\n";
	char *errors;
	struct policy *policy = policy_parse("p", text, strlen(text), NULL, &errors);

	ck_assert_msg(policy != NULL, "%s", errors);
	ck_assert_uint_eq(policy->tenants_num, 2);
	policy_free(policy);
}
END_TEST

START_TEST(long_line)
{
	char text[1024] = "tenant blue\nallow tcp to ";
	struct policy *policy;
	char *errors;
	size_t len;

	for (int i = 1; i < 60; i++)
		sprintf(text + strlen(text), "10.1.0.%d, ", i);
	strcat(text, "10.1.0.256\n");
	policy = policy_parse("p", text, strlen(text), config, &errors);
	ck_assert_ptr_null(policy);
	len = strcspn(strchr(errors, '\n') + 1, "\n");
	ck_assert_uint_le(len, 170);
	ck_assert_ptr_nonnull(strstr(errors, "10.1.0.256\n"));
	free(errors);
}
END_TEST

/* --- values --- */

START_TEST(values)
{
	struct in6_addr first, last;
	uint16_t from, to;
	uint64_t rate, frequency, tos;
	char text[INET6_ADDRSTRLEN];

	ck_assert_int_eq(policy_value_addresses("0.0.0.0/0", &first, &last), 0);
	ck_assert_str_eq(addr_format(&last, text, sizeof(text)), "255.255.255.255");
	ck_assert_int_eq(policy_value_addresses("::/0", &first, &last), 0);
	ck_assert_int_eq(last.s6_addr[0], 255);
	ck_assert_int_eq(policy_value_addresses("fd00::/8", &first, &last), 0);
	ck_assert_int_eq(last.s6_addr[0], 0xfd);
	ck_assert_int_eq(last.s6_addr[1], 0xff);
	ck_assert_int_eq(policy_value_addresses("10.0.0.7/32", &first, &last), 0);
	ck_assert_int_eq(memcmp(&first, &last, 16), 0);
	ck_assert_int_eq(policy_value_addresses("10.0.0.1-fd00::1", &first, &last), -EINVAL);
	ck_assert_int_eq(policy_value_addresses("10.0.0.1-", &first, &last), -EINVAL);
	ck_assert_int_eq(policy_value_addresses("10.0.0.1/33", &first, &last), -EINVAL);

	ck_assert_int_eq(policy_value_ports("0", &from, &to), 0);
	ck_assert_int_eq(policy_value_ports("0-65535", &from, &to), 0);
	ck_assert_uint_eq(to, 65535);
	ck_assert_int_eq(policy_value_ports("5-4", &from, &to), -ERANGE);
	ck_assert_int_eq(policy_value_ports("1-2-3", &from, &to), -EINVAL);
	ck_assert_int_eq(policy_value_ports("-", &from, &to), -EINVAL);

	ck_assert_int_eq(policy_value_rate("8bit", &rate), 0);
	ck_assert_uint_eq(rate, 1);
	ck_assert_int_eq(policy_value_rate("2.5gbit", &rate), 0);
	ck_assert_uint_eq(rate, 312500000);
	ck_assert_int_eq(policy_value_rate("0.064mbit", &rate), 0);
	ck_assert_uint_eq(rate, 8000);
	ck_assert_int_eq(policy_value_rate("1000gbit", &rate), 0);
	ck_assert_int_eq(policy_value_rate("1000.001gbit", &rate), -ERANGE);
	ck_assert_int_eq(policy_value_rate("7bit", &rate), -ERANGE);
	ck_assert_int_eq(policy_value_rate("1.2345gbit", &rate), -EINVAL);
	ck_assert_int_eq(policy_value_rate("1.gbit", &rate), -EINVAL);
	ck_assert_int_eq(policy_value_rate("gbit", &rate), -EINVAL);
	ck_assert_int_eq(policy_value_rate("99999999999999999999bit", &rate), -ERANGE);

	ck_assert_int_eq(policy_value_frequency("1000000/s", &frequency), 0);
	ck_assert_uint_eq(frequency, 1000000);
	ck_assert_int_eq(policy_value_frequency("/s", &frequency), -EINVAL);
	ck_assert_int_eq(policy_value_frequency("5", &frequency), -EINVAL);

	ck_assert_int_eq(policy_value_dscp("ef", &tos), 0);
	ck_assert_uint_eq(tos, 46 << 2);
	ck_assert_int_eq(policy_value_dscp("cs7", &tos), 0);
	ck_assert_uint_eq(tos, 56 << 2);
	ck_assert_int_eq(policy_value_dscp("64", &tos), -EINVAL);
	ck_assert_int_eq(policy_value_tos("0xfF", &tos), 0);
	ck_assert_uint_eq(tos, 255);
	ck_assert_int_eq(policy_value_tos("0x", &tos), -EINVAL);
	ck_assert_int_eq(policy_value_tos("0x100", &tos), -EINVAL);
	ck_assert_int_eq(policy_value_tos("0x0x5", &tos), -EINVAL);
	ck_assert_int_eq(policy_value_tos("0x 5", &tos), -EINVAL);
	ck_assert_int_eq(policy_value_tos("256", &tos), -EINVAL);
}
END_TEST

/* --- files --- */

static char dir[] = "/tmp/slim-policy-XXXXXX";

static void put(const char *name, const char *text)
{
	char path[128];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	file = fopen(path, "w");
	ck_assert_ptr_nonnull(file);
	fputs(text, file);
	fclose(file);
}

static struct policy *load(const char *name, char **errors)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return policy_load(path, config, errors);
}

static void files_setup(void)
{
	char path[128];

	setup();
	strcpy(dir + sizeof(dir) - 7, "XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/d", dir);
	ck_assert_int_eq(mkdir(path, 0700), 0);
}

static void files_teardown(void)
{
	char command[160];

	snprintf(command, sizeof(command), "rm -r %s", dir);
	ck_assert_int_eq(system(command), 0);
	teardown();
}

START_TEST(includes)
{
	struct policy *policy;
	char *errors;

	put("main", "include \"d\"\ntenant green\ninclude rest\ndeny icmp\n");
	put("rest", "allow udp\ntenant blue\nallow udp\n");
	put("d/2.policy", "tenant blue\ndeny any\n");
	put("d/10.policy", "tenant blue\nallow any\n");
	put("d/other", "not a policy\n");
	policy = load("main", &errors);
	ck_assert_msg(policy != NULL, "%s", errors);
	ck_assert_uint_eq(policy->rules_num, 5);
	ck_assert_int_eq(policy->rules[0].action, POLICY_ALLOW);
	ck_assert_int_eq(policy->rules[1].action, POLICY_DENY);
	ck_assert_str_eq(policy_string(policy, policy->tenants[policy->rules[2].tenant].name),
			 "green");
	ck_assert_str_eq(policy_string(policy, policy->tenants[policy->rules[3].tenant].name),
			 "blue");
	ck_assert_str_eq(policy_string(policy, policy->tenants[policy->rules[4].tenant].name),
			 "green");
	ck_assert_ptr_nonnull(strstr(policy->sources.files[policy->rules[2].place.file].name,
				     "/rest"));
	policy_free(policy);
}
END_TEST

/* --- what is in force is kept for the next router --- */

static void write_archive(const struct policy *policy)
{
	ck_assert_int_eq(policy_archive_write(dir, &policy->sources), 0);
	ck_assert_int_eq(policy_archive_commit(dir, true), 0);
}

static struct policy *load_archive(char **errors)
{
	struct policy_sources saved;
	struct policy *policy;

	ck_assert_int_eq(policy_archive_read(dir, &saved), 0);
	policy = policy_load_saved(&saved, config, errors);
	policy_sources_free(&saved);
	return policy;
}

START_TEST(archive)
{
	struct policy *policy, *again;
	char *errors;

	put("main", "include \"d\"\ntenant green\ninclude rest\ndeny icmp\n");
	put("rest", "allow udp\ntenant blue\ninclude d/inner\nallow udp\n");
	put("d/2.policy", "tenant blue\ndeny any\n");
	put("d/10.policy", "tenant blue\nallow any\n");
	put("d/inner", "allow tcp port 7\n");
	policy = load("main", &errors);
	ck_assert_msg(policy != NULL, "%s", errors);
	write_archive(policy);
	/* The files are other ones by now, and more. */
	put("main", "nonsense\n");
	put("d/1.policy", "nonsense\n");
	again = load_archive(&errors);
	ck_assert_msg(again != NULL, "%s", errors);
	ck_assert_uint_eq(again->rules_num, 6);
	ck_assert_uint_eq(again->rules_num, policy->rules_num);
	for (uint32_t i = 0; i < policy->rules_num; i++) {
		ck_assert_int_eq(again->rules[i].action, policy->rules[i].action);
		ck_assert_uint_eq(again->rules[i].tenant, policy->rules[i].tenant);
		ck_assert_uint_eq(again->rules[i].place.line, policy->rules[i].place.line);
		ck_assert_uint_eq(again->rules[i].place.file, policy->rules[i].place.file);
	}
	ck_assert_uint_eq(again->sources.files_num, policy->sources.files_num);
	for (uint32_t i = 0; i < policy->sources.files_num; i++)
		ck_assert_str_eq(again->sources.files[i].name, policy->sources.files[i].name);
	policy_free(again);
	policy_free(policy);
}
END_TEST

START_TEST(archive_of_none)
{
	static const struct policy_sources none;
	struct policy_sources saved;

	ck_assert_int_eq(policy_archive_read(dir, &saved), -ENOENT);
	ck_assert_int_eq(policy_archive_read(NULL, &saved), -ENOENT);
	ck_assert_int_eq(policy_archive_write(dir, &none), 0);
	ck_assert_int_eq(policy_archive_read(dir, &saved), -ENOENT);
	ck_assert_int_eq(policy_archive_commit(dir, false), 0);
	ck_assert_int_eq(policy_archive_read(dir, &saved), 0);
	ck_assert_uint_eq(saved.files_num, 0);
	policy_sources_free(&saved);
	/* What was not written cannot be kept, and what was there before must not stay; that there was a policy
	 * is not forgotten. */
	ck_assert_int_ne(policy_archive_commit(dir, true), 0);
	ck_assert_int_eq(policy_archive_read(dir, &saved), -EPROTO);
	ck_assert_int_ne(policy_archive_commit(dir, false), 0);
	ck_assert_int_eq(policy_archive_read(dir, &saved), -ENOENT);
}
END_TEST

/* Cut off, or with more than there should be */
START_TEST(archive_damaged)
{
	struct policy_sources saved;
	struct policy *policy;
	char path[160], *errors;
	struct stat st;

	put("main", "tenant green\ndeny icmp\n");
	policy = load("main", &errors);
	ck_assert_msg(policy != NULL, "%s", errors);
	write_archive(policy);
	policy_free(policy);
	snprintf(path, sizeof(path), "%s/policy", dir);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_int_eq(truncate(path, st.st_size + 1), 0);
	ck_assert_int_eq(policy_archive_read(dir, &saved), -EPROTO);
	for (off_t len = st.st_size - 1; len >= 0; len--) {
		ck_assert_int_eq(truncate(path, len), 0);
		ck_assert_int_eq(policy_archive_read(dir, &saved), -EPROTO);
	}
	put("policy", "SlimPol1\1\1\1\1\377\377\377\377\377\377\377\377");
	ck_assert_int_eq(policy_archive_read(dir, &saved), -EPROTO);
}
END_TEST

START_TEST(bad_includes)
{
	char *errors, path[128];

	put("main", "include nowhere\ninclude main\ninclude fifo\ninclude bad\n");
	put("bad", "tenant blue\n\n  wrong\n");
	snprintf(path, sizeof(path), "%s/fifo", dir);
	ck_assert_int_eq(mkfifo(path, 0600), 0);
	ck_assert_ptr_null(load("main", &errors));
	ck_assert_ptr_nonnull(strstr(errors, "main:1:1: "));
	ck_assert_ptr_nonnull(strstr(errors, "/nowhere: No such file or directory\n"));
	ck_assert_ptr_nonnull(strstr(errors, "/main is read already\n"));
	ck_assert_ptr_nonnull(strstr(errors, "/fifo: Invalid argument\n"));
	ck_assert_ptr_nonnull(strstr(errors, "/bad:3:3: found \"wrong\""));
	free(errors);
	ck_assert_ptr_null(load("absent", &errors));
	ck_assert_ptr_nonnull(strstr(errors, "/absent: No such file or directory\n"));
	free(errors);
	/* Of a directory each one */
	put("main", "tenant blue\ninclude d\n");
	for (int i = 0; i < 3; i++) {
		snprintf(path, sizeof(path), "%s/d/%d.policy", dir, i);
		ck_assert_int_eq(mkfifo(path, 0600), 0);
	}
	ck_assert_ptr_null(load("main", &errors));
	for (int i = 0; i < 3; i++) {
		snprintf(path, sizeof(path), "/d/%d.policy: Invalid argument\n", i);
		ck_assert_ptr_nonnull(strstr(errors, path));
	}
	free(errors);
}
END_TEST

START_TEST(deep_includes)
{
	char name[16], text[32], *errors;

	for (int i = 0; i < 20; i++) {
		sprintf(name, "f%d", i);
		sprintf(text, "include f%d\n", i + 1);
		put(name, i < 15 ? text : "");
	}
	policy_free(load("f0", &errors));
	ck_assert_ptr_null(errors);
	put("f15", "include f16\n");
	ck_assert_ptr_null(load("f0", &errors));
	ck_assert_ptr_nonnull(strstr(errors, "/f15:1:1: files include one another more than 16 "
					     "deep\n"));
	free(errors);
}
END_TEST

/* --- many --- */

START_TEST(many)
{
	char *text = malloc(MANY * 80), *errors;
	struct timespec start, end;
	struct policy *policy;
	size_t len = (size_t)sprintf(text, "tenant blue\n");
	double ms;

	for (int i = 0; i < MANY; i++)
		len += (size_t)sprintf(text + len, "allow tcp from 10.1.%d.%d to 10.1.%d.0/24 port %d\n",
				       i >> 8 & 255, i & 255, i % 256, i % 65536);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &start);
	policy = policy_parse("p", text, len, config, &errors);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &end);
	ck_assert_msg(policy != NULL, "%s", errors);
	ck_assert_uint_eq(policy->rules_num, MANY);
	ck_assert_uint_eq(policy->sets_num, 65536 + 256);
	ms = (double)(end.tv_sec - start.tv_sec) * 1e3 + (double)(end.tv_nsec - start.tv_nsec) / 1e6;
	printf("%d rules parsed in %.0f ms\n", MANY, ms);
	policy_free(policy);
	free(text);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("policy_parse");
	TCase *texts = tcase_create("texts"), *files = tcase_create("files");

	tcase_add_checked_fixture(texts, setup, teardown);
	tcase_add_test(texts, empty);
	tcase_add_test(texts, whole);
	tcase_add_test(texts, between_tenants);
	tcase_add_loop_test(texts, wrong, 0, COUNT(wrongs));
	tcase_add_test(texts, words_as_groups);
	tcase_add_test(texts, tags);
	tcase_add_test(texts, all_at_once);
	tcase_add_test(texts, offline);
	tcase_add_test(texts, long_line);
	tcase_add_test(texts, values);
	tcase_add_test(texts, many);
	suite_add_tcase(suite, texts);
	tcase_add_checked_fixture(files, files_setup, files_teardown);
	tcase_add_test(files, includes);
	tcase_add_test(files, archive);
	tcase_add_test(files, archive_of_none);
	tcase_add_test(files, archive_damaged);
	tcase_add_test(files, bad_includes);
	tcase_add_test(files, deep_includes);
	suite_add_tcase(suite, files);
	return suite_run(suite);
}
