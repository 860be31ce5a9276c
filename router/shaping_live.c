/* SPDX-License-Identifier: MIT */
/* shaping_live.c - changes the rate, TOS and priority of connections that live */
#include "shaping_live.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bpf_call.h"
#include "log.h"
#include "ruleset_rates.h"

#define NAME		"slim_shaping"
#define CHANGES_MAX	(1u << 20)
#define RATE_NONE	UINT32_MAX	/* as the kernel says unlimited */

/* A BPF program may set 32 bits of a rate. */
#define RATE_MAX	(UINT32_MAX - 1)

enum {
	WHAT_RATE = 1,
	WHAT_TOS = 2,
	WHAT_PRIORITY = 4,
	WHAT_MARK = 8,
};

/* By cookie. @done: set by the program, in its own copy if another change has come meanwhile */
struct change {
	uint32_t what;
	uint32_t rate;			/* bytes a second */
	int32_t tos, priority;
	uint32_t done;
	uint32_t mark;
};

/* @waiting: one word: is there any change? */
static int map = -1, waiting = -1, link_fd = -1;

/* --- the program --- */

#define CTX(field)	((int16_t)offsetof(struct bpf_sock_ops, field))
#define CHANGE(field)	((int16_t)offsetof(struct change, field))
#define MARK_SHIFT	24		/* what RULESET_MARK_MASK leaves */
#define KEY		(-8)		/* on the stack */
#define VALUE		(-16)

#define RETURN_ONE	BPF_MOV_IMM(BPF_REG_0, 1), BPF_RETURN()

/* R6: the context, R8: the change, whose @field is the option's value */
#define SET_OPTION(level, name, field)								\
	BPF_LOAD(BPF_W, BPF_REG_1, BPF_REG_8, CHANGE(field)),					\
	BPF_STORE(BPF_W, BPF_REG_10, VALUE, BPF_REG_1),						\
	BPF_MOV_REG(BPF_REG_1, BPF_REG_6), BPF_MOV_IMM(BPF_REG_2, level),			\
	BPF_MOV_IMM(BPF_REG_3, name), BPF_MOV_REG(BPF_REG_4, BPF_REG_10),			\
	BPF_ADD_IMM(BPF_REG_4, VALUE), BPF_MOV_IMM(BPF_REG_5, 4),				\
	BPF_HELPER(BPF_FUNC_setsockopt)
#define SET_OPTION_NUM	9

#define LOAD_WHAT	BPF_LOAD(BPF_W, BPF_REG_1, BPF_REG_8, CHANGE(what))

