/* SPDX-License-Identifier: MIT */
/* ledger.c - the live slim connections of this host */
#include "ledger.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "container.h"
#include "diag.h"
#include "endpoint.h"
#include "log.h"
#include "peer.h"
#include "statefile.h"
#include "syndata.h"
#include "table.h"

/* An entry younger than this (ms) may be in the tables only half, or its socket
 * not yet in the kernel's. */
#define LEDGER_GRACE	500
#define LEDGER_RECORDS	(1u << 20)
#define LEDGER_DUMP	100	/* ms; what is younger came after the dump, perhaps */
#define LEDGER_JUDGED	4000	/* ms; older SYNs say nothing of the path as it is */
#define SYN_SENT	2	/* of TCP, in sock_diag */

static struct cds_lfht *by_cookie, *by_ticket, *by_tuple;
static unsigned long entries_num;
static struct statefile *file;

/* An entry becomes spliced, or dead; not on the way of a set-up. */
static pthread_mutex_t end_lock = PTHREAD_MUTEX_INITIALIZER;

static unsigned long hash_cookie(uint64_t cookie)
{
	return hash_bytes(&cookie, sizeof(cookie), hash_seed());
}

struct tuple {
	uint32_t vni;
	struct slim_endpoint local, peer;	/* virtual */
};

static struct tuple tuple_of(const struct ledger_entry *entry)
{
	return (struct tuple){ entry->vni, entry->local, entry->peer };
}

static unsigned long hash_tuple(const struct tuple *tuple)
{
	unsigned long hash = hash_bytes(&tuple->local, sizeof(tuple->local),
					hash_seed() + tuple->vni);

	return hash_bytes(&tuple->peer, sizeof(tuple->peer), hash);
}

static int match_cookie(struct cds_lfht_node *node, const void *key)
{
	return caa_container_of(node, struct ledger_entry, cookie_node)->cookie ==
	       *(const uint64_t *)key;
}

static int match_ticket(struct cds_lfht_node *node, const void *key)
{
	return caa_container_of(node, struct ledger_entry, ticket_node)->ticket_cookie ==
	       *(const uint64_t *)key;
}

static int match_tuple(struct cds_lfht_node *node, const void *key)
{
	const struct ledger_entry *have =
		caa_container_of(node, struct ledger_entry, tuple_node);
	const struct tuple *want = key;

	return have->vni == want->vni && endpoint_equal(&have->local, &want->local) &&
	       endpoint_equal(&have->peer, &want->peer);
}

int ledger_init(void)
{
	if (by_cookie)
		return 0;	/* emptied before */
	by_cookie = table_new_sized(TABLE_BUCKETS_BUSY);
	by_ticket = table_new();
	by_tuple = table_new_sized(TABLE_BUCKETS_BUSY);
	return by_cookie && by_ticket && by_tuple ? quota_init() : -ENOMEM;
}

unsigned long ledger_count(void)
{
	return __atomic_load_n(&entries_num, __ATOMIC_RELAXED);
}

static void count(const struct ledger_entry *entry, int change)
{
	struct container *container = container_by_id(entry->container_id);

	__atomic_add_fetch(&entries_num, (unsigned long)change, __ATOMIC_RELAXED);
	if (container)
		__atomic_add_fetch(&container->connections, (unsigned int)change,
				   __ATOMIC_RELAXED);
	if (entry->fill)
		__atomic_add_fetch(entry->fill, (unsigned int)change, __ATOMIC_RELAXED);
}

/*
 * The kernel lets no two live sockets have one host 4-tuple: an older entry with the
 * new one's is dead.
 */
static bool same_host_tuple(const struct ledger_entry *a, const struct ledger_entry *b)
{
	return a->host_port && a->host_port == b->host_port &&
	       endpoint_equal(&a->host_peer, &b->host_peer);
}

/* --- records --- */

