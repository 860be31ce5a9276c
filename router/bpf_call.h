/* SPDX-License-Identifier: MIT */
/*
 * bpf_call.h - bpf(2): instructions, maps, programs
 *
 * As much as a program of some dozens of instructions needs, so that neither a compiler for BPF nor a library
 * is. The notation is the kernel's own (include/linux/filter.h).
 */
#ifndef BPF_CALL_H
#define BPF_CALL_H

#include <linux/bpf.h>
#include <stddef.h>
#include <stdint.h>

#define BPF_CALL_INSN(c, d, s, o, i)						\
	((struct bpf_insn){ .code = (c), .dst_reg = (d), .src_reg = (s), .off = (o), .imm = (i) })

#define BPF_MOV_REG(d, s)	BPF_CALL_INSN(BPF_ALU64 | BPF_MOV | BPF_X, d, s, 0, 0)
#define BPF_MOV_IMM(d, i)	BPF_CALL_INSN(BPF_ALU64 | BPF_MOV | BPF_K, d, 0, 0, i)
#define BPF_ADD_IMM(d, i)	BPF_CALL_INSN(BPF_ALU64 | BPF_ADD | BPF_K, d, 0, 0, i)
#define BPF_OR_IMM(d, i)	BPF_CALL_INSN(BPF_ALU64 | BPF_OR | BPF_K, d, 0, 0, i)
#define BPF_RSH32_IMM(d, i)	BPF_CALL_INSN(BPF_ALU | BPF_RSH | BPF_K, d, 0, 0, i)
#define BPF_LOAD(size, d, s, o)	BPF_CALL_INSN(BPF_LDX | BPF_MEM | (size), d, s, o, 0)
#define BPF_STORE(size, d, o, s)	BPF_CALL_INSN(BPF_STX | BPF_MEM | (size), d, s, o, 0)
#define BPF_STORE_IMM(size, d, o, i)	BPF_CALL_INSN(BPF_ST | BPF_MEM | (size), d, 0, o, i)
#define BPF_MAP(d, fd)								\
	BPF_CALL_INSN(BPF_LD | BPF_DW | BPF_IMM, d, BPF_PSEUDO_MAP_FD, 0, fd),	\
	BPF_CALL_INSN(0, 0, 0, 0, 0)
/* The address of an array's first value */
#define BPF_ARRAY(d, fd)							\
	BPF_CALL_INSN(BPF_LD | BPF_DW | BPF_IMM, d, BPF_PSEUDO_MAP_VALUE, 0, fd),	\
	BPF_CALL_INSN(0, 0, 0, 0, 0)
#define BPF_HELPER(f)		BPF_CALL_INSN(BPF_JMP | BPF_CALL, 0, 0, 0, f)
/* Over the next @o instructions */
#define BPF_SKIP_EQ(d, i, o)	BPF_CALL_INSN(BPF_JMP | BPF_JEQ | BPF_K, d, 0, o, i)
#define BPF_SKIP_NE(d, i, o)	BPF_CALL_INSN(BPF_JMP | BPF_JNE | BPF_K, d, 0, o, i)
#define BPF_SKIP_UNSET(d, i, o)	/* none of these bits */				\
	BPF_CALL_INSN(BPF_JMP | BPF_JSET | BPF_K, d, 0, 1, i),			\
	BPF_CALL_INSN(BPF_JMP | BPF_JA, 0, 0, o, 0)
#define BPF_RETURN()		BPF_CALL_INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0)

/* An empty hash that takes memory as it fills; its descriptor or -errno */
int bpf_hash_new(const char *name, uint32_t key_size, uint32_t value_size, uint32_t max);

/* An array of one value of 32 bits, which is zero */
int bpf_word_new(const char *name);

/* 0 or -errno (-ENOENT) */
int bpf_map_set(int map, const void *key, const void *value);
int bpf_map_get(int map, const void *key, void *value);
int bpf_map_remove(int map, const void *key);
/* The key behind @key, or the first one (NULL); -ENOENT: there is none */
int bpf_map_next(int map, const void *key, void *next);

/* A program for sockets' events (BPF_PROG_TYPE_SOCK_OPS); its descriptor or -errno */
int bpf_socket_program_load(const char *name, const struct bpf_insn *insns, size_t num);

/* It runs for the sockets made in @cgroup and below as long as the descriptor is open that this returns. Or
 * -errno */
int bpf_socket_program_attach(int program, int cgroup);

#endif
