/* SPDX-License-Identifier: MIT */
/*
 * test_packetpath.c - two hosts on a wire, and what crosses between their containers
 * links: router/packetpath.c router/packetpath_tenant.c router/packetpath_container.c router/packetpath_host.c router/packetpath_local.c router/port_mac.c router/link.c router/link_request.c router/link_route.c router/link_neighbour.c router/shaping_tree.c router/ruleset.c router/ruleset_refusal.c router/ruleset_load.c router/nft_process.c router/ruleset_batch.c router/ruleset_port.c router/ruleset_message.c router/ruleset_rule.c router/sysctl.c router/netfilter_probe.c router/netfilter_legacy.c router/namespace.c router/endpoint.c router/log.c router/config.c router/config_lex.c router/config_parse.c router/config_report.c router/config_value.c router/config_word.c router/base64.c
 * libs: nl-3 nl-route-3 nftables crypto
 * runs: first
 *
 * Hosts h1 and h2 and a stranger are network namespaces on the bridge of a
 * fourth. The functions keep their state in the process, so each host is a process: it
 * takes orders over a socket. Containers are namespaces without a name; tenants
 * blue and red have the same prefixes and the same addresses. Needs root.
 */
#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netlink/msg.h>
#include <netinet/icmp6.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <poll.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../router/config.h"
#include "../../router/endpoint.h"
#include "../../router/namespace.h"
#include "../../router/packetpath.h"
#include "suite.h"

#define BLUE	100
#define RED	0xabcdef

#define SOON	1500	/* ms: something must happen */
#define NEVER	250	/* ms: nothing may */

enum place {
	WIRE, H1, H2, STRANGER,
	H1_BLUE1, H1_BLUE2, H1_RED1, H2_BLUE1, H2_RED1,
	SPARE,
	PLACES
};

static const char *const host_config =
	"host \"h%d\" { address %s; address %s; wire-mtu 1500; }\n"
	"tenant \"blue\" { vni 100; prefix 10.32.0.0/16; prefix fd32::/48; }\n"
	"tenant \"red\" { vni 11259375; prefix 10.32.0.0/16; prefix fd32::/48; }\n"
	"peer \"h%d\" { address %s; address %s;"
	" public-key \"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\"; }\n"
	"egress %s;\n";

static const char *const wire4[] = { NULL, "198.18.0.1", "198.18.0.2", "198.18.0.9" };
static const char *const wire6[] = { NULL, "fd18::1", "fd18::2", "fd18::9" };

struct home {
	enum place host, place;
	uint32_t vni;
	const char *v4, *v6;
};

static const struct home homes[] = {
	{ H1, H1_BLUE1, BLUE, "10.32.1.2", "fd32:0:0:1::2" },
	{ H1, H1_BLUE2, BLUE, "10.32.1.3", "fd32:0:0:1::3" },
	{ H1, H1_RED1, RED, "10.32.1.2", "fd32:0:0:1::2" },
	{ H2, H2_BLUE1, BLUE, "10.32.2.2", "fd32:0:0:2::2" },
	{ H2, H2_RED1, RED, "10.32.2.2", "fd32:0:0:2::2" },
};

#define HOMES	(sizeof(homes) / sizeof(homes[0]))
#define VETHS	8	/* of a host, at most */

enum order_type { INIT, RESUME, ADOPT, ATTACH, DETACH, REMOTE_ADD, REMOTE_REMOVE, STARVE, SWEEP, EXIT, QUIT };

/* Messages to the kernel that there is no memory for */
enum starving { NOTHING, NETFILTER, ONE_DEVICE, ROUTES };

struct order {
	enum order_type type;
	uint32_t vni;
	enum place place;		/* ATTACH: the container's namespace */
	struct packetpath_port port;
	struct in6_addr host;
	int result;
};

static int ns[PLACES];
static int control[PLACES];		/* of H1 and H2 */
static pid_t process[PLACES];
static bool underlay6, egress = true;
static enum starving starving;

static struct in6_addr address(const char *text)
{
	struct in6_addr addr;

	ck_assert_int_eq(addr_parse(text, &addr), 0);
	return addr;
}

static int namespace_new(void)
{
	int fd;

	ck_assert_int_eq(unshare(CLONE_NEWNET), 0);
	fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	namespace_leave();
	return fd;
}

