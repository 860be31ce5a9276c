/* SPDX-License-Identifier: MIT */
/* limiting.c - what an allowing rule limits */
#include "limiting.h"

#include <string.h>
#include <time.h>

#include "diag.h"
#include "directory.h"
#include "endpoint.h"
#include "ledger.h"
#include "peer.h"

/* How many connections the kernel is asked about, for one that finds no place; fewer for one that comes, which
 * waits anyway, and whose source is not charged with it here. And ms until the next one that finds none asks again */
#define LOOK_MOST	128
#define LOOK_MOST_IN	16
#define LOOK_PAUSE_MS	5

/* TCP's states, as sock_diag says them */
#define FIN_WAIT1	4
#define FIN_WAIT2	5
#define LAST_ACK	9
#define CLOSING		11

/* A connection that may be over; its cookie names it in the ledger */
struct look {
	uint64_t cookie;
	struct slim_endpoint local, peer;
	bool in;
};

struct looks {
	size_t num;
	struct look at[LOOK_MOST];
};

static uint64_t clock_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* --- who counts --- */

/* Of two tenants' rules each end goes by its own; where that has no limits, by the other. */
static unsigned int which(const struct policy_verdict *verdict, enum ledger_direction direction)
{
	unsigned int own = direction == LEDGER_IN;

	return verdict->limits[own].quota ? own : !own;
}

const struct policy_rule *limiting_rule(const struct policy_verdict *verdict,
					enum ledger_direction direction)
{
	return verdict->limits[which(verdict, direction)].rule;
}

static bool set_rule(struct limiting *limiting, const struct policy_verdict *verdict,
		     enum ledger_direction direction)
{
	unsigned int own = which(verdict, direction);
	const struct policy_rule *rule = verdict->limits[own].rule;

	*limiting = (struct limiting){
		.key.rule = verdict->limits[own].quota, .key.direction = direction,
	};
	if (!limiting->key.rule)
		return false;
	limiting->limits.connections = rule->connections;
	limiting->limits.setups = rule->setups;
	return true;
}

void limiting_out(struct limiting *limiting, const struct policy_verdict *verdict, uint32_t vni,
		  uint32_t container_id)
{
	if (!set_rule(limiting, verdict, LEDGER_OUT))
		return;
	limiting->key.host = peer_host_id(peer_self());
	limiting->key.vni = vni;
	limiting->key.id = container_id;
}

void limiting_in(struct limiting *limiting, const struct policy_verdict *verdict, uint32_t vni,
		 const struct slim_endpoint *source, uint64_t host_id)
{
	struct in6_addr addr = endpoint_addr(source);

	if (!set_rule(limiting, verdict, LEDGER_IN))
		return;
	limiting->key.vni = vni;
	/* Withdrawn a moment ago: what that host still sends counts together. */
	if (!directory_whose(vni, &addr, &limiting->key.host, &limiting->key.id))
		limiting->key.host = host_id;
}

/* --- what has ended --- */

/* One whose socket may not be connecting yet, or whose names are not known, is left to the ledger's sweep. */
static void note(struct quota_seat *seat, void *data)
{
	struct ledger_entry *entry = caa_container_of(seat, struct ledger_entry, seat);
	struct looks *looks = data;
	struct look *look = &looks->at[looks->num];

	if (!ledger_host_names(entry, &look->local, &look->peer))
		return;
	look->cookie = entry->cookie;
	look->in = entry->direction == LEDGER_IN;
	looks->num++;
}

/*
 * Has the source's program closed it? Its router sees that nobody has it. The other one sees that no more comes,
 * which may be all that it has closed; so there the own program must have closed it, too.
 */
static bool is_closed(const struct diag_socket *socket, bool in)
{
	switch (socket->state) {
	case FIN_WAIT1:
	case FIN_WAIT2:
		return !in && !socket->inode;
	case LAST_ACK:
	case CLOSING:
		return in || !socket->inode;
	default:
		return false;
	}
}

static void look_at(struct diag *diag, const struct look *look)
{
	struct ledger_entry *entry = ledger_find(look->cookie);
	struct diag_socket socket;
	int err = diag_find_live(diag, look->cookie, &look->local, &look->peer, &socket);

	if (!entry || (err && err != -ENOENT))
		return;
	if (err)
		ledger_remove(entry);
	else if (is_closed(&socket, look->in))
		(void)ledger_seat(entry, NULL);
}

static void look_for_ends(const struct quota_key *key, uint64_t now)
{
	struct looks looks = { .num = 0 };
	struct diag *diag;

	quota_look(key, key->direction == LEDGER_IN ? LOOK_MOST_IN : LOOK_MOST, LOOK_PAUSE_MS, now, note,
		   &looks);
	if (!looks.num)
		return;
	diag = diag_open(-1);
	if (!diag)
		return;
	for (size_t i = 0; i < looks.num; i++)
		look_at(diag, &looks.at[i]);
	diag_close(diag);
}

/* --- places --- */

int limiting_take(struct limiting *limiting, struct quota **quota)
{
	uint64_t now;
	int err;

	*quota = NULL;
	if (!limiting->key.rule)
		return 0;
	now = clock_ms();
	err = quota_take(&limiting->key, &limiting->limits, now, quota);
	if (err == -EUSERS) {
		look_for_ends(&limiting->key, now);
		err = quota_take(&limiting->key, &limiting->limits, now, quota);
	}
	if (!err)
		limiting->limits.setups = 0;
	return err;
}

/* False: whose it is, is not known. */
static bool limiting_of(struct limiting *limiting, struct ledger_entry *entry,
			const struct policy_verdict *verdict)
{
	struct in6_addr addr = endpoint_addr(&entry->peer);
	struct quota_key key;
	uint64_t host;
	uint32_t id;

	if (entry->direction == LEDGER_OUT) {
		limiting_out(limiting, verdict, entry->vni, entry->container_id);
		return true;
	}
	if (quota_key_of(&entry->seat, &key)) {
		set_rule(limiting, verdict, LEDGER_IN);
		key.rule = limiting->key.rule;
		limiting->key = key;
		return true;
	}
	if (!directory_whose(entry->peer_vni, &addr, &host, &id))
		return false;
	limiting_in(limiting, verdict, entry->peer_vni, &entry->peer, host);
	return true;
}

static int follow(struct ledger_entry *entry, const struct policy_verdict *verdict, bool new)
{
	struct limiting limiting;

	if (!verdict->limits[0].quota && !verdict->limits[1].quota)
		return ledger_seat(entry, NULL);
	if (!limiting_of(&limiting, entry, verdict))
		return 0;
	if (ledger_seat(entry, &limiting.key))
		return -ENOMEM;
	return new && quota_yield(&entry->seat, &limiting.limits) ? -EUSERS : 0;
}

int limiting_follow(struct ledger_entry *entry, const struct policy_verdict *verdict)
{
	return follow(entry, verdict, false);
}

int limiting_follow_new(struct ledger_entry *entry, const struct policy_verdict *verdict)
{
	return follow(entry, verdict, true);
}
