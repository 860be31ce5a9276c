/* SPDX-License-Identifier: MIT */
/*
 * input.h - what a fuzz target reads its input with
 *
 * Past the end there are zeroes, so that every input means something.
 */
#ifndef TESTS_FUZZ_INPUT_H
#define TESTS_FUZZ_INPUT_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct input {
	const uint8_t *data;
	size_t left;
};

/* Fills @out with @len bytes; returns how many of them were there. */
static inline size_t input_bytes(struct input *input, void *out, size_t len)
{
	size_t got = len < input->left ? len : input->left;

	memset(out, 0, len);
	if (got)
		memcpy(out, input->data, got);
	input->data += got;
	input->left -= got;
	return got;
}

static inline uint8_t input_byte(struct input *input)
{
	uint8_t byte;

	input_bytes(input, &byte, 1);
	return byte;
}

/* Low byte first */
static inline uint16_t input_u16(struct input *input)
{
	uint8_t bytes[2];

	input_bytes(input, bytes, sizeof(bytes));
	return (uint16_t)(bytes[0] | bytes[1] << 8);
}

/* A property that must hold for any input */
#define require(holds)								\
	do {									\
		if (!(holds)) {							\
			fprintf(stderr, "%s:%d: this does not hold: %s\n",	\
				__FILE__, __LINE__, #holds);			\
			abort();						\
		}								\
	} while (0)

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
