/* SPDX-License-Identifier: MIT */
/*
 * fuzz_shim_channel.c - any frames as a router's answers to the shim
 *
 * links: tests/unit/open_fds.c shim/channel.c shim/channel_socket.c shim/clock.c shim/address.c shim/debug.c
 * links: shim/exchange.c shim/frame.c shim/late.c shim/slot.c shim/user.c shim/world.c
 * without: shim/channel.c shim/channel_socket.c shim/slot.c shim/world.c
 * libs: pthread
 *
 * The input is what the router will say, frame by frame, with descriptors, on channel after channel and
 * on their passing sockets; meanwhile the shim asks all that it asks. It must take nothing for an
 * answer that is none, and keep no descriptor that it was not asked for. The router is a queue that ends, so that
 * nobody waits.
 */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "../unit/open_fds.h"
#include "input.h"

#include "../../shim/sys.h"

static long connect_router(int fd);
#define sys_connect(fd, name, len) connect_router(fd)
/* Who made a socket pair is this process, which has no /proc to say where it is. */
#define sys_readlink(path, out, size) (-ENOENT)
#include "../../shim/channel_socket.c"
#undef sys_connect
#undef sys_readlink
/* They have what is forgotten between two inputs. */
#include "../../shim/channel.c"
#include "../../shim/slot.c"
#include "../../shim/world.c"

#include "../../shim/address.h"

#define FRAMES_MAX	16	/* on one socket */
#define ENDS_MAX	64
#define ASKS		10

static struct input *rest;
static int ends[ENDS_MAX], ends_num, null_fd;

static const uint16_t reply_len[SLIM_FRAME_NUM] = {
	[SLIM_FRAME_HELLO_REPLY] = sizeof(struct slim_hello_reply),
	[SLIM_FRAME_CONNECT_REPLY] = sizeof(struct slim_connect_reply),
	[SLIM_FRAME_LISTEN_REPLY] = sizeof(struct slim_listen_reply),
	[SLIM_FRAME_CLAIM_REPLY] = sizeof(struct slim_claim_reply),
	[SLIM_FRAME_NAME_REPLY] = sizeof(struct slim_name_reply),
};

static int queue_open(unsigned int depth);

static void queue_frame(int to, unsigned int depth)
{
	uint8_t how = input_byte(rest), type = input_byte(rest) % SLIM_FRAME_NUM;
	uint32_t id = input_byte(rest), num = how & 3;
	size_t len = how & 4 ? input_u16(rest) % 2048 : reply_len[type];
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(3 * sizeof(int))];
	} control = { .header = { .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS,
				  .cmsg_len = CMSG_LEN(num * sizeof(int)) } };
	uint8_t bytes[2048];
	struct iovec iov = { bytes, len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	int passed = how & 8 && depth < 2 ? queue_open(depth + 1) : null_fd;

	input_bytes(rest, bytes, len);
	if (!(how & 16) && len >= sizeof(struct slim_frame))
		memcpy(bytes, &(struct slim_frame){
			.magic = SLIM_CHANNEL_MAGIC, .version = SLIM_CHANNEL_VERSION,
			.type = type, .length = (uint32_t)len, .id = id }, sizeof(struct slim_frame));
	for (uint32_t i = 0; i < num; i++)
		memcpy(CMSG_DATA(&control.header) + i * sizeof(int), &passed, sizeof(int));
	if (num) {
		msg.msg_control = &control;
		msg.msg_controllen = CMSG_SPACE(num * sizeof(int));
	}
	(void)sendmsg(to, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (passed != null_fd)
		close(passed);
}

/* The shim's end of a socket on which there is all that will come */
static int queue_open(unsigned int depth)
{
	int pair[2], frames;

	if (ends_num == ENDS_MAX || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return null_fd;
	ends[ends_num++] = pair[1];
	frames = input_byte(rest) % FRAMES_MAX;
	for (int i = 0; i < frames && rest->left; i++)
		queue_frame(pair[1], depth);
	shutdown(pair[1], SHUT_WR);
	return pair[0];
}

static long connect_router(int fd)
{
	int end = rest->left ? queue_open(0) : null_fd;

	if (end == null_fd)
		return -ECONNREFUSED;
	require(dup2(end, fd) == fd);
	close(end);
	return 0;
}

/* --- the shim asks --- */

union reply {
	struct slim_frame frame;
	struct slim_connect_reply connect;
	struct slim_listen_reply listen;
	struct slim_claim_reply claim;
	struct slim_name_reply name;
};

static void name_it(const struct slim_endpoint *endpoint, uint16_t domain)
{
	struct slim_endpoint again;
	union address address;
	uint32_t len = address_from_endpoint(&address, domain == AF_INET ? AF_INET : AF_INET6,
					     endpoint);

	require(address_to_endpoint(&address, len, &again) == 0 && again.port == endpoint->port);
}

static void ask_router(uint8_t what)
{
	static const struct {
		uint16_t type, len;
	} requests[] = {
		{ SLIM_FRAME_CONNECT, sizeof(struct slim_connect) },
		{ SLIM_FRAME_LISTEN, sizeof(struct slim_listen) },
		{ SLIM_FRAME_CLAIM, sizeof(struct slim_claim) },
		{ SLIM_FRAME_NAME, sizeof(struct slim_name) },
	};
	uint16_t type = requests[what % 4].type;
	char request[256] = "";
	union reply reply;
	int fd = -1;
	bool takes_fd = type == SLIM_FRAME_CONNECT || type == SLIM_FRAME_CLAIM;
	int err;

	memset(&reply, 0, sizeof(reply));
	err = channel_ask_fd(&(struct question){
		.type = type, .request = request, .len = requests[what % 4].len,
		.reply_type = type + 1, .reply = &reply, .reply_len = reply_len[type + 1],
		.fd = takes_fd ? &fd : NULL, .last = what & 4 });
	require(err <= 0);
	if (!err) {
		require(reply.frame.magic == SLIM_CHANNEL_MAGIC);
		require(reply.frame.type == type + 1 && reply.frame.id);
		require(reply.frame.length == reply_len[type + 1]);
	}
	if (!err && type == SLIM_FRAME_NAME)
		name_it(&reply.name.local, reply.name.domain);
	if (fd >= 0)
		require(close(fd) == 0);
}

static void check_world(void)
{
	const struct world *known = world_known();

	if (!known)
		return;
	require(known->hello.prefixes_num <= SLIM_CHANNEL_PREFIXES);
	require(known->hello.addresses_num <= SLIM_CHANNEL_ADDRESSES);
}

/* As a program that has just begun */
static void forget(void)
{
	for (int i = 0; state_page && i < SLOTS; i++)
		slot_close(&state_page->slots[i]);
	if (state_page)
		sys_munmap(state_page, sizeof(*state_page));
	state_page = NULL;
	current = NULL;
	absent_until = 0;
	memset(inherited, 0, sizeof(inherited));
	while (ends_num)
		close(ends[--ends_num]);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc, (void)argv;
	null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = { data, size };
	int before = open_fds();
	uint8_t asks[ASKS];

	input_bytes(&input, asks, sizeof(asks));
	rest = &input;
	for (int i = 0; i < ASKS; i++) {
		ask_router(asks[i]);
		check_world();
	}
	channel_refresh();
	check_world();
	forget();
	require(open_fds() == before);
	return 0;
}
