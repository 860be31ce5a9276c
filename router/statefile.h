/* SPDX-License-Identifier: MIT */
/*
 * statefile.h - what the router must know again after a crash
 *
 * Theory of operation: a state file is an array of slots of one size, mapped
 * into memory. What is stored there outlives the process, however it ends (not the
 * host: it lies in /run). A slot is filled in while it is nobody's, then committed by
 * one store, and never changed after that (but for what its layout excepts): who wants to change a record commits another
 * one and drops the first. So a process that is killed at any instruction leaves whole
 * records behind; at worst two of the same thing, which those who read them must expect.
 *
 * Every slot has a checksum. A file whose header is not what this version writes
 * is set aside, under a name that says so, and a new one is begun; a slot that is damaged is
 * dropped. Both are logged.
 *
 * Slots are taken and given back without a lock. The file grows by whole chunks, which are
 * allocated before they are touched, so that a full disk is an error and no signal.
 */
#ifndef STATEFILE_H
#define STATEFILE_H

#include <stddef.h>
#include <stdint.h>

#define STATEFILE_NAME_MAX	16

struct statefile;

/* What a file holds; two layouts that differ in anything are strangers to each other. */
struct statefile_layout {
	const char *name;	/* of the file, shorter than STATEFILE_NAME_MAX */
	uint32_t version;	/* of the record */
	uint32_t size;		/* of the record, in bytes */
	uint32_t fixed;		/* 0: all of it; else what follows these bytes is not checked, and
				 * may change by atomic operations after the commit */
	uint32_t max;		/* records at the most */
};

/**
 * statefile_open() - open or begin a state file
 * @directory:	where it lies; must exist
 *
 * Locks the file against other processes. NULL with errno set: EBUSY (another router has it),
 * ENOSPC, ... (logged).
 */
struct statefile *statefile_open(const char *directory, const struct statefile_layout *layout);

/* Could @layout's file be read? 0 (also where there is none), -EPROTO (it is of another form) or
 * another -errno. Whoever has it open is not disturbed. */
int statefile_check(const char *directory, const struct statefile_layout *layout);

/*
 * Calls @each for a copy of each whole record of a file that another router may be using; the copy is
 * good during the call. 0 (also without a file) or -errno.
 */
int statefile_peek(const char *directory, const struct statefile_layout *layout,
		   void (*each)(const void *record, void *data), void *data);

/* Unmaps it; the file stays. NULL is fine. */
void statefile_close(struct statefile *file);

/* How many records are committed; any thread. */
unsigned int statefile_num(const struct statefile *file);

/*
 * Calls back for every record that is whole; @each may drop it. Before other threads
 * use the file.
 */
void statefile_each(struct statefile *file, void (*each)(void *record, void *data), void *data);

/* A record to fill in, all zero; any thread. NULL with errno: ENOSPC (full, or no space). */
void *statefile_new(struct statefile *file);

/* It is filled in; from now on it is not changed. */
void statefile_commit(struct statefile *file, void *record);

/* It is not valid any more, or never was; NULL is fine. Any thread. */
void statefile_drop(struct statefile *file, void *record);

#endif
