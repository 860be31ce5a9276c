/* SPDX-License-Identifier: MIT */
/*
 * mac.h - SipHash-2-4 over a preamble, by OpenSSL
 *
 * One struct mac per thread; nothing in it is shared.
 */
#ifndef MAC_H
#define MAC_H

#include <stddef.h>
#include <stdint.h>

#define MAC_KEY_LEN	16
#define MAC_LEN		8

struct mac;

struct mac *mac_new(void);
void mac_free(struct mac *mac);

/* @out: MAC_LEN bytes. 0 or -EIO. */
int mac_compute(struct mac *mac, const uint8_t key[MAC_KEY_LEN],
		const void *data, size_t len, uint8_t *out);

#endif
