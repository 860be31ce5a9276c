/* SPDX-License-Identifier: MIT */
/*
 * module.c - what slim.ko's netlink family does with right and wrong messages, and with whom
 *
 *	module			all of the cases
 *	module incomplete	of a module that could hook nothing
 *	module hold		seals a socket, says "ready", and keeps it until its input ends
 *	module random SEED NUM	sends so many messages of random attributes, most of them almost right
 *	module sealed NETNS	says how many sockets of that host were ever sealed
 */
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <linux/kcm.h>
#include <net/if.h>
#include <sched.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "guard.h"

static struct message message;

/* --- an answer to each command --- */

static void what_it_is(struct guard *guard)
{
	equal(guard_command(guard, &message, SLIM_CMD_GET), 0, "GET");
	equal((long)message_u64(&message, SLIM_A_VERSION), SLIM_GUARD_VERSION, "its version");
	equal((long)message_u64(&message, SLIM_A_MISSING), 0, "nothing is missing");
	equal((long)message_u64(&message, SLIM_A_FEATURES),
	      SLIM_FEATURE_SEAL | SLIM_FEATURE_POLICY | SLIM_FEATURE_EVENTS | SLIM_FEATURE_IPV6, "features");
	equal((long)message_u64(&message, SLIM_A_OWNED), 0, "nobody owns the host");
	equal((long)message_u64(&message, SLIM_A_GENERATION), 0, "there is no policy");
}

static void count_reasons(const struct nlmsghdr *head, void *data)
{
	const char *at = (const char *)NLMSG_DATA(head) + GENL_HDRLEN, *end = (const char *)head + head->nlmsg_len;
	const char *before = "";
	const struct nlattr *attr;
	int *num = data;

	for (; (attr = attr_find(at, (size_t)(end - at), SLIM_A_REASON)); at = (const char *)attr + NLA_ALIGN(attr->nla_len)) {
		*num += strstr(attr_value(attr), " (error ") && strcmp(attr_value(attr), before);
		before = attr_value(attr);
	}
	*num += (int)attr_u64(nlmsg_find(head, SLIM_A_MISSING)) << 16;
}

/* Options of SOL_SOCKET are set without a hook where the kernel leaves that to the socket. */
static void incomplete(struct guard *guard)
{
	struct ifreq *request = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	struct slim_seal seal = seal_default();
	const uint32_t always = SLIM_MISSING_IOCTL | SLIM_MISSING_GETSOCKOPT | SLIM_MISSING_SETATTR;
	int said = 0, listener, fds[2];
	uint16_t port;

	message_begin(guard, &message, SLIM_CMD_GET, NLM_F_ACK);
	must(message_send(guard, &message), "send");
	equal(message_answer(guard, &message, count_reasons, &said), 0, "GET");
	check((said >> 16 & ~SLIM_MISSING_SETSOCKOPT) == (int)always, "all is missing: %#x", said >> 16);
	equal(said & 0xffff, __builtin_popcount((unsigned int)said >> 16), "a reason for each");
	must(guard_own(guard, -1), "own");
	listener = host_listen(&port);
	host_connect(listener, port, AF_INET, fds);
	equal(seal_socket(fds[0], &seal), 0, "it seals all the same");
	strcpy(request->ifr_name, "host0");
	equal(ioctl(fds[0], SIOCGIFADDR, request) ? -errno : 0, -ENOTTY, "what passes a socket's operations is refused");
	equal(ioctl32(fds[0], SIOCGIFADDR, request), -ENOTTY, "... to 32-bit programs, too");
	close(fds[0]);
	close(fds[1]);
	close(listener);
}

static int cut(struct guard *guard, uint64_t cookie)
{
	message_begin(guard, &message, SLIM_CMD_REVOKE, 0);
	message_put64(&message, SLIM_A_COOKIE, cookie);
	return message_talk(guard, &message);
}

/* Opens and closes a netlink socket of this namespace that has the number of the guard's. */
static void close_namesake(const struct guard *guard, int protocol)
{
	struct sockaddr_nl addr = { .nl_family = AF_NETLINK };
	int fd = (int)must(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol), "socket");

	must(getsockname(guard->fd, (void *)&addr, &(socklen_t){ sizeof(addr) }), "getsockname");
	must(bind(fd, (void *)&addr, sizeof(addr)), "bind");
	close(fd);
}

static void close_namesake_elsewhere(const struct guard *guard)
{
	int host = (int)must(open("/proc/1/ns/net", O_RDONLY | O_CLOEXEC), "open");

	must(unshare(CLONE_NEWNET), "unshare");
	close_namesake(guard, NETLINK_GENERIC);
	must(syscall(SYS_setns, host, CLONE_NEWNET), "setns");
	close(host);
}

