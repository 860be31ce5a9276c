/* SPDX-License-Identifier: MIT */
/* inquiry.c - a question of the control socket that takes long: a thread of its own makes the answer */
#include "inquiry.h"

#include <stdlib.h>
#include <unistd.h>
#include <urcu.h>

#include "aside.h"
#include "control.h"

/* @done: NULL: nobody waits */
struct inquiry {
	struct aside aside;
	inquiry_make *make;
	int fd;
	char *text;
	void (*done)(void *data, char *text);
	void *data;
};

static unsigned int running;

static void end(struct inquiry *inquiry)
{
	running--;
	if (inquiry->fd >= 0)
		close(inquiry->fd);
	free(inquiry);
}

static void run(struct aside *aside)
{
	struct inquiry *inquiry = caa_container_of(aside, struct inquiry, aside);

	inquiry->text = control_reply(inquiry->make(inquiry->fd));
}

static void finish(struct aside *aside)
{
	struct inquiry *inquiry = caa_container_of(aside, struct inquiry, aside);

	if (inquiry->done)
		inquiry->done(inquiry->data, inquiry->text);
	else
		free(inquiry->text);
	end(inquiry);
}

struct inquiry *inquiry_start(inquiry_make *make, int fd, void (*done)(void *data, char *text),
			      void *data)
{
	struct inquiry *inquiry = running < INQUIRIES_MAX ? calloc(1, sizeof(*inquiry)) : NULL;

	if (!inquiry) {
		if (fd >= 0)
			close(fd);
		return NULL;
	}
	*inquiry = (struct inquiry){
		.aside = { .run = run, .done = finish },
		.make = make, .fd = fd, .done = done, .data = data,
	};
	running++;
	if (!aside_start(&inquiry->aside))
		return inquiry;
	end(inquiry);
	return NULL;
}

void inquiry_forget(struct inquiry *inquiry)
{
	inquiry->done = NULL;
}
