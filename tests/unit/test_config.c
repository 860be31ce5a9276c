/* SPDX-License-Identifier: MIT */
/*
 * test_config.c - slimrouter.conf(5): what is taken, what is refused, and how it is said
 *
 * links: router/config.c router/config_lex.c router/config_parse.c router/config_report.c router/config_value.c router/config_word.c router/base64.c router/endpoint.c router/log.c
 * libs: check
 */
#include <arpa/inet.h>
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../router/base64.h"
#include "../../router/config.h"
#include "../../router/endpoint.h"
#include "suite.h"

#define HOST	"host h1 { address 192.0.2.1; }\n"
#define KEY	"11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
#define COUNT(a) ((int)(sizeof(a) / sizeof((a)[0])))

static char error[8192];

static struct config *parse(const char *text)
{
	return config_parse("t", text, strlen(text), error, sizeof(error));
}

static struct config *parse_good(const char *text)
{
	struct config *config = parse(text);

	ck_assert_msg(config != NULL, "%s", error);
	ck_assert_str_eq(error, "");
	return config;
}

static struct in6_addr addr(const char *text)
{
	struct in6_addr out;

	ck_assert_int_eq(addr_parse(text, &out), 0);
	return out;
}

static void ck_addr(const struct in6_addr *found, const char *expected)
{
	char text[INET6_ADDRSTRLEN];

	ck_assert_str_eq(addr_format(found, text, sizeof(text)), expected);
}

START_TEST(defaults)
{
	struct config *config = parse_good(HOST);

	ck_assert_str_eq(config->host_name, "h1");
	ck_assert_uint_eq(config->addresses_num, 1);
	ck_assert_uint_eq(config->port_first, 4790);
	ck_assert_uint_eq(config->port_last, 4853);
	ck_assert_uint_eq(config->vxlan_port, 4789);
	ck_assert_uint_eq(config->wire_mtu, 1500);
	ck_assert_str_eq(config->key_file, "/etc/slim/host.key");
	ck_assert_str_eq(config->control, CONFIG_DEFAULT_CONTROL);
	ck_assert_str_eq(config->policy, "/etc/slim/policy");
	ck_assert_uint_eq(config->key_lifetime, 3600);
	ck_assert_uint_ge(config->workers, 1);
	ck_assert_uint_le(config->workers, 4);
	ck_assert_int_eq(config->egress, CONFIG_EGRESS_MASQUERADE);
	ck_assert_int_eq(config->guard, CONFIG_GUARD_PREFER);
	ck_assert_int_eq(config->log_level, LOG_LEVEL_INFO);
	ck_assert_uint_eq(config->limits.containers, 4096);
	ck_assert_uint_eq(config->limits.channels, 1024);
	ck_assert_uint_eq(config->limits.listeners, 1024);
	ck_assert_uint_eq(config->limits.connections, 65536);
	ck_assert_uint_eq(config->limits.pending, 4096);
	ck_assert_uint_eq(config->limits.unadmitted, 2048);
	ck_assert_uint_eq(config->limits.spliced, 512);
	ck_assert_uint_eq(config->limits.requests, 20000);
	ck_assert_uint_eq(config->tenants_num, 0);
	ck_assert_uint_eq(config->peers_num, 0);
	config_free(config);
}
END_TEST

static const char everything[] =
	"# comment\n"
	"host \"h1\" { address 192.0.2.1; address 2001:db8::1; # two\n"
	"  key \"/a b/k#1\"; slim-ports 5000-5255; vxlan-port 4790; wire-mtu 9000; }\r\n"
	"peer h2 { address 192.0.2.2; address 2001:db8::2; port 5000; public-key " KEY "; }\n"
	"tenant blue { vni 100; prefix 10.32.0.0/16; prefix \"fd32::/48\"; }\n"
	"tenant red{vni 16777215;prefix 10.32.0.0/16;}\n"
	"limits { containers 1; channels 2; listeners 3; connections 4; pending 5;\n"
	"  spliced 6; requests 7; unadmitted 8; }\n"
	"egress none; guard require; control /run/x.sock; workers 3; key-lifetime 60; log-level debug;";

