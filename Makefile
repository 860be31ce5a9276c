# SPDX-License-Identifier: MIT
# Slim: everything ends up in build/. `make V=1` shows the commands.

PREFIX ?= /usr/local
SBINDIR ?= $(PREFIX)/sbin
BINDIR ?= $(PREFIX)/bin
LIBDIR ?= $(PREFIX)/lib
MANDIR ?= $(PREFIX)/share/man
UNITDIR ?= $(PREFIX)/lib/systemd/system
COMPLETIONDIR ?= $(PREFIX)/share/bash-completion/completions
SYSCONFDIR ?= /etc
DESTDIR ?=

CC ?= gcc
CFLAGS ?= -O2 -g
B := build

ifeq ($(V),1)
Q :=
say = @:
else
Q := @
say = @printf '  %-8s%s\n'
endif

PACKAGES := libnl-3.0 libnl-route-3.0 liburcu liburcu-cds jansson libnftables libcap-ng \
	    libnl-genl-3.0 libssl libcrypto libsystemd
DEPS_OK := $(shell pkg-config --exists $(PACKAGES) check 2>/dev/null && echo yes)

WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Werror
ALL_CFLAGS = -std=gnu11 -Iinclude -D_GNU_SOURCE -MMD -MP $(WARN) -fstack-protector-strong \
	     $(shell pkg-config --cflags $(PACKAGES)) $(CFLAGS)
LIBS = $(shell pkg-config --libs $(PACKAGES)) -lurcu-common -lpthread
SANITIZE := -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=undefined \
	    -fno-omit-frame-pointer

