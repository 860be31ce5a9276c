/* SPDX-License-Identifier: MIT */
/* ends.h - who connects to whom */
#ifndef ENDS_H
#define ENDS_H

#include <stdint.h>

#include "../include/slim/endpoint.h"

/* A TCP connection as its source sees it; tenants by their VNIs */
struct ends {
	uint32_t source_vni, destination_vni;
	struct slim_endpoint source, destination;
};

#endif