/* Runs a shell command in a namespace; returns its exit status. */
__attribute__((format(printf, 2, 3)))
static int run(enum place place, const char *fmt, ...)
{
	char command[1024];
	va_list args;
	int status;
	pid_t pid;

	va_start(args, fmt);
	vsnprintf(command, sizeof(command), fmt, args);
	va_end(args);
	pid = fork();
	if (!pid) {
		if (setns(ns[place], CLONE_NEWNET))
			_exit(127);
		execl("/bin/sh", "sh", "-c", command, NULL);
		_exit(127);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	return status;
}

/* --- a host's process --- */

/* In the library's place */
struct nl_msg *nlmsg_alloc_simple(int type, int flags)
{
	struct nlmsghdr nlh = { .nlmsg_type = (uint16_t)type, .nlmsg_flags = (uint16_t)flags };

	if (starving == NETFILTER && type >> 8 == NFNL_SUBSYS_NFTABLES)
		return NULL;
	if (starving == ONE_DEVICE && type == RTM_DELLINK) {
		starving = NOTHING;
		return NULL;
	}
	if (starving == ROUTES && type == RTM_NEWRULE)
		return NULL;
	return nlmsg_inherit(&nlh);
}

/* Of those that are attached */
static char veths[VETHS][IFNAMSIZ];

static void veth_replace(const char *old, const char *new)
{
	for (size_t i = 0; i < VETHS; i++)
		if (!strcmp(veths[i], old)) {
			memcpy(veths[i], new, IFNAMSIZ);
			return;
		}
}

static int sweep(void)
{
	const char *kept[VETHS];

	starving = NOTHING;
	if (!packetpath_is_unfinished())
		return -EALREADY;
	for (size_t i = 0; i < VETHS; i++)
		kept[i] = veths[i];
	packetpath_sweep(kept, VETHS);
	return packetpath_is_unfinished();
}

static struct config *config_of(enum place host)
{
	enum place peer = host == H1 ? H2 : H1;
	const char *const *first = underlay6 ? wire6 : wire4;
	const char *const *second = underlay6 ? wire4 : wire6;
	char text[1024], error[1024] = "";
	struct config *config;

	snprintf(text, sizeof(text), host_config, host, first[host], second[host],
		 peer, first[peer], second[peer], egress ? "masquerade" : "none");
	config = config_parse("test", text, strlen(text), error, sizeof(error));
	if (!config)
		fprintf(stderr, "%s", error);
	return config;
}

static int obey(const struct config *config, struct order *order)
{
	const struct config_tenant *tenant = config_tenant_by_vni(config, order->vni);
	struct packetpath_port *port = &order->port;
	static const char none[IFNAMSIZ];
	int err;

	switch (order->type) {
	case INIT:
		return packetpath_init(config, false);
	case RESUME:
		return packetpath_init(config, true);
	case ADOPT:
		port->netns_fd = ns[order->place];
		return packetpath_adopt(tenant, port);
	case ATTACH:
		port->netns_fd = ns[order->place];
		err = packetpath_attach(tenant, port);
		if (!err)
			veth_replace(none, port->host_ifname);
		return err;
	case DETACH:
		packetpath_detach(tenant, port);
		veth_replace(port->host_ifname, none);
		return 0;
	case STARVE:
		starving = (enum starving)order->vni;
		return 0;
	case SWEEP:
		return sweep();
	case REMOTE_ADD:
		return packetpath_remote_add(order->vni, port->mac, port->addresses,
					     port->addresses_num, &order->host);
	case REMOTE_REMOVE:
		packetpath_remote_remove(order->vni, port->mac, port->addresses,
					 port->addresses_num, &order->host);
		return 0;
	default:
		packetpath_exit();
		return 0;
	}
}

static void host_process(enum place host, int fd)
{
	struct order order;
	struct config *config;

	if (setns(ns[host], CLONE_NEWNET) || namespace_init())
		_exit(1);
	config = config_of(host);
	while (config && recv(fd, &order, sizeof(order), 0) == sizeof(order)) {
		if (order.type == QUIT)
			break;
		order.result = obey(config, &order);
		send(fd, &order, sizeof(order), 0);
	}
	config_free(config);
	_exit(!config);
}

static void host_start(enum place host)
{
	int pair[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	process[host] = fork();
	if (!process[host]) {
		close(pair[0]);
		host_process(host, pair[1]);
	}
	close(pair[1]);
	control[host] = pair[0];
}

static void host_stop(enum place host)
{
	struct order order = { .type = QUIT };
	int status;

	send(control[host], &order, sizeof(order), 0);
	waitpid(process[host], &status, 0);
	close(control[host]);
	ck_assert_int_eq(status, 0);
}

static int ask(enum place host, struct order *order)
{
	ck_assert_int_eq(send(control[host], order, sizeof(*order), 0), sizeof(*order));
	ck_assert_int_eq(recv(control[host], order, sizeof(*order), 0), sizeof(*order));
	return order->result;
}

static int ask_simply(enum place host, enum order_type type)
{
	struct order order = { .type = type };

	return ask(host, &order);
}

/* --- the whole --- */

static struct order attachments[HOMES];

static struct order attach_order(const struct home *home)
{
	struct order order = {
		.type = ATTACH,
		.vni = home->vni,
		.place = home->place,
		.port = {
			.addresses = { address(home->v4), address(home->v6) },
			.addresses_num = 2,
			.container_ifname = "eth0",
		},
	};

	return order;
}

static void wire_up(void)
{
	ck_assert_int_eq(run(WIRE, "ip link add wire type bridge; ip link set wire up"), 0);
	for (enum place host = H1; host <= STRANGER; host++) {
		ck_assert_int_eq(run(host, "ip link set lo up; ip link add up0 type veth peer "
				     "name w%d netns /proc/%d/fd/%d && ip link set up0 up && "
				     "ip addr add %s/24 dev up0 && "
				     "ip addr add %s/64 dev up0 nodad",
				     host, getpid(), ns[WIRE], wire4[host], wire6[host]), 0);
		ck_assert_int_eq(run(WIRE, "ip link set w%d master wire up", host), 0);
	}
}

static void remotes_add(void)
{
	for (size_t i = 0; i < HOMES; i++) {
		enum place other = homes[i].host == H1 ? H2 : H1;
		struct order order = attachments[i];
		const char *const *wire = underlay6 ? wire6 : wire4;

		order.type = REMOTE_ADD;
		order.host = address(wire[homes[i].host]);
		ck_assert_int_eq(ask(other, &order), 0);
	}
}

static void attach_to(enum place host)
{
	for (size_t i = 0; i < HOMES; i++) {
		if (homes[i].host != host)
			continue;
		attachments[i] = attach_order(&homes[i]);
		ck_assert_int_eq(ask(host, &attachments[i]), 0);
	}
}

static void up(void)
{
	ck_assert_int_eq(namespace_init(), 0);
	for (enum place place = 0; place < PLACES; place++)
		ns[place] = namespace_new();
	wire_up();
	/*
	 * What hosts have, and what must not matter. On h2, which has rules of its
	 * own, bridged packets keep passing netfilter where br_netfilter is there.
	 */
	ck_assert_int_eq(run(H1, "echo 1 > /proc/sys/net/ipv4/conf/all/rp_filter"), 0);
	ck_assert_int_eq(run(H2, "echo 'table ip other { chain c { type filter hook forward "
			     "priority 0; policy accept; counter; }\n}' | nft -f -"), 0);
	for (enum place host = H1; host <= H2; host++) {
		host_start(host);
		ck_assert_int_eq(ask_simply(host, INIT), 0);
	}
	attach_to(H1);
	attach_to(H2);
	remotes_add();
}

static void up4(void)
{
	underlay6 = false;
	egress = true;
	up();
}

static void up6(void)
{
	underlay6 = true;
	egress = false;
	up();
}

static void down(void)
{
	for (enum place host = H1; host <= H2; host++) {
		ask_simply(host, EXIT);
		host_stop(host);
	}
	for (enum place place = 0; place < PLACES; place++)
		close(ns[place]);
}

static int socket_in(enum place place, int domain, int type, int protocol)
{
	int fd = namespace_socket(ns[place], domain, type | SOCK_CLOEXEC, protocol);

	ck_assert_int_ge(fd, 0);
	return fd;
}

static bool readable(int fd, int ms)
{
	struct pollfd poller = { .fd = fd, .events = POLLIN };

	return poll(&poller, 1, ms) == 1;
}

static struct sockaddr_storage sockaddr_of(const char *text, uint16_t port, socklen_t *len)
{
	struct in6_addr addr = address(text);
	struct sockaddr_storage out = { 0 };
	struct sockaddr_in *sin = (struct sockaddr_in *)&out;
	struct sockaddr_in6 *sin6 = (struct sockaddr_in6 *)&out;

	if (addr_is4(&addr)) {
		sin->sin_family = AF_INET;
		sin->sin_port = htons(port);
		sin->sin_addr.s_addr = addr_get4(&addr);
		*len = sizeof(*sin);
	} else {
		sin6->sin6_family = AF_INET6;
		sin6->sin6_port = htons(port);
		sin6->sin6_addr = addr;
		*len = sizeof(*sin6);
	}
	return out;
}

static int family_of(const char *text)
{
	struct in6_addr addr = address(text);

	return addr_is4(&addr) ? AF_INET : AF_INET6;
}

/* An echo request of @size bytes (ICMP header included), not to be fragmented. */
static bool ping(enum place from, const char *to, size_t size, int ms)
{
	int family = family_of(to), discover = IP_PMTUDISC_DO, fd;
	char packet[2048] = { 0 };
	struct sockaddr_storage sa;
	socklen_t len;
	bool answered;

	ck_assert_int_eq(run(from, "echo 0 2147483647 > /proc/sys/net/ipv4/ping_group_range"), 0);
	sa = sockaddr_of(to, 0, &len);
	if (family == AF_INET) {
		fd = socket_in(from, family, SOCK_DGRAM, IPPROTO_ICMP);
		setsockopt(fd, SOL_IP, IP_MTU_DISCOVER, &discover, sizeof(discover));
		packet[0] = ICMP_ECHO;
	} else {
		fd = socket_in(from, family, SOCK_DGRAM, IPPROTO_ICMPV6);
		setsockopt(fd, SOL_IPV6, IPV6_MTU_DISCOVER, &discover, sizeof(discover));
		packet[0] = (char)ICMP6_ECHO_REQUEST;
	}
	answered = sendto(fd, packet, size, 0, (struct sockaddr *)&sa, len) == (ssize_t)size &&
		   readable(fd, ms) && recv(fd, packet, sizeof(packet), 0) == (ssize_t)size;
	close(fd);
	return answered;
}

static int listen_in(enum place place, const char *text, uint16_t port)
{
	int fd = socket_in(place, family_of(text), SOCK_STREAM, 0), one = 1;
	struct sockaddr_storage sa;
	socklen_t len;

	sa = sockaddr_of(text, port, &len);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&sa, len), 0);
	ck_assert_int_eq(listen(fd, 8), 0);
	return fd;
}

