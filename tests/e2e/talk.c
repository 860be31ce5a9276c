/* SPDX-License-Identifier: MIT */
/*
 * talk.c - an ordinary client and an ordinary server that say what they see
 *
 *   talk server 4|6 PORT [COUNT]		6 takes IPv4 as well; echoes until the client closes
 *   talk client 4|6|m ADDRESS PORT [BYTES]	m: an AF_INET6 socket to the mapped address
 *
 * Both print one line for each connection, with their names for both ends. The client
 * ends with status 0 if all that it sent came back unchanged.
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CHUNK	32768

static const char *name(const struct sockaddr_storage *sa)
{
	static char texts[4][INET6_ADDRSTRLEN + 16];
	static unsigned int next;
	char addr[INET6_ADDRSTRLEN];
	char *text = texts[next++ % 4];
	const struct sockaddr_in *sin = (const struct sockaddr_in *)sa;
	const struct sockaddr_in6 *sin6 = (const struct sockaddr_in6 *)sa;

	if (sa->ss_family == AF_INET) {
		inet_ntop(AF_INET, &sin->sin_addr, addr, sizeof(addr));
		snprintf(text, sizeof(texts[0]), "%s:%u", addr, ntohs(sin->sin_port));
	} else {
		inet_ntop(AF_INET6, &sin6->sin6_addr, addr, sizeof(addr));
		snprintf(text, sizeof(texts[0]), "[%s]:%u", addr, ntohs(sin6->sin6_port));
	}
	return text;
}

static const char *local_name(int fd)
{
	struct sockaddr_storage sa;
	socklen_t len = sizeof(sa);

	if (getsockname(fd, (struct sockaddr *)&sa, &len))
		err(1, "getsockname");
	return name(&sa);
}

static const char *peer_name(int fd)
{
	struct sockaddr_storage sa;
	socklen_t len = sizeof(sa);

	if (getpeername(fd, (struct sockaddr *)&sa, &len))
		err(1, "getpeername");
	return name(&sa);
}

static void *address(char kind, const char *text, uint16_t port, struct sockaddr_storage *sa,
		     socklen_t *len)
{
	struct sockaddr_in *sin = (struct sockaddr_in *)sa;
	struct sockaddr_in6 *sin6 = (struct sockaddr_in6 *)sa;
	char mapped[INET6_ADDRSTRLEN + 8];

	memset(sa, 0, sizeof(*sa));
	if (kind == '4') {
		sin->sin_family = AF_INET;
		sin->sin_port = htons(port);
		*len = sizeof(*sin);
		if (inet_pton(AF_INET, text, &sin->sin_addr) != 1)
			errx(2, "%s is no IPv4 address", text);
		return sa;
	}
	snprintf(mapped, sizeof(mapped), "%s%s", kind == 'm' ? "::ffff:" : "", text);
	sin6->sin6_family = AF_INET6;
	sin6->sin6_port = htons(port);
	*len = sizeof(*sin6);
	if (inet_pton(AF_INET6, mapped, &sin6->sin6_addr) != 1)
		errx(2, "%s is no IPv6 address", mapped);
	return sa;
}

static bool put(int fd, const char *buffer, size_t len)
{
	for (size_t done = 0; done < len;) {
		ssize_t ret = write(fd, buffer + done, len - done);

		if (ret <= 0)
			return false;
		done += (size_t)ret;
	}
	return true;
}

static void echo(int fd)
{
	static char buffer[CHUNK];
	ssize_t len;

	while ((len = read(fd, buffer, sizeof(buffer))) > 0)
		if (!put(fd, buffer, (size_t)len))
			break;
	if (len < 0)
		warn("read");
}

static int serve(char kind, uint16_t port, long count)
{
	struct sockaddr_storage sa, from;
	int on = 1, fd = socket(kind == '4' ? AF_INET : AF_INET6, SOCK_STREAM, 0);
	socklen_t len;

	address(kind, kind == '4' ? "0.0.0.0" : "::", port, &sa, &len);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (fd < 0 || bind(fd, (struct sockaddr *)&sa, len) || listen(fd, 128))
		err(1, "cannot listen on port %u", port);
	for (long i = 0; !count || i < count; i++) {
		int conn;

		len = sizeof(from);
		conn = accept(fd, (struct sockaddr *)&from, &len);
		if (conn < 0)
			err(1, "accept");
		printf("local %s peer %s accepted %s\n", local_name(conn), peer_name(conn),
		       name(&from));
		fflush(stdout);
		echo(conn);
		close(conn);
	}
	return 0;
}

/* Sends in chunks, each as soon as the one before has come back. */
static void converse(int fd, long bytes)
{
	static char sent[CHUNK], got[CHUNK];

	for (long done = 0; done < bytes;) {
		size_t part = bytes - done < CHUNK ? (size_t)(bytes - done) : CHUNK;

		for (size_t i = 0; i < part; i++)
			sent[i] = (char)((done + (long)i) * 31 >> 3);
		if (!put(fd, sent, part))
			err(1, "write, after %ld bytes", done);
		for (size_t have = 0; have < part;) {
			ssize_t ret = read(fd, got + have, part - have);

			if (ret <= 0)
				err(1, "read, after %ld bytes", done + (long)have);
			have += (size_t)ret;
		}
		if (memcmp(sent, got, part))
			errx(1, "other bytes came back, after %ld", done);
		done += (long)part;
	}
}

static int call(char kind, const char *host, uint16_t port, long bytes)
{
	struct sockaddr_storage sa;
	socklen_t len;
	int fd = socket(kind == '4' ? AF_INET : AF_INET6, SOCK_STREAM, 0);
	char byte;

	address(kind, host, port, &sa, &len);
	if (fd < 0 || connect(fd, (struct sockaddr *)&sa, len))
		err(1, "connect");
	printf("local %s peer %s\n", local_name(fd), peer_name(fd));
	fflush(stdout);
	converse(fd, bytes);
	shutdown(fd, SHUT_WR);
	if (read(fd, &byte, 1) != 0)
		errx(1, "no end of the stream");
	return 0;
}

int main(int argc, char **argv)
{
	signal(SIGPIPE, SIG_IGN);
	if (argc > 3 && !strcmp(argv[1], "server"))
		return serve(argv[2][0], (uint16_t)atoi(argv[3]), argc > 4 ? atol(argv[4]) : 0);
	if (argc > 4 && !strcmp(argv[1], "client"))
		return call(argv[2][0], argv[3], (uint16_t)atoi(argv[4]),
			    argc > 5 ? atol(argv[5]) : 100000);
	fprintf(stderr, "usage: talk server 4|6 PORT [COUNT]\n"
		"       talk client 4|6|m ADDRESS PORT [BYTES]\n");
	return 2;
}
