/* SPDX-License-Identifier: MIT */
/*
 * syndata.h - whether SYNs with data arrive at a peer
 *
 * Theory of operation: a preamble goes in the SYN. Where something on the way drops such SYNs, the
 * kernel sends another one without data a second later, so that each set-up takes a second. The
 * sweep of the ledger sees it: connections that are still in SYN_SENT after SYNDATA_LATE ms, though
 * the peer was heard of meanwhile. Where those are a good part of all that was set up, twice, the
 * path counts as losing them: set-ups then connect first and send the preamble after that (dial.h). After
 * SYNDATA_REMEMBERED, one connection in SYNDATA_TRIAL tries again.
 *
 * Workers ask; the control thread, which sweeps, judges.
 */
#ifndef SYNDATA_H
#define SYNDATA_H

#include <stdbool.h>
#include <stdint.h>

#define SYNDATA_LATE		300	/* ms */
#define SYNDATA_PROMPT		900	/* ms; what took longer may have been sent twice */
#define SYNDATA_REMEMBERED	600000	/* ms */
#define SYNDATA_TRIAL		10000	/* ms */
#define SYNDATA_LOSSES		2
#define SYNDATA_PART		4	/* one in so many; a sweep misses some */

enum syndata_fate {
	SYNDATA_CONNECTING,		/* it is late */
	SYNDATA_CONNECTED,
	SYNDATA_GONE,			/* it was answered; or, rarely, its socket was closed before */
	SYNDATA_FATES
};

/* All zero at first. */
struct syndata {
	bool lost;			/* atomic */
	uint64_t trial_at;		/* atomic; ms: the next trial, while @lost */
	uint64_t lost_at;		/* ms */
	unsigned int asked;		/* atomic: SYNs with data since the last sweep */
	unsigned int asked_before;	/* ... and between the two before */
	unsigned int losses;		/* since one was seen to arrive */
	unsigned int sweep_lost, sweep_taken;
};

/* May the next SYN carry data? @now: ms. Any thread. */
bool syndata_ask(struct syndata *syndata, uint64_t now);

bool syndata_is_lost(const struct syndata *syndata);

/* What became of a SYN with data that was sent at @sent_at. */
void syndata_judge(struct syndata *syndata, enum syndata_fate fate, uint64_t sent_at);

/* A sweep is over: true where it has changed what is thought of the path. */
bool syndata_settle(struct syndata *syndata, uint64_t now);

#endif