/* Connects from a port of its own: an fd, or -1. */
static int connect_from(enum place place, const char *text, uint16_t port, uint16_t source,
			int ms)
{
	int family = family_of(text);
	int fd = socket_in(place, family, SOCK_STREAM | SOCK_NONBLOCK, 0);
	struct sockaddr_storage sa;
	struct pollfd poller = { .fd = fd, .events = POLLOUT };
	int err = -1;
	socklen_t len;

	sa = sockaddr_of(family == AF_INET ? "0.0.0.0" : "::", source, &len);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&sa, len), 0);
	sa = sockaddr_of(text, port, &len);
	connect(fd, (struct sockaddr *)&sa, len);
	len = sizeof(err);
	if (poll(&poller, 1, ms) == 1)
		getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len);
	if (!err)
		return fd;
	close(fd);
	return -1;
}

static bool connects(enum place place, const char *text, uint16_t port, int ms)
{
	int fd = connect_from(place, text, port, 0, ms);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static const struct {
	enum place from;
	const char *to;
} reachable[] = {
	{ H1_BLUE1, "10.32.1.3" }, { H1_BLUE1, "10.32.2.2" }, { H1_BLUE1, "10.32.0.1" },
	{ H1_BLUE1, "fd32:0:0:1::3" }, { H1_BLUE1, "fd32:0:0:2::2" }, { H1_BLUE1, "fd32::1" },
	{ H2_BLUE1, "10.32.1.3" }, { H2_BLUE1, "fd32:0:0:1::3" },
	{ H1_RED1, "10.32.2.2" }, { H1_RED1, "fd32:0:0:2::2" },
	{ H1_RED1, "10.32.0.1" }, { H2_RED1, "fd32::1" },
};

#define REACHABLE	((int)(sizeof(reachable) / sizeof(reachable[0])))

START_TEST(reach)
{
	ck_assert_msg(ping(reachable[_i].from, reachable[_i].to, 64, SOON), "%d to %s",
		      reachable[_i].from, reachable[_i].to);
}
END_TEST

START_TEST(mtu)
{
	int inner = underlay6 ? 1430 : 1450;

	ck_assert(ping(H1_BLUE1, "10.32.2.2", (size_t)inner - 20, SOON));
	ck_assert(!ping(H1_BLUE1, "10.32.2.2", (size_t)inner - 19, NEVER));
	ck_assert(ping(H1_BLUE1, "fd32:0:0:2::2", (size_t)inner - 40, SOON));
	ck_assert(!ping(H1_BLUE1, "fd32:0:0:2::2", (size_t)inner - 39, NEVER));
}
END_TEST

static bool accepts(int listener, int ms)
{
	int fd = readable(listener, ms) ? accept(listener, NULL, NULL) : -1;

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

/* Each tenant has a listener at the same address and port. */
START_TEST(tenants_apart)
{
	int blue = listen_in(H2_BLUE1, "10.32.2.2", 80);
	int red = listen_in(H2_RED1, "10.32.2.2", 80);

	ck_assert(connects(H1_BLUE1, "10.32.2.2", 80, SOON));
	ck_assert(accepts(blue, SOON) && !accepts(red, NEVER));
	ck_assert(connects(H1_RED1, "10.32.2.2", 80, SOON));
	ck_assert(accepts(red, SOON) && !accepts(blue, NEVER));
	ck_assert(!ping(H1_RED1, "10.32.1.3", 64, NEVER));
	ck_assert(!ping(H1_RED1, "fd32:0:0:1::3", 64, NEVER));
	close(blue);
	close(red);
}
END_TEST

/* Whether a packet for this address is among those that have come. */
static bool heard(int fd, const char *dest)
{
	union { struct iphdr ip; char bytes[2048]; } packet;

	while (readable(fd, 0)) {
		if (recv(fd, &packet, sizeof(packet), 0) >= (ssize_t)sizeof(packet.ip) &&
		    packet.ip.daddr == inet_addr(dest))
			return true;
	}
	return false;
}

/* A tenant cannot get out of its bridge by handing the gateway its own destinations. */
START_TEST(gateway_keeps_tenant)
{
	int wire = socket_in(STRANGER, AF_PACKET, SOCK_DGRAM, htons(ETH_P_IP));

	ck_assert_int_eq(run(H1, "ip route add default via 198.18.0.9"), 0);
	ck_assert_int_eq(run(H1_BLUE1, "ip route add 10.32.7.0/24 via 10.32.0.1"), 0);
	ck_assert(!ping(H1_BLUE1, "10.32.7.7", 64, NEVER));
	ck_assert(!heard(wire, "10.32.7.7"));
	ck_assert(ping(H1_BLUE1, wire4[STRANGER], 64, SOON) && heard(wire, wire4[STRANGER]));
	close(wire);
}
END_TEST

/* Both tenants' containers talk to one outside address at once, from one source port. */
START_TEST(egress_both)
{
	const char *outside = _i ? wire6[STRANGER] : wire4[STRANGER];
	const enum place from[2] = { H1_BLUE1, H1_RED1 };
	int listener = listen_in(STRANGER, outside, 8080);
	int clients[2], served[2];
	char byte;

	for (int i = 0; i < 2; i++) {
		clients[i] = connect_from(from[i], outside, 8080, 5555, SOON);
		ck_assert_int_ge(clients[i], 0);
		served[i] = accept(listener, NULL, NULL);
		ck_assert_int_ge(served[i], 0);
	}
	for (int i = 0; i < 2; i++) {
		byte = (char)('a' + i);
		ck_assert_int_eq(send(served[i], &byte, 1, 0), 1);
	}
	for (int i = 0; i < 2; i++) {
		ck_assert(readable(clients[i], SOON));
		ck_assert_int_eq(recv(clients[i], &byte, 1, 0), 1);
		ck_assert_int_eq(byte, 'a' + i);
		close(clients[i]);
		close(served[i]);
	}
	close(listener);
	ck_assert(ping(H1_BLUE1, outside, 64, SOON));
	ck_assert(ping(H1_RED1, outside, 64, SOON));
}
END_TEST

START_TEST(egress_none)
{
	ck_assert(!ping(H1_BLUE1, wire4[STRANGER], 64, NEVER));
	ck_assert(run(H1_BLUE1, "ip route | grep -q default") != 0);
	ck_assert_int_eq(run(H1_BLUE1, "ip route add default via 10.32.0.1"), 0);
	ck_assert_int_eq(run(H1, "echo 1 > /proc/sys/net/ipv4/ip_forward"), 0);
	ck_assert(!ping(H1_BLUE1, wire4[STRANGER], 64, NEVER));
}
END_TEST

/* Nobody outside gets in by routing a tenant's prefix through a host. */
START_TEST(no_ingress)
{
	ck_assert_int_eq(run(STRANGER, "ip route add 10.32.0.0/16 via 198.18.0.1; "
			     "ip -6 route add fd32::/48 via fd18::1"), 0);
	ck_assert(!ping(STRANGER, "10.32.1.2", 64, NEVER));
	ck_assert(!ping(STRANGER, "fd32:0:0:1::2", 64, NEVER));
}
END_TEST

/* Who may connect to slim ports, and to others. */
static const struct {
	enum place from, at;
	const char *to;
	uint16_t port;
	bool open;
} doors[] = {
	{ H2, H1, "198.18.0.1", 4790, true }, { H2, H1, "fd18::1", 4853, true },
	{ H1, H1, "198.18.0.1", 4790, true }, { H1, H1, "127.0.0.1", 4791, true },
	{ STRANGER, H1, "198.18.0.1", 4790, false }, { STRANGER, H1, "fd18::1", 4853, false },
	{ STRANGER, H1, "198.18.0.1", 8080, true },
	{ H1_BLUE1, H1, "198.18.0.1", 4790, false }, { H1_BLUE1, H1, "fd18::1", 4790, false },
	{ H1_BLUE1, H1, "198.18.0.1", 8080, false },
	{ H1_BLUE1, H2, "198.18.0.2", 4790, false }, { H1_BLUE1, H2, "fd18::2", 4853, false },
	{ H1_BLUE1, H2, "198.18.0.2", 8080, true }, { H1_RED1, H2, "fd18::2", 8080, true },
};

#define DOORS	((int)(sizeof(doors) / sizeof(doors[0])))

START_TEST(slim_ports_closed)
{
	int fd = listen_in(doors[_i].at, doors[_i].to, doors[_i].port);
	int ms = doors[_i].open ? SOON : NEVER;

	ck_assert_int_eq(connects(doors[_i].from, doors[_i].to, doors[_i].port, ms),
			 doors[_i].open);
	close(fd);
}
END_TEST

/* --- frames made by hand --- */

struct frame {
	uint8_t data[256];
	size_t len;
};

static void frame_put(struct frame *frame, const void *data, size_t len)
{
	memcpy(frame->data + frame->len, data, len);
	frame->len += len;
}

static void frame_u16(struct frame *frame, uint16_t value)
{
	uint16_t be = htons(value);

	frame_put(frame, &be, sizeof(be));
}

static void frame_ether(struct frame *frame, const uint8_t *to, const uint8_t *from,
			uint16_t type)
{
	frame_put(frame, to, 6);
	frame_put(frame, from, 6);
	frame_u16(frame, type);
}

static void frame_ip4(struct frame *frame, const char *from, const char *to)
{
	struct iphdr ip = {
		.version = 4, .ihl = 5, .ttl = 64, .protocol = IPPROTO_UDP,
		.tot_len = htons(sizeof(ip) + sizeof(struct udphdr) + 4),
		.saddr = inet_addr(from), .daddr = inet_addr(to),
	};
	struct udphdr udp = { .uh_dport = htons(9), .uh_ulen = htons(sizeof(udp) + 4) };
	const uint16_t *words = (const uint16_t *)&ip;
	uint32_t sum = 0;

	for (size_t i = 0; i < sizeof(ip) / 2; i++)
		sum += words[i];
	sum = (sum & 0xffff) + (sum >> 16);
	ip.check = (uint16_t)~(sum + (sum >> 16));
	frame_put(frame, &ip, sizeof(ip));
	frame_put(frame, &udp, sizeof(udp));
	frame_put(frame, "slim", 4);
}

static void frame_arp(struct frame *frame, const uint8_t *mac, const char *sender)
{
	struct in_addr from = { inet_addr(sender) }, to = { inet_addr("10.32.1.3") };

	frame_put(frame, "\0\1\10\0\6\4\0\2", 8);
	frame_put(frame, mac, 6);
	frame_put(frame, &from, 4);
	frame_put(frame, mac, 6);
	frame_put(frame, &to, 4);
}

/* ICMPv6 with the given type, and a target where one belongs */
static void frame_icmp6(struct frame *frame, const char *from, uint8_t type, const char *target)
{
	struct in6_addr source = address(from), dest = address("fd32:0:0:1::3");
	struct in6_addr about = address(target);
	uint8_t icmp[8] = { type };

	frame_put(frame, "\x60\0\0\0\0\x18\x3a\xff", 8);
	frame_put(frame, &source, 16);
	frame_put(frame, &dest, 16);
	frame_put(frame, icmp, sizeof(icmp));
	frame_put(frame, &about, 16);
}

static const uint8_t mac1[6] = { 0x02, 0x53, 10, 32, 1, 2 };
static const uint8_t mac2[6] = { 0x02, 0x53, 10, 32, 1, 3 };
static const uint8_t mac3[6] = { 0x02, 0x53, 10, 32, 2, 2 };

enum forgery { IP4, TAGGED, ARP, ICMP6, ODD };

#define OWN6	"fd32:0:0:1::2"
#define OWN_LL	"fe80::53:aff:fe20:102"
#define OTHER6	"fd32:0:0:2::2"

static const struct {
	enum forgery kind;
	const uint8_t *mac, *arp_mac;
	const char *source, *target;
	uint8_t type;
	bool passes;
} forgeries[] = {
	{ IP4, mac1, NULL, "10.32.1.2", NULL, 0, true },
	{ IP4, mac3, NULL, "10.32.1.2", NULL, 0, false },
	{ IP4, mac1, NULL, "10.32.2.2", NULL, 0, false },
	{ IP4, mac1, NULL, "0.0.0.0", NULL, 0, false },
	{ TAGGED, mac1, NULL, "10.32.1.2", NULL, 0, false },
	{ ARP, mac1, mac1, "10.32.1.2", NULL, 0, true },
	{ ARP, mac1, mac1, "10.32.0.1", NULL, 0, false },
	{ ARP, mac1, mac3, "10.32.1.2", NULL, 0, false },
	{ ICMP6, mac1, NULL, OWN6, OWN6, 136, true },
	{ ICMP6, mac1, NULL, OWN_LL, OWN6, 136, true },
	{ ICMP6, mac1, NULL, OWN6, OTHER6, 136, false },
	{ ICMP6, mac1, NULL, OTHER6, OTHER6, 136, false },
	{ ICMP6, mac1, NULL, OWN6, OTHER6, 135, true },
	{ ICMP6, mac1, NULL, OTHER6, OTHER6, 135, false },
	{ ICMP6, mac1, NULL, "::", OWN_LL, 135, true },
	{ ICMP6, mac1, NULL, "::", OTHER6, 135, false },
	{ ICMP6, mac1, NULL, "::", OTHER6, 128, false },
	{ ICMP6, mac1, NULL, OWN_LL, OTHER6, 134, false },
	{ ICMP6, mac1, NULL, OWN_LL, OTHER6, 137, false },
	{ ICMP6, mac1, NULL, OWN_LL, OTHER6, 130, false },	/* multicast groups */
	{ ICMP6, mac1, NULL, OWN_LL, OTHER6, 131, false },
	{ ICMP6, mac1, NULL, OWN_LL, OTHER6, 143, false },
	{ ICMP6, mac1, NULL, "::", OTHER6, 143, false },
	{ ICMP6, mac1, NULL, OWN_LL, OTHER6, 133, false },	/* looking for routers */
	{ ICMP6, mac1, NULL, OWN_LL, OWN_LL, 136, true },
	{ ICMP6, mac1, NULL, OWN6, "::", 136, false },
	{ ICMP6, mac1, NULL, OWN_LL, OTHER6, 128, true },
	{ ICMP6, mac3, NULL, OWN6, OTHER6, 128, false },
	{ ODD, mac1, NULL, NULL, NULL, 0, false },
};

#define FORGERIES	((int)(sizeof(forgeries) / sizeof(forgeries[0])))

static struct frame forge(int i)
{
	struct frame frame = { 0 };

	switch (forgeries[i].kind) {
	case IP4:
		frame_ether(&frame, mac2, forgeries[i].mac, ETH_P_IP);
		frame_ip4(&frame, forgeries[i].source, "10.32.1.3");
		break;
	case TAGGED:
		frame_ether(&frame, mac2, forgeries[i].mac, ETH_P_8021Q);
		frame_u16(&frame, 5);
		frame_u16(&frame, ETH_P_IP);
		frame_ip4(&frame, forgeries[i].source, "10.32.1.3");
		break;
	case ARP:
		frame_ether(&frame, mac2, forgeries[i].mac, ETH_P_ARP);
		frame_arp(&frame, forgeries[i].arp_mac, forgeries[i].source);
		break;
	case ICMP6:
		frame_ether(&frame, mac2, forgeries[i].mac, ETH_P_IPV6);
		frame_icmp6(&frame, forgeries[i].source, forgeries[i].type,
			    forgeries[i].target);
		break;
	case ODD:
		frame_ether(&frame, mac2, forgeries[i].mac, 0x88b5);
		frame_put(&frame, "slim", 4);
		break;
	}
	return frame;
}

static int packet_socket(enum place place)
{
	struct sockaddr_ll sa = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL) };
	int fd = socket_in(place, AF_PACKET, SOCK_RAW, 0);

	ck_assert_int_eq(namespace_enter(ns[place]), 0);
	sa.sll_ifindex = (int)if_nametoindex("eth0");
	namespace_leave();
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	return fd;
}

