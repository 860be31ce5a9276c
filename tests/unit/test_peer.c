/* SPDX-License-Identifier: MIT */
/*
 * test_peer.c - two routers over loopback, in a network namespace of their own
 *
 * This process is router "a"; children are router "b", told what to do over a socket pair.
 * In each, one thread is the control thread and the test's own plays the worker.
 *
 * links: tests/unit/open_fds.c router/peer.c router/peer_channel.c router/peer_dial.c router/peer_fault.c router/peer_incoming.c router/syndata.c router/base64.c router/peer_key.c router/statefile.c router/state.c router/peer_message.c router/tags.c router/peer_tls.c router/host_key.c router/mesh.c router/directory.c router/mac.c router/loop.c router/log.c router/endpoint.c core/preamble.c core/replay.c
 * libs: jansson urcu urcu-cds urcu-common ssl crypto
 */
#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <net/if.h>
#include <openssl/err.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <urcu.h>

#include "../../router/directory.h"
#include "../../router/endpoint.h"
#include "../../router/host_key.h"
#include "../../router/peer.h"
#include "../../router/peer_tls.h"
#include "../../router/peer_message.h"
#include "open_fds.h"
#include "suite.h"

#define VNI		100
#define PORT_A		4790
#define PORT_B		4890
#define LIFETIME	"TEST_PEER_KEYS_SHORT"	/* in the environment: keys live for a second */

/* --- what is not under test --- */

static int remote_containers;		/* atomic: the packet path's, net */

int packetpath_remote_add(uint32_t vni, const uint8_t mac[PACKETPATH_MAC_LEN],
			  const struct in6_addr *addresses, size_t num,
			  const struct in6_addr *host)
{
	(void)vni, (void)mac, (void)addresses, (void)num, (void)host;
	__atomic_fetch_add(&remote_containers, 1, __ATOMIC_RELAXED);
	return 0;
}

void packetpath_remote_remove(uint32_t vni, const uint8_t mac[PACKETPATH_MAC_LEN],
			      const struct in6_addr *addresses, size_t num,
			      const struct in6_addr *host)
{
	(void)vni, (void)mac, (void)addresses, (void)num, (void)host;
	__atomic_fetch_sub(&remote_containers, 1, __ATOMIC_RELAXED);
}

static struct config_tenant tenant = { .name = "blue", .vni = VNI };

const struct config_tenant *config_tenant_by_vni(const struct config *config, uint32_t vni)
{
	(void)config;
	return vni == VNI ? &tenant : NULL;
}

const struct config_tenant *config_tenant_by_name(const struct config *from, const char *name)
{
	(void)from;
	return strcmp(name, tenant.name) ? NULL : &tenant;
}

/* 10.32.0.0/16 */
bool config_tenant_covers(const struct config_tenant *t, const struct in6_addr *addr)
{
	(void)t;
	return addr_is4(addr) && (ntohl(addr_get4(addr)) >> 16) == (10 << 8 | 32);
}

/* --- a router --- */

static char directory[] = "/tmp/slim-test-peer.XXXXXX";
static char key_a[64], key_b[64], key_c[64];
static uint8_t public_a[HOST_KEY_PUBLIC_LEN], public_b[HOST_KEY_PUBLIC_LEN],
	       public_c[HOST_KEY_PUBLIC_LEN];

static struct in6_addr address_a, address_b;
static struct config_peer the_peer;
static struct config config;
static struct loop *loop;
static pthread_t control_thread;
static struct mac *mac;
static int listen_fd;
static pthread_t listen_thread;
static bool handing_over;

static struct in6_addr addr(const char *text)
{
	struct in6_addr out;

	if (addr_parse(text, &out))
		abort();
	return out;
}

static void *control_main(void *unused)
{
	(void)unused;
	rcu_register_thread();
	loop_run(loop);
	rcu_unregister_thread();
	return NULL;
}

/* What a worker does with TLS clients. */
static void *listen_main(void *unused)
{
	(void)unused;
	while (__atomic_load_n(&handing_over, __ATOMIC_RELAXED)) {
		struct pollfd pfd = { .fd = listen_fd, .events = POLLIN };
		int fd;

		if (poll(&pfd, 1, 20) <= 0)
			continue;
		fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);
		if (fd >= 0)
			peer_incoming(fd);
	}
	return NULL;
}

static int listen_on(const struct in6_addr *address, uint16_t port)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons(port),
				   .sin_addr.s_addr = addr_get4(address) };
	int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&sin, sizeof(sin)) < 0 || listen(fd, 512) < 0)
		abort();
	return fd;
}

