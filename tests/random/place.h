/* SPDX-License-Identifier: MIT */
/*
 * place.h - words for addresses, and the addresses that they stand for
 */
#ifndef RANDOM_PLACE_H
#define RANDOM_PLACE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "step.h"

/* Of the two sides: A's IPv4 and IPv6, B's IPv4 and IPv6 */
#define PLACE_ADDRESSES	4

/* Says which addresses the sides have, as text. 0, or -EINVAL */
int place_set(char *const *addresses);

/* Puts address and port of a step's words to @out. Returns its length. */
socklen_t place_address(int address, int port, uint16_t ports, struct sockaddr_storage *out);

/* Writes @name as words, as "B4:p0"; a port that is not of the script's is ~NUMBER. */
void place_text(const struct sockaddr_storage *name, socklen_t len, uint16_t ports, char *text, size_t size);

#endif
