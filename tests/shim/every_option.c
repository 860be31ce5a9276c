/* SPDX-License-Identifier: MIT */
/*
 * every_option.c - each option of each level, set and read at each stage of a socket's life
 *
 * Not only those that have a name: each number of a level is tried. One that has no name, and
 * that the kernel does not know, is not worth a line.
 */
#include <linux/filter.h>
#include <netinet/tcp.h>
#include <sys/time.h>

#include "option_names.h"
#include "program.h"

#define VALUE_MAX	512
#define SHOWN_MAX	16	/* bytes of a value */
#define IPV6_FLOWINFO_SEND_	33

#define NUM(table)	(sizeof(table) / sizeof((table)[0]))

static const struct level {
	int level, last;	/* option of it that is tried */
	const char *what;
	const char *const *names;
	size_t names_num;
} levels[] = {
#define LEVEL(number, last, names)	{ number, last, #number, names, NUM(names) }
	LEVEL(SOL_SOCKET, 90, socket_names),
	LEVEL(IPPROTO_TCP, 50, tcp_names),
	LEVEL(IPPROTO_IP, 60, ip_names),
	LEVEL(IPPROTO_IPV6, 80, ipv6_names),
#undef LEVEL
};

/* An option that is being tried. */
struct option {
	const struct level *level;
	int name;
	bool own;		/* the value is the path's own: only its length is said */
	const void *value;	/* to set */
	socklen_t len;
};

static const char *name_of(const struct option *option)
{
	const struct level *level = option->level;
	static char number[48];

	if ((size_t)option->name < level->names_num && level->names[option->name])
		return level->names[option->name];
	snprintf(number, sizeof(number), "%s.%d", level->what, option->name);
	return number;
}

static const int one = 1;
static const struct timeval time_value = { 7, 40000 };
static const struct linger linger_value = { 1, 5 };
static struct sock_filter pass_all[] = { BPF_STMT(BPF_RET | BPF_K, 0xffffffff) };
static const struct sock_fprog filter_value = { 1, pass_all };
static const int large_buffer = 50000, zero, hops = 33, keep = 7, rate = 100000000,
		 microseconds = 40000, port_range = 40000 | 41000 << 16;

/* Values that make sense where 1 does not. */
static const struct {
	int level, name;
	const void *value;
	socklen_t len;
} values[] = {
#define VALUE(level, name, value)	{ level, name, &(value), sizeof(value) }
	VALUE(SOL_SOCKET, SO_SNDBUF, large_buffer),
	VALUE(SOL_SOCKET, SO_RCVBUF, large_buffer),
	VALUE(SOL_SOCKET, SO_SNDBUFFORCE, large_buffer),
	VALUE(SOL_SOCKET, SO_RCVBUFFORCE, large_buffer),
	VALUE(SOL_SOCKET, SO_LINGER, linger_value),
	VALUE(SOL_SOCKET, SO_RCVTIMEO, time_value),
	VALUE(SOL_SOCKET, SO_SNDTIMEO, time_value),
	VALUE(SOL_SOCKET, 66, time_value),
	VALUE(SOL_SOCKET, 67, time_value),
	VALUE(SOL_SOCKET, SO_ATTACH_FILTER, filter_value),
	VALUE(SOL_SOCKET, 51, filter_value),
	{ SOL_SOCKET, SO_BINDTODEVICE, "", 1 },
	VALUE(SOL_SOCKET, 62, zero),			/* SO_BINDTOIFINDEX */
	VALUE(SOL_SOCKET, SO_MARK, zero),
	VALUE(SOL_SOCKET, SO_DONTROUTE, zero),		/* hosts are not neighbours */
	VALUE(SOL_SOCKET, 47, rate),			/* SO_MAX_PACING_RATE */
	VALUE(IPPROTO_TCP, TCP_MAXSEG, ((const int){ 1000 })),
	VALUE(IPPROTO_TCP, TCP_KEEPIDLE, keep),
	VALUE(IPPROTO_TCP, TCP_KEEPINTVL, keep),
	VALUE(IPPROTO_TCP, TCP_KEEPCNT, keep),
	VALUE(IPPROTO_TCP, TCP_WINDOW_CLAMP, large_buffer),
	{ IPPROTO_TCP, TCP_CONGESTION, "reno", 4 },
	{ IPPROTO_TCP, 31, "none", 4 },			/* TCP_ULP */
	VALUE(IPPROTO_TCP, 18, rate),			/* TCP_USER_TIMEOUT */
	VALUE(IPPROTO_TCP, 19, zero),			/* TCP_REPAIR: nobody would be connected */
	VALUE(IPPROTO_TCP, 44, large_buffer),		/* TCP_RTO_MAX_MS */
	VALUE(IPPROTO_TCP, 45, microseconds),		/* TCP_RTO_MIN_US */
	VALUE(IPPROTO_TCP, 46, microseconds),		/* TCP_DELACK_MAX_US */
	VALUE(IPPROTO_IP, IP_TOS, ((const int){ 0x10 })),
	VALUE(IPPROTO_IP, IP_TTL, hops),
	VALUE(IPPROTO_IP, 51, port_range),		/* IP_LOCAL_PORT_RANGE */
	VALUE(IPPROTO_IP, 50, zero),			/* IP_UNICAST_IF */
	VALUE(IPPROTO_IPV6, IPV6_UNICAST_HOPS, hops),
	VALUE(IPPROTO_IPV6, IPV6_TCLASS, ((const int){ 0x20 })),
	VALUE(IPPROTO_IPV6, 76, zero),			/* IPV6_UNICAST_IF */
#undef VALUE
};

