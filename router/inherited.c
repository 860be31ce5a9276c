/* SPDX-License-Identifier: MIT */
/* inherited.c - what an earlier router left open */
#include "inherited.h"

#include <dirent.h>
#include <errno.h>
#include <linux/nsfs.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "endpoint.h"
#include "stray.h"

#define FD_FIRST	3

static bool *open_fds;		/* by number: inherited, and nobody's yet */
static int open_num;

static int get_int(int fd, int name)
{
	int value = -1;
	socklen_t len = sizeof(value);

	return getsockopt(fd, SOL_SOCKET, name, &value, &len) < 0 ? -1 : value;
}

static int open_add(int fd)
{
	if (fd >= open_num) {
		int num = fd + 64;
		bool *more = realloc(open_fds, (size_t)num * sizeof(*more));

		if (!more)
			return -ENOMEM;
		for (int i = open_num; i < num; i++)
			more[i] = false;
		open_fds = more;
		open_num = num;
	}
	open_fds[fd] = true;
	return 0;
}

/*
 * The new router opens and locks those files itself; and it must not find the old one's control
 * socket alive.
 */
static bool is_in_the_way(int fd)
{
	struct sockaddr_un name;
	socklen_t len = sizeof(name);
	struct stat st;

	/* Namespaces look like files: while one is open, no other has its number. */
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		return ioctl(fd, NS_GET_NSTYPE) < 0;
	return get_int(fd, SO_DOMAIN) == AF_UNIX && get_int(fd, SO_ACCEPTCONN) == 1 &&
	       getsockname(fd, (struct sockaddr *)&name, &len) == 0 && name.sun_path[0];
}

int inherited_init(void)
{
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *entry;
	int err = 0;

	if (!dir)
		return -errno;
	while (!err && (entry = readdir(dir))) {
		int fd = atoi(entry->d_name);

		if (entry->d_name[0] == '.' || fd < FD_FIRST || fd == dirfd(dir))
			continue;
		if (is_in_the_way(fd))
			close(fd);
		else
			err = open_add(fd);
	}
	closedir(dir);
	return err;
}

bool inherited_any(void)
{
	for (int fd = 0; fd < open_num; fd++)
		if (open_fds[fd])
			return true;
	return false;
}

uint64_t inherited_cookie(int fd)
{
	uint64_t cookie = 0;
	socklen_t len = sizeof(cookie);

	return getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &len) < 0 ? 0 : cookie;
}

uint64_t inherited_inode(int fd)
{
	struct stat st;

	return fstat(fd, &st) < 0 ? 0 : st.st_ino;
}

static bool is_open(int fd)
{
	return fd >= FD_FIRST && fd < open_num && open_fds[fd];
}

bool inherited_take(int fd, uint64_t cookie)
{
	if (!is_open(fd) || !cookie || inherited_cookie(fd) != cookie)
		return false;
	open_fds[fd] = false;
	return true;
}

bool inherited_take_pipe(int fd, uint64_t inode)
{
	struct stat st;

	if (!is_open(fd) || fstat(fd, &st) < 0 || !S_ISFIFO(st.st_mode) || st.st_ino != inode)
		return false;
	open_fds[fd] = false;
	return true;
}

bool inherited_take_file(int fd, uint64_t dev, uint64_t inode)
{
	struct stat st;

	if (!is_open(fd) || fstat(fd, &st) < 0 || st.st_dev != dev || st.st_ino != inode)
		return false;
	open_fds[fd] = false;
	return true;
}

static bool is_untouched(int fd)
{
	struct tcp_info info = { 0 };
	socklen_t len = sizeof(info);
	int unread = 0;

	/* A FIN counts as a byte that nobody can read. */
	return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) == 0 &&
	       ioctl(fd, SIOCINQ, &unread) == 0 &&
	       info.tcpi_bytes_received <= (uint64_t)unread + 1;
}

static bool look_at_tcp(int fd, struct inherited_tcp *tcp)
{
	struct sockaddr_storage name;
	socklen_t len = sizeof(name);

	if (get_int(fd, SO_PROTOCOL) != IPPROTO_TCP)
		return false;
	*tcp = (struct inherited_tcp){
		.fd = fd, .listening = get_int(fd, SO_ACCEPTCONN) == 1,
		.untouched = is_untouched(fd), .cookie = inherited_cookie(fd),
	};
	if (getsockname(fd, (struct sockaddr *)&name, &len) == 0)
		tcp->local = endpoint_from_sockaddr((struct sockaddr *)&name);
	len = sizeof(name);
	if (getpeername(fd, (struct sockaddr *)&name, &len) == 0)
		tcp->peer = endpoint_from_sockaddr((struct sockaddr *)&name);
	return true;
}

void inherited_each_tcp(bool (*each)(const struct inherited_tcp *tcp, void *data), void *data)
{
	struct inherited_tcp tcp;

	for (int fd = FD_FIRST; fd < open_num; fd++)
		if (open_fds[fd] && look_at_tcp(fd, &tcp) && each(&tcp, data))
			open_fds[fd] = false;
}

bool inherited_is_unread(int fd, uint64_t cookie)
{
	int unread = 0;

	return is_open(fd) && cookie && inherited_cookie(fd) == cookie &&
	       ioctl(fd, SIOCOUTQ, &unread) == 0 && unread;
}

unsigned int inherited_close(void)
{
	unsigned int num = 0;

	for (int fd = FD_FIRST; fd < open_num; fd++) {
		if (!open_fds[fd])
			continue;
		if (get_int(fd, SO_PROTOCOL) == IPPROTO_TCP)
			stray_close_fd(fd);
		else
			close(fd);
		num++;
	}
	free(open_fds);
	open_fds = NULL;
	open_num = 0;
	return num;
}
