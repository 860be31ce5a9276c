/* SPDX-License-Identifier: MIT */
/* control.c - the socket that slimctl talks to */
#include "control.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <libgen.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <urcu.h>
#include <urcu/list.h>

#include "accept_pause.h"
#include "aside.h"
#include "attach.h"
#include "directory.h"
#include "endpoint.h"
#include "enforcer_packet.h"
#include "inherited.h"
#include "inquiry.h"
#include "guard.h"
#include "log.h"
#include "manager.h"
#include "policy_diff.h"
#include "policy_show.h"
#include "policy_stats.h"
#include "policy_trial.h"
#include "reload.h"
#include "report.h"
#include "text.h"
#include "upgrade.h"

#define CONTROL_BACKLOG		16
#define CONTROL_CLIENTS		64
#define CONTROL_REQUEST_MAX	65536
#define CONTROL_PACKET		32768
#define CONTROL_TIMEOUT		10000	/* ms for a client to ask and to read */
#define CONTROL_FDS		2	/* room for; one is taken */
#define CONTROL_ATTACH_WAIT	1000	/* ms for another host to say that it has let go of an address */
#define CONTROL_ATTACH_AGAIN	5	/* ms from when one has until attaches are tried again */
#define CONTROL_VERSION		1

/* How far it is with the connections that it asked for. */
enum survey {
	SURVEY_NONE,
	SURVEY_ASKED,		/* the one that runs, if any, began before */
	SURVEY_RUNS,
};

struct client {
	struct loop_event event;
	struct loop_timer timer;
	struct cds_list_head node;
	int passed;		/* the descriptor that came along, or -1 */
	enum survey survey;
	bool reloads;		/* waits for the policy */
	struct reload_waiter reload;
	struct inquiry *inquiry;	/* or NULL; its answer is made aside */
	bool tests;		/* waits for other hosts' policies */
	struct policy_trial_waiter test;
	bool upgrades;		/* waits for the router to be replaced, or not */
	json_t *attaches;	/* waits for an address of this request, with `passed`; or NULL */
	char *reply;		/* NULL until there is one */
	size_t reply_len, reply_sent;
	struct rcu_head rcu;
};

static const struct config *config;
static struct loop *loop;
static struct loop_event listening = { .fd = -1 };
static struct accept_pause pause_state;
static CDS_LIST_HEAD(clients);
static unsigned int clients_num;

static void free_rcu(struct rcu_head *head)
{
	struct client *client = caa_container_of(head, struct client, rcu);

	free(client->reply);
	free(client);
}

/* Whether it is answered later */
static bool client_waits(const struct client *client)
{
	return client->survey != SURVEY_NONE || client->upgrades || client->reloads ||
	       client->attaches || client->inquiry || client->tests;
}

static void forget_request(struct client *client)
{
	json_decref(client->attaches);
	client->attaches = NULL;
	if (client->passed >= 0)
		close(client->passed);
	client->passed = -1;
}

static void client_close(struct client *client)
{
	forget_request(client);
	loop_remove(loop, &client->event);
	loop_timer_clear(loop, &client->timer);
	close(client->event.fd);
	client->event.fd = -1;
	if (client->reloads)
		reload_forget(&client->reload);
	if (client->inquiry)
		inquiry_forget(client->inquiry);
	if (client->tests)
		policy_trial_forget(&client->test);
	cds_list_del(&client->node);
	clients_num--;
	call_rcu(&client->rcu, free_rcu);
}

json_t *control_failure(const char *text)
{
	return json_pack("{s:i, s:b, s:o}", "version", CONTROL_VERSION, "ok", 0, "error",
			 text_json(text, strlen(text)));
}

char *control_reply(json_t *reply)
{
	char *text;

	if (reply && !json_object_get(reply, "ok")) {
		json_object_set_new(reply, "version", json_integer(CONTROL_VERSION));
		json_object_set_new(reply, "ok", json_true());
	}
	text = reply ? json_dumps(reply, JSON_COMPACT) : NULL;
	json_decref(reply);
	return text;
}

