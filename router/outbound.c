/* SPDX-License-Identifier: MIT */
/*
 * outbound.c - connections that this host's containers make
 *
 * Theory of operation: one system call sends SYN and preamble
 * (MSG_FASTOPEN without a cookie); the kernel keeps the preamble as the first bytes of
 * the stream whether or not the peer takes data in the SYN, and returns at
 * once. So the socket can be handed over while it connects, and all waiting is
 * the application's own.
 *
 * Where SYNs with data do not arrive (syndata.h), or the host's kernel sends none, the router waits
 * for the handshake, sends the preamble, and then hands over. The shim waits no longer than for
 * any answer: what takes longer, takes the packet path.
 */
#include "outbound.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "channel.h"
#include "config.h"
#include "container.h"
#include "counters.h"
#include "denial.h"
#include "dial.h"
#include "directory.h"
#include "endpoint.h"
#include "guard.h"
#include "housekeeping.h"
#include "ledger.h"
#include "limiting.h"
#include "log.h"
#include "peer.h"
#include "policy_crossing.h"
#include "policy_force.h"
#include "shaping.h"
#include "syndata.h"
#include "worker.h"

#ifndef TCP_FASTOPEN_NO_COOKIE
#define TCP_FASTOPEN_NO_COOKIE	34
#endif

/*
 * From about this many connections to one port on, the kernel's search for a
 * source port takes long: go on to the next slim port.
 */
#define OUTBOUND_FILL_MAX	10000

/* ms: a handshake that is waited for must be over before the shim has another path. */
#define OUTBOUND_DIAL		(SLIM_CHANNEL_DEADLINE - 10)

/* ms: a request that seems as old as that is not. */
#define CLOCK_STEP	600000

/* Virtual source ports of our own; the kernel's begin above, by default. */
#define SOURCE_PORT_FIRST	1024
#define SOURCE_PORT_NUM		(32768 - SOURCE_PORT_FIRST)

/* How often another source port is tried when a virtual 4-tuple is in use */
#define OUTBOUND_TRIES		4

/* How many source ports of our own are looked up for each of them: a few of each step, which
 * doubles up to the last one. All four together go round the ports twice. */
#define SOURCE_PORT_LOOKS	64
#define SOURCE_PORT_STEPS(look)	((look) / 4 < 9 ? (look) / 4 : 9)

static struct log_limit fail_limit = { .burst = 5 };
static char congestion_allowed[256];
static int host_domain = AF_INET6;

void outbound_init(const struct config *config)
{
	FILE *file = fopen("/proc/sys/net/ipv4/tcp_allowed_congestion_control", "re");
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)config;
	if (fd < 0)
		host_domain = AF_INET;
	else
		close(fd);
	if (!file)
		return;
	if (!fgets(congestion_allowed, sizeof(congestion_allowed), file))
		congestion_allowed[0] = '\0';
	fclose(file);
}

/* The router's privileges must not give a container what it may not have itself. */
static bool congestion_is_allowed(const char *name)
{
	const char *at = congestion_allowed;
	size_t len = strlen(name);

	while (len && (at = strstr(at, name))) {
		bool starts = at == congestion_allowed || at[-1] == ' ';

		at += len;
		if (starts && (*at == ' ' || *at == '\n' || !*at))
			return true;
	}
	return false;
}

static void set_int(int fd, int level, int name, uint32_t value)
{
	int number = (int)value;

	/* What the kernel refuses, it refuses the application too. */
	(void)setsockopt(fd, level, name, &number, sizeof(number));
}

