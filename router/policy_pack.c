/* SPDX-License-Identifier: MIT */
/* policy_pack.c - all files of a policy as one file */
#include "policy_pack.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MAGIC	"SlimPol1"

struct header {
	char magic[8];
	uint32_t files_num;
};

/* Before name and text of each file */
struct entry {
	uint32_t name_len, text_len;
};

static void put_file(FILE *out, const struct policy_source *source)
{
	struct entry entry = {
		.name_len = (uint32_t)strlen(source->name), .text_len = (uint32_t)source->len,
	};

	fwrite(&entry, sizeof(entry), 1, out);
	fwrite(source->name, 1, entry.name_len, out);
	fwrite(source->text, 1, entry.text_len, out);
}

int policy_pack_write(FILE *out, const struct policy_sources *sources)
{
	struct header header = { .magic = MAGIC, .files_num = sources->files_num };

	fwrite(&header, sizeof(header), 1, out);
	for (uint32_t i = 0; i < sources->files_num; i++)
		put_file(out, &sources->files[i]);
	return fflush(out) || ferror(out) ? -EIO : 0;
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
	err = text ? 0 : -errno;
	if (!err && strlen(name) != entry.name_len)
		err = -EPROTO;
	if (!err)
		err = policy_sources_add(sources, name, text, entry.text_len, &index);
	free(name);
	free(text);
	return err;
}

int policy_pack_read(FILE *in, struct policy_sources *sources)
{
	struct header header;
	int err = 0;

	memset(sources, 0, sizeof(*sources));
	if (fread(&header, sizeof(header), 1, in) != 1 ||
	    memcmp(header.magic, MAGIC, sizeof(header.magic)) != 0)
		err = -EPROTO;
	for (uint32_t i = 0; !err && i < header.files_num; i++)
		err = get_file(in, sources);
	if (!err && fgetc(in) != EOF)
		err = -EPROTO;
	if (err)
		policy_sources_free(sources);
	return err;
}
