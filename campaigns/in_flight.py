"""What happens to those who are already in a campaign when its plan is changed: how many they are, and in words."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from campaigns import standing
from campaigns.models import CallTask, Campaign, Decision, TriggerState
from customers.panels import number


@dataclass(frozen=True)
class Already:
    """How many are in a campaign now, by how far they are."""

    planned: int
    claimed: int
    sending: int
    deferred: int
    calls: int
    inside: int

    @property
    def going_out(self) -> int:
        """Give how many messages are between claimed and sent."""
        return self.claimed + self.sending


def count(campaign: Campaign) -> Already:
    """Count who is in a campaign: planned and being sent, waiting for a cap or an hour, for a call, inside its line."""
    now = standing.of(campaign)
    deferred = Decision.objects.filter(campaign=campaign, outcome=Decision.Outcome.DEFERRED)
    calls = CallTask.objects.filter(campaign=campaign, state__in=(CallTask.State.OPEN, CallTask.State.CLAIMED))
    return Already(
        planned=now.planned,
        claimed=now.claimed,
        sending=now.sending,
        deferred=deferred.count(),
        calls=calls.count(),
        inside=TriggerState.objects.filter(campaign=campaign, is_inside=True).count(),
    )


def said(already: Already, changed: Collection[str]) -> list[str]:
    """Say what a change of these fields means for those who are in it."""
    return [*_messages(already, set(changed)), *_calls(already), *_line(already, set(changed))]


def _messages(already: Already, changed: set[str]) -> Iterator[str]:
    waiting = already.planned + already.claimed
    if waiting or already.deferred:
        late = (
            f", {number(already.deferred)} decisions wait for a cap, an hour or the budget" if already.deferred else ""
        )
        yield f"{_many(waiting, 'message')} planned and not begun{late}."
        yield "A message says what the plan says when it begins: these go out by the new version, whole."
    if already.sending:
        yield f"{_many(already.sending, 'message')} being sent right now: as begun, by the version before."
    if not waiting and not already.deferred and not already.sending:
        yield "No message of it is planned or being sent."
    if (waiting or already.deferred) and "audience" in changed:
        yield "Who does not belong to the new audience gets nothing."
    if (waiting or already.deferred) and "topic" in changed:
        yield "Who did not agree to the new topic gets nothing."
    if waiting and changed & {"steps", "variants"}:
        yield "Where the action is another, or the variant that was drawn is no more, the message is cancelled."


def _calls(already: Already) -> Iterator[str]:
    if already.calls:
        yield f"{_many(already.calls, 'call')} waiting for an agent, with what was to be said when the task was made."


def _line(already: Already, changed: set[str]) -> Iterator[str]:
    if "trigger" in changed:
        yield (
            f"{_many(already.inside, 'customer')} inside its line. With another trigger everybody is looked at anew in "
            "silence, in the next full cycle: nobody gets anything because of the change, only who crosses it later."
        )
    elif already.inside:
        yield f"{_many(already.inside, 'customer')} inside its line, and stay so: nobody is considered again for it."


def refusal(already: Already) -> str:
    """Say why a change of what goes out waits; nothing where nothing is going out."""
    if not already.going_out:
        return ""
    begun = f"{number(already.sending)} of them have begun and stay as they are" if already.sending else ""
    rest = f"{number(already.claimed)} would go out changed" if already.claimed else ""
    return (
        f"{_many(already.going_out, 'message')} being handed over at this moment: "
        f"{' and '.join(one for one in (begun, rest) if one)}. Nothing is saved. "
        "Wait a moment, or save it all the same."
    )


def _many(count: int, what: str) -> str:
    return f"1 {what} is" if count == 1 else f"{number(count)} {what}s are"
