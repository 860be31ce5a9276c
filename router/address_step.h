/* SPDX-License-Identifier: MIT */
/*
 * address_step.h - the address before one, and the one behind it
 *
 * In the form of struct slim_endpoint: sixteen bytes, IPv4 ones mapped (RFC 4291, 2.5.5.2).
 */
#ifndef ADDRESS_STEP_H
#define ADDRESS_STEP_H

#include <stdbool.h>
#include <stdint.h>

/* False: there was none behind the last one, and @address is the first. */
static inline bool address_step_up(uint8_t address[16])
{
	int i = 15;

	while (i >= 0 && !++address[i])
		i--;
	return i >= 0;
}

/* False: there was none before the first one, and @address is the last. */
static inline bool address_step_down(uint8_t address[16])
{
	int i = 15;

	while (i >= 0 && !address[i]--)
		i--;
	return i >= 0;
}

#endif
