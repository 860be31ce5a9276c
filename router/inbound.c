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

#include "channel.h"
#include "container.h"
#include "counters.h"
#include "diag.h"
#include "directory.h"
#include "endpoint.h"
#include "ledger.h"
#include "listener.h"
#include "log.h"
#include "table.h"
#include "peer.h"
#include "relay.h"
#include "ticket.h"
#include "worker.h"

#define INBOUND_PREAMBLE_MS	5000	/* for all of the preamble to come */
#define INBOUND_CHECK		10	/* ms after which a ticket is looked after */
#define INBOUND_GRACE		20	/* ms from the accept on for a shim to claim */
#define INBOUND_CHECK_MAX	250	/* ms between looks at an old ticket */
#define INBOUND_HELD_MAX	128	/* tickets held per listener */
#define TLS_HANDSHAKE		0x16	/* first byte of a TLS client */

static struct cds_lfht *pending;
static struct log_limit refuse_limit = { .burst = 5 };
static struct log_limit splice_limit = { .burst = 2 };

struct pending_key {
	uint32_t container_id;
	int family;
	uint16_t port;
};

int inbounds_init(void)
{
	pending = table_new();
	return pending ? 0 : -ENOMEM;
}

static unsigned long hash_pending(uint32_t container_id, int family, uint16_t port)
{
	uint64_t key = (uint64_t)container_id << 32 | (uint64_t)(family == AF_INET) << 16 | port;

	return hash_bytes(&key, sizeof(key), hash_seed());
}

static int match_pending(struct cds_lfht_node *node, const void *arg)
{
	const struct inbound *inbound = caa_container_of(node, struct inbound, pending_node);
	const struct pending_key *key = arg;

	return inbound->container->id == key->container_id &&
	       inbound->ticket_family == key->family && inbound->ticket_port == key->port;
}

static struct inbound *find_pending(uint32_t container_id, int family, uint16_t port)
{
	struct pending_key key = { container_id, family, port };
	struct cds_lfht_iter iter;
	struct cds_lfht_node *node;

	cds_lfht_lookup(pending, hash_pending(container_id, family, port), match_pending, &key,
			&iter);
	node = cds_lfht_iter_get_node(&iter);
	return node ? caa_container_of(node, struct inbound, pending_node) : NULL;
}

static enum inbound_state state_of(const struct inbound *inbound)
{
	return __atomic_load_n(&inbound->state, __ATOMIC_ACQUIRE);
}

static void set_state(struct inbound *inbound, enum inbound_state state)
{
	__atomic_store_n(&inbound->state, state, __ATOMIC_RELEASE);
}

