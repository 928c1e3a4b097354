"""Who is erased is nowhere: no row, no file, no read; and comes back, if ever, as somebody we may not contact."""

import json
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path

import polars as pl
import pytest
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import User
from django.contrib.contenttypes.models import ContentType
from django.core.management import CommandError, call_command
from django.db import connection

from campaigns.models import (
    Call,
    CallTask,
    Decision,
    Delivery,
    DeliveryAttempt,
    Offer,
    OfferCode,
    TriggerState,
    Webhook,
    WebhookAttempt,
    WebhookMessage,
)
from customers import consent, erasure, history, snapshot
from customers.history import Scope
from customers.models import (
    Attribute,
    AttributeChange,
    Customer,
    Event,
    Identity,
    Merge,
    OrderLine,
    Quarantine,
    Source,
    Suppression,
    Tombstone,
)
from scoring.models import BandChange, Target
from segments.models import ListMember, Membership, MembershipChange, Segment, SegmentPin
from tests.config import world

pytestmark = [pytest.mark.door, pytest.mark.django_db]
T = world.T
WHO = "ext-zerlina-77"
NEEDLES = (WHO, "zerlina", "quastenberg", "+49301112223", "anon-9q")
EMAIL = "zerlina.quastenberg@post.test"
SAID = {"email": EMAIL, "name": "Zerlina Quastenberg", "phone": "+49301112223"}


@pytest.fixture
def her() -> Customer:
    """Give one customer of whom every table and every kind of file holds something, among others."""
    world.fill()
    her = Customer.objects.get(external_id="c-0000")
    Customer.objects.filter(pk=her.pk).update(
        external_id=WHO, email=EMAIL, phone="+49301112223", first_name="Zerlina", last_name="Quastenberg"
    )
    her.refresh_from_db()
    Identity.objects.create(customer=her, kind="external", value=WHO, known_at=T)
    Identity.objects.create(customer=her, kind="external", value="zerlina-before", known_at=T)
    Identity.objects.create(customer=her, kind="anonymous", value="anon-9q", known_at=T)
    Merge.objects.create(customer=her, gone_id=0, gone_external_id="zerlina-before", at=T)
    told(her)
    acted_on(her)
    for as_of in (T, T + timedelta(days=1)):
        history.sync()
        for bucket in range(4):
            snapshot.store(snapshot.take(Scope(bucket=bucket), as_of), as_of, bucket)
    return her


def told(her: Customer) -> None:
    """Store what she and others said of her."""
    Attribute.objects.create(name="nickname", type="text")
    for value in ("Zerlina the first", "Zerlina"):
        AttributeChange.objects.create(customer=her, name="nickname", value=value, known_at=T - timedelta(days=9))
    shop = Source.objects.get(key="shop")
    for name in ("Page Viewed", "Email Sent"):
        Event.objects.create(
            customer=her,
            source=shop,
            message_id=f"{WHO}-{name}",
            name=name,
            occurred_at=T,
            known_at=T,
            properties=SAID,
        )
    OrderLine.objects.filter(event__customer=her).update(quantity=3)
    refused = ({"id": WHO, "born": "soon"}, {"traits": {"list": [EMAIL.upper()]}}, {"phone": "+49301112223"})
    for record in refused:
        Quarantine.objects.create(source=shop, reason="soon is not a date", record=record, received_at=T)
    Quarantine.objects.create(source=shop, reason=f"{EMAIL} is known", record={"mail": "x"}, received_at=T)
    Quarantine.objects.create(source=shop, reason="no date", record={"id": f"{WHO}8", "n": 1}, received_at=T)
    consent.suppress("email", EMAIL, Suppression.Reason.UNSUBSCRIBED, T)
    consent.grant(her.pk, "phone", "offers", "Zerlina on the phone", T)
    LogEntry.objects.create(
        user=User.objects.create(username="editor"),
        content_type=ContentType.objects.get_for_model(Customer),
        object_id=str(her.pk),
        object_repr=WHO,
        action_flag=CHANGE,
        change_message="Zerlina",
    )


