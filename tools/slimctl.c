/* SPDX-License-Identifier: MIT */
/* slimctl.c - what operators ask of a router, and tell it */
#include "slimctl.h"

#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"
#include "table.h"

#include "../include/slim/version.h"
#include "../router/config.h"

#define MESSAGE_MAX	1024

static int help(const struct slimctl *ctl);

/* @argument: whether the command takes one: '1' must have, '?' may have, '0' none; '*' several */
static const struct command {
	const char *name;
	char argument;
	int (*run)(const struct slimctl *ctl);
	const char *arguments;
	const char *help;
} commands[] = {
	{ "attach", '1', slimctl_attach,
	  "NAME --netns PATH --tenant T --ip A[,A6]\n"
	  "           [--label K=V]... [--ifname eth0] [--path auto|slim|packet]", "put a container on the network" },
	{ "detach", '1', slimctl_detach, "NAME", "take a container off the network" },
	{ "status", '0', slimctl_status, "", "the router, its tenants and counters" },
	{ "containers", '0', slimctl_containers, "", "containers attached here" },
	{ "listeners", '0', slimctl_listeners, "", "slim listeners, here and on other hosts" },
	{ "connections", '0', slimctl_connections, "", "slim connections of this host" },
	{ "peers", '0', slimctl_peers, "", "other routers" },
	{ "reload", '0', slimctl_reload, "", "read the policy again" },
	{ "policy", '*', slimctl_policy,
	  "check FILE [CONFIG] | diff FILE [CONFIG] | show |\n"
	  "           stats [unused | hidden] |\n"
	  "           test SOURCE DESTINATION PORT [PROTOCOL] [--tenant T]",
	  "look at a policy" },
	{ "guard", '?', slimctl_guard, "[drain | cut | resume]",
	  "the kernel module that keeps sockets; have it seal no more, end those it has" },
	{ "upgrade", '?', slimctl_upgrade, "[PROGRAM]",
	  "put another program into the router's place" },
	{ "keygen", '?', slimctl_keygen, "[FILE]", "make a host's key, print its public half" },
	{ "pubkey", '?', slimctl_pubkey, "[FILE]", "print the public half of a key" },
	{ "help", '0', help, "", "this text" },
};

#define COMMANDS_NUM	(sizeof(commands) / sizeof(commands[0]))

static int help(const struct slimctl *ctl)
{
	(void)ctl;
	printf("usage: slimctl [-s SOCKET] [-j] COMMAND\n\n");
	for (size_t i = 0; i < COMMANDS_NUM; i++)
		printf("  slimctl %s %s\n           %s\n", commands[i].name, commands[i].arguments,
		       commands[i].help);
	printf("\n"
	       "  -s, --socket SOCKET  the router's control socket (" CONFIG_DEFAULT_CONTROL ")\n"
	       "  -j, --json           print JSON\n"
	       "  -v, --verbose        containers: their limits, too\n"
	       "  -h, --help           this text\n"
	       "  -V, --version        print the version\n\n"
	       "See slimctl(8).\n");
	return 0;
}

/* JSON takes nothing but UTF-8, and a file's name may be anything. */
static void replace_other_than_ascii(char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text > 0x7e)
			*text = '?';
}

/* With -j, whoever reads gets an object in any case. */
void slimctl_print_failure(char *text)
{
	json_t *reply;

	replace_other_than_ascii(text);
	reply = json_pack("{s:i, s:b, s:s}", "version", CLIENT_VERSION, "ok", 0, "error", text);
	slimctl_print_json(reply);
	json_decref(reply);
}

__attribute__((format(printf, 3, 0)))
static void complain(const struct slimctl *ctl, const char *behind, const char *fmt, va_list args)
{
	char text[MESSAGE_MAX];

	vsnprintf(text, sizeof(text), fmt, args);
	table_clean(text);
	fprintf(stderr, "slimctl: %s%s\n", text, behind);
	if (ctl->json)
		slimctl_print_failure(text);
}

int slimctl_usage(const struct slimctl *ctl, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	complain(ctl, " (see `slimctl help`)", fmt, args);
	va_end(args);
	return SLIMCTL_USAGE;
}

int slimctl_fail(const struct slimctl *ctl, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	complain(ctl, "", fmt, args);
	va_end(args);
	return SLIMCTL_FAILED;
}

void slimctl_print_json(const json_t *reply)
{
	json_dumpf(reply, stdout, JSON_INDENT(2) | JSON_ENSURE_ASCII | JSON_REAL_PRECISION(15));
	putchar('\n');
}

void slimctl_print_lines(FILE *file, const char *text)
{
	while (*text) {
		size_t len = strcspn(text, "\n");
		char *line = strndup(text, len);

		for (char *tab = line; tab && (tab = strchr(tab, '\t'));)
			*tab = ' ';
		if (line) {
			table_clean(line);
			fprintf(file, "%s\n", line);
		}
		free(line);
		text += len + (text[len] == '\n');
	}
}

/* Prints a reply that says that the request failed. */
static int refused(const struct slimctl *ctl, const json_t *reply)
{
	const char *text = json_string_value(json_object_get(reply, "error"));
	const struct slimctl quiet = { .json = false };

	if (ctl->json)
		slimctl_print_json(reply);
	if (text && strchr(text, '\n')) {
		slimctl_print_lines(stderr, text);
		return SLIMCTL_FAILED;
	}
	return slimctl_fail(&quiet, "%s", text ? text : "the router refused, and did not say why");
}