static void set_asked(int fd, const struct slim_connect *request)
{
	static const struct {
		uint32_t bit;
		size_t offset;
		int level, name;
		unsigned int divide;	/* the kernel doubles what it is given */
	} options[] = {
		{ SLIM_CONNECT_RCVBUF, offsetof(struct slim_connect, rcvbuf),
		  SOL_SOCKET, SO_RCVBUF, 2 },
		{ SLIM_CONNECT_SNDBUF, offsetof(struct slim_connect, sndbuf),
		  SOL_SOCKET, SO_SNDBUF, 2 },
		{ SLIM_CONNECT_MAXSEG, offsetof(struct slim_connect, maxseg),
		  IPPROTO_TCP, TCP_MAXSEG, 1 },
		{ SLIM_CONNECT_SYNCNT, offsetof(struct slim_connect, syncnt),
		  IPPROTO_TCP, TCP_SYNCNT, 1 },
		{ SLIM_CONNECT_WINDOW_CLAMP, offsetof(struct slim_connect, window_clamp),
		  IPPROTO_TCP, TCP_WINDOW_CLAMP, 1 },
		{ SLIM_CONNECT_USER_TIMEOUT, offsetof(struct slim_connect, user_timeout),
		  IPPROTO_TCP, TCP_USER_TIMEOUT, 1 },
		{ SLIM_CONNECT_TOS, offsetof(struct slim_connect, tos),
		  IPPROTO_IP, IP_TOS, 1 },
	};
	char congestion[SLIM_CONGESTION_LEN + 1] = "";

	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		uint32_t value;

		if (!(request->options & options[i].bit))
			continue;
		memcpy(&value, (const char *)request + options[i].offset, sizeof(value));
		set_int(fd, options[i].level, options[i].name, value / options[i].divide);
	}
	if (request->options & SLIM_CONNECT_TOS)
		set_int(fd, IPPROTO_IPV6, IPV6_TCLASS, request->tos);
	if (!(request->options & SLIM_CONNECT_CONGESTION))
		return;
	memcpy(congestion, request->congestion, SLIM_CONGESTION_LEN);
	if (congestion_is_allowed(congestion))
		(void)setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, congestion,
				 (socklen_t)strlen(congestion));
}

/* What the container's namespace has set differently from the host's. */
static void set_sysctls(int fd, const struct container_sysctls *sysctls)
{
	if (sysctls->syn_retries)
		set_int(fd, IPPROTO_TCP, TCP_SYNCNT, (uint32_t)sysctls->syn_retries);
	if (sysctls->keepalive_time)
		set_int(fd, IPPROTO_TCP, TCP_KEEPIDLE, (uint32_t)sysctls->keepalive_time);
	if (sysctls->keepalive_intvl)
		set_int(fd, IPPROTO_TCP, TCP_KEEPINTVL, (uint32_t)sysctls->keepalive_intvl);
	if (sysctls->keepalive_probes)
		set_int(fd, IPPROTO_TCP, TCP_KEEPCNT, (uint32_t)sysctls->keepalive_probes);
}

/*
 * One destination always has the same slim port while that has room, so that the
 * kernel itself keeps virtual 4-tuples apart: also after a restart, hence no secret seed.
 * The first port is left to the peer channel. @home: it is that one.
 */
static unsigned int choose_port(struct peer *peer, const struct slim_endpoint *src,
				const struct slim_endpoint *dst, unsigned int attempt,
				bool *home)
{
	unsigned int first = peer_port_first(peer), last = peer_port_last(peer);
	unsigned int num = last - first;
	unsigned long hash;

	*home = true;
	/* (A peer that restarts with other ports changes the two one by one.) */
	if (last <= first)
		return 0;
	hash = hash_bytes(dst, sizeof(*dst),
			  hash_bytes(src->addr, 16, peer_host_id(peer_self())));
	for (unsigned int i = 0; i < num; i++) {
		unsigned int index = 1 + (unsigned int)((hash + attempt + i) % num);

		*home = !attempt && !i;
		if (__atomic_load_n(peer_port_fill(peer, index), __ATOMIC_RELAXED) <
		    OUTBOUND_FILL_MAX)
			return index;
	}
	return 1 + (unsigned int)((hash + attempt) % num);
}

/*
 * An IPv6 socket takes options of both families. But an application that has an IPv4 socket
 * can use only those, and an IPv4 socket is made and connected somewhat faster.
 */
static int choose_domain(const struct slim_connect *request, const struct in6_addr *host)
{
	if (host_domain == AF_INET || (request->domain == AF_INET && addr_is4(host)))
		return AF_INET;
	return AF_INET6;
}

/* What one attempt makes. */
struct attempt {
	struct container *container;
	struct peer *peer;
	struct slim_endpoint src, dst;	/* virtual */
	uint32_t dst_vni;		/* not the container's: there is no packet path */
	int domain, fd;
	uint16_t app_domain;		/* of the application's socket */
	uint64_t cookie;
	struct policy_verdict verdict;	/* its generation alone outlives the read section */
	struct limiting limiting;
	struct quota *quota;		/* where a place is taken and nobody sits yet; or NULL */
	struct ledger_entry *entry;
	bool plain;			/* connect first, then the preamble */
	bool connecting;		/* that is under way: the preamble is not sent yet */
};