/* In the place of the one that it has, if any */
static void record_make(struct ledger_entry *entry)
{
	static struct log_limit limit = { .burst = 1 };
	struct ledger_record *record = file ? statefile_new(file) : NULL, *old = entry->record;

	if (file && !record && log_limit_ok(&limit))
		log_warning("the ledger's state file: %s: a restart will not know all "
			    "connections", strerror(errno));
	/* Better what was known before than nothing. */
	if (!record)
		return;
	entry->record = record;
	record->cookie = entry->cookie;
	record->ticket_cookie = entry->ticket_cookie;
	record->created_at = entry->created_at;
	record->fill_host = entry->fill_host;
	record->fill_index = entry->fill_index;
	record->local = entry->local;
	record->peer = entry->peer;
	record->host_peer = entry->host_peer;
	record->host_addr = entry->host_addr;
	(void)quota_key_of(&entry->seat, &record->quota);
	record->vni = entry->vni;
	record->peer_vni = entry->peer_vni;
	record->container_id = entry->container_id;
	record->host_port = entry->host_port;
	record->domain = entry->domain;
	record->direction = entry->direction;
	record->spliced = entry->spliced;
	statefile_commit(file, record);
	statefile_drop(file, old);
}

static void record_drop(struct ledger_entry *entry)
{
	if (file)
		statefile_drop(file, entry->record);
	entry->record = NULL;
}

/* --- entries --- */

static void free_entry(struct rcu_head *head)
{
	free(caa_container_of(head, struct ledger_entry, rcu));
}

int ledger_add(struct ledger_entry *entry)
{
	struct tuple tuple = tuple_of(entry);
	unsigned long hash = hash_tuple(&tuple);

	for (;;) {
		struct cds_lfht_node *node = cds_lfht_add_unique(by_tuple, hash, match_tuple,
								 &tuple, &entry->tuple_node);
		struct ledger_entry *old;

		if (node == &entry->tuple_node)
			break;
		old = caa_container_of(node, struct ledger_entry, tuple_node);
		if (!same_host_tuple(old, entry) ||
		    !__atomic_load_n(&old->entered, __ATOMIC_ACQUIRE)) {
			quota_leave(&entry->seat);
			call_rcu(&entry->rcu, free_entry);
			return -EADDRINUSE;
		}
		ledger_remove(old);
	}
	count(entry, 1);
	if (!entry->record && entry->host_port)
		record_make(entry);
	/* Last: sweeps and aborts find it by its cookie, and it must be whole then. */
	cds_lfht_add(by_cookie, hash_cookie(entry->cookie), &entry->cookie_node);
	__atomic_store_n(&entry->entered, true, __ATOMIC_RELEASE);
	return 0;
}

void ledger_set_local(struct ledger_entry *entry, const struct slim_endpoint *local)
{
	pthread_mutex_lock(&end_lock);
	if (!entry->dead) {
		entry->host_addr = endpoint_addr(local);
		__atomic_store_n(&entry->host_port, local->port, __ATOMIC_RELEASE);
		record_make(entry);
	}
	pthread_mutex_unlock(&end_lock);
}

int ledger_seat(struct ledger_entry *entry, const struct quota_key *key)
{
	struct quota_key now = { 0 };
	int err = 0;

	(void)quota_key_of(&entry->seat, &now);
	if (key ? !memcmp(key, &now, sizeof(now)) : !now.rule)
		return 0;
	pthread_mutex_lock(&end_lock);
	if (!entry->dead)
		err = quota_move(&entry->seat, key);
	if (!err && !entry->dead && entry->record)
		record_make(entry);
	pthread_mutex_unlock(&end_lock);
	return err;
}

void ledger_remove(struct ledger_entry *entry)
{
	bool dead;

	pthread_mutex_lock(&end_lock);
	dead = entry->dead;
	entry->dead = true;
	if (!dead && entry->ticket_cookie)
		cds_lfht_del(by_ticket, &entry->ticket_node);
	pthread_mutex_unlock(&end_lock);
	if (dead)
		return;
	cds_lfht_del(by_tuple, &entry->tuple_node);
	cds_lfht_del(by_cookie, &entry->cookie_node);
	count(entry, -1);
	quota_leave(&entry->seat);
	record_drop(entry);
	call_rcu(&entry->rcu, free_entry);
}

