/* SPDX-License-Identifier: MIT */
/*
 * stage.c - plays cases of the shim's test programs between the nodes of a lab
 *
 *	stage LAB DIRECTORY PROGRAMS LIBRARY [MARKS]
 *
 * Reads one case a line,
 *
 *	ENDS PROGRAM CASE SHAPE FROM NODE ADDRESS [KIND]...
 *
 * and answers each with one: "sealed", "slim", "packet" or "none", the path that its connections took; then "late",
 * where a router has been too late for a shim, or a host for its router, else "intime". What client and server said is in DIRECTORY/said, what
 * their shims did in DIRECTORY/shim.
 *
 * ENDS says which have the shim: plain, both, client or server. The slim path was taken where the router of
 * the client's host has counted such a connect; else the packet path where the kernel of the client's
 * namespace has begun a connection. "sealed" is the slim path where slim.ko keeps all the sockets that were handed
 * over meanwhile, at either end.
 *
 * STAGE_PATIENCE in the environment is by how much a machine is slower than one on which a case takes 10 s at the most.
 *
 * With MARKS (marks.c, as a library) programs run under strace(1), which writes DIRECTORY/trace.1 and so on.
 *
 * Theory of operation: servers for all comers are started when a case first wants one, each with and without
 * the shim, and stay until the end; a case's own server must end soon after its client. All are
 * killed with us (prctl(2), PR_SET_PDEATHSIG); what they leave behind ends with the lab.
 */
#include <err.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "child.h"
#include "lab.h"

#define CLIENT_MS	10000
#define SERVER_MS	5000	/* once its client has ended */
#define READY_MS	8000
#define COUNTED_MS	500
#define FIRST_PORT	7101
#define MENDED		"the wire is to be mended\n"
#define OFTEN_PROGRAM	"listener"
#define OFTEN_CASE	"preforked"	/* its client alone */
#define WORDS_MAX	16
#define COMMONS_MAX	16
#define ARGUMENTS_MAX	6	/* of a program, with the NULL */
#define CLIENTS_HOST	"h1"
#define SERVERS_HOST	"h2"	/* where a wire is between them */

static const char *directory, *programs, *library, *marks;
static char said_path[PATH_MAX], shim_path[PATH_MAX];
static int last_port = FIRST_PORT - 1, last_trace;
static int patience = 1;

struct play {
	const char *ends, *program, *name, *shape, *from, *node, *address;
	bool silent, mended, is_long, unannounced, connects;
};

/* What had been counted by then. @handed_over, @sealed: sockets, by both hosts */
struct counts {
	long slim, late, handed_over, sealed, opens;
};

/* Servers for all comers */
static struct common {
	char key[256];
	int port;
} commons[COMMONS_MAX];

static bool client_has_shim(const struct play *play)
{
	return !strcmp(play->ends, "both") || !strcmp(play->ends, "client");
}

static bool server_has_shim(const struct play *play)
{
	return !strcmp(play->ends, "both") || !strcmp(play->ends, "server");
}

/* Programs that have the shim */
static struct child start_shim(int netns, char **argv, char **envp)
{
	char preload[2 * PATH_MAX + 16], debug[PATH_MAX + 16];

	snprintf(preload, sizeof(preload), "LD_PRELOAD=%s", library);
	snprintf(debug, sizeof(debug), "SLIM_DEBUG=%s", shim_path);
	envp[1] = debug;
	envp[2] = preload;
	return child_start(netns, argv, envp);
}

/* The same, and their system calls are written down. */
static struct child start_traced(int netns, char **argv, char **envp)
{
	char preload[2 * PATH_MAX + 16], trace[PATH_MAX];
	char *strace[ARGUMENTS_MAX + 8] = { "/usr/bin/strace", "-qq", "-f", "-i", "-o", trace, "-E", preload };

	snprintf(preload, sizeof(preload), "LD_PRELOAD=%s:%s", marks, library);
	snprintf(trace, sizeof(trace), "%s/trace.%d", directory, ++last_trace);
	memcpy(&strace[8], argv, ARGUMENTS_MAX * sizeof(*argv));
	return child_start(netns, strace, envp);
}

