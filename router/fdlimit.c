/* SPDX-License-Identifier: MIT */
/* fdlimit.c - how many files the router may have open */
#include "fdlimit.h"

#include <errno.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "log.h"

#define FDS_OWN		512	/* slim ports, peers, slimctl */
#define REMEDY		"raise the hard limit (LimitNOFILE; the sysctl fs.nr_open bounds it)"
#define FDS_CONTAINER	20	/* namespace, channels of a few processes, idle tickets */

/*
 * Whoever waits to be admitted has a host socket; to be claimed, a ticket as well; and then, perhaps,
 * two pipes.
 */
static unsigned long need_for(const struct config_limits *limits, unsigned long containers)
{
	return FDS_OWN + containers * FDS_CONTAINER + 2UL * limits->channels + limits->unadmitted +
	       2UL * limits->pending + 4UL * limits->spliced;
}

unsigned long fdlimit_need(const struct config_limits *limits)
{
	return need_for(limits, limits->containers);
}

unsigned long fdlimit_containers(const struct config_limits *limits)
{
	unsigned long none = need_for(limits, 0), limit = fdlimit_get();

	return limit > none ? (limit - none) / FDS_CONTAINER : 0;
}

unsigned long fdlimit_get(void)
{
	struct rlimit limit;

	return getrlimit(RLIMIT_NOFILE, &limit) < 0 ? 0 : limit.rlim_cur;
}

unsigned long fdlimit_used(void)
{
	struct stat st;

	return stat("/proc/self/fd", &st) < 0 ? 0 : (unsigned long)st.st_size;
}

/* 0 or -errno */
static int set(unsigned long soft, unsigned long hard)
{
	struct rlimit limit = { .rlim_cur = soft, .rlim_max = hard };

	return setrlimit(RLIMIT_NOFILE, &limit) < 0 ? -errno : 0;
}

void fdlimit_raise(const struct config *config)
{
	unsigned long need = fdlimit_need(&config->limits);
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	/* Whoever has CAP_SYS_RESOURCE may, up to the sysctl fs.nr_open. */
	if (limit.rlim_max >= need || set(need, need))
		(void)set(limit.rlim_max, limit.rlim_max);
	if (!fdlimit_containers(&config->limits))
		log_warning("the router may open %lu files, and one container at its limits can need "
			    "%lu: " REMEDY, fdlimit_get(), need_for(&config->limits, 1));
	else if (fdlimit_get() < need)
		log_info("the router may open %lu files: that is for %lu containers, one of them at "
			 "its limits", fdlimit_get(), fdlimit_containers(&config->limits));
}

void fdlimit_check(const struct config *config, unsigned long containers)
{
	static bool said;

	if (said || containers <= fdlimit_containers(&config->limits))
		return;
	said = true;
	log_warning("the router may open %lu files, and %lu containers, one of them at its limits, can "
		    "need %lu: " REMEDY, fdlimit_get(), containers,
		    need_for(&config->limits, containers));
}
