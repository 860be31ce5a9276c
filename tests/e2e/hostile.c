/* SPDX-License-Identifier: MIT */
/*
 * hostile.c - a container's program that means ill
 *
 *   hostile ATTACK [-n COUNT] [-s SECONDS] [-c CHANNELS] [-a ADDRESS] [-p PORT] [-f FRACTION]
 *
 * It talks to the router by itself, not through the shim. An attack goes on until COUNT or SECONDS
 * are over, whichever comes first, and prints one line of JSON; its status is 1 where
 * the router has done what it must never do (each such thing is said on stderr).
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../../include/slim/channel.h"

#define PATIENCE	5000	/* ms for what the router has to do */
#define LISTENERS_MAX	2000

#ifndef SO_COOKIE
#define SO_COOKIE	57
#endif

static unsigned long count = ~0ul;
static double seconds = 1e9, fraction = 1;
static unsigned int channels = 64;
static const char *address = "10.32.2.2";
static unsigned int port = 1;
static unsigned long violations;

union frame {
	struct slim_frame frame;
	struct slim_hello hello;
	struct slim_connect connect;
	struct slim_listen listen;
	struct slim_unlisten unlisten;
	struct slim_claim claim;
	struct slim_name name;
	struct slim_connect_reply connect_reply;
	struct slim_listen_reply listen_reply;
	struct slim_claim_reply claim_reply;
	struct slim_name_reply name_reply;
	char bytes[8192];
};

static const size_t sizes[SLIM_FRAME_NUM] = {
	[SLIM_FRAME_HELLO] = sizeof(struct slim_hello),
	[SLIM_FRAME_CONNECT] = sizeof(struct slim_connect),
	[SLIM_FRAME_LISTEN] = sizeof(struct slim_listen),
	[SLIM_FRAME_UNLISTEN] = sizeof(struct slim_unlisten),
	[SLIM_FRAME_CLAIM] = sizeof(struct slim_claim),
	[SLIM_FRAME_NAME] = sizeof(struct slim_name),
};

static void violation(const char *what)
{
	fprintf(stderr, "violation: %s\n", what);
	violations++;
}

/* --- time --- */

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static double cpu_seconds(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
	       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static double started;

static bool over(unsigned long done)
{
	return done >= count || now() - started >= seconds;
}

static int report(const char *attack, unsigned long done)
{
	double took = now() - started;

	printf("{\"attack\":\"%s\",\"count\":%lu,\"seconds\":%.3f,\"per_second\":%.0f,"
	       "\"cpu\":%.3f,\"violations\":%lu}\n", attack, done, took, (double)done / took,
	       cpu_seconds() / took, violations);
	fflush(stdout);
	return violations > 0;
}

/* Says that it has done its worst, and stays as it is. */
static void hold(void)
{
	puts("holding");
	fflush(stdout);
	while (now() - started < seconds)
		usleep(10000);
}

/* --- channels and frames --- */

static int channel_open(void)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	memcpy(sun.sun_path + 1, SLIM_CHANNEL_NAME, sizeof(SLIM_CHANNEL_NAME) - 1);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&sun, offsetof(struct sockaddr_un, sun_path) +
			       sizeof(SLIM_CHANNEL_NAME)) == 0)
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

static int channel_need(void)
{
	int fd = channel_open();

	if (fd < 0)
		err(2, "cannot open a channel");
	return fd;
}

static struct slim_endpoint endpoint(const char *text, unsigned int number)
{
	struct slim_endpoint ep = { .port = (uint16_t)number };

	if (inet_pton(AF_INET6, text, ep.addr) == 1)
		return ep;
	ep.addr[10] = ep.addr[11] = 0xff;
	inet_pton(AF_INET, text, ep.addr + 12);
	return ep;
}

static uint64_t cookie_of(int fd)
{
	uint64_t cookie = 0;
	socklen_t len = sizeof(cookie);

	getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &len);
	return cookie;
}

static uint64_t realtime_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static void frame_init(union frame *frame, unsigned int type)
{
	memset(frame, 0, sizeof(frame->connect));
	frame->frame = (struct slim_frame){
		.magic = SLIM_CHANNEL_MAGIC, .version = SLIM_CHANNEL_VERSION,
		.type = (uint16_t)type, .length = (uint32_t)sizes[type], .id = 1,
	};
}

