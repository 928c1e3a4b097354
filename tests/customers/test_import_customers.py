"""import_customers: people with addresses, attributes and consents, from whatever file they come in."""

import gzip
import json
from datetime import UTC, date, datetime
from io import StringIO
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from django.core.management import CommandError, call_command

from customers import attributes, consent
from customers.models import Attribute, AttributeChange, Consent, Customer, Import, Quarantine

pytestmark = [pytest.mark.door, pytest.mark.django_db]
PEOPLE = """id;E-mail;Phone;First Name;Country;Birth_Date;plan;seats;is vip;joined;ok
1;Ann@Example.TEST;020 7946 0958;Ann;GB;1990-02-03;pro;3;yes;2024-05-01;yes
2;bob@example.test;;Bob;GB;;basic;;no;2024-06-01;no
3;;;Cyd;NL;;;NaN;;;
"""


def load(path: Path, **options: Any) -> dict[str, Any]:
    """Run the command; give the counts of --json, and what was printed as `printed`."""
    out, counts = StringIO(), path.parent / "counts.json"
    call_command("import_customers", str(path), json=str(counts), stdout=out, **{"id": "id", **options})
    return {**json.loads(counts.read_text()), "printed": out.getvalue()}


def people(folder: Path, text: str = PEOPLE, name: str = "people.csv") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def refused(path: Path, **options: Any) -> str:
    with pytest.raises(CommandError) as caught:
        load(path, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_people_come_in_with_core_columns_and_attributes(tmp_path: Path) -> None:
    result = load(people(tmp_path), email="e-mail", phone="phone")
    assert (result["read"], result["stored"], result["customers"]) == (3, 3, 3)
    ann = Customer.objects.get(external_id="1")
    assert (ann.email, ann.phone, ann.first_name) == ("Ann@example.test", "+442079460958", "Ann")
    assert (ann.country, ann.birth_date) == ("GB", date(1990, 2, 3))
    assert ann.attributes == {"plan": "pro", "seats": 3, "is vip": True, "joined": "2024-05-01", "ok": True}
    assert Customer.objects.get(external_id="3").attributes == {}
    assert dict(Attribute.objects.values_list("name", "type")) == {
        "plan": "text",
        "seats": "number",
        "is vip": "yes_no",
        "joined": "date",
        "ok": "yes_no",
    }
    assert "seats: attribute, number" in result["printed"]


def test_core_columns_keep_a_history_and_addresses_do_not(tmp_path: Path) -> None:
    load(people(tmp_path), email="E-mail")
    names = set(AttributeChange.objects.values_list("name", flat=True))
    assert {"country", "birth_date", "plan"} <= names
    assert not names & {"email", "E-mail", "first_name", "First Name"}


def test_nothing_is_stored_of_columns_that_are_left_out(tmp_path: Path) -> None:
    load(people(tmp_path), leave_out=["Plan", "First Name"])
    ann = Customer.objects.get(external_id="1")
    assert (ann.first_name, "plan" in ann.attributes, ann.attributes["seats"]) == (None, False, 3)
    assert 'did you mean "plan"?' in refused(people(tmp_path), leave_out=["plans"])


def test_of_a_file_that_comes_again_only_what_changed_is_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attributes, "FEW", 0)
    load(people(tmp_path))
    before = AttributeChange.objects.count()
    assert load(people(tmp_path))["stored"] == 0
    assert load(people(tmp_path, PEOPLE.replace(";pro;", ";max;"), "later.csv"))["stored"] == 1
    assert Customer.objects.get(external_id="1").attributes["plan"] == "max"
    assert AttributeChange.objects.count() == before + 1


def test_nobody_has_consented_unless_the_file_says_so(tmp_path: Path) -> None:
    result = load(people(tmp_path), email="E-mail")
    assert not Consent.objects.exists()
    assert "reachable by e-mail 0, by phone 0 of 3 customers" in result["printed"]