def acted_on(her: Customer) -> None:
    """Store what was decided about her and done."""
    segment, target = Segment.objects.all()[0], Target.objects.all()[0]
    Membership.objects.get_or_create(
        segment=segment, customer=her, defaults={"bucket": her.bucket, "since": T, "as_of": T}
    )
    MembershipChange.objects.create(
        segment=segment, customer=her, bucket=her.bucket, kind="entered", as_of=T - timedelta(days=30)
    )
    ListMember.objects.create(segment=segment, bucket=her.bucket, customer=her)
    SegmentPin.objects.create(segment=segment, customer=her, kind="include", reason="Zerlina asked for it", at=T)
    BandChange.objects.create(customer=her, target=target, band="high", as_of=T)
    decision = Decision.objects.filter(customer=her)[0]
    TriggerState.objects.get_or_create(
        campaign=decision.campaign,
        customer=her,
        defaults={"bucket": her.bucket, "is_inside": True, "since": T, "as_of": T},
    )
    Decision.objects.filter(pk=decision.pk).update(reason="Zerlina scored 0.9")
    delivery, _ = Delivery.objects.get_or_create(
        decision=decision, step=7, defaults={"customer": her, "action": "call", "channel": "phone", "due_at": T}
    )
    DeliveryAttempt.objects.create(delivery=delivery, number=1, began_at=T, receipt=f"<{EMAIL}> unknown")
    OfferCode.objects.create(
        offer=Offer.objects.all()[0], delivery=delivery, customer=her, code="ZERLINA10", state="redeemed"
    )
    task = CallTask.objects.create(
        delivery=delivery,
        customer=her,
        campaign=decision.campaign,
        title="Ring Zerlina",
        due_at=T,
        note="Mrs. Quastenberg",
        talking_points=EMAIL,
    )
    Call.objects.create(task=task, number=1, at=T, outcome="no_answer", note="Zerlina was out")
    webhook = Webhook.objects.create(key="crm", name="CRM", url="https://crm.example/", secret="whsec_x", created_at=T)
    body = '{"data": {"customer": "Zerlina"}}'
    WebhookMessage.objects.create(
        webhook=webhook, type="call.made", body=body, delivery=delivery, created_at=T, due_at=T
    )
    for people in ([WHO, f"{WHO}8"], ["zerlina-before", "c-0001", WHO], [WHO]):  # the second holds an id from a merge
        customers = [{"id": one} for one in people]
        chunk = json.dumps({"data": {"segment": "vip", "customers": customers}}, separators=(",", ":"))
        message = WebhookMessage.objects.create(
            webhook=webhook, type="segment.entered", body=chunk, state="taken", created_at=T, due_at=T, ended_at=T
        )
        WebhookAttempt.objects.create(message=message, number=1, at=T, status=200, answer=f"Thanks for {WHO}.")


def dump() -> dict[str, str]:
    """Give everything in the database as text, by table."""
    tables = {}
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names():
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")
            tables[table] = "\n".join(map(str, cursor.fetchall())).lower()
    return tables


def written(lake: Path) -> dict[str, str]:
    """Give every file of the lake as text: its bytes and, of columns, its rows."""
    texts = {}
    for path in lake.rglob("*"):
        if path.is_file():
            rows = "".join(map(str, pl.read_parquet(path).rows())) if path.suffix == ".parquet" else ""
            texts[str(path)] = (path.read_bytes().decode("latin-1") + rows).lower()
    return texts


def naming(texts: dict[str, str]) -> dict[str, list[str]]:
    """Give the names of the texts that mention her, and what they mention."""
    found = {place: [word for word in NEEDLES if word in text] for place, text in texts.items()}
    return {place: words for place, words in found.items() if words}


def of_her(pk: int) -> set[str]:
    """Give the tables with rows of a customer."""
    relations = [relation for relation in Customer._meta.related_objects if relation.field.concrete]
    return {
        relation.related_model._meta.label
        for relation in relations
        if relation.related_model._default_manager.filter(**{relation.field.name: pk}).exists()
    }


def test_nothing_of_her_is_left_in_any_table_or_file(her: Customer, lake: Path) -> None:
    tables = {relation.related_model._meta.label for relation in Customer._meta.related_objects}
    assert of_her(her.pk) == tables
    assert {"snapshots", "properties", "attributes"} <= {
        Path(p).relative_to(lake).parts[0] for p in naming(written(lake))
    }
    erased = erasure.erase(WHO, T, "She asked.")
    assert erasure.rewrite(T) == 1
    Quarantine.objects.filter(record__id=f"{WHO}8").delete()  # somebody else's, with a longer id
    bodies = [json.loads(body)["data"] for body in WebhookMessage.objects.values_list("body", flat=True)]
    assert sorted(one["id"] for body in bodies for one in body["customers"]) == ["c-0001", f"{WHO}8"]
    WebhookMessage.objects.filter(body__contains=f"{WHO}8").delete()  # of somebody else, with a longer id
    assert naming(dump()) == {}
    assert naming(written(lake)) == {}
    assert of_her(her.pk) == set()
    assert erased.rows["customers.Quarantine"] == 4
    assert erased.rows["customers.Event"] >= 5
    for path in lake.rglob("*.parquet"):
        frame = pl.read_parquet(path)
        assert her.pk not in frame["customer_id"].to_list(), path
    stone = Tombstone.objects.get()
    assert (stone.pk, stone.at, stone.rewritten_at) == (her.pk, T, T)


def test_the_others_are_untouched(her: Customer) -> None:
    others = Customer.objects.exclude(pk=her.pk)
    events, tables = Event.objects.exclude(customer=her).count(), of_her(others[0].pk)
    lake_before = history.pin().events(Scope()).filter(pl.col("customer_id") != her.pk).collect()
    shot_before = snapshot.load(T).filter(pl.col("customer_id") != her.pk)
    erasure.erase(WHO, T, "She asked.")
    erasure.rewrite(T)
    assert others.count() == 5
    assert Event.objects.count() == events
    assert of_her(others[0].pk) == tables
    assert Quarantine.objects.filter(record__id=f"{WHO}8").exists()
    assert Quarantine.objects.filter(reason__startswith="1493").count() == 2
    order = ["customer_id", "event_id"]
    assert history.pin().events(Scope()).collect().sort(order).equals(lake_before.sort(order))
    assert snapshot.load(T).equals(shot_before)
    before = {name: getattr(history.pin(), name)(Scope()).collect() for name in history.TABLES}
    history.rebuild()
    for name, frame in before.items():
        assert getattr(history.pin(), name)(Scope()).collect().sort(pl.all()).equals(frame.sort(pl.all())), name


