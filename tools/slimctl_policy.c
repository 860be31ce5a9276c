/* SPDX-License-Identifier: MIT */
/* slimctl_policy.c - slimctl reload and slimctl policy */
#include "slimctl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "slimctl_text.h"
#include "table.h"

#include "../router/config.h"
#include "../router/policy.h"

#define RELOAD_TIMEOUT	60000	/* ms; hundreds of thousands of rules take a second */

static void print_reload(const json_t *reply)
{
	const char *file = json_string_value(json_object_get(reply, "file"));
	json_int_t rules, generation;
	double took;

	if (json_unpack((json_t *)reply, "{s:I, s:I, s:f}", "rules", &rules,
			"generation", &generation, "took_ms", &took))
		return;
	if (file)
		printf("%s is in force: %" JSON_INTEGER_FORMAT " rules, generation %"
		       JSON_INTEGER_FORMAT ", after %.1f ms\n", file, rules, generation, took);
	else
		printf("there is no policy: all is allowed within tenants\n");
}

int slimctl_reload(const struct slimctl *ctl)
{
	struct slimctl patient = *ctl;
	json_t *reply;
	int status;

	patient.timeout = RELOAD_TIMEOUT;
	status = slimctl_ask(&patient, "reload", NULL, -1, &reply);
	if (status || !reply)
		return status;
	print_reload(reply);
	json_decref(reply);
	return 0;
}

/* --- slimctl policy --- */

/* The default configuration may be missing, or not for this user to read: then tenants are not checked. */
static int load_config(const struct slimctl *ctl, const char *file, struct config **config)
{
	char error[8192];

	*config = NULL;
	if (!file && access(CONFIG_DEFAULT_FILE, R_OK) < 0)
		return 0;
	*config = config_load(file ? file : CONFIG_DEFAULT_FILE, error, sizeof(error));
	if (*config)
		return 0;
	fputs(error, stderr);
	return slimctl_fail(ctl, "cannot check a policy with that configuration");
}

static int check(const struct slimctl *ctl, char **args)
{
	struct config *config;
	struct policy *policy;
	int status = load_config(ctl, args[1], &config);
	char *errors;

	if (status)
		return status;
	policy = policy_load(args[0], config, &errors);
	if (policy)
		printf("%s is good: %u rules%s\n", args[0], policy->rules_num, config ? "" :
		       "; which tenants there are was not checked, as there is no configuration");
	else
		fputs(errors ? errors : "out of memory\n", stderr);
	status = policy ? 0 : SLIMCTL_FAILED;
	policy_free(policy);
	free(errors);
	config_free(config);
	return status;
}

static int show(const struct slimctl *ctl, char **args)
{
	json_t *reply, *file;
	int status = slimctl_ask(ctl, "policy-show", NULL, -1, &reply);
	size_t i;

	(void)args;
	if (status || !reply)
		return status;
	json_array_foreach(json_object_get(reply, "files"), i, file)
		printf("# %s\n%s", slimctl_text(file, "file"), slimctl_text(file, "text"));
	json_decref(reply);
	return 0;
}

static int stats(const struct slimctl *ctl, char **args)
{
	static const struct table_column columns[] = {
		{ "RULE", 0 }, { "TENANT", 0 }, { "HITS", 1 }, { "HIDDEN-BY", 0 },
	};
	struct table *table;
	json_t *reply, *rule;
	int status = slimctl_ask(ctl, "policy-stats", NULL, -1, &reply);
	char text[SLIMCTL_TEXT_MAX];
	size_t i;

	(void)args;
	if (status || !reply)
		return status;
	table = table_new(columns, sizeof(columns) / sizeof(columns[0]));
	json_array_foreach(json_object_get(reply, "rules"), i, rule) {
		table_add(table, slimctl_text(rule, "rule"));
		table_add(table, slimctl_text(rule, "tenant"));
		slimctl_text_number(text, rule, "hits");
		table_add(table, text);
		table_add(table, slimctl_text(rule, "hidden_by"));
	}
	table_print(table, stdout);
	table_free(table);
	json_decref(reply);
	return 0;
}

/* An address, and whose it is */
static void print_end(char *out, size_t size, const json_t *reply, const char *end,
		      const char *host)
{
	const char *name = slimctl_text(reply, host);

	snprintf(out, size, *name ? "%s on %s" : "%s", slimctl_text(reply, end), name);
}

static void print_test(const json_t *reply)
{
	const char *rule = slimctl_text(reply, "rule");
	char text[SLIMCTL_TEXT_MAX], from[256], to[256];

	print_end(from, sizeof(from), reply, "source", "source_host");
	print_end(to, sizeof(to), reply, "destination", "destination_host");
	snprintf(text, sizeof(text), "%s: tenant %s, %s to %s",
		 json_is_true(json_object_get(reply, "allowed")) ? "allowed" : "denied",
		 slimctl_text(reply, "tenant"), from, to);
	table_clean(text);
	puts(text);
	snprintf(text, sizeof(text), "%s%s%s", *rule ? rule : "by default, as no rule matches",
		 *rule ? ": " : "", slimctl_text(reply, "text"));
	table_clean(text);
	puts(text);
}

static int test(const struct slimctl *ctl, char **args)
{
	json_t *request = json_pack("{s:s, s:s}", "source", args[0], "destination", args[1]), *reply;
	char *end;
	unsigned long port = strtoul(args[2], &end, 10);
	int status;

	if (!request || *end || !*args[2] || port > 65535) {
		json_decref(request);
		return slimctl_usage(ctl, "policy test: \"%s\" is no port", args[2]);
	}
	json_object_set_new(request, "port", json_integer((json_int_t)port));
	if (args[3])
		json_object_set_new(request, "protocol", json_string(args[3]));
	if (ctl->tenant)
		json_object_set_new(request, "tenant", json_string(ctl->tenant));
	status = slimctl_ask(ctl, "policy-test", request, -1, &reply);
	if (status || !reply)
		return status;
	print_test(reply);
	json_decref(reply);
	return 0;
}

static const struct {
	const char *name;
	int min, max;		/* arguments */
	int (*run)(const struct slimctl *ctl, char **args);
} commands[] = {
	{ "check", 1, 2, check },
	{ "show", 0, 0, show },
	{ "stats", 0, 0, stats },
	{ "test", 3, 4, test },
};

int slimctl_policy(const struct slimctl *ctl)
{
	int num = 0;

	if (!ctl->name)
		return slimctl_usage(ctl, "policy needs one of check, show, stats and test");
	while (ctl->arguments[num + 1])
		num++;
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (strcmp(commands[i].name, ctl->name))
			continue;
		if (num < commands[i].min || num > commands[i].max)
			return slimctl_usage(ctl, "policy %s takes %d to %d arguments, not %d",
					     ctl->name, commands[i].min, commands[i].max, num);
		return commands[i].run(ctl, ctl->arguments + 1);
	}
	return slimctl_usage(ctl, "there is no \"policy %s\"", ctl->name);
}