START_TEST(everything_globals)
{
	struct config *config = parse_good(everything);

	ck_addr(&config->addresses[0], "192.0.2.1");
	ck_addr(&config->addresses[1], "2001:db8::1");
	ck_assert_str_eq(config->key_file, "/a b/k#1");
	ck_assert_uint_eq(config->port_first, 5000);
	ck_assert_uint_eq(config->port_last, 5255);
	ck_assert_uint_eq(config->vxlan_port, 4790);
	ck_assert_uint_eq(config->wire_mtu, 9000);
	ck_assert_uint_eq(config->limits.containers, 1);
	ck_assert_uint_eq(config->limits.channels, 2);
	ck_assert_uint_eq(config->limits.listeners, 3);
	ck_assert_uint_eq(config->limits.connections, 4);
	ck_assert_uint_eq(config->limits.pending, 5);
	ck_assert_uint_eq(config->limits.spliced, 6);
	ck_assert_uint_eq(config->limits.requests, 7);
	ck_assert_uint_eq(config->limits.unadmitted, 8);
	ck_assert_int_eq(config->egress, CONFIG_EGRESS_NONE);
	ck_assert_int_eq(config->guard, CONFIG_GUARD_REQUIRE);
	ck_assert_str_eq(config->control, "/run/x.sock");
	ck_assert_uint_eq(config->workers, 3);
	ck_assert_uint_eq(config->key_lifetime, 60);
	ck_assert_int_eq(config->log_level, LOG_LEVEL_DEBUG);
	config_free(config);
}
END_TEST

START_TEST(everything_lists)
{
	struct config *config = parse_good(everything);
	const struct config_tenant *blue = config_tenant_by_name(config, "blue");
	uint8_t key[CONFIG_PUBLIC_KEY_LEN];

	ck_assert_uint_eq(config->peers_num, 1);
	ck_assert_str_eq(config->peers[0].name, "h2");
	ck_assert_uint_eq(config->peers[0].addresses_num, 2);
	ck_assert_uint_eq(config->peers[0].port, 5000);
	ck_assert_int_eq(base64_decode(key, sizeof(key), KEY), 0);
	ck_assert_mem_eq(config->peers[0].public_key, key, sizeof(key));
	ck_assert_uint_eq(config->tenants_num, 2);
	ck_assert_ptr_eq(config_tenant_by_vni(config, 100), blue);
	ck_assert_uint_eq(blue->prefixes_num, 2);
	ck_assert_uint_eq(blue->prefixes[0].len, 112);
	ck_addr(&blue->prefixes[0].addr, "10.32.0.0");
	ck_assert_uint_eq(blue->prefixes[1].len, 48);
	ck_assert_ptr_null(config_tenant_by_name(config, "green"));
	ck_assert_ptr_null(config_tenant_by_vni(config, 101));
	config_free(config);
}
END_TEST

/* In neither order of theirs */
START_TEST(tenants)
{
	struct config *config;
	char text[4096] = "host h1 { address 192.0.2.1; }\n", name[8];

	for (unsigned int i = 0; i < 37; i++)
		sprintf(text + strlen(text), "tenant t%u { vni %u; prefix 10.%u.0.0/16; }\n", i * 5 % 37,
			i * 7 % 37 + 1, i);
	config = parse_good(text);
	ck_assert_uint_eq(config->tenants_num, 37);
	for (unsigned int i = 0; i < 37; i++) {
		sprintf(name, "t%u", i * 5 % 37);
		ck_assert_ptr_eq(config_tenant_by_name(config, name), &config->tenants[i]);
		ck_assert_ptr_eq(config_tenant_by_vni(config, i * 7 % 37 + 1), &config->tenants[i]);
		ck_assert_str_eq(config_tenant_name(config, i * 7 % 37 + 1), name);
	}
	ck_assert_ptr_null(config_tenant_by_name(config, "t"));
	ck_assert_ptr_null(config_tenant_by_name(config, "t37"));
	ck_assert_ptr_null(config_tenant_by_vni(config, 38));
	ck_assert_str_eq(config_tenant_name(config, 38), "?");
	config_free(config);
}
END_TEST

