/* SPDX-License-Identifier: MIT */
/*
 * kinds.c - sockets of other kinds than TCP's, which Slim leaves alone, and TCP's in uncommon use
 *
 * There are cases only of what the kernel has; Debian's own have it all (tests/qemu/05-kinds.sh).
 */
#include "../uring.h"
#include "program.h"

#include <linux/if_packet.h>
#include <linux/tls.h>
#include <linux/vm_sockets.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>
#include <netinet/tcp.h>
#include <sys/un.h>

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP	262
#endif
#define SOL_MPTCP_	284	/* <linux/mptcp.h> comes after glibc's headers only with difficulty */
#define MPTCP_INFO_	1
#define MPTCP_FALLBACK	1	/* MPTCP_INFO_FLAG_FALLBACK */
#define UDPLITE_SEND	10	/* UDPLITE_SEND_CSCOV of <linux/udp.h> */
#define COVERED		8	/* the header alone */
#define ETHERTYPE_LOCAL	0x88b5	/* IEEE 802: for experiments at home */
#define VSOCK_PORT	(20000 + ntohs(*port_of(&to)))

static bool has(int family, int type, int protocol)
{
	int fd = socket(family, type, protocol);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static int made(int type, int protocol)
{
	return say_fd("socket", socket(to.ss_family, type, protocol));
}

static int listening(int protocol)
{
	int fd = made(SOCK_STREAM, protocol), one = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	say("bind", bind(fd, TO, to_len));
	say("listen", listen(fd, 4));
	return fd;
}

/* A client starts when this one is there: the last that a server does before it waits. */
static int ready(void)
{
	return listener(1);
}

static void connect_and_echo(int fd)
{
	say("connect", connect(fd, TO, to_len));
	echo(fd);
}

/* --- MPTCP --- */

static bool has_mptcp(void)
{
	return has(AF_INET, SOCK_STREAM, IPPROTO_MPTCP);
}

static void say_mptcp(int fd)
{
	unsigned char info[256] = { 0 };
	socklen_t len = sizeof(info);

	printf("SO_PROTOCOL: %d\n", get_int(fd, SOL_SOCKET, SO_PROTOCOL));
	if (get_int(fd, SOL_SOCKET, SO_PROTOCOL) != IPPROTO_MPTCP)
		return;
	if (getsockopt(fd, SOL_MPTCP_, MPTCP_INFO_, info, &len)) {
		say("MPTCP_INFO", -1);
	} else {
		uint32_t flags;

		memcpy(&flags, info + 8, sizeof(flags));
		printf("it has fallen back to TCP: %d\n", flags & MPTCP_FALLBACK);
	}
}

static void speak(int protocol)
{
	int fd = made(SOCK_STREAM, protocol);

	connect_and_echo(fd);
	say_mptcp(fd);
	say_names("client", fd);
	say("shutdown", shutdown(fd, SHUT_WR));
	say_end(fd);
	close(fd);
}

static void answer(int protocol)
{
	int fd = accepted(listening(protocol));

	say_names("server", fd);
	echo_all(fd);
	say_mptcp(fd);
	close(fd);
}

static void speak_mptcp(void)
{
	speak(IPPROTO_MPTCP);
}

static void speak_tcp(void)
{
	speak(IPPROTO_TCP);
}

static void answer_mptcp(void)
{
	answer(IPPROTO_MPTCP);
}

static void answer_tcp(void)
{
	answer(IPPROTO_TCP);
}

/* --- SCTP --- */

static bool has_sctp(void)
{
	return has(AF_INET, SOCK_STREAM, IPPROTO_SCTP);
}

static void sctp(void)
{
	int fd = made(SOCK_STREAM, IPPROTO_SCTP);

	connect_and_echo(fd);
	say_names("client", fd);
	say("connect again", connect(fd, TO, to_len));
	say("shutdown", shutdown(fd, SHUT_WR));
	say_end(fd);
	close(fd);
}

static void serve_sctp(void)
{
	int all = listening(IPPROTO_SCTP), fd;

	ready();
	fd = accepted(all);
	say_names("server", fd);
	echo_all(fd);
	close(fd);
}

static void send_and_receive(int fd)
{
	char bytes[8] = "";

	say("sendto", sendto(fd, "m", 1, 0, TO, to_len));
	say("recv", recv(fd, bytes, sizeof(bytes), 0));
	printf("echoed: %s\n", bytes);
}

/* Once it has an association by a message's address, once by connect() */
static void sctp_many(void)
{
	int fd = made(SOCK_SEQPACKET, IPPROTO_SCTP);

	send_and_receive(fd);
	say("accept", accept(fd, NULL, NULL));
	close(fd);
	fd = made(SOCK_SEQPACKET, IPPROTO_SCTP);
	say("connect", connect(fd, TO, to_len));
	say("connect again", connect(fd, TO, to_len));
	send_and_receive(fd);
	close(fd);
}

static void echo_datagrams(int fd, int num)
{
	struct sockaddr_storage from;
	char bytes[64];

	for (int i = 0; i < num; i++) {
		socklen_t len = sizeof(from);
		ssize_t got = recvfrom(fd, bytes, sizeof(bytes), 0, (struct sockaddr *)&from, &len);

		say("recvfrom", got);
		printf("from %s\n", text_of(&from));
		if (got > 0)
			say("sendto", sendto(fd, bytes, (size_t)got, 0, (struct sockaddr *)&from, len));
	}
}

static void serve_sctp_many(void)
{
	int fd = made(SOCK_SEQPACKET, IPPROTO_SCTP);

	say("bind", bind(fd, TO, to_len));
	say("listen", listen(fd, 4));
	ready();
	echo_datagrams(fd, 2);
}

/* --- datagrams --- */

static const int datagram_protocols[] = { IPPROTO_UDP, IPPROTO_UDPLITE };
static const char *const datagrams[] = { "udp", "udplite", NULL };

static bool has_datagrams(void)
{
	return has(AF_INET, SOCK_DGRAM, datagram_protocols[chosen[0]]);
}

static int datagram_socket(void)
{
	int fd = made(SOCK_DGRAM, datagram_protocols[chosen[0]]);

	if (chosen[0])
		say("UDPLITE_SEND_CSCOV", setsockopt(fd, IPPROTO_UDPLITE, UDPLITE_SEND,
						     &(int){ COVERED }, sizeof(int)));
	return fd;
}

static void datagram(void)
{
	int fd = datagram_socket();

	connect_and_echo(fd);
	say_names("client", fd);
	say("dissolve", connect(fd, &(struct sockaddr){ .sa_family = AF_UNSPEC }, sizeof(struct sockaddr)));
	say("getpeername", getpeername(fd, TO, &to_len));
	close(fd);
}

static void serve_datagram(void)
{
	int fd = datagram_socket();

	say("bind", bind(fd, TO, to_len));
	ready();
	echo_datagrams(fd, 1);
	say("listen", listen(fd, 1));
	say("accept", accept(fd, NULL, NULL));
}

/* --- raw and packet sockets --- */

static bool may_raw(void)
{
	return has(AF_INET, SOCK_RAW, IPPROTO_ICMP);
}

static bool is_ipv6(void)
{
	return to.ss_family == AF_INET6;
}

/* An echo request's head is the same in both families, but for the type; IPv6's sum is the kernel's. */
static ssize_t ping(int fd, uint16_t id)
{
	struct icmphdr request = { .type = is_ipv6() ? ICMP6_ECHO_REQUEST : ICMP_ECHO };
	uint32_t sum;

	request.un.echo.id = htons(id);
	sum = (uint32_t)htons(ICMP_ECHO << 8) + request.un.echo.id;
	request.checksum = (uint16_t)~(sum + (sum >> 16));
	return send(fd, &request, sizeof(request), 0);
}

/* Its answer, among what else comes: 0, or -1 */
static int pong(int fd, uint16_t id)
{
	unsigned char bytes[256];
	struct icmphdr reply;
	ssize_t got;

	while ((got = recv(fd, bytes, sizeof(bytes), 0)) > 0) {
		size_t head = is_ipv6() ? 0 : (bytes[0] & 0xf) * 4U;

		if ((size_t)got < head + sizeof(reply))
			continue;
		memcpy(&reply, bytes + head, sizeof(reply));
		if (reply.type == (is_ipv6() ? ICMP6_ECHO_REPLY : ICMP_ECHOREPLY) &&
		    reply.un.echo.id == htons(id))
			return 0;
	}
	return -1;
}

static void raw(void)
{
	int fd = made(SOCK_RAW, is_ipv6() ? IPPROTO_ICMPV6 : IPPROTO_ICMP);
	struct timeval patience = { .tv_sec = WAIT_MS / 1000 };
	uint16_t id = (uint16_t)getpid();

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	*port_of(&to) = 0;	/* which IPv6 would take for the protocol */
	say("connect", connect(fd, TO, to_len));
	say("request", ping(fd, id));
	say("reply", pong(fd, id));
	say("listen", listen(fd, 1));
	close(fd);
}

/* A frame to itself, over the loopback device */
static void packet(void)
{
	struct sockaddr_ll all = {
		.sll_family = AF_PACKET, .sll_protocol = htons(ETHERTYPE_LOCAL),
		.sll_ifindex = (int)if_nametoindex("lo"), .sll_halen = ETH_ALEN,
	}, name = { 0 };
	int fd = say_fd("socket", socket(AF_PACKET, SOCK_DGRAM, htons(ETHERTYPE_LOCAL)));
	socklen_t len = sizeof(name);
	char byte = '?';

	say("bind", bind(fd, (struct sockaddr *)&all, sizeof(all)));
	say("getsockname", getsockname(fd, (struct sockaddr *)&name, &len));
	printf("%d bytes, protocol %x, its own device: %d\n", (int)len, ntohs(name.sll_protocol),
	       name.sll_ifindex == all.sll_ifindex);
	say("connect", connect(fd, (struct sockaddr *)&all, sizeof(all)));
	say("sendto", sendto(fd, "p", 1, 0, (struct sockaddr *)&all, sizeof(all)));
	say("recv", recv(fd, &byte, 1, 0));
	printf("echoed: %c\n", byte);
	close(fd);
}

/* --- AF_VSOCK and AF_UNIX --- */

/* Its loopback device is there? */
static bool has_vsock(void)
{
	struct sockaddr_vm nobody = {
		.svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_LOCAL, .svm_port = 1,
	};
	int fd = socket(AF_VSOCK, SOCK_STREAM, 0);
	bool refused = fd >= 0 && connect(fd, (struct sockaddr *)&nobody, sizeof(nobody)) &&
		       errno == ECONNRESET;

	if (fd >= 0)
		close(fd);
	return refused;
}

static void vsock(void)
{
	struct sockaddr_vm peer = {
		.svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_LOCAL, .svm_port = VSOCK_PORT,
	}, name = { 0 };
	int fd = say_fd("socket", socket(AF_VSOCK, SOCK_STREAM, 0));
	socklen_t len = sizeof(name);

	say("connect", connect(fd, (struct sockaddr *)&peer, sizeof(peer)));
	echo(fd);
	say("getpeername", getpeername(fd, (struct sockaddr *)&name, &len));
	printf("cid %u, %d bytes\n", name.svm_cid, (int)len);
	close(fd);
}

static void serve_vsock(void)
{
	struct sockaddr_vm name = {
		.svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_ANY, .svm_port = VSOCK_PORT,
	};
	int fd = say_fd("socket", socket(AF_VSOCK, SOCK_STREAM, 0));

	say("bind", bind(fd, (struct sockaddr *)&name, sizeof(name)));
	say("listen", listen(fd, 1));
	ready();
	fd = accepted(fd);
	echo_all(fd);
	close(fd);
}

static void unix_stream(void)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	int all = say_fd("socket", socket(AF_UNIX, SOCK_STREAM, 0)), fd;
	socklen_t len = sizeof(sa_family_t);

	/* By a name of the kernel's choice */
	say("bind", bind(all, (struct sockaddr *)&name, len));
	say("listen", listen(all, 1));
	len = sizeof(name);
	say("getsockname", getsockname(all, (struct sockaddr *)&name, &len));
	fd = say_fd("socket", socket(AF_UNIX, SOCK_STREAM, 0));
	say("connect", connect(fd, (struct sockaddr *)&name, len));
	accepted(all);
	len = sizeof(name);
	say("getpeername", getpeername(fd, (struct sockaddr *)&name, &len));
	printf("%d bytes\n", (int)len);
}

