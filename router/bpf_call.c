/* SPDX-License-Identifier: MIT */
/* bpf_call.c - bpf(2): instructions, maps, programs */
#include "bpf_call.h"

#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LICENSE	"MIT"

static uint64_t pointer(const void *p)
{
	return (uint64_t)(uintptr_t)p;
}

/* A descriptor, 0, or -errno */
static int call(enum bpf_cmd cmd, union bpf_attr *attr)
{
	long ret = syscall(SYS_bpf, cmd, attr, sizeof(*attr));

	return ret < 0 ? -errno : (int)ret;
}

int bpf_hash_new(const char *name, uint32_t key_size, uint32_t value_size, uint32_t max)
{
	union bpf_attr attr = {
		.map_type = BPF_MAP_TYPE_HASH,
		.key_size = key_size,
		.value_size = value_size,
		.max_entries = max,
		.map_flags = BPF_F_NO_PREALLOC,
	};

	strncpy(attr.map_name, name, sizeof(attr.map_name) - 1);
	return call(BPF_MAP_CREATE, &attr);
}

int bpf_word_new(const char *name)
{
	union bpf_attr attr = {
		.map_type = BPF_MAP_TYPE_ARRAY,
		.key_size = sizeof(uint32_t),
		.value_size = sizeof(uint32_t),
		.max_entries = 1,
	};

	strncpy(attr.map_name, name, sizeof(attr.map_name) - 1);
	return call(BPF_MAP_CREATE, &attr);
}

int bpf_map_set(int map, const void *key, const void *value)
{
	union bpf_attr attr = {
		.map_fd = (uint32_t)map, .key = pointer(key), .value = pointer(value),
	};

	return call(BPF_MAP_UPDATE_ELEM, &attr);
}

int bpf_map_get(int map, const void *key, void *value)
{
	union bpf_attr attr = {
		.map_fd = (uint32_t)map, .key = pointer(key), .value = pointer(value),
	};

	return call(BPF_MAP_LOOKUP_ELEM, &attr);
}

int bpf_map_remove(int map, const void *key)
{
	union bpf_attr attr = { .map_fd = (uint32_t)map, .key = pointer(key) };

	return call(BPF_MAP_DELETE_ELEM, &attr);
}

int bpf_map_next(int map, const void *key, void *next)
{
	union bpf_attr attr = {
		.map_fd = (uint32_t)map, .key = pointer(key), .next_key = pointer(next),
	};

	return call(BPF_MAP_GET_NEXT_KEY, &attr);
}

int bpf_socket_program_load(const char *name, const struct bpf_insn *insns, size_t num)
{
	union bpf_attr attr = {
		.prog_type = BPF_PROG_TYPE_SOCK_OPS,
		.insns = pointer(insns),
		.insn_cnt = (uint32_t)num,
		.license = pointer(LICENSE),
	};

	strncpy(attr.prog_name, name, sizeof(attr.prog_name) - 1);
	return call(BPF_PROG_LOAD, &attr);
}

int bpf_socket_program_attach(int program, int cgroup)
{
	union bpf_attr attr = {
		.link_create = {
			.prog_fd = (uint32_t)program,
			.target_fd = (uint32_t)cgroup,
			.attach_type = BPF_CGROUP_SOCK_OPS,
		},
	};

	return call(BPF_LINK_CREATE, &attr);
}
