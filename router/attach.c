/* SPDX-License-Identifier: MIT */
/* attach.c - containers come and go */
#include "attach.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "aborting.h"
#include "attach_state.h"
#include "channel.h"
#include "directory.h"
#include "endpoint.h"
#include "enforcer_packet.h"
#include "enforcer_rates.h"
#include "fdlimit.h"
#include "inherited.h"
#include "keeper.h"
#include "listener.h"
#include "log.h"
#include "namespace.h"
#include "packetpath.h"
#include "packetpath_container.h"
#include "peer.h"
#include "policy_roll.h"
#include "state.h"
#include "tags.h"
#include "ticket.h"
#include "want.h"
#include "worker.h"

#define WATCH_MS		1000	/* between looks at the namespaces' paths */
#define LOOK_MS			5000	/* between looks into one container, at least */
#define LOOK_BATCH		64	/* such looks at a time */
#define DETACH_BATCH		64	/* at a time */
#define STARTING_MS		2000	/* in which peers may have to tell yet what they have */

static const struct config *config;
static struct loop *control;
static uint64_t started_at;
static struct loop_timer watch_timer;
static struct container_sysctls host_sysctls;

static void detach_several(struct container **which, size_t num, const char *why);
static void finish(void);

static void say(char *error, size_t size, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static void say(char *error, size_t size, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(error, size, fmt, args);
	va_end(args);
}

/* --- what a request asks for --- */

static bool name_is_good(const char *name)
{
	size_t len = strlen(name);

	if (!len || len >= CONFIG_NAME_MAX)
		return false;
	for (const char *c = name; *c; c++)
		if ((unsigned char)*c <= ' ' || (unsigned char)*c == 0x7f || *c == '/')
			return false;
	return true;
}

/* As the kernel has it (dev_valid_name()); it makes another name of one with a "%". */
static bool ifname_is_good(const char *name)
{
	size_t len = strlen(name);

	if (!len || len >= IFNAMSIZ || !strcmp(name, ".") || !strcmp(name, ".."))
		return false;
	return !name[strcspn(name, "%/: \t\n\v\f\r")];
}

/* Who has it on another host, or NULL */
static struct peer *owner_elsewhere(const struct config_tenant *tenant, const struct in6_addr *addr)
{
	struct peer *owner = directory_owner_of(tenant->vni, addr);

	return owner == peer_self() ? NULL : owner;
}

/*
 * Whoever has the address elsewhere would lose it. But one whose host is not there may have been
 * started again here.
 */
static int check_elsewhere(const struct attach_request *request,
			   const struct config_tenant *tenant, char *error, size_t size)
{
	char text[INET6_ADDRSTRLEN];

	for (size_t i = 0; i < request->addresses_num; i++) {
		const struct in6_addr *addr = &request->addresses[i];
		struct peer *owner = owner_elsewhere(tenant, addr);

		if (!owner || !peer_is_up(owner))
			continue;
		say(error, size, "address %s of tenant %s belongs to a container of host %s: detach "
		    "that one first", addr_format(addr, text, sizeof(text)), tenant->name,
		    peer_name(owner));
		return -EAGAIN;
	}
	if (request->last || loop_now(control) - started_at >= STARTING_MS || peers_are_complete())
		return 0;
	say(error, size, "the router has just started, and does not know yet who has which address");
	return -EAGAIN;
}

static void warn_elsewhere(const struct attach_request *request,
			   const struct config_tenant *tenant)
{
	char text[INET6_ADDRSTRLEN];

	for (size_t i = 0; i < request->addresses_num; i++) {
		const struct in6_addr *addr = &request->addresses[i];
		struct peer *owner = owner_elsewhere(tenant, addr);

		if (owner)
			log_warning("address %s of tenant %s was a container's of host %s, which is "
				    "not up: it is this host's now",
				    addr_format(addr, text, sizeof(text)), tenant->name,
				    peer_name(owner));
	}
}

static int check_addresses(const struct attach_request *request,
			   const struct config_tenant *tenant, char *error, size_t size)
{
	char text[INET6_ADDRSTRLEN];

	if (!request->addresses_num) {
		say(error, size, "no address was given: name at least one with --ip");
		return -EINVAL;
	}
	for (size_t i = 0; i < request->addresses_num; i++) {
		const struct in6_addr *addr = &request->addresses[i];
		struct container *owner;

		addr_format(addr, text, sizeof(text));
		if (!config_tenant_covers(tenant, addr)) {
			say(error, size, "address %s lies in none of tenant %s's prefixes", text,
			    tenant->name);
			return -EINVAL;
		}
		for (size_t j = 0; j < i; j++)
			if (!memcmp(addr, &request->addresses[j], sizeof(*addr))) {
				say(error, size, "address %s was given twice", text);
				return -EINVAL;
			}
		owner = container_by_address(tenant->vni, addr);
		if (owner) {
			say(error, size, "address %s belongs to container %s already", text,
			    owner->name);
			return -EEXIST;
		}
	}
	return 0;
}

static int check_labels(const struct attach_request *request, char *error, size_t size)
{
	struct tags *tags = tags_make(request->name, request->labels);

	if (!tags)
		say(error, size, errno == EINVAL ?
		    "labels are 64 at most, their keys and values 63 bytes each and printable" :
		    "out of memory");
	free(tags);
	return tags ? 0 : -EINVAL;
}

static const struct config_tenant *check(const struct attach_request *request, char *error,
					 size_t size)
{
	const struct config_tenant *tenant;

	if (!name_is_good(request->name)) {
		say(error, size, "a container's name has 1 to %d characters, without blanks "
		    "and slashes", CONFIG_NAME_MAX - 1);
		return NULL;
	}
	if (container_by_name(request->name)) {
		say(error, size, "a container named %s is attached already; detach it first",
		    request->name);
		return NULL;
	}
	if (containers_num >= config->limits.containers) {
		say(error, size, "%u containers are attached, which is the limit "
		    "(limits { containers }) in the configuration", containers_num);
		return NULL;
	}
	if (request->ifname && !ifname_is_good(request->ifname)) {
		say(error, size, "a device's name has 1 to %d bytes, without blanks, colons, slashes "
		    "and percent signs", IFNAMSIZ - 1);
		return NULL;
	}
	tenant = config_tenant_by_name(config, request->tenant);
	if (!tenant) {
		say(error, size, "there is no tenant %s in the configuration", request->tenant);
		return NULL;
	}
	if (check_labels(request, error, size))
		return NULL;
	return check_addresses(request, tenant, error, size) ? NULL : tenant;
}

/* --- the namespace --- */

/* The same namespace under another name would have two channels of one name. */
static struct container *same_namespace(const struct stat *st)
{
	struct container *other;

	cds_list_for_each_entry(other, &containers, node)
		if (other->netns_dev == st->st_dev && other->netns_ino == st->st_ino)
			return other;
	return NULL;
}

/* /proc/PID/ns/net, of a process or a thread, or /proc/PID/fd/N: it is what keeps the namespace. */
static bool names_process(const char *path, int *pid)
{
	static const char *const forms[] = {
		"/proc/%d/ns/net%n", "/proc/%d/task/%*d/ns/net%n", "/proc/%d/fd/%*d%n",
	};

	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		int end = 0;

		if (sscanf(path, forms[i], pid, &end) == 1 && end && !path[end])
			return true;
	}
	return false;
}