static void send_more(struct client *client)
{
	while (client->reply_sent < client->reply_len) {
		size_t left = client->reply_len - client->reply_sent;
		ssize_t ret = send(client->event.fd, client->reply + client->reply_sent,
				   left < CONTROL_PACKET ? left : CONTROL_PACKET,
				   MSG_NOSIGNAL | MSG_DONTWAIT);

		if (ret < 0 && errno == EAGAIN)
			return;
		if (ret < 0)
			break;
		client->reply_sent += (size_t)ret;
	}
	client_close(client);
}

/* Owns @text; NULL: no memory. */
static void reply_text(struct client *client, char *text)
{
	client->survey = SURVEY_NONE;
	client->upgrades = false;
	forget_request(client);
	client->reloads = false;
	client->reply = text;
	client->reply_len = text ? strlen(text) : 0;
	if (!text || loop_modify(loop, &client->event, EPOLLOUT))
		client_close(client);
	else
		send_more(client);
}

/* The same with @reply. */
static void reply_json(struct client *client, json_t *reply)
{
	reply_text(client, control_reply(reply));
}

static void attach_again(struct client *client, bool last);

static void timer_handle(struct loop_timer *timer)
{
	struct client *client = caa_container_of(timer, struct client, timer);

	if (client->attaches) {
		attach_again(client, true);
		return;
	}
	if (client->upgrades || client->reloads || client->inquiry || client->tests) {
		/* These have an end of their own. */
		loop_timer_set(loop, timer, CONTROL_TIMEOUT);
		return;
	}
	if (client->survey == SURVEY_NONE) {
		client_close(client);
		return;
	}
	loop_timer_set(loop, timer, CONTROL_TIMEOUT);
	reply_json(client, control_failure("the kernel has not named all connections yet: there are very "
				   "many, or a program keeps one of its sockets locked"));
}

/* --- the connections: asked for aside, once for all who ask meanwhile --- */

static struct {
	struct aside aside;
	bool running;
	uint64_t now;
	char *text;
} survey;

static void survey_run(struct aside *unused)
{
	(void)unused;
	survey.text = report_connections("{\"version\":1,\"ok\":true,\"connections\":[", "]}",
					 survey.now);
}

static void survey_done(struct aside *unused);

/* For those who have asked, unless one is under way: then when that is done. */
static void survey_start(void)
{
	struct client *client, *next;
	bool asked = false;

	if (survey.running)
		return;
	cds_list_for_each_entry(client, &clients, node) {
		asked |= client->survey == SURVEY_ASKED;
		if (client->survey == SURVEY_ASKED)
			client->survey = SURVEY_RUNS;
	}
	survey.aside.run = survey_run;
	survey.aside.done = survey_done;
	survey.now = loop_now(loop);
	survey.running = asked && !aside_start(&survey.aside);
	if (survey.running || !asked)
		return;
	cds_list_for_each_entry_safe(client, next, &clients, node)
		if (client->survey == SURVEY_RUNS)
			reply_json(client, control_failure("there is no thread to look for connections"));
}

static void survey_reply(struct client *client)
{
	char *text = survey.text ? strdup(survey.text) : NULL;

	reply_text(client, text);
}

static void survey_done(struct aside *unused)
{
	struct client *client, *next;

	(void)unused;
	survey.running = false;
	cds_list_for_each_entry_safe(client, next, &clients, node)
		if (client->survey == SURVEY_RUNS)
			survey_reply(client);
	free(survey.text);
	survey.text = NULL;
	survey_start();
}

/* --- another program in this one's place: it is checked aside --- */

/* Of attaches that still wait */
static void attaches_end(const char *why)
{
	struct client *client, *next;

	cds_list_for_each_entry_safe(client, next, &clients, node)
		if (client->attaches)
			reply_json(client, control_failure(why));
}

static struct client *find_upgrading(void)
{
	struct client *client;

	cds_list_for_each_entry(client, &clients, node)
		if (client->upgrades)
			return client;
	return NULL;
}

/* Who asked may have gone meanwhile: then nothing is done. */
static void upgrade_checked(const char *error)
{
	struct client *client = find_upgrading();

	if (!client)
		log_info("the upgrade is left alone: nobody waits for it any more");
	else if (error)
		reply_json(client, control_failure(error));
	else {
		attaches_end("the router is being replaced: ask again");
		upgrade_go(client->event.fd);
	}
}

