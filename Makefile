# Two commands: `make demo` does the main job, `make test` runs the tests.
# `make test-long` runs the campaigns that `make test` leaves out: kills, fuzzing, all lessons.
# Each makes its own virtual environment in .venv and installs what it needs.

PYTHON ?= python3
VENV ?= .venv
PIP = $(VENV)/bin/python -m pip --disable-pip-version-check

demo: $(VENV)/.installed
	$(VENV)/bin/minitx demo

# A file stays in one process, so that what its tests compile is compiled once.
# A test that hangs ends its process (pyproject.toml), and no other process takes its file over: it
# would hang again.
PYTEST = $(VENV)/bin/python -m pytest -q -n auto --maxprocesses 4 --dist loadfile \
	--no-loadscope-reorder --max-worker-restart 0

# Compiling takes most of the time. These flags turn off the compiler's optimizations, choose its
# older code generator, and leave a program in one part: a training step with Muon then took 0.8 s of
# CPU time to compile instead of 4.8 s (2026-11-25). constraints.txt has a jaxlib that knows them.
# The campaigns run without them, as users do.
COMPILE_QUICKLY = --xla_backend_optimization_level=0 --xla_cpu_use_fusion_emitters=false \
	--xla_cpu_parallel_codegen_split_count=1

test: $(VENV)/.installed-test
	XLA_FLAGS="$(XLA_FLAGS) $(COMPILE_QUICKLY)" $(PYTEST) -m "not long"

# Trains the zoo once, on all cores; otherwise each file that needs it would train it.
test-long: $(VENV)/.installed-test
	MINITX_CACHE=build/test-cache $(VENV)/bin/minitx zoo build
	MINITX_TEST_ZOO=$(CURDIR)/build/test-cache $(PYTEST) -m long

# The versions that the tests were run with; plain `pip install .` takes newer ones.
$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --quiet --constraint constraints.txt --editable .
	touch $@

$(VENV)/.installed-test: $(VENV)/.installed
	$(PIP) install --quiet --constraint constraints.txt --editable '.[test]'
	touch $@

clean:
	rm -rf $(VENV) build dist

.PHONY: demo test test-long clean