static void router_start(bool a, const char *key_file, const uint8_t *peer_public)
{
	the_peer = (struct config_peer){ .addresses = a ? &address_b : &address_a,
					 .addresses_num = 1, .port = a ? PORT_B : PORT_A };
	snprintf(the_peer.name, sizeof(the_peer.name), a ? "b" : "a");
	memcpy(the_peer.public_key, peer_public, sizeof(the_peer.public_key));
	config = (struct config){
		.addresses = a ? &address_a : &address_b, .addresses_num = 1,
		.port_first = a ? PORT_A : PORT_B, .vxlan_port = 4789,
		.key_file = (char *)(uintptr_t)key_file, .peers = &the_peer, .peers_num = 1,
		.tenants = &tenant, .tenants_num = 1,
		.key_lifetime = getenv(LIFETIME) ? 1 : 3600,
	};
	snprintf(config.host_name, sizeof(config.host_name), a ? "a" : "b");
	config.port_last = (uint16_t)(config.port_first + 63);
	loop = loop_new();
	mac = mac_new();
	if (!loop || !mac || directory_init(loop) || peers_init(&config, loop))
		abort();
	listen_fd = listen_on(config.addresses, config.port_first);
	handing_over = true;
	pthread_create(&control_thread, NULL, control_main, NULL);
	pthread_create(&listen_thread, NULL, listen_main, NULL);
}

static void router_stop(void)
{
	__atomic_store_n(&handing_over, false, __ATOMIC_RELAXED);
	pthread_join(listen_thread, NULL);
	loop_stop(loop);
	pthread_join(control_thread, NULL);
	close(listen_fd);
	peers_exit();
	directory_exit();
	loop_free(loop);
	mac_free(mac);
}

/* Runs @function in the control thread, and waits for it. */
struct call {
	struct loop_task task;
	void (*function)(void *data);
	void *data;
	bool done;
};

static void call_run(struct loop_task *task)
{
	struct call *call = caa_container_of(task, struct call, task);

	call->function(call->data);
	__atomic_store_n(&call->done, true, __ATOMIC_RELEASE);
}

static void in_control(void (*function)(void *data), void *data)
{
	struct call call = { .task.run = call_run, .function = function, .data = data };

	loop_post(loop, &call.task);
	while (!__atomic_load_n(&call.done, __ATOMIC_ACQUIRE))
		usleep(200);
}

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* Waits up to @ms for @condition; its last answer. */
static bool wait_ms(bool (*condition)(void), unsigned int ms)
{
	uint64_t end = now_ms() + ms;

	while (!condition()) {
		if (now_ms() > end)
			return false;
		usleep(2000);
	}
	return true;
}

static bool wait_for(bool (*condition)(void))
{
	return wait_ms(condition, 15000);
}

static struct peer_info info;
static char info_error[256], info_warning[256];

static void take_info(const struct peer_info *each, void *data)
{
	(void)data;
	info = *each;
	snprintf(info_error, sizeof(info_error), "%s", each->error ? each->error : "");
	snprintf(info_warning, sizeof(info_warning), "%s", each->warning ? each->warning : "");
}

static void read_info(void *data)
{
	(void)data;
	peers_each(take_info, NULL);
}

static const struct peer_info *other(void)
{
	in_control(read_info, NULL);
	return &info;
}

static bool is_up(void)
{
	return !strcmp(other()->state, "up");
}

static bool is_not_up(void)
{
	return !is_up();
}

static struct peer_counters counters_now(void)
{
	struct peer_counters out;

	peers_counters(&out);
	return out;
}

static struct directory_listener found;

static bool find(const char *address, uint16_t port)
{
	struct in6_addr at = addr(address);
	bool ok;

	rcu_read_lock();
	ok = directory_find(VNI, &at, port, &found);
	rcu_read_unlock();
	return ok;
}

static bool find_b80(void)
{
	return find("10.32.2.2", 80);
}

static bool no_b80(void)
{
	return !find_b80();
}

/* --- what router b does when told --- */

static const uint8_t mac_b[PACKETPATH_MAC_LEN] = { 2, 0, 0, 0, 2, 2 };

static void b_container(void *data)
{
	struct in6_addr at = addr("10.32.2.2"), outside = addr("10.99.2.2");

	(void)data;
	directory_container_add(VNI, 1, mac_b, &at, 1);
	directory_listener_add(VNI, &at, 80);
	/* These are not for others to believe. */
	directory_container_add(VNI, 2, mac_b, &outside, 1);
	directory_listener_add(VNI, &outside, 80);
	directory_container_add(VNI + 1, 3, mac_b, &at, 1);
	directory_listener_add(VNI + 1, &at, 80);
}

static void b_unlisten(void *data)
{
	struct in6_addr at = addr("10.32.2.2");

	(void)data;
	directory_listener_remove(VNI, &at, 80);
}

static void b_listen(void *data)
{
	struct in6_addr at = addr("10.32.2.2");

	(void)data;
	directory_listener_add(VNI, &at, 80);
}

static void b_busy(void *data)
{
	struct in6_addr at = addr("10.32.2.2");

	(void)data;
	directory_listener_busy(VNI, &at, 80, true);
}

static void b_remove(void *data)
{
	(void)data;
	directory_container_remove(VNI, 1);
}