static void owners(struct guard *guard)
{
	struct guard second;

	equal(cut(guard, 4711), -ESTALE, "what is the owner's is refused where there is none");
	equal(guard_own(guard, -1), 0, "OWN");
	equal(guard_own(guard, -1), 0, "OWN again");
	must(guard_open(&second), "a second socket");
	equal(guard_own(&second, -1), -EBUSY, "a second owner is refused while the first one lives");
	equal(cut(&second, 4711), -EPERM, "what is the owner's is refused to others");
	equal(guard_command(&second, &message, SLIM_CMD_GET), 0, "anybody may ask");
	equal((long)message_u64(&message, SLIM_A_OWNED), 1, "it is owned by another");
	equal(guard_command(guard, &message, SLIM_CMD_GET), 0, "the owner asks");
	equal((long)message_u64(&message, SLIM_A_OWNED), 2, "it is owned by itself");
	close_namesake(guard, NETLINK_ROUTE);
	equal(guard_command(guard, &message, SLIM_CMD_GET), 0, "a socket of another protocol has gone");
	equal((long)message_u64(&message, SLIM_A_OWNED), 2, "... which was no owner, although its number is the same");
	close_namesake_elsewhere(guard);
	equal(guard_command(guard, &message, SLIM_CMD_GET), 0, "a socket of another namespace has gone");
	equal((long)message_u64(&message, SLIM_A_OWNED), 2, "... which was none, either");
	close(guard->fd);
	equal(guard_own(&second, -1), 0, "when the first one has gone there may be another");
	close(second.fd);
	must(guard_open(guard), "open again");
	must(guard_own(guard, -1), "own again");
}

static void count_sockets(const struct nlmsghdr *head, void *data)
{
	int *num = data;

	*num += !!nlmsg_find(head, SLIM_A_SOCKET);
}

static int sockets_num(struct guard *guard)
{
	int num = 0;

	message_begin(guard, &message, SLIM_CMD_SOCKET, NLM_F_DUMP);
	must(message_send(guard, &message), "send");
	equal(message_answer(guard, &message, count_sockets, &num), 0, "list of sockets");
	return num;
}

static uint64_t socket_attr(int attr)
{
	const struct nlattr *nest = nlmsg_find(message_head(&message), SLIM_A_SOCKET);

	return nest ? attr_u64(attr_find(attr_value(nest), nest->nla_len - NLA_HDRLEN, attr)) : UINT64_MAX;
}

static void sockets(struct guard *guard, int listener, uint16_t port)
{
	struct slim_seal seal = seal_default();
	int fds[2], many[200][2];
	uint64_t cookie, before;
	char data[100];

	host_connect(listener, port, AF_INET6, fds);
	equal(seal_socket(fds[0], &seal), 0, "a socket is sealed");
	cookie = cookie_of(fds[0]);
	must(write(fds[0], data, 100), "write");
	must(read(fds[1], data, 100), "read");
	message_begin(guard, &message, SLIM_CMD_SOCKET, 0);
	message_put64(&message, SLIM_A_COOKIE, cookie);
	equal(message_talk(guard, &message), 0, "SOCKET");
	equal((long)socket_attr(SLIM_A_COOKIE), (long)cookie, "cookie");
	equal((long)socket_attr(SLIM_A_CONTAINER), 5, "container");
	equal((long)socket_attr(SLIM_A_VNI), 7, "tenant");
	equal((long)socket_attr(SLIM_A_STATE), TCP_ESTABLISHED, "state");
	equal(cut(guard, cookie + 1000), -ENOENT, "REVOKE of what is not there");
	before = guard_stat(guard, SLIM_A_CUT);
	equal(cut(guard, cookie), 0, "REVOKE");
	equal((long)guard_stat(guard, SLIM_A_CUT), (long)before + 1, "it is counted");
	equal(read(fds[0], data, 1), -1, "the holder's read fails");
	equal(errno, ECONNABORTED, "... with ECONNABORTED");
	equal(read(fds[1], data, 1), -1, "the peer's read fails");
	equal(errno, ECONNRESET, "... with ECONNRESET");
	close(fds[0]);
	close(fds[1]);
	for (size_t i = 0; i < NUM(many); i++) {
		host_connect(listener, port, i % 2 ? AF_INET : AF_INET6, many[i]);
		seal.container = i % 2 ? 8 : 9;
		must(seal_socket(many[i][0], &seal), "seal");
	}
	equal(sockets_num(guard), NUM(many), "all of many are listed");
	check(guard_stat(guard, SLIM_A_MEMORY) <= 512 * NUM(many), "each takes %lu bytes",
	      guard_stat(guard, SLIM_A_MEMORY) / NUM(many));
	message_begin(guard, &message, SLIM_CMD_REVOKE, 0);
	message_put32(&message, SLIM_A_CONTAINER, 8);
	equal(message_talk(guard, &message), 0, "REVOKE of a container's");
	equal((long)message_u64(&message, SLIM_A_CUT), NUM(many) / 2, "as many as it has");
	for (size_t i = 0; i < NUM(many); i++) {
		close(many[i][0]);
		close(many[i][1]);
	}
	/* Their last segments may be on the way. */
	for (int i = 0; i < 5000 && guard_stat(guard, SLIM_A_LIVE); i++)
		usleep(1000);
	equal(sockets_num(guard), 0, "none is left");
}

