/* SPDX-License-Identifier: MIT */
/*
 * options.h - every number of an option, on every level, of a control message, and of an ioctl: what is decided about it
 * (included by attacks.c)
 *
 * A number that a plain socket knows, and that is not here, fails: it is to be decided about, here and in
 * kmod/options.c. What is refused is refused whatever the value is; what may be set is tried with the value that
 * the socket has.
 */
#ifndef TESTS_QEMU_OPTIONS_H
#define TESTS_QEMU_OPTIONS_H

#define NUMBERS		256	/* of options on a level */

/* R: may be read, S: may be set, z: is read as nothing, u: and set as what there is not, -: neither; absent: a plain socket does not know it either */
struct decision {
	int number;
	const char *allowed;
};

static const struct decision of_socket[] = {
	{ 1, "R" }, { 2, "RS" }, { 3, "R" }, { 4, "R" }, { 5, "R" }, { 6, "RS" }, { 7, "RS" }, { 8, "RS" }, { 9, "RS" },
	{ 10, "RS" }, { 11, "R" }, { 12, "RS" }, { 13, "RS" }, { 14, "-" }, { 15, "RS" }, { 16, "R" }, { 17, "R" },
	{ 18, "RS" }, { 19, "R" }, { 20, "RS" }, { 21, "RS" }, { 25, "z" }, { 26, "-" }, { 27, "-" }, { 28, "R" },
	{ 29, "RS" }, { 30, "R" }, { 31, "-" }, { 32, "-" }, { 33, "-" }, { 34, "R" }, { 35, "RS" }, { 36, "z" },
	{ 37, "RS" }, { 38, "R" }, { 39, "R" }, { 40, "RS" }, { 41, "R" }, { 42, "RS" }, { 43, "R" }, { 44, "R" },
	{ 45, "RS" }, { 46, "R" }, { 47, "RS" }, { 48, "R" }, { 49, "RS" }, { 50, "-" }, { 51, "-" }, { 52, "-" },
	{ 53, "-" }, { 55, "R" }, { 56, "z" }, { 57, "R" }, { 59, "-" }, { 60, "RS" }, { 61, "R" }, { 62, "z" },
	{ 63, "RS" }, { 64, "RS" }, { 65, "RS" }, { 66, "RS" }, { 67, "RS" }, { 68, "-" }, { 69, "R" }, { 70, "R" },
	{ 71, "-" }, { 72, "RS" }, { 73, "R" }, { 74, "R" }, { 75, "R" }, { 76, "R" }, { 77, "-" }, { 80, "-" },
	{ 82, "R" }, { 83, "R" }, { 84, "R" },
};

static const struct decision of_tcp[] = {
	{ 1, "RS" }, { 2, "RS" }, { 3, "RS" }, { 4, "RS" }, { 5, "RS" }, { 6, "RS" }, { 7, "RS" }, { 8, "RS" },
	{ 9, "RS" }, { 10, "RS" }, { 11, "R" }, { 12, "RS" }, { 13, "RS" }, { 14, "-" }, { 16, "RS" }, { 17, "RS" },
	{ 18, "RS" }, { 19, "-" }, { 20, "-" }, { 21, "-" }, { 22, "-" }, { 23, "-" }, { 24, "-" }, { 25, "RS" },
	{ 26, "R" }, { 27, "-" }, { 28, "-" }, { 29, "-" }, { 30, "R" }, { 31, "u" }, { 32, "-" }, { 33, "-" },
	{ 34, "-" }, { 35, "R" }, { 36, "RS" }, { 37, "R" }, { 38, "-" }, { 39, "-" }, { 40, "-" }, { 41, "-" },
	{ 42, "-" }, { 43, "R" }, { 44, "R" }, { 45, "R" }, { 46, "R" },
};

static const struct decision of_ip[] = {
	{ 1, "RS" }, { 2, "RS" }, { 3, "-" }, { 4, "-" }, { 5, "-" }, { 6, "R" }, { 7, "R" }, { 8, "R" }, { 9, "-" },
	{ 10, "RS" }, { 11, "RS" }, { 12, "RS" }, { 13, "RS" }, { 14, "R" }, { 15, "RS" }, { 16, "-" }, { 17, "-" },
	{ 18, "R" }, { 19, "R" }, { 20, "R" }, { 21, "R" }, { 22, "-" }, { 23, "R" }, { 24, "RS" }, { 25, "R" },
	{ 26, "R" }, { 32, "-" }, { 33, "-" }, { 34, "R" }, { 35, "-" }, { 36, "-" }, { 37, "-" }, { 38, "-" },
	{ 39, "-" }, { 40, "-" }, { 41, "-" }, { 42, "-" }, { 43, "-" }, { 44, "-" }, { 45, "-" }, { 46, "-" },
	{ 47, "-" }, { 48, "-" }, { 49, "R" }, { 50, "-" }, { 51, "-" }, { 52, "-" }, { 64, "-" }, { 65, "-" },
	{ 66, "-" }, { 67, "-" }, { 80, "-" },
};

