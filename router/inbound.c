/* SPDX-License-Identifier: MIT */
/* inbound.c - slim connections that come to this host's containers */
#include "inbound.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "container.h"
#include "counters.h"
#include "denial.h"
#include "diag.h"
#include "directory.h"
#include "endpoint.h"
#include "housekeeping.h"
#include "inflight.h"
#include "ledger.h"
#include "limiting.h"
#include "listener.h"
#include "log.h"
#include "peer.h"
#include "policy_force.h"
#include "relay.h"
#include "shaping.h"
#include "shaping_live.h"
#include "stray.h"
#include "ticket.h"
#include "waiting.h"
#include "want.h"
#include "worker.h"

#define INBOUND_PREAMBLE_MS	5000	/* for all of the preamble to come */
#define INBOUND_RETRY_MS	20	/* while it cannot be admitted; longer and longer */
#define INBOUND_RETRY_MAX	250
#define AWAITING_PLACE		4	/* one in so many of a container's that wait may, for a place */
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
	if (!fresh)
		__atomic_sub_fetch(&inbound->container->spliced, 1, __ATOMIC_RELAXED);
	ticket_put(ticket, fresh && !inbound->shared);
}

static void free_rcu(struct rcu_head *head)
{
	struct inbound *inbound = caa_container_of(head, struct inbound, rcu);

	if (inbound->container)
		container_put(inbound->container);
	free(inbound);
}

static void leave(struct inbound *inbound)
{
	if (inbound_state(inbound) == INBOUND_PREAMBLE) {
		preambles_remove(&inbound->worker->preambles, &inbound->entry);
		return;
	}
	cds_list_del(&inbound->node);
	if (inbound_state(inbound) != INBOUND_UNADMITTED)
		return;
	__atomic_sub_fetch(&inbound->container->unadmitted, 1, __ATOMIC_RELAXED);
	if (inbound->awaits_place)
		__atomic_sub_fetch(&inbound->container->awaiting_place, 1, __ATOMIC_RELAXED);
}

void inbound_enter(struct inbound *inbound, enum inbound_state state)
{
	leave(inbound);
	cds_list_add(&inbound->node, &inbound->worker->inbounds);
	inbound_set_state(inbound, state);
}

void inbound_free(struct inbound *inbound)
{
	loop_timer_clear(inbound->worker->loop, &inbound->timer);
	leave(inbound);
	/* After the connection was closed: the next router must not take it for a new one. */
	inflight_drop(inbound->record);
	call_rcu(&inbound->rcu, free_rcu);
}

static void forget_entry(struct inbound *inbound)
{
	struct ledger_entry *entry = ledger_find(inbound->cookie);

	if (entry)
		ledger_remove(entry);
}

/* Owner only: in PREAMBLE or UNADMITTED. */
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

void inbound_let_go(struct inbound *inbound)
{
	stray_close_fd(inbound->event.fd);
	inbound_end_ticket(inbound);
	inbound_free(inbound);
}

static void end_relay(struct inbound *inbound, bool reset)
{
	/* Before its pipes: without them, a router after us would have to reset it. */
	if (reset) {
		close_reset(inbound->event.fd);
	} else {
		close(inbound->event.fd);
		ticket_finish(inbound->ticket);
	}
	relay_stop(inbound->relay);
	inbound_end_ticket(inbound);
	inbound_free(inbound);
}

void inbound_relay_done(struct inbound *inbound)
{
	bool reset = relay_was_reset(inbound->relay);

	relay_unwatch(inbound->relay);
	/* Where the one side was reset, the other may have come to its end. */
	if (waiting_end_time_wait(inbound) && !reset)
		waiting_end_later(inbound);
	else
		end_relay(inbound, reset);
}

void inbound_abort(struct inbound *inbound)
{
	if (inbound_own(inbound)) {
		inbound_reset(inbound);
		return;
	}
	switch (inbound_state(inbound)) {
	case INBOUND_PREAMBLE:
	case INBOUND_UNADMITTED:
		refuse(inbound);
		break;
	case INBOUND_SPLICED:
		relay_unwatch(inbound->relay);
		end_relay(inbound, !inbound->over_at);
		break;
	default:
		/* Being claimed, or claimed: its timer frees it. */
		break;
	}
}

/* --- the preamble --- */

/* Whose names are asked of the kernel: only where somebody may look for its end. */
static void set_local(struct ledger_entry *entry, int fd)
{
	struct sockaddr_storage name;
	socklen_t len = sizeof(name);
	struct slim_endpoint local;

	if (getsockname(fd, (struct sockaddr *)&name, &len) < 0)
		return;
	local = endpoint_from_sockaddr((struct sockaddr *)&name);
	entry->host_addr = endpoint_addr(&local);
}

