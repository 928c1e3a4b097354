"""What was changed between two plans, in sentences made by comparing them."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from campaigns import action_words, plan, trigger_words
from campaigns.models import Campaign, Offer
from campaigns.trigger_words import Names
from customers.panels import number, share

Words = Callable[[Any], str]
Told = Mapping[str, Any]
SHOWN = 120
MAIN = "The message"
PLACES = {
    "subject": "The subject",
    "body": "The text",
    "text": "The text",
    "title": "The title",
    "talking_points": "What is to be said",
    "url": "The address it opens",
    "webhook": "The webhook",
    "name": "The attribute",
    "value": "The value",
    "list": "The list",
    "does": "What is done with the list",
}


def _money(value: float | None) -> str:
    return "none" if value is None else number(value, 2)


def _count(value: float | None) -> str:
    return "none" if value is None else number(value)


def _of(choices: type[Any]) -> Words:
    return lambda value: f"“{dict(choices.choices).get(value, value)}”"


def _yes(value: object) -> str:
    return "yes" if value else "no"


def _quoted(value: object) -> str:
    line = " ".join(str(value if value not in (None, "") else "nothing").split())
    return f"“{line if len(line) <= SHOWN else line[: SHOWN - 1].rstrip() + '…'}”"


FIELDS: dict[str, tuple[str, Words]] = {
    "name": ("Its name", _quoted),
    "split": ("How the variants are shared out", _of(Campaign.Split)),
    "winner": ("Where a variant wins", _of(Campaign.Winner)),
    "winner_metric": ("What the variants are compared by", _of(Campaign.Metric)),
    "chosen_variant": ("The variant that everybody gets", lambda value: _quoted(value) if value else "by the shares"),
    "topic": ("The topic", _quoted),
    "control_share": ("The control share", share),
    "pilot_share": ("The pilot", lambda value: "everybody" if value == 1 else share(value)),
    "entry": ("How often somebody is considered", _of(Campaign.Entry)),
    "cooldown_days": ("The days in between", _count),
    "lateness_hours": ("The hours after which something is too late", _count),
    "when_limited": ("What a cap or quiet hours do", _of(Campaign.Limited)),
    "delay_hours": ("The hours it waits at most", _count),
    "priority": ("The priority", _count),
    "budget": ("The budget", _money),
    "message_cost": ("The cost of one message", _money),
    "most_a_day": ("The most messages a day", _count),
    "value": ("What one conversion is worth", _money),
    "margin": ("The margin", lambda value: "as the programme says" if value is None else share(value)),
    "fires_on_import": ("Whether imports may trigger it", _yes),
    "goal_event": ("The goal", _quoted),
    "goal_days": ("The days to reach the goal", _count),
    "planned_customers": ("The customers its read-out is planned for", _count),
}


def compared(before: Told, after: Told, known: Names | None = None) -> list[str]:
    """Give a sentence for each change from one stored plan to another."""
    names = known or trigger_words.names()
    said: list[str] = []
    for name in plan.differing(before, after):
        old, new = before.get(name), after.get(name)
        match name:
            case "trigger":
                said += _triggers(old, new, names)
            case "audience":
                said.append(f"The audience: {_segment(old, names)} became {_segment(new, names)}.")
            case "steps":
                said += _steps(MAIN, _first(old), _first(new))
            case "variants":
                said += _variants(old or [], new or [])
            case _:
                label, words = FIELDS[name]
                said.append(f"{label}: {words(old)} became {words(new)}.")
    return said


def _triggers(old: object, new: object, names: Names) -> Iterator[str]:
    then, now = (trigger_words.told(Campaign(trigger=one), names) for one in (old, new))
    yield f"When it acts: {_quoted(then)} became {_quoted(now)}." if then != now else "When it acts was changed."


def _segment(key: str | None, names: Names) -> str:
    return f"“{names.segments.get(key, key)}”" if key else "all customers"


def _first(steps: object) -> Told:
    first = steps[0] if isinstance(steps, list) and steps else {}
    return first if isinstance(first, Mapping) else {}


def _steps(what: str, old: Told, new: Told) -> Iterator[str]:
    """Say what was changed of a message; of what is long only that it was."""
    if old.get("action") != new.get("action"):
        yield f"{what}: “{action_words.does(old)}” became “{action_words.does(new)}”."
        return
    if old.get("offer") != new.get("offer"):
        yield f"{what}: the offer {_offer(old)} became {_offer(new)}."
    then, now = _flat(old), _flat(new)
    changed = {place for place in {*then, *now} if then.get(place) != now.get(place)}
    where = "" if what == MAIN else f"{what}: "
    for place, label in PLACES.items():
        if place in changed:
            yield f"{where}{label} {_quoted(then.get(place))} became {_quoted(now.get(place))}."
    if changed - PLACES.keys() - {"offer"}:
        yield f"{what} was changed in its content."


def _flat(step: Told) -> dict[str, Any]:
    """Give the parts of a step; those of a composed mail beside the others."""
    content = step.get("content")
    parts = {name: value for name, value in step.items() if name != "content"}
    return {**parts, **content} if isinstance(content, Mapping) else parts


def _offer(step: Told) -> str:
    key = step.get("offer")
    found = Offer.objects.filter(key=key).values_list("name", flat=True).first() if key else None
    return f"“{found or key}”" if key else "none"


def _variants(old: list[Told], new: list[Told]) -> Iterator[str]:
    then, now = ({str(one.get("key")): one for one in each} for each in (old, new))
    for key in dict.fromkeys((*then, *now)):
        if key not in now:
            yield f"Variant {key} is no more."
        elif key not in then:
            yield f"Variant {key} is new, for {share(now[key].get('share'))} of the treated."
        else:
            if then[key].get("share") != now[key].get("share"):
                yield f"Variant {key}: its share {share(then[key].get('share'))} became {share(now[key].get('share'))}."
            yield from _steps(f"Variant {key}", then[key].get("step", {}), now[key].get("step", {}))


def facts(stored: Told, known: Names) -> list[tuple[str, str]]:
    """Give the whole of a stored plan, field by field."""
    return [
        ("When it acts", trigger_words.told(Campaign(trigger=stored.get("trigger")), known)),
        ("Audience", _segment(stored.get("audience"), known)),
        ("What it does", action_words.does(_first(stored.get("steps")))),
        (
            "Variants",
            ", ".join(f"{one.get('key')} {share(one.get('share'))}" for one in stored.get("variants", [])) or "none",
        ),
        *((label, words(stored[name])) for name, (label, words) in FIELDS.items() if name in stored and name != "name"),
    ]
