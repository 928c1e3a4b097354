"""Events go in here: those of sources through ingest, those of our own program through `record`."""

from collections.abc import Callable, Iterator
from datetime import datetime

import polars as pl
from django.db import transaction
from django.db.models import Max

from customers import bulk
from customers.models import CampaignName, Customer, Event, EventName, OrderLine, Source

ORDER_COMPLETED = "Order Completed"
ORDER_REFUNDED = "Order Refunded"
# These have features of their own.
NEVER_COUNTED = (ORDER_COMPLETED, ORDER_REFUNDED, "Held Out", "Control Assigned")
COUNTED = 12  # so many names count from their first event on; others are declared
ROWS_A_TRANSACTION = 20_000
FEW = 5_000

EVENTS: bulk.Schema = {
    "customer_id": pl.Int64,
    "message_id": pl.String,
    "name": pl.String,
    "occurred_at": bulk.UTC_MICROSECONDS,
    "known_at": bulk.UTC_MICROSECONDS,
    "value": pl.Float64,
    "order_id": pl.String,
    "currency": pl.String,
    "properties": pl.String,
}
LINES: bulk.Schema = {
    "message_id": pl.String,
    "product_id": pl.Int64,
    "quantity": pl.Float64,
    "price": pl.Float64,
    "discount": pl.Float64,
}
Progress = Callable[[int, int], None]


def record(events: pl.DataFrame, source_key: str, known_at: datetime) -> int:
    """Store events of known customers that our own program made; give how many were new.

    Columns: customer_id, message_id, name, occurred_at, and as wanted value, order_id, currency, properties (JSON
    text). What the source has sent before, by message_id, is left out.
    """
    return store(_told(events, known_at), complete(None, LINES), _own(source_key))


def record_new(events: pl.DataFrame, source_key: str, known_at: datetime) -> None:
    """Store events as `record` does, whose message ids were just drawn: none of them was ever sent before."""
    source = _own(source_key)
    note_names(events["name"])
    rows = _told(events, known_at).with_columns(
        source_id=pl.lit(source.pk, pl.Int64), properties=pl.col("properties").fill_null("{}")
    )
    with transaction.atomic():
        bulk.insert(Event, rows)


def _own(key: str) -> Source:
    """Give the source that stands for a part of our own program."""
    values = {"name": key.replace("-", " ").capitalize(), "kind": Source.Kind.CAMPAIGNS}
    return Source.objects.get_or_create(key=key, defaults=values)[0]


def _told(events: pl.DataFrame, known_at: datetime) -> pl.DataFrame:
    """Give all columns of events; what lies ahead is known when it happens."""
    happened = pl.col("occurred_at").cast(bulk.UTC_MICROSECONDS)
    known = pl.max_horizontal(pl.lit(known_at, bulk.UTC_MICROSECONDS), happened)
    return complete(events.with_columns(known_at=known), EVENTS)


def replace(events: pl.DataFrame, source_key: str, known_at: datetime) -> int:
    """Store events as `record` does, in place of those with their message ids. Give how many there are.

    Files of the lake that already hold the earlier ones keep them until the lake is rebuilt.
    """
    with transaction.atomic():
        Event.objects.filter(source__key=source_key, message_id__in=events["message_id"].to_list()).delete()
        return record(events, source_key, known_at)


def complete(frame: pl.DataFrame | None, schema: bulk.Schema) -> pl.DataFrame:
    """Give the frame with exactly the columns and types of `schema`; absent ones hold no value."""
    if frame is None:
        return pl.DataFrame(schema=schema)
    return frame.select(
        (pl.col(name) if name in frame.columns else pl.lit(None)).cast(dtype).alias(name)
        for name, dtype in schema.items()
    )


def known(source: Source, message_ids: pl.Series) -> pl.Series:
    """Give those of the message ids that the source has sent before."""
    if message_ids.is_empty():
        return message_ids
    sent = Event.objects.filter(source=source)
    if len(message_ids) <= FEW:
        sent = sent.filter(message_id__in=message_ids.to_list())
    stored = bulk.read(sent.values_list("message_id"), {"message_id": pl.String})
    return message_ids.to_frame("message_id").join(stored, on="message_id", how="semi")["message_id"]


def store(
    events: pl.DataFrame,
    lines: pl.DataFrame,
    source: Source,
    import_id: int | None = None,
    on_progress: Progress | None = None,
) -> int:
    """Store events (EVENTS) with their order lines (LINES), some 20,000 rows a transaction; give how many were new.

    An event and its lines are stored together or not at all; the source's earlier message ids are left out.
    """
    earlier = known(source, events["message_id"])
    fresh = events.filter(~pl.col("message_id").is_in(earlier.implode())).unique("message_id", maintain_order=True)
    return store_new(fresh, lines, source, import_id, on_progress)


