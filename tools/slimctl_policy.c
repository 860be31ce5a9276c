/* SPDX-License-Identifier: MIT */
/* slimctl_policy.c - slimctl reload and slimctl policy */
#include "slimctl_policy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client.h"
#include "slimctl_text.h"
#include "table.h"

#include "../router/config.h"
#include "../router/policy_compile.h"

/* Says where none is in force. */
static bool print_none(const json_t *reply)
{
	const char *path = slimctl_text(reply, "path");
	bool closed = json_is_true(json_object_get(reply, "closed"));
	char text[SLIMCTL_TEXT_MAX];

	if (!closed && *slimctl_text(reply, "file"))
		return false;
	snprintf(text, sizeof(text), closed ? "%s has errors, or is gone: nothing is allowed" :
		 "there is no policy %s: all is allowed within tenants", path);
	table_clean(text);
	puts(text);
	return true;
}

static void print_reload(const json_t *reply)
{
	char text[SLIMCTL_TEXT_MAX];
	json_int_t rules, generation;
	double took;

	if (json_unpack((json_t *)reply, "{s:I, s:I, s:f}", "rules", &rules,
			"generation", &generation, "took_ms", &took) || print_none(reply))
		return;
	snprintf(text, sizeof(text), "%s is in force: %" JSON_INTEGER_FORMAT " rule%s, generation %"
		 JSON_INTEGER_FORMAT ", after %.1f ms%s", slimctl_text(reply, "file"), rules,
		 slimctl_text_plural(rules), generation, took,
		 json_is_false(json_object_get(reply, "packet_path_current")) ?
		 "; the packet path follows" : "");
	table_clean(text);
	puts(text);
}

/* For what takes long with many rules */
static int ask(const struct slimctl *ctl, const char *command, json_t **reply)
{
	struct slimctl patient = *ctl;

	patient.timeout = SLIMCTL_POLICY_TIMEOUT;
	return slimctl_ask(&patient, command, NULL, -1, reply);
}

