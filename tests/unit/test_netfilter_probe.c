/* SPDX-License-Identifier: MIT */
/*
 * test_netfilter_probe.c - which rules make a namespace count as filtered
 * links: router/netfilter_probe.c router/netfilter_legacy.c router/link_request.c router/namespace.c router/endpoint.c router/log.c
 * libs: nl-3 nftables
 *
 * Each ruleset is loaded into a namespace of its own. Needs root.
 */
#include <check.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <linux/netfilter_ipv4/ip_tables.h>
#include <nftables/libnftables.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../router/namespace.h"
#include "../../router/netfilter_probe.h"
#include "../../router/packetpath.h"
#include "suite.h"

static const struct {
	const char *rules;
	int counts;
} rulesets[] = {
	{ "", 0 },
	{ "table inet t { }", 0 },
	{ "table inet t { chain unhooked { tcp dport 80 drop; }\n}", 0 },
	{ "table inet t { chain c { type filter hook input priority 0; policy accept; }\n}", 0 },
	{ "table inet t { chain c { type filter hook input priority 0; policy drop; }\n}", 1 },
	{ "table inet t { chain c { type filter hook input priority 0; tcp dport 80 drop; }\n}", 1 },
	{ "table ip t { chain c { type filter hook input priority 0; counter; }\n}", 1 },
	{ "table inet t { chain c { type filter hook input priority 0; iif lo accept; }\n}", 0 },
	{ "table inet t { chain c { type filter hook input priority 0; iif != lo drop; }\n}", 1 },
	{ "table inet t { chain c { type filter hook output priority 0;"
	  " oifname \"lo\" accept; }\n}", 0 },
	{ "table inet t { chain c { type filter hook output priority 0;"
	  " oifname \"lo*\" accept; }\n}", 1 },
	{ "table inet t { chain c { type filter hook output priority 0;"
	  " ip daddr 127.0.0.0/8 accept; ip saddr 127.1.2.3 drop; }\n}", 0 },
	{ "table inet t { chain c { type filter hook output priority 0;"
	  " ip daddr 126.0.0.0/7 accept; }\n}", 1 },
	{ "table ip6 t { chain c { type filter hook output priority 0; ip6 daddr ::1 accept; }\n}",
	  0 },
	{ "table ip6 t { chain c { type filter hook output priority 0; ip6 daddr ::2 accept; }\n}",
	  1 },
	/* Docker's resolver */
	{ "table ip nat { chain DOCKER_OUTPUT { ip daddr 127.0.0.11 tcp dport 53"
	  " dnat to 127.0.0.11:40001; }\n"
	  "chain OUTPUT { type nat hook output priority -100; policy accept;"
	  " ip daddr 127.0.0.11 counter jump DOCKER_OUTPUT; }\n"
	  "chain POSTROUTING { type nat hook postrouting priority 100; policy accept;"
	  " ip daddr 127.0.0.11 counter; }\n}", 0 },
	/* a sidecar */
	{ "table ip nat { chain OUTPUT { type nat hook output priority -100;"
	  " ip daddr 127.0.0.1 return; meta l4proto tcp redirect to :15001; }\n}", 1 },
	{ "table netdev t { chain c { type filter hook ingress device lo priority 0;"
	  " meta mark 5 drop; }\n}", 1 },
	{ "table inet slim { chain c { type filter hook input priority 0; tcp dport 80 drop; }\n}",
	  1 },
};

#define RULESETS	((int)(sizeof(rulesets) / sizeof(rulesets[0])))

static struct nft_ctx *nft;

static void setup(void)
{
	ck_assert_int_eq(unshare(CLONE_NEWNET), 0);
	ck_assert_int_eq(namespace_init(), 0);
	nft = nft_ctx_new(NFT_CTX_DEFAULT);
	ck_assert_ptr_nonnull(nft);
}

static void teardown(void)
{
	nft_ctx_free(nft);
}

static int probe(void)
{
	int fd = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	int found = packetpath_netfilter_probe(fd);

	close(fd);
	return found;
}

START_TEST(nftables)
{
	if (rulesets[_i].rules[0])
		ck_assert_int_eq(nft_run_cmd_from_buffer(nft, rulesets[_i].rules), 0);
	ck_assert_msg(probe() == rulesets[_i].counts, "%s", rulesets[_i].rules);
}
END_TEST

START_TEST(excepted_table)
{
	ck_assert_int_eq(nft_run_cmd_from_buffer(nft, rulesets[RULESETS - 1].rules), 0);
	ck_assert_int_eq(netfilter_probe(NULL), 1);
	ck_assert_int_eq(netfilter_probe("slim"), 0);
	ck_assert_int_eq(nft_run_cmd_from_buffer(nft, "table inet slim_x { chain c {"
						 " type filter hook input priority 0; drop; }\n}"), 0);
	ck_assert_int_eq(netfilter_probe("slim"), 0);
	ck_assert_int_eq(nft_run_cmd_from_buffer(nft, "table inet slimmer { chain c {"
						 " type filter hook input priority 0; drop; }\n}"), 0);
	ck_assert_int_eq(netfilter_probe("slim"), 1);
}
END_TEST

