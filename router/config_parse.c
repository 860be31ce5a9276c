/* SPDX-License-Identifier: MIT */
/*
 * config_parse.c - the grammar of slimrouter.conf(5)
 *
 * Theory of operation
 *
 *   file:       statement*
 *   statement:  KEYWORD VALUE ";"
 *               KEYWORD [NAME] "{" statement* "}"
 *
 * One table for each block says which keywords it may hold and which function
 * takes their value. A statement that is wrong is reported and left out, and
 * parsing goes on behind it, so that one run says all that is wrong. Whatever
 * is left out makes the whole file void; so what is in struct config after an error
 * only has to be safe to look at, not complete.
 */
#include "config_parse.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "base64.h"
#include "config_value.h"
#include "config_word.h"
#include "endpoint.h"

#include "../include/slim/channel.h"

#define KEYWORDS_MAX	16	/* with a last one that has no name */
#define SEEN_UNKNOWN	KEYWORDS_MAX
#define SEEN_NUM	(KEYWORDS_MAX + 1)
#define VALUE_MAX	PATH_MAX	/* with its final zero */

struct parser;
struct block;

/* What a statement gives: its first token for messages, its text with a final zero */
struct value {
	struct config_token token;
	char text[VALUE_MAX];
};

/*
 * @block:	for a statement with braces; else
 * @take:	puts the value into the object of the block
 * @expected:	what a value looks like, for messages
 * @offset, @width, @min, @max:	of a number in the object
 * @many:	may be said more than once
 * @required:	must be said
 */
struct keyword {
	const char *name;
	const struct block *block;
	void (*take)(struct parser *p, const struct keyword *keyword, const struct value *value);
	const char *expected;
	size_t offset, width;
	unsigned long min, max;
	bool many, required;
};

/*
 * @title:	for messages
 * @named:	has a name in front of its brace
 * @open:	makes the object, and takes the block's name where it has one
 */
struct block {
	const char *title;
	bool named;
	bool (*open)(struct parser *p, const struct value *name);
	struct keyword keywords[KEYWORDS_MAX];
};

/*
 * @token:	the next one, looked at but not taken
 * @object:	what the keywords' offsets count from
 */
struct parser {
	struct config_lex lex;
	struct config_token token;
	struct config_report *report;
	struct config *config;
	void *object;
	bool no_memory;
};

static void advance(struct parser *p)
{
	p->token = config_lex_next(&p->lex);
}

/* --- objects --- */

/* Makes room for one more in an array that grows at powers of two. */
static bool grow(struct parser *p, void **array, size_t num, size_t size)
{
	void *bigger;

	if (num & (num - 1))
		return true;
	bigger = reallocarray(*array, num ? num * 2 : 1, size);
	if (!bigger) {
		p->no_memory = true;
		return false;
	}
	*array = bigger;
	return true;
}

static bool address_add(struct parser *p, struct in6_addr **addresses, size_t *num,
			const struct in6_addr *addr)
{
	if (!grow(p, (void **)addresses, *num, sizeof(*addr)))
		return false;
	(*addresses)[(*num)++] = *addr;
	return true;
}

static bool address_in(const struct in6_addr *addresses, size_t num, const struct in6_addr *addr)
{
	for (size_t i = 0; i < num; i++)
		if (IN6_ARE_ADDR_EQUAL(&addresses[i], addr))
			return true;
	return false;
}

/* Whose address is it already? NULL: nobody's. */
static const char *address_owner(const struct config *config, const struct in6_addr *addr)
{
	if (address_in(config->addresses, config->addresses_num, addr))
		return "this host";
	for (size_t i = 0; i < config->peers_num; i++) {
		const struct config_peer *peer = &config->peers[i];

		if (address_in(peer->addresses, peer->addresses_num, addr))
			return peer->name;
	}
	return NULL;
}

/* --- values --- */

static void take_number(struct parser *p, const struct keyword *keyword, const struct value *value)
{
	unsigned char *field = (unsigned char *)p->object + keyword->offset;
	unsigned long number;

	if (config_value_number(value->text, keyword->min, keyword->max, &number)) {
		config_report_expected(p->report, &value->token, "%s from %lu to %lu",
				       keyword->expected, keyword->min, keyword->max);
		return;
	}
	if (keyword->width == sizeof(uint16_t))
		*(uint16_t *)(void *)field = (uint16_t)number;
	else
		*(uint32_t *)(void *)field = (uint32_t)number;
}

