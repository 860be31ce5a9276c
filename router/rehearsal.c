/* SPDX-License-Identifier: MIT */
/* rehearsal.c - could this program take over from the router that runs? */
#include "rehearsal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../include/slim/version.h"
#include "attach_state.h"
#include "host_check.h"
#include "inflight.h"
#include "keeper.h"
#include "ledger.h"
#include "listener.h"
#include "peer_key.h"
#include "state.h"
#include "statefile.h"

static const struct statefile_layout *const layouts[] = {
	&attach_state_layout, &listener_layout, &ledger_layout, &inflight_layout, &peer_key_layout,
};

static int check_state(const struct config *config)
{
	const char *directory = config->state;
	int err = 0;

	/* Its containers would be taken for nobody's. */
	if (!state_is_in_use(config)) {
		fprintf(stderr, "no router keeps its state in %s: all that is attached would be "
			"forgotten (has `state` or `control` changed?)\n", directory);
		return -ENOENT;
	}
	for (size_t i = 0; !err && i < sizeof(layouts) / sizeof(layouts[0]); i++) {
		err = statefile_check(directory, layouts[i]);
		if (err)
			fprintf(stderr, "this slimrouter cannot read the state file %s/%s (it reads "
				"version %u): %s\n", directory, layouts[i]->name,
				layouts[i]->version, strerror(-err));
	}
	return err;
}

struct survey {
	const struct config *config;
	unsigned int lost;
};

/* Is there a place for the container under this configuration? */
static void survey_container(const void *data, void *arg)
{
	const struct attach_record *record = data;
	struct survey *survey = arg;
	const struct config_tenant *tenant = config_tenant_by_vni(survey->config, record->vni);
	bool fits = tenant && record->port.addresses_num <= PACKETPATH_ADDRESSES;

	for (size_t i = 0; fits && i < record->port.addresses_num; i++)
		fits = config_tenant_covers(tenant, &record->port.addresses[i]);
	/* The first one's words are what an upgrade's client is told. */
	if (!fits && !survey->lost++)
		fprintf(stderr, "container %.*s would be detached: the configuration has no tenant of "
			"VNI %u%s; detach it first, or mend the configuration\n",
			(int)sizeof(record->name), record->name, record->vni,
			tenant ? " that covers its addresses" : "");
}

static int check_containers(const struct config *config)
{
	struct survey survey = { .config = config };
	int err = statefile_peek(config->state, &attach_state_layout, survey_container, &survey);

	if (err)
		fprintf(stderr, "cannot read which containers are attached: %s\n", strerror(-err));
	return err ? err : survey.lost ? -EADDRNOTAVAIL : 0;
}

int rehearsal_run(const struct config *config)
{
	int err;

	if (host_check(config, true) || check_state(config) || check_containers(config))
		return EXIT_FAILURE;
	err = keeper_rehearse();
	if (err) {
		fprintf(stderr, "cannot start a router: %s\n", strerror(-err));
		return EXIT_FAILURE;
	}
	puts(REHEARSAL_WORD SLIM_VERSION);
	return EXIT_SUCCESS;
}
