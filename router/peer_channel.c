/* SPDX-License-Identifier: MIT */
/* peer_channel.c - one TLS connection to another router */
#include "peer_channel.h"

#include <errno.h>
#include <limits.h>
#include <netinet/tcp.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "endpoint.h"
#include "peer_tls.h"

#define OUTPUT_KEEP	65536	/* a buffer up to this size is kept when it is empty */
#define OUTPUT_MIN	4096
#define READS_MAX	16	/* TLS records in a row, then others have their turn */
#define TURN_MAX	256	/* messages in a row */
#define REST		100	/* ms, of a peer that has said too much */
#define RETIRED		2000	/* ms until the other side has surely changed over */

static uint64_t clock_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

/* --- the end --- */

static void channel_free(struct rcu_head *head)
{
	struct peer_channel *channel = caa_container_of(head, struct peer_channel, rcu);

	free(channel->output);
	free(channel);
}

void peer_channel_close(struct peer_channel *channel, const char *why)
{
	enum peer_channel_state state = channel->state;

	if (state == PEER_CHANNEL_CLOSED)
		return;
	channel->state = PEER_CHANNEL_CLOSED;
	loop_timer_clear(channel->loop, &channel->timer);
	loop_timer_clear(channel->loop, &channel->rest);
	loop_remove(channel->loop, &channel->event);
	SSL_free(channel->ssl);
	close(channel->event.fd);
	channel->event.fd = -1;
	cds_list_del_init(&channel->link);
	peer_channel_ended(channel, state, why);
	call_rcu(&channel->rcu, channel_free);
}

static void close_err(struct peer_channel *channel, int err)
{
	peer_channel_close(channel, channel->refusal[0] ? channel->refusal :
			   peer_tls_error(err));
}

void peer_channel_doom(struct peer_channel *channel, const char *why)
{
	channel->doomed = why;
	loop_timer_set(channel->loop, &channel->timer, 0);
}

void peer_channel_retire(struct peer_channel *channel)
{
	channel->doomed = "a new channel has taken its place";
	loop_timer_set(channel->loop, &channel->timer, RETIRED);
}

/* --- output --- */

static bool is_resting(const struct peer_channel *channel)
{
	return channel->rest.expires;
}

static void watch(struct peer_channel *channel, uint32_t events)
{
	if (is_resting(channel))
		events &= ~(uint32_t)EPOLLIN;
	if (channel->events != events &&
	    !loop_modify(channel->loop, &channel->event, events))
		channel->events = events;
}

static size_t output_len(const struct peer_channel *channel)
{
	return channel->output_end - channel->output_start;
}

/* Makes room for @len bytes behind output_end. */
static bool output_reserve(struct peer_channel *channel, size_t len)
{
	size_t used = output_len(channel), size = channel->output_size;
	uint8_t *output;

	if (channel->output_end + len <= size)
		return true;
	if (used + len > PEER_CHANNEL_QUEUE)
		return false;
	if (channel->output_start)
		memmove(channel->output, channel->output + channel->output_start, used);
	channel->output_start = 0;
	channel->output_end = used;
	/* At least half stays free after moving, or each message would move all again. */
	while (size < 2 * (used + len) && size < PEER_CHANNEL_QUEUE)
		size = size ? 2 * size : OUTPUT_MIN;
	if (size == channel->output_size)
		return true;
	output = realloc(channel->output, size);
	if (!output)
		return false;
	channel->output = output;
	channel->output_size = size;
	return true;
}

void peer_channel_send(struct peer_channel *channel, const struct peer_message *message)
{
	uint8_t bytes[PEER_MESSAGE_MAX];
	size_t len;

	if (channel->doomed || channel->state == PEER_CHANNEL_CLOSED)
		return;
	len = peer_message_encode(message, bytes);
	if (!output_reserve(channel, len)) {
		peer_channel_doom(channel, "it does not fetch its messages");
		return;
	}
	memcpy(channel->output + channel->output_end, bytes, len);
	channel->output_end += len;
	watch(channel, EPOLLIN | EPOLLOUT);
}

