/* SPDX-License-Identifier: MIT */
/*
 * events.c - what slim.ko tells: sockets that are sealed and gone, denied ones, attacks; and a socket whose lock is held
 */
#include <fcntl.h>
#include <linux/sockios.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>

#include "guard.h"

static struct message message;
static struct guard owner, listening;
static int listener;
static uint16_t port;

/* --- reading them --- */

static _Alignas(8) char event_buffer[MESSAGE_MAX];

/* The next one within a second, or NULL */
static const struct nlmsghdr *event_next(void)
{
	struct pollfd in = { .fd = listening.fd, .events = POLLIN };

	if (poll(&in, 1, 1000) != 1 || recv(listening.fd, event_buffer, sizeof(event_buffer), 0) < 0)
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

/* How a connection ends: by the sealed end, by its peer, or by a reset of the sealed end's */
enum ending { FIRST, LAST, RESET };

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
	close(sealed);
	equal(read(peer, &byte, 1), ending == RESET ? -1 : 0, "the peer sees the end");
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
	uint64_t cookie;
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
	listen(fds[0], 1);
	head = expect(SLIM_EVENT_ATTACK, cookie, "the next one, a second later");
	equal((long)event_u64(head, SLIM_A_MISSED), 49, "... says how many were not told");
	equal((long)(guard_stat(&owner, SLIM_A_ATTACKS) - before), 51, "all are counted");
	close(fds[0]);
	close(fds[1]);
	expect(SLIM_EVENT_CLOSE, cookie, "CLOSE");
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

/* A page that nobody has until it is given: who copies from it waits. (Faults can be polled for only without blocking.) */
static int page_make(void **page)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register range = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	int fd = (int)must(syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK), "userfaultfd");

	*page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	range.range.start = (uint64_t)(uintptr_t)*page;
	range.range.len = 4096;
	must(ioctl(fd, UFFDIO_API, &api), "UFFDIO_API");
	must(ioctl(fd, UFFDIO_REGISTER, &range), "UFFDIO_REGISTER");
	return fd;
}

static void page_give(int fd, void *page)
{
	struct uffdio_zeropage zero = { .range = { (uint64_t)(uintptr_t)page, 4096 } };

	must(ioctl(fd, UFFDIO_ZEROPAGE, &zero), "UFFDIO_ZEROPAGE");
}

static bool has_ended(int fd)
{
	struct pollfd hup = { .fd = fd };

	return poll(&hup, 1, 2000) == 1 && hup.revents & POLLHUP;
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
	pages = page_make(&sender.page);
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
	check(has_ended(others[0]), "the other socket ends meanwhile");
	equal(poll(&(struct pollfd){ .fd = fds[1], .events = POLLIN }, 1, 100), 0, "the held one has not ended");
	errno = 0;
	equal(send(fds[0], "x", 1, MSG_NOSIGNAL | MSG_DONTWAIT), -1, "nothing more is sent");
	equal(errno, ECONNABORTED, "... but ECONNABORTED");
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

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	must(guard_open(&owner), "the family");
	must(guard_own(&owner, -1), "own");
	must(guard_open(&listening), "another socket");
	must(setsockopt(listening.fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &listening.events, sizeof(uint32_t)), "join");
	listener = host_listen(&port);
	for (enum ending ending = FIRST; ending <= RESET; ending++) {
		open_and_close(false, ending);
		open_and_close(true, ending);
	}
	denied();
	attacks();
	held();
	return 0;
}
