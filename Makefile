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

WARNINGS  := -Wall -Wextra -Werror -Wconversion
CFLAGS    ?= -O2 -g
CPPFLAGS_ := -D_GNU_SOURCE -DBEAMFENCE_VERSION='"$(VERSION)"' -Iuser -I. -isystem $(BUILD)
CFLAGS_   := -std=gnu11 $(WARNINGS) -fno-common -fstack-protector-strong -D_FORTIFY_SOURCE=2 -fPIE
LDFLAGS_  := -pie -Wl,-z,relro,-z,now
BPF_FLAGS := -O2 -g -target bpf -mcpu=v3 -ffile-prefix-map=$(CURDIR)=. $(WARNINGS) \
	     -Wno-sign-conversion \
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
UNIT   := $(wildcard tests/unit/*.c)
BPF_TESTS := $(wildcard tests/bpf/*.c) $(addprefix user/agent/,hearing.c listeners.c nodes.c)
ORACLE := $(filter-out %.bpf.c,$(wildcard tests/oracle/*.c))

SKELETONS := $(BUILD)/filter_xdp.skel.h $(BUILD)/listeners.skel.h $(BUILD)/gate.skel.h \
	     $(BUILD)/occupant.skel.h

objects = $(patsubst %.c,$(BUILD)/$(2)/%.o,$(1))

.DELETE_ON_ERROR:
.SUFFIXES:
.PHONY: all demo check check-unit check-bpf check-system check-ansible bench bench-short bench-plot \
	instructions oracle soak kernels install deb format lint clean deps deps-demo deps-check \
	deps-kernels

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

$(BUILD)/test-unit: $(call objects,$(CORE) $(DAEMON) $(AGENT) $(NET) $(CLI) $(KERNEL) $(UNIT) tests/bpf/frames.c,san)
	$(call say,LD,$@)$(CC) $(CFLAGS) $(SANITIZE) $(LDFLAGS) $^ \
		$(call PKG,--libs,$(LIBRARIES) $(TEST_LIBRARIES)) -lm -o $@
$(BUILD)/test-bpf: $(call objects,$(CORE) $(KERNEL) $(BPF_TESTS) tests/fuzz/reference.c,san)
	$(call say,LD,$@)$(CC) $(CFLAGS) $(SANITIZE) $(LDFLAGS) $^ \
		$(call PKG,--libs,$(LIBRARIES) $(TEST_LIBRARIES)) -lm -o $@
# For other kernels, emulated: there the sanitizers would take minutes.
$(BUILD)/test-bpf-plain: $(call objects,$(CORE) $(KERNEL) $(BPF_TESTS) tests/fuzz/reference.c,obj)
	$(call say,LD,$@)$(CC) $(CFLAGS) $(LDFLAGS) -pie $^ \
		$(call PKG,--libs,$(LIBRARIES) $(TEST_LIBRARIES)) -lm -o $@
$(BUILD)/verify: $(BUILD)/obj/tests/kernels/verify.o
	$(call say,LD,$@)$(CC) $(CFLAGS) $(LDFLAGS) -pie $^ $(call PKG,--libs,libbpf) -o $@
$(BUILD)/bench: $(call objects,$(CORE) $(KERNEL) tests/bpf/frames.c tests/bpf/harness.c \
		tests/bench/bench.c tests/bench/cases.c tests/bench/rivals.c,obj)
	$(call say,LD,$@)$(CC) $(CFLAGS) $(LDFLAGS) -pie $^ $(call PKG,--libs,$(LIBRARIES)) -lm -o $@
$(BUILD)/flood: $(call objects,tests/bpf/frames.c tests/bench/flood.c,obj)
	$(call say,LD,$@)$(CC) $(CFLAGS) $(LDFLAGS) -pie $^ $(call PKG,--libs,$(LIBRARIES)) -o $@
BENCH_BPF := empty floor shuffle flood drop pass
$(BENCH_BPF:%=$(BUILD)/%.bpf.o): $(BUILD)/%.bpf.o: tests/bench/%.bpf.c
	@mkdir -p $(@D)
	$(call say,BPF,$@)$(CLANG) $(BPF_FLAGS) -MD -MP -c $< -o $@
$(BUILD)/obj/tests/bench/rivals.o: $(BENCH_BPF:%=$(BUILD)/%.skel.h)
$(BUILD)/obj/tests/bench/rivals.o: CPPFLAGS_ += -DMULTIARCH='"$(MULTIARCH)"'
$(BUILD)/obj/tests/bench/flood.o: $(BUILD)/flood.skel.h
$(BUILD)/oracle: $(call objects,$(ORACLE),obj) | $(BUILD)/filter_xdp.bpf.o
	$(call say,LD,$@)$(CC) $(CFLAGS) $(LDFLAGS) -pie $^ $(call PKG,--libs,libbpf) -o $@
$(BUILD)/probe.bpf.o: tests/oracle/probe.bpf.c
	@mkdir -p $(@D)
	$(call say,BPF,$@)$(CLANG) $(BPF_FLAGS) -MD -MP -c $< -o $@
$(BUILD)/obj/tests/oracle/world.o: $(BUILD)/probe.skel.h

# Fuzzers: each has tests/fuzz/fuzz_NAME.c and the code that it is for, with libFuzzer's eyes in it.
FUZZERS    := $(patsubst tests/fuzz/fuzz_%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZ_FLAGS := -O1 -g -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all \
	      -fno-omit-frame-pointer
FUZZED     := $(CORE) $(DAEMON) $(wildcard user/agent/control*.c) \
	      user/agent/commands_arguments.c user/agent/net_side.c tests/fuzz/reference.c
$(BUILD)/fuzz/%.o: %.c | $(SKELETONS)
	@mkdir -p $(@D)
	$(call say,CC,$@)$(CLANG) $(CPPFLAGS_) -std=gnu11 $(WARNINGS) -Wno-sign-conversion \
		-Wno-shorten-64-to-32 $(FUZZ_FLAGS) $(call PKG,--cflags,$(LIBRARIES)) -MD -MP -c $< -o $@
$(BUILD)/fuzz/user/core/version.o: $(BUILD)/facts.h
$(BUILD)/fuzz/tests/fuzz/fuzz_frame.o: FUZZ_FLAGS += -fno-sanitize=alignment
$(BUILD)/fuzz/fuzzed.a: $(call objects,$(FUZZED),fuzz)
	@rm -f $@
	$(call say,AR,$@)ar rcs $@ $^
$(BUILD)/fuzz-%: $(BUILD)/fuzz/tests/fuzz/fuzz_%.o $(BUILD)/fuzz/fuzzed.a
	$(call say,LD,$@)$(CLANG) $(FUZZ_FLAGS) -fsanitize=fuzzer $^ $(call PKG,--libs,$(LIBRARIES)) \
		-lm -o $@
.PHONY: fuzz fuzzers fuzz-coverage
fuzzers: $(FUZZERS:%=$(BUILD)/fuzz-%)
# The same, counting lines instead of looking for faults.
COVER_FLAGS := -O1 -g -fprofile-instr-generate -fcoverage-mapping
$(BUILD)/cover/%.o: %.c | $(SKELETONS)
	@mkdir -p $(@D)
	$(call say,CC,$@)$(CLANG) $(CPPFLAGS_) -std=gnu11 $(COVER_FLAGS) $(call PKG,--cflags,$(LIBRARIES)) \
		-MD -MP -c $< -o $@
$(BUILD)/cover/user/core/version.o: $(BUILD)/facts.h
$(BUILD)/cover/covered.a: $(call objects,$(FUZZED),cover)
	@rm -f $@
	$(call say,AR,$@)ar rcs $@ $^
$(BUILD)/cover-%: $(BUILD)/cover/tests/fuzz/fuzz_%.o $(BUILD)/cover/covered.a
	$(call say,LD,$@)$(CLANG) $(COVER_FLAGS) -fsanitize=fuzzer $^ $(call PKG,--libs,$(LIBRARIES)) \
		-lm -o $@
.SECONDARY: $(foreach kind,fuzz cover,$(FUZZERS:%=$(BUILD)/$(kind)/tests/fuzz/fuzz_%.o))

# Preloaded into the agent, to have its allocations and system calls fail.
$(BUILD)/faults.so: tests/faults/faults.c
	@mkdir -p $(@D)
	$(call say,LD,$@)$(CC) -std=gnu11 $(WARNINGS) -O2 -g -fPIC -shared $< -o $@
$(BUILD)/stream: $(BUILD)/obj/tests/bench/stream.o
	$(call say,LD,$@)$(CC) $(CFLAGS) $(LDFLAGS) -pie $^ -o $@
$(BUILD)/crowd: $(BUILD)/obj/tests/system/crowd.o
	$(call say,LD,$@)$(CC) $(CFLAGS) $(LDFLAGS) -pie $^ -o $@
$(BUILD)/distribution.beam: tests/bench/distribution.erl
	$(call say,ERLC,$@)erlc -o $(@D) $<
# Built by the compiler of BPF, with one optimisation: the counts are of both.
$(BUILD)/shapes: tests/bench/shapes.c tests/bpf/frames.c $(wildcard bpf/*.h tests/*/*.h)
	@mkdir -p $(@D)
	$(call say,CC,$@)$(CLANG) -O2 -std=gnu11 -D_GNU_SOURCE -Iuser -I. $(filter %.c,$^) -o $@

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

