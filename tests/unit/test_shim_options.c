/* SPDX-License-Identifier: MIT */
/*
 * test_shim_options.c - options follow a socket, and no more than was set
 * links: shim/options.c shim/option_table.c shim/readiness.c shim/user.c
 * libs:
 */
#include <check.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../shim/options.h"
#include "../../shim/readiness.h"
#include "../../shim/user.h"
#include "suite.h"

static int get(int fd, int level, int name)
{
	int value = -1;
	socklen_t len = sizeof(value);

	getsockopt(fd, level, name, &value, &len);
	return value;
}

static void set(int fd, int level, int name, int value)
{
	ck_assert_int_eq(setsockopt(fd, level, name, &value, sizeof(value)), 0);
}

/* _i: 0, what was set is known; 1, nothing is known */
START_TEST(carried)
{
	int from = socket(AF_INET, SOCK_STREAM, 0), to = socket(AF_INET6, SOCK_STREAM, 0);
	int untouched = get(to, SOL_SOCKET, SO_SNDBUF);
	uint64_t mask = options_bit(IPPROTO_TCP, TCP_NODELAY) |
			options_bit(SOL_SOCKET, SO_RCVBUF) | options_bit(IPPROTO_IP, IP_TOS);

	set(from, IPPROTO_TCP, TCP_NODELAY, 1);
	set(from, SOL_SOCKET, SO_RCVBUF, 30000);
	set(from, IPPROTO_IP, IP_TOS, 0x10);
	options_carry(from, to, _i ? OPTIONS_ALL : mask);
	ck_assert_int_eq(get(to, IPPROTO_TCP, TCP_NODELAY), 1);
	ck_assert_int_eq(get(to, SOL_SOCKET, SO_RCVBUF), 60000);
	ck_assert_int_eq(get(to, IPPROTO_IP, IP_TOS), 0x10);
	ck_assert_int_eq(get(to, SOL_SOCKET, SO_SNDBUF), untouched);
	close(from);
	close(to);
}
END_TEST

START_TEST(not_asked_not_carried)
{
	int from = socket(AF_INET, SOCK_STREAM, 0), to = socket(AF_INET, SOCK_STREAM, 0);

	set(from, IPPROTO_TCP, TCP_NODELAY, 1);
	options_carry(from, to, options_bit(SOL_SOCKET, SO_KEEPALIVE));
	ck_assert_int_eq(get(to, IPPROTO_TCP, TCP_NODELAY), 0);
	close(from);
	close(to);
}
END_TEST

START_TEST(packet_path_only)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	ck_assert(!options_keep_packet(fd, OPTIONS_ALL));
	set(fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, 1);
	ck_assert(options_keep_packet(fd, OPTIONS_ALL));
	ck_assert(options_keep_packet(fd, options_bit(IPPROTO_TCP, TCP_FASTOPEN_CONNECT)));
	ck_assert(!options_keep_packet(fd, options_bit(IPPROTO_TCP, TCP_NODELAY)));
	close(fd);
}
END_TEST

/* What nobody has thought of, and what was there before anybody could see it */
START_TEST(strange_ones)
{
	struct sock_filter all[] = { BPF_STMT(BPF_RET | BPF_K, 0xffffffff) };
	struct sock_fprog filter = { 1, all };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	ck_assert(options_keep_packet(fd, OPTIONS_STRANGE));
	ck_assert(options_keep_packet(fd, OPTIONS_LISTENING));
	ck_assert(!options_keep_packet(fd, OPTIONS_RARE));
	ck_assert_uint_eq(options_listen_flags(fd, OPTIONS_LISTENING), 0);
	ck_assert_uint_eq(options_listen_flags(fd, OPTIONS_STRANGE), SLIM_LISTEN_PACKET);
	ck_assert_uint_eq(options_listen_flags(fd, OPTIONS_ALL), 0);
	ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof(filter)), 0);
	ck_assert(options_keep_packet(fd, OPTIONS_ALL));
	ck_assert_uint_eq(options_listen_flags(fd, OPTIONS_ALL), SLIM_LISTEN_PACKET);
	close(fd);
}
END_TEST

START_TEST(rare_ones)
{
	int from = socket(AF_INET, SOCK_STREAM, 0), to = socket(AF_INET, SOCK_STREAM, 0);

	set(from, SOL_SOCKET, SO_BROADCAST, 1);
	options_carry(from, to, options_bit(SOL_SOCKET, SO_KEEPALIVE));
	ck_assert_int_eq(get(to, SOL_SOCKET, SO_BROADCAST), 0);
	options_carry(from, to, _i ? OPTIONS_ALL : OPTIONS_RARE);
	ck_assert_int_eq(get(to, SOL_SOCKET, SO_BROADCAST), 1);
	set(from, SOL_SOCKET, SO_DONTROUTE, 1);
	ck_assert(options_keep_packet(from, _i ? OPTIONS_ALL : OPTIONS_RARE));
	close(from);
	close(to);
}
END_TEST