static const struct {
	const char *prefix, *addr;
	bool covers;
} covered[] = {
	{ "10.32.0.0/16", "10.32.255.255", true },
	{ "10.32.0.0/16", "10.33.0.0", false },
	{ "10.32.0.0/16", "fd32::1", false },
	{ "10.32.0.0/15", "10.33.1.2", true },
	{ "10.32.0.1/32", "10.32.0.1", true },
	{ "10.32.0.1/32", "10.32.0.0", false },
	{ "fd32::/48", "fd32:0:0:ffff::1", true },
	{ "fd32::/48", "fd32:0:1::1", false },
	{ "fd32::/17", "fd32:7fff::", true },
	{ "fd32::/17", "fd32:8000::", false },
	{ "fd32::1/128", "fd32::1", true },
	{ "::ffff:10.0.0.0/104", "10.255.0.1", true },
};

START_TEST(covers)
{
	char text[256];
	struct config *config;
	struct in6_addr address = addr(covered[_i].addr);

	snprintf(text, sizeof(text), HOST "tenant t { vni 1; prefix %s; }", covered[_i].prefix);
	config = parse_good(text);
	ck_assert_int_eq(config_tenant_covers(&config->tenants[0], &address), covered[_i].covers);
	config_free(config);
}
END_TEST

