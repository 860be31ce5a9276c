/* SPDX-License-Identifier: MIT */
/*
 * rules.h - documented differences (docs/compatibility.md), and what they excuse
 *
 * A rule is narrow: either it keeps a step from being played at which the difference would show,
 * or it says that two results may differ in just that way. Each counts how often it did.
 */
#ifndef RANDOM_RULES_H
#define RANDOM_RULES_H

#include "model.h"

/* The rule because of which the step is not to be played, or NULL */
const char *rules_exclude(struct model *model, const struct step *step);

/* Do both results of the step say the same, or what a rule allows? */
bool rules_same(struct model *model, const struct step *step, const char *plain, const char *slim);

/* Says how often each rule was needed. */
void rules_report(void);

#endif
