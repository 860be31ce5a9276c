/* SPDX-License-Identifier: MIT */
/* look.c - which of some sockets listen */
#include "look.h"

#include <errno.h>
#include <stdlib.h>

#include "container.h"

struct look *look_new(size_t max)
{
	struct look *look = calloc(1, sizeof(*look) + max * sizeof(look->sockets[0]));

	if (look)
		look->max = max;
	return look;
}

void look_add(struct look *look, uint64_t cookie)
{
	if (look->num < look->max)
		look->sockets[look->num++].cookie = cookie;
}

static int compare(const void *a, const void *b)
{
	const struct look_socket *x = a, *y = b;

	return (x->cookie > y->cookie) - (x->cookie < y->cookie);
}

static struct look_socket *find(const struct look *look, uint64_t cookie)
{
	const struct look_socket key = { .cookie = cookie };

	return bsearch(&key, look->sockets, look->num, sizeof(key), compare);
}

static void each(const struct diag_socket *socket, void *data)
{
	struct look_socket *wanted = find(data, socket->cookie);

	if (wanted)
		wanted->socket = *socket;
}

static void drop_doubles(struct look *look)
{
	size_t num = 0;

	for (size_t i = 0; i < look->num; i++)
		if (!i || look->sockets[i].cookie != look->sockets[num - 1].cookie)
			look->sockets[num++] = look->sockets[i];
	look->num = num;
}

int look_run(struct look *look, struct container *container)
{
	struct diag *diag;
	int err;

	qsort(look->sockets, look->num, sizeof(look->sockets[0]), compare);
	drop_doubles(look);
	diag = container_diag_get(container);
	if (!diag)
		return -errno;
	err = diag_dump(diag, DIAG_LISTEN, 0, 0, false, each, look);
	container_diag_put(container);
	return err;
}

const struct diag_socket *look_find(const struct look *look, uint64_t cookie)
{
	const struct look_socket *wanted = find(look, cookie);

	return wanted ? &wanted->socket : NULL;
}
