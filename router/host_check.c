/* SPDX-License-Identifier: MIT */
/* host_check.c - does this host have what the configuration names? */
#include "host_check.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "endpoint.h"
#include "host_key.h"
#include "log.h"
#include "policy.h"
#include "policy_archive.h"

#define SAY_MAX	256

/* --- the key --- */

/* A key that was copied from host to host, or one's own told for another's */
static int check_peers(const struct config *config, const uint8_t *key)
{
	for (size_t i = 0; i < config->peers_num; i++)
		if (!memcmp(config->peers[i].public_key, key, HOST_KEY_PUBLIC_LEN)) {
			fprintf(stderr, "peer %s: its public key is this host's own; each host has a "
				"key of its own (`slimctl keygen`)\n", config->peers[i].name);
			return -EINVAL;
		}
	return 0;
}

static int check_key(const struct config *config)
{
	const char *path = config->key_file;
	uint8_t key[HOST_KEY_PUBLIC_LEN];
	int err = host_key_public(path, key);

	switch (err) {
	case 0:
		return check_peers(config, key);
	case -ENOENT:
		fprintf(stderr, "key %s: there is none; `slimctl keygen %s` makes one\n", path, path);
		break;
	case -EPERM:
		fprintf(stderr, "key %s: others than its owner can read it; `chmod 600 %s`\n", path,
			path);
		break;
	case -EINVAL:
		fprintf(stderr, "key %s: found something else than an unencrypted Ed25519 private "
			"key in PEM; `slimctl keygen` makes one\n", path);
		break;
	default:
		fprintf(stderr, "key %s: cannot be read: %s\n", path, strerror(-err));
	}
	return -EINVAL;
}

/* --- the paths --- */

static int complain(const char *what, const char *path, const char *why)
{
	fprintf(stderr, "%s %s: %s\n", what, path, why);
	return -EINVAL;
}

/* Can something be made in the directory of @path? The last directory is made where it is missing. */
static int check_directory(const char *what, const char *path)
{
	char copy[PATH_MAX], above[PATH_MAX];
	struct stat st;
	const char *dir;

	snprintf(copy, sizeof(copy), "%s", path);
	dir = dirname(copy);
	if (stat(dir, &st) < 0 && errno == ENOENT) {
		snprintf(above, sizeof(above), "%s", dir);
		dir = dirname(above);
	}
	if (stat(dir, &st) < 0)
		return complain(what, path, strerror(errno));
	if (!S_ISDIR(st.st_mode))
		return complain(what, path, strerror(ENOTDIR));
	return access(dir, W_OK | X_OK) < 0 ? complain(what, path, strerror(errno)) : 0;
}

static int check_control(const char *path)
{
	struct stat st;

	if (strlen(path) >= sizeof(((struct sockaddr_un *)0)->sun_path))
		return complain("control", path, "too long for a socket's path (107 bytes)");
	if (lstat(path, &st) == 0 && !S_ISSOCK(st.st_mode))
		return complain("control", path, "found something else than a socket there");
	return check_directory("control", path);
}

static int check_state(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return check_directory("state", path);
	if (!S_ISDIR(st.st_mode))
		return complain("state", path, "found something else than a directory there");
	return access(path, W_OK | X_OK) < 0 ? complain("state", path, strerror(errno)) : 0;
}

/* --- the policy --- */

/* Does what an earlier router had in force still fit? */
static bool earlier_fits(const struct config *config, bool resumes)
{
	struct policy_sources sources;
	struct policy *policy = NULL;
	char *errors = NULL;
	bool fits;

	if (policy_archive_read(config->state, &sources))
		return false;
	if (sources.files_num)
		policy = policy_load_saved(&sources, config, &errors);
	fits = sources.files_num ? policy != NULL : resumes;
	policy_free(policy);
	policy_sources_free(&sources);
	free(errors);
	return fits;
}

static int check_policy(const struct config *config, bool resumes)
{
	struct policy *policy;
	char *errors;

	if (access(config->policy, F_OK) < 0 && errno == ENOENT)
		return 0;
	policy = policy_load(config->policy, config, &errors);
	if (policy) {
		policy_free(policy);
		return 0;
	}
	fputs(errors ? errors : "policy: memory does not suffice for it\n", stderr);
	free(errors);
	if (!earlier_fits(config, resumes))
		return -EINVAL;
	fprintf(stderr, "warning: policy %s: what an earlier router had in force stays\n",
		config->policy);
	return 0;
}

/* --- the addresses --- */

static bool is_here(const struct ifaddrs *list, const struct in6_addr *addr)
{
	for (; list; list = list->ifa_next) {
		struct slim_endpoint name;
		struct in6_addr found;

		if (!list->ifa_addr || (list->ifa_addr->sa_family != AF_INET &&
					list->ifa_addr->sa_family != AF_INET6))
			continue;
		name = endpoint_from_sockaddr(list->ifa_addr);
		found = endpoint_addr(&name);
		if (!memcmp(&found, addr, sizeof(found)))
			return true;
	}
	return false;
}

static void each_missing(const struct config *config, void (*say)(const char *text))
{
	char text[SAY_MAX], name[INET6_ADDRSTRLEN];
	struct ifaddrs *list;

	if (getifaddrs(&list) < 0)
		return;
	for (size_t i = 0; i < config->addresses_num; i++) {
		if (is_here(list, &config->addresses[i]))
			continue;
		snprintf(text, sizeof(text), "address %s of host %s: no device of this host has it; "
			 "peers will not reach it there",
			 addr_format(&config->addresses[i], name, sizeof(name)), config->host_name);
		say(text);
	}
	freeifaddrs(list);
}

static void print(const char *text)
{
	fprintf(stderr, "warning: %s\n", text);
}

static void warn(const char *text)
{
	log_warning("%s", text);
}

void host_check_addresses(const struct config *config)
{
	each_missing(config, warn);
}

int host_check(const struct config *config, bool resumes)
{
	int key = check_key(config);
	int control = check_control(config->control);
	int state = check_state(config->state);
	int policy = check_policy(config, resumes);

	each_missing(config, print);
	return key || control || state || policy ? -EINVAL : 0;
}
