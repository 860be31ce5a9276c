/* SPDX-License-Identifier: MIT */
/*
 * test_shaping.c - aggregate rates: whose classes, and their trees; connections that are changed while they live
 *
 * links: router/shaping.c router/shaping_plan.c router/shaping_tree.c router/shaping_live.c router/bpf_call.c router/policy_limit.c router/link.c router/link_request.c router/policy.c router/policy_build.c router/policy_check.c router/policy_compile.c router/policy_inputs.c router/policy_domain.c router/policy_identity.c router/policy_lex.c router/policy_ends.c router/policy_include.c router/policy_parse.c router/policy_parser.c router/policy_rule.c router/policy_report.c router/policy_resolve.c router/policy_source.c router/policy_uses.c router/policy_value.c router/config.c router/config_lex.c router/config_parse.c router/config_report.c router/config_value.c router/config_word.c router/base64.c router/endpoint.c router/log.c router/tags.c core/classifier.c core/classifier_axis.c core/classifier_build.c core/classifier_cells.c core/classifier_crowd.c core/classifier_events.c core/classifier_members.c core/classifier_memory.c core/classifier_services.c core/classifier_sieve.c core/classifier_sort.c core/classifier_tree.c
 * libs: check jansson urcu urcu-common nl-3 nl-route-3
 *
 * Trees and connections are in a namespace of each test's own. Needs root.
 */
#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <urcu.h>

#include "../../router/directory.h"
#include "../../router/endpoint.h"
#include "../../router/link_request.h"
#include "../../router/ruleset_rates.h"
#include "../../router/shaping_live.h"
#include "../../router/shaping_plan.h"
#include "../../router/shaping_tree.h"
#include "../../router/tags.h"
#include "suite.h"

#define BLUE		1
#define GREEN		2
#define MBIT		125000ull	/* bytes a second */
#define LOOPBACK	1

/* --- the directory, as far as it is asked --- */

static const char db_tags[] = "db1\0tier\0db";

const struct tags *directory_tags(uint32_t vni, const struct in6_addr *addr)
{
	static struct tags *tags;

	if (!tags)
		tags = tags_new(db_tags, sizeof(db_tags));
	return vni == BLUE && addr_get4(addr) == htonl(0x0a010003) ? tags : NULL;
}

/* --- plans --- */

static struct policy_compiled *compiled_of(const char *text)
{
	static const char config_text[] =
		"host h1 { address 192.0.2.1; }\n"
		"tenant blue { vni 1; prefix 10.1.0.0/16; prefix fd01::/48; }\n"
		"tenant green { vni 2; prefix 10.2.0.0/16; }\n";
	char error[512], *errors;
	struct config *config = config_parse("t", config_text, strlen(config_text), error,
					     sizeof(error));
	struct policy_compiled *compiled;
	struct policy *policy;

	ck_assert_msg(config != NULL, "%s", error);
	policy = policy_parse("p", text, strlen(text), config, &errors);
	ck_assert_msg(policy != NULL, "%s", errors);
	compiled = policy_compile(policy, config, &errors);
	ck_assert_msg(compiled != NULL, "%s", errors);
	config_free(config);
	return compiled;
}

static void has_port(struct shaping_plan *plan, uint32_t id, uint32_t vni, const char *address)
{
	struct shaping_port port = { .id = id, .vni = vni, .addresses_num = 1 };

	ck_assert_int_eq(addr_parse(address, &port.addresses[0]), 0);
	plan->ports = reallocarray(plan->ports, plan->ports_num + 1, sizeof(port));
	plan->ports[plan->ports_num++] = port;
}

/* 1 is 10.1.0.1, 2 is 10.1.0.2, 3 is 10.1.0.3: db1, tier=db; 4 is green's */
static void make_plan(struct shaping_plan *plan, const char *policy)
{
	struct policy_compiled *compiled = compiled_of(policy);

	*plan = (struct shaping_plan){ 0 };
	has_port(plan, 4, GREEN, "10.2.0.1");
	has_port(plan, 3, BLUE, "10.1.0.3");
	has_port(plan, 1, BLUE, "10.1.0.1");
	has_port(plan, 2, BLUE, "10.1.0.2");
	ck_assert_int_eq(shaping_plan_make(plan, compiled), 0);
	policy_compiled_put(compiled);
}

