"""What each role may: one table, from which the groups are made and the table in docs/operators.md is written."""

from typing import NamedTuple

from django.contrib.auth.models import Group, Permission
from django.db import transaction

from campaigns.calls.roles import AGENTS

ROLES = ("marketer", "approver", "analyst", AGENTS, "integrator", "operator")


class Ability(NamedTuple):
    """Something that may be done, the permissions it takes, and the roles that have it."""

    words: str
    permissions: tuple[str, ...]
    roles: tuple[str, ...]


def _of(app: str, model: str, verbs: str = "view add change delete") -> tuple[str, ...]:
    return tuple(f"{app}.{verb}_{model}" for verb in verbs.split())


TABLE: tuple[Ability, ...] = (
    Ability(
        "See customers with names, addresses and all they did; see which addresses are closed",
        ("customers.view_customer", "customers.view_event", "customers.view_suppression"),
        ("marketer", "operator"),
    ),
    Ability(
        "Grant and withdraw consents by hand, close an address",
        ("customers.change_consent", "customers.add_suppression"),
        ("marketer", "operator"),
    ),
    Ability("Open a closed address again", ("customers.delete_suppression",), ("operator",)),
    Ability(
        "See how good the data of each field is",
        ("customers.view_fieldquality",),
        ("marketer", "analyst", "integrator", "operator"),
    ),
    Ability("See segments", ("segments.view_segment",), ("marketer", "approver", "analyst")),
    Ability(
        "Make, change and delete segments",
        (
            *_of("segments", "segment", "add change delete"),
            *(f"customers.view_{model}" for model in ("attribute", "eventname", "product")),
        ),
        ("marketer", "analyst"),
    ),
    Ability(
        "Take the members of a segment out as a file; see who did",
        _of("segments", "segmentexport", "view add"),
        ("marketer",),
    ),
    Ability(
        "See campaigns and offers, what they decided and sent, and the cycles",
        tuple(f"campaigns.view_{model}" for model in ("campaign", "offer", "decision", "delivery", "slot", "cycle")),
        ("marketer", "approver", "analyst", "operator"),
    ),
    Ability(
        "Make and change campaigns, mails, offers and topics; pause and stop a campaign",
        (
            *_of("campaigns", "campaign", "add change delete"),
            "campaigns.add_maildesign",
            *_of("campaigns", "offer", "add change delete"),
            *_of("customers", "topic", "view add change"),
        ),
        ("marketer",),
    ),
    Ability(
        "Launch, resume and widen a campaign, let it go on, send by hand; pause and stop it",
        ("campaigns.launch_campaign",),
        ("approver",),
    ),
    Ability(
        "Approve or refuse, as a second person, what is above the programme's limits",
        ("campaigns.launch_campaign",),
        ("approver",),
    ),
    Ability("See and redeem single codes", ("campaigns.view_offercode", "campaigns.redeem_offercode"), ("marketer",)),
    Ability("See the programme", ("campaigns.view_programme",), ("marketer", "approver", "operator")),
    Ability("Stop all sending and start it again", ("campaigns.stop_programme",), ("approver", "operator")),
    Ability("Change the programme: holdout, caps, quiet hours, sender", ("campaigns.change_programme",), ("operator",)),
    Ability("Settle deliveries that are uncertain", ("campaigns.change_delivery",), ("operator",)),
    Ability(
        "See predictions, their models and how good they are",
        ("scoring.view_target", "scoring.view_modelversion"),
        ("marketer", "approver", "analyst"),
    ),
    Ability("Make, train and delete predictions", _of("scoring", "target", "add change delete"), ("analyst",)),
    Ability("Promote, retire and roll back a model", ("scoring.change_modelversion",), ("analyst",)),
    Ability("Work the call queue", ("campaigns.change_calltask",), (AGENTS,)),
    Ability(
        "See all calls and the load of the agents",
        ("campaigns.view_calltask", "campaigns.view_agent"),
        ("marketer", "operator"),
    ),
    Ability("Make agents, set their limits, move calls", _of("campaigns", "agent", "add change delete"), ("operator",)),
    Ability(
        "Make and revoke REST keys, for what one may do oneself",
        _of("customers", "apikey", "view add change"),
        ("integrator", "operator"),
    ),
    Ability(
        "Give keys that send customers and events",
        ("customers.add_event",),
        ("integrator", "operator"),
    ),
    Ability(
        "Make and change webhooks; see and repeat their messages",
        (*_of("campaigns", "webhook"), "campaigns.view_webhookmessage"),
        ("integrator",),
    ),
    Ability("Import files of customers and events", ("customers.add_import",), ("integrator", "operator")),
    Ability(
        "Schedule imports from folders and addresses",
        _of("customers", "feed"),
        ("integrator", "operator"),
    ),
    Ability(
        "See imports, and refused records as they were read",
        ("customers.view_import", "customers.view_quarantine", "customers.view_product"),
        ("integrator", "operator"),
    ),
    Ability(
        "Change sources, event names and attributes",
        (
            *_of("customers", "source", "view add change"),
            *_of("customers", "eventname", "view add change"),
            *_of("customers", "attribute", "view add change"),
        ),
        ("integrator", "operator"),
    ),
    Ability(
        "Begin and cancel cycles, change schedules",
        (*_of("campaigns", "cycle", "add change"), *_of("campaigns", "schedule", "view change")),
        ("operator",),
    ),
    Ability(
        "See alerts and take them on",
        _of("customers", "alert", "view change"),
        ("marketer", "approver", "analyst", "integrator", "operator"),
    ),
    Ability("Read the audit", ("customers.view_auditentry",), ("approver", "operator")),
    Ability("Make users, give roles, change groups: superusers only", (), ()),
    Ability("Erase a customer: on the server only, `manage.py erase`", (), ()),
)


def permissions_of(role: str) -> frozenset[str]:
    """Give the permissions of a role."""
    return frozenset(name for ability in TABLE if role in ability.roles for name in ability.permissions)


@transaction.atomic
def make() -> None:
    """Make the group of every role, with exactly what the table says. Raises Permission.DoesNotExist."""
    for role in ROLES:
        group, _ = Group.objects.get_or_create(name=role)
        group.permissions.set([_permission(name) for name in permissions_of(role)])


def _permission(name: str) -> Permission:
    app, codename = name.split(".")
    return Permission.objects.get(content_type__app_label=app, codename=codename)


def written() -> str:
    """Give the table in Markdown."""
    head = [f"| | {' | '.join(ROLES)} |", f"|---|{'---|' * len(ROLES)}"]
    rows = (f"| {one.words} | {' | '.join('yes' if role in one.roles else '–' for role in ROLES)} |" for one in TABLE)
    return "\n".join([*head, *rows])
