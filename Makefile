# `make` alone lists the targets. Each installs what it needs into .venv first.
# Another Python: make lab PYTHON=python3.12 · some lessons only: make notebooks NAMES="01_gan"
PYTHON ?= python3
RUN := .venv/bin/python
NAMES ?=
LEARNERS ?= 30
OPTIONS ?=

.PHONY: help lab test test-fast test-backends test-colab test-newest test-binder notebooks budgets measured benchmark weights site slides hub-load author clean

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' Makefile | awk -F ':.*## *' '{printf "make %-14s %s\n", $$1, $$2}'

lab:  ## install, check the environment, open JupyterLab at the start page
	@$(PYTHON) tools/install.py --lab

test: author  ## everything: style, build, unit tests, every notebook
	@$(RUN) tools/check.py all

test-fast: author  ## at most 3 minutes: style, build, the quick unit tests
	@$(RUN) tools/check.py fast

test-backends: author  ## every Keras notebook whole on TensorFlow, PyTorch and JAX
	@$(RUN) tools/check.py backends

test-colab:  ## every notebook on the lowest versions admitted, Colab's; installed apart, .venv-oldest
	@$(PYTHON) tools/install.py --versions oldest --extras test
	@.venv-oldest/bin/python tools/check.py colab

test-newest:  ## what `make test` does, on the newest versions of today; installed apart, .venv-newest
	@$(PYTHON) tools/install.py --versions newest --extras author,jax
	@.venv-newest/bin/python tools/check.py newest

test-binder: author  ## every notebook with one core and no more than 1.5 GiB, as on Binder; Linux
	@$(RUN) tools/check.py binder

notebooks: author  ## build the notebooks of lessons and exercises, all or NAMES="01_gan 02"
	@$(RUN) tools/exercises.py $(NAMES)
	@$(RUN) tools/build.py $(NAMES)

budgets: author  ## every notebook alone, held to its budgets of time and memory, on a quiet machine
	@$(RUN) tools/check.py budgets

measured: author  ## take over minutes, memory and quality of the last `make test`, then build
	@$(RUN) tools/build.py --measured

benchmark: author  ## images per second and quality after 30, 60 and 120 s; 5 minutes a notebook
	@$(RUN) benchmarks/benchmark.py $(NAMES)

weights: author  ## weights for who comes late, by running the main trainings; all or NAMES="02"
	@$(RUN) tools/train_weights.py $(NAMES)

site: author  ## the website, in build/site, from the notebooks as they are
	@$(RUN) tools/website.py

slides: author  ## the slides, in build/slides, from the notebooks as they are; all or NAMES="02"
	@$(RUN) tools/slides.py $(NAMES)

hub-load: author  ## LEARNERS=30 on a JupyterHub on this machine: their times and memory; Linux
	@$(RUN) tools/hub_load.py --learners $(LEARNERS) $(OPTIONS)

author:
	@$(PYTHON) tools/install.py --extras author,jax

clean:  ## remove .venv and all caches (downloaded data stays)
	rm -rf .venv .venv-oldest .venv-newest build *.egg-info .pytest_cache .ruff_cache
	find . -name __pycache__ -prune -exec rm -rf {} +