static void frame_connect(union frame *frame)
{
	frame_init(frame, SLIM_FRAME_CONNECT);
	frame->connect.dst = endpoint(address, port);
	frame->connect.domain = AF_INET;
	frame->connect.sent_at = realtime_ms();
}

static void frame_claim(union frame *frame, const char *from, unsigned int number)
{
	frame_init(frame, SLIM_FRAME_CLAIM);
	frame->claim.ticket = endpoint(from, number);
	frame->claim.domain = strchr(from, ':') ? AF_INET6 : AF_INET;
}

static void frame_listen(union frame *frame, uint64_t cookie)
{
	frame_init(frame, SLIM_FRAME_LISTEN);
	frame->listen.cookie = cookie;
}

/* Receives one reply; *@fd: what came with it, or -1. As recv(2). */
static ssize_t receive(int channel, union frame *frame, int *fd, int flags)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec iov = { .iov_base = frame, .iov_len = sizeof(*frame) };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control.bytes, .msg_controllen = sizeof(control.bytes),
	};
	ssize_t len = recvmsg(channel, &msg, flags | MSG_CMSG_CLOEXEC);
	struct cmsghdr *cmsg = len > 0 ? CMSG_FIRSTHDR(&msg) : NULL;

	*fd = -1;
	if (cmsg && cmsg->cmsg_type == SCM_RIGHTS)
		memcpy(fd, CMSG_DATA(cmsg), sizeof(*fd));
	return len;
}

/* Asks and waits. False: the channel is at its end. */
static bool ask(int channel, const union frame *request, union frame *reply, int *fd)
{
	return send(channel, request, request->frame.length, MSG_NOSIGNAL) > 0 &&
	       receive(channel, reply, fd, 0) > 0;
}

/* Does the router end the channel? */
static bool is_ended(int channel)
{
	struct pollfd pfd = { .fd = channel, .events = POLLIN };
	union frame reply;
	int fd;

	while (poll(&pfd, 1, PATIENCE) == 1) {
		ssize_t len = receive(channel, &reply, &fd, MSG_DONTWAIT);

		if (fd >= 0)
			close(fd);
		if (len == 0 || (len < 0 && errno != EAGAIN))
			return true;
	}
	return false;
}

/* A host socket, connected to ADDRESS and PORT; -1: the packet path */
static int host_socket(int channel)
{
	union frame request, reply;
	int fd;

	frame_connect(&request);
	return ask(channel, &request, &reply, &fd) ? fd : -1;
}

/* --- garbage, wrong lengths --- */

static int attack_garbage(void)
{
	unsigned long done = 0;
	union frame frame;

	for (; !over(done); done++) {
		size_t len = (size_t)rand() % sizeof(frame);
		int fd = channel_need();

		for (size_t i = 0; i < len; i++)
			frame.bytes[i] = (char)rand();
		if (send(fd, &frame, len, MSG_NOSIGNAL) >= 0 && !is_ended(fd))
			violation("garbage did not end its channel");
		close(fd);
	}
	return report("garbage", done);
}

static void wrong_length(unsigned int type, size_t len, size_t said)
{
	int fd = channel_need();
	union frame frame;

	frame_init(&frame, type);
	memset(frame.bytes + sizeof(frame.connect), 0,
	       sizeof(frame) - sizeof(frame.connect));
	frame.frame.length = (uint32_t)said;
	if (send(fd, &frame, len, MSG_NOSIGNAL) >= 0 && !is_ended(fd))
		violation("a wrong length did not end its channel");
	close(fd);
}

static int attack_lengths(void)
{
	static const size_t lens[] = { 0, 1, 4, 15, 16, 17, 23, 100, 700, 4096, 8000 };
	unsigned long done = 0;

	while (!over(done))
		for (unsigned int type = 0; type < SLIM_FRAME_NUM + 2; type++)
			for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++, done++) {
				size_t right = type < SLIM_FRAME_NUM ? sizes[type] : 0;

				if (lens[i] == right)
					continue;
				wrong_length(type < SLIM_FRAME_NUM ? type : 0, lens[i], lens[i]);
				wrong_length(type < SLIM_FRAME_NUM ? type : 0, lens[i], right);
			}
	return report("lengths", done);
}

