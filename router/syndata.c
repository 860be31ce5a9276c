/* SPDX-License-Identifier: MIT */
/* syndata.c - whether SYNs with data arrive at a peer */
#include "syndata.h"

bool syndata_is_lost(const struct syndata *syndata)
{
	return __atomic_load_n(&syndata->lost, __ATOMIC_RELAXED);
}

static bool may(struct syndata *syndata, uint64_t now)
{
	uint64_t at;

	if (!syndata_is_lost(syndata))
		return true;
	at = __atomic_load_n(&syndata->trial_at, __ATOMIC_RELAXED);
	return now >= at &&
	       __atomic_compare_exchange_n(&syndata->trial_at, &at, now + SYNDATA_TRIAL, false,
					   __ATOMIC_RELAXED, __ATOMIC_RELAXED);
}

bool syndata_ask(struct syndata *syndata, uint64_t now)
{
	if (!may(syndata, now))
		return false;
	__atomic_fetch_add(&syndata->asked, 1, __ATOMIC_RELAXED);
	return true;
}

void syndata_judge(struct syndata *syndata, enum syndata_fate fate, uint64_t sent_at)
{
	if (fate == SYNDATA_CONNECTING)
		syndata->sweep_lost++;
	else if (!syndata_is_lost(syndata))
		syndata->sweep_taken += fate == SYNDATA_CONNECTED;
	/* What was sent before it was noticed says nothing of now. */
	else if (sent_at > syndata->lost_at)
		syndata->sweep_taken++;
}

static bool is_losing(struct syndata *syndata, unsigned int lost, unsigned int asked)
{
	if (!lost || lost * SYNDATA_PART < asked)
		return false;
	syndata->losses += lost;
	return syndata->losses >= SYNDATA_LOSSES;
}

bool syndata_settle(struct syndata *syndata, uint64_t now)
{
	unsigned int lost = syndata->sweep_lost, taken = syndata->sweep_taken;
	unsigned int asked = __atomic_exchange_n(&syndata->asked, 0, __ATOMIC_RELAXED);
	bool was = syndata->lost;

	syndata->sweep_lost = 0;
	syndata->sweep_taken = 0;
	if (taken > lost) {
		syndata->losses = 0;
		__atomic_store_n(&syndata->lost, false, __ATOMIC_RELAXED);
	} else if (is_losing(syndata, lost, asked + syndata->asked_before)) {
		syndata->lost_at = now;
		__atomic_store_n(&syndata->trial_at, now + SYNDATA_REMEMBERED, __ATOMIC_RELAXED);
		__atomic_store_n(&syndata->lost, true, __ATOMIC_RELAXED);
	}
	syndata->asked_before = asked;
	return was != syndata->lost;
}