static int check_namespace(const struct attach_request *request, struct stat *st, char *error,
			   size_t size)
{
	struct container *other;
	struct stat own;
	int pid;

	/* Whoever has shed root's powers cannot look there any more. */
	if (!strncmp(request->netns_path, "/proc/", 6) && !names_process(request->netns_path, &pid)) {
		say(error, size, "%s cannot be watched: name it as it is outside of /proc, or as "
		    "/proc/PID/ns/net", request->netns_path);
		return -EINVAL;
	}
	if (fstat(request->netns_fd, st) < 0 || namespace_enter(request->netns_fd)) {
		say(error, size, "%s is not a network namespace", request->netns_path);
		return -EINVAL;
	}
	namespace_leave();
	if (stat("/proc/self/ns/net", &own) == 0 && own.st_dev == st->st_dev &&
	    own.st_ino == st->st_ino) {
		say(error, size, "%s is the host's own network namespace", request->netns_path);
		return -EINVAL;
	}
	other = same_namespace(st);
	if (other) {
		say(error, size, "that namespace is attached already, as container %s",
		    other->name);
		return -EEXIST;
	}
	return 0;
}

static int socket_default(int fd, int option)
{
	socklen_t len = sizeof(int);
	int value;

	return getsockopt(fd, IPPROTO_TCP, option, &value, &len) < 0 ? 0 : value;
}

/*
 * What a new socket there has is what its sysctls say. Opening these would take the longer
 * the more namespaces there are: files of one name lie in one chain of the kernel's cache.
 */
