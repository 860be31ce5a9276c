/* SPDX-License-Identifier: MIT */
/*
 * fuzz_slimctl.c - any bytes as a router's replies to slimctl
 *
 * links: tools/client.c tools/format.c tools/netns.c tools/slimctl.c tools/slimctl_attach.c tools/slimctl_guard.c tools/slimctl_upgrade.c tools/slimctl_policy.c tools/slimctl_policy_diff.c tools/slimctl_policy_test.c router/policy_pack.c router/policy.c router/policy_build.c router/policy_check.c router/policy_compile.c router/policy_inputs.c router/policy_domain.c router/policy_identity.c router/policy_lex.c router/policy_ends.c router/policy_include.c router/policy_parse.c router/policy_parser.c router/policy_rule.c router/policy_report.c router/policy_resolve.c router/policy_source.c router/policy_uses.c router/policy_value.c router/config.c router/config_lex.c router/config_parse.c router/config_report.c router/config_value.c router/config_word.c router/endpoint.c router/log.c tools/slimctl_key.c tools/slimctl_show.c tools/slimctl_status.c tools/slimctl_text.c tools/table.c router/host_key.c router/base64.c core/classifier.c core/classifier_axis.c core/classifier_build.c core/classifier_cells.c core/classifier_crowd.c core/classifier_events.c core/classifier_members.c core/classifier_memory.c core/classifier_services.c core/classifier_sieve.c core/classifier_sort.c core/classifier_tree.c
 * without: tools/client.c tools/slimctl.c
 * libs: jansson crypto
 *
 * The first byte chooses the command, the others are the reply's packets, ended by zeroes. What is printed
 * must be text that drives no terminal.
 */
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "input.h"

/* The router's end of the connection: all that it will ever say is there from the start. */
static int connect_router(int fd, const struct sockaddr *name, socklen_t len);
#define connect connect_router
#include "../../tools/client.c"
#undef connect

#undef PACKET_MAX
#define main slimctl_main
int main(int argc, char **argv);
#include "../../tools/slimctl.c"
#undef main

static const struct input *packets;
static int router_fd;

static int connect_router(int fd, const struct sockaddr *name, socklen_t len)
{
	struct input input = *packets;
	int ends[2];

	(void)name, (void)len;
	require(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0);
	require(dup2(ends[0], fd) == fd);
	close(ends[0]);
	router_fd = ends[1];
	while (input.left) {
		const uint8_t *end = memchr(input.data, 0, input.left);
		size_t num = end ? (size_t)(end - input.data) : input.left;

		(void)send(router_fd, input.data, num, MSG_DONTWAIT | MSG_NOSIGNAL);
		input.data += num + (end ? 1 : 0);
		input.left -= num + (end ? 1 : 0);
	}
	shutdown(router_fd, SHUT_WR);
	return 0;
}

/* In JSON, which is for programs, DEL stands for itself. */
static void check(const char *text, size_t len, bool json)
{
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];

		require(c == '\n' || (c >= ' ' && (c != 0x7f || json)));
		require(c != 0xc2 || i + 1 == len || !((unsigned char)text[i + 1] >= 0x80 &&
						       (unsigned char)text[i + 1] < 0xa0));
	}
}

/* A policy to compare with what is in force */
static const char *policy_file(void)
{
	static const char text[] = "tenant blue\n";
	static char path[32];
	int fd;

	if (*path)
		return path;
	fd = memfd_create("policy", MFD_CLOEXEC);
	require(write(fd, text, sizeof(text) - 1) == sizeof(text) - 1);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return path;
}

static int run_policy(struct slimctl *ctl, uint8_t how)
{
	char *const lines[][5] = {
		{ "show" }, { "stats", "unused" }, { "test", "a", "b", "80" },
		{ "diff", (char *)policy_file() },
	};

	ctl->netns = NULL;
	json_array_clear(ctl->addresses);
	if ((how & 3) != 2)
		ctl->tenant = NULL;
	ctl->arguments = (char **)lines[how & 3];
	ctl->name = ctl->arguments[0];
	return slimctl_policy(ctl);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slimctl ctl = { .socket_path = "/slim", .name = "c", .netns = "/proc/1/ns/net",
			       .tenant = "blue" };
	struct input input = { data, size };
	uint8_t how = input_byte(&input);
	size_t len = 0;
	FILE *said, *out = stdout, *err = stderr;
	char *text = NULL;
	int status;

	stdout = stderr = said = open_memstream(&text, &len);
	packets = &input;
	ctl.json = how & 0x80;
	ctl.addresses = json_array();
	ctl.labels = json_object();
	json_array_append_new(ctl.addresses, json_string("10.32.0.1"));
	/* Not keygen, pubkey, help */
	status = how & 0x40 ? run_policy(&ctl, how) : commands[how % 7].run(&ctl);
	json_decref(ctl.addresses);
	json_decref(ctl.labels);
	stdout = out;
	stderr = err;
	fclose(said);
	require(status == 0 || status == SLIMCTL_FAILED);
	check(text, len, ctl.json);
	free(text);
	close(router_fd);
	return 0;
}