/* --- descriptors in frames --- */

/* Sends a good frame with @num descriptors. 0 or -errno */
static int send_fds(int channel, const int *fds, size_t num)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(8 * sizeof(int))];
	} control;
	union frame frame;
	struct iovec iov = { .iov_base = &frame, .iov_len = sizes[SLIM_FRAME_HELLO] };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control.bytes, .msg_controllen = CMSG_SPACE(num * sizeof(int)),
	};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);

	frame_init(&frame, SLIM_FRAME_HELLO);
	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(num * sizeof(int));
	memcpy(CMSG_DATA(cmsg), fds, num * sizeof(int));
	return sendmsg(channel, &msg, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

/* Either the kernel does not let them through, or they cost the channel. */
static void refused_fds(const char *what, const int *fds, size_t num)
{
	int channel = channel_need();

	if (send_fds(channel, fds, num) == 0 && !is_ended(channel))
		violation(what);
	close(channel);
}

/* Nobody but us must have the other end afterwards. */
static void refused_pipe(void)
{
	struct pollfd pfd;
	int fds[2];

	if (pipe2(fds, O_CLOEXEC))
		err(2, "pipe");
	refused_fds("a pipe was taken", &fds[1], 1);
	close(fds[1]);
	pfd = (struct pollfd){ .fd = fds[0] };
	if (poll(&pfd, 1, PATIENCE) != 1 || !(pfd.revents & POLLHUP))
		violation("the router has our pipe");
	close(fds[0]);
}

/* Sockets that lie in each other's queues, and a channel in its own */
static void refused_cycle(void)
{
	int ends[2], channel = channel_need();

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends))
		err(2, "socketpair");
	send_fds(ends[0], &ends[0], 1);
	send_fds(ends[0], &channel, 1);
	send_fds(ends[1], &channel, 1);
	refused_fds("sockets in a cycle were taken", ends, 2);
	if (send_fds(channel, &channel, 1) == 0 && !is_ended(channel))
		violation("a channel was taken");
	close(channel);
	close(ends[0]);
	close(ends[1]);
}

/* A listening socket of a namespace that the router does not know */
static int foreign_socket(void)
{
	int ends[2], fd = -1;
	union frame unused;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends))
		err(2, "socketpair");
	if (fork() == 0) {
		if (unshare(CLONE_NEWNET))
			err(2, "unshare");
		fd = socket(AF_INET, SOCK_STREAM, 0);
		if (fd < 0 || listen(fd, 1))
			err(2, "a socket elsewhere");
		send_fds(ends[1], &fd, 1);
		_exit(0);
	}
	close(ends[1]);
	receive(ends[0], &unused, &fd, 0);
	close(ends[0]);
	wait(NULL);
	return fd;
}

static int attack_fds(void)
{
	int file = open("/dev/null", O_RDWR | O_CLOEXEC), foreign = foreign_socket();
	unsigned long done = 0;

	for (; !over(done); done++) {
		const int several[] = { file, foreign, file, foreign };

		refused_fds("a file was taken", &file, 1);
		refused_fds("a socket of another namespace was taken", &foreign, 1);
		refused_fds("four files were taken", several, 4);
		refused_pipe();
		refused_cycle();
	}
	return report("fds", done);
}

/* --- a file system of its own that does not answer --- */

struct fuse_reply {
	struct fuse_out_header header;
	union {
		struct fuse_init_out init;
		struct fuse_entry_out entry;
		struct fuse_attr_out attr;
		struct fuse_open_out open;
	};
};

static void fuse_attr(struct fuse_attr *attr, uint64_t inode)
{
	attr->ino = inode;
	attr->size = 4096;
	attr->nlink = 1;
	attr->mode = inode == FUSE_ROOT_ID ? S_IFDIR | 0755 : S_IFREG | 0644;
}

