"""Who is erased is named in no message any more, nor in what receivers answered to one."""

import json
from collections.abc import Collection
from typing import Any

from django.db.models import Q

from campaigns.models import WebhookAttempt, WebhookMessage
from customers.models import Customer
from segments import membership


def forget(customer: Customer, external_ids: Collection[str]) -> None:
    """Take a customer out of all bodies; a message that names nobody else goes.

    The bucket stays locked until the commit: no notice that names its customers is being written meanwhile.
    """
    membership.lock([customer.bucket])
    written = {json.dumps(one, ensure_ascii=False) for one in external_ids}
    holds, answered = Q(), Q()
    for text in written:
        holds |= Q(body__contains=text)
        answered |= Q(answer__contains=text) | Q(answer__contains=text[1:-1])
    gone = []
    for message in WebhookMessage.objects.filter(holds):
        data = json.loads(message.body)
        if _names(data, external_ids):
            kept = without(data, external_ids)
            if kept is None:
                gone.append(message.pk)
                continue
            message.body = json.dumps(kept, ensure_ascii=False, separators=(",", ":"))
            message.save(update_fields=["body"])
    WebhookMessage.objects.filter(pk__in=gone).delete()
    WebhookAttempt.objects.filter(answered).update(answer="")


def without(told: dict[str, Any], external_ids: Collection[str]) -> dict[str, Any] | None:
    """Give a body without these customers; None where it is about nobody else. Pure."""
    people = told["data"].get("customers")
    if people is None:
        return None
    others = [one for one in people if one["id"] not in external_ids]
    return {**told, "data": {**told["data"], "customers": others}} if others else None


def _names(told: dict[str, Any], external_ids: Collection[str]) -> bool:
    """Say whether a body is about one of these customers."""
    data = told["data"]
    return data.get("customer") in external_ids or any(one["id"] in external_ids for one in data.get("customers", ()))
