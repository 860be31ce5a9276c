/* SPDX-License-Identifier: MIT */
/* client.h - one question to slimrouter over its control socket (docs/control.md) */
#ifndef CLIENT_H
#define CLIENT_H

#include <jansson.h>
#include <stddef.h>

#define CLIENT_VERSION	1	/* of the control protocol */
#define CLIENT_TIMEOUT	10000	/* ms for the whole exchange */

/**
 * client_ask() - send a request, wait for the whole reply
 * @socket_path:	the router's control socket
 * @request:		a JSON object; borrowed
 * @fd:			to send along, or -1; borrowed
 * @timeout:		ms; CLIENT_TIMEOUT but for tests
 * @error, @size:	out: why there is no reply, and what to do
 *
 * Returns the reply (a JSON object with version and ok, to be json_decref()ed), which may say
 * that the request failed; NULL with @error filled where there is none.
 */
json_t *client_ask(const char *socket_path, json_t *request, int fd, int timeout,
		   char *error, size_t size);

#endif
