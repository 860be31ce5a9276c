/* SPDX-License-Identifier: MIT */
/*
 * events.c - what slim.ko tells: sockets that are sealed and gone, denied ones, attacks; and sockets whose locks are held, or
 * that somebody is just setting an option of
 *
 * links: shim/option_table.c
 */
#include <fcntl.h>
#include <linux/sockios.h>
#include <linux/userfaultfd.h>
#include <net/if.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>

#include "../../shim/option_table.h"
#include "guard.h"

static struct message message;
static struct guard owner, listening;
static int listener;
static uint16_t port;

/* --- reading them --- */

static _Alignas(8) char event_buffer[MESSAGE_MAX];

/* The next one within a second (of an ordinary kernel's), or NULL */
static const struct nlmsghdr *event_next(void)
{
	struct pollfd in = { .fd = listening.fd, .events = POLLIN };

	if (poll(&in, 1, 1000 * slowness()) != 1 || recv(listening.fd, event_buffer, sizeof(event_buffer), 0) < 0)
		return NULL;
	return (const struct nlmsghdr *)event_buffer;
}

static uint64_t event_u64(const struct nlmsghdr *head, int attr)
{
	return head ? attr_u64(nlmsg_find(head, attr)) : UINT64_MAX;
}

static uint64_t socket_u64(const struct nlmsghdr *head, int attr)
{
	const struct nlattr *nest = head ? nlmsg_find(head, SLIM_A_SOCKET) : NULL;

	return nest ? attr_u64(attr_find(attr_value(nest), nest->nla_len - NLA_HDRLEN, attr)) : UINT64_MAX;
}

/* The next one is of this kind and socket. */
static const struct nlmsghdr *expect(enum slim_event event, uint64_t cookie, const char *what)
{
	const struct nlmsghdr *head = event_next();

	equal((long)event_u64(head, SLIM_A_EVENT), event, "%s", what);
	equal((long)socket_u64(head, SLIM_A_COOKIE), (long)cookie, "... of this socket");
	return head;
}

/* --- cases --- */

/* How a connection ends: by the sealed end, by its peer, by a reset of the sealed end's, or dissolved there */
enum ending { FIRST, LAST, RESET, DISSOLVED };

/* All that was sent is acknowledged. */
static void settle(int fd)
{
	int queued = 1;

	for (int i = 0; i < 5000 && queued; i++) {
		must(ioctl(fd, SIOCOUTQ, &queued), "SIOCOUTQ");
		nanosleep(&(struct timespec){ .tv_nsec = queued ? 1000000 : 0 }, NULL);
	}
	equal(queued, 0, "all is acknowledged");
}

static void nowhere_again(int fd)
{
	struct sockaddr_in addr = { .sin_family = AF_UNSPEC };

	must(connect(fd, (void *)&addr, sizeof(addr)), "dissolve");
}