static void take_ports(struct parser *p, const struct keyword *keyword, const struct value *value)
{
	if (config_value_ports(value->text, CONFIG_PORTS_MAX, &p->config->port_first,
			       &p->config->port_last))
		config_report_expected(p->report, &value->token, "%s", keyword->expected);
}

static void take_path(struct parser *p, const struct keyword *keyword, const struct value *value)
{
	char **field = (char **)(void *)((unsigned char *)p->object + keyword->offset);

	if (value->text[0] != '/' || strlen(value->text) > keyword->max) {
		config_report_expected(p->report, &value->token, "%s of at most %lu bytes",
				       keyword->expected, keyword->max);
		return;
	}
	free(*field);
	*field = strdup(value->text);
	if (!*field)
		p->no_memory = true;
}

/* Which of @names it is, or -1, reported */
static int take_word(struct parser *p, const struct keyword *keyword, const struct value *value,
		     const char *const *names, int num)
{
	for (int i = 0; i < num; i++)
		if (!strcmp(value->text, names[i]))
			return i;
	config_report_expected(p->report, &value->token, "%s", keyword->expected);
	return -1;
}

static void take_egress(struct parser *p, const struct keyword *keyword, const struct value *value)
{
	static const char *const names[CONFIG_EGRESS_NUM] = {
		[CONFIG_EGRESS_MASQUERADE] = "masquerade",
		[CONFIG_EGRESS_NONE] = "none",
	};
	int egress = take_word(p, keyword, value, names, CONFIG_EGRESS_NUM);

	if (egress >= 0)
		p->config->egress = (enum config_egress)egress;
}

static void take_guard(struct parser *p, const struct keyword *keyword, const struct value *value)
{
	int guard = take_word(p, keyword, value, config_guard_names, CONFIG_GUARD_NUM);

	if (guard >= 0)
		p->config->guard = (enum config_guard)guard;
}

static void take_level(struct parser *p, const struct keyword *keyword, const struct value *value)
{
	int level = log_level_parse(value->text);

	if (level < 0)
		config_report_expected(p->report, &value->token, "%s", keyword->expected);
	else
		p->config->log_level = (enum log_level)level;
}

/* The host's, or a peer's */
static void take_address(struct parser *p, const struct value *value, struct in6_addr **addresses,
			 size_t *num)
{
	struct in6_addr addr;
	const char *owner;

	if (addr_parse(value->text, &addr) || !config_value_host_address_ok(&addr)) {
		config_report_expected(p->report, &value->token,
				       "the IPv4 or IPv6 address of a host (no multicast, no link-local)");
		return;
	}
	owner = address_owner(p->config, &addr);
	if (owner)
		config_report_expected(p->report, &value->token,
				       "an address that %s does not have already", owner);
	else if (*num == CONFIG_ADDRESSES_MAX)
		config_report_expected(p->report, &value->token, "at most %d addresses of a host",
				       CONFIG_ADDRESSES_MAX);
	else
		address_add(p, addresses, num, &addr);
}

static void take_host_address(struct parser *p, const struct keyword *keyword,
			      const struct value *value)
{
	(void)keyword;
	take_address(p, value, &p->config->addresses, &p->config->addresses_num);
}

static void take_peer_address(struct parser *p, const struct keyword *keyword,
			      const struct value *value)
{
	struct config_peer *peer = p->object;

	(void)keyword;
	take_address(p, value, &peer->addresses, &peer->addresses_num);
}

static void take_public_key(struct parser *p, const struct keyword *keyword,
			    const struct value *value)
{
	struct config_peer *peer = p->object;

	if (base64_decode(peer->public_key, sizeof(peer->public_key), value->text)) {
		config_report_expected(p->report, &value->token, "%s", keyword->expected);
		return;
	}
	for (struct config_peer *other = p->config->peers; other != peer; other++)
		if (!memcmp(other->public_key, peer->public_key, sizeof(peer->public_key)))
			config_report_expected(p->report, &value->token,
					       "a key that peer \"%s\" does not have already",
					       other->name);
}