/* Leaves WAITING; true for the one that did it. */
static bool take(struct inbound *inbound, enum inbound_state to)
{
	enum inbound_state from = INBOUND_WAITING;

	return __atomic_compare_exchange_n(&inbound->state, &from, to, false,
					   __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}

/* Owner only: from now on nobody else touches it. False: it was claimed before. */
static bool own(struct inbound *inbound)
{
	return take(inbound, INBOUND_OWNED) || state_of(inbound) == INBOUND_OWNED;
}

static void close_reset(int fd)
{
	struct linger reset = { .l_onoff = 1 };

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	close(fd);
}

/* Nobody may be told of these fds any more, also not by an epoll set
 * that outlives our descriptor because another process has one. */
static void unwatch(struct inbound *inbound)
{
	if (inbound->watching)
		loop_remove(inbound->worker->loop, &inbound->event);
	if (inbound->watching_ticket)
		loop_remove(inbound->worker->loop, &inbound->ticket_event);
	inbound->watching = false;
	inbound->watching_ticket = false;
}

static void unhold(struct inbound *inbound)
{
	if (!inbound->held)
		return;
	inbound->held = false;
	listener_held(inbound->container->vni, &inbound->local, -1);
}

/* Whoever has it: no claim can find it any more, the ticket is gone. */
static void end_ticket(struct inbound *inbound)
{
	unwatch(inbound);
	unhold(inbound);
	cds_lfht_del(pending, &inbound->pending_node);
	__atomic_sub_fetch(&inbound->container->pending, 1, __ATOMIC_RELAXED);
	ticket_put(inbound->ticket);
}

static void free_rcu(struct rcu_head *head)
{
	struct inbound *inbound = caa_container_of(head, struct inbound, rcu);

	if (inbound->container)
		container_put(inbound->container);
	free(inbound);
}

/* Owner only; fd and ticket have been dealt with. */
static void inbound_free(struct inbound *inbound)
{
	loop_timer_clear(inbound->worker->loop, &inbound->timer);
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
	unwatch(inbound);
	close_reset(inbound->event.fd);
	inbound_free(inbound);
}

/* Owner only: its ticket came to nothing. */
static void reset_owned(struct inbound *inbound)
{
	counter_inc(accepts_refused);
	end_ticket(inbound);
	forget_entry(inbound);
	close_reset(inbound->event.fd);
	inbound_free(inbound);
}

static struct slim_endpoint ticket_name(const struct inbound *inbound)
{
	static const struct in6_addr ticket6 = { { SLIM_TICKET_ADDR6 } };
	struct in6_addr addr = inbound->ticket_family == AF_INET6 ? ticket6 :
			       addr_map4(htonl(SLIM_TICKET_ADDR4));

	return endpoint_make(&addr, inbound->ticket_port);
}

/*
 * A spliced connection that came to its end by itself leaves one side in TIME_WAIT. The
 * ticket is nobody's but ours: nothing of it can come late, over loopback.
 * (Kernels that cannot do that keep it for a minute.)
 */
static void end_time_wait(struct inbound *inbound)
{
	struct slim_endpoint source = ticket_name(inbound);
	struct diag *diag = container_diag_get(inbound->container);
	struct diag_socket socket;

	if (!diag)
		return;
	if (diag_find(diag, inbound->ticket_family, &source, &inbound->local, &socket) == 0 &&
	    socket.state == TCP_TIME_WAIT)
		diag_destroy(diag, &socket);
	if (diag_find(diag, inbound->ticket_family, &inbound->local, &source, &socket) == 0 &&
	    socket.state == TCP_TIME_WAIT)
		diag_destroy(diag, &socket);
	container_diag_put(inbound->container);
}

void inbound_relay_done(struct inbound *inbound)
{
	bool reset = relay_was_reset(inbound->relay);

	relay_stop(inbound->relay);
	if (!reset)
		end_time_wait(inbound);
	end_ticket(inbound);
	if (reset)
		close_reset(inbound->event.fd);
	else
		close(inbound->event.fd);
	inbound_free(inbound);
}

void inbound_abort(struct inbound *inbound)
{
	if (own(inbound)) {
		reset_owned(inbound);
		return;
	}
	switch (state_of(inbound)) {
	case INBOUND_PREAMBLE:
		refuse(inbound);
		break;
	case INBOUND_SPLICED:
		relay_stop(inbound->relay);
		end_ticket(inbound);
		close_reset(inbound->event.fd);
		inbound_free(inbound);
		break;
	default:
		/* Being claimed, or claimed: its timer frees it. */
		break;
	}
}

/* --- a ticket that was not claimed --- */

/* Asks the kernel for the application's end of the ticket. */
static int look_at_ticket(struct inbound *inbound, struct diag_socket *socket)
{
	struct slim_endpoint peer = ticket_name(inbound);
	struct diag *diag = container_diag_get(inbound->container);
	int err;

	if (!diag)
		return -errno;
	err = diag_find(diag, inbound->ticket_family, &inbound->local, &peer, socket);
	container_diag_put(inbound->container);
	return err;
}

static void splice_now(struct inbound *inbound)
{
	struct ledger_entry *entry;
	struct diag_socket socket;

	/* By which cookie the application will ask for its names. */
	if (!inbound->ticket_cookie && look_at_ticket(inbound, &socket) == 0)
		inbound->ticket_cookie = socket.cookie;
	unwatch(inbound);
	unhold(inbound);
	set_state(inbound, INBOUND_SPLICED);
	inbound->relay = relay_start(inbound->worker, inbound, inbound->event.fd,
				     inbound->ticket->fd, inbound->deferred_byte ? 1 : 0);
	if (!inbound->relay) {
		if (log_limit_ok(&refuse_limit))
			log_warning("container %s: cannot carry a connection: %s",
				    inbound->container->name, strerror(errno));
		end_ticket(inbound);
		forget_entry(inbound);
		close_reset(inbound->event.fd);
		inbound_free(inbound);
		return;
	}
	counter_inc(splices);
	entry = ledger_find(inbound->cookie);
	if (entry)
		ledger_splice(entry, inbound->ticket_cookie);
	if (log_limit_ok(&splice_limit))
		log_info("container %s: a program accepts without the shim; the router "
			 "carries its connections", inbound->container->name);
}

static unsigned int next_look(const struct inbound *inbound, uint64_t now)
{
	uint64_t age = now - inbound->connected_at;

	if (age < INBOUND_CHECK)
		return INBOUND_CHECK;
	return age > INBOUND_CHECK_MAX ? INBOUND_CHECK_MAX : (unsigned int)age;
}

static void ticket_handle(struct loop_event *event, uint32_t events)
{
	struct inbound *inbound = caa_container_of(event, struct inbound, ticket_event);

	if (!inbound->watching_ticket)
		return;		/* ended earlier in this batch */
	if (events & EPOLLERR) {
		counter_inc(tickets_refused);
		listener_check_soon(inbound->container);
		reset_owned(inbound);
	} else if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP)) {
		/* It wrote or closed without claiming: it knows nothing of tickets. */
		splice_now(inbound);
	} else if (events & EPOLLOUT) {
		unhold(inbound);
	}
}

