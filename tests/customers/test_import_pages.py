"""Files imported by hand: uploaded, mapped, checked, stored in the background, and what was refused taken out."""

import gzip
import io
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from django.contrib.auth.models import Permission, User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db.models.functions import Now
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from customers import import_queue, import_work, keys, quality_days, uploads
from customers.models import AuditEntry, Consent, Customer, Event, Import
from tests.conftest import DATA, IS_CI

pytestmark = [pytest.mark.door, pytest.mark.django_db]
ADD = "/admin/customers/import/add/"
PEOPLE = """customer_id;E-mail;First Name;plan;ok
1;ann@example.test;Ann;pro;yes
2;bob@example;Bob;basic;no
3;cyd@example.test;Cyd;pro;
"""
ORDERS = "invoice,customer,date,qty,price\nA1,1,2026-01-02,2,3.5\nA1,1,2026-01-02,1,4\nA2,2,someday,1,1\n"
FRAME = pl.DataFrame({"customer_id": ["1", "2"], "seats": [3, 4]})


@pytest.fixture(autouse=True)
def uploaded_to(settings: Settings, tmp_path: Path) -> Path:
    settings.UPLOADS = str(tmp_path / "uploads")
    return tmp_path / "uploads"


@pytest.fixture
def staff(client: Client) -> Client:
    """Log somebody in who may import, and see what was refused."""
    user = User.objects.create_user("integrator", is_staff=True)
    for name in ("add_import", "view_import", "view_quarantine"):
        user.user_permissions.add(Permission.objects.get(codename=name))
    client.force_login(user)
    return client


def upload(client: Client, body: bytes, name: str = "people.csv", kind: str = "customers") -> Any:
    return client.post(ADD, {"file": SimpleUploadedFile(name, body), "kind": kind}, follow=True)


def fields(page: Any) -> dict[str, str]:
    """Give the fields of the mapping as the page shows them."""
    told = {f"role-{row['column'].at}": row["role"] for row in page.context["rows"]}
    return {**told, **{f"type-{row['column'].at}": row["type"] for row in page.context["rows"]}}


def path_of(row: Import, what: str) -> str:
    return f"/admin/customers/import/{row.pk}/{what}"


def checked(client: Client, page: Any, **told: str) -> Any:
    return client.post(path_of(Import.objects.get(), "map/"), {**fields(page), **told, "_check": "1"})


def stored(client: Client, page: Any, **told: str) -> Import:
    """Check a mapping, let it be stored, and do the work."""
    row = Import.objects.get()
    asked = {**fields(page), **told}
    seal = client.post(path_of(row, "map/"), {**asked, "_check": "1"}).context["seal"]
    client.post(path_of(row, "map/"), {**asked, "checked": seal, "_store": "1"})
    import_work.work(timezone.now)
    return Import.objects.get()


def test_a_file_of_customers_is_uploaded_checked_and_stored(staff: Client, uploaded_to: Path) -> None:
    page = upload(staff, PEOPLE.encode())
    assert "separated by ;" in page.context["told_of"]
    assert fields(page)["role-0"] == "id"
    assert fields(page)["role-1"] == "email"
    dry = checked(staff, page)
    assert (dry.context["result"].read, dry.context["result"].stored, dry.context["result"].quarantined) == (3, 2, 1)
    assert dry.context["first"] == [(3, "E-mail", "bob@example is not an e-mail address")]
    assert "Nobody becomes reachable" in dry.content.decode()
    assert not Customer.objects.exists()
    done = stored(staff, page)
    assert (done.state, done.read, done.stored, done.quarantined) == ("done", 3, 2, 1)
    assert done.reasons == {"E-mail is not an e-mail address": 1}
    assert Customer.objects.get(external_id="1").attributes == {"plan": "pro", "ok": True}
    assert not Consent.objects.exists()
    assert list(uploaded_to.iterdir()) == []
    assert AuditEntry.objects.get(what="import begun").about == "people.csv"


def test_consent_is_stored_only_as_chosen_and_says_who_becomes_reachable(staff: Client) -> None:
    page = upload(staff, PEOPLE.encode())
    told = {"consent_who-0": "4", "consent_channel-0": "email", "consent_topic-0": "news"}
    assert "say where and when" in checked(staff, page, **told).context["refused"]
    told |= {"consent_source": "till"}
    said = " ".join(checked(staff, page, **told).context["reachable"])
    assert "1 of 2 customers become reachable by e-mail" in said
    stored(staff, page, **told)
    assert list(Consent.objects.values_list("customer__external_id", "topic", "is_granted")) == [("1", "news", True)]


