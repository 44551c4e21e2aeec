# make course: run every notebook; make test: lint and all tests that are not heavy. Both set up .venv first, once.
# make test-all: the heavy tests too. Others: make html (what make course ran, as pages), make browser (the notebooks in
# JupyterLab, in a browser), make rehearsal (profile `full` against small stand-ins for its downloads), make colab (with
# Colab's versions), make web (students in onnxruntime-web, and the page that uses it), make mobile (in LiteRT, as on
# phones), make core (without PyTorch), make wheel, make badges, make docs, make lint, make lock and make check-lock (the
# exact versions), make clean.
#
# make test LANE=avx2: as a processor without AVX-512 would; TESTS="tests/deploy tests/speed": these alone.
# make course INSTALL=pip: where only pip knows the way to the packages, as behind a mirror that pip.conf names.
PYTHON ?= python3
VENV ?= .venv
EXTRAS ?= course,test
PROFILE ?= quick
INSTALL ?= uv
LANE ?= native
COURSE ?=
TESTS ?=
PROCESSES ?= auto
RUN = $(VENV)/bin/python
STAMP = $(VENV)/.installed-$(EXTRAS)
# One process a core, and one thread in each: small tensors gain nothing from a second.
PYTEST = OMP_NUM_THREADS=1 $(RUN) -m pytest -n $(PROCESSES) --maxprocesses 4 --dist worksteal

ifeq ($(LANE),avx2)
include tools/avx2.env
export
endif

.PHONY: course test test-all test-heavy html setup lint badges docs browser rehearsal web wheel core mobile colab lock check-lock clean

course: setup
	$(RUN) -m kdsharp course --profile $(PROFILE) $(COURSE)

test: setup lint
	$(PYTEST) -m "not heavy" $(TESTS)

test-all: test test-heavy

test-heavy: setup
	$(PYTEST) -m heavy

html: setup
	$(RUN) tools/render_html.py

setup: $(STAMP)

# Installing happens again only when one of these two files, or EXTRAS, changes.
$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
ifeq ($(INSTALL),uv)
	$(RUN) -m pip install --disable-pip-version-check --quiet -c constraints.txt uv
	$(RUN) -m uv pip install --quiet --python $(RUN) -c constraints.txt -e '.[$(EXTRAS)]'
else
	$(RUN) -m pip install --disable-pip-version-check --quiet -c constraints.txt -e '.[$(EXTRAS)]'
endif
	touch $@

lint: setup
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) tools/notebooks.py

# The newest versions that fit together, for every Python and platform at once; then: make check-lock.
# basicsr's metadata can be read on Python 3.12 and older only, hence `make lock PYTHON=python3.12`.
lock: setup
	$(RUN) -m uv pip compile --quiet --universal --upgrade --python-version 3.11 --all-extras --no-annotate \
	  --custom-compile-command "make lock" -o constraints.txt pyproject.toml

# Without installing: would every package be there as a wheel, on each Python and platform?
check-lock: setup
	$(RUN) tools/check_lock.py

# Strips the notebooks' outputs and writes the repository's owner and name (pyproject.toml) into every badge.
badges: setup
	$(RUN) tools/notebooks.py --fix

# docs/presets.md, from the registry of presets.
docs: setup
	$(RUN) tools/presets_page.py

# Needs EXTRAS with browser in it, as in: make browser EXTRAS=course,test,browser; and a Chromium of the system.
browser: setup
	$(RUN) tools/browser_lane.py $(BROWSER)

# Needs EXTRAS with restormer and video,web in it.
rehearsal: setup
	$(RUN) tools/rehearsal.py

# The students in onnxruntime-web, in Node and on the page in a browser; needs npm, and EXTRAS as for `make browser`.
web: setup
	$(RUN) -m kdsharp web --runtime
	$(RUN) -m pytest tests/deploy/test_web_runtime.py tests/apps/test_live.py tests/apps/test_live_page.py \
	  tests/apps/test_extension.py

# build/wheel/kdsharp-....whl, with the published networks and what browsers need to run them.
wheel: setup
	$(RUN) -m kdsharp web --runtime
	$(RUN) -m pip wheel --disable-pip-version-check --quiet --no-deps -w build/wheel .

# A wheel in a fresh environment, without PyTorch: it sharpens, and says what else needs which extra.
core: setup
	bash tools/core_lane.sh

# LiteRT files for phones; litert-torch asks for an older PyTorch, so it has an environment of its own.
mobile:
	$(PYTHON) -m venv build/mobile
	build/mobile/bin/python -m pip install --disable-pip-version-check --quiet litert-torch pytest -e '.[train]'
	build/mobile/bin/python -m pytest tests/deploy/test_mobile.py

colab: setup
	bash tools/colab_lane.sh $(COURSE)

clean:
	rm -rf build $(VENV)
