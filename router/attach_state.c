/* SPDX-License-Identifier: MIT */
/* attach_state.c - the attached containers, for the router after this one */
#include "attach_state.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "inherited.h"
#include "statefile.h"

const struct statefile_layout attach_state_layout = {
	.name = "containers", .version = 2, .size = sizeof(struct attach_record),
	.max = 65536,
};

static struct statefile *file;

int attach_state_open(const char *directory)
{
	file = statefile_open(directory, &attach_state_layout);
	return file ? 0 : -errno;
}

bool attach_state_exists(const char *directory)
{
	char path[PATH_MAX];
	struct stat st;

	snprintf(path, sizeof(path), "%s/%s", directory, attach_state_layout.name);
	return lstat(path, &st) == 0 && (!S_ISREG(st.st_mode) || st.st_size);
}

void attach_state_close(void)
{
	statefile_close(file);
	file = NULL;
}

bool attach_state_is_open(void)
{
	return file != NULL;
}

struct all {
	struct attach_record **records;
	size_t num;
};

static void collect(void *data, void *arg)
{
	struct attach_record *record = data;
	struct all *all = arg;

	/* Whole it is; but who knows what version wrote it. */
	record->name[sizeof(record->name) - 1] = '\0';
	record->netns_path[sizeof(record->netns_path) - 1] = '\0';
	record->labels[sizeof(record->labels) - 1] = '\0';
	record->port.container_ifname[sizeof(record->port.container_ifname) - 1] = '\0';
	record->port.host_ifname[sizeof(record->port.host_ifname) - 1] = '\0';
	if (record->port.addresses_num && record->port.addresses_num <= PACKETPATH_ADDRESSES &&
	    record->path < CONTAINER_PATH_NUM)
		all->records[all->num++] = record;
	else
		statefile_drop(file, record);
}

static int by_id(const void *a, const void *b)
{
	const struct attach_record *first = *(struct attach_record *const *)a;
	const struct attach_record *second = *(struct attach_record *const *)b;

	return first->id < second->id ? -1 : first->id > second->id;
}

/* In the order in which they were attached. @each adds records, which are not to be met again. */
int attach_state_each(void (*each)(struct attach_record *record, void *data), void *data)
{
	struct all all = { 0 };

	if (!file)
		return 0;
	all.records = calloc(statefile_num(file) + 1, sizeof(struct attach_record *));
	if (!all.records)
		return -ENOMEM;
	statefile_each(file, collect, &all);
	qsort(all.records, all.num, sizeof(*all.records), by_id);
	for (size_t i = 0; i < all.num; i++)
		each(all.records[i], data);
	free(all.records);
	return 0;
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
	record->path = container->path;
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
	/* An earlier router's does: what is not as it says is found out, and made anew. */
	if (!record)
		return old ? 0 : -errno;
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