static void finish(int sealed, int peer, enum ending ending)
{
	struct linger linger = { 1, 0 };
	char byte;

	if (ending == LAST) {
		close(peer);
		equal(read(sealed, &byte, 1), 0, "it sees the end");
		close(sealed);
		return;
	}
	if (ending == RESET)
		setsockopt(sealed, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	else if (ending == DISSOLVED)
		nowhere_again(sealed);
	close(sealed);
	equal(read(peer, &byte, 1), ending == FIRST ? 0 : -1, "the peer sees the end");
	close(peer);
}

static void open_and_close(bool accepted, enum ending ending)
{
	const long sent = accepted ? 300 : 10000;
	struct slim_seal seal = seal_default();
	static char data[10000];
	const struct nlmsghdr *head;
	uint64_t cookie;
	int fds[2];

	host_connect(listener, port, AF_INET6, fds);
	must(write(fds[0], data, 40), "a router's preamble");
	must(recv(fds[1], data, 40, MSG_WAITALL), "which the other one reads");
	seal.flags |= accepted ? SLIM_SEAL_ACCEPTED : 0;
	must(seal_socket(fds[accepted], &seal), "seal");
	cookie = cookie_of(fds[accepted]);
	head = expect(SLIM_EVENT_OPEN, cookie, "OPEN");
	equal((long)socket_u64(head, SLIM_A_CONTAINER), 5, "its container");
	equal((long)socket_u64(head, SLIM_A_VNI), 7, "its tenant");
	must(write(fds[0], data, 10000), "write");
	must(recv(fds[1], data, 10000, MSG_WAITALL), "read");
	must(write(fds[1], data, 300), "write");
	must(recv(fds[0], data, 300, MSG_WAITALL), "read");
	settle(fds[accepted]);
	finish(fds[accepted], fds[!accepted], ending);
	head = expect(SLIM_EVENT_CLOSE, cookie, "CLOSE");
	equal((long)event_u64(head, SLIM_A_TX_BYTES), sent, "bytes sent");
	equal((long)event_u64(head, SLIM_A_RX_BYTES), 10300 - sent, "bytes received");
	equal((long)event_u64(head, SLIM_A_RETRANSMITS), 0, "segments sent again");
	check(event_u64(head, SLIM_A_RTT) - 1 < 1000000, "round trip: %lu us", event_u64(head, SLIM_A_RTT));
	check(event_u64(head, SLIM_A_DURATION) < 10000000000, "duration: %lu us",
	      event_u64(head, SLIM_A_DURATION) / 1000);
}

/* What a router has given to a connection that comes to nothing is not the holder's. */
static void nothing_sent(void)
{
	struct sockaddr_in6 addr = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	struct slim_seal seal = seal_default();
	int fd = (int)must(socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), "socket");
	const struct nlmsghdr *head;
	char preamble[40] = "";
	uint64_t cookie;

	inet_pton(AF_INET6, "::ffff:" NOBODY, &addr.sin6_addr);
	must(setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE, &(int){ 1 }, sizeof(int)), "TCP_FASTOPEN_NO_COOKIE");
	equal(sendto(fd, preamble, sizeof(preamble), MSG_FASTOPEN, (void *)&addr, sizeof(addr)), sizeof(preamble),
	      "a preamble, with a SYN");
	must(seal_socket(fd, &seal), "seal");
	cookie = cookie_of(fd);
	expect(SLIM_EVENT_OPEN, cookie, "OPEN");
	close(fd);
	head = expect(SLIM_EVENT_CLOSE, cookie, "CLOSE");
	equal((long)event_u64(head, SLIM_A_TX_BYTES), 0, "nothing was sent");
	equal((long)event_u64(head, SLIM_A_RX_BYTES), 0, "nor received");
}

static void denied(void)
{
	struct slim_seal seal = seal_default();
	int fds[2];

	seal.peer_vni = 9;
	host_connect(listener, port, AF_INET6, fds);
	equal(seal_socket(fds[0], &seal), -EACCES, "between tenants");
	expect(SLIM_EVENT_DENIED, cookie_of(fds[0]), "DENIED");
	close(fds[0]);
	close(fds[1]);
}

static void attacks(void)
{
	struct slim_seal seal = seal_default();
	uint64_t before = guard_stat(&owner, SLIM_A_ATTACKS);
	const struct nlmsghdr *head;
	uint64_t cookie, cookie_there;
	int fds[2];

	host_connect(listener, port, AF_INET6, fds);
	must(seal_socket(fds[0], &seal), "seal");
	cookie = cookie_of(fds[0]);
	expect(SLIM_EVENT_OPEN, cookie, "OPEN");
	for (int i = 0; i < 50; i++)
		setsockopt(fds[0], SOL_SOCKET, SO_MARK, &i, sizeof(i));
	head = expect(SLIM_EVENT_ATTACK, cookie, "ATTACK");
	equal((long)event_u64(head, SLIM_A_OPERATION), SLIM_OPERATION_SETSOCKOPT, "what it was");
	equal((long)event_u64(head, SLIM_A_LEVEL), SOL_SOCKET, "its level");
	equal((long)event_u64(head, SLIM_A_NUMBER), SO_MARK, "its number");
	equal((long)event_u64(head, SLIM_A_PID), getpid(), "who it was");
	check(!event_next(), "one a second is told");
	/* What a library asks that would have TLS in the kernel */
	setsockopt(fds[0], IPPROTO_TCP, TCP_ULP, "tls", 4);
	setsockopt(fds[0], SOL_TLS, 1, "", 1);
	/* What anybody may ask of any file, and what the shim asks */
	isatty(fds[0]);
	getsockopt(fds[0], SOL_SOCKET, 71 /* SO_NETNS_COOKIE */, &cookie_there, &(socklen_t){ sizeof(cookie_there) });
	/* What can be read, but is set by who is after another way */
	setsockopt(fds[0], SOL_SOCKET, SO_DONTROUTE, &(int){ 1 }, sizeof(int));
	listen(fds[0], 1);
	head = expect(SLIM_EVENT_ATTACK, cookie, "the next one, a second later");
	equal((long)event_u64(head, SLIM_A_MISSED), 49, "... says how many were not told");
	equal((long)(guard_stat(&owner, SLIM_A_ATTACKS) - before), 52, "all are counted");
	check(!event_next(), "the second of both is not told");
	listen(fds[0], 1);
	head = expect(SLIM_EVENT_ATTACK, cookie, "the next one, another second later");
	equal((long)event_u64(head, SLIM_A_MISSED), 1, "... says how many were not told since");
	close(fds[0]);
	close(fds[1]);
	expect(SLIM_EVENT_CLOSE, cookie, "CLOSE");
}

