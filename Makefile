# beamfence: "make" builds, "make demo" shows, "make check" tests. V=1 prints each command.

VERSION := 0.1.0
BUILD   := build
PREFIX  ?= /usr/local
DESTDIR ?=
SYSCONFDIR ?= /etc

CC      ?= cc
CLANG   ?= clang
BPFTOOL ?= $(shell command -v bpftool || echo /usr/sbin/bpftool)
PYTHON  := /usr/bin/python3

LIBRARIES      := libbpf yaml-0.1 jansson libevent libcap-ng libmnl
TEST_LIBRARIES := criterion
MULTIARCH      := $(shell $(CC) -print-multiarch 2>/dev/null)

WARNINGS  := -Wall -Wextra -Werror -Wconversion
CFLAGS    ?= -O2 -g
CPPFLAGS_ := -D_GNU_SOURCE -DBEAMFENCE_VERSION='"$(VERSION)"' -Iuser -I. -isystem $(BUILD)
CFLAGS_   := -std=gnu11 $(WARNINGS) -fno-common -fstack-protector-strong -D_FORTIFY_SOURCE=2 -fPIE
LDFLAGS_  := -pie -Wl,-z,relro,-z,now
BPF_FLAGS := -O2 -g -target bpf -mcpu=v3 $(WARNINGS) -Wno-sign-conversion \
	     -Wno-implicit-int-conversion -Wno-address-of-packed-member \
	     $(if $(MULTIARCH),-I/usr/include/$(MULTIARCH))
SANITIZE  := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer

PKG = $(shell pkg-config --silence-errors $(1) $(2))

V ?= 0
ifeq ($(V),0)
say = @printf '  %-7s %s\n' $(1) $(2);
endif