static const struct shaping_class *class_by_minor(const struct shaping_plan *plan, uint16_t minor)
{
	for (size_t i = 0; i < plan->classes_num; i++)
		if (plan->classes[i].minor == minor)
			return &plan->classes[i];
	ck_abort_msg("there is no class %x", minor);
}

/* Mbit/s of the container's class, and of the tenant's above it; -1: there is none */
static void rates_of(const struct shaping_plan *plan, uint32_t id, int *own, int *tenant)
{
	*own = *tenant = -1;
	for (size_t i = 0; i < plan->ports_num; i++) {
		const struct shaping_class *class;

		if (plan->ports[i].id != id || !plan->ports[i].minor)
			continue;
		class = class_by_minor(plan, plan->ports[i].minor);
		*own = (int)(class->rate / MBIT);
		class = class_by_minor(plan, class->parent);
		ck_assert_int_eq(class->parent, 0);
		*tenant = (int)(class->rate / MBIT);
	}
}

static const struct {
	const char *policy;
	int own[4], tenant[4];		/* of 1 to 4 */
} plans[] = {
	{ "tenant blue\nallow tcp\n", { -1, -1, -1, -1 }, { -1, -1, -1, -1 } },
	{ "tenant blue\nlimit tenant rate 10mbit\n", { 10, 10, 10, -1 }, { 10, 10, 10, -1 } },
	{ "tenant blue\nlimit each 10.1.0.2-10.1.0.9 rate 10mbit\n",
	  { -1, 10, 10, -1 }, { -1, 0, 0, -1 } },
	{ "tenant blue\nlimit each container db1 rate 10mbit\n",
	  { -1, -1, 10, -1 }, { -1, -1, 0, -1 } },
	{ "tenant blue\nlimit each label tier=db rate 10mbit\n",
	  { -1, -1, 10, -1 }, { -1, -1, 0, -1 } },
	{ "tenant blue\nlimit each label tier=web rate 10mbit\n",
	  { -1, -1, -1, -1 }, { -1, -1, -1, -1 } },
	{ "tenant blue\ngroup some = 10.1.0.1, container db1\nlimit each some rate 10mbit\n",
	  { 10, -1, 10, -1 }, { 0, -1, 0, -1 } },
	{ "tenant blue\nlimit each 10.1.0.1 rate 7mbit\nlimit each any rate 3mbit\n",
	  { 7, 3, 3, -1 }, { 0, 0, 0, -1 } },
	{ "tenant blue\nlimit each 10.1.0.1 rate 7mbit\nlimit each 10.1.0.2 rate 70mbit\n"
	  "limit tenant rate 10mbit\ntenant green\nlimit tenant rate 5mbit\n",
	  { 7, 10, 10, 5 }, { 10, 10, 10, 5 } },
};

START_TEST(test_plans)
{
	struct shaping_plan plan;

	make_plan(&plan, plans[_i].policy);
	for (uint32_t id = 1; id <= 4; id++) {
		int own, tenant;

		rates_of(&plan, id, &own, &tenant);
		ck_assert_msg(own == plans[_i].own[id - 1], "%s: %u has %d", plans[_i].policy, id,
			      own);
		ck_assert_int_eq(tenant, plans[_i].tenant[id - 1]);
	}
	shaping_plan_free(&plan);
}
END_TEST

static uint16_t minor_of(const struct shaping_plan *plan, uint32_t id)
{
	for (size_t i = 0; i < plan->ports_num; i++)
		if (plan->ports[i].id == id)
			return plan->ports[i].minor;
	return 0;
}

/* Numbers that would be equal are not; and they do not depend on who else is there. */
START_TEST(test_numbers)
{
	struct policy_compiled *compiled = compiled_of("tenant blue\nlimit tenant rate 10mbit\n");
	uint32_t same = 5 + SHAPING_TENANTS_FIRST - 1;
	struct shaping_plan plan = { 0 };
	uint16_t before;

	has_port(&plan, 5, BLUE, "10.1.0.5");
	has_port(&plan, 3, BLUE, "10.1.0.4");
	has_port(&plan, same, BLUE, "10.1.0.6");
	ck_assert_int_eq(shaping_plan_make(&plan, compiled), 0);
	before = minor_of(&plan, 5);
	ck_assert_int_ne(minor_of(&plan, same), before);
	ck_assert_int_lt(minor_of(&plan, same), SHAPING_TENANTS_FIRST);
	shaping_plan_free(&plan);
	has_port(&plan, 5, BLUE, "10.1.0.5");
	ck_assert_int_eq(shaping_plan_make(&plan, compiled), 0);
	ck_assert_int_eq(minor_of(&plan, 5), before);
	shaping_plan_free(&plan);
	policy_compiled_put(compiled);
}
END_TEST

