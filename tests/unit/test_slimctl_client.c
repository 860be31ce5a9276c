/* SPDX-License-Identifier: MIT */
/*
 * test_slimctl_client.c - slimctl's end of the control socket, against a made-up router
 *
 * links: tools/client.c
 * libs: check jansson pthread
 */
#include <check.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "../../tools/client.h"
#include "suite.h"

#define COUNT(a)	((int)(sizeof(a) / sizeof((a)[0])))
#define TIMEOUT		500	/* ms */
#define PARTS_MAX	3

/* What the router sends, packet by packet, to one client, and what it was asked */
struct router {
	char dir[32], path[64];
	int fd;
	const char *parts[PARTS_MAX];
	bool hang;
	char request[4096];
	int request_fd;
	pthread_t thread;
	int stop[2];
};

static struct router router;

static void receive(int fd)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec iov = { .iov_base = router.request, .iov_len = sizeof(router.request) - 1 };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control.bytes, .msg_controllen = sizeof(control.bytes),
	};
	ssize_t len = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC);

	router.request[len > 0 ? len : 0] = '\0';
	router.request_fd = -1;
	if (CMSG_FIRSTHDR(&msg))
		memcpy(&router.request_fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(int));
}

static void *serve(void *data)
{
	int fd = accept(router.fd, NULL, NULL);
	char byte;

	receive(fd);
	for (int i = 0; i < PARTS_MAX && router.parts[i]; i++)
		send(fd, router.parts[i], strlen(router.parts[i]), MSG_NOSIGNAL);
	if (router.hang && read(router.stop[0], &byte, 1) < 0)
		perror("read");
	close(fd);
	return data;
}

static void setup(void)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };

	memset(&router, 0, sizeof(router));
	strcpy(router.dir, "/tmp/test_client.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(router.dir));
	snprintf(router.path, sizeof(router.path), "%s/sock", router.dir);
	router.fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);
	strcpy(sun.sun_path, router.path);
	ck_assert_int_eq(bind(router.fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
	ck_assert_int_eq(listen(router.fd, 1), 0);
	ck_assert_int_eq(pipe(router.stop), 0);
}

static void teardown(void)
{
	close(router.fd);
	close(router.stop[0]);
	close(router.stop[1]);
	unlink(router.path);
	rmdir(router.dir);
}

static json_t *ask(int fd, char *error, size_t size)
{
	json_t *request = json_pack("{s:i, s:s}", "version", 1, "command", "x");
	json_t *reply;

	pthread_create(&router.thread, NULL, serve, NULL);
	reply = client_ask(router.path, request, fd, TIMEOUT, error, size);
	ck_assert_int_eq(write(router.stop[1], "", 1), 1);
	pthread_join(router.thread, NULL);
	json_decref(request);
	return reply;
}

START_TEST(whole)
{
	char error[256];
	json_t *reply;

	router.parts[0] = "{\"version\":1,";
	router.parts[1] = "\"ok\":true,\"a\":";
	router.parts[2] = "[1]}";
	reply = ask(-1, error, sizeof(error));
	ck_assert_msg(reply != NULL, "%s", error);
	ck_assert_uint_eq(json_array_size(json_object_get(reply, "a")), 1);
	ck_assert_str_eq(router.request, "{\"version\":1,\"command\":\"x\"}");
	ck_assert_int_eq(router.request_fd, -1);
	json_decref(reply);
}
END_TEST

START_TEST(refusal_is_a_reply)
{
	char error[256];
	json_t *reply;

	router.parts[0] = "{\"version\":1,\"ok\":false,\"error\":\"no\"}";
	reply = ask(-1, error, sizeof(error));
	ck_assert_msg(reply != NULL, "%s", error);
	ck_assert(json_is_false(json_object_get(reply, "ok")));
	json_decref(reply);
}
END_TEST

START_TEST(descriptor)
{
	struct stat sent, received;
	char error[256];
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	json_t *reply;

	router.parts[0] = "{\"version\":1,\"ok\":true}";
	reply = ask(fd, error, sizeof(error));
	ck_assert_msg(reply != NULL, "%s", error);
	ck_assert_int_eq(fstat(fd, &sent), 0);
	ck_assert_int_eq(fstat(router.request_fd, &received), 0);
	ck_assert_uint_eq(sent.st_ino, received.st_ino);
	close(router.request_fd);
	close(fd);
	json_decref(reply);
}
END_TEST

static const struct {
	const char *reply, *error;
	bool hang;
} bad[] = {
	{ NULL, "closed the connection before it had answered", false },
	{ "{\"version\":1,\"ok\":tr", "closed the connection before it had answered", false },
	{ "[]", "closed the connection before it had answered", false },
	{ "{\"version\":1}", "closed the connection before it had answered", false },
	{ "{\"version\":2,\"ok\":true}", "speaks version 2 of the control protocol", false },
	{ NULL, "did not answer within 0.5 s", true },
	{ "{\"version\":1,\"ok\":true}", "did not answer within 0.5 s", true },
};

START_TEST(bad_reply)
{
	char error[256];

	router.parts[0] = bad[_i].reply;
	router.hang = bad[_i].hang;
	ck_assert_ptr_null(ask(-1, error, sizeof(error)));
	ck_assert_msg(strstr(error, bad[_i].error) != NULL, "%s", error);
}
END_TEST

static void ck_no_connection(const char *path, const char *expected)
{
	json_t *request = json_object();
	char error[256];

	ck_assert_ptr_null(client_ask(path, request, -1, TIMEOUT, error, sizeof(error)));
	ck_assert_msg(strstr(error, expected) != NULL, "%s", error);
	json_decref(request);
}

START_TEST(no_router)
{
	char other[96], long_path[200] = "/";

	ck_no_connection("/nonexistent/sock", "there is no router at /nonexistent/sock: start it");
	memset(long_path + 1, 'x', sizeof(long_path) - 2);
	ck_no_connection(long_path, "is too long");
	snprintf(other, sizeof(other), "%s/file", router.dir);
	close(open(other, O_CREAT | O_WRONLY, 0600));
	ck_no_connection(other, "the router is not running");
	unlink(other);
}
END_TEST

START_TEST(stream_socket)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s/stream", router.dir);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
	ck_assert_int_eq(listen(fd, 1), 0);
	ck_no_connection(sun.sun_path, "is not the control socket of a router");
	close(fd);
	unlink(sun.sun_path);
}
END_TEST

/* Nobody accepts: the first ones wait in the backlog, and then connect() itself has to wait. */
START_TEST(full_backlog)
{
	for (int i = 0; i < 3; i++)
		ck_no_connection(router.path, "did not answer within 0.5 s");
}
END_TEST

int main(void)
{
	Suite *s = suite_create("slimctl_client");
	TCase *t = tcase_create("userspace");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, whole);
	tcase_add_test(t, refusal_is_a_reply);
	tcase_add_test(t, descriptor);
	tcase_add_loop_test(t, bad_reply, 0, COUNT(bad));
	tcase_add_test(t, no_router);
	tcase_add_test(t, stream_socket);
	tcase_add_test(t, full_backlog);
	suite_add_tcase(s, t);
	return suite_run(s);
}