/* A request that is answered when a handshake is over. */
struct pending {
	struct dial dial;
	struct channel *channel;	/* reference held */
	struct attempt attempt;
	uint32_t id, flags;
	struct rcu_head rcu;
};

static int open_socket(const struct attempt *attempt, const struct slim_connect *request)
{
	bool plain = attempt->plain;
	int flags = SOCK_STREAM | SOCK_CLOEXEC;
	int one = 1;
	int fd, err;

	if (guard_use() == GUARD_USE_REFUSE)
		return -ENOPROTOOPT;
	if (plain || request->flags & SLIM_CONNECT_NONBLOCK)
		flags |= SOCK_NONBLOCK;
	fd = socket(attempt->domain, flags, 0);
	if (fd < 0)
		return -errno;
	if (!plain &&
	    setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE, &one, sizeof(one)) < 0) {
		err = -errno;
		close(fd);
		return err;
	}
	set_sysctls(fd, &attempt->container->sysctls);
	if (request->options)
		set_asked(fd, request);
	shaping_mark(fd, attempt->container->id);
	shaping_apply(fd, attempt->verdict.rule);
	return fd;
}

/* Writes it to @bytes; its length or -errno */
static int seal(struct attempt *attempt, struct worker *worker, uint8_t *bytes)
{
	struct preamble fields = {
		.src_port = attempt->src.port,
		.dst_port = attempt->dst.port,
		.vni = attempt->dst_vni,
		.src_vni = attempt->container->vni,
	};

	memcpy(fields.src, attempt->src.addr, sizeof(fields.src));
	memcpy(fields.dst, attempt->dst.addr, sizeof(fields.dst));
	return peer_preamble_seal(attempt->peer, worker->mac, &fields, bytes);
}

/* Begins to connect. In the same call the preamble goes, or @attempt says that it does not. */
static int start(struct attempt *attempt, struct worker *worker, unsigned int index)
{
	uint16_t port = (uint16_t)(peer_port_first(attempt->peer) + index);
	struct slim_endpoint host = endpoint_make(peer_address(attempt->peer), port);
	struct sockaddr_storage to;
	socklen_t to_len = endpoint_to_sockaddr(&host, attempt->domain, &to);
	uint8_t bytes[PREAMBLE_MAX];
	int len = 0;

	attempt->connecting = attempt->plain;
	if (attempt->plain)
		return connect(attempt->fd, (struct sockaddr *)&to, to_len) < 0 &&
		       errno != EINPROGRESS ? -errno : 0;
	len = seal(attempt, worker, bytes);
	if (len < 0)
		return len;
	if (sendto(attempt->fd, bytes, (size_t)len, MSG_FASTOPEN | MSG_DONTWAIT | MSG_NOSIGNAL,
		   (struct sockaddr *)&to, to_len) >= 0)
		return 0;
	/* The kernel has sent a SYN without data, and kept nothing of it. */
	attempt->connecting = errno == EINPROGRESS;
	return attempt->connecting ? 0 : -errno;
}

/* The handshake is over: the preamble, before anybody else can write. */
static int finish(struct attempt *attempt, struct worker *worker, uint32_t flags)
{
	uint8_t bytes[PREAMBLE_MAX];
	int len = seal(attempt, worker, bytes);

	if (len < 0)
		return len;
	if (send(attempt->fd, bytes, (size_t)len, MSG_DONTWAIT | MSG_NOSIGNAL) != len)
		return -EIO;
	return fcntl(attempt->fd, F_SETFL, O_RDWR | (flags & SLIM_CONNECT_NONBLOCK ? O_NONBLOCK : 0)) < 0 ?
	       -errno : 0;
}

/*
 * At another than a destination's own slim port, the kernel gives out source ports that it
 * has given out at that one. So the virtual source port is one of our own there: each in its turn, since
 * the far side knows of a connection's end only seconds later. Connections that stay take up
 * long runs of ports, out of which ever longer steps lead.
 */
