/* SPDX-License-Identifier: MIT */
/* types.h - what core/ takes from the kernel's header of this name */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
