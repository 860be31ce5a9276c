/* SPDX-License-Identifier: MIT */
/* slimctl_policy_diff.c - slimctl policy diff */
#include "slimctl_policy.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "slimctl_text.h"
#include "table.h"

#include "../router/policy_pack.h"

#define SEALS	(F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

/* Its files in memory, such as nobody changes any more. The descriptor, or -errno */
static int pack(const struct policy *policy)
{
	int fd = memfd_create("slim-policy", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int copy = fd >= 0 ? fcntl(fd, F_DUPFD_CLOEXEC, 0) : -1, err = -errno;
	FILE *out = copy >= 0 ? fdopen(copy, "w") : NULL;

	if (out) {
		err = policy_pack_write(out, &policy->sources);
		fclose(out);
		if (!err && fcntl(fd, F_ADD_SEALS, SEALS) < 0)
			err = -errno;
	}
	if (out && !err)
		return fd;
	if (fd >= 0)
		close(fd);
	return err;
}

static void print_line(const char *mark, const json_t *change, const char *place, const char *text)
{
	char line[SLIMCTL_TEXT_MAX];

	snprintf(line, sizeof(line), "%s %s: tenant %s: %s", mark, slimctl_text(change, place),
		 slimctl_text(change, "tenant"), slimctl_text(change, text));
	table_clean(line);
	puts(line);
}

/* "-" what goes, "+" what comes, "~" what has moved */
static void print_change(const json_t *change)
{
	const char *type = slimctl_text(change, "change");

	if (!strcmp(type, "moved")) {
		print_line("~", change, "after", "after_text");
		return;
	}
	if (*slimctl_text(change, "before"))
		print_line("-", change, "before", "before_text");
	if (*slimctl_text(change, "after"))
		print_line("+", change, "after", "after_text");
}

/* "web1 (10.32.1.2:4711)" */
static void name_end(char *out, size_t size, const json_t *item, const char *end,
		     const char *container)
{
	const char *name = slimctl_text(item, container);

	snprintf(out, size, *name ? "%s (%s)" : "%s%s", name, slimctl_text(item, end));
}

static void print_connections(const json_t *reply)
{
	static const struct table_column columns[] = {
		{ "CUT", 0 }, { "PATH", 0 }, { "TENANT", 0 }, { "SOURCE", 0 }, { "DESTINATION", 0 }, { "RULE", 0 },
	};
	const json_t *list = json_object_get(reply, "connections"), *item;
	struct table *table = table_new(columns, sizeof(columns) / sizeof(columns[0]));
	char text[SLIMCTL_TEXT_MAX];
	size_t i;

	json_array_foreach(list, i, item) {
		const char *rule = slimctl_text(item, "rule");

		table_add(table, slimctl_text(item, "id"));
		table_add(table, slimctl_text(item, "path"));
		table_add(table, slimctl_text(item, "tenant"));
		name_end(text, sizeof(text), item, "source", "source_container");
		table_add(table, text);
		name_end(text, sizeof(text), item, "destination", "destination_container");
		table_add(table, text);
		table_add(table, *rule ? rule : "by default");
	}
	if (json_array_size(list)) {
		putchar('\n');
		table_print(table, stdout);
	}
	table_free(table);
}

static void print_unseen(const json_t *reply)
{
	const json_t *item;
	char line[SLIMCTL_TEXT_MAX];
	size_t i;

	json_array_foreach(json_object_get(reply, "unseen"), i, item) {
		snprintf(line, sizeof(line), "not known: %s's connections over the packet path: %s",
			 slimctl_text(item, "container"), slimctl_text(item, "error"));
		table_clean(line);
		puts(line);
	}
}

static void print_diff(const json_t *reply)
{
	const json_t *changes = json_object_get(reply, "changes"), *change;
	size_t i, changes_num = json_array_size(changes);
	size_t cut = json_array_size(json_object_get(reply, "connections"));

	json_array_foreach(changes, i, change)
		print_change(change);
	printf("%zu change%s; %zu live connection%s of this host would be cut\n", changes_num,
	       slimctl_text_plural((json_int_t)changes_num), cut, slimctl_text_plural((json_int_t)cut));
	print_unseen(reply);
	print_connections(reply);
}

int slimctl_policy_diff(const struct slimctl *ctl, char **args)
{
	struct slimctl patient = *ctl;
	struct policy *policy;
	json_t *reply;
	bool checked;
	int status = slimctl_policy_load(ctl, args, &policy, &checked), fd;

	if (status)
		return status;
	fd = pack(policy);
	policy_free(policy);
	if (fd < 0)
		return slimctl_fail(ctl, "cannot hand the policy over: %s", strerror(-fd));
	patient.timeout = SLIMCTL_POLICY_TIMEOUT;
	status = slimctl_ask(&patient, "policy-diff", NULL, fd, &reply);
	close(fd);
	if (status || !reply)
		return status;
	print_diff(reply);
	json_decref(reply);
	return 0;
}
