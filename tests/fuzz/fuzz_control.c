/* SPDX-License-Identifier: MIT */
/*
 * fuzz_control.c - any bytes as requests on the control socket
 *
 * links: ROUTER
 * libs: urcu urcu-cds urcu-common ssl crypto jansson nl-3 pthread
 *
 * The input is a list of packets, each with descriptors that come along. Every reply must be what
 * docs/control.md says of all replies.
 */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <urcu.h>

#include "../../router/attach.h"
#include "../../router/control.h"
#include "fixture.h"
#include "input.h"

#define STARTED_MS	2000
#define PACKETS_MAX	8
#define FDS_MAX		3

static int own_netns, other_netns, null_fd, policy_fd;

/* As slimctl sends it */
static int open_policy(void)
{
	static const char text[] = "SlimPol1\1\0\0\0\2\0\0\0\46\0\0\0/p"
				   "tenant blue\ndefault deny\nallow icmp #\n";
	int fd = memfd_create("policy", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	require(write(fd, text, sizeof(text) - 1) == sizeof(text) - 1);
	require(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) == 0);
	return fd;
}

static int open_client(void)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s", fixture_config->control);
	require(connect(fd, (struct sockaddr *)&sun, sizeof(sun)) == 0);
	fixture_turn();
	return fd;
}

static void send_packet(int fd, const void *data, size_t len, uint8_t how)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(FDS_MAX * sizeof(int))];
	} control = { .header = { .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS } };
	const int files[4] = { other_netns, own_netns, null_fd, fd };
	struct iovec iov = { (void *)data, len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	size_t num = how & 0x20 ? 1 : how & 3;

	for (size_t i = 0; i < num; i++)
		memcpy(CMSG_DATA(&control.header) + i * sizeof(int),
		       how & 0x20 ? &policy_fd : &files[(size_t)(how >> 2) % 4], sizeof(int));
	control.header.cmsg_len = CMSG_LEN(num * sizeof(int));
	if (num) {
		msg.msg_control = &control;
		msg.msg_controllen = CMSG_SPACE(num * sizeof(int));
	}
	(void)sendmsg(fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void check(const char *text, size_t len)
{
	json_t *reply = json_loadb(text, len, 0, NULL), *ok, *error;

	require(json_is_object(reply));
	require(json_integer_value(json_object_get(reply, "version")) == 1);
	ok = json_object_get(reply, "ok");
	error = json_object_get(reply, "error");
	require(json_is_boolean(ok));
	require(json_is_true(ok) ? !error : json_string_length(error) > 0);
	json_decref(reply);
}

/* All of the reply, to the end of the connection. Whatever was asked, there is one. */
static void receive(int fd)
{
	static char text[1 << 20];
	size_t len = 0;
	ssize_t ret;

	do {
		fixture_turn();
		while ((ret = recv(fd, text + len, sizeof(text) - len, MSG_DONTWAIT)) > 0)
			len += (size_t)ret;
	} while (ret < 0 && errno == EAGAIN && len);
	check(text, len);
}

/* The fixture's containers stay. */
static bool is_harmless(const uint8_t *data, size_t len)
{
	return !memmem(data, len, "detach", 6) ||
	       !(memmem(data, len, "\"c0\"", 4) || memmem(data, len, "\"c1\"", 4) ||
		 memmem(data, len, "\\u", 2));
}

static bool is_fixtures(const struct container *container)
{
	return container == fixture_containers[0] || container == fixture_containers[1];
}

static void detach_all(void)
{
	struct container *container, *next;

	rcu_read_lock();
	cds_list_for_each_entry_safe(container, next, &containers, node)
		if (!is_fixtures(container))
			require(detach_container(container->name) == 0);
	rcu_read_unlock();
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc, (void)argv;
	fixture_start();
	own_netns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	require(unshare(CLONE_NEWNET) == 0);
	other_netns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	require(setns(own_netns, CLONE_NEWNET) == 0);
	policy_fd = open_policy();
	null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	require(control_open(fixture_config, fixture_loop) == 0);
	/* Until then an attach waits for the peers. */
	fixture_pass(STARTED_MS);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = { data, size };

	for (int i = 0; i < PACKETS_MAX && input.left; i++) {
		uint8_t how = input_byte(&input);
		const uint8_t *end = memchr(input.data, 0, input.left);
		size_t len = end ? (size_t)(end - input.data) : input.left;
		int fd = open_client();

		if (len && is_harmless(input.data, len)) {
			send_packet(fd, input.data, len, how);
			receive(fd);
		}
		input.data += len + (end ? 1 : 0);
		input.left -= len + (end ? 1 : 0);
		if (how & 0x80)
			fixture_pass(how * 100u);
		close(fd);
		fixture_turn();
	}
	detach_all();
	fixture_drop();
	return 0;
}