START_TEST(bits_are_distinct)
{
	ck_assert_uint_ne(options_bit(SOL_SOCKET, SO_KEEPALIVE), 0);
	ck_assert_uint_ne(options_bit(SOL_SOCKET, SO_KEEPALIVE),
			  options_bit(IPPROTO_TCP, TCP_NODELAY));
	ck_assert_uint_eq(options_bit(SOL_SOCKET, SO_BROADCAST), OPTIONS_RARE);
	ck_assert_uint_eq(options_bit(SOL_SOCKET, SO_BINDTOIFINDEX),
			  options_bit(SOL_SOCKET, SO_BINDTODEVICE));
	ck_assert_uint_eq(options_bit(IPPROTO_TCP, TCP_FASTOPEN), OPTIONS_LISTENING);
	ck_assert_uint_eq(options_bit(IPPROTO_IPV6, IPV6_V6ONLY), 0);
	ck_assert_uint_eq(options_bit(12345, 1), OPTIONS_STRANGE);
}
END_TEST

/* _i: 0, the shim saw the registration; 1, /proc tells */
START_TEST(registrations_move)
{
	struct epoll_event event = { .events = EPOLLOUT | EPOLLET, .data.u64 = 0xfedcba9876543210 };
	int old = socket(AF_INET, SOCK_STREAM, 0), set_fd = epoll_create1(0);
	struct fdtable_entry entry = {
		.flags = FDTABLE_TCP, .watches_num = 1,
		.watches = { { set_fd, event.events, event.data.u64 } },
	};
	struct readiness watches;
	int pair[2];

	ck_assert_int_eq(epoll_ctl(set_fd, EPOLL_CTL_ADD, old, &event), 0);
	readiness_take(&watches, old, _i ? NULL : &entry);
	ck_assert_uint_eq(watches.num, 1);
	ck_assert_int_lt(epoll_ctl(set_fd, EPOLL_CTL_DEL, old, NULL), 0);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	dup2(pair[0], old);
	readiness_give(&watches, old);
	memset(&event, 0, sizeof(event));
	ck_assert_int_eq(epoll_wait(set_fd, &event, 1, 0), 1);
	ck_assert_uint_eq(event.data.u64, 0xfedcba9876543210);
	ck_assert_int_eq(epoll_wait(set_fd, &event, 1, 0), 0);
	close(old);
	close(set_fd);
}
END_TEST

START_TEST(callers_memory)
{
	long page = sysconf(_SC_PAGESIZE);
	char *two = mmap(NULL, (size_t)page * 2, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	char here[16];

	munmap(two + page, (size_t)page);
	/* What lies in the page in use is not asked about, what goes beyond it is. */
	ck_assert(user_in_frame(__builtin_frame_address(0), 1));
	ck_assert(!user_in_frame(__builtin_frame_address(0), USER_PAGE));
	ck_assert(!user_in_frame((char *)__builtin_frame_address(0) - USER_PAGE, 1));
	ck_assert(!user_in_frame(two, 16));
	ck_assert(user_readable(here, sizeof(here)));
	ck_assert(user_writable(here, sizeof(here)));
	ck_assert(user_readable(two, 16));
	ck_assert(user_readable(two + page - 16, 16));
	ck_assert(!user_readable(two + page - 8, 16));
	ck_assert(!user_readable(NULL, 1));
	ck_assert(!user_readable((void *)~0ul, 8));
	ck_assert(user_writable(two + page - 16, 16));
	ck_assert(!user_writable(two + page - 8, 16));
	mprotect(two, (size_t)page, PROT_READ);
	ck_assert(user_readable(two, 16));
	ck_assert(!user_writable(two, 16));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("shim: options");
	TCase *tc = tcase_create("kernel");

	tcase_add_loop_test(tc, carried, 0, 2);
	tcase_add_test(tc, not_asked_not_carried);
	tcase_add_test(tc, packet_path_only);
	tcase_add_test(tc, strange_ones);
	tcase_add_loop_test(tc, rare_ones, 0, 2);
	tcase_add_test(tc, bits_are_distinct);
	tcase_add_loop_test(tc, registrations_move, 0, 2);
	tcase_add_test(tc, callers_memory);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
