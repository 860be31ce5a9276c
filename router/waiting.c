/* SPDX-License-Identifier: MIT */
/* waiting.c - slim connections that wait for an application to accept their tickets */
#include "waiting.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "container.h"
#include "counters.h"
#include "diag.h"
#include "endpoint.h"
#include "inbound.h"
#include "inflight.h"
#include "ledger.h"
#include "listener.h"
#include "log.h"
#include "relay.h"
#include "ticket.h"
#include "want.h"
#include "worker.h"

/* Of TCP, in sock_diag: tcp_states.h of the kernel */
#define STATE_FIN_WAIT1		4
#define STATE_FIN_WAIT2		5
#define STATE_TIME_WAIT		6
#define STATE_CLOSING		11
#define WAITING_CHECK		10	/* ms after which a ticket is looked after */
#define WAITING_GRACE		20	/* ms from the accept on for a shim to claim */
#define WAITING_CHECK_MAX	250	/* ms between looks at an old ticket, or one that is to end */
#define WAITING_HANDED		150	/* ms until a shim has surely done what it had to */
#define WAITING_HELD_MAX	1024	/* tickets held per listener */

#define WAITING_SPLICE		5000	/* ms from the accept on for want of files to end */

static struct log_limit refuse_limit = { .burst = 5 };
static struct log_limit splice_limit = { .burst = 2 };

void waiting_unhold(struct inbound *inbound)
{
	if (!inbound->held)
		return;
	inbound->held = false;
	listener_held(inbound->container->vni, &inbound->local, inbound->listener, -1);
}

static struct slim_endpoint ticket_name(const struct ticket *ticket)
{
	static const struct in6_addr ticket6 = { { SLIM_TICKET_ADDR6 } };
	struct in6_addr addr = ticket->family == AF_INET6 ? ticket6 :
			       addr_map4(htonl(SLIM_TICKET_ADDR4));

	return endpoint_make(&addr, ticket->port);
}

/* ms: as long again as it is ago that @began, within limits */
static unsigned int next_look(uint64_t began, uint64_t now)
{
	uint64_t age = now - began;

	if (age < WAITING_CHECK)
		return WAITING_CHECK;
	return age > WAITING_CHECK_MAX ? WAITING_CHECK_MAX : (unsigned int)age;
}

/* Returns whether it has ended its own stream, and not seen the other's end. */
static bool end_if_time_wait(struct diag *diag, int family, const struct slim_endpoint *local,
			     const struct slim_endpoint *remote)
{
	struct diag_socket socket;

	if (diag_find(diag, family, local, remote, &socket))
		return false;
	if (socket.state == STATE_TIME_WAIT)
		diag_destroy(diag, &socket);
	return socket.state == STATE_FIN_WAIT1 || socket.state == STATE_FIN_WAIT2 || socket.state == STATE_CLOSING;
}

bool waiting_end_time_wait(struct inbound *inbound)
{
	struct slim_endpoint source = ticket_name(inbound->ticket);
	struct container *container = inbound->container;
	struct diag *shared = container_diag_try(container);
	struct diag *diag = shared ? shared : diag_open(container->netns_fd);
	int family = inbound->ticket->family;
	bool coming;

	if (!diag)
		return false;
	end_if_time_wait(diag, family, &source, &inbound->local);
	coming = end_if_time_wait(diag, family, &inbound->local, &source);
	if (shared)
		container_diag_put(container);
	else
		diag_close(diag);
	return coming;
}

void waiting_end_later(struct inbound *inbound)
{
	struct loop *loop = inbound->worker->loop;
	uint64_t now = loop_now(loop);

	if (!inbound->over_at)
		inbound->over_at = now;
	loop_timer_set(loop, &inbound->timer, next_look(inbound->over_at, now));
}

/*
 * Asks the kernel for the application's end of the ticket. -EBUSY: the control thread is
 * asking it something longer.
 */
static int look_at_ticket(struct inbound *inbound, struct diag_socket *socket)
{
	struct slim_endpoint peer = ticket_name(inbound->ticket);
	struct diag *diag = container_diag_try(inbound->container);
	int err;

	if (!diag)
		return -errno;
	err = diag_find(diag, inbound->ticket->family, &inbound->local, &peer, socket);
	container_diag_put(inbound->container);
	return err;
}

/* By which cookie the application will ask for its names. */
static void name_ticket(struct inbound *inbound)
{
	struct ledger_entry *entry = ledger_find(inbound->cookie);
	struct diag_socket socket;
	int err = 0;

	if (!inbound->ticket_cookie) {
		err = look_at_ticket(inbound, &socket);
		if (!err)
			inbound->ticket_cookie = socket.cookie;
	}
	if (entry)
		ledger_splice(entry, inbound->ticket_cookie);
	if (err == -EBUSY)
		loop_timer_set(inbound->worker->loop, &inbound->timer, WAITING_CHECK);
}

