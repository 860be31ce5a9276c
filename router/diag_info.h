/* SPDX-License-Identifier: MIT */
/*
 * diag_info.h - struct tcp_info as the kernel has it
 *
 * A file of its own, since <netinet/tcp.h> has an older struct of that name.
 */
#ifndef DIAG_INFO_H
#define DIAG_INFO_H

#include <stddef.h>

struct diag_socket;

/* @data may be shorter or longer than the struct we know. */
void diag_info_parse(const void *data, size_t len, struct diag_socket *out);

#endif