/* --- trees --- */

static struct nl_sock *sock;

static void own_namespace(void)
{
	struct ifreq lo = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	int fd;

	ck_assert_int_eq(unshare(CLONE_NEWNET), 0);
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	ck_assert_int_eq(ioctl(fd, SIOCSIFFLAGS, &lo), 0);
	close(fd);
	sock = link_socket();
	ck_assert_ptr_nonnull(sock);
}

static void leave_namespace(void)
{
	nl_socket_free(sock);
}

/* What tc(8) says, all in one */
static const char *tc(const char *what)
{
	static char out[4096];
	char command[128];
	FILE *pipe;
	size_t len;

	snprintf(command, sizeof(command), "tc %s 2>&1", what);
	pipe = popen(command, "r");
	ck_assert_ptr_nonnull(pipe);
	len = fread(out, 1, sizeof(out) - 1, pipe);
	out[len] = '\0';
	pclose(pipe);
	return out;
}

static void check_has(const char *what, const char *text)
{
	const char *out = tc(what);

	ck_assert_msg(strstr(out, text) != NULL, "no \"%s\" in: %s", text, out);
}

static void check_lacks(const char *what, const char *text)
{
	const char *out = tc(what);

	ck_assert_msg(!strstr(out, text), "\"%s\" in: %s", text, out);
}

static const struct shaping_class two[] = {
	{ 0xf001, 0, 100 * MBIT, false },
	{ 1, 0xf001, 100 * MBIT, true },
	{ 2, 0xf001, 50 * MBIT, true },
	{ 0xf002, 0, 0, false },
	{ 3, 0xf002, 80000 * MBIT, false },
};

START_TEST(test_tree)
{
	static const struct shaping_class moved[] = {
		{ 0xf002, 0, 0, false },
		{ 1, 0xf002, 7 * MBIT, false },
	};
	const char *classes = "class show dev lo";

	ck_assert(!shaping_tree_is_there(sock, LOOPBACK));
	ck_assert_int_eq(shaping_tree_set(sock, LOOPBACK, two, 5), 0);
	ck_assert(shaping_tree_is_there(sock, LOOPBACK));
	check_has("qdisc show dev lo", "qdisc htb 536c: root");
	check_has(classes, "htb 536c:f001 root");
	check_has(classes, "htb 536c:2 parent 536c:f001 prio 0 rate 8Kbit ceil 50");
	check_has(classes, "htb 536c:3 parent 536c:f002 prio 0 rate 80");
	/* Again, as the next router does, and changed */
	ck_assert_int_eq(shaping_tree_set(sock, LOOPBACK, two, 5), 0);
	ck_assert_int_eq(shaping_tree_set(sock, LOOPBACK, moved, 2), 0);
	check_has(classes, "htb 536c:1 parent 536c:f002 prio 0 rate 7");
	check_lacks(classes, "536c:f001");
	check_lacks(classes, "536c:2 ");
	ck_assert_int_eq(shaping_tree_sweep(sock, &(int){ LOOPBACK }, 1), 0);
	ck_assert(shaping_tree_is_there(sock, LOOPBACK));
	ck_assert_int_eq(shaping_tree_sweep(sock, NULL, 0), 0);
	check_lacks("qdisc show dev lo", "htb");
}
END_TEST

START_TEST(test_foreign)
{
	static const char *const roots[] = { "tbf rate 1mbit burst 10kb limit 10kb", "htb",
					     "handle 536d: htb" };
	char add[128], before[512];

	for (size_t i = 0; i < sizeof(roots) / sizeof(roots[0]); i++) {
		snprintf(add, sizeof(add), "qdisc add dev lo root %s", roots[i]);
		ck_assert_str_eq(tc(add), "");
		snprintf(before, sizeof(before), "%s", tc("qdisc show dev lo"));
		ck_assert_int_eq(shaping_tree_set(sock, LOOPBACK, two, 5), -EEXIST);
		ck_assert(!shaping_tree_is_there(sock, LOOPBACK));
		ck_assert_int_eq(shaping_tree_sweep(sock, NULL, 0), 0);
		ck_assert_str_eq(tc("qdisc show dev lo"), before);
		ck_assert_str_eq(tc("qdisc del dev lo root"), "");
	}
}
END_TEST

