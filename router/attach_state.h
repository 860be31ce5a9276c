/* SPDX-License-Identifier: MIT */
/*
 * attach_state.h - the attached containers, for the router after this one
 *
 * Control thread only.
 */
#ifndef ATTACH_STATE_H
#define ATTACH_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "config.h"
#include "container.h"
#include "packetpath.h"

struct statefile_layout;

/* Of its state file */
extern const struct statefile_layout attach_state_layout;

#define ATTACH_PATH_MAX		512
#define ATTACH_LABELS_MAX	4096

/* As it lies in the state file */
struct attach_record {
	uint32_t id, vni;
	uint64_t attached_at;
	uint64_t netns_dev, netns_ino;
	uint64_t channel_cookie;
	int32_t netns_fd, channel_fd;		/* for a router that inherits them */
	uint32_t path;				/* enum container_path */
	struct packetpath_port port;		/* its netns_fd does not count */
	char name[CONFIG_NAME_MAX];
	char netns_path[ATTACH_PATH_MAX];
	char labels[ATTACH_LABELS_MAX];		/* JSON */
};

/* Keeps records in @directory from now on. 0 or -errno (logged). */
int attach_state_open(const char *directory);
/* Is there anything of its name but an empty file, whether it can be opened or not? */
bool attach_state_exists(const char *directory);
/* They stay. */
void attach_state_close(void);
bool attach_state_is_open(void);

/* Calls back for what is there; @each keeps the record as a container's, or drops it. 0 or -ENOMEM */
int attach_state_each(void (*each)(struct attach_record *record, void *data), void *data);
void attach_state_drop(struct attach_record *record);

/* Records @container (container->record). 0; -E2BIG: its path or labels are too long; -ENOSPC. */
int attach_state_add(struct container *container);

#endif