static void b_flood(void *data)
{
	struct in6_addr at = addr("10.32.2.2");

	(void)data;
	for (unsigned int port = 1000; port < 21000; port++)
		directory_listener_add(VNI, &at, (uint16_t)port);
}

static bool self_alive(void)
{
	return peer_alive(peer_self());
}

/* Seals a preamble for router a, and sends it back. */
static void b_seal(int fd)
{
	struct preamble fields = { .vni = VNI, .dst_port = 80 };
	uint8_t bytes[PREAMBLE_MAX] = { 0 };
	struct in6_addr src = addr("10.32.2.2"), dst = addr("10.32.1.2");
	struct peer *peer = find("10.32.1.2", 80) ? found.peer : NULL;
	int len = 0;

	memcpy(fields.src, &src, 16);
	memcpy(fields.dst, &dst, 16);
	rcu_read_lock();
	if (peer)
		len = peer_preamble_seal(peer, mac, &fields, bytes);
	rcu_read_unlock();
	if (write(fd, bytes, len > 0 ? (size_t)len : 1) < 0)
		abort();
}

static void b_obey(int fd, char command)
{
	static void (*const functions[128])(void *data) = {
		['c'] = b_container, ['u'] = b_unlisten, ['l'] = b_listen, ['b'] = b_busy,
		['r'] = b_remove, ['f'] = b_flood,
	};

	if (command == 's') {
		b_seal(fd);
		return;
	}
	in_control(functions[(int)command], NULL);
	if (write(fd, "", 1) < 0)
		abort();
}

static pid_t b_pid;
static int b_fd;

static void addresses_init(void)
{
	address_a = addr("127.0.0.1");
	address_b = addr("127.0.0.2");
	log_level_set(getenv("VERBOSE") ? LOG_LEVEL_DEBUG : LOG_LEVEL_ERROR);
}

/* b is this program anew: RCU's threads do not survive a fork. It stops in good order, and exits
 * with 0, when we close our end of the pair. */
