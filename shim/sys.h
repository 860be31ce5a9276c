/* SPDX-License-Identifier: MIT */
/*
 * sys.h - system calls without a libc
 *
 * The shim may run before libc is ready, in a vforked child or in a signal
 * handler, under any libc: it enters the kernel by itself. Everything here
 * returns what the kernel does (a negative errno on failure) and leaves errno
 * and thread cancellation alone.
 */
#ifndef SHIM_SYS_H
#define SHIM_SYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/syscall.h>

/* Values that libc's headers keep behind feature macros, or lack. */
#define SYS_SO_COOKIE		57
#define SYS_SO_NETNS_COOKIE	71
#define SYS_CLONE_NEWNET	0x40000000

#if defined(__x86_64__)

static inline long sys_call(long nr, long a, long b, long c, long d, long e,
			    long f)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	long ret;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "0"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return ret;
}

#elif defined(__aarch64__)

static inline long sys_call(long nr, long a, long b, long c, long d, long e,
			    long f)
{
	register long x8 __asm__("x8") = nr;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;
	register long x4 __asm__("x4") = e;
	register long x5 __asm__("x5") = f;

	__asm__ volatile("svc 0"
			 : "+r"(x0)
			 : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
			 : "memory");
	return x0;
}

#else
#error "the shim knows x86-64 and aarch64"
#endif

static inline long sys_close(int fd)
{
	return sys_call(SYS_close, fd, 0, 0, 0, 0, 0);
}

static inline long sys_socket(int domain, int type, int protocol)
{
	return sys_call(SYS_socket, domain, type, protocol, 0, 0, 0);
}

static inline long sys_bind(int fd, const void *addr, uint32_t len)
{
	return sys_call(SYS_bind, fd, (long)addr, len, 0, 0, 0);
}

static inline long sys_connect(int fd, const void *addr, uint32_t len)
{
	return sys_call(SYS_connect, fd, (long)addr, len, 0, 0, 0);
}

static inline long sys_shutdown(int fd, int how)
{
	return sys_call(SYS_shutdown, fd, how, 0, 0, 0, 0);
}

static inline long sys_getsockname(int fd, void *addr, uint32_t *len)
{
	return sys_call(SYS_getsockname, fd, (long)addr, (long)len, 0, 0, 0);
}

static inline long sys_getpeername(int fd, void *addr, uint32_t *len)
{
	return sys_call(SYS_getpeername, fd, (long)addr, (long)len, 0, 0, 0);
}

static inline long sys_getsockopt(int fd, int level, int name, void *value,
				  uint32_t *len)
{
	return sys_call(SYS_getsockopt, fd, level, name, (long)value, (long)len, 0);
}

static inline long sys_setsockopt(int fd, int level, int name, const void *value,
				  uint32_t len)
{
	return sys_call(SYS_setsockopt, fd, level, name, (long)value, len, 0);
}

static inline long sys_send(int fd, const void *data, size_t len, int flags)
{
	return sys_call(SYS_sendto, fd, (long)data, len, flags, 0, 0);
}

static inline long sys_recvmsg(int fd, struct msghdr *msg, int flags)
{
	return sys_call(SYS_recvmsg, fd, (long)msg, flags, 0, 0, 0);
}

static inline long sys_fcntl(int fd, int command, long arg)
{
	return sys_call(SYS_fcntl, fd, command, arg, 0, 0, 0);
}

/* ppoll: not every architecture has poll. It leaves @fds alone but for revents. */
static inline long sys_poll(void *fds, unsigned int num, unsigned int ms)
{
	struct {
		long seconds, nanoseconds;
	} time = { ms / 1000, (long)(ms % 1000) * 1000000 };

	return sys_call(SYS_ppoll, (long)fds, num, (long)&time, 0, 0, 0);
}

static inline long sys_kill(int pid, int signal)
{
	return sys_call(SYS_kill, pid, signal, 0, 0, 0, 0);
}

