# SPDX-License-Identifier: GPL-2.0
#
# What this project offers. Everything runs in a private Debian 13, which the first
# command makes, and is kept in the cache, outside the work tree: see
# Documentation/building.rst.

# Runs a command there.
ENTER := tools/environment/enter

# Options, from the command line only: what happens to be exported under one of these
# names is none.
# Of `make guest` and more:
IMPL := rust
CPUS := 2
KERNEL := lean
ICOUNT :=
TIMEOUT := 300
CMD :=
PACKAGES :=
SHARE :=
# A kernel of your own, and another source than the tested one.
KDIR :=
SOURCE :=
# Of `make deb-kernel`.
KCONFIG :=
# Of `make bench` and `make profile`.
RECORD :=
DOC :=
FIGURE := GET PID
# Of `make fuzz` and `make soak`; SEED is one of `make test` as well.
MESSAGES := 20000
SECONDS := 60
SEED := 1
# Of the tests: a file in the work tree for their results in
# KTAP as well.
KTAP :=
TALLY = tally $(if $(KTAP),--ktap '$(abspath $(KTAP))')

# What the environment is to show of this machine, and have besides.
ENTER += $(if $(PACKAGES),--packages '$(PACKAGES)') $(if $(SHARE),--share '$(SHARE)')
ENTER += $(if $(KDIR),--share '$(KDIR)') $(if $(SOURCE),--source '$(SOURCE)')

.PHONY: help
help:
	@echo 'make run                 build all, boot a guest, let getdelays query the module'
	@echo '                         [KERNEL=debian|lean]'
	@echo 'make test                all that must hold'
	@echo 'make test-debug          the suite in a kernel that looks for mistakes (KASAN, lockdep),'
	@echo '                         with C filling each record as well, and allocations that fail'
	@echo "make test-stock          the suite on Debian's own kernel, without a patch"
	@echo 'make test-oracle         the suite, with C filling each record as well [KERNEL=lean]'
	@echo 'make fuzz                random messages to C and to Rust [MESSAGES=n] [SEED=n]'
	@echo 'make soak                load and unload while all is done at once [SECONDS=n] [SEED=n]'
	@echo '                         [KERNEL=debug]'
	@echo 'make check               formatting, lints, documentation, patches'
	@echo "make guest CMD='...'     run a command in a guest [IMPL=rust|c|none] [CPUS=n] [ICOUNT=1]"
	@echo '                         [KERNEL=lean|debug|debian] [TIMEOUT=seconds] [SHARE=directory]'
	@echo "                         [PACKAGES='...', of Debian 13, for this run]"
	@echo 'make shell               a shell in the environment that all of this runs in'
	@echo "                         [CMD='...'] [SHARE=directory]"
	@echo 'make bench               what C and Rust cost [KERNEL=lean|debian] [RECORD=1] [DOC=1]'
	@echo "make profile FIGURE='...'  where the instructions of a figure of make bench go"
	@echo 'make kernel              the kernel alone [KERNEL=lean|debug|pristine|debian]'
	@echo 'make module              the module alone [KDIR=build directory of your kernel]'
	@echo "make deb                 packages for Debian's own kernel, in deb/"
	@echo 'make deb-kernel          packages of the kernel with the patches, in deb-kernel/'
	@echo "                         [KCONFIG=configuration, instead of Debian's]"
	@echo 'make clean               remove what this work tree no longer needs from the cache'
	@echo 'make mrproper            remove the cache'
	@echo 'The tests write their results in KTAP as well with KTAP=file.'
	@echo 'All that build a kernel take another than the tested one with SOURCE=tarball, git tree'
	@echo 'or newest.'

# The programs in tools/, which do the work: those that build and boot, and all.
.PHONY: builder tools
builder:
	@$(ENTER) tools/environment/build-tools --package kbuild --package guest --package control
tools:
	@$(ENTER) tools/environment/build-tools

.PHONY: kernel
kernel: builder
	@$(ENTER) kbuild build --config $(KERNEL)

.PHONY: module
module: builder
	@$(ENTER) kbuild module $(if $(KDIR),--kdir '$(KDIR)',--config $(KERNEL))

