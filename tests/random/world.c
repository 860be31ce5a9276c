/* SPDX-License-Identifier: MIT */
/*
 * world.c - two namespaces and the actors in them
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "world.h"

#define ANSWER_MS	3000

static long long now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

int world_seat(struct world *world, int actor)
{
	struct seat *seat = &world->seats[actor];
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends))
		return -errno;
	*seat = (struct seat){ .alive = true, .busy = true, .pidfd = -1, .control = ends[0], .passed = -1 };
	return ends[1];
}

/* In the child: becomes the actor. */
static void become(const struct world *world, int actor, int end)
{
	char number[8];
	char *args[] = {
		"actor", "--actor", number, world->addresses[0], world->addresses[1], world->addresses[2],
		world->addresses[3], NULL,
	};
	int space = open(world->spaces[actor >= ROOTS / 2], O_RDONLY | O_CLOEXEC);

	snprintf(number, sizeof(number), "%d", actor);
	if (space < 0 || setns(space, CLONE_NEWNET)) {
		perror(world->spaces[actor >= ROOTS / 2]);
		_exit(2);
	}
	dup2(end, CONTROL_FD + actor);
	if (world->preload && world->preloaded[actor >= ROOTS / 2])
		setenv("LD_PRELOAD", world->preload, 1);
	execv("/proc/self/exe", args);
	_exit(2);
}

static int start(struct world *world, int actor)
{
	int end = world_seat(world, actor);
	pid_t pid;

	if (end < 0)
		return end;
	pid = fork();
	if (!pid)
		become(world, actor, end);
	close(end);
	return pid > 0 && world_wait(world, actor, ANSWER_MS) ? 0 : -EIO;
}

int world_start(struct world *world)
{
	for (int actor = 0; actor < ROOTS; actor++)
		if (start(world, actor))
			return -EIO;
	return 0;
}

void world_leave(struct world *world, int actor)
{
	struct seat *seat = &world->seats[actor];

	if (!seat->alive)
		return;
	close(seat->control);
	if (seat->pidfd >= 0)
		close(seat->pidfd);
	if (seat->passed >= 0)
		close(seat->passed);
	seat->alive = seat->busy = false;
}

static void end(struct world *world, int actor)
{
	const struct seat *seat = &world->seats[actor];

	if (seat->alive && seat->pidfd >= 0)
		syscall(SYS_pidfd_send_signal, seat->pidfd, SIGKILL, NULL, 0);
	world_leave(world, actor);
	if (actor < ROOTS && seat->pid > 0)
		waitpid(seat->pid, NULL, 0);
}

void world_stop(struct world *world)
{
	for (int actor = ACTORS - 1; actor >= 0; actor--)
		end(world, actor);
}

void world_order(struct world *world, int actor, const struct order *order, int fd)
{
	struct seat *seat = &world->seats[actor];

	seat->busy = true;
	if (order_send(seat->control, order, sizeof(*order), fd))
		seat->died = true;
}

/* A reply, or the end, is there. */
static void take(struct seat *seat)
{
	int fd;
	ssize_t got = order_receive(seat->control, &seat->reply, sizeof(seat->reply), &fd, MSG_DONTWAIT);

	if (got == -EAGAIN)
		return;
	seat->busy = false;
	if (got != sizeof(seat->reply)) {
		seat->died = true;
		return;
	}
	seat->passed = fd;
	seat->pid = seat->reply.pid;
	seat->tid = seat->reply.tid;
	if (seat->pidfd < 0)
		seat->pidfd = (int)syscall(SYS_pidfd_open, seat->pid, 0);
}

void world_collect(struct world *worlds, int ms)
{
	struct pollfd polls[2 * ACTORS];
	struct seat *seats[2 * ACTORS];
	int num = 0;

	for (int i = 0; i < 2 * ACTORS; i++) {
		struct seat *seat = &worlds[i / ACTORS].seats[i % ACTORS];

		if (!seat->alive || !seat->busy)
			continue;
		seats[num] = seat;
		polls[num++] = (struct pollfd){ .fd = seat->control, .events = POLLIN };
	}
	if (!num || poll(polls, (nfds_t)num, ms) <= 0)
		return;
	for (int i = 0; i < num; i++)
		if (polls[i].revents)
			take(seats[i]);
}