static void b_start(const char *key_file, const uint8_t *public_of_a)
{
	char number[12], hex[2 * HOST_KEY_PUBLIC_LEN + 1];
	int pair[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	for (int i = 0; i < HOST_KEY_PUBLIC_LEN; i++)
		snprintf(hex + 2 * i, 3, "%02x", public_of_a[i]);
	b_pid = fork();
	ck_assert_int_ge(b_pid, 0);
	if (!b_pid) {
		snprintf(number, sizeof(number), "%d", dup(pair[1]));
		execl("/proc/self/exe", "router-b", number, key_file, hex, NULL);
		_exit(127);
	}
	close(pair[1]);
	b_fd = pair[0];
}

static int b_main(char **argv)
{
	int fd = atoi(argv[1]);
	char command;

	for (int i = 0; i < HOST_KEY_PUBLIC_LEN; i++)
		sscanf(argv[3] + 2 * i, "%2hhx", &public_a[i]);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	addresses_init();
	rcu_register_thread();
	router_start(false, argv[2], public_a);
	while (read(fd, &command, 1) == 1)
		b_obey(fd, command);
	router_stop();
	rcu_unregister_thread();
	return 0;
}

static ssize_t b_tell(char command, uint8_t *answer)
{
	uint8_t unused[PREAMBLE_MAX];

	ck_assert_int_eq(write(b_fd, &command, 1), 1);
	return read(b_fd, answer ? answer : unused, PREAMBLE_MAX);
}

static void b_stop(void)
{
	int status;

	close(b_fd);
	ck_assert_int_eq(waitpid(b_pid, &status, 0), b_pid);
	ck_assert_int_eq(status, 0);
}

static void b_kill(void)
{
	close(b_fd);
	kill(b_pid, SIGKILL);
	ck_assert_int_eq(waitpid(b_pid, NULL, 0), b_pid);
}

/* --- around each test --- */

static void loopback_up(void)
{
	struct ifreq ifr = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	ck_assert_int_eq(unshare(CLONE_NEWNET), 0);
	close(fd);
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	ck_assert_int_eq(ioctl(fd, SIOCSIFFLAGS, &ifr), 0);
	close(fd);
}

static void setup(void)
{
	addresses_init();
	loopback_up();
	rcu_register_thread();
}

static void teardown(void)
{
	rcu_unregister_thread();
}

static void both_up(void)
{
	b_start(key_b, public_a);
	router_start(true, key_a, public_b);
	ck_assert(wait_for(is_up));
	b_tell('c', NULL);
	ck_assert(wait_for(find_b80));
}

static void a_container(void *data)
{
	static const uint8_t mac_a[PACKETPATH_MAC_LEN] = { 2, 0, 0, 0, 1, 2 };
	struct in6_addr at = addr("10.32.1.2");

	(void)data;
	directory_container_add(VNI, 1, mac_a, &at, 1);
	directory_listener_add(VNI, &at, 80);
}

static uint8_t sealed[PREAMBLE_MAX];

static bool b_can_seal(void)
{
	return b_tell('s', sealed) == PREAMBLE_LEN4;
}

static struct peer *open_preamble(const uint8_t *bytes, size_t len, int *err)
{
	struct preamble fields;
	struct peer *peer;

	rcu_read_lock();
	peer = peer_preamble_open(mac, bytes, len, &fields, err);
	rcu_read_unlock();
	return peer;
}

/* --- tests --- */

START_TEST(test_announcements)
{
	struct in6_addr at = addr("10.32.2.2");

	both_up();
	ck_assert_str_eq(peer_name(found.peer), "b");
	ck_assert(!found.busy);
	ck_assert(peer_alive(found.peer));
	ck_assert_uint_eq(peer_port_first(found.peer), PORT_B);
	ck_assert_uint_eq(peer_port_last(found.peer), PORT_B + 63);
	ck_assert(!memcmp(peer_address(found.peer), &address_b, 16));
	rcu_read_lock();
	ck_assert(directory_owns(found.peer, VNI, &at));
	ck_assert(!directory_owns(peer_self(), VNI, &at));
	ck_assert(!directory_find(VNI + 1, &at, 80, &found));
	rcu_read_unlock();
	ck_assert(!find("10.99.2.2", 80));
	ck_assert(!find("10.32.2.2", 81));
	ck_assert_int_eq(remote_containers, 1);
	b_tell('b', NULL);
	for (int i = 0; i < 5000 && !(find_b80() && found.busy); i++)
		usleep(2000);
	ck_assert(found.busy);
	b_tell('u', NULL);
	ck_assert(wait_for(no_b80));
	b_tell('l', NULL);
	ck_assert(wait_for(find_b80));
	b_tell('r', NULL);
	ck_assert(wait_for(no_b80));
	ck_assert_int_eq(remote_containers, 0);
	ck_assert_uint_eq(other()->containers, 0);
	ck_assert_uint_gt(other()->rtt_us, 0);
	router_stop();
	b_stop();
}
END_TEST

static bool find_last(void)
{
	return find("10.32.2.2", 20999);
}

START_TEST(test_many)
{
	both_up();
	b_tell('f', NULL);
	ck_assert(wait_for(find_last));
	ck_assert_uint_eq(other()->listeners, 20001);
	/* All of it again, as one account, to a router that was not there before */
	router_stop();
	router_start(true, key_a, public_b);
	ck_assert(wait_for(find_last));
	ck_assert(wait_for(find_b80));
	b_stop();
	ck_assert(wait_for(is_not_up));
	ck_assert(!find_last());
	ck_assert_uint_eq(other()->listeners, 0);
	router_stop();
}
END_TEST

START_TEST(test_preambles)
{
	uint8_t old[PREAMBLE_MAX], bent[PREAMBLE_MAX];
	struct peer *peer;
	int err;

	both_up();
	in_control(a_container, NULL);
	ck_assert(wait_for(b_can_seal));
	memcpy(bent, sealed, sizeof(bent));
	bent[PREAMBLE_LEN4 - 1] ^= 1;
	ck_assert_ptr_null(open_preamble(bent, PREAMBLE_LEN4, &err));
	ck_assert_int_eq(err, -EKEYREJECTED);
	memcpy(bent, sealed, sizeof(bent));
	bent[27] ^= 1;		/* destination port */
	ck_assert_ptr_null(open_preamble(bent, PREAMBLE_LEN4, &err));
	ck_assert_int_eq(err, -EKEYREJECTED);
	memcpy(bent, sealed, sizeof(bent));
	bent[49] ^= 1;		/* host id */
	ck_assert_ptr_null(open_preamble(bent, PREAMBLE_LEN4, &err));
	ck_assert_int_eq(err, -ENOENT);
	memcpy(bent, sealed, sizeof(bent));
	bent[55] ^= 1;		/* key id */
	ck_assert_ptr_null(open_preamble(bent, PREAMBLE_LEN4, &err));
	ck_assert_int_eq(err, -EKEYEXPIRED);
	ck_assert_ptr_null(open_preamble(sealed, PREAMBLE_LEN4 - 1, &err));
	ck_assert_int_eq(err, -EBADMSG);
	peer = open_preamble(sealed, PREAMBLE_LEN4, &err);
	ck_assert_ptr_nonnull(peer);
	ck_assert_str_eq(peer_name(peer), "b");
	ck_assert_ptr_null(open_preamble(sealed, PREAMBLE_LEN4, &err));
	ck_assert_int_eq(err, -EALREADY);

	/* A preamble under way survives the loss of the channel, and of its sender. */
	ck_assert(b_can_seal());
	memcpy(old, sealed, sizeof(old));
	b_kill();
	ck_assert(wait_for(is_not_up));
	b_start(key_b, public_a);
	ck_assert(wait_for(is_up));
	ck_assert_ptr_nonnull(open_preamble(old, PREAMBLE_LEN4, &err));
	ck_assert_ptr_null(open_preamble(old, PREAMBLE_LEN4, &err));
	ck_assert(wait_for(b_can_seal));
	ck_assert_ptr_nonnull(open_preamble(sealed, PREAMBLE_LEN4, &err));
	ck_assert_uint_eq(counters_now().replayed, 2);
	ck_assert_uint_eq(counters_now().bad_mac, 2);
	router_stop();
	b_stop();
}
END_TEST

START_TEST(test_self)
{
	struct preamble fields = { .vni = VNI, .src[0] = 0xfd, .dst[0] = 0xfd, .dst_port = 80 };
	uint8_t bytes[PREAMBLE_MAX];
	int err, len;

	router_start(true, key_a, public_b);
	in_control(a_container, NULL);
	ck_assert(find("10.32.1.2", 80));
	ck_assert_ptr_eq(found.peer, peer_self());
	ck_assert(self_alive());
	rcu_read_lock();
	len = peer_preamble_seal(peer_self(), mac, &fields, bytes);
	rcu_read_unlock();
	ck_assert_int_eq(len, PREAMBLE_LEN6);
	ck_assert_ptr_eq(open_preamble(bytes, (size_t)len, &err), peer_self());
	/* The other one was never there. */
	ck_assert(is_not_up());
	router_stop();
}
END_TEST

static bool both_containers(void)
{
	return __atomic_load_n(&remote_containers, __ATOMIC_RELAXED) == 1;
}

static bool no_container(void)
{
	return __atomic_load_n(&remote_containers, __ATOMIC_RELAXED) == 0;
}

START_TEST(test_restart)
{
	both_up();
	ck_assert(both_containers());
	b_kill();
	ck_assert(wait_for(no_b80));
	ck_assert(wait_for(is_not_up));
	/* The containers stay reachable by packets until b's next account leaves them out. */
	ck_assert_int_eq(remote_containers, 1);
	ck_assert_uint_eq(other()->containers, 1);
	b_start(key_b, public_a);
	ck_assert(wait_for(is_up));
	ck_assert(wait_for(no_container));
	b_tell('c', NULL);
	ck_assert(wait_for(find_b80));
	ck_assert_uint_ge(counters_now().channels_opened, 2);
	/* b frozen: nothing is heard of it */
	kill(b_pid, SIGSTOP);
	ck_assert(wait_ms(no_b80, 4000));
	ck_assert(wait_for(is_not_up));
	ck_assert_int_eq(remote_containers, 1);
	kill(b_pid, SIGCONT);
	ck_assert(wait_for(find_b80));
	router_stop();
	b_stop();
}
END_TEST

static bool says_key(void)
{
	return is_not_up() && strstr(info_error, "public key");
}

/*
 * b has another key than a was told of, or expects another a: that is said, also where both wait,
 * since one has the other's key wrong. (The one whose own key is not known is told by TLS's alert.)
 */
START_TEST(test_wrong_key)
{
	if (_i)
		b_start(key_c, public_a);
	else
		b_start(key_b, public_c);
	router_start(true, key_a, public_b);
	ck_assert_msg(wait_for(says_key), "a says: %s", info_error);
	ck_assert_uint_gt(counters_now().handshakes_failed, 0);
	ck_assert_uint_eq(counters_now().channels_opened, 0);
	router_stop();
	b_stop();
}
END_TEST

/* Keys are renewed again and again: announcements stay, preambles are accepted, changes arrive. */
START_TEST(test_renewal)
{
	uint64_t end = now_ms() + 6000;
	int err;

	setenv(LIFETIME, "1", 1);
	both_up();
	in_control(a_container, NULL);
	ck_assert(wait_for(b_can_seal));
	while (now_ms() < end) {
		ck_assert(find_b80());
		ck_assert(b_can_seal());
		ck_assert_ptr_nonnull(open_preamble(sealed, PREAMBLE_LEN4, &err));
	}
	ck_assert_uint_ge(counters_now().channels_renewed, 4);
	ck_assert_uint_eq(counters_now().channels_lost, 0);
	b_tell('u', NULL);
	ck_assert(wait_ms(no_b80, 500));
	b_tell('l', NULL);
	ck_assert(wait_ms(find_b80, 500));
	unsetenv(LIFETIME);
	router_stop();
	b_stop();
}
END_TEST

static int stranger(void)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons(PORT_A),
				   .sin_addr.s_addr = addr_get4(&address_a) };
	struct sockaddr_in from = { .sin_family = AF_INET,
				    .sin_addr.s_addr = htonl(0x7f000009) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	bind(fd, (struct sockaddr *)&from, sizeof(from));
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&sin, sizeof(sin)), 0);
	return fd;
}