/* @error: the whole of it */
static const struct {
	const char *text, *error;
} wrong[] = {
	{ "", "t:1:1: found the file without \"host\", expected one\n" },
	{ "host h1 {}", "t:1:1: found a host block without \"address\", expected one\n" },
	{ HOST "wokers 2;",
	  "t:2:1: found \"wokers\", expected a keyword of the file; the nearest is \"workers\"\n" },
	{ HOST "mtu 1500;",
	  "t:2:1: found \"mtu\", expected a keyword of the file, see slimrouter.conf(5)\n" },
	{ HOST "wire-mtu 1500;",
	  "t:2:1: found \"wire-mtu\", expected a keyword of the file; this one belongs in a host block\n" },
	{ "host h1 { address 192.0.2.1; workers 2; }",
	  "t:1:30: found \"workers\", expected a keyword of a host block; this one stands outside of all blocks\n" },
	{ HOST HOST, "t:2:1: found \"host\", expected it once: line 1 has it already\n" },
	{ HOST "workers 0;", "t:2:9: found \"0\", expected a number from 1 to 256\n" },
	{ HOST "workers 99999999999999999999999999;",
	  "t:2:9: found \"99999999999999999999999999\", expected a number from 1 to 256\n" },
	{ HOST "workers -1;", "t:2:9: found \"-1\", expected a number from 1 to 256\n" },
	{ HOST "workers;", "t:2:8: found \";\", expected a number\n" },
	{ HOST "workers 2", "t:2:10: found the end of the file, expected \";\" behind the value\n" },
	{ HOST "workers 2 3;", "t:2:11: found \"3\", expected \";\" behind the value\n" },
	{ HOST "workers 2\nlog-level loud;\n",
	  "t:3:1: found \"log-level\", expected \";\" behind the value\n"
	  "t:3:11: found \"loud\", expected \"error\", \"warning\", \"info\" or \"debug\"\n" },
	{ HOST "guard on;", "t:2:7: found \"on\", expected \"require\", \"prefer\" or \"off\"\n" },
	{ HOST "egress nat;", "t:2:8: found \"nat\", expected \"masquerade\" or \"none\"\n" },
	{ HOST "control run/x;",
	  "t:2:9: found \"run/x\", expected an absolute path of at most 107 bytes\n" },
	{ HOST "control \"/run\nworkers 2;",
	  "t:2:9: found a string without its closing quote, expected an absolute path\n" },
	{ HOST "\001", "t:2:1: found the byte 0x01, expected a keyword of the file\n" },
	{ HOST "}", "t:2:1: found \"}\", expected a keyword of the file: no block is open\n" },
	{ HOST "tenant t { vni 1; prefix 10.0.0.0/8;",
	  "t:2:37: found the end of the file, expected \"}\" for the block that begins in line 2\n" },
	{ HOST "tenant { vni 1; }", "t:2:8: found \"{\", expected a name\n" },
	{ HOST "tenant \"a b\" { vni 1; }",
	  "t:2:8: found \"a b\", expected a name: 1 to 63 letters, digits, '.', '_', '-'\n" },
	{ HOST "tenant t vni;", "t:2:10: found \"vni\", expected \"{\"\n" },
	{ HOST "tenant t { }",
	  "t:2:1: found a tenant block without \"vni\", expected one\n"
	  "t:2:1: found a tenant block without \"prefix\", expected one\n" },
	{ HOST "tenant t { vni 16777216; prefix 10.0.0.0/8; }",
	  "t:2:16: found \"16777216\", expected a number from 1 to 16777215\n" },
	{ HOST "tenant t { vni 1; prefix 10.0.0.0/8; }\ntenant t { vni 2; prefix 10.0.0.0/8; }",
	  "t:3:8: found \"t\", expected a name that no other tenant has\n" },
	{ HOST "tenant t { vni 1; prefix 10.0.0.0/8; }\ntenant u { vni 1; prefix 10.0.0.0/8; }",
	  "t:3:16: found \"1\", expected a VNI that tenant \"t\" does not have already\n" },
	{ HOST "tenant t { vni 1; prefix 10.0.0.0/8; prefix 10.1.0.0/16; }",
	  "t:2:45: found \"10.1.0.0/16\", expected a prefix that does not overlap 10.0.0.0/8 of the same tenant\n" },
	{ HOST "tenant t { vni 1; prefix 10.0.0.1/8; }",
	  "t:2:26: found \"10.0.0.1/8\", expected 10.0.0.0/8: bits beyond the length must be zero\n" },
	{ HOST "tenant t { vni 1; prefix fd32::1/48; }",
	  "t:2:26: found \"fd32::1/48\", expected fd32::/48: bits beyond the length must be zero\n" },
	{ HOST "tenant t { vni 1; prefix 10.0.0.0/33; }",
	  "t:2:26: found \"10.0.0.0/33\", expected ADDRESS/LENGTH, as 10.32.0.0/16 or fd32::/48\n" },
	{ HOST "tenant t { vni 1; prefix 10.0.0.0; }",
	  "t:2:26: found \"10.0.0.0\", expected ADDRESS/LENGTH, as 10.32.0.0/16 or fd32::/48\n" },
	{ HOST "tenant t { vni 1; prefix 0.0.0.0/1; }",
	  "t:2:26: found \"0.0.0.0/1\", expected a prefix that does not overlap \"this network\" (0.0.0.0/8)\n" },
	{ HOST "tenant t { vni 1; prefix fd00::/8; }",
	  "t:2:26: found \"fd00::/8\", expected a prefix that does not overlap Slim's tickets (fd53:4c49:4d00::1)\n" },
	{ HOST "tenant t { vni 1; prefix ::/8; }",
	  "t:2:26: found \"::/8\", expected a prefix that does not overlap IPv4 (::ffff:0:0/96)\n" },
	{ "host h1 { address 192.0.2.1; slim-ports 1000-1256; }",
	  "t:1:41: found \"1000-1256\", expected 1 to 256 ports from 1 to 65535, as 4790-4853\n" },
	{ "host h1 { address 192.0.2.1; slim-ports 9-8; }",
	  "t:1:41: found \"9-8\", expected 1 to 256 ports from 1 to 65535, as 4790-4853\n" },
	{ "host h1 { address 192.0.2.1; slim-ports 0-8; }",
	  "t:1:41: found \"0-8\", expected 1 to 256 ports from 1 to 65535, as 4790-4853\n" },
	{ "host h1 { address 192.0.2.1; wire-mtu 1280; }",
	  "t:1:39: found \"1280\", expected a number from 1350 to 65535\n" },
	{ "host h1 { address 192.0.2.1; address ::ffff:192.0.2.1; }",
	  "t:1:38: found \"::ffff:192.0.2.1\", expected an address that this host does not have already\n" },
	{ "host h1 { address 224.0.0.1; }",
	  "t:1:19: found \"224.0.0.1\", expected the IPv4 or IPv6 address of a host (no multicast, no link-local)\n" },
	{ HOST "peer h2 { address 192.0.2.1; public-key " KEY "; }",
	  "t:2:19: found \"192.0.2.1\", expected an address that this host does not have already\n" },
	{ "peer h1 { address 192.0.2.1; public-key " KEY "; }\nhost h1 { address 192.0.2.2; }",
	  "t:2:6: found \"h1\", expected a name that no peer has\n" },
	{ HOST "peer h1 { address 192.0.2.2; public-key " KEY "; }",
	  "t:2:6: found \"h1\", expected a name that neither another peer nor this host has\n" },
	{ HOST "peer h2 { address 192.0.2.2; public-key " KEY "; }\n"
	  "peer h3 { address 192.0.2.3; public-key " KEY "; }",
	  "t:3:41: found \"" KEY "\", expected a key that peer \"h2\" does not have already\n" },
	{ HOST "peer h2 { address 192.0.2.2; public-key c2hvcnQ=; }",
	  "t:2:41: found \"c2hvcnQ=\", expected base64 of 32 bytes, as `slimctl pubkey` prints it\n" },
	{ HOST "peer h2 { }",
	  "t:2:1: found a peer block without \"address\", expected one\n"
	  "t:2:1: found a peer block without \"public-key\", expected one\n" },
	{ HOST "limits { contaniers 5; peers { x; } } workers x;",
	  "t:2:10: found \"contaniers\", expected a keyword of a limits block; the nearest is \"containers\"\n"
	  "t:2:24: found \"peers\", expected a keyword of a limits block; the nearest is \"listeners\"\n"
	  "t:2:47: found \"x\", expected a number from 1 to 256\n" },
};