static json_t *upgrade(json_t *args, struct client *client)
{
	const char *binary = NULL;
	char error[512];

	if (json_unpack(args, "{s?s}", "binary", &binary))
		return control_failure("upgrade takes the path of a program");
	if (find_upgrading())
		return control_failure("another upgrade is under way");
	if (upgrade_check(binary, upgrade_checked, error, sizeof(error)))
		return control_failure(error);
	client->upgrades = true;
	return NULL;
}

/* --- the policy is read aside --- */

static void reload_done(struct reload_waiter *waiter, const struct reload_outcome *outcome)
{
	struct client *client = caa_container_of(waiter, struct client, reload);

	client->reloads = false;
	if (outcome->error)
		reply_json(client, control_failure(outcome->error));
	else
		reply_json(client, json_pack("{s:s?, s:s, s:I, s:I, s:f, s:b}",
					     "file", outcome->file,
					     "path", outcome->path,
					     "rules", (json_int_t)outcome->rules,
					     "generation", (json_int_t)outcome->generation,
					     "took_ms", (double)outcome->took / 1000.0,
					     "packet_path_current",
					     (int)enforcer_packet_is_current()));
}

static json_t *reload(json_t *args, struct client *client)
{
	(void)args;
	client->reloads = true;
	client->reload.done = reload_done;
	reload_ask(&client->reload);
	return NULL;
}

/* --- what takes long is answered aside --- */

static void inquiry_done(void *data, char *text)
{
	struct client *client = data;

	client->inquiry = NULL;
	reply_text(client, text);
}

static json_t *inquire(struct client *client, inquiry_make *make)
{
	client->inquiry = inquiry_start(make, client->passed, inquiry_done, client);
	client->passed = -1;
	return client->inquiry ? NULL : control_failure("there is no thread to look for it, or too many look already");
}

/* --- other hosts may have another policy --- */

static void test_done(struct policy_trial_waiter *waiter, json_t *reply)
{
	struct client *client = caa_container_of(waiter, struct client, test);

	client->tests = false;
	reply_json(client, reply);
}

static json_t *test(json_t *args, struct client *client)
{
	char error[256] = "";
	json_t *reply;

	client->test.done = test_done;
	reply = policy_trial_ask(args, &client->test, error, sizeof(error));
	if (!reply && error[0])
		return control_failure(error);
	client->tests = !reply;
	return reply;
}

/* --- commands --- */

static int parse_addresses(json_t *list, struct attach_request *request)
{
	json_t *item;
	size_t i;

	if (!json_is_array(list) || json_array_size(list) > PACKETPATH_ADDRESSES)
		return -EINVAL;
	json_array_foreach(list, i, item)
		if (!json_is_string(item) ||
		    addr_parse(json_string_value(item), &request->addresses[i]))
			return -EINVAL;
	request->addresses_num = i;
	return 0;
}

static bool labels_are_good(json_t *labels)
{
	const char *key;
	json_t *value;

	if (!labels)
		return true;
	if (!json_is_object(labels) || json_object_size(labels) > 64)
		return false;
	json_object_foreach(labels, key, value)
		if (!json_is_string(value))
			return false;
	return true;
}

static json_t *try_to_attach(json_t *args, struct client *client, bool last)
{
	struct attach_request request = { .netns_fd = client->passed, .last = last };
	json_t *addresses = NULL, *labels = NULL;
	const char *path = container_path_name(CONTAINER_PATH_AUTO);
	struct container *container;
	char error[512];

	if (json_unpack(args, "{s:s, s:s, s:s, s:o, s?o, s?s, s?s}", "name", &request.name,
			"netns", &request.netns_path, "tenant", &request.tenant,
			"addresses", &addresses, "labels", &labels,
			"ifname", &request.ifname, "path", &path) ||
	    parse_addresses(addresses, &request) || !labels_are_good(labels))
		return control_failure("attach needs name, netns, tenant and addresses (at most 16, "
			       "IPv4 or IPv6), and labels that are text");
	if (client->passed < 0)
		return control_failure("attach needs the network namespace's descriptor");
	if (request.netns_path[0] != '/')
		return control_failure("attach needs the absolute path of the network namespace");
	request.path = container_path_by_name(path);
	if (request.path == CONTAINER_PATH_NUM)
		return control_failure("the path of a container is auto, slim or packet");
	request.labels = labels;
	container = attach_container(&request, error, sizeof(error));
	if (!container && errno == EAGAIN) {
		client->attaches = json_incref(args);
		return control_failure(error);
	}
	client->passed = -1;
	if (!container)
		return control_failure(error);
	return json_pack("{s:o}", "container", report_container(container));
}