/* --- sealing --- */

static int seal_as(int fd, const struct slim_seal *seal, size_t size)
{
	return setsockopt(fd, SOL_SLIM, SLIM_SEAL, seal, (socklen_t)size) ? -errno : 0;
}

static void wrong_seals(int listener, uint16_t port)
{
	static const struct {
		size_t at, size;
		uint64_t value;
		const char *what;
	} wrongs[] = {
		{ offsetof(struct slim_seal, size), 4, 8, "a wrong size" },
		{ offsetof(struct slim_seal, flags), 4, SLIM_SEAL_IPV4 | 64, "an unknown flag" },
		{ offsetof(struct slim_seal, reserved), 4, 1, "what is reserved" },
		{ offsetof(struct slim_seal, vni), 4, 1 << 24, "no VNI" },
		{ offsetof(struct slim_seal, peer_vni), 4, 1 << 24, "no VNI of the peer" },
		{ offsetof(struct slim_seal, local.addr), 1, 1, "no IPv4 address" },
		{ offsetof(struct slim_seal, peer.addr), 1, 1, "no IPv4 address of the peer" },
		{ offsetof(struct slim_seal, local.reserved), 2, 1, "what is reserved in an address" },
		{ offsetof(struct slim_seal, peer.reserved), 2, 1, "what is reserved in the peer's" },
		{ offsetof(struct slim_seal, shape.flags), 4, SLIM_SHAPE_RATE, "a rate of 0" },
		{ offsetof(struct slim_seal, shape.flags), 4, 64, "an unknown shape" },
		{ offsetof(struct slim_seal, shape.priority), 1, 7, "a priority that is none" },
		{ offsetof(struct slim_seal, shape.reserved), 2, 1, "what is reserved in a shape" },
	};

	for (size_t i = 0; i < NUM(wrongs); i++) {
		struct slim_seal seal = seal_default();
		int fds[2];

		memcpy((char *)&seal + wrongs[i].at, &wrongs[i].value, wrongs[i].size);
		host_connect(listener, port, AF_INET6, fds);
		equal(seal_socket(fds[0], &seal), -EINVAL, "%s", wrongs[i].what);
		close(fds[0]);
		close(fds[1]);
	}
}

static void sealing(struct guard *guard, int listener, uint16_t port)
{
	struct slim_seal seal = seal_default();
	int fds[2];

	(void)guard;
	host_connect(listener, port, AF_INET6, fds);
	equal(setsockopt(fds[0], IPPROTO_TCP, TCP_ULP, "slim", 4), 0, "TCP_ULP");
	equal(seal_as(fds[0], &seal, sizeof(seal) - 1), -EINVAL, "too short a seal");
	equal(seal_as(fds[0], (void *)8, sizeof(seal)), -EFAULT, "a seal that is not there");
	equal(setsockopt(fds[0], SOL_SLIM, SLIM_SEAL + 1, &seal, sizeof(seal)) ? -errno : 0, -ENOPROTOOPT,
	      "another option of the level");
	equal(seal_as(fds[0], &seal, sizeof(seal)), -ENODATA, "a socket without a cookie");
	cookie_of(fds[0]);
	wrong_seals(listener, port);
	equal(seal_as(fds[0], &seal, sizeof(seal)), 0, "a right one");
	equal(setsockopt(fds[0], IPPROTO_TCP, TCP_ULP, "slim", 4) ? -errno : 0, -EEXIST, "it has its layer");
	equal(seal_as(fds[0], &seal, sizeof(seal)), -EALREADY, "once only");
	close(fds[0]);
	close(fds[1]);
	equal(setsockopt(listener, IPPROTO_TCP, TCP_ULP, "slim", 4) ? -errno : 0, -ENOTCONN, "no listener is sealed");
}

static int bpf(int command, union bpf_attr attr)
{
	return (int)must(syscall(SYS_bpf, command, &attr, sizeof(attr)), "bpf");
}

/* What has operations of its own there: it is to be closed with the socket. */
static int to_sockmap(int fd)
{
	int map = bpf(BPF_MAP_CREATE, (union bpf_attr){ .map_type = BPF_MAP_TYPE_SOCKMAP, .key_size = 4, .value_size = 4,
							.max_entries = 1 });

	bpf(BPF_MAP_UPDATE_ELEM, (union bpf_attr){ .map_fd = (uint32_t)map, .key = (uintptr_t)&(uint32_t){ 0 },
						   .value = (uintptr_t)&fd });
	return map;
}