/* Of the wire, the device, the moment or the kernel's own measuring. */
static const struct number {
	int level, name;
} own[] = {
	{ SOL_SOCKET, SO_SNDBUF }, { SOL_SOCKET, SO_RCVBUF },	/* as long as nobody has set them */
	{ SOL_SOCKET, SO_INCOMING_CPU }, { SOL_SOCKET, 55 /* SO_MEMINFO */ },
	{ SOL_SOCKET, 56 /* SO_INCOMING_NAPI_ID */ }, { SOL_SOCKET, 57 /* SO_COOKIE */ },
	{ SOL_SOCKET, SO_PEERNAME_ },
	{ IPPROTO_TCP, TCP_MAXSEG }, { IPPROTO_TCP, TCP_WINDOW_CLAMP }, { IPPROTO_TCP, TCP_INFO },
	{ IPPROTO_TCP, TCP_QUICKACK }, { IPPROTO_TCP, 24 /* TCP_TIMESTAMP */ },
	{ IPPROTO_TCP, 26 /* TCP_CC_INFO */ }, { IPPROTO_TCP, 28 /* TCP_SAVED_SYN */ },
	{ IPPROTO_TCP, 35 /* TCP_ZEROCOPY_RECEIVE */ },
	{ IPPROTO_IP, IP_MTU }, { IPPROTO_IPV6, IPV6_MTU }, { IPPROTO_IPV6, 61 /* IPV6_PATHMTU */ },
	{ IPPROTO_IP, IP_PKTOPTIONS },
	{ IPPROTO_IP, 52 /* IP_PROTOCOL: the port, as it happens */ },
	/* See differences.txt. */
	{ IPPROTO_IP, IP_MULTICAST_TTL }, { IPPROTO_IP, IP_MULTICAST_ALL },
	{ IPPROTO_IPV6, IPV6_V6ONLY },
};

static struct option option_of(const struct level *level, int name)
{
	struct option option = { level, name, false, &one, sizeof(one) };

	for (size_t i = 0; i < NUM(values); i++)
		if (values[i].level == level->level && values[i].name == name) {
			option.value = values[i].value;
			option.len = values[i].len;
		}
	for (size_t i = 0; i < NUM(own); i++)
		if (own[i].level == level->level && own[i].name == name)
			option.own = true;
	return option;
}

static bool has_name(const struct option *option)
{
	return (size_t)option->name < option->level->names_num &&
	       option->level->names[option->name];
}

static void say_value(const struct option *option, const unsigned char *bytes, socklen_t len)
{
	printf(" %d bytes", (int)len);
	for (socklen_t i = 0; !option->own && i < len && i < SHOWN_MAX; i++)
		printf("%s%02x", i ? "" : " ", bytes[i]);
}

static bool is_among(const struct option *option, const struct number *numbers, size_t num)
{
	for (size_t i = 0; i < num; i++)
		if (numbers[i].level == option->level->level && numbers[i].name == option->name)
			return true;
	return false;
}

static int set_option(int fd, const struct option *option)
{
	return setsockopt(fd, option->level->level, option->name, option->value, option->len);
}

