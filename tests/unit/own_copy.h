/* SPDX-License-Identifier: MIT */
/* own_copy.h - tests that are executed again under another name */
#ifndef OWN_COPY_H
#define OWN_COPY_H

/* Copies the program that runs to a new file @to, executable. */
void own_copy(const char *to);

#endif
