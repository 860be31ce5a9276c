/* SPDX-License-Identifier: MIT */
/*
 * attach.h - containers come and go
 *
 * Control thread only. Attaching makes the packet path, opens the channel and tells the
 * directory; whatever fails undoes what was done. Detaching undoes it all and aborts the
 * container's connections. A container whose namespace vanishes is detached by itself.
 */
#ifndef ATTACH_H
#define ATTACH_H

#include <jansson.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>

#include "config.h"
#include "container.h"
#include "loop.h"

/* What an operator asks for. */
struct attach_request {
	const char *name;
	const char *netns_path;		/* absolute; watched */
	int netns_fd;			/* owned by attach_container() from the call on, see there */
	const char *tenant;
	const char *ifname;		/* NULL: eth0 */
	struct in6_addr addresses[PACKETPATH_ADDRESSES];
	size_t addresses_num;
	enum container_path path;
	json_t *labels;			/* borrowed; object or NULL */
	bool last;			/* will not be asked again after EAGAIN */
};

int attach_init(const struct config *config, struct loop *control);

/*
 * Takes up the containers of an earlier router, as far as they are there. 0, or -errno where files
 * or memory are wanting: then all is left to another start.
 */
int attach_restore(void);

/*
 * For no router at all: the records of containers are dropped, and what was set inside their
 * namespaces is undone, where those are still to be found. 0, or -EBUSY: a router runs.
 */
int attach_forget_all(const struct config *config);

/* Will the next router find the containers again, so that they may be left as they are? */
bool attach_is_kept(void);

/* Lets go of all, or detaches them if they are not kept. */
void attach_exit(void);

/**
 * attach_container() - make it so
 * @error:	where the reason goes when it fails, for the operator
 *
 * Returns the container, or NULL with errno. EAGAIN: an address is a container's of another host, or
 * this router has just started and may not know yet that it is, and nothing else is wrong. News may
 * be on their way (directory_on_release()); @request->netns_fd is still the caller's.
 */
struct container *attach_container(const struct attach_request *request, char *error,
				   size_t size);

/* 0 or -ENOENT */
int detach_container(const char *name);

#endif
