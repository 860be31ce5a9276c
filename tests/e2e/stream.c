/* SPDX-License-Identifier: MIT */
/*
 * stream.c - long transfers, both ways at once, of which every byte is known
 *
 *   stream server PORT
 *   stream client ADDRESS PORT KBYTES-PER-SECOND
 *	until SIGTERM; then it ends its stream, reads the server's to the end, and says
 *	how much went each way
 *
 * A stream's bytes are a function of their position and of the stream's seed, so that a
 * byte that is lost, doubled, changed or of another connection does not pass. The first
 * word that the client sends is its seed; the server's stream has that plus one. Each end prints
 * one line for each connection: "intact SENT RECEIVED", or "broken" and where.
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CHUNK	32768
#define TICK_MS	10

struct stream {
	int fd;
	uint64_t out_seed, in_seed;
	uint64_t sent, received;
	uint64_t rate;			/* bytes a second; 0: no bound */
	uint64_t began;			/* ms */
	const char *broken;
};

static volatile sig_atomic_t ending;

static void end(int signal)
{
	(void)signal;
	ending = 1;
}

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* splitmix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014) */
static uint64_t word_at(uint64_t seed, uint64_t index)
{
	uint64_t word = seed + (index + 1) * 0x9e3779b97f4a7c15u;

	word = (word ^ word >> 30) * 0xbf58476d1ce4e5b9u;
	word = (word ^ word >> 27) * 0x94d049bb133111ebu;
	return word ^ word >> 31;
}

/* The bytes from position @at on; returns how many there are, at most @len. */
static size_t bytes_at(uint64_t seed, uint64_t at, char *out, size_t len)
{
	char words[CHUNK];
	size_t skip = at % 8;

	for (size_t i = 0; i < CHUNK / 8; i++) {
		uint64_t word = word_at(seed, at / 8 + i);

		memcpy(words + i * 8, &word, sizeof(word));
	}
	if (len > CHUNK - skip)
		len = CHUNK - skip;
	memcpy(out, words + skip, len);
	return len;
}

static bool may_send(const struct stream *stream)
{
	return !stream->rate ||
	       stream->sent < (now_ms() - stream->began + TICK_MS) * stream->rate / 1000;
}

static void send_some(struct stream *stream)
{
	char buffer[CHUNK];
	size_t len = bytes_at(stream->out_seed, stream->sent, buffer, sizeof(buffer));
	ssize_t ret = send(stream->fd, buffer, len, MSG_DONTWAIT | MSG_NOSIGNAL);

	if (ret > 0)
		stream->sent += (uint64_t)ret;
	else if (errno != EAGAIN && errno != EINTR)
		stream->broken = strerror(errno);
}

/* False: the other end has said all. */
static bool receive_some(struct stream *stream)
{
	char have[CHUNK], want[CHUNK];
	ssize_t ret = recv(stream->fd, have, sizeof(have), MSG_DONTWAIT);
	size_t done = 0;

	if (ret < 0 && errno != EAGAIN && errno != EINTR)
		stream->broken = strerror(errno);
	while (ret > 0 && done < (size_t)ret) {
		size_t len = bytes_at(stream->in_seed, stream->received, want,
				      (size_t)ret - done);

		if (memcmp(have + done, want, len)) {
			stream->broken = "other bytes than were sent";
			break;
		}
		stream->received += len;
		done += len;
	}
	return ret != 0;
}

/* Until both ends have said all; the client begins to end. */
static void carry(struct stream *stream, bool client)
{
	bool reading = true, writing = true;

	stream->began = now_ms();
	while (!stream->broken && (reading || writing)) {
		bool sends = writing && may_send(stream);
		struct pollfd poller = { .fd = stream->fd,
					 .events = (short)((reading ? POLLIN : 0) |
							   (sends ? POLLOUT : 0)) };

		if (writing && (client ? ending : !reading)) {
			shutdown(stream->fd, SHUT_WR);
			writing = false;
			continue;
		}
		if (poll(&poller, 1, writing && !sends ? TICK_MS : 1000) < 0)
			continue;
		if (poller.revents & (POLLIN | POLLHUP | POLLERR))
			reading = receive_some(stream);
		if (sends && poller.revents & POLLOUT)
			send_some(stream);
	}
	if (stream->broken)
		printf("broken %s after %" PRIu64 " %" PRIu64 "\n", stream->broken,
		       stream->sent, stream->received);
	else
		printf("intact %" PRIu64 " %" PRIu64 "\n", stream->sent, stream->received);
	fflush(stdout);
	close(stream->fd);
}

static void *serve_one(void *arg)
{
	struct stream stream = { .fd = (int)(intptr_t)arg };
	uint64_t head[2];		/* seed, rate */

	/* Somebody who only looked whether there is a server */
	if (recv(stream.fd, head, sizeof(head), MSG_WAITALL) != sizeof(head)) {
		close(stream.fd);
		return NULL;
	}
	stream.in_seed = head[0];
	stream.out_seed = head[0] + 1;
	stream.rate = head[1];
	carry(&stream, false);
	return NULL;
}

static void server(uint16_t port)
{
	struct sockaddr_in6 sin6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (fd < 0 || bind(fd, (struct sockaddr *)&sin6, sizeof(sin6)) || listen(fd, 128))
		err(1, "cannot listen on port %u", port);
	for (;;) {
		int one = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
		pthread_t thread;

		if (one < 0)
			continue;
		if (pthread_create(&thread, NULL, serve_one, (void *)(intptr_t)one))
			errx(1, "no thread");
		pthread_detach(thread);
	}
}

static bool client(const char *address, uint16_t port, uint64_t rate)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons(port) };
	struct stream stream = { .rate = rate };
	uint64_t head[2] = { 0, rate };

	if (inet_pton(AF_INET, address, &sin.sin_addr) != 1)
		errx(2, "%s is no IPv4 address", address);
	if (getrandom(head, sizeof(head[0]), 0) != sizeof(head[0]))
		err(1, "getrandom");
	stream.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (connect(stream.fd, (struct sockaddr *)&sin, sizeof(sin)))
		err(1, "connect");
	if (send(stream.fd, head, sizeof(head), MSG_NOSIGNAL) != sizeof(head))
		err(1, "send");
	stream.out_seed = head[0];
	stream.in_seed = head[0] + 1;
	carry(&stream, true);
	return !stream.broken;
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = end };

	if (argc == 3 && !strcmp(argv[1], "server")) {
		server((uint16_t)atoi(argv[2]));
	} else if (argc == 5 && !strcmp(argv[1], "client")) {
		sigaction(SIGTERM, &action, NULL);
		return !client(argv[2], (uint16_t)atoi(argv[3]),
			       (uint64_t)atol(argv[4]) * 1024);
	}
	errx(2, "usage: stream server PORT | stream client ADDRESS PORT KBYTES-PER-SECOND");
}
