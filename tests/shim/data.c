/* SPDX-License-Identifier: MIT */
/*
 * data.c - bytes on a connection: all the ways in and out, and who is told of them
 */
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/uio.h>

#include "program.h"

#define LARGE		(1 << 20)
#define SIGNAL_MS	700

#ifndef MSG_FASTOPEN
#define MSG_FASTOPEN	0x20000000
#endif

static unsigned int sum_of(const unsigned char *bytes, size_t len)
{
	unsigned int sum = 1;

	while (len--)
		sum = sum * 31 + *bytes++;
	return sum;
}

static ssize_t read_all(int fd, void *to_here, size_t len)
{
	size_t have = 0;
	ssize_t got;

	while (have < len && (got = read(fd, (char *)to_here + have, len - have)) > 0)
		have += (size_t)got;
	return (ssize_t)have;
}

static unsigned char *pattern(size_t len)
{
	unsigned char *bytes = malloc(len);

	for (size_t i = 0; i < len; i++)
		bytes[i] = (unsigned char)(i * 7 + i / 251);
	return bytes;
}

/* Out in one process, back in the other: neither waits for the other. */
static void large(void)
{
	unsigned char *bytes = pattern(LARGE), *back = calloc(1, LARGE);
	int fd = connected();

	if (!child()) {
		for (size_t at = 0; at < LARGE;) {
			ssize_t put = write(fd, bytes + at, LARGE - at);

			if (put <= 0)
				break;
			at += (size_t)put;
		}
		shutdown(fd, SHUT_WR);
		child_ends();
	}
	say("read", read_all(fd, back, LARGE));
	printf("the same: %d\n", sum_of(bytes, LARGE) == sum_of(back, LARGE));
	say_end(fd);
	wait(NULL);
	close(fd);
}

static void half_close(void)
{
	char bytes[8];
	int fd = connected();

	say("write", write(fd, "abc", 3));
	say("shutdown", shutdown(fd, SHUT_WR));
	say("write", write(fd, "d", 1));
	say("read", recv(fd, bytes, 3, MSG_WAITALL));
	say_end(fd);
	say("shutdown", shutdown(fd, SHUT_RDWR));
	say_end(fd);
	close(fd);
}

static void flags_of_recv(void)
{
	char bytes[16];
	int fd = connected(), queued = -1;

	say("MSG_DONTWAIT", recv(fd, bytes, 1, MSG_DONTWAIT));
	say("write", write(fd, "abcdef", 6));
	say("MSG_PEEK", recv(fd, bytes, 6, MSG_PEEK | MSG_WAITALL));
	say("FIONREAD", ioctl(fd, FIONREAD, &queued));
	printf("%d bytes\n", queued);
	say("MSG_TRUNC", recv(fd, bytes, 2, MSG_TRUNC));
	say("MSG_WAITALL", recv(fd, bytes, 4, MSG_WAITALL));
	printf("%.4s\n", bytes);
	say("MSG_DONTWAIT", recv(fd, bytes, 1, MSG_DONTWAIT));
	close(fd);
}

/* A TCP socket says nobody's name with data. */
static void messages(void)
{
	char one[3], other[8];
	struct iovec iov[] = { { "abc", 3 }, { "defgh", 5 } };
	struct iovec into[] = { { one, 3 }, { other, 5 } };
	struct sockaddr_storage name;
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };
	int fd = connected();

	say("sendmsg", sendmsg(fd, &msg, MSG_NOSIGNAL));
	msg = (struct msghdr){ .msg_iov = into, .msg_iovlen = 2,
			       .msg_name = &name, .msg_namelen = sizeof(name) };
	say("recvmsg", recvmsg(fd, &msg, MSG_WAITALL));
	printf("%.3s %.5s, name of %d bytes\n", one, other, (int)msg.msg_namelen);
	say("writev", writev(fd, iov, 2));
	say("readv", readv(fd, into, 1));
	say("sendto, with an address", sendto(fd, "x", 1, 0, TO, to_len));
	close(fd);
}

static void from_file(void)
{
	char name[] = "/tmp/slim-data-XXXXXX";
	unsigned char *bytes = pattern(10000), back[10000];
	int file = mkstemp(name), fd = connected(), pipes[2];
	off_t at = 0;
	loff_t from = 0;

	unlink(name);
	say("write", write(file, bytes, 10000));
	say("sendfile", sendfile(fd, file, &at, 10000));
	say("read", read_all(fd, back, 10000));
	printf("the same: %d\n", !memcmp(back, bytes, 10000));
	if (pipe(pipes))
		return;
	say("splice in", splice(file, &from, pipes[1], NULL, 5000, 0));
	say("splice out", splice(pipes[0], NULL, fd, NULL, 5000, 0));
	poll(&(struct pollfd){ .fd = fd, .events = POLLIN }, 1, WAIT_MS);
	say("MSG_PEEK", recv(fd, back, 5000, MSG_PEEK | MSG_WAITALL));
	say("splice from the connection", splice(fd, NULL, pipes[1], NULL, 5000, 0) > 0);
	close(fd);
}

static volatile sig_atomic_t told;

static void tell(int number)
{
	(void)number;
	told++;
}

static void wait_until_told(void)
{
	for (int i = 0; i < SIGNAL_MS && !told; i++)
		poll(NULL, 0, 1);
}