/* --- TLS in the kernel --- */

static bool has_tls(void)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	bool has_it = setsockopt(fd, IPPROTO_TCP, TCP_ULP, "tls", 3) < 0 && errno == ENOTCONN;

	close(fd);
	return has_it;
}

/* Both directions have one key, which is good enough for a test. */
static void use_tls(int fd)
{
	struct tls12_crypto_info_aes_gcm_128 keys = {
		.info = { .version = TLS_1_3_VERSION, .cipher_type = TLS_CIPHER_AES_GCM_128 },
		.key = "0123456789abcde",
	};

	differs("guarded-tls");
	say("TCP_ULP", setsockopt(fd, IPPROTO_TCP, TCP_ULP, "tls", 3));
	say("TLS_TX", setsockopt(fd, SOL_TLS, TLS_TX, &keys, sizeof(keys)));
	say("TLS_RX", setsockopt(fd, SOL_TLS, TLS_RX, &keys, sizeof(keys)));
}

static void say_ulp(int fd)
{
	char ulp[16] = "";
	socklen_t len = sizeof(ulp);

	say("getsockopt", getsockopt(fd, IPPROTO_TCP, TCP_ULP, ulp, &len));
	printf("TCP_ULP: %s\n", ulp);
}

static void tls(void)
{
	int fd = connected();

	use_tls(fd);
	echo(fd);
	say_ulp(fd);
	say_names("client", fd);
	close(fd);
}

