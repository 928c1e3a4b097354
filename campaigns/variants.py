"""How the treated of a campaign are shared out: variants with a key, a share and a step of their own.

{"key": "b", "share": 0.5, "step": {"action": "email", ...}}

What the shares leave of 1 gets the campaign's own step, as the variant "main"; without variants all get it.
"""

import math
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from campaigns import steps
from campaigns.models import Campaign
from campaigns.steps import StepError

MAIN = "main"
KEY = re.compile(r"[a-z0-9][a-z0-9_-]{0,19}")
NAMES = ("key", "share", "step")
ROUNDING = 1e-9


@dataclass(frozen=True)
class Variant:
    """One way to treat a customer; `share` is its part of the treated. Without variants its key is empty."""

    key: str
    share: float
    step: steps.Step


def parse(campaign: Campaign, known: steps.Known | None = None) -> tuple[Variant, ...]:
    """Give the variants of a campaign, its own step among them; raise StepError that says where and why."""
    main = steps.parse(campaign.steps, known)[0]
    data: object = campaign.variants
    if not isinstance(data, list):
        raise StepError("variants", f"expects a list, got {type(data).__name__}")
    if not data:
        _check_chosen(campaign.chosen_variant, ())
        return (Variant("", 1.0, main),)
    others = tuple(_variant(f"variants[{i}]", one, known) for i, one in enumerate(data))
    _check_together(others, main)
    rest = 1.0 - math.fsum(one.share for one in others)
    shared = (Variant(MAIN, rest, main), *others) if rest > ROUNDING else others
    _check_chosen(campaign.chosen_variant, shared)
    return shared


def count(campaign: Campaign) -> int:
    """Give how many variants share out the treated, whatever their steps are; raise StepError for a share of none."""
    shares = [_share(f"variants[{i}].share", one.get("share")) for i, one in enumerate(campaign.variants)]
    return len(shares) + (1.0 - math.fsum(shares) > ROUNDING)


def check_ready(campaign: Campaign, known: steps.Known) -> None:
    """Raise StepError for variants that cannot be used, and for what may be stored and not be sent."""
    shared = parse(campaign, known)
    places = {one["key"]: f"variants[{i}]" for i, one in enumerate(campaign.variants)}
    for one in shared:
        if one.key in places:
            with _placed(places[one.key]):
                steps.check_ready((one.step,))
    steps.check_ready(steps.parse(campaign.steps, known))


def step_of(campaign: Campaign, key: str) -> steps.Step:
    """Give the step of one variant, by the key that its decision has; raise StepError where it is gone."""
    if key in ("", MAIN):
        return steps.parse(campaign.steps)[0]
    for i, one in enumerate(campaign.variants):
        if isinstance(one, dict) and one.get("key") == key:
            return _variant(f"variants[{i}]", one, None).step
    raise StepError("variants", f'there is no variant "{key}" any more')


def _variant(path: str, data: object, known: steps.Known | None) -> Variant:
    if not isinstance(data, dict):
        raise StepError(path, f"expects an object, got {type(data).__name__}")
    for name in sorted(str(name) for name in data if name not in NAMES):
        raise StepError(f"{path}.{name}", f"is not known here; expects {', '.join(NAMES)}")
    key, share = _key(path, data.get("key")), _share(f"{path}.share", data.get("share"))
    return Variant(key, share, _step(path, data.get("step"), known))


def _key(path: str, key: object) -> str:
    if not isinstance(key, str) or not KEY.fullmatch(key):
        raise StepError(f"{path}.key", "expects up to 20 small letters, digits, - and _")
    if key == MAIN:
        raise StepError(f"{path}.key", f'"{MAIN}" is the campaign\'s own step')
    return key


def _share(path: str, share: object) -> float:
    if share == 0 and not isinstance(share, bool):
        raise StepError(path, "is 0, so nobody would get it; write more, or leave the variant out")
    if isinstance(share, bool) or not isinstance(share, int | float) or not 0.0 < share <= 1.0:
        raise StepError(path, "expects a number above 0 and up to 1")
    return float(share)


def _step(path: str, data: object, known: steps.Known | None) -> steps.Step:
    with _placed(path):
        return steps.parse([data], known)[0]


@contextmanager
def _placed(path: str) -> Iterator[None]:
    """Let what is wrong with a step be found in its variant."""
    try:
        yield
    except StepError as error:
        raise StepError(error.path.replace("steps[0]", f"{path}.step", 1), error.message) from error


def _check_chosen(key: str, shared: Iterable[Variant]) -> None:
    if key and key not in [one.key for one in shared]:
        raise StepError("chosen_variant", f'"{key}" is not a variant of this campaign')


def _check_together(others: Iterable[Variant], main: steps.Step) -> None:
    """No key twice, no more than everybody, and one channel: one consent is asked for all of them."""
    seen: set[str] = set()
    total = 0.0
    for i, one in enumerate(others):
        if one.key in seen:
            raise StepError(f"variants[{i}].key", f'"{one.key}" is the key of two variants')
        seen.add(one.key)
        total = math.fsum((total, one.share))
        if total > 1.0 + ROUNDING:
            raise StepError(f"variants[{i}].share", f"the shares are more than 1 together: {total:g}")
        if one.step.channel != main.channel:
            raise StepError(
                f"variants[{i}].step.action", f"must use the campaign's own channel, {main.channel.label.lower()}"
            )