/* What has data of its own there */
static int to_multiplexor(int fd)
{
	const struct bpf_insn program[] = { { .code = BPF_ALU64 | BPF_MOV | BPF_K }, { .code = BPF_JMP | BPF_EXIT } };
	int loaded = bpf(BPF_PROG_LOAD, (union bpf_attr){ .prog_type = BPF_PROG_TYPE_SOCKET_FILTER,
							  .insn_cnt = NUM(program), .insns = (uintptr_t)program,
							  .license = (uintptr_t)"GPL" });
	struct kcm_attach attach = { .fd = fd, .bpf_fd = loaded };
	int kcm = (int)must(socket(AF_KCM, SOCK_SEQPACKET | SOCK_CLOEXEC, KCMPROTO_CONNECTED), "a multiplexor");

	must(ioctl(kcm, SIOCKCMATTACH, &attach), "a socket of it");
	close(loaded);
	return kcm;
}

static void taken(int listener, uint16_t port, int (*take)(int fd), const char *what)
{
	int fds[2], taker;

	host_connect(listener, port, AF_INET6, fds);
	taker = take(fds[0]);
	equal(setsockopt(fds[0], IPPROTO_TCP, TCP_ULP, "slim", 4) ? -errno : 0, -EBUSY, "a socket %s is not tagged", what);
	close(taker);
	close(fds[0]);
	close(fds[1]);
}

/* A connection that nobody holds any more, and that still has something to send, is there, and can be ended. */
static void closed(struct guard *guard, int listener, uint16_t port)
{
	struct slim_seal seal = seal_default();
	static char data[65536];
	uint64_t cookie;
	int fds[2];

	host_connect(listener, port, AF_INET6, fds);
	must(seal_socket(fds[0], &seal), "seal");
	cookie = cookie_of(fds[0]);
	while (send(fds[0], data, sizeof(data), MSG_DONTWAIT) > 0)
		;
	close(fds[0]);
	equal(sockets_num(guard), 1, "closed, it goes on sending");
	equal(cut(guard, cookie), 0, "REVOKE");
	for (int i = 0; i < 200 && guard_stat(guard, SLIM_A_LIVE); i++)
		nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
	equal((long)guard_stat(guard, SLIM_A_LIVE), 0, "it has ended");
	close(fds[1]);
}

static void draining(struct guard *guard, int listener, uint16_t port)
{
	static const uint32_t wanted[] = { SLIM_DRAIN_START, SLIM_DRAIN_CUT, SLIM_DRAIN_STOP };
	struct slim_seal seal = seal_default();
	int fds[2], more[2];
	char data;

	host_connect(listener, port, AF_INET6, fds);
	host_connect(listener, port, AF_INET6, more);
	must(seal_socket(fds[0], &seal), "seal");
	for (size_t i = 0; i < NUM(wanted); i++) {
		message_begin(guard, &message, SLIM_CMD_DRAIN, 0);
		message_put32(&message, SLIM_A_DRAIN, wanted[i]);
		equal(message_talk(guard, &message), 0, "DRAIN %u", wanted[i]);
		equal((long)message_u64(&message, SLIM_A_LIVE), 1, "one lives");
		equal((long)message_u64(&message, SLIM_A_CUT), wanted[i] == SLIM_DRAIN_CUT, "cut");
		if (wanted[i] == SLIM_DRAIN_START)
			equal(seal_socket(more[0], &seal), -ESHUTDOWN, "nothing more is sealed");
	}
	equal(read(fds[0], &data, 1), -1, "what was sealed has ended");
	equal(setsockopt(more[0], SOL_SLIM, SLIM_SEAL, &seal, sizeof(seal)), 0, "sealed again");
	for (int i = 0; i < 2; i++) {
		close(fds[i]);
		close(more[i]);
	}
}

/* --- tenants --- */

#define TENANTS		500	/* more than a message has room for */
#define FIRST_TENANT	1000

/* What is counted of each */
static struct counts {
	int told;
	uint64_t live, sealed, denied, attacks, rx, tx;
} counted[TENANTS];

static void read_tenant(const struct nlmsghdr *head, void *data)
{
	const struct nlattr *nest = nlmsg_find(head, SLIM_A_TENANT);
	const void *from = nest ? attr_value(nest) : NULL;
	size_t len = nest ? nest->nla_len - NLA_HDRLEN : 0;
	uint64_t vni = attr_u64(attr_find(from, len, SLIM_A_VNI));
	struct counts *tenant = &counted[vni - FIRST_TENANT];

	(void)data;
	if (vni < FIRST_TENANT || vni >= FIRST_TENANT + TENANTS)
		return;
	tenant->told++;
	tenant->live = attr_u64(attr_find(from, len, SLIM_A_LIVE));
	tenant->sealed = attr_u64(attr_find(from, len, SLIM_A_SEALED));
	tenant->denied = attr_u64(attr_find(from, len, SLIM_A_DENIED));
	tenant->attacks = attr_u64(attr_find(from, len, SLIM_A_ATTACKS));
	tenant->rx = attr_u64(attr_find(from, len, SLIM_A_RX_BYTES));
	tenant->tx = attr_u64(attr_find(from, len, SLIM_A_TX_BYTES));
}

