"""Cycles that fail, lose their workers, and find news, for the tests of the cycle."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db.models.functions import Now

from campaigns import cycle_tasks, stages
from campaigns.cycle_tasks import Outcome
from campaigns.models import Cycle, CycleTask, Decision, Delivery, TriggerState
from customers.models import Customer, Event
from scoring.models import Score
from segments.models import Membership, MembershipChange
from tests.customers.histories import add_event

Stages = dict[str, Callable[[Cycle, Sequence[int]], Outcome]]


def breaking(monkeypatch: pytest.MonkeyPatch, stage: str, bucket: int, times: int) -> None:
    """Let the work of one stage and bucket fail so many times."""
    real = stages.OF_KIND[Cycle.Kind.FULL][stage]
    left = [times]

    def work(turned: Cycle, buckets: Sequence[int]) -> Outcome:
        if bucket in buckets and left[0]:
            left[0] -= 1
            raise ValueError("the disk is full")
        return real(turned, buckets)

    monkeypatch.setitem(stages.OF_KIND[Cycle.Kind.FULL], stage, work)


def claim_and_vanish(turned: Cycle) -> CycleTask:
    """Claim a task as a worker does that is killed in the middle: its lease runs out."""
    turned.refresh_from_db()
    task = cycle_tasks.claim(turned)
    assert task is not None
    CycleTask.objects.filter(pk=task.pk).update(lease_until=Now() - timedelta(seconds=1))
    return task


def buy(customer: Customer, at: datetime) -> None:
    """Let a customer order something, as a database of many writers stores it."""
    add_event(customer.pk, "Order Completed", at)


def stored() -> dict[str, list[tuple[Any, ...]]]:
    """Give all rows that a cycle may write about customers."""
    tables = (Score, Membership, MembershipChange, TriggerState, Decision, Delivery, Event)
    return {model.__name__: sorted(model.objects.values_list(), key=repr) for model in tables}
