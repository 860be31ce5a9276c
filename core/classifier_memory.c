/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* classifier_memory.c - memory of the classifier's builder */
#include "classifier_build.h"

#define BUFFER_MIN	64	/* items */

void *classifier_zalloc(const struct classifier_allocator *allocator, size_t num, size_t size)
{
	void *data = allocator->alloc(num ? num * size : size);

	if (data)
		memset(data, 0, num * size);
	return data;
}

static bool buffer_grow(struct classifier_buffer *buffer, size_t num, size_t size,
			const struct classifier_allocator *allocator)
{
	size_t max = buffer->max ? buffer->max * 2 : BUFFER_MIN;
	void *data;

	if (max < buffer->num + num)
		max = buffer->num + num;
	data = allocator->alloc(max * size);
	if (!data)
		return false;
	if (buffer->num)
		memcpy(data, buffer->data, buffer->num * size);
	allocator->free(buffer->data);
	buffer->data = data;
	buffer->max = max;
	return true;
}

void *classifier_buffer_add(struct classifier_buffer *buffer, size_t num, size_t size,
			    const struct classifier_allocator *allocator)
{
	if (buffer->num + num > buffer->max && !buffer_grow(buffer, num, size, allocator))
		return NULL;
	buffer->num += num;
	return (char *)buffer->data + (buffer->num - num) * size;
}

void classifier_buffer_free(struct classifier_buffer *buffer,
			    const struct classifier_allocator *allocator)
{
	allocator->free(buffer->data);
	memset(buffer, 0, sizeof(*buffer));
}

/* How far @address + @offset is from a line's start */
static size_t padding(const void *address, size_t offset)
{
	return (0 - ((uintptr_t)address + offset)) % CLASSIFIER_LINE;
}

int classifier_assemble(const struct classifier_part *parts, unsigned int parts_num,
			size_t header_size, const struct classifier_allocator *allocator,
			void **block, size_t *size)
{
	size_t end = header_size;
	char *data;

	for (unsigned int i = 0; i < parts_num; i++)
		end += parts[i].size ? parts[i].size + CLASSIFIER_LINE - 1 : 0;
	if (end > CLASSIFIER_SIZE_MAX)
		return -E2BIG;
	data = allocator->alloc(end);
	if (!data)
		return -ENOMEM;
	*size = end;
	end = header_size;
	for (unsigned int i = 0; i < parts_num; i++) {
		end += parts[i].size ? padding(data, end) : 0;
		*parts[i].offset = (uint32_t)end;
		if (parts[i].data)
			memcpy(data + end, parts[i].data, parts[i].size);
		end += parts[i].size;
	}
	*block = data;
	return 0;
}
