/* SPDX-License-Identifier: MIT */
/* slimctl_key.c - slimctl keygen, pubkey: who this host is */
#include "slimctl.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "client.h"

#include "../router/base64.h"
#include "../router/host_key.h"

#define KEY_DEFAULT	"/etc/slim/host.key"

static void print_key(const struct slimctl *ctl, const char *file,
		      const uint8_t key[HOST_KEY_PUBLIC_LEN])
{
	char text[BASE64_SIZE(HOST_KEY_PUBLIC_LEN)];
	json_t *reply;

	base64_encode(text, key, HOST_KEY_PUBLIC_LEN);
	if (!ctl->json) {
		puts(text);
		return;
	}
	reply = json_pack("{s:i, s:b, s:s, s:s}", "version", CLIENT_VERSION, "ok", 1,
			  "file", file, "public_key", text);
	slimctl_print_json(reply);
	json_decref(reply);
}

static int fail_write(const struct slimctl *ctl, const char *file, int err)
{
	switch (err) {
	case -EEXIST:
		return slimctl_fail(ctl, "%s exists, and is not overwritten: `slimctl pubkey %s` "
				    "prints its public half", file, file);
	case -ENOENT:
		return slimctl_fail(ctl, "cannot write %s: its directory does not exist (make it, of "
				    "mode 0700 or 0755)", file);
	default:
		return slimctl_fail(ctl, "cannot write %s: %s", file, strerror(-err));
	}
}

static int fail_read(const struct slimctl *ctl, const char *file, int err)
{
	switch (err) {
	case -ENOENT:
		return slimctl_fail(ctl, "there is no key %s: `slimctl keygen %s` makes one", file,
				    file);
	case -EPERM:
		return slimctl_fail(ctl, "others than its owner can read %s: `chmod 600 %s`, or make "
				    "a new key", file, file);
	case -EINVAL:
		return slimctl_fail(ctl, "%s is not an unencrypted Ed25519 private key in PEM", file);
	default:
		return slimctl_fail(ctl, "cannot read %s: %s", file, strerror(-err));
	}
}

int slimctl_keygen(const struct slimctl *ctl)
{
	const char *file = ctl->name ? ctl->name : KEY_DEFAULT;
	uint8_t key[HOST_KEY_PUBLIC_LEN];
	int err = host_key_generate(file, key);

	if (err)
		return fail_write(ctl, file, err);
	print_key(ctl, file, key);
	return 0;
}

int slimctl_pubkey(const struct slimctl *ctl)
{
	const char *file = ctl->name ? ctl->name : KEY_DEFAULT;
	uint8_t key[HOST_KEY_PUBLIC_LEN];
	int err = host_key_public(file, key);

	if (err)
		return fail_read(ctl, file, err);
	print_key(ctl, file, key);
	return 0;
}