def test_a_column_of_consents_is_kept_with_its_source(tmp_path: Path) -> None:
    result = load(people(tmp_path), email="E-mail", consent=["email:news=ok"], consent_source="shop form 2024")
    assert dict(Consent.objects.values_list("customer__external_id", "is_granted")) == {"1": True, "2": False}
    assert Consent.objects.get(is_granted=True).source == "shop form 2024"
    assert "reachable by e-mail 1, by phone 0 of 3 customers" in result["printed"]
    assert not Attribute.objects.filter(name="ok").exists()


def test_consent_of_all_does_not_undo_a_withdrawal(tmp_path: Path) -> None:
    options = {"email": "E-mail", "consent": ["email:news=all"], "consent_source": "fair"}
    load(people(tmp_path), **options)
    ann = Customer.objects.get(external_id="1")
    consent.withdraw(ann.pk, "email", "news", "link", Consent.objects.get(customer=ann).since)
    assert load(people(tmp_path), **options)["stored"] == 0
    assert not Consent.objects.get(customer=ann).is_granted


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"consent": ["email:news=all"]}, "--consent-source"),
        ({"consent": ["email=all"], "consent_source": "x"}, "not of the form"),
        ({"consent": ["owl:news=all"], "consent_source": "x"}, '"owl" is not a channel'),
        ({"id": "ident"}, 'no column "ident"; did you mean "id"'),
        ({"attribute": ["seats:figure"]}, '"figure" is not a type'),
        ({"known_since": "soon"}, 'no column "soon"'),
    ],
)
def test_options_that_do_not_fit_are_refused_in_a_sentence(tmp_path: Path, options: dict[str, Any], said: str) -> None:
    assert said in refused(people(tmp_path), **options)
    assert not Customer.objects.exists()


def test_known_since_is_the_import_a_date_a_column_or_always(tmp_path: Path) -> None:
    load(people(tmp_path))
    assert Customer.objects.get(external_id="1").known_since == Import.objects.get().started_at
    load(people(tmp_path), known_since="2024-07-01")
    assert Customer.objects.get(external_id="1").known_since == datetime(2024, 7, 1, tzinfo=UTC)
    load(people(tmp_path), known_since="joined")
    assert Customer.objects.get(external_id="1").known_since == datetime(2024, 5, 1, tzinfo=UTC)
    assert not Attribute.objects.filter(is_timeless=True).exists()
    load(people(tmp_path), known_since="always")
    assert Customer.objects.get(external_id="1").known_since == datetime(1900, 1, 1, tzinfo=UTC)
    assert AttributeChange.objects.filter(name="plan", known_at=datetime(1900, 1, 1, tzinfo=UTC)).count() == 2
    assert not Attribute.objects.filter(is_timeless=False).exclude(name="joined").exists()


def test_a_changed_line_is_stored_and_the_others_are_repeated(tmp_path: Path) -> None:
    load(people(tmp_path))
    assert (load(people(tmp_path))["stored"], load(people(tmp_path))["repeated"]) == (0, 3)
    result = load(people(tmp_path, PEOPLE.replace("basic", "pro")))
    assert (result["stored"], result["repeated"]) == (1, 2)
    told = AttributeChange.objects.filter(customer__external_id="2", name="plan").order_by("known_at")
    assert list(told.values_list("value", flat=True)) == ["basic", "pro"]


def test_identical_lines_count_as_repeated(tmp_path: Path) -> None:
    result = load(people(tmp_path, PEOPLE + PEOPLE.splitlines()[1] + "\n"))
    assert (result["read"], result["stored"], result["repeated"]) == (4, 3, 1)


