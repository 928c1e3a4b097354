"""Ready questions: each makes a target of few answers, said in plain words."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from customers.events import ORDER_COMPLETED
from scoring import targets
from scoring.conditions import ANY, YEAR_DAYS, TargetError
from scoring.models import Target

OPENED, CLICKED, SENT, LEFT = "Email Opened", "Email Link Clicked", "Email Sent", "Unsubscribed"
EVENT = "{event}"  # stands for the event that is foreseen
MAILED = {"did": SENT, "days": 90}
ACTIVE = {"did": ANY, "days": YEAR_DAYS}
BOUGHT = {"did": EVENT, "days": YEAR_DAYS}
NOT_YET = {"not_yet_days": YEAR_DAYS}

Answers = Mapping[str, Any]


class Type(StrEnum):
    """What an answer is: the name of something, a number, or a text."""

    EVENT = "event"
    ATTRIBUTE = "attribute"
    VALUE = "value"
    PRODUCT = "product"
    CATEGORY = "category"
    CHOICE = "choice"
    DAYS = "days"
    PERCENT = "percent"
    MONEY = "money"
    SHARE = "share"
    TEXT = "text"


NUMBERS = (Type.PERCENT, Type.MONEY, Type.SHARE)


@dataclass(frozen=True)
class Answer:
    """One thing that a question asks. Without a default it must be given, unless it is optional."""

    name: str
    label: str
    type: Type
    help: str = ""
    default: str | int | None = None
    is_optional: bool = False
    choices: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Question:
    """A ready question: what it asks, and the target that the answers make (without key and population).

    `who` is whom it speaks of, `if_all` besides where the answers do not narrow it.
    """

    name: str
    label: str
    help: str
    answers: tuple[Answer, ...]
    made: Callable[[Answers], Target] = field(compare=False, repr=False)
    who: tuple[dict[str, Any], ...] = ()
    if_all: tuple[dict[str, Any], ...] = ()

    @property
    def all_answers(self) -> tuple[Answer, ...]:
        """What is asked here, and what every question asks."""
        return (*self.answers, *COMMON)


COMMON = (
    Answer("who_event", "Only who did", Type.EVENT, "Leave empty for everybody the question is about.", None, True),
    Answer("who_days", "… in so many days", Type.DAYS, "", YEAR_DAYS),
    Answer("who_attribute", "Only who has the attribute", Type.ATTRIBUTE, "", None, True),
    Answer("who_equals", "… with the value", Type.VALUE, "", None, True),
    Answer("value", "What one is worth", Type.MONEY, "What you earn, or keep, with each who is won.", None, True),
    Answer("contact_cost", "What contacting one costs", Type.MONEY, "", None, True),
    Answer("offer_cost", "What the offer costs if taken", Type.MONEY, "", None, True),
    Answer("save_rate", "Share that the contact wins", Type.SHARE, "0.3 is 3 in 10.", None, True),
    Answer("label", "Name", Type.TEXT, "", None, True),
    Answer("key", "Name in rules", Type.TEXT, "It follows “scores.”", None, True),
)


def _days(default: int | None, label: str = "Within so many days", *, is_optional: bool = False) -> Answer:
    return Answer("horizon_days", label, Type.DAYS, "1 to 365.", default, is_optional)


def _event(label: str, default: str | None = None) -> Answer:
    return Answer("event", label, Type.EVENT, "", default)


ORDER = _event("What counts as buying", ORDER_COMPLETED)
ATTRIBUTE = Answer("attribute", "Which attribute tells it", Type.ATTRIBUTE)
EQUALS = Answer("equals", "Which value counts", Type.VALUE)


def _within(kind: Target.Kind, label: str) -> Callable[[Answers], Target]:
    """Give how a target of events is made; `label` is filled with the answers."""

    def made(answers: Answers) -> Target:
        event, days = answers["event"], answers["horizon_days"]
        return Target(kind=kind, label=label.format(**answers), event=event, horizon_days=days)

    return made


def _told(answers: Answers) -> Target:
    """Give the target on an attribute: what it becomes within the days, or without days what it is."""
    name, equals, days = answers["attribute"], answers["equals"], answers["horizon_days"]
    if days is None:
        return Target(kind=Target.Kind.ATTRIBUTE, label=f"{name} is {equals}", attribute=name, equals=equals)
    label = f"{name} becomes {equals} within {days} days"
    return Target(kind=Target.Kind.BECOMES, label=label, attribute=name, equals=equals, horizon_days=days)


def _bought(answers: Answers) -> Target:
    """Give the target of an order with a product, or of a category."""
    given = [name for name in ("category", "product") if answers[name]]
    if len(given) != 1:
        raise TargetError("Give a category or a product, and not both.", "category")
    what = answers[given[0]]
    target = _within(Target.Kind.EVENT, f"Buys {_escaped(what)} within {{horizon_days}} days")(answers)
    target.where = [{"field": given[0], "value": what}]
    return target


def _best(answers: Answers) -> Target:
    target = _within(Target.Kind.HIGH_VALUE, "Becomes one of the best within {horizon_days} days")(answers)
    target.who = [{"below_spend_percentile": answers["percentile"]}]
    return target


QUESTIONS = (
    Question(
        "lapse",
        "Who will stop buying?",
        "For shops without contracts: nothing bought in so many days counts as lost.",
        (ORDER, _days(90, "Lost after so many days without")),
        _within(Target.Kind.NO_EVENT, "No {event} within {horizon_days} days"),
        (BOUGHT,),
    ),
    Question(
        "leave",
        "Who will leave? (an attribute tells it)",
        "For contracts: an attribute such as status gets the value that means they left. Leave the days empty where "
        "nobody knows when it was told.",
        (ATTRIBUTE, EQUALS, _days(None, is_optional=True)),
        _told,
    ),
    Question(
        "cancel",
        "Who will cancel? (an event tells it)",
        "For contracts: an event says that somebody left. Say by an attribute who has a contract, if there is one.",
        (_event("What tells that they left"), _days(90)),
        _within(Target.Kind.EVENT, "{event} within {horizon_days} days"),
        (NOT_YET,),
        (ACTIVE,),
    ),
    Question(
        "repurchase",
        "Who will buy again?",
        "Of those who bought in the year before.",
        (ORDER, _days(90)),
        _within(Target.Kind.EVENT, "{event} within {horizon_days} days"),
        (BOUGHT,),
    ),
    Question(
        "conversion",
        "Who will do something?",
        "Any event: a sign-up, a booking, a first order. Of those who did anything in the year before.",
        (_event("What they should do"), _days(30)),
        _within(Target.Kind.EVENT, "{event} within {horizon_days} days, of all active"),
        (ACTIVE,),
    ),
    Question(
        "upsell",
        "Who will buy from a category, or a product, for the first time?",
        "Of those who bought in the year before, and nothing of this.",
        (
            ORDER,
            Answer("category", "Category", Type.CATEGORY, "", None, True),
            Answer("product", "… or product", Type.PRODUCT, "", None, True),
            _days(90),
        ),
        _bought,
        (BOUGHT, NOT_YET),
    ),
    Question(
        "upgrade",
        "Who will move to a plan?",
        "Of those who have another: an attribute such as plan becomes the value.",
        (ATTRIBUTE, EQUALS, _days(90)),
        _told,
    ),
    Question(
        "spend",
        "How much will each spend?",
        "Money within so many days, of those who bought in the year before.",
        (ORDER, _days(90)),
        _within(Target.Kind.SPEND, "Spent on {event} within {horizon_days} days"),
        (BOUGHT,),
    ),
    Question(
        "best",
        "Who will become one of the best customers?",
        "The best tenth by money within so many days, of those who are not among the best of the year before.",
        (
            ORDER,
            _days(90),
            Answer("percentile", "Of the lowest so many in a hundred", Type.PERCENT, "By spend in a year.", 80),
        ),
        _best,
    ),
    Question(
        "engage",
        "Who will open or click our mail?",
        "Of those whom we mailed in the 90 days before.",
        (
            Answer(
                "event", "What counts", Type.CHOICE, "", OPENED, choices=((OPENED, "Opens"), (CLICKED, "Clicks a link"))
            ),
            _days(30),
        ),
        _within(Target.Kind.EVENT, "{event} within {horizon_days} days, of those mailed"),
        (MAILED,),
    ),
    Question(
        "next",
        "When will each buy next?",
        "Days until the next order, looking so many days ahead.",
        (ORDER, _days(180, "Looking so many days ahead")),
        _within(Target.Kind.NEXT, "Days until the next {event}, up to {horizon_days}"),
        (BOUGHT,),
    ),
    Question(
        "unsubscribe",
        "Who will unsubscribe?",
        "Of those whom we mailed in the 90 days before.",
        (_days(30),),
        lambda answers: _within(Target.Kind.EVENT, "Unsubscribes within {horizon_days} days")(
            {**answers, "event": LEFT}
        ),
        (MAILED,),
    ),
)


def question(name: str) -> Question:
    """Give a ready question by name. Raises TargetError."""
    found = next((one for one in QUESTIONS if one.name == name), None)
    if found is None:
        names = ", ".join(one.name for one in QUESTIONS)
        raise TargetError(f'No question is named "{name}". There are: {names}.', "question")
    return found


def make(name: str, answers: Answers, at: datetime) -> Target:
    """Give the target that the answers to a question make, checked, not stored. Raises TargetError.

    Answers are numbers or texts; an empty one is none. What is wrong with one is said with its name.
    """
    asked = question(name)
    given = _read(asked, answers)
    target = asked.made(given)
    target.question, target.created_at = asked.name, at
    target.label = (given["label"] or target.label)[:120]
    target.who = _population(asked, target, given)
    for column in targets.MONEY:
        setattr(target, column, given[column])
    target.key = given["key"] or targets.free_key(target.label, target)
    targets.check(target)
    return target


def _population(asked: Question, target: Target, given: Answers) -> list[dict[str, Any]]:
    """Give whom the target speaks of: as the question says, narrowed by the answers."""
    narrowed: list[dict[str, Any]] = []
    if given["who_event"]:
        narrowed.append({"did": given["who_event"], "days": given["who_days"]})
    if given["who_attribute"]:
        narrowed.append({"attribute": given["who_attribute"], "equals": given["who_equals"] or ""})
    own = (*asked.who, *(() if narrowed else asked.if_all))
    filled = [{name: target.event if told == EVENT else told for name, told in one.items()} for one in own]
    return [*target.who, *filled, *narrowed]


def _read(asked: Question, answers: Answers) -> dict[str, Any]:
    """Give every answer as what it is, defaults filled in. Raises TargetError at the first that cannot be."""
    known = {one.name: one for one in asked.all_answers}
    for name in answers:
        if name not in known:
            raise TargetError(f'"{asked.label}" asks for no "{name}". It asks for: {", ".join(known)}.', str(name))
    return {name: _one(answer, answers.get(name)) for name, answer in known.items()}


def _one(answer: Answer, told: Any) -> Any:
    if isinstance(told, str):
        told = told.strip()
    if told is None or told == "":
        if answer.default is None and not answer.is_optional:
            raise TargetError(f"{answer.label}: this must be answered.", answer.name)
        return answer.default
    if answer.type == Type.DAYS or answer.type in NUMBERS:
        return _number(answer, told)
    if not isinstance(told, str):
        told = str(told).lower() if isinstance(told, bool) else f"{told:g}" if isinstance(told, float) else str(told)
    if answer.choices and told not in dict(answer.choices):
        raise TargetError(f"{answer.label}: one of {', '.join(dict(answer.choices))}, not “{told}”.", answer.name)
    return told


def _number(answer: Answer, told: Any) -> int | float:
    try:
        number = math.nan if isinstance(told, bool) else float(told)
    except (TypeError, ValueError):
        number = math.nan
    is_whole = answer.type == Type.DAYS
    if not math.isfinite(number) or (is_whole and number != int(number)):
        what = "a whole number" if is_whole else "a number"
        raise TargetError(f"{answer.label}: {what} is wanted, not “{told}”.", answer.name)
    return int(number) if is_whole else number


def _escaped(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")