/* Whatever the shim may carry over, with whatever value */
static void carry(int fd, const struct option *options, unsigned int num)
{
	static const char value[64] = { 1 };

	for (unsigned int i = 0; i < num; i++)
		if (options[i].kind != OPTION_PACKET)
			setsockopt(fd, options[i].level, options[i].name, value, options[i].size ? options[i].size : 4);
}

/* What the seal holds, or limits */
static void set_more(int fd)
{
	static const struct {
		int level, name, value;
	} refused[] = {
		{ SOL_SOCKET, SO_PRIORITY, 7 },
		{ SOL_SOCKET, SO_REUSEADDR, 0 },
		{ SOL_SOCKET, SO_REUSEPORT, 0 },
		{ SOL_SOCKET, SO_SNDBUFFORCE, 1 << 20 },
		{ SOL_SOCKET, SO_RCVBUFFORCE, 1 << 20 },
		{ IPPROTO_IP, IP_TOS, 0x10 },
	};

	for (size_t i = 0; i < NUM(refused); i++) {
		long result = setsockopt(fd, refused[i].level, refused[i].name, &refused[i].value, sizeof(int));

		equal(result ? -errno : result, -ENOPROTOOPT, "option %d of level %d is refused", refused[i].name,
		      refused[i].level);
	}
}

static void no_attacks(void)
{
	struct slim_seal seal = seal_default();
	uint64_t before = guard_stat(&owner, SLIM_A_ATTACKS);
	int fds[2];

	seal.shape = (struct slim_shape){ .flags = SLIM_SHAPE_TOS, .tos = 0x28 };
	host_connect(listener, port, AF_INET6, fds);
	must(seal_socket(fds[0], &seal), "seal");
	expect(SLIM_EVENT_OPEN, cookie_of(fds[0]), "OPEN");
	carry(fds[0], option_common, option_common_num);
	carry(fds[0], option_rare, option_rare_num);
	set_more(fds[0]);
	check(!event_next(), "what the shim carries over is no attack, refused or not");
	equal((long)guard_stat(&owner, SLIM_A_ATTACKS), (long)before, "... and not counted as one");
	close(fds[0]);
	close(fds[1]);
	check(event_next(), "CLOSE");
}

/* --- each kind of attack --- */

static void try_bind(int fd)
{
	bind(fd, (void *)&(struct sockaddr_in){ .sin_family = AF_INET }, sizeof(struct sockaddr_in));
}

static void try_listen(int fd) { listen(fd, 1); }

static void try_connect(int fd)
{
	struct sockaddr_in6 addr = { .sin6_family = AF_INET6, .sin6_port = htons(1), .sin6_addr = IN6ADDR_LOOPBACK_INIT };

	nowhere_again(fd);
	connect(fd, (void *)&addr, sizeof(addr));
}

static void get(int fd, int level, int name)
{
	char value[64];

	getsockopt(fd, level, name, value, &(socklen_t){ sizeof(value) });
}

static void try_get(int fd) { get(fd, SOL_SOCKET, SO_PEERSEC); }
static void try_get_of_ip(int fd) { get(fd, IPPROTO_IP, IP_PKTOPTIONS); }
static void try_ioctl(int fd) { ioctl(fd, SIOCGIFADDR, &(struct ifreq){ .ifr_name = "host0" }); }

