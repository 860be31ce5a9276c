/* SPDX-License-Identifier: MIT */
/*
 * step.c - steps as lines of text
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "option.h"
#include "step.h"

static const struct {
	const char *name;
	enum kind args[STEP_ARGS];
} ops[OP_NUM] = {
	[OP_SOCKET] = { "socket", { KIND_NEW, KIND_FAMILY, KIND_FLAGS } },
	[OP_BIND] = { "bind", { KIND_SLOT, KIND_ADDRESS, KIND_PORT } },
	[OP_LISTEN] = { "listen", { KIND_SLOT, KIND_NUMBER } },
	[OP_CONNECT] = { "connect", { KIND_SLOT, KIND_ADDRESS, KIND_PORT } },
	[OP_DISSOLVE] = { "dissolve", { KIND_SLOT } },
	[OP_ACCEPT] = { "accept", { KIND_NEW, KIND_SLOT, KIND_FLAGS } },
	[OP_SHUTDOWN] = { "shutdown", { KIND_SLOT, KIND_HOW } },
	[OP_CLOSE] = { "close", { KIND_SLOT } },
	[OP_DUP] = { "dup", { KIND_NEW, KIND_SLOT } },
	[OP_DUP2] = { "dup2", { KIND_SLOT, KIND_SLOT } },
	[OP_DUP3] = { "dup3", { KIND_SLOT, KIND_SLOT, KIND_FLAGS } },
	[OP_DUPFD] = { "dupfd", { KIND_NEW, KIND_SLOT, KIND_NUMBER } },
	[OP_FIONBIO] = { "fionbio", { KIND_SLOT, KIND_NUMBER } },
	[OP_SETFL] = { "setfl", { KIND_SLOT, KIND_NUMBER } },
	[OP_SETFD] = { "setfd", { KIND_SLOT, KIND_NUMBER } },
	[OP_GETFL] = { "getfl", { KIND_SLOT } },
	[OP_GETFD] = { "getfd", { KIND_SLOT } },
	[OP_SOCKNAME] = { "getsockname", { KIND_SLOT } },
	[OP_PEERNAME] = { "getpeername", { KIND_SLOT } },
	[OP_SETOPT] = { "setsockopt", { KIND_SLOT, KIND_OPTION, KIND_NUMBER } },
	[OP_GETOPT] = { "getsockopt", { KIND_SLOT, KIND_OPTION } },
	[OP_SEND] = { "send", { KIND_SLOT, KIND_NUMBER, KIND_MSG } },
	[OP_RECV] = { "recv", { KIND_SLOT, KIND_NUMBER, KIND_MSG } },
	[OP_WRITE] = { "write", { KIND_SLOT, KIND_NUMBER } },
	[OP_READ] = { "read", { KIND_SLOT, KIND_NUMBER } },
	[OP_SENDMSG] = { "sendmsg", { KIND_SLOT, KIND_NUMBER, KIND_MSG } },
	[OP_RECVMSG] = { "recvmsg", { KIND_SLOT, KIND_NUMBER, KIND_MSG } },
	[OP_POLL] = { "poll", { KIND_SLOT, KIND_EVENTS, KIND_NUMBER } },
	[OP_SELECT] = { "select", { KIND_SLOT, KIND_EVENTS, KIND_NUMBER } },
	[OP_EPOLL] = { "epoll_create", { KIND_NEW } },
	[OP_EPADD] = { "epoll_add", { KIND_SLOT, KIND_SLOT, KIND_EVENTS } },
	[OP_EPMOD] = { "epoll_mod", { KIND_SLOT, KIND_SLOT, KIND_EVENTS } },
	[OP_EPDEL] = { "epoll_del", { KIND_SLOT, KIND_SLOT } },
	[OP_EPWAIT] = { "epoll_wait", { KIND_SLOT, KIND_NUMBER } },
	[OP_FORK] = { "fork", { KIND_ACTOR } },
	[OP_THREAD] = { "thread", { KIND_ACTOR } },
	[OP_EXEC] = { "exec", { KIND_NONE } },
	[OP_EXIT] = { "exit", { KIND_NONE } },
	[OP_PASS] = { "pass", { KIND_SLOT, KIND_ACTOR, KIND_NEW } },
	[OP_SIGNAL] = { "signal", { KIND_ACTOR, KIND_SIGNAL } },
};

static const char *const actors[ACTORS] = {
	"A1", "A2", "B1", "B2", "X1", "X2", "X3", "X4", "X5", "X6",
};

/* Words of kinds whose values count from 0, and of those that are sets of bits */
static const struct {
	enum kind kind;
	bool bits;
	const char *words[16];
} words[] = {
	{ KIND_ACTOR, false, { "A1", "A2", "B1", "B2", "X1", "X2", "X3", "X4", "X5", "X6" } },
	{ KIND_SLOT, false, { "s0", "s1", "s2", "s3", "s4", "s5", "s6", "s7" } },
	{ KIND_NEW, false, { "s0", "s1", "s2", "s3", "s4", "s5", "s6", "s7" } },
	{ KIND_FAMILY, false, { "inet", "inet6" } },
	{ KIND_FLAGS, true, { "nonblock", "cloexec" } },
	{ KIND_ADDRESS, false, { "any4", "any6", "lo4", "lo6", "A4", "A6", "Am", "B4", "B6", "Bm", "dead4" } },
	{ KIND_PORT, false, { "p0", "p1", "p2", "p3", "0" } },
	{ KIND_HOW, false, { "rd", "wr", "rdwr" } },
	{ KIND_MSG, true, { "peek", "dontwait", "oob", "waitall", "more" } },
	{ KIND_EVENTS, true, { "in", "out", "rdhup", "pri", "et", "oneshot" } },
	{ KIND_SIGNAL, false, { "once", "restart" } },
};