check: deps-check
	@$(MAKE) --no-print-directory $(PARALLEL) all $(BUILD)/test-unit $(BUILD)/test-bpf $(BUILD)/verify \
		$(BUILD)/oracle $(BUILD)/shapes $(BUILD)/flood $(BUILD)/crowd $(BUILD)/faults.so
	@BUILD=$(BUILD) PYTHON=$(PYTHON) CLANG=$(CLANG) tests/run

# What every commit should pass: a minute, and the time to build.
.PHONY: quick style
quick: deps-check
	@$(MAKE) --no-print-directory $(PARALLEL) all $(BUILD)/test-unit $(BUILD)/test-bpf $(BUILD)/shapes
	@BUILD=$(BUILD) PYTHON=$(PYTHON) CLANG=$(CLANG) tests/run quick

check-unit: $(BUILD)/test-unit
	$(BUILD)/test-unit
check-bpf: $(BUILD)/test-bpf
	$(BUILD)/test-bpf
check-system: all $(BUILD)/flood $(BUILD)/crowd $(BUILD)/faults.so
	$(PYTHON) -m pytest -q tests/system

# The system tests once more, with sanitizers in agent and command line, but for those that measure
# memory or how fast a flood is dealt with, or ask what the programs are linked with. A report
# fails, whatever the tests say. "make check-sanitized TEST=tests/system/test_try.py" runs one file.
MEASURING := 8_mib or never_read or storm or odd_epmd or thousand_starts or more_listeners or flood \
	     or bothered or libraries