static void output_emptied(struct peer_channel *channel)
{
	channel->output_start = 0;
	channel->output_end = 0;
	if (channel->output_size > OUTPUT_KEEP) {
		free(channel->output);
		channel->output = NULL;
		channel->output_size = 0;
	}
}

/* Sends what the socket takes. 0 or -errno. */
static int channel_write(struct peer_channel *channel)
{
	while (output_len(channel)) {
		int sent;

		ERR_clear_error();
		errno = 0;
		sent = SSL_write(channel->ssl, channel->output + channel->output_start,
				 (int)output_len(channel));
		if (sent <= 0) {
			int res = peer_tls_result(channel->ssl, sent);

			watch(channel, EPOLLIN | EPOLLOUT);
			return res < 0 ? res : 0;
		}
		channel->output_start += (size_t)sent;
	}
	output_emptied(channel);
	watch(channel, EPOLLIN);
	return 0;
}

/* --- keep-alives --- */

static void ping(struct peer_channel *channel)
{
	struct peer_message message = { .type = SLIM_MESSAGE_PING };

	channel->token = clock_us();
	message.token = channel->token;
	peer_channel_send(channel, &message);
}

static void pong(struct peer_channel *channel, uint64_t token)
{
	struct peer_message message = { .type = SLIM_MESSAGE_PONG, .token = token };

	peer_channel_send(channel, &message);
}

/* The round trip in us, one at least, if this is the answer to our last PING; else 0. */
static unsigned int pong_rtt(struct peer_channel *channel, uint64_t token)
{
	uint64_t us;

	if (!channel->token || token != channel->token)
		return 0;
	us = clock_us() - channel->token;
	channel->token = 0;
	return us < UINT_MAX ? (unsigned int)us + !us : UINT_MAX;
}

static const char *why_late(const struct peer_channel *channel)
{
	if (channel->state == PEER_CHANNEL_CONNECTING)
		return "its address does not answer: is the host up, does its firewall let this one "
		       "reach the slim ports?";
	return "no HELLO in time";
}

static void timer_handle(struct loop_timer *timer)
{
	struct peer_channel *channel = caa_container_of(timer, struct peer_channel, timer);

	if (channel->doomed) {
		peer_channel_close(channel, channel->doomed);
	} else if (channel->state != PEER_CHANNEL_UP) {
		peer_channel_late();
		peer_channel_close(channel, why_late(channel));
	} else if (loop_now(channel->loop) - channel->heard >= SLIM_WIRE_DEAD_AFTER) {
		peer_channel_close(channel, "nothing was heard of it for 3 s");
	} else {
		loop_timer_set(channel->loop, &channel->timer, SLIM_WIRE_PING_INTERVAL);
		ping(channel);
	}
}

/* --- input --- */

/* NULL, or why the channel has to go. */
static const char *receive_hello(struct peer_channel *channel, const struct peer_message *message)
{
	const char *why;

	if (message->type != SLIM_MESSAGE_HELLO)
		return "it did not say HELLO first";
	channel->state = PEER_CHANNEL_UP;
	cds_list_del_init(&channel->link);
	why = peer_channel_up(channel, &message->hello);
	if (!why && !channel->doomed)
		loop_timer_set(channel->loop, &channel->timer, 0);
	return why;
}

static const char *receive(struct peer_channel *channel, const struct peer_message *message)
{
	if (channel->state == PEER_CHANNEL_HELLO)
		return receive_hello(channel, message);
	switch (message->type) {
	case SLIM_MESSAGE_HELLO:
		return "it said HELLO twice";
	case SLIM_MESSAGE_PING:
		pong(channel, message->token);
		break;
	case SLIM_MESSAGE_PONG:
		peer_channel_heard(channel, pong_rtt(channel, message->token));
		break;
	default:
		peer_channel_received(channel, message);
		break;
	}
	return NULL;
}

/* Nothing more is read for a while: others have their turn, or the peer has said too much. */
static void rest(struct peer_channel *channel, unsigned int ms)
{
	loop_timer_set(channel->loop, &channel->rest, ms);
	watch(channel, channel->events);
}

