/* SPDX-License-Identifier: MIT */
/*
 * interfaces.c - what a connection's descriptor says of the network: that of whoever asks
 */
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "program.h"

/* As a socket says that was never connected */
static void say_same(const char *what, int fd, unsigned long request, const char *name)
{
	int other = socket(AF_INET, SOCK_DGRAM, 0);
	struct ifreq found, known;

	memset(&found, 0, sizeof(found));
	if (name)
		snprintf(found.ifr_name, sizeof(found.ifr_name), "%s", name);
	else
		found.ifr_ifindex = 1;
	known = found;
	ioctl(other, request, &known);
	say(what, ioctl(fd, request, &found));
	printf("as of any socket: %d\n", !memcmp(&found, &known, sizeof(found)));
	close(other);
}

static void say_list(int fd)
{
	struct ifreq room[16];
	struct ifconf list = { .ifc_len = sizeof(room), .ifc_req = room };

	say("SIOCGIFCONF", ioctl(fd, SIOCGIFCONF, &list));
	for (int i = 0; i < list.ifc_len / (int)sizeof(room[0]); i++)
		printf("%s\n", room[i].ifr_name);
}

static ino_t namespace_at(const char *path)
{
	struct stat found = { 0 };

	stat(path, &found);
	return found.st_ino;
}

static void say_namespace(int fd)
{
	struct stat found = { 0 };
	int namespace = ioctl(fd, SIOCGSKNS);

	say_fd("SIOCGSKNS", namespace);
	fstat(namespace, &found);
	printf("its own: %d\n", found.st_ino == namespace_at("/proc/self/ns/net"));
	close(namespace);
}

static void say_network(int fd)
{
	int waiting = -1;

	say_list(fd);
	say_same("SIOCGIFADDR", fd, SIOCGIFADDR, "eth0");
	say_same("SIOCGIFHWADDR", fd, SIOCGIFHWADDR, "eth0");
	say_same("SIOCGIFINDEX", fd, SIOCGIFINDEX, "eth0");
	say_same("SIOCGIFMTU", fd, SIOCGIFMTU, "eth0");
	say_same("SIOCGIFNAME", fd, SIOCGIFNAME, NULL);
	say_same("SIOCGIFFLAGS", fd, SIOCGIFFLAGS, "nosuch0");
	say_namespace(fd);
	say("EFAULT", ioctl(fd, SIOCGIFCONF, (void *)1));
	say("SIOCOUTQNSD", ioctl(fd, SIOCOUTQNSD, &waiting));
	printf("waiting: %d\n", waiting);
}

static const char *const numbers[] = { "its_own", "another", NULL };

static void asks(void)
{
	int fd = connected();

	echo(fd);
	say_network(chosen[0] ? dup(fd) : fd);
}

static void accepted_asks(void)
{
	int fd = accepted(listener(4));

	say_network(chosen[0] ? dup(fd) : fd);
	serve_echo(fd);
}

static const struct test tests[] = {
	{ "connected", asks, NULL, NULL, .dimensions = { numbers } },
	{ "accepted", one_echo, accepted_asks, NULL, .dimensions = { numbers } },
};

RUN_TESTS(tests)