static void take_vni(struct parser *p, const struct keyword *keyword, const struct value *value)
{
	struct config_tenant *tenant = p->object;

	take_number(p, keyword, value);
	for (struct config_tenant *other = p->config->tenants; other != tenant; other++)
		if (tenant->vni && other->vni == tenant->vni)
			config_report_expected(p->report, &value->token,
					       "a VNI that tenant \"%s\" does not have already",
					       other->name);
}

/* Says what is wrong with a prefix as such. */
static bool prefix_read(struct parser *p, const struct keyword *keyword,
			const struct value *value, struct config_prefix *prefix)
{
	int err = config_value_prefix(value->text, prefix);
	char text[CONFIG_PREFIX_STRLEN];
	const char *owner;

	if (err == -ERANGE) {
		config_report_expected(p->report, &value->token,
				       "%s: bits beyond the length must be zero",
				       config_value_prefix_format(prefix, text));
		return false;
	}
	if (err) {
		config_report_expected(p->report, &value->token, "%s", keyword->expected);
		return false;
	}
	owner = config_value_prefix_owner(prefix);
	if (owner)
		config_report_expected(p->report, &value->token,
				       "a prefix that does not overlap %s", owner);
	return !owner;
}

static const struct config_prefix *prefix_overlapping(const struct config_tenant *tenant,
						      const struct config_prefix *prefix)
{
	for (size_t i = 0; i < tenant->prefixes_num; i++) {
		const struct config_prefix *other = &tenant->prefixes[i];

		if (config_prefix_covers(other, &prefix->addr) ||
		    config_prefix_covers(prefix, &other->addr))
			return other;
	}
	return NULL;
}

static void take_prefix(struct parser *p, const struct keyword *keyword, const struct value *value)
{
	struct config_tenant *tenant = p->object;
	const struct config_prefix *other;
	struct config_prefix prefix;
	char text[CONFIG_PREFIX_STRLEN];

	if (!prefix_read(p, keyword, value, &prefix))
		return;
	other = prefix_overlapping(tenant, &prefix);
	if (other)
		config_report_expected(p->report, &value->token,
				       "a prefix that does not overlap %s of the same tenant",
				       config_value_prefix_format(other, text));
	else if (tenant->prefixes_num == SLIM_CHANNEL_PREFIXES)
		config_report_expected(p->report, &value->token, "at most %d prefixes of a tenant",
				       SLIM_CHANNEL_PREFIXES);
	else if (grow(p, (void **)&tenant->prefixes, tenant->prefixes_num, sizeof(prefix)))
		tenant->prefixes[tenant->prefixes_num++] = prefix;
}

/* --- blocks --- */

static bool file_open(struct parser *p, const struct value *name)
{
	(void)name;
	p->object = p->config;
	return true;
}

static bool host_open(struct parser *p, const struct value *name)
{
	p->object = p->config;
	for (size_t i = 0; i < p->config->peers_num; i++)
		if (!strcmp(p->config->peers[i].name, name->text))
			config_report_expected(p->report, &name->token,
					       "a name that no peer has");
	strcpy(p->config->host_name, name->text);
	return true;
}

static const struct config_tenant *tenant_by_name(const struct config *config, const char *name)
{
	for (size_t i = 0; i < config->tenants_num; i++)
		if (!strcmp(config->tenants[i].name, name))
			return &config->tenants[i];
	return NULL;
}

static bool tenant_open(struct parser *p, const struct value *name)
{
	struct config *config = p->config;
	struct config_tenant *tenant;

	if (tenant_by_name(config, name->text)) {
		config_report_expected(p->report, &name->token, "a name that no other tenant has");
		return false;
	}
	if (config->tenants_num == CONFIG_TENANTS_MAX) {
		config_report_expected(p->report, &name->token, "at most %d tenants",
				       CONFIG_TENANTS_MAX);
		return false;
	}
	if (!grow(p, (void **)&config->tenants, config->tenants_num, sizeof(*tenant)))
		return false;
	tenant = &config->tenants[config->tenants_num++];
	memset(tenant, 0, sizeof(*tenant));
	strcpy(tenant->name, name->text);
	p->object = tenant;
	return true;
}

static const struct config_peer *peer_by_name(const struct config *config, const char *name)
{
	for (size_t i = 0; i < config->peers_num; i++)
		if (!strcmp(config->peers[i].name, name))
			return &config->peers[i];
	return NULL;
}

