/* SPDX-License-Identifier: MIT */
/* client.c - one question to slimrouter over its control socket (docs/control.md) */
#include "client.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define PACKET_MAX	(256u << 10)	/* room for the next packet of a reply */
#define REPLY_MAX	(256u << 20)

/* What there is of a reply */
struct reply {
	char *text;
	size_t len, size;
};

/* @socket_path, @timeout: as client_ask() has them; @deadline: ms of CLOCK_MONOTONIC */
struct client {
	int fd;
	const char *socket_path;
	int timeout;
	long long deadline;
	char *error;
	size_t size;
};

__attribute__((format(printf, 3, 4)))
static int fail(const struct client *client, int err, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(client->error, client->size, fmt, args);
	va_end(args);
	return err;
}

static long long now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000LL + ts.tv_nsec / 1000000;
}

static int fail_late(const struct client *client)
{
	return fail(client, -ETIMEDOUT,
		    "the router at %s did not answer within %g s: see its log",
		    client->socket_path, client->timeout / 1000.0);
}

static int fail_connect(const struct client *client, int err)
{
	const char *path = client->socket_path;

	switch (err) {
	case ENOENT:
	case ENOTDIR:
		return fail(client, -err, "there is no router at %s: start it (`systemctl start "
			    "slimrouter`), or name its control socket with -s", path);
	case ECONNREFUSED:
		return fail(client, -err, "nobody listens at %s, the router is not running: start "
			    "it (`systemctl start slimrouter`)", path);
	case EACCES:
	case EPERM:
		return fail(client, -err, "no permission to open %s: run slimctl as root", path);
	case EPROTOTYPE:
	case ENOTSOCK:
		return fail(client, -err, "%s is not the control socket of a router: name that with "
			    "-s (`control` in slimrouter.conf)", path);
	case EAGAIN:
		return fail_late(client);
	default:
		return fail(client, -err, "cannot connect to %s: %s", path, strerror(err));
	}
}

/* connect() to a UNIX socket with a full backlog waits only by SO_SNDTIMEO. */
static int open_socket(struct client *client)
{
	struct timeval tv = {
		.tv_sec = client->timeout / 1000,
		.tv_usec = client->timeout % 1000 * 1000,
	};
	struct sockaddr_un sun = { .sun_family = AF_UNIX };

	if (strlen(client->socket_path) >= sizeof(sun.sun_path))
		return fail(client, -ENAMETOOLONG, "%s is too long for a socket's path (at most "
			    "%zu bytes)", client->socket_path, sizeof(sun.sun_path) - 1);
	strcpy(sun.sun_path, client->socket_path);
	client->fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (client->fd < 0)
		return fail(client, -errno, "cannot make a socket: %s", strerror(errno));
	if (setsockopt(client->fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv)) < 0)
		return fail(client, -errno, "SO_SNDTIMEO: %s", strerror(errno));
	if (connect(client->fd, (struct sockaddr *)&sun, sizeof(sun)) < 0)
		return fail_connect(client, errno);
	return 0;
}

static int send_request(const struct client *client, const char *text, int fd)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec iov = { .iov_base = (char *)text, .iov_len = strlen(text) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (fd >= 0) {
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(sizeof(fd));
		memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
		msg.msg_control = control.bytes;
		msg.msg_controllen = sizeof(control.bytes);
	}
	if (sendmsg(client->fd, &msg, MSG_NOSIGNAL) >= 0)
		return 0;
	if (errno == EAGAIN)
		return fail_late(client);
	return fail(client, -errno, "cannot send the request to %s: %s", client->socket_path,
		    strerror(errno));
}

static int wait_readable(const struct client *client)
{
	struct pollfd pfd = { .fd = client->fd, .events = POLLIN };
	long long left;
	int ret;

	do {
		left = client->deadline - now();
		ret = left > 0 ? poll(&pfd, 1, (int)left) : 0;
	} while (ret < 0 && errno == EINTR);
	if (ret < 0)
		return fail(client, -errno, "poll: %s", strerror(errno));
	return ret ? 0 : fail_late(client);
}

static int make_room(const struct client *client, struct reply *reply)
{
	size_t size = reply->size ? reply->size * 2 : PACKET_MAX * 2;
	char *bigger;

	if (reply->size - reply->len >= PACKET_MAX)
		return 0;
	bigger = size <= REPLY_MAX ? realloc(reply->text, size) : NULL;
	if (!bigger)
		return fail(client, -ENOMEM, "the router's answer is too large (%zu MB so far)",
			    reply->len >> 20);
	reply->text = bigger;
	reply->size = size;
	return 0;
}

/* Adds a packet. Returns 1, 0 at the end, or -errno. */
static int read_packet(const struct client *client, struct reply *reply)
{
	ssize_t len;
	int err = make_room(client, reply);

	if (!err)
		err = wait_readable(client);
	if (err)
		return err;
	len = recv(client->fd, reply->text + reply->len, PACKET_MAX, MSG_DONTWAIT | MSG_TRUNC);
	if (len < 0 && (errno == EAGAIN || errno == EINTR))
		return 1;
	if (len < 0 && errno != ECONNRESET)
		return fail(client, -errno, "cannot read the answer from %s: %s",
			    client->socket_path, strerror(errno));
	if (len > (ssize_t)PACKET_MAX)
		return fail(client, -EMSGSIZE, "the router sent a packet of %zd bytes: is it "
			    "another version?", len);
	if (len <= 0)
		return 0;
	reply->len += (size_t)len;
	return 1;
}

static json_t *parse_reply(const struct client *client, const struct reply *reply)
{
	json_t *json = json_loadb(reply->text, reply->len, 0, NULL);
	json_int_t version = json_integer_value(json_object_get(json, "version"));

	if (json_is_boolean(json_object_get(json, "ok")) && version == CLIENT_VERSION)
		return json;
	if (version && version != CLIENT_VERSION)
		fail(client, 0, "the router speaks version %lld of the control protocol, this slimctl "
		     "version %d: use the slimctl that came with the router",
		     (long long)version, CLIENT_VERSION);
	else
		fail(client, 0, "the router closed the connection before it had answered: see its log");
	json_decref(json);
	return NULL;
}

json_t *client_ask(const char *socket_path, json_t *request, int fd, int timeout, char *error,
		   size_t size)
{
	struct client client = {
		.fd = -1, .socket_path = socket_path, .timeout = timeout,
		.deadline = now() + timeout, .error = error, .size = size,
	};
	char *text = json_dumps(request, JSON_COMPACT);
	struct reply reply = { 0 };
	json_t *json = NULL;
	int ret = text ? 0 : fail(&client, -ENOMEM, "the request is not valid UTF-8");

	if (!ret)
		ret = open_socket(&client);
	if (!ret)
		ret = send_request(&client, text, fd);
	if (!ret)
		do
			ret = read_packet(&client, &reply);
		while (ret > 0);
	if (!ret)
		json = parse_reply(&client, &reply);
	if (client.fd >= 0)
		close(client.fd);
	free(reply.text);
	free(text);
	return json;
}