CORE   := $(wildcard user/core/*.c)
KERNEL := $(wildcard user/kernel/*.c)
AGENT  := $(filter-out %/main.c,$(wildcard user/agent/*.c))
CLI    := $(filter-out %/main.c,$(wildcard user/cli/*.c))
UNIT   := $(wildcard tests/unit/*.c)
FRAMES := $(wildcard tests/bpf/*.c)

SKELETONS := $(BUILD)/filter.skel.h $(BUILD)/listeners.skel.h $(BUILD)/gate.skel.h

objects = $(patsubst %.c,$(BUILD)/$(2)/%.o,$(1))

.DELETE_ON_ERROR:
.SUFFIXES:
.PHONY: all demo check check-unit check-bpf check-system bench soak kernels install format lint clean \
	deps deps-demo deps-check deps-kernels

all: $(BUILD)/beamfenced $(BUILD)/beamfence

# The filter: an object file, and from it a header that carries it into the agent.
$(BUILD)/filter.bpf.o $(BUILD)/listeners.bpf.o $(BUILD)/gate.bpf.o: $(BUILD)/%.bpf.o: bpf/%.bpf.c
	@command -v $(CLANG) >/dev/null || { echo 'no $(CLANG): as root, "make deps" installs' \
		'what building needs' >&2; exit 1; }
	@mkdir -p $(@D)
	$(call say,BPF,$@)$(CLANG) $(BPF_FLAGS) -MD -MP -c $< -o $@
$(BUILD)/%.skel.h: $(BUILD)/%.bpf.o
	$(call say,SKEL,$@)$(BPFTOOL) gen skeleton $< name $* >$@

$(BUILD)/obj/%.o: %.c | $(SKELETONS)
	@mkdir -p $(@D)
	$(call say,CC,$@)$(CC) $(CPPFLAGS_) $(CPPFLAGS) $(CFLAGS_) $(CFLAGS) \
		$(call PKG,--cflags,$(LIBRARIES)) -MD -MP -c $< -o $@
# The same with sanitizers: what the unit tests run.
$(BUILD)/san/%.o: %.c | $(SKELETONS)
	@mkdir -p $(@D)
	$(call say,CC,$@)$(CC) $(CPPFLAGS_) $(CPPFLAGS) $(filter-out -D_FORTIFY_SOURCE=2,$(CFLAGS_)) \
		$(CFLAGS) $(SANITIZE) $(call PKG,--cflags,$(LIBRARIES) $(TEST_LIBRARIES)) \
		-MD -MP -c $< -o $@
$(call objects,$(KERNEL),obj) $(call objects,$(KERNEL),san): $(SKELETONS)
# BPF reads frames at any address, and so does its code when it is built natively.
$(BUILD)/san/tests/unit/test_frame.o: SANITIZE += -fno-sanitize=alignment

$(BUILD)/beamfenced: $(call objects,$(CORE) $(KERNEL) $(AGENT) user/agent/main.c,obj)
	$(call say,LD,$@)$(CC) $(CFLAGS) $(LDFLAGS_) $(LDFLAGS) $^ \
		$(call PKG,--libs,$(LIBRARIES)) -o $@
$(BUILD)/beamfence: $(call objects,$(CORE) $(CLI) user/cli/main.c user/kernel/detach.c \
		user/kernel/lock.c,obj)
	$(call say,LD,$@)$(CC) $(CFLAGS) $(LDFLAGS_) $(LDFLAGS) $^ \
		$(call PKG,--libs,yaml-0.1 jansson) -o $@

$(BUILD)/test-unit: $(call objects,$(CORE) $(AGENT) $(CLI) $(KERNEL) $(UNIT) tests/bpf/frames.c,san)
	$(call say,LD,$@)$(CC) $(CFLAGS) $(SANITIZE) $(LDFLAGS) $^ \
		$(call PKG,--libs,$(LIBRARIES) $(TEST_LIBRARIES)) -lm -o $@
$(BUILD)/test-bpf: $(call objects,$(CORE) $(KERNEL) $(FRAMES),san)
	$(call say,LD,$@)$(CC) $(CFLAGS) $(SANITIZE) $(LDFLAGS) $^ \
		$(call PKG,--libs,$(LIBRARIES) $(TEST_LIBRARIES)) -lm -o $@
# For other kernels, emulated: there the sanitizers would take minutes.
$(BUILD)/test-bpf-plain: $(call objects,$(CORE) $(KERNEL) $(FRAMES),obj)
	$(call say,LD,$@)$(CC) $(CFLAGS) $(LDFLAGS) -pie $^ \
		$(call PKG,--libs,$(LIBRARIES) $(TEST_LIBRARIES)) -lm -o $@
$(BUILD)/verify: $(BUILD)/obj/tests/kernels/verify.o
	$(call say,LD,$@)$(CC) $(CFLAGS) $(LDFLAGS) -pie $^ $(call PKG,--libs,libbpf) -o $@
$(BUILD)/bench: $(call objects,$(CORE) $(KERNEL) tests/bpf/frames.c tests/bpf/harness.c \
		tests/bench/bench.c,obj)
	$(call say,LD,$@)$(CC) $(CFLAGS) $(LDFLAGS) -pie $^ $(call PKG,--libs,$(LIBRARIES)) -lm -o $@
$(BUILD)/empty.bpf.o: tests/bench/empty.bpf.c
	@mkdir -p $(@D)
	$(call say,BPF,$@)$(CLANG) $(BPF_FLAGS) -MD -MP -c $< -o $@
$(BUILD)/obj/tests/bench/bench.o: $(BUILD)/empty.skel.h

# What "demo" and "check" need is installed by the one script; each runs as the first command typed.
deps:
	@deploy/dependencies.sh build
deps-demo:
	@deploy/dependencies.sh build demo
deps-check:
	@deploy/dependencies.sh build demo check
deps-kernels:
	@deploy/dependencies.sh build demo check kernels

demo: deps-demo
	@$(MAKE) --no-print-directory all
	@$(PYTHON) tests/system/demo.py

check: deps-check
	@$(MAKE) --no-print-directory all $(BUILD)/test-unit $(BUILD)/test-bpf
	@BUILD=$(BUILD) PYTHON=$(PYTHON) tests/run

check-unit: $(BUILD)/test-unit
	$(BUILD)/test-unit
check-bpf: $(BUILD)/test-bpf
	$(BUILD)/test-bpf
check-system: all
	$(PYTHON) -m pytest -q tests/system

bench: deps-check
	@$(MAKE) --no-print-directory $(BUILD)/bench
	@$(BUILD)/bench
	@$(MAKE) --no-print-directory all
	@$(PYTHON) tests/bench/watch.py

# Thousands of node starts under a sweep: "make soak NODES=5000".
NODES ?= 1000
soak: deps-check
	@$(MAKE) --no-print-directory all
	@$(PYTHON) tests/system/soak.py --nodes $(NODES)

# The programs and the agent on other kernels. "make kernels LINUX=6.1" takes one of them,
# "make kernels LINUX=6.1 TEST=tests/system/test_tls.py" runs that file there and nothing else.
LINUX  ?=
TEST   ?=
kernels: deps-kernels
	@$(MAKE) --no-print-directory all $(BUILD)/test-bpf-plain $(BUILD)/verify
	@$(PYTHON) tests/kernels/run.py $(addprefix --linux=,$(LINUX)) $(addprefix --test=,$(TEST))

install: all
	install -D -m 755 $(BUILD)/beamfenced $(DESTDIR)$(PREFIX)/sbin/beamfenced
	install -D -m 755 $(BUILD)/beamfence $(DESTDIR)$(PREFIX)/sbin/beamfence
	install -D -m 644 deploy/config/beamfence.yaml \
		$(DESTDIR)$(PREFIX)/share/doc/beamfence/beamfence.yaml
	install -d -m 755 $(DESTDIR)$(SYSCONFDIR)/beamfence
	test -e $(DESTDIR)$(SYSCONFDIR)/beamfence/beamfence.yaml || \
		install -m 644 deploy/config/beamfence.yaml $(DESTDIR)$(SYSCONFDIR)/beamfence/

SOURCES = $(shell git ls-files -co --exclude-standard '*.c' '*.h')
format:
	clang-format -i $(SOURCES)
# The analyser of clang 14 does not know the cleanup attribute: its leak checker is off, and leaks
# are the business of the sanitizers that the tests run with.
lint: $(addprefix $(BUILD)/analysed/,$(wildcard user/*/*.c))
	clang-format --dry-run -Werror $(SOURCES)
$(BUILD)/analysed/%: % $(wildcard user/*/*.h bpf/*.h) | $(SKELETONS)
	@mkdir -p $(@D)
	$(call say,LINT,$<)$(CLANG) --analyze --analyzer-output text -Xclang -analyzer-werror \
		-Xclang -analyzer-disable-checker=unix.Malloc $(CPPFLAGS_) -std=gnu11 \
		$(call PKG,--cflags,$(LIBRARIES)) $<
	@touch $@

clean:
	rm -rf $(BUILD)

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
