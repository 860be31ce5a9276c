/* SPDX-License-Identifier: MIT */
/* slimctl.h - what slimctl's commands share */
#ifndef SLIMCTL_H
#define SLIMCTL_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define SLIMCTL_ADDRESSES_MAX	16	/* of a container */

/* Exit status */
#define SLIMCTL_FAILED	1
#define SLIMCTL_USAGE	2

/*
 * The command line. @name: the command's argument, or NULL. The rest is for attach (and @tenant for
 * policy test): NULL or empty where it was not said; @addresses: array of text, @labels: object of text.
 */
struct slimctl {
	const char *socket_path;
	bool json, verbose;
	int timeout;		/* ms for a request and its reply */
	const char *name;
	char **arguments;		/* all of them, with NULL behind the last one */
	const char *netns, *tenant, *ifname, *path;
	json_t *addresses, *labels;
	bool attach_options;
};

/* Says on stderr what is wrong, with -j also as JSON, and returns SLIMCTL_FAILED or SLIMCTL_USAGE. */
int slimctl_fail(const struct slimctl *ctl, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
int slimctl_usage(const struct slimctl *ctl, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/**
 * slimctl_ask() - send a command to the router
 * @request:	the command's arguments, or NULL; taken
 * @fd:		to send along, or -1; borrowed
 * @reply:	out; json_decref() it. NULL with -j, where it has been printed
 *
 * Returns 0, or SLIMCTL_FAILED after having said why.
 */
int slimctl_ask(const struct slimctl *ctl, const char *command, json_t *request, int fd,
		json_t **reply);

/* Prints what -j prints. */
void slimctl_print_json(const json_t *reply);

/* What is of several lines, made to be printed: tabs become blanks. */
void slimctl_print_lines(FILE *file, const char *text);

/* With -j: a reply that says so; @text is made to be printed in place. */
void slimctl_print_failure(char *text);

/* The commands. Each returns the exit status. */
int slimctl_attach(const struct slimctl *ctl);
int slimctl_detach(const struct slimctl *ctl);
int slimctl_status(const struct slimctl *ctl);
int slimctl_containers(const struct slimctl *ctl);
int slimctl_listeners(const struct slimctl *ctl);
int slimctl_connections(const struct slimctl *ctl);
int slimctl_peers(const struct slimctl *ctl);
int slimctl_policy(const struct slimctl *ctl);
int slimctl_reload(const struct slimctl *ctl);
int slimctl_guard(const struct slimctl *ctl);
int slimctl_upgrade(const struct slimctl *ctl);
int slimctl_keygen(const struct slimctl *ctl);
int slimctl_pubkey(const struct slimctl *ctl);

/* --- for options --- */

/* Adds "A[,A6...]". 0, or SLIMCTL_USAGE after having said why. */
int slimctl_add_addresses(struct slimctl *ctl, const char *text);
/* Adds "K=V". The same. */
int slimctl_add_label(struct slimctl *ctl, const char *text);

#endif