void ledger_exit(void)
{
	struct cds_lfht_iter iter;
	struct cds_lfht_node *node;

	if (!by_cookie)
		return;
	statefile_close(file);
	file = NULL;
	cds_lfht_for_each(by_cookie, &iter, node)
		ledger_remove(caa_container_of(node, struct ledger_entry, cookie_node));
	quota_sweep(UINT64_MAX);
}

void ledger_set_shaping(uint64_t cookie, const struct shaping *shaping)
{
	struct ledger_entry *entry = ledger_find(cookie);

	if (entry)
		entry->shaping = *shaping;
}

void ledger_splice(struct ledger_entry *entry, uint64_t ticket_cookie)
{
	pthread_mutex_lock(&end_lock);
	/* The same again: nothing is new. */
	if (!entry->dead && !(entry->spliced && entry->ticket_cookie)) {
		entry->spliced = true;
		entry->ticket_cookie = ticket_cookie;
		if (ticket_cookie)
			cds_lfht_add(by_ticket, hash_cookie(ticket_cookie),
				     &entry->ticket_node);
		record_make(entry);
	}
	pthread_mutex_unlock(&end_lock);
}

static struct ledger_entry *entry_at(uint32_t vni, const struct slim_endpoint *local,
				     const struct slim_endpoint *peer)
{
	struct tuple tuple = { vni, *local, *peer };
	struct cds_lfht_iter iter;
	struct cds_lfht_node *node;

	cds_lfht_lookup(by_tuple, hash_tuple(&tuple), match_tuple, &tuple, &iter);
	node = cds_lfht_iter_get_node(&iter);
	return node ? caa_container_of(node, struct ledger_entry, tuple_node) : NULL;
}

bool ledger_has(uint32_t vni, const struct slim_endpoint *local, const struct slim_endpoint *peer)
{
	return entry_at(vni, local, peer);
}

bool ledger_reclaim(uint32_t vni, const struct slim_endpoint *local, const struct slim_endpoint *peer)
{
	struct ledger_entry *entry = entry_at(vni, local, peer);
	struct slim_endpoint host_local, host_peer;
	struct diag_socket socket;
	struct diag *diag;
	int err;

	if (!entry)
		return true;
	if (!ledger_host_names(entry, &host_local, &host_peer))
		return false;
	diag = diag_open(-1);
	if (!diag)
		return false;
	err = diag_find_live(diag, entry->cookie, &host_local, &host_peer, &socket);
	diag_close(diag);
	if (err != -ENOENT)
		return false;
	ledger_remove(entry);
	return true;
}

struct ledger_entry *ledger_find(uint64_t cookie)
{
	struct cds_lfht_iter iter;
	struct cds_lfht_node *node;

	cds_lfht_lookup(by_cookie, hash_cookie(cookie), match_cookie, &cookie, &iter);
	node = cds_lfht_iter_get_node(&iter);
	if (node)
		return caa_container_of(node, struct ledger_entry, cookie_node);
	cds_lfht_lookup(by_ticket, hash_cookie(cookie), match_ticket, &cookie, &iter);
	node = cds_lfht_iter_get_node(&iter);
	return node ? caa_container_of(node, struct ledger_entry, ticket_node) : NULL;
}

void ledger_each(void (*each)(struct ledger_entry *entry, void *data), void *data)
{
	struct cds_lfht_iter iter;
	struct cds_lfht_node *node;

	cds_lfht_for_each(by_cookie, &iter, node)
		each(caa_container_of(node, struct ledger_entry, cookie_node), data);
}

/* --- after a restart --- */

const struct statefile_layout ledger_layout = {
	.name = "connections", .version = 2, .size = sizeof(struct ledger_record),
	.max = LEDGER_RECORDS,
};

/* Killed while it became spliced, a connection has two records: the later says so. */
static void restore_twice(struct ledger_entry *have, struct ledger_record *record)
{
	if (record->spliced && !have->spliced) {
		statefile_drop(file, have->record);
		have->record = record;
		have->spliced = true;
		have->ticket_cookie = record->ticket_cookie;
		if (have->ticket_cookie)
			cds_lfht_add(by_ticket, hash_cookie(have->ticket_cookie),
				     &have->ticket_node);
		return;
	}
	statefile_drop(file, record);
}

