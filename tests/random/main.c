/* SPDX-License-Identifier: MIT */
/*
 * main.c - scripts by chance, or from files, in two worlds: prints what differs, and how little it
 * takes
 */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "actor.h"
#include "draw.h"
#include "play.h"
#include "router.h"
#include "rules.h"
#include "shrink.h"

#define PATIENCE_MS	600
#define CONFIRMATIONS	8

struct settings {
	uint64_t seed;
	long scripts, seconds;
	int steps;
	bool near, apart, verbose, keep_on;
	bool without[2];		/* A or B has no shim */
	const char *keep;		/* a directory for what is found */
	const char *spaces[4], *preload;
	const char *replay[256];
	int replays;
};

static void usage(FILE *file)
{
	fputs("usage: driver [OPTION]... PLAIN-A PLAIN-B SLIM-A SLIM-B A4 A6 B4 B6\n\n"
	      "Plays scripts of calls in two worlds, each of two network namespaces (files), whose addresses are\n"
	      "the same; tests/random/run makes them.\n\n"
	      "  --preload FILE   the shim, for Slim's world\n"
	      "  --router FILE    a control socket, for Slim's world; may be repeated\n"
	      "  --seed N         which scripts (by the clock)\n"
	      "  --steps N        steps of a script (60)\n"
	      "  --scripts N      so many scripts\n"
	      "  --seconds N      for so long (10)\n"
	      "  --near           A and B are one container\n"
	      "  --apart          they are on two hosts\n"
	      "  --without A|B    one of them has no shim: nothing takes the slim path\n"
	      "  --replay FILE    this script instead; may be repeated\n"
	      "  --keep DIR       where what is found is written to\n"
	      "  --keep-on        go on after a find\n"
	      "  --verbose        say each result\n", file);
}

enum {
	OPT_PRELOAD = 1, OPT_ROUTER, OPT_SEED, OPT_STEPS, OPT_SCRIPTS, OPT_SECONDS, OPT_NEAR,
	OPT_APART, OPT_WITHOUT, OPT_REPLAY, OPT_KEEP, OPT_KEEP_ON, OPT_VERBOSE,
};

static bool parse(struct settings *settings, int argc, char **argv)
{
	static const struct option known[] = {
		{ "preload", required_argument, NULL, OPT_PRELOAD },
		{ "router", required_argument, NULL, OPT_ROUTER },
		{ "seed", required_argument, NULL, OPT_SEED },
		{ "steps", required_argument, NULL, OPT_STEPS },
		{ "scripts", required_argument, NULL, OPT_SCRIPTS },
		{ "seconds", required_argument, NULL, OPT_SECONDS },
		{ "near", no_argument, NULL, OPT_NEAR },
		{ "apart", no_argument, NULL, OPT_APART },
		{ "without", required_argument, NULL, OPT_WITHOUT },
		{ "replay", required_argument, NULL, OPT_REPLAY },
		{ "keep", required_argument, NULL, OPT_KEEP },
		{ "keep-on", no_argument, NULL, OPT_KEEP_ON },
		{ "verbose", no_argument, NULL, OPT_VERBOSE },
		{ NULL, 0, NULL, 0 },
	};
	int which;

	while ((which = getopt_long(argc, argv, "", known, NULL)) >= 0) {
		switch (which) {
		case OPT_PRELOAD:
			settings->preload = optarg;
			break;
		case OPT_ROUTER:
			router_add(optarg);
			break;
		case OPT_SEED:
			settings->seed = strtoull(optarg, NULL, 0);
			break;
		case OPT_STEPS:
			settings->steps = atoi(optarg);
			break;
		case OPT_SCRIPTS:
			settings->scripts = atol(optarg);
			break;
		case OPT_SECONDS:
			settings->seconds = atol(optarg);
			break;
		case OPT_NEAR:
			settings->near = true;
			break;
		case OPT_APART:
			settings->apart = true;
			break;
		case OPT_WITHOUT:
			settings->without[*optarg == 'B'] = true;
			break;
		case OPT_REPLAY:
			if (settings->replays < 256)
				settings->replay[settings->replays++] = optarg;
			break;
		case OPT_KEEP:
			settings->keep = optarg;
			break;
		case OPT_KEEP_ON:
			settings->keep_on = true;
			break;
		case OPT_VERBOSE:
			settings->verbose = true;
			break;
		default:
			return false;
		}
	}
	return argc - optind == 8;
}

