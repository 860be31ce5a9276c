/* SPDX-License-Identifier: MIT */
/* errno.h - what core/ takes from the kernel's header of this name */
#define E2BIG	7
#define ENOMEM	12
#define EINVAL	22
#define EBADMSG	74