START_TEST(refused)
{
	ck_assert_ptr_null(parse(wrong[_i].text));
	ck_assert_str_eq(error, wrong[_i].error);
}
END_TEST

/* One more than may be of each, made by repeating a statement. */
static const struct {
	const char *head, *item, *tail, *error;
	int num;
} many[] = {
	{ HOST "tenant t { vni 1;\n", "prefix 10.%2$d.%3$d.0/24;\n", "}",
	  "t:19:8: found \"10.0.16.0/24\", expected at most 16 prefixes of a tenant\n", 17 },
	{ "host h1 {\n", "address 10.%2$d.%3$d.1;\n", "}",
	  "t:18:9: found \"10.0.16.1\", expected at most 16 addresses of a host\n", 17 },
	{ HOST, "tenant t%1$d { vni 1%1$d; prefix 10.0.0.0/8; }\n", "",
	  "t:4098:8: found \"t4096\", expected at most 4096 tenants\n", 4097 },
};

START_TEST(too_many)
{
	size_t size = 1 << 20, len;
	char *text = malloc(size);
	struct config *config;

	len = (size_t)snprintf(text, size, "%s", many[_i].head);
	for (int i = 0; i < many[_i].num; i++)
		len += (size_t)snprintf(text + len, size - len, many[_i].item, i, i / 256, i % 256);
	snprintf(text + len, size - len, "%s", many[_i].tail);
	config = parse(text);
	free(text);
	ck_assert_ptr_null(config);
	ck_assert_str_eq(error, many[_i].error);
}
END_TEST

START_TEST(little_room)
{
	char text[4096] = HOST, small[140];

	for (int i = 0; i < 50; i++)
		strcat(text, "nonsense;\n");
	ck_assert_ptr_null(config_parse("t", text, strlen(text), small, sizeof(small)));
	ck_assert_str_eq(strchr(small, '\n') + 1, "there are more errors, not shown here\n");
	ck_assert_ptr_null(config_parse("t", text, strlen(text), small, 10));
	ck_assert_str_eq(small, "t:2:1: f\n");
	ck_assert_ptr_null(config_parse("t", text, strlen(text), NULL, 0));
}
END_TEST

