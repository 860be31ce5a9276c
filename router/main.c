/* SPDX-License-Identifier: MIT */
/*
 * main.c - slimrouter(8), the daemon that each host runs
 *
 * The order of the stages is the architecture: each needs those before it, and they end in
 * reverse. Everything is opened and every device is made before privileges are shed;
 * only then do threads start.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>
#include <urcu.h>

#include "../include/slim/version.h"
#include "aside.h"
#include "attach.h"
#include "config.h"
#include "consultation.h"
#include "container.h"
#include "control.h"
#include "denial.h"
#include "directory.h"
#include "endpoint.h"
#include "fdlimit.h"
#include "guard.h"
#include "host_check.h"
#include "housekeeping.h"
#include "inflight.h"
#include "inherited.h"
#include "keeper.h"
#include "ledger.h"
#include "listener.h"
#include "log.h"
#include "loop.h"
#include "manager.h"
#include "namespace.h"
#include "outbound.h"
#include "packetpath.h"
#include "peer.h"
#include "policy_diff.h"
#include "policy_show.h"
#include "policy_trial.h"
#include "privileges.h"
#include "recover.h"
#include "rehearsal.h"
#include "reload.h"
#include "report.h"
#include "shaping_live.h"
#include "slimport.h"
#include "state.h"
#include "stray.h"
#include "ticket.h"
#include "upgrade.h"
#include "want.h"
#include "worker.h"

#define EXIT_USAGE	2
#define OPTION_REHEARSE	256

static struct config *config;
static unsigned int deaths_before;
static bool resumed;		/* another router has left its files to us */
static int given_num;		/* descriptors that a service manager has given us */
static struct loop *loop;
static struct loop_event signals;
static bool asides_ended = true;

static int start_state(void);
static int start_host(void);
static int start_tables(void);
static int start_ports(void);
static int start_peers(void);
static int start_policy(void);
static void stop_policy(void);
static int start_control(void);
static int start_containers(void);
static int start_workers(void);
static void stop_workers(void);

static void stop_peers(void)
{
	peers_exit();
	directory_exit();
}

/* What a stage needs to have been done is above it. */
static const struct stage {
	const char *name;
	int (*start)(void);
	void (*stop)(void);
} stages[] = {
	{ "liburcu's threads", privileges_spare_helpers, NULL },
	{ "the state files", start_state, NULL },
	{ "the tables", start_tables, NULL },
	/* Before anything is changed on the host: another router may run here. */
	{ "the slim ports", start_ports, slimports_close },
	{ "the packet path", start_host, packetpath_exit },
	{ "the peers", start_peers, stop_peers },
	{ "the policy", start_policy, stop_policy },
	{ "the control socket", start_control, control_close },
	{ "the containers", start_containers, NULL },
	{ "privileges", privileges_shed, NULL },
	{ "the closers", stray_init, stray_exit },
	{ "the workers", start_workers, stop_workers },
};

#define STAGES_NUM	(sizeof(stages) / sizeof(stages[0]))

static int start_state(void)
{
	return state_init(config, deaths_before);
}

static int start_tables(void)
{
	int err = namespace_init();

	hash_seed_init();
	if (!err)
		err = containers_init(config->workers);
	if (!err)
		err = listeners_init(loop);
	if (!err)
		err = ledger_init();
	if (!err)
		err = tickets_init();
	return err;
}

static int start_host(void)
{
	int err = packetpath_init(config, state_directory() != NULL);

	if (err)
		return err;
	outbound_init(config);
	return attach_init(config, loop);
}

static int start_ports(void)
{
	return slimports_open(config);
}

static int start_peers(void)
{
	int err = directory_init(loop);

	return err ? err : peers_init(config, loop);
}

static int start_policy(void)
{
	denial_init(config);
	shaping_live_init();
	guard_init(config, loop);
	policy_diff_init(config);
	policy_show_init(config);
	policy_trial_init(config);
	consultations_init(loop);
	return reload_init(config, loop, resumed);
}

static void stop_policy(void)
{
	consultations_exit();
	reload_exit();
	guard_exit();
}

static int start_control(void)
{
	aside_init(loop);
	report_init(config, loop);
	return control_open(config, loop);
}

/*
 * What an earlier router had; without it, we go on all the same. But what there are only now no files
 * or no memory for, the next start has.
 */
