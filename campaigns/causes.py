"""Why a customer's frame may differ from the last one: what she did, an import, a merge, or time alone."""

from datetime import datetime, timedelta

import polars as pl
from django.db.models import Q

from campaigns.eligibility import among
from campaigns.models import Cycle
from customers import bulk, features
from customers.history import Lake, Scope, scope_of
from customers.ids import among as is_one_of
from customers.models import AttributeChange, Customer, Event, Import, Merge

DATA, IMPORT, MERGE, TIME, START = "data", "import", "merge", "time", "start"
HAND, WIDENED = "hand", "widened"  # somebody started the campaign for its audience, or widened its pilot
FEW = 5_000  # rows below which the lake and the database are asked for them by id
COMMITTED = timedelta(seconds=5)  # from a merge's time to the commit that shows it to others
LONGEST_IMPORT = timedelta(days=1)  # what began earlier and never ended was killed


def attach(frame: pl.DataFrame, before: datetime | None, as_of: datetime, lake: Lake) -> pl.DataFrame:
    """Add the column `cause`: what happened to each customer in (before, as_of]; "start" where there is no before.

    "data" when we learned of an event or attribute of hers that no import brought, "import" when all we learned came
    from imports, "time" when we learned nothing. An event counts from when it had both happened and become known, an
    attribute from when it was known; what an import brought that ran since the cycle as of `before` counts whenever it
    happened or was known, since all of it is new to us. "merge" goes before all of these, until a full cycle has looked
    at the history of both as one.
    """
    if before is None:
        return frame.with_columns(cause=pl.lit(START))
    scope = scope_of(frame, FEW)
    learned = pl.concat(
        [_events(lake, scope, before, as_of), _attributes(lake, scope, before, as_of), _imported(frame, before)]
    )
    return _caused(frame, learned, _merged(frame, before))


def replayed(frame: pl.DataFrame, before: datetime, as_of: datetime, lake: Lake) -> pl.DataFrame:
    """Add `cause` as `attach`, of a time that is past, whenever we were told: what an import brought counts as data.

    It would have been told when it happened, had there been no need of an import. What we did ourselves at that very
    moment came of the look, and was no cause of it.
    """
    learned_at = pl.max_horizontal("occurred_at", "known_at")
    came_of_it = (learned_at == as_of) & pl.col("name").is_in(features.OURS)
    events = lake.events(Scope()).filter(learned_at > before, learned_at <= as_of, ~came_of_it)
    told = lake.attributes(Scope()).filter(pl.col("known_at") > before, pl.col("known_at") <= as_of)
    learned = pl.concat([one.select("customer_id").collect() for one in (events, told)])
    merges = Merge.objects.filter(at__gt=before, at__lte=as_of).values_list("customer_id")
    merged = bulk.read(merges, {"customer_id": pl.Int64})["customer_id"]
    return _caused(frame, learned.with_columns(is_imported=pl.lit(False)), merged)


def _caused(frame: pl.DataFrame, learned: pl.DataFrame, merged: pl.Series) -> pl.DataFrame:
    """Add the cause, from what was learned of whom and how, and who was merged."""
    causes = learned.group_by("customer_id").agg(pl.col("is_imported").all())
    # Two columns are joined, not all of the frame's: those would be copied.
    own = frame.select("customer_id").join(causes, on="customer_id", how="left", maintain_order="left")
    is_merged = pl.col("customer_id").is_in(merged.implode())
    learned_of = pl.when(pl.col("is_imported").is_null()).then(pl.lit(TIME)).when("is_imported").then(pl.lit(IMPORT))
    cause = pl.when(is_merged).then(pl.lit(MERGE)).otherwise(learned_of.otherwise(pl.lit(DATA)))
    return frame.with_columns(own.select(cause=cause).to_series())


def _events(lake: Lake, scope: Scope, before: datetime, as_of: datetime) -> pl.DataFrame:
    learned_at = pl.max_horizontal("occurred_at", "known_at")
    news = lake.events(scope).filter(learned_at > before, learned_at <= as_of)
    return news.select("customer_id", "is_imported").collect()


def _attributes(lake: Lake, scope: Scope, before: datetime, as_of: datetime) -> pl.DataFrame:
    news = lake.attributes(scope).filter(pl.col("known_at") > before, pl.col("known_at") <= as_of)
    told = news.select("customer_id", "change_id").collect()
    brought = _brought(told["change_id"])
    return told.select("customer_id", is_imported=pl.col("change_id").is_in(brought.implode()))


def _brought(changes: pl.Series) -> pl.Series:
    """Give those attribute changes that imports brought; where many are asked for, all from the first to the last."""
    rows = AttributeChange.objects.filter(of_import__isnull=False)
    if len(changes) <= FEW:
        rows = rows.filter(is_one_of("pk", changes))
    else:
        rows = rows.filter(pk__range=(changes.min(), changes.max()))
    return bulk.read(rows.values_list("pk"), {"change_id": pl.Int64})["change_id"]


def _imported(frame: pl.DataFrame, before: datetime) -> pl.DataFrame:
    """Give who is new, or of whom anything is, by the imports that ran since the cycle as of `before` began.

    By the clock, not by what the cycle is as of: it may be as of long ago.
    """
    imports = _imports(before)
    told = (
        Event.objects.filter(among(frame), of_import__in=imports).order_by().values_list("customer_id").distinct(),
        AttributeChange.objects.filter(among(frame), of_import__in=imports).values_list("customer_id").distinct(),
        Customer.objects.filter(among(frame, "pk", "bucket"), told_by__in=imports).values_list("pk"),
    )
    found = [bulk.read(rows, {"customer_id": pl.Int64}) for rows in (told if imports else ())]
    nobody = pl.DataFrame(schema={"customer_id": pl.Int64})
    return pl.concat([nobody, *found]).with_columns(is_imported=pl.lit(True))


def brought(people: pl.DataFrame, attribute: str, before: datetime) -> pl.Series:
    """Give those people whose attribute was told by imports that ran since the cycle as of `before` began."""
    rows = AttributeChange.objects.filter(among(people), name=attribute, of_import__in=_imports(before))
    return bulk.read(rows.values_list("customer_id").distinct(), {"customer_id": pl.Int64})["customer_id"]


def _imports(before: datetime) -> list[int]:
    since = _started(Q(as_of=before)) or before
    is_running = Q(finished_at__isnull=True, started_at__gt=since - LONGEST_IMPORT)
    return list(Import.objects.filter(is_running | Q(finished_at__gte=since)).values_list("pk", flat=True))


def _merged(frame: pl.DataFrame, before: datetime) -> pl.Series:
    """Give who was merged with somebody since the last full cycle up to `before` began."""
    looked = _started(Q(as_of__lte=before, kind=Cycle.Kind.FULL, state=Cycle.State.DONE)) or before
    rows = Merge.objects.filter(among(frame), at__gte=looked - COMMITTED)
    return bulk.read(rows.values_list("customer_id"), {"customer_id": pl.Int64})["customer_id"]


def _started(which: Q) -> datetime | None:
    """Give when the last of some cycles began, by the clock."""
    return Cycle.objects.filter(which).order_by("-as_of", "-pk").values_list("started_at", flat=True).first()
