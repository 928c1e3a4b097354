"""What channels answered, written down: at once, or first of all when the database is there again."""

from collections import Counter, defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db import InterfaceError, OperationalError, connection, transaction
from django.db.models import F, QuerySet

from campaigns import claims, gate, offers
from campaigns.channels import Receipt, Result
from campaigns.models import Delivery, DeliveryAttempt
from customers import consent, devices
from customers.models import Suppression
from customers.statements import Change, Reading

BACKOFF = (timedelta(minutes=2), timedelta(minutes=15), timedelta(hours=1), timedelta(hours=6))
MOST_ATTEMPTS = len(BACKOFF) + 1

State = Delivery.State


def _held(ids: Sequence[int], token: str) -> "QuerySet[Delivery, tuple[int]]":
    ours = Delivery.objects.filter(pk__in=ids, token=token, state__in=(State.SENDING, State.UNCERTAIN))
    return ours.select_for_update().order_by("pk").values_list("pk")


HELD = Reading(_held)
ENDED = Change(
    lambda ids, *_: Delivery.objects.filter(pk__in=ids),
    lambda ids, state, reason, until: {"state": state, "ended_at": until, "lease_until": None, "reason": reason},
)
ANSWERED = Change(
    lambda ids, number, *_: DeliveryAttempt.objects.filter(delivery__in=ids, number__in=number),
    lambda ids, number, until, result, receipt, provider_id: {
        "ended_at": until,
        "result": result,
        "receipt": receipt,
        "provider_id": provider_id,
    },
)


class Answer(NamedTuple):
    """One delivery that was handed to its channel, and the answer."""

    passed: gate.Passed
    receipt: Receipt

    @property
    def delivery(self) -> Delivery:
        return self.passed.delivery

    def state(self) -> Delivery.State:
        """Give what the answer makes of the delivery."""
        match self.receipt.result:
            case Result.ACCEPTED:
                return State.SENT
            case Result.REFUSED:
                return State.FAILED
            case Result.LATER:
                return State.PLANNED if self.delivery.attempts < MOST_ATTEMPTS else State.FAILED
            case Result.UNCERTAIN:
                return State.UNCERTAIN


@dataclass
class Record:
    """What became of a group that had begun: the answers, and what was never handed over."""

    token: str
    until: datetime
    answers: list[Answer] = field(default_factory=list)
    unhanded: list[int] = field(default_factory=list)
    trouble: str = ""  # why they were not


_kept: deque[Record] = deque()  # of this process, while the database is away


def write(record: Record) -> Counter[str]:
    """Write a group's answers in one transaction and give its states; without a database they are kept for later."""
    try:
        return settle(record)
    except (InterfaceError, OperationalError):
        keep(record)
        raise


def keep(record: Record) -> None:
    """Keep what cannot be written now, and let go of the connection that does not work."""
    _kept.append(record)
    connection.close()


def write_kept() -> None:
    """Write what could not be written when it was answered."""
    while _kept:
        record = _kept.popleft()
        write(record)


def settle(record: Record) -> Counter[str]:
    """Write a group's answers in one transaction and give its states."""
    with transaction.atomic():
        # One that was swept meanwhile learns its answer too; one that somebody settled keeps what was said.
        ids = [one.delivery.pk for one in record.answers] + record.unhanded
        held = {pk for (pk,) in HELD.rows(ids, record.token)}
        answers = [one for one in record.answers if one.delivery.pk in held]
        _write_states(answers, record.until)
        _write_attempts(answers, record.until)
        _settle(answers, record.until)
        _plan_again([pk for pk in record.unhanded if pk in held], record.trouble)
    return Counter([str(one.state()) for one in record.answers] + [str(State.PLANNED)] * len(record.unhanded))


def _write_states(answers: Sequence[Answer], until: datetime) -> None:
    alike: dict[tuple[Delivery.State, str, datetime | None], list[int]] = defaultdict(list)
    for one in answers:
        state = one.state()
        reason = "" if state == State.SENT else one.receipt.answer[: gate.REASON_LENGTH]
        due_at = until + BACKOFF[one.delivery.attempts - 1] if state == State.PLANNED else None
        alike[state, reason, due_at].append(one.delivery.pk)
    for (state, reason, due_at), ids in alike.items():
        if due_at is None:
            ENDED.run(ids, state, reason, until)
        else:
            again = {**claims.PLANNED, "due_at": due_at, "ended_at": None, "reason": reason}
            Delivery.objects.filter(pk__in=ids).update(**again)


def _write_attempts(answers: Sequence[Answer], until: datetime) -> None:
    alike: dict[tuple[int, Receipt], list[int]] = defaultdict(list)
    for one in answers:
        alike[one.delivery.attempts, one.receipt].append(one.delivery.pk)
    for (number, receipt), ids in alike.items():
        said = (receipt.answer[: gate.REASON_LENGTH], receipt.provider_id[:200])
        ANSWERED.run(ids, [number], until, receipt.result, *said)


def _settle(answers: Sequence[Answer], until: datetime) -> None:
    """Finish the codes and, where an address does not exist, the address."""
    coded = [one for one in answers if one.passed.code]
    # What is told on the phone is given once the customer was reached.
    mailed = [one for one in coded if one.delivery.action != Delivery.Action.CALL]
    if sent := [one.delivery for one in mailed if one.state() == State.SENT]:
        offers.give(sent)
    if failed := [one.delivery for one in coded if one.state() == State.FAILED]:
        offers.release(failed)
    for one in answers:
        column = consent.ADDRESSES.get(one.delivery.channel)
        address = getattr(one.passed.customer, column) if column else None
        if one.receipt.is_address_dead and address:
            consent.suppress(one.delivery.channel, address, Suppression.Reason.BOUNCED, until)
        for token in one.receipt.dead:
            devices.remove(token)


def _plan_again(ids: list[int], trouble: str) -> None:
    """Take back that these began: they were not handed over, so the cap gets its place back, and no attempt counts."""
    if ids:
        why = trouble[: gate.REASON_LENGTH]
        again = Delivery.objects.filter(pk__in=ids)
        again.update(**claims.PLANNED, attempts=F("attempts") - 1, ended_at=None, reason=why)
        DeliveryAttempt.objects.filter(
            delivery__in=ids, result__in=("", Result.UNCERTAIN), number=F("delivery__attempts") + 1
        ).delete()