/* Answers what opens its one file. Reads and closes wait for ever. */
static void fuse_serve(int fuse)
{
	static char buffer[FUSE_MIN_READ_BUFFER * 20];

	while (read(fuse, buffer, sizeof(buffer)) > 0) {
		const struct fuse_in_header *in = (void *)buffer;
		struct fuse_reply reply = { .header.unique = in->unique };
		size_t len = 0;

		switch (in->opcode) {
		case FUSE_INIT:
			reply.init.major = FUSE_KERNEL_VERSION;
			reply.init.minor = FUSE_KERNEL_MINOR_VERSION;
			reply.init.max_write = 4096;
			len = sizeof(reply.init);
			break;
		case FUSE_LOOKUP:
			reply.entry.nodeid = 2;
			reply.entry.attr_valid = reply.entry.entry_valid = 1000;
			fuse_attr(&reply.entry.attr, 2);
			len = sizeof(reply.entry);
			break;
		case FUSE_GETATTR:
			reply.attr.attr_valid = 1000;
			fuse_attr(&reply.attr.attr, in->nodeid);
			len = sizeof(reply.attr);
			break;
		case FUSE_OPEN:
			reply.open.fh = 1;
			len = sizeof(reply.open);
			break;
		case FUSE_READ:
		case FUSE_FLUSH:
		case FUSE_RELEASE:
			continue;
		default:
			reply.header.error = -ENOSYS;
		}
		reply.header.len = (uint32_t)(sizeof(reply.header) + len);
		if (write(fuse, &reply, reply.header.len) < 0)
			warn("fuse: %u", in->opcode);
	}
}

/*
 * In a process of its own, which ends with ours: who waits for an answer cannot be killed
 * before the last descriptor of /dev/fuse is closed.
 */
static void fuse_start(int fuse)
{
	pid_t parent = getpid();

	if (fork() == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() == parent)
			fuse_serve(fuse);
		_exit(0);
	}
	close(fuse);
}

/* Memory whose first touch never ends; *@file: the file behind it */
static void *fuse_memory(int *file)
{
	int fuse;
	char directory[] = "/tmp/slim-hostile-XXXXXX", options[128], path[64];
	void *memory;

	fuse = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	if (fuse < 0 || !mkdtemp(directory) || unshare(CLONE_NEWNS) ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		err(2, "fuse");
	snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=0,group_id=0", fuse);
	if (mount("hostile", directory, "fuse", 0, options))
		err(2, "mount");
	fuse_start(fuse);
	snprintf(path, sizeof(path), "%s/file", directory);
	*file = open(path, O_RDWR | O_CLOEXEC);
	if (*file < 0)
		err(2, "%s", path);
	umount2(directory, MNT_DETACH);
	rmdir(directory);
	memory = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, *file, 0);
	if (memory == MAP_FAILED)
		err(2, "mmap");
	return memory;
}

struct blocked {
	int fd;
	void *memory;
};

static void *write_for_ever(void *arg)
{
	struct blocked *blocked = arg;

	return (void *)(intptr_t)send(blocked->fd, blocked->memory, 4096, MSG_NOSIGNAL);
}

/* Its file in a frame, and its memory in a write that keeps a host socket locked */
static int attack_fuse(void)
{
	int file, channel = channel_need();
	struct blocked blocked = { .memory = fuse_memory(&file) };
	pthread_t thread;

	refused_fds("a file of a FUSE file system was taken", &file, 1);
	blocked.fd = host_socket(channel);
	if (blocked.fd < 0)
		errx(2, "no host socket to lock");
	pthread_create(&thread, NULL, write_for_ever, &blocked);
	hold();
	report("fuse", 1);
	/* Threads that wait for that file system end with the process. */
	_exit(violations > 0);
}

/* The same with a socket of its own, which is connected over the packet path */
static int attack_lock(void)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	int file;
	struct blocked blocked = { .memory = fuse_memory(&file) };
	pthread_t thread;

	blocked.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (inet_pton(AF_INET, address, &sin.sin_addr) != 1 ||
	    connect(blocked.fd, (struct sockaddr *)&sin, sizeof(sin)))
		err(2, "connect");
	pthread_create(&thread, NULL, write_for_ever, &blocked);
	hold();
	report("lock", 1);
	_exit(violations > 0);
}

/* --- floods --- */

static uint64_t cookies[LISTENERS_MAX];
static unsigned int cookies_num;