START_TEST(zero_byte)
{
	static const char text[] = HOST "workers 2\0;";

	ck_assert_ptr_null(config_parse("t", text, sizeof(text) - 1, error, sizeof(error)));
	ck_assert_str_eq(error, "t:2:10: found the byte 0x00, expected \";\" behind the value\n");
}
END_TEST

START_TEST(long_word)
{
	char text[8192] = HOST "workers ";

	memset(text + strlen(text), 'x', 6000);
	ck_assert_ptr_null(parse(text));
	ck_assert_ptr_nonnull(strstr(error, "xxx...\", expected at most 4095 bytes\n"));
}
END_TEST

START_TEST(load)
{
	char path[] = "/tmp/test_config.XXXXXX";
	int fd = mkstemp(path);
	struct config *config;

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, HOST, strlen(HOST)), strlen(HOST));
	config = config_load(path, error, sizeof(error));
	ck_assert_msg(config != NULL, "%s", error);
	config_free(config);
	ck_assert_int_eq(ftruncate(fd, 5 << 20), 0);
	ck_assert_ptr_null(config_load(path, error, sizeof(error)));
	ck_assert_ptr_nonnull(strstr(error, ": found more than 4194304 bytes, expected fewer\n"));
	close(fd);
	unlink(path);
	ck_assert_ptr_null(config_load(path, error, sizeof(error)));
	ck_assert_ptr_nonnull(strstr(error, ": cannot be read: No such file or directory\n"));
	ck_assert_ptr_null(config_load("/tmp", error, sizeof(error)));
	ck_assert_ptr_nonnull(strstr(error, "cannot be read: Is a directory\n"));
}
END_TEST

/* Vectors of RFC 4648, section 10 */
static const struct {
	const char *text, *base64;
} vectors[] = {
	{ "", "" }, { "f", "Zg==" }, { "fo", "Zm8=" }, { "foo", "Zm9v" }, { "foob", "Zm9vYg==" },
	{ "fooba", "Zm9vYmE=" }, { "foobar", "Zm9vYmFy" },
};

START_TEST(base64)
{
	size_t len = strlen(vectors[_i].text);
	char text[16];
	uint8_t data[8];

	ck_assert_str_eq(base64_encode(text, (const uint8_t *)vectors[_i].text, len),
			 vectors[_i].base64);
	ck_assert_int_eq(base64_decode(data, len, text), 0);
	ck_assert_mem_eq(data, vectors[_i].text, len);
}
END_TEST

/* Each is no base64 of one byte. */
static const char *const not_base64[] = { "", "Z", "Zg=", "Zh==", "Z===", "====", "Zg=a", "Zm8=", "Z-==", "Zg==\n" };

START_TEST(base64_refused)
{
	uint8_t data[8];

	ck_assert_int_ne(base64_decode(data, 1, not_base64[_i]), 0);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("config");
	TCase *t = tcase_create("userspace");

	tcase_add_test(t, defaults);
	tcase_add_test(t, everything_globals);
	tcase_add_test(t, everything_lists);
	tcase_add_test(t, tenants);
	tcase_add_loop_test(t, covers, 0, COUNT(covered));
	tcase_add_loop_test(t, refused, 0, COUNT(wrong));
	tcase_add_loop_test(t, too_many, 0, COUNT(many));
	tcase_add_test(t, little_room);
	tcase_add_test(t, zero_byte);
	tcase_add_test(t, long_word);
	tcase_add_test(t, load);
	tcase_add_loop_test(t, base64, 0, COUNT(vectors));
	tcase_add_loop_test(t, base64_refused, 0, COUNT(not_base64));
	suite_add_tcase(s, t);
	return s;
}

int main(void)
{
	return suite_run(suite());
}
