# beamfence: "make" builds, "make demo" shows, "make check" tests. V=1 prints each command.

VERSION := 0.1.0
BUILD   := build
PREFIX  ?= /usr/local
DESTDIR ?=
LIBEXECDIR ?= $(PREFIX)/libexec/beamfence
SYSCONFDIR ?= /etc
UNITDIR ?= $(PREFIX)/lib/systemd/system# empty: not installed
SYSUSERSDIR ?= $(PREFIX)/lib/sysusers.d# the same
COMMIT  ?= $(shell git describe --always --dirty --exclude='*' --abbrev=12 2>/dev/null)

CC      ?= cc
CLANG   ?= clang
BPFTOOL ?= $(shell command -v bpftool || echo /usr/sbin/bpftool)
PYTHON  := /usr/bin/python3

LIBRARIES      := libbpf yaml-0.1 jansson libevent libcap-ng libmnl
TEST_LIBRARIES := criterion
# clang does not always know its -print-multiarch.
MULTIARCH      := $(or $(shell $(CC) -print-multiarch 2>/dev/null),$(subst -pc-,-,$(shell $(CC) -dumpmachine 2>/dev/null)))

# A warning is an error to who works on this, in a clone; not to who builds a release or a package
# with a compiler that warns of more. "make WERROR=1" and "make WERROR=" say so.
WERROR    ?= $(if $(wildcard .git),1)
WARNINGS  := -Wall -Wextra -Wconversion -Wshadow -Wmissing-prototypes -Wstrict-prototypes -Wformat=2 \
	     -Wundef $(if $(WERROR),-Werror)
CFLAGS    ?= -O2 -g
CPPFLAGS_ := -D_GNU_SOURCE -DBEAMFENCE_VERSION='"$(VERSION)"' -Iuser -I. -isystem $(BUILD)
CFLAGS_   := -std=gnu11 $(WARNINGS) -fno-common -fstack-protector-strong -D_FORTIFY_SOURCE=2 -fPIE
LDFLAGS_  := -pie -Wl,-z,relro,-z,now
# BPF programs are called by the kernel alone, and what is verified apart must be global.
BPF_FLAGS := -O2 -g -target bpf -mcpu=v3 -ffile-prefix-map=$(CURDIR)=. $(WARNINGS) \
	     -Wno-missing-prototypes -Wno-sign-conversion \
	     -Wno-implicit-int-conversion -Wno-address-of-packed-member \
	     $(if $(MULTIARCH),-I/usr/include/$(MULTIARCH))
SANITIZE  := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer

PKG = $(shell pkg-config --silence-errors $(1) $(2))

V ?= 0
ifeq ($(V),0)
say = @printf '  %-7s %s\n' $(1) $(2);
endif