static void try_ioctl32(int fd)
{
	ioctl32(fd, SIOCGIFADDR, mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0));
}

static void try_fast_open(int fd)
{
	struct sockaddr_in addr = address4(HOST_ADDRESS, port);

	nowhere_again(fd);
	sendto(fd, "x", 1, MSG_FASTOPEN | MSG_NOSIGNAL, (void *)&addr, sizeof(addr));
}

static void try_control(int fd)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control = { .head = { CMSG_LEN(sizeof(int)), SOL_SOCKET, SO_MARK } };
	struct iovec vec = { "x", 1 };
	struct msghdr sent = { .msg_iov = &vec, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control) };

	sendmsg(fd, &sent, MSG_NOSIGNAL);
}

static void try_chown(int fd)
{
	if (!fchown(fd, 12345, (gid_t)-1))
		check(false, "fchown");
}

/* @attack: or NULL: an option is set */
static const struct kind {
	void (*attack)(int fd);
	enum slim_operation operation;
	uint32_t level, number;
} kinds[] = {
	{ try_bind, SLIM_OPERATION_BIND, 0, 0 }, { try_listen, SLIM_OPERATION_LISTEN, 0, 0 },
	{ try_connect, SLIM_OPERATION_CONNECT, 0, 0 },
	{ NULL, SLIM_OPERATION_SETSOCKOPT, SOL_SOCKET, SO_MARK },
	{ NULL, SLIM_OPERATION_SETSOCKOPT, SOL_SOCKET, SO_DONTROUTE },
	{ NULL, SLIM_OPERATION_SETSOCKOPT, IPPROTO_TCP, TCP_FASTOPEN_CONNECT },
	{ NULL, SLIM_OPERATION_SETSOCKOPT, IPPROTO_IP, IP_TRANSPARENT },
	{ NULL, SLIM_OPERATION_SETSOCKOPT, IPPROTO_IPV6, IPV6_TRANSPARENT },
	{ try_get, SLIM_OPERATION_GETSOCKOPT, SOL_SOCKET, SO_PEERSEC },
	{ try_get_of_ip, SLIM_OPERATION_GETSOCKOPT, IPPROTO_IP, IP_PKTOPTIONS },
	{ try_ioctl, SLIM_OPERATION_IOCTL, 0, SIOCGIFADDR }, { try_ioctl32, SLIM_OPERATION_IOCTL, 0, SIOCGIFADDR },
	{ try_fast_open, SLIM_OPERATION_SENDMSG, 0, 0 },
	{ try_control, SLIM_OPERATION_SENDMSG, SOL_SOCKET, SO_MARK }, { try_chown, SLIM_OPERATION_CHOWN, 0, 0 },
};

static void each_attack(void)
{
	struct slim_seal seal = seal_default();

	for (size_t i = 0; i < NUM(kinds); i++) {
		const struct nlmsghdr *head;
		uint64_t cookie;
		int fds[2];

		host_connect(listener, port, AF_INET6, fds);
		must(seal_socket(fds[0], &seal), "seal");
		cookie = cookie_of(fds[0]);
		expect(SLIM_EVENT_OPEN, cookie, "OPEN");
		if (kinds[i].attack)
			kinds[i].attack(fds[0]);
		else
			setsockopt(fds[0], (int)kinds[i].level, (int)kinds[i].number, &(int){ 1 }, sizeof(int));
		close(fds[0]);
		close(fds[1]);
		head = expect(SLIM_EVENT_ATTACK, cookie, "ATTACK");
		equal((long)event_u64(head, SLIM_A_OPERATION), kinds[i].operation, "... operation %d", kinds[i].operation);
		equal((long)event_u64(head, SLIM_A_LEVEL), kinds[i].level, "... its level");
		equal((long)event_u64(head, SLIM_A_NUMBER), kinds[i].number, "... its number");
		expect(SLIM_EVENT_CLOSE, cookie, "CLOSE");
	}
}

#define ATTACKERS	350	/* more than are told in a second */