static int load_program(void)
{
	const struct bpf_insn program[] = {
		BPF_MOV_REG(BPF_REG_6, BPF_REG_1),
		BPF_LOAD(BPF_W, BPF_REG_7, BPF_REG_6, CTX(op)),
		BPF_SKIP_EQ(BPF_REG_7, BPF_SOCK_OPS_RTT_CB, 17),

		/* Established: of ours alone, acknowledgements are of interest. */
		BPF_SKIP_EQ(BPF_REG_7, BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB, 3),
		BPF_SKIP_EQ(BPF_REG_7, BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB, 2),
		RETURN_ONE,
		BPF_LOAD(BPF_DW, BPF_REG_1, BPF_REG_6, CTX(sk)),
		BPF_SKIP_NE(BPF_REG_1, 0, 2),
		RETURN_ONE,
		BPF_LOAD(BPF_W, BPF_REG_1, BPF_REG_1, (int16_t)offsetof(struct bpf_sock, mark)),
		BPF_RSH32_IMM(BPF_REG_1, MARK_SHIFT),
		BPF_SKIP_NE(BPF_REG_1, SLIM_SOCKET_MARK >> MARK_SHIFT, 4),
		BPF_LOAD(BPF_W, BPF_REG_2, BPF_REG_6, CTX(bpf_sock_ops_cb_flags)),
		BPF_OR_IMM(BPF_REG_2, BPF_SOCK_OPS_RTT_CB_FLAG),
		BPF_MOV_REG(BPF_REG_1, BPF_REG_6),
		BPF_HELPER(BPF_FUNC_sock_ops_cb_flags_set),
		RETURN_ONE,

		/* An acknowledgement: is there a change? */
		BPF_ARRAY(BPF_REG_1, waiting),
		BPF_LOAD(BPF_W, BPF_REG_1, BPF_REG_1, 0),
		BPF_SKIP_NE(BPF_REG_1, 0, 2),
		RETURN_ONE,
		BPF_MOV_REG(BPF_REG_1, BPF_REG_6),
		BPF_HELPER(BPF_FUNC_get_socket_cookie),
		BPF_STORE(BPF_DW, BPF_REG_10, KEY, BPF_REG_0),
		BPF_MAP(BPF_REG_1, map),
		BPF_MOV_REG(BPF_REG_2, BPF_REG_10),
		BPF_ADD_IMM(BPF_REG_2, KEY),
		BPF_HELPER(BPF_FUNC_map_lookup_elem),
		BPF_SKIP_NE(BPF_REG_0, 0, 2),
		RETURN_ONE,
		BPF_MOV_REG(BPF_REG_8, BPF_REG_0),
		BPF_LOAD(BPF_W, BPF_REG_1, BPF_REG_8, CHANGE(done)),
		BPF_SKIP_EQ(BPF_REG_1, 0, 2),
		RETURN_ONE,
		BPF_STORE_IMM(BPF_W, BPF_REG_8, CHANGE(done), 1),
		LOAD_WHAT,
		BPF_SKIP_UNSET(BPF_REG_1, WHAT_RATE, SET_OPTION_NUM),
		SET_OPTION(SOL_SOCKET, SO_MAX_PACING_RATE, rate),
		LOAD_WHAT,
		BPF_SKIP_UNSET(BPF_REG_1, WHAT_TOS, 2 * SET_OPTION_NUM),
		SET_OPTION(IPPROTO_IP, IP_TOS, tos),
		SET_OPTION(IPPROTO_IPV6, IPV6_TCLASS, tos),
		LOAD_WHAT,
		BPF_SKIP_UNSET(BPF_REG_1, WHAT_PRIORITY, SET_OPTION_NUM),
		SET_OPTION(SOL_SOCKET, SO_PRIORITY, priority),
		LOAD_WHAT,
		BPF_SKIP_UNSET(BPF_REG_1, WHAT_MARK, SET_OPTION_NUM),
		SET_OPTION(SOL_SOCKET, SO_MARK, mark),
		RETURN_ONE,
	};

	return bpf_socket_program_load(NAME, program, sizeof(program) / sizeof(program[0]));
}

/* --- attaching it --- */

static int open_cgroup(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct statfs fs;

	if (fd >= 0 && (fstatfs(fd, &fs) < 0 || fs.f_type != CGROUP2_SUPER_MAGIC)) {
		close(fd);
		fd = -1;
	}
	return fd;
}

/* The root of the cgroups; where it is mounted nowhere that it is expected, a mount that nobody else sees */
static int open_root(void)
{
	int fd = open_cgroup("/sys/fs/cgroup"), fs;

	if (fd < 0)
		fd = open_cgroup("/sys/fs/cgroup/unified");
	if (fd >= 0)
		return fd;
	fs = fsopen("cgroup2", FSOPEN_CLOEXEC);
	if (fs < 0)
		return -errno;
	fd = fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0);
	if (!fd)
		fd = fsmount(fs, FSMOUNT_CLOEXEC, 0);
	if (fd < 0)
		fd = -errno;
	close(fs);
	return fd;
}

static int attach(int program)
{
	int root = open_root();
	int fd = root < 0 ? root : bpf_socket_program_attach(program, root);

	if (root >= 0)
		close(root);
	return fd;
}