/* More of them than the router lets in, silent or talking nonsense: the peer gets in all the
 * same, and they go after their time. */
START_TEST(test_strangers)
{
	int fds[200];
	int before;
	char garbage[512];

	memset(garbage, 0x16, sizeof(garbage));
	router_start(true, key_a, public_b);
	before = open_fds();
	for (int i = 0; i < 200; i++) {
		fds[i] = stranger();
		if (_i)
			ck_assert_int_gt(write(fds[i], garbage, sizeof(garbage)), 0);
	}
	b_start(key_b, public_a);
	ck_assert(wait_for(is_up));
	ck_assert_int_le(open_fds(), before + 200 + 64 + 4);
	for (int i = 0; i < 200; i++) {
		struct pollfd pfd = { .fd = fds[i], .events = POLLIN };

		ck_assert_int_eq(poll(&pfd, 1, 8000), 1);
		close(fds[i]);
	}
	ck_assert_int_le(open_fds(), before + 4);
	router_stop();
	b_stop();
}
END_TEST

/* --- a peer with the right key that does not keep to the rules --- */

static bool accept_any(const uint8_t *public_key, void *data)
{
	(void)public_key;
	(void)data;
	return true;
}

static const struct peer_tls_verifier gullible = { .accept = accept_any };

/* The key whose owner dials a router with the other one */
static bool a_dials(void)
{
	return host_key_id(public_a) < host_key_id(public_b);
}

