# The whole house from a shell. Windows: README.md gives the plain python lines that stand behind each target.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: setup demo test acceptance lint bench gpu

setup: $(READY)

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed; try: make PYTHON=python3.12 setup")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --constraint constraints.txt --editable ".[fast,train,dicom,batch,test]"
	touch $(READY)

demo: $(READY)
	$(BIN)/mslesionseg phantom demo/study
	$(BIN)/mslesionseg segment --flair demo/study/FLAIR.nii.gz --t1 demo/study/T1w.nii.gz --t2 demo/study/T2w.nii.gz --out demo/result

test: $(READY)
	$(BIN)/python -m pytest

acceptance: $(READY)
	$(BIN)/python -m pytest -m acceptance

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

bench: $(READY)
	$(BIN)/python -m Testing.benchmarks $(ONLY)

gpu: $(READY)
	$(BIN)/python -m pytest -m cuda
	$(BIN)/python -m Testing.benchmarks inference_gpu