static void watch_ticket(struct inbound *inbound)
{
	if (inbound->watching_ticket)
		return;
	inbound->ticket_event.fd = inbound->ticket->fd;
	inbound->ticket_event.handle = ticket_handle;
	inbound->watching_ticket = !loop_add(inbound->worker->loop, &inbound->ticket_event,
					     EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET);
}

/* The listener's queue is full: it gets in when there is room. False: that is too many. */
static bool hold(struct inbound *inbound)
{
	if (inbound->held)
		return true;
	counter_inc(tickets_held);
	inbound->held = true;
	return listener_held(inbound->container->vni, &inbound->local, 1) <= INBOUND_HELD_MAX;
}

/* What became of connecting it. False: nothing, and it is over. */
static bool check_ticket(struct inbound *inbound)
{
	int err = ticket_check(inbound->ticket);

	if (!err) {
		unhold(inbound);
		return true;
	}
	if (err == -EALREADY && hold(inbound)) {
		err = ticket_again(inbound->ticket, &inbound->local);
		if (!err)
			return true;
	}
	counter_inc(tickets_refused);
	if (err == -ECONNREFUSED)
		listener_check_soon(inbound->container);
	reset_owned(inbound);
	return false;
}

/* --- the listener defers: it wants to see a byte --- */

static void deferred_handle(struct inbound *inbound)
{
	char byte;
	ssize_t ret = recv(inbound->event.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);

	if (ret < 0 && errno == EAGAIN)
		return;
	/* Nothing to peek, ever: natively the listener yields it when its time is over. */
	if (inbound->watching)
		loop_remove(inbound->worker->loop, &inbound->event);
	inbound->watching = false;
	if (ret != 1)
		return;
	/* A ticket that waits for room cannot take it yet: its timer tries again. */
	inbound->deferred_byte = send(inbound->ticket->fd, &byte, 1,
				      MSG_DONTWAIT | MSG_NOSIGNAL) == 1;
}

static void waiting_timer(struct inbound *inbound)
{
	uint64_t now = loop_now(inbound->worker->loop);
	struct diag_socket socket;
	unsigned int delay;

	if (inbound->accepted_at) {
		splice_now(inbound);
		return;
	}
	if (!check_ticket(inbound))
		return;
	if (inbound->defer && !inbound->deferred_byte && !inbound->watching)
		deferred_handle(inbound);
	watch_ticket(inbound);
	delay = next_look(inbound, now);
	if (!inbound->held && look_at_ticket(inbound, &socket) == 0 && socket.inode) {
		inbound->accepted_at = now;
		inbound->ticket_cookie = socket.cookie;
		delay = INBOUND_GRACE;
	}
	loop_timer_set(inbound->worker->loop, &inbound->timer, delay);
}

static void timer_handle(struct loop_timer *timer)
{
	struct inbound *inbound = caa_container_of(timer, struct inbound, timer);

	if (own(inbound)) {
		waiting_timer(inbound);
		return;
	}
	switch (state_of(inbound)) {
	case INBOUND_PREAMBLE:
		counter_inc(preamble_late);
		refuse(inbound);
		break;
	case INBOUND_TAKEN:
		inbound_free(inbound);
		break;
	default:
		loop_timer_set(inbound->worker->loop, &inbound->timer, INBOUND_CHECK);
		break;
	}
}

