/* SPDX-License-Identifier: MIT */
/* syndata.c - whether SYNs with data arrive at a peer */
#include "syndata.h"

bool syndata_is_lost(const struct syndata *syndata)
{
	return __atomic_load_n(&syndata->lost, __ATOMIC_RELAXED);
}

bool syndata_ask(struct syndata *syndata, uint64_t now)
{
	uint64_t at;

	if (!syndata_is_lost(syndata))
		return true;
	at = __atomic_load_n(&syndata->trial_at, __ATOMIC_RELAXED);
	return now >= at &&
	       __atomic_compare_exchange_n(&syndata->trial_at, &at, now + SYNDATA_TRIAL, false,
					   __ATOMIC_RELAXED, __ATOMIC_RELAXED);
}

void syndata_judge(struct syndata *syndata, bool lost, uint64_t sent_at)
{
	if (lost)
		syndata->sweep_lost++;
	/* What was sent before it was noticed says nothing of now. */
	else if (!syndata_is_lost(syndata) || sent_at > syndata->lost_at)
		syndata->sweep_taken++;
}

bool syndata_settle(struct syndata *syndata, uint64_t now)
{
	unsigned int lost = syndata->sweep_lost, taken = syndata->sweep_taken;
	bool was = syndata->lost;

	syndata->sweep_lost = 0;
	syndata->sweep_taken = 0;
	if (taken > lost) {
		syndata->losses = 0;
		__atomic_store_n(&syndata->lost, false, __ATOMIC_RELAXED);
	} else if (lost) {
		syndata->losses += lost;
	}
	if (!lost || syndata->losses < SYNDATA_LOSSES)
		return was != syndata->lost;
	syndata->lost_at = now;
	__atomic_store_n(&syndata->trial_at, now + SYNDATA_REMEMBERED, __ATOMIC_RELAXED);
	__atomic_store_n(&syndata->lost, true, __ATOMIC_RELAXED);
	return !was;
}
