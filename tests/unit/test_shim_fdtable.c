/* SPDX-License-Identifier: MIT */
/*
 * test_shim_fdtable.c - what the shim knows of sockets, and stops knowing
 * links: shim/fdtable.c
 * libs:
 */
#include <check.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../shim/fdtable.h"
#include "suite.h"

static const struct slim_endpoint here = { .port = 1 }, there = { .port = 2 };

START_TEST(cookies_decide)
{
	ck_assert_ptr_null(fdtable_find(7, 100));
	ck_assert_ptr_nonnull(fdtable_set(7, 100, 2));
	ck_assert_ptr_nonnull(fdtable_find(7, 100));
	/* The number names another socket by now. */
	ck_assert_ptr_null(fdtable_find(7, 101));
	ck_assert_ptr_null(fdtable_find(8, 100));
	/* No socket at all has cookie 0. */
	ck_assert_ptr_null(fdtable_find(9, 0));
}
END_TEST

START_TEST(any_number)
{
	static const int fds[] = { 0, 127, 128, 1023, 1024, 65535, 1000000 };

	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++) {
		fdtable_set(fds[i], i + 1, 2);
		ck_assert_ptr_nonnull(fdtable_find(fds[i], i + 1));
	}
	ck_assert_ptr_null(fdtable_set(-1, 1, 2));
	ck_assert_ptr_null(fdtable_set(1 << 30, 1, 2));
	ck_assert_ptr_null(fdtable_peek(-1));
}
END_TEST

START_TEST(names_replace_all)
{
	struct fdtable_entry *entry = fdtable_set(7, 100, 2);

	entry->flags = FDTABLE_TCP | FDTABLE_LISTENER;
	entry->options = 5;
	fdtable_watch(entry, EPOLL_CTL_ADD, 3, EPOLLIN, 1);
	entry = fdtable_name(7, 200, 10, &here, &there);
	ck_assert_ptr_null(fdtable_find(7, 100));
	ck_assert_uint_eq(entry->flags, FDTABLE_NAMED);
	ck_assert_uint_eq(entry->options, 0);
	ck_assert_uint_eq(entry->watches_num, 0);
	ck_assert_uint_eq(entry->domain, 10);
	ck_assert_uint_eq(entry->peer.port, 2);
}
END_TEST

START_TEST(watches)
{
	struct fdtable_entry *entry = fdtable_set(7, 100, 2);

	fdtable_watch(entry, EPOLL_CTL_ADD, 3, EPOLLIN, 1);
	fdtable_watch(entry, EPOLL_CTL_ADD, 4, EPOLLIN, 2);
	fdtable_watch(entry, EPOLL_CTL_MOD, 3, EPOLLOUT, 3);
	ck_assert_uint_eq(entry->watches_num, 2);
	ck_assert_uint_eq(entry->watches[0].events, EPOLLOUT);
	ck_assert_uint_eq(entry->watches[0].data, 3);
	fdtable_watch(entry, EPOLL_CTL_DEL, 3, 0, 0);
	fdtable_watch(entry, EPOLL_CTL_DEL, 9, 0, 0);
	ck_assert_uint_eq(entry->watches_num, 1);
	ck_assert_int_eq(entry->watches[0].epfd, 4);
	for (int epfd = 10; epfd < 20; epfd++)
		fdtable_watch(entry, EPOLL_CTL_ADD, epfd, EPOLLIN, 0);
	ck_assert_uint_eq(entry->watches_num, FDTABLE_WATCHES);
	ck_assert_uint_eq(entry->flags & FDTABLE_WATCHED_MORE, FDTABLE_WATCHED_MORE);
}
END_TEST

static uint64_t cookie_of(int fd)
{
	uint64_t cookie = 0;
	socklen_t len = sizeof(cookie);

	ck_assert_int_eq(getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &len), 0);
	return cookie;
}

START_TEST(looked_up)
{
	int fd = socket(AF_UNIX, SOCK_STREAM, 0), other = socket(AF_UNIX, SOCK_STREAM, 0);
	uint64_t noted = cookie_of(fd), cookie = 1;
	struct fdtable_entry *entry;

	/* Nothing is asked where nothing is noted. */
	ck_assert_ptr_null(fdtable_lookup(fd, &cookie));
	ck_assert_uint_eq(cookie, 0);
	entry = fdtable_set(fd, noted, 2);
	ck_assert_ptr_eq(fdtable_lookup(fd, &cookie), entry);
	ck_assert_uint_eq(cookie, noted);
	/* Another socket: the note is gone, and not asked about again. */
	ck_assert_int_eq(dup2(other, fd), fd);
	ck_assert_ptr_null(fdtable_lookup(fd, &cookie));
	ck_assert_uint_eq(cookie, cookie_of(other));
	ck_assert_ptr_null(fdtable_find(fd, noted));
	ck_assert_ptr_null(fdtable_lookup(fd, &cookie));
	ck_assert_uint_eq(cookie, 0);
	close(fd);
	close(other);
}
END_TEST

START_TEST(forgotten)
{
	fdtable_forget(70000);
	fdtable_set(7, 100, 2);
	fdtable_forget(7);
	ck_assert_ptr_null(fdtable_find(7, 100));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("shim: fdtable");
	TCase *tc = tcase_create("userspace");

	tcase_add_test(tc, cookies_decide);
	tcase_add_test(tc, any_number);
	tcase_add_test(tc, names_replace_all);
	tcase_add_test(tc, watches);
	tcase_add_test(tc, looked_up);
	tcase_add_test(tc, forgotten);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
