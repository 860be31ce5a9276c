/* SPDX-License-Identifier: MIT */
/*
 * netfilter_probe.h - does a network namespace have netfilter rules?
 *
 * Rules that match loopback alone (as Docker's resolver has) do not count, nor do
 * chains that no hook calls. A base chain counts if it has another rule or a policy
 * other than accept. Time and memory are bounded whatever the namespace's owner
 * loads: who has thousands of rules, has rules.
 */
#ifndef NETFILTER_PROBE_H
#define NETFILTER_PROBE_H

/* The calling thread's namespace. nftables tables named @except (or NULL), or so
 * with "_" and more behind it, do not count. 1, 0 or -errno. */
int netfilter_probe(const char *except);

/* Its part for the older iptables and ip6tables. */
int netfilter_probe_legacy(void);

#endif