static void take_port(struct attempt *attempt)
{
	struct container *container = attempt->container;
	unsigned int next = __atomic_fetch_add(&container->source_port, 1, __ATOMIC_RELAXED);

	for (unsigned int i = 0; i < SOURCE_PORT_LOOKS; i++) {
		attempt->src.port = (uint16_t)(SOURCE_PORT_FIRST + next % SOURCE_PORT_NUM);
		if (!ledger_has(container->vni, &attempt->src, &attempt->dst))
			return;
		next += 1u << SOURCE_PORT_STEPS(i);
		__atomic_store_n(&container->source_port, next + 1, __ATOMIC_RELAXED);
	}
}

/* @local: its host address and port, NULL where they are not known yet */
static int enter(struct attempt *attempt, const struct slim_connect *request,
		 struct worker *worker, unsigned int index, const struct slim_endpoint *local)
{
	struct ledger_entry *entry;
	socklen_t len = sizeof(attempt->cookie);
	int err;

	if (getsockopt(attempt->fd, SOL_SOCKET, SO_COOKIE, &attempt->cookie, &len) < 0)
		return -errno;
	entry = calloc(1, sizeof(*entry));
	if (!entry)
		return -ENOMEM;
	entry->cookie = attempt->cookie;
	entry->vni = attempt->container->vni;
	entry->peer_vni = attempt->dst_vni;
	entry->container_id = attempt->container->id;
	entry->local = attempt->src;
	entry->peer = attempt->dst;
	entry->host_peer = endpoint_make(peer_address(attempt->peer),
					 (uint16_t)(peer_port_first(attempt->peer) + index));
	if (local) {
		entry->host_addr = endpoint_addr(local);
		entry->host_port = local->port;
	}
	if (attempt->quota)
		quota_sit(&entry->seat, attempt->quota);
	attempt->quota = NULL;
	entry->direction = LEDGER_OUT;
	entry->syn_data = !attempt->plain && !attempt->connecting;
	entry->domain = request->domain;
	entry->created_at = loop_now(worker->loop);
	entry->marked = true;
	entry->shaping = shaping_of(attempt->verdict.rule);
	entry->fill = peer_port_fill(attempt->peer, index);
	entry->fill_host = peer_host_id(attempt->peer);
	entry->fill_index = (uint16_t)index;
	attempt->entry = entry;
	err = ledger_add(entry);
	/* What was not in the ledger when its container was detached, nobody has aborted. */
	if (!err && container_is_dead(attempt->container)) {
		ledger_remove(entry);
		err = -ESHUTDOWN;
	}
	return err;
}

static int local_of(const struct attempt *attempt, struct slim_endpoint *local)
{
	struct sockaddr_storage name;
	socklen_t len = sizeof(name);

	if (getsockname(attempt->fd, (struct sockaddr *)&name, &len) < 0)
		return -errno;
	*local = endpoint_from_sockaddr((struct sockaddr *)&name);
	return 0;
}

/* The virtual source port is known: nothing is sent unless nobody has it. */
static int enter_and_send(struct attempt *attempt, const struct slim_connect *request,
			  struct worker *worker, unsigned int index)
{
	int err = enter(attempt, request, worker, index, NULL);
	struct slim_endpoint local;

	if (err)
		return err;
	err = start(attempt, worker, index);
	if (!err)
		err = local_of(attempt, &local);
	if (err)
		ledger_remove(attempt->entry);
	else
		ledger_set_local(attempt->entry, &local);
	return err;
}

/* It is the one that the kernel chooses. */
static int send_and_enter(struct attempt *attempt, const struct slim_connect *request,
			  struct worker *worker, unsigned int index)
{
	struct slim_endpoint local;
	int err = start(attempt, worker, index);

	if (!err)
		err = local_of(attempt, &local);
	if (err)
		return err;
	attempt->src.port = local.port;
	return enter(attempt, request, worker, index, &local);
}

static int try_socket(struct attempt *attempt, const struct slim_connect *request,
		    struct worker *worker, unsigned int number)
{
	bool home;
	unsigned int index = choose_port(attempt->peer, &attempt->src, &attempt->dst, number,
					 &home);
	int err;

	if (!attempt->src.port && !home)
		take_port(attempt);
	attempt->domain = choose_domain(request, peer_address(attempt->peer));
	attempt->fd = open_socket(attempt, request);
	if (attempt->fd < 0)
		return attempt->fd;
	if (attempt->src.port)
		err = enter_and_send(attempt, request, worker, index);
	else
		err = send_and_enter(attempt, request, worker, index);
	if (err)
		close(attempt->fd);
	return err;
}