/* Whether this very frame comes in, among others. */
static bool frame_arrives(int fd, const struct frame *frame, int ms)
{
	uint8_t data[2048];

	while (readable(fd, ms)) {
		ssize_t len = recv(fd, data, sizeof(data), 0);

		if (len >= (ssize_t)frame->len && !memcmp(data, frame->data, frame->len))
			return true;
	}
	return false;
}

START_TEST(pinned)
{
	struct frame frame = forge(_i);
	int from = packet_socket(H1_BLUE1), to = packet_socket(H1_BLUE2);

	ck_assert_int_eq(send(from, frame.data, frame.len, 0), (ssize_t)frame.len);
	ck_assert_int_eq(frame_arrives(to, &frame, forgeries[_i].passes ? SOON : NEVER),
			 forgeries[_i].passes);
	close(from);
	close(to);
}
END_TEST

static const struct {
	enum place from;
	bool passes;
} tunnellers[] = { { H2, true }, { STRANGER, false }, { H1_BLUE2, false } };

/* A VXLAN packet for a container of h1, made by hand. */
START_TEST(vxlan_closed)
{
	struct frame inner = { 0 }, outer = { 0 };
	int fd = socket_in(tunnellers[_i].from, AF_INET, SOCK_DGRAM, 0);
	int to = packet_socket(H1_BLUE1);
	struct sockaddr_storage sa;
	socklen_t len;

	frame_ether(&inner, mac1, mac3, ETH_P_IP);
	frame_ip4(&inner, "10.32.2.2", "10.32.1.2");
	frame_put(&outer, "\10\0\0\0\0\0\x64\0", 8);
	frame_put(&outer, inner.data, inner.len);
	sa = sockaddr_of("198.18.0.1", 4789, &len);
	ck_assert_int_eq(sendto(fd, outer.data, outer.len, 0, (struct sockaddr *)&sa, len),
			 (ssize_t)outer.len);
	ck_assert_int_eq(frame_arrives(to, &inner, tunnellers[_i].passes ? SOON : NEVER),
			 tunnellers[_i].passes);
	close(fd);
	close(to);
}
END_TEST

