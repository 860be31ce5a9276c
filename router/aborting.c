/* SPDX-License-Identifier: MIT */
/* aborting.c - the connections of a container that is detached */
#include "aborting.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <urcu/compiler.h>

#include "container.h"
#include "diag.h"
#include "ledger.h"
#include "log.h"
#include "want.h"

#define AGAIN_MS	100

static struct log_limit limit = { .burst = 1 };

static struct container *container_of(struct aborting *aborting)
{
	return caa_container_of(aborting, struct container, aborting);
}

static void run(struct aside *aside)
{
	struct aborting *aborting = caa_container_of(aside, struct aborting, aside);
	struct diag *diag = diag_open(-1);

	if (diag)
		aborting->error = ledger_abort(diag, aborting->cookies, aborting->num);
	else
		aborting->error = -errno;
	diag_close(diag);
}

static void again(struct aborting *aborting)
{
	if (log_limit_ok(&limit))
		log_warning("container %s: cannot abort its connections: %s; trying again",
			    container_of(aborting)->name, strerror(-aborting->error));
	loop_timer_set(aborting->control, &aborting->again, AGAIN_MS);
}

static void end(struct aborting *aborting)
{
	if (aborting->error)
		log_warning("container %s: cannot abort all of its connections: %s",
			    container_of(aborting)->name, strerror(-aborting->error));
	free(aborting->cookies);
	container_put(container_of(aborting));
}

static void next(struct aborting *aborting)
{
	if (!aborting->num)
		aborting->error = ledger_take(container_of(aborting)->id, &aborting->cookies,
					      &aborting->num);
	if (aborting->num)
		aborting->error = aside_start(&aborting->aside);
	else if (!aborting->error)
		end(aborting);
	if (aborting->error == -ESHUTDOWN)
		end(aborting);
	else if (aborting->error)
		again(aborting);
}

static void done(struct aside *aside)
{
	struct aborting *aborting = caa_container_of(aside, struct aborting, aside);

	if (want_is(aborting->error) || aborting->error == -EINTR) {
		again(aborting);
		return;
	}
	if (aborting->error) {
		end(aborting);
		return;
	}
	free(aborting->cookies);
	aborting->cookies = NULL;
	aborting->num = 0;
	next(aborting);
}

static void again_handle(struct loop_timer *timer)
{
	next(caa_container_of(timer, struct aborting, again));
}

void aborting_start(struct container *container, struct loop *control)
{
	struct aborting *aborting = &container->aborting;

	if (!__atomic_load_n(&container->connections, __ATOMIC_RELAXED) ||
	    !container_get(container))
		return;
	aborting->control = control;
	aborting->aside.run = run;
	aborting->aside.done = done;
	aborting->again.handle = again_handle;
	next(aborting);
}
