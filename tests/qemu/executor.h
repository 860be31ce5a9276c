/* SPDX-License-Identifier: MIT */
/*
 * executor.h - ways to make a system call: by oneself, as a 32-bit program does, through io_uring, in another process that
 * is being traced
 *
 * Numbers are those of x86-64. Memory that a call names lies below 4 GB, and is shared by all processes of the test.
 */
#ifndef TESTS_QEMU_EXECUTOR_H
#define TESTS_QEMU_EXECUTOR_H

#include <errno.h>
#include <linux/io_uring.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOT_APPLICABLE	(-10000L)

typedef long executor(long number, const long args[6]);

static executor *execute;
static pid_t traced;

static long call6(long number, long a, long b, long c, long d, long e, long f)
{
	const long args[6] = { a, b, c, d, e, f };

	return execute(number, args);
}

#define CALL(number, ...)	CALL_(number, __VA_ARGS__, 0, 0, 0, 0, 0, 0)
#define CALL_(number, a, b, c, d, e, f, ...) \
	call6(number, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))

static long execute_directly(long number, const long args[6])
{
	long result = syscall(number, args[0], args[1], args[2], args[3], args[4], args[5]);

	return result < 0 ? -errno : result;
}

/* --- 32-bit calls --- */

static bool is_compat(void);

static int compat_number(long number)
{
	static const int table[][2] = {
		{ SYS_ioctl, 54 }, { SYS_socket, 359 }, { SYS_bind, 361 }, { SYS_connect, 362 }, { SYS_listen, 363 },
		{ SYS_accept4, 364 }, { SYS_getsockopt, 365 }, { SYS_setsockopt, 366 }, { SYS_getsockname, 367 },
		{ SYS_getpeername, 368 }, { SYS_sendto, 369 }, { SYS_sendmsg, 370 }, { SYS_recvmsg, 372 },
		{ SYS_shutdown, 373 }, { SYS_close, 6 }, { SYS_bpf, 357 },
		{ SYS_fchown, 207 }, { SYS_chown, 212 }, { SYS_open, 5 },
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (table[i][0] == number)
			return table[i][1];
	return -1;
}

struct message32 {
	uint32_t name, namelen, iov, iovlen, control, controllen, flags;
	struct {
		uint32_t base, len;
	} vec;
};

static void message_to32(const struct msghdr *from, struct message32 *to)
{
	*to = (struct message32){
		.name = (uint32_t)(uintptr_t)from->msg_name, .namelen = from->msg_namelen,
		.iov = (uint32_t)(uintptr_t)&to->vec, .iovlen = 1,
		.control = (uint32_t)(uintptr_t)from->msg_control, .controllen = (uint32_t)from->msg_controllen,
		.vec = { (uint32_t)(uintptr_t)from->msg_iov->iov_base, (uint32_t)from->msg_iov->iov_len },
	};
}

static long execute_compat(long number, const long args[6])
{
	int number32 = compat_number(number);
	struct msghdr *message = (struct msghdr *)args[1];
	struct message32 *message32 = (struct message32 *)(args[1] + 256);
	bool has_message = number == SYS_sendmsg || number == SYS_recvmsg;
	long result;

	if (number32 < 0)
		return NOT_APPLICABLE;
	if (has_message)
		message_to32(message, message32);
	asm volatile("push %%rbp; mov %[f], %%rbp; int $0x80; pop %%rbp"
		     : "=a"(result)
		     : "a"((long)number32), "b"(args[0]), "c"(has_message ? (long)message32 : args[1]), "d"(args[2]),
		       "S"(args[3]), "D"(args[4]), [f] "r"(args[5])
		     : "memory", "cc", "r8", "r9", "r10", "r11");
	if (has_message && result >= 0) {
		message->msg_namelen = message32->namelen;
		message->msg_controllen = message32->controllen;
	}
	return (int)result;
}

static bool is_compat(void)
{
	return execute == execute_compat;
}

/* --- io_uring --- */

static int kernel_minor(void)
{
	struct utsname name;
	int major = 0, minor = 0;

	uname(&name);
	sscanf(name.release, "%d.%d", &major, &minor);
	return major * 1000 + minor;
}

/* From include/uapi/linux/io_uring.h of kernels later than this machine's headers */
#define OP_BIND		56	/* 6.11 */
#define OP_LISTEN	57
#define COMMAND_GETSOCKOPT	2	/* 6.7 */
#define COMMAND_SETSOCKOPT	3

static bool fill_sqe(struct io_uring_sqe *sqe, long number, const long args[6])
{
	sqe->fd = (int)args[0];
	switch (number) {
	case SYS_connect:
		sqe->opcode = IORING_OP_CONNECT;
		sqe->addr = (uint64_t)args[1];
		sqe->off = (uint64_t)args[2];
		return true;
	case SYS_sendmsg:
	case SYS_recvmsg:
		sqe->opcode = number == SYS_sendmsg ? IORING_OP_SENDMSG : IORING_OP_RECVMSG;
		sqe->addr = (uint64_t)args[1];
		sqe->len = 1;
		sqe->msg_flags = (uint32_t)args[2];
		return true;
	case SYS_bind:
	case SYS_listen:
		sqe->opcode = number == SYS_bind ? OP_BIND : OP_LISTEN;
		if (number == SYS_bind) {
			sqe->addr = (uint64_t)args[1];
			sqe->off = (uint64_t)args[2];
		} else {
			sqe->len = (uint32_t)args[1];
		}
		return kernel_minor() >= 6011;
	case SYS_setsockopt:
	case SYS_getsockopt:
		/* level and name, value, length */
		sqe->opcode = IORING_OP_URING_CMD;
		sqe->cmd_op = number == SYS_setsockopt ? COMMAND_SETSOCKOPT : COMMAND_GETSOCKOPT;
		sqe->addr = (uint64_t)(uint32_t)args[1] | (uint64_t)args[2] << 32;
		sqe->addr3 = (uint64_t)args[3];
		sqe->splice_fd_in = number == SYS_setsockopt ? (int)args[4] : *(int *)args[4];
		return kernel_minor() >= 6007 && (number == SYS_setsockopt || args[1] == SOL_SOCKET);
	default:
		return false;
	}
}

static struct {
	int fd;
	char *ring;
	struct io_uring_sqe *sqes;
	struct io_uring_params params;
} uring = { .fd = -1 };

static int uring_open(void)
{
	if (uring.fd >= 0)
		return 0;
	memset(&uring.params, 0, sizeof(uring.params));
	uring.fd = (int)syscall(SYS_io_uring_setup, 4, &uring.params);
	if (uring.fd < 0)
		return -1;
	uring.ring = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, uring.fd, IORING_OFF_SQ_RING);
	uring.sqes = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, uring.fd, IORING_OFF_SQES);
	return uring.ring == MAP_FAILED || uring.sqes == MAP_FAILED ? -1 : 0;
}

