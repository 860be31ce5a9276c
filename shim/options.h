/* SPDX-License-Identifier: MIT */
/*
 * options.h - socket options that follow an application's socket
 */
#ifndef SHIM_OPTIONS_H
#define SHIM_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include <slim/channel.h>

#include "option_table.h"

/* Nothing is known: look at all of them. */
#define OPTIONS_ALL	(~0ull)

/*
 * Of the options in @mask, does one that @fd has now keep it on the packet path?
 */
bool options_keep_packet(int fd, uint64_t mask);

/* Fills in those that matter before a SYN. */
void options_before_syn(int fd, uint64_t mask, struct slim_connect *request);

/* Sets on @to what @from has, of those in @mask, where it differs. */
void options_carry(int from, int to, uint64_t mask);

/* SLIM_LISTEN_* of a listening socket. */
uint32_t options_listen_flags(int fd, uint64_t mask);

#endif