const char *op_name(enum op op)
{
	return op < OP_NUM ? ops[op].name : "?";
}

const char *actor_name(int actor)
{
	return actors[actor];
}

enum kind step_kind(enum op op, int arg)
{
	return op < OP_NUM ? ops[op].args[arg] : KIND_NONE;
}

int step_find(enum op op, enum kind kind)
{
	for (int i = 0; i < STEP_ARGS; i++)
		if (step_kind(op, i) == kind)
			return i;
	return -1;
}

static int words_of(enum kind kind)
{
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (words[i].kind == kind)
			return (int)i;
	return -1;
}

static int print_bits(const char *const *names, int value, char *text, size_t size)
{
	int len = 0;

	for (int bit = 0; names[bit]; bit++)
		if (value & 1 << bit)
			len += snprintf(text + len, size - (size_t)len, "%s%s", len ? "+" : "", names[bit]);
	return len ? len : snprintf(text, size, "-");
}

static int print_arg(enum kind kind, int value, char *text, size_t size)
{
	int which = words_of(kind);

	if (kind == KIND_OPTION)
		return snprintf(text, size, "%s", options[value].word);
	if (which < 0)
		return snprintf(text, size, "%d", value);
	if (words[which].bits)
		return print_bits(words[which].words, value, text, size);
	return snprintf(text, size, "%s", words[which].words[value]);
}

void step_print(const struct step *step, char *text, size_t size)
{
	int len = snprintf(text, size, "%s %s", actors[step->actor], ops[step->op].name);

	for (int i = 0; i < STEP_ARGS && ops[step->op].args[i]; i++) {
		text[len++] = ' ';
		len += print_arg(ops[step->op].args[i], step->arg[i], text + len, size - (size_t)len);
	}
}

static int find_word(const char *const *names, const char *word, size_t len)
{
	for (int i = 0; i < 16 && names[i]; i++)
		if (strlen(names[i]) == len && !memcmp(names[i], word, len))
			return i;
	return -1;
}

/* -1: there is no such word. */
static int parse_bits(const char *const *names, const char *word)
{
	int value = 0;

	while (strcmp(word, "-") && *word) {
		size_t len = strcspn(word, "+");
		int bit = find_word(names, word, len);

		if (bit < 0)
			return -1;
		value |= 1 << bit;
		word += len + (word[len] == '+');
	}
	return value;
}

static bool parse_arg(enum kind kind, const char *word, int16_t *out)
{
	int which = words_of(kind), value;
	char *end;

	if (kind == KIND_OPTION) {
		value = option_find(word);
	} else if (which < 0) {
		*out = (int16_t)strtol(word, &end, 10);
		return !*end;
	} else if (words[which].bits) {
		value = parse_bits(words[which].words, word);
	} else {
		value = find_word(words[which].words, word, strlen(word));
	}
	*out = (int16_t)value;
	return value >= 0;
}

static int find_op(const char *word)
{
	for (int i = 0; i < OP_NUM; i++)
		if (!strcmp(ops[i].name, word))
			return i;
	return -1;
}

/* The text is cut into pieces. */
static bool parse(struct step *step, char *line)
{
	char *rest = NULL, *actor = strtok_r(line, " \n", &rest), *word = strtok_r(NULL, " \n", &rest);
	int16_t who;
	int op = word ? find_op(word) : -1;

	if (op < 0 || !parse_arg(KIND_ACTOR, actor, &who))
		return false;
	memset(step, 0, sizeof(*step));
	step->actor = (uint8_t)who;
	step->op = (uint8_t)op;
	for (int i = 0; i < STEP_ARGS && ops[op].args[i]; i++) {
		word = strtok_r(NULL, " \n", &rest);
		if (!word || !parse_arg(ops[op].args[i], word, &step->arg[i]))
			return false;
	}
	return !strtok_r(NULL, " \n", &rest);
}

int script_read(struct script *script, FILE *file, const char *name)
{
	char line[256];
	int number = 0;

	script->num = 0;
	while (fgets(line, sizeof(line), file)) {
		number++;
		if (line[0] == '#' || line[0] == '\n')
			continue;
		if (script->num == STEPS_MAX || !parse(&script->steps[script->num++], line)) {
			fprintf(stderr, "%s:%d: no step, or one too many\n", name, number);
			return -EINVAL;
		}
	}
	return 0;
}

void script_print(const struct script *script, FILE *file)
{
	char line[160];

	for (int i = 0; i < script->num; i++) {
		step_print(&script->steps[i], line, sizeof(line));
		fprintf(file, "%s\n", line);
	}
}