struct restored {
	uint64_t now;
	int num;
	int err;
};

static void restore_one(void *data, void *arg)
{
	struct restored *restored = arg;
	struct ledger_record *record = data;
	struct ledger_entry *have = ledger_find(record->cookie), *entry;
	struct peer *peer = record->fill_host ? peer_by_host_id(record->fill_host) : NULL;

	if (have) {
		restore_twice(have, record);
		return;
	}
	if (!container_by_id(record->container_id)) {
		statefile_drop(file, record);
		return;
	}
	entry = calloc(1, sizeof(*entry));
	if (!entry) {
		restored->err = -ENOMEM;
		return;
	}
	entry->record = record;
	entry->cookie = record->cookie;
	/* Named by its ticket only where it is spliced: another record may say that it became so. */
	entry->ticket_cookie = record->spliced ? record->ticket_cookie : 0;
	entry->created_at = record->created_at;
	entry->fill_host = record->fill_host;
	entry->fill_index = record->fill_index;
	entry->fill = peer ? peer_port_fill(peer, record->fill_index) : NULL;
	entry->local = record->local;
	entry->peer = record->peer;
	entry->host_peer = record->host_peer;
	entry->host_addr = record->host_addr;
	entry->vni = record->vni;
	entry->peer_vni = record->peer_vni;
	entry->container_id = record->container_id;
	entry->host_port = record->host_port;
	entry->domain = record->domain;
	entry->direction = record->direction;
	entry->spliced = record->spliced;
	/* Counted before anybody asks; the others' set-ups are forgotten. */
	if (record->quota.rule && quota_move(&entry->seat, &record->quota)) {
		restored->err = -ENOMEM;
		free(entry);
		return;
	}
	quota_note(&entry->seat, entry->created_at, restored->now);
	if (ledger_add(entry)) {
		statefile_drop(file, record);
		return;
	}
	if (entry->ticket_cookie)
		cds_lfht_add(by_ticket, hash_cookie(entry->ticket_cookie),
			     &entry->ticket_node);
	restored->num++;
}

int ledger_restore(const char *directory)
{
	struct restored restored = { 0 };
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	restored.now = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
	file = statefile_open(directory, &ledger_layout);
	if (!file)
		return -errno;
	statefile_each(file, restore_one, &restored);
	return restored.err ? restored.err : restored.num;
}

/* --- the sweep --- */

bool ledger_host_names(const struct ledger_entry *entry, struct slim_endpoint *local,
		       struct slim_endpoint *peer)
{
	static const struct in6_addr unknown;
	uint16_t port = __atomic_load_n(&entry->host_port, __ATOMIC_ACQUIRE);

	if (!port || !__atomic_load_n(&entry->entered, __ATOMIC_ACQUIRE) ||
	    !memcmp(&entry->host_addr, &unknown, sizeof(unknown)))
		return false;
	*local = endpoint_make(&entry->host_addr, port);
	*peer = entry->host_peer;
	return true;
}

static unsigned int looks;

static void look_each(const struct diag_socket *socket, void *unused)
{
	struct ledger_entry *entry;

	(void)unused;
	rcu_read_lock();
	entry = ledger_find(socket->cookie);
	if (entry) {
		entry->seen = looks;
		entry->connecting = socket->state == SYN_SENT;
	}
	rcu_read_unlock();
}

int ledger_look(struct diag *diag, uint16_t port_first, uint16_t port_last)
{
	int err;

	looks++;
	err = diag_dump(diag, DIAG_LIVE, port_first, port_last, false, look_each, NULL);
	if (err)
		log_warning("sock_diag: %s: closed connections stay in the ledger for now",
			    strerror(-err));
	return err;
}

static enum syndata_fate fate_of(const struct ledger_entry *entry)
{
	if (entry->seen != looks)
		return SYNDATA_GONE;
	return entry->connecting ? SYNDATA_CONNECTING : SYNDATA_CONNECTED;
}

/*
 * What became of the data in its SYN? Where the peer itself is not heard meanwhile, being late says
 * nothing of the path: then the next sweep tells.
 */