/* 0 or what limiting_take() says; a set-up that waits is counted once. */
static int take_place(struct inbound *inbound, const struct policy_verdict *verdict,
		      struct quota **quota)
{
	struct limiting limiting;
	int err;

	limiting_in(&limiting, verdict, inbound->fields.src_vni, &inbound->peer,
		    peer_host_id(inbound->from));
	if (inbound->counted)
		limiting.limits.setups = 0;
	err = limiting_take(&limiting, quota);
	inbound->counted |= !err;
	return err;
}

static int enter(struct inbound *inbound, const struct listener_endpoint *listener,
		 const struct policy_verdict *verdict)
{
	struct ledger_entry *entry = calloc(1, sizeof(*entry));
	struct quota *quota;
	int err;

	if (!entry)
		return -ENOMEM;
	err = take_place(inbound, verdict, &quota);
	if (err) {
		free(entry);
		return err;
	}
	if (quota) {
		quota_sit(&entry->seat, quota);
		set_local(entry, inbound->event.fd);
	}
	entry->cookie = inbound->cookie;
	entry->vni = inbound->container->vni;
	entry->peer_vni = inbound->fields.src_vni;
	entry->container_id = inbound->container->id;
	entry->local = inbound->local;
	entry->peer = inbound->peer;
	entry->host_peer = inbound->host_peer;
	entry->host_port = inbound->host_port;
	entry->direction = LEDGER_IN;
	entry->domain = listener->domain;
	entry->created_at = loop_now(inbound->worker->loop);
	entry->shaping = shaping_of(verdict->rule);
	return ledger_add(entry);
}