/* Each of many sockets is attacked once: no more of that is told than may be, in seconds that began meanwhile. */
static void many_attacks(void)
{
	static int fds[ATTACKERS][2];
	struct slim_seal seal = seal_default();
	struct timespec begin, end;
	const struct nlmsghdr *head;
	long told = 0, most;

	must(setsockopt(listening.fd, SOL_SOCKET, SO_RCVBUFFORCE, &(int){ 16 << 20 }, sizeof(int)), "SO_RCVBUFFORCE");
	for (int i = 0; i < ATTACKERS; i++) {
		host_connect(listener, port, AF_INET6, fds[i]);
		must(seal_socket(fds[i][0], &seal), "seal");
	}
	clock_gettime(CLOCK_MONOTONIC, &begin);
	for (int i = 0; i < ATTACKERS; i++)
		listen(fds[i][0], 1);
	clock_gettime(CLOCK_MONOTONIC, &end);
	most = SLIM_ATTACKS_MAX * (end.tv_sec - begin.tv_sec + 2);
	for (int i = 0; i < ATTACKERS; i++) {
		close(fds[i][0]);
		close(fds[i][1]);
	}
	while ((head = event_next()))
		told += event_u64(head, SLIM_A_EVENT) == SLIM_EVENT_ATTACK;
	check(told > 0 && told <= most, "of %d attacks %ld are told, and no more than %ld", ATTACKERS, told, most);
}

/* --- a holder that keeps the lock --- */

struct sender {
	int fd;
	void *page;
	long result;
	int error;
};

static void *send_page(void *data)
{
	struct sender *sender = data;

	sender->result = send(sender->fd, sender->page, 4096, MSG_NOSIGNAL);
	sender->error = errno;
	return NULL;
}

/* Pages that nobody has until they are given: who copies from one waits. (Faults can be polled for only without blocking.) */
static int pages_make(void **pages, size_t num)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register range = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	int fd = (int)must(syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK), "userfaultfd");

	*pages = mmap(NULL, 4096 * num, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	range.range.start = (uint64_t)(uintptr_t)*pages;
	range.range.len = 4096 * num;
	must(ioctl(fd, UFFDIO_API, &api), "UFFDIO_API");
	must(ioctl(fd, UFFDIO_REGISTER, &range), "UFFDIO_REGISTER");
	return fd;
}

static void page_give(int fd, void *page)
{
	struct uffdio_zeropage zero = { .range = { (uint64_t)(uintptr_t)page, 4096 } };

	must(ioctl(fd, UFFDIO_ZEROPAGE, &zero), "UFFDIO_ZEROPAGE");
}

/* As many wait for pages. */
static bool faults_wait(int fd, size_t num)
{
	struct pollfd in = { .fd = fd, .events = POLLIN };
	struct uffd_msg fault;

	while (num) {
		if (poll(&in, 1, 20000) != 1)
			return false;
		num -= read(fd, &fault, sizeof(fault)) == sizeof(fault);
	}
	return true;
}

/* A call that may have to wait for a socket's lock: in a thread of its own */
struct attempt {
	int (*call)(int fd);
	int fd, result;
};

static void *attempt_run(void *data)
{
	struct attempt *attempt = data;

	attempt->result = attempt->call(attempt->fd) < 0 ? -errno : 0;
	return NULL;
}

static int splice_into(int fd)
{
	int pipes[2];

	must(pipe2(pipes, O_CLOEXEC), "pipe2");
	must(write(pipes[1], "x", 1), "write");
	return (int)splice(pipes[0], NULL, fd, NULL, 1, 0);
}

static int splice_out_of(int fd)
{
	int pipes[2];

	must(pipe2(pipes, O_CLOEXEC), "pipe2");
	return (int)splice(fd, NULL, pipes[1], NULL, 1, SPLICE_F_NONBLOCK);
}

static int set_linger(int fd)
{
	struct linger linger = { 1, 10 };

	return setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
}

static int set_user_timeout(int fd)
{
	return setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &(int){ 1000 }, sizeof(int));
}

static int receive_in_place(int fd)
{
	struct tcp_zerocopy_receive where = { 0 };

	return getsockopt(fd, IPPROTO_TCP, TCP_ZEROCOPY_RECEIVE, &where, &(socklen_t){ sizeof(where) });
}

