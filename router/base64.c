/* SPDX-License-Identifier: MIT */
/* base64.c - RFC 4648 base64, as public keys are written */
#include "base64.h"

#include <errno.h>
#include <string.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* @num: 1 to 3 bytes */
static void encode_group(char *out, const uint8_t *data, size_t num)
{
	uint32_t bits = (uint32_t)data[0] << 16;

	if (num > 1)
		bits |= (uint32_t)data[1] << 8;
	if (num > 2)
		bits |= data[2];
	for (size_t i = 0; i < 4; i++)
		out[i] = i <= num ? alphabet[bits >> (18 - 6 * i) & 63] : '=';
}

char *base64_encode(char *out, const uint8_t *data, size_t len)
{
	char *pos = out;

	for (size_t i = 0; i < len; i += 3, pos += 4)
		encode_group(pos, data + i, len - i < 3 ? len - i : 3);
	*pos = '\0';
	return out;
}

/* Puts up to three bytes; whether they were written that way is seen by writing again. */
static int decode_group(uint8_t *out, size_t num, const char *text)
{
	char again[4];
	uint32_t bits = 0;

	for (size_t i = 0; i < 4; i++) {
		const char *found = text[i] ? strchr(alphabet, text[i]) : NULL;

		if (!found && !(text[i] == '=' && i > num))
			return -EINVAL;
		bits = bits << 6 | (found ? (uint32_t)(found - alphabet) : 0);
	}
	for (size_t i = 0; i < num; i++)
		out[i] = (uint8_t)(bits >> (16 - 8 * i));
	encode_group(again, out, num);
	return memcmp(again, text, sizeof(again)) ? -EINVAL : 0;
}

int base64_decode(uint8_t *out, size_t len, const char *text)
{
	if (strlen(text) != BASE64_SIZE(len) - 1)
		return -EINVAL;
	for (size_t i = 0; i < len; i += 3, text += 4)
		if (decode_group(out + i, len - i < 3 ? len - i : 3, text))
			return -EINVAL;
	return 0;
}