def test_no_read_finds_her_before_the_files_are_rewritten(her: Customer) -> None:
    pinned = history.pin()
    erasure.erase(WHO, T, "She asked.")
    for lake in (pinned, history.pin()):
        for name in history.TABLES:
            for scope in (Scope(), Scope(bucket=her.bucket), Scope(ids=(her.pk,))):
                assert her.pk not in getattr(lake, name)(scope).collect()["customer_id"].to_list()
    for bucket in (None, her.bucket):
        assert her.pk not in snapshot.load(T, bucket)["customer_id"].to_list()


def test_who_is_erased_while_a_few_are_read_is_not_in_what_is_read_after(her: Customer) -> None:
    few = history.pin().of([her.pk])
    assert len(few.events(Scope()).collect())
    erasure.erase(WHO, T, "She asked.")
    assert few.attributes(Scope()).collect().is_empty()


def test_a_reader_of_an_old_generation_does_not_find_her_and_holds_the_end_back(her: Customer, lake: Path) -> None:
    pinned = history.pin()
    erasure.erase(WHO, T, "She asked.")
    assert erasure.rewrite(T) == 0
    assert pinned.generation < history.pin().generation
    assert her.pk not in pinned.properties(Scope()).collect()["customer_id"].to_list()
    assert naming(written(lake))
    del pinned
    assert erasure.rewrite(T + timedelta(hours=1)) == 1
    assert naming(written(lake)) == {}
    assert erasure.rewrite(T + timedelta(hours=2)) == 0


def test_a_frame_taken_before_is_stored_without_her(her: Customer, lake: Path) -> None:
    taken = snapshot.take(Scope(bucket=her.bucket), T)
    erasure.erase(WHO, T, "She asked.")
    erasure.rewrite(T)
    snapshot.store(taken, T, her.bucket)
    assert naming(written(lake)) == {}
    assert snapshot.load(T, her.bucket).height == taken.height - 1


def test_what_a_crash_left_of_a_snapshot_goes_too(her: Customer, lake: Path) -> None:
    folder = next((lake / "snapshots").iterdir())
    (folder / ".0.parquet.123.new").write_bytes(WHO.encode())
    erasure.erase(WHO, T, "She asked.")
    assert erasure.rewrite(T) == 1
    assert naming(written(lake)) == {}


def test_a_lake_that_was_never_written_has_nothing_to_rewrite() -> None:
    world.fill()
    erasure.erase("c-0001", T, "She asked.")
    assert erasure.rewrite(T) == 1


def test_who_is_imported_again_is_somebody_new_whom_nobody_contacts(her: Customer, tmp_path: Path) -> None:
    erasure.erase(WHO, T, "She asked.")
    path = tmp_path / "people.csv"
    path.write_text(f"id,mail,tel,ok\n{WHO},{EMAIL.upper()},+49 30 1112223,yes\n")
    options = {"id": "id", "email": "mail", "phone": "tel", "consent": ["email:newsletter=all"], "consent_source": "x"}
    call_command("import_customers", str(path), stdout=StringIO(), **options)
    again = Customer.objects.get(external_id=WHO)
    assert again.pk != her.pk
    assert not consent.is_allowed(again.pk, "email", "newsletter")
    assert [consent.is_suppressed(channel, "+49301112223") for channel in ("phone", "sms")] == [True, True]
    closed = Suppression.objects.filter(reason=Suppression.Reason.ERASED)
    assert sorted(closed.values_list("channel", "hint")) == [("email", ""), ("phone", ""), ("sms", "")]
    history.sync()
    assert snapshot.take(Scope(ids=(again.pk,)), datetime(2100, 1, 1, tzinfo=UTC))["reachable.email"].to_list() == [
        False
    ]
    assert erasure.rewrite(T) == 1
    assert Customer.objects.filter(pk=again.pk).exists()


def test_she_is_found_by_any_of_her_ids(her: Customer) -> None:
    Identity.objects.create(customer=her, kind="external", value="old-id", known_at=T)
    assert erasure.erase("old-id", T, "She asked.").customer_id == her.pk
    with pytest.raises(erasure.UnknownCustomer, match='no customer "old-id"'):
        erasure.erase("old-id", T, "She asked.")


def test_the_command_erases_and_rewrites(her: Customer, lake: Path) -> None:
    out = StringIO()
    call_command("erase", WHO, "--files", stdout=out)
    assert f"customer {her.pk} is erased" in out.getvalue()
    assert naming(written(lake)) == {}
    with pytest.raises(CommandError, match=f'no customer "{WHO}"'):
        call_command("erase", WHO)
