/* SPDX-License-Identifier: MIT */
/* counters.c - what the router counts */
#include "counters.h"

struct counters counters;