struct rogue {
	EVP_PKEY *key;
	SSL_CTX *ctx;
	SSL *ssl;
	int fd;
};

/* Starts router a, and speaks TLS to it as router b, whichever side dials. */
static void rogue_begin(struct rogue *rogue)
{
	ck_assert_int_eq(host_key_load(key_b, &rogue->key), 0);
	rogue->ctx = peer_tls_new(rogue->key, &gullible);
	router_start(true, key_a, public_b);
	if (a_dials()) {
		int listener = listen_on(&address_b, PORT_B);
		struct pollfd pfd = { .fd = listener, .events = POLLIN };

		ck_assert_int_eq(poll(&pfd, 1, 5000), 1);
		rogue->fd = accept(listener, NULL, NULL);
		close(listener);
	} else {
		rogue->fd = stranger();
	}
	rogue->ssl = peer_tls_open(rogue->ctx, rogue->fd, !a_dials(), NULL);
	ck_assert_int_eq(SSL_do_handshake(rogue->ssl), 1);
}

static void rogue_leave(struct rogue *rogue)
{
	SSL_free(rogue->ssl);
	close(rogue->fd);
}

/* After rogue_leave(): the router ends, too. */
static void rogue_end(struct rogue *rogue)
{
	router_stop();
	peer_tls_free(rogue->ctx);
	EVP_PKEY_free(rogue->key);
}

static size_t rogue_hello(uint8_t *out)
{
	struct peer_message hello = {
		.type = SLIM_MESSAGE_HELLO,
		.hello = { .version = 1, .port_first = PORT_B, .port_last = PORT_B + 1,
			   .vxlan_port = 4789, .host_id = host_key_id(public_b), .instance = 7,
			   .name = "b", .addresses_num = 1, .addresses = { address_b } },
	};

	return peer_message_encode(&hello, out);
}

/* Whether the router ends the connection within 5 s. */
static bool ended(SSL *ssl, int fd)
{
	struct timeval timeout = { .tv_sec = 8 };
	char bytes[4096];
	int got;

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
	do {
		errno = 0;
		ERR_clear_error();
		got = SSL_read(ssl, bytes, sizeof(bytes));
	} while (got > 0);
	return errno != EAGAIN;
}

static const struct {
	const char *what;
	bool hello;
	uint8_t bytes[24];
	size_t len;
} sins[] = {
	{ "nothing at all", false, { 0 }, 0 },
	{ "PING before HELLO", false, { 0, 7, 0, 0, 0, 0, 0, 16 }, 16 },
	{ "no type", true, { 0, 0, 0, 0, 0, 0, 0, 8 }, 8 },
	{ "length below the header's", true, { 0, 7, 0, 0, 0, 0, 0, 7 }, 8 },
	{ "huge unknown message", true, { 0, 99, 0, 0, 0, 0, 0x40, 1 }, 8 },
	{ "PING of wrong length", true, { 0, 7, 0, 0, 0, 0, 0, 17 }, 17 },
	{ "flags", true, { 0, 7, 0, 1, 0, 0, 0, 16 }, 16 },
	{ "listener on port 0", true, { 0, 5, 0, 0, 0, 0, 0, 32 }, 24 },
	{ "garbage", true, "GET / HTTP/1.1\r\n\r\n", 18 },
};