/* With a place for it, where the rule that allows it has limits */
static int try_once(struct attempt *attempt, const struct slim_connect *request,
		    struct worker *worker, unsigned int number)
{
	int err = limiting_take(&attempt->limiting, &attempt->quota);

	if (err)
		return err;
	err = try_socket(attempt, request, worker, number);
	if (attempt->quota)
		quota_give(attempt->quota);
	attempt->quota = NULL;
	return err;
}

/* As try_once(); a kernel that sends no data in SYNs connects without. */
static int try_either(struct attempt *attempt, const struct slim_connect *request,
		      struct worker *worker, unsigned int number)
{
	struct slim_endpoint src = attempt->src;
	int err = try_once(attempt, request, worker, number);

	if (err != -EOPNOTSUPP || attempt->plain)
		return err;
	attempt->src = src;
	attempt->plain = true;
	return try_once(attempt, request, worker, number);
}

/* The source that the other end sees: what is bound, else the first address of that family. */
static int choose_source(const struct container *container, const struct slim_connect *request,
			 struct slim_endpoint *src)
{
	static const struct in6_addr any;
	struct in6_addr dst = endpoint_addr(&request->dst);
	struct in6_addr bound = endpoint_addr(&request->src);

	src->port = request->src.port;
	if (memcmp(&bound, &any, sizeof(any)) && !(addr_is4(&bound) && !addr_get4(&bound))) {
		if (!container_has_address(container, &bound) ||
		    addr_is4(&bound) != addr_is4(&dst))
			return -EADDRNOTAVAIL;
		memcpy(src->addr, &bound, sizeof(src->addr));
		return 0;
	}
	for (size_t i = 0; i < container->addresses_num; i++) {
		if (addr_is4(&container->addresses[i]) != addr_is4(&dst))
			continue;
		memcpy(src->addr, &container->addresses[i], sizeof(src->addr));
		return 0;
	}
	return -EADDRNOTAVAIL;
}

static struct ends ends_of(const struct attempt *attempt)
{
	return (struct ends){
		attempt->container->vni, attempt->dst_vni, attempt->src, attempt->dst,
	};
}

static bool crosses(const struct attempt *attempt)
{
	return attempt->dst_vni != attempt->container->vni;
}

/* Asked before anything is sent: false where policy denies it. (Provisionally: the packet path's rules know
 * what an earlier router knew.) @again: it was allowed, and counted, before */
static bool may_connect(struct attempt *attempt, bool again)
{
	const struct ends ends = ends_of(attempt);

	policy_ask_tcp(&ends, &attempt->verdict);
	if (attempt->verdict.provisional)
		return false;
	if (!again)
		policy_count(&attempt->verdict);
	if (!again || !attempt->verdict.allowed)
		denial_say(&attempt->verdict, &ends);
	return attempt->verdict.allowed;
}

static void say_limit(const struct attempt *attempt, int err)
{
	const struct ends ends = ends_of(attempt);

	counter_inc(connects_limited);
	denial_limit(&attempt->verdict, limiting_rule(&attempt->verdict, LEDGER_OUT), err, &ends);
}

/* Asked when it is in the ledger, where a sweep finds it from now on. 0, -EPERM, or limiting_is(). */
static int look_again(struct attempt *attempt)
{
	struct ledger_entry *entry;
	int err;

	if (!policy_is_stale(&attempt->verdict))
		return 0;
	if (!may_connect(attempt, true))
		return -EPERM;
	entry = ledger_find(attempt->cookie);
	err = entry ? limiting_follow_new(entry, &attempt->verdict) : 0;
	if (limiting_is(err))
		say_limit(attempt, err);
	return err;
}

/*
 * Who listens: 0, or -errno. From tenant to tenant even one whose queue is full: his router lets it wait
 * there.
 */
static int find_listener(const struct attempt *attempt, struct directory_listener *listener)
{
	struct in6_addr dst = endpoint_addr(&attempt->dst);
	uint64_t host;
	uint32_t id;

	if (!directory_find(attempt->dst_vni, &dst, attempt->dst.port, listener))
		return directory_whose(attempt->dst_vni, &dst, &host, &id) ? -ECONNREFUSED : -ENOENT;
	if (!crosses(attempt))
		return listener->busy ? -ENOENT : 0;
	return peer_knows_crossings(listener->peer) ? 0 : -EPROTONOSUPPORT;
}

