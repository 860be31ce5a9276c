/* SPDX-License-Identifier: MIT */
/* text.h - text that others have written, for those who read JSON */
#ifndef TEXT_H
#define TEXT_H

#include <jansson.h>
#include <stddef.h>

/* As a JSON string. What JSON does not take (it is no UTF-8, or holds a zero) becomes '?'. NULL: no
 * memory. Any thread. */
json_t *text_json(const char *text, size_t len);

#endif
