/* SPDX-License-Identifier: MIT */
/*
 * base64.h - RFC 4648 base64, as public keys are written
 */
#ifndef BASE64_H
#define BASE64_H

#include <stddef.h>
#include <stdint.h>

/* Length of @len bytes in base64, with the final zero */
#define BASE64_SIZE(len)	(((len) + 2) / 3 * 4 + 1)

/* Writes @len bytes of @data to @out, BASE64_SIZE(@len) bytes. Returns @out. */
char *base64_encode(char *out, const uint8_t *data, size_t len);

/*
 * Reads @text, which must be the padded, canonical base64 of exactly @len bytes, into
 * @out. Returns 0 or -EINVAL.
 */
int base64_decode(uint8_t *out, size_t len, const char *text);

#endif