/* 0 with @attempt filled in; anything else: answer_otherwise(). */
static int slim_path(struct channel *channel, const struct slim_connect *request,
		     struct attempt *attempt)
{
	struct container *container = channel->container;
	struct in6_addr dst = endpoint_addr(&request->dst);
	struct directory_listener listener;
	struct slim_endpoint src;
	int err;

	attempt->container = container;
	attempt->app_domain = request->domain;
	attempt->dst = request->dst;
	attempt->dst_vni = policy_crossing_to(container->vni, &dst);
	if (__atomic_load_n(&container->packet_only, __ATOMIC_RELAXED))
		return -EOPNOTSUPP;
	if (container_has_address(container, &dst))
		return -ELOOP;
	err = choose_source(container, request, &src);
	if (err)
		return err;
	attempt->src = src;
	if (!may_connect(attempt, false))
		return -EPERM;
	err = find_listener(attempt, &listener);
	if (err)
		return err;
	if (limit_has_all_connections(container))
		return -ENOSPC;
	limiting_out(&attempt->limiting, &attempt->verdict, container->vni, container->id);
	attempt->peer = listener.peer;
	attempt->plain = !syndata_ask(peer_syndata(attempt->peer),
				      loop_now(channel->worker->loop));
	/* The shim would not wait for that handshake. */
	if (attempt->plain && peer_rtt(attempt->peer) > OUTBOUND_DIAL * 1000)
		return -ETIMEDOUT;
	for (unsigned int i = 0; i < OUTBOUND_TRIES; i++) {
		attempt->src = src;
		err = try_either(attempt, request, channel->worker, i);
		/* All source ports to this slim port are in use: the next one has others. */
		if (err == -EADDRNOTAVAIL)
			continue;
		if (err != -EADDRINUSE)
			break;
		counter_inc(tuple_in_use);
		housekeeping_hurry();
		/* What the application has bound stays what it is; whoever had it before may be gone. */
		if (src.port && !ledger_reclaim(container->vni, &attempt->src, &attempt->dst))
			break;
	}
	if (limiting_is(err)) {
		say_limit(attempt, err);
	} else if (err) {
		counter_inc(connects_failed);
		if (log_limit_ok(&fail_limit))
			log_warning("container %s: cannot connect to host %s: %s%s", container->name,
				    peer_name(listener.peer), strerror(-err),
				    crosses(attempt) ? "" : "; it takes the packet path");
	}
	return err;
}

/* Its caller has given up, and connects another way. (A clock that was set says nothing.) */
static bool is_late(const struct slim_connect *request)
{
	struct timespec now;
	uint64_t age;

	clock_gettime(CLOCK_REALTIME_COARSE, &now);
	age = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000 - request->sent_at;
	return age >= SLIM_CHANNEL_DEADLINE && age < CLOCK_STEP;
}

static void answer_packet(struct channel *channel, uint32_t id)
{
	struct slim_connect_reply reply = {
		.generation = channel_generation(channel), .verdict = SLIM_VERDICT_PACKET,
	};

	counter_inc(connects_packet);
	if (channel_reply(channel, &reply, sizeof(reply), SLIM_FRAME_CONNECT_REPLY, id))
		channel_close(channel);
}

/* connect() fails with @error. */
static void answer_denied(struct channel *channel, uint32_t id, unsigned int error)
{
	struct slim_connect_reply reply = {
		.generation = channel_generation(channel),
		.verdict = SLIM_VERDICT_DENIED, .error = (uint16_t)error,
	};

	if (channel_reply(channel, &reply, sizeof(reply), SLIM_FRAME_CONNECT_REPLY, id))
		channel_close(channel);
}

/* No slim path, because of @err: what else, policy says. (@attempt has no container where nothing was asked.) */
static void answer_otherwise(struct channel *channel, uint32_t id, int err,
			     const struct attempt *attempt)
{
	bool denied = !attempt->verdict.allowed && !attempt->verdict.provisional;

	if (denied)
		counter_inc(connects_denied);
	if (denied || limiting_is(err))
		answer_denied(channel, id, EACCES);
	else if (attempt->container && crosses(attempt))
		answer_denied(channel, id, err == -ECONNREFUSED ? ECONNREFUSED : EHOSTUNREACH);
	else
		answer_packet(channel, id);
}

