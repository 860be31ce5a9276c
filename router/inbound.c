/* SPDX-License-Identifier: MIT */
/* inbound.c - slim connections that come to this host's containers */
#include "inbound.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "container.h"
#include "counters.h"
#include "diag.h"
#include "directory.h"
#include "endpoint.h"
#include "ledger.h"
#include "listener.h"
#include "log.h"
#include "peer.h"
#include "relay.h"
#include "ticket.h"
#include "waiting.h"
#include "worker.h"

#define INBOUND_PREAMBLE_MS	5000	/* for all of the preamble to come */
#define INBOUND_PREAMBLES_MAX	1024	/* per worker; a stranger more, and the oldest goes */
#define TLS_HANDSHAKE		0x16	/* first byte of a TLS client */

static struct log_limit refuse_limit = { .burst = 5 };

static void close_reset(int fd)
{
	struct linger reset = { .l_onoff = 1 };

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	close(fd);
}

void inbound_unwatch(struct inbound *inbound)
{
	if (inbound->watching)
		loop_remove(inbound->worker->loop, &inbound->event);
	if (inbound->watching_ticket)
		loop_remove(inbound->worker->loop, &inbound->ticket_event);
	inbound->watching = false;
	inbound->watching_ticket = false;
}

void inbound_end_ticket(struct inbound *inbound)
{
	struct ticket *ticket = inbound->ticket;
	bool fresh = inbound_state(inbound) != INBOUND_SPLICED;

	inbound_unwatch(inbound);
	waiting_unhold(inbound);
	__atomic_sub_fetch(&inbound->container->pending, 1, __ATOMIC_RELAXED);
	ticket_put(ticket, fresh);
}

static void free_rcu(struct rcu_head *head)
{
	struct inbound *inbound = caa_container_of(head, struct inbound, rcu);

	if (inbound->container)
		container_put(inbound->container);
	free(inbound);
}

void inbound_free(struct inbound *inbound)
{
	loop_timer_clear(inbound->worker->loop, &inbound->timer);
	if (inbound_state(inbound) == INBOUND_PREAMBLE)
		inbound->worker->preambles_num--;
	cds_list_del(&inbound->node);
	call_rcu(&inbound->rcu, free_rcu);
}

static void forget_entry(struct inbound *inbound)
{
	struct ledger_entry *entry = ledger_find(inbound->cookie);

	if (entry)
		ledger_remove(entry);
}

/* Owner only: in PREAMBLE. */
static void refuse(struct inbound *inbound)
{
	counter_inc(accepts_refused);
	inbound_unwatch(inbound);
	close_reset(inbound->event.fd);
	inbound_free(inbound);
}

void inbound_reset(struct inbound *inbound)
{
	counter_inc(accepts_refused);
	inbound_end_ticket(inbound);
	forget_entry(inbound);
	close_reset(inbound->event.fd);
	inbound_free(inbound);
}

void inbound_relay_done(struct inbound *inbound)
{
	bool reset = relay_was_reset(inbound->relay);

	relay_stop(inbound->relay);
	if (!reset)
		waiting_end_time_wait(inbound);
	inbound_end_ticket(inbound);
	if (reset)
		close_reset(inbound->event.fd);
	else
		close(inbound->event.fd);
	inbound_free(inbound);
}

void inbound_abort(struct inbound *inbound)
{
	if (inbound_own(inbound)) {
		inbound_reset(inbound);
		return;
	}
	switch (inbound_state(inbound)) {
	case INBOUND_PREAMBLE:
		refuse(inbound);
		break;
	case INBOUND_SPLICED:
		relay_stop(inbound->relay);
		inbound_end_ticket(inbound);
		close_reset(inbound->event.fd);
		inbound_free(inbound);
		break;
	default:
		/* Being claimed, or claimed: its timer frees it. */
		break;
	}
}

/* --- the preamble --- */

static int enter(struct inbound *inbound, const struct listener_endpoint *listener)
{
	struct ledger_entry *entry = calloc(1, sizeof(*entry));

	if (!entry)
		return -ENOMEM;
	entry->cookie = inbound->cookie;
	entry->vni = inbound->container->vni;
	entry->container_id = inbound->container->id;
	entry->local = inbound->local;
	entry->peer = inbound->peer;
	entry->host_peer = inbound->host_peer;
	entry->host_port = inbound->host_port;
	entry->direction = LEDGER_IN;
	entry->domain = listener->domain;
	entry->created_at = loop_now(inbound->worker->loop);
	return ledger_add(entry);
}

static void count_bad(int error)
{
	switch (error) {
	case -EBADMSG:
		counter_inc(preamble_bad);
		break;
	case -EKEYREJECTED:
		counter_inc(preamble_forged);
		break;
	case -EALREADY:
		counter_inc(preamble_replayed);
		break;
	default:
		counter_inc(preamble_unknown);
		break;
	}
}

/* Finds container and listener, checks who sends. NULL: no, counted. */
static struct listener_endpoint *admit(struct inbound *inbound, const struct preamble *fields,
				       struct peer *from)
{
	struct listener_endpoint *listener;
	struct container *container;
	struct in6_addr src;

