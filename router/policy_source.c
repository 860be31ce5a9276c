/* SPDX-License-Identifier: MIT */
/* policy_source.c - the files that a policy is made of */
#include "policy_source.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SUFFIX	".policy"

/* Takes @text, also where it fails. */
static int add(struct policy_sources *sources, const char *name, char *text, size_t len,
	       uint32_t *index)
{
	uint32_t num = sources->files_num;
	struct policy_source *file;
	int err = -EFBIG;

	if (num == POLICY_FILES_MAX || len > POLICY_BYTES_MAX - sources->bytes)
		goto free_text;
	err = -ENOMEM;
	if (!(num & (num - 1))) {
		file = reallocarray(sources->files, num ? num * 2 : 1, sizeof(*file));
		if (!file)
			goto free_text;
		sources->files = file;
	}
	file = &sources->files[num];
	file->name = strdup(name);
	if (!file->name)
		goto free_text;
	file->text = text;
	file->len = len;
	sources->files_num++;
	sources->bytes += len;
	*index = num;
	return 0;
free_text:
	free(text);
	return err;
}

int policy_sources_add(struct policy_sources *sources, const char *name, const char *text,
		       size_t len, uint32_t *index)
{
	char *copy;

	if (len > POLICY_BYTES_MAX)
		return -EFBIG;
	copy = malloc(len + 1);
	if (!copy)
		return -ENOMEM;
	memcpy(copy, text, len);
	return add(sources, name, copy, len, index);
}

/* Of a file that grows meanwhile, what it had when it was opened. */
static int read_text(int fd, char *text, size_t *len)
{
	size_t done = 0;

	while (done < *len) {
		ssize_t got = read(fd, text + done, *len - done);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (got == 0)
			break;
		done += (size_t)got;
	}
	*len = done;
	return 0;
}

static const struct policy_source *find(const struct policy_sources *sources, const char *path)
{
	for (uint32_t i = 0; i < sources->files_num; i++)
		if (!strcmp(sources->files[i].name, path))
			return &sources->files[i];
	return NULL;
}

static int read_saved(struct policy_sources *sources, const char *path, uint32_t *index)
{
	const struct policy_source *file = find(sources->saved, path);

	return file ? policy_sources_add(sources, path, file->text, file->len, index) : -ENOENT;
}

static int read_file(struct policy_sources *sources, const char *path, uint32_t *index)
{
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	struct stat st;
	char *text;
	size_t len;
	int err;

	if (fd < 0)
		return -errno;
	err = fstat(fd, &st) ? -errno : 0;
	if (!err && !S_ISREG(st.st_mode))
		err = S_ISDIR(st.st_mode) ? -EISDIR : -EINVAL;
	if (!err && st.st_size > (off_t)POLICY_BYTES_MAX)
		err = -EFBIG;
	if (err)
		goto close_fd;
	len = (size_t)st.st_size;
	text = malloc(len + 1);
	err = text ? read_text(fd, text, &len) : -ENOMEM;
	if (err)
		free(text);
	else
		err = add(sources, path, text, len, index);
close_fd:
	close(fd);
	return err;
}

int policy_sources_read(struct policy_sources *sources, const char *path, uint32_t *index)
{
	return sources->saved ? read_saved(sources, path, index) : read_file(sources, path, index);
}

/* --- directories --- */

static bool is_policy(const char *name)
{
	size_t len = strlen(name), suffix = strlen(SUFFIX);

	return name[0] != '.' && len > suffix && !strcmp(name + len - suffix, SUFFIX);
}

static int filter(const struct dirent *entry)
{
	return is_policy(entry->d_name);
}

static void free_paths(char **paths, int num)
{
	while (num--)
		free(paths[num]);
	free(paths);
}

static int list_directory(const char *path, char ***paths)
{
	struct dirent **entries;
	int num = scandir(path, &entries, filter, alphasort), err = 0;

	if (num < 0)
		return -errno;
	*paths = calloc((size_t)num + 1, sizeof(**paths));
	for (int i = 0; i < num; i++) {
		char *file = NULL;

		if (!*paths || asprintf(&file, "%s/%s", path, entries[i]->d_name) < 0)
			err = -ENOMEM;
		else
			(*paths)[i] = file;
		free(entries[i]);
	}
	free(entries);
	if (err)
		free_paths(*paths, *paths ? num : 0);
	return err ? err : num;
}

/* Does @name name a file of the directory? (They come in the order in which they were read.) */
static bool lies_in(const char *name, const char *directory)
{
	size_t len = strlen(directory);

	return !strncmp(name, directory, len) && name[len] == '/' && !strchr(name + len + 1, '/') &&
	       is_policy(name + len + 1);
}

static int list_saved(const struct policy_sources *saved, const char *path, char ***paths)
{
	int num = 0;

	if (find(saved, path))
		return -ENOTDIR;
	*paths = calloc((size_t)saved->files_num + 1, sizeof(**paths));
	if (!*paths)
		return -ENOMEM;
	for (uint32_t i = 0; i < saved->files_num; i++) {
		if (!lies_in(saved->files[i].name, path))
			continue;
		(*paths)[num] = strdup(saved->files[i].name);
		if (!(*paths)[num++]) {
			free_paths(*paths, num);
			return -ENOMEM;
		}
	}
	return num;
}

int policy_sources_list(const struct policy_sources *sources, const char *path, char ***paths)
{
	return sources->saved ? list_saved(sources->saved, path, paths) : list_directory(path, paths);
}

void policy_sources_free(struct policy_sources *sources)
{
	for (uint32_t i = 0; i < sources->files_num; i++) {
		free(sources->files[i].text);
		free(sources->files[i].name);
	}
	free(sources->files);
	memset(sources, 0, sizeof(*sources));
}

const char *policy_sources_line(const struct policy_sources *sources,
				const struct policy_place *place, size_t *len)
{
	const struct policy_source *file = &sources->files[place->file];
	const char *line = file->text + place->offset - (place->column - 1);
	const char *end = file->text + file->len, *next = memchr(line, '\n', (size_t)(end - line));

	*len = (size_t)((next ? next : end) - line);
	return line;
}
