/* SPDX-License-Identifier: MIT */
/*
 * table.h - how this daemon's lock-free hash tables are made
 */
#ifndef TABLE_H
#define TABLE_H

#include <urcu/rculfhash.h>

#define TABLE_BUCKETS_MIN	1024
/* For what comes and goes by the thousand each second: else it is resized all the time. */
#define TABLE_BUCKETS_BUSY	16384
#define TABLE_BUCKETS_MAX	(1UL << 20)

/*
 * Grows and shrinks with what is in it. (Without accounting it grows by the
 * longest chain and never shrinks, and going over all of it takes ever longer.) NULL: no memory.
 */
static inline struct cds_lfht *table_new_sized(unsigned long buckets)
{
	return cds_lfht_new(buckets, buckets, TABLE_BUCKETS_MAX,
			    CDS_LFHT_AUTO_RESIZE | CDS_LFHT_ACCOUNTING, NULL);
}

static inline struct cds_lfht *table_new(void)
{
	return table_new_sized(TABLE_BUCKETS_MIN);
}

#endif