static void read_sysctls(int fd, struct container_sysctls *out)
{
	out->keepalive_time = socket_default(fd, TCP_KEEPIDLE);
	out->keepalive_intvl = socket_default(fd, TCP_KEEPINTVL);
	out->keepalive_probes = socket_default(fd, TCP_KEEPCNT);
	out->syn_retries = socket_default(fd, TCP_SYNCNT);
	close(fd);
}

static void keep_different(struct container_sysctls *own, const struct container_sysctls *host)
{
	if (own->keepalive_time == host->keepalive_time)
		own->keepalive_time = 0;
	if (own->keepalive_intvl == host->keepalive_intvl)
		own->keepalive_intvl = 0;
	if (own->keepalive_probes == host->keepalive_probes)
		own->keepalive_probes = 0;
	if (own->syn_retries == host->syn_retries)
		own->syn_retries = 0;
}

static void unwatch_pid(struct container *container)
{
	if (container->pid_event.fd < 0)
		return;
	loop_remove(control, &container->pid_event);
	close(container->pid_event.fd);
	container->pid_event.fd = -1;
}

/* It is found to have vanished: when a thousand end at once, they must not all go at once. */
static void pid_handle(struct loop_event *event, uint32_t events)
{
	(void)events;
	if (event->fd < 0)
		return;		/* detached earlier in this batch */
	unwatch_pid(caa_container_of(event, struct container, pid_event));
	loop_timer_set(control, &watch_timer, 0);
}

static void watch_pid(struct container *container)
{
	int pid, fd;

	if (!names_process(container->netns_path, &pid))
		return;
	fd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (fd < 0)
		return;
	container->pid_event.fd = fd;
	container->pid_event.handle = pid_handle;
	if (loop_add(control, &container->pid_event, EPOLLIN)) {
		close(fd);
		container->pid_event.fd = -1;
	}
}

static void look_at_netfilter(struct container *container)
{
	bool packet_only;
	int rules;

	if (container->path != CONTAINER_PATH_AUTO)
		return;
	rules = packetpath_netfilter_probe(container->netns_fd);
	packet_only = rules > 0;
	if (rules < 0 || packet_only == container->packet_only)
		return;
	__atomic_store_n(&container->packet_only, packet_only, __ATOMIC_RELAXED);
	listener_follow_path(container);
	log_info("container %s has %s: its new connections take the %s path", container->name,
		 packet_only ? "netfilter rules of its own" : "no netfilter rules any more",
		 packet_only ? "packet" : "slim");
}

static bool has_vanished(const struct container *container)
{
	struct stat st;

	if (container->pid_event.fd >= 0)
		return false;		/* its process will tell */
	if (stat(container->netns_path, &st) < 0)
		return errno == ENOENT || errno == ENOTDIR;
	return st.st_dev != container->netns_dev || st.st_ino != container->netns_ino;
}

static void look_into(struct container *container)
{
	container->swept_at = loop_now(control);
	look_at_netfilter(container);
	listener_sweep(container);
	tickets_trim(container);
}

/*
 * Into some of them, and the next time into those that come after: new ones are at the end
 * of the list, in the order of their ids.
 */
static void look_into_some(void)
{
	static uint32_t last;
	struct container *container;
	unsigned int looks = 0;

	cds_list_for_each_entry(container, &containers, node) {
		if (container->id <= last || loop_now(control) - container->swept_at < LOOK_MS)
			continue;
		look_into(container);
		if (++looks < LOOK_BATCH)
			continue;
		last = container->id;
		return;
	}
	last = 0;
}

static size_t find_vanished(struct container *found[DETACH_BATCH])
{
	struct container *container;
	size_t num = 0;

	cds_list_for_each_entry(container, &containers, node)
		if (num < DETACH_BATCH && has_vanished(container))
			found[num++] = container;
	return num;
}

static void watch_handle(struct loop_timer *timer)
{
	struct container *vanished[DETACH_BATCH];
	size_t num = find_vanished(vanished);

	detach_several(vanished, num, "its process ended, or its namespace vanished");
	if (num < DETACH_BATCH)
		look_into_some();
	finish();
	if (containers_num || packetpath_is_unfinished())
		loop_timer_set(control, timer, num < DETACH_BATCH ? WATCH_MS : 1);
}

/* --- attach and detach --- */

