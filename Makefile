# make course: run every notebook; make test: all tests. Both set up .venv first, once.
# Others: make html (what make course ran, as pages), make browser (the notebooks in JupyterLab, in a browser),
# make web (exported students in onnxruntime-web), make mobile (in LiteRT, as on phones), make colab (the notebooks
# with Colab's versions), make badges, make lint, make clean.
PYTHON ?= python3
VENV ?= .venv
EXTRAS ?= course,test
PROFILE ?= quick
RUN = $(VENV)/bin/python
STAMP = $(VENV)/.installed-$(EXTRAS)

.PHONY: course test html setup lint badges browser web mobile colab clean

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

# The exported students in onnxruntime-web, as browsers run them; needs Node and npm.
web: setup
	mkdir -p build/web
	cp tools/web/package.json tools/web/run.mjs build/web/
	npm install --prefix build/web --silent --no-audit --no-fund --no-package-lock
	$(RUN) -m pytest tests/test_web_runtime.py

# LiteRT files for phones; litert-torch asks for an older PyTorch, so it has an environment of its own.
mobile:
	$(PYTHON) -m venv build/mobile
	build/mobile/bin/python -m pip install --disable-pip-version-check --quiet litert-torch pytest -e .
	build/mobile/bin/python -m pytest tests/test_mobile.py

colab:
	bash tools/colab_lane.sh

clean:
	rm -rf build $(VENV)