/* Nor through another host, which would take it for its neighbour's. */
START_TEST(vxlan_closed_forward)
{
	int fd = socket_in(H1_BLUE1, AF_INET, SOCK_DGRAM, 0);
	int to = packet_socket(H2_RED1);
	struct frame inner = { 0 }, outer = { 0 };
	struct sockaddr_storage sa;
	socklen_t len;

	frame_ether(&inner, mac3, mac1, ETH_P_IP);
	frame_ip4(&inner, "10.32.1.2", "10.32.2.2");
	frame_put(&outer, "\10\0\0\0\xab\xcd\xef\0", 8);
	frame_put(&outer, inner.data, inner.len);
	sa = sockaddr_of("198.18.0.2", 4789, &len);
	sendto(fd, outer.data, outer.len, 0, (struct sockaddr *)&sa, len);
	ck_assert(!frame_arrives(to, &inner, NEVER));
	close(fd);
	close(to);
}
END_TEST

/* --- life cycle --- */

START_TEST(remote_moves)
{
	struct order order = attachments[3];

	order.type = REMOTE_ADD;
	order.host = address("198.18.0.9");
	ck_assert_int_eq(ask(H1, &order), 0);
	ck_assert(!ping(H1_BLUE1, "10.32.2.2", 64, NEVER));
	order.host = address(wire4[H2]);
	ck_assert_int_eq(ask(H1, &order), 0);
	ck_assert_int_eq(ask(H1, &order), 0);
	ck_assert(ping(H1_BLUE1, "10.32.2.2", 64, SOON));
	order.type = REMOTE_REMOVE;
	order.host = address("198.18.0.9");	/* too late */
	ck_assert_int_eq(ask(H1, &order), 0);
	ck_assert(ping(H1_BLUE1, "10.32.2.2", 64, SOON));
	order.host = address(wire4[H2]);
	ck_assert_int_eq(ask(H1, &order), 0);
	ck_assert_int_eq(ask(H1, &order), 0);
	ck_assert(!ping(H1_BLUE1, "10.32.2.2", 64, NEVER));
}
END_TEST

