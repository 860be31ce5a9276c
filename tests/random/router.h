/* SPDX-License-Identifier: MIT */
/*
 * router.h - what the routers of Slim's world know of listeners
 */
#ifndef RANDOM_ROUTER_H
#define RANDOM_ROUTER_H

#include <stdbool.h>
#include <stdint.h>

#define ROUTERS_MAX	2

/* Adds a router, by its control socket. */
void router_add(const char *control);

/*
 * Waits until all routers say that there is a listener at one of two addresses (as text) and the
 * port, or none; for at most @ms. Returns whether they do. Without routers, at once.
 */
bool router_wait(char *const *addresses, uint16_t port, bool listed, int ms);

#endif