/* Whatever else could take the lock of a socket that is to end, and so put that off, is refused at once. */
static void nothing_waits(int fd)
{
	static struct attempt attempts[] = {
		{ splice_into, 0, 0 }, { splice_out_of, 0, 0 }, { set_linger, 0, 0 }, { set_user_timeout, 0, 0 },
		{ receive_in_place, 0, 0 },
	};
	static const char *const names[] = { "splice into it", "splice out of it", "SO_LINGER", "TCP_USER_TIMEOUT",
					     "TCP_ZEROCOPY_RECEIVE" };
	struct timespec until;
	pthread_t thread;

	for (size_t i = 0; i < NUM(attempts); i++) {
		attempts[i].fd = fd;
		pthread_create(&thread, NULL, attempt_run, &attempts[i]);
		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_sec += 5;
		if (pthread_timedjoin_np(thread, NULL, &until))
			check(false, "%s waits for the lock", names[i]);
		else
			equal(attempts[i].result, -ECONNABORTED, "%s is refused", names[i]);
	}
}

static bool has_ended(int fd)
{
	struct pollfd hup = { .fd = fd };

	return poll(&hup, 1, 2000 * slowness()) == 1 && hup.revents & POLLHUP;
}

static uint64_t revoke_container(uint32_t container)
{
	message_begin(&owner, &message, SLIM_CMD_REVOKE, 0);
	message_put32(&message, SLIM_A_CONTAINER, container);
	return message_talk(&owner, &message) ? 0 : message_u64(&message, SLIM_A_CUT);
}

static void held(void)
{
	struct slim_seal seal = seal_default();
	struct sender sender;
	struct pollfd fault;
	struct timespec begin, end;
	int fds[2], others[2], pages;
	pthread_t thread;
	char byte;

	host_connect(listener, port, AF_INET6, fds);
	host_connect(listener, port, AF_INET6, others);
	must(seal_socket(fds[0], &seal), "seal");
	must(seal_socket(others[0], &seal), "seal");
	sender.fd = fds[0];
	pages = pages_make(&sender.page, 1);
	fault = (struct pollfd){ .fd = pages, .events = POLLIN };
	pthread_create(&thread, NULL, send_page, &sender);
	must(poll(&fault, 1, 5000) - 1, "a fault");
	equal(fault.revents, POLLIN, "who sends waits for its memory, with the socket's lock");
	clock_gettime(CLOCK_MONOTONIC, &begin);
	message_begin(&owner, &message, SLIM_CMD_REVOKE, 0);
	message_put32(&message, SLIM_A_CONTAINER, 5);
	equal(message_talk(&owner, &message), 0, "REVOKE, while a holder keeps its socket's lock");
	clock_gettime(CLOCK_MONOTONIC, &end);
	equal((long)message_u64(&message, SLIM_A_CUT), 2, "it begins to end both");
	check(end.tv_sec - begin.tv_sec < 2, "it does not wait");
	equal((long)revoke_container(5), 0, "there is nothing more to end");
	check(has_ended(others[0]), "the other socket ends meanwhile");
	equal(poll(&(struct pollfd){ .fd = fds[1], .events = POLLIN }, 1, 100), 0, "the held one has not ended");
	errno = 0;
	equal(send(fds[0], "x", 1, MSG_NOSIGNAL | MSG_DONTWAIT), -1, "nothing more is sent");
	equal(errno, ECONNABORTED, "... but ECONNABORTED");
	nothing_waits(fds[0]);
	page_give(pages, sender.page);
	pthread_join(thread, NULL);
	equal(sender.result, 4096, "what the holder was sending is taken");
	check(has_ended(fds[0]), "when the lock is given back it ends");
	errno = 0;
	equal(recv(fds[0], &byte, 1, 0), -1, "its holder's read fails");
	equal(errno, ECONNABORTED, "... with ECONNABORTED");
	close(pages);
	for (int i = 0; i < 2; i++) {
		close(fds[i]);
		close(others[i]);
	}
}

/* Sealing waits for who has the lock. */
static void *seal_it(void *data)
{
	struct attempt *attempt = data;
	struct slim_seal seal = seal_default();

	attempt->result = setsockopt(attempt->fd, SOL_SLIM, SLIM_SEAL, &seal, sizeof(seal)) ? -errno : 0;
	return NULL;
}

