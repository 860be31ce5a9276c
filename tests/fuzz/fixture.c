/* SPDX-License-Identifier: MIT */
/* fixture.c - a router for fuzz targets: all of it but devices and threads */
#include "fixture.h"

#include <dirent.h>
#include <err.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>

/* For a loop that is run turn by turn and whose time passes as it is told */
static int clock_fixture(clockid_t clock, struct timespec *ts);
#define clock_gettime clock_fixture
#include "../../router/loop.c"
#undef clock_gettime
/* For what has been inherited */
#include "../../router/inherited.c"

#include "../../router/aside.h"
#include "../../router/attach.h"
#include "../../router/channel.h"
#include "../../router/consultation.h"
#include "../../router/denial.h"
#include "../../router/directory.h"
#include "../../router/endpoint.h"
#include "../../router/enforcer.h"
#include "../../router/enforcer_rates.h"
#include "../../router/host_key.h"
#include "../../router/base64.h"
#include "../../router/housekeeping.h"
#include "../../router/inbound.h"
#include "../../router/keeper.h"
#include "../../router/ledger.h"
#include "../../router/listener.h"
#include "../../router/manager.h"
#include "../../router/namespace.h"
#include "../../router/outbound.h"
#include "../../router/packet_denials.h"
#include "../../router/packetpath.h"
#include "../../router/packetpath_container.h"
#include "../../router/policy_diff.h"
#include "../../router/policy_show.h"
#include "../../router/policy_trial.h"
#include "../../router/reload.h"
#include "../../router/ruleset_policy.h"
#include "../../router/peer.h"
#include "../../router/report.h"
#include "../../router/ruleset.h"
#include "../../router/slimport.h"
#include "../../router/stray.h"
#include "../../router/ticket.h"
#include "../../router/upgrade.h"

#define TURNS		4	/* until a connection has gone all the way over loopback */
#define TURNS_MAX	64	/* until all that was asked for has come to nothing */
#define FILES_MAX	512
#define FILES_KEPT	300	/* pools of tickets, above all */
#define CHECK_EVERY	8	/* drops */
#define BARRIER_EVERY	64	/* drops: what is freed later takes memory until then */
#define PATIENCE	10000	/* ms until all that was let go is closed, on a busy machine */

struct config *fixture_config;
struct loop *fixture_loop;
struct worker fixture_worker;
struct container *fixture_containers[2];
static int listener_fd = -1;
/* On a file system that ends with the process */
static const char directory[] = "/mnt/slim";

static const char config_text[] =
	"host \"h1\" { address 127.0.0.1; key \"%s/key\"; slim-ports %d-%d; }\n"
	"control \"%s/control\";\nstate \"%s/state\";\n"
	"tenant \"blue\" { vni %d; prefix 10.32.0.0/16; prefix fd32::/48; }\n"
	"peer \"h2\" { address 127.0.0.2; public-key \"%s\"; }\n";

/*
 * The leak checker does not see through liburcu's hash tables, which keep flags in pointers. What is
 * leaked by every input meets the limit on memory or on files.
 */
int __lsan_is_turned_off(void);
int __lsan_is_turned_off(void)
{
	return 1;
}

/* Before it frees what is to be freed, liburcu's thread takes a nap: nobody has that time. */
int poll(struct pollfd *fds, nfds_t num, int timeout)
{
	struct timespec time = { timeout / 1000, timeout % 1000 * 1000000L };

	return num ? ppoll(fds, num, timeout < 0 ? NULL : &time, NULL) : 0;
}

/* --- devices and rules: none --- */

int ruleset_counters(void (*each)(const char *name, uint64_t packets, void *data), void *data)
{
	each("strangers_slim", 0, data);
	return 0;
}

int packetpath_attach(const struct config_tenant *tenant, struct packetpath_port *port)
{
	(void)tenant;
	snprintf(port->host_ifname, sizeof(port->host_ifname), "slimv");
	return 0;
}

/* What is taken up must be what attaching could have left. */
int packetpath_adopt(const struct config_tenant *tenant, struct packetpath_port *port)
{
	(void)tenant;
	if (!port->addresses_num || port->addresses_num > PACKETPATH_ADDRESSES ||
	    !memchr(port->host_ifname, 0, sizeof(port->host_ifname)) ||
	    !memchr(port->container_ifname, 0, sizeof(port->container_ifname)))
		abort();
	return 0;
}

void packetpath_forget(const struct packetpath_port *port)
{
	if (!memchr(port->host_ifname, 0, sizeof(port->host_ifname)))
		abort();
}

void packetpath_sweep(const char *const *kept, size_t num)
{
	(void)kept, (void)num;
}

void packetpath_detach(const struct config_tenant *tenant, const struct packetpath_port *port)
{
	(void)tenant, (void)port;
}