int slimctl_ask(const struct slimctl *ctl, const char *command, json_t *request, int fd,
		json_t **reply)
{
	char error[MESSAGE_MAX];
	int status = 0;

	if (!request)
		request = json_object();
	json_object_set_new(request, "version", json_integer(CLIENT_VERSION));
	json_object_set_new(request, "command", json_string(command));
	*reply = client_ask(ctl->socket_path, request, fd, ctl->timeout, error, sizeof(error));
	json_decref(request);
	if (!*reply)
		return slimctl_fail(ctl, "%s", error);
	if (!json_is_true(json_object_get(*reply, "ok")))
		status = refused(ctl, *reply);
	else if (ctl->json)
		slimctl_print_json(*reply);
	if (status || ctl->json) {
		json_decref(*reply);
		*reply = NULL;
	}
	return status;
}

/* --- the command line --- */

enum {
	OPTION_NETNS = 256,	/* from here on: attach's */
	OPTION_TENANT,
	OPTION_IP,
	OPTION_LABEL,
	OPTION_IFNAME,
	OPTION_PATH,
};

#define OPTIONS	":s:jvhV"

static const struct option options[] = {
	{ "socket", required_argument, NULL, 's' },
	{ "json", no_argument, NULL, 'j' },
	{ "verbose", no_argument, NULL, 'v' },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{ "netns", required_argument, NULL, OPTION_NETNS },
	{ "tenant", required_argument, NULL, OPTION_TENANT },
	{ "ip", required_argument, NULL, OPTION_IP },
	{ "label", required_argument, NULL, OPTION_LABEL },
	{ "ifname", required_argument, NULL, OPTION_IFNAME },
	{ "path", required_argument, NULL, OPTION_PATH },
	{ NULL, 0, NULL, 0 },
};

static int attach_option(struct slimctl *ctl, int option, const char *value)
{
	ctl->attach_options = true;
	switch (option) {
	case OPTION_NETNS:
		ctl->netns = value;
		return 0;
	case OPTION_TENANT:
		ctl->tenant = value;
		return 0;
	case OPTION_IFNAME:
		ctl->ifname = value;
		return 0;
	case OPTION_PATH:
		ctl->path = value;
		return 0;
	case OPTION_IP:
		return slimctl_add_addresses(ctl, value);
	default:
		return slimctl_add_label(ctl, value);
	}
}

/* Ahead of all else: what is wrong with other options is said as JSON, too. */
static bool asks_for_json(int argc, char **argv)
{
	char *copy[argc + 1];	/* getopt puts it in another order */
	bool json = false;
	int option;

	memcpy(copy, argv, sizeof(copy));
	opterr = 0;
	while ((option = getopt_long(argc, copy, OPTIONS, options, NULL)) != -1)
		json |= option == 'j';
	optind = 0;	/* from the beginning again, see getopt(3) */
	return json;
}

static int wrong_option(const struct slimctl *ctl, int option, char **argv)
{
	if (option == ':')
		return slimctl_usage(ctl, "option %s needs a value", argv[optind - 1]);
	if (optopt > ' ' && optopt < 0x7f)
		return slimctl_usage(ctl, "option -%c is not known, or takes no value", optopt);
	return slimctl_usage(ctl, "option %s is not known", argv[optind - 1]);
}

/* Returns -1 to go on, or the exit status. */
static int parse_options(struct slimctl *ctl, int argc, char **argv)
{
	int option, status;

	ctl->json = asks_for_json(argc, argv);
	while ((option = getopt_long(argc, argv, OPTIONS, options, NULL)) != -1) {
		switch (option) {
		case 's':
			ctl->socket_path = optarg;
			break;
		case 'j':
			break;
		case 'v':
			ctl->verbose = true;
			break;
		case 'h':
			return help(ctl);
		case 'V':
			printf("slimctl " SLIM_VERSION "\n");
			return 0;
		case ':':
		case '?':
			return wrong_option(ctl, option, argv);
		default:
			status = attach_option(ctl, option, optarg);
			if (status)
				return status;
		}
	}
	return -1;
}

static const struct command *command_find(const char *name)
{
	for (size_t i = 0; i < COMMANDS_NUM; i++)
		if (!strcmp(commands[i].name, name))
			return &commands[i];
	return NULL;
}

/* @args: what is neither an option nor an option's value, ends with NULL */
static int run_command(struct slimctl *ctl, char **args, int num)
{
	const struct command *command;

	if (!num)
		return slimctl_usage(ctl, "there is no command");
	command = command_find(args[0]);
	if (!command)
		return slimctl_usage(ctl, "there is no command \"%s\"", args[0]);
	if (ctl->attach_options && command->run != slimctl_attach &&
	    command->run != slimctl_policy)
		return slimctl_usage(ctl, "%s does not take the options of attach", command->name);
	if (ctl->verbose && command->run != slimctl_containers)
		return slimctl_usage(ctl, "%s does not take -v", command->name);
	if (num > 1 && command->argument == '0')
		return slimctl_usage(ctl, "%s takes no argument", command->name);
	if (num > 2 && command->argument != '*')
		return slimctl_usage(ctl, "%s takes one argument, found \"%s\" as well", command->name,
				     args[2]);
	if (num < 2 && command->argument == '1')
		return slimctl_usage(ctl, "%s needs the container's name", command->name);
	ctl->name = args[1];
	ctl->arguments = args + 1;
	return command->run(ctl);
}

int main(int argc, char **argv)
{
	struct slimctl ctl = {
		.socket_path = CONFIG_DEFAULT_CONTROL,
		.timeout = CLIENT_TIMEOUT,
		.addresses = json_array(),
		.labels = json_object(),
	};
	int status = parse_options(&ctl, argc, argv);

	if (status < 0)
		status = run_command(&ctl, argv + optind, argc - optind);
	json_decref(ctl.addresses);
	json_decref(ctl.labels);
	if (fflush(stdout) || ferror(stdout)) {
		perror("slimctl: standard output");
		return SLIMCTL_FAILED;
	}
	return status;
}