START_TEST(test_rogue)
{
	uint8_t bytes[PEER_MESSAGE_MAX + 64] = { 0 };
	size_t len = 0;
	struct rogue rogue;

	rogue_begin(&rogue);
	if (sins[_i].hello)
		len = rogue_hello(bytes);
	memcpy(bytes + len, sins[_i].bytes, sins[_i].len);
	len += 64 > sins[_i].len ? (sins[_i].len == 24 ? 32 : sins[_i].len) : 0;
	if (len)
		ck_assert_int_eq(SSL_write(rogue.ssl, bytes, (int)len), (int)len);
	ck_assert_msg(ended(rogue.ssl, rogue.fd), "%s was borne with", sins[_i].what);
	ck_assert(wait_for(is_not_up));
	rogue_leave(&rogue);
	rogue_end(&rogue);
}
END_TEST

/* Unknown types are skipped; a byte at a time is as good as all at once; PINGs are answered. */
START_TEST(test_later_version)
{
	static const uint8_t later[] = { 0x12, 0x34, 0xff, 0xff, 0, 0, 0, 12, 1, 2, 3, 4 };
	static const uint8_t ping[] = { 0, 7, 0, 0, 0, 0, 0, 16, 1, 2, 3, 4, 5, 6, 7, 8 };
	uint8_t bytes[PEER_MESSAGE_MAX + 64];
	struct timeval timeout = { .tv_sec = 5 };
	size_t len = rogue_hello(bytes);
	bool seen = false;
	struct rogue rogue;

	rogue_begin(&rogue);
	memcpy(bytes + len, later, sizeof(later));
	len += sizeof(later);
	memcpy(bytes + len, ping, sizeof(ping));
	len += sizeof(ping);
	for (size_t i = 0; i < len; i++)
		ck_assert_int_eq(SSL_write(rogue.ssl, bytes + i, 1), 1);
	setsockopt(rogue.fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
	for (int i = 0; i < 20 && !seen; i++) {
		uint8_t in[16384];
		int got = SSL_read(rogue.ssl, in, sizeof(in));

		ck_assert_int_gt(got, 0);
		seen = memmem(in, (size_t)got, ping + 8, 8);
	}
	ck_assert(seen);
	ck_assert(is_up());
	rogue_leave(&rogue);
	rogue_end(&rogue);
}
END_TEST

static void rogue_say(SSL *ssl, const struct peer_message *message, unsigned int times)
{
	uint8_t one[PEER_MESSAGE_MAX], many[16 * 1024];
	size_t len = peer_message_encode(message, one), num = sizeof(many) / len;

	for (size_t i = 0; i < num; i++)
		memcpy(many + i * len, one, len);
	for (; times; times -= times < num ? times : (unsigned int)num) {
		size_t now = times < num ? times : num;

		ck_assert_int_gt(SSL_write(ssl, many, (int)(now * len)), 0);
	}
}

static void nothing(void *data)
{
	(void)data;
}

static bool is_slowed(void)
{
	uint64_t began = now_ms();

	in_control(nothing, NULL);
	ck_assert_uint_lt(now_ms() - began, 1000);
	return other()->slowed;
}

/* A peer that says far too much is heard more slowly; others have their turn all the while. */
START_TEST(test_flood)
{
	struct peer_message message = {
		.type = SLIM_MESSAGE_LISTENER_REMOVE,
		.listener = { .vni = VNI, .port = 80, .addr = addr("10.32.2.2") },
	};
	struct timeval timeout = { .tv_sec = 2 };
	uint8_t bytes[PEER_MESSAGE_MAX];
	struct rogue rogue;

	rogue_begin(&rogue);
	ck_assert_int_gt(SSL_write(rogue.ssl, bytes, (int)rogue_hello(bytes)), 0);
	ck_assert(wait_for(is_up));
	setsockopt(rogue.fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
	for (int i = 0; i < 2000 && !is_slowed(); i++)
		rogue_say(rogue.ssl, &message, 2048);
	ck_assert(wait_for(is_slowed));
	ck_assert(is_up());
	rogue_leave(&rogue);
	ck_assert(wait_for(is_not_up));
	rogue_end(&rogue);
}
END_TEST

static bool warns(void)
{
	return is_up() && strstr(info_warning, "VNI 101");
}

/* A tenant of equal name and another VNI, containers that it may not have */
START_TEST(test_lies)
{
	struct peer_message tenant_of_b = { .type = SLIM_MESSAGE_TENANT, .tenant.vni = VNI + 1 };
	struct peer_message container = {
		.type = SLIM_MESSAGE_CONTAINER_ADD,
		.container = { .vni = VNI, .id = 1, .mac = { 2, 0, 0, 0, 0, 1 },
			       .addresses_num = 1, .addresses = { addr("10.99.0.1") } },
	};
	uint8_t bytes[PEER_MESSAGE_MAX];
	struct rogue rogue;

	snprintf(tenant_of_b.tenant.name, sizeof(tenant_of_b.tenant.name), "%s", tenant.name);
	rogue_begin(&rogue);
	ck_assert_int_gt(SSL_write(rogue.ssl, bytes, (int)rogue_hello(bytes)), 0);
	rogue_say(rogue.ssl, &container, 3);
	rogue_say(rogue.ssl, &tenant_of_b, 1);
	ck_assert(wait_for(warns));
	ck_assert_uint_eq(info.refused, 3);
	ck_assert_uint_eq(info.containers, 0);
	rogue_leave(&rogue);
	rogue_end(&rogue);
}
END_TEST

static bool warns_of_vxlan(void)
{
	return is_up() && strstr(info_warning, "VXLAN port is 4790");
}

static bool warns_of_address(void)
{
	return is_up() && strstr(info_warning, "first address is 192.0.2.77,");
}

static const struct {
	uint16_t vxlan_port;
	const char *address;
	bool (*warns)(void);
} misfits[] = {
	{ 4790, "127.0.0.2", warns_of_vxlan },
	{ 4789, "192.0.2.77", warns_of_address },
};

/* Packets of such a peer get lost, which connections over the slim path do not show. */
START_TEST(test_misfit)
{
	struct peer_message hello = {
		.type = SLIM_MESSAGE_HELLO,
		.hello = { .version = 1, .port_first = PORT_B, .port_last = PORT_B + 1,
			   .vxlan_port = misfits[_i].vxlan_port, .host_id = host_key_id(public_b),
			   .instance = 7, .name = "b", .addresses_num = 1,
			   .addresses = { addr(misfits[_i].address) } },
	};
	struct peer_message end = { .type = SLIM_MESSAGE_SYNC_END };
	struct rogue rogue;

	rogue_begin(&rogue);
	rogue_say(rogue.ssl, &hello, 1);
	rogue_say(rogue.ssl, &end, 1);
	ck_assert_msg(wait_for(misfits[_i].warns), "the warning is: %s", info_warning);
	rogue_leave(&rogue);
	rogue_end(&rogue);
}
END_TEST

static bool unanswered(void)
{
	return is_not_up() && strstr(info_error, "does not answer");
}

/* A host that is off, or whose firewall drops what comes: as a queue that has no room */
START_TEST(test_no_answer)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons(PORT_B),
				   .sin_addr.s_addr = addr_get4(&address_b) };
	int fds[4], fd = listen_on(&address_b, PORT_B);

	listen(fd, 0);
	for (size_t i = 0; i < 4; i++) {
		fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		(void)connect(fds[i], (struct sockaddr *)&sin, sizeof(sin));
	}
	router_start(true, key_a, public_b);
	ck_assert_msg(wait_for(unanswered), "the error is: %s", info_error);
	router_stop();
	for (size_t i = 0; i < 4; i++)
		close(fds[i]);
	close(fd);
}
END_TEST

