/* SPDX-License-Identifier: MIT */
/*
 * fuzz_statefile.c - any bytes as a state file
 *
 * links: tests/fuzz/log.c router/endpoint.c
 * libs: crypto pthread
 *
 * The first byte says what is put right in the file: its header, each slot's checksum. What is
 * opened must hold records that are whole, take new ones, and hold the same when it is opened again.
 */
#include <err.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <stdio.h>

#include "input.h"

#include "../../router/statefile.c"

#define FIX_HEADER	1u
#define FIX_CHECKS	2u
#define OPS_MAX		16
#define RECORD_SIZE	24
#define RECORD_FIXED	16

static const struct statefile_layout layout = {
	.name = "records", .version = 3, .size = RECORD_SIZE, .fixed = RECORD_FIXED, .max = 64,
};

static char directory[] = "/mnt";

static void image_write(struct input *input, uint8_t how)
{
	static uint8_t bytes[1 << 16];
	struct header header = header_for(&layout);
	struct statefile shape = { .layout = layout };
	size_t stride = sizeof(struct slot) + layout.size;
	size_t at = how & FIX_HEADER ? HEADER_SIZE : 0;
	size_t len = at + input_bytes(input, bytes + at, sizeof(bytes) - at);
	int fd = open("/mnt/records", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (how & FIX_HEADER)
		memcpy(bytes, &header, sizeof(header));
	for (at = HEADER_SIZE; (how & FIX_CHECKS) && at + stride <= len; at += stride) {
		struct slot *slot = (struct slot *)(bytes + at);

		slot->valid &= 1;
		slot->check = check_of(&shape, slot);
	}
	require(write(fd, bytes, len) == (ssize_t)len);
	close(fd);
	memset(bytes, 0, len);
}

struct seen {
	unsigned int num;
	uint64_t sum;		/* of what does not change */
	void *last;
};

static void look(void *record, void *data)
{
	struct seen *seen = data;
	uint64_t sum = hash_bytes(record, RECORD_FIXED, 1);

	seen->num++;
	seen->sum += sum;
	seen->last = record;
}

static struct seen look_at_all(struct statefile *file)
{
	struct seen seen = { 0 };

	statefile_each(file, look, &seen);
	require(seen.num == statefile_num(file));
	return seen;
}

static void use(struct statefile *file, uint8_t op)
{
	struct seen seen = look_at_all(file);
	uint8_t *record;

	if (op & 1) {
		statefile_drop(file, seen.last);
		require(look_at_all(file).num == seen.num - (seen.last ? 1 : 0));
		return;
	}
	record = statefile_new(file);
	if (!record) {
		require(errno == ENOSPC && seen.num == layout.max);
		return;
	}
	for (size_t i = 0; i < RECORD_SIZE; i++)
		require(!record[i]);
	record[0] = op;
	require(look_at_all(file).num == seen.num);
	if (op & 2) {
		statefile_drop(file, record);
		require(look_at_all(file).num == seen.num);
		return;
	}
	statefile_commit(file, record);
	require(look_at_all(file).num == seen.num + 1);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc, (void)argv;
	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("slim-fuzz", directory, "tmpfs", 0, NULL))
		err(1, "a fuzz target needs root");
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = { data, size };
	uint8_t how = input_byte(&input), ops[OPS_MAX];
	size_t num = input_bytes(&input, ops, how >> 4);
	struct statefile *file;
	struct seen seen;

	image_write(&input, how);
	file = statefile_open(directory, &layout);
	require(file != NULL);
	for (size_t i = 0; i < num; i++)
		use(file, ops[i]);
	seen = look_at_all(file);
	statefile_close(file);
	file = statefile_open(directory, &layout);
	require(file != NULL);
	require(look_at_all(file).num == seen.num && look_at_all(file).sum == seen.sum);
	statefile_close(file);
	return 0;
}