static int begin(void)
{
	int program;

	map = bpf_hash_new(NAME, sizeof(uint64_t), sizeof(struct change), CHANGES_MAX);
	waiting = map < 0 ? map : bpf_word_new(NAME);
	program = waiting < 0 ? waiting : load_program();
	link_fd = program < 0 ? program : attach(program);
	if (program >= 0)
		close(program);
	if (link_fd >= 0)
		return 0;
	if (waiting >= 0)
		close(waiting);
	if (map >= 0)
		close(map);
	return link_fd;
}

/* A filter may kill whoever makes such calls: better a child. 0 or -errno */
static int rehearse(void)
{
	pid_t pid = fork();
	int status;

	if (!pid)
		_exit(-begin());
	while (pid > 0 && waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	if (pid < 0)
		return -errno;
	return WIFEXITED(status) ? -WEXITSTATUS(status) : -EPERM;
}

void shaping_live_init(void)
{
	int err = rehearse();

	if (!err)
		err = begin();
	if (err)
		log_info("live connections keep their rate, TOS and priority when the policy's "
			 "change: BPF for sockets cannot be had: %s", strerror(-err));
}

bool shaping_live_is_possible(void)
{
	return link_fd >= 0;
}

/* --- changes --- */

static int set_waiting(uint32_t is)
{
	const uint32_t first = 0;

	return bpf_map_set(waiting, &first, &is);
}

/* What neither is, stays; what is no longer said, is as if nothing had been. */
static struct change make_change(const struct shaping *before, const struct shaping *now)
{
	struct change change = {
		.rate = !now->rate ? RATE_NONE : now->rate > RATE_MAX ? RATE_MAX :
			(uint32_t)now->rate,
		.tos = now->tos < 0 ? 0 : now->tos,
		.priority = now->priority < 0 ? 0 : now->priority,
	};

	if (now->rate != before->rate)
		change.what |= WHAT_RATE;
	if (now->tos != before->tos)
		change.what |= WHAT_TOS;
	/* IP_TOS sets one, too. */
	if (now->priority != before->priority || (change.what & WHAT_TOS && now->priority >= 0))
		change.what |= WHAT_PRIORITY;
	return change;
}

/* What an earlier change was to do and has not; else nothing */
static struct change pending(uint64_t cookie)
{
	struct change change;

	if (bpf_map_get(map, &cookie, &change) || change.done)
		memset(&change, 0, sizeof(change));
	return change;
}

static int leave(uint64_t cookie, const struct change *change)
{
	int err = bpf_map_set(map, &cookie, change);

	return err ? err : set_waiting(true);
}

int shaping_live_change(uint64_t cookie, const struct shaping *before, const struct shaping *now)
{
	struct change change = make_change(before, now), other;

	if (!shaping_live_is_possible())
		return 0;
	other = pending(cookie);
	change.what |= other.what;
	change.mark = other.mark;
	return leave(cookie, &change);
}

int shaping_live_mark(uint64_t cookie, uint32_t container_id)
{
	struct change change;

	if (!shaping_live_is_possible())
		return 0;
	change = pending(cookie);
	change.what |= WHAT_MARK;
	change.mark = ruleset_slim_mark(container_id);
	return leave(cookie, &change);
}

void shaping_live_tidy(bool (*lives)(uint64_t cookie))
{
	uint64_t cookie, next;
	struct change change;
	int err;

	if (!shaping_live_is_possible() || bpf_map_next(map, NULL, &cookie))
		return;
	err = 0;
	while (!err) {
		err = bpf_map_next(map, &cookie, &next);
		if (!bpf_map_get(map, &cookie, &change) && (change.done || !lives(cookie)))
			(void)bpf_map_remove(map, &cookie);
		cookie = next;
	}
	if (bpf_map_next(map, NULL, &cookie) == -ENOENT)
		(void)set_waiting(false);
}