/* --- connections that live --- */

static const struct shaping nothing = { .tos = -1, .priority = -1, .known = true };

struct pair {
	int listener, ends[2];
	uint64_t cookies[2];
};

static void set(int fd, int level, int name, int value)
{
	ck_assert_int_eq(setsockopt(fd, level, name, &value, sizeof(value)), 0);
}

static uint64_t get(int fd, int level, int name)
{
	uint64_t value = 0;
	socklen_t len = sizeof(value);

	ck_assert_int_eq(getsockopt(fd, level, name, &value, &len), 0);
	return value;
}

/* @domain: AF_INET, AF_INET6, or AF_UNSPEC: an IPv6 socket with mapped addresses */
static void connect_pair(struct pair *pair, int domain, uint32_t mark)
{
	struct sockaddr_in6 sin6 = { .sin6_family = AF_INET6, .sin6_addr = in6addr_loopback };
	struct sockaddr_in sin = { .sin_family = AF_INET };
	struct sockaddr *addr = (struct sockaddr *)&sin6;
	socklen_t len = sizeof(sin6);

	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (domain == AF_INET) {
		addr = (struct sockaddr *)&sin;
		len = sizeof(sin);
	}
	if (domain == AF_UNSPEC)
		ck_assert_int_eq(inet_pton(AF_INET6, "::ffff:127.0.0.1", &sin6.sin6_addr), 1);
	pair->listener = socket(addr->sa_family, SOCK_STREAM, 0);
	pair->ends[0] = socket(addr->sa_family, SOCK_STREAM, 0);
	set(pair->listener, SOL_SOCKET, SO_MARK, (int)mark);
	set(pair->ends[0], SOL_SOCKET, SO_MARK, (int)mark);
	ck_assert_int_eq(bind(pair->listener, addr, len), 0);
	ck_assert_int_eq(listen(pair->listener, 1), 0);
	ck_assert_int_eq(getsockname(pair->listener, addr, &len), 0);
	ck_assert_int_eq(connect(pair->ends[0], addr, len), 0);
	pair->ends[1] = accept(pair->listener, NULL, NULL);
	for (int i = 0; i < 2; i++)
		pair->cookies[i] = get(pair->ends[i], SOL_SOCKET, SO_COOKIE);
}

static void close_pair(const struct pair *pair)
{
	close(pair->listener);
	close(pair->ends[0]);
	close(pair->ends[1]);
}

/* Data from that end, which are acknowledged */
static void talk(const struct pair *pair, int end)
{
	char byte = 'x';

	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(send(pair->ends[end], &byte, 1, 0), 1);
		ck_assert_int_eq(recv(pair->ends[!end], &byte, 1, 0), 1);
		ck_assert_int_eq(send(pair->ends[!end], &byte, 1, 0), 1);
		ck_assert_int_eq(recv(pair->ends[end], &byte, 1, 0), 1);
	}
}

/* The TOS that its packets have */
static uint64_t tos_of(int fd)
{
	struct sockaddr_storage peer;
	socklen_t len = sizeof(peer);

	ck_assert_int_eq(getpeername(fd, (struct sockaddr *)&peer, &len), 0);
	if (peer.ss_family == AF_INET6 &&
	    !IN6_IS_ADDR_V4MAPPED(&((struct sockaddr_in6 *)&peer)->sin6_addr))
		return get(fd, IPPROTO_IPV6, IPV6_TCLASS);
	return get(fd, IPPROTO_IP, IP_TOS);
}

static void check_shaping(int fd, uint64_t rate, int tos, int priority)
{
	ck_assert_uint_eq(get(fd, SOL_SOCKET, SO_MAX_PACING_RATE), rate);
	ck_assert_uint_eq(tos_of(fd), tos);
	ck_assert_uint_eq(get(fd, SOL_SOCKET, SO_PRIORITY), priority);
}

static void begin_live(void)
{
	own_namespace();
	shaping_live_init();
	ck_assert_msg(shaping_live_is_possible(), "this kernel, or who runs this, has no BPF");
}

