# Everything runs in .venv; the first target that needs it makes it. Only Python 3.11+ and make are assumed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
DOCS_STAMP := $(VENV)/.docs-installed
VIDEO ?=
ENROLL ?=
OUT ?= demo-out
LFW ?= ../shared/data/lfw
SHARED_PACK ?= ../shared/models/insightface/models/sc-int8
SHARED_SCRFD ?= ../shared/models/detectors/scrfd_2.5g_bnkps.onnx
PEERS := $(VENV)-peers
WIDER ?= ../shared/data/wider-val
WORKERS ?= 2
ON_DISK := $(addprefix tests/integration/watchlist/test_,$(addsuffix .py,crashes damage forks full_disk gallery_file locks))

.PHONY: cli-docs policy-docs test-pythons test-newest setup fmt lint type test test-slow test-disk soak test-lowest bench bench-compare bench-peers performance detection-curve docs demo evaluate-lfw evaluate calibrate accuracy clean
.DEFAULT_GOAL := help

help: ## Show the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

setup: $(STAMP) ## Make the virtual environment and install facematch with everything for development

$(STAMP): pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@

$(DOCS_STAMP): $(STAMP)
	$(BIN)/python -m pip install --quiet --editable '.[dev,docs]'
	touch $@

fmt: $(STAMP) ## Format the code
	$(BIN)/ruff check --fix --quiet .
	$(BIN)/ruff format --quiet .

lint: $(STAMP) ## Check style and layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

type: $(STAMP) ## Check types
	$(BIN)/mypy

test: $(STAMP) ## Run the tests; those that need ../shared are skipped where it is absent
	$(BIN)/pytest -n $(WORKERS) --dist worksteal -m "not slow and not alone"
	$(BIN)/pytest -m "alone and not slow" --durations=5

test-slow: $(STAMP) ## Run the long evaluations; FACEMATCH_HYPOTHESIS=nightly tries twenty times as many examples
	FACEMATCH_HYPOTHESIS=$(or $(FACEMATCH_HYPOTHESIS),ci) FACEMATCH_TESTS_LIMIT_S=3600 \
	  $(BIN)/pytest --ignore tests/soak -m "slow" tests
	FACEMATCH_HYPOTHESIS=$(or $(FACEMATCH_HYPOTHESIS),ci) FACEMATCH_TESTS_LIMIT_S=3600 \
	  $(BIN)/pytest -m "not slow" tests/property

test-disk: $(STAMP) ## Run what is about crashes, damage, locks and full disks on a real disk
	FACEMATCH_TESTS_ON_DISK=1 $(BIN)/pytest -n $(WORKERS) --dist worksteal -m "not slow and not alone" $(ON_DISK)

soak: $(STAMP) ## Ten minutes of searches and changes, half an hour of pictures; watches answers, memory and handles
	$(BIN)/pytest tests/soak -s

test-lowest: ## Run the tests with every requirement at its lower bound, in an environment of its own
	$(PYTHON) -m venv $(VENV)-lowest
	$(PYTHON) .ci/lowest_requirements.py > $(VENV)-lowest/requirements.txt
	$(VENV)-lowest/bin/python -m pip install --quiet -r $(VENV)-lowest/requirements.txt
	$(VENV)-lowest/bin/python -m pip install --quiet --no-deps --editable .
	$(VENV)-lowest/bin/pytest -m "not slow"

test-pythons: ## Run the tests on every Python that the project names and this machine has; FAST=1 for a quick part
	$(PYTHON) .ci/pythons.py $(if $(FAST),--fast)

test-newest: ## Run the tests with the newest version of every requirement; FAST=1 for a quick part
	$(PYTHON) .ci/pythons.py --newest $(if $(FAST),--fast)

bench: $(STAMP) ## Measure throughput side by side with the peers; QUICK=1 leaves out the large galleries
	$(BIN)/pytest benchmarks --benchmark-enable --benchmark-only --benchmark-autosave -m "not slow" -q \
	  $(if $(QUICK),-k "not 100000")

bench-compare: $(STAMP) ## Draw what make bench has measured over time; names what became slower
	$(BIN)/python benchmarks/history.py

