# SPDX-License-Identifier: MIT
# slim.ko: built in build/kmod/RELEASE, since headers of several kernels may be there, and nothing is left beside
# the sources. KDIR: a kernel's headers or its build tree; else all those that are installed.

KDIR ?=
KERNELS := $(or $(KDIR),$(wildcard /usr/src/linux-headers-*-$(shell dpkg --print-architecture 2>/dev/null)))
KMOD_SRC := $(wildcard kmod/*.[ch] core/*.[ch] include/*/*.h include/*/*/*.h) Kbuild

# $(call kernel_release,HEADERS)
kernel_release = $(shell sed -n 's/.*UTS_RELEASE "\(.*\)"/\1/p' $(1)/include/generated/utsrelease.h 2>/dev/null)

KMOD := $(foreach kernel,$(KERNELS),$(B)/kmod/$(call kernel_release,$(kernel))/slim.ko)

.PHONY: kmod lint-kmod install-dkms uninstall-dkms

define newline


endef

# Debian's headers come without what BTF of modules is made with
kmod_make = $(MAKE) --no-print-directory -C $(1) M=$(abspath $(2)) W=1 KCFLAGS=-Werror CONFIG_DEBUG_INFO_BTF_MODULES= \
	$(if $(V),,-s) $(3)

define kmod_rule
$(B)/kmod/$(call kernel_release,$(1))/slim.ko: $(KMOD_SRC) $(wildcard $(1)/include/config/auto.conf)
	$(say) KMOD $$@
	$(Q)mkdir -p $$(@D)
	$(Q)rm -f $$(@D)/kmod/*.[ch] $$(@D)/core/*.[ch]
	$(Q)cp -rp Kbuild kmod core include $$(@D)
	$(Q)+$$(call kmod_make,$(1),$$(@D),modules)
endef
$(foreach kernel,$(KERNELS),$(eval $(call kmod_rule,$(kernel))))

ifeq ($(KMOD),)
kmod:
	@echo "  slim.ko is not built: no kernel headers in /usr/src (linux-headers-amd64), and no KDIR given"
else
kmod: $(KMOD)
endif

# Every file is looked at again.
lint-kmod: kmod
	$(foreach kernel,$(KERNELS),$(Q)+$(call kmod_make,$(kernel),$(B)/kmod/$(call kernel_release,$(kernel)), \
		C=2 CF="-Wsparse-error -fdiagnostic-prefix=sparse" modules)$(newline))

# For `dkms install slim/VERSION`, which builds it for each kernel that is installed
VERSION := $(shell sed -n 's/.*SLIM_VERSION.*"\(.*\)"/\1/p' include/slim/version.h)
DKMSDIR ?= /usr/src/slim-$(VERSION)

install-dkms:
	install -d $(DESTDIR)$(DKMSDIR)
	cp -rp Kbuild kmod core include LICENSES $(DESTDIR)$(DKMSDIR)
	sed 's|@VERSION@|$(VERSION)|' kmod/dkms.conf >$(DESTDIR)$(DKMSDIR)/dkms.conf

uninstall-dkms:
	rm -rf $(DESTDIR)$(DKMSDIR)