int slimctl_reload(const struct slimctl *ctl)
{
	json_t *reply;
	int status = ask(ctl, "reload", &reply);

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

/* @policy as it is, or NULL as policy_compile() has it */
static struct policy *compilable(struct policy *policy, const struct config *config, char **errors)
{
	struct policy_compiled *compiled = policy_compile(policy, config, errors);

	if (!compiled) {
		policy_free(policy);
		return NULL;
	}
	compiled->policy = NULL;
	policy_compiled_put(compiled);
	return policy;
}

int slimctl_policy_load(const struct slimctl *ctl, char **args, struct policy **policy, bool *checked)
{
	struct config *config;
	int status = load_config(ctl, args[1], &config);
	char *errors;

	if (status)
		return status;
	*checked = config != NULL;
	*policy = policy_load(args[0], config, &errors);
	if (*policy && config)
		*policy = compilable(*policy, config, &errors);
	config_free(config);
	if (*policy)
		return 0;
	if (!errors)
		return slimctl_fail(ctl, "out of memory");
	fputs(errors, stderr);
	if (ctl->json)
		slimctl_print_failure(errors);
	free(errors);
	return SLIMCTL_FAILED;
}

static void print_good(const struct policy *policy, bool checked)
{
	json_t *reply = json_pack("{s:i, s:b, s:I, s:b}", "version", CLIENT_VERSION, "ok", 1,
				  "rules", (json_int_t)policy->rules_num,
				  "tenants_checked", checked);

	slimctl_print_json(reply);
	json_decref(reply);
}

static int check(const struct slimctl *ctl, char **args)
{
	struct policy *policy;
	bool checked;
	int status = slimctl_policy_load(ctl, args, &policy, &checked);

	if (status)
		return status;
	if (ctl->json)
		print_good(policy, checked);
	else
		printf("%s is good: %u rule%s%s\n", args[0], policy->rules_num,
		       slimctl_text_plural(policy->rules_num), checked ? "" :
		       "; which tenants there are was not checked, as there is no configuration");
	policy_free(policy);
	return 0;
}

static int show(const struct slimctl *ctl, char **args)
{
	char name[SLIMCTL_TEXT_MAX];
	json_t *reply, *file;
	int status = ask(ctl, "policy-show", &reply);
	size_t i;

	(void)args;
	if (status || !reply)
		return status;
	print_none(reply);
	json_array_foreach(json_object_get(reply, "files"), i, file) {
		snprintf(name, sizeof(name), "# %s", slimctl_text(file, "file"));
		table_clean(name);
		puts(name);
		slimctl_print_lines(stdout, slimctl_text(file, "text"));
	}
	json_decref(reply);
	return 0;
}

/* @which: "unused", "hidden", or NULL */
static bool is_asked_for(const json_t *rule, const char *which)
{
	const json_t *hits;

	if (!which)
		return true;
	if (!strcmp(which, "hidden"))
		return *slimctl_text(rule, "hidden_by");
	hits = json_object_get(rule, "hits");
	return json_is_integer(hits) && !json_integer_value(hits);
}

static int stats(const struct slimctl *ctl, char **args)
{
	static const struct table_column columns[] = {
		{ "RULE", 0 }, { "TENANT", 0 }, { "HITS", 1 }, { "HIDDEN-BY", 0 }, { "TEXT", 0 },
	};
	struct table *table;
	json_t *reply, *rule;
	char text[SLIMCTL_TEXT_MAX];
	int status;
	size_t i;

	if (args[0] && strcmp(args[0], "unused") && strcmp(args[0], "hidden"))
		return slimctl_usage(ctl, "policy stats shows all rules, unused or hidden ones, not \"%s\"",
				     args[0]);
	status = ask(ctl, "policy-stats", &reply);
	if (status || !reply)
		return status;
	if (print_none(reply)) {
		json_decref(reply);
		return 0;
	}
	table = table_new(columns, sizeof(columns) / sizeof(columns[0]));
	json_array_foreach(json_object_get(reply, "rules"), i, rule) {
		if (!is_asked_for(rule, args[0]))
			continue;
		table_add(table, slimctl_text(rule, "rule"));
		table_add(table, slimctl_text(rule, "tenant"));
		slimctl_text_number(text, rule, "hits");
		table_add(table, *text ? text : "-");
		table_add(table, slimctl_text(rule, "hidden_by"));
		table_add(table, slimctl_text(rule, "text"));
	}
	table_print(table, stdout);
	table_free(table);
	json_decref(reply);
	return 0;
}

static const struct {
	const char *name;
	int min, max;		/* arguments: how many, and which */
	const char *which;
	int (*run)(const struct slimctl *ctl, char **args);
} commands[] = {
	{ "check", 1, 2, "needs FILE, and may have CONFIGURATION", check },
	{ "diff", 1, 2, "needs FILE, and may have CONFIGURATION", slimctl_policy_diff },
	{ "show", 0, 0, "takes no argument", show },
	{ "stats", 0, 1, "takes no argument but unused or hidden", stats },
	{ "test", 3, 4, "needs SOURCE, DESTINATION and PORT, and may have PROTOCOL", slimctl_policy_test },
};

/* Those of attach, of which `test` takes one */
static int check_options(const struct slimctl *ctl)
{
	if (ctl->netns || ctl->ifname || ctl->path || json_array_size(ctl->addresses) ||
	    json_object_size(ctl->labels))
		return slimctl_usage(ctl, "policy does not take the options of attach");
	if (ctl->tenant && strcmp(ctl->name, "test"))
		return slimctl_usage(ctl, "policy %s does not take --tenant", ctl->name);
	return 0;
}

int slimctl_policy(const struct slimctl *ctl)
{
	int num = 0, status;

	if (!ctl->name)
		return slimctl_usage(ctl, "policy needs one of check, diff, show, stats and test");
	while (ctl->arguments[num + 1])
		num++;
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (strcmp(commands[i].name, ctl->name))
			continue;
		if (num < commands[i].min || num > commands[i].max)
			return slimctl_usage(ctl, "policy %s %s", ctl->name, commands[i].which);
		status = check_options(ctl);
		return status ? status : commands[i].run(ctl, ctl->arguments + 1);
	}
	return slimctl_usage(ctl, "there is no \"policy %s\"", ctl->name);
}
