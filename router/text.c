/* SPDX-License-Identifier: MIT */
/* text.c - text that others have written, for those who read JSON */
#include "text.h"

#include <stdlib.h>
#include <string.h>

json_t *text_json(const char *text, size_t len)
{
	json_t *string = memchr(text, '\0', len) ? NULL : json_stringn(text, len);
	char *ascii = string ? NULL : malloc(len + 1);

	if (!ascii)
		return string;
	for (size_t i = 0; i < len; i++)
		ascii[i] = text[i] && (unsigned char)text[i] <= 0x7e ? text[i] : '?';
	string = json_stringn(ascii, len);
	free(ascii);
	return string;
}