static void serve_tls(void)
{
	int fd = accepted(listener(1));

	use_tls(fd);
	echo_all(fd);
	say_ulp(fd);
	say_names("server", fd);
	close(fd);
}

/* --- io_uring --- */

static bool has_uring(void)
{
	struct ring ring;

	if (ring_init(&ring))
		return false;
	close(ring.fd);
	return true;
}

static int say_result(const char *what, int result)
{
	if (result < 0)
		errno = -result;
	say(what, result < 0 ? -1 : 0);
	return result;
}

static void uring_connects(void)
{
	struct ring ring;
	int fd = tcp(0);

	say("ring", ring_init(&ring));
	say_result("connect", ring_connect(&ring, fd, TO, to_len));
	echo(fd);
	say_names("client", fd);
	say("shutdown", shutdown(fd, SHUT_WR));
	say_end(fd);
	close(fd);
}

/* The fd that is connected is one that Slim took: a connect on it says so. */
static void uring_connects_again(void)
{
	struct ring ring;
	int fd = connected();

	say("ring", ring_init(&ring));
	say_result("connect again", ring_connect(&ring, fd, TO, to_len));
	echo(fd);
	close(fd);
}

static void uring_refused(void)
{
	struct ring ring;
	int fd = tcp(0);

	*port_of(&to) = htons(1);
	say("ring", ring_init(&ring));
	say_result("connect", ring_connect(&ring, fd, TO, to_len));
	close(fd);
}