def test_faulty_values_are_refused_with_line_and_column(tmp_path: Path) -> None:
    faulty = ["4;not mail;;;;;;;;;", "5;;12;;;;;;;;", ";;;;;;x;;;;", "6;;;;;1990-99-99;;;;;"]
    faulty += ["7;;;;;;;;;;perhaps", "8;;;;;;;many;;;"]
    text = PEOPLE + "\n".join(faulty) + "\n"
    options = {"email": "E-mail", "phone": "Phone", "consent": ["email:news=ok"], "consent_source": "x"}
    result = load(people(tmp_path, text), attribute=["seats:number"], **options)
    assert (result["stored"], result["quarantined"]) == (3, 6)
    assert [str(row) for row in Quarantine.objects.order_by("line")] == [
        "line 5, E-mail: not mail is not an e-mail address",
        "line 6, Phone: 12 is not a phone number",
        "line 7, id: has no value",
        'line 8, Birth_Date: "1990-99-99" is not a date',
        "line 9, ok: perhaps is not yes or no",
        'line 10, seats: "many" is not a number',
    ]


def test_a_stored_type_holds_for_later_files(tmp_path: Path) -> None:
    load(people(tmp_path, "id,code\n1,5\n"))
    assert refused(people(tmp_path, "id,code\n1,x\n")) == "Nothing could be stored: every line was refused."
    assert "is stored as number" in refused(people(tmp_path, "id,code\n1,x\n"), attribute=["code:text"])


def test_codes_with_leading_zeros_stay_text(tmp_path: Path) -> None:
    load(people(tmp_path, "id,zip,tags\n1,01234,a; b;c\n2,91234,\n"), attribute=["tags:list"])
    assert Customer.objects.get(external_id="1").attributes == {"zip": "01234", "tags": ["a", "b", "c"]}


@pytest.mark.long
def test_telco_comes_in_with_eleven_blanks_as_no_value(data: Path, tmp_path: Path) -> None:
    path = data / "telco_ibm" / "Telco-Customer-Churn.csv.gz"
    counts = tmp_path / "counts.json"
    call_command(
        "import_customers", str(path), id="customerID", known_since="always", json=str(counts), stdout=StringIO()
    )
    result = json.loads(counts.read_text())
    assert [result[name] for name in ("read", "stored", "quarantined", "customers")] == [7043, 7043, 0, 7043]
    assert Attribute.objects.get(name="TotalCharges").type == "number"
    assert AttributeChange.objects.filter(name="TotalCharges").count() == 7043 - 11
    assert AttributeChange.objects.count() == 7043 * 20 - 11
    assert Customer.objects.get(external_id="7590-VHVEG").attributes["TotalCharges"] == 29.85
    assert Attribute.objects.filter(is_timeless=True).count() == 20


def formats(folder: Path) -> dict[str, Path]:
    frame = pl.DataFrame({"id": ["1", "2"], "word": ["é", None], "n": [1.5, 2.0]})
    paths = {
        kind: folder / f"file.{kind}" for kind in ("csv", "tsv", "csv.gz", "xlsx", "parquet", "ndjson", "utf16.csv")
    }
    frame.write_csv(paths["csv"])
    frame.write_csv(paths["tsv"], separator="\t")
    paths["csv.gz"].write_bytes(gzip.compress(paths["csv"].read_bytes()))
    frame.write_excel(paths["xlsx"])
    frame.write_parquet(paths["parquet"])
    frame.write_ndjson(paths["ndjson"])
    paths["utf16.csv"].write_text(paths["csv"].read_text(), encoding="utf-16")
    return paths


@pytest.mark.parametrize("kind", ["csv", "tsv", "csv.gz", "xlsx", "parquet", "ndjson", "utf16.csv"])
def test_every_format_gives_the_same_customers(tmp_path: Path, kind: str) -> None:
    load(formats(tmp_path)[kind])
    stored = dict(Customer.objects.values_list("external_id", "attributes"))
    assert stored == {"1": {"word": "é", "n": 1.5}, "2": {"n": 2}}


