/* SPDX-License-Identifier: MIT */
/*
 * stray.h - closing what a stranger can make hard to close
 *
 * Theory of operation: the last close(2) of a file can take as long as somebody else likes. A
 * TCP socket waits for SO_LINGER, and whoever has a descriptor of it may set that; a UNIX
 * socket releases the files that its unread messages carry. A close that is not
 * the last one never waits, but nobody can know beforehand which it is. Hence:
 *
 * - Sockets that strangers write to are closed by closers: threads that nobody waits for,
 *   one at first, more (up to STRAY_CLOSERS) while all are busy.
 * - A socket that was handed over is closed at once, so that its end is not put off, and
 *   because that hardly ever waits. A timer of the thread's own interrupts a close that does
 *   (the kernel then ends the socket in the background). From then on, for STRAY_WARY ms,
 *   the closers do this work too.
 *
 * What waits to be closed is linked by its owner's own memory. It is bounded as the
 * descriptors are: an owner counts it until `closed` says that it is gone.
 */
#ifndef STRAY_H
#define STRAY_H

#define STRAY_CLOSERS	16
#define STRAY_PATIENCE	20	/* ms that a close may hold up a thread of the router */
#define STRAY_WARY	60000

/**
 * struct stray - a descriptor for the closers
 * @fd:		theirs from stray_close() on
 * @closed:	called by a closer when it is closed, outside of any read section (the thread
 *		is registered with RCU); owns @stray from then on
 */
struct stray {
	struct stray *next;
	int fd;
	void (*closed)(struct stray *stray);
};

/* Starts the first closer. 0 or -errno */
int stray_init(void);

/* Waits until all is closed, but not for long. */
void stray_exit(void);

/* Any thread; never fails, and waits for nobody's file. */
void stray_close(struct stray *stray);

/*
 * Closes a TCP socket of ours that a container has been given. Any thread; does not wait for
 * it longer than STRAY_PATIENCE ms, nor so long twice within STRAY_WARY ms.
 */
void stray_close_fd(int fd);

#endif
