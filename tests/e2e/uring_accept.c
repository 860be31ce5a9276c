/* SPDX-License-Identifier: MIT */
/*
 * uring_accept.c - servers whose accept() no preloaded library sees
 *
 *   uring_accept probe		is there io_uring? (exit status)
 *   uring_accept listen PORT [defer]	listens (with TCP_DEFER_ACCEPT), accepts by io_uring, echoes
 *   uring_accept plain		accepts on fd 3 by accept(2) and echoes (for a static build)
 *
 * The rings are used without a library, one request at a time.
 */
#include <err.h>
#include <errno.h>
#include <linux/io_uring.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ENTRIES		4
#define INHERITED	3
#define DEFER_S		5

struct ring {
	int fd;
	unsigned int *sq_tail, *sq_mask, *sq_array;
	unsigned int *cq_head, *cq_tail, *cq_mask;
	struct io_uring_sqe *sqes;
	struct io_uring_cqe *cqes;
};

static char *map(int fd, size_t len, off_t offset)
{
	char *addr = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, offset);

	if (addr == MAP_FAILED)
		err(1, "mmap");
	return addr;
}

static int ring_init(struct ring *ring)
{
	struct io_uring_params p = { 0 };
	char *sq, *cq;

	ring->fd = (int)syscall(SYS_io_uring_setup, ENTRIES, &p);
	if (ring->fd < 0)
		return -errno;
	sq = map(ring->fd, p.sq_off.array + p.sq_entries * sizeof(unsigned int),
		 IORING_OFF_SQ_RING);
	cq = map(ring->fd, p.cq_off.cqes + p.cq_entries * sizeof(struct io_uring_cqe),
		 IORING_OFF_CQ_RING);
	ring->sqes = (void *)map(ring->fd, p.sq_entries * sizeof(struct io_uring_sqe),
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

/* Submits an accept and waits for it; returns the socket or a negative errno. */
static int ring_accept(struct ring *ring, int listener)
{
	unsigned int tail = *ring->sq_tail, slot = tail & *ring->sq_mask, head;
	struct io_uring_sqe *sqe = &ring->sqes[slot];
	int result;

	memset(sqe, 0, sizeof(*sqe));
	sqe->opcode = IORING_OP_ACCEPT;
	sqe->fd = listener;
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

static void echo(int fd)
{
	static char buffer[65536];
	ssize_t len;

	while ((len = read(fd, buffer, sizeof(buffer))) > 0)
		for (ssize_t done = 0, ret; done < len; done += ret) {
			ret = write(fd, buffer + done, (size_t)(len - done));
			if (ret <= 0)
				break;
		}
	close(fd);
}

static int listen_on(uint16_t port, int defer)
{
	struct sockaddr_in6 sin6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	int fd = socket(AF_INET6, SOCK_STREAM, 0);

	setsockopt(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, &defer, sizeof(defer));
	if (fd < 0 || bind(fd, (struct sockaddr *)&sin6, sizeof(sin6)) || listen(fd, 128))
		err(1, "cannot listen on port %u", port);
	return fd;
}

/* One process for each connection, so that one that lasts keeps nobody waiting */
static void serve(int fd)
{
	if (fd < 0)
		errx(1, "accept: %s", strerror(-fd));
	if (fork() == 0) {
		echo(fd);
		_exit(0);
	}
	close(fd);
}

int main(int argc, char **argv)
{
	struct ring ring;
	int listener, ret;

	signal(SIGCHLD, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	if (argc == 2 && !strcmp(argv[1], "plain"))
		for (;;) {
			ret = accept(INHERITED, NULL, NULL);
			serve(ret < 0 ? -errno : ret);
		}
	if (argc == 2 && !strcmp(argv[1], "probe"))
		return ring_init(&ring) ? 1 : 0;
	if (argc < 3 || strcmp(argv[1], "listen")) {
		fprintf(stderr, "usage: uring_accept probe|plain|listen PORT [defer]\n");
		return 2;
	}
	ret = ring_init(&ring);
	if (ret)
		errx(1, "io_uring: %s", strerror(-ret));
	listener = listen_on((uint16_t)atoi(argv[2]), argc > 3 ? DEFER_S : 0);
	for (;;)
		serve(ring_accept(&ring, listener));
}
