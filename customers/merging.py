"""Two customers who are one: what points to the one who goes, points to the one who is kept.

A model above says by `on_merge` how its rows take that; where it says nothing, they move.
"""

from collections.abc import Callable
from datetime import datetime

from django.contrib.auth.models import AbstractBaseUser
from django.db import models, transaction
from django.db.models import Q

from customers import attributes, consent, events
from customers.attributes import CORE
from customers.ingest import ADDRESSES
from customers.models import AttributeChange, Consent, Customer, Event, Identity, Merge, Tombstone

Mover = Callable[[Customer, Customer], object]
OWN: dict[type[models.Model], Mover] = {
    Event: events.move,
    AttributeChange: attributes.move,
    Consent: consent.move,
}


class MergeError(ValueError):
    """These two cannot be merged; the sentence says why."""


def merge(kept: str, gone: str, at: datetime, by: AbstractBaseUser | None = None) -> Merge:
    """Make two customers, named by their external ids, one; give the row that remains of it. Raises MergeError.

    Both rows are held until the commit. Whoever sends us `gone` tells of the kept one from then on. The lake shows the
    moved history after its next sync; nobody is read under the old number any more.
    """
    with transaction.atomic():
        stays, goes = _locked(kept, gone)
        name, number, bucket = goes.external_id, goes.pk, goes.bucket
        Identity.objects.get_or_create(
            kind=Identity.Kind.EXTERNAL, value=name, defaults={"customer": goes, "known_at": goes.known_since}
        )
        for relation in Customer._meta.related_objects:
            _mover(relation.related_model)(stays, goes)
        # Without Django's cascade: what was stored for them at this moment must stop the merge, not go with them.
        Customer.objects.filter(pk=number)._raw_delete("default")
        _complete(stays, goes)
        Tombstone.objects.create(customer_id=number, bucket=bucket, at=at, reason=f"Merged into customer {stays.pk}.")
        return Merge.objects.create(
            customer=stays, gone_id=number, gone_external_id=name, at=at, by_id=None if by is None else by.pk
        )


def _locked(kept: str, gone: str) -> tuple[Customer, Customer]:
    """Give both under locks that are taken in the order of their ids, and hold back what is being sent to either."""
    ids = {name: _id_of(name) for name in (kept, gone)}
    if ids[kept] == ids[gone]:
        raise MergeError(f'"{kept}" and "{gone}" are the same customer.')
    rows = Customer.objects.select_for_update(no_key=True).filter(pk__in=ids.values()).order_by("pk")
    found = {row.pk: row for row in rows}
    if len(found) < 2:
        raise MergeError(f'"{kept}" or "{gone}" was merged or erased just now.')
    return found[ids[kept]], found[ids[gone]]


def _id_of(external_id: str) -> int:
    is_theirs = Identity.objects.filter(kind=Identity.Kind.EXTERNAL, value=external_id).values("customer_id")
    named = Customer.objects.filter(Q(external_id=external_id) | Q(pk__in=is_theirs))
    found = named.values_list("pk", flat=True).first()
    if found is None:
        raise MergeError(f'There is no customer "{external_id}".')
    return found


def _mover(model: type[models.Model]) -> Mover:
    """Give how the rows of a table follow their customer."""
    own: Mover | None = OWN.get(model) or getattr(model, "on_merge", None)
    if own is not None:
        return own
    return lambda kept, gone: model._default_manager.filter(customer=gone).update(customer=kept)


def _complete(kept: Customer, gone: Customer) -> None:
    """Give the kept one what only the other had: addresses, names, and the earlier time we knew of them."""
    kept.refresh_from_db()
    told = [name for name in (*ADDRESSES, *CORE) if not getattr(kept, name) and getattr(gone, name)]
    for name in told:
        setattr(kept, name, getattr(gone, name))
    kept.known_since = min(kept.known_since, gone.known_since)
    kept.save(update_fields=[*told, "known_since"])
