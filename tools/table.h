/* SPDX-License-Identifier: MIT */
/*
 * table.h - aligned columns for people
 *
 * Cells are copied; what would drive a terminal is replaced. Running out of memory
 * ends the program: it is a command's last act.
 */
#ifndef TABLE_H
#define TABLE_H

#include <stdio.h>

struct table;

/* @right: numbers stand at the right of their column */
struct table_column {
	const char *title;
	int right;
};

/* @columns, @num: borrowed until table_free() */
struct table *table_new(const struct table_column *columns, size_t num);
void table_free(struct table *table);

/* The next cell, row by row; NULL or empty shows as "-". */
void table_add(struct table *table, const char *text);

/* Without rows: the titles alone. */
void table_print(const struct table *table, FILE *file);

/* Replaces control characters (also those of two bytes in UTF-8), in place. */
void table_clean(char *text);

#endif
