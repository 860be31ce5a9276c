/* SPDX-License-Identifier: MIT */
/* attach_state.c - the attached containers, for the router after this one */
#include "attach_state.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "inherited.h"
#include "statefile.h"

static const struct statefile_layout layout = {
	.name = "containers", .version = 1, .size = sizeof(struct attach_record),
	.max = 65536,
};

static struct statefile *file;

int attach_state_open(const char *directory)
{
	file = statefile_open(directory, &layout);
	return file ? 0 : -errno;
}

void attach_state_close(void)
{
	statefile_close(file);
	file = NULL;
}

struct each {
	void (*call)(struct attach_record *record, void *data);
	void *data;
};

static void each_record(void *data, void *arg)
{
	const struct each *each = arg;
	struct attach_record *record = data;

	/* Whole it is; but who knows what version wrote it. */
	record->name[sizeof(record->name) - 1] = '\0';
	record->netns_path[sizeof(record->netns_path) - 1] = '\0';
	record->labels[sizeof(record->labels) - 1] = '\0';
	if (record->port.addresses_num && record->port.addresses_num <= PACKETPATH_ADDRESSES)
		each->call(record, each->data);
	else
		statefile_drop(file, record);
}

void attach_state_each(void (*call)(struct attach_record *record, void *data), void *data)
{
	struct each each = { call, data };

	if (file)
		statefile_each(file, each_record, &each);
}

void attach_state_drop(struct attach_record *record)
{
	if (file)
		statefile_drop(file, record);
}

static int fill(struct attach_record *record, const struct container *container)
{
	char *labels = json_dumps(container->labels, JSON_COMPACT);
	int err = 0;

	if (!labels)
		return -ENOMEM;
	if (strlen(labels) >= sizeof(record->labels) ||
	    strlen(container->netns_path) >= sizeof(record->netns_path))
		err = -E2BIG;
	snprintf(record->labels, sizeof(record->labels), "%s", labels);
	free(labels);
	snprintf(record->netns_path, sizeof(record->netns_path), "%s", container->netns_path);
	snprintf(record->name, sizeof(record->name), "%s", container->name);
	record->id = container->id;
	record->vni = container->vni;
	record->attached_at = container->attached_at;
	record->netns_dev = container->netns_dev;
	record->netns_ino = container->netns_ino;
	record->netns_fd = container->netns_fd;
	record->channel_fd = container->channel_event.fd;
	record->channel_cookie = inherited_cookie(container->channel_event.fd);
	record->port = container->port;
	return err;
}

int attach_state_add(struct container *container)
{
	struct attach_record *old = container->record, *record;
	int err;

	if (!file)
		return 0;
	record = statefile_new(file);
	if (!record)
		return -errno;
	err = fill(record, container);
	if (err) {
		statefile_drop(file, record);
		return err;
	}
	statefile_commit(file, record);
	container->record = record;
	statefile_drop(file, old);
	return 0;
}
