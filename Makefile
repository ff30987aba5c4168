# SPDX-License-Identifier: GPL-2.0
#
# What this project offers. Everything that is built is kept in the cache
# directory, outside the work tree: see Documentation/building.rst.

CACHE := $(or $(RUST_TASKSTATS_CACHE),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/rust-taskstats)
export RUST_TASKSTATS_CACHE := $(CACHE)

CARGO_FLAGS := --locked --manifest-path tools/Cargo.toml --target-dir $(CACHE)/target
BIN := $(CACHE)/target/release

# Options of `make guest`; KERNEL is one of `make kernel` as well, SOURCE and
# UPDATE are those of `make kernel`, KDIR the one of `make module`.
IMPL ?= rust
CPUS ?= 2
KERNEL ?= lean
ICOUNT ?=
SOURCE ?=
UPDATE ?=
KDIR ?=
TIMEOUT ?= 300
# Options of `make bench` and `make profile`.
RECORD ?=
DOC ?=
FIGURE ?= GET PID

# Options of `make fuzz` and `make soak`; SEED is one of `make test` as well.
MESSAGES ?= 20000
SECONDS ?= 60
SEED ?= 1

.PHONY: help
help:
	@echo 'make run                 build all, boot a guest, let getdelays query the module'
	@echo 'make test                all that must hold'
	@echo 'make test-debug          the suite in a kernel that looks for mistakes: KASAN, lockdep, ...,'
	@echo '                         with C filling each record as well, and allocations that fail'
	@echo 'make test-oracle         the suite, with C filling each record as well [KERNEL=lean]'
	@echo 'make fuzz                random messages to C and to Rust [MESSAGES=n] [SEED=n]'
	@echo 'make soak                load and unload while all is done at once [SECONDS=n] [SEED=n] [KERNEL=debug]'
	@echo 'make check               formatting, lints, documentation, patches'
	@echo "make guest CMD='...'     run a command in a guest [IMPL=rust|c] [CPUS=n] [ICOUNT=1]"
	@echo '                         [KERNEL=lean|debug] [TIMEOUT=seconds]'
	@echo 'make bench               what C and Rust cost [RECORD=1] [DOC=1]'
	@echo "make profile FIGURE='...'  where the instructions of a figure of make bench go"
	@echo 'make kernel              the kernel alone [KERNEL=lean|debug|pristine] [SOURCE=tarball] [UPDATE=1]'
	@echo 'make module              the module alone [KDIR=build directory of your kernel]'
	@echo 'make clean               remove what this work tree needs no more from the cache'
	@echo 'make mrproper            remove the cache: $(CACHE)'

# The programs in tools/, which do the work.
.PHONY: tools
tools:
	@tools/bootstrap
	@cargo build --release --quiet $(CARGO_FLAGS)

.PHONY: kernel
kernel: tools
	@$(BIN)/kbuild build --config $(KERNEL) $(if $(SOURCE),--source '$(SOURCE)') $(if $(UPDATE),--update)

.PHONY: module
module: tools
	@$(BIN)/kbuild module $(if $(KDIR),--kdir '$(KDIR)',--config $(KERNEL))

.PHONY: run
run: module
	@$(BIN)/guest run --impl rust -- $(BIN)/show "$$($(BIN)/kbuild path accounting)"

.PHONY: guest
guest: module
	@$(if $(CMD),,$(error what shall run? make guest CMD='...'))
	@$(BIN)/guest run --impl $(IMPL) --cpus $(CPUS) --config $(KERNEL) \
		--timeout $(TIMEOUT) $(if $(ICOUNT),--icount) --shell '$(subst ','\'',$(CMD))'

# What the suite needs to know, and what it is compared with: the same kernel
# without the patches.
SUITE = $(BIN)/suite run --module "$$($(BIN)/kbuild path --config $(1) $(or $(2),module))" \
	--clients "$$($(BIN)/kbuild path --config $(1) accounting)" \
	--headers "$$($(BIN)/kbuild path --config $(1) source)/include/uapi"
