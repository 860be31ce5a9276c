/* SPDX-License-Identifier: MIT */
/*
 * uring.h - io_uring without a library, one request at a time
 */
#ifndef TESTS_URING_H
#define TESTS_URING_H

#include <err.h>
#include <errno.h>
#include <linux/io_uring.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define RING_ENTRIES	4

struct ring {
	int fd;
	unsigned int *sq_tail, *sq_mask, *sq_array;
	unsigned int *cq_head, *cq_tail, *cq_mask;
	struct io_uring_sqe *sqes;
	struct io_uring_cqe *cqes;
};

static inline char *ring_map(int fd, size_t len, off_t offset)
{
	char *addr = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, offset);

	if (addr == MAP_FAILED)
		err(1, "mmap");
	return addr;
}

/* 0, or a negative errno where there is no io_uring */
static inline int ring_init(struct ring *ring)
{
	struct io_uring_params p = { 0 };
	char *sq, *cq;

	ring->fd = (int)syscall(SYS_io_uring_setup, RING_ENTRIES, &p);
	if (ring->fd < 0)
		return -errno;
	sq = ring_map(ring->fd, p.sq_off.array + p.sq_entries * sizeof(unsigned int),
		      IORING_OFF_SQ_RING);
	cq = ring_map(ring->fd, p.cq_off.cqes + p.cq_entries * sizeof(struct io_uring_cqe),
		      IORING_OFF_CQ_RING);
	ring->sqes = (void *)ring_map(ring->fd, p.sq_entries * sizeof(struct io_uring_sqe),
				      IORING_OFF_SQES);
	ring->sq_tail = (void *)(sq + p.sq_off.tail);
	ring->sq_mask = (void *)(sq + p.sq_off.ring_mask);
	ring->sq_array = (void *)(sq + p.sq_off.array);
	ring->cq_head = (void *)(cq + p.cq_off.head);
	ring->cq_tail = (void *)(cq + p.cq_off.tail);
	ring->cq_mask = (void *)(cq + p.cq_off.ring_mask);
	ring->cqes = (void *)(cq + p.cq_off.cqes);
	return 0;
}

/* Submits a request and waits for it; returns its result. */
static inline int ring_do(struct ring *ring, const struct io_uring_sqe *request)
{
	unsigned int tail = *ring->sq_tail, slot = tail & *ring->sq_mask, head;
	int result;

	ring->sqes[slot] = *request;
	ring->sq_array[slot] = slot;
	__atomic_store_n(ring->sq_tail, tail + 1, __ATOMIC_RELEASE);
	while (syscall(SYS_io_uring_enter, ring->fd, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) < 0)
		if (errno != EINTR)
			return -errno;
	head = *ring->cq_head;
	if (head == __atomic_load_n(ring->cq_tail, __ATOMIC_ACQUIRE))
		return -EAGAIN;
	result = ring->cqes[head & *ring->cq_mask].res;
	__atomic_store_n(ring->cq_head, head + 1, __ATOMIC_RELEASE);
	return result;
}

/* Returns the socket, or a negative errno. */
static inline int ring_accept(struct ring *ring, int listener)
{
	struct io_uring_sqe sqe = { .opcode = IORING_OP_ACCEPT, .fd = listener };

	return ring_do(ring, &sqe);
}

/* 0 or a negative errno */
static inline int ring_connect(struct ring *ring, int fd, const struct sockaddr *to, socklen_t len)
{
	struct io_uring_sqe sqe = {
		.opcode = IORING_OP_CONNECT, .fd = fd, .addr = (uintptr_t)to, .off = len,
	};

	return ring_do(ring, &sqe);
}

#endif
