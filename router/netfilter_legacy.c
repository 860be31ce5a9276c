/* SPDX-License-Identifier: MIT */
/*
 * netfilter_legacy.c - does a network namespace have rules of the older iptables?
 *
 * A table is an array of entries of varying length. Each hook's chain starts at
 * hook_entry and ends at underflow, whose entry is the policy. The array comes from the
 * kernel, which has checked offsets and targets when it was loaded.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netfilter_ipv4/ip_tables.h>
#include <linux/netfilter_ipv6/ip6_tables.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "netfilter_probe.h"

#define ENTRIES_MAX	4096	/* who has more, has rules */

_Static_assert(sizeof(struct ipt_getinfo) == sizeof(struct ip6t_getinfo),
	       "one reader for both families");

struct family {
	int domain, level;
	int get_info, get_entries;
	const char *names;		/* the tables in use */
	size_t header;			/* before the entries */
	bool (*loopback_only)(const void *entry);
	size_t (*next)(const void *entry);
	size_t (*target)(const void *entry);
};

static bool is_lo(const char *name, uint8_t inverted)
{
	return !strcmp(name, "lo") && !inverted;
}

static bool is_loopback4(const struct in_addr *addr, const struct in_addr *mask)
{
	return ntohl(mask->s_addr) >> 24 == 0xff && ntohl(addr->s_addr) >> 24 == 127;
}

static bool loopback_only4(const void *data)
{
	const struct ipt_ip *ip = &((const struct ipt_entry *)data)->ip;

	return is_lo(ip->iniface, ip->invflags & IPT_INV_VIA_IN) ||
	       is_lo(ip->outiface, ip->invflags & IPT_INV_VIA_OUT) ||
	       (is_loopback4(&ip->src, &ip->smsk) && !(ip->invflags & IPT_INV_SRCIP)) ||
	       (is_loopback4(&ip->dst, &ip->dmsk) && !(ip->invflags & IPT_INV_DSTIP));
}

static size_t next4(const void *entry)
{
	return ((const struct ipt_entry *)entry)->next_offset;
}

static size_t target4(const void *entry)
{
	return ((const struct ipt_entry *)entry)->target_offset;
}

static bool is_loopback6(const struct in6_addr *addr, const struct in6_addr *mask)
{
	return IN6_IS_ADDR_LOOPBACK(addr) && mask->s6_addr[15] == 0xff;
}

static bool loopback_only6(const void *data)
{
	const struct ip6t_ip6 *ip = &((const struct ip6t_entry *)data)->ipv6;

	return is_lo(ip->iniface, ip->invflags & IP6T_INV_VIA_IN) ||
	       is_lo(ip->outiface, ip->invflags & IP6T_INV_VIA_OUT) ||
	       (is_loopback6(&ip->src, &ip->smsk) && !(ip->invflags & IP6T_INV_SRCIP)) ||
	       (is_loopback6(&ip->dst, &ip->dmsk) && !(ip->invflags & IP6T_INV_DSTIP));
}

static size_t next6(const void *entry)
{
	return ((const struct ip6t_entry *)entry)->next_offset;
}

static size_t target6(const void *entry)
{
	return ((const struct ip6t_entry *)entry)->target_offset;
}

static const struct family families[] = {
	{ AF_INET, SOL_IP, IPT_SO_GET_INFO, IPT_SO_GET_ENTRIES,
	  "/proc/thread-self/net/ip_tables_names",
	  offsetof(struct ipt_get_entries, entrytable), loopback_only4, next4, target4 },
	{ AF_INET6, SOL_IPV6, IP6T_SO_GET_INFO, IP6T_SO_GET_ENTRIES,
	  "/proc/thread-self/net/ip6_tables_names",
	  offsetof(struct ip6t_get_entries, entrytable), loopback_only6, next6, target6 },
};

static bool accepts(const struct family *family, const char *entry)
{
	const struct xt_standard_target *target = (const void *)(entry + family->target(entry));

	return target->verdict == -NF_ACCEPT - 1;
}

/* One hook's chain, from its first entry to its policy. */
static bool chain_counts(const struct family *family, const char *entries, size_t first,
			 size_t policy, size_t size)
{
	size_t at = first;

	while (at < policy && policy < size && family->next(entries + at)) {
		if (!family->loopback_only(entries + at))
			return true;
		at += family->next(entries + at);
	}
	return at != policy || at >= size || !accepts(family, entries + at);
}

static bool table_counts(const struct family *family, const struct ipt_getinfo *info,
			 const char *entries)
{
	for (unsigned int hook = 0; hook < NF_INET_NUMHOOKS; hook++) {
		if (info->valid_hooks & 1u << hook &&
		    chain_counts(family, entries, info->hook_entry[hook],
				 info->underflow[hook], info->size))
			return true;
	}
	return false;
}

/* The kernel says -EAGAIN where the table was replaced between the two questions. */
static int table_probe(const struct family *family, int fd, const char *name)
{
	struct ipt_getinfo info = { 0 };
	socklen_t len = sizeof(info);
	struct ipt_get_entries *get;
	int found;

	snprintf(info.name, sizeof(info.name), "%s", name);
	if (getsockopt(fd, family->level, family->get_info, &info, &len) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (info.num_entries > ENTRIES_MAX)
		return 1;
	len = (socklen_t)(family->header + info.size);
	get = calloc(1, len);
	if (!get)
		return -ENOMEM;
	memcpy(get->name, info.name, sizeof(get->name));
	get->size = info.size;
	if (getsockopt(fd, family->level, family->get_entries, get, &len) < 0)
		found = errno == EAGAIN ? 1 : -errno;
	else
		found = table_counts(family, &info, (const char *)get + family->header);
	free(get);
	return found;
}

static int tables_probe(const struct family *family, FILE *names)
{
	char name[XT_TABLE_MAXNAMELEN];
	int fd = socket(family->domain, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int found = 0;

	if (fd < 0)
		return -errno;
	while (!found && fscanf(names, "%31s", name) == 1)
		found = table_probe(family, fd, name);
	close(fd);
	return found;
}

int netfilter_probe_legacy(void)
{
	int found = 0;

	for (size_t i = 0; i < sizeof(families) / sizeof(families[0]) && !found; i++) {
		FILE *names = fopen(families[i].names, "re");

		if (!names)
			continue;	/* a kernel without them */
		found = tables_probe(&families[i], names);
		fclose(names);
	}
	return found;
}