void packetpath_leaving(const struct packetpath_port *port)
{
	(void)port;
}

void packetpath_leave(void)
{
}

void packetpath_set_judged(bool (*judged)(uint32_t vni))
{
	(void)judged;
}

int ruleset_policy_load(const struct ruleset_policy_tenant *tenants, size_t num, char *error,
			size_t size)
{
	(void)tenants, (void)num, (void)error, (void)size;
	return 0;
}

void packet_denials_init(struct loop *control)
{
	(void)control;
}

void packet_denials_exit(void)
{
}

int packetpath_remote_add(uint32_t vni, const uint8_t mac[PACKETPATH_MAC_LEN],
			  const struct in6_addr *addresses, size_t num,
			  const struct in6_addr *host)
{
	(void)vni, (void)mac, (void)addresses, (void)num, (void)host;
	return 0;
}

void packetpath_remote_remove(uint32_t vni, const uint8_t mac[PACKETPATH_MAC_LEN],
			      const struct in6_addr *addresses, size_t num,
			      const struct in6_addr *host)
{
	(void)vni, (void)mac, (void)addresses, (void)num, (void)host;
}

bool packetpath_is_unfinished(void)
{
	return false;
}

bool packetpath_remotes_missing(uint32_t vni)
{
	(void)vni;
	return false;
}

int packetpath_netfilter_probe(int netns_fd)
{
	(void)netns_fd;
	return 0;
}

void packetpath_container_clean(const struct packetpath_port *port)
{
	(void)port;
}

/* --- other processes: none --- */

int upgrade_check(const char *binary, void (*checked)(const char *error), char *error,
		  size_t size)
{
	(void)binary, (void)checked;
	snprintf(error, size, "there is no keeper");
	return -ENOENT;
}

void upgrade_go(int client_fd)
{
	(void)client_fd;
	abort();
}

int upgrade_client(void)
{
	return -1;
}

bool upgrade_outcome(json_t **reply, char *error, size_t size)
{
	(void)reply, (void)error, (void)size;
	return false;
}

bool manager_has_control(void)
{
	return false;
}

int manager_store(const char *name, const int *fds, size_t num)
{
	(void)name, (void)fds, (void)num;
	return 0;
}

void manager_forget(const char *name)
{
	(void)name;
}

void manager_flush(void)
{
}

bool keeper_has_file(int fd)
{
	(void)fd;
	return false;
}

void keeper_progress(void)
{
}

/* --- threads: none --- */

void housekeeping_set_up(void)
{
}

void housekeeping_hurry(void)
{
}

/* Nothing is limited. */
static void rates_leave(void)
{
}

const struct enforcer enforcer_rates = { .revoke = rates_leave };

void enforcer_rates_init(const struct config *config, struct loop *control)
{
	(void)config, (void)control;
}

void enforcer_rates_begin(void)
{
}

void enforcer_rates_follow(void)
{
}

void enforcer_rates_exit(void)
{
}

static struct aside *asides[16];

void aside_init(struct loop *control)
{
	(void)control;
}

int aside_start(struct aside *aside)
{
	for (size_t i = 0; i < sizeof(asides) / sizeof(asides[0]); i++)
		if (!asides[i]) {
			asides[i] = aside;
			return 0;
		}
	return -EAGAIN;
}

static void asides_run(void)
{
	for (size_t i = 0; i < sizeof(asides) / sizeof(asides[0]); i++) {
		struct aside *aside = asides[i];

		asides[i] = NULL;
		if (!aside)
			continue;
		aside->run(aside);
		rcu_read_lock();
		aside->done(aside);
		rcu_read_unlock();
	}
}

struct worker *worker_next(void)
{
	return &fixture_worker;
}

struct worker *worker_at(unsigned int index)
{
	return index ? NULL : &fixture_worker;
}

static void worker_drop(struct container *container)
{
	struct channel *channel, *next_channel;
	struct inbound *inbound, *next_inbound;

	cds_list_for_each_entry_safe(channel, next_channel, &fixture_worker.channels, node)
		if (!container || channel->container == container)
			channel_close(channel);
	cds_list_for_each_entry_safe(inbound, next_inbound, &fixture_worker.inbounds, node)
		if (!container || inbound->container == container)
			inbound_abort(inbound);
	cds_list_for_each_entry_safe(inbound, next_inbound, &fixture_worker.preambles.list, entry.node)
		if (!container)
			inbound_abort(inbound);
}

void workers_drop_container(struct container *container)
{
	worker_drop(container);
}

/* --- */

static void stop_run(struct loop_task *task)
{
	(void)task;
	fixture_loop->stop = true;
}

