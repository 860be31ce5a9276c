/* SPDX-License-Identifier: MIT */
/*
 * driver.c - runs a libFuzzer target without libFuzzer, for a short while
 *
 *	fuzz_X [-max_total_time=SECONDS] [-seed=SEED] DIRECTORY|FILE...
 *
 * The command line is libFuzzer's; of its options, those are heeded.
 * Every file of the corpus as it is, then mutations of them: bits turned, bytes
 * inserted, removed, repeated, files joined. The seed is printed, so that a run can be repeated. The
 * sanitisers say what is wrong.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define INPUTS_MAX	1024
#define INPUT_SIZE	65536

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
__attribute__((weak)) int LLVMFuzzerInitialize(int *argc, char ***argv);

struct input {
	uint8_t *data;
	size_t size;
};

static struct input inputs[INPUTS_MAX];
static size_t inputs_num;
static uint64_t state;

static uint32_t random_below(uint32_t bound)
{
	state = state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)((state >> 33) % bound);
}

static void load_file(const char *path)
{
	FILE *file = inputs_num < INPUTS_MAX ? fopen(path, "rb") : NULL;

	if (!file)
		return;
	inputs[inputs_num].data = malloc(INPUT_SIZE);
	inputs[inputs_num].size = fread(inputs[inputs_num].data, 1, INPUT_SIZE, file);
	fclose(file);
	inputs_num++;
}

static void load(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *entry;
	char name[4096];

	if (!dir)
		load_file(path);
	while (dir && (entry = readdir(dir))) {
		snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
		if (entry->d_name[0] != '.')
			load_file(name);
	}
	if (dir)
		closedir(dir);
}

static size_t splice_in(uint8_t *data, size_t size)
{
	const struct input *other = &inputs[random_below((uint32_t)inputs_num)];
	size_t at = random_below((uint32_t)size + 1);
	size_t len = other->size ? random_below((uint32_t)other->size) : 0;

	if (at + len > INPUT_SIZE)
		len = INPUT_SIZE - at;
	memcpy(data + at, other->data, len);
	return at + len;
}

static size_t mutate(uint8_t *data, size_t size)
{
	size_t at = size ? random_below((uint32_t)size) : 0;

	switch (random_below(5)) {
	case 0:
		if (size)
			data[at] ^= (uint8_t)(1u << random_below(8));
		return size;
	case 1:
		if (size)
			data[at] = (uint8_t)random_below(256);
		return size;
	case 2:
		if (size == INPUT_SIZE)
			return size;
		memmove(data + at + 1, data + at, size - at);
		data[at] = (uint8_t)random_below(256);
		return size + 1;
	case 3:
		if (!size)
			return size;
		memmove(data + at, data + at + 1, size - at - 1);
		return size - 1;
	default:
		return splice_in(data, size);
	}
}

static void run_one(const uint8_t *data, size_t size)
{
	/* Just as long as it is, so that reading past its end is seen. */
	uint8_t *exact = malloc(size ? size : 1);

	memcpy(exact, data, size);
	LLVMFuzzerTestOneInput(exact, size);
	free(exact);
}

int main(int argc, char **argv)
{
	static uint8_t data[INPUT_SIZE];
	unsigned long runs = 0;
	time_t end = time(NULL);

	if (LLVMFuzzerInitialize)
		LLVMFuzzerInitialize(&argc, &argv);
	state = (uint64_t)time(NULL);
	for (int i = 1; i < argc; i++) {
		if (!strncmp(argv[i], "-max_total_time=", 16))
			end += atoi(argv[i] + 16);
		else if (!strncmp(argv[i], "-seed=", 6))
			state = strtoull(argv[i] + 6, NULL, 10);
		else if (argv[i][0] != '-')
			load(argv[i]);
	}
	if (!inputs_num) {
		fprintf(stderr, "%s: there is no corpus\n", argv[0]);
		return 2;
	}
	fprintf(stderr, "seed %llu\n", (unsigned long long)state);
	for (size_t i = 0; i < inputs_num; i++)
		run_one(inputs[i].data, inputs[i].size);
	for (; time(NULL) < end; runs++) {
		const struct input *from = &inputs[random_below((uint32_t)inputs_num)];
		size_t size = from->size;

		memcpy(data, from->data, size);
		for (uint32_t i = 1 + random_below(8); i; i--)
			size = mutate(data, size);
		run_one(data, size);
	}
	fprintf(stderr, "Done %lu runs\n", runs);
	return 0;
}