def store_new(
    events: pl.DataFrame,
    lines: pl.DataFrame,
    source: Source,
    import_id: int | None = None,
    on_progress: Progress | None = None,
) -> int:
    """Store events as `store` does, of which the source has sent none before, as far as anybody knew just now."""
    if events.is_empty():
        return 0
    note_names(events["name"])
    rows = events.with_columns(
        source_id=pl.lit(source.pk, pl.Int64),
        of_import_id=pl.lit(import_id, pl.Int64),
        properties=pl.col("properties").fill_null("{}"),
    )
    done, stored = 0, 0
    for some, theirs in _portions(rows, lines):
        stored += _store_portion(some, theirs, source)
        done += len(some)
        if on_progress:
            on_progress(done, len(rows))
    return stored


def _portions(events: pl.DataFrame, lines: pl.DataFrame) -> Iterator[tuple[pl.DataFrame, pl.DataFrame]]:
    """Cut events, with their lines, where a transaction would exceed ROWS_A_TRANSACTION."""
    sizes = lines.group_by("message_id").len("size")
    sized = events.select("message_id").join(sizes, on="message_id", how="left", maintain_order="left")
    portion = (pl.col("size").fill_null(0) + 1).cum_sum() // ROWS_A_TRANSACTION
    numbered = sized.select("message_id", portion=portion)
    lines_by = lines.join(numbered, on="message_id").partition_by("portion", as_dict=True, include_key=False)
    nothing = lines.clear()
    for key, some in (
        events.with_columns(numbered["portion"]).partition_by("portion", as_dict=True, include_key=False).items()
    ):
        yield some, lines_by.get(key, nothing)


@transaction.atomic
def _store_portion(events: pl.DataFrame, lines: pl.DataFrame, source: Source) -> int:
    if lines.is_empty():
        return bulk.insert(Event, events, ignore=["source_id", "message_id"])
    # One writer of order lines a source: the lines go only to events that this transaction itself has stored.
    Source.objects.select_for_update(no_key=True).get(pk=source.pk)
    before = Event.objects.aggregate(last=Max("pk"))["last"] or 0
    stored = bulk.insert(Event, events, ignore=["source_id", "message_id"])
    new = Event.objects.filter(source=source, pk__gt=before).values_list("message_id", "pk")
    ids = bulk.read(new, {"message_id": pl.String, "event_id": pl.Int64})
    bulk.insert(OrderLine, lines.join(ids, on="message_id").drop("message_id"))
    return stored


def move(kept: Customer, gone: Customer) -> int:
    """Store one customer's events anew as another's, with their order lines; give how many.

    Anew, so that readers that follow along in the order of commits see them again.
    """
    key = ["source_id", "message_id"]
    theirs: bulk.Schema = {**EVENTS, "source_id": pl.Int64, "of_import_id": pl.Int64}
    bought: bulk.Schema = {**LINES, "source_id": pl.Int64}
    columns = {"message_id": "event__message_id", "source_id": "event__source_id"}
    told = bulk.read(Event.objects.filter(customer=gone).order_by("pk").values_list(*theirs), theirs)
    sold = OrderLine.objects.filter(event__customer=gone).order_by("pk")
    lines = bulk.read(sold.values_list(*(columns.get(name, name) for name in bought)), bought)
    Event.objects.filter(customer=gone).delete()
    bulk.insert(Event, told.with_columns(customer_id=pl.lit(kept.pk, pl.Int64)))
    stored: bulk.Schema = {"event_id": pl.Int64, "source_id": pl.Int64, "message_id": pl.String}
    ids = bulk.read(Event.objects.filter(customer=kept).values_list("pk", *key), stored)
    bulk.insert(OrderLine, lines.join(ids, on=key, maintain_order="left").drop(key))
    return len(told)


def name_campaign(key: str) -> None:
    """Note a campaign, of which events will tell, so that rules may ask about it."""
    CampaignName.objects.get_or_create(key=key)


def note_names(names: pl.Series) -> None:
    """Note names of events that were never seen; the first twelve that may count become features."""
    seen = set(EventName.objects.values_list("name", flat=True))
    places = COUNTED - EventName.objects.filter(is_counted=True).count()
    new = [name for name in names.unique(maintain_order=True) if name not in seen]
    counted = [name for name in new if name not in NEVER_COUNTED][: max(places, 0)]
    rows = pl.DataFrame(
        {"name": new, "is_counted": [name in counted for name in new]},
        schema={"name": pl.String, "is_counted": pl.Boolean},
    )
    bulk.insert(EventName, rows, ignore=["name"])
