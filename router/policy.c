/* SPDX-License-Identifier: MIT */
/* policy.c - a policy is loaded and freed */
#include "policy.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "policy_build.h"
#include "policy_parse.h"
#include "policy_report.h"

/* @err: of reading the first file, whose name is @name */
static struct policy *end(struct policy_build *build, struct policy_report *report,
			  const char *name, int err, char **errors)
{
	struct policy *policy = build->policy;

	if (err)
		policy_report_plain(report, "%s: %s", name, strerror(-err));
	if (build->no_memory)
		policy_report_plain(report, "%s: memory does not suffice for this policy", name);
	policy_build_exit(build);
	if (report->errors) {
		*errors = policy_report_end(report);
		policy_free(policy);
		return NULL;
	}
	free(policy_report_end(report));
	return policy;
}

static int begin(struct policy_build *build, struct policy_report *report, char **errors)
{
	int err = policy_build_init(build);

	*errors = NULL;
	if (err)
		return err;
	err = policy_report_init(report, &build->policy->sources);
	if (err) {
		policy_build_exit(build);
		policy_free(build->policy);
	}
	return err;
}

/* @saved: or NULL: from the disk */
static struct policy *load(const char *file, const struct policy_sources *saved,
			   const struct config *config, char **errors)
{
	struct policy_report report;
	struct policy_build build;
	uint32_t index;
	int err;

	if (begin(&build, &report, errors))
		return NULL;
	build.policy->sources.saved = saved;
	err = policy_sources_read(&build.policy->sources, file, &index);
	if (!err)
		policy_parse_file(&build, &report, config, true);
	build.policy->sources.saved = NULL;
	return end(&build, &report, file, err, errors);
}

struct policy *policy_load(const char *file, const struct config *config, char **errors)
{
	return load(file, NULL, config, errors);
}

struct policy *policy_load_saved(const struct policy_sources *saved, const struct config *config,
				 char **errors)
{
	return load(saved->files[0].name, saved, config, errors);
}

struct policy *policy_parse(const char *name, const char *text, size_t len,
			    const struct config *config, char **errors)
{
	struct policy_report report;
	struct policy_build build;
	uint32_t index;
	int err;

	if (begin(&build, &report, errors))
		return NULL;
	err = policy_sources_add(&build.policy->sources, name, text, len, &index);
	if (!err)
		policy_parse_file(&build, &report, config, false);
	return end(&build, &report, name, err, errors);
}

void policy_free(struct policy *policy)
{
	if (!policy)
		return;
	policy_sources_free(&policy->sources);
	free(policy->tenants);
	free(policy->groups);
	free(policy->sets);
	free(policy->members);
	free(policy->rules);
	free(policy->ports);
	free(policy->limits);
	free(policy->strings);
	free(policy);
}