static const struct decision of_ipv6[] = {
	{ 1, "-" }, { 2, "R" }, { 3, "R" }, { 4, "R" }, { 5, "R" }, { 6, "-" }, { 7, "-" }, { 8, "R" }, { 9, "-" },
	{ 11, "R" }, { 16, "RS" }, { 17, "-" }, { 18, "-" }, { 19, "R" }, { 20, "-" }, { 21, "-" }, { 22, "-" },
	{ 23, "RS" }, { 24, "R" }, { 25, "RS" }, { 26, "R" }, { 27, "-" }, { 28, "-" }, { 29, "R" }, { 30, "R" },
	{ 31, "R" }, { 32, "-" }, { 33, "-" }, { 34, "-" }, { 35, "-" }, { 36, "-" }, { 42, "-" }, { 43, "-" },
	{ 44, "-" }, { 45, "-" }, { 46, "-" }, { 47, "-" }, { 48, "-" }, { 49, "R" }, { 50, "-" }, { 51, "R" },
	{ 52, "-" }, { 53, "R" }, { 54, "-" }, { 55, "-" }, { 56, "R" }, { 57, "-" }, { 58, "R" }, { 59, "-" },
	{ 60, "R" }, { 61, "-" }, { 62, "R" }, { 63, "-" }, { 64, "-" }, { 66, "RS" }, { 67, "RS" }, { 68, "-" },
	{ 69, "-" }, { 70, "R" }, { 72, "-" }, { 73, "R" }, { 74, "R" }, { 75, "R" }, { 76, "-" }, { 77, "R" },
	{ 78, "R" }, { 80, "-" },
};

static const struct {
	int level;
	const char *name;
	const struct decision *decisions;
	size_t num;
} levels[] = {
	{ SOL_SOCKET, "SOL_SOCKET", of_socket, NUM(of_socket) },
	{ IPPROTO_TCP, "IPPROTO_TCP", of_tcp, NUM(of_tcp) },
	{ IPPROTO_IP, "IPPROTO_IP", of_ip, NUM(of_ip) },
	{ IPPROTO_IPV6, "IPPROTO_IPV6", of_ipv6, NUM(of_ipv6) },
	{ 282 /* SOL_TLS */, "SOL_TLS", NULL, 0 },
	{ 284 /* SOL_MPTCP */, "SOL_MPTCP", NULL, 0 },
	{ SOL_SLIM, "SOL_SLIM", NULL, 0 },
};

static const char *decided(size_t level, int number)
{
	for (size_t i = 0; i < levels[level].num; i++)
		if (levels[level].decisions[i].number == number)
			return levels[level].decisions[i].allowed;
	return NULL;
}

static bool is_zero(const char *data, int len)
{
	for (int i = 0; i < len; i++)
		if (data[i])
			return false;
	return true;
}

/* Whether a plain socket knows it, one way or the other */
static bool is_known(int fd, int level, int number)
{
	static char value[512];
	socklen_t len = 4;

	if (!getsockopt(fd, level, number, value, &len) || (errno != ENOPROTOOPT && errno != EOPNOTSUPP))
		return true;
	return !setsockopt(fd, level, number, value, 4) || (errno != ENOPROTOOPT && errno != EOPNOTSUPP);
}

/* What comes of reading it, and of setting it to what was read */
struct outcome {
	long got, put;
};

static struct outcome read_and_set(int fd, size_t level, int number)
{
	struct outcome outcome;

	target = fd;
	execute = execute_directly;
	outcome.got = get(levels[level].level, number, 64);
	outcome.put = set(levels[level].level, number, shared->out, shared->length >= 4 ? shared->length : 4);
	return outcome;
}

/* Of a socket that is not sealed, where it may be done to a sealed one, too: this is to come of it there. */
static struct outcome ordinary[NUM(levels)][NUMBERS];

static void try_ordinary(int fd)
{
	for (size_t level = 0; level < NUM(levels); level++)
		for (int number = 0; number < NUMBERS; number++)
			if (decided(level, number) && *decided(level, number) == 'R')
				ordinary[level][number] = read_and_set(fd, level, number);
}

static void try_number(int fd, size_t level, int number, const char *allowed)
{
	const struct outcome *wanted = &ordinary[level][number];
	struct outcome outcome = read_and_set(fd, level, number);
	long got = outcome.got, put = outcome.put;

	if (!allowed || !strcmp(allowed, "-")) {
		if (got != -ENOPROTOOPT || put != -ENOPROTOOPT)
			goto wrong;
	} else if (!strcmp(allowed, "z") || !strcmp(allowed, "u")) {
		if (got || !is_zero(shared->out, shared->length) || put != (*allowed == 'z' ? -ENOPROTOOPT : -ENOENT))
			goto wrong;
	} else if (got != wanted->got || put != (allowed[1] ? wanted->put : -ENOPROTOOPT)) {
		goto wrong;
	}
	return;
wrong:
	if (shared->failed++ < 40)
		check(false, "option %d of %s: read %ld, set %ld", number, levels[level].name, got, put);
}