static bool peer_open(struct parser *p, const struct value *name)
{
	struct config *config = p->config;
	struct config_peer *peer;

	if (peer_by_name(config, name->text) || !strcmp(config->host_name, name->text)) {
		config_report_expected(p->report, &name->token,
				       "a name that neither another peer nor this host has");
		return false;
	}
	if (config->peers_num == CONFIG_PEERS_MAX) {
		config_report_expected(p->report, &name->token, "at most %d peers", CONFIG_PEERS_MAX);
		return false;
	}
	if (!grow(p, (void **)&config->peers, config->peers_num, sizeof(*peer)))
		return false;
	peer = &config->peers[config->peers_num++];
	memset(peer, 0, sizeof(*peer));
	strcpy(peer->name, name->text);
	peer->port = CONFIG_PORT_FIRST;
	p->object = peer;
	return true;
}

static bool limits_open(struct parser *p, const struct value *name)
{
	(void)name;
	p->object = &p->config->limits;
	return true;
}

#define NUMBER(word, type, field, from, to)					\
	{ .name = word, .take = take_number, .expected = "a number",		\
	  .offset = offsetof(type, field), .width = sizeof(((type *)0)->field),	\
	  .min = from, .max = to }

static const struct block host_block = {
	.title = "a host block",
	.named = true,
	.open = host_open,
	.keywords = {
		{ .name = "address", .take = take_host_address, .many = true,
		  .required = true, .expected = "an IPv4 or IPv6 address" },
		{ .name = "key", .take = take_path, .expected = "an absolute path",
		  .offset = offsetof(struct config, key_file), .max = PATH_MAX - 1 },
		{ .name = "slim-ports", .take = take_ports,
		  .expected = "1 to 256 ports from 1 to 65535, as 4790-4853" },
		NUMBER("vxlan-port", struct config, vxlan_port, 1, 65535),
		/* 1280 for IPv6 inside, and 70 for VXLAN over IPv6 */
		NUMBER("wire-mtu", struct config, wire_mtu, 1350, 65535),
	},
};

static const struct block tenant_block = {
	.title = "a tenant block",
	.named = true,
	.open = tenant_open,
	.keywords = {
		{ .name = "vni", .take = take_vni, .required = true, .expected = "a number",
		  .offset = offsetof(struct config_tenant, vni), .width = sizeof(uint32_t),
		  .min = 1, .max = 0xffffff },
		{ .name = "prefix", .take = take_prefix, .many = true, .required = true,
		  .expected = "ADDRESS/LENGTH, as 10.32.0.0/16 or fd32::/48" },
	},
};

static const struct block peer_block = {
	.title = "a peer block",
	.named = true,
	.open = peer_open,
	.keywords = {
		{ .name = "address", .take = take_peer_address, .many = true,
		  .required = true, .expected = "an IPv4 or IPv6 address" },
		NUMBER("port", struct config_peer, port, 1, 65535),
		{ .name = "public-key", .take = take_public_key, .required = true,
		  .expected = "base64 of 32 bytes, as `slimctl pubkey` prints it" },
	},
};

static const struct block limits_block = {
	.title = "a limits block",
	.open = limits_open,
	.keywords = {
		NUMBER("containers", struct config_limits, containers, 1, 65536),
		NUMBER("channels", struct config_limits, channels, 1, 65536),
		NUMBER("listeners", struct config_limits, listeners, 1, 65536),
		NUMBER("connections", struct config_limits, connections, 1, 1048576),
		NUMBER("pending", struct config_limits, pending, 1, 65536),
		NUMBER("unadmitted", struct config_limits, unadmitted, 1, 65536),
		NUMBER("spliced", struct config_limits, spliced, 1, 65536),
		NUMBER("requests", struct config_limits, requests, 1, 10000000),
	},
};

static const struct block file_block = {
	.title = "the file",
	.open = file_open,
	.keywords = {
		{ .name = "host", .block = &host_block, .required = true },
		{ .name = "tenant", .block = &tenant_block, .many = true },
		{ .name = "peer", .block = &peer_block, .many = true },
		{ .name = "limits", .block = &limits_block },
		{ .name = "egress", .take = take_egress, .expected = "\"masquerade\" or \"none\"" },
		{ .name = "guard", .take = take_guard,
		  .expected = "\"require\", \"prefer\" or \"off\"" },
		{ .name = "control", .take = take_path, .expected = "an absolute path",
		  .offset = offsetof(struct config, control),
		  .max = sizeof(((struct sockaddr_un *)0)->sun_path) - 1 },
		{ .name = "state", .take = take_path, .expected = "an absolute path",
		  .offset = offsetof(struct config, state), .max = PATH_MAX - 32 },
		{ .name = "policy", .take = take_path, .expected = "an absolute path",
		  .offset = offsetof(struct config, policy), .max = PATH_MAX - 32 },
		NUMBER("workers", struct config, workers, 1, 256),
		NUMBER("key-lifetime", struct config, key_lifetime, 1, 86400),
		{ .name = "log-level", .take = take_level,
		  .expected = "\"error\", \"warning\", \"info\" or \"debug\"" },
	},
};