/* What a get says, on the same line; room for @room bytes */
static void say_get(int fd, const struct option *option, socklen_t room)
{
	unsigned char bytes[VALUE_MAX] = { 0 };
	socklen_t len = room;

	if (getsockopt(fd, option->level->level, option->name, bytes, &len))
		printf(" %s", error_name(errno));
	else
		say_value(option, bytes, len);
}

/* For each option there is */
static void each(void (*visit)(struct option *option))
{
	for (size_t i = 0; i < NUM(levels); i++)
		for (int name = 0; name <= levels[i].last; name++) {
			struct option option = option_of(&levels[i], name);

			visit(&option);
		}
}

static bool is_unknown(int fd, const struct option *option)
{
	unsigned char bytes[VALUE_MAX];
	socklen_t len = sizeof(bytes);

	return !has_name(option) && set_option(fd, option) && errno == ENOPROTOOPT &&
	       getsockopt(fd, option->level->level, option->name, bytes, &len) &&
	       errno == ENOPROTOOPT;
}

static bool is_buffer(const struct option *option)
{
	return option->level->level == SOL_SOCKET &&
	       (option->name == SO_SNDBUF || option->name == SO_RCVBUF);
}

/* What setting it says; then what reading it says */
static bool say_set(int fd, struct option *option)
{
	bool is_set = set_option(fd, option) == 0;

	if (is_set && is_buffer(option))
		option->own = false;
	printf("%s: set%s%s, get", name_of(option), is_set ? "" : " ",
	       is_set ? "" : error_name(errno));
	say_get(fd, option, VALUE_MAX);
	return is_set;
}

/* --- the client's end --- */

static void fresh(struct option *option)
{
	int fd = tcp(0);

	if (!is_unknown(fd, option)) {
		bool is_set = say_set(fd, option);

		/* Where it cannot be set, "untouched" says the rest. */
		if (is_set) {
			printf("; connect");
			if (connect(fd, TO, to_len))
				printf(" %s", error_name(errno));
			printf(", get");
			say_get(fd, option, VALUE_MAX);
		}
		putchar('\n');
	}
	close(fd);
}

static void before_connect(void)
{
	each(fresh);
}

static int shared_fd;

static void say_read(const struct option *option)
{
	printf("%s:", name_of(option));
	say_get(shared_fd, option, VALUE_MAX);
	putchar('\n');
}

static void read_only(struct option *option)
{
	if (!is_unknown(shared_fd, option))
		say_read(option);
}

static void untouched(void)
{
	shared_fd = connected();
	each(read_only);
	echo(shared_fd);
}

static void set_connected(struct option *option)
{
	int fd = tcp(0);

	if (!is_unknown(fd, option)) {
		if (connect(fd, TO, to_len))
			say("connect", -1);
		say_set(fd, option);
		putchar('\n');
	}
	close(fd);
}

static void after_connect(void)
{
	each(set_connected);
}

static void set_connecting(struct option *option)
{
	int fd = tcp(SOCK_NONBLOCK);

	if (!is_unknown(fd, option)) {
		if (!connect(fd, TO, to_len) || errno != EINPROGRESS)
			puts("it does not wait");
		say_set(fd, option);
		putchar('\n');
	}
	close(fd);
}

static void connecting(void)
{
	each(set_connecting);
}

/* --- lengths and pointers --- */

static const socklen_t rooms[] = { 0, 1, 2, 3, 4, 7, 8, 12, 16, 64, (socklen_t)-1 };

static void say_result(int result)
{
	printf(" %s", result ? error_name(errno) : "0");
}

static void read_lengths(struct option *option)
{
	unsigned char bytes[VALUE_MAX] = { 0 };
	int level = option->level->level;
	socklen_t len = sizeof(int);

	if (is_unknown(shared_fd, option))
		return;
	printf("%s:", name_of(option));
	for (size_t i = 0; i < NUM(rooms); i++) {
		printf("%s%d", i ? "; " : " ", (int)rooms[i]);
		say_get(shared_fd, option, rooms[i]);
	}
	printf("; no value");
	say_result(getsockopt(shared_fd, level, option->name, NULL, &len));
	printf("; no length");
	say_result(getsockopt(shared_fd, level, option->name, bytes, NULL));
	printf("; far away");
	len = sizeof(int);
	say_result(getsockopt(shared_fd, level, option->name, (void *)-4096L, &len));
	putchar('\n');
}

static void lengths_of_get(void)
{
	shared_fd = connected();
	each(read_lengths);
	close(shared_fd);
}

