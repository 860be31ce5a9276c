/* SPDX-License-Identifier: MIT */
/* inflight.c - slim connections in the router's hands, for the router after this one */
#include "inflight.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
#include "statefile.h"

const struct statefile_layout inflight_layout = {
	.name = "inflight", .version = 2, .size = sizeof(struct inflight),
	.fixed = offsetof(struct inflight, phase), .max = 1u << 18,
};

static struct statefile *file;

int inflight_open(const char *directory)
{
	file = statefile_open(directory, &inflight_layout);
	return file ? 0 : -errno;
}

void inflight_close(void)
{
	statefile_close(file);
	file = NULL;
}

struct each {
	void (*call)(struct inflight *record, void *data);
	void *data;
};

static void each_record(void *data, void *arg)
{
	const struct each *each = arg;
	struct inflight *record = data;

	if (record->phase < INFLIGHT_PHASE_NUM && record->bytes_num <= PREAMBLE_MAX)
		each->call(record, each->data);
	else
		statefile_drop(file, record);
}

void inflight_each(void (*call)(struct inflight *record, void *data), void *data)
{
	struct each each = { call, data };

	if (file)
		statefile_each(file, each_record, &each);
}

struct inflight *inflight_new(const struct inflight *from)
{
	static struct log_limit limit = { .burst = 1 };
	struct inflight *record = file ? statefile_new(file) : NULL;

	if (file && !record && log_limit_ok(&limit))
		log_warning("the state file of connections under way: %s: a restart will reset "
			    "some", strerror(errno));
	if (!record)
		return NULL;
	*record = *from;
	record->phase = INFLIGHT_JUDGED;
	statefile_commit(file, record);
	return record;
}

void inflight_enter(struct inflight *record, enum inflight_phase phase)
{
	if (record)
		__atomic_store_n(&record->phase, phase, __ATOMIC_RELEASE);
}

void inflight_hand_over(struct inflight *record, int answer_fd, uint64_t answer_cookie)
{
	if (!record)
		return;
	record->answer_fd = answer_fd;
	record->answer_cookie = answer_cookie;
	inflight_enter(record, INFLIGHT_HANDED);
}

void inflight_drop(struct inflight *record)
{
	if (file)
		statefile_drop(file, record);
}

int inflight_pipes(const struct inflight *record)
{
	return record->phase == INFLIGHT_SPLICED ? INFLIGHT_PIPES : 0;
}

void inflight_close_pipes(const struct inflight *record)
{
	for (int i = 0; i < inflight_pipes(record); i++)
		if (record->pipes[i].fd >= 0)
			close(record->pipes[i].fd);
}