/* @id: 0, or the one that it had */
static struct container *make(const struct attach_request *request,
			      const struct config_tenant *tenant, const struct stat *st,
			      uint32_t id)
{
	const char *ifname = request->ifname ? request->ifname : "eth0";
	struct container *container = container_new(id);

	if (!container) {
		close(request->netns_fd);
		return NULL;
	}
	snprintf(container->name, sizeof(container->name), "%s", request->name);
	container->tenant = tenant;
	container->path = request->path;
	container->packet_only = request->path == CONTAINER_PATH_PACKET;
	container->limits = &config->limits;
	container->vni = tenant->vni;
	container->netns_fd = request->netns_fd;
	container->netns_dev = st->st_dev;
	container->netns_ino = st->st_ino;
	container->netns_path = strdup(request->netns_path);
	container->labels = request->labels ? json_deep_copy(request->labels) : json_object();
	container->addresses_num = request->addresses_num;
	memcpy(container->addresses, request->addresses, sizeof(container->addresses));
	container->port.vni = tenant->vni;
	container->port.netns_fd = container->netns_fd;
	container->port.addresses_num = request->addresses_num;
	memcpy(container->port.addresses, request->addresses, sizeof(container->port.addresses));
	snprintf(container->port.container_ifname, sizeof(container->port.container_ifname),
		 "%s", ifname);
	container->attached_at = loop_now(control);
	read_sysctls(namespace_socket(container->netns_fd, AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0),
		     &container->sysctls);
	keep_different(&container->sysctls, &host_sysctls);
	if (container->netns_path && container->labels)
		return container;
	container_put(container);
	return NULL;
}

static void replay_remotes(uint32_t vni)
{
	if (packetpath_remotes_missing(vni))
		directory_replay(vni);
}

/* Memory or files are wanting for an earlier router's container: the next start finds all as it is. */
static bool is_for_later(const struct attach_record *restored, int err)
{
	return restored && want_is(err);
}

/* The packet path and the channel's socket, new or an earlier router's */
static int connect_host(struct container *container, const struct attach_record *restored,
			const char **what)
{
	int err = -ENODEV, fd = -1;

	*what = "make its packet path";
	if (restored)
		err = packetpath_adopt(container->tenant, &container->port);
	if (err == -ENODEV)
		err = packetpath_attach(container->tenant, &container->port);
	if (err)
		return err;
	*what = "open its channel";
	if (restored)
		fd = inherited_take(restored->channel_fd, restored->channel_cookie);
	if (fd >= 0)
		err = channel_adopt(container, control, fd);
	else
		err = channel_listen(container, control);
	if (err && !is_for_later(restored, err))
		packetpath_detach(container->tenant, &container->port);
	return err;
}

static int tag(const struct container *container)
{
	struct tags *tags = tags_make(container->name, container->labels);

	if (!tags)
		return -errno;
	directory_container_tag(container->vni, container->id, tags);
	return 0;
}

static int connect_all(struct container *container, const struct attach_record *restored,
		       const char **what)
{
	int err = connect_host(container, restored, what);

	if (err)
		return err;
	*what = "record it";
	err = attach_state_add(container);
	if (is_for_later(restored, err))
		return err;
	if (err)
		goto close_channel;
	*what = "enter it into the tables";
	err = container_publish(container);
	if (err)
		goto drop_record;
	*what = "tell the directory";
	err = tag(container);
	if (err)
		goto withdraw;
	err = directory_container_add(container->vni, container->id, container->port.mac,
				      container->addresses, container->addresses_num);
	if (err)
		goto withdraw;
	replay_remotes(container->vni);
	policy_roll_settle();
	enforcer_packet_attached(container->vni);
	enforcer_rates_follow();
	return 0;

withdraw:
	container_withdraw(container);
drop_record:
	if (is_for_later(restored, err))
		return err;
	attach_state_drop(container->record);
	container->record = NULL;
close_channel:
	channel_unlisten(container, control);
	packetpath_detach(container->tenant, &container->port);
	return err;
}

/* Of containers that are no more, also of those that were never recorded */
static void sweep(void)
{
	const char **kept = calloc(containers_num + 1, sizeof(*kept));
	struct container *container;
	size_t num = 0;

	if (!kept)
		return;
	cds_list_for_each_entry(container, &containers, node)
		kept[num++] = container->port.host_ifname;
	packetpath_sweep(kept, num);
	free(kept);
}

/* What the packet path had no memory for */
static void finish(void)
{
	struct container *container;

	if (!packetpath_is_unfinished())
		return;
	sweep();
	cds_list_for_each_entry(container, &containers, node)
		replay_remotes(container->vni);
}