$(PEERS)/.installed: pyproject.toml benchmarks/index/peers.txt benchmarks/pipeline/peers.txt
	test -x $(PEERS)/bin/python || $(PYTHON) -m venv $(PEERS)
	$(PEERS)/bin/python -m pip install --quiet --upgrade pip
	$(PEERS)/bin/python -m pip install --quiet --editable . pytest pytest-benchmark pytest-timeout
	$(PEERS)/bin/python -m pip install --quiet -r benchmarks/index/peers.txt -r benchmarks/pipeline/peers.txt
	$(PEERS)/bin/python -m pip install --quiet --no-deps deepface==0.0.103 face-recognition==1.3.0 \
	  face-recognition-models==0.3.0
	touch $@

bench-peers: $(PEERS)/.installed ## Measure search and pictures beside other libraries, in an environment of their own (needs g++)
	$(PEERS)/bin/pytest benchmarks/index benchmarks/pipeline --benchmark-enable --benchmark-only -m "not slow" -q

performance: $(STAMP) $(PEERS)/.installed ## Make the tables and pictures of docs/explanation/performance.md; takes an hour or so
	PYTHONPATH=benchmarks $(PEERS)/bin/python -m index.report
	PYTHONPATH=benchmarks $(PEERS)/bin/python -m pipeline.others_report
	PYTHONPATH=benchmarks $(BIN)/python -m pipeline.report \
	  $(if $(wildcard $(SHARED_PACK)),--research $(SHARED_PACK)) $(if $(wildcard $(SHARED_SCRFD)),--detector $(SHARED_SCRFD))

detection-curve: $(STAMP) ## Recall against milliseconds on $(WIDER); takes ten minutes
	$(BIN)/python benchmarks/detection_curve.py --images $(WIDER)/images --truth $(WIDER)/bbx_gt.txt --pack opencv \
	  $(if $(wildcard $(SHARED_PACK)),--pack $(SHARED_PACK))

docs: $(DOCS_STAMP) ## Build the documentation, warnings as errors
	$(BIN)/sphinx-build -W --keep-going -q -b html docs docs/_build/html

cli-docs: $(STAMP) ## Make docs/reference/cli.md from the command line
	$(BIN)/python docs/make_cli_page.py

policy-docs: $(STAMP) ## Make docs/reference/policy-rules.md from the rules of policies
	$(BIN)/python docs/make_policy_page.py

demo: $(STAMP) ## Enroll, identify, watch a recording, withdraw: on real pictures and video
	$(BIN)/python examples/recorded_video.py --out $(OUT) $(if $(VIDEO),--video $(VIDEO)) $(if $(ENROLL),--enroll $(ENROLL))

evaluate-lfw: $(STAMP) ## Run the LFW protocol on $(LFW)
	$(BIN)/facematch evaluate lfw --images $(LFW)/images --pairs $(LFW)/pairs.txt --json docs/results/lfw-opencv.json

evaluate: evaluate-lfw ## Run all protocols: LFW, open set, detection on $(WIDER), differentials between LFW's lists
	$(BIN)/facematch evaluate openset --images $(LFW)/images --gallery-size 1000 --json docs/results/openset-opencv.json
	$(BIN)/facematch evaluate detection --images $(WIDER)/images --truth $(WIDER)/bbx_gt.txt \
	  --json docs/results/detection-opencv.json
	mkdir -p build && $(BIN)/python examples/lfw_groups.py $(LFW) build/lfw-groups.csv
	$(BIN)/facematch evaluate differentials --images $(LFW)/images --groups build/lfw-groups.csv --fpir 0.01 \
	  --json docs/results/differentials-opencv.json

calibrate: $(STAMP) ## Calibrate the default pack on $(LFW)
	$(BIN)/facematch calibration make --images $(LFW)/images --target-fpir 0.01 --gallery-size 200 --templates 5 \
	  --rule mean_template --data "LFW: 7,701 deep-funneled pictures of 4,281 people" \
	  --out docs/results/calibration-opencv.json

accuracy: $(STAMP) ## Make the accuracy tables of the docs; needs the research packs (docs/how-to/packs.md)
	$(BIN)/python benchmarks/accuracy.py --lfw $(LFW) --pack opencv --pack retail-0095 --pack opencv-retail \
	  --pack edgeface-xs --pack $(SHARED_PACK) --pack $(SHARED_PACK)@opencv --flip opencv --flip opencv-retail

clean: ## Remove what the targets made
	rm -rf $(VENV) $(VENV)-lowest $(VENV)-newest $(VENV)-3.* $(PEERS) build dist docs/_build $(OUT) .pytest_cache .mypy_cache .ruff_cache .hypothesis .benchmarks .import_linter_cache
