/* SPDX-License-Identifier: MIT */
/*
 * container.h - the attached containers
 *
 * Theory of operation: a container is made and taken out of the tables by the
 * control thread. Workers find it under the RCU read lock, or hold a reference
 * (channels, waiting connections). When it is detached, `dead` is set, every worker
 * drops what it holds, and the last reference frees it after a grace period; only then are
 * its pooled sockets closed, so that nothing of ours keeps its namespace alive.
 */
#ifndef CONTAINER_H
#define CONTAINER_H

#include <jansson.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdbool.h>
#include <sys/types.h>
#include <urcu.h>
#include <urcu/list.h>
#include <urcu/rculfhash.h>

#include "aborting.h"
#include "accept_pause.h"
#include "config.h"
#include "limit.h"
#include "listener.h"
#include "loop.h"
#include "packetpath.h"
#include "share.h"
#include "stray.h"

/* Idle ticket sockets kept per container and family */
#define CONTAINER_TICKETS	64

struct attach_record;
struct diag;
struct ticket;

/* The container's own defaults for new connections, where they differ from
 * the host's; 0: the same. In seconds and counts, as the options are. */
struct container_sysctls {
	int keepalive_time, keepalive_intvl, keepalive_probes, syn_retries;
};

/* Which path an operator wants a container's connections to take */
enum container_path {
	CONTAINER_PATH_AUTO,	/* slim, unless it has netfilter rules of its own */
	CONTAINER_PATH_SLIM,	/* slim, whatever rules it has */
	CONTAINER_PATH_PACKET,	/* it never gets a host socket */
	CONTAINER_PATH_NUM
};

struct container {
	uint32_t id;
	uint32_t vni;
	const struct config_tenant *tenant;
	const struct config_limits *limits;
	char name[CONFIG_NAME_MAX];
	struct in6_addr addresses[PACKETPATH_ADDRESSES];
	size_t addresses_num;
	struct packetpath_port port;
	struct container_sysctls sysctls;
	int netns_fd;
	uint32_t generation;		/* of what HELLO_REPLY says */
	enum container_path path;

	/* atomic */
	bool dead;
	bool packet_only;		/* by `path`, or for netfilter rules of its own */
	bool check_posted;		/* a look at its listeners is on its way */
	bool check_ending;		/* ... and another one is to follow it */
	unsigned int channels;		/* those that are being closed, too */
	unsigned int connections, pending, unadmitted, spliced;
	unsigned int awaiting_place;	/* of `unadmitted`: for a rule's limit */
	unsigned int ticket_port, source_port;
	uint64_t requests_due;		/* ns of CLOCK_MONOTONIC: paid for until then */
	struct limit_refusals refusals;
	struct ticket *tickets[2][CONTAINER_TICKETS];	/* idle; by family */

	struct share *shares;		/* of each worker, by its index; that worker only */

	/* Questions about its sockets; slow paths only. */
	pthread_mutex_t diag_lock;
	struct diag *diag;

	/* control thread */
	struct cds_list_head node;
	struct cds_list_head listeners;
	unsigned int listeners_num;
	struct listener_looks looks;
	struct loop_event channel_event;	/* the channel's listening socket */
	struct loop *channel_loop;
	struct accept_pause channel_pause;
	struct stray channel_stray;		/* that socket, where it cannot be drained */
	char *netns_path;
	dev_t netns_dev;
	ino_t netns_ino;
	struct loop_event pid_event;		/* pidfd, for /proc/PID paths; or -1 */
	json_t *labels;
	uint64_t attached_at;			/* ms */
	uint64_t swept_at;			/* ms */
	struct attach_record *record;		/* in the state file, or NULL */
	struct aborting aborting;

	unsigned long refs;
	struct cds_lfht_node id_node, name_node;
	struct rcu_head rcu;
};

/* One attached address, for look-ups by destination. */
struct container_address {
	struct container *container;
	uint32_t vni;
	struct in6_addr addr;
	struct cds_lfht_node node;
	struct rcu_head rcu;
};

/* "auto", "slim", "packet" */
const char *container_path_name(enum container_path path);
/* CONTAINER_PATH_NUM: there is none of that name. */
enum container_path container_path_by_name(const char *name);

/* @workers: how many there will be */
int containers_init(unsigned int workers);

/* --- any thread, under the read lock --- */
struct container *container_by_id(uint32_t id);
struct container *container_by_address(uint32_t vni, const struct in6_addr *addr);
bool container_has_address(const struct container *container, const struct in6_addr *addr);

/* All of them, at any moment meanwhile. */
void containers_each(void (*each)(struct container *container, void *data), void *data);

/* Takes a reference; false where the container is being freed. */
bool container_get(struct container *container);
void container_put(struct container *container);

/*
 * The container's diag socket, opened on first use; locked until container_diag_put(). NULL with
 * errno set.
 */
struct diag *container_diag_get(struct container *container);
void container_diag_put(struct container *container);

/* The same without waiting for those who have it: NULL with errno EBUSY. */
struct diag *container_diag_try(struct container *container);

/*
 * Something was entered in a table on the container's behalf: has it been detached meanwhile,
 * so that nobody may have seen that?
 */
bool container_is_dead(const struct container *container);

/* --- control thread --- */

/*
 * A new one, in no table, with one reference. Owns nothing yet. @id: 0, or the one that it had
 * before a restart. NULL: no memory.
 */
struct container *container_new(uint32_t id);
/* Into the tables. 0 or -EEXIST (an address is taken), -ENOMEM. */
int container_publish(struct container *container);
/* Out of the tables; marks it dead. */
void container_withdraw(struct container *container);

struct container *container_by_name(const char *name);
/* All published ones, by `node`. */
extern struct cds_list_head containers;
extern unsigned int containers_num;

#endif