static void set_lengths(struct option *option)
{
	static const socklen_t lens[] = { 0, 1, 3, 4, 8, 16, (socklen_t)-1 };
	static const unsigned char bytes[64];
	int level = option->level->level;

	if (is_unknown(shared_fd, option))
		return;
	printf("%s:", name_of(option));
	for (size_t i = 0; i < NUM(lens); i++) {
		printf("%s%d", i ? "; " : " ", (int)lens[i]);
		say_result(setsockopt(shared_fd, level, option->name, bytes, lens[i]));
	}
	printf("; no value");
	say_result(setsockopt(shared_fd, level, option->name, NULL, sizeof(int)));
	printf("; far away");
	say_result(setsockopt(shared_fd, level, option->name, (void *)-4096L, sizeof(int)));
	putchar('\n');
}

static void lengths_of_set(void)
{
	shared_fd = connected();
	each(set_lengths);
	close(shared_fd);
}

static void lengths_of_set_before(void)
{
	static const int headers[] = { IPV6_HOPOPTS, IPV6_RTHDRDSTOPTS, IPV6_DSTOPTS }, usual = -1;

	shared_fd = tcp(0);
	each(set_lengths);
	/* Packets with these headers, or with no hops, lead nowhere. */
	for (size_t i = 0; i < NUM(headers); i++)
		setsockopt(shared_fd, IPPROTO_IPV6, headers[i], NULL, 0);
	setsockopt(shared_fd, IPPROTO_IPV6, IPV6_UNICAST_HOPS, &usual, sizeof(usual));
	say("connect", connect(shared_fd, TO, to_len));
	echo(shared_fd);
	close(shared_fd);
}

/* --- levels that TCP sockets do not have, or have not by that name --- */

static void other_levels(void)
{
	static const int others[] = { 2, 17 /* UDP */, 58 /* ICMPV6 */, 132 /* SCTP */, 255 /* RAW */,
				      263 /* PACKET */, 270 /* NETLINK */, 282 /* TLS */, 284 /* MPTCP */,
				      9999, -1 };
	static const struct level level = { 0, 0, "", NULL, 0 };
	int fds[] = { tcp(0), connected() };

	for (size_t i = 0; i < NUM(others); i++)
		for (int j = 0; j < 2; j++) {
			struct level one_level = level;
			struct option option = { &one_level, 1, false, &one, sizeof(one) };

			one_level.level = others[i];
			if (others[i] == 282 && j)
				differs("guarded-tls");
			printf("level %d, %s: ", others[i], j ? "connected" : "fresh");
			say_set(fds[j], &option);
			putchar('\n');
		}
	echo(fds[1]);
}

/* --- the listener's end --- */

static int listening_fd;

/* One more connection, of which nothing is said unless it fails */
static int next_connection(void)
{
	int fd = accept(listening_fd, NULL, NULL);

	if (fd < 0)
		say("accept", -1);
	return fd;
}

/* With these set, all that comes to a listener comes over the packet path. */
static bool is_aside(const struct option *option)
{
	static const struct number aside[] = {
		{ SOL_SOCKET, SO_ATTACH_FILTER }, { SOL_SOCKET, SO_LOCK_FILTER },
		{ SOL_SOCKET, 51 /* SO_ATTACH_REUSEPORT_CBPF */ }, { SOL_SOCKET, 68 /* ... DETACH ... */ },
		{ IPPROTO_TCP, 27 /* TCP_SAVE_SYN */ }, { IPPROTO_TCP, 30 /* TCP_FASTOPEN_CONNECT */ },
		{ IPPROTO_TCP, 34 /* TCP_FASTOPEN_NO_COOKIE */ }, { IPPROTO_TCP, 20 /* TCP_REPAIR_QUEUE */ },
		{ IPPROTO_IP, IP_OPTIONS }, { IPPROTO_IP, IP_TRANSPARENT }, { IPPROTO_IP, IP_MINTTL },
		{ IPPROTO_IP, 51 /* IP_LOCAL_PORT_RANGE */ },
		{ IPPROTO_IPV6, 6 /* IPV6_2292PKTOPTIONS */ }, { IPPROTO_IPV6, IPV6_FLOWINFO_SEND_ },
		{ IPPROTO_IPV6, 72 /* IPV6_ADDR_PREFERENCES */ },
		{ IPPROTO_IPV6, 73 /* IPV6_MINHOPCOUNT */ }, { IPPROTO_IPV6, 75 /* IPV6_TRANSPARENT */ },
	};

	return is_among(option, aside, NUM(aside));
}

