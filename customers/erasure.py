"""Erasure: a customer is taken out of the database at once, and out of the files of the lake within a day.

Everything goes, decisions and deliveries too, for what they were measured by goes: a decision whose customer's orders
are forgotten would count as one that nothing came of. Reports therefore count those who were not erased, in both arms
alike. What stays is a Tombstone, which says nothing but a number, and the hashes of the addresses, which stay closed:
whoever is imported again is a new customer without consent, whom nobody contacts.

Not reached are mentions of the customer elsewhere: in the properties of a friend's event, in a rule that lists ids.
"""

import json
from collections import defaultdict
from collections.abc import Callable
from datetime import datetime
from typing import Any, NamedTuple

from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db import transaction
from django.db.models import Q, QuerySet, TextField
from django.db.models.functions import Cast

from customers import consent, history, once, snapshot
from customers.models import Customer, Identity, Quarantine, Tombstone

ERASED = "erased"
# What forgets a customer where no key leads: asked with the customer and her external ids before anything is locked.
FORGETTERS: list[Callable[[Customer, set[str]], None]] = []


class UnknownCustomer(LookupError):
    """Nobody has this external id; the message says so."""


class Erased(NamedTuple):
    """Who was erased, and how many rows of each table went with them."""

    customer_id: int
    rows: dict[str, int]


def erase(external_id: str, at: datetime, by_reason: str) -> Erased:
    """Take a customer out of every table, close the addresses and leave a tombstone. Raises UnknownCustomer.

    Messages that are being sent at this moment end; none begins afterwards. `rewrite` does the files.
    """
    with transaction.atomic():
        _forget_elsewhere(_found(external_id))
        customer = _locked(external_id)
        identifiers = _identifiers(customer)
        refused = _forget_refused(identifiers)
        once.forget(lambda told: _names(told, identifiers))
        consent.close_erased(customer, at)
        _forget_edits(customer)
        Tombstone.objects.create(customer_id=customer.pk, bucket=customer.bucket, at=at, reason=by_reason)
        erased = customer.pk
        _, rows = customer.delete()
    if refused:
        rows[Quarantine._meta.label] = refused
    return Erased(erased, {table: count for table, count in rows.items() if count})


def rewrite(at: datetime) -> int:
    """Take all who were erased out of the lake and its snapshots; give of how many nothing is left. Raises LakeError.

    While somebody reads an old generation of the lake its files stay, and the tombstone is for the next call.
    """
    erased: dict[int, list[int]] = defaultdict(list)
    for bucket, pk in Tombstone.objects.filter(rewritten_at=None).values_list("bucket", "pk"):
        erased[bucket].append(pk)
    if not erased:
        return 0
    _forget_strays([pk for ids in erased.values() for pk in ids])
    lake = history.rewrite(erased)
    snapshot.rewrite(erased)
    ours = Tombstone.objects.filter(pk__in=[pk for ids in erased.values() for pk in ids])
    ours.filter(generation=None).update(generation=lake.generation)
    return ours.update(rewritten_at=at) if lake.is_clean else 0


def _forget_strays(erased: list[int]) -> None:
    """Remove rows that were being written while a customer was erased, from tables whose keys are not checked."""
    for relation in Customer._meta.related_objects:
        if not getattr(relation.field, "db_constraint", True):
            relation.related_model._base_manager.filter(**{f"{relation.field.name}__in": erased}).delete()


def _locked(external_id: str) -> Customer:
    """Give the customer under a lock that lets nothing of theirs be stored any more."""
    return _found(external_id, Customer.objects.select_for_update())


def _found(external_id: str, among: QuerySet[Customer] | None = None) -> Customer:
    is_theirs = Identity.objects.filter(kind=Identity.Kind.EXTERNAL, value=external_id).values("customer_id")
    everybody = Customer.objects.all() if among is None else among
    found = everybody.filter(Q(external_id=external_id) | Q(pk__in=is_theirs)).first()
    if found is None:
        raise UnknownCustomer(f'There is no customer "{external_id}".')
    return found


def _forget_elsewhere(customer: Customer) -> None:
    known = Identity.objects.filter(customer=customer, kind=Identity.Kind.EXTERNAL).values_list("value", flat=True)
    for forget in FORGETTERS:
        forget(customer, {customer.external_id, *known})


def _identifiers(customer: Customer) -> set[str]:
    """Give what names the customer in a record: ids and addresses, in lower case."""
    ids = Identity.objects.filter(customer=customer).values_list("value", flat=True)
    told = [customer.external_id, customer.public_id, customer.email, customer.phone, *ids]
    return {text.strip().lower() for text in told if text}


def _forget_refused(identifiers: set[str]) -> int:
    """Remove the refused records that name one of the identifiers; give how many."""
    holds = Q()
    for text in identifiers:
        for written in {text, json.dumps(text)[1:-1]}:  # databases keep JSON with or without escapes
            holds |= Q(reason__icontains=written) | Q(written__icontains=written)
    maybe = Quarantine.objects.annotate(written=Cast("record", TextField())).filter(holds)
    rows = maybe.values_list("pk", "record", "reason")
    gone = [pk for pk, record, reason in rows if _names(record, identifiers) or _says(reason, identifiers)]
    return Quarantine.objects.filter(pk__in=gone).delete()[0]


def _names(told: Any, identifiers: set[str]) -> bool:
    """Say whether a value of a record, however deep, is one of the identifiers."""
    if isinstance(told, dict):
        return any(_names(value, identifiers) for value in told.values())
    if isinstance(told, list):
        return any(_names(value, identifiers) for value in told)
    return str(told).strip().lower() in identifiers


def _says(reason: str, identifiers: set[str]) -> bool:
    """Say whether one of the words of a sentence is one of the identifiers."""
    return any(f" {text} " in f" {reason.lower()} " for text in identifiers)


def _forget_edits(customer: Customer) -> None:
    """Leave of what was edited by hand that something was, not whose and what."""
    edits = LogEntry.objects.filter(content_type=ContentType.objects.get_for_model(Customer), object_id=customer.pk)
    edits.update(object_repr=ERASED, change_message="")