/* --- the ticket --- */

static int make_ticket(struct inbound *inbound)
{
	struct in6_addr addr = endpoint_addr(&inbound->local);
	int family = addr_is4(&addr) ? AF_INET : AF_INET6;
	int err;

	inbound->ticket = ticket_get(inbound->container, family);
	if (!inbound->ticket)
		return -errno;
	inbound->ticket_port = inbound->ticket->port;
	inbound->ticket_family = family;
	/* A claim that guesses the port must not disconnect it under our hands. */
	set_state(inbound, INBOUND_OWNED);
	__atomic_add_fetch(&inbound->container->pending, 1, __ATOMIC_RELAXED);
	/* Before the application can see it. */
	cds_lfht_add(pending, hash_pending(inbound->container->id, family,
					   inbound->ticket_port), &inbound->pending_node);
	inbound->connected_at = loop_now(inbound->worker->loop);
	loop_timer_set(inbound->worker->loop, &inbound->timer, INBOUND_CHECK);
	counter_inc(tickets);
	err = ticket_connect(inbound->ticket, &inbound->local);
	/* The last touch, unless it is ours alone: any worker may claim it from here on. */
	if (!err && !inbound->defer)
		set_state(inbound, INBOUND_WAITING);
	return err;
}

static void announce_to_listener(struct inbound *inbound)
{
	int err = make_ticket(inbound);

	if (err) {
		counter_inc(tickets_refused);
		if (log_limit_ok(&refuse_limit))
			log_warning("container %s: no ticket: %s", inbound->container->name,
				    strerror(-err));
		if (own(inbound)) {
			reset_owned(inbound);
		} else {
			forget_entry(inbound);
			refuse(inbound);
		}
		return;
	}
	if (inbound->defer) {
		inbound->watching = !loop_add(inbound->worker->loop, &inbound->event, EPOLLIN);
		if (inbound->watching)
			deferred_handle(inbound);
	}
}

/* --- the preamble --- */

static int enter(struct inbound *inbound)
{
	struct ledger_entry *entry = calloc(1, sizeof(*entry));
	struct in6_addr addr = endpoint_addr(&inbound->local);

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
	entry->domain = addr_is4(&addr) ? AF_INET : AF_INET6;
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

/* Finds container and listener, checks who sends. 0 or -errno, counted. */
static int admit(struct inbound *inbound, const struct preamble *fields,
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
		return -EACCES;
	}
	listener = listener_find(fields->vni, &inbound->local);
	if (!listener) {
		counter_inc(listener_gone);
		return -ECONNREFUSED;
	}
	container = listener->container;
	if (__atomic_load_n(&container->pending, __ATOMIC_RELAXED) >=
	    container->limits->pending ||
	    __atomic_load_n(&container->connections, __ATOMIC_RELAXED) >=
	    container->limits->connections) {
		counter_inc(limit_reached);
		return -ENOSPC;
	}
	if (!container_get(container))
		return -ESHUTDOWN;
	inbound->container = container;
	inbound->defer = __atomic_load_n(&listener->flags, __ATOMIC_RELAXED) &
			 SLIM_LISTEN_DEFER_ACCEPT;
	return 0;
}

static void preamble_done(struct inbound *inbound)
{
	socklen_t len = sizeof(inbound->cookie);
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
	if (getsockopt(inbound->event.fd, SOL_SOCKET, SO_COOKIE, &inbound->cookie, &len) < 0 ||
	    admit(inbound, &fields, from)) {
		refuse(inbound);
		return;
	}
	err = enter(inbound);
	if (err) {
		if (err == -EADDRINUSE)
			counter_inc(tuple_in_use);
		refuse(inbound);
		return;
	}
	announce_to_listener(inbound);
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
		unwatch(inbound);
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
	if (state_of(inbound) == INBOUND_PREAMBLE)
		preamble_continue(inbound);
	else
		deferred_handle(inbound);
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
	cds_list_add(&inbound->node, &worker->inbounds);
	preamble_continue(inbound);
}

/* --- CLAIM --- */