/* A peer that claims what is here is not heeded. */
START_TEST(remote_refused)
{
	struct order order = attachments[1];

	order.type = REMOTE_ADD;
	order.host = address(wire4[H2]);
	ck_assert_int_lt(ask(H1, &order), 0);
	order.port.mac[5] ^= 0x80;
	ck_assert_int_lt(ask(H1, &order), 0);
	order.port.addresses[0] = address("10.32.0.1");
	order.port.addresses_num = 1;
	ck_assert_int_lt(ask(H1, &order), 0);
	order.port.addresses[0] = address("10.33.0.9");
	ck_assert_int_lt(ask(H1, &order), 0);
	order.vni = 77;		/* nobody of that tenant is here */
	ck_assert_int_eq(ask(H1, &order), 0);
	ck_assert(ping(H1_BLUE1, "10.32.1.3", 64, SOON));
}
END_TEST

static const struct {
	const char *v4, *v6, *prepare;
	int result;
} attempts[] = {
	{ "10.32.1.9", "fd32:0:0:1::9", "ip link add eth0 type veth peer name eth1", -EEXIST },
	{ "10.32.1.3", "fd32:0:0:1::9", "true", -EADDRINUSE },
	{ "10.32.1.9", "fd32:0:0:1::3", "true", -EADDRINUSE },
	{ "10.32.0.1", "fd32:0:0:1::9", "true", -EADDRINUSE },
	{ "10.33.1.9", "fd32:0:0:1::9", "true", -EINVAL },
	{ "10.32.0.0", "fd32:0:0:1::9", "true", -EINVAL },
	{ "10.32.1.9", "fd32:0:0:1::9",
	  "for i in all default lo; do echo 1 > /proc/sys/net/ipv6/conf/$i/disable_ipv6; done", 0 },
};