SANITIZED := $(BUILD)/sanitized
REPORTS   := $(abspath $(SANITIZED))/reports
SANITIZED_CFLAGS := -O1 -g -U_FORTIFY_SOURCE $(SANITIZE)
.PHONY: sanitized check-sanitized coverage
sanitized: $(SKELETONS)
	@mkdir -p $(SANITIZED)
	@install -d -m 1777 $(REPORTS) && ln -sfn ../tools $(SANITIZED)/tools
	@$(CC) $(SANITIZED_CFLAGS) -fPIE -DSANITIZER_REPORTS='"$(REPORTS)"' \
		-c tests/system/sanitizers.c -o $(SANITIZED)/sanitizers.o
	@$(MAKE) --no-print-directory BUILD=$(SANITIZED) CFLAGS="$(SANITIZED_CFLAGS)" \
		LDFLAGS=$(SANITIZED)/sanitizers.o all \
		$(addprefix $(SANITIZED)/,crowd faults.so flood)
check-sanitized: deps-check sanitized
	@rm -f $(REPORTS)/*
	@failed=0; BEAMFENCE_BUILD=$(SANITIZED) $(PYTHON) -m pytest -q -rs \
		-k 'not ($(MEASURING))' $(or $(TEST),tests/system) || failed=1; \
	for report in $(REPORTS)/*; do [ ! -e "$$report" ] || { cat "$$report"; failed=1; }; done; \
	exit $$failed

# Which lines and branches of agent and command line the unit, BPF and system tests reach.
COVERAGE := $(BUILD)/coverage
coverage: deps-check
	@mkdir -p $(COVERAGE) && ln -sfn ../tools $(COVERAGE)/tools
	@$(MAKE) --no-print-directory BUILD=$(COVERAGE) SANITIZE= all \
		$(addprefix $(COVERAGE)/,crowd faults.so flood test-unit test-bpf) \
		CFLAGS="-O0 -g -U_FORTIFY_SOURCE --coverage -fprofile-update=atomic"
	@find $(COVERAGE) -name '*.gcda' -delete
	-$(COVERAGE)/test-unit
	-$(COVERAGE)/test-bpf
	-BEAMFENCE_BUILD=$(COVERAGE) $(PYTHON) -m pytest -q tests/system
	@$(PYTHON) tests/coverage.py $(COVERAGE)

# The Ansible role on two hosts with systemd and a RabbitMQ cluster: two or three minutes.
check-ansible: deps-check
	@$(MAKE) --no-print-directory all
	$(PYTHON) -m pytest -q tests/system/ansible_cluster.py

# What the pure code takes in instructions; "make instructions ACCEPT=1" accepts what it takes now.
ACCEPT ?=
instructions: $(BUILD)/shapes
	@$(PYTHON) tests/bench/instructions.py $(BUILD)/shapes $(CLANG) $(if $(ACCEPT),--accept)

# The table of what is fast and what is not, and build/bench.json: nine minutes. "make bench-short"
# takes one. Run it on a machine that does nothing else.
BENCH := $(addprefix $(BUILD)/,bench flood stream distribution.beam drop.bpf.o pass.bpf.o)
bench bench-short: deps-check
	@deploy/dependencies.sh bench || echo 'bench: goes on without these' >&2
	@$(MAKE) --no-print-directory all $(BENCH)
	@$(PYTHON) tests/bench/run.py $(if $(filter bench-short,$@),--short) --json $(BUILD)/bench.json
bench-plot:
	@$(PYTHON) tests/bench/plot.py $(BUILD)/bench.json tests/bench/performance.svg

# The kernel as oracle: "make oracle FRAMES=5000000 SEED=7". Then the same oracle over a filter with
# faults, each of which it must find.
FRAMES ?= 5000000
SEED ?= 1
oracle: deps-check
	@$(MAKE) --no-print-directory $(BUILD)/oracle
	@$(BUILD)/oracle --replay tests/oracle/frames
	@$(BUILD)/oracle --frames $(FRAMES) --seed $(SEED) --object $(BUILD)/filter_xdp.bpf.o
	@BUILD=$(BUILD) $(PYTHON) tests/oracle/faults.py --seed $(SEED)

# At length: node starts under a sweep; 1,000 reloads, 100 kills and 100 upgrades under a flood; the
# agent killed at each of its calls to the kernel, or that failing; each allocation and system call
# failing, with sanitizers; and bothered in every way. "make soak NODES=5000 MINUTES=120".
NODES   ?= 1000
MINUTES ?= 10
soak: deps-check
	@$(MAKE) --no-print-directory all $(BUILD)/flood
	@$(PYTHON) tests/system/soak.py --nodes $(NODES)
	@$(PYTHON) tests/system/soak.py --nodes $(NODES) --fixed
	@BEAMFENCE_SOAK=1 $(PYTHON) -m pytest -q -s tests/system/test_flood.py
	@BEAMFENCE_SOAK=1 $(PYTHON) -m pytest -q -s tests/system/test_events.py -k flood
	@BEAMFENCE_KILL_EVERYWHERE=1 $(PYTHON) -m pytest -q -s tests/system/test_interruption.py \
		tests/system/test_failing_calls.py
	@$(MAKE) --no-print-directory sanitized
	@BEAMFENCE_FAIL_EVERYWHERE=1 BEAMFENCE_BUILD=$(SANITIZED) \
		$(PYTHON) -m pytest -q tests/system/test_failures.py
	@$(PYTHON) tests/system/abuse.py --minutes $(MINUTES)

# An attacker's toolbox without beamfence and with it, as a table.
.PHONY: attack
attack: deps-check
	@$(MAKE) --no-print-directory all
	@PYTHONPATH=tests/system $(PYTHON) tests/system/attack/battery.py
# A local user's attacks, against version 0.1 (built once, from the history) and this one.
.PHONY: attack-local
attack-local: deps-check
	@$(MAKE) --no-print-directory all
	@PYTHONPATH=tests/system $(PYTHON) tests/system/attack/local_battery.py

# The fuzzers, two at a time, each for SECONDS of CPU time, then the frames that they found through
# the loaded program: "make fuzz SECONDS=600", "make fuzz FUZZ='frame config'".
SECONDS ?= 60
FUZZ    ?= $(FUZZERS)
fuzz: deps-check
	@$(MAKE) --no-print-directory $(PARALLEL) fuzzers $(BUILD)/test-bpf
	@$(PYTHON) tests/fuzz/run.py --build $(BUILD) --seconds $(SECONDS) $(FUZZ)
	@$(if $(filter frame,$(FUZZ)),BEAMFENCE_FRAMES=tests/fuzz/corpus/frame:$(BUILD)/fuzz/corpus/frame \
		$(BUILD)/test-bpf --filter 'agreement/*')
# What the corpora reach, with all that fuzzers found so far: lines and branches of each file.
fuzz-coverage: deps-check
	@$(MAKE) --no-print-directory $(FUZZERS:%=$(BUILD)/cover-%)
	@$(PYTHON) tests/fuzz/coverage.py --build $(BUILD) $(FUZZERS)

# The programs and the agent on other kernels: "make kernels LINUX=6.1" takes one of them (6.1-arm64
# one of another architecture), "make kernels LINUX=6.1 TEST=tests/system/test_tls.py" runs that file
# there and nothing else. PREEMPT is the kernel's own option: full, lazy, voluntary or none, of which
# Linux 7.0 has the first two; empty for what the kernel was built for.
LINUX   ?=
TEST    ?=
PREEMPT ?= full
kernels: deps-kernels
	@$(MAKE) --no-print-directory all $(BUILD)/test-bpf-plain $(BUILD)/verify \
		$(BUILD)/empty.bpf.o $(BUILD)/crowd
	@BEAMFENCE_BUILD=$(BUILD) $(PYTHON) tests/kernels/run.py $(addprefix --linux=,$(LINUX)) \
		$(addprefix --test=,$(TEST)) $(addprefix --preempt=,$(PREEMPT))

# Built and tested by gcc and by clang, as this machine has them and as Debian 13 has them: ten
# minutes. "make compilers HERE=1" takes this machine's alone.
.PHONY: compilers
HERE ?=
compilers: deps-check
	@$(if $(HERE),,deploy/dependencies.sh compilers)
	@BEAMFENCE_BUILD=$(BUILD) $(PYTHON) tests/compilers.py $(if $(HERE),--here)

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

-include $(shell find $(BUILD) \( -path $(BUILD)/deb -o -path $(BUILD)/kernels -o -path $(BUILD)/compilers \) -prune -o -name '*.d' -type f -print 2>/dev/null)