# Without another word, on Debian's own kernel: it need not be built.
RUN_KERNEL = $(if $(filter command,$(firstword $(origin KERNEL))),$(KERNEL),debian)
.PHONY: run
run: builder
	@$(ENTER) kbuild module --config $(RUN_KERNEL)
	@$(ENTER) sh -c 'guest run --impl rust --config $(RUN_KERNEL) -- \
		tools/show "$$(kbuild path --config $(RUN_KERNEL) accounting)"'

.PHONY: guest
guest: $(if $(filter rust,$(IMPL)),module,kernel)
	@$(if $(CMD),,$(error what shall run? make guest CMD='...'))
	@$(ENTER) guest run --impl $(IMPL) --cpus $(CPUS) --config $(KERNEL) \
		--timeout $(TIMEOUT) $(if $(ICOUNT),--icount) --shell '$(subst ','\'',$(CMD))'

.PHONY: shell
shell: tools
	@$(ENTER) bash $(if $(CMD),-c '$(subst ','\'',$(CMD))')

# What the suite needs to know, and what it is compared with: the same kernel
# without the patches.
SUITE = suite run --module "$$(kbuild path --config $(1) $(or $(2),module))" \
	--clients "$$(kbuild path --config $(1) accounting)" \
	--headers "$$(kbuild path --config $(1) source)/include/uapi"
# Random messages; the argument is a time limit, if the usual one is too short.
FUZZ = guest run --impl none $(addprefix --timeout ,$(1)) -- suite fuzz \
	--module "$$(kbuild path module)" --messages $(MESSAGES) --seed $(SEED)
# Everything at once; the arguments are the kernel and for how many seconds, to which the
# time limit adds the usual one.
SOAK = guest run --impl none --config $(1) --timeout $$(($(2) + 3600)) -- suite soak \
	--module "$$(kbuild path --config $(1) module)" --seconds $(2) --seed $(SEED)
# The generic netlink layer with a family that is not TASKSTATS; the argument is the kernel.
SAMPLE = guest run --impl none --config $(1) -- python3 samples/ask_items.py \
	"$$(dirname "$$(kbuild path --config $(1) test-module)")" \
	"$$(kbuild path --config $(1) source)"
# The family taskacct, by way of the kernel's own client; the arguments are the kernel and
# options.
TASKACCT = guest run --impl none --config $(1) -- \
	python3 -B tools/tests/taskacct "$$(kbuild path --config $(1) module)" \
	"$$(kbuild path --config $(1) source)" $(2)
SNAPSHOT = guest run --impl none --config $(1) -- suite snapshot
UNCHANGED = cd "$$(mktemp -d)" && $(call SNAPSHOT,pristine) >pristine && \
	$(call SNAPSHOT,lean) >lean && diff -u pristine lean

.PHONY: test
test: module tools
	@$(ENTER) kbuild build --config pristine >/dev/null
	@$(ENTER) kbuild module --test-build >/dev/null
	@$(ENTER) $(TALLY) --jobs 2 \
		'suite: guest run --impl none -- $(call SUITE,lean)' \
		'tools: cargo test --release --quiet $(CARGO) --workspace --no-fail-fast' \
		'fuzz: $(call FUZZ)' \
		'the patches: seam' \
		'a family of its own: $(call SAMPLE,lean)' \
		'taskacct: $(call TASKACCT,lean)' \
		'unchanged without the module: $(UNCHANGED)'

# The suite with the test build of the module, which lets C fill each record as
# well and compares the two field by field.
SUITE_ORACLE = guest run --impl none --config $(KERNEL) -- \
	$(call SUITE,$(KERNEL),test-module) --test-build
.PHONY: test-oracle
test-oracle: tools
	@$(ENTER) kbuild module --test-build --config $(KERNEL) >/dev/null
	@$(ENTER) $(TALLY) \
		'suite, each record compared with C: $(SUITE_ORACLE)'

# The module on Debian's own kernel, which it takes over by livepatch. Three guests share
# the tests, and all of them two CPUs: they wait for livepatch much of the time.
SUITE_STOCK = guest run --impl none --config debian -- $(call SUITE,debian) --shard $(1) \
	--livepatch "$$(kbuild modules --config debian tools/tests/livepatch)"
