/* SPDX-License-Identifier: MIT */
/*
 * channel_socket.c - the socket to the host's router
 *
 * Its name is of the container's network namespace, and so anybody in there may listen under it: what is inside of
 * the container is not believed.
 */
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <sys/time.h>
#include <sys/un.h>

#include <slim/channel.h>

#include "channel_socket.h"
#include "mem.h"
#include "sys.h"

#define FD_HIGH		512	/* channels stay out of the way of low numbers */

/* As SO_PEERCRED has it */
struct credentials {
	int pid;
	unsigned int uid, gid;
};

int channel_socket_move_up(int fd)
{
	long high = sys_fcntl(fd, F_DUPFD_CLOEXEC, FD_HIGH);

	if (high < 0)
		return fd;
	sys_close(fd);
	return (int)high;
}

/*
 * The router is outside of the container: without a pid here; or, where the container has no
 * pid namespace of its own, root.
 */
static bool is_outside(const struct credentials *who)
{
	static const char first[] = "pid:[4026531836]";	/* PROC_PID_INIT_INO */
	char name[sizeof(first)];
	long len;

	if (!who->pid)
		return true;
	if (who->uid)
		return false;
	len = sys_readlink("/proc/self/ns/pid", name, sizeof(name));
	/* Without /proc nobody can tell. */
	return len < 0 || (len == sizeof(first) - 1 && !memcmp(name, first, sizeof(first) - 1));
}

static long connect_to_router(int fd)
{
	static const char name[] = SLIM_CHANNEL_NAME;
	struct sockaddr_un sun = { .sun_family = AF_UNIX };

	memcpy(sun.sun_path + 1, name, sizeof(name) - 1);
	return sys_connect(fd, &sun, offsetof(struct sockaddr_un, sun_path) + sizeof(name));
}

static long check_peer(int fd)
{
	struct credentials who;
	long err = sys_getsockopt_exact(fd, SOL_SOCKET, SO_PEERCRED, &who, sizeof(who));

	return !err && !is_outside(&who) ? -EPERM : err;
}

/* Waiting is recvmsg's, with a deadline of its own. */
static long wait_at_most(int fd, unsigned int ms)
{
	struct timeval deadline = { .tv_usec = ms * 1000 };
	long err = sys_fcntl(fd, F_SETFL, O_RDWR);

	return err ? err : sys_setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &deadline, sizeof(deadline));
}

int channel_socket_open(void)
{
	int fd = (int)sys_socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	long err;

	if (fd < 0)
		return fd;
	err = connect_to_router(fd);
	if (!err)
		err = check_peer(fd);
	if (!err)
		err = wait_at_most(fd, SLIM_CHANNEL_DEADLINE);
	if (err) {
		sys_close(fd);
		return (int)err;
	}
	return channel_socket_move_up(fd);
}
