"""What came from outside is made plain, and what is not what it should be is named."""

from datetime import UTC, datetime

import polars as pl
import pytest

from customers import cleaning


def texts(*values: str | None) -> list[str | None]:
    return cleaning.text_of(pl.Series("x", values)).to_list()


def numbers(*values: str | None) -> list[float | None]:
    return pl.DataFrame({"x": values}).select(cleaning.number(pl.col("x"))).to_series().to_list()


def times(*values: str | None, zone: str = "UTC") -> list[datetime | None]:
    return cleaning.times(pl.Series("t", values, dtype=pl.String), zone).values.to_list()


def test_blank_null_and_nan_are_one_no_value() -> None:
    assert texts(None, "", "  ", "NaN", "nan", "NULL", "null", " x ") == [None] * 7 + ["x"]


def test_names_that_look_like_nothing_stay() -> None:
    assert texts("NA", "None", "0", "-") == ["NA", "None", "0", "-"]


def test_text_is_composed_and_stripped() -> None:
    assert texts("Mu\u0308ller\u00a0") == ["M\u00fcller"]


def test_infinity_and_nan_are_no_number() -> None:
    assert numbers("1.5", " -2 ", "1e3", "NaN", "inf", "-Infinity", "abc", "", None) == [1.5, -2.0, 1000.0] + [None] * 6


def test_only_text_that_is_not_a_number_is_a_fault() -> None:
    frame = pl.DataFrame({"x": ["1", "NaN", "Infinity", "twelve", None]}).with_columns(n=cleaning.number(pl.col("x")))
    assert frame.filter(cleaning.is_no_number(pl.col("x"), pl.col("n")))["x"].to_list() == ["twelve"]


def test_ids_that_travelled_as_fractions_are_whole() -> None:
    assert cleaning.identifiers(pl.Series([17850.0, None, 12346.0])).to_list() == ["17850", None, "12346"]
    assert cleaning.identifiers(pl.Series(["17850.0", "12346.0"])).to_list() == ["17850", "12346"]
    assert cleaning.identifiers(pl.Series([17850, 3])).to_list() == ["17850", "3"]


def test_ids_that_are_text_are_not_touched() -> None:
    assert cleaning.identifiers(pl.Series(["007", "1.0", "1.10"])).to_list() == ["007", "1.0", "1.10"]


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("2010-12-01 08:26:00", datetime(2010, 12, 1, 8, 26, tzinfo=UTC)),
        ("2010-12-01T08:26:00Z", datetime(2010, 12, 1, 8, 26, tzinfo=UTC)),
        ("2010-12-01T08:26:00.250+02:00", datetime(2010, 12, 1, 6, 26, 0, 250000, tzinfo=UTC)),
        ("2010-12-01", datetime(2010, 12, 1, tzinfo=UTC)),
        ("20101201", datetime(2010, 12, 1, tzinfo=UTC)),
        ("01.12.2010 08:26", datetime(2010, 12, 1, 8, 26, tzinfo=UTC)),
        ("12/25/2010 8:26 PM", datetime(2010, 12, 25, 20, 26, tzinfo=UTC)),
        ("1291191960", datetime(2010, 12, 1, 8, 26, tzinfo=UTC)),
        ("1291191960000", datetime(2010, 12, 1, 8, 26, tzinfo=UTC)),
    ],
)
def test_a_time_is_read_by_the_format_it_has(said: str, meant: datetime) -> None:
    assert times(said, None) == [meant, None]


def test_a_column_of_mixed_iso_forms_is_read_whole() -> None:
    assert None not in times("2010-12-01", "2010-12-01T08:26:00Z", "2010-12-01 08:26")


def test_times_without_an_offset_are_of_the_zone() -> None:
    assert times("2026-07-01 12:00:00", zone="Europe/Berlin") == [datetime(2026, 7, 1, 10, tzinfo=UTC)]


def test_day_and_month_follow_what_the_whole_column_allows() -> None:
    assert times("02/01/2014", "31/12/2012")[0] == datetime(2014, 1, 2, tzinfo=UTC)
    assert times("02/01/2014", "12/31/2012")[0] == datetime(2014, 2, 1, tzinfo=UTC)


def test_what_is_no_date_is_no_value() -> None:
    assert times("2026-02-30", "2026-02-28", "soon") == [None, datetime(2026, 2, 28, tzinfo=UTC), None]


def test_email_domains_are_lower_case_and_faulty_addresses_no_value() -> None:
    said = [
        "Ann.Lee@EXAMPLE.Test",
        "a@b",
        "a..b@example.test",
        "@x.y",
        "no at",
        "j\u00f6rg@b\u00fccher.example.org",
        " x@y.zz ",
        None,
    ]
    tidy = ["Ann.Lee@example.test", None, None, None, None, "j\u00f6rg@b\u00fccher.example.org", "x@y.zz", None]
    assert cleaning.emails(pl.Series(said)).to_list() == tidy


def test_an_address_of_more_than_254_bytes_is_none() -> None:
    assert cleaning.emails(pl.Series(["a" * 250 + "@x.yz"])).to_list() == [None]


def test_phones_are_e164_by_the_country_they_are_in() -> None:
    said = pl.Series(["+44 20 7946 0958", "020 7946 0958", "(212) 555-0123", "020 7946 0958", "12", None])
    region = pl.Series([None, "GB", "us", None, "GB", "GB"])
    assert cleaning.phones(said, region).to_list() == [
        "+442079460958",
        "+442079460958",
        "+12125550123",
        None,
        None,
        None,
    ]


def test_json_text_survives_quotes_and_controls() -> None:
    column = pl.Series("x", ['a"\\\n\u0001é', None])
    made = column.to_frame("x").select(cleaning.json_text(pl.col("x"), pl.String())).to_series()
    assert made.str.json_decode(pl.String).to_list() == column.to_list()


def test_the_first_failed_check_names_column_and_value() -> None:
    frame = pl.DataFrame(
        {"line": [2, 3, 4], "t": [datetime(1493, 1, 2, tzinfo=UTC), None, datetime(2020, 1, 1, tzinfo=UTC)]}
    )
    checks = [cleaning.missing("t", "When"), *cleaning.implausible("t", "When", datetime(2026, 1, 1, tzinfo=UTC))]
    sifted = cleaning.sift(frame, checks)
    assert sifted.accepted["line"].to_list() == [4]
    assert sifted.refused.rows() == [(2, "When", "is before 1900", "1493-01-02"), (3, "When", "has no value", None)]
