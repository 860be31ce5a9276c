/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* classifier_sort.c - sorting for the classifier's builder: by radix, from the lowest byte up */
#include "classifier_build.h"

#define KEY_BYTES	16
#define NUMBER_BYTES	3
#define FEW		32	/* of which insertion is faster */

static unsigned int key_byte(const struct classifier_key *key, unsigned int byte)
{
	uint64_t half = byte < 8 ? key->low : key->high;

	return half >> byte % 8 * 8 & 0xff;
}

/* Turns how many there are of each byte into where the first of them goes. */
static void sum_up(uint32_t *counts)
{
	uint32_t sum = 0;

	for (unsigned int i = 0; i < 256; i++) {
		uint32_t count = counts[i];

		counts[i] = sum;
		sum += count;
	}
}

static void events_pass(const struct classifier_event *from, struct classifier_event *to,
			size_t num, unsigned int byte)
{
	uint32_t counts[256] = { 0 };

	for (size_t i = 0; i < num; i++)
		counts[key_byte(&from[i].key, byte)]++;
	sum_up(counts);
	for (size_t i = 0; i < num; i++)
		to[counts[key_byte(&from[i].key, byte)]++] = from[i];
}

/* The bits in which keys differ: others need not be sorted by. */
static struct classifier_key events_differ(const struct classifier_event *events, size_t num)
{
	struct classifier_key bits = { 0 };

	for (size_t i = 1; i < num; i++) {
		bits.high |= events[i].key.high ^ events[0].key.high;
		bits.low |= events[i].key.low ^ events[0].key.low;
	}
	return bits;
}

void classifier_sort_events(struct classifier_event *events, struct classifier_event *scratch,
			    size_t num)
{
	struct classifier_key differ = events_differ(events, num);
	struct classifier_event *from = events, *to = scratch;

	for (unsigned int byte = 0; byte < KEY_BYTES; byte++) {
		struct classifier_event *other = from;

		if (!key_byte(&differ, byte))
			continue;
		events_pass(from, to, num, byte);
		from = to;
		to = other;
	}
	if (from != events)
		memcpy(events, from, num * sizeof(*events));
}

static void numbers_insert(uint32_t *numbers, size_t num)
{
	for (size_t i = 1; i < num; i++) {
		uint32_t number = numbers[i];
		size_t j = i;

		for (; j && numbers[j - 1] > number; j--)
			numbers[j] = numbers[j - 1];
		numbers[j] = number;
	}
}

static void numbers_pass(const uint32_t *from, uint32_t *to, size_t num, unsigned int byte)
{
	uint32_t counts[256] = { 0 };

	for (size_t i = 0; i < num; i++)
		counts[from[i] >> byte * 8 & 0xff]++;
	sum_up(counts);
	for (size_t i = 0; i < num; i++)
		to[counts[from[i] >> byte * 8 & 0xff]++] = from[i];
}

void classifier_sort_numbers(uint32_t *numbers, uint32_t *scratch, size_t num)
{
	uint32_t *from = numbers, *to = scratch;

	if (num <= FEW) {
		numbers_insert(numbers, num);
		return;
	}
	for (unsigned int byte = 0; byte < NUMBER_BYTES; byte++) {
		uint32_t *other = from;

		numbers_pass(from, to, num, byte);
		from = to;
		to = other;
	}
	memcpy(numbers, from, num * sizeof(*numbers));
}
