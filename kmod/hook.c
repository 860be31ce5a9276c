// SPDX-License-Identifier: GPL-2.0-only
/* hook.c - what does not pass a socket's operations */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include "hook.h"

#include <linux/dcache.h>
#include <linux/fs.h>
#include <linux/ftrace.h>
#include <linux/module.h>
#include <linux/net.h>
#include <linux/ptrace.h>
#include <linux/slim.h>
#include <linux/sockptr.h>

#include "event.h"
#include "options.h"
#include "sockops.h"
#include "tag.h"

/*
 * @missing:	what it means where this cannot be hooked
 * @is_ours:	should @replacement be called? In any context, without preemption
 * @error:	of hooking it
 */
struct hook {
	const char *function;
	u32 missing;
	const char *meaning;
	bool (*is_ours)(const struct pt_regs *regs);
	void *replacement;
	int error;
	char reason[96];
	struct ftrace_ops ops;
};

static struct tag *sealed(const struct sock *sk)
{
	struct tag *tag = tag_of(sk);

	return tag && tag_is_sealed(tag) ? tag : NULL;
}

/* --- sock_ioctl() --- */

static bool ioctl_is_ours(const struct pt_regs *regs)
{
	const struct file *file = (void *)regs_get_kernel_argument((void *)regs, 0);
	const struct socket *sock = file->private_data;

	return sealed(sock->sk) &&
	       !ioctl_is_allowed((unsigned int)regs_get_kernel_argument((void *)regs, 1));
}

static long ioctl_refuse(struct file *file, unsigned int command, unsigned long arg)
{
	const struct socket *sock = file->private_data;

	if (ioctl_is_of_sockets(command))
		event_attack(tag_of(sock->sk), SLIM_OPERATION_IOCTL, 0, command);
	return -ENOTTY;
}

/* --- sk_getsockopt() --- */

static bool getsockopt_is_ours(const struct pt_regs *regs)
{
	const struct sock *sk = (void *)regs_get_kernel_argument((void *)regs, 0);
	int name = (int)regs_get_kernel_argument((void *)regs, 2);

	return option_reading(SOL_SOCKET, name) != OPTION_READ && sealed(sk);
}

/* As the kernel gives a number, or (@size is 0) a string */
static int give(int number, sockptr_t value, sockptr_t len, size_t size)
{
	int room;

	if (copy_from_sockptr(&room, len, sizeof(room)))
		return -EFAULT;
	if (room < 0)
		return -EINVAL;
	room = min_t(size_t, room, size);
	if (copy_to_sockptr(value, &number, room) || copy_to_sockptr(len, &room, sizeof(room)))
		return -EFAULT;
	return 0;
}

/* As the kernel says that there is no such option */
static int refuse_reading(sockptr_t len)
{
	int room;

	if (copy_from_sockptr(&room, len, sizeof(room)))
		return -EFAULT;
	return room < 0 ? -EINVAL : -ENOPROTOOPT;
}

static int getsockopt_answer(struct sock *sk, int level, int name, sockptr_t value, sockptr_t len)
{
	struct tag *tag = tag_of(sk);

	switch (option_reading(SOL_SOCKET, name)) {
	case OPTION_ZERO:
		return give(0, value, len, sizeof(int));
	case OPTION_EMPTY:
		return give(0, value, len, 0);
	case OPTION_FAMILY:
		return give(tag->flags & SLIM_SEAL_IPV4 ? AF_INET : AF_INET6, value, len,
			    sizeof(int));
	default:
		/* The shim asks each socket that it does not know. */
		if (name != SO_NETNS_COOKIE)
			event_attack(tag, SLIM_OPERATION_GETSOCKOPT, SOL_SOCKET, name);
		return refuse_reading(len);
	}
}

/* --- sock_setsockopt() --- */

#ifndef SOCK_CUSTOM_SOCKOPT
static bool setsockopt_is_ours(const struct pt_regs *regs)
{
	const struct socket *sock = (void *)regs_get_kernel_argument((void *)regs, 0);

	return sealed(sock->sk);
}
#endif

/* --- sockfs_setattr(): called with the inode's lock, under which a socket loses its sock --- */

static const struct sock *sock_of(const struct dentry *dentry)
{
	return SOCKET_I(d_inode(dentry))->sk;
}