static void read_tenants(struct guard *guard)
{
	memset(counted, 0, sizeof(counted));
	message_begin(guard, &message, SLIM_CMD_TENANT, NLM_F_DUMP);
	must(message_send(guard, &message), "send");
	equal(message_answer(guard, &message, read_tenant, NULL), 0, "list of tenants");
}

static void seal_for(int listener, uint16_t port, uint32_t tenant, uint32_t peers, int err, int fds[2])
{
	struct slim_seal seal = seal_default();

	seal.vni = FIRST_TENANT + tenant;
	seal.peer_vni = FIRST_TENANT + peers;
	host_connect(listener, port, AF_INET6, fds);
	if (seal_socket(fds[0], &seal) != err)
		check(false, "sealing for tenant %u", seal.vni);
}

/* The last but one has some traffic and an attack, and nobody but itself to connect to. */
static void use_tenant(int listener, uint16_t port, uint32_t tenant)
{
	char data[100] = "";
	int fds[2];

	seal_for(listener, port, tenant, tenant, 0, fds);
	must(write(fds[0], data, 100), "write");
	must(recv(fds[1], data, 100, MSG_WAITALL), "read");
	must(write(fds[1], data, 30), "write");
	must(recv(fds[0], data, 30, MSG_WAITALL), "read");
	listen(fds[0], 1);
	close(fds[1]);
	equal(read(fds[0], data, 1), 0, "the end");
	close(fds[0]);
	seal_for(listener, port, tenant, tenant + 1, -EACCES, fds);
	close(fds[0]);
	close(fds[1]);
}

static void tenants(struct guard *guard, int listener, uint16_t port)
{
	const struct counts *last = &counted[TENANTS - 1], *used = last - 1;
	int fds[2], told = 0;

	for (uint32_t i = 0; i < TENANTS - 2; i++) {
		seal_for(listener, port, i, i, 0, fds);
		close(fds[1]);
		close(fds[0]);
	}
	use_tenant(listener, port, TENANTS - 2);
	seal_for(listener, port, TENANTS - 1, TENANTS - 1, 0, fds);
	for (int i = 0; i < 5000 && guard_stat(guard, SLIM_A_LIVE) > 1; i++)
		usleep(1000);
	read_tenants(guard);
	for (int i = 0; i < TENANTS; i++)
		told += counted[i].told == 1 && counted[i].sealed == 1;
	equal(told, TENANTS, "each tenant is told once, with the socket that it had");
	equal((long)last->live, 1, "one has it yet");
	equal((long)used->live, 0, "the one before does not");
	equal((long)used->denied, 1, "... it was denied one");
	equal((long)used->attacks, 1, "... and an attack");
	equal((long)used->tx, 100, "... it has sent");
	equal((long)used->rx, 30, "... and received");
	close(fds[0]);
	close(fds[1]);
}

/* --- wrong messages --- */

/* Each attribute alone, and with a length that is not its own, in each command: an error, and no more */
static void malformed(struct guard *guard)
{
	int accepted = 0;

	for (int command = SLIM_CMD_GET; command <= SLIM_CMD_MAX; command++) {
		for (int type = 0; type <= SLIM_A_MAX + 3; type++) {
			for (size_t size = 0; size < 70; size += size < 10 ? 1 : 7) {
				message_begin(guard, &message, command, 0);
				message_put(&message, type, NULL, size);
				accepted += message_talk(guard, &message) == 0;
			}
		}
	}
	/* Descriptor 0 is no namespace, and there is no command 0 of those that have some. */
	equal(accepted, 0, "no attribute of zeroes makes a request");
}

static void truncated(struct guard *guard)
{
	struct slim_policy_counts counts = { 0 };
	uint32_t whole, wrong = 0;

	message_begin(guard, &message, SLIM_CMD_STAGE, NLM_F_ACK);
	message_put32(&message, SLIM_A_STAGE, SLIM_STAGE_BEGIN);
	message_put64(&message, SLIM_A_GENERATION, 5);
	message_put(&message, SLIM_A_COUNTS, &counts, sizeof(counts));
	whole = message.len;
	for (uint32_t len = NLMSG_HDRLEN + 1; len < whole; len++) {
		message.len = len;
		if (message_send(guard, &message))
			continue;
		if (message_answer(guard, &message, count_sockets, &(int){ 0 }) == 0)
			wrong++;
	}
	equal(wrong, 0, "no part of a message is one");
	message.len = whole;
	equal(message_send(guard, &message), 0, "the whole is sent");
	equal(message_answer(guard, &message, count_sockets, &(int){ 0 }), 0, "the whole is one");
}

