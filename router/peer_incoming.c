/* SPDX-License-Identifier: MIT */
/*
 * peer_incoming.c - TLS clients that came to a slim port
 *
 * Theory of operation: workers push descriptors on a lock-free stack and post one task, which
 * takes them all. Until its HELLO a channel is on the list of handshakes, oldest first. The list
 * is short; when it is full the oldest one has to go, of those that do not come from a
 * configured address if there are any, else of the address that has most of them: whoever fills
 * the list can so neither keep a peer out by sitting in it, nor by coming again faster than a handshake takes.
 */
#include "peer_state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <urcu/wfstack.h>

#include "endpoint.h"

#define HANDSHAKES_MAX	64
#define POSTED_MAX	256	/* descriptors on their way from workers */

struct incoming {
	struct cds_wfs_node node;
	int fd;
};

static struct __cds_wfs_stack stack;
static struct loop_task task;
static bool posted;			/* atomic: the task is in the loop's queue */
static unsigned int posted_num;		/* atomic */

static struct cds_list_head handshakes;
static unsigned int handshakes_num;

/* How many handshakes are under way from there */
static unsigned int num_from(const struct in6_addr *addr)
{
	struct peer_channel *channel;
	unsigned int num = 0;

	cds_list_for_each_entry(channel, &handshakes, link)
		num += !memcmp(&channel->remote, addr, sizeof(*addr));
	return num;
}

static void make_room(void)
{
	struct peer_channel *channel, *victim = NULL;
	unsigned int most = 0;

	cds_list_for_each_entry(channel, &handshakes, link) {
		unsigned int num = num_from(&channel->remote);

		if (!peer_by_address(&channel->remote)) {
			victim = channel;
			break;
		}
		if (num <= most)
			continue;
		most = num;
		victim = channel;
	}
	if (!victim)
		return;
	peers_count(handshakes_crowded);
	peer_channel_close(victim, "too many handshakes are under way");
}

void peer_incoming_done(struct peer_channel *channel)
{
	if (!channel->client)
		handshakes_num--;
}

static int remote_addr(int fd, struct in6_addr *addr)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	struct slim_endpoint endpoint;

	if (getpeername(fd, (struct sockaddr *)&ss, &len) < 0)
		return -errno;
	if (ss.ss_family != AF_INET && ss.ss_family != AF_INET6)
		return -EAFNOSUPPORT;
	endpoint = endpoint_from_sockaddr((struct sockaddr *)&ss);
	*addr = endpoint_addr(&endpoint);
	return 0;
}

static void accept_fd(int fd)
{
	struct peer_channel *channel;
	struct in6_addr remote;

	if (remote_addr(fd, &remote) || fcntl(fd, F_SETFL, O_RDWR | O_NONBLOCK) < 0) {
		close(fd);
		return;
	}
	if (handshakes_num >= HANDSHAKES_MAX)
		make_room();
	channel = peer_channel_accept(peers.loop, peers.tls, fd, &remote);
	if (!channel)
		return;
	cds_list_add_tail(&channel->link, &handshakes);
	handshakes_num++;
}

static void take_all(void (*take)(int fd))
{
	struct cds_wfs_head *head = __cds_wfs_pop_all(&stack);
	struct cds_wfs_node *node, *next;

	cds_wfs_for_each_blocking_safe(head, node, next) {
		struct incoming *incoming = caa_container_of(node, struct incoming, node);

		take(incoming->fd);
		free(incoming);
		__atomic_fetch_sub(&posted_num, 1, __ATOMIC_RELAXED);
	}
}

static void task_run(struct loop_task *unused)
{
	(void)unused;
	/* First: what is pushed after the look at the stack must post again. */
	__atomic_store_n(&posted, false, __ATOMIC_SEQ_CST);
	take_all(accept_fd);
}

void peer_incoming(int fd)
{
	struct incoming *incoming = NULL;

	if (__atomic_fetch_add(&posted_num, 1, __ATOMIC_RELAXED) < POSTED_MAX)
		incoming = malloc(sizeof(*incoming));
	if (!incoming) {
		__atomic_fetch_sub(&posted_num, 1, __ATOMIC_RELAXED);
		close(fd);
		return;
	}
	incoming->fd = fd;
	cds_wfs_node_init(&incoming->node);
	cds_wfs_push(&stack, &incoming->node);
	if (!__atomic_exchange_n(&posted, true, __ATOMIC_SEQ_CST))
		loop_post(peers.loop, &task);
}

void peer_incoming_init(void)
{
	__cds_wfs_init(&stack);
	task.run = task_run;
	CDS_INIT_LIST_HEAD(&handshakes);
}

static void close_fd(int fd)
{
	close(fd);
}

void peer_incoming_exit(void)
{
	struct peer_channel *channel, *next;

	take_all(close_fd);
	cds_list_for_each_entry_safe(channel, next, &handshakes, link)
		peer_channel_close(channel, NULL);
}