CORE   := $(wildcard user/core/*.c)
DAEMON := $(wildcard user/daemon/*.c)
KERNEL := $(wildcard user/kernel/*.c)
AGENT  := $(filter-out %/main.c,$(wildcard user/agent/*.c))
NET    := $(filter-out %/main.c,$(wildcard user/net/*.c))
CLI    := $(filter-out %/main.c,$(wildcard user/cli/*.c))
SKELETONS := $(BUILD)/filter_xdp.skel.h $(BUILD)/listeners.skel.h $(BUILD)/gate.skel.h \
	     $(BUILD)/occupant.skel.h

objects = $(patsubst %.c,$(BUILD)/$(2)/%.o,$(1))

.DELETE_ON_ERROR:
.SUFFIXES:
.PHONY: all demo install deb format lint style clean deps deps-demo deps-check deps-kernels

all: $(BUILD)/beamfenced $(BUILD)/beamfence-net $(BUILD)/beamfence $(BUILD)/beamfence.schema.json

# Each BPF program: an object file, and from it a header that carries it into the agent. What the
# filter is called does not tell its first hook.
$(SKELETONS:.skel.h=.bpf.o): $(BUILD)/%.bpf.o: bpf/%.bpf.c
	@command -v $(CLANG) >/dev/null || { echo 'no $(CLANG): as root, "make deps" installs' \
		'what building needs' >&2; exit 1; }
	@mkdir -p $(@D)
	$(call say,BPF,$@)$(CLANG) $(BPF_FLAGS) -MD -MP -c $< -o $@
$(BUILD)/%.skel.h: $(BUILD)/%.bpf.o
	$(call say,SKEL,$@)$(BPFTOOL) gen skeleton $< name $(*:filter_xdp=filter) >$@

# What --version says of the build, apart so that a new commit compiles one file anew.
FACTS = '\#define FACT_COMMIT "$(COMMIT)"' '\#define FACT_LIBBPF "$(call PKG,--modversion,libbpf)"'
$(BUILD)/facts.h: FORCE
	@mkdir -p $(@D)
	@printf '%s\n' $(FACTS) | cmp -s - $@ || printf '%s\n' $(FACTS) >$@
FORCE:

$(BUILD)/obj/%.o: %.c | $(SKELETONS)
	@mkdir -p $(@D)
	$(call say,CC,$@)$(CC) $(CPPFLAGS_) $(CPPFLAGS) $(CFLAGS_) $(CFLAGS) \
		$(call PKG,--cflags,$(LIBRARIES)) -MD -MP -c $< -o $@
# The same with sanitizers: what the unit tests run.
$(BUILD)/san/%.o: %.c | $(SKELETONS)
	@mkdir -p $(@D)
	$(call say,CC,$@)$(CC) $(CPPFLAGS_) $(filter-out -D_FORTIFY_SOURCE=%,$(CPPFLAGS) $(CFLAGS_)) \
		$(CFLAGS) $(SANITIZE) $(call PKG,--cflags,$(LIBRARIES) $(TEST_LIBRARIES)) \
		-MD -MP -c $< -o $@
$(call objects,$(KERNEL),obj) $(call objects,$(KERNEL),san): $(SKELETONS)
$(foreach kind,obj san,$(BUILD)/$(kind)/user/core/version.o) \
	$(BUILD)/analysed/user/core/version.c: $(BUILD)/facts.h
# BPF reads frames at any address, and so does its code when it is built natively.
$(BUILD)/san/tests/unit/test_frame.o $(BUILD)/san/tests/bpf/test_agreement.o: SANITIZE += -fno-sanitize=alignment

$(BUILD)/beamfenced: $(call objects,$(CORE) $(DAEMON) $(KERNEL) $(AGENT) user/agent/main.c,obj)
	$(call say,LD,$@)$(CC) $(CFLAGS) $(LDFLAGS_) $(LDFLAGS) $^ \
		$(call PKG,--libs,$(LIBRARIES)) -o $@
# Of these rooms a program gets what it calls, and is linked with no library for the rest.
$(BUILD)/core.a: $(call objects,$(CORE),obj)
$(BUILD)/kernel.a: $(call objects,$(KERNEL),obj)
$(BUILD)/core.a $(BUILD)/kernel.a:
	@rm -f $@
	$(call say,AR,$@)ar rcs $@ $^
$(BUILD)/beamfence-net: $(call objects,$(DAEMON) $(NET) user/net/main.c,obj) $(BUILD)/core.a
	$(call say,LD,$@)$(CC) $(CFLAGS) $(LDFLAGS_) $(LDFLAGS) $^ \
		$(call PKG,--libs,jansson libevent) -o $@
$(BUILD)/beamfence: $(call objects,$(CLI) user/cli/main.c,obj) $(BUILD)/kernel.a $(BUILD)/core.a
	$(call say,LD,$@)$(CC) $(CFLAGS) $(LDFLAGS_) $(LDFLAGS) $^ \
		$(call PKG,--libs,libbpf libmnl yaml-0.1 jansson) -o $@
# Printed by the program. Where it is built for another machine, SCHEMA_BY= names one of the same
# version that runs here; else the file stays empty, and is not installed.
SCHEMA_BY ?= $(BUILD)/beamfence
$(BUILD)/beamfence.schema.json: $(BUILD)/beamfence
	$(call say,SCHEMA,$@)$(SCHEMA_BY) schema >$@ || { [ $$? -ge 126 ] && : >$@ && \
		echo '$(SCHEMA_BY) does not run on this machine: no schema for editors, unless' \
			'SCHEMA_BY= names one that does' >&2; }

# What "demo" and "check" need is installed by the one script; each runs as the first command typed.
deps:
	@deploy/dependencies.sh build
deps-demo:
	@deploy/dependencies.sh build demo
deps-check:
	@deploy/dependencies.sh build demo check
deps-kernels:
	@deploy/dependencies.sh build demo check kernels $(if $(LINUX),$(findstring arm64,$(LINUX)),arm64)

# Builds on all CPUs, unless told by -j.
PARALLEL = $(if $(findstring -j,$(MAKEFLAGS)),,-j$(shell nproc))

demo: deps-demo
	@$(MAKE) --no-print-directory $(PARALLEL) all
	@$(PYTHON) tests/system/demo.py

include tests/tests.mk

MAN_PAGES := $(wildcard deploy/man/*.[1-9])
MONITORING := prometheus/beamfence.rules.yml prometheus/prometheus.yml \
	      prometheus/beamfence-textfile.service prometheus/beamfence-textfile.timer \
	      grafana/beamfence.json
ZSHDIR = share/zsh/$(if $(filter /usr,$(PREFIX)),vendor-completions,site-functions)
install: all
	install -D -m 755 $(BUILD)/beamfenced $(DESTDIR)$(PREFIX)/sbin/beamfenced
	install -D -m 755 $(BUILD)/beamfence $(DESTDIR)$(PREFIX)/sbin/beamfence
	install -D -m 755 $(BUILD)/beamfence-net $(DESTDIR)$(LIBEXECDIR)/beamfence-net
	install -D -m 644 deploy/config/beamfence.yaml \
		$(DESTDIR)$(PREFIX)/share/doc/beamfence/beamfence.yaml
	install -D -m 644 README.md $(DESTDIR)$(PREFIX)/share/doc/beamfence/README.md
	install -D -m 644 deploy/prometheus/README.md \
		$(DESTDIR)$(PREFIX)/share/doc/beamfence/monitoring.md
	for file in $(MONITORING); do install -D -m 644 "deploy/$$file" \
		"$(DESTDIR)$(PREFIX)/share/beamfence/$$file" || exit; done
	! test -s $(BUILD)/beamfence.schema.json || install -D -m 644 $(BUILD)/beamfence.schema.json \
		$(DESTDIR)$(PREFIX)/share/beamfence/beamfence.schema.json
	install -d -m 755 $(DESTDIR)$(SYSCONFDIR)/beamfence
	test -e $(DESTDIR)$(SYSCONFDIR)/beamfence/beamfence.yaml || \
		install -m 644 deploy/config/beamfence.yaml $(DESTDIR)$(SYSCONFDIR)/beamfence/
	for page in $(MAN_PAGES); do install -D -m 644 "$$page" \
		$(DESTDIR)$(PREFIX)/share/man/man$${page##*.}/$${page##*/} || exit; done
	install -D -m 644 deploy/completions/beamfence.bash \
		$(DESTDIR)$(PREFIX)/share/bash-completion/completions/beamfence
	install -D -m 644 deploy/completions/_beamfence \
		$(DESTDIR)$(PREFIX)/$(ZSHDIR)/_beamfence
	install -D -m 644 deploy/completions/beamfence.fish \
		$(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/beamfence.fish
ifneq ($(UNITDIR),)
	install -D -m 644 deploy/systemd/beamfence-pins.service \
		$(DESTDIR)$(UNITDIR)/beamfence-pins.service
	for unit in beamfenced beamfence-net; do \
		sed 's,@SBINDIR@,$(PREFIX)/sbin,;s,@LIBEXECDIR@,$(LIBEXECDIR),' \
			deploy/systemd/$$unit.service >$(DESTDIR)$(UNITDIR)/$$unit.service && \
		chmod 644 $(DESTDIR)$(UNITDIR)/$$unit.service || exit; done
endif
ifneq ($(SYSUSERSDIR),)
	install -D -m 644 deploy/systemd/sysusers.conf $(DESTDIR)$(SYSUSERSDIR)/beamfence.conf
endif

# A Debian package, in build/deb, from the files that git knows (or those of an unpacked archive).
# DEB_VERSION= gives it another version, and "make deb" needs no network once "make deps" had one.
DEB_VERSION ?= $(VERSION)
deb:
	@deploy/dependencies.sh build package
	@BUILD=$(BUILD) VERSION=$(DEB_VERSION) COMMIT=$(COMMIT) deploy/debian/build

SOURCES = $(shell git ls-files -co --exclude-standard '*.c' '*.h')
SCRIPTS = .ci/run tests/run $(wildcard deploy/debian/p*) $(shell git ls-files -co --exclude-standard '*.sh')
format:
	clang-format -i $(SOURCES)
# The analyser of clang 14 does not know the cleanup attribute: its leak checker is off, and leaks
# are the business of the sanitizers that the tests run with.
lint: $(addprefix $(BUILD)/analysed/,$(wildcard user/*/*.c)) style
style:
	@clang-format --dry-run -Werror $(SOURCES)
	@shellcheck -x -S warning $(SCRIPTS)
	@$(PYTHON) -m flake8 --extend-ignore=E127,E128,E501 tests
	@$(PYTHON) tests/rooms.py
$(BUILD)/analysed/%: % $(wildcard user/*/*.h bpf/*.h) | $(SKELETONS)
	@mkdir -p $(@D)
	$(call say,LINT,$<)$(CLANG) --analyze --analyzer-output text -Xclang -analyzer-werror \
		-Xclang -analyzer-disable-checker=unix.Malloc $(CPPFLAGS_) -std=gnu11 \
		$(call PKG,--cflags,$(LIBRARIES)) $<
	@touch $@

clean:
	rm -rf $(BUILD)

# Not those of other versions, which are built in a directory of their own below this one.
-include $(shell find $(BUILD) -mindepth 1 -maxdepth 1 \( -name '*.d' -o -name obj -o -name san -o -name fuzz \
	-o -name cover -o -name analysed \) -print0 2>/dev/null | xargs -0r -I{} find {} -name '*.d' -type f)