	memcpy(inbound->local.addr, fields->dst, sizeof(fields->dst));
	inbound->local.port = fields->dst_port;
	memcpy(inbound->peer.addr, fields->src, sizeof(fields->src));
	inbound->peer.port = fields->src_port ? fields->src_port : inbound->host_peer.port;
	memcpy(&src, fields->src, sizeof(src));
	if (!directory_owns(from, fields->vni, &src)) {
		counter_inc(source_foreign);
		return NULL;
	}
	listener = listener_find(fields->vni, &inbound->local);
	if (!listener) {
		counter_inc(listener_gone);
		return NULL;
	}
	container = listener->container;
	if (__atomic_load_n(&container->pending, __ATOMIC_RELAXED) >=
	    container->limits->pending ||
	    __atomic_load_n(&container->connections, __ATOMIC_RELAXED) >=
	    container->limits->connections) {
		counter_inc(limit_reached);
		return NULL;
	}
	if (!container_get(container))
		return NULL;
	inbound->container = container;
	inbound->defer = __atomic_load_n(&listener->flags, __ATOMIC_RELAXED) &
			 SLIM_LISTEN_DEFER_ACCEPT;
	inbound->options = __atomic_load_n(&listener->options, __ATOMIC_RELAXED);
	inbound->listener = listener->serial;
	return listener;
}

static void preamble_done(struct inbound *inbound)
{
	socklen_t len = sizeof(inbound->cookie);
	struct listener_endpoint *listener = NULL;
	struct preamble fields;
	struct peer *from;
	int err = 0;

	from = peer_preamble_open(inbound->worker->mac, inbound->bytes, inbound->bytes_num,
				  &fields, &err);
	if (!from) {
		count_bad(err);
		if (log_limit_ok(&refuse_limit))
			log_warning("a stranger's connection to port %u was reset: %s",
				    inbound->host_port, strerror(-err));
		refuse(inbound);
		return;
	}
	if (getsockopt(inbound->event.fd, SOL_SOCKET, SO_COOKIE, &inbound->cookie, &len) == 0)
		listener = admit(inbound, &fields, from);
	if (!listener) {
		refuse(inbound);
		return;
	}
	err = enter(inbound, listener);
	if (err) {
		if (err == -EADDRINUSE)
			counter_inc(tuple_in_use);
		refuse(inbound);
		return;
	}
	/* What was not in the ledger when its container was detached, nobody has aborted. */
	if (container_is_dead(inbound->container)) {
		forget_entry(inbound);
		refuse(inbound);
		return;
	}
	if (waiting_start(inbound) == 0)
		return;
	forget_entry(inbound);
	refuse(inbound);
}

/*
 * Reads just the preamble, since what follows is the application's: as much as
 * the shorter form has, then what is missing of the longer one. 1: complete.
 */
static int preamble_read(struct inbound *inbound)
{
	unsigned int want = PREAMBLE_LEN4;
	ssize_t ret;

	for (;;) {
		if (inbound->bytes_num >= PREAMBLE_HEADER_LEN) {
			int len = preamble_length(inbound->bytes);

			if (len < 0)
				return len;
			want = (unsigned int)len;
		}
		if (inbound->bytes_num >= want)
			return inbound->bytes_num == want ? 1 : -EBADMSG;
		ret = recv(inbound->event.fd, inbound->bytes + inbound->bytes_num,
			   want - inbound->bytes_num, MSG_DONTWAIT);
		if (ret < 0)
			return errno == EAGAIN || errno == EINTR ? 0 : -errno;
		if (ret == 0)
			return -EBADMSG;
		inbound->bytes_num += (unsigned int)ret;
	}
}

static void preamble_continue(struct inbound *inbound)
{
	int ret = preamble_read(inbound);

	if (ret < 0) {
		counter_inc(preamble_bad);
		refuse(inbound);
	} else if (ret > 0) {
		loop_timer_clear(inbound->worker->loop, &inbound->timer);
		inbound_unwatch(inbound);
		preamble_done(inbound);
	} else if (!inbound->watching) {
		loop_timer_set(inbound->worker->loop, &inbound->timer, INBOUND_PREAMBLE_MS);
		inbound->watching = !loop_add(inbound->worker->loop, &inbound->event, EPOLLIN);
	}
}

static void event_handle(struct loop_event *event, uint32_t events)
{
	struct inbound *inbound = caa_container_of(event, struct inbound, event);

	(void)events;
	if (!inbound->watching)
		return;		/* ended earlier in this batch */
	if (inbound_state(inbound) == INBOUND_PREAMBLE)
		preamble_continue(inbound);
	else
		waiting_deferred(inbound);
}

static void timer_handle(struct loop_timer *timer)
{
	struct inbound *inbound = caa_container_of(timer, struct inbound, timer);

	if (inbound_state(inbound) == INBOUND_PREAMBLE) {
		counter_inc(preamble_late);
		refuse(inbound);
	} else {
		waiting_timer(inbound);
	}
}

static bool is_tls(int fd)
{
	uint8_t first;

	return recv(fd, &first, 1, MSG_PEEK | MSG_DONTWAIT) == 1 && first == TLS_HANDSHAKE;
}

void inbound_start(struct worker *worker, int fd, const struct slim_endpoint *host_peer,
		   uint16_t port, bool peers)
{
	struct inbound *inbound;

	counter_inc(accepts);
	if (peers && is_tls(fd)) {
		peer_incoming(fd);
		return;
	}
	inbound = calloc(1, sizeof(*inbound));
	if (!inbound) {
		close_reset(fd);
		return;
	}
	inbound->worker = worker;
	inbound->event.fd = fd;
	inbound->event.handle = event_handle;
	inbound->timer.handle = timer_handle;
	inbound->host_peer = *host_peer;
	inbound->host_port = port;
	cds_list_add_tail(&inbound->node, &worker->preambles);
	if (++worker->preambles_num > INBOUND_PREAMBLES_MAX) {
		counter_inc(preamble_late);
		refuse(cds_list_first_entry(&worker->preambles, struct inbound, node));
	}
	preamble_continue(inbound);
}

