"""Why an agent is to call: what drives the score that made the customer due, in a shop with a live model."""

import polars as pl
import pytest

from campaigns import cycle
from campaigns.models import CallTask, Programme
from customers import bulk, ingest
from customers.ingest import Records
from customers.models import Consent, Customer, Source
from scoring import why
from tests.campaigns import people
from tests.scoring import shops
from tests.scoring.worlds import AS_OF, DAY, events_of

pytestmark = [pytest.mark.door, pytest.mark.long, pytest.mark.django_db]
LATER = AS_OF + 7 * DAY
BUYERS = [f"c{number}" for number in range(1, 21)]


def a_week_of_calls() -> None:
    """Let twenty customers buy often in a week; call those whose chance to be among the best rises."""
    shops.most_orders()
    Customer.objects.update(phone="+493012345678", time_zone="Europe/Berlin")
    Consent.objects.bulk_create(
        Consent(customer=one, channel="phone", topic="newsletter", is_granted=True, source="a form", since=AS_OF)
        for one in Customer.objects.all()
    )
    Programme.objects.update_or_create(pk=1, defaults={"holdout_share": 0.0})
    rises = people.score_trigger(0.7, 0.5, "most")
    people.campaign(trigger=rises, steps=[people.CALL_STEP])
    cycle.run(AS_OF)
    assert not CallTask.objects.exists()
    buy()
    cycle.run(LATER)


def buy() -> None:
    """Let each buyer order twelve times, on five days."""
    orders = pl.DataFrame({"customer_id": [int(one[1:]) for one in BUYERS for _ in range(12)]}).with_row_index("n")
    at = pl.lit(AS_OF).cast(bulk.UTC_MICROSECONDS) + pl.duration(days=1 + pl.col("n") % 5)
    new = events_of(orders.select("customer_id", occurred_at=at, known_at=at), "new")
    ingest.put(Records(read=new.height, events=new), Source.objects.get(key="shop"), LATER)


def test_what_drives_the_score_is_why_she_is_called() -> None:
    a_week_of_calls()
    tasks = CallTask.objects.select_related("customer")
    bought = tasks.filter(customer__external_id__in=BUYERS)
    told = sum("orders in 90 days, usually 0." in " ".join(task.reasons) for task in bought)
    assert told > bought.count() / 2 > 1
    for task in tasks:
        drivers = why.of_customer(task.customer, ["most"])["most"].up
        assert len(drivers) == 3
        assert task.reasons == [f"{one[:1].upper()}{one[1:]}." for one in drivers]