static void turn(void)
{
	struct loop_task stop = { .run = stop_run };

	loop_post(fixture_loop, &stop);
	loop_run(fixture_loop);
	fixture_loop->stop = false;
}

void fixture_turn(void)
{
	for (int i = 0; i < TURNS; i++)
		turn();
	asides_run();
	turn();
}

static uint64_t passed;		/* ms that nobody has waited */

static int clock_fixture(clockid_t clock, struct timespec *ts)
{
	int ret = clock_gettime(clock, ts);

	ts->tv_sec += (time_t)(passed / 1000);
	ts->tv_nsec += (long)(passed % 1000 * 1000000);
	return ret;
}

void fixture_pass(unsigned int ms)
{
	passed += ms;
	fixture_turn();
}

void fixture_reset(int fd)
{
	struct linger reset = { .l_onoff = 1 };

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	close(fd);
}

/* libFuzzer's own signals interrupt it. */
int fixture_connect(const struct sockaddr_in6 *name)
{
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0), failed = 0;
	struct pollfd pfd = { .fd = fd, .events = POLLOUT };
	socklen_t len = sizeof(failed);

	if (fd >= 0 && connect(fd, (const struct sockaddr *)name, sizeof(*name)) == 0)
		return fd;
	if (fd >= 0 && errno == EINTR) {
		while (poll(&pfd, 1, PATIENCE) < 0 && errno == EINTR)
			;
		if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &failed, &len) == 0 && !failed)
			return fd;
		errno = failed;
	}
	perror("a connection over loopback");
	abort();
}

