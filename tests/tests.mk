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
SHIM_SRC := $(wildcard tests/shim/*.c)
SHIM_BIN := $(SHIM_SRC:tests/shim/%.c=$(B)/tests/shim/%)

FUZZ_SRC := $(wildcard tests/fuzz/fuzz_*.c)
FUZZ_BIN := $(FUZZ_SRC:tests/fuzz/%.c=$(B)/tests/fuzz/%)

bench-programs: $(BENCH_BIN)

# $(call said,WORD,FILE): what FILE's comment says behind "WORD:"
said = $(shell sed -n 's/^.*$(1): \([^*]*\).*/\1/p' $(2))

# $(call linked,NAME,DIRECTORY): the sanitised objects that a test is linked with
linked = $(patsubst %.c,$(B)/asan/%.o,$(call said,links,tests/$(2)/$(1).c))

.SECONDEXPANSION:
$(B)/tests/unit/%: tests/unit/%.c $$(call linked,$$*,unit)
	$(say) LD $@
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) $(SANITIZE) -Wno-missing-prototypes -o $@ $(filter %.c %.o,$^) $(LDFLAGS) \
		$(addprefix -l,$(call said,libs,$<)) $(shell pkg-config --libs check)

$(B)/tests/fuzz/%: tests/fuzz/%.c tests/fuzz/driver.c $$(call linked,$$*,fuzz)
	$(say) LD $@
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) $(SANITIZE) -Wno-missing-prototypes -o $@ $(filter %.c %.o,$^) \
		$(LDFLAGS) $(addprefix -l,$(call said,libs,$<))

$(B)/tests/bench/%: tests/bench/%.c
	$(say) CC $@
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) -Wno-missing-prototypes -o $@ $< $(LDFLAGS) -lpthread -lm

# What is put into a program of ours that a fault is tried on
$(B)/tests/faults/%.so: tests/faults/%.c
	$(say) CC $@
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) -Wno-missing-prototypes -fPIC -shared -o $@ $< $(LDFLAGS) -ldl

$(B)/tests/e2e/% $(B)/tests/shim/% $(B)/tests/faults/%: tests/$$(notdir $$(@D))/%.c
	$(say) CC $@
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) -Wno-missing-prototypes -o $@ $< $(LDFLAGS) -lpthread