static void uring_accepts(void)
{
	struct ring ring;
	int all, fd;

	say("ring", ring_init(&ring));
	all = listener(4);
	fd = say_result("accept", ring_accept(&ring, all));
	echo_all(fd);
	say("close", close(fd));
}

static const struct test tests[] = {
	{ "tcp", speak_tcp, answer_tcp },
	{ "mptcp", speak_mptcp, answer_mptcp, "packet unannounced", .applies = has_mptcp },
	{ "mptcp_to_tcp", speak_mptcp, answer_tcp, "packet", .applies = has_mptcp },
	{ "tcp_to_mptcp", speak_tcp, answer_mptcp, "packet unannounced", .applies = has_mptcp },
	{ "sctp", sctp, serve_sctp, "none", .applies = has_sctp },
	{ "sctp_many", sctp_many, serve_sctp_many, "none", .applies = has_sctp },
	{ "datagram", datagram, serve_datagram, "none", .dimensions = { datagrams }, .applies = has_datagrams },
	{ "raw", raw, NULL, "none", .applies = may_raw },
	{ "packet", packet, NULL, "none", .applies = may_raw },
	{ "vsock", vsock, serve_vsock, "none", .applies = has_vsock },
	{ "unix", unix_stream, NULL, "none" },
	{ "tls", tls, serve_tls, .applies = has_tls },
	{ "uring_connects", uring_connects, NULL, "packet", .applies = has_uring },
	{ "uring_connects_again", uring_connects_again, NULL, .applies = has_uring },
	{ "uring_refused", uring_refused, NULL, "packet", .applies = has_uring },
	{ "uring_accepts", one_echo, uring_accepts, .applies = has_uring },
};

RUN_TESTS(tests)
