/* SPDX-License-Identifier: MIT */
/* slimctl_show.h - a list of a reply as a table */
#ifndef SLIMCTL_SHOW_H
#define SLIMCTL_SHOW_H

#include <jansson.h>

/* The tenants of a status reply */
void slimctl_print_tenants(const json_t *items);

#endif