static int start_containers(void)
{
	int (*const restores[])(const char *directory) = {
		listeners_restore, ledger_restore, inflight_open,
	};
	const char *directory = state_directory();
	int err = attach_restore();

	for (size_t i = 0; !err && directory && i < sizeof(restores) / sizeof(restores[0]); i++) {
		int ret = restores[i](directory);

		if (ret < 0 && want_is(ret))
			err = ret;
	}
	return err ? err : guard_restore();
}

static int start_workers(void)
{
	int err = workers_start(config, loop);

	if (!err && (resumed || given_num))
		err = recover_connections(config);
	reload_begin();
	if (!err)
		err = slimports_start();
	return err ? err : housekeeping_start(loop);
}

/* Of what they and others have left to do, nothing is left over. */
static void stop_workers(void)
{
	workers_stop();
	asides_ended = aside_exit();
	rcu_read_lock();
	loop_run_tasks(loop);
	ledger_exit();
	rcu_read_unlock();
	rcu_barrier();
	inflight_close();
}

static void signals_handle(struct loop_event *event, uint32_t events)
{
	struct signalfd_siginfo info;

	(void)events;
	if (read(event->fd, &info, sizeof(info)) != sizeof(info))
		return;
	if (info.ssi_signo == SIGHUP) {
		log_info("SIGHUP: the policy is read again; `slimctl upgrade` puts a changed "
			 "configuration into force");
		reload_ask(NULL);
		return;
	}
	log_info("%s: the router stops", strsignal((int)info.ssi_signo));
	manager_stopping("gives up what it has");
	/* Where what we leave is kept, the way is that of a crash. */
	if (manager_listens())
		_exit(KEEPER_STORE);
	loop_stop(loop);
}

/* Threads inherit the mask, so that only the control thread's loop sees signals. */
static int watch_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGCHLD, SIG_DFL);
	signals.fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	signals.handle = signals_handle;
	if (signals.fd < 0)
		return -errno;
	return loop_add(loop, &signals, EPOLLIN);
}

static void begin_to_serve(void)
{
	keeper_ready();
	manager_ready(loop, "slimrouter " SLIM_VERSION " runs");
	rcu_read_lock();
	control_answer_upgrade();
	rcu_read_unlock();
}

static int run(void)
{
	size_t started = 0;
	int err = watch_signals();

	rcu_read_lock();
	for (; !err && started < STAGES_NUM; started++) {
		err = stages[started].start();
		keeper_progress();
		if (err)
			log_error("could not start %s: %s", stages[started].name,
				  strerror(-err));
	}
	rcu_read_unlock();
	if (!err) {
		log_info("slimrouter " SLIM_VERSION " runs on host %s", config->host_name);
		begin_to_serve();
		loop_run(loop);
		rcu_read_lock();
		attach_exit();
		rcu_read_unlock();
		housekeeping_stop();
	}
	/* What an earlier router had open is for the next one, which may be an older version. */
	if (err && (resumed || given_num))
		_exit(EXIT_FAILURE);
	while (started--)
		if (stages[started].stop)
			stages[started].stop();
	rcu_barrier();
	return err ? EXIT_FAILURE : EXIT_SUCCESS;
}

static void usage(FILE *out)
{
	fprintf(out,
		"Usage: slimrouter [-c FILE] [-l LEVEL] [-t | -C | --rehearse]\n"
		"Turns virtual addresses of containers into connections between hosts.\n\n"
		"  -c, --config FILE      configuration (default " CONFIG_DEFAULT_FILE ")\n"
		"  -t, --test             check the configuration and exit\n"
		"      --rehearse         check whether this program can take over from the router\n"
		"                         that runs, and exit\n"
		"  -C, --clean            detach what a stopped router has left attached, and exit\n"
		"  -l, --log-level LEVEL  error, warning, info or debug\n"
		"  -h, --help             this text\n"
		"  -V, --version          the version\n");
}

static int load(const char *file)
{
	char error[8192];

	config = config_load(file, error, sizeof(error));
	if (config)
		return 0;
	fprintf(stderr, "%s%s", error, error[0] && error[strlen(error) - 1] == '\n' ? "" : "\n");
	return -EINVAL;
}

