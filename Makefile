# make course: run every notebook; make test: all tests. Both set up .venv first, once.
# Others: make html (what make course ran, as pages), make browser (the notebooks in JupyterLab, in a browser),
# make web (students in onnxruntime-web, and the page that uses it), make mobile (in LiteRT, as on phones), make colab
# (the notebooks with Colab's versions), make wheel, make badges, make lint, make clean.
PYTHON ?= python3
VENV ?= .venv
EXTRAS ?= course,test
PROFILE ?= quick
RUN = $(VENV)/bin/python
STAMP = $(VENV)/.installed-$(EXTRAS)

.PHONY: course test html setup lint badges browser web wheel mobile colab clean

course: setup
	$(RUN) -m kdsharp course --profile $(PROFILE)

test: setup lint
	$(RUN) -m pytest

html: setup
	$(RUN) tools/render_html.py

setup: $(STAMP)

# Installing happens again only when one of these two files, or EXTRAS, changes.
$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install --disable-pip-version-check --quiet -c constraints.txt -e '.[$(EXTRAS)]'
	touch $@

lint: setup
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) tools/notebooks.py

# Strips the notebooks' outputs and writes the repository's owner and name (pyproject.toml) into every badge.
badges: setup
	$(RUN) tools/notebooks.py --fix

# Needs EXTRAS with browser in it, as in: make browser EXTRAS=course,test,browser; and a Chromium of the system.
browser: setup
	$(RUN) tools/browser_lane.py

# The students in onnxruntime-web, in Node and on the page in a browser; needs npm, and EXTRAS as for `make browser`.
web: setup
	$(RUN) -m kdsharp web --runtime
	$(RUN) -m pytest tests/test_web_runtime.py tests/test_live.py tests/test_live_page.py

# build/wheel/kdsharp-....whl, with the published networks and what browsers need to run them.
wheel: setup
	$(RUN) -m kdsharp web --runtime
	$(RUN) -m pip wheel --disable-pip-version-check --quiet --no-deps -w build/wheel .

# LiteRT files for phones; litert-torch asks for an older PyTorch, so it has an environment of its own.
mobile:
	$(PYTHON) -m venv build/mobile
	build/mobile/bin/python -m pip install --disable-pip-version-check --quiet litert-torch pytest -e .
	build/mobile/bin/python -m pytest tests/test_mobile.py

colab:
	bash tools/colab_lane.sh

clean:
	rm -rf build $(VENV)
