"""The share that a contact wins: measured by campaigns, kept beside the one that is used, and taken over by people."""

from datetime import datetime
from typing import NamedTuple

from customers import audit
from customers.audit import Actor
from customers.panels import number, share
from scoring.models import MeasuredRate, Target

MOST = 1.0  # a target's share is no larger


class RateError(ValueError):
    """A measured share cannot be taken over; the sentence says why."""


class Measured(NamedTuple):
    """A share with its 95 % interval, or why it cannot be told, over how many campaigns and customers."""

    value: float | None
    low: float | None
    high: float | None
    why: str
    campaigns: int
    treated: int
    control: int


def record(target: Target, measured: Measured, as_of: datetime) -> None:
    """Keep what was measured; what is kept of a later time stays."""
    kept, is_new = MeasuredRate.objects.get_or_create(target=target, defaults={"as_of": as_of, **measured._asdict()})
    if not is_new and kept.as_of < as_of:
        MeasuredRate.objects.filter(pk=kept.pk, as_of__lt=as_of).update(as_of=as_of, **measured._asdict())


def of(target: Target) -> MeasuredRate | None:
    """Give what campaigns measured; None where none did."""
    return MeasuredRate.objects.filter(target=target).first()


def is_shown(rate: MeasuredRate | None) -> bool:
    """Tell whether a contact surely wins some."""
    return rate is not None and rate.low is not None and rate.low > 0.0


def may_take(target: Target) -> MeasuredRate | None:
    """Give what may be taken over: a share that is surely above 0, and not the one that is used."""
    rate = of(target)
    return rate if rate and is_shown(rate) and _usable(rate) != target.save_rate else None


def take(target: Target, by: Actor, at: datetime) -> str:
    """Use the measured share from the next training on; give a sentence. Raises RateError."""
    rate = may_take(target)
    if rate is None:
        raise RateError(f"There is nothing to take over. {words(target)}")
    before, target.save_rate = target.save_rate, _usable(rate)
    target.save(update_fields=["save_rate"])
    audit.note(at, by, "measured share taken over", target.key, before=before, after=target.save_rate)
    return f"From the next training the line is drawn with {share(target.save_rate)}, as it was measured."


def words(target: Target) -> str:
    """Say what was measured and what is used."""
    rate, used = of(target), f"used: {'none' if target.save_rate is None else f'{target.save_rate:.2f}'}."
    if rate is None:
        return f"Not measured yet; {used} A campaign on this score with a control group measures it."
    over = f"over {number(rate.campaigns)} campaign{'' if rate.campaigns == 1 else 's'}"
    if rate.value is None or rate.low is None or rate.high is None:
        return f"Not measured yet {over}: {rate.why} Now {used}"
    told = f"measured: {rate.value:.2f} ({rate.low:.2f} to {rate.high:.2f}) {over}; {used}"
    if rate.high < 0.0:
        return f"Contacts surely lose customers instead of winning them; {told}"
    if not is_shown(rate):
        return f"It is not shown that a contact wins anybody: the interval reaches below 0; {told}"
    return told[:1].upper() + told[1:]


def _usable(rate: MeasuredRate) -> float:
    return round(min(rate.value or 0.0, MOST), 6)