static void listen_many(unsigned int num)
{
	int one = 1;

	for (unsigned int i = 0; i < num; i++) {
		struct sockaddr_in sin = {
			.sin_family = AF_INET, .sin_port = htons((uint16_t)(20000 + i / 4)),
		};
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

		setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one));
		if (fd < 0 || bind(fd, (struct sockaddr *)&sin, sizeof(sin)) || listen(fd, 1))
			break;
		cookies[cookies_num++] = cookie_of(fd);
	}
}

static void flood_frame(union frame *frame, unsigned int type, unsigned long number)
{
	frame_init(frame, type);
	if (type == SLIM_FRAME_CONNECT)
		frame_connect(frame);
	else if (type == SLIM_FRAME_LISTEN && cookies_num)
		frame_listen(frame, cookies[number % cookies_num]);
	else if (type == SLIM_FRAME_CLAIM)
		frame_claim(frame, "127.83.76.77", 61000 + number % 4536);
	else if (type == SLIM_FRAME_NAME)
		frame->name.cookie = number;
}

static void flood_send(int channel, unsigned int type, unsigned long number)
{
	union frame frame;

	flood_frame(&frame, type, number);
	if (send(channel, &frame, sizes[type], MSG_NOSIGNAL | MSG_DONTWAIT) < 0 &&
	    errno != EAGAIN)
		err(2, "the router ended a channel");
}

/* Has a request under way on every channel all the time. */
static unsigned long flood_answered(unsigned int type, int epoll)
{
	struct epoll_event events[64];
	unsigned long done = 0;
	union frame reply;

	while (!over(done)) {
		int num = epoll_wait(epoll, events, 64, 100);

		for (int i = 0; i < num; i++) {
			int fd;

			if (receive(events[i].data.fd, &reply, &fd, MSG_DONTWAIT) <= 0)
				errx(2, "the router ended a channel");
			if (fd >= 0)
				close(fd);
			flood_send(events[i].data.fd, type, ++done);
		}
	}
	return done;
}

/* Of what is not answered */
static unsigned long flood_told(const int *fds, unsigned int type)
{
	unsigned long done = 0;
	union frame frame;

	flood_frame(&frame, type, 0);
	while (!over(done))
		if (send(fds[done++ % channels], &frame, sizes[type], MSG_NOSIGNAL) < 0)
			err(2, "the router ended a channel");
	return done;
}

static void register_many(int channel)
{
	union frame request, reply;
	int fd;

	for (unsigned int i = 0; i < cookies_num; i++) {
		frame_listen(&request, cookies[i]);
		if (!ask(channel, &request, &reply, &fd))
			errx(2, "the router ended a channel");
	}
}

static int flood(const char *attack, unsigned int type)
{
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	int *fds = calloc(channels, sizeof(*fds));
	unsigned long done;

	if (type == SLIM_FRAME_LISTEN || type == SLIM_FRAME_UNLISTEN)
		listen_many(LISTENERS_MAX);
	if (type == SLIM_FRAME_UNLISTEN)
		register_many(channel_need());
	for (unsigned int i = 0; i < channels; i++) {
		struct epoll_event event = { .events = EPOLLIN };

		event.data.fd = fds[i] = channel_need();
		epoll_ctl(epoll, EPOLL_CTL_ADD, fds[i], &event);
	}
	started = now();
	for (unsigned int i = 0; i < channels && type != SLIM_FRAME_UNLISTEN; i++)
		flood_send(fds[i], type, i);
	done = type == SLIM_FRAME_UNLISTEN ? flood_told(fds, type) :
	       flood_answered(type, epoll);
	free(fds);
	return report(attack, done);
}

static int attack_hello(void) { return flood("hello", SLIM_FRAME_HELLO); }
static int attack_connect(void) { return flood("connect", SLIM_FRAME_CONNECT); }
static int attack_listen(void) { return flood("listen", SLIM_FRAME_LISTEN); }
static int attack_unlisten(void) { return flood("unlisten", SLIM_FRAME_UNLISTEN); }
static int attack_claim(void) { return flood("claim", SLIM_FRAME_CLAIM); }
static int attack_name(void) { return flood("name", SLIM_FRAME_NAME); }

/* Channels that are opened and closed at once */
static int attack_open(void)
{
	unsigned long done = 0;

	for (; !over(done); done++) {
		int fd = channel_open();

		if (fd >= 0)
			close(fd);
	}
	return report("open", done);
}

/* --- channels that are held --- */