static void watch_on(void)
{
	if (!watch_timer.expires)
		loop_timer_set(control, &watch_timer, WATCH_MS);
}

static void watch(struct container *container)
{
	watch_pid(container);
	container->swept_at = loop_now(control);
	look_at_netfilter(container);
	fdlimit_check(config, containers_num);
	watch_on();
}

static void say_why(char *error, size_t size, const struct container *container,
		    const char *what, int err)
{
	if (err == -EXFULL)
		say(error, size, "cannot attach %s: tenant %s has as many containers on this host "
		    "as a Linux bridge has room for (%d); attach it on another host",
		    container->name, container->tenant->name, PACKETPATH_TENANT_PORTS);
	else if (*log_error_first())
		say(error, size, "cannot attach %s: %s", container->name, log_error_first());
	else
		say(error, size, "cannot attach %s: could not %s: %s", container->name, what,
		    strerror(-err));
}

/* @request is good. */
static struct container *attach_new(const struct attach_request *request,
				    const struct config_tenant *tenant, const struct stat *st,
				    char *error, size_t size)
{
	struct container *container = make(request, tenant, st, 0);
	const char *what = NULL;
	int err;

	if (!container) {
		say(error, size, "out of memory");
		errno = ENOMEM;
		return NULL;
	}
	finish();
	log_error_forget();
	err = connect_all(container, NULL, &what);
	if (err) {
		say_why(error, size, container, what, err);
		container_put(container);
		watch_on();
		errno = err == -EAGAIN ? EBUSY : -err;
		return NULL;
	}
	watch(container);
	log_info("container %s attached to tenant %s", container->name, tenant->name);
	return container;
}

struct container *attach_container(const struct attach_request *request, char *error,
				   size_t size)
{
	const struct config_tenant *tenant = check(request, error, size);
	struct stat st;

	if (!tenant || check_namespace(request, &st, error, size)) {
		close(request->netns_fd);
		errno = EINVAL;
		return NULL;
	}
	if (check_elsewhere(request, tenant, error, size)) {
		errno = EAGAIN;
		return NULL;
	}
	warn_elsewhere(request, tenant);
	return attach_new(request, tenant, &st, error, size);
}

static void take_out(struct container *container, const char *why)
{
	log_info("container %s detached: %s", container->name, why);
	unwatch_pid(container);
	channel_unlisten(container, control);
	listener_withdraw_all(container);
	directory_container_remove(container->vni, container->id);
	container_withdraw(container);
	workers_drop_container(container);
	packetpath_detach(container->tenant, &container->port);
	attach_state_drop(container->record);
	container->record = NULL;
	replay_remotes(container->vni);
	enforcer_packet_follow();
	enforcer_rates_follow();
}

static void detach(struct container *container, const char *why)
{
	take_out(container, why);
	aborting_start(container, control);
	container_put(container);
}

/* A single one's device goes with it all the same. */
static void take_out_several(struct container **which, size_t num, const char *why)
{
	for (size_t i = 0; num > 1 && i < num; i++)
		packetpath_leaving(&which[i]->port);
	if (num > 1)
		packetpath_leave();
	for (size_t i = 0; i < num; i++)
		take_out(which[i], why);
}

static void detach_several(struct container **which, size_t num, const char *why)
{
	take_out_several(which, num, why);
	for (size_t i = 0; i < num; i++) {
		aborting_start(which[i], control);
		container_put(which[i]);
	}
}

int detach_container(const char *name)
{
	struct container *container = container_by_name(name);

	if (!container)
		return -ENOENT;
	detach(container, "asked to");
	return 0;
}

int attach_init(const struct config *from, struct loop *loop)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	config = from;
	control = loop;
	started_at = loop_now(loop);
	watch_timer.handle = watch_handle;
	if (fd < 0)
		return -errno;
	read_sysctls(fd, &host_sysctls);
	return 0;
}

/* --- after a restart --- */

/* Its namespace: open still, or where it was. -errno; -ENOENT: it is gone. */
static int namespace_again(const struct attach_record *record, struct stat *st)
{
	int fd = record->netns_fd;

	if (!inherited_take_file(fd, record->netns_dev, record->netns_ino))
		fd = open(record->netns_path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fstat(fd, st) == 0 && st->st_dev == record->netns_dev &&
	    st->st_ino == record->netns_ino)
		return fd;
	close(fd);
	return -ENOENT;
}

