"""Two customers become one: whatever pointed to either points to the one who is kept, and the lake tells it so."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from io import StringIO

import polars as pl
import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, OperationalError, connection, connections, transaction
from django.db.models import Model

from customers import attributes, bulk, consent, erasure, events, history, identity, ingest, merging, snapshot
from customers.history import Scope
from customers.ingest import Records
from customers.merging import MergeError, Mover, merge
from customers.models import (
    Attribute,
    Consent,
    ConsentChange,
    Customer,
    Event,
    Identity,
    Import,
    Merge,
    Product,
    Source,
    Tombstone,
)
from tests.customers.people import make_customer

pytestmark = [pytest.mark.door, pytest.mark.django_db]
needs_transactions = pytest.mark.skipif(
    connection.vendor == "sqlite", reason="SQLite has one writer, and its test database lives in memory"
)
T = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture
def both() -> tuple[Customer, Customer]:
    """Give two customers with events, order lines, attributes and permissions each, all in the lake."""
    ada = make_customer("ada", email="ada@example.test", known_since=T - 100 * DAY)
    eda = make_customer("eda", phone="+493011", last_name="Byron", known_since=T - 300 * DAY)
    bought(ada, {"a-1": T - 9 * DAY, "a-2": T - 2 * DAY})
    bought(eda, {"e-1": T - 200 * DAY, "e-2": T - DAY})
    told(ada, {"plan": '"basic"', "city": '"Berlin"'}, T - 50 * DAY)
    told(eda, {"plan": '"gold"', "seats": "3"}, T - 20 * DAY)
    history.sync()
    return ada, eda


def bought(who: Customer, orders: dict[str, datetime]) -> None:
    source, _ = Source.objects.get_or_create(key="shop", defaults={"name": "Shop", "kind": "api"})
    product, _ = Product.objects.get_or_create(external_id="tea")
    rows = [
        (who.pk, key, "Order Completed", at, at, 10.0, key, '{"note": "", "by": "card"}') for key, at in orders.items()
    ]
    names = ["customer_id", "message_id", "name", "occurred_at", "known_at", "value", "order_id", "properties"]
    lines = [(key, product.pk, 2.0, 5.0, None) for key in orders]
    events.store(
        events.complete(pl.DataFrame(rows, schema=names, orient="row"), events.EVENTS),
        pl.DataFrame(lines, schema=events.LINES, orient="row"),
        source,
    )


def told(who: Customer, facts: dict[str, str], at: datetime, by: Import | None = None) -> None:
    attributes.declare({"plan": "text", "seats": "number"}, ())
    rows = [(who.pk, name, value, at) for name, value in facts.items()]
    attributes.store(pl.DataFrame(rows, schema=attributes.CHANGES, orient="row"), by.pk if by else None)


def read(table: str, who: Customer) -> pl.DataFrame:
    frame: pl.DataFrame = getattr(history.pin(), table)(Scope(ids=(who.pk,))).collect()
    return frame


def test_the_history_of_both_is_that_of_the_kept_one_in_tables_and_lake(both: tuple[Customer, Customer]) -> None:
    ada, eda = both
    before = snapshot.take(Scope(), T).select("features.orders", "features.spend").sum().row(0)
    merge("ada", "eda", T)
    assert not Customer.objects.filter(pk=eda.pk).exists()
    stored = Event.objects.filter(customer=ada).order_by("occurred_at")
    assert list(stored.values_list("message_id", "lines__quantity", "order_id", "properties")) == [
        (key, 2.0, key, {"note": "", "by": "card"}) for key in ("e-1", "a-1", "a-2", "e-2")
    ]
    history.sync()
    assert read("events", ada)["order_id"].sort().to_list() == ["a-1", "a-2", "e-1", "e-2"]
    assert read("lines", ada).height == read("properties", ada).height == 4
    frame = snapshot.take(Scope(), T)
    assert frame["customer_id"].to_list() == [ada.pk]
    assert frame.select("features.orders", "features.spend").row(0) == before
    assert frame.select("attributes.plan", "attributes.seats", "city").row(0) == ("gold", 3.0, "Berlin")
    then = snapshot.take(Scope(), T - 30 * DAY)
    assert then.select("attributes.plan", "attributes.seats").row(0) == ("basic", None)


def test_nobody_is_read_under_the_old_number_and_a_rebuilt_lake_is_the_same(both: tuple[Customer, Customer]) -> None:
    ada, eda = both
    pinned = history.pin()
    merge("ada", "eda", T)
    for lake in (pinned, history.pin()):
        assert lake.events(Scope(ids=(eda.pk,))).collect().is_empty()
        assert lake.attributes(Scope(bucket=eda.bucket)).filter(pl.col("customer_id") == eda.pk).collect().is_empty()
    del pinned, lake
    history.sync()
    assert erasure.rewrite(T) == 1
    synced = {table: read(table, ada).sort(pl.all()) for table in history.TABLES}
    history.rebuild()
    for table, frame in synced.items():
        assert read(table, ada).sort(pl.all()).equals(frame), table


def test_the_kept_one_has_the_latest_fact_of_each_and_what_only_the_other_had(both: tuple[Customer, Customer]) -> None:
    ada, _ = both
    merge("ada", "eda", T)
    ada.refresh_from_db()
    assert ada.attributes == {"plan": "gold", "seats": 3}
    assert (ada.email, ada.phone, ada.last_name, ada.city) == ("ada@example.test", "+493011", "Byron", "Berlin")
    assert ada.known_since == T - 300 * DAY
    assert Attribute.objects.count() == 2


def test_an_older_fact_of_the_other_does_not_win(both: tuple[Customer, Customer]) -> None:
    merge("eda", "ada", T)
    eda = Customer.objects.get()
    assert (eda.attributes["plan"], eda.city) == ("gold", "Berlin")


def test_what_an_import_brought_names_it_still() -> None:
    ada, eda = make_customer("ada"), make_customer("eda")
    source = Source.objects.create(key="file", name="File", kind="import")
    this = Import.objects.create(kind="customers", file_name="x", sha256="", source=source, started_at=T)
    told(eda, {"plan": '"gold"'}, T, by=this)
    merge("ada", "eda", T)
    assert ada.attribute_changes.get().of_import == this


def test_every_id_of_either_points_to_the_kept_one_also_for_what_comes_in_later(
    both: tuple[Customer, Customer],
) -> None:
    ada, eda = both
    Identity.objects.create(customer=eda, kind="anonymous", value="anon-1", known_at=T)
    merge("ada", "eda", T)
    assert set(Identity.objects.filter(customer=ada).values_list("value", flat=True)) == {"ada", "eda", "anon-1"}
    known = pl.DataFrame({"external_id": ["eda"], "known_since": [T]}).cast({"known_since": bulk.UTC_MICROSECONDS})
    assert identity.resolve(known).select("customer_id", "is_new").row(0) == (ada.pk, False)
    assert Customer.objects.count() == 1


@pytest.mark.parametrize(
    ("kept", "gone", "word"),
    [
        ((True, 1), (False, 2), False),
        ((False, 1), (True, 2), True),
        ((True, 2), (False, 1), True),
        ((True, 1), (False, 1), False),
        ((False, 1), (True, 1), False),
        (None, (True, 1), True),
        ((True, 1), None, True),
    ],
)
def test_the_last_word_on_a_permission_holds_and_a_withdrawal_wins_a_tie(
    kept: tuple[bool, int] | None, gone: tuple[bool, int] | None, word: bool
) -> None:
    ada, eda = make_customer("ada"), make_customer("eda")
    said = 0
    for who, one in ((ada, kept), (eda, gone)):
        if one is not None:
            (consent.grant if one[0] else consent.withdraw)(who.pk, "email", "news", who.external_id, T + one[1] * DAY)
            said += 1
    merge("ada", "eda", T + 9 * DAY)
    assert Consent.objects.get(customer=ada).is_granted is word
    assert ConsentChange.objects.filter(customer=ada).count() == said


def test_a_merge_is_on_record_and_what_went_leaves_a_tombstone(both: tuple[Customer, Customer]) -> None:
    ada, eda = both
    make_customer("ida")
    merge("ada", "eda", T)
    merge("ida", "eda", T + DAY)
    kept = Customer.objects.get()
    rows = Merge.objects.order_by("at").values_list("customer__external_id", "gone_external_id", "gone_id", "at")
    assert list(rows) == [("ida", "eda", eda.pk, T), ("ida", "ada", ada.pk, T + DAY)]
    assert set(Tombstone.objects.values_list("pk", flat=True)) == {ada.pk, eda.pk}
    assert set(kept.identities.values_list("value", flat=True)) == {"ada", "eda", "ida"}


@pytest.mark.parametrize(
    ("kept", "gone", "message"),
    [
        ("ada", "ada", '"ada" and "ada" are the same customer.'),
        ("ada", "alias", '"ada" and "alias" are the same customer.'),
        ("nobody", "ada", 'There is no customer "nobody".'),
        ("ada", "nobody", 'There is no customer "nobody".'),
    ],
)
def test_what_cannot_be_merged_is_refused_with_the_reason(kept: str, gone: str, message: str) -> None:
    ada = make_customer("ada")
    Identity.objects.create(customer=ada, kind="external", value="alias", known_at=T)
    with pytest.raises(MergeError) as refused:
        merge(kept, gone, T)
    assert str(refused.value) == message
    with pytest.raises(CommandError, match=r"same customer|no customer"):
        call_command("merge", kept, gone)
    assert not Merge.objects.exists()


def test_the_command_merges(both: tuple[Customer, Customer]) -> None:
    out = StringIO()
    call_command("merge", "ada", "eda", stdout=out)
    assert '"eda" is "ada" from now on' in out.getvalue()
    assert Customer.objects.count() == 1


def aside(work: Callable[[], object]) -> None:
    """Do something to its end in another transaction."""

    def run() -> None:
        try:
            work()
        finally:
            connections.close_all()

    other = threading.Thread(target=run)
    other.start()
    other.join(60)


@needs_transactions
@pytest.mark.django_db(transaction=True)
def test_what_is_stored_in_the_middle_of_a_merge_stops_it_and_is_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    ada, eda = make_customer("ada"), make_customer("eda")

    def meanwhile(kept: Customer, gone: Customer) -> None:
        aside(lambda: bought(gone, {"late": T}))

    own: dict[type[Model], Mover] = {**merging.OWN, Consent: meanwhile}
    with monkeypatch.context() as patched:
        patched.setattr(merging, "OWN", own)
        with pytest.raises(CommandError, match=r"stored of them at this moment; nothing is merged\. Try again\."):
            call_command("merge", "ada", "eda")
    assert Event.objects.get().customer == eda
    assert not Merge.objects.exists()
    call_command("merge", "ada", "eda", stdout=StringIO())
    assert Event.objects.get().customer == ada


@needs_transactions
@pytest.mark.django_db(transaction=True)
def test_what_is_committed_too_late_for_the_one_who_went_is_refused_and_can_be_sent_again() -> None:
    ada, eda = make_customer("ada"), make_customer("eda")

    def store_slowly() -> None:
        with transaction.atomic():
            bought(eda, {"late": T})
            aside(lambda: merge("ada", "eda", T))

    with pytest.raises(IntegrityError):
        store_slowly()
    assert not Event.objects.exists()
    source = Source.objects.create(key="web", name="Web", kind="api")
    names = ["line", "external_id", "message_id", "name", "occurred_at"]
    again = pl.DataFrame([(1, "eda", "late", "Page Viewed", T)], schema=names, orient="row")
    assert ingest.put(Records(read=1, events=again), source, T).events == 1
    assert Event.objects.get().customer == ada


def test_a_permission_of_one_who_went_is_refused(both: tuple[Customer, Customer]) -> None:
    gone = both[1].pk
    merge("ada", "eda", T)
    with pytest.raises(IntegrityError):
        consent.grant(gone, "email", "tips", "test", T)
    assert not ConsentChange.objects.filter(customer_id=gone).exists()
    assert not Consent.objects.filter(customer_id=gone).exists()


@needs_transactions
@pytest.mark.django_db(transaction=True)
def test_a_merge_waits_for_a_permission_that_is_being_stored() -> None:
    make_customer("ada")
    eda = make_customer("eda")
    waited: list[str] = []

    def try_to_merge() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '50ms'")
        try:
            merge("ada", "eda", T)
        except OperationalError as error:
            waited.append(str(error))

    with transaction.atomic():
        consent.grant(eda.pk, "email", "tips", "test", T)
        aside(try_to_merge)
    assert len(waited) == 1
    assert not Merge.objects.exists()


@needs_transactions
@pytest.mark.django_db(transaction=True)
def test_of_two_merges_of_the_same_two_at_once_one_is_done() -> None:
    ends = threading.Barrier(2, timeout=60)
    make_customer("ada")
    make_customer("eda")
    told: list[str] = []

    def try_to_merge(kept: str, gone: str) -> None:
        try:
            ends.wait()
            merge(kept, gone, T)
        except MergeError as error:
            told.append(str(error))
        finally:
            connections.close_all()

    both = [threading.Thread(target=try_to_merge, args=names) for names in (("ada", "eda"), ("eda", "ada"))]
    for one in both:
        one.start()
    for one in both:
        one.join(60)
    assert Customer.objects.count() == Merge.objects.count() == 1
    assert len(told) == 1
