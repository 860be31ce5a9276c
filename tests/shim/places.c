/* SPDX-License-Identifier: MIT */
/*
 * places.c - where a connection can go that is not the usual one: to itself, to nobody, to a link's own address
 */
#include <net/if.h>
#include <sys/time.h>

#include "program.h"

/* --- to itself --- */

/* Which of this host's addresses leads there */
static void own_address(struct sockaddr_storage *own)
{
	socklen_t len = sizeof(*own);
	int fd = socket(to.ss_family, SOCK_DGRAM, 0);

	memset(own, 0, sizeof(*own));
	if (connect(fd, TO, to_len) || getsockname(fd, (struct sockaddr *)own, &len))
		say("own address", -1);
	close(fd);
}

/* Two ends that open at the same time, and are one socket (RFC 9293, 3.5) */
static void itself(void)
{
	struct sockaddr_storage own, name = { 0 };
	socklen_t len = sizeof(own);
	char byte = '?';
	int fd = tcp(0);

	own_address(&own);
	*port_of(&own) = 0;
	say("bind", bind(fd, (struct sockaddr *)&own, to_len));
	getsockname(fd, (struct sockaddr *)&own, &len);
	say("connect", connect(fd, (struct sockaddr *)&own, to_len));
	len = sizeof(name);
	say("getpeername", getpeername(fd, (struct sockaddr *)&name, &len));
	printf("its own: %d\n", !memcmp(&own, &name, len));
	say("write", write(fd, "x", 1));
	say("read", read(fd, &byte, 1));
	printf("echoed: %c\n", byte);
	close(fd);
}

/* --- to nobody --- */

static const char *const nobodies[] = { "broadcast", "multicast", NULL };

static void nobody(void)
{
	static const char *const texts[2][2] = {
		{ "255.255.255.255", "224.0.0.1" }, { "ff02::2", "ff05::1" },
	};
	char port[sizeof(in_port_t)];
	int fd = tcp(0);

	memcpy(port, port_of(&to), sizeof(port));
	fill(texts[to.ss_family == AF_INET6][chosen[0]], 0);
	memcpy(port_of(&to), port, sizeof(port));
	fcntl(fd, F_SETFL, O_NONBLOCK);
	say("connect", connect(fd, TO, to_len));
	printf("SO_ERROR: %d\n", get_int(fd, SOL_SOCKET, SO_ERROR));
	say("connect", connect(fd, TO, to_len));
	close(fd);
}

/* --- to an address of the network that nobody has --- */

static struct sockaddr_storage nobodys;

static void name_nobody(void)
{
	nobodys = to;
	if (to.ss_family == AF_INET)
		((uint8_t *)&((struct sockaddr_in *)&nobodys)->sin_addr)[3] = 0xfa;
	else
		((struct sockaddr_in6 *)&nobodys)->sin6_addr.s6_addr[15] = 0xfa;
}

/* (It takes three seconds, so all wait at once.) */
static int try_nobody(int flags, long timeout_us)
{
	struct timeval time = { .tv_usec = timeout_us }, none = { 0 };
	int fd = tcp(flags);

	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &time, sizeof(time));
	say("connect", connect(fd, (struct sockaddr *)&nobodys, to_len));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &none, sizeof(none));
	return fd;
}

/* The socket that has failed is good for another peer. */
static void nowhere(void)
{
	int fds[3];

	name_nobody();
	fds[0] = try_nobody(SOCK_NONBLOCK, 0);
	fds[1] = try_nobody(0, 10000);
	fds[2] = try_nobody(0, 0);
	for (int i = 0; i < 3; i++) {
		struct pollfd pollfd = { .fd = fds[i], .events = POLLOUT };

		fcntl(fds[i], F_SETFL, 0);
		say("poll", poll(&pollfd, 1, WAIT_MS));
		printf("events %x\n", pollfd.revents);
		if (i == 1)
			say("connect again", connect(fds[i], (struct sockaddr *)&nobodys, to_len));
		printf("SO_ERROR: %s\n", error_name(get_int(fds[i], SOL_SOCKET, SO_ERROR)));
		say("connect to somebody", connect(fds[i], TO, to_len));
		echo(fds[i]);
		close(fds[i]);
	}
}

/* --- to a link's own address --- */

static const char *const scopes[] = { "with", "as_bound", NULL };

static bool only_ipv6(void)
{
	return to.ss_family != AF_INET;
}

/* The container's own on eth0 */
static bool link_local(struct sockaddr_in6 *in6)
{
	char line[256], hex[33], name[IF_NAMESIZE];
	FILE *file = fopen("/proc/net/if_inet6", "re");
	bool found = false;

	while (file && !found && fgets(line, sizeof(line), file))
		found = sscanf(line, "%32s %*x %*x %*x %*x %15s", hex, name) == 2 &&
			!strncmp(hex, "fe80", 4) && !strcmp(name, "eth0");
	if (file)
		fclose(file);
	for (int i = 0; found && i < 16; i++)
		sscanf(hex + 2 * i, "%2hhx", &in6->sin6_addr.s6_addr[i]);
	return found;
}

static void scoped(void)
{
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 }, name;
	struct sockaddr_in6 any = { .sin6_family = AF_INET6 };
	socklen_t len = sizeof(any);
	int from = tcp(0), fd = tcp(0);
	uint32_t scope = if_nametoindex("eth0");

	say("bind", bind(from, (struct sockaddr *)&any, sizeof(any)));
	say("listen", listen(from, 1));
	getsockname(from, (struct sockaddr *)&any, &len);
	printf("there is one: %d\n", link_local(&in6));
	in6.sin6_port = any.sin6_port;
	say("connect without a scope", connect(fd, (struct sockaddr *)&in6, sizeof(in6)));
	in6.sin6_scope_id = chosen[0] == 0 ? scope : 0;
	if (chosen[0] == 1)
		say("SO_BINDTODEVICE", setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "eth0", 5));
	if (say("connect", connect(fd, (struct sockaddr *)&in6, sizeof(in6))) == 0) {
		int end = accepted(from);

		len = sizeof(name);
		say("getpeername", getpeername(end, (struct sockaddr *)&name, &len));
		printf("its scope is the link: %d\n", name.sin6_scope_id == scope);
		say("write", write(fd, "x", 1));
		say("read", read(end, &(char){ 0 }, 1));
		close(end);
	}
	close(fd);
	close(from);
}

/* --- to a listener of one device, and to one without a queue --- */

static void of_device(void)
{
	int from = bound(SO_REUSEADDR);

	say("SO_BINDTODEVICE", setsockopt(from, SOL_SOCKET, SO_BINDTODEVICE, "eth0", 5));
	say("listen", listen(from, 1));
	poll(&(struct pollfd){ .fd = from, .events = POLLIN }, 1, 1000);
	fcntl(from, F_SETFL, O_NONBLOCK);
	serve_echo(accepted(from));
}

static void without_queue(void)
{
	int from = listener(0);

	serve_echo(accepted(from));
	serve_echo(accepted(from));
}

static void two_echoes(void)
{
	one_echo();
	one_echo();
}

static const struct test tests[] = {
	{ "itself", itself, NULL, "packet" },
	{ "nobody", nobody, NULL, "none", .dimensions = { nobodies } },
	{ "nowhere", nowhere, NULL, "slow" },
	{ "scoped", scoped, NULL, "packet", .dimensions = { scopes }, .applies = only_ipv6 },
	{ "of_device", one_echo, of_device, "packet unannounced" },
	{ "without_queue", two_echoes, without_queue },
};

RUN_TESTS(tests)