static void wrong_values(struct guard *guard)
{
	static const struct {
		int command, type;
		uint32_t value;
		const char *what;
	} cases[] = {
		{ SLIM_CMD_STAGE, SLIM_A_FLAGS, 8, "an unknown flag" },
		{ SLIM_CMD_GET, SLIM_A_HOST_FD, 0xffffffff, "a negative descriptor" },
		{ SLIM_CMD_GET, SLIM_A_MISSED, 1, "an attribute of another command" },
	};

	for (size_t i = 0; i < NUM(cases); i++) {
		int err;

		message_begin(guard, &message, cases[i].command, 0);
		message_put32(&message, cases[i].type, cases[i].value);
		err = message_talk(guard, &message);
		check(err == -EINVAL || err == -ERANGE, "%s is refused (%d)", cases[i].what, err);
	}
	message_begin(guard, &message, SLIM_CMD_EVENT, 0);
	equal(message_talk(guard, &message), -EOPNOTSUPP, "nobody tells the guard an event");
	message_begin(guard, &message, 77, 0);
	equal(message_talk(guard, &message), -EOPNOTSUPP, "an unknown command");
}

/* Nests in nests, to the end of the message */
static void nested(struct guard *guard)
{
	uint32_t depth = 0;
	int err;

	message_begin(guard, &message, SLIM_CMD_GET, 0);
	while (message.len < 60000) {
		struct nlattr *attr = (struct nlattr *)(message.data + message.len);

		attr->nla_type = SLIM_A_SOCKET | NLA_F_NESTED;
		attr->nla_len = (uint16_t)(60000 - message.len);
		message.len += NLA_HDRLEN;
		depth++;
	}
	message_head(&message)->nlmsg_flags |= NLM_F_ACK;
	err = message_send(guard, &message);
	if (!err)
		err = message_answer(guard, &message, count_sockets, &(int){ 0 });
	equal(err, -EINVAL, "%u nests", depth);
}

/* --- who asks --- */

/* What @ask returns in a process that has become another by @become */
static int as(void (*become)(void), int (*ask)(void))
{
	pid_t pid = fork();
	int status;

	if (!pid) {
		become();
		_exit(-ask());
	}
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? -WEXITSTATUS(status) : -255;
}

static void become_nobody(void)
{
	must(setuid(65534), "setuid");
}

static void become_user_root(void)
{
	must(unshare(CLONE_NEWUSER), "unshare");
}

static void become_container(void)
{
	must(unshare(CLONE_NEWNET), "unshare");
}

static int inherited_fd;

static int ask_get(void)
{
	struct guard guard;
	int err = guard_open(&guard);

	return err ? err : guard_command(&guard, &message, SLIM_CMD_GET);
}

/* EPERM, if that is said to each */
static int ask_all(void)
{
	struct guard guard;
	int err = guard_open(&guard);

	for (int command = SLIM_CMD_GET; !err && command <= SLIM_CMD_QUERY; command++) {
		bool is_list = command == SLIM_CMD_TENANT || command == SLIM_CMD_RULE;

		message_begin(&guard, &message, command, is_list ? NLM_F_DUMP : 0);
		err = message_talk(&guard, &message) + EPERM;
	}
	return err ? err : -EPERM;
}

/* Of all groups */
static int ask_events(void)
{
	struct guard guard;
	int err = guard_open(&guard);

	if (err)
		return err;
	return guard_join(&guard, guard.events) && guard_join(&guard, guard.sockets) ?
		       guard_join(&guard, guard.gone) : 0;
}

static int ask_ulp(void)
{
	return setsockopt(inherited_fd, IPPROTO_TCP, TCP_ULP, "slim", 4) ? -errno : 0;
}

/* A container's own socket, in its own namespace */
static int ask_own_ulp(void)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	return setsockopt(fd, IPPROTO_TCP, TCP_ULP, "slim", 4) ? -errno : 0;
}

/* Sealing is refused to who could not have tagged it. */
static int ask_seal(void)
{
	struct slim_seal seal = seal_default();

	return setsockopt(inherited_fd, SOL_SLIM, SLIM_SEAL, &seal, sizeof(seal)) ? -errno : 0;
}