/* As many as there may be, and no more. */
static int attack_channels(void)
{
	unsigned long open = 0;
	struct pollfd *fds = calloc(channels, sizeof(*fds));

	for (unsigned int i = 0; i < channels; i++)
		fds[i] = (struct pollfd){ .fd = channel_open(), .events = POLLIN };
	usleep(500000);
	poll(fds, channels, 0);
	for (unsigned int i = 0; i < channels; i++)
		open += fds[i].fd >= 0 && !fds[i].revents;
	printf("{\"open\":%lu}\n", open);
	hold();
	free(fds);
	return report("channels", open);
}

/* As many listeners as there may be, and more; nobody's deadline counts. */
static int attack_listeners(void)
{
	listen_many(channels);
	register_many(channel_need());
	hold();
	return report("listeners", cookies_num);
}

/* Requests as fast as they are taken, and no answer is read. */
static int attack_noread(void)
{
	int *fds = calloc(channels, sizeof(*fds));
	unsigned long done = 0;
	union frame frame;

	for (unsigned int i = 0; i < channels; i++)
		fds[i] = channel_need();
	while (!over(done)) {
		unsigned int open = 0;

		for (unsigned int i = 0; i < channels; i++) {
			flood_frame(&frame, done % 2 ? SLIM_FRAME_CONNECT : SLIM_FRAME_NAME, done);
			done += send(fds[i], &frame, frame.frame.length,
				     MSG_NOSIGNAL | MSG_DONTWAIT) > 0;
			open += errno != EPIPE;
			errno = 0;
		}
		if (!open)
			break;
		usleep(1000);
	}
	free(fds);
	hold();
	return report("noread", done);
}

/* --- what is others' --- */

/* Tickets of whoever has some: none is this container's. */
static int attack_claims(void)
{
	int channel = channel_need(), fd;
	unsigned long done = 0;
	union frame request, reply;

	for (; !over(done); done++) {
		frame_claim(&request, done & 1 ? "127.83.76.77" : "fd53:4c49:4d00::1",
			    61000 + (unsigned int)(done / 2) % 4536);
		if (done % 64 == 63)
			frame_claim(&request, address, (unsigned int)rand() % 65536);
		if (!ask(channel, &request, &reply, &fd))
			errx(2, "the router ended a channel");
		if (fd >= 0 || reply.claim_reply.verdict != SLIM_VERDICT_PACKET)
			violation("a claim of another's ticket was granted");
		if (fd >= 0)
			close(fd);
	}
	return report("claims", done);
}

/* Names of others' connections */
static int attack_names(void)
{
	int channel = channel_need(), fd;
	unsigned long done = 0;
	union frame request, reply;

	for (; !over(done); done++) {
		frame_init(&request, SLIM_FRAME_NAME);
		request.name.cookie = done;
		if (!ask(channel, &request, &reply, &fd))
			errx(2, "the router ended a channel");
		if (reply.name_reply.error != ENOENT)
			violation("another's connection was named");
	}
	return report("names", done);
}

/* ADDRESS, which is not attached, as a source; and sockets that listen there, if it is ours. */
static void use_source(int channel, const char *dst)
{
	union frame request, reply;
	int fd;

	frame_connect(&request);
	request.connect.src = endpoint(address, 0);
	request.connect.dst = endpoint(dst, port);
	if (!ask(channel, &request, &reply, &fd))
		errx(2, "the router ended a channel");
	if (fd >= 0 || reply.connect_reply.verdict == SLIM_VERDICT_SLIM)
		violation("a source that is not attached was accepted");
	if (fd >= 0)
		close(fd);
}

static unsigned int listen_error(int channel, uint64_t cookie)
{
	union frame request, reply;
	int fd;

	frame_listen(&request, cookie);
	if (!ask(channel, &request, &reply, &fd))
		errx(2, "the router ended a channel");
	return reply.listen_reply.error;
}

