/* SPDX-License-Identifier: MIT */
/* privileges.c - what the router keeps of root's powers */
#include "privileges.h"

#include <cap-ng.h>
#include <errno.h>
#include <linux/capability.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <urcu.h>
#include <urcu/rculfhash.h>

#include "table.h"

static const unsigned int kept[] = {
	CAP_NET_ADMIN, CAP_SYS_ADMIN, CAP_SYS_RESOURCE,
};

#define KEPT_NUM	(sizeof(kept) / sizeof(kept[0]))

/* Not by libcap-ng: it would keep this process's id, and the keeper's child is another. */
bool privileges_suffice(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = { 0 };

	return !syscall(SYS_capget, &header, data) &&
	       (data[CAP_TO_INDEX(CAP_NET_ADMIN)].effective & CAP_TO_MASK(CAP_NET_ADMIN));
}

/* What we do not have (a confined host may withhold some), we cannot keep. */
int privileges_shed(void)
{
	bool have[KEPT_NUM];

	if (capng_get_caps_process())
		return -EPERM;
	for (size_t i = 0; i < KEPT_NUM; i++)
		have[i] = capng_have_capability(CAPNG_PERMITTED, kept[i]);
	capng_clear(CAPNG_SELECT_ALL);
	for (size_t i = 0; i < KEPT_NUM; i++)
		if (have[i] && capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED |
					    CAPNG_BOUNDING_SET, kept[i]))
			return -EINVAL;
	if (capng_apply(CAPNG_SELECT_ALL))
		return -EPERM;
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? -errno : 0;
}

/* liburcu makes them for the first table, and for the first callback; they end with the last table. */
static void *helpers_start(void *unused)
{
	/* Kept in view of who looks for leaks */
	static struct cds_lfht *table __attribute__((used));
	int err = privileges_shed();

	(void)unused;
	if (err)
		return (void *)(intptr_t)err;
	table = table_new();
	return (void *)(intptr_t)(table && get_default_call_rcu_data() ? 0 : -ENOMEM);
}

int privileges_spare_helpers(void)
{
	pthread_t thread;
	void *result;
	int err = pthread_create(&thread, NULL, helpers_start, NULL);

	if (err)
		return -err;
	pthread_join(thread, &result);
	return (int)(intptr_t)result;
}
