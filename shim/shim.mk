# SPDX-License-Identifier: MIT
# libslim.so is freestanding: one file for every libc, which needs none. It has tables for unwinding, since
# threads that are cancelled in its calls unwind their stacks.

SHIM_SRC := $(wildcard shim/*.c)
SHIM_OBJ := $(SHIM_SRC:%.c=$(B)/%.o)
SHIM_CFLAGS := -std=gnu11 -D_GNU_SOURCE -MMD -MP -Wall -Wextra -Wshadow -Wstrict-prototypes \
	       -Werror -O2 -g -ffreestanding -fPIC -fvisibility=hidden -fno-stack-protector \
	       -fasynchronous-unwind-tables -U_FORTIFY_SOURCE -Iinclude

shim: $(B)/libslim.so

$(B)/shim/%.o: shim/%.c shim/shim.mk
	$(say) CC $@
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(SHIM_CFLAGS) -c -o $@ $<

$(B)/libslim.so: $(SHIM_OBJ)
	$(say) LD $@
	$(Q)$(CC) -shared -nostdlib -Wl,-soname,libslim.so -Wl,-z,relro,-z,now -o $@ $^
