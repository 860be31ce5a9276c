/* SPDX-License-Identifier: MIT */
/* policy_archive.c - the files of the policy in force, for the router after this one */
#include "policy_archive.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log.h"

#define NAME	"policy"
#define MAGIC	"SlimPol1"

struct header {
	char magic[8];
	uint32_t files_num;
};

/* Before name and text of each file */
struct entry {
	uint32_t name_len, text_len;
};

static void path_of(const char *directory, const char *suffix, char path[PATH_MAX])
{
	snprintf(path, PATH_MAX, "%s/" NAME "%s", directory, suffix);
}

static void put_file(FILE *out, const struct policy_source *source)
{
	struct entry entry = {
		.name_len = (uint32_t)strlen(source->name), .text_len = (uint32_t)source->len,
	};

	fwrite(&entry, sizeof(entry), 1, out);
	fwrite(source->name, 1, entry.name_len, out);
	fwrite(source->text, 1, entry.text_len, out);
}

int policy_archive_write(const char *directory, const struct policy_sources *sources)
{
	struct header header = { .magic = MAGIC, .files_num = sources->files_num };
	char path[PATH_MAX];
	bool bad;
	FILE *out;

	if (!directory)
		return 0;
	path_of(directory, ".new", path);
	/* What was not committed must not be there then. */
	unlink(path);
	out = fopen(path, "we");
	if (!out)
		return -errno;
	fwrite(&header, sizeof(header), 1, out);
	for (uint32_t i = 0; i < sources->files_num; i++)
		put_file(out, &sources->files[i]);
	bad = ferror(out);
	if (!fclose(out) && !bad)
		return 0;
	unlink(path);
	return -EIO;
}

int policy_archive_commit(const char *directory)
{
	char from[PATH_MAX], to[PATH_MAX];
	int err;

	if (!directory)
		return 0;
	path_of(directory, ".new", from);
	path_of(directory, "", to);
	if (rename(from, to) == 0)
		return 0;
	err = -errno;
	unlink(to);
	log_warning("cannot keep the policy in %s: a router that follows reads it anew", to);
	return err;
}

/* @len bytes and a final zero; NULL with errno set */
static char *get_bytes(FILE *in, size_t len)
{
	char *bytes = len <= POLICY_BYTES_MAX ? malloc(len + 1) : NULL;

	if (!bytes) {
		errno = len <= POLICY_BYTES_MAX ? ENOMEM : EPROTO;
		return NULL;
	}
	if (fread(bytes, 1, len, in) == len) {
		bytes[len] = '\0';
		return bytes;
	}
	free(bytes);
	errno = EPROTO;
	return NULL;
}

static int get_file(FILE *in, struct policy_sources *sources)
{
	char *name = NULL, *text = NULL;
	struct entry entry;
	uint32_t index;
	int err;

	if (fread(&entry, sizeof(entry), 1, in) != 1)
		return -EPROTO;
	name = get_bytes(in, entry.name_len);
	text = name ? get_bytes(in, entry.text_len) : NULL;
	err = text ? policy_sources_add(sources, name, text, entry.text_len, &index) : -errno;
	free(name);
	free(text);
	return err;
}

int policy_archive_read(const char *directory, struct policy_sources *sources)
{
	struct header header;
	char path[PATH_MAX];
	int err = 0;
	FILE *in;

	memset(sources, 0, sizeof(*sources));
	if (!directory)
		return -ENOENT;
	path_of(directory, "", path);
	in = fopen(path, "re");
	if (!in)
		return -errno;
	if (fread(&header, sizeof(header), 1, in) != 1 ||
	    memcmp(header.magic, MAGIC, sizeof(header.magic)) != 0)
		err = -EPROTO;
	for (uint32_t i = 0; !err && i < header.files_num; i++)
		err = get_file(in, sources);
	if (!err && fgetc(in) != EOF)
		err = -EPROTO;
	fclose(in);
	if (err)
		policy_sources_free(sources);
	return err;
}
