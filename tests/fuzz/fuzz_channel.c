/* SPDX-License-Identifier: MIT */
/*
 * fuzz_channel.c - what a hostile container does on its channels to the router
 *
 * links: ROUTER
 * libs: urcu urcu-cds urcu-common ssl crypto jansson nl-3 pthread
 *
 * The input is a list of steps: frames as they should be, but for their fields, frames that
 * are none, descriptors, new channels, and what else a container does with sockets of its
 * own. Behind the frames is the real router (see fixture.h), which connects, announces and hands over;
 * a CONNECT can go all the way to a CLAIM. Every answer must be one to the question.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>
#include <urcu.h>

#include "../../include/slim/channel.h"
#include "../../router/channel.h"
#include "../../router/endpoint.h"
#include "../../router/inherited.h"
#include "../../router/listener.h"
#include "fixture.h"
#include "input.h"

#define LOOKS		100
#define STEPS_MAX	64
#define CHANNELS	3
#define OWN_PORT	81	/* of the container's own listener */

enum step {
	STEP_FRAME,		/* types 0 to 15 in the next byte */
	STEP_GARBAGE,
	STEP_DESCRIPTOR,
	STEP_CLOSE,
	STEP_LISTEN,		/* another listener of its own */
	STEP_ACCEPT,
	STEP_SWITCH,		/* to another channel */
	STEP_WAIT,		/* that many ms */
	STEP_QUIET,		/* several requests before the router looks */
	STEP_NUM
};

union frame {
	struct slim_frame frame;
	struct slim_hello hello;
	struct slim_connect connect;
	struct slim_listen listen;
	struct slim_unlisten unlisten;
	struct slim_claim claim;
	struct slim_name name;
	struct slim_hello_reply hello_reply;
	struct slim_connect_reply connect_reply;
	struct slim_listen_reply listen_reply;
	struct slim_claim_reply claim_reply;
	struct slim_name_reply name_reply;
	uint8_t bytes[1024];
};

static const size_t lengths[SLIM_FRAME_NUM] = {
	[SLIM_FRAME_HELLO] = sizeof(struct slim_hello),
	[SLIM_FRAME_HELLO_REPLY] = sizeof(struct slim_hello_reply),
	[SLIM_FRAME_CONNECT] = sizeof(struct slim_connect),
	[SLIM_FRAME_CONNECT_REPLY] = sizeof(struct slim_connect_reply),
	[SLIM_FRAME_LISTEN] = sizeof(struct slim_listen),
	[SLIM_FRAME_LISTEN_REPLY] = sizeof(struct slim_listen_reply),
	[SLIM_FRAME_UNLISTEN] = sizeof(struct slim_unlisten),
	[SLIM_FRAME_CLAIM] = sizeof(struct slim_claim),
	[SLIM_FRAME_CLAIM_REPLY] = sizeof(struct slim_claim_reply),
	[SLIM_FRAME_NAME] = sizeof(struct slim_name),
	[SLIM_FRAME_NAME_REPLY] = sizeof(struct slim_name_reply),
};

/* What the container has: channels, and what it knows */
struct shim {
	int fd, passing_fd;
	uint32_t asked[STEPS_MAX];	/* ids that no answer has come to; by type of the reply */
	uint16_t asked_type[STEPS_MAX];
	size_t asked_num;
};

static struct {
	struct shim shims[CHANNELS];
	struct shim *shim;
	int own_fd;			/* a listener of its own */
	int accepted_fd;
	uint64_t cookie;		/* of the last connection it got */
	struct slim_endpoint ticket;
} world;

static int channel_connect(void)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	memcpy(sun.sun_path + 1, SLIM_CHANNEL_NAME, sizeof(SLIM_CHANNEL_NAME) - 1);
	require(connect(fd, (struct sockaddr *)&sun, offsetof(struct sockaddr_un, sun_path) +
			sizeof(SLIM_CHANNEL_NAME)) == 0);
	fixture_turn();
	return fd;
}

static void shim_close(struct shim *shim)
{
	if (shim->fd >= 0)
		close(shim->fd);
	if (shim->passing_fd >= 0)
		close(shim->passing_fd);
	*shim = (struct shim){ .fd = -1, .passing_fd = -1 };
}

static void shim_open(struct shim *shim)
{
	if (shim->fd < 0)
		shim->fd = channel_connect();
}

static bool was_asked(struct shim *shim, const struct slim_frame *frame)
{
	for (size_t i = 0; i < shim->asked_num; i++) {
		if (shim->asked[i] != frame->id || shim->asked_type[i] != frame->type)
			continue;
		shim->asked_num--;
		shim->asked[i] = shim->asked[shim->asked_num];
		shim->asked_type[i] = shim->asked_type[shim->asked_num];
		return true;
	}
	return false;
}