static void make_keys(void)
{
	if (!mkdtemp(directory))
		abort();
	snprintf(key_a, sizeof(key_a), "%s/a", directory);
	snprintf(key_b, sizeof(key_b), "%s/b", directory);
	snprintf(key_c, sizeof(key_c), "%s/c", directory);
	if (host_key_generate(key_a, public_a) || host_key_generate(key_b, public_b) ||
	    host_key_generate(key_c, public_c))
		abort();
}

static void swap_keys(void)
{
	uint8_t keep[HOST_KEY_PUBLIC_LEN];
	char path[sizeof(key_a)];

	memcpy(keep, public_a, sizeof(keep));
	memcpy(public_a, public_b, sizeof(keep));
	memcpy(public_b, keep, sizeof(keep));
	memcpy(path, key_a, sizeof(path));
	memcpy(key_a, key_b, sizeof(path));
	memcpy(key_b, path, sizeof(path));
}

static void remove_keys(void)
{
	unlink(key_a);
	unlink(key_b);
	unlink(key_c);
	rmdir(directory);
}

static Suite *suite(void)
{
	Suite *s = suite_create("peer");
	TCase *tc = tcase_create("two routers");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, test_announcements);
	tcase_add_test(tc, test_many);
	tcase_add_test(tc, test_preambles);
	tcase_add_test(tc, test_self);
	tcase_add_test(tc, test_restart);
	tcase_add_loop_test(tc, test_wrong_key, 0, 2);
	tcase_add_loop_test(tc, test_strangers, 0, 2);
	tcase_add_loop_test(tc, test_rogue, 0, sizeof(sins) / sizeof(sins[0]));
	tcase_add_test(tc, test_later_version);
	tcase_add_test(tc, test_renewal);
	tcase_add_test(tc, test_flood);
	tcase_add_test(tc, test_lies);
	tcase_add_loop_test(tc, test_misfit, 0, 2);
	tcase_add_test(tc, test_no_answer);
	suite_add_tcase(s, tc);
	return s;
}

/* Twice: with either side dialling. */
int main(int argc, char **argv)
{
	int failed = 0;

	if (argc == 4)
		return b_main(argv);
	make_keys();
	for (int i = 0; i < 2; i++) {
		failed |= suite_run(suite());
		swap_keys();
	}
	remove_keys();
	return failed;
}
