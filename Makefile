# SPDX-License-Identifier: MIT
#
# The front door: each target sees to what it needs, then calls CMake, ctest or spanlab. The `#?` lines are the help.
#?
#? spanlab: a laboratory for memory allocators
#?
#?   make bench    set up, build, run, report           the main job
#?   make test     set up, build, run the tests    10 to 20 minutes on 2 cores
#?
#?   make quick    bench with MATRIX=quick   make full     bench with MATRIX=full
#?   make plan     what bench would run      make report   redraw the last report
#?   make build    set up and build only     make doctor   is this machine fit?
#?   make asan     address and UB tests      make tsan     thread sanitizer tests
#?   make test-all  all of the tests' products and rounds    an hour or two
#?   make fuzz     FUZZ_SECONDS=600 each     make oracle   ask real Go again
#?   make go       real Go, as subjects       make numbers  goalloc's own figures
#?   make paper-ci  claims that counting decides     4 to 8 minutes on 2 cores
#?                  CLASS=D+: those that count something nearby, too: 12 to 20
#?   make paper    those, noisy claims, the matrices   hours
#?   make format   clang-format our C, C++   make help     this
#?
#?   MATRIX=quick    smoke, quick, full or a YAML file   BUDGET=30m   time limit
#?   SUBJECTS=a,b    only these; x:/lib.so is your own   RUNNER=local where
#?   WORKLOADS=a,b   only these                          STRICT=1     no n/a
#?
#?   build/bin/spanlab --help    the commands and options beneath
#?   Any failure of spanlab makes make end with 2; its own exit code is printed.

MATRIX    ?= quick
SUBJECTS  ?=
WORKLOADS ?=
BUDGET    ?=
RUNNER    ?= local
STRICT    ?=
BUILD     ?= build
JOBS      ?= $(shell nproc)
FUZZ_SECONDS ?= 600
CLASS     ?= D

# Values reach the shell through the environment and are quoted there, never pasted into a recipe.
export MATRIX SUBJECTS WORKLOADS BUDGET RUNNER STRICT BUILD JOBS FUZZ_SECONDS CLASS

groups  = build
spanlab = "$$BUILD/bin/spanlab"
options = -m "$$MATRIX" $${SUBJECTS:+-s "$$SUBJECTS"} $${WORKLOADS:+-w "$$WORKLOADS"} $${BUDGET:+-b "$$BUDGET"} \
          --runner "$$RUNNER" $(if $(filter-out 0,$(STRICT)),--strict)

.PHONY: help go bench quick full test test-all asan tsan fuzz oracle numbers build doctor plan report format paper paper-ci
.NOTPARALLEL:

help:
	@sed -n 's/^#?//p' Makefile

bench: groups += peer
bench: build
	@$(spanlab) run $(options)

quick full:
	@$(MAKE) --no-print-directory bench MATRIX=$@

plan: build
	@$(spanlab) plan $(options)

doctor: build
	@$(spanlab) doctor

report: build
	@$(spanlab) report

# A plain build leaves out the tests, which need more packages, unless `make test` has asked for them before.
build:
	@scripts/setup.sh $(groups)
	@if [ -e "$$BUILD/CMakeCache.txt" ]; then tests=; else tests=-DSPANLAB_TESTS=OFF; fi; \
	cmake --preset release -B "$$BUILD" $$tests >/dev/null
	@cmake --build "$$BUILD" -j "$$JOBS" >&2

test:
	@scripts/setup.sh build peer test
	@scripts/test.sh release asan tsan clang

test-all:
	@scripts/setup.sh build peer test
	@scripts/test.sh --all release asan tsan clang

asan tsan:
	@scripts/setup.sh build test
	@scripts/test.sh $@

fuzz:
	@scripts/setup.sh build test
	@cmake --preset fuzz -B "$$BUILD-fuzz" >/dev/null
	@cmake --build "$$BUILD-fuzz" -j "$$JOBS" --target fuzz-targets >&2
	@tests/fuzz/run.sh "$$BUILD-fuzz" "$$FUZZ_SECONDS"

oracle:
	@scripts/setup.sh build test
	@cmake --preset release -B "$$BUILD" -DSPANLAB_TESTS=ON >/dev/null
	@cmake --build "$$BUILD" -j "$$JOBS" >&2
	@scripts/oracle.sh

go: build
	@scripts/go-subjects.sh "$$BUILD"

# Real Go judges claims about it where there is a Go; else its recorded figures do.
# What claims count or check of the tests' programs is built, and no more of the tests.
claims_programs = $$(sed -n 's/^ *program: "\{0,1\}\([^ "]*\).*/\1/p' results/claims/*.yaml | sort -u)
go_subjects = command -v go >/dev/null && scripts/go-subjects.sh "$$BUILD" || \
              echo "paper-ci: no Go here: its recorded figures count"
timed = @began=$$(date +%s); $(2) || exit; echo "paper-ci: $(1): $$(($$(date +%s) - began)) s"
paper-ci paper: groups += peer test
paper-ci: build
	@cmake --preset release -B "$$BUILD" -DSPANLAB_TESTS=ON >/dev/null
	@cmake --build "$$BUILD" -j "$$JOBS" --target $(claims_programs) >&2
	$(call timed,go subjects,$(go_subjects))
	$(call timed,claims and changed subjects,$(spanlab) claims run --class "$$CLASS" --mutations --jobs "$$JOBS")
	$(call timed,changed sources,scripts/claims-mutants.sh "$$BUILD")
	$(call timed,report,$(spanlab) claims report --check README.md)

paper: build
	@$(MAKE) --no-print-directory paper-ci CLASS=D+
	@$(spanlab) claims run --class N
	@$(MAKE) --no-print-directory numbers
	@$(MAKE) --no-print-directory bench MATRIX=marking
	@$(MAKE) --no-print-directory bench MATRIX=timespace
	@$(MAKE) --no-print-directory bench MATRIX=placement

numbers:
	@scripts/setup.sh build test
	@cmake --preset release -B "$$BUILD" -DSPANLAB_TESTS=ON >/dev/null
	@cmake --build "$$BUILD" -j "$$JOBS" >&2
	@scripts/allocator-numbers.sh

format:
	@scripts/setup.sh format
	@git ls-files -z '*.c' '*.h' '*.cc' | xargs -0 clang-format -i
