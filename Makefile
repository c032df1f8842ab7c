# From Python 3.11+, git and make alone. `make help` lists the commands.
PYTHON ?= python3
VENV := .venv
VENV5 := .venv-v5
READY := $(VENV)/.ready
READY5 := $(VENV5)/.ready
DEMO := runs/demo
DEMO_ENCODER := runs/demo-encoder
DEMO_CLASSIFY := runs/demo-classify
NAME ?= translator
MODEL_ID ?= $(DEMO)
RESULTS_DIR ?= runs
# A path is taken from here, a Hub name as it is.
here = $(if $(wildcard $(1)),$(abspath $(1)),$(1))
SPACE_ENVIRONMENT = MODEL_ID=$(call here,$(MODEL_ID)) RESULTS_DIR=$(call here,$(RESULTS_DIR)) \
	DECODER_ONLY_MODEL_ID=$(call here,$(DECODER_ONLY_MODEL_ID)) SECOND_MODEL_ID=$(call here,$(SECOND_MODEL_ID))
AS_ROOT = $(if $(filter 0,$(shell id -u)),,sudo -n)
# One process per core; a module's tests share its models.
IN_PARALLEL := -n auto --dist loadscope
export HF_HUB_DISABLE_TELEMETRY := 1

.PHONY: help demo demo-classify test test-v5 browser wordnet space lint format clean

help: ## this list
	@grep -E '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9-]+):[^#]*## /  make \1\t/' | expand -t 20

$(READY): requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "error: $(PYTHON) is older than Python 3.11; name a newer one: make PYTHON=python3.11 $(MAKECMDGOALS)" >&2; exit 2; }
	@echo "Setting up $(VENV) (about 2 GB, a few minutes the first time)"
	@test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	@$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -r requirements.txt -e '.[test]'
	@touch $@

$(READY5): tests/requirements-v5.txt pyproject.toml
	@echo "Setting up $(VENV5), the newest transformers line"
	@test -x $(VENV5)/bin/python || $(PYTHON) -m venv $(VENV5)
	@$(VENV5)/bin/python -m pip install --quiet --disable-pip-version-check -r tests/requirements-v5.txt
	@touch $@

demo: $(READY) ## train a small translator on generated pairs, about two minutes, and talk to it
	@test -f $(DEMO)/results.json || $(VENV)/bin/python scripts/train_translator.py --config scripts/recipes/demo.yaml --output_dir $(DEMO) --resume_from_checkpoint
	@$(VENV)/bin/python scripts/translate.py $(DEMO) "The air conditioning is working, my friend!"

demo-classify: $(READY) ## pretrain a tiny encoder, and reuse it from scratch, frozen, with LoRA and whole
	@test -f $(DEMO_ENCODER)/results.json || $(VENV)/bin/python scripts/pretrain_encoder.py --output_dir $(DEMO_ENCODER) --resume_from_checkpoint
	@$(VENV)/bin/python scripts/study_strategies.py scripts/recipes/demo_classifier.yaml --model_name_or_path $(DEMO_ENCODER) --output_dir $(DEMO_CLASSIFY)
	@$(VENV)/bin/python scripts/classify.py $(DEMO_CLASSIFY)/verbal_arithmetic-lora-seed0 "four minus ten"
	@echo "Next, in the browser: make space NAME=classifier MODEL_ID=$(DEMO_CLASSIFY)/verbal_arithmetic-lora-seed0 SECOND_MODEL_ID=$(DEMO_CLASSIFY)/verbal_arithmetic-frozen-seed0"
	@echo "With three seeds: $(VENV)/bin/python scripts/study_strategies.py scripts/recipes/demo_classifier.yaml --seeds 3"

test: $(READY) ## all tests, on transformers 4.57
	@$(VENV)/bin/python -m pytest $(IN_PARALLEL)

test-v5: $(READY5) ## all tests that do not need `adapters`, on transformers 5
	@$(VENV5)/bin/python -m pytest $(IN_PARALLEL)

browser: ## install Debian's Chromium, for the tests of the Spaces' pages
	@command -v chromium chromium-browser google-chrome > /dev/null || { \
	  $(AS_ROOT) apt-get -qq update && $(AS_ROOT) apt-get -qq install --yes --no-install-recommends chromium > /dev/null; }
	@for name in chromium chromium-browser google-chrome; do command -v $$name && exit 0; done; exit 1

wordnet: $(READY) ## install WordNet, for synonyms (Debian's package, unpacked into nltk_data; elsewhere NLTK's download)
	@$(VENV)/bin/python -m workbench.robustness.wordnet

space: $(READY) ## run a Space here: make space NAME=translator MODEL_ID=runs/demo (or NAME=results RESULTS_DIR=runs)
	@cd spaces/$(NAME) && $(SPACE_ENVIRONMENT) ../../$(VENV)/bin/python app.py

lint: $(READY) ## ruff: rules and format
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/ruff format --check .

format: $(READY) ## let ruff repair what it can
	@$(VENV)/bin/ruff check --fix .
	@$(VENV)/bin/ruff format .

clean: ## remove the environments and caches (runs stay)
	rm -rf $(VENV) $(VENV5) .pytest_cache .ruff_cache *.egg-info