static json_t *attach(json_t *args, struct client *client)
{
	json_t *reply = try_to_attach(args, client, false);

	if (!client->attaches)
		return reply;
	loop_timer_set(loop, &client->timer, CONTROL_ATTACH_WAIT);
	json_decref(reply);
	return NULL;
}

/* @last: whatever comes of it is the answer. */
static void attach_again(struct client *client, bool last)
{
	json_t *args = client->attaches, *reply;

	client->attaches = NULL;
	reply = try_to_attach(args, client, last);
	json_decref(args);
	if (client->attaches && !last) {
		json_decref(reply);
		return;
	}
	loop_timer_set(loop, &client->timer, CONTROL_TIMEOUT);
	reply_json(client, reply);
}

/* In the order in which they came: the first one has what the others want, too. */
static void attaches_again(struct loop_timer *timer)
{
	struct client *client, *next;

	(void)timer;
	cds_list_for_each_entry_safe(client, next, &clients, node)
		if (client->attaches)
			attach_again(client, false);
}

static struct loop_timer attaches_timer = { .handle = attaches_again };

/* Not at once: the directory is in the middle of it, and more may come. */
static void address_released(void)
{
	if (!attaches_timer.expires)
		loop_timer_set(loop, &attaches_timer, CONTROL_ATTACH_AGAIN);
}

static json_t *detach(json_t *args, struct client *client)
{
	const char *name;
	char error[CONFIG_NAME_MAX + 64];

	(void)client;
	if (json_unpack(args, "{s:s}", "name", &name))
		return control_failure("detach needs a name");
	if (detach_container(name) == 0)
		return json_object();
	snprintf(error, sizeof(error), "no container named %.*s is attached",
		 CONFIG_NAME_MAX, name);
	return control_failure(error);
}

#define REPORT(name)					\
	static json_t *show_##name(json_t *args, struct client *client)	\
	{						\
		(void)args;				\
		(void)client;				\
		return report_##name();			\
	}

REPORT(status)
REPORT(containers)
REPORT(listeners)
REPORT(peers)

static json_t *show_policy(json_t *args, struct client *client)
{
	(void)args;
	return inquire(client, policy_show_files);
}

static json_t *stats(json_t *args, struct client *client)
{
	(void)args;
	return inquire(client, policy_stats);
}

static json_t *diff(json_t *args, struct client *client)
{
	(void)args;
	return inquire(client, policy_diff);
}

/* What `slimctl guard` asks for; without it, nothing changes */
static int guard_order(const char *name, enum slim_drain *drain)
{
	static const struct {
		const char *name;
		enum slim_drain drain;
	} orders[] = {
		{ "drain", SLIM_DRAIN_START }, { "cut", SLIM_DRAIN_CUT }, { "resume", SLIM_DRAIN_STOP },
	};

	for (size_t i = 0; i < sizeof(orders) / sizeof(orders[0]); i++) {
		if (strcmp(orders[i].name, name))
			continue;
		*drain = orders[i].drain;
		return 0;
	}
	return -EINVAL;
}

static json_t *guard(json_t *args, struct client *client)
{
	const char *order = NULL;
	enum slim_drain drain;
	uint64_t live = 0, cut = 0;
	int err = 0;

	(void)client;
	if (json_unpack(args, "{s?s}", "order", &order) || (order && guard_order(order, &drain)))
		return control_failure("the order to the guard is drain, cut or resume");
	if (order)
		err = guard_drain(drain, &live, &cut);
	if (err == -ENOENT)
		return control_failure("the kernel module slim.ko is not loaded, or the configuration says "
				       "guard off: there is nothing to drain");
	if (err)
		return control_failure(strerror(-err));
	return json_pack("{s:o, s:I}", "guard", report_guard(), "cut", (json_int_t)cut);
}

