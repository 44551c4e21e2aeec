# make course: run the whole course; make test: run all tests. Both set up .venv first.
PYTHON ?= python3
VENV ?= .venv
EXTRAS ?= course,test
RUN = $(VENV)/bin/python

.PHONY: course test setup badges strip clean

course: setup
	$(RUN) -m kdsharp course

test: setup
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m pytest

setup: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[$(EXTRAS)]'
	@echo '$(EXTRAS)' > $@

# Writes the repository's owner and name (pyproject.toml) into every badge, and strips outputs.
badges strip: setup
	$(RUN) tools/notebooks.py --fix

clean:
	rm -rf build $(VENV)