/* From here on inbound_end_ticket() counts it down again. */
static unsigned int count_spliced(struct inbound *inbound)
{
	inbound_set_state(inbound, INBOUND_SPLICED);
	return __atomic_add_fetch(&inbound->container->spliced, 1, __ATOMIC_RELAXED);
}

/* Tried again, while files or memory are wanting; its program waits for bytes meanwhile. */
static void not_spliced(struct inbound *inbound, int error)
{
	uint64_t now = loop_now(inbound->worker->loop);

	if (log_limit_ok(&refuse_limit))
		log_warning("container %s: cannot carry a connection: %s",
			    inbound->container->name, strerror(error));
	if (!inbound->accepted_at)
		inbound->accepted_at = now;
	if (!want_is(error) || now - inbound->accepted_at >= WAITING_SPLICE) {
		inbound_reset(inbound);
		return;
	}
	__atomic_sub_fetch(&inbound->container->spliced, 1, __ATOMIC_RELAXED);
	inbound_set_state(inbound, INBOUND_OWNED);
	inflight_enter(inbound->record, INFLIGHT_TICKET);
	loop_timer_set(inbound->worker->loop, &inbound->timer, WAITING_GRACE);
}

void waiting_splice(struct inbound *inbound)
{
	loop_timer_clear(inbound->worker->loop, &inbound->timer);
	inbound_unwatch(inbound);
	waiting_unhold(inbound);
	if (count_spliced(inbound) > inbound->container->limits->spliced) {
		limit_refuse(inbound->container, LIMIT_spliced);
		inbound_reset(inbound);
		return;
	}
	inbound->relay = relay_start(inbound->worker, inbound, inbound->event.fd,
				     inbound->ticket->fd, inbound->deferred_byte ? 1 : 0,
				     inbound->record, false);
	if (!inbound->relay) {
		not_spliced(inbound, errno);
		return;
	}
	counter_inc(splices);
	name_ticket(inbound);
	if (log_limit_ok(&splice_limit))
		log_info("container %s: %s; the router carries its connections",
			 inbound->container->name, inbound->unguarded ? "slim.ko is required, and not ready" :
			 "a program accepts without the shim, or its shim was late");
}

static void ticket_handle(struct loop_event *event, uint32_t events)
{
	struct inbound *inbound = caa_container_of(event, struct inbound, ticket_event);

	if (!inbound->watching_ticket)
		return;		/* ended earlier in this batch */
	if (events & EPOLLERR) {
		counter_inc(tickets_refused);
		listener_check_soon(inbound->container, false);
		inbound_reset(inbound);
	} else if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP)) {
		/* It wrote or closed without claiming: it knows nothing of tickets. */
		waiting_splice(inbound);
	} else if (events & EPOLLOUT) {
		waiting_unhold(inbound);
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
	return listener_held(inbound->container->vni, &inbound->local, inbound->listener,
			     1) <= WAITING_HELD_MAX;
}

/* What became of connecting it. False: nothing, and it is over. */
static bool check_ticket(struct inbound *inbound)
{
	int err = ticket_check(inbound->ticket);

	if (!err) {
		waiting_unhold(inbound);
		return true;
	}
	if (err == -EALREADY && hold(inbound)) {
		err = ticket_again(inbound->ticket, &inbound->local);
		if (!err)
			return true;
	}
	counter_inc(tickets_refused);
	if (err == -ECONNREFUSED)
		listener_check_soon(inbound->container, false);
	inbound_reset(inbound);
	return false;
}

/* --- the listener defers: it wants to see a byte --- */

void waiting_deferred(struct inbound *inbound)
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

static void look_after(struct inbound *inbound)
{
	uint64_t now = loop_now(inbound->worker->loop);
	struct diag_socket socket;
	unsigned int delay;

	if (inbound->handed && (inbound->answered || ticket_check(inbound->ticket))) {
		/* Its shim has, or will have, the connection: it closed the ticket, or has our
		 * answer to read yet. */
		inbound_let_go(inbound);
		return;
	}
	inbound->handed = false;
	if (inbound->accepted_at) {
		waiting_splice(inbound);
		return;
	}
	if (!check_ticket(inbound))
		return;
	if (inbound->defer && !inbound->deferred_byte && !inbound->watching)
		waiting_deferred(inbound);
	watch_ticket(inbound);
	delay = next_look(inbound->connected_at, now);
	if (!inbound->held && look_at_ticket(inbound, &socket) == 0 && socket.inode) {
		inbound->accepted_at = now;
		inbound->ticket_cookie = socket.cookie;
		delay = WAITING_GRACE;
	}
	loop_timer_set(inbound->worker->loop, &inbound->timer, delay);
}

void waiting_timer(struct inbound *inbound)
{
	if (inbound_own(inbound))
		look_after(inbound);
	else if (inbound_state(inbound) == INBOUND_TAKEN)
		inbound_free(inbound);
	else if (inbound_state(inbound) == INBOUND_SPLICED && inbound->over_at)
		inbound_relay_done(inbound);
	else if (inbound_state(inbound) == INBOUND_SPLICED)
		name_ticket(inbound);
	else
		loop_timer_set(inbound->worker->loop, &inbound->timer, WAITING_CHECK);
}

