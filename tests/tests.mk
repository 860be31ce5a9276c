# SPDX-License-Identifier: MIT
# Tests and measuring programs. A unit test says in its first comment what it
# is linked with: "links: FILE.c ..." and "libs: NAME ...".

UNIT_SRC := $(wildcard tests/unit/test_*.c)
UNIT_BIN := $(UNIT_SRC:tests/unit/%.c=$(B)/tests/unit/%)
BENCH_SRC := $(wildcard tests/bench/*.c)
BENCH_BIN := $(BENCH_SRC:tests/bench/%.c=$(B)/tests/bench/%)
E2E_SRC := $(wildcard tests/e2e/*.c)
E2E_BIN := $(E2E_SRC:tests/e2e/%.c=$(B)/tests/e2e/%)
FAULTS_SRC := $(wildcard tests/faults/*.c)
FAULTS_BIN := $(patsubst tests/faults/%.c,$(B)/tests/faults/%,$(filter-out %_preload.c,$(FAULTS_SRC))) \
	      $(patsubst tests/faults/%.c,$(B)/tests/faults/%.so,$(filter %_preload.c,$(FAULTS_SRC)))
QEMU_SRC := $(wildcard tests/qemu/*.c)
QEMU_BIN := $(QEMU_SRC:tests/qemu/%.c=$(B)/tests/qemu/%)
SHIM_SRC := $(wildcard tests/shim/*.c)
SHIM_BIN := $(SHIM_SRC:tests/shim/%.c=$(B)/tests/shim/%) $(B)/tests/shim/stage/stage \
	    $(B)/tests/shim/stage/marks.so $(B)/tests/shim/stage/loaded.so
# With the other libc; not of what `make check` runs
SHIM_MUSL_BIN := $(SHIM_SRC:tests/shim/%.c=$(B)/tests/shim/%.musl)

RANDOM_SRC := $(wildcard tests/random/*.c)
RANDOM_OBJ := $(RANDOM_SRC:%.c=$(B)/%.o)

FUZZ_SRC := $(wildcard tests/fuzz/fuzz_*.c)
FUZZ_BIN := $(FUZZ_SRC:tests/fuzz/%.c=$(B)/tests/fuzz/%)

# Routers that another must not be replaced by: a source file, and what becomes of it
E2E_ROUTERS := other-state fails crashes hangs
other-state_file := listener
other-state_edit := s/\.version = [0-9]*/.version = 4711/
fails_file := slimport
fails_edit := /^int slimports_start/,/^{/s/^{/{ return -EIO;/
crashes_file := slimport
crashes_edit := /^int slimports_start/,/^{/s/^{/{ abort();/
hangs_file := slimport
hangs_edit := /^int slimports_start/,/^{/s/^{/{ for (;;) pause();/
E2E_BIN += $(E2E_ROUTERS:%=$(B)/tests/e2e/slimrouter-%)

bench-programs: $(BENCH_BIN)

# $(call said,WORD,FILE): what FILE's comment says behind "WORD:"
said = $(shell sed -n 's/^.*$(1): \([^*]*\).*/\1/p' $(2))

# $(call linked,NAME,DIRECTORY): the sanitised objects that a test is linked with
linked = $(patsubst %.c,$(B)/asan/%.o,$(call said,links,tests/$(2)/$(1).c))

# Objects that several tests are linked with are kept.
.SECONDARY:

.SECONDEXPANSION:
$(B)/tests/unit/%: tests/unit/%.c $$(call linked,$$*,unit)
	$(say) LD $@
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) $(SANITIZE) -Wno-missing-prototypes -o $@ $(filter %.c %.o,$^) $(LDFLAGS) \
		$(addprefix -l,$(call said,libs,$<)) $(shell pkg-config --libs check)

# That core/ needs no C library; see there.
$(B)/tests/freestanding.ok: tests/kernel/freestanding $(wildcard core/*.[ch] tests/kernel/linux/*.h)
	$(say) CHECK core
	$(Q)$< $(CC) $(B)/tests/freestanding
	$(Q)touch $@

# Fuzz targets are clang's, with libFuzzer. Where that is not installed, $(CC) builds them, with
# driver.c in libFuzzer's place, which looks for nothing but what the sanitisers find.
ifneq ($(wildcard $(shell clang --print-runtime-dir 2>/dev/null)/libclang_rt.fuzzer-*.a),)
FUZZ_CC := clang
# liburcu's lists and tables take a NULL for the member of a struct, and look at it after that.
FUZZ_COMPILE := -fsanitize=fuzzer-no-link -fno-sanitize=pointer-overflow
FUZZ_LINK := -fsanitize=fuzzer
else
FUZZ_CC = $(CC)
FUZZ_COMPILE :=
FUZZ_LINK := tests/fuzz/driver.c
endif

# What "ROUTER" among a target's links stands for: see tests/fuzz/fixture.h
FUZZ_ROUTER := $(filter-out $(addprefix router/,main.c keeper.c privileges.c housekeeping.c \
	upgrade.c rehearsal.c manager.c worker.c loop.c aside.c log.c inherited.c packetpath%.c link%.c ruleset%.c nft%.c \
	netfilter%.c guard%.c enforcer_guard.c enforcer_rates.c packet_denials.c shaping_tree.c sysctl.c), $(ROUTER_SRC)) \
	tests/fuzz/fixture.c tests/fuzz/log.c tests/unit/fake_guard.c

# A target that includes a source is "without" its object.
fuzz_linked = $(patsubst %.c,$(B)/fuzz/%.o,$(filter-out $(call said,without,tests/fuzz/$(1).c), \
	$(subst ROUTER,$(FUZZ_ROUTER),$(call said,links,tests/fuzz/$(1).c))))

.PRECIOUS: $(B)/fuzz/%.o
$(B)/fuzz/%.o: %.c
	$(say) CC $@
	$(Q)mkdir -p $(@D)
	$(Q)$(FUZZ_CC) $(ALL_CFLAGS) $(SANITIZE) $(FUZZ_COMPILE) -c -o $@ $<

$(B)/tests/fuzz/%: $(B)/fuzz/tests/fuzz/%.o $$(call fuzz_linked,$$*) tests/fuzz/driver.c
	$(say) LD $@
	$(Q)mkdir -p $(@D)
	$(Q)$(FUZZ_CC) $(SANITIZE) $(FUZZ_LINK) -o $@ $(filter %.o,$^) \
		$(LDFLAGS) $(addprefix -l,$(call said,libs,tests/fuzz/$*.c))

$(B)/tests/bench/%: tests/bench/%.c $$(patsubst %.c,$(B)/%.o,$$(call said,links,tests/bench/$$*.c))
	$(say) CC $@
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) -Wno-missing-prototypes -o $@ $(filter %.c %.o,$^) $(LDFLAGS) -lpthread -lm

# Preloaded into routers
$(B)/tests/e2e/crash_points $(B)/tests/e2e/halt_points: LDFLAGS += -shared -fPIC

$(E2E_ROUTERS:%=$(B)/tests/e2e/slimrouter-%): $(B)/tests/e2e/slimrouter-%: $(ROUTER_OBJ)
	$(say) LD $@
	$(Q)mkdir -p $(@D)
	$(Q)sed '$($*_edit)' router/$($*_file).c >$@.c
	$(Q)! cmp -s router/$($*_file).c $@.c
	$(Q)$(CC) $(ALL_CFLAGS) -Irouter -c -o $@.o $@.c
	$(Q)$(CC) $(CFLAGS) -o $@ $(filter-out $(B)/router/$($*_file).o,$(ROUTER_OBJ)) $@.o \
		$(LDFLAGS) $(LIBS)

# What is put into a program of ours that a fault is tried on
$(B)/tests/faults/%.so: tests/faults/%.c
	$(say) CC $@
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) -Wno-missing-prototypes -fPIC -shared -o $@ $< $(LDFLAGS) -ldl

# Another libc: the same library, the same words. The kernel's headers are not musl's.
$(B)/tests/shim/%.musl: tests/shim/%.c
	$(say) CC $@
	$(Q)mkdir -p $(@D)
	$(Q)musl-gcc -O2 -D_GNU_SOURCE -MMD -MP -idirafter /usr/include \
		-idirafter /usr/include/$(shell gcc -print-multiarch) -o $@ $<

$(B)/tests/shim/stage/%.so: tests/shim/stage/%.c
	$(say) CC $@
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) -fPIC -shared -o $@ $< $(LDFLAGS) -ldl

# Unwinding, as it is of languages that have exceptions
$(B)/tests/shim/library: ALL_CFLAGS += -fexceptions

# What plays them
$(B)/tests/shim/stage/stage: $(patsubst %.c,$(B)/%.o,$(patsubst %,tests/shim/stage/%.c,stage child lab) tools/client.c)
	$(say) LD $@
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) -o $@ $^ $(LDFLAGS) -ljansson

# The guard's ABI, as the kernel's headers would have it
$(B)/tests/qemu/%: tests/qemu/%.c $$(patsubst %.c,$(B)/%.o,$$(call said,links,tests/qemu/$$*.c))
	$(say) CC $@
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) -Iinclude/uapi -Wno-missing-prototypes -o $@ $(filter %.c %.o,$^) $(LDFLAGS)

$(B)/tests/e2e/% $(B)/tests/shim/% $(B)/tests/faults/%: tests/$$(notdir $$(@D))/%.c
	$(say) CC $@
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) -Wno-missing-prototypes -o $@ $< $(LDFLAGS) -lpthread

$(B)/tests/random/driver: $(RANDOM_OBJ)
	$(say) LD $@
	$(Q)$(CC) $(CFLAGS) -o $@ $^ $(LDFLAGS) -lpthread