static void sealed_meanwhile(void)
{
	struct sender sender;
	struct attempt attempt = { 0 };
	struct timespec until;
	int fds[2], pages = pages_make(&sender.page, 1);
	pthread_t thread, sealing;

	host_connect(listener, port, AF_INET6, fds);
	cookie_of(fds[0]);
	must(setsockopt(fds[0], IPPROTO_TCP, TCP_ULP, SLIM_ULP_NAME, sizeof(SLIM_ULP_NAME) - 1), "TCP_ULP");
	sender.fd = attempt.fd = fds[0];
	pthread_create(&thread, NULL, send_page, &sender);
	check(faults_wait(pages, 1), "a socket's lock is held");
	pthread_create(&sealing, NULL, seal_it, &attempt);
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_nsec += 200000000;
	until.tv_sec += until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	check(pthread_timedjoin_np(sealing, NULL, &until) == ETIMEDOUT, "it is not sealed while that lasts");
	page_give(pages, sender.page);
	pthread_join(thread, NULL);
	pthread_join(sealing, NULL);
	equal(attempt.result, 0, "it is sealed then");
	close(pages);
	close(fds[0]);
	close(fds[1]);
}

/* --- holders whose calls wait for each other --- */

#define CROWD	400	/* more than the kernel works for at once */

/* @page: that is not there yet, of what @value has */
struct setter {
	int fd, level, name;
	void *value, *page;
	pid_t thread;
	int result;
};

static void *set_page(void *data)
{
	struct setter *setter = data;

	__atomic_store_n(&setter->thread, (pid_t)syscall(SYS_gettid), __ATOMIC_RELEASE);
	setter->result = setsockopt(setter->fd, setter->level, setter->name, setter->value, 8) ? -errno : 0;
	return NULL;
}

/* It waits for a lock, or has come to its end. */
static bool waits(const struct setter *setter)
{
	char path[64], line[256], state = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", __atomic_load_n(&setter->thread, __ATOMIC_ACQUIRE));
	file = fopen(path, "re");
	if (!file)
		return false;
	if (fgets(line, sizeof(line), file) && strrchr(line, ')'))
		state = strrchr(line, ')')[2];
	fclose(file);
	return state == 'D';
}

static void wait_for(const struct setter *setter)
{
	for (int i = 0; i < 20000 && !waits(setter); i++)
		nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
}

/* The kernel reads the first half of the value before it takes the lock, and all of it with the lock. */
static struct setter setter_make(int fd, char *two_pages, int pages)
{
	page_give(pages, two_pages);
	return (struct setter){ .fd = fd, .level = SOL_SOCKET, .name = SO_LINGER,
				.value = two_pages + 4096 - sizeof(int), .page = two_pages + 4096 };
}

/* Whoever waits for a lock with these has it before the kernel's own threads get a turn. */
static void attributes_make(pthread_attr_t *attributes, bool urgent)
{
	const struct sched_param priority = { .sched_priority = 1 };

	pthread_attr_init(attributes);
	pthread_attr_setstacksize(attributes, 1 << 20);
	if (!urgent)
		return;
	pthread_attr_setinheritsched(attributes, PTHREAD_EXPLICIT_SCHED);
	pthread_attr_setschedpolicy(attributes, SCHED_FIFO);
	pthread_attr_setschedparam(attributes, &priority);
}

/*
 * Each socket has a holder that keeps its lock, and another one that waits for it, and will keep it too. When the
 * first ones give theirs back, nothing that is to end these sockets waits for the second ones: others end.
 */
