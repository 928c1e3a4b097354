"""The figures that models reach on public data, by the product's own import and train commands."""

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.prove.evidence import Evidence, Table
from tests.prove.home import Home
from tests.prove.installation import Embedded
from tests.prove.shops import cdnow, online_retail
from tests.prove.study import DATA, HEAD, Row, at_least, named, run, stated

PERIODS = ("cons.conf.idx", "cons.price.idx", "emp.var.rate", "euribor3m", "nr.employed")
AFTERWARDS = ("Churn Category", "Churn Reason", "Churn Score", "Churn Value", "Customer Status", "Satisfaction Score")
EVERY_ROW = 1_000_000
Study = Callable[[Embedded, int], list[Row]]


def telco(ours: Embedded, rows: int) -> list[Row]:
    """Who leaves a telephone company."""
    file = _lines(ours, DATA / "telco_ibm" / "Telco-Customer-Churn.csv.gz", rows)
    told = _trained(ours, file, "customerID", "Churn", "yes")
    return [
        at_least("Telco", "AUC in folds", 0.848, told["auc"]),
        stated("Telco", "calibration error", told["ece"]),
        named("Telco", "blocked by the guard", (), _fields(told, "blocked")),
    ]


def bank(ours: Embedded, rows: int) -> list[Row]:
    """Who leaves a bank."""
    file = _lines(ours, DATA / "bank_churn_10k" / "Churn_Modelling.csv.gz", rows)
    told = _trained(ours, file, "CustomerId", "Exited", "1")
    return [
        at_least("Bank, 10,000", "AUC in folds", 0.866, told["auc"]),
        stated("Bank, 10,000", "calibration error", told["ece"]),
        named("Bank, 10,000", "blocked by the guard", (), _fields(told, "blocked")),
    ]


def calls(ours: Embedded, rows: int) -> list[Row]:
    """Who agrees to a deposit on the telephone: the length of the call is known once she has."""
    file = _lines(ours, DATA / "bank_marketing" / "bank-additional-full.csv.gz", rows, number=True)
    told = _trained(ours, file, "number", "y", "yes")
    return [
        named("Bank, calls", "blocked by the guard", ("duration",), _fields(told, "blocked")),
        named("Bank, calls", "warned of: tells the time", PERIODS, _fields(told, "warned")),
        at_least("Bank, calls", "AUC in folds, without them that are blocked", 0.80, told["auc"]),
        stated("Bank, calls", "calibration error", told["ece"]),
    ]


def telco_tables(ours: Embedded, rows: int) -> list[Row]:
    """Who leaves the same company, with the tables that were filled in afterwards."""
    for table in ("services", "status", "demographics", "location"):
        file = DATA / "telco_ibm" / f"Telco_customer_churn_{table}.xlsx"
        run(ours, "import_customers", file, "--id", "Customer ID")
    told = run(ours, "train", "--attribute", "Churn Label", "--equals", "yes")
    blocked = _fields(told, "blocked")
    return [
        named("Telco, all tables", "blocked by the guard", AFTERWARDS, blocked),
        named("Telco, all tables", "blocked besides", (), sorted(set(blocked) - set(AFTERWARDS))),
        stated("Telco, all tables", "AUC in folds, without them that are blocked", told["auc"]),
    ]


STUDIES: tuple[Study, ...] = (telco, bank, calls, telco_tables, online_retail, cdnow)


def prove(home: Home, size: int) -> Evidence:
    """Make every study on at most so many rows; on all of them every figure has to be reached."""
    found: list[Row] = []
    for study in STUDIES if size == EVERY_ROW else STUDIES[:1]:
        with home.embedded() as ours:
            ours.clear()
            found += study(ours, size)
    missed = [row for row in found if not row.is_reached]
    return Evidence(
        "Figures",
        "Every data set is imported by `manage.py import_customers` or `import_events` as it came, and a model trained "
        "by `manage.py train`, without a word on which fields to read. Figures are on customers, or later times, that "
        "took no part in fitting or choosing.",
        [Table(HEAD, [row.cells() for row in found])],
        missed=[" | ".join(row.cells()) for row in missed] if size == EVERY_ROW else [],
    )


def _trained(ours: Embedded, file: Path, customer: str, attribute: str, equals: str) -> dict[str, Any]:
    run(ours, "import_customers", file, "--id", customer)
    return run(ours, "train", "--attribute", attribute, "--equals", equals)


def _fields(told: dict[str, Any], part: str) -> list[str]:
    return [one["field"].removeprefix("attributes.") for one in told["guard"][part]]


def _lines(ours: Embedded, source: Path, rows: int, *, number: bool = False) -> Path:
    """Write the head and the first rows of a file, on request with a column that numbers them."""
    assert source.exists(), f"the public data are not at {source}"
    lines = gzip.decompress(source.read_bytes()).decode().splitlines()[: rows + 1]
    if number:
        lines = [f"{i or 'number'};{line}" for i, line in enumerate(lines)]
    path = ours.folder / source.with_suffix("").name
    path.write_text("\n".join(lines) + "\n")
    return path
