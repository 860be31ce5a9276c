/* SPDX-License-Identifier: MIT */
/*
 * policy.c - how long a policy takes to be read and compiled, in processor time
 *
 *	policy FILE [TIMES [CONFIGURATION]]
 *
 * Without a configuration the file's tenant is t1. Says milliseconds for reading and for compiling, and bytes a rule.
 *
 * links: router/policy.c router/policy_build.c router/policy_check.c router/policy_compile.c router/policy_inputs.c router/policy_domain.c router/policy_identity.c router/policy_lex.c router/policy_ends.c router/policy_include.c router/policy_parse.c router/policy_parser.c router/policy_rule.c router/policy_report.c router/policy_resolve.c router/policy_source.c router/policy_uses.c router/policy_value.c router/config.c router/config_lex.c router/config_parse.c router/config_report.c router/config_value.c router/config_word.c router/base64.c router/endpoint.c router/log.c core/classifier.c core/classifier_axis.c core/classifier_build.c core/classifier_cells.c core/classifier_crowd.c core/classifier_events.c core/classifier_members.c core/classifier_memory.c core/classifier_services.c core/classifier_sieve.c core/classifier_sort.c core/classifier_tree.c
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../../router/policy_compile.h"

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (double)ts.tv_sec * 1e3 + (double)ts.tv_nsec / 1e6;
}

static int once(const char *file, const struct config *config)
{
	double began = now(), parsed, compiled_at;
	struct policy_compiled *compiled;
	struct classifier_stats stats;
	size_t size = 0;
	struct policy *policy;
	char *errors;

	policy = policy_load(file, config, &errors);
	if (!policy) {
		fputs(errors ? errors : "out of memory\n", stderr);
		free(errors);
		return EXIT_FAILURE;
	}
	parsed = now();
	compiled = policy_compile(policy, config, &errors);
	if (!compiled) {
		fputs(errors ? errors : "out of memory\n", stderr);
		free(errors);
		policy_free(policy);
		return EXIT_FAILURE;
	}
	compiled_at = now();
	for (uint32_t i = 0; i < compiled->domains_num; i++) {
		if (!compiled->domains[i].classifier)
			continue;
		classifier_stats(compiled->domains[i].classifier, &stats);
		size += stats.size;
	}
	printf("%u rules: read %.1f ms, compiled %.1f ms, together %.1f ms; %.1f bytes a rule\n",
	       policy->rules_num, parsed - began, compiled_at - parsed, compiled_at - began,
	       (double)size / policy->rules_num);
	policy_compiled_put(compiled);
	return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
	static const char text[] = "host h1 { address 192.0.2.1; }\n"
				   "tenant t1 { vni 1; prefix 10.0.0.0/8; prefix fd00::/48; }\n";
	int times = argc > 2 ? atoi(argv[2]) : 1, status = EXIT_SUCCESS;
	struct config *config;
	char error[512];

	if (argc < 2) {
		fprintf(stderr, "usage: %s FILE [TIMES [CONFIGURATION]]\n", argv[0]);
		return 2;
	}
	config = argc > 3 ? config_load(argv[3], error, sizeof(error)) :
			    config_parse("bench", text, strlen(text), error, sizeof(error));
	if (!config) {
		fputs(error, stderr);
		return EXIT_FAILURE;
	}
	while (times-- > 0 && status == EXIT_SUCCESS)
		status = once(argv[1], config);
	config_free(config);
	return status;
}