/* --- the ticket --- */

static void log_refused(const struct inbound *inbound, int err)
{
	counter_inc(tickets_refused);
	if (log_limit_ok(&refuse_limit))
		log_warning("container %s: no ticket: %s", inbound->container->name,
			    strerror(-err));
}

static void record_ticket(const struct inbound *inbound)
{
	struct inflight *record = inbound->record;

	if (!record)
		return;
	record->ticket_fd = inbound->ticket->fd;
	record->ticket_cookie = inbound->ticket->cookie;
	record->ticket_port = inbound->ticket->port;
	record->ticket_family = (uint16_t)inbound->ticket->family;
	inflight_enter(record, INFLIGHT_TICKET);
}

/* It has a ticket, whatever state that is in, and belongs to its owner. */
static void begin(struct inbound *inbound)
{
	inbound_enter(inbound, INBOUND_OWNED);
	__atomic_add_fetch(&inbound->container->pending, 1, __ATOMIC_RELAXED);
	inbound->connected_at = loop_now(inbound->worker->loop);
}

int waiting_start(struct inbound *inbound)
{
	struct in6_addr addr = endpoint_addr(&inbound->local);
	struct worker *worker = inbound->worker;
	int err;

	inbound->ticket = ticket_get(inbound->container, addr_is4(&addr) ? AF_INET : AF_INET6);
	if (!inbound->ticket) {
		err = -errno;
		log_refused(inbound, err);
		return err;
	}
	/* A claim that guesses the port must not disconnect it under our hands. */
	begin(inbound);
	record_ticket(inbound);
	/* Before the application can see it. */
	ticket_set_inbound(inbound->ticket, inbound);
	loop_timer_set(worker->loop, &inbound->timer, WAITING_CHECK);
	counter_inc(tickets);
	err = ticket_connect(inbound->ticket, &inbound->local);
	if (err) {
		log_refused(inbound, err);
		inbound_reset(inbound);
		return 0;
	}
	if (!inbound->defer) {
		/* The last touch: any worker may claim it from here on. */
		inbound_set_state(inbound, INBOUND_WAITING);
		return 0;
	}
	inbound->watching = !loop_add(worker->loop, &inbound->event, EPOLLIN);
	if (inbound->watching)
		waiting_deferred(inbound);
	return 0;
}

/* --- what an earlier router left --- */

static struct tcp_info info_of(int fd)
{
	struct tcp_info info = { 0 };
	socklen_t len = sizeof(info);

	getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len);
	return info;
}

/* Has the relay taken anything off the slim connection? (A FIN that has come counts as a byte.) */
static bool has_begun(const struct inbound *inbound)
{
	struct pollfd end = { .fd = inbound->event.fd, .events = POLLRDHUP };
	struct tcp_info info = info_of(inbound->event.fd);
	int unread = 0;

	ioctl(inbound->event.fd, SIOCINQ, &unread);
	if (poll(&end, 1, 0) > 0 && end.revents & POLLRDHUP)
		unread++;
	return info.tcpi_bytes_received > (uint64_t)unread + inbound->bytes_num;
}

static void resume_relay(struct inbound *inbound)
{
	bool skip = inbound->deferred_byte && !has_begun(inbound);

	count_spliced(inbound);
	inbound->relay = relay_start(inbound->worker, inbound, inbound->event.fd,
				     inbound->ticket->fd, skip, inbound->record, true);
	if (inbound->relay)
		name_ticket(inbound);
	else
		inbound_reset(inbound);
}

int waiting_resume(struct inbound *inbound)
{
	const struct inflight *record = inbound->record;
	enum inflight_phase phase = record->phase;
	struct tcp_info info;

	inbound->ticket = ticket_adopt(inbound->container, record->ticket_fd,
				       record->ticket_family, record->ticket_port);
	if (!inbound->ticket)
		return -ENOMEM;
	begin(inbound);
	ticket_set_inbound(inbound->ticket, inbound);
	info = info_of(inbound->ticket->fd);
	/* Before a relay carries anything, that is the byte that a listener which defers was given. */
	inbound->deferred_byte = info.tcpi_bytes_sent > 0;
	if (phase == INFLIGHT_SPLICED) {
		resume_relay(inbound);
		return 0;
	}
	/* Not even a SYN: it was killed just before that. */
	if (!info.tcpi_segs_out)
		(void)ticket_connect(inbound->ticket, &inbound->local);
	inbound->handed = phase == INFLIGHT_HANDED;
	inbound->answered = inbound->handed && record->answer_fd >= 0;
	loop_timer_set(inbound->worker->loop, &inbound->timer,
		       inbound->handed ? WAITING_HANDED : WAITING_CHECK);
	return 0;
}
