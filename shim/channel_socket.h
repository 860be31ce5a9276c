/* SPDX-License-Identifier: MIT */
/*
 * channel_socket.h - the socket to the host's router
 */
#ifndef SHIM_CHANNEL_SOCKET_H
#define SHIM_CHANNEL_SOCKET_H

/*
 * A socket that is connected to the router's in this network namespace, and waits SLIM_CHANNEL_DEADLINE ms at the most
 * for what comes; the caller's. Or -errno: -ECONNREFUSED, there is no router; -EPERM, who listens there is
 * not one.
 */
int channel_socket_open(void);

/* The same descriptor under a number out of the way of the program's; or as it was, where there is no such number. */
int channel_socket_move_up(int fd);

#endif