static void got_connection(int fd)
{
	uint64_t cookie = inherited_cookie(fd);

	if (cookie)
		world.cookie = cookie;
}

/* One answer, if there is one. @passing: of the passing socket; its copy comes first */
static bool receive(struct shim *shim, int from, bool passing)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(4 * sizeof(int))];
	} control;
	union frame frame;
	struct iovec iov = { &frame, sizeof(frame) };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = &control, .msg_controllen = sizeof(control),
	};
	ssize_t len = recvmsg(from, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	int fd = -1;

	if (len <= 0)
		return false;
	if (msg.msg_controllen)
		memcpy(&fd, CMSG_DATA(&control.header), sizeof(fd));
	require(msg.msg_controllen == 0 || control.header.cmsg_len == CMSG_LEN(sizeof(fd)));
	require(frame.frame.magic == SLIM_CHANNEL_MAGIC);
	require(frame.frame.version == SLIM_CHANNEL_VERSION);
	require(frame.frame.type < SLIM_FRAME_NUM);
	require(frame.frame.length == (size_t)len && lengths[frame.frame.type] == (size_t)len);
	if (!passing)
		require(was_asked(shim, &frame.frame));
	if (fd >= 0 && frame.frame.type == SLIM_FRAME_HELLO_REPLY) {
		require(shim->passing_fd < 0);
		shim->passing_fd = fd;
	} else if (fd >= 0) {
		got_connection(fd);
		fixture_reset(fd);
	}
	return true;
}

static void receive_all(void)
{
	fixture_turn();
	for (struct shim *shim = world.shims; shim < world.shims + CHANNELS; shim++) {
		while (shim->passing_fd >= 0 && receive(shim, shim->passing_fd, true))
			;
		while (shim->fd >= 0 && receive(shim, shim->fd, false))
			;
	}
}

/* --- steps --- */

static struct slim_endpoint endpoint_at(uint8_t which)
{
	struct in6_addr addr = fixture_address(which & 1, which & 2 ? AF_INET : AF_INET6);

	return endpoint_make(&addr, which & 4 ? OWN_PORT : FIXTURE_LISTENER);
}

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* What no mutation would hit upon: addresses, cookies, the time */
static void make_sense(union frame *frame, uint8_t hints)
{
	switch (frame->frame.type) {
	case SLIM_FRAME_CONNECT:
		frame->connect.dst = endpoint_at(hints);
		frame->connect.sent_at = now_ms();
		frame->connect.domain = hints & 8 ? AF_INET : AF_INET6;
		frame->connect.reserved = 0;
		frame->connect.flags &= SLIM_CONNECT_FLAGS;
		frame->connect.options &= SLIM_CONNECT_OPTIONS;
		if (hints & 16)
			memset(&frame->connect.src, 0, sizeof(frame->connect.src));
		break;
	case SLIM_FRAME_LISTEN:
		frame->listen.cookie = inherited_cookie(world.own_fd);
		frame->listen.flags &= SLIM_LISTEN_FLAGS;
		break;
	case SLIM_FRAME_UNLISTEN:
		frame->unlisten.cookie = inherited_cookie(world.own_fd);
		break;
	case SLIM_FRAME_CLAIM:
		frame->claim.ticket = world.ticket;
		frame->claim.domain = hints & 8 ? AF_INET : AF_INET6;
		frame->claim.flags &= SLIM_CLAIM_FLAGS;
		break;
	case SLIM_FRAME_NAME:
		frame->name.cookie = world.cookie;
		break;
	default:
		break;
	}
}

