/* SPDX-License-Identifier: MIT */
/*
 * memory.c - what a sealed connection takes of the kernel's memory beyond what it takes unsealed
 *
 *	memory NUM LIMIT
 *
 * So many connections are there, and then one end of each is sealed, as on a host whose peers are others: what the
 * kernel has taken in between is the guard's.
 */
#include <fcntl.h>
#include <sys/resource.h>
#include <time.h>

#include "guard.h"

struct ends {
	int fds[2];
};

/* --- the kernel's memory --- */

/* Each processor has counts of its own that are not in the sums yet. */
static void refresh(void)
{
	char byte;
	int fd = (int)must(open("/proc/sys/vm/stat_refresh", O_RDONLY | O_CLOEXEC), "stat_refresh");

	must(read(fd, &byte, 1), "stat_refresh");
	close(fd);
}

/* Bytes of slabs, large pieces included, and of what is mapped page by page */
static long kernel_memory(void)
{
	static const char *const names[] = { "Slab:", "VmallocUsed:", "Percpu:" };
	char line[256], name[32];
	long kib, sum = 0;
	FILE *file;

	refresh();
	file = fopen("/proc/meminfo", "re");
	must(file ? 0 : -1, "/proc/meminfo");
	while (fgets(line, sizeof(line), file))
		for (size_t i = 0; i < NUM(names); i++)
			if (sscanf(line, "%31s %ld", name, &kib) == 2 && !strcmp(name, names[i]))
				sum += kib * 1024;
	fclose(file);
	return sum;
}

/* What is freed later, is. */
static long settled_memory(void)
{
	long before = 0, now = kernel_memory();

	for (int same = 0, i = 0; same < 10 && i < 500; i++) {
		nanosleep(&(struct timespec){ .tv_nsec = 20000000 }, NULL);
		before = now;
		now = kernel_memory();
		same = now == before ? same + 1 : 0;
	}
	return now;
}

/* --- connections --- */

static struct ends *connect_all(long num)
{
	struct rlimit limit = { (rlim_t)(2 * num + 100), (rlim_t)(2 * num + 100) };
	struct ends *all = calloc((size_t)num, sizeof(*all));
	uint16_t port;
	int listener = host_listen(&port);

	must(all ? 0 : -1, "memory");
	must(setrlimit(RLIMIT_NOFILE, &limit), "files");
	for (long i = 0; i < num; i++) {
		host_connect(listener, port, AF_INET6, all[i].fds);
		cookie_of(all[i].fds[0]);
	}
	close(listener);
	return all;
}

static void seal_all(const struct ends *all, long num)
{
	struct slim_seal seal = seal_default();

	for (long i = 0; i < num; i++) {
		seal.local.port = (uint16_t)i;
		errno = -seal_socket(all[i].fds[0], &seal);
		must(errno ? -1 : 0, "seal");
	}
}

/* They are sealed, and work. */
static void use_all(struct guard *guard, const struct ends *all, long num)
{
	char byte = 1;
	long good = 0;

	for (long i = 0; i < num; i++)
		good += write(all[i].fds[0], &byte, 1) == 1 && read(all[i].fds[1], &byte, 1) == 1;
	equal(good, num, "all of %ld connections carry data", num);
	equal((long)guard_stat(guard, SLIM_A_LIVE), num, "all of them are sealed");
}

int main(int argc, char **argv)
{
	long num = argc > 2 ? atol(argv[1]) : 0, limit = argc > 2 ? atol(argv[2]) : 0;
	long none, open, sealed;
	struct guard guard;
	struct ends *all;

	must(num > 0 && limit > 0 ? 0 : -1, "memory NUM LIMIT");
	must(guard_open(&guard), "the family");
	must(guard_own(&guard, -1), "own");
	none = settled_memory();
	all = connect_all(num);
	open = settled_memory();
	seal_all(all, num);
	sealed = settled_memory();
	use_all(&guard, all, num);
	check(sealed - open < limit * num,
	      "sealed, a connection takes %ld bytes more of memory, below %ld (its two open ends take %ld; %ld are "
	      "counted by the guard)", (sealed - open) / num, limit, (open - none) / num,
	      (long)guard_stat(&guard, SLIM_A_MEMORY) / num);
	return 0;
}