/* A claim on its way to the owner of an inbound connection. */
struct claim_task {
	struct loop_task task;
	struct worker *worker;		/* owner */
	struct channel *channel;	/* reference held */
	struct slim_claim request;
};

static int reply_claim(struct channel *channel, const struct slim_claim *request,
		       struct slim_claim_reply *reply, enum slim_verdict verdict,
		       const struct inbound *inbound)
{
	bool slim = verdict == SLIM_VERDICT_SLIM;

	reply->generation = channel->container->generation;
	reply->verdict = (uint16_t)verdict;
	if (inbound) {
		reply->cookie = slim ? inbound->cookie : inbound->ticket_cookie;
		reply->local = inbound->local;
		reply->peer = inbound->peer;
	}
	return channel_reply(channel, reply, sizeof(*reply), SLIM_FRAME_CLAIM_REPLY,
			     request->frame.id, slim ? inbound->event.fd : -1);
}

/*
 * In CLAIMING, or OWNED by this worker. 0: it has changed hands; -errno: the shim has
 * given up and keeps the ticket, so the connection goes on waiting (to be spliced).
 */
static int hand_over(struct channel *channel, struct inbound *inbound,
		     const struct slim_claim *request)
{
	struct listener_endpoint *listener =
		listener_find(inbound->container->vni, &inbound->local);
	struct ledger_entry *entry = ledger_find(inbound->cookie);
	struct slim_claim_reply reply = { 0 };
	int err;

	if (entry)
		entry->domain = request->domain;
	if (listener)
		reply.options = __atomic_load_n(&listener->options, __ATOMIC_RELAXED);
	unwatch(inbound);
	err = reply_claim(channel, request, &reply, SLIM_VERDICT_SLIM, inbound);
	if (err)
		return err;
	counter_inc(claims);
	close(inbound->event.fd);
	end_ticket(inbound);
	return 0;
}

/* In the owner's thread. */
static void claim_run(struct loop_task *task)
{
	struct claim_task *work = caa_container_of(task, struct claim_task, task);
	struct in6_addr addr = endpoint_addr(&work->request.ticket);
	struct inbound *inbound = find_pending(work->channel->container->id,
					       addr_is4(&addr) ? AF_INET : AF_INET6,
					       work->request.ticket.port);
	struct slim_claim_reply reply = { 0 };

	if (inbound && inbound->worker == work->worker && own(inbound)) {
		if (hand_over(work->channel, inbound, &work->request) == 0)
			inbound_free(inbound);
	} else if (inbound && state_of(inbound) == INBOUND_SPLICED) {
		(void)reply_claim(work->channel, &work->request, &reply,
				  SLIM_VERDICT_SPLICED, inbound);
	} else {
		(void)reply_claim(work->channel, &work->request, &reply,
				  SLIM_VERDICT_PACKET, NULL);
	}
	channel_put(work->channel);
	free(work);
}

static bool forward_claim(struct channel *channel, struct inbound *inbound,
			  const struct slim_claim *request)
{
	struct claim_task *work = calloc(1, sizeof(*work));

	if (!work)
		return false;
	channel_get(channel);
	work->channel = channel;
	work->worker = inbound->worker;
	work->request = *request;
	work->task.run = claim_run;
	loop_post(inbound->worker->loop, &work->task);
	return true;
}

void inbound_claim(struct channel *channel, const struct slim_claim *request)
{
	struct in6_addr addr = endpoint_addr(&request->ticket);
	struct inbound *inbound = find_pending(channel->container->id,
					       addr_is4(&addr) ? AF_INET : AF_INET6,
					       request->ticket.port);
	struct slim_claim_reply reply = { 0 };
	int err;

	if (inbound && take(inbound, INBOUND_CLAIMING)) {
		err = hand_over(channel, inbound, request);
		if (err) {
			set_state(inbound, INBOUND_WAITING);
			channel_close(channel);
			return;
		}
		/* The last touch: its owner may free it from here on. */
		set_state(inbound, INBOUND_TAKEN);
		if (inbound->worker == channel->worker)
			inbound_free(inbound);
		return;
	}
	if (inbound && forward_claim(channel, inbound, request))
		return;
	counter_inc(claims_unknown);
	err = reply_claim(channel, request, &reply, SLIM_VERDICT_PACKET, NULL);
	if (err)
		channel_close(channel);
}
