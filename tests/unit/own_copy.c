/* SPDX-License-Identifier: MIT */
/* own_copy.c - tests that are executed again under another name */
#include "own_copy.h"

#include <check.h>
#include <fcntl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

void own_copy(const char *to)
{
	int in = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	int out = open(to, O_WRONLY | O_CREAT | O_CLOEXEC, 0700);
	struct stat st;

	ck_assert_int_eq(fstat(in, &st), 0);
	while (st.st_size > 0) {
		ssize_t len = sendfile(out, in, NULL, (size_t)st.st_size);

		ck_assert_int_gt(len, 0);
		st.st_size -= len;
	}
	close(in);
	close(out);
}