def test_nothing_is_stored_of_columns_that_are_left_out(staff: Client) -> None:
    page = upload(staff, PEOPLE.encode())
    stored(staff, page, **{"role-2": "left", "role-3": "left"})
    one = Customer.objects.get(external_id="1")
    assert (one.first_name, one.attributes) == (None, {"ok": True})


def test_lines_of_an_order_become_one_event(staff: Client) -> None:
    page = upload(staff, ORDERS.encode(), "orders.csv", "events")
    assert [row["role"] for row in page.context["rows"]] == ["order", "customer", "time", "quantity", "price"]
    assert "write one name for all" in checked(staff, page).context["refused"]
    told = {"event_name": "Order Completed", "role-3": "value", "role-4": "value"}
    dry = checked(staff, page, **told)
    assert dry.context["first"] == [(4, "date", "someday is not a date")]
    assert stored(staff, page, **told).stored == 2
    assert list(Event.objects.values_list("order_id", "value")) == [("A1", 11.0)]


def packed(kind: str) -> bytes:
    out = io.BytesIO()
    if kind == "parquet":
        FRAME.write_parquet(out)
    elif kind == "ndjson":
        FRAME.write_ndjson(out)
    elif kind == "gz":
        return gzip.compress(FRAME.write_csv().encode())
    else:
        return FRAME.write_csv(separator="\t" if kind == "tsv" else ",").encode()
    return out.getvalue()


@pytest.mark.parametrize("kind", ["csv", "tsv", "gz", "parquet", "ndjson"])
def test_every_format_comes_in(staff: Client, kind: str) -> None:
    page = upload(staff, packed(kind), f"people.{kind}")
    assert checked(staff, page).context["result"].stored == 2


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"  \n", "people.csv is empty"),
        (b"\x89PNG\r\n\x1a\n" + bytes(200), "is an image, not a table"),
        (b"a,b\n", "has a header and no lines"),
        (b'a,b\n1,2\n"3,4\n5,6\n', "line 4: unexpected end of data"),
        (b'{"a": 1}\n{"a": }\n', "line 2: Expecting value"),
        (gzip.compress(bytes(30_000_000)), "larger than 10 MB once it is unpacked"),
        (b"a,b\n" + b"1,2\n" * 300_000, "larger than 1 MB"),
    ],
    ids=["empty", "picture", "header", "stray quote", "no object", "bomb", "large"],
)
def test_a_wrong_file_is_refused_in_a_sentence_and_not_kept(
    staff: Client, settings: Settings, uploaded_to: Path, body: bytes, said: str
) -> None:
    settings.UPLOAD_MOST_MB = 1
    page = upload(staff, body)
    assert said in str(page.context["form"].errors["file"])
    assert not Import.objects.exists()
    assert not uploaded_to.exists() or list(uploaded_to.iterdir()) == []


def test_a_mess_of_two_columns_says_what_is_wrong_with_each_line(staff: Client) -> None:
    page = upload(staff, b"who,what\n,1,2,3,4\n2,a,b\n\x00,3\n4,\n")
    dry = checked(staff, page)
    assert [(line, column) for line, column, _ in dry.context["first"]] == [(2, ""), (3, ""), (4, "who")]
    assert dry.context["result"].stored == 1


def test_where_every_line_is_refused_nothing_can_be_stored(staff: Client) -> None:
    page = upload(staff, b"id,email\n,a\n,b\n")
    dry = checked(staff, page).content.decode()
    assert "every line is refused" in dry
    assert "_store" not in dry


def test_two_columns_cannot_be_the_same_thing(staff: Client) -> None:
    page = upload(staff, PEOPLE.encode())
    assert "only one column can be that" in checked(staff, page, **{"role-3": "id"}).context["refused"]
    assert "nothing a column can be" in checked(staff, page, **{"role-3": "boss"}).context["refused"]


def test_what_was_changed_after_the_check_is_not_stored(staff: Client) -> None:
    page = upload(staff, PEOPLE.encode())
    seal = checked(staff, page).context["seal"]
    row = Import.objects.get()
    told = {**fields(page), "type-3": "list", "checked": seal, "_store": "1"}
    assert staff.post(path_of(row, "map/"), told).context["changed"]
    assert Import.objects.get().state == "uploaded"


def test_the_same_file_once_more_says_so_and_stores_nothing_twice(staff: Client) -> None:
    stored(staff, upload(staff, PEOPLE.encode()))
    page = upload(staff, PEOPLE.encode())
    assert "imported before" in " ".join(str(one) for one in page.context["messages"])
    Import.objects.filter(state="done").delete()
    again = stored(staff, page)
    assert (again.stored, again.repeated, again.quarantined) == (0, 2, 1)