#define ATTEMPTS	((int)(sizeof(attempts) / sizeof(attempts[0])))

/* (The wire's own link-local address comes a second later than its device.) */
static void state_save(enum place host, const char *name)
{
	ck_assert_int_eq(run(host, "(ip -o link | sed 's/ mtu.*//'; ip rule; ip -6 rule; "
			     "ip -4 route show table all | grep -v '^local\\|^broadcast'; "
			     "ip -6 route show table all | grep -v '^local\\|expires\\|^anycast fe80:: dev up0'; "
			     "ip neigh show nud permanent; bridge fdb | grep -v 33:33; "
			     "nft list ruleset) > /tmp/slimpp-%d-%s", getpid(), name), 0);
}

static bool state_same(const char *before, const char *after)
{
	return !run(H1, "cd /tmp; diff -u slimpp-%d-%s slimpp-%d-%s >&2; status=$?; "
		    "rm -f slimpp-%d-%s slimpp-%d-%s; exit $status", getpid(), before,
		    getpid(), after, getpid(), before, getpid(), after);
}

/* What fails leaves nothing; what is attached and detached again leaves nothing. */
START_TEST(attach_whole)
{
	struct home home = { H1, SPARE, BLUE, attempts[_i].v4, attempts[_i].v6 };
	struct order order = attach_order(&home);

	ck_assert_int_eq(run(SPARE, "%s", attempts[_i].prepare), 0);
	state_save(H1, "before");
	ck_assert_int_eq(ask(H1, &order), attempts[_i].result);
	if (!attempts[_i].result) {
		ck_assert(ping(SPARE, "10.32.1.3", 64, SOON));
		ck_assert(ping(SPARE, "fd32:0:0:1::3", 64, SOON));
		order.type = DETACH;
		ask(H1, &order);
		ck_assert(run(SPARE, "ip link show eth0 2> /dev/null") != 0);
	}
	state_save(H1, "after");
	ck_assert(state_same("before", "after"));
}
END_TEST

/* The last container of a tenant takes its devices along. */
START_TEST(tenant_goes)
{
	struct order order = attachments[2];

	ck_assert_int_eq(run(H1, "ip link show slimbabcdef && ip link show slimxabcdef"), 0);
	order.type = DETACH;
	ask(H1, &order);
	ck_assert(run(H1, "ip link | grep abcdef || ip rule | grep 53abcdef ||"
		      "nft list ruleset | grep abcdef") != 0);
	order.type = ATTACH;
	ck_assert_int_eq(ask(H1, &order), 0);
	order.type = REMOTE_ADD;
	order.port = attachments[4].port;
	order.host = address(wire4[H2]);
	ck_assert_int_eq(ask(H1, &order), 0);
	ck_assert(ping(H1_RED1, "10.32.2.2", 64, SOON));
}
END_TEST

/* What there was no memory to remove keeps its pinning, and goes later. */
START_TEST(detach_without_memory)
{
	struct home home = { H1, SPARE, BLUE, "10.32.1.77", "fd32:0:0:1::77" };
	struct order order = attach_order(&home), starve = { .type = STARVE, .vni = (uint32_t)_i };

	state_save(H1, "before");
	ck_assert_int_eq(ask(H1, &order), 0);
	ck_assert_int_eq(ask(H1, &starve), 0);
	order.type = DETACH;
	ask(H1, &order);
	ck_assert_int_eq(!run(H1, "ip link show %s 2> /dev/null", order.port.host_ifname),
			 _i == ONE_DEVICE);
	ck_assert_int_eq(run(H1, "nft list ruleset | grep -q 'device \"%s\"'",
			     order.port.host_ifname), 0);
	ck_assert_int_eq(ask_simply(H1, SWEEP), 0);
	state_save(H1, "after");
	ck_assert(state_same("before", "after"));
}
END_TEST

