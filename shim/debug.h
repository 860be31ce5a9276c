/* SPDX-License-Identifier: MIT */
/*
 * debug.h - a log of the shim's doings, where SLIM_DEBUG names a file
 */
#ifndef SHIM_DEBUG_H
#define SHIM_DEBUG_H

/* @format knows %d alone, once. Never in the way: what cannot be written is lost. */
void debug_say(const char *format, int number);

#endif