def test_refused_rows_are_taken_out_as_a_file_without_formulas(staff: Client) -> None:
    done = stored(staff, upload(staff, b"id,email\n1,=cmd@x\n2,ann@example.test\n"))
    answer = staff.post(path_of(done, "refused.csv"))
    lines = answer.content.decode().splitlines()
    assert lines[0] == "line,column,reason,record"
    assert lines[1].startswith("2,email,'=cmd@x is not an e-mail address,")
    assert AuditEntry.objects.get(what="refused lines exported").detail == {"rows": 1}


def test_a_program_reads_what_became_of_the_lines(staff: Client) -> None:
    done = stored(staff, upload(staff, PEOPLE.encode()))
    _, secret = keys.create("shop", ["imports:read"], timezone.now())
    told: Any = {"Authorization": f"Bearer {secret}"}
    (one,) = Client().get("/api/v1/imports/?state=done", headers=told).json()["results"]
    assert one == Client().get(f"/api/v1/imports/{one['id']}/", headers=told).json()
    assert len(one["id"]) == 22  # 128 random bits
    assert (one["stored"], one["reasons"]) == (2, {"E-mail is not an e-mail address": 1})
    assert Client().get(f"/api/v1/imports/{done.pk}/", headers=told).status_code == 404
    _, other = keys.create("till", ["events:write"], timezone.now())
    assert Client().get("/api/v1/imports/", headers={"Authorization": f"Bearer {other}"}).status_code == 403


def test_who_may_not_import_is_not_let_in(client: Client) -> None:
    client.force_login(User.objects.create_user("marketer", is_staff=True))
    assert client.get(ADD).status_code == 403
    assert upload(client, PEOPLE.encode()).status_code == 403
    for what in ("map/", "progress/"):
        assert client.get(f"/admin/customers/import/1/{what}").status_code == 403
    assert client.post("/admin/customers/import/1/refused.csv").status_code == 403


def test_an_import_whose_worker_was_killed_is_taken_up_and_gives_up_after_three(
    staff: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = upload(staff, PEOPLE.encode())
    row = Import.objects.get()
    note = quality_days.note

    def killed(*told: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(quality_days, "note", killed)
    with pytest.raises(KeyboardInterrupt):
        stored(staff, page)
    assert "Stores: 3 of 3" in staff.get(path_of(row, "progress/")).content.decode()
    assert import_queue.claim() is None
    Import.objects.update(lease_until=Now() - timedelta(seconds=1))
    monkeypatch.setattr(quality_days, "note", note)
    again = import_work.work(timezone.now)
    assert again is not None
    assert (again.state, again.read, again.stored, again.repeated) == ("done", 3, 0, 2)
    assert again.refused.count() == 1
    assert staff.get(path_of(row, "progress/")).status_code == 204
    Import.objects.update(state="running", attempts=3, lease_until=Now() - timedelta(seconds=1))
    assert import_work.work(timezone.now) is None
    assert "lost three times" in Import.objects.get().error


def test_a_file_that_nobody_stores_goes_after_a_day(staff: Client, uploaded_to: Path) -> None:
    upload(staff, PEOPLE.encode(), "../../etc/passwd")
    assert len(list(uploaded_to.iterdir())) == 1
    uploads.tidy(timezone.now())
    assert Import.objects.get().file_name == "passwd"
    uploads.tidy(timezone.now() + timedelta(days=1, minutes=1))
    assert not Import.objects.exists()
    assert list(uploaded_to.iterdir()) == []


def messy() -> Iterator[Path]:
    for path in sorted((DATA / "messy_csv").rglob("*")) if DATA.is_dir() else ():
        if path.is_file():
            yield path


# Of a file that is refused as a whole, no line is at fault.
WHOLE = ("is empty", "has a header and no lines", "not a table", "is not a text file", "is a binary file", "damaged")


@pytest.mark.long
@pytest.mark.once
def test_every_messy_file_loads_or_is_refused_with_line_and_column(staff: Client) -> None:
    files = list(messy())
    if not files and not IS_CI:
        pytest.skip(f"the public data sets are not at {DATA}")
    assert files
    unplaced, loaded = [], 0
    for path in files:
        page = upload(staff, path.read_bytes(), path.name)
        if "rows" not in page.context:
            said = " ".join(page.context["form"].errors["file"])
            if "line " not in said and not any(one in said for one in WHOLE):
                unplaced.append((path.name, said))
            continue
        dry = checked(staff, page).context
        loaded += 1
        result = dry["result"]
        assert result.read == result.stored + result.repeated + result.quarantined, path.name
        assert bool(dry["first"]) == (result.quarantined > 0), path.name
        unplaced += [(path.name, one) for one in dry["first"] if not one[0] or not (one[1] or "columns" in one[2])]
        Import.objects.all().delete()
    assert unplaced == [], "\n".join(map(str, unplaced))
    assert loaded > 60