static void others(int listener, uint16_t port)
{
	int fds[2], tagged[2];

	host_connect(listener, port, AF_INET6, fds);
	host_connect(listener, port, AF_INET6, tagged);
	cookie_of(tagged[0]);
	must(setsockopt(tagged[0], IPPROTO_TCP, TCP_ULP, "slim", 4), "TCP_ULP");
	inherited_fd = fds[0];
	equal(as(become_nobody, ask_get), -EPERM, "without privileges");
	equal(as(become_user_root, ask_get), -EPERM, "root of another user namespace");
	equal(as(become_nobody, ask_all), -EPERM, "no command without privileges");
	equal(as(become_container, ask_get), -ENOENT, "from a container: there is no such family");
	equal(as(become_nobody, ask_events), -EPERM, "events without privileges");
	equal(as(become_nobody, ask_ulp), -EPERM, "TCP_ULP without privileges");
	equal(as(become_user_root, ask_ulp), -EPERM, "TCP_ULP by root of another user namespace");
	equal(as(become_container, ask_ulp), -EPERM, "TCP_ULP on a host's socket from a container");
	equal(as(become_container, ask_own_ulp), -EPERM, "TCP_ULP on a container's own");
	inherited_fd = tagged[0];
	equal(as(become_nobody, ask_seal), -EPERM, "sealing without privileges");
	equal(as(become_container, ask_seal), -EPERM, "sealing from a container");
	for (int i = 0; i < 2; i++) {
		close(fds[i]);
		close(tagged[i]);
	}
}

/* How many sealed sockets a host has, by STATS and by their list */
static void lives(struct guard *guard, int host_fd, int num, const char *whose)
{
	int listed = 0;

	message_begin(guard, &message, SLIM_CMD_STATS, 0);
	message_put(&message, SLIM_A_HOST_FD, &host_fd, sizeof(host_fd));
	must(message_talk(guard, &message), "STATS");
	equal((long)message_u64(&message, SLIM_A_LIVE), num, "sealed sockets of %s", whose);
	message_begin(guard, &message, SLIM_CMD_SOCKET, NLM_F_DUMP);
	message_put(&message, SLIM_A_HOST_FD, &host_fd, sizeof(host_fd));
	must(message_send(guard, &message), "send");
	must(message_answer(guard, &message, count_sockets, &listed), "SOCKET");
	equal(listed, num, "... in the list");
}

static int ask_socket(struct guard *guard, uint64_t cookie, int host_fd)
{
	message_begin(guard, &message, SLIM_CMD_SOCKET, 0);
	message_put64(&message, SLIM_A_COOKIE, cookie);
	message_put(&message, SLIM_A_HOST_FD, &host_fd, sizeof(host_fd));
	return message_talk(guard, &message);
}

/* In a namespace that nobody is in: it ends with the sockets. */
static void sockets_elsewhere(struct guard *second, int fd, int init_fd)
{
	struct ifreq up = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	struct sockaddr_in addr = address4("127.0.0.1", 7000);
	struct slim_seal seal = seal_default();
	int listener = (int)must(socket(AF_INET, SOCK_STREAM, 0), "socket");
	int fds[2] = { (int)must(socket(AF_INET, SOCK_STREAM, 0), "socket"), -1 };

	must(ioctl(listener, SIOCSIFFLAGS, &up), "SIOCSIFFLAGS");
	must(bind(listener, (void *)&addr, sizeof(addr)), "bind");
	must(listen(listener, 5), "listen");
	must(connect(fds[0], (void *)&addr, sizeof(addr)), "connect");
	fds[1] = (int)must(accept(listener, NULL, NULL), "accept");
	equal(seal_socket(fds[0], &seal), 0, "a socket of its own is sealed");
	must(syscall(SYS_setns, init_fd, CLONE_NEWNET), "setns");
	lives(second, fd, 1, "that host");
	lives(second, init_fd, 0, "the initial one");
	equal(guard_own(second, -1), 0, "the initial one has the same owner");
	message_begin(second, &message, SLIM_CMD_SHAPE, 0);
	message_put64(&message, SLIM_A_COOKIE, cookie_of(fds[0]));
	message_put(&message, SLIM_A_SHAPE, &seal.shape, sizeof(seal.shape));
	equal(message_talk(second, &message), -ENOENT, "SHAPE there does not mean a socket here");
	equal(ask_socket(second, cookie_of(fds[0]), fd), 0, "SOCKET of that host knows it");
	equal(ask_socket(second, cookie_of(fds[0]), init_fd), -ENOENT, "that of the initial one does not");
	equal(cut(second, cookie_of(fds[0])), -ENOENT, "nor does REVOKE");
	message_begin(second, &message, SLIM_CMD_REVOKE, 0);
	message_put32(&message, SLIM_A_CONTAINER, seal.container);
	equal(message_talk(second, &message), -ENOENT, "nor does one of its container's");
	close(second->fd);
	close(fd);
	equal(write(fds[0], "x", 1), 1, "it lives without anything else of its host");
	close(listener);
	close(fds[0]);
	close(fds[1]);
}