START_TEST(exit_leaves_nothing)
{
	ask_simply(H1, EXIT);
	state_save(H1, "after");
	ck_assert(run(H1, "grep -i 'slim\\|fwmark\\|10\\.32\\|fd32' /tmp/slimpp-%d-after",
		      getpid()) != 0);
	ck_assert_int_eq(run(H1, "rm /tmp/slimpp-%d-after", getpid()), 0);
	ck_assert(run(H1_BLUE1, "ip link show eth0 2> /dev/null") != 0);
}
END_TEST

/* A router that was killed left everything; the next one starts afresh. */
START_TEST(restart_after_crash)
{
	host_stop(H1);
	host_start(H1);
	ck_assert_int_eq(ask_simply(H1, INIT), 0);
	ck_assert(run(H1, "ip -o link | grep slim || ip rule | grep fwmark") != 0);
	attach_to(H1);
	remotes_add();
	ck_assert(ping(H1_BLUE1, "10.32.2.2", 64, SOON));
	ck_assert(ping(H1_RED1, "fd32:0:0:2::2", 64, SOON));
}
END_TEST

static int adopt(const struct order *attached)
{
	struct order order = *attached;

	order.type = ADOPT;
	return ask(H1, &order);
}

static void take_over(enum starving what)
{
	struct order starve = { .type = STARVE, .vni = (uint32_t)what };

	host_stop(H1);
	host_start(H1);
	ck_assert_int_eq(ask_simply(H1, RESUME), 0);
	ck_assert_int_eq(ask(H1, &starve), 0);
}

/* What a router cannot take over for want of memory, the next one can. */
START_TEST(adopt_without_memory)
{
	const char *veth = attachments[0].port.host_ifname;

	take_over(ROUTES);
	ck_assert_int_eq(adopt(&attachments[0]), -ENOMEM);
	ck_assert_int_eq(run(H1, "ip link show %s", veth), 0);
	take_over(NOTHING);
	for (size_t i = 0; i < HOMES; i++)
		if (homes[i].host == H1)
			ck_assert_int_eq(adopt(&attachments[i]), 0);
	remotes_add();
	ck_assert(ping(H1_BLUE1, "10.32.2.2", 64, SOON));
	ck_assert(ping(H1_RED1, "fd32:0:0:2::2", 64, SOON));
}
END_TEST

/* Containers that are not adopted yet have devices, too. */
START_TEST(attach_beside_kept)
{
	struct home home = { H1, SPARE, BLUE, "10.32.1.77", "fd32:0:0:1::77" };
	struct order order = attach_order(&home);

	take_over(NOTHING);
	ck_assert_int_eq(adopt(&attachments[0]), 0);
	ck_assert_int_eq(ask(H1, &order), 0);
	for (size_t i = 0; i < HOMES; i++)
		ck_assert_str_ne(order.port.host_ifname, attachments[i].port.host_ifname);
	ck_assert(ping(SPARE, "10.32.1.2", 64, SOON));
}
END_TEST

START_TEST(host_sysctls)
{
	ck_assert_int_eq(run(H1, "cd /proc/sys/net/ipv4; [ $(cat tcp_tw_reuse) = 1 ] && "
			     "[ $(($(cat tcp_fastopen) & 3)) = 3 ] && [ $(cat ip_forward) = 1 ]"), 0);
	ck_assert_int_eq(run(H1_BLUE1, "ip -6 addr show dev lo | grep -q fd53:4c49:4d00::1/128"), 0);
}
END_TEST

static Suite *suite(void)
{
	Suite *out = suite_create("packetpath");
	TCase *four = tcase_create("IPv4 wire"), *six = tcase_create("IPv6 wire");
	TCase *memory = tcase_create("memory");

	tcase_add_checked_fixture(four, up4, down);
	tcase_add_checked_fixture(six, up6, down);
	tcase_add_checked_fixture(memory, up4, down);
	tcase_set_timeout(four, 60);
	tcase_set_timeout(six, 60);
	tcase_add_loop_test(four, reach, 0, REACHABLE);
	tcase_add_loop_test(six, reach, 0, REACHABLE);
	tcase_add_test(four, mtu);
	tcase_add_test(six, mtu);
	tcase_add_test(four, tenants_apart);
	tcase_add_test(four, gateway_keeps_tenant);
	tcase_add_loop_test(four, egress_both, 0, 2);
	tcase_add_test(six, egress_none);
	tcase_add_test(four, no_ingress);
	tcase_add_loop_test(four, slim_ports_closed, 0, DOORS);
	tcase_add_loop_test(four, pinned, 0, FORGERIES);
	tcase_add_loop_test(four, vxlan_closed, 0, 3);
	tcase_add_test(four, vxlan_closed_forward);
	tcase_add_test(four, remote_moves);
	tcase_add_test(four, remote_refused);
	tcase_add_loop_test(four, attach_whole, 0, ATTEMPTS);
	tcase_add_test(four, tenant_goes);
	tcase_add_test(four, exit_leaves_nothing);
	tcase_add_test(four, restart_after_crash);
	tcase_add_test(four, host_sysctls);
	tcase_add_test(memory, adopt_without_memory);
	tcase_add_test(memory, attach_beside_kept);
	tcase_add_loop_test(memory, detach_without_memory, NETFILTER, ONE_DEVICE + 1);
	suite_add_tcase(out, four);
	suite_add_tcase(out, six);
	suite_add_tcase(out, memory);
	return out;
}

int main(void)
{
	return suite_run(suite());
}