static json_t *show_connections(json_t *args, struct client *client)
{
	(void)args;
	client->survey = SURVEY_ASKED;
	return NULL;
}

/* NULL: the reply comes later. Whoever takes the descriptor that was passed says so. */
static const struct command {
	const char *name;
	json_t *(*run)(json_t *args, struct client *client);
} commands[] = {
	{ "attach", attach },
	{ "detach", detach },
	{ "status", show_status },
	{ "containers", show_containers },
	{ "listeners", show_listeners },
	{ "connections", show_connections },
	{ "peers", show_peers },
	{ "guard", guard },
	{ "reload", reload },
	{ "policy-show", show_policy },
	{ "policy-stats", stats },
	{ "policy-diff", diff },
	{ "policy-test", test },
	{ "upgrade", upgrade },
};

static json_t *run(json_t *request, struct client *client)
{
	const char *name;
	json_int_t version;

	if (json_unpack(request, "{s:I, s:s}", "version", &version, "command", &name))
		return control_failure("a request is an object with version and command");
	if (version != CONTROL_VERSION)
		return control_failure("this router speaks version 1 of the control protocol");
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (!strcmp(commands[i].name, name))
			return commands[i].run(request, client);
	return control_failure("this router does not know that command");
}

static void answer(struct client *client, const char *text, size_t len)
{
	json_t *request = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
	json_t *reply = request ? run(request, client) : control_failure("the request is not JSON");

	json_decref(request);
	if (client->survey != SURVEY_NONE)
		survey_start();
	else if (!client_waits(client))
		reply_json(client, reply);
}

/* All that came along are ours: returns the only one, or -1 and closes them. */
static int passed_fd(struct msghdr *msg)
{
	int fds[CONTROL_FDS];
	size_t num = 0;

	for (struct cmsghdr *cmsg = CMSG_FIRSTHDR(msg); cmsg; cmsg = CMSG_NXTHDR(msg, cmsg)) {
		size_t len = cmsg->cmsg_len - CMSG_LEN(0);

		if (cmsg->cmsg_level != SOL_SOCKET || cmsg->cmsg_type != SCM_RIGHTS)
			continue;
		memcpy(fds + num, CMSG_DATA(cmsg), len);
		num += len / sizeof(fds[0]);
	}
	if (num == 1 && !(msg->msg_flags & MSG_CTRUNC))
		return fds[0];
	while (num)
		close(fds[--num]);
	return -1;
}