/* @name: NULL: of no case */
static struct child start(const struct play *play, const char *role, int port, const char *name)
{
	bool is_server = !strcmp(role, "server");
	int netns = lab_netns(is_server ? play->node : play->from);
	char path[PATH_MAX], number[16];
	char *argv[ARGUMENTS_MAX] = { path, (char *)role, (char *)play->address, number, (char *)name };
	char *envp[] = { "PATH=/usr/sbin:/usr/bin:/sbin:/bin", NULL, NULL, NULL };

	snprintf(path, sizeof(path), "%s/%s", programs, play->program);
	snprintf(number, sizeof(number), "%d", port);
	if (is_server ? !server_has_shim(play) : !client_has_shim(play))
		return child_start(netns, argv, envp);
	return marks ? start_traced(netns, argv, envp) : start_shim(netns, argv, envp);
}

static long long now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000LL + ts.tv_nsec / 1000000;
}

static bool is_ready(const struct play *play, int port)
{
	if (!lab_listens(play->node, port))
		return false;
	return !server_has_shim(play) || play->unannounced || lab_announced(CLIENTS_HOST, port);
}

/* Is it there in time? The case fails by itself where it is not. */
static bool wait_ready(const struct play *play, int port)
{
	long long end = now() + patience * READY_MS;

	while (!is_ready(play, port)) {
		if (now() > end)
			return false;
		poll(NULL, 0, 1);
	}
	return true;
}

static int common_port(const struct play *play)
{
	struct common *common = commons;
	char key[sizeof(common->key)];
	struct child server;

	snprintf(key, sizeof(key), "%d %s %s", server_has_shim(play), play->node, play->address);
	while (common->key[0] && strcmp(common->key, key))
		common++;
	if (common == commons + COMMONS_MAX - 1)
		errx(1, "one server too many");
	/* After a case that has left it more than it can take at once, peers know it as busy for a moment. */
	if (common->key[0]) {
		wait_ready(play, common->port);
	} else {
		memcpy(common->key, key, sizeof(key));
		common->port = ++last_port;
		server = start(play, "server", common->port, NULL);
		if (!wait_ready(play, common->port)) {
			child_tell(&server, stderr);
			errx(1, "the server on %s did not come up", play->node);
		}
		close(server.said);
	}
	return common->port;
}

/*
 * A router takes a peer for one that loses SYNs with data where some of few are late, and has another way
 * to it then (router/syndata.h). So there are many that are not.
 */
static void connect_often(const struct play *play)
{
	struct play often = *play;
	struct child child;

	often.program = OFTEN_PROGRAM;
	child = start(&often, "client", common_port(play), OFTEN_CASE);
	child_end(&child, patience * CLIENT_MS);
	close(child.said);
}

static void play_client(const struct play *play, int port, FILE *said)
{
	struct child child;
	int status;

	if (play->silent)
		lab_silence(SERVERS_HOST, true);
	child = start(play, "client", port, play->name);
	if (play->mended) {
		child_wait_said(&child, MENDED, patience * CLIENT_MS);
		lab_silence(SERVERS_HOST, false);
	}
	status = child_end(&child, patience * CLIENT_MS);
	if (play->silent && !play->mended)
		lab_silence(SERVERS_HOST, false);
	child_tell(&child, said);
	if (status)
		fprintf(said, "status %d\n", status);
}

/*
 * Of a server that peers are not told of: if they are, all the same, they have heard it by now. Hosts tell each other
 * in order, so that is when they know of a later one on the same node.
 */
static void wait_unannounced(const struct play *play)
{
	struct play later = *play;
	int port = ++last_port;
	struct child server = start(play, "server", port, NULL);

	later.unannounced = false;
	if (!wait_ready(&later, port))
		errx(1, "no other server on %s came up", play->node);
	child_end(&server, 0);
	close(server.said);
}

static void play_pair(const struct play *play, FILE *said)
{
	int port = ++last_port, status;
	struct child server = start(play, "server", port, play->name);

	if (!wait_ready(play, port))
		fprintf(said, "the server did not come up\n");
	if (play->unannounced && server_has_shim(play))
		wait_unannounced(play);
	play_client(play, port, said);
	status = child_end(&server, patience * SERVER_MS);
	if (status)
		fprintf(said, "the server's status: %d\n", status);
	child_tell(&server, said);
}