/* --- control messages --- */

static const struct {
	int number;
	bool allowed;
} of_control[] = {
	{ 1, true }, { 2, true }, { 36, false }, { 37, true }, { 61, false }, { 65, true },
};

static bool control_is_allowed(int number)
{
	for (size_t i = 0; i < NUM(of_control); i++)
		if (of_control[i].number == number)
			return of_control[i].allowed;
	return false;
}

static bool control_is_decided(int number)
{
	for (size_t i = 0; i < NUM(of_control); i++)
		if (of_control[i].number == number)
			return true;
	return false;
}

/* Whether it is taken with a value of some size */
static bool control_is_taken(int fd, int number)
{
	static const char zero[8];
	long result = -EINVAL;

	target = fd;
	execute = execute_directly;
	for (size_t len = 0; len <= 8 && result == -EINVAL; len += 4)
		result = send_control(SOL_SOCKET, number, zero, len);
	return result != -EINVAL;
}

static void complain_control(int number, const char *what)
{
	if (shared->failed++ < 40)
		check(false, "control message %d %s", number, what);
}

/* On a sealed socket, and on one that is not: what is allowed there is no more than here. */
static void try_control(int fd, bool guarded)
{
	for (int number = 0; number < NUMBERS; number++) {
		bool taken = control_is_taken(fd, number);

		if (guarded && taken && !control_is_allowed(number))
			complain_control(number, "is taken");
		if (!guarded && taken && !control_is_decided(number))
			complain_control(number, "is not decided about");
	}
	if (guarded && !control_is_taken(fd, SO_TIMESTAMPING))
		complain_control(SO_TIMESTAMPING, "is not taken");
}

/* --- ioctls --- */

/* Those of sockets, and those of terminals, of which sockets have some; 0x5421 and 0x5450 to 0x5460 are of any file. */
static bool ioctl_is_decided(unsigned int command)
{
	static const unsigned int allowed[] = {
		0x8901, 0x8902, 0x8903, 0x8904, 0x8905, 0x8906, 0x8907, 0x894B, 0x5411, 0x541B,
	};

	if (command == 0x5421 || (command >= 0x5450 && command <= 0x5460))
		return true;
	for (size_t i = 0; i < NUM(allowed); i++)
		if (allowed[i] == command)
			return true;
	return false;
}

static void try_ioctls(int fd)
{
	target = fd;
	execute = execute_directly;
	for (unsigned int command = 0x5400; command < 0x5500; command++)
		for (unsigned int type = 0; type < 2; type++) {
			unsigned int number = command + type * (0x8900 - 0x5400);
			long result;

			memset(shared->out, 0, sizeof(shared->out));
			result = ioctl_is_decided(number) ? -ENOTTY : control(number);
			if (result != -ENOTTY && shared->failed++ < 40)
				check(false, "ioctl %#x: %ld", number, result);
		}
}

/* A plain socket is asked by who may all, once; a sealed one by everybody. */
static void try_options(enum credential credential)
{
	struct request request = { MAKE, ESTABLISHED, AF_INET6, false, false };
	int fd, none;
	bool harmed;

	ask(request, &fd);
	try_ordinary(fd);
	close(fd);
	request.question = DROP;
	ask(request, &none);
	request = (struct request){ MAKE, ESTABLISHED, AF_INET6, true, false };
	ask(request, &fd);
	for (size_t level = 0; level < NUM(levels); level++)
		for (int number = 0; number < NUMBERS; number++)
			try_number(fd, level, number, decided(level, number));
	try_control(fd, true);
	try_ioctls(fd);
	request.question = VERIFY;
	harmed = !ask(request, &none);
	check(!harmed, "options by number, %s: the connection is unharmed", credentials[credential]);
	close(fd);
	request.question = DROP;
	ask(request, &none);
	if (credential != PRIVILEGED)
		return;
	for (size_t level = 0; level < NUM(levels) && levels[level].num; level++) {
		for (int number = 0; number < NUMBERS; number++) {
			fd = socket(AF_INET6, SOCK_STREAM, 0);
			if (is_known(fd, levels[level].level, number) && !decided(level, number) && shared->failed++ < 40)
				check(false, "option %d of %s is not decided about", number, levels[level].name);
			close(fd);
		}
	}
	request = (struct request){ MAKE, ESTABLISHED, AF_INET6, false, false };
	ask(request, &fd);
	try_control(fd, false);
	close(fd);
	request.question = DROP;
	ask(request, &none);
}

#endif
