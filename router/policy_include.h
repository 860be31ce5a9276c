/* SPDX-License-Identifier: MIT */
/* policy_include.h - a policy's file reads others */
#ifndef POLICY_INCLUDE_H
#define POLICY_INCLUDE_H

#include "policy_parser.h"

/* Takes the path of a file or a directory, and has what it names parsed. */
void policy_include_take(struct policy_parser *p);

#endif
