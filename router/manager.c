/* SPDX-License-Identifier: MIT */
/* manager.c - the service manager that started us, where there is one */
#include "manager.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>

#include "log.h"

#define CONTROL_VARIABLE	"SLIMROUTER_CONTROL"	/* across an upgrade */
#define FLUSH_TIMEOUT		5000000			/* us */

static uint64_t watchdog_us;	/* 0: not asked for */
static struct loop *loop;
static struct loop_timer watchdog;

static bool is_control(int fd, const struct config *config)
{
	return sd_is_socket_unix(fd, SOCK_SEQPACKET, 1, config->control, 0) > 0;
}

int manager_init(const struct config *config)
{
	char **names = NULL;
	int num = sd_listen_fds_with_names(1, &names);

	if (sd_watchdog_enabled(0, &watchdog_us) <= 0)
		watchdog_us = 0;
	if (num < 0) {
		log_warning("LISTEN_FDS makes no sense: %s", strerror(-num));
		return 0;
	}
	for (int i = 0; i < num; i++) {
		if (is_control(SD_LISTEN_FDS_START + i, config))
			setenv(CONTROL_VARIABLE, config->control, 1);
		log_debug("descriptor %d is the service manager's \"%s\"",
			  SD_LISTEN_FDS_START + i, names[i]);
		free(names[i]);
	}
	free(names);
	return num;
}

bool manager_has_control(void)
{
	return getenv(CONTROL_VARIABLE) != NULL;
}

bool manager_listens(void)
{
	return getenv("NOTIFY_SOCKET") != NULL;
}

static void watchdog_handle(struct loop_timer *timer)
{
	sd_notify(0, "WATCHDOG=1");
	loop_timer_set(loop, timer, (unsigned int)(watchdog_us / 3000));
}

void manager_ready(struct loop *control, const char *status)
{
	sd_notifyf(0, "READY=1\nSTATUS=%s", status);
	loop = control;
	watchdog.handle = watchdog_handle;
	if (watchdog_us)
		watchdog_handle(&watchdog);
}

void manager_stopping(const char *status)
{
	sd_notifyf(0, "STOPPING=1\nSTATUS=%s", status);
}

int manager_store(const char *name, const int *fds, size_t num)
{
	char text[64];
	int ret;

	snprintf(text, sizeof(text), "FDSTORE=1\nFDPOLL=0\nFDNAME=%s", name);
	ret = sd_pid_notify_with_fds(0, 0, text, fds, (unsigned int)num);
	if (ret < 0)
		log_warning("the service manager cannot keep %zu descriptors: %s", num,
			    strerror(-ret));
	return ret > 0 ? 0 : ret < 0 ? ret : -ENOTCONN;
}

void manager_forget(const char *name)
{
	sd_notifyf(0, "FDSTOREREMOVE=1\nFDNAME=%s", name);
}

void manager_flush(void)
{
	if (manager_listens())
		sd_notify_barrier(0, FLUSH_TIMEOUT);
}