/* The owner for signals was set before the connection was made. */
static void sigio(void)
{
	struct sigaction action = { .sa_handler = tell, .sa_flags = SA_RESTART };
	int fd = tcp(0);
	char byte;

	sigaction(SIGIO, &action, NULL);
	fcntl(fd, F_SETOWN, getpid());
	fcntl(fd, F_SETFL, O_ASYNC);
	say("connect", connect(fd, TO, to_len));
	printf("F_GETOWN: %d, O_ASYNC: %d\n", fcntl(fd, F_GETOWN) == getpid(),
	       !!(fcntl(fd, F_GETFL) & O_ASYNC));
	poll(NULL, 0, 20);
	told = 0;
	say("write", write(fd, "x", 1));
	wait_until_told();
	printf("SIGIO: %d\n", told > 0);
	say("read", read(fd, &byte, 1));
	close(fd);
}

/* Another signal, with the number of the connection. */
static volatile sig_atomic_t told_fd;

static void tell_fd(int number, siginfo_t *info, void *context)
{
	(void)number;
	(void)context;
	told_fd = info->si_fd;
	told++;
}

static int with_realtime_signal(void)
{
	struct sigaction action = { .sa_sigaction = tell_fd, .sa_flags = SA_SIGINFO | SA_RESTART };
	int fd = tcp(0);

	sigaction(SIGRTMIN, &action, NULL);
	fcntl(fd, F_SETSIG, SIGRTMIN);
	fcntl(fd, F_SETOWN, getpid());
	fcntl(fd, F_SETFL, O_ASYNC | O_NONBLOCK);
	say("connect", connect(fd, TO, to_len));
	return fd;
}

static void realtime_signal(void)
{
	int fd = with_realtime_signal();

	poll(&(struct pollfd){ .fd = fd, .events = POLLOUT }, 1, WAIT_MS);
	poll(NULL, 0, 20);
	told = 0;
	say("write", write(fd, "x", 1));
	wait_until_told();
	printf("told: %d\n", told > 0);
	printf("the connection's number: %d\n", told_fd == fd);
	printf("F_GETSIG: %d\n", fcntl(fd, F_GETSIG) == SIGRTMIN);
	close(fd);
}

/* That a connection is there is told too, however soon it is. */
static void signal_of_connection(void)
{
	int fd = with_realtime_signal();

	wait_until_told();
	printf("told: %d\n", told > 0);
	close(fd);
}

/* The urgent byte, and SIGURG for it. */
static void urgent_server(void)
{
	struct sigaction action = { .sa_handler = tell, .sa_flags = SA_RESTART };
	int fd = accepted(listener(4));
	struct pollfd pollfd = { .fd = fd, .events = POLLPRI };
	char bytes[8];

	sigaction(SIGURG, &action, NULL);
	fcntl(fd, F_SETOWN, getpid());
	say("write", write(fd, "g", 1));
	/* Before poll(), which the signal would end. */
	wait_until_told();
	say("poll", poll(&pollfd, 1, WAIT_MS));
	printf("events %x\n", pollfd.revents);
	printf("SIGURG: %d\n", told > 0);
	say("MSG_OOB", recv(fd, bytes, 1, MSG_OOB));
	printf("%c\n", bytes[0]);
	say("before the mark", read(fd, bytes, sizeof(bytes)));
	say("behind it", recv(fd, bytes, 2, MSG_WAITALL));
	say_end(fd);
	close(fd);
}

static void urgent(void)
{
	char byte;
	int fd = connected();

	say("read", read(fd, &byte, 1));
	say("write", write(fd, "abc", 3));
	say("MSG_OOB", send(fd, "!", 1, MSG_OOB));
	say("write", write(fd, "de", 2));
	say("shutdown", shutdown(fd, SHUT_WR));
	say_end(fd);
	close(fd);
}

/* One that connects by sending: over the packet path. */
static void fast_open(void)
{
	struct iovec iov = { "abc", 3 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_name = &to,
			      .msg_namelen = to_len };
	char bytes[3];
	int fd = tcp(0);

	say("sendto", sendto(fd, "abc", 3, MSG_FASTOPEN, TO, to_len));
	say("read", recv(fd, bytes, 3, MSG_WAITALL));
	say_names("sendto", fd);
	say("connect", connect(fd, TO, to_len));
	close(fd);
	fd = tcp(0);
	say("sendmsg", sendmsg(fd, &msg, MSG_FASTOPEN));
	say("read", recv(fd, bytes, 3, MSG_WAITALL));
	say_names("sendmsg", fd);
	close(fd);
	fd = tcp(0);
	set_int(fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, 1);
	say("connect", connect(fd, TO, to_len));
	echo(fd);
	say_names("TCP_FASTOPEN_CONNECT", fd);
	close(fd);
}

/* A close() that resets, with SO_LINGER set before the connection was. */
static void resets(void)
{
	struct linger now = { .l_onoff = 1 };
	int fd = tcp(0);

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	say("connect", connect(fd, TO, to_len));
	echo(fd);
	say("close", close(fd));
}

static void is_reset(void)
{
	int fd = accepted(listener(4));
	char byte = 0;

	say("read", read(fd, &byte, 1));
	say("write", write(fd, &byte, 1));
	say_end(fd);
	printf("SO_ERROR: %d\n", get_int(fd, SOL_SOCKET, SO_ERROR));
	say("write", write(fd, &byte, 1));
	close(fd);
}

static const struct test tests[] = {
	{ "large", large, NULL, NULL },
	{ "half_close", half_close, NULL, NULL },
	{ "flags_of_recv", flags_of_recv, NULL, NULL },
	{ "messages", messages, NULL, NULL },
	{ "from_file", from_file, NULL, NULL },
	{ "sigio", sigio, NULL, NULL },
	{ "realtime_signal", realtime_signal, NULL, NULL },
	{ "signal_of_connection", signal_of_connection, NULL, NULL },
	{ "urgent", urgent, urgent_server, NULL },
	{ "fast_open", fast_open, NULL, "packet" },
	{ "resets", resets, is_reset, NULL },
};

RUN_TESTS(tests)
