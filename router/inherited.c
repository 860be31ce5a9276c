/* SPDX-License-Identifier: MIT */
/* inherited.c - what an earlier router left open */
#include "inherited.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "endpoint.h"
#include "keeper.h"
#include "openfiles.h"
#include "stray.h"

#define FD_FIRST	3

/* By number */
static struct inherited {
	bool open;		/* inherited, and nobody's yet */
	uint64_t id;		/* a socket's cookie, or an inode */
} *open_fds;
static int open_num;

static int get_int(int fd, int name)
{
	int value = -1;
	socklen_t len = sizeof(value);

	return getsockopt(fd, SOL_SOCKET, name, &value, &len) < 0 ? -1 : value;
}

static int open_add(int fd)
{
	uint64_t cookie = inherited_cookie(fd);

	if (fd >= open_num) {
		int num = fd + 64;
		struct inherited *more = realloc(open_fds, (size_t)num * sizeof(*more));

		if (!more)
			return -ENOMEM;
		memset(more + open_num, 0, (size_t)(num - open_num) * sizeof(*more));
		open_fds = more;
		open_num = num;
	}
	open_fds[fd] = (struct inherited){ true, cookie ? cookie : inherited_inode(fd) };
	return 0;
}

/*
 * Can anybody take it? The new router has its own of all others (files, event loops, netlink sockets),
 * and may find no room for them before these are closed.
 */
static bool is_of_use(int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return false;
	if (S_ISSOCK(st.st_mode))
		return get_int(fd, SO_DOMAIN) != AF_NETLINK;
	/* Namespaces look like files: while one is open, no other has its number. */
	return S_ISFIFO(st.st_mode) || (S_ISREG(st.st_mode) && ioctl(fd, NS_GET_NSTYPE) >= 0);
}

static int look_at(int fd, void *unused)
{
	(void)unused;
	if (keeper_has_file(fd))
		return 0;
	if (is_of_use(fd))
		return open_add(fd);
	close(fd);
	return 0;
}

int inherited_init(void)
{
	return openfiles_each(look_at, NULL);
}

int inherited_given(int num)
{
	int err = 0;

	for (int fd = FD_FIRST; !err && fd < FD_FIRST + num; fd++)
		err = look_at(fd, NULL);
	return err;
}

bool inherited_any(void)
{
	for (int fd = 0; fd < open_num; fd++)
		if (open_fds[fd].open)
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

static bool is_named(int fd, uint64_t id, bool (*matches)(int fd))
{
	return fd >= FD_FIRST && fd < open_num && open_fds[fd].open && id &&
	       open_fds[fd].id == id && matches(fd);
}

/* Where it was, or, from a service manager, wherever it is. */
static int take(int fd, uint64_t id, bool (*matches)(int fd))
{
	if (!is_named(fd, id, matches))
		for (fd = FD_FIRST; fd < open_num; fd++)
			if (is_named(fd, id, matches))
				break;
	if (fd >= open_num)
		return -1;
	open_fds[fd].open = false;
	return fd;
}

static bool is_socket(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode);
}

int inherited_take(int fd, uint64_t cookie)
{
	return take(fd, cookie, is_socket);
}

static bool is_pipe(int fd, int mode)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode) &&
	       (fcntl(fd, F_GETFL) & O_ACCMODE) == mode;
}

static bool is_pipe_in(int fd)
{
	return is_pipe(fd, O_WRONLY);
}

static bool is_pipe_out(int fd)
{
	return is_pipe(fd, O_RDONLY);
}

int inherited_take_pipe(int fd, uint64_t inode, bool writes)
{
	return take(fd, inode, writes ? is_pipe_in : is_pipe_out);
}

bool inherited_take_file(int fd, uint64_t dev, uint64_t inode)
{
	struct stat st;

	if (fd < FD_FIRST || fd >= open_num || !open_fds[fd].open || fstat(fd, &st) < 0 ||
	    st.st_dev != dev || st.st_ino != inode)
		return false;
	open_fds[fd].open = false;
	return true;
}

int inherited_take_unix(const char *path)
{
	for (int fd = FD_FIRST; fd < open_num; fd++) {
		struct sockaddr_un name = { 0 };
		socklen_t len = sizeof(name) - 1;

		if (!open_fds[fd].open || get_int(fd, SO_DOMAIN) != AF_UNIX ||
		    get_int(fd, SO_TYPE) != SOCK_SEQPACKET || get_int(fd, SO_ACCEPTCONN) != 1 ||
		    getsockname(fd, (struct sockaddr *)&name, &len) < 0 ||
		    strcmp(name.sun_path, path))
			continue;
		open_fds[fd].open = false;
		return fd;
	}
	return -1;
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

/* Tickets are not, and neither need be what a service manager gives us. */
static bool is_of_this_namespace(int fd)
{
	static uint64_t own;
	uint64_t cookie = 0;
	socklen_t len = sizeof(cookie);
	int probe;

	if (!own) {
		probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (getsockopt(probe, SOL_SOCKET, SO_NETNS_COOKIE, &own, &len) < 0)
			own = 0;
		close(probe);
	}
	len = sizeof(cookie);
	return getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &len) == 0 && cookie == own;
}

static bool look_at_tcp(int fd, struct inherited_tcp *tcp)
{
	struct sockaddr_storage name;
	socklen_t len = sizeof(name);

	if (get_int(fd, SO_PROTOCOL) != IPPROTO_TCP || !is_of_this_namespace(fd))
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
		if (open_fds[fd].open && look_at_tcp(fd, &tcp) && each(&tcp, data))
			open_fds[fd].open = false;
}

bool inherited_is_unread(int fd, uint64_t cookie)
{
	int unread = 0;

	return is_named(fd, cookie, is_socket) &&
	       ioctl(fd, SIOCOUTQ, &unread) == 0 && unread;
}

unsigned int inherited_close(void)
{
	unsigned int num = 0;

	for (int fd = FD_FIRST; fd < open_num; fd++) {
		if (!open_fds[fd].open)
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
