# Every target sets up what it needs: a .venv in this checkout, filled from requirements.lock.
PYTHON ?= python3
DATA ?=
ORG ?=
OUT ?= report
EDGES ?=
MAPPING ?=
BIN := .venv/bin
READY := .venv/.ready

.PHONY: help report lab test lint types unit notebooks run-notebooks bench calibrate conformance validate truth mutants lock environment index example clean

help:
	@echo "make report [DATA=<export> ORG=<hr.csv> OUT=<dir> EDGES=from,to,time MAPPING=<yaml>]  the report, on your export or the bundled example"
	@echo "make lab           JupyterLab on notebooks/"
	@echo "make test          lint, types, tests, doctests and all notebooks"
	@echo "make bench         speed against networkx, igraph, pandas -> benchmarks/RESULTS.md"
	@echo "make calibrate     the long calibration runs -> docs/calibration.md"
	@echo "make truth         every printed sentence counted again from raw rows -> docs/truth.md"
	@echo "make validate      champions against what came later, on real forums -> docs/champions/validation.md"
	@echo "make conformance   which tool passes which conformance case -> docs/conformance.md"
	@echo "make mutants       break the code on purpose, see whether the tests notice -> docs/mutants.md"
	@echo "make lock          pin all dependencies anew; make environment: environment.yml from pyproject.toml; make index: the names in help(sna)"

$(READY): requirements.lock pyproject.toml scripts/bootstrap.sh
	@PYTHON="$(PYTHON)" sh scripts/bootstrap.sh

report: $(READY)
	@$(BIN)/sna report $(if $(DATA),"$(DATA)",--example) $(if $(ORG),--org "$(ORG)") $(if $(EDGES),--edges "$(EDGES)") $(if $(MAPPING),--mapping "$(MAPPING)") --out "$(OUT)"

lab: $(READY)
	@$(BIN)/sna lab

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY)
	$(BIN)/mypy

unit: $(READY)
	$(BIN)/pytest -q -n 2 --dist worksteal

notebooks: $(READY)
	$(BIN)/pytest -q -n 2 --dist loadfile --nbval --nbval-current-env --nbval-sanitize-with notebooks/sanitize.cfg -o addopts="" -o testpaths=notebooks notebooks

test: lint types unit notebooks

run-notebooks: $(READY)
	$(BIN)/jupyter nbconvert --to notebook --execute --inplace notebooks/*.ipynb

bench: $(READY)
	$(BIN)/python -m benchmarks

calibrate: $(READY)
	$(BIN)/pytest -q -n 2 -m calibration tests
	$(BIN)/python scripts/calibrate.py

truth: $(READY)
	$(BIN)/python scripts/truth.py

validate: $(READY)
	$(BIN)/python scripts/validate.py

mutants: $(READY)
	$(BIN)/python scripts/mutate.py

conformance: $(READY)
	$(BIN)/python -m tests.conformance

lock:
	uv pip compile pyproject.toml --extra notebooks --extra igraph --extra sevenzip --extra db --group dev --universal --generate-hashes --no-emit-index-url --custom-compile-command "make lock" -q -o requirements.lock

environment: $(READY)
	$(BIN)/python scripts/make_environment.py

index: $(READY)
	$(BIN)/python scripts/make_index.py

example: $(READY)
	$(BIN)/python scripts/make_example.py

clean:
	rm -rf .venv report build dist