# Random messages; the argument is how many seconds they may take.
FUZZ = $(BIN)/guest run --impl none --timeout $(1) -- $(BIN)/suite fuzz \
	--module "$$($(BIN)/kbuild path module)" --messages $(MESSAGES) --seed $(SEED)
# Everything at once; the arguments are the kernel and for how many seconds.
SOAK = $(BIN)/guest run --impl none --config $(1) --timeout $$(($(2) + 600)) -- $(BIN)/suite soak \
	--module "$$($(BIN)/kbuild path --config $(1) module)" --seconds $(2) --seed $(SEED)
SNAPSHOT = $(BIN)/guest run --impl none --config $(1) -- $(BIN)/suite snapshot >$(CACHE)/$(1).json

.PHONY: test
test: module
	@$(BIN)/kbuild build --config pristine >/dev/null
	@$(BIN)/tally --jobs 2 \
		'suite: $(BIN)/guest run --impl none --timeout 1200 -- $(call SUITE,lean)' \
		'tools: cargo test --release --quiet $(CARGO_FLAGS) --workspace' \
		'fuzz: $(call FUZZ,1200)' \
		'unchanged without the module: $(call SNAPSHOT,pristine) && $(call SNAPSHOT,lean) && diff -u $(CACHE)/pristine.json $(CACHE)/lean.json'

# The suite with the test build of the module, which lets C fill each record as
# well and compares the two field by field. Its KUnit tests make kthreadd start
# threads at each load, so kthreadd does not stand still.
.PHONY: test-oracle
test-oracle: tools
	@$(BIN)/kbuild module --test-build --config $(KERNEL) >/dev/null
	@$(BIN)/tally \
		'suite, each record compared with C: $(BIN)/guest run --impl none --config $(KERNEL) --timeout 1200 -- $(call SUITE,$(KERNEL),test-module) --test-build --skip kthreadd'

# The debug kernel: that there is nothing wrong, and that it sees what is. The test
# build of the module is what runs there. A guest emulates its CPUs in one thread
# where QEMU is old, so two guests share the tests.
SUITE_DEBUG = $(BIN)/guest run --impl none --config debug --timeout 1800 -- \
	$(call SUITE,debug,test-module) --test-build --skip kthreadd --faults --leaks --part $(1)
.PHONY: test-debug
test-debug: tools
	@$(BIN)/kbuild module --config debug >/dev/null
	@$(BIN)/kbuild module --test-build --config debug >/dev/null
	@$(BIN)/tally --jobs 2 \
		'suite, 1st half: $(call SUITE_DEBUG,1/2)' \
		'suite, 2nd half: $(call SUITE_DEBUG,2/2)' \
		'faults are seen: $(BIN)/planted' \
		'soak: $(call SOAK,debug,60)'

.PHONY: bench
bench: module
	@$(BIN)/bench run $(if $(RECORD),--record) $(if $(DOC),--doc Documentation/benchmarks.rst)

.PHONY: profile
profile: module
	@$(BIN)/bench profile '$(FIGURE)'

.PHONY: fuzz
fuzz: module
	@$(call FUZZ,14400)

.PHONY: soak
soak: module
	@$(call SOAK,$(KERNEL),$(SECONDS))

.PHONY: check
check: module
	@$(BIN)/tally \
		'module: $(BIN)/kbuild check' \
		'tools, format: cargo fmt --all --manifest-path tools/Cargo.toml --check' \
		'tools, lints: cargo clippy --release --quiet $(CARGO_FLAGS) --workspace --all-targets -- -D warnings' \
		'tools, documentation: RUSTDOCFLAGS="-D warnings" cargo doc --quiet --no-deps $(CARGO_FLAGS) --workspace'

.PHONY: clean
clean: tools
	@$(BIN)/kbuild clean

.PHONY: mrproper
mrproper:
	rm -rf '$(CACHE)'