/* Writes the script to a file, where there is a place for that. */
static void write_down(const struct settings *settings, const struct script *script, const char *difference,
		       const char *name)
{
	char path[512];
	FILE *file;

	if (!settings->keep)
		return;
	mkdir(settings->keep, 0777);
	snprintf(path, sizeof(path), "%s/%s", settings->keep, name);
	file = fopen(path, "w");
	if (!file) {
		perror(path);
		return;
	}
	fprintf(file, "# %s\n", difference);
	script_print(script, file);
	fclose(file);
	printf("kept as %s\n", path);
}

static void keep(const struct settings *settings, const struct script *script, const char *difference,
		 const char *name)
{
	printf("--- %s\n# %s\n", name, difference);
	script_print(script, stdout);
	printf("---\n");
	write_down(settings, script, difference, name);
}

/* A script has shown a difference. Returns whether it shows it again. */
static bool report(struct play *play, const struct settings *settings, const char *name)
{
	static struct script script;
	char difference[sizeof(play->difference)];
	struct sort sort = play->sort;
	int times;

	script = play->done;
	strcpy(difference, play->difference);
	printf("%s: %d steps: %s\n", name, script.num, difference);
	fflush(stdout);
	times = shrink_confirm(play, &script, sort, CONFIRMATIONS);
	if (!times) {
		printf("%s: not seen again in %d times\n", name, CONFIRMATIONS);
		write_down(settings, &script, difference, name);
		return false;
	}
	shrink_script(play, &script, sort, times == 1 ? 1 : 2 * times);
	if (shrink_confirm(play, &script, sort, 4 * times))
		strcpy(difference, play->difference);
	keep(settings, &script, difference, name);
	return true;
}

static long seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec;
}

/* Returns how many differences were found. */
static int play_by_chance(struct play *play, const struct settings *settings, int *unsteady)
{
	long until = seconds() + settings->seconds;
	struct draw draw;
	char name[64];
	int found = 0;

	for (long i = 0; (settings->scripts ? i < settings->scripts : seconds() < until); i++) {
		draw_init(&draw, settings->seed + (uint64_t)i, settings->steps);
		if (!play_run(play, draw_next, &draw))
			continue;
		snprintf(name, sizeof(name), "seed-%llu", (unsigned long long)settings->seed + (unsigned long long)i);
		if (!report(play, settings, name)) {
			++*unsteady;
			continue;
		}
		found++;
		if (!settings->keep_on)
			break;
	}
	return found;
}

static int replay(struct play *play, const struct settings *settings)
{
	static struct script script;
	int found = 0;

	for (int i = 0; i < settings->replays; i++) {
		FILE *file = fopen(settings->replay[i], "r");

		if (!file || script_read(&script, file, settings->replay[i])) {
			perror(settings->replay[i]);
			return found + 1;
		}
		fclose(file);
		if (!play_script(play, &script) || !shrink_confirm(play, &script, play->sort, CONFIRMATIONS))
			continue;
		printf("%s: %s\n", settings->replay[i], play->difference);
		found++;
	}
	return found;
}

int main(int argc, char **argv)
{
	struct settings settings = { .seed = (uint64_t)time(NULL) * 1000, .seconds = 10, .steps = 60 };
	static struct play play;
	int found, unsteady = 0;

	if (argc == 7 && !strcmp(argv[1], "--actor"))
		return actor_run(atoi(argv[2]), argv + 3);
	if (!parse(&settings, argc, argv) || place_set(argv + optind + 4)) {
		usage(stderr);
		return 2;
	}
	for (int w = 0; w < 2; w++)
		play.worlds[w] = (struct world){
			.name = w ? "slim" : "plain", .preload = w ? settings.preload : NULL,
			.preloaded = { !settings.without[0], !settings.without[1] },
			.spaces = { argv[optind + 2 * w], argv[optind + 2 * w + 1] },
			.addresses = argv + optind + 4,
		};
	play.near = settings.near;
	play.apart = settings.apart;
	play.both = !settings.without[0] && !settings.without[1];
	play.verbose = settings.verbose;
	play.patience_ms = PATIENCE_MS;
	if (world_start(&play.worlds[0]) || world_start(&play.worlds[1])) {
		fprintf(stderr, "the actors do not start\n");
		return 2;
	}
	setlinebuf(stdout);
	if (!settings.replays)
		printf("seed %llu\n", (unsigned long long)settings.seed);
	found = settings.replays ? replay(&play, &settings) : play_by_chance(&play, &settings, &unsteady);
	world_stop(&play.worlds[0]);
	world_stop(&play.worlds[1]);
	printf("%lu scripts, %lu steps, %lu of them blocked, %d differences, %d not seen again\n", play.scripts,
	       play.steps, play.blocked, found, unsteady);
	rules_report();
	return found ? 1 : 0;
}