/* --- statements --- */

/* Goes behind the statement; in front of the brace that closes the block around it. */
static void skip_statement(struct parser *p)
{
	unsigned int depth = 0;

	for (; p->token.type != CONFIG_TOKEN_END; advance(p)) {
		if (p->token.type == CONFIG_TOKEN_OPEN)
			depth++;
		if (p->token.type == CONFIG_TOKEN_CLOSE && !depth)
			return;
		if (p->token.type == CONFIG_TOKEN_CLOSE)
			depth--;
		else if (p->token.type != CONFIG_TOKEN_SEMICOLON)
			continue;
		if (!depth) {
			advance(p);
			return;
		}
	}
}

static const struct keyword *keyword_find(const struct block *block,
					  const struct config_token *word)
{
	for (const struct keyword *k = block->keywords; k->name; k++)
		if (config_word_is(word, k->name))
			return k;
	return NULL;
}

/* NULL: none has anything to do with it. */
static const char *nearest(const struct block *block, const struct config_token *word)
{
	unsigned int least = (unsigned int)word->len + 1;
	const char *name = NULL;

	for (const struct keyword *k = block->keywords; k->name; k++) {
		unsigned int distance = config_word_distance(word, k->name);

		if (distance < least) {
			least = distance;
			name = k->name;
		}
	}
	return name;
}

/* In which other block would the word be known? */
static const struct block *elsewhere(const struct block *block, const struct config_token *word)
{
	static const struct block *const blocks[] = {
		&file_block, &host_block, &tenant_block, &peer_block, &limits_block,
	};

	for (size_t i = 0; i < sizeof(blocks) / sizeof(blocks[0]); i++)
		if (blocks[i] != block && keyword_find(blocks[i], word))
			return blocks[i];
	return NULL;
}

static void report_unknown(struct parser *p, const struct block *block,
			   const struct config_token *word)
{
	const struct block *other = elsewhere(block, word);
	const char *name = nearest(block, word);

	if (!other && name)
		config_report_expected(p->report, word, "a keyword of %s; the nearest is \"%s\"",
				       block->title, name);
	else if (!other)
		config_report_expected(p->report, word, "a keyword of %s, see slimrouter.conf(5)",
				       block->title);
	else if (other == &file_block)
		config_report_expected(p->report, word,
				       "a keyword of %s; this one stands outside of all blocks",
				       block->title);
	else
		config_report_expected(p->report, word,
				       "a keyword of %s; this one belongs in %s",
				       block->title, other->title);
}

/* Takes a word or string. */
static bool value_take(struct parser *p, const char *expected, struct value *value)
{
	value->token = p->token;
	if (p->token.type != CONFIG_TOKEN_WORD && p->token.type != CONFIG_TOKEN_STRING) {
		config_report_expected(p->report, &p->token, "%s", expected);
		return false;
	}
	if (p->token.len >= VALUE_MAX) {
		config_report_expected(p->report, &p->token, "at most %d bytes", VALUE_MAX - 1);
		return false;
	}
	memcpy(value->text, p->token.text, p->token.len);
	value->text[p->token.len] = '\0';
	advance(p);
	return true;
}

/* What comes on the next line is most likely well: only the semicolon was forgotten. */
static void semicolon_take(struct parser *p, const struct config_token *before)
{
	if (p->token.type == CONFIG_TOKEN_SEMICOLON) {
		advance(p);
		return;
	}
	config_report_expected(p->report, &p->token, "\";\" behind the value");
	if (p->token.line == before->line || p->token.type != CONFIG_TOKEN_WORD)
		skip_statement(p);
}

