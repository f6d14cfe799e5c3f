# Ghostlens: every target is one visible command. `make help` lists them.
PYTHON ?= python3.11
VENV ?= .venv
RUN = $(VENV)/bin/python
OUT ?= out/mine
PRESET ?= demo
DATA ?= synthetic
MODEL ?= items
VERSION ?= 1.0.0
PORT ?= 8000
TEST_JOBS ?= 2

SERVE_LOCK = deploy/requirements-serve.lock
BUNDLE = $(OUT)/$(MODEL)-$(VERSION).bundle.zip
BUILD = $(OUT)/build/$(MODEL)-$(VERSION)

.DEFAULT_GOAL := help
.PHONY: help setup demo data train convert parity bundle publish serve bench bench-training bench-download bench-fleet bench-serving scan-page check-serve report test test-fast lint format lock clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: $(VENV)/.ready ## make the environment from the lock file

$(VENV)/.ready: requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install --quiet --requirement requirements.lock
	$(RUN) -m pip install --quiet --no-deps --editable .
	touch $@

demo: setup ## the whole way on built-in photos: train, convert, check, sign, publish, pull, recognise
	$(RUN) -m serving demo --out out/demo --port $(PORT) $(if $(CLOUD),--cloud $(CLOUD))

data: setup ## check a source of photos: DATA=folder, manifest.csv, grocery copy or synthetic
	$(RUN) -m training check $(DATA)

train: setup ## train on DATA with PRESET into OUT
	$(RUN) -m training fit --config $(PRESET) --data $(DATA) --out $(OUT)/checkpoint

convert: setup ## convert the checkpoint to all formats as MODEL and VERSION
	$(RUN) -m conversion convert $(OUT)/checkpoint --model $(MODEL) --version $(VERSION) --out $(BUILD)

parity: setup ## check every artifact against PyTorch on validation photos
	$(RUN) -m conversion parity $(BUILD) --checkpoint $(OUT)/checkpoint

bench: setup bench-training ## time training, and every artifact where BUILD is there, beside PyTorch and ONNX Runtime
	test ! -d $(BUILD) || $(RUN) -m conversion benchmark $(BUILD) --checkpoint $(OUT)/checkpoint

bench-training: setup ## time training on DATA beside a plain PyTorch loop
	$(RUN) -m training benchmark --data $(DATA)

bench-serving: setup ## recognise from many clients beside the bare work; with RIVALS=folder beside LitServe and BentoML, installed there
	$(RUN) -m docs.studies.serving_load $(firstword $(wildcard $(OUT)/repository) out/demo/repository) $(if $(RIVALS),--rivals $(RIVALS))

bench-download: setup ## time downloads from the server beside nginx, where that is installed
	$(RUN) docs/studies/download.py

bench-fleet: setup ## a thousand phones through rollouts, bad versions, a killed server and a rollback
	$(RUN) -m docs.studies.fleet

report: setup ## write the report of BUILD again as one HTML page, with the figures of `make bench`
	$(RUN) -m conversion report $(BUILD)

bundle: setup ## pack what passed; with CLOUD_BUILD a wider model for the server, with NAMES a table of names in other languages
	$(RUN) -m mobile_assets bundle $(BUILD) --out $(BUNDLE) $(if $(CLOUD_BUILD),--cloud $(CLOUD_BUILD)) $(if $(NAMES),--names $(NAMES))

$(OUT)/keys:
	$(RUN) -m mobile_assets keys $@

publish: setup | $(OUT)/keys ## sign and publish the bundle
	$(RUN) -m serving publish $(BUNDLE) --repository $(OUT)/repository --keys $(OUT)/keys

serve: setup ## serve what was published last, by `make demo` or by `make publish` with the same OUT
	$(RUN) -m serving run --repository $(firstword $(wildcard $(OUT)/repository) out/demo/repository) --port $(PORT)

test: setup lint ## lint, types and all tests
	$(RUN) -m pytest -q -n $(TEST_JOBS) --dist loadfile --no-loadscope-reorder

test-fast: setup ## only tests that train and convert nothing
	$(RUN) -m pytest -q -n $(TEST_JOBS) --dist loadfile --no-loadscope-reorder -m "not slow"

lint: setup ## ruff and mypy --strict
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy

format: setup ## let ruff rewrite the files
	$(RUN) -m ruff check --fix .
	$(RUN) -m ruff format .

lock: setup ## resolve the newest allowed versions into requirements.lock, and the server's alone, with hashes
	$(RUN) -m piptools compile --quiet --upgrade --extra dev --strip-extras --no-emit-options --no-header --output-file requirements.lock pyproject.toml
	sed -i -E -e 's/^(torch==[0-9.]+)\+cpu/\1/' -e '/^ghostlens @/,/# via ghostlens/d' requirements.lock
	$(RUN) -m piptools compile --quiet --generate-hashes --extra serve,heic,postgres,s3,tracing --no-strip-extras --no-emit-options --no-header --no-annotate --constraint requirements.lock --output-file $(SERVE_LOCK) pyproject.toml
	sed -i -E -e '/^# WARNING: pip install will/,/^# Consider using/d' -e '/^ghostlens(\[[a-z,0-9]+\])? @/d' $(SERVE_LOCK)

scan-page: ## build the scan page again, after its TypeScript was changed; needs Node.js
	cd serving/scan/app && npm ci --no-audit --no-fund && npm run build

check-serve: ## the server in an environment of its own, from the server's lock alone: does it recognise?
	$(PYTHON) -m venv $(OUT)/serve-only
	$(OUT)/serve-only/bin/python -m pip install --quiet --require-hashes --requirement $(SERVE_LOCK)
	PYTHONPATH=. $(OUT)/serve-only/bin/python -m deploy.check_serve $(firstword $(wildcard $(OUT)/repository) out/demo/repository)

clean: ## remove what the targets made, the environment included
	rm -rf $(VENV) out .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis *.egg-info
