# Everything with plain pip and venv. pip's own configuration (mirror, proxy, certificates) is used as it is.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# torch's CPU build is taken where pip sees one; the second file pins what the ordinary build brings with it
CONSTRAINTS := -c constraints.txt -c constraints-cuda.txt
INSTALL = PIP_CONSTRAINT=$(CURDIR)/constraints.txt PIP_DISABLE_PIP_VERSION_CHECK=1 $(BIN)/pip install $(CONSTRAINTS)
# A worker uses one core and up to 8 GB of memory; one file's tests stay together. One after the other: make test WORKERS=0
WORKERS ?= 2
TEST_MODELS := smollm2-135m-instruct all-minilm-l6-v2 use-multilingual-v3

.PHONY: serve test test-slow check format bench-smoke bench-serving bench-ingest bench-vectors bench-feishu bench-report soak docs clean chromium models

serve: $(VENV)/installed
	@$(BIN)/larkwise serve --example examples/handbook

test: $(VENV)/installed-dev chromium models
	$(BIN)/pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

test-slow: $(VENV)/installed-dev
	$(BIN)/larkwise models pull
	$(BIN)/pytest -m slow

check: $(VENV)/installed-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench-smoke: $(VENV)/installed-dev
	$(BIN)/larkwise models pull
	$(BIN)/python -m bench.smoke

# llama.cpp's server is measured too where it is on PATH, or named: make bench-serving LLAMA_SERVER=/path/to/llama-server
bench-serving: $(VENV)/installed-dev
	$(BIN)/larkwise models pull
	$(BIN)/python -m bench.serving $(if $(LLAMA_SERVER),--llama-server $(LLAMA_SERVER))

# the test report, docs/bench.md: make bench-report CONFIG=rag REPORT_LANG=zh OUT=var/bench/mine
bench-report: $(VENV)/installed-dev
	$(BIN)/python -m bench --config $(or $(CONFIG),bench/configs/int8.yaml) --lang $(or $(REPORT_LANG),en) \
		$(if $(OUT),--out $(OUT))

bench-ingest: $(VENV)/installed-dev
	$(BIN)/larkwise models pull use-multilingual-v3 all-minilm-l6-v2
	$(BIN)/python -m bench.ingesting

bench-vectors: $(VENV)/installed-dev
	$(BIN)/python -m bench.vectors

# the small model: make bench-feishu MODEL=smollm2-135m-instruct
bench-feishu: $(VENV)/installed-dev
	$(BIN)/larkwise models pull $(if $(MODEL),use-multilingual-v3 all-minilm-l6-v2 $(MODEL))
	$(BIN)/python -m bench.feishu $(if $(MODEL),--model $(MODEL))

soak: $(VENV)/installed-dev models
	$(BIN)/python -m bench.soak

docs: $(VENV)/installed
	$(BIN)/python -m app.settings_docs

models: $(VENV)/installed-dev
	@$(BIN)/larkwise models pull $(TEST_MODELS)

chromium:
	@command -v chromium >/dev/null || { \
		if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
			echo "installing chromium for the browser tests ..."; \
			apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium; \
		else echo "no chromium: the browser tests will be skipped (Debian: apt install chromium)"; fi; }

$(VENV)/bin/pip:
	@echo "creating $(VENV) ..."
	$(PYTHON) -c 'import sys; sys.exit("larkwise needs Python 3.11 or newer" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed: pyproject.toml constraints.txt constraints-cuda.txt | $(VENV)/bin/pip
	$(INSTALL) -e .
	@touch $@

$(VENV)/installed-dev: pyproject.toml constraints.txt constraints-cuda.txt | $(VENV)/bin/pip
	$(INSTALL) -e '.[dev,platform,ocr,milvus]'
	@touch $(VENV)/installed $@

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
