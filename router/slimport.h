/* SPDX-License-Identifier: MIT */
/*
 * slimport.h - the ports of this host that slim connections come to
 *
 * One listening socket a port, watched by every worker; the kernel wakes one of them.
 */
#ifndef SLIMPORT_H
#define SLIMPORT_H

#include "config.h"

/* Opens the ports in the host's namespace. 0 or -errno, logged. */
int slimports_open(const struct config *config);
/* Every worker starts to accept. 0 or -errno. */
int slimports_start(void);
/* After the workers have stopped. */
void slimports_close(void);

#endif