/* The next connection comes when this one has ended: what is set by then is set for it. */
static int last_fd;

static void inherit_later(struct option *option)
{
	if (is_aside(option) || set_option(listening_fd, option))
		return;
	close(last_fd);
	printf("%s:", name_of(option));
	say_get(listening_fd, option, VALUE_MAX);
	last_fd = next_connection();
	printf("; accepted");
	say_get(last_fd, option, VALUE_MAX);
	putchar('\n');
	/* Whoever comes says nothing: with it, each would come a second late. */
	if (option->level->level == IPPROTO_TCP && option->name == TCP_DEFER_ACCEPT)
		setsockopt(listening_fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, &zero, sizeof(zero));
}

/* Whoever connects goes on until the server is gone. */
static void come_again(void)
{
	char byte;
	int fd;

	while (fd = tcp(0), !connect(fd, TO, to_len)) {
		while (read(fd, &byte, 1) > 0)
			;
		close(fd);
	}
}

/* The first connection is made before anything is set. */
static void listening(void)
{
	listening_fd = listener(8);
	last_fd = accepted(listening_fd);
	each(inherit_later);
}

static bool setting_aside;

static void set_on_listener(struct option *option)
{
	if (is_aside(option) == setting_aside && !set_option(shared_fd, option)) {
		printf("%s:", name_of(option));
		say_get(shared_fd, option, VALUE_MAX);
		putchar('\n');
	}
}

/* What the last packet had is another matter. How large the next one may be nobody knows: among all is IP_TOS. */
static void read_inherited(struct option *option)
{
	static const struct number last_packet[] = { { IPPROTO_IPV6, 6 /* IPV6_2292PKTOPTIONS */ } };
	static const struct number next_packet[] = {
		{ IPPROTO_IP, IP_MTU }, { IPPROTO_IPV6, IPV6_MTU }, { IPPROTO_IPV6, 61 /* IPV6_PATHMTU */ },
	};
	static const struct number reuse[] = { { SOL_SOCKET, SO_REUSEADDR } };

	if (is_unknown(shared_fd, option) || is_among(option, last_packet, NUM(last_packet)))
		return;
	if (is_among(option, next_packet, NUM(next_packet)))
		differs("route");
	/* TCP_REPAIR clears it. */
	if (is_among(option, reuse, NUM(reuse)))
		differs("guarded-reuseaddr");
	say_read(option);
}

/* All at once, before it listens. */
static void of_listener(void)
{
	shared_fd = bound(SO_REUSEADDR);
	each(set_on_listener);
	listen(shared_fd, 8);
	shared_fd = accepted(shared_fd);
	each(read_inherited);
	set_int(shared_fd, IPPROTO_TCP, TCP_CORK, 0);
	echo_all(shared_fd);
	close(shared_fd);
}

static void of_listener_aside(void)
{
	setting_aside = true;
	of_listener();
}

static void set_accepted(struct option *option)
{
	static const struct number of_family[] = { { IPPROTO_IP, 17 /* IP_XFRM_POLICY */ } };
	int fd;

	if (is_unknown(shared_fd, option))
		return;
	fd = next_connection();
	if (is_among(option, of_family, NUM(of_family)))
		differs("ipsec-policy");
	say_set(fd, option);
	putchar('\n');
	close(fd);
}

static void on_accepted(void)
{
	shared_fd = tcp(0);
	listening_fd = listener(8);
	each(set_accepted);
}

/* Nothing was set, and nothing sent yet. */
static void accepted_untouched(void)
{
	shared_fd = accepted(listener(8));
	each(read_only);
	each(read_lengths);
	echo_all(shared_fd);
	close(shared_fd);
}

static const struct test tests[] = {
	{ "before_connect", before_connect, NULL },
	{ "untouched", untouched, NULL },
	{ "after_connect", after_connect, NULL },
	{ "connecting", connecting, NULL, "silent" },
	{ "lengths_of_get", lengths_of_get, NULL },
	{ "lengths_of_set", lengths_of_set, NULL },
	{ "lengths_of_set_before", lengths_of_set_before, NULL, "packet" },
	{ "other_levels", other_levels, NULL },
	{ "listening", come_again, listening },
	{ "of_listener", one_echo, of_listener },
	{ "of_listener_aside", one_echo, of_listener_aside, "packet unannounced" },
	{ "on_accepted", come_again, on_accepted },
	{ "accepted_untouched", one_echo, accepted_untouched },
};

RUN_TESTS(tests)
