/* SPDX-License-Identifier: MIT */
/*
 * router.c - what the routers of Slim's world know of listeners
 */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "router.h"

#define ANSWER_MAX	(1 << 20)

static const char *controls[ROUTERS_MAX];
static int controls_num;

void router_add(const char *control)
{
	if (controls_num < ROUTERS_MAX)
		controls[controls_num++] = control;
}

static bool ask(const char *control, char *answer)
{
	static const char request[] = "{\"version\": 1, \"command\": \"listeners\"}";
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	ssize_t got = -1;

	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s", control);
	if (!connect(fd, (void *)&sun, sizeof(sun)) && send(fd, request, strlen(request), MSG_NOSIGNAL) > 0)
		got = recv(fd, answer, ANSWER_MAX - 1, 0);
	close(fd);
	answer[got > 0 ? got : 0] = '\0';
	return got > 0;
}

static bool lists(const char *control, char *const *addresses, uint16_t port)
{
	static char answer[ANSWER_MAX];
	char entry[120];

	if (!ask(control, answer))
		return false;
	for (int i = 0; i < 2; i++) {
		snprintf(entry, sizeof(entry), "\"address\":\"%s\",\"port\":%u,", addresses[i], port);
		if (strstr(answer, entry))
			return true;
	}
	return false;
}

static long long now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

bool router_wait(char *const *addresses, uint16_t port, bool listed, int ms)
{
	long long until = now_ms() + ms;

	for (int i = 0; i < controls_num;) {
		if (lists(controls[i], addresses, port) == listed) {
			i++;
			continue;
		}
		if (now_ms() >= until)
			return false;
		usleep(300);
	}
	return true;
}
