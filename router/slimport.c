/* SPDX-License-Identifier: MIT */
/*
 * slimport.c - the ports of this host that slim connections come to
 *
 * They take data in the SYN, from anybody (TCP_FASTOPEN_NO_COOKIE): the preamble's MAC and
 * sequence number are what a cookie would be for. They defer, so that a silent
 * stranger costs the kernel a little memory and the router nothing.
 */
#include "slimport.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <urcu/compiler.h>

#include "../include/slim/channel.h"
#include "accept_pause.h"
#include "endpoint.h"
#include "inbound.h"
#include "inherited.h"
#include "log.h"
#include "manager.h"
#include "worker.h"

#ifndef TCP_FASTOPEN_NO_COOKIE
#define TCP_FASTOPEN_NO_COOKIE	34
#endif

#define SLIMPORT_BACKLOG	4096
#define SLIMPORT_DEFER		5	/* seconds */
#define SLIMPORT_NAME		"slimport"	/* at the service manager */
#define SLIMPORT_MESSAGE	128		/* so many in a message to it */

/* One worker's watch on one port. */
struct slimport_watch {
	struct loop_event event;
	struct accept_pause pause;
	struct worker *worker;
	uint16_t port;
	bool peers;		/* the first port: peer channels come here */
};

static int *fds;
static unsigned int fds_num;
static uint16_t first_port;
static struct slimport_watch *watches;

static void accept_handle(struct loop_event *event, uint32_t events)
{
	struct slimport_watch *watch = caa_container_of(event, struct slimport_watch, event);
	struct sockaddr_storage peer;
	socklen_t len = sizeof(peer);
	struct slim_endpoint host_peer;
	/* Blocking, as applications expect of what accept() gives them. */
	int fd = accept4(event->fd, (struct sockaddr *)&peer, &len, SOCK_CLOEXEC);

	(void)events;
	if (fd < 0) {
		accept_pause(watch->worker->loop, &watch->pause, event,
			     EPOLLIN | EPOLLEXCLUSIVE, errno);
		return;
	}
	host_peer = endpoint_from_sockaddr((struct sockaddr *)&peer);
	inbound_start(watch->worker, fd, &host_peer, watch->port, watch->peers);
}

static int set_options(int fd)
{
	static const struct {
		int level, name, value;
	} options[] = {
		{ SOL_SOCKET, SO_REUSEADDR, 1 },
		{ SOL_SOCKET, SO_MARK, SLIM_SOCKET_MARK },
		{ IPPROTO_TCP, TCP_FASTOPEN, SLIMPORT_BACKLOG },
		{ IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE, 1 },
		{ IPPROTO_TCP, TCP_DEFER_ACCEPT, SLIMPORT_DEFER },
	};

	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		if (setsockopt(fd, options[i].level, options[i].name, &options[i].value,
			       sizeof(options[i].value)) < 0)
			return -errno;
	return 0;
}

static int bind_any(int fd, int domain, uint16_t port)
{
	struct sockaddr_in6 sin6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons(port) };
	int ret;

	if (domain == AF_INET6)
		ret = bind(fd, (struct sockaddr *)&sin6, sizeof(sin6));
	else
		ret = bind(fd, (struct sockaddr *)&sin, sizeof(sin));
	return ret < 0 ? -errno : 0;
}

static int open_port(uint16_t port)
{
	const int flags = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC;
	int domain = AF_INET6, zero = 0;
	int fd = socket(domain, flags, 0);
	int err;

	if (fd < 0 && errno == EAFNOSUPPORT) {
		domain = AF_INET;
		fd = socket(domain, flags, 0);
	}
	if (fd < 0)
		return -errno;
	if (domain == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof(zero));
	err = set_options(fd);
	if (!err)
		err = bind_any(fd, domain, port);
	if (!err && listen(fd, SLIMPORT_BACKLOG) < 0)
		err = -errno;
	if (!err)
		return fd;
	close(fd);
	return err;
}

/* An earlier router's, with whoever waits in its queue */
static bool take(const struct inherited_tcp *tcp, void *data)
{
	unsigned int num = *(const unsigned int *)data;
	unsigned int index = (unsigned int)(tcp->local.port - first_port);

	if (!tcp->listening || tcp->local.port < first_port || index >= num || fds[index] >= 0)
		return false;
	fds[index] = tcp->fd;
	return true;
}

/* Whoever opened it. Returns @fd, or -errno. */
static int adopt_port(int fd)
{
	int err = set_options(fd);

	if (!err && (fcntl(fd, F_SETFL, O_RDWR | O_NONBLOCK) < 0 ||
		     listen(fd, SLIMPORT_BACKLOG) < 0))
		err = -errno;
	if (!err)
		return fd;
	close(fd);
	return err;
}

/* They outlive even the keeper, where there is a service manager. */
static void store_all(void)
{
	manager_forget(SLIMPORT_NAME);
	for (unsigned int i = 0; i < fds_num; i += SLIMPORT_MESSAGE) {
		unsigned int left = fds_num - i;

		(void)manager_store(SLIMPORT_NAME, fds + i,
				    left < SLIMPORT_MESSAGE ? left : SLIMPORT_MESSAGE);
	}
}

int slimports_open(const struct config *config)
{
	unsigned int num = config->port_last - config->port_first + 1u;

	first_port = config->port_first;
	fds = calloc(num, sizeof(*fds));
	if (!fds)
		return -ENOMEM;
	for (unsigned int i = 0; i < num; i++)
		fds[i] = -1;
	inherited_each_tcp(take, &num);
	while (fds_num < num) {
		int fd = fds[fds_num] >= 0 ? adopt_port(fds[fds_num]) :
			 open_port((uint16_t)(first_port + fds_num));

		if (fd < 0) {
			log_error("cannot listen on slim port %u: %s%s", first_port + fds_num,
				  strerror(-fd), fd == -EADDRINUSE ?
				  "; is another slimrouter running here?" : "");
			return fd;
		}
		fds[fds_num++] = fd;
	}
	store_all();
	return 0;
}

static int watch_all(struct worker *worker, struct slimport_watch *watch)
{
	for (unsigned int i = 0; i < fds_num; i++, watch++) {
		int err;

		watch->event.fd = fds[i];
		watch->event.handle = accept_handle;
		watch->worker = worker;
		watch->port = (uint16_t)(first_port + i);
		watch->peers = i == 0;
		err = loop_add(worker->loop, &watch->event, EPOLLIN | EPOLLEXCLUSIVE);
		if (err)
			return err;
	}
	return 0;
}

int slimports_start(void)
{
	struct worker *worker;
	unsigned int num = 0;
	int err = 0;

	while (worker_at(num))
		num++;
	watches = calloc((size_t)num * fds_num, sizeof(*watches));
	if (!watches)
		return -ENOMEM;
	for (unsigned int i = 0; !err && (worker = worker_at(i)); i++)
		err = watch_all(worker, watches + (size_t)i * fds_num);
	return err;
}

void slimports_close(void)
{
	while (fds_num)
		close(fds[--fds_num]);
	free(fds);
	free(watches);
	fds = NULL;
	watches = NULL;
}
