# Two commands for a newcomer: `make demo` and `make test`. Both install what is missing, then build.
PRESET ?= release
JOBS ?= $(shell nproc)
BUILD := build/$(PRESET)

.PHONY: all setup build demo test bench format lint fuzz clean
all: build

setup:
	@./scripts/setup.sh

build: setup
	@test -f $(BUILD)/build.ninja || cmake --preset $(PRESET) $(CMAKE_ARGS)
	@cmake --build $(BUILD) -j $(JOBS)

demo: build
	@./examples/demo.sh $(BUILD)/circuit

test: build
	@ctest --test-dir $(BUILD) --parallel $(JOBS) --output-on-failure --no-tests=error

bench: build
	@$(BUILD)/bench/circuit_bench $(BENCH_ARGS)

format:
	@PRESET=tidy ./scripts/setup.sh
	@git ls-files 'src/*.cc' 'src/*.h' 'tests/*.cc' 'tests/*.h' 'fuzz/*.cc' 'bench/*.cc' 'bench/*.h' | xargs clang-format -i

lint:
	@PRESET=tidy ./scripts/setup.sh
	@git ls-files 'src/*.cc' 'src/*.h' 'tests/*.cc' 'tests/*.h' 'fuzz/*.cc' 'bench/*.cc' 'bench/*.h' | xargs clang-format --dry-run --Werror
	@$(MAKE) --no-print-directory build PRESET=tidy

# FUZZ_SECONDS of each parser, from the seeds in fuzz/seeds.
FUZZ_SECONDS ?= 300
fuzz:
	@$(MAKE) --no-print-directory build PRESET=fuzz
	@./scripts/fuzz.sh build/fuzz/fuzz $(FUZZ_SECONDS)

clean:
	rm -rf build