static struct container *make_again(const struct attach_record *record,
				    const struct config_tenant *tenant, int netns_fd,
				    const struct stat *st)
{
	struct attach_request request = {
		.name = record->name, .netns_path = record->netns_path, .netns_fd = netns_fd,
		.tenant = tenant->name, .ifname = record->port.container_ifname,
		.addresses_num = record->port.addresses_num, .path = record->path,
		.labels = json_loads(record->labels, 0, NULL),
	};
	struct container *container;

	memcpy(request.addresses, record->port.addresses, sizeof(request.addresses));
	container = make(&request, tenant, st, record->id);
	json_decref(request.labels);
	if (!container)
		return NULL;
	container->port = record->port;
	container->port.netns_fd = netns_fd;
	container->attached_at = record->attached_at;
	return container;
}

struct restored {
	unsigned int num;
	int err;			/* files or memory are wanting */
};

static void restore(struct attach_record *record, void *data)
{
	struct restored *restored = data;
	const struct config_tenant *tenant = config_tenant_by_vni(config, record->vni);
	const char *what = "find its tenant in the configuration";
	struct container *container = NULL;
	struct stat st;
	int err = -ENOENT, fd = -1;

	if (restored->err)
		return;
	keeper_progress();
	if (tenant) {
		what = "find its namespace";
		fd = namespace_again(record, &st);
		err = fd < 0 ? fd : 0;
	}
	if (fd >= 0) {
		what = "make it";
		container = make_again(record, tenant, fd, &st);
		err = container ? 0 : -ENOMEM;
	}
	if (container) {
		container->record = record;
		err = connect_all(container, record, &what);
	}
	if (!err) {
		watch(container);
		restored->num++;
		return;
	}
	if (want_is(err)) {
		log_error("container %s: cannot %s: %s", record->name, what, strerror(-err));
		restored->err = err;
		return;
	}
	log_warning("container %s is not attached any more: could not %s", record->name, what);
	packetpath_forget(&record->port);
	if (!container || container->record)
		attach_state_drop(record);
	if (container)
		container_put(container);
}

int attach_restore(void)
{
	struct restored restored = { 0 };
	int err;

	if (!state_directory())
		return 0;
	err = attach_state_open(state_directory());
	/* Nobody can tell then whose the devices are. */
	if (err && attach_state_exists(state_directory())) {
		log_error("the containers' state file is there and cannot be used: mend that, or remove it "
			  "to begin without containers");
		return err;
	}
	if (!err)
		err = attach_state_each(restore, &restored);
	if (!err)
		err = restored.err;
	if (want_is(err))
		return err;
	/* Devices of containers that nobody knows would be in the way of those same containers. */
	sweep();
	if (restored.num)
		log_info("%u containers that were attached before are attached", restored.num);
	return 0;
}

static void forget(struct attach_record *record, void *unused)
{
	struct packetpath_port port = record->port;
	struct stat st;
	int fd = namespace_again(record, &st);

	(void)unused;
	if (fd >= 0) {
		port.netns_fd = fd;
		packetpath_container_clean(&port);
		close(fd);
	}
	log_info("container %s is not attached any more", record->name);
	attach_state_drop(record);
}

int attach_forget_all(const struct config *from)
{
	int err;

	config = from;
	if (!state_directory())
		return 0;
	err = attach_state_open(state_directory());
	if (err)
		return err;
	err = attach_state_each(forget, NULL);
	attach_state_close();
	return err;
}

bool attach_is_kept(void)
{
	return attach_state_is_open();
}

/* Established connections and the packet path go on without a router. */
static void leave(struct container *container)
{
	unwatch_pid(container);
	channel_unlisten(container, control);
	listener_withdraw_all(container);
	directory_container_remove(container->vni, container->id);
	container_withdraw(container);
	workers_drop_container(container);
}

void attach_exit(void)
{
	bool keep = attach_is_kept();

	if (keep)
		listeners_keep();
	while (containers_num) {
		struct container *some[DETACH_BATCH], *container;
		size_t num = 0;

		cds_list_for_each_entry(container, &containers, node)
			if (num < DETACH_BATCH)
				some[num++] = container;
		if (!keep)
			take_out_several(some, num, "the router stops");
		for (size_t i = 0; i < num; i++) {
			if (keep)
				leave(some[i]);
			container_put(some[i]);
		}
	}
	loop_timer_clear(control, &watch_timer);
	attach_state_close();
}
