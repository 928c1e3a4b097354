"""Why a customer's frame may differ from the last one: what she did, an import, or time alone."""

from datetime import datetime

import polars as pl
from django.db import models

from customers import bulk
from customers.history import Lake, Scope
from customers.models import Event, Import

DATA, IMPORT, TIME, START, RULE, MODEL = "data", "import", "time", "start", "rule", "model"
FEW = 5_000  # customers below which the lake is asked for them by id


def attach(frame: pl.DataFrame, before: datetime | None, as_of: datetime, lake: Lake) -> pl.DataFrame:
    """Add the column `cause`: what happened to each customer in (before, as_of]; "start" where there is no before.

    "data" when we learned of an event or attribute of hers that no import brought, "import" when all we learned came
    from imports, "time" when we learned nothing. An event counts from when it had both happened and become known; the
    events of an import that ran in between count whenever they happened, since all of them are new to us.
    """
    if before is None:
        return frame.with_columns(cause=pl.lit(START))
    scope = _scope(frame)
    learned = pl.concat(
        [_events(lake, scope, before, as_of), _attributes(lake, scope, before, as_of), _imported(before, as_of)]
    )
    causes = learned.group_by("customer_id").agg(pl.col("is_imported").all())
    cause = pl.when(pl.col("is_imported").is_null()).then(pl.lit(TIME)).when("is_imported").then(pl.lit(IMPORT))
    joined = frame.join(causes, on="customer_id", how="left", maintain_order="left")
    return joined.with_columns(cause=cause.otherwise(pl.lit(DATA))).drop("is_imported")


def _scope(frame: pl.DataFrame) -> Scope:
    if frame.height <= FEW:
        return Scope(ids=tuple(frame["customer_id"].to_list()))
    buckets = frame["bucket"].unique().to_list()
    return Scope(bucket=buckets[0]) if len(buckets) == 1 else Scope()


def _events(lake: Lake, scope: Scope, before: datetime, as_of: datetime) -> pl.DataFrame:
    learned_at = pl.max_horizontal("occurred_at", "known_at")
    news = lake.events(scope).filter(learned_at > before, learned_at <= as_of)
    return news.select("customer_id", "is_imported").collect()


def _attributes(lake: Lake, scope: Scope, before: datetime, as_of: datetime) -> pl.DataFrame:
    """Give who was told of anew; a change does not say who told it: an import that ran then is taken as its cause."""
    news = lake.attributes(scope).filter(pl.col("known_at") > before, pl.col("known_at") <= as_of)
    is_import = _imports(before, as_of).filter(kind=Import.Kind.CUSTOMERS).exists()
    return news.select("customer_id", is_imported=pl.lit(is_import)).collect()


def _imported(before: datetime, as_of: datetime) -> pl.DataFrame:
    imports = _imports(before, as_of).filter(kind=Import.Kind.EVENTS)
    customers = Event.objects.filter(of_import__in=imports).order_by().values_list("customer_id").distinct()
    return bulk.read(customers, {"customer_id": pl.Int64}).with_columns(is_imported=pl.lit(True))


def _imports(before: datetime, as_of: datetime) -> "models.QuerySet[Import]":
    still = models.Q(finished_at__isnull=True) | models.Q(finished_at__gt=before)
    return Import.objects.filter(still, started_at__lte=as_of)