/* Rules of routing choose by a socket's owner. */
static bool setattr_is_ours(const struct pt_regs *regs)
{
	const struct sock *sk = sock_of((void *)regs_get_kernel_argument((void *)regs, 1));
	const struct iattr *attr = (void *)regs_get_kernel_argument((void *)regs, 2);

	return attr->ia_valid & ATTR_UID && sk && sealed(sk);
}

static int setattr_refuse(const void *idmap, struct dentry *dentry, struct iattr *attr)
{
	event_attack(tag_of(sock_of(dentry)), SLIM_OPERATION_CHOWN, 0, 0);
	return -EPERM;
}

/* --- all of them --- */

static struct hook hooks[] = {
	{
		.function = "sock_ioctl",
		.missing = SLIM_MISSING_IOCTL,
		.meaning = "ioctls are not refused, SIOCGSKNS among them",
		.is_ours = ioctl_is_ours,
		.replacement = ioctl_refuse,
	},
	{
		.function = "sk_getsockopt",
		.missing = SLIM_MISSING_GETSOCKOPT,
		.meaning = "options of SOL_SOCKET can be read",
		.is_ours = getsockopt_is_ours,
		.replacement = getsockopt_answer,
	},
#ifndef SOCK_CUSTOM_SOCKOPT
	{
		.function = "sock_setsockopt",
		.missing = SLIM_MISSING_SETSOCKOPT,
		.meaning = "options of SOL_SOCKET can be set, SO_MARK among them",
		.is_ours = setsockopt_is_ours,
		.replacement = sockops_setsockopt,
	},
#endif
	{
		.function = "sockfs_setattr",
		.missing = SLIM_MISSING_SETATTR,
		.meaning = "owners can be changed, by whom rules of routing choose",
		.is_ours = setattr_is_ours,
		.replacement = setattr_refuse,
	},
};

/* Those that arguments are in are saved, and the instruction pointer: all that is asked for. */
static struct pt_regs *registers(struct ftrace_regs *fregs)
{
#ifdef arch_ftrace_regs
	return &arch_ftrace_regs(fregs)->regs;
#else
	return &fregs->regs;
#endif
}

/* Calls of our own go through. */
static void notrace handle(unsigned long ip, unsigned long parent_ip, struct ftrace_ops *ops,
			   struct ftrace_regs *fregs)
{
	const struct hook *hook = container_of(ops, struct hook, ops);
	struct pt_regs *regs = registers(fregs);

	if (hook->is_ours(regs) && !within_module(parent_ip, THIS_MODULE))
		instruction_pointer_set(regs, (unsigned long)hook->replacement);
}

static int hook_init(struct hook *hook)
{
	int err;

	hook->ops.func = handle;
	hook->ops.flags = FTRACE_OPS_FL_IPMODIFY | FTRACE_OPS_FL_PERMANENT;
#ifndef CONFIG_DYNAMIC_FTRACE_WITH_ARGS
	hook->ops.flags |= FTRACE_OPS_FL_SAVE_REGS;
#endif
	err = ftrace_set_filter(&hook->ops, (unsigned char *)hook->function,
				strlen(hook->function), 1);
	if (err)
		return err;
	err = register_ftrace_function(&hook->ops);
	if (err)
		ftrace_free_filter(&hook->ops);
	return err;
}

void hooks_init(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(hooks); i++) {
		struct hook *hook = &hooks[i];

		hook->error = hook_init(hook);
		if (!hook->error)
			continue;
		snprintf(hook->reason, sizeof(hook->reason), "%s: %s (error %d)", hook->function,
			 hook->meaning, -hook->error);
		pr_warn("guarded mode is incomplete: %s\n", hook->reason);
	}
}

void hooks_exit(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(hooks); i++) {
		if (hooks[i].error)
			continue;
		unregister_ftrace_function(&hooks[i].ops);
		ftrace_free_filter(&hooks[i].ops);
	}
}

u32 hooks_missing(void)
{
	u32 missing = 0;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(hooks); i++)
		if (hooks[i].error)
			missing |= hooks[i].missing;
	return missing;
}

const char *hooks_reason(u32 bit)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(hooks); i++)
		if (hooks[i].missing == bit && hooks[i].error)
			return hooks[i].reason;
	return NULL;
}
