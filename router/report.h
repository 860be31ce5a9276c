/* SPDX-License-Identifier: MIT */
/*
 * report.h - what the router knows, as JSON for operators
 *
 * Control thread only, under the read lock. New references; NULL without memory.
 */
#ifndef REPORT_H
#define REPORT_H

#include <jansson.h>

#include "config.h"
#include "loop.h"

struct container;

void report_init(const struct config *config, const struct loop *loop);

json_t *report_container(const struct container *container);

json_t *report_status(void);
json_t *report_containers(void);
json_t *report_listeners(void);
json_t *report_connections(void);
json_t *report_peers(void);

#endif