int fixture_accept(void)
{
	return accept4(listener_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
}

static unsigned int count_files(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned int num = 0;

	while (dir && readdir(dir))
		num++;
	if (dir)
		closedir(dir);
	return num;
}

/* What is let go is closed by other threads, by and by, or when its request has had its turn. */
static void check_files(void)
{
	unsigned int num = count_files();

	if (num > FILES_KEPT)
		rcu_barrier();
	for (int i = 0; (num = count_files()) > FILES_KEPT && i < PATIENCE; i++) {
		usleep(1000);
		fixture_turn();
	}
	if (num <= FILES_KEPT)
		return;
	fprintf(stderr, "%u files are open that should be closed\n", num);
	abort();
}

static void drop_once(void)
{
	int fd;

	rcu_read_lock();
	worker_drop(NULL);
	for (int i = 0; i < 2; i++) {
		uint64_t *cookies;
		size_t num;

		if (ledger_take(fixture_containers[i]->id, &cookies, &num) == 0)
			free(cookies);
	}
	rcu_read_unlock();
	while ((fd = fixture_accept()) >= 0)
		fixture_reset(fd);
	fixture_turn();
}

static bool is_idle(void)
{
	for (int i = 0; i < 2; i++)
		if (fixture_containers[i]->connections || fixture_containers[i]->pending ||
		    fixture_containers[i]->unadmitted)
			return false;
	return cds_list_empty(&fixture_worker.channels) &&
	       cds_list_empty(&fixture_worker.inbounds) &&
	       cds_list_empty(&fixture_worker.claims) &&
	       cds_list_empty(&fixture_worker.preambles.list) && !fixture_worker.preambles.num;
}

void fixture_drop(void)
{
	static unsigned int drops;

	drop_once();
	/* What was on its way over loopback */
	for (int i = 0; i < TURNS_MAX && !is_idle(); i++)
		drop_once();
	if (!is_idle()) {
		fprintf(stderr, "something does not end\n");
		abort();
	}
	if (++drops % BARRIER_EVERY == 0)
		rcu_barrier();
	if (drops % CHECK_EVERY == 0)
		check_files();
}

void fixture_leave(int fd)
{
	if (open_add(fd))
		abort();
}

struct in6_addr fixture_address(unsigned int container, int family)
{
	char text[] = "fd32::1", text4[] = "10.32.0.1";
	struct in6_addr addr;

	text[sizeof(text) - 2] = text4[sizeof(text4) - 2] = (char)('1' + container);
	addr_parse(family == AF_INET ? text4 : text, &addr);
	return addr;
}

static void run(const char *command)
{
	if (system(command))
		errx(1, "failed: %s", command);
}

static void namespace_make(void)
{
	if (unshare(CLONE_NEWNET | CLONE_NEWNS))
		err(1, "a fuzz target needs root");
	run("ip link set lo up");
	run("for a in 10.32.0.1/32 10.32.0.2/32 fd32::1/128 fd32::2/128 fd53:4c49:4d::1/128;"
	    " do ip address add $a dev lo; done");
	run("mount --make-rprivate / && mount -t tmpfs slim-fuzz /mnt && mkdir /mnt/slim");
	run("echo 3 >/proc/sys/net/ipv4/tcp_fastopen");
	/* Else the ports are used up by and by. */
	run("echo 256 >/proc/sys/net/ipv4/tcp_max_tw_buckets");
}

static void config_make(void)
{
	uint8_t key[HOST_KEY_PUBLIC_LEN], other[HOST_KEY_PUBLIC_LEN] = { 1 };
	char path[64], text[1024], error[1024], public_key[BASE64_SIZE(sizeof(other))];
	int len;

	snprintf(path, sizeof(path), "%s/key", directory);
	if (host_key_generate(path, key))
		errx(1, "no key");
	base64_encode(public_key, other, sizeof(other));
	len = snprintf(text, sizeof(text), config_text, directory, FIXTURE_PORT_FIRST,
		       FIXTURE_PORT_LAST, directory, directory, FIXTURE_VNI, public_key);
	fixture_config = config_parse("fixture", text, (size_t)len, error, sizeof(error));
	if (!fixture_config)
		errx(1, "%s", error);
}

static struct container *attach(unsigned int number)
{
	struct container *container = container_new(0);
	static const uint8_t mac[2][PACKETPATH_MAC_LEN] = { { 2, 1 }, { 2, 2 } };
	struct stat st;

	snprintf(container->name, sizeof(container->name), "c%u", number);
	container->tenant = &fixture_config->tenants[0];
	container->limits = &fixture_config->limits;
	container->vni = FIXTURE_VNI;
	container->netns_fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	container->netns_path = strdup("/proc/self/ns/net");
	if (fstat(container->netns_fd, &st))
		err(1, "fstat");
	container->netns_dev = st.st_dev;
	container->netns_ino = st.st_ino;
	container->labels = json_object();
	container->addresses_num = 2;
	container->addresses[0] = fixture_address(number, AF_INET);
	container->addresses[1] = fixture_address(number, AF_INET6);
	if (container_publish(container) ||
	    directory_container_add(FIXTURE_VNI, container->id, mac[number],
				    container->addresses, container->addresses_num))
		errx(1, "container_publish");
	return container;
}

static void is_registered(struct listener_request *request, int err)
{
	(void)request;
	if (err)
		errx(1, "no listener: %s", strerror(-err));
}

static void listener_make(void)
{
	static struct listener_request request = { .done = is_registered };

	struct sockaddr_in6 name = {
		.sin6_family = AF_INET6, .sin6_port = htons(FIXTURE_LISTENER),
	};
	int zero = 0, one = 1;

	listener_fd = socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	setsockopt(listener_fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof(zero));
	setsockopt(listener_fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(listener_fd, (struct sockaddr *)&name, sizeof(name)) || listen(listener_fd, 64))
		errx(1, "no listener");
	request.cookie = inherited_cookie(listener_fd);
	rcu_read_lock();
	listener_register(fixture_containers[1], &request);
	rcu_read_unlock();
	asides_run();
}

static void worker_make(void)
{
	CDS_INIT_LIST_HEAD(&fixture_worker.channels);
	CDS_INIT_LIST_HEAD(&fixture_worker.dials);
	CDS_INIT_LIST_HEAD(&fixture_worker.inbounds);
	preambles_init(&fixture_worker.preambles);
	CDS_INIT_LIST_HEAD(&fixture_worker.claims);
	fixture_worker.loop = fixture_worker.control = fixture_loop;
	fixture_worker.config = fixture_config;
	fixture_worker.mac = mac_new();
	shares_init(&fixture_worker.shares, fixture_loop);
}

/* There is none at first. */
static int start_policy(void)
{
	denial_init(fixture_config);
	policy_diff_init(fixture_config);
	policy_show_init(fixture_config);
	policy_trial_init(fixture_config);
	consultations_init(fixture_loop);
	return reload_init(fixture_config, fixture_loop, false);
}

void fixture_start(void)
{
	struct rlimit files = { FILES_MAX, FILES_MAX };
	int failed;

	setrlimit(RLIMIT_NOFILE, &files);
	signal(SIGPIPE, SIG_IGN);
	namespace_make();
	config_make();
	rcu_register_thread();
	hash_seed_init();
	fixture_loop = loop_new();
	worker_make();
	failed = namespace_init() || stray_init() || containers_init(1) ||
		 listeners_init(fixture_loop) || ledger_init() || tickets_init() ||
		 attach_init(fixture_config, fixture_loop) || directory_init(fixture_loop) ||
		 peers_init(fixture_config, fixture_loop) || start_policy() ||
		 slimports_open(fixture_config) || slimports_start();
	if (failed)
		errx(1, "the router does not start");
	outbound_init(fixture_config);
	report_init(fixture_config, fixture_loop);
	rcu_read_lock();
	fixture_containers[0] = attach(0);
	fixture_containers[1] = attach(1);
	rcu_read_unlock();
	listener_make();
}
