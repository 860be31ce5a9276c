/* SPDX-License-Identifier: MIT */
/* table.c - aligned columns for people */
#include "table.h"

#include <err.h>
#include <stdlib.h>
#include <string.h>

#define GAP	2	/* spaces between columns */

struct table {
	const struct table_column *columns;
	size_t columns_num;
	char **cells;
	size_t cells_num;
};

struct table *table_new(const struct table_column *columns, size_t num)
{
	struct table *table = calloc(1, sizeof(*table));

	if (!table)
		err(1, "table");
	table->columns = columns;
	table->columns_num = num;
	return table;
}

void table_free(struct table *table)
{
	for (size_t i = 0; i < table->cells_num; i++)
		free(table->cells[i]);
	free(table->cells);
	free(table);
}

void table_clean(char *text)
{
	for (unsigned char *c = (unsigned char *)text; *c; c++) {
		if (*c < ' ' || *c == 0x7f)
			*c = '?';
		else if (c[0] == 0xc2 && c[1] >= 0x80 && c[1] < 0xa0)
			c[0] = c[1] = '?';
	}
}

void table_add(struct table *table, const char *text)
{
	size_t num = table->cells_num;
	char *cell = strdup(text && *text ? text : "-");

	if (!(num & (num - 1)))
		table->cells = reallocarray(table->cells, num ? num * 2 : 1, sizeof(*table->cells));
	if (!cell || !table->cells)
		err(1, "table");
	table_clean(cell);
	table->cells[table->cells_num++] = cell;
}

/* Characters of UTF-8, not bytes */
static size_t width(const char *text)
{
	size_t num = 0;

	for (; *text; text++)
		num += (*text & 0xc0) != 0x80;
	return num;
}

static size_t column_width(const struct table *table, size_t column)
{
	size_t widest = width(table->columns[column].title);

	for (size_t i = column; i < table->cells_num; i += table->columns_num)
		if (width(table->cells[i]) > widest)
			widest = width(table->cells[i]);
	return widest;
}

static void print_cell(const struct table *table, size_t column, size_t widest, const char *text,
		       FILE *file)
{
	int pad = (int)(widest - width(text));
	int last = column + 1 == table->columns_num;

	if (table->columns[column].right)
		fprintf(file, "%*s%s", pad, "", text);
	else
		fprintf(file, "%s%*s", text, last ? 0 : pad, "");
	if (last)
		fputc('\n', file);
	else
		fprintf(file, "%*s", GAP, "");
}

void table_print(const struct table *table, FILE *file)
{
	size_t widths[table->columns_num];

	for (size_t i = 0; i < table->columns_num; i++)
		widths[i] = column_width(table, i);
	for (size_t i = 0; i < table->columns_num; i++)
		print_cell(table, i, widths[i], table->columns[i].title, file);
	for (size_t i = 0; i < table->cells_num; i++)
		print_cell(table, i % table->columns_num, widths[i % table->columns_num],
			   table->cells[i], file);
}
