/* SPDX-License-Identifier: MIT */
/*
 * user.h - memory that the application names
 *
 * An application may pass any pointer to a system call and gets EFAULT for a bad
 * one. Before the shim touches such memory it lets the kernel try, by a system
 * call that costs little and changes nothing.
 */
#ifndef SHIM_USER_H
#define SHIM_USER_H

#include <stdbool.h>
#include <stddef.h>

/**
 * user_readable() - may [@from, @from + @len) be read?
 * @len:	1 to 4096 bytes
 */
bool user_readable(const void *from, size_t len);

/**
 * user_writable() - may [@to, @to + @len) be written?
 * @len:	up to 256 bytes; their contents are lost
 */
bool user_writable(void *to, size_t len);

#endif
