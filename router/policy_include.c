/* SPDX-License-Identifier: MIT */
/* policy_include.c - a policy's file reads others */
#include "policy_include.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy_parse.h"

#define INCLUDE_DEPTH	16

static bool is_included_already(const struct policy_parser *p, const char *path)
{
	const struct policy_sources *sources = &p->build->policy->sources;

	for (uint32_t i = 0; i < sources->files_num; i++)
		if (!strcmp(sources->files[i].name, path))
			return true;
	return false;
}

static void include_file(struct policy_parser *p, const char *path)
{
	uint32_t file;
	int err;

	if (is_included_already(p, path)) {
		policy_parser_wrong(p, &p->start, "%s is read already", path);
		return;
	}
	err = policy_sources_read(&p->build->policy->sources, path, &file);
	if (err)
		policy_parser_wrong(p, &p->start, "%s: %s", path, strerror(-err));
	else
		policy_parse_included(p, file);
}

/* What is wrong with each of them is said. */
static void include_all(struct policy_parser *p, char **paths, int num)
{
	bool bad = false;

	for (int i = 0; i < num; i++) {
		p->bad = false;
		include_file(p, paths[i]);
		bad |= p->bad;
		free(paths[i]);
	}
	p->bad = bad;
	free(paths);
}

/* @path is seen from the directory of the file that includes it. */
static bool resolve(const struct policy_parser *p, const char *path, char *out, size_t size)
{
	const char *name = p->build->policy->sources.files[p->file].name;
	const char *slash = strrchr(name, '/');
	int dir = *path != '/' && slash ? (int)(slash - name) + 1 : 0;

	return (size_t)snprintf(out, size, "%.*s%s", dir, name, path) < size;
}

void policy_include_take(struct policy_parser *p)
{
	char text[PATH_MAX], path[PATH_MAX], **paths;
	int num;

	if (!policy_parser_value(p, text, sizeof(text)) || !*text || !resolve(p, text, path, sizeof(path))) {
		policy_parser_expected(p, "the path of a file or a directory");
		return;
	}
	if (!p->includes)
		policy_parser_wrong(p, &p->start, "only a file can include others");
	else if (p->depth == INCLUDE_DEPTH)
		policy_parser_wrong(p, &p->start, "files include one another more than %d deep",
				    INCLUDE_DEPTH);
	if (p->bad)
		return;
	num = policy_sources_list(&p->build->policy->sources, path, &paths);
	if (num < 0 && num != -ENOTDIR)
		policy_parser_wrong(p, &p->start, "%s: %s", path, strerror(-num));
	if (p->bad)
		return;
	policy_parser_advance(p);
	if (num < 0)
		include_file(p, path);
	else
		include_all(p, paths, num);
}