/* Is it the message's turn? */
static bool is_due(struct peer_channel *channel, const struct peer_message *message)
{
	if (!channel->turn) {
		rest(channel, 1);
		return false;
	}
	channel->turn--;
	if (channel->state != PEER_CHANNEL_UP || peer_channel_spend(channel, message))
		return true;
	rest(channel, REST);
	return false;
}

/* The message at @pos of the input: its length; 0: not whole, or not yet due; *@why: what is wrong. */
static size_t take(struct peer_channel *channel, size_t pos, const char **why)
{
	struct peer_message message = { .type = SLIM_MESSAGE_UNSPEC };
	const uint8_t *data = channel->input + pos;
	int err, len = peer_message_length(data, channel->input_len - pos);

	if (!len || (len > 0 && (size_t)len > channel->input_len - pos))
		return 0;
	err = len < 0 ? len : peer_message_decode(data, (size_t)len, &message);
	if (err == -EBADMSG) {
		*why = "it sent a malformed message";
		return 0;
	}
	if (!is_due(channel, &message))
		return 0;
	if (!err)
		*why = receive(channel, &message);
	return (size_t)len;
}

/* Takes whole messages from the input. */
static const char *consume(struct peer_channel *channel)
{
	const char *why = NULL;
	size_t pos = 0, len;

	do {
		len = take(channel, pos, &why);
		pos += len;
	} while (len && !why);
	channel->input_len -= pos;
	memmove(channel->input, channel->input + pos, channel->input_len);
	return why;
}

/* False: nothing more is to be read now, or ever. */
static bool consume_or_close(struct peer_channel *channel)
{
	const char *why = consume(channel);

	if (why)
		peer_channel_close(channel, why);
	return !why && !is_resting(channel);
}

static void channel_read(struct peer_channel *channel)
{
	channel->turn = TURN_MAX;
	if (!consume_or_close(channel))
		return;
	/* What TLS has decrypted already, epoll does not tell of. */
	for (int i = 0; i < READS_MAX || SSL_pending(channel->ssl); i++) {
		int got, res;

		ERR_clear_error();
		errno = 0;
		got = SSL_read(channel->ssl, channel->input + channel->input_len,
			       (int)(sizeof(channel->input) - channel->input_len));
		if (got <= 0) {
			res = peer_tls_result(channel->ssl, got);
			if (res < 0)
				close_err(channel, res);
			else if (res == EPOLLOUT)
				watch(channel, EPOLLIN | EPOLLOUT);
			return;
		}
		channel->heard = loop_now(channel->loop);
		channel->input_len += (size_t)got;
		peer_channel_heard(channel, 0);
		if (!consume_or_close(channel))
			return;
	}
}

/* --- beginning --- */

static int install_key(struct peer_channel *channel)
{
	uint8_t material[SLIM_WIRE_EXPORTER_LEN];
	int err = peer_tls_export(channel->ssl, material);

	if (err)
		return err;
	channel->key = peer_keys_install(peer_channel_keys(channel), material, channel->client);
	OPENSSL_cleanse(material, sizeof(material));
	return channel->key ? 0 : -ENOMEM;
}

static void say_hello(struct peer_channel *channel)
{
	struct peer_message message = { .type = SLIM_MESSAGE_HELLO };

	peer_channel_hello(channel, &message.hello);
	peer_channel_send(channel, &message);
}

/* Returns whether the channel is ready for messages. */
static bool handshake(struct peer_channel *channel)
{
	const char *why;
	int done, res;

	ERR_clear_error();
	errno = 0;
	done = SSL_do_handshake(channel->ssl);
	if (done != 1) {
		res = peer_tls_result(channel->ssl, done);
		if (res < 0)
			close_err(channel, res);
		else
			watch(channel, (uint32_t)res);
		return false;
	}
	why = peer_channel_verified(channel);
	if (why) {
		peer_channel_close(channel, why);
		return false;
	}
	res = install_key(channel);
	if (res) {
		close_err(channel, res);
		return false;
	}
	channel->state = PEER_CHANNEL_HELLO;
	say_hello(channel);
	return true;
}

/* Returns whether TCP is connected. */
static bool connected(struct peer_channel *channel)
{
	socklen_t len = sizeof(int);
	int err = 0;

	getsockopt(channel->event.fd, SOL_SOCKET, SO_ERROR, &err, &len);
	if (err) {
		close_err(channel, -err);
		return false;
	}
	channel->state = PEER_CHANNEL_HANDSHAKE;
	return true;
}

