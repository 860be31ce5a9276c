/* SPDX-License-Identifier: MIT */
/* fdlimit.c - how many files the router may have open */
#include "fdlimit.h"

#include <errno.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "log.h"

#define FDS_OWN		512	/* slim ports, peers, slimctl */
#define FDS_CONTAINER	20	/* namespace, channels of a few processes, idle tickets */

unsigned long fdlimit_need(const struct config_limits *limits)
{
	/* Whoever waits to be claimed has a host socket and a ticket, and then, perhaps, two pipes. */
	return FDS_OWN + (unsigned long)limits->containers * FDS_CONTAINER + 2UL * limits->channels +
	       2UL * limits->pending + 4UL * limits->spliced;
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
	if (fdlimit_get() < need)
		log_warning("the router may open %lu files, but %u containers can need %lu: raise "
			    "the hard limit (LimitNOFILE; the sysctl fs.nr_open bounds it) or lower "
			    "limits { containers }", fdlimit_get(), config->limits.containers, need);
}