ROUTER_SRC := $(wildcard router/*.c) $(wildcard core/*.c)
ROUTER_OBJ := $(ROUTER_SRC:%.c=$(B)/%.o)
ROUTER_ASAN_OBJ := $(ROUTER_SRC:%.c=$(B)/asan/%.o)
SLIMCTL_SRC := $(filter-out tools/slim_run.c,$(wildcard tools/*.c)) router/host_key.c router/base64.c \
	       $(addprefix router/policy,.c _build.c _check.c _compile.c _domain.c _ends.c _identity.c _include.c _inputs.c \
		 _lex.c _pack.c _parse.c _parser.c _report.c _resolve.c _rule.c _source.c _uses.c _value.c) \
	       $(wildcard router/config*.c core/classifier*.c) router/endpoint.c router/log.c
SLIMCTL_OBJ := $(SLIMCTL_SRC:%.c=$(B)/%.o)
SLIM_RUN_OBJ := $(B)/tools/slim_run.o $(B)/tools/netns.o

.PHONY: all deps router tools shim bench-programs test-programs docs check check-unit check-shim check-calls \
	check-e2e check-fuzz check-qemu check-qemu-differences check-qemu-guard check-qemu-long \
	check-dkms check-kasan check-asan check-policy check-policy-asan check-robust check-faults check-random \
	check-long fuzz demo bench \
	bench-attach bench-calls bench-policy lint install uninstall clean asan

# Without its libraries on the machine, make installs them first (as root on Debian).
ifeq ($(DEPS_OK),yes)
all: router tools shim bench-programs kmod
else
all: deps
	$(Q)$(MAKE) --no-print-directory DEPS_OK=yes all
endif

router: $(B)/slimrouter
tools: $(B)/slimctl $(B)/slim-run

deps:
	$(Q).ci/install-deps

include shim/shim.mk
include tests/tests.mk
include kmod/kmod.mk

$(B)/slimrouter: $(ROUTER_OBJ)
	$(say) LD $@
	$(Q)$(CC) $(CFLAGS) -o $@ $^ $(LDFLAGS) $(LIBS)

$(B)/asan/slimrouter: $(ROUTER_ASAN_OBJ)
	$(say) LD $@
	$(Q)$(CC) $(SANITIZE) -o $@ $^ $(LDFLAGS) $(LIBS)

asan: $(B)/asan/slimrouter

$(B)/slimctl: $(SLIMCTL_OBJ)
	$(say) LD $@
	$(Q)$(CC) $(CFLAGS) -o $@ $^ $(LDFLAGS) -ljansson -lcrypto

$(B)/slim-run: $(SLIM_RUN_OBJ)
	$(say) LD $@
	$(Q)$(CC) $(CFLAGS) -o $@ $^ $(LDFLAGS)

$(B)/tools/slim_run.o: ALL_CFLAGS += -DSLIM_LIBDIR='"$(LIBDIR)/slim"'

$(B)/%.o: %.c
	$(say) CC $@
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) -c -o $@ $<

$(B)/asan/%.o: %.c
	$(say) CC $@
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) $(SANITIZE) -c -o $@ $<

# As many at a time as there are processors, where make was not told otherwise
JOBS = $(if $(filter -j%,$(MAKEFLAGS)),,-j$(shell nproc))

test-programs: $(UNIT_BIN) $(SHIM_BIN) $(E2E_BIN) $(QEMU_BIN) $(FUZZ_BIN)

check:
	$(Q)$(MAKE) --no-print-directory $(JOBS) all test-programs
	$(Q)tests/check

check-unit: all $(UNIT_BIN) $(B)/tests/freestanding.ok
	$(Q)tests/unit/run

check-shim: all $(SHIM_BIN) $(SHIM_MUSL_BIN)
	$(Q)tests/shim/run

# What the calls that it wraps cost: system calls exactly, times within limits
check-calls: all
	$(Q)tests/bench/run-calls --check

# docs/compatibility.md, of the tables in tests/shim; check-shim says whether those are true
docs: all
	$(Q)tests/shim/page.py >$(B)/compatibility.md
	$(Q)cp $(B)/compatibility.md docs/compatibility.md

check-e2e: all $(E2E_BIN)
	$(Q)tests/e2e/run

# On Debian's kernel, in virtual machines; the kernel module among that, in short forms
check-qemu: all test-programs
	$(Q)tests/qemu/run --build-module
	$(Q)TEST_SHORT=1 tests/qemu/run smoke kinds 10-module 20-attacks 33-programs

# All that the kernel module promises, on both of Debian's kernels
check-qemu-guard: all test-programs
	$(Q)tests/qemu/run --build-module
	$(Q)tests/qemu/run '[1-4][0-9]-'
	$(Q)tests/qemu/run --kernel 6.12 --build-module
	$(Q)tests/qemu/run --kernel 6.12 smoke '[1-4][0-9]-'

# The same, what the module costs, and what the kernels do without it
check-qemu-long: check-qemu-guard
	$(Q)tests/qemu/run smoke kinds differences 50-cost
	$(Q)tests/qemu/run --kernel 6.12 kinds 50-cost

# What can be told in control groups, which only such a machine has
check-qemu-differences: all test-programs
	$(Q)tests/qemu/run differences

# The kernel module by DKMS, signed, for the kernel whose headers are installed
check-dkms: kmod
	$(Q)tests/kernel/dkms

# The kernel module, on a kernel that looks after itself and that somebody has built in KERNEL: by hand only
KERNEL ?=
check-kasan: all test-programs
	$(if $(KERNEL),,$(error KERNEL=DIRECTORY is missing, where a kernel was built as tests/qemu/debug.config says))
	$(Q)tests/qemu/run --kernel "$(KERNEL)" --build-module
	$(Q)tests/qemu/run --kernel "$(KERNEL)" 10-module 11-guarded 12-policy 13-events 14-gone 20-attacks \
		22-nomemory 30-races 31-router 32-required 40-policy

# The same with a router whose memory is watched
check-asan: all asan $(E2E_BIN)
	$(Q)tests/e2e/run --asan

# Every fuzz target for so many seconds
FUZZ_SECONDS ?= 5
check-fuzz: $(FUZZ_BIN)
	$(Q)tests/fuzz/run $(FUZZ_SECONDS)

# The same for an hour, until one finds something; what they learn stays in build/fuzz/corpus.
fuzz: $(FUZZ_BIN)
	$(Q)tests/fuzz/run --keep --stop 3600

POLICY_ASAN := restart packets limits 05-tenants agreement storm

# Policies over restarts, on live connections and packets, their rates and limits, and between tenants; random
# ones, and what they cost
check-policy: all $(E2E_BIN)
	$(Q)tests/e2e/run --policy

# The same with a router whose memory is watched; of rates, which are the kernel's, that says nothing. One by one, since
# such a router is slow, and would be late beside another test
check-policy-asan: all asan $(E2E_BIN)
	$(Q)E2E_JOBS=1 tests/e2e/run --asan --policy $(POLICY_ASAN)

# What crashes, containers, strangers and peers that mean ill may change for others: nothing
check-robust: all $(E2E_BIN)
	$(Q)tests/e2e/run --robust

check-faults: all $(FAULTS_BIN) $(B)/tests/e2e/uring_accept
	$(Q)tests/e2e/run --faults

# Calls drawn by chance, on plain sockets and on Slim's: a minute
check-random: all $(B)/tests/random/driver
	$(Q)tests/random/run

check-long: all asan $(UNIT_BIN) $(SHIM_BIN) $(SHIM_MUSL_BIN) $(E2E_BIN) $(FUZZ_BIN) $(FAULTS_BIN) $(B)/tests/random/driver
	$(Q)tests/check --long

demo: all bench-programs
	$(Q)tests/demo

bench: all bench-programs
	$(Q)tests/bench/run

# The same in figures, and what many threads reach: on a machine that does nothing else
bench-calls: all
	$(Q)tests/bench/run-calls
	$(Q)tests/bench/run-crowd --check

# A quarter of an hour on a machine that does nothing else: by hand only.
bench-policy: all bench-programs
	$(Q)tests/bench/run-policy --goals

# Some minutes, and thousands of devices: by hand only.
bench-attach: all
	$(Q)tests/bench/attach

# Scripts and C, and the page of what programs can tell
lint: shim
	shellcheck $$(grep -rlE '^\#!/bin/(ba)?sh' .ci tests tools) tools/completion/*
	cppcheck -q --error-exitcode=1 --inline-suppr --suppress=missingIncludeSystem \
		--library=tools/cppcheck.cfg -Iinclude router core shim tools tests/fuzz tests/shim/stage
	tests/shim/page.py check
	$(MAKE) --no-print-directory lint-kmod

install: all
	install -d $(DESTDIR)$(SBINDIR) $(DESTDIR)$(BINDIR) $(DESTDIR)$(LIBDIR)/slim \
		$(DESTDIR)$(MANDIR)/man1 $(DESTDIR)$(MANDIR)/man4 $(DESTDIR)$(MANDIR)/man5 $(DESTDIR)$(MANDIR)/man7 \
		$(DESTDIR)$(MANDIR)/man8 $(DESTDIR)$(UNITDIR) $(DESTDIR)$(COMPLETIONDIR) \
		$(DESTDIR)$(SYSCONFDIR)/slim
	install -m 0755 $(B)/slimrouter $(B)/slimctl $(DESTDIR)$(SBINDIR)
	install -m 0755 $(B)/slim-run $(DESTDIR)$(BINDIR)
	install -m 0644 $(B)/libslim.so $(DESTDIR)$(LIBDIR)/slim
	install -m 0644 docs/man/*.1 $(DESTDIR)$(MANDIR)/man1
	install -m 0644 docs/man/*.4 $(DESTDIR)$(MANDIR)/man4
	install -m 0644 docs/man/*.5 $(DESTDIR)$(MANDIR)/man5
	install -m 0644 docs/man/*.7 $(DESTDIR)$(MANDIR)/man7
	install -m 0644 docs/man/*.8 $(DESTDIR)$(MANDIR)/man8
	sed 's|@SBINDIR@|$(SBINDIR)|' router/slimrouter.service > \
		$(DESTDIR)$(UNITDIR)/slimrouter.service
	install -m 0644 router/slimrouter.socket $(DESTDIR)$(UNITDIR)
	install -m 0644 tools/completion/slimctl.bash $(DESTDIR)$(COMPLETIONDIR)/slimctl
	ln -sf slimctl $(DESTDIR)$(COMPLETIONDIR)/slim-run
	install -m 0644 router/slimrouter.conf.example $(DESTDIR)$(SYSCONFDIR)/slim

uninstall:
	rm -f $(DESTDIR)$(SBINDIR)/slimrouter $(DESTDIR)$(SBINDIR)/slimctl \
		$(DESTDIR)$(BINDIR)/slim-run $(DESTDIR)$(LIBDIR)/slim/libslim.so \
		$(DESTDIR)$(UNITDIR)/slimrouter.service \
		$(DESTDIR)$(UNITDIR)/slimrouter.socket $(DESTDIR)$(COMPLETIONDIR)/slimctl \
		$(DESTDIR)$(COMPLETIONDIR)/slim-run $(DESTDIR)$(SYSCONFDIR)/slim/slimrouter.conf.example
	for page in docs/man/*; do \
		rm -f $(DESTDIR)$(MANDIR)/man$${page##*.}/$${page##*/}; done

clean:
	rm -rf $(B)

-include $(shell find $(B) -name '*.d' 2>/dev/null)
