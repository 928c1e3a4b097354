"""Customers from a Parquet file: as many new ones as the shop has, and the same file again, of which nothing is new."""

import io
from pathlib import Path

import polars as pl
from django.core.management import call_command

PLANS, COUNTRIES = ("basic", "plus", "pro", "none"), ("DE", "FR", "AT", "CH")


def people(count: int) -> pl.DataFrame:
    """Give customers with an address, names, a country, two attributes and what they said to a newsletter."""
    row = pl.int_range(count, eager=True)
    number = row.cast(pl.String)
    return pl.DataFrame(
        {
            "id": "imported-" + number,
            "email": "p" + number + "@example.org",
            "first_name": "First" + (row % 997).cast(pl.String),
            "last_name": "Last" + (row % 4_999).cast(pl.String),
            "country": (row % 4).replace_strict(range(4), COUNTRIES, return_dtype=pl.String),
            "plan": (row % 4).replace_strict(range(4), PLANS, return_dtype=pl.String),
            "points": (row % 1_000) * 1.5,
            "newsletter": (row % 2).replace_strict([0, 1], ["yes", "no"], return_dtype=pl.String),
        }
    )


def bring_in(path: Path) -> None:
    """Import the file as an operator does."""
    consent = {"consent": ["email:news=newsletter"], "consent_source": "bench"}
    call_command("import_customers", str(path), id="id", email="email", **consent, stdout=io.StringIO())
