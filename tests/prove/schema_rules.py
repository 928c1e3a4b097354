"""What a schema cannot say: the refusals of calls that are right by the OpenAPI document, each with its reason."""

from collections.abc import Iterable
from typing import Any, NamedTuple


class Rule(NamedTuple):
    """Codes of problems, the operations that answer with them (by how their ids begin), and why no schema says it."""

    codes: tuple[str, ...]
    operations: tuple[str, ...]
    reason: str


SIGNED = "A cursor is signed: one that was made up is refused, whatever it looks like."
THERE = "It names something else (a segment, a field, a campaign, a customer), which must be there."
PLAN = "The parts of a plan fit together (a goal, its days, its variants and their shares) and name what must be there."
RULES: tuple[Rule, ...] = (
    Rule(("bad_cursor", "bad_since"), ("",), SIGNED),
    Rule(
        ("bad_text",),
        ("",),
        "No text holds a NUL, nor half of a pair of surrogates: not even in the names of free objects.",
    ),
    Rule(
        ("bad_rule",),
        ("segments_",),
        "A rule is a language of its own (docs/integrators.md), and names fields, events and segments that must exist.",
    ),
    Rule(("bad_campaign",), ("campaigns_",), PLAN),
    Rule(
        ("bad_campaign", "unknown"), ("call_tasks_list", "decisions_list", "deliveries_list", "campaigns_under"), THERE
    ),
    Rule(("no_segment", "no_campaign"), ("campaigns_", "offers_"), THERE),
    Rule(("bad_segments",), ("webhooks_",), THERE),
    Rule(("unknown_field", "unknown_segment"), ("segments_members", "segments_overlap", "campaigns_report"), THERE),
    Rule(
        ("bad_target",),
        ("targets_",),
        "Which answers a question takes, and which attributes and events there are, is told by other calls.",
    ),
    Rule(
        ("bad_url",),
        ("webhooks_",),
        "An address must lead to the open internet: what its name resolves to cannot be seen in it.",
    ),
    Rule(
        ("bad_address", "bad_numbers"),
        ("suppressions_", "do_not_call_"),
        "Whether a text is an address follows from its channel, and of telephone numbers from the plans of countries.",
    ),
    Rule(
        ("bad_file", "bad_line", "no_file", "bad_list", "no_list"),
        ("offers_codes_", "offers_redemptions_", "segments_list", "segments_pins_"),
        "A file is read by its content: its columns and lines, and whether the list or the offer takes any.",
    ),
    Rule(
        ("bad_key", "bad_kind", "bad_codes_from", "bad_ends_at", "bad_stock"),
        ("offers_update", "offers_create", "campaigns_update"),
        "What may be changed follows from what is stored: codes that were given, a beginning that is later.",
    ),
)
ONE_BY_ONE = (
    "Each item of a batch is judged on its own: a fault in one is told in `errors` of an answer of 200, and `refused` "
    "counts it."
)
BATCHES = {"events_create": "events", "customers_create": "customers"}


def rejected(operation: str, problem: dict[str, Any]) -> str | None:
    """Give the reason for which a call that is right by the schema may be refused so; none where it may not."""
    codes = {problem.get("code"), *(one["code"] for one in problem.get("errors", ()))} - {"invalid"}
    reasons = {_reason(operation, code) for code in codes}
    return None if len(reasons) != 1 else reasons.pop()


def accepted(operation: str, names: Iterable[str], answer: dict[str, Any]) -> str | None:
    """Give the reason for which a batch with a wrong item may be answered with 200; none where it may not."""
    is_told = answer.get("refused", 0) == len(answer.get("errors", ())) > 0
    return ONE_BY_ONE if operation in BATCHES and BATCHES[operation] in names and is_told else None


def _reason(operation: str, code: str | None) -> str | None:
    return next((rule.reason for rule in RULES if code in rule.codes and operation.startswith(rule.operations)), None)