MESSY = {
    "csv-spectrum/csvs/comma_in_quotes.csv": ("first", 1),
    "csv-spectrum/csvs/empty.csv": ("a", 2),
    "csv-spectrum/csvs/escaped_quotes.csv": ("a", 2),
    "csv-spectrum/csvs/json.csv": ("key", 1),
    "csv-spectrum/csvs/location_coordinates.csv": ("Contact Phone Number", 1),
    "csv-spectrum/csvs/newlines_crlf.csv": ("b", 3),
    "csv-spectrum/csvs/quotes_and_newlines.csv": ("a", 2),
    "csvkit/test_utf8_bom.csv": ("foo", 2),
    "csvkit/test_utf16_big.csv": ("a", 2),
    "csvkit/test_utf16_little.csv": ("a", 2),
    "csvkit/test_latin1.csv": ("a", 2),
    "csvkit/mac_newlines.csv": ("b", 2),
    "csvkit/test_header_newline.csv": ("b", 1),
    "csvkit/test_locale.csv": ("a", 1),
    "csvkit/dummy.xls": ("a", 1),
    "csvkit/dummy.csv.gz": ("a", 1),
    "csvkit/iris.csv": ("sepal_length", None),
    "csvkit/realdata/FY09_EDU_Recipients_by_State.csv": ("State Name", None),
    "csvlint/cr-line-endings.csv": ("Foo", 2),
    "csvlint/inconsistent-line-endings.csv": ("Foo", 2),
    "csvlint/windows-line-endings.csv": ("a", 1),
}


@pytest.mark.parametrize(("name", "expected"), MESSY.items(), ids=MESSY)
def test_messy_files_load(data: Path, name: str, expected: tuple[str, int | None], tmp_path: Path) -> None:
    column, customers = expected
    path = tmp_path / Path(name).name
    path.write_bytes((data / "messy_csv" / name).read_bytes())
    result = load(path, id=column)
    assert result["stored"] + result["repeated"] + result["quarantined"] == result["read"]
    assert Customer.objects.count() == (customers or Customer.objects.count()) > 0


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("csvkit/empty.csv", "is empty"),
        ("csvkit/dummy.csv.bz2", "is a bzip2 archive"),
        ("csvkit/null_byte.csv", "every line was refused"),
        ("csvkit/no_header_row.csv", "has a header and no lines"),
        ("csvkit/test_empty_columns_short_row.csv", "has a header and no lines"),
        ("csvlint/invalid_many_rows.csv", "cannot be read"),
        ("csvlint/title-row.csv", 'no column "a"'),
    ],
)
def test_messy_files_are_refused_in_a_sentence(data: Path, name: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / Path(name).name
    path.write_bytes((data / "messy_csv" / name).read_bytes())
    assert said in refused(path, id="a")
    assert not Customer.objects.exists()


def test_what_an_import_brought_names_it_and_what_it_repeats_does_not(tmp_path: Path) -> None:
    load(people(tmp_path), email="E-mail")
    first = Import.objects.get()
    assert set(AttributeChange.objects.values_list("of_import", flat=True)) == {first.pk}
    assert set(Customer.objects.values_list("told_by", flat=True)) == {first.pk}
    text = PEOPLE.replace("2;bob@", "2;rob@").replace("Ann;GB", "Ann;US") + "4;dan@example.test;;;;;;;;;\n"
    load(people(tmp_path, text, "again.csv"), email="E-mail")
    second = Import.objects.exclude(pk=first.pk).get()
    told_by = dict(Customer.objects.values_list("external_id", "told_by"))
    assert told_by == {"1": first.pk, "2": second.pk, "3": first.pk, "4": second.pk}
    changed = AttributeChange.objects.filter(of_import=second)
    assert list(changed.values_list("customer__external_id", "name", "value")) == [("1", "country", "US")]


def test_a_permission_that_an_import_brought_names_it_on_the_customer(tmp_path: Path) -> None:
    path = people(tmp_path)
    load(path, email="E-mail")
    load(path, email="E-mail", consent=["email:news=ok"], consent_source="form")
    last = Import.objects.order_by("-pk")[0]
    assert set(Customer.objects.filter(told_by=last).values_list("external_id", flat=True)) == {"1", "2"}