static void parse_simple(struct parser *p, const struct keyword *keyword)
{
	struct value value;

	if (!value_take(p, keyword->expected, &value)) {
		skip_statement(p);
		return;
	}
	keyword->take(p, keyword, &value);
	semicolon_take(p, &value.token);
}

static void parse_statement(struct parser *p, const struct block *block, unsigned int *seen);

/* @seen: as parse_statement() has it */
static void parse_statements(struct parser *p, const struct block *block, unsigned int *seen)
{
	while (p->token.type != CONFIG_TOKEN_END && p->token.type != CONFIG_TOKEN_CLOSE &&
	       !config_report_full(p->report) && !p->no_memory)
		parse_statement(p, block, seen);
}

/* Where a keyword was not understood, it may be the one that is missing. */
static void report_missing(struct parser *p, const struct block *block,
			   const struct config_token *head, const unsigned int *seen)
{
	if (seen[SEEN_UNKNOWN])
		return;
	for (const struct keyword *k = block->keywords; k->name; k++)
		if (k->required && !seen[k - block->keywords])
			config_report_add(p->report, head,
					  "found %s without \"%s\", expected one",
					  block->title, k->name);
}

static bool name_take(struct parser *p, struct value *name)
{
	if (!value_take(p, "a name", name))
		return false;
	if (config_value_name_ok(name->text))
		return true;
	config_report_expected(p->report, &name->token,
			       "a name: 1 to %d letters, digits, '.', '_', '-'",
			       CONFIG_NAME_MAX - 1);
	return false;
}

static void parse_block(struct parser *p, const struct block *block,
			const struct config_token *head)
{
	unsigned int seen[SEEN_NUM] = { 0 };
	struct value name;

	if (block->named && !name_take(p, &name)) {
		skip_statement(p);
		return;
	}
	if (p->token.type != CONFIG_TOKEN_OPEN) {
		config_report_expected(p->report, &p->token, "\"{\"");
		skip_statement(p);
		return;
	}
	if (!block->open(p, &name)) {
		skip_statement(p);
		return;
	}
	advance(p);
	parse_statements(p, block, seen);
	report_missing(p, block, head, seen);
	p->object = p->config;
	if (p->token.type == CONFIG_TOKEN_CLOSE)
		advance(p);
	else if (p->token.type == CONFIG_TOKEN_END)
		config_report_expected(p->report, &p->token,
				       "\"}\" for the block that begins in line %u", head->line);
}

/* @seen: in which line each keyword of the block was said first, and an unknown one */
static void parse_statement(struct parser *p, const struct block *block, unsigned int *seen)
{
	struct config_token word = p->token;
	const struct keyword *keyword;

	if (word.type != CONFIG_TOKEN_WORD) {
		seen[SEEN_UNKNOWN] = word.line;
		config_report_expected(p->report, &word, "a keyword of %s", block->title);
		skip_statement(p);
		return;
	}
	advance(p);
	keyword = keyword_find(block, &word);
	if (!keyword) {
		seen[SEEN_UNKNOWN] = word.line;
		report_unknown(p, block, &word);
		skip_statement(p);
		return;
	}
	if (seen[keyword - block->keywords] && !keyword->many) {
		config_report_expected(p->report, &word, "it once: line %u has it already",
				       seen[keyword - block->keywords]);
		skip_statement(p);
		return;
	}
	seen[keyword - block->keywords] = word.line;
	if (keyword->block)
		parse_block(p, keyword->block, &word);
	else
		parse_simple(p, keyword);
}

/* A brace that closes nothing is reported, and the file goes on behind it. */
static void parse_file(struct parser *p)
{
	unsigned int seen[SEEN_NUM] = { 0 };

	file_block.open(p, NULL);
	for (;;) {
		parse_statements(p, &file_block, seen);
		if (p->token.type != CONFIG_TOKEN_CLOSE || config_report_full(p->report))
			break;
		config_report_expected(p->report, &p->token, "a keyword of the file: no block is open");
		advance(p);
	}
	report_missing(p, &file_block, &p->token, seen);
}

int config_parse_text(struct config *config, const char *text, size_t len,
		      struct config_report *report)
{
	struct parser p = { .config = config, .report = report };

	config_lex_init(&p.lex, text, len);
	advance(&p);
	parse_file(&p);
	config_report_end(report);
	if (p.no_memory)
		return -ENOMEM;
	return report->messages ? -EINVAL : 0;
}