/* What the router that has stopped had in its hands goes to the service manager. */
static int give_away(void)
{
	int err = state_init(config, 0);

	if (!err && state_directory())
		err = inflight_open(state_directory());
	if (err)
		return EXIT_FAILURE;
	recover_give_away(config);
	return EXIT_SUCCESS;
}

/* The keeper's child, in a thread of its own */
static int router_run(const struct keeper_start *start)
{
	int ret;

	resumed = start->resumed;
	deaths_before = start->deaths;
	/* Before anything of our own is open. */
	ret = resumed ? inherited_init() : inherited_given(given_num);
	if (ret) {
		log_error("cannot look at the files that are open: %s", strerror(-ret));
		return EXIT_FAILURE;
	}
	if (start->task == KEEPER_GIVE_AWAY)
		return give_away();
	rcu_register_thread();
	loop = loop_new();
	if (!loop)
		log_error("cannot make an event loop: %s", strerror(errno));
	ret = loop ? run() : EXIT_FAILURE;
	/* Somebody may still use what would be freed now. */
	if (!asides_ended)
		_exit(ret);
	if (loop)
		close(signals.fd);
	loop_free(loop);
	rcu_unregister_thread();
	return ret;
}

/* What a router that was stopped left to the next one is given up instead. */
static int clean_up(void)
{
	int err = namespace_init();

	if (!err)
		err = state_init(config, 0);
	if (!err)
		err = attach_forget_all(config);
	if (!err)
		err = packetpath_init(config, false);
	if (err) {
		log_error("nothing was cleaned up: %s", strerror(-err));
		return EXIT_FAILURE;
	}
	packetpath_exit();
	state_remove();
	return EXIT_SUCCESS;
}

/* What else main() may be asked for than to be the router */
enum mode {
	MODE_SERVE,
	MODE_TEST,
	MODE_CLEAN,
	MODE_REHEARSE,
};

static int serve(char **argv)
{
	upgrade_init(argv);
	given_num = manager_init(config);
	host_check_addresses(config);
	fdlimit_raise(config);
	return keeper_run(router_run);
}

static int do_mode(enum mode mode, char **argv)
{
	if (mode != MODE_TEST && !privileges_suffice()) {
		log_error("slimrouter must be started as root (it lacks CAP_NET_ADMIN)");
		return keeper_give_up("it lacks CAP_NET_ADMIN");
	}
	switch (mode) {
	case MODE_TEST:
		return host_check(config, false) ? EXIT_FAILURE : EXIT_SUCCESS;
	case MODE_CLEAN:
		return clean_up();
	case MODE_REHEARSE:
		return rehearsal_run(config);
	default:
		return serve(argv);
	}
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "test", no_argument, NULL, 't' },
		{ "clean", no_argument, NULL, 'C' },
		{ "rehearse", no_argument, NULL, OPTION_REHEARSE },
		{ "log-level", required_argument, NULL, 'l' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ NULL, 0, NULL, 0 },
	};
	const char *file = CONFIG_DEFAULT_FILE;
	enum mode mode = MODE_SERVE;
	int level = -1;
	int opt, ret;

	if (keeper_begin(argv)) {
		perror("slimrouter");
		return EXIT_FAILURE;
	}
	while ((opt = getopt_long(argc, argv, "c:tCl:hV", options, NULL)) != -1) {
		switch (opt) {
		case 'c':
			file = optarg;
			break;
		case 't':
			mode = MODE_TEST;
			break;
		case 'C':
			mode = MODE_CLEAN;
			break;
		case OPTION_REHEARSE:
			mode = MODE_REHEARSE;
			break;
		case 'l':
			level = log_level_parse(optarg);
			if (level >= 0)
				break;
			fprintf(stderr, "slimrouter: there is no log level %s\n", optarg);
			goto misused;
		case 'h':
			usage(stdout);
			return EXIT_SUCCESS;
		case 'V':
			puts("slimrouter " SLIM_VERSION);
			return EXIT_SUCCESS;
		default:
			goto misuse;
		}
	}
	if (optind < argc)
		goto misuse;
	if (load(file))
		return keeper_give_up("it cannot read the configuration: see its log");
	log_level_set(level >= 0 ? (enum log_level)level : config->log_level);
	ret = do_mode(mode, argv);
	config_free(config);
	return ret;

misuse:
	usage(stderr);
misused:
	(void)keeper_give_up("it does not know the options that this one was started with");
	return EXIT_USAGE;
}
