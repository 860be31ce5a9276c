/* SPDX-License-Identifier: MIT */
/*
 * user.h - memory that the application names
 *
 * An application may pass any pointer to a system call and gets EFAULT for a bad
 * one. Before the shim touches such memory it lets the kernel try, by a system
 * call that costs little and changes nothing. Most often it is a variable of the caller's, in
 * the page of the stack that is in use at this moment: of that one nothing need be asked.
 */
#ifndef SHIM_USER_H
#define SHIM_USER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define USER_PAGE	4096u	/* the smallest that there is */

/* Is all of [@at, @at + @len) in the page of the calling function's frame? @len: not 0 */
static inline __attribute__((always_inline)) bool user_in_frame(const void *at, size_t len)
{
	uintptr_t page = (uintptr_t)__builtin_frame_address(0) / USER_PAGE;

	return (uintptr_t)at / USER_PAGE == page && ((uintptr_t)at + len - 1) / USER_PAGE == page;
}

/* The kernel's answer to what user_readable() and user_writable() ask */
bool user_ask_readable(const void *from, size_t len);
bool user_ask_writable(void *to, size_t len);

/**
 * user_readable() - may [@from, @from + @len) be read?
 * @len:	1 to 4096 bytes
 */
static inline __attribute__((always_inline)) bool user_readable(const void *from, size_t len)
{
	return user_in_frame(from, len) || user_ask_readable(from, len);
}

/**
 * user_writable() - may [@to, @to + @len) be written?
 * @len:	up to 256 bytes; their contents are lost
 */
static inline __attribute__((always_inline)) bool user_writable(void *to, size_t len)
{
	return !len || user_in_frame(to, len) || user_ask_writable(to, len);
}

#endif