bool world_wait(struct world *world, int actor, int ms)
{
	struct seat *seat = &world->seats[actor];
	long long until = now_ms() + ms;

	while (seat->busy && now_ms() < until) {
		struct pollfd poll_one = { .fd = seat->control, .events = POLLIN };

		if (poll(&poll_one, 1, (int)(until - now_ms())) > 0)
			take(seat);
	}
	return !seat->busy && !seat->died;
}

bool world_wait_end(const struct world *world, int actor, int ms)
{
	struct pollfd process = { .fd = world->seats[actor].pidfd, .events = POLLIN };

	return poll(&process, 1, ms) > 0;
}

void world_signal(struct world *world, int actor, int signal)
{
	const struct seat *seat = &world->seats[actor];

	syscall(SYS_tgkill, seat->pid, seat->tid, signal);
}

struct sight world_look(const struct world *world, int actor, int fd)
{
	struct sight sight = { 0 };
	struct pollfd pollfd = { .events = POLLIN | POLLOUT | POLLPRI | POLLRDHUP };
	socklen_t len = sizeof(sight.state);
	int own = (int)syscall(SYS_pidfd_getfd, world->seats[actor].pidfd, fd, 0);

	if (own < 0)
		return sight;
	sight.open = true;
	sight.socket = !getsockopt(own, IPPROTO_TCP, TCP_INFO, &sight.state, &len);
	if (sight.socket) {
		pollfd.fd = own;
		poll(&pollfd, 1, 0);
		sight.events = pollfd.revents;
		ioctl(own, FIONREAD, &sight.readable);
	}
	close(own);
	return sight;
}

static int ephemeral(struct world *world, uint16_t port)
{
	for (int i = 0; i < world->ephemeral_num; i++)
		if (world->ephemeral[i] == port)
			return i;
	if (world->ephemeral_num < WORLD_EPHEMERAL)
		world->ephemeral[world->ephemeral_num++] = port;
	return world->ephemeral_num - 1;
}

void world_name_ports(struct world *world, char *text, bool alike)
{
	char *at = strchr(text, '~'), *rest;
	char name[16];
	int number;

	if (!at)
		return;
	number = ephemeral(world, (uint16_t)strtoul(at + 1, &rest, 10));
	snprintf(name, sizeof(name), alike ? "e" : "e%d", number);
	memmove(at + strlen(name), rest, strlen(rest) + 1);
	memcpy(at, name, strlen(name));
}

/* Out of whatever call it is blocked in */
static bool wake(struct world *world, int actor)
{
	long long until = now_ms() + ANSWER_MS;

	while (world->seats[actor].busy && now_ms() < until) {
		world_signal(world, actor, SIGUSR1);
		world_wait(world, actor, 2);
	}
	return !world->seats[actor].busy;
}

static bool dismiss(struct world *world, int actor)
{
	static const struct order order = { .step.op = OP_EXIT };
	struct seat *seat = &world->seats[actor];

	if (!seat->alive)
		return true;
	wake(world, actor);
	world_order(world, actor, &order, -1);
	world_wait(world, actor, ANSWER_MS);
	if (!seat->died) {
		end(world, actor);
		return false;
	}
	world_leave(world, actor);
	return true;
}

static bool reset(struct world *world, int actor)
{
	static const struct order order = { .step.op = OP_RESET };
	struct seat *seat = &world->seats[actor];

	if (seat->alive && wake(world, actor) && !seat->died) {
		world_order(world, actor, &order, -1);
		if (world_wait(world, actor, ANSWER_MS))
			return true;
	}
	end(world, actor);
	return start(world, actor) == 0 && false;
}

bool world_reset(struct world *world)
{
	bool well = true;

	for (int actor = ACTORS - 1; actor >= 0; actor--)
		if (!(actor < ROOTS ? reset(world, actor) : dismiss(world, actor)))
			well = false;
	world->ephemeral_num = 0;
	return well;
}