static void crowd(void)
{
	static struct setter setters[2 * CROWD];
	static pthread_t threads[2 * CROWD];
	static int fds[CROWD][2];
	struct rlimit files = { 4096, 4096 };
	struct slim_seal seal = seal_default();
	pthread_attr_t holder, waiter;
	int others[2], pages, ended = 0;
	void *all;

	must(setrlimit(RLIMIT_NOFILE, &files), "setrlimit");
	attributes_make(&holder, false);
	attributes_make(&waiter, true);
	pages = pages_make(&all, 2 * NUM(setters));
	for (int i = 0; i < 2 * CROWD; i++) {
		if (i < CROWD) {
			host_connect(listener, port, AF_INET6, fds[i]);
			must(seal_socket(fds[i][0], &seal), "seal");
		}
		setters[i] = setter_make(fds[i % CROWD][0], (char *)all + 8192 * i, pages);
		if (i == CROWD)
			check(faults_wait(pages, CROWD), "the locks of %d sockets are held", CROWD);
		if (pthread_create(&threads[i], i < CROWD ? &holder : &waiter, set_page, &setters[i]))
			must(-1, "pthread_create");
	}
	for (int i = CROWD; i < 2 * CROWD; i++)
		wait_for(&setters[i]);
	seal.container = 8;
	host_connect(listener, port, AF_INET6, others);
	must(seal_socket(others[0], &seal), "seal");
	equal((long)revoke_container(5), CROWD, "all of them are to end");
	for (int i = 0; i < CROWD; i++)
		page_give(pages, setters[i].page);
	check(faults_wait(pages, CROWD), "they are held by those who have waited");
	equal((long)revoke_container(8), 1, "another one is to end");
	check(has_ended(others[0]), "it ends meanwhile");
	for (int i = CROWD; i < 2 * CROWD; i++)
		page_give(pages, setters[i].page);
	for (int i = 0; i < CROWD; i++) {
		pthread_join(threads[i], NULL);
		pthread_join(threads[CROWD + i], NULL);
		ended += has_ended(fds[i][0]);
		close(fds[i][0]);
		close(fds[i][1]);
	}
	equal(ended, CROWD, "in the end all have ended");
	close(pages);
	close(others[0]);
	close(others[1]);
}

/* --- calls that were under way when a shape came --- */

static int value_of(const struct setter *setter)
{
	int value = -1;

	getsockopt(setter->fd, setter->level, setter->name, &value, &(socklen_t){ sizeof(value) });
	return value;
}

static void shaped_meanwhile(void)
{
	static const struct {
		int level, name, shaped;
	} cases[] = {
		{ SOL_SOCKET, SO_MAX_PACING_RATE, 1000000 }, { SOL_SOCKET, SO_PRIORITY, 3 },
		{ IPPROTO_IP, IP_TOS, 0x28 }, { IPPROTO_IPV6, IPV6_TCLASS, 0x28 },
	};
	const struct slim_shape shape = { .flags = SLIM_SHAPE_ALL, .rate = 1000000, .tos = 0x28, .priority = 3 };
	struct slim_seal seal = seal_default();

	for (size_t i = 0; i < NUM(cases); i++) {
		struct setter setter = { .level = cases[i].level, .name = cases[i].name };
		pthread_t thread;
		int fds[2], pages = pages_make(&setter.page, 1);

		host_connect(listener, port, AF_INET6, fds);
		must(seal_socket(fds[0], &seal), "seal");
		setter.fd = fds[0];
		setter.value = setter.page;
		pthread_create(&thread, NULL, set_page, &setter);
		check(faults_wait(pages, 1), "a call sets option %d", cases[i].name);
		message_begin(&owner, &message, SLIM_CMD_SHAPE, 0);
		message_put64(&message, SLIM_A_COOKIE, cookie_of(fds[0]));
		message_put(&message, SLIM_A_SHAPE, &shape, sizeof(shape));
		equal(message_talk(&owner, &message), 0, "SHAPE comes meanwhile");
		page_give(pages, setter.page);
		pthread_join(thread, NULL);
		equal(setter.result, -ENOPROTOOPT, "the call is refused");
		equal(value_of(&setter), cases[i].shaped, "the shape holds");
		close(pages);
		close(fds[0]);
		close(fds[1]);
	}
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	must(guard_open(&owner), "the family");
	must(guard_own(&owner, -1), "own");
	must(guard_open(&listening), "another socket");
	must(guard_join(&listening, listening.events), "join");
	must(guard_join(&listening, listening.sockets), "join");
	listener = host_listen(&port);
	for (enum ending ending = FIRST; ending <= DISSOLVED; ending++) {
		open_and_close(false, ending);
		open_and_close(true, ending);
	}
	nothing_sent();
	denied();
	attacks();
	no_attacks();
	each_attack();
	many_attacks();
	held();
	sealed_meanwhile();
	shaped_meanwhile();
	crowd();
	return 0;
}