/* A namespace of a host of its own: its sockets, its owner, its counters */
static void another_host(struct guard *guard)
{
	int init_fd = (int)must(open("/proc/1/ns/net", O_RDONLY | O_CLOEXEC), "open");
	struct guard second;
	int fd;

	must(unshare(CLONE_NEWNET), "unshare");
	fd = (int)must(open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC), "open");
	equal(ask_own_ulp(), -EPERM, "in a namespace that is no host's nothing is sealed");
	must(guard_open(guard) == -ENOENT ? 0 : -1, "the family is not there");
	must(syscall(SYS_setns, open("/proc/1/ns/net", O_RDONLY | O_CLOEXEC), CLONE_NEWNET), "setns");
	must(guard_open(&second), "open");
	equal(guard_own(&second, fd), 0, "it can be owned");
	must(syscall(SYS_setns, fd, CLONE_NEWNET), "setns");
	equal(ask_own_ulp(), 0, "then it is a host");
	sockets_elsewhere(&second, fd, init_fd);
	must(guard_open(guard), "open");
	must(guard_own(guard, -1), "own");
	close(init_fd);
}

/* --- random messages --- */

static uint64_t random_state;

static uint32_t random_below(uint32_t limit)
{
	random_state = random_state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(random_state >> 33) % limit;
}

static const struct {
	int type, size;
} shapes[] = {
	{ SLIM_A_HOST_FD, 4 }, { SLIM_A_VERSION, 4 }, { SLIM_A_COOKIE, 8 }, { SLIM_A_CONTAINER, 4 },
	{ SLIM_A_SHAPE, sizeof(struct slim_shape) }, { SLIM_A_DRAIN, 4 }, { SLIM_A_STAGE, 4 },
	{ SLIM_A_GENERATION, 8 }, { SLIM_A_COUNTS, sizeof(struct slim_policy_counts) }, { SLIM_A_FLAGS, 4 },
	{ SLIM_A_PART, 4 }, { SLIM_A_DATA, 0 }, { SLIM_A_QUESTIONS, 0 }, { SLIM_A_SOCKET, 0 },
};

static void put_random(void)
{
	uint32_t which = random_below(NUM(shapes));
	size_t size = shapes[which].size ? (size_t)shapes[which].size : random_below(200);
	uint8_t *value;

	if (!random_below(20))
		size = random_below(300);
	value = message_put(&message, random_below(30) ? shapes[which].type : (int)random_below(70), NULL, size);
	for (size_t i = 0; i < size; i++)
		value[i] = (uint8_t)(i % 4 ? (random_below(40) ? 0 : random_below(256)) : random_below(8));
}

static void random_messages(struct guard *guard, uint64_t seed, long num)
{
	long good = 0;

	random_state = seed;
	for (long i = 0; i < num; i++) {
		bool dump = !random_below(10);
		int err;

		message_begin(guard, &message, 1 + (int)random_below(SLIM_CMD_MAX + 1), dump ? NLM_F_DUMP : NLM_F_ACK);
		for (uint32_t j = random_below(6); j; j--)
			put_random();
		err = message_send(guard, &message);
		if (!err)
			err = message_answer(guard, &message, count_sockets, &(int){ 0 });
		good += !err;
	}
	check(good > num / 100, "%ld of %ld random messages were right ones", good, num);
}

static void hold(int listener, uint16_t port)
{
	struct slim_seal seal = seal_default();
	int fds[2];
	char data;

	host_connect(listener, port, AF_INET6, fds);
	must(seal_socket(fds[0], &seal), "seal");
	puts("ready");
	fflush(stdout);
	while (read(0, &data, 1) > 0)
		;
}

static void sealed(struct guard *guard, const char *netns)
{
	int fd = (int)must(open(netns, O_RDONLY | O_CLOEXEC), netns);

	message_begin(guard, &message, SLIM_CMD_STATS, 0);
	message_put(&message, SLIM_A_HOST_FD, &fd, sizeof(fd));
	must(message_talk(guard, &message), "STATS");
	printf("%lu\n", message_u64(&message, SLIM_A_SEALED));
}

int main(int argc, char **argv)
{
	struct guard guard;
	uint16_t port;
	int listener;

	must(guard_open(&guard), "the family");
	if (argc == 3) {
		sealed(&guard, argv[2]);
		return 0;
	}
	if (argc > 3) {
		/* Of several, one is the owner. */
		guard_own(&guard, -1);
		random_messages(&guard, strtoull(argv[2], NULL, 0), atol(argv[3]));
		return 0;
	}
	if (argc > 1 && !strcmp(argv[1], "incomplete")) {
		incomplete(&guard);
		return 0;
	}
	listener = host_listen(&port);
	if (argc > 1) {
		must(guard_own(&guard, -1), "own");
		hold(listener, port);
		return 0;
	}
	what_it_is(&guard);
	owners(&guard);
	sealing(&guard, listener, port);
	sockets(&guard, listener, port);
	taken(listener, port, to_sockmap, "in a sockmap");
	taken(listener, port, to_multiplexor, "of a multiplexor");
	closed(&guard, listener, port);
	draining(&guard, listener, port);
	tenants(&guard, listener, port);
	malformed(&guard);
	truncated(&guard);
	wrong_values(&guard);
	nested(&guard);
	others(listener, port);
	close(guard.fd);
	another_host(&guard);
	return 0;
}