static int attack_addresses(void)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	int channel = channel_need(), foreign = foreign_socket();
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	inet_pton(AF_INET, address, &sin.sin_addr);
	if (bind(fd, (struct sockaddr *)&sin, sizeof(sin)) || listen(fd, 5))
		err(2, "%s", address);
	if (listen_error(channel, cookie_of(fd)) != EADDRNOTAVAIL)
		violation("a listener on an address that is not attached was registered");
	if (!listen_error(channel, cookie_of(foreign)))
		violation("a listener of another namespace was registered");
	for (uint64_t cookie = 1; cookie < 200; cookie++)
		if (!listen_error(channel, cookie + cookie_of(fd)))
			violation("a listener that is not there was registered");
	use_source(channel, "10.32.1.3");
	use_source(channel, "10.32.2.2");
	use_source(channel, "10.32.2.3");
	hold();
	return report("addresses", 1);
}

/* --- host sockets that are hard to close --- */

static void spoil(int fd)
{
	struct linger hours = { .l_onoff = 1, .l_linger = 4 * 3600 };
	static char block[65536];

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &hours, sizeof(hours));
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	for (int i = 0; i < 4; i++)
		if (send(fd, block, sizeof(block), MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
			break;
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
}

static void *close_it(void *fd)
{
	close((int)(intptr_t)fd);
	return NULL;
}

/* Blocking, lingering for hours with data that nobody takes, closed as soon as they are had */
static int attack_linger(void)
{
	int channel = channel_need();
	unsigned long done = 0, had = 0;
	pthread_attr_t small;

	pthread_attr_init(&small);
	pthread_attr_setstacksize(&small, 65536);
	pthread_attr_setdetachstate(&small, PTHREAD_CREATE_DETACHED);
	for (; !over(done); done++) {
		int fd = host_socket(channel);
		pthread_t thread;

		if (fd < 0)
			continue;
		had++;
		spoil(fd);
		if (pthread_create(&thread, &small, close_it, (void *)(intptr_t)fd))
			break;
	}
	printf("{\"sockets\":%lu}\n", had);
	report("linger", done);
	_exit(violations > 0);
}

/* No room for the descriptor that comes with a reply */
static int attack_nofile(void)
{
	int channel = channel_need(), last = channel;
	struct rlimit none;
	unsigned long done = 0;
	union frame request, reply;
	int fd;

	for (int i = 0; i < 100 && (fd = open("/dev/null", O_RDONLY)) >= 0; i++)
		last = fd;
	none = (struct rlimit){ (rlim_t)last + 1, (rlim_t)last + 1 };
	if (setrlimit(RLIMIT_NOFILE, &none))
		err(2, "setrlimit");
	for (; !over(done); done++) {
		frame_connect(&request);
		if (!ask(channel, &request, &reply, &fd))
			errx(2, "the router ended a channel");
		if (fd >= 0)
			violation("there was room for a descriptor");
	}
	return report("nofile", done);
}

/* --- who is the router? --- */

static int bind_name(void)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	memcpy(sun.sun_path + 1, SLIM_CHANNEL_NAME, sizeof(SLIM_CHANNEL_NAME) - 1);
	if (bind(fd, (struct sockaddr *)&sun, offsetof(struct sockaddr_un, sun_path) +
		 sizeof(SLIM_CHANNEL_NAME)) || listen(fd, 100)) {
		close(fd);
		return -errno;
	}
	return fd;
}

/* Takes channels and never answers. The name must be free, or, with -n 0, must not be. */
static int attack_fake(void)
{
	int fd = bind_name();

	if ((fd >= 0) != (count > 0))
		violation(fd >= 0 ? "the router's name was free" : "the router's name was taken");
	if (fd >= 0)
		hold();
	return report("fake", 1);
}

static int in_child(int (*run)(int channel), int channel)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		violations = 0;
		_exit(run(channel));
	}
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

/* In namespaces of its own: a channel that was brought there is the container's. */
static int nested_network(int channel)
{
	int fd;

	if (unshare(CLONE_NEWUSER | CLONE_NEWNET))
		err(2, "unshare");
	if (channel_open() >= 0)
		violation("a nested namespace has a channel to the router");
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (listen(fd, 5))
		err(2, "listen");
	if (!listen_error(channel, cookie_of(fd)))
		violation("a listener of a nested namespace was registered");
	if (bind_name() < 0)
		violation("a nested namespace's names are the container's");
	use_source(channel, "10.32.2.3");
	return violations > 0;
}

