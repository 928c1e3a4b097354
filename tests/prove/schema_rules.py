"""What a schema cannot say: the refusals of calls that are right by the OpenAPI document, each with its reason."""

from collections.abc import Iterable
from typing import Any, NamedTuple


class Rule(NamedTuple):
    """Codes of problems, the operations that answer with them (none: all), and why no schema says it."""

    codes: tuple[str, ...]
    operations: tuple[str, ...]
    reason: str


SIGNED = "A cursor is signed: one that was made up is refused, whatever it looks like."
THERE = "It names something else (a segment, a field, a campaign, a customer), which must be there."
PLAN = "The parts of a plan fit together (a goal, its days, its variants and their shares) and name what must be there."
RULES: tuple[Rule, ...] = (
    Rule(("bad_cursor",), (), SIGNED),
    Rule(("bad_since",), ("segments_changes", "decisions_list", "deliveries_list"), SIGNED),
    Rule(
        ("bad_rule",),
        ("segments_create", "segments_update", "segments_preview"),
        "A rule is a language of its own (docs/integrators.md), and names fields, events and segments that must exist; "
        "a list has none.",
    ),
    Rule(
        ("bad_campaign",),
        (
            "campaigns_approval_ask",
            "campaigns_backtest_begin",
            "campaigns_create",
            "campaigns_dry_run",
            "campaigns_launch",
            "campaigns_resume",
            "campaigns_send",
            "campaigns_update",
            "campaigns_widen",
        ),
        PLAN,
    ),
    Rule(("bad_campaign",), ("call_tasks_list", "customers_explain", "decisions_list", "deliveries_list"), THERE),
    Rule(
        ("bad_feed",),
        ("feeds_create", "feeds_change"),
        "A feed names an import that is like it, and a place that the operator has opened; its parts fit together.",
    ),
    Rule(("unknown",), ("campaigns_under_way",), THERE),
    Rule(
        ("no_segment",),
        ("campaigns_approval_ask", "campaigns_create", "campaigns_update", "offers_create", "offers_update"),
        THERE,
    ),
    Rule(("bad_segments",), ("webhooks_change",), THERE),
    Rule(
        ("unknown_field",),
        ("segments_members", "segments_members_csv", "segments_members_ndjson", "segments_members_parquet"),
        THERE,
    ),
    Rule(("unknown_segment",), ("campaigns_report",), THERE),
    Rule(
        ("bad_target",),
        ("targets_create", "targets_count"),
        "Which answers a question takes, and which attributes and events there are, is told by other calls.",
    ),
    Rule(
        ("bad_url",),
        ("webhooks_create", "webhooks_change"),
        "An address must lead to the open internet: what its name resolves to cannot be seen in it.",
    ),
    Rule(("bad_address",), ("suppressions_create",), "Whether a text is an address follows from its channel."),
    Rule(("bad_numbers",), ("do_not_call_upload",), "Telephone numbers follow the plans of their countries."),
    Rule(
        ("bad_agent",),
        ("call_tasks_claim", "call_tasks_outcome", "call_tasks_release"),
        "An agent is somebody who may log in here and work in the queue.",
    ),
    Rule(
        ("bad_file",),
        ("offers_codes_upload", "offers_redemptions_import"),
        "A file is read by its content: its columns and lines, and whether the offer takes any.",
    ),
    Rule(
        ("bad_list", "no_list"),
        ("segments_list_change", "segments_list_changes"),
        "A list is read by its content, and a segment with a rule has none.",
    ),
    Rule(
        ("bad_key",),
        ("offers_update", "webhooks_change"),
        "A key stays: only the one that is stored may be told again.",
    ),
    Rule(("bad_codes_from",), ("offers_update",), "Where codes come from stays once there are some."),
    Rule(("bad_value",), ("offers_update",), "More than 100 % cannot be taken off, where an offer is in percent."),
    Rule(("bad_ends_at",), ("offers_create", "offers_update"), "An end lies behind its beginning."),
    Rule(("bad_redeemed_at",), ("offers_redeem",), "A purchase does not lie ahead of now."),
    Rule(("bad_at",), ("campaigns_send",), "A sending does not lie ahead of now."),
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
    return next(
        (rule.reason for rule in RULES if code in rule.codes and operation in (rule.operations or (operation,))), None
    )
