/* SPDX-License-Identifier: MIT */
/*
 * report.h - what the router knows, as JSON for operators
 *
 * Control thread only, under the read lock, but for what is said otherwise. New references;
 * NULL without memory.
 */
#ifndef REPORT_H
#define REPORT_H

#include <jansson.h>
#include <stdint.h>

#include "config.h"
#include "loop.h"

struct container;

void report_init(const struct config *config, const struct loop *loop);

json_t *report_container(const struct container *container);

json_t *report_status(void);
json_t *report_containers(void);
json_t *report_listeners(void);
json_t *report_peers(void);
json_t *report_guard(void);

/*
 * @head, all connections as JSON objects with commas in between, @tail: text, to be freed. @now:
 * the loop's. Takes long where there are many: for any thread (aside.h) that is registered with
 * RCU, outside of a read section.
 */
char *report_connections(const char *head, const char *tail, uint64_t now);

#endif
