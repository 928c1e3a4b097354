"""Addresses that are closed and opened by hand or by another system: made plain, hashed, and noted with a reason."""

from datetime import datetime

import polars as pl
from django.db import transaction

from customers import audit, cleaning, consent
from customers.audit import Actor
from customers.models import Channel, Customer, Suppression

LASTING = (Suppression.Reason.ERASED,)  # of these nobody knows any more whose they are
SAID_LENGTH = 300


class SuppressionError(ValueError):
    """An address that cannot be closed or opened so: the message says why."""


def plain(channel: str, address: str) -> str:
    """Give an address as customers' addresses are stored. Raises SuppressionError for what is none."""
    if channel not in consent.ADDRESSES:
        known = ", ".join(consent.ADDRESSES)
        raise SuppressionError(f'There are no addresses of the channel "{channel}"; there are those of {known}.')
    told = pl.Series("address", [address], dtype=pl.String)
    is_email = channel == Channel.EMAIL
    found = cleaning.emails(told) if is_email else cleaning.phones(told, pl.Series([None], dtype=pl.String))
    tidy = found[0]
    if tidy is None:
        expected = "an e-mail address" if is_email else "a phone number with its country code, such as +49 30 1234567"
        raise SuppressionError(f"This is not {expected}.")
    return str(tidy)


def hashes_of(address: str) -> list[str]:
    """Give the hashes that an address would be closed by, of whatever channel it may be."""
    found = []
    for channel in consent.ADDRESSES:
        try:
            found.append(consent.hash_of(channel, plain(channel, address)))
        except SuppressionError:
            continue
    return found


def close(channel: str, address: str, by: Actor, at: datetime, why: str) -> tuple[Suppression, bool]:
    """Close an address; give the row, and whether it is new. One that is closed keeps its first reason.

    Messages to it that are being sent at this moment end; none begins afterwards.
    """
    tidy, said = plain(channel, address), _said(why)
    hashed = consent.hash_of(channel, tidy)
    with transaction.atomic():
        column = consent.ADDRESSES[channel]
        same = {f"{column}__in": {tidy, tidy.lower()}}
        rows = Customer.objects.select_for_update(no_key=True).filter(**same).order_by("pk")
        list(rows.values_list("pk"))
        is_new = not Suppression.objects.filter(channel=channel, address_hash=hashed).exists()
        consent.suppress(channel, tidy, Suppression.Reason.BY_HAND, at)
        row = Suppression.objects.get(channel=channel, address_hash=hashed)
        if is_new:
            audit.note(at, by, "suppression added", str(row), reason=said)
    return row, is_new


def open_(suppression: Suppression, by: Actor, at: datetime, why: str) -> None:
    """Let an address be contacted again. Raises SuppressionError without a reason, and for those who were erased."""
    said = _said(why)
    if suppression.reason in LASTING:
        raise SuppressionError("The address of somebody who was erased stays closed.")
    with transaction.atomic():
        audit.note(at, by, "suppression removed", str(suppression), reason=said, was=suppression.get_reason_display())
        suppression.delete()


def _said(why: str) -> str:
    said = " ".join(why.split())[:SAID_LENGTH]
    if not said:
        raise SuppressionError("A reason is needed, so that others can follow it.")
    return said