/* The last thing before the container has it: 0, or the guard's -errno. */
static int guarded(const struct attempt *attempt)
{
	const struct guard_seal asked = {
		.container = attempt->container->id,
		.vni = attempt->container->vni, .peer_vni = attempt->dst_vni,
		.local = attempt->src, .peer = attempt->dst,
		.domain = attempt->app_domain,
	};

	return guard_seal(attempt->fd, &asked);
}

static void hand_over(struct channel *channel, uint32_t id, const struct attempt *attempt)
{
	struct slim_connect_reply reply = {
		.generation = channel_generation(channel), .verdict = SLIM_VERDICT_SLIM,
		.cookie = attempt->cookie, .local = attempt->src, .peer = attempt->dst,
		.error = crosses(attempt) ? EHOSTUNREACH : 0,
	};

	if (channel_hand_over(channel, &reply, sizeof(reply), SLIM_FRAME_CONNECT_REPLY, id,
			      attempt->fd)) {
		close(attempt->fd);
		ledger_remove(attempt->entry);
		channel_close(channel);
		return;
	}
	counter_inc(connects_slim);
	housekeeping_set_up();
}

static void give_up(const struct attempt *attempt)
{
	struct ledger_entry *entry = ledger_find(attempt->cookie);

	close(attempt->fd);
	if (entry)
		ledger_remove(entry);
}

static void answer_slim(struct channel *channel, uint32_t id, const struct attempt *attempt)
{
	int err = guarded(attempt);

	if (!err) {
		hand_over(channel, id, attempt);
		return;
	}
	give_up(attempt);
	answer_otherwise(channel, id, err, attempt);
}

static void free_pending(struct rcu_head *head)
{
	free(caa_container_of(head, struct pending, rcu));
}

static void dialled(struct dial *dial, int err)
{
	struct pending *pending = caa_container_of(dial, struct pending, dial);
	struct channel *channel = pending->channel;
	int changed;

	channel_request_end(channel);
	changed = container_is_dead(channel->container) ? 0 : look_again(&pending->attempt);
	if (changed)
		err = changed;
	if (!err && (channel->closed || container_is_dead(channel->container)))
		err = -ESHUTDOWN;
	if (!err)
		err = finish(&pending->attempt, dial->worker, pending->flags);
	/* It may have left the ledger: its container was detached meanwhile. */
	pending->attempt.entry = ledger_find(pending->attempt.cookie);
	if (!err && !pending->attempt.entry)
		err = -ESHUTDOWN;
	if (err)
		give_up(&pending->attempt);
	if (err == -ETIMEDOUT)
		counter_inc(connects_late);
	if (!channel->closed && err)
		answer_otherwise(channel, pending->id, err, &pending->attempt);
	else if (!err)
		answer_slim(channel, pending->id, &pending->attempt);
	channel_put(channel);
	call_rcu(&pending->rcu, free_pending);
}

/* It is answered later. 0 or -errno. */
static int wait_for_it(struct channel *channel, const struct slim_connect *request,
		       const struct attempt *attempt)
{
	struct pending *pending = calloc(1, sizeof(*pending));
	int err;

	if (!pending)
		return -ENOMEM;
	pending->channel = channel;
	pending->attempt = *attempt;
	pending->id = request->frame.id;
	pending->flags = request->flags;
	err = dial_start(&pending->dial, channel->worker, attempt->fd, OUTBOUND_DIAL, dialled);
	if (err) {
		free(pending);
		return err;
	}
	channel_get(channel);
	channel_request_begin(channel);
	return 0;
}

void outbound_connect(struct channel *channel, const struct slim_connect *request)
{
	struct attempt attempt = { .fd = -1, .verdict.allowed = true };
	int err = -ETIMEDOUT;

	counter_inc(connects);
	if (is_late(request))
		counter_inc(connects_late);
	else
		err = slim_path(channel, request, &attempt);
	if (!err) {
		err = look_again(&attempt);
		if (err)
			give_up(&attempt);
	}
	if (err) {
		answer_otherwise(channel, request->frame.id, err, &attempt);
	} else if (!attempt.connecting) {
		answer_slim(channel, request->frame.id, &attempt);
	} else {
		err = wait_for_it(channel, request, &attempt);
		if (!err)
			return;
		give_up(&attempt);
		answer_otherwise(channel, request->frame.id, err, &attempt);
	}
}