static void read_request(struct client *client)
{
	static char text[CONTROL_REQUEST_MAX];
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(CONTROL_FDS * sizeof(int))];
	} control;
	struct iovec iov = { .iov_base = text, .iov_len = sizeof(text) };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control.bytes, .msg_controllen = sizeof(control.bytes),
	};
	ssize_t len = recvmsg(client->event.fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	if (len < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	client->passed = len < 0 ? -1 : passed_fd(&msg);
	if (len > 0 && (msg.msg_flags & MSG_TRUNC))
		reply_json(client, control_failure("the request is too long: 64 KiB at most"));
	else if (len > 0)
		answer(client, text, (size_t)len);
	else
		client_close(client);
	if (!client->attaches)
		forget_request(client);
}

static void client_handle(struct loop_event *event, uint32_t events)
{
	struct client *client = caa_container_of(event, struct client, event);

	(void)events;
	if (event->fd < 0)
		return;
	if (client->reply)
		send_more(client);
	else if (client_waits(client))
		client_close(client);	/* it has gone, or has asked twice */
	else
		read_request(client);
}

/* Owns @fd. NULL: there are too many. */
static struct client *client_new(int fd)
{
	struct client *client = clients_num < CONTROL_CLIENTS ? calloc(1, sizeof(*client)) : NULL;

	if (!client) {
		close(fd);
		return NULL;
	}
	client->event.fd = fd;
	client->event.handle = client_handle;
	client->passed = -1;
	client->timer.handle = timer_handle;
	cds_list_add_tail(&client->node, &clients);
	clients_num++;
	loop_timer_set(loop, &client->timer, CONTROL_TIMEOUT);
	if (!loop_add(loop, &client->event, EPOLLIN))
		return client;
	client_close(client);
	return NULL;
}

static void accept_handle(struct loop_event *event, uint32_t events)
{
	int fd = accept4(event->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)events;
	if (fd < 0)
		accept_pause(loop, &pause_state, event, EPOLLIN, errno);
	else
		client_new(fd);
}

/* Whoever asked the router before us to be replaced waits for our answer. */
static void take_over_client(void)
{
	int fd = upgrade_client();
	struct client *client = fd >= 0 ? client_new(fd) : NULL;

	if (client)
		client->upgrades = true;
}

void control_answer_upgrade(void)
{
	struct client *client = find_upgrading();
	json_t *reply = NULL;
	char error[512];

	if (!upgrade_outcome(&reply, error, sizeof(error)))
		return;
	if (client)
		reply_json(client, reply ? reply : control_failure(error));
	else
		json_decref(reply);
}

static int make_directory(const char *path)
{
	char copy[sizeof(((struct sockaddr_un *)0)->sun_path)];
	const char *dir;

	snprintf(copy, sizeof(copy), "%s", path);
	dir = dirname(copy);
	return mkdir(dir, 0755) < 0 && errno != EEXIST ? -errno : 0;
}

/* A socket file that nobody listens on is an earlier router's. */
static int remove_stale(const struct sockaddr_un *sun)
{
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	struct stat st;
	int err = 0;

	if (fd < 0)
		return -errno;
	/* Whatever else the path names is not ours to remove. */
	if (lstat(sun->sun_path, &st) == 0 && !S_ISSOCK(st.st_mode))
		err = -ENOTSOCK;
	else if (connect(fd, (const struct sockaddr *)sun, sizeof(*sun)) == 0)
		err = -EADDRINUSE;
	else if (errno == ECONNREFUSED)
		unlink(sun->sun_path);
	close(fd);
	return err;
}

/* Does the path lead to the socket that we have? Nobody else can listen there while we do. */
static bool is_reached(const struct sockaddr_un *sun)
{
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bool reached = fd >= 0 && (connect(fd, (const struct sockaddr *)sun, sizeof(*sun)) == 0 ||
				   errno == EAGAIN);

	close(fd);
	return reached;
}

static int open_socket(const char *path)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	mode_t mask;
	int fd, err;

	if (strlen(path) >= sizeof(sun.sun_path))
		return -ENAMETOOLONG;
	strcpy(sun.sun_path, path);
	fd = inherited_take_unix(path);
	if (fd >= 0 && is_reached(&sun)) {
		fcntl(fd, F_SETFL, O_RDWR | O_NONBLOCK);
		return fd;
	}
	if (fd >= 0)
		close(fd);
	err = make_directory(path);
	if (!err)
		err = remove_stale(&sun);
	if (err)
		return err;
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	mask = umask(0177);
	if (bind(fd, (struct sockaddr *)&sun, sizeof(sun)) < 0 ||
	    listen(fd, CONTROL_BACKLOG) < 0)
		err = -errno;
	umask(mask);
	if (!err)
		return fd;
	close(fd);
	return err;
}

int control_open(const struct config *from, struct loop *control_loop)
{
	int fd = open_socket(from->control);
	int err;

	config = from;
	loop = control_loop;
	if (fd < 0) {
		log_error("cannot open the control socket %s: %s", from->control,
			  fd == -EADDRINUSE ? "another slimrouter listens there" :
			  strerror(-fd));
		return fd;
	}
	listening.fd = fd;
	listening.handle = accept_handle;
	directory_on_release(address_released);
	err = loop_add(loop, &listening, EPOLLIN);
	if (err)
		log_error("cannot watch the control socket: %s", strerror(-err));
	else
		take_over_client();
	return err;
}

void control_close(void)
{
	struct client *client, *next;

	if (listening.fd < 0)
		return;
	directory_on_release(NULL);
	loop_timer_clear(loop, &attaches_timer);
	attaches_end("the router stops: ask the next one");
	cds_list_for_each_entry_safe(client, next, &clients, node)
		client_close(client);
	accept_resume(loop, &pause_state);
	loop_remove(loop, &listening);
	close(listening.fd);
	listening.fd = -1;
	if (!manager_has_control())
		unlink(config->control);
}
