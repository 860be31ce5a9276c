/* SPDX-License-Identifier: MIT */
/* policy_parse.h - the grammar of slim-policy(5) */
#ifndef POLICY_PARSE_H
#define POLICY_PARSE_H

#include <stdbool.h>

#include "config.h"
#include "policy_build.h"
#include "policy_parser.h"
#include "policy_report.h"

/**
 * policy_parse_file() - parse the first of a policy's files, and what it includes
 * @config:	may be NULL
 * @includes:	may it include files?
 *
 * What is wrong is in @report; @build then holds what was right.
 */
void policy_parse_file(struct policy_build *build, struct policy_report *report,
		       const struct config *config, bool includes);

/* Parses another of its files, which @outer includes: it goes on with that one's tenant, and changes nothing
 * there. */
void policy_parse_included(const struct policy_parser *outer, uint32_t file);

#endif
