# Two commands: `make course` runs every notebook and collects its pictures, `make test` checks everything.
# Both need nothing but Python 3.11 or newer and pip; the first of them makes .venv and installs.

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
NOTEBOOKS ?=
MODEL ?=
PARAMETERS ?=

.PHONY: course test test-all deepfloyd-double memory lab bench notebooks pictures embeddings images digits lint clean

course: $(READY)
	$(BIN)/python ci/run_notebooks.py --notebooks "$(NOTEBOOKS)" --model "$(MODEL)" --parameters "$(PARAMETERS)"

test: $(READY)
	$(BIN)/python -m pytest
	$(BIN)/python -m pytest --nbval --nbval-current-env --nbval-cell-timeout=300 \
		--nbval-sanitize-with=ci/nbval_sanitize.cfg notebooks

# slower proofs: the notebooks run on DeepFloyd's structure; they notice mistakes in the library
test-all: test deepfloyd-double
	$(BIN)/python ci/planted_errors.py

# two notebooks on DeepFloyd IF in small, random and fetched from a double of the hub
deepfloyd-double: $(READY)
	$(BIN)/python tests/hub_double.py $(BIN)/python ci/run_notebooks.py --notebooks "a0 a1_5" --model deepfloyd \
		--parameters "steps=4 many_steps=8"

# for the README: what memory DeepFloyd IF needs
memory: $(READY)
	$(BIN)/python ci/memory_table.py

lab: $(READY)
	$(BIN)/jupyter lab notebooks

bench: $(READY)
	$(BIN)/python ci/bench.py
	$(BIN)/python ci/bench_digits.py

# for contributors: execute the notebooks and write their outputs back, to be committed
notebooks: $(READY)
	$(BIN)/python ci/run_notebooks.py --save --notebooks "$(NOTEBOOKS)"

# the README's pictures, from the committed notebooks
pictures: $(READY)
	$(BIN)/python ci/readme_pictures.py

embeddings: $(READY)
	$(BIN)/python ci/embed_prompts.py

images: $(READY)
	$(BIN)/python -m pip install --quiet -e ".[images]"
	$(BIN)/python data/images/make_images.py

# the digit models of Part B anew, judged: about four hours on two cores; stopped, it goes on where it was
digits: $(READY)
	$(BIN)/python ci/digit_models.py reader
	$(BIN)/python -m helpers.training one-step-faster --pictures 4000 --out runs/one-step
	$(BIN)/python -m helpers.training time-conditional-faster --out runs/time-conditional
	$(BIN)/python -m helpers.training class-conditional --out runs/reference
	$(BIN)/python -m helpers.training class-conditional-faster --out runs/faster
	$(BIN)/python -m helpers.training class-conditional-faster --hidden 16 --epochs 20 --pictures 1000 --out runs/notebook
	$(BIN)/python ci/digit_models.py ship one-step runs/one-step
	$(BIN)/python ci/digit_models.py ship time-conditional runs/time-conditional
	$(BIN)/python ci/digit_models.py ship class-conditional runs/reference
	for name in reference faster notebook; do \
		$(BIN)/python ci/digit_models.py judge $$name runs/$$name || exit 1; \
		$(BIN)/python ci/digit_models.py judge $$name runs/$$name --last --steps 300 || exit 1; \
		$(BIN)/python ci/digit_models.py judge $$name runs/$$name --last --sampler ddim || exit 1; \
		$(BIN)/python ci/digit_models.py judge $$name runs/$$name --last --gamma 5 || exit 1; done
	$(BIN)/python ci/digit_models.py table

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

$(READY): requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "$(PYTHON) is older than Python 3.11. Name a newer one: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --progress-bar off --quiet -e .
	touch $(READY)

clean:
	rm -rf build .pytest_cache .ruff_cache