static long execute_uring(long number, const long args[6])
{
	struct io_uring_sqe sqe = { .user_data = 1 };
	struct io_uring_cqe *cqe;
	uint32_t *tail, *head;

	if (!fill_sqe(&sqe, number, args))
		return NOT_APPLICABLE;
	if (uring_open())
		return NOT_APPLICABLE;
	tail = (uint32_t *)(uring.ring + uring.params.sq_off.tail);
	((uint32_t *)(uring.ring + uring.params.sq_off.array))[*tail & 3] = 0;
	uring.sqes[0] = sqe;
	__atomic_store_n(tail, *tail + 1, __ATOMIC_RELEASE);
	if (syscall(SYS_io_uring_enter, uring.fd, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) < 0)
		return -errno;
	head = (uint32_t *)(uring.ring + uring.params.cq_off.head);
	cqe = (struct io_uring_cqe *)(uring.ring + uring.params.cq_off.cqes) +
	      (*head & (uring.params.cq_entries - 1));
	__atomic_store_n(head, *head + 1, __ATOMIC_RELEASE);
	if (number == SYS_getsockopt && cqe->res >= 0) {
		*(int *)args[4] = cqe->res;
		return 0;
	}
	return cqe->res;
}

/* --- in a traced process --- */

extern const char traced_call[];
asm(".text\n.globl traced_call\ntraced_call: syscall\nint3\n");

static long execute_traced(long number, const long args[6])
{
	struct user_regs_struct saved, regs;
	int status;

	if (ptrace(PTRACE_GETREGS, traced, NULL, &saved))
		return NOT_APPLICABLE;
	regs = saved;
	regs.rip = (unsigned long)traced_call;
	regs.orig_rax = (unsigned long)-1;
	regs.rax = (unsigned long)number;
	regs.rdi = (unsigned long)args[0];
	regs.rsi = (unsigned long)args[1];
	regs.rdx = (unsigned long)args[2];
	regs.r10 = (unsigned long)args[3];
	regs.r8 = (unsigned long)args[4];
	regs.r9 = (unsigned long)args[5];
	ptrace(PTRACE_SETREGS, traced, NULL, &regs);
	ptrace(PTRACE_CONT, traced, NULL, NULL);
	waitpid(traced, &status, 0);
	ptrace(PTRACE_GETREGS, traced, NULL, &regs);
	ptrace(PTRACE_SETREGS, traced, NULL, &saved);
	return (long)regs.rax;
}

#endif
