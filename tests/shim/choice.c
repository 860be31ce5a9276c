/* SPDX-License-Identifier: MIT */
/*
 * choice.c - listeners that share a port, and a program of theirs that chooses among them (SO_REUSEPORT)
 *
 * What it chooses by is the segment that opens a connection, so that this has to be the client's own.
 */
#include <linux/bpf.h>
#include <linux/filter.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>

#include "program.h"

#ifndef SO_ATTACH_REUSEPORT_CBPF
#define SO_ATTACH_REUSEPORT_CBPF	51
#endif
#ifndef SO_ATTACH_REUSEPORT_EBPF
#define SO_ATTACH_REUSEPORT_EBPF	52
#endif
#ifndef SO_DETACH_REUSEPORT_BPF
#define SO_DETACH_REUSEPORT_BPF		68
#endif

#define LISTENERS	3
#define CHOSEN		1	/* by programs that are right */
#define COMING		6
#define TRIES		300

enum program { CONSTANT, BY_ADDRESS, EXTENDED };
static const char *const programs[] = { "constant", "by_address", "extended", NULL };
/* What has an address like the server's own comes to the chosen one; all else, to the first one. */
static int attach_classic(int fd, bool by_address)
{
	bool is_v6 = to.ss_family == AF_INET6;
	const void *own = is_v6 ? (void *)&((struct sockaddr_in6 *)&to)->sin6_addr :
			  (void *)&((struct sockaddr_in *)&to)->sin_addr;
	uint16_t prefix = *(const uint16_t *)own;
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_H | BPF_ABS, (uint32_t)SKF_NET_OFF + (is_v6 ? 8 : 12)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ntohs(prefix), 0, by_address),
		BPF_STMT(BPF_RET | BPF_K, CHOSEN),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};
	struct sock_fprog program = { .filter = filter, .len = sizeof(filter) / sizeof(filter[0]) };

	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &program, sizeof(program));
}

static int attach_extended(int fd)
{
	static const char license[] = "GPL";
	struct bpf_insn insns[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = CHOSEN },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	union bpf_attr attr = {
		.prog_type = BPF_PROG_TYPE_SOCKET_FILTER,
		.insns = (uint64_t)(uintptr_t)insns, .insn_cnt = sizeof(insns) / sizeof(insns[0]),
		.license = (uint64_t)(uintptr_t)license,
	};
	int program = (int)syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof(attr)), ret;

	ret = setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_EBPF, &program, sizeof(program));
	close(program);
	return ret;
}

static void attach(int fd)
{
	say("attach", chosen[0] == EXTENDED ? attach_extended(fd) :
	    attach_classic(fd, chosen[0] == BY_ADDRESS));
}

/* --- server --- */

/* Each connection is told who has got it. */
static bool serve_from(int from, int which)
{
	char name = (char)('0' + which);
	int fd = accept(from, NULL, NULL);

	if (fd < 0 || write(fd, &name, 1) != 1)
		return false;
	shutdown(fd, SHUT_WR);
	if (read(fd, &name, 1) > 0)
		puts("more than was to be said");
	close(fd);
	return true;
}

/* Until the first connection ends, which has nothing to say. */
static void serve_group(struct pollfd polled[LISTENERS + 1])
{
	while (poll(polled, LISTENERS + 1, -1) > 0 && !polled[LISTENERS].revents)
		for (int i = 0; i < LISTENERS; i++)
			if (polled[i].revents && !serve_from(polled[i].fd, i))
				return;
}

/* By whichever it comes */
static int accept_first(struct pollfd *polled)
{
	poll(polled, LISTENERS, -1);
	for (int i = 0; i < LISTENERS; i++)
		if (polled[i].revents)
			return accept(polled[i].fd, NULL, NULL);
	return -1;
}

/* One of the sockets brings the program along, and it is every one's. */
static void serve(bool after)
{
	struct pollfd polled[LISTENERS + 1];
	int told;

	for (int i = 0; i < LISTENERS; i++) {
		int fd = tcp(0);

		polled[i] = (struct pollfd){ .fd = fd, .events = POLLIN };
		set_int(fd, SOL_SOCKET, SO_REUSEPORT, 1);
		if (!i && !after)
			attach(fd);
		say("bind", bind(fd, TO, to_len));
		say("listen", listen(fd, 16));
	}
	told = say_fd("accept", accept_first(polled));
	if (after)
		attach(polled[LISTENERS - 1].fd);
	say("write", write(told, "x", 1));
	polled[LISTENERS] = (struct pollfd){ .fd = told, .events = POLLIN };
	serve_group(polled);
}

static void chooses(void)
{
	serve(false);
}

static void chooses_after(void)
{
	serve(true);
}

/* --- client --- */

static int who_has_it(void)
{
	int fd = tcp(0);
	char name = '?';

	if (connect(fd, TO, to_len) || read(fd, &name, 1) != 1)
		name = '?';
	close(fd);
	return name;
}

/* Returns how many come in a row to the one that is chosen, COMING at the most. */
static int come_right(void)
{
	int num = 0;

	while (num < COMING && who_has_it() == '0' + CHOSEN)
		num++;
	return num;
}

/* @tries: others hear a moment later that there is a program now. */
static void come(int tries)
{
	int fd = connected(), right = 0;
	char byte;

	say("read", read(fd, &byte, 1));
	while (right < COMING && tries--)
		right = come_right();
	printf("come right: %d\n", right);
	close(fd);
}

static void comes(void)
{
	come(1);
}

static void comes_after(void)
{
	come(TRIES);
}

static const struct test tests[] = {
	{ "before", comes, chooses, "packet unannounced", .dimensions = { programs } },
	{ "after", comes_after, chooses_after, .dimensions = { programs } },
};

RUN_TESTS(tests)