static inline long sys_sigqueueinfo(int pid, int signal, void *info)
{
	return sys_call(SYS_rt_sigqueueinfo, pid, signal, (long)info, 0, 0, 0);
}

static inline long sys_tgsigqueueinfo(int pid, int tid, int signal, void *info)
{
	return sys_call(SYS_rt_tgsigqueueinfo, pid, tid, signal, (long)info, 0, 0);
}

static inline long sys_readlink(const char *path, char *out, size_t size)
{
	return sys_call(SYS_readlinkat, -100, (long)path, (long)out, (long)size, 0, 0);
}

static inline long sys_dup3(int from, int to, int flags)
{
	return sys_call(SYS_dup3, from, to, flags, 0, 0, 0);
}

static inline long sys_epoll_ctl(int epfd, int op, int fd, void *event)
{
	return sys_call(SYS_epoll_ctl, epfd, op, fd, (long)event, 0, 0);
}

/* Signal sets are the kernel's: 64 bits, libc's own signals included. */
static inline long sys_sigprocmask(int how, const uint64_t *set, uint64_t *old)
{
	return sys_call(SYS_rt_sigprocmask, how, (long)set, (long)old,
			sizeof(uint64_t), 0, 0);
}

static inline long sys_getrandom(void *data, size_t len, unsigned int flags)
{
	return sys_call(SYS_getrandom, (long)data, len, flags, 0, 0, 0);
}

static inline long sys_mmap(size_t len, int prot, int flags)
{
	return sys_call(SYS_mmap, 0, len, prot, flags, -1, 0);
}

static inline long sys_munmap(void *addr, size_t len)
{
	return sys_call(SYS_munmap, (long)addr, len, 0, 0, 0, 0);
}

static inline long sys_madvise(void *addr, size_t len, int advice)
{
	return sys_call(SYS_madvise, (long)addr, len, advice, 0, 0, 0);
}

static inline long sys_openat(int dir, const char *path, int flags, int mode)
{
	return sys_call(SYS_openat, dir, (long)path, flags, mode, 0, 0);
}

static inline long sys_read(int fd, void *data, size_t len)
{
	return sys_call(SYS_read, fd, (long)data, len, 0, 0, 0);
}

static inline long sys_write(int fd, const void *data, size_t len)
{
	return sys_call(SYS_write, fd, (long)data, len, 0, 0, 0);
}

static inline long sys_readlinkat(int dir, const char *path, char *data, size_t len)
{
	return sys_call(SYS_readlinkat, dir, (long)path, (long)data, len, 0, 0);
}

static inline long sys_getdents64(int fd, void *data, size_t len)
{
	return sys_call(SYS_getdents64, fd, (long)data, len, 0, 0, 0);
}

static inline long sys_getpid(void)
{
	return sys_call(SYS_getpid, 0, 0, 0, 0, 0, 0);
}

static inline long sys_getppid(void)
{
	return sys_call(SYS_getppid, 0, 0, 0, 0, 0, 0);
}

/* An option of a fixed size; @size bytes or an error. */
static inline long sys_getsockopt_exact(int fd, int level, int name, void *value,
					uint32_t size)
{
	uint32_t len = size;
	long r = sys_getsockopt(fd, level, name, value, &len);

	if (r < 0)
		return r;
	return len == size ? 0 : -71 /* EPROTO */;
}

/* The socket's identity for as long as the kernel runs; 0: not a socket. */
static inline uint64_t sys_cookie(int fd)
{
	uint64_t cookie = 0;

	if (sys_getsockopt_exact(fd, SOL_SOCKET, SYS_SO_COOKIE, &cookie, sizeof(cookie)))
		return 0;
	return cookie;
}

/* The identity of the socket's network namespace; 0: not a socket. */
static inline uint64_t sys_netns_cookie(int fd)
{
	uint64_t cookie = 0;

	if (sys_getsockopt_exact(fd, SOL_SOCKET, SYS_SO_NETNS_COOKIE, &cookie,
				 sizeof(cookie)))
		return 0;
	return cookie;
}

#endif