.PHONY: test-stock
test-stock: tools
	@$(ENTER) kbuild module --config debian >/dev/null
	@$(ENTER) kbuild modules --config debian tools/tests/livepatch >/dev/null
	@$(ENTER) $(TALLY) --jobs 4 \
		"suite on Debian's kernel, 1st third: "'$(call SUITE_STOCK,1/3)' \
		"suite on Debian's kernel, 2nd third: "'$(call SUITE_STOCK,2/3)' \
		"suite on Debian's kernel, 3rd third: "'$(call SUITE_STOCK,3/3)' \
		"taskacct on Debian's kernel: "'$(call TASKACCT,debian)' \
		"soak on Debian's kernel: "'$(call SOAK,debian,60)'

# The debug kernel: that there is nothing wrong, and that it sees what is. The test
# build of the module is what runs there. Two guests share the tests.
SUITE_DEBUG = guest run --impl none --config debug -- \
	$(call SUITE,debug,test-module) --test-build --faults --leaks --shard $(1)
.PHONY: test-debug
test-debug: tools
	@$(ENTER) kbuild module --config debug >/dev/null
	@$(ENTER) kbuild module --test-build --config debug >/dev/null
	@$(ENTER) $(TALLY) --jobs 2 \
		'suite, 1st half: $(call SUITE_DEBUG,1/2)' \
		'suite, 2nd half: $(call SUITE_DEBUG,2/2)' \
		'faults are seen: planted' \
		'a family of its own: $(call SAMPLE,debug)' \
		'taskacct: $(call TASKACCT,debug,--faults)' \
		'soak: $(call SOAK,debug,60)'

# Packages of Debian's: what is installed on its kernel, and what builds the module
# for the next one. Others than the environment's are needed to make them.
.PHONY: deb
deb: tools
	@$(ENTER) kbuild module --config debian >/dev/null
	@$(ENTER) --packages 'debhelper dh-dkms lintian' packaging/deb deb

# Debian's packages of the kernel with the patches, and of the module for it.
.PHONY: deb-kernel
deb-kernel: kernel
	@$(if $(KCONFIG),,$(ENTER) kbuild build --config debian >/dev/null)
	@$(ENTER) $(if $(KCONFIG),--share '$(dir $(abspath $(KCONFIG)))') \
		--packages 'debhelper dh-dkms libdw-dev lintian rsync' \
		packaging/kernel deb-kernel $(if $(KCONFIG),'$(abspath $(KCONFIG))')

.PHONY: bench
bench: module tools
	@$(ENTER) $(if $(filter debian,$(KERNEL)),--packages 'bpftool libbpf-dev') \
		bench run --config $(KERNEL) $(if $(RECORD),--record) \
		$(if $(DOC),--doc Documentation/benchmarks.rst)

.PHONY: profile
profile: module tools
	@$(ENTER) bench profile '$(FIGURE)'

.PHONY: fuzz
fuzz: module tools
	@$(ENTER) sh -c '$(call FUZZ,14400)'

.PHONY: soak
soak: tools
	@$(ENTER) kbuild module --config $(KERNEL) >/dev/null
	@$(ENTER) sh -c '$(call SOAK,$(KERNEL),$(SECONDS))'

CARGO := --locked --manifest-path tools/Cargo.toml
CARGO_DOC := cargo doc --quiet --no-deps $(CARGO) --workspace

.PHONY: check
check: module tools
	@$(ENTER) $(TALLY) --jobs 2 \
		'module: kbuild check' \
		'tools, format: cargo fmt --all --manifest-path tools/Cargo.toml --check' \
		'tools, lints: cargo clippy --release --quiet $(CARGO) --workspace --all-targets -- -D warnings' \
		'tools, documentation: RUSTDOCFLAGS="-D warnings" $(CARGO_DOC)'

# What .ci/run runs, with one line of counts over all.
.PHONY: ci
ci: tools
	@$(ENTER) $(TALLY) \
		'make test: make --no-print-directory test' \
		'make check: make --no-print-directory check' \
		'make test-stock: make --no-print-directory test-stock' \
		'make test-debug: make --no-print-directory test-debug'

.PHONY: clean
clean: builder
	@$(ENTER) kbuild clean

.PHONY: mrproper
mrproper:
	@tools/environment/remove