/* The same network, another user namespace: the same container */
static int nested_user(int channel)
{
	(void)channel;
	if (unshare(CLONE_NEWUSER))
		err(2, "unshare");
	channel = channel_open();
	if (channel < 0)
		violation("a nested user namespace has no channel");
	else
		use_source(channel, "10.32.2.3");
	return violations > 0;
}

static int attack_nested(void)
{
	unsigned long done = 0;
	int channel = channel_need();

	for (; !over(done); done++)
		violations += (unsigned long)(in_child(nested_network, channel) +
					      in_child(nested_user, channel));
	return report("nested", done);
}

/* --- others' time --- */

/* A share of one processor, for comparison */
static int attack_burn(void)
{
	unsigned long done = 0;

	while (!over(done)) {
		double until = now() + 0.001 * fraction;

		while (now() < until)
			;
		if (fraction < 1)
			usleep((useconds_t)(1000 * (1 - fraction)));
	}
	return report("burn", 0);
}

/* --- all at once --- */

struct attack {
	const char *name;
	int (*run)(void);
	bool together;		/* part of `all` */
};

static int attack_all(void);
static int attack_burns(void);

static const struct attack attacks[] = {
	{ "garbage", attack_garbage, true }, { "lengths", attack_lengths, true },
	{ "fds", attack_fds, true }, { "fuse", attack_fuse, false },
	{ "lock", attack_lock, false },
	{ "hello", attack_hello, true }, { "connect", attack_connect, true },
	{ "listen", attack_listen, true }, { "unlisten", attack_unlisten, true },
	{ "claim", attack_claim, true }, { "name", attack_name, true },
	{ "open", attack_open, true }, { "channels", attack_channels, false },
	{ "listeners", attack_listeners, false }, { "noread", attack_noread, true }, { "claims", attack_claims, true },
	{ "names", attack_names, true }, { "addresses", attack_addresses, false },
	{ "linger", attack_linger, true }, { "nofile", attack_nofile, true },
	{ "fake", attack_fake, false }, { "nested", attack_nested, true },
	{ "burn", attack_burn, false }, { "burns", attack_burns, false },
	{ "all", attack_all, false },
};

#define ATTACKS_NUM	(sizeof(attacks) / sizeof(attacks[0]))

/* @instead: NULL: each its own */
static int together(int (*instead)(void))
{
	int status, bad = 0;

	for (size_t i = 0; i < ATTACKS_NUM; i++)
		if (attacks[i].together && fork() == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			srand((unsigned int)getpid());
			_exit(instead ? instead() : attacks[i].run());
		}
	while (wait(&status) > 0)
		bad |= WIFEXITED(status) && WEXITSTATUS(status) == 1;
	return bad;
}

static int attack_all(void)
{
	return together(NULL);
}

/* As many busy programs as `all` has */
static int attack_burns(void)
{
	return together(attack_burn);
}

static int usage(void)
{
	fprintf(stderr, "usage: hostile ATTACK [-n COUNT] [-s SECONDS] [-c CHANNELS] [-a ADDRESS] "
		"[-p PORT] [-f FRACTION]\nattacks:");
	for (size_t i = 0; i < ATTACKS_NUM; i++)
		fprintf(stderr, " %s", attacks[i].name);
	fputc('\n', stderr);
	return 2;
}

static void parse(int argc, char **argv)
{
	int opt;

	optind = 2;
	while ((opt = getopt(argc, argv, "n:s:c:a:p:f:")) != -1) {
		switch (opt) {
		case 'n':
			count = strtoul(optarg, NULL, 10);
			break;
		case 's':
			seconds = strtod(optarg, NULL);
			break;
		case 'c':
			channels = (unsigned int)strtoul(optarg, NULL, 10);
			break;
		case 'a':
			address = optarg;
			break;
		case 'p':
			port = (unsigned int)strtoul(optarg, NULL, 10);
			break;
		case 'f':
			fraction = strtod(optarg, NULL);
			break;
		default:
			exit(usage());
		}
	}
}

int main(int argc, char **argv)
{
	struct rlimit files;

	if (argc < 2)
		return usage();
	parse(argc, argv);
	signal(SIGPIPE, SIG_IGN);
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	started = now();
	for (size_t i = 0; i < ATTACKS_NUM; i++)
		if (!strcmp(attacks[i].name, argv[1]))
			return attacks[i].run();
	return usage();
}