START_TEST(test_change)
{
	const struct shaping first = { 10 * MBIT, 0x28, 3, true };
	const struct shaping second = { 10 * MBIT, 0x28, 5, true };
	const int domains[] = { AF_INET, AF_INET6, AF_UNSPEC };
	struct pair pair;

	connect_pair(&pair, domains[_i], ruleset_slim_mark(7));
	for (int end = 0; end < 2; end++) {
		int fd = pair.ends[end];

		ck_assert_int_eq(shaping_live_change(pair.cookies[end], &nothing, &first), 0);
		/* Not by our doing, but with its own traffic */
		check_shaping(fd, UINT64_MAX, 0, 0);
		talk(&pair, end);
		check_shaping(fd, 10 * MBIT, 0x28, 3);
		ck_assert_int_eq(shaping_live_change(pair.cookies[end], &first, &second), 0);
		talk(&pair, end);
		check_shaping(fd, 10 * MBIT, 0x28, 5);
		ck_assert_int_eq(shaping_live_change(pair.cookies[end], &second, &nothing), 0);
		talk(&pair, end);
		check_shaping(fd, UINT64_MAX, 0, 0);
	}
	close_pair(&pair);
}
END_TEST

/* What a program has chosen for itself stays where no rule says, or said, anything of it. */
START_TEST(test_apart)
{
	const struct shaping rate = { .rate = MBIT, .tos = -1, .priority = -1, .known = true };
	const struct shaping wide = { .rate = 5000000000, .tos = -1, .priority = -1, .known = true };
	struct pair pair;

	connect_pair(&pair, AF_INET, ruleset_slim_mark(7));
	set(pair.ends[0], IPPROTO_IP, IP_TOS, 0x10);
	set(pair.ends[0], SOL_SOCKET, SO_PRIORITY, 4);
	ck_assert_int_eq(shaping_live_change(pair.cookies[0], &nothing, &rate), 0);
	talk(&pair, 0);
	check_shaping(pair.ends[0], MBIT, 0x10, 4);
	/* More than a BPF program can say: as much as it can */
	ck_assert_int_eq(shaping_live_change(pair.cookies[0], &rate, &wide), 0);
	talk(&pair, 0);
	check_shaping(pair.ends[0], UINT32_MAX - 1, 0x10, 4);
	close_pair(&pair);
}
END_TEST

/* Two changes in a row, and none between them */
START_TEST(test_twice)
{
	const struct shaping first = { MBIT, 0x28, -1, true }, second = { 2 * MBIT, 0x28, -1, true };
	struct pair pair;

	connect_pair(&pair, AF_INET, ruleset_slim_mark(7));
	ck_assert_int_eq(shaping_live_change(pair.cookies[0], &nothing, &first), 0);
	ck_assert_int_eq(shaping_live_change(pair.cookies[0], &first, &second), 0);
	talk(&pair, 0);
	ck_assert_uint_eq(get(pair.ends[0], SOL_SOCKET, SO_MAX_PACING_RATE), 2 * MBIT);
	ck_assert_uint_eq(get(pair.ends[0], IPPROTO_IP, IP_TOS), 0x28);
	close_pair(&pair);
}
END_TEST

/* Once is enough: what a program chooses later, it has. */
START_TEST(test_once)
{
	const struct shaping slow = { MBIT, 0x28, 3, true };
	struct pair pair;

	connect_pair(&pair, AF_INET, ruleset_slim_mark(7));
	ck_assert_int_eq(shaping_live_change(pair.cookies[0], &nothing, &slow), 0);
	talk(&pair, 0);
	set(pair.ends[0], SOL_SOCKET, SO_PRIORITY, 1);
	talk(&pair, 0);
	check_shaping(pair.ends[0], MBIT, 0x28, 1);
	close_pair(&pair);
}
END_TEST