static void write_or_close(struct peer_channel *channel)
{
	int err = channel_write(channel);

	if (err)
		close_err(channel, err);
}

static void event_handle(struct loop_event *event, uint32_t events)
{
	struct peer_channel *channel = caa_container_of(event, struct peer_channel, event);

	if (channel->state == PEER_CHANNEL_CONNECTING && !connected(channel))
		return;
	if (channel->state == PEER_CHANNEL_HANDSHAKE && !handshake(channel))
		return;
	if (channel->state == PEER_CHANNEL_CLOSED)
		return;
	if (!is_resting(channel))
		channel_read(channel);
	else if (events & (EPOLLERR | EPOLLHUP))
		close_err(channel, -EPIPE);
	if (channel->state != PEER_CHANNEL_CLOSED)
		write_or_close(channel);
}

static void rest_handle(struct loop_timer *timer)
{
	struct peer_channel *channel = caa_container_of(timer, struct peer_channel, rest);

	watch(channel, EPOLLIN | EPOLLOUT);
	channel_read(channel);
	if (channel->state != PEER_CHANNEL_CLOSED)
		write_or_close(channel);
}

static void set_options(int fd)
{
	unsigned int timeout = SLIM_WIRE_HELLO_DEADLINE;
	int on = 1;

	/* Only finer behaviour hangs on these; the keep-alives do without them. */
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout, sizeof(timeout));
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
}

/* Takes @fd, in any case. */
static struct peer_channel *channel_new(struct loop *loop, SSL_CTX *tls, int fd, bool client,
					uint32_t events)
{
	struct peer_channel *channel = calloc(1, sizeof(*channel));

	if (!channel)
		goto close_fd;
	channel->ssl = peer_tls_open(tls, fd, client, channel);
	if (!channel->ssl)
		goto free_channel;
	channel->loop = loop;
	channel->client = client;
	channel->events = events;
	channel->timer.handle = timer_handle;
	channel->rest.handle = rest_handle;
	channel->event.fd = fd;
	channel->event.handle = event_handle;
	CDS_INIT_LIST_HEAD(&channel->link);
	set_options(fd);
	if (loop_add(loop, &channel->event, events))
		goto free_ssl;
	loop_timer_set(loop, &channel->timer,
		       client ? SLIM_WIRE_DIAL_DEADLINE : SLIM_WIRE_HELLO_DEADLINE);
	return channel;

free_ssl:
	SSL_free(channel->ssl);
free_channel:
	free(channel);
close_fd:
	close(fd);
	return NULL;
}

static int dial(const struct in6_addr *addr, uint16_t port)
{
	struct slim_endpoint to = endpoint_make(addr, port);
	int family = addr_is4(addr) ? AF_INET : AF_INET6;
	struct sockaddr_storage sa;
	socklen_t len = endpoint_to_sockaddr(&to, family, &sa);
	int err, fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -errno;
	if (!connect(fd, (struct sockaddr *)&sa, len) || errno == EINPROGRESS)
		return fd;
	err = -errno;
	close(fd);
	return err;
}

int peer_channel_connect(struct loop *loop, SSL_CTX *tls, struct peer *peer,
			 const struct in6_addr *addr, uint16_t port,
			 struct peer_channel **channel)
{
	int fd = dial(addr, port);

	if (fd < 0)
		return fd;
	*channel = channel_new(loop, tls, fd, true, EPOLLOUT);
	if (!*channel)
		return -ENOMEM;
	(*channel)->state = PEER_CHANNEL_CONNECTING;
	(*channel)->peer = peer;
	(*channel)->remote = *addr;
	return 0;
}

struct peer_channel *peer_channel_accept(struct loop *loop, SSL_CTX *tls, int fd,
					 const struct in6_addr *remote)
{
	struct peer_channel *channel = channel_new(loop, tls, fd, false, EPOLLIN);

	if (!channel)
		return NULL;
	channel->state = PEER_CHANNEL_HANDSHAKE;
	channel->remote = *remote;
	return channel;
}