/* More chains and rules than anybody should read through. */
START_TEST(bounded)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	fputs("table inet t {\nchain c {\ntype filter hook input priority 0;\n", out);
	for (int i = 0; i < 5000; i++)
		fputs("iif lo accept\n", out);
	fputs("}\n}\n", out);
	fclose(out);
	ck_assert_int_eq(nft_run_cmd_from_buffer(nft, text), 0);
	ck_assert_int_eq(probe(), 1);
	free(text);
}
END_TEST

/*
 * A legacy table with these rules, built as iptables does it: in the chains INPUT,
 * FORWARD and OUTPUT of table filter, the rule (if any) in INPUT.
 */
struct blob {
	struct ipt_replace replace;
	struct {
		struct ipt_entry entry;
		struct xt_standard_target target;
	} entries[4];
	struct {
		struct ipt_entry entry;
		struct xt_error_target target;
	} end;
};

static void entry_fill(struct ipt_entry *entry, size_t target, size_t next)
{
	entry->target_offset = (uint16_t)target;
	entry->next_offset = (uint16_t)next;
}

static int legacy_load(const char *iniface, int policy)
{
	int first = iniface ? 0 : 1, fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), err;
	size_t one = sizeof(((struct blob *)0)->entries[0]);
	struct xt_counters counters[8];
	struct blob blob = { .replace = {
		.name = "filter", .valid_hooks = 0xe, .num_counters = 4,
		.num_entries = (unsigned int)(5 - first), .counters = counters,
		.size = (unsigned int)(4 * one + sizeof(blob.end)),
	} };
	char *data = (char *)&blob + sizeof(blob.replace);

	for (int i = 0; i < 4; i++) {
		entry_fill(&blob.entries[i].entry, sizeof(struct ipt_entry), one);
		blob.entries[i].target.target.u.user.target_size =
			sizeof(struct xt_standard_target);
		blob.entries[i].target.verdict = -NF_ACCEPT - 1;
	}
	if (iniface) {
		strcpy(blob.entries[0].entry.ip.iniface, iniface);
		memset(blob.entries[0].entry.ip.iniface_mask, 0xff, strlen(iniface) + 1);
		blob.entries[0].target.verdict = -NF_DROP - 1;
	}
	blob.entries[1].target.verdict = -policy - 1;
	entry_fill(&blob.end.entry, sizeof(struct ipt_entry), sizeof(blob.end));
	blob.end.target.target.u.user.target_size = sizeof(struct xt_error_target);
	strcpy(blob.end.target.target.u.user.name, XT_ERROR_TARGET);
	strcpy(blob.end.target.errorname, XT_ERROR_TARGET);
	for (unsigned int hook = 1; hook < 4; hook++)
		blob.replace.hook_entry[hook] = blob.replace.underflow[hook] =
			(unsigned int)(one * hook);
	blob.replace.hook_entry[1] = 0;
	if (first) {
		memmove(data, data + one, 3 * one + sizeof(blob.end));
		blob.replace.size -= (unsigned int)one;
		for (unsigned int hook = 1; hook < 4; hook++)
			blob.replace.hook_entry[hook] = blob.replace.underflow[hook] =
				(unsigned int)(one * (hook - 1));
	}
	err = setsockopt(fd, SOL_IP, IPT_SO_SET_REPLACE, &blob,
			 (socklen_t)(sizeof(blob.replace) + blob.replace.size));
	close(fd);
	return err;
}

static const struct {
	const char *iniface;
	int policy, counts;
} legacies[] = {
	{ NULL, NF_ACCEPT, 0 },
	{ NULL, NF_DROP, 1 },
	{ "lo", NF_ACCEPT, 0 },
	{ "eth0", NF_ACCEPT, 1 },
};

START_TEST(legacy)
{
	struct ipt_getinfo info = { .name = "filter" };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	socklen_t len = sizeof(info);

	if (getsockopt(fd, SOL_IP, IPT_SO_GET_INFO, &info, &len) < 0) {
		fprintf(stderr, "SKIP: this kernel has no legacy iptables\n");
	} else {
		ck_assert_int_eq(legacy_load(legacies[_i].iniface, legacies[_i].policy), 0);
		ck_assert_int_eq(probe(), legacies[_i].counts);
	}
	close(fd);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("netfilter_probe");
	TCase *tcase = tcase_create("core");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 30);
	tcase_add_loop_test(tcase, nftables, 0, RULESETS);
	tcase_add_test(tcase, excepted_table);
	tcase_add_test(tcase, bounded);
	tcase_add_loop_test(tcase, legacy, 0, 4);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