static void send_packet(const void *data, size_t len, int fd)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = { .header = {
		.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS,
		.cmsg_len = CMSG_LEN(sizeof(int)),
	} };
	struct iovec iov = { (void *)data, len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (fd >= 0) {
		memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
		msg.msg_control = &control;
		msg.msg_controllen = sizeof(control);
	}
	(void)sendmsg(world.shim->fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void ask(struct shim *shim, const struct slim_frame *frame)
{
	if (shim->asked_num == STEPS_MAX)
		return;
	shim->asked[shim->asked_num] = frame->id;
	shim->asked_type[shim->asked_num++] = (uint16_t)(frame->type + 1);
}

static void step_frame(struct input *input)
{
	uint8_t type = input_byte(input), hints = input_byte(input);
	union frame frame;
	size_t len = lengths[type % SLIM_FRAME_NUM];

	if (!len)
		len = sizeof(frame.frame);
	memset(&frame, 0, sizeof(frame));
	input_bytes(input, frame.bytes + sizeof(frame.frame), len - sizeof(frame.frame));
	frame.frame = (struct slim_frame){
		.magic = SLIM_CHANNEL_MAGIC, .version = SLIM_CHANNEL_VERSION,
		.type = type % SLIM_FRAME_NUM, .length = (uint32_t)len,
		.id = (uint32_t)(1 + (hints >> 5)),
	};
	if (!(type & 0x80))
		make_sense(&frame, hints);
	ask(world.shim, &frame.frame);
	send_packet(&frame, len, -1);
}

static void step_garbage(struct input *input)
{
	uint8_t bytes[1024];
	size_t len = input_u16(input) % sizeof(bytes);
	struct slim_frame frame;

	input_bytes(input, bytes, len);
	memcpy(&frame, bytes, sizeof(frame));
	if (len >= sizeof(frame))
		ask(world.shim, &frame);
	send_packet(bytes, len, -1);
}

static void step_descriptor(struct input *input)
{
	struct slim_hello hello = { .frame = {
		.magic = SLIM_CHANNEL_MAGIC, .version = SLIM_CHANNEL_VERSION,
		.type = SLIM_FRAME_HELLO, .length = sizeof(hello), .id = 1,
	} };
	int fd = input_byte(input) & 1 ? world.shim->fd : open("/dev/null", O_RDONLY | O_CLOEXEC);

	/* Where the kernel lets it through, it costs the channel. */
	ask(world.shim, &hello.frame);
	send_packet(&hello, sizeof(hello), fd);
	if (fd != world.shim->fd)
		close(fd);
}

static void step_listen(struct input *input)
{
	uint8_t how = input_byte(input);
	struct in6_addr addr = fixture_address(how & 1, how & 2 ? AF_INET : AF_INET6);
	struct slim_endpoint at = endpoint_make(&addr, how & 4 ? FIXTURE_LISTENER : OWN_PORT);
	struct sockaddr_in6 name = endpoint_sockaddr(&at);
	int one = 1, zero = 0;

	if (world.own_fd >= 0)
		close(world.own_fd);
	world.own_fd = socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	setsockopt(world.own_fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof(zero));
	setsockopt(world.own_fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(world.own_fd, (struct sockaddr *)&name, sizeof(name)) == 0)
		listen(world.own_fd, how >> 5);
}

static void step_accept(struct input *input)
{
	uint8_t how = input_byte(input);
	struct sockaddr_in6 name;
	socklen_t len = sizeof(name);
	int fd = how & 1 && world.own_fd >= 0 ?
		 accept4(world.own_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC) : fixture_accept();

	if (fd < 0)
		return;
	if (getpeername(fd, (struct sockaddr *)&name, &len) == 0)
		world.ticket = endpoint_from_sockaddr((struct sockaddr *)&name);
	if (how & 2)
		(void)send(fd, "x", 1, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (world.accepted_fd >= 0)
		fixture_reset(world.accepted_fd);
	world.accepted_fd = fd;
}

static void step(struct input *input)
{
	uint8_t what = input_byte(input);

	shim_open(world.shim);
	switch (what % STEP_NUM) {
	case STEP_FRAME:
		step_frame(input);
		break;
	case STEP_GARBAGE:
		step_garbage(input);
		break;
	case STEP_DESCRIPTOR:
		step_descriptor(input);
		break;
	case STEP_CLOSE:
		shim_close(world.shim);
		break;
	case STEP_LISTEN:
		step_listen(input);
		break;
	case STEP_ACCEPT:
		step_accept(input);
		break;
	case STEP_SWITCH:
		world.shim = &world.shims[input_byte(input) % CHANNELS];
		break;
	case STEP_WAIT:
		fixture_pass(input_byte(input));
		break;
	default:
		step_frame(input);
		return;
	}
	receive_all();
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc, (void)argv;
	fixture_start();
	require(channel_listen(fixture_containers[0], fixture_loop) == 0);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = { data, size };

	world.own_fd = world.accepted_fd = -1;
	for (int i = 0; i < CHANNELS; i++)
		world.shims[i].fd = world.shims[i].passing_fd = -1;
	world.shim = world.shims;
	for (int i = 0; i < STEPS_MAX && input.left; i++)
		step(&input);
	receive_all();
	for (int i = 0; i < CHANNELS; i++)
		shim_close(&world.shims[i]);
	if (world.own_fd >= 0)
		close(world.own_fd);
	if (world.accepted_fd >= 0)
		fixture_reset(world.accepted_fd);
	fixture_turn();
	fixture_drop();
	rcu_read_lock();
	listener_sweep(fixture_containers[0]);
	rcu_read_unlock();
	/* It is looked at when what was looked at before has been paid for in time. */
	for (int i = 0; i < LOOKS && fixture_containers[0]->listeners_num; i++)
		fixture_pass(100);
	require(!fixture_containers[0]->listeners_num);
	return 0;
}
