"""What is wrong with the values of a field, in plain sentences, the worst first. Pure."""

from typing import NamedTuple

from customers.models import Attribute
from customers.quality import FEWEST, STRONG, Drift, Figures

TOLD, SOME, BAD = 0, 1, 2
CALLED = {"number": "a number", "date": "a date", "yes_no": "yes or no", "list": "a list", "text": "text"}
MOSTLY = 0.5  # of the dates: more to come are meant so


class Trouble(NamedTuple):
    """Something that is wrong: how bad, a key, the sentence, and how large a share of the values it concerns."""

    level: int
    key: str
    sentence: str
    share: float = 0.0


def troubles(kind: str, figures: Figures, drift: Drift | None) -> list[Trouble]:
    """Give what is wrong, the worst first."""
    found = [*_of_values(kind, figures), *(_of_change(figures, drift) if drift else [])]
    return sorted(found, key=lambda one: (-one.level, -one.share, one.key))


def is_alarming(figures: Figures, drift: Drift | None) -> bool:
    """Tell whether the values have changed so that whoever uses them should know."""
    return any(one.level == BAD for one in _of_change(figures, drift)) if drift else False


def _of_values(kind: str, figures: Figures) -> list[Trouble]:
    filled = figures["filled"]
    found = []
    if figures["rows"] and not filled:
        found.append(Trouble(TOLD, "empty", "Nobody has a value."))
    if figures["unfit"]:
        found.append(_unfit(kind, figures))
    if kind == Attribute.Type.DATE:
        found += _of_dates(figures)
    far = figures["below"] + figures["above"]
    if far and figures["low"] is not None and figures["high"] is not None:
        sentence = f"{far:,} of {filled:,} lie far outside of the rest: below {figures['low']:,.4g} or above "
        found.append(_trouble(SOME, "outside", f"{sentence}{figures['high']:,.4g}.", far, filled))
    return found


def _unfit(kind: str, figures: Figures) -> Trouble:
    many, filled = figures["unfit"], figures["filled"]
    examples = ", ".join(f"“{one[:40]}”" for one in figures["examples"][:3])
    such = f", such as {examples}" if examples else ""
    if figures["reads_as"]:
        said = f"Nearly all read as {CALLED[figures['reads_as']]}; {many:,} of {filled:,} do not{such}."
    else:
        said = f"{many:,} of {filled:,} do not fit and count as no value: none is {CALLED[kind]}{such}."
    return _trouble(SOME, "unfit", said, many, filled)


def _of_dates(figures: Figures) -> list[Trouble]:
    filled, found = figures["filled"], []
    if 0 < figures["future"] < MOSTLY * filled:
        said = f"{figures['future']:,} of {filled:,} lie in the future."
        found.append(_trouble(SOME, "future", said, figures["future"], filled))
    if figures["ancient"]:
        said = f"{figures['ancient']:,} of {filled:,} lie before 1900."
        found.append(_trouble(SOME, "ancient", said, figures["ancient"], filled))
    return found


def _of_change(figures: Figures, drift: Drift) -> list[Trouble]:
    rows, found = figures["rows"], []
    if not rows and drift["rows_before"] >= FEWEST:
        said = f"None came in the last week, after {drift['rows_before']:,} in the week before."
        found.append(Trouble(BAD, "silent", said, 1.0))
    if drift["has_fallen"]:
        now = figures["filled"] / rows
        low, high = (f"{-one:.1%}" for one in reversed(drift["change"]))
        said = f"Fewer are filled: {now:.1%} of {rows:,}, after {drift['share_before']:.1%} (less by {low} to {high})."
        found.append(Trouble(BAD, "fallen", said, drift["share_before"] - now))
    if drift["moved"] in ("some", "strong"):
        is_strong = drift["moved"] == "strong"
        how = "lie quite otherwise" if is_strong else "lie somewhat otherwise"
        said = f"The values {how} than those before: index {drift['psi']:.2f}, from {STRONG} strong"
        counts = f"{drift['seen']:,} values beside {drift['known']:,}"
        found.append(Trouble(BAD if is_strong else SOME, "moved", f"{said} ({counts}).", min(drift["psi"], 1.0)))
    return found


def _trouble(level: int, key: str, sentence: str, many: int, filled: int) -> Trouble:
    return Trouble(level, key, sentence, many / max(filled, 1))
