"""The kinds of triggers: what each one waits for, and its sentence."""

from dataclasses import dataclass
from datetime import time
from typing import NamedTuple

from segments.rules.nodes import Happening
from segments.rules.sentence import happening_in_words

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


class Reason(NamedTuple):
    """Why a customer is due: words before and after what is told of her, her "value" or when it "happened_at"."""

    before: str
    told: str = ""
    after: str = ""


@dataclass(frozen=True)
class ScoreTrigger:
    """Due when a score crosses `enter`; due again only after it came back across `leave` (hysteresis)."""

    score: str
    direction: str
    enter: float
    leave: float
    is_percentile: bool = False

    @property
    def column(self) -> str:
        """Give the frame's column that is compared."""
        return f"scores.{self.score}.percentile" if self.is_percentile else f"scores.{self.score}"

    @property
    def fires_inside(self) -> bool:
        """Say that the edge that fires is the one that leads inside."""
        return True

    @property
    def reason(self) -> Reason:
        """Give why a customer is due."""
        what = f"The percentile of the score {self.score}" if self.is_percentile else f"The score {self.score}"
        moved = "rose" if self.direction == "above" else "fell"
        return Reason(f"{what} {moved} to ", "value", f"; the line is {self.enter:g}.")

    def sentence(self) -> str:
        """Give the trigger in words."""
        what = f"the percentile of the score {self.score}" if self.is_percentile else f"the score {self.score}"
        if self.direction == "above":
            return f"When {what} rises to {self.enter:g} or more; again only after it falls below {self.leave:g}."
        return f"When {what} falls to {self.enter:g} or less; again only after it rises above {self.leave:g}."


@dataclass(frozen=True)
class SegmentTrigger:
    """Due on entering a segment, on leaving it, or when she has been in it for so many `days` ("stays")."""

    segment: str
    edge: str
    days: int = 0

    @property
    def column(self) -> str:
        """Give the frame's column that says who is a member, or was one for so long."""
        return f"segments.{self.segment}"

    @property
    def fires_inside(self) -> bool:
        """Say whether the edge that fires is the one that leads inside."""
        return self.edge != "left"

    @property
    def reason(self) -> Reason:
        """Give why a customer is due."""
        if self.edge == "stays":
            return Reason(f"Has been in the segment {self.segment} for {counted_days(self.days)}.")
        return Reason(f"{'Entered' if self.edge == 'entered' else 'Left'} the segment {self.segment}.")

    def sentence(self) -> str:
        """Give the trigger in words."""
        if self.edge == "stays":
            return f"When a customer has been in the segment {self.segment} for {counted_days(self.days)}."
        return f"When a customer {'enters' if self.edge == 'entered' else 'leaves'} the segment {self.segment}."


@dataclass(frozen=True)
class EventTrigger:
    """Due when an event happens, each time."""

    of: Happening

    @property
    def reason(self) -> Reason:
        """Give why a customer is due."""
        return Reason(f"{self.of.event} happened at ", "happened_at", ".")

    def sentence(self) -> str:
        """Give the trigger in words."""
        return f"When this happens: {happening_in_words(self.of)}."


@dataclass(frozen=True)
class DateTrigger:
    """Due at an hour of her own clock, so many days after a date of hers (before it, where negative), or each year."""

    field: str
    days: int
    hour: int
    is_yearly: bool

    @property
    def day_in_words(self) -> str:
        """Give `7 days before birth_date`."""
        name = self.field.removeprefix("attributes.")
        if self.days == 0:
            return f"on the day of {name}"
        return f"{counted_days(abs(self.days))} {'after' if self.days > 0 else 'before'} {name}"

    @property
    def reason(self) -> Reason:
        """Give why a customer is due."""
        return Reason(f"It was {self.day_in_words}, {self.hour}:00 on her clock, at ", "happened_at", ".")

    def sentence(self) -> str:
        """Give the trigger in words."""
        often = "Every year, " if self.is_yearly else ""
        said = f"{often}{self.day_in_words}, at {self.hour}:00 in the customer's time zone."
        return said[0].upper() + said[1:]


@dataclass(frozen=True)
class ScheduleTrigger:
    """Due at set times, all of the audience at once; `on` is the day of the week from Monday, or of the month."""

    every: str
    on: int
    at: time

    @property
    def reason(self) -> Reason:
        """Give why a customer is due."""
        return Reason("In the audience when the schedule said ", "happened_at", ".")

    def sentence(self) -> str:
        """Give the trigger in words."""
        often = WEEKDAYS[self.on - 1] if self.every == "week" else self.every
        often += f" on day {self.on}" if self.every == "month" else ""
        return f"Every {often} at {self.at:%H:%M}, for everybody in the audience."


@dataclass(frozen=True)
class HandTrigger:
    """Due when somebody says so, all of the audience at once."""

    @property
    def reason(self) -> Reason:
        """Give why a customer is due."""
        return Reason("In the audience when it was started by hand at ", "happened_at", ".")

    def sentence(self) -> str:
        """Give the trigger in words."""
        return "When somebody starts it by hand, for everybody in the audience."


Standing = ScoreTrigger | SegmentTrigger
Dated = EventTrigger | DateTrigger
Slotted = ScheduleTrigger | HandTrigger
Trigger = Standing | Dated | Slotted


def counted_days(days: int) -> str:
    """Give `1 day`, `30 days`."""
    return "1 day" if days == 1 else f"{days} days"