static const char *refusal(int error)
{
	switch (error) {
	case -EBADMSG:
		return "what it began with is no preamble";
	case -ENOENT:
		return "its preamble is of a host that is no peer";
	case -EKEYEXPIRED:
		return "its preamble was sealed with an unknown key";
	case -EKEYREJECTED:
		return "its preamble has a wrong MAC";
	case -EALREADY:
		return "its preamble was seen before";
	default:
		return strerror(-error);
	}
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

static void names_from(struct inbound *inbound, const struct preamble *fields)
{
	memcpy(inbound->local.addr, fields->dst, sizeof(fields->dst));
	inbound->local.port = fields->dst_port;
	memcpy(inbound->peer.addr, fields->src, sizeof(fields->src));
	inbound->peer.port = fields->src_port ? fields->src_port : inbound->host_peer.port;
}

/* What the listener's shim has said of it */
static void heed(struct inbound *inbound, const struct listener_endpoint *listener)
{
	inbound->defer = __atomic_load_n(&listener->flags, __ATOMIC_RELAXED) &
			 SLIM_LISTEN_DEFER_ACCEPT;
	inbound->options = __atomic_load_n(&listener->options, __ATOMIC_RELAXED);
	inbound->listener = listener->serial;
	inbound->shared = __atomic_load_n(&listener->shared, __ATOMIC_RELAXED);
}

static bool has_too_many(struct container *container)
{
	if (__atomic_load_n(&container->pending, __ATOMIC_RELAXED) >= container->limits->pending)
		limit_refuse(container, LIMIT_pending);
	else
		return limit_has_all_connections(container);
	return true;
}

/* Whose it is. False: nobody's, counted. */
static bool find_container(struct inbound *inbound)
{
	struct container *container;
	struct in6_addr dst;

	names_from(inbound, &inbound->fields);
	dst = endpoint_addr(&inbound->local);
	container = container_by_address(inbound->fields.vni, &dst);
	if (!container || !container_get(container)) {
		counter_inc(listener_gone);
		return false;
	}
	inbound->container = container;
	return true;
}

static struct ends ends_of(const struct inbound *inbound)
{
	return (struct ends){
		inbound->fields.src_vni, inbound->fields.vni, inbound->peer, inbound->local,
	};
}

/* Whatever the sender's own router has allowed; that of this host has counted and said it. */
static bool may_accept(struct inbound *inbound, struct policy_verdict *verdict)
{
	const struct ends ends = ends_of(inbound);
	bool first = !inbound->decided && inbound->from != peer_self();

	policy_ask_tcp(&ends, verdict);
	inbound->decided = true;
	if (first)
		policy_count(verdict);
	if (first || !verdict->allowed)
		denial_say(verdict, &ends);
	if (!verdict->allowed)
		counter_inc(accepts_denied);
	return verdict->allowed;
}

/* Finds the listener, checks who sends, and what policy says. NULL: no, counted. */
static struct listener_endpoint *admit(struct inbound *inbound, struct policy_verdict *verdict)
{
	const struct preamble *fields = &inbound->fields;
	struct listener_endpoint *listener;
	struct in6_addr src;

	memcpy(&src, fields->src, sizeof(src));
	if (!directory_owns(inbound->from, fields->src_vni, &src)) {
		counter_inc(source_foreign);
		return NULL;
	}
	listener = listener_find(fields->vni, &inbound->local);
	/* (Peers have been told that it is not announced any more.) */
	if (!listener || listener->container != inbound->container || listener_keeps_packet(listener)) {
		counter_inc(listener_gone);
		return NULL;
	}
	if (!may_accept(inbound, verdict) || has_too_many(inbound->container))
		return NULL;
	heed(inbound, listener);
	return listener;
}

static unsigned int next_try(const struct inbound *inbound)
{
	uint64_t delay = (loop_now(inbound->worker->loop) - inbound->began_at) / 2;

	if (delay < INBOUND_RETRY_MS)
		return INBOUND_RETRY_MS;
	return delay > INBOUND_RETRY_MAX ? INBOUND_RETRY_MAX : (unsigned int)delay;
}

/*
 * As natively, where it would wait in the listener's queue. So many may that one container's
 * take no other's place.
 */
static void admit_later(struct inbound *inbound)
{
	struct container *container = inbound->container;

	if (inbound_state(inbound) == INBOUND_PREAMBLE) {
		inbound_enter(inbound, INBOUND_UNADMITTED);
		if (__atomic_add_fetch(&container->unadmitted, 1, __ATOMIC_RELAXED) >
		    container->limits->unadmitted) {
			limit_refuse(container, LIMIT_unadmitted);
			refuse(inbound);
			return;
		}
	}
	loop_timer_set(inbound->worker->loop, &inbound->timer, next_try(inbound));
}

/*
 * The sender would not use a virtual 4-tuple again that it knows to be in use: that the last
 * connection is over has not been noticed here yet.
 */
static void await_tuple(struct inbound *inbound)
{
	if (!inbound->awaits_tuple)
		counter_inc(tuple_in_use);
	inbound->awaits_tuple = true;
	housekeeping_hurry();
	admit_later(inbound);
}

/* The first time that it awaits a place. False: as many do as may. */
static bool may_await_place(struct inbound *inbound)
{
	struct container *container = inbound->container;

	inbound->awaits_place = __atomic_add_fetch(&container->awaiting_place, 1, __ATOMIC_RELAXED) <=
				(container->limits->unadmitted + AWAITING_PLACE - 1) / AWAITING_PLACE;
	if (!inbound->awaits_place)
		__atomic_sub_fetch(&container->awaiting_place, 1, __ATOMIC_RELAXED);
	return inbound->awaits_place;
}

/* The sender counts what is over no more; what is over here has not been noticed yet, perhaps. */
static void await_place(struct inbound *inbound, const struct policy_verdict *verdict, int err)
{
	if (!inbound->awaits_place) {
		const struct ends ends = ends_of(inbound);

		counter_inc(accepts_limited);
		denial_limit(verdict, limiting_rule(verdict, LEDGER_IN), err, &ends);
		housekeeping_hurry();
		if (!may_await_place(inbound)) {
			limit_refuse(inbound->container, LIMIT_unadmitted);
			refuse(inbound);
			return;
		}
	}
	admit_later(inbound);
}

/*
 * Goes by the policy in force when it is in the ledger, since what was not there when its container was
 * detached, or when another policy was put in force, nobody has aborted. 0 or -errno
 */
static int look_again(struct inbound *inbound, struct policy_verdict *verdict)
{
	struct ledger_entry *entry = ledger_find(inbound->cookie);

	if (container_is_dead(inbound->container))
		return -ESHUTDOWN;
	if (!policy_is_stale(verdict))
		return 0;
	if (!may_accept(inbound, verdict))
		return -EPERM;
	return entry ? limiting_follow_new(entry, verdict) : 0;
}

/*
 * Only where there is a limit to find it by, since programs can tell (shaping.h). When limits come, those
 * that live are marked where that is possible (reshaping.h): they are in the ledger by now.
 */
static void mark(const struct inbound *inbound)
{
	struct ledger_entry *entry = ledger_find(inbound->cookie);

	if (!policy_has_limits() && shaping_live_is_possible())
		return;
	shaping_mark(inbound->event.fd, inbound->container->id);
	if (entry)
		__atomic_store_n(&entry->marked, true, __ATOMIC_RELAXED);
}

/*
 * Finds the listener and connects a ticket to it. A router that has just started may
 * know the sender's key before it knows the sender's containers.
 */
static void admitted(struct inbound *inbound)
{
	struct listener_endpoint *listener;
	struct policy_verdict verdict;
	int err;

	if (!inbound->container && !find_container(inbound)) {
		refuse(inbound);
		return;
	}
	if (!directory_is_complete(inbound->from)) {
		admit_later(inbound);
		return;
	}
	listener = admit(inbound, &verdict);
	if (!listener) {
		refuse(inbound);
		return;
	}
	err = ledger_find(inbound->cookie) ? 0 : enter(inbound, listener, &verdict);
	if (err == -EADDRINUSE) {
		await_tuple(inbound);
		return;
	}
	if (limiting_is(err)) {
		await_place(inbound, &verdict, err);
		return;
	}
	if (!err)
		err = look_again(inbound, &verdict);
	if (err) {
		forget_entry(inbound);
		refuse(inbound);
		return;
	}
	mark(inbound);
	shaping_apply(inbound->event.fd, verdict.rule);
	housekeeping_set_up();
	err = waiting_start(inbound);
	if (!err)
		return;
	forget_entry(inbound);
	if (want_is(err))
		admit_later(inbound);
	else
		refuse(inbound);
}

static struct inflight *record_new(const struct inbound *inbound)
{
	struct inflight record = {
		.cookie = inbound->cookie,
		.fd = inbound->event.fd,
		.host_port = inbound->host_port,
		.bytes_num = (uint16_t)inbound->bytes_num,
		.host_peer = inbound->host_peer,
	};

	memcpy(record.bytes, inbound->bytes, inbound->bytes_num);
	return inflight_new(&record);
}

/* Has somebody read the preamble already? */
static bool is_consumed(const struct inbound *inbound)
{
	uint8_t bytes[PREAMBLE_MAX];

	return recv(inbound->event.fd, bytes, inbound->bytes_num, MSG_PEEK | MSG_DONTWAIT) !=
	       (ssize_t)inbound->bytes_num || memcmp(bytes, inbound->bytes, inbound->bytes_num);
}

/* What follows is the application's. */
static bool consume(struct inbound *inbound)
{
	uint8_t bytes[PREAMBLE_MAX];
	int one = 1;

	if (inbound->lowat)
		setsockopt(inbound->event.fd, SOL_SOCKET, SO_RCVLOWAT, &one, sizeof(one));
	if (inbound->recovered && is_consumed(inbound))
		return true;
	return recv(inbound->event.fd, bytes, inbound->bytes_num, MSG_DONTWAIT) ==
	       (ssize_t)inbound->bytes_num;
}

/* Checks who sends, and that it was not sent before. */
static struct peer *judge(struct inbound *inbound)
{
	char text[ENDPOINT_STRLEN];
	struct peer *from;
	int err = 0;

	from = peer_preamble_open(inbound->worker->mac, inbound->bytes, inbound->bytes_num,
				  &inbound->fields, &err);
	/* The router that was killed accepted it, perhaps: there is but one record of it. */
	if (!from && err == -EALREADY && inbound->recovered)
		from = peer_preamble_reopen(inbound->worker->mac, inbound->bytes,
					    inbound->bytes_num, &inbound->fields);
	if (from)
		return from;
	count_bad(err);
	if (log_limit_ok(&refuse_limit))
		log_warning("a connection from %s to slim port %u was reset: %s",
			    endpoint_format(&inbound->host_peer, text, sizeof(text)),
			    inbound->host_port, refusal(err));
	return NULL;
}

static void preamble_done(struct inbound *inbound)
{
	socklen_t len = sizeof(inbound->cookie);

	if (getsockopt(inbound->event.fd, SOL_SOCKET, SO_COOKIE, &inbound->cookie, &len) < 0) {
		refuse(inbound);
		return;
	}
	if (!inbound->record)
		inbound->record = record_new(inbound);
	inbound->from = judge(inbound);
	if (!inbound->from || !consume(inbound)) {
		refuse(inbound);
		return;
	}
	admitted(inbound);
}

/*
 * Looks at as much as the preamble has. 1: it is whole; 0: more must come; -errno. Nothing is
 * taken off before it is whole and recorded (inflight.h).
 */
static int preamble_look(struct inbound *inbound)
{
	unsigned int want = PREAMBLE_LEN4;
	ssize_t ret = recv(inbound->event.fd, inbound->bytes, sizeof(inbound->bytes),
			   MSG_PEEK | MSG_DONTWAIT);

	if (ret < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	if (ret >= PREAMBLE_HEADER_LEN) {
		int len = preamble_length(inbound->bytes);

		if (len < 0)
			return len;
		want = (unsigned int)len;
	}
	if ((size_t)ret >= want) {
		inbound->bytes_num = want;
		return 1;
	}
	/* Woken, though there is less than was waited for: nothing more comes. */
	if (!ret || inbound->lowat == (int)want)
		return -EBADMSG;
	inbound->lowat = (int)want;
	return setsockopt(inbound->event.fd, SOL_SOCKET, SO_RCVLOWAT, &inbound->lowat,
			  sizeof(inbound->lowat)) < 0 ? -errno : 0;
}

static void preamble_continue(struct inbound *inbound)
{
	int ret = preamble_look(inbound);

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

	if (inbound_state(inbound) > INBOUND_UNADMITTED) {
		waiting_timer(inbound);
	} else if (inbound_state(inbound) == INBOUND_UNADMITTED &&
		   loop_now(inbound->worker->loop) < inbound->began_at + INBOUND_PREAMBLE_MS) {
		admitted(inbound);
	} else {
		counter_inc(preamble_late);
		refuse(inbound);
	}
}

static bool is_tls(int fd)
{
	uint8_t first;

	return recv(fd, &first, 1, MSG_PEEK | MSG_DONTWAIT) == 1 && first == TLS_HANDSHAKE;
}

/* NULL: no memory; @fd is the caller's then. */
static struct inbound *inbound_new(struct worker *worker, int fd,
				   const struct slim_endpoint *host_peer, uint16_t port)
{
	struct inbound *inbound = calloc(1, sizeof(*inbound));
	struct preambles_entry *victim = preambles_victim(&worker->preambles);

	if (!inbound)
		return NULL;
	/* Before it is among them: it must not be the one that goes. */
	if (victim) {
		counter_inc(preamble_crowded);
		refuse(caa_container_of(victim, struct inbound, entry));
	}
	inbound->worker = worker;
	inbound->event.fd = fd;
	inbound->event.handle = event_handle;
	inbound->timer.handle = timer_handle;
	inbound->host_peer = *host_peer;
	inbound->host_port = port;
	inbound->began_at = loop_now(worker->loop);
	preambles_add(&worker->preambles, &inbound->entry, host_peer);
	return inbound;
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
	inbound = inbound_new(worker, fd, host_peer, port);
	if (inbound)
		preamble_continue(inbound);
	else
		close_reset(fd);
}

/* --- what an earlier router left --- */

/* It was admitted; its listener may be gone by now. 0 or -errno */
static int readmit(struct inbound *inbound)
{
	struct listener_endpoint *listener;
	struct container *container;
	struct in6_addr dst;
	int err = preamble_decode(inbound->bytes, inbound->bytes_num, &inbound->fields);

	if (err)
		return err;
	memcpy(&dst, inbound->fields.dst, sizeof(dst));
	names_from(inbound, &inbound->fields);
	container = container_by_address(inbound->fields.vni, &dst);
	if (!container || !container_get(container))
		return -ESHUTDOWN;
	inbound->container = container;
	listener = listener_find(inbound->fields.vni, &inbound->local);
	if (listener)
		heed(inbound, listener);
	return waiting_resume(inbound);
}

/* Of one that cannot be taken up, with @fd as its slim connection */
static void close_record(const struct inflight *record, int fd)
{
	if (record->phase != INFLIGHT_JUDGED && record->ticket_fd >= 0)
		close(record->ticket_fd);
	inflight_close_pipes(record);
	/* An application may have it. */
	if (record->phase == INFLIGHT_HANDED)
		stray_close_fd(fd);
	else
		close_reset(fd);
}

void inbound_recover(struct worker *worker, struct inflight *record, int fd)
{
	struct inbound *inbound = inbound_new(worker, fd, &record->host_peer, record->host_port);

	if (!inbound) {
		close_record(record, fd);
		inflight_drop(record);
		return;
	}
	counter_inc(accepts);
	inbound->record = record;
	inbound->recovered = true;
	inbound->cookie = record->cookie;
	inbound->bytes_num = record->bytes_num;
	memcpy(inbound->bytes, record->bytes, record->bytes_num);
	if (record->phase == INFLIGHT_JUDGED) {
		preamble_done(inbound);
	} else if (readmit(inbound)) {
		close_record(record, fd);
		forget_entry(inbound);
		inbound_free(inbound);
	}
}
