"""Deliveries that end in data, by the send protocol: claimed, past the gate, done in sets, and written down."""

from collections import Counter
from datetime import datetime

from django.db import transaction

from campaigns import answers, claims, gate, restore, sending
from campaigns.answers import Answer, Record
from campaigns.channels import data
from campaigns.last_look import Run
from campaigns.models import Way
from customers.models import new_public_id

BATCH = 200


def change(until: datetime, limit: int | None = None) -> Counter[str]:
    """Do what is due by `until`, at most `limit`; give how many ended in which state.

    Attributes, messages and the word that they are done are one commit; a list is changed before, and changing it again
    changes nothing. So what a killed worker leaves in `sending` may be planned again.
    """
    done: Counter[str] = Counter()
    left = limit
    run = Run()
    while (left is None or left > 0) and not sending.is_stopped():
        token = new_public_id()
        ids = claims.take(Way.DATA, token, until, BATCH if left is None else min(BATCH, left))
        if not ids:
            break
        left = None if left is None else left - len(ids)
        done += _change(ids, token, until, run)
        restore.note()
    return done


def _change(ids: list[int], token: str, until: datetime, run: Run) -> Counter[str]:
    gated = gate.pass_(ids, token, until, run)
    done = Counter(str(refused.state) for _, refused in gated.refused)
    receipts = data.on_lists(gated.passed, until)
    with transaction.atomic():
        receipts += data.in_data(gated.passed, until)
        record = Record(token, until, [Answer(passed, receipt) for passed, receipt in receipts])
        return done + answers.settle(record)