static struct counts count(const struct play *play)
{
	enum { SLIM, LATE, CLAIMS, SEALED, NUM };
	static const char *const names[NUM] = { "connects_slim", "connects_late", "claims", "guard_sealed" };
	long here[NUM], there[NUM];

	lab_counters(CLIENTS_HOST, names, here, NUM);
	lab_counters(SERVERS_HOST, names, there, NUM);
	return (struct counts){
		.slim = here[SLIM],
		.late = here[LATE],
		.handed_over = here[SLIM] + here[CLAIMS] + there[SLIM] + there[CLAIMS],
		.sealed = here[SEALED] + there[SEALED],
		.opens = lab_opens(play->from),
	};
}

static const char *path_since(const struct counts *before, const struct play *play)
{
	struct counts after = count(play);

	if (after.slim > before->slim)
		return after.sealed - before->sealed < after.handed_over - before->handed_over ? "slim" : "sealed";
	return after.opens > before->opens ? "packet" : "none";
}

/* A router may count only when the shim has its answer already. */
static const char *path_taken(const struct counts *before, const struct play *play)
{
	const char *path = path_since(before, play);
	long long end = now() + patience * COUNTED_MS;

	while (play->connects && !strcmp(path, "none") && now() < end) {
		poll(NULL, 0, 1);
		path = path_since(before, play);
	}
	return path;
}

/* Has a router been too late for a shim's question? */
static bool shim_was_late(void)
{
	char line[512];
	bool late = false;
	FILE *file = fopen(shim_path, "re");

	while (file && fgets(line, sizeof(line), file))
		if (strstr(line, "no answer from the router in time"))
			late = true;
	if (file)
		fclose(file);
	return late;
}

/* Or the host, for the router? */
static bool was_late(const struct counts *before, const struct play *play)
{
	return shim_was_late() || count(play).late > before->late;
}

static void play_case(const struct play *play)
{
	bool is_pair = !strcmp(play->shape, "pair");
	int port = is_pair ? 0 : common_port(play);
	struct counts before;
	FILE *said = fopen(said_path, "we");

	if (!said)
		err(1, "%s", said_path);
	if (play->is_long && client_has_shim(play) && server_has_shim(play))
		connect_often(play);
	before = count(play);
	unlink(shim_path);
	if (is_pair)
		play_pair(play, said);
	else
		play_client(play, port, said);
	if (fclose(said))
		err(1, "%s", said_path);
	printf("%s ", path_taken(&before, play));
	printf("%s\n", was_late(&before, play) ? "late" : "intime");
	fflush(stdout);
}

static struct play read_play(char *line)
{
	char *words[WORDS_MAX] = { NULL }, *rest = NULL;
	struct play play;
	int num = 0;

	for (char *word = strtok_r(line, " \n", &rest); word && num < WORDS_MAX;
	     word = strtok_r(NULL, " \n", &rest))
		words[num++] = word;
	if (num < 7)
		errx(1, "a case has too few words");
	play = (struct play){ words[0], words[1], words[2], words[3], words[4], words[5], words[6],
			      .connects = true };
	for (int i = 7; i < num; i++) {
		play.silent |= !strcmp(words[i], "silent");
		play.mended |= !strcmp(words[i], "mended");
		play.is_long |= !strcmp(words[i], "long");
		play.unannounced |= !strcmp(words[i], "unannounced");
		play.connects &= strcmp(words[i], "none") != 0;
	}
	return play;
}

int main(int argc, char **argv)
{
	char line[1024];

	if (argc != 5 && argc != 6) {
		fprintf(stderr, "usage: stage LAB DIRECTORY PROGRAMS LIBRARY [MARKS]\n");
		return 2;
	}
	lab_is(argv[1]);
	directory = argv[2];
	programs = argv[3];
	library = argv[4];
	marks = argv[5];
	if (getenv("STAGE_PATIENCE"))
		patience = atoi(getenv("STAGE_PATIENCE"));
	snprintf(said_path, sizeof(said_path), "%s/said", directory);
	snprintf(shim_path, sizeof(shim_path), "%s/shim", directory);
	while (fgets(line, sizeof(line), stdin)) {
		struct play play = read_play(line);

		play_case(&play);
	}
	return 0;
}