/* With other changes that wait, and by itself; the others stay. */
START_TEST(test_mark)
{
	const struct shaping slow = { MBIT, 0x28, 3, true };
	struct pair pair;

	connect_pair(&pair, AF_INET6, ruleset_slim_mark(0));
	ck_assert_int_eq(shaping_live_change(pair.cookies[0], &nothing, &slow), 0);
	ck_assert_int_eq(shaping_live_mark(pair.cookies[0], 7), 0);
	ck_assert_int_eq(shaping_live_mark(pair.cookies[1], 8), 0);
	ck_assert_int_eq(shaping_live_change(pair.cookies[1], &nothing, &slow), 0);
	ck_assert_uint_eq(get(pair.ends[0], SOL_SOCKET, SO_MARK), ruleset_slim_mark(0));
	for (int end = 0; end < 2; end++) {
		talk(&pair, end);
		ck_assert_uint_eq(get(pair.ends[end], SOL_SOCKET, SO_MARK),
				  ruleset_slim_mark(7 + (uint32_t)end));
		check_shaping(pair.ends[end], MBIT, 0x28, 3);
	}
	ck_assert_int_eq(shaping_live_mark(pair.cookies[0], 9), 0);
	talk(&pair, 0);
	ck_assert_uint_eq(get(pair.ends[0], SOL_SOCKET, SO_MARK), ruleset_slim_mark(9));
	check_shaping(pair.ends[0], MBIT, 0x28, 3);
	close_pair(&pair);
}
END_TEST

/* Other sockets of the host are none of our business. */
START_TEST(test_strangers)
{
	const struct shaping slow = { MBIT, 0x28, 3, true };
	struct pair pair;

	connect_pair(&pair, AF_INET, 0);
	ck_assert_int_eq(shaping_live_change(pair.cookies[0], &nothing, &slow), 0);
	talk(&pair, 0);
	check_shaping(pair.ends[0], UINT64_MAX, 0, 0);
	close_pair(&pair);
}
END_TEST

static uint64_t living;

static bool lives(uint64_t cookie)
{
	return cookie == living;
}

START_TEST(test_tidy)
{
	const struct shaping slow = { MBIT, 0x28, 3, true };
	struct pair pair;

	connect_pair(&pair, AF_INET, ruleset_slim_mark(7));
	living = pair.cookies[0];
	ck_assert_int_eq(shaping_live_change(pair.cookies[0], &nothing, &slow), 0);
	ck_assert_int_eq(shaping_live_change(pair.cookies[1], &nothing, &slow), 0);
	shaping_live_tidy(lives);
	talk(&pair, 0);
	talk(&pair, 1);
	check_shaping(pair.ends[0], MBIT, 0x28, 3);
	check_shaping(pair.ends[1], UINT64_MAX, 0, 0);
	close_pair(&pair);
}
END_TEST

/* As a service manager's filter of system calls does */
static void refuse_bpf(uint32_t verdict)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_bpf, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, verdict),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { .len = 4, .filter = filter };

	ck_assert_int_eq(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
	ck_assert_int_eq(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), 0);
}

START_TEST(test_refused)
{
	const struct shaping slow = { MBIT, 0x28, 3, true };

	refuse_bpf(_i ? SECCOMP_RET_KILL_PROCESS : SECCOMP_RET_ERRNO | ENOSYS);
	shaping_live_init();
	ck_assert(!shaping_live_is_possible());
	ck_assert_int_eq(shaping_live_change(1, &nothing, &slow), 0);
	ck_assert_int_eq(shaping_live_mark(1, 7), 0);
	shaping_live_tidy(lives);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("shaping");
	TCase *tc = tcase_create("plans");

	tcase_add_loop_test(tc, test_plans, 0, (int)(sizeof(plans) / sizeof(plans[0])));
	tcase_add_test(tc, test_numbers);
	suite_add_tcase(s, tc);
	tc = tcase_create("trees");
	tcase_add_checked_fixture(tc, own_namespace, leave_namespace);
	tcase_add_test(tc, test_tree);
	tcase_add_test(tc, test_foreign);
	suite_add_tcase(s, tc);
	tc = tcase_create("live connections");
	tcase_add_checked_fixture(tc, begin_live, leave_namespace);
	tcase_add_loop_test(tc, test_change, 0, 3);
	tcase_add_test(tc, test_apart);
	tcase_add_test(tc, test_twice);
	tcase_add_test(tc, test_once);
	tcase_add_test(tc, test_mark);
	tcase_add_test(tc, test_strangers);
	tcase_add_test(tc, test_tidy);
	suite_add_tcase(s, tc);
	tc = tcase_create("no BPF");
	tcase_add_loop_test(tc, test_refused, 0, 2);
	suite_add_tcase(s, tc);
	return s;
}

int main(void)
{
	return suite_run(suite());
}