static void judge_syn(struct ledger_entry *entry, enum syndata_fate fate, uint64_t now)
{
	struct peer *peer = peer_by_host_id(entry->fill_host);
	uint64_t age = now - entry->created_at;

	if (!peer || now < entry->created_at || age > LEDGER_JUDGED) {
		entry->syn_data = false;
		return;
	}
	if (fate == SYNDATA_CONNECTING && age >= SYNDATA_LATE)
		entry->syn_late = true;
	if (entry->syn_late)
		fate = SYNDATA_CONNECTING;
	if (fate == SYNDATA_CONNECTING &&
	    (!entry->syn_late || peer_heard(peer) < entry->created_at + SYNDATA_LATE))
		return;
	if (entry->syn_late || age < SYNDATA_PROMPT)
		syndata_judge(peer_syndata(peer), fate, entry->created_at);
	entry->syn_data = false;
}

unsigned long ledger_sweep(uint64_t looked)
{
	unsigned long doubtful = 0;
	struct cds_lfht_iter iter;
	struct cds_lfht_node *node;

	cds_lfht_for_each(by_cookie, &iter, node) {
		struct ledger_entry *entry =
			caa_container_of(node, struct ledger_entry, cookie_node);

		if (entry->seen != looks)
			doubtful++;
		if (entry->syn_data &&
		    (entry->seen == looks || entry->created_at + LEDGER_DUMP < looked))
			judge_syn(entry, fate_of(entry), looked);
		if (entry->seen == looks || entry->created_at + LEDGER_GRACE >= looked) {
			entry->missed = 0;
		} else if (++entry->missed >= 2) {
			ledger_remove(entry);
			doubtful--;
		}
	}
	return doubtful;
}

/* Makes room for one more of @num in *@array. False: no memory. */
static bool grow(void **array, size_t num, size_t *size, size_t each)
{
	size_t more = *size ? *size * 2 : 64;
	void *bigger;

	if (num < *size)
		return true;
	bigger = realloc(*array, more * each);
	if (!bigger)
		return false;
	*array = bigger;
	*size = more;
	return true;
}

int ledger_take(uint32_t container_id, uint64_t **cookies, size_t *num)
{
	struct cds_lfht_iter iter;
	struct cds_lfht_node *node;
	size_t size = 0;

	*cookies = NULL;
	*num = 0;
	cds_lfht_for_each(by_cookie, &iter, node) {
		struct ledger_entry *entry =
			caa_container_of(node, struct ledger_entry, cookie_node);

		if (entry->container_id != container_id)
			continue;
		if (!grow((void **)cookies, *num, &size, sizeof(**cookies)))
			return -ENOMEM;
		(*cookies)[(*num)++] = entry->cookie;
		ledger_remove(entry);
	}
	return 0;
}

struct abort {
	const uint64_t *cookies;	/* sorted */
	size_t cookies_num;
	struct diag_socket *sockets;
	size_t num, size;
	int error;
};

static int compare_cookies(const void *a, const void *b)
{
	uint64_t first = *(const uint64_t *)a, second = *(const uint64_t *)b;

	return first < second ? -1 : first > second;
}

/* Destroying needs the socket that the dump is still using: collect first. */
static void abort_each(const struct diag_socket *socket, void *data)
{
	struct abort *work = data;

	if (!bsearch(&socket->cookie, work->cookies, work->cookies_num, sizeof(*work->cookies),
		     compare_cookies))
		return;
	if (grow((void **)&work->sockets, work->num, &work->size, sizeof(*work->sockets)))
		work->sockets[work->num++] = *socket;
	else
		work->error = -ENOMEM;
}

int ledger_abort(struct diag *diag, uint64_t *cookies, size_t num)
{
	struct abort work = { .cookies = cookies, .cookies_num = num };
	int err;

	qsort(cookies, num, sizeof(*cookies), compare_cookies);
	err = diag_dump(diag, DIAG_LIVE, 0, 0, false, abort_each, &work);
	for (size_t i = 0; i < work.num && (!err || err == -EINTR); i++) {
		int failed = diag_destroy(diag, &work.sockets[i]);

		if (failed && failed != -ENOENT)
			err = failed;
	}
	free(work.sockets);
	return err ? err : work.error;
}
