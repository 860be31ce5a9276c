/* SPDX-License-Identifier: MIT */
/*
 * fuzz_slimport.c - strangers and peers on a slim port
 *
 * links: ROUTER
 * libs: urcu urcu-cds urcu-common ssl crypto jansson nl-3 pthread
 *
 * The input is a list of steps with one connection to the first slim port, or another one: bytes, a
 * preamble that this host has sealed itself, whole, in pieces, twice, with bytes changed, the end.
 * Behind them is the real router (see fixture.h). Nothing but what follows a good preamble may come out
 * at the container's listener, and each one counts once.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <unistd.h>
#include <urcu.h>

#include "../../router/endpoint.h"
#include "../../router/peer.h"
#include "fixture.h"
#include "input.h"

#define STEPS_MAX	32
#define BYTES_MAX	255

enum step {
	STEP_CONNECT,
	STEP_BYTES,
	STEP_SEAL,
	STEP_PREAMBLE,		/* some of it */
	STEP_CHANGED,
	STEP_FIN,
	STEP_WAIT,
	STEP_NUM
};

static int fd;
static uint8_t preamble[PREAMBLE_MAX];
static int preamble_len;
static bool genuine;		/* a sealed one has been sent, as it was */
static unsigned int sealed;

static void begin(uint16_t port)
{
	struct in6_addr host = { .s6_addr = { [10] = 0xff, [11] = 0xff, [12] = 127, [15] = 1 } };
	struct slim_endpoint to = endpoint_make(&host, port);
	struct sockaddr_in6 name = endpoint_sockaddr(&to);
	int one = 1;

	if (fd >= 0)
		fixture_reset(fd);
	fd = fixture_connect(&name);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
}

static void give(const void *data, size_t len)
{
	(void)send(fd, data, len, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void seal(struct input *input)
{
	uint8_t hints = input_byte(input);
	struct in6_addr src = fixture_address(hints & 1, hints & 2 ? AF_INET : AF_INET6);
	struct in6_addr dst = fixture_address(!(hints & 4), hints & 2 ? AF_INET : AF_INET6);
	struct preamble fields = {
		.vni = hints & 8 ? input_u16(input) : FIXTURE_VNI,
		.src_port = input_u16(input),
		.dst_port = hints & 16 ? input_u16(input) : FIXTURE_LISTENER,
	};

	memcpy(fields.src, &src, sizeof(fields.src));
	memcpy(fields.dst, &dst, sizeof(fields.dst));
	if (hints & 32)
		input_bytes(input, fields.src, sizeof(fields.src));
	if (hints & 64)
		fields.src_vni = input_u16(input);
	rcu_read_lock();
	preamble_len = peer_preamble_seal(peer_self(), fixture_worker.mac, &fields, preamble);
	rcu_read_unlock();
	require(preamble_len > 0);
	sealed++;
}

static void give_changed(struct input *input)
{
	uint8_t at = input_byte(input), turned = input_byte(input), changed[PREAMBLE_MAX];

	if (!preamble_len)
		return;
	memcpy(changed, preamble, sizeof(changed));
	changed[at % preamble_len] ^= turned;
	genuine |= !turned;
	give(changed, (size_t)preamble_len);
}

static void give_part(struct input *input)
{
	uint8_t from = input_byte(input), to = input_byte(input);

	if (!preamble_len)
		return;
	from = (uint8_t)(from % preamble_len);
	to = (uint8_t)(to ? from + to % (preamble_len - from + 1) : preamble_len);
	genuine = true;		/* its pieces may make a whole */
	give(preamble + from, (size_t)(to - from));
}

static void step(struct input *input)
{
	uint8_t what = input_byte(input), bytes[BYTES_MAX];

	switch (what % STEP_NUM) {
	case STEP_CONNECT:
		begin((uint16_t)(FIXTURE_PORT_FIRST + input_byte(input) %
				 (FIXTURE_PORT_LAST - FIXTURE_PORT_FIRST + 1)));
		return;
	case STEP_BYTES:
		give(bytes, input_bytes(input, bytes, input_byte(input)));
		break;
	case STEP_SEAL:
		seal(input);
		return;
	case STEP_PREAMBLE:
		give_part(input);
		break;
	case STEP_CHANGED:
		give_changed(input);
		break;
	case STEP_FIN:
		shutdown(fd, SHUT_WR);
		break;
	default:
		fixture_pass(input_u16(input) % 6000);
		break;
	}
	fixture_turn();
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc, (void)argv;
	fixture_start();
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = { data, size };
	unsigned int accepted = 0;
	int one;

	fd = -1;
	preamble_len = 0;
	genuine = false;
	sealed = 0;
	begin(FIXTURE_PORT_FIRST + 1);
	for (int i = 0; i < STEPS_MAX && input.left; i++)
		step(&input);
	fixture_turn();
	for (; (one = fixture_accept()) >= 0; accepted++)
		fixture_reset(one);
	require(accepted <= (genuine ? sealed : 0));
	fixture_reset(fd);
	fixture_drop();
	return 0;
}
