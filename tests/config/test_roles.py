"""Who may do what: every page and every button of the admin, tried by one person of each role.

A page or a button without a line here fails, so that nobody adds one without saying whose it is.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group, Permission, User
from django.contrib.messages.storage.fallback import FallbackStorage
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponseRedirect
from django.test import Client, RequestFactory
from django.urls import URLPattern, URLResolver, get_resolver, resolve, reverse

from campaigns.models import Campaign
from config import roles
from customers import keys
from customers.admin import BaseAdmin
from customers.models import ApiKey, AuditEntry
from tests.config import world

pytestmark = [pytest.mark.door, pytest.mark.django_db]
M, P, N, G, I, O = roles.ROLES  # noqa: E741  marketer, approver, analyst, agent, integrator, operator
NOBODY: set[str] = set()
SEE = {M, P, N, O}

# Of every table: who sees it, adds to it, changes it, deletes from it.
TABLES: dict[str, tuple[set[str], set[str], set[str], set[str]]] = {
    "auth.group": (NOBODY, NOBODY, NOBODY, NOBODY),
    "auth.user": (NOBODY, NOBODY, NOBODY, NOBODY),
    "campaigns.agent": ({M, O}, {O}, {O}, {O}),
    "campaigns.calltask": ({M, O}, NOBODY, NOBODY, NOBODY),
    "campaigns.campaign": (SEE, {M}, {M}, {M}),
    "campaigns.cycle": (SEE, NOBODY, NOBODY, NOBODY),
    "campaigns.decision": (SEE, NOBODY, NOBODY, NOBODY),
    "campaigns.delivery": (SEE, NOBODY, NOBODY, NOBODY),
    "campaigns.offer": (SEE, {M}, {M}, {M}),
    "campaigns.offercode": ({M}, NOBODY, NOBODY, NOBODY),
    "campaigns.programme": ({M, P, O}, NOBODY, {O}, NOBODY),
    "campaigns.schedule": ({O}, NOBODY, {O}, NOBODY),
    "campaigns.slot": (SEE, NOBODY, NOBODY, NOBODY),
    "campaigns.webhook": ({I}, {I}, {I}, {I}),
    "campaigns.webhookmessage": ({I}, NOBODY, NOBODY, NOBODY),
    "customers.alert": ({M, P, N, I, O}, NOBODY, NOBODY, NOBODY),
    "customers.apikey": ({I, O}, {I, O}, NOBODY, NOBODY),
    "customers.attribute": ({M, N, I, O}, {I, O}, {I, O}, NOBODY),
    "customers.auditentry": ({P, O}, NOBODY, NOBODY, NOBODY),
    "customers.customer": ({M, O}, NOBODY, NOBODY, NOBODY),
    "customers.event": ({M, O}, NOBODY, NOBODY, NOBODY),
    "customers.eventname": ({M, N, I, O}, {I, O}, {I, O}, NOBODY),
    "customers.feed": ({I, O}, {I, O}, {I, O}, {I, O}),
    "customers.fieldquality": ({M, N, I, O}, NOBODY, NOBODY, NOBODY),
    "customers.import": ({I, O}, {I, O}, NOBODY, NOBODY),
    "customers.product": ({M, N, I, O}, NOBODY, NOBODY, NOBODY),
    "customers.quarantine": ({I, O}, NOBODY, NOBODY, NOBODY),
    "customers.source": ({I, O}, {I, O}, {I, O}, NOBODY),
    "customers.suppression": ({M, O}, {M, O}, NOBODY, NOBODY),
    "customers.topic": ({M}, {M}, {M}, NOBODY),
    "scoring.modelversion": ({M, P, N}, NOBODY, NOBODY, NOBODY),
    "scoring.target": ({M, P, N}, {N}, {N}, {N}),
    "segments.segment": ({M, P, N}, {M, N}, {M, N}, {M, N}),
    "segments.segmentexport": ({M}, NOBODY, NOBODY, NOBODY),
}
# Of every other address: who may open it or post to it.
PAGES: dict[str, set[str]] = {
    "admin:auth_user_password_change": NOBODY,
    "admin:campaigns_calltask_export": {M, O},
    "admin:campaigns_calltask_keep": {G},
    "admin:campaigns_calltask_list": {M, O},
    "admin:campaigns_calltask_load": {M, O},
    "admin:campaigns_calltask_move": {O},
    "admin:campaigns_calltask_next": {G},
    "admin:campaigns_calltask_queue": {M, G, O},
    "admin:campaigns_calltask_work": {G},
    "admin:campaigns_campaign_backtest": SEE,
    "admin:campaigns_campaign_backtest_export": SEE,
    "admin:campaigns_campaign_backtest_progress": SEE,
    "admin:campaigns_campaign_check": {M, P},
    "admin:campaigns_campaign_compose": {M},
    "admin:campaigns_campaign_composer_customer": {M},
    "admin:campaigns_campaign_composer_designs": {M},
    "admin:campaigns_campaign_composer_pictures": {M},
    "admin:campaigns_campaign_composer_preview": {M},
    "admin:campaigns_campaign_composer_save": {M},
    "admin:campaigns_campaign_composer_test": {M},
    "admin:campaigns_campaign_launch": {M, P},
    "admin:campaigns_campaign_copy": {M},
    "admin:campaigns_campaign_report": SEE,
    "admin:campaigns_campaign_report_export": SEE,
    "admin:campaigns_campaign_revert": {M},
    "admin:campaigns_campaign_try": {M},
    "admin:campaigns_campaign_version": SEE,
    "admin:campaigns_campaign_versions": SEE,
    "admin:campaigns_cycle_progress": SEE,
    "admin:campaigns_cycle_run": {O},
    "admin:campaigns_decision_explain": {M, O},
    "admin:campaigns_delivery_uncertain": SEE,
    "admin:campaigns_offer_files": {M},
    "admin:campaigns_offercode_till": {M},
    "admin:campaigns_programme_report": SEE,
    "admin:campaigns_programme_report_export": SEE,
    "admin:campaigns_programme_sample": {O},
    "admin:customers_customer_consent": {M, O},
    "admin:customers_import_export": {I, O},
    "admin:customers_import_map": {I, O},
    "admin:customers_import_progress": {I, O},
    "admin:scoring_target_count": {N},
    "admin:scoring_target_edit": {M, P, N},
    "admin:scoring_target_field": {N},
    "admin:scoring_target_training": {M, P, N},
    "admin:scoring_target_values": {N},
    "admin:segments_segment_catalogue": {M, N},
    "admin:segments_segment_edit": {M, P, N},
    "admin:segments_segment_effect": {M, N},
    "admin:segments_segment_effect_on": {M, N},
    "admin:segments_segment_explain": {M},
    "admin:segments_segment_export": {M},
    "admin:segments_segment_freeze": {M, N},
    "admin:segments_segment_overlap": {M, P, N},
    "admin:segments_segment_pin": {M},
    "admin:segments_segment_preview": {M, N},
    "admin:segments_segment_reach": {M, P, N},
    "admin:segments_segment_refused": {M},
    "admin:segments_segment_unpin": {M},
    "sending": {M, P, O},
}
# What Django gives to everybody who is logged in; each shows only what its asker may see.
OPEN = {"index", "login", "logout", "password_change", "password_change_done", "autocomplete", "jsi18n", "search"}
OPEN |= {"view_on_site", "app_list"}
VERBS = {"changelist": 0, "add": 1, "change": 0, "delete": 3, "history": 0, "do": 0}
POSTED = {"do", "export", "keep", "move", "next", "work", "preview", "save", "test", "check", "try", "run", "sample"}
POSTED |= {"revert", "copy", "consent", "count", "field", "effect", "on", "freeze", "pin", "unpin", "refused"}
# Of every table with buttons: rows that have them, and whom they are offered to.
BUTTONS: dict[str, list[tuple[dict[str, object], dict[str, set[str]]]]] = {
    "campaigns.campaign": [
        ({"state": "draft"}, {}),
        ({"state": "live", "pilot_share": 0.05}, {"widen-20": {P}, "pause": {M, P}, "stop": {M, P}}),
        ({"state": "paused", "paused_why": "Too many."}, {"go-on": {P}, "stop": {M, P}}),
        ({"state": "paused", "paused_why": ""}, {"resume": {P}, "stop": {M, P}}),
    ],
    "campaigns.cycle": [({"state": "running"}, {"cancel": {O}})],
    "campaigns.delivery": [({"state": "uncertain"}, {"arrived": {O}, "again": {O}})],
    "campaigns.webhook": [({"state": "live"}, {"test": {I}, "disable": {I}, "rotate": {I}})],
    "campaigns.webhookmessage": [({"state": "failed", "body": "{}"}, {"replay": {I}})],
    "customers.alert": [({"state": "open"}, {one: {M, P, N, I, O} for one in ("mine", "day", "week", "done")})],
    "customers.apikey": [({}, {"revoke": {I, O}})],
    "customers.feed": [
        ({"is_paused": False}, {"run": {I, O}, "pause": {I, O}}),
        ({"is_paused": True}, {"resume": {I, O}}),
    ],
    "customers.suppression": [({"reason": "manual"}, {"open": {O}})],
    "scoring.modelversion": [({"state": "live"}, {"retire": {N}}), ({"state": "retired"}, {"promote": {N}})],
    "scoring.target": [({}, {"train": {N}})],
}


@pytest.fixture
def people() -> dict[str, User]:
    """Make one person of each role."""
    roles.make()
    made = {}
    for role in roles.ROLES:
        made[role] = User.objects.create_user(role, is_staff=True)
        made[role].groups.add(Group.objects.get(name=role))
    return made


def addresses(resolver: URLResolver, namespace: str = "", before: str = "") -> Iterator[tuple[str, str]]:
    """Give the name and the route of every address."""
    for one in resolver.url_patterns:
        route = before + str(one.pattern)
        if isinstance(one, URLResolver):
            yield from addresses(one, one.namespace or namespace, route)
        elif isinstance(one, URLPattern) and one.name:
            yield (f"{namespace}:{one.name}" if namespace else one.name), route


def of_admin() -> list[tuple[str, str]]:
    return [(name, route) for name, route in addresses(get_resolver()) if route.startswith("admin/")]


def path_of(route: str) -> str:
    """Give an address of a row that is not there: permissions are asked before rows are looked for."""
    return "/" + re.sub(r"<[a-z_:]+>", "1", route)


def of_table(name: str) -> tuple[str, str] | None:
    """Give the table and the verb of a page that every table has."""
    stem, _, verb = name.removeprefix("admin:").rpartition("_")
    label = stem.replace("_", ".", 1)
    return (label, verb) if verb in VERBS and label in labels() else None


def labels() -> set[str]:
    return {model._meta.label_lower for model in admin.site._registry}


def allowed(name: str) -> set[str]:
    """Give who may open an address, by the tables above. Raises KeyError where it has no line."""
    found = of_table(name)
    return TABLES[found[0]][VERBS[found[1]]] if found else PAGES[name]


def asked(user: User, method: str, path: str) -> Any:
    made: Any = getattr(RequestFactory(), method)(path)
    made.user, made.session = user, {}
    made._messages, made._dont_enforce_csrf_checks = FallbackStorage(made), True
    return made


def is_let_in(user: User, method: str, path: str) -> bool:
    """Say whether a view lets somebody in: it is called as it stands, and its page is not drawn."""
    found = resolve(path)
    try:
        answer = found.func(asked(user, method, path), *found.args, **found.kwargs)
    except PermissionDenied:
        return False
    except Http404:
        return True
    is_login = isinstance(answer, HttpResponseRedirect) and "/login/" in answer.url
    return not is_login and answer.status_code != 403


def test_every_address_of_the_admin_has_a_line() -> None:
    named = {name for name, _ in of_admin() if of_table(name) is None}
    assert named - set(PAGES) - {f"admin:{one}" for one in OPEN} == set()
    assert set(PAGES) - named == set(), "these lines are of no address"
    assert labels() == set(TABLES)


@pytest.mark.long
def test_every_page_lets_in_those_whom_its_line_names(people: dict[str, User]) -> None:
    world.fill()
    Campaign.objects.update(state=Campaign.State.DRAFT)  # what is live is changed by nobody of one role alone
    rows = {model._meta.label_lower: model._default_manager.order_by("pk").first() for model in admin.site._registry}
    wrong = []
    for name, route in of_admin():
        if name.removeprefix("admin:") in OPEN:
            continue
        verb = name.rpartition("_")[2]
        app, _, model = name.removeprefix("admin:").partition("_")
        row = rows.get(f"{app}.{model.partition('_')[0]}")
        path = path_of(route).replace("/1/", f"/{row.pk}/") if row else path_of(route)
        let_in = {role for role, user in people.items() if is_let_in(user, method_of(verb), path)}
        if verb == "do" or (
            verb == "history" and row is None
        ):  # without a button of that name nothing is done, and nobody is told that there is a row
            let_in &= allowed(name)
        if let_in != allowed(name):
            wrong.append((name, sorted(let_in), sorted(allowed(name))))
    assert wrong == []


def method_of(verb: str) -> str:
    return "post" if verb in POSTED else "get"


def test_only_those_change_a_row_who_may(people: dict[str, User]) -> None:
    world.fill()
    for model, page in admin.site._registry.items():
        row = model._default_manager.order_by("pk").first()
        changed = {r for r, user in people.items() if page.has_change_permission(asked(user, "get", "/"), row)}
        expected = TABLES[model._meta.label_lower][2]
        if isinstance(row, Campaign) and row.state == Campaign.State.LIVE:
            expected = NOBODY  # of one role alone: who changes what is live must be one who may launch it
        assert changed == expected, model._meta.label


@pytest.mark.parametrize("page", ["campaigns_campaign", "campaigns_programme", "scoring_target", "segments_segment"])
def test_who_may_only_look_gets_the_page(people: dict[str, User], client: Client, page: str) -> None:
    world.fill()
    client.force_login(people[P])
    model = next(one for one in admin.site._registry if one._meta.label_lower == page.replace("_", "."))
    row = (
        model._default_manager.get_or_create(pk=1)[0] if page.endswith("programme") else model._default_manager.first()
    )
    assert row is not None
    shown = client.get(reverse(f"admin:{page}_change", args=[row.pk]))
    assert shown.status_code == 200
    assert "@example.test" not in shown.content.decode() or page.endswith("programme")


def test_every_button_is_offered_to_those_whom_its_line_names(people: dict[str, User]) -> None:
    world.fill()
    keys.create("shop", [], world.T)
    wrong = []
    for model, page in admin.site._registry.items():
        label = model._meta.label_lower
        has_buttons = isinstance(page, BaseAdmin) and type(page).buttons is not BaseAdmin.buttons
        assert has_buttons == (label in BUTTONS), label
        if not isinstance(page, BaseAdmin):
            continue
        for values, expected in BUTTONS.get(label, []):
            row = model._default_manager.order_by("pk").first() or model(pk=1)
            for name, value in values.items():
                setattr(row, name, value)
            offered: dict[str, set[str]] = {name: set() for name in expected}
            for role, user in people.items():
                for button in page.buttons(asked(user, "get", "/"), row):
                    offered.setdefault(button.name, set()).add(role)
            wrong += [(label, name, who) for name, who in offered.items() if who != expected.get(name, who)]
            wrong += [(label, name, who) for name, who in offered.items() if not who <= set.union(*expected.values())]
    assert wrong == []


def test_a_key_is_never_given_more_than_its_maker_may(people: dict[str, User], client: Client) -> None:
    assert set(keys.NEEDED) == set(keys.Scope)
    client.force_login(people[I])
    address, asked = reverse("admin:customers_apikey_add"), {"name": "shop", "per_minute": 600}
    for wanted in ("campaigns:send", "customers:read"):
        assert client.post(address, {**asked, "scopes": [wanted]}).status_code == 200
        assert not ApiKey.objects.exists()
    assert client.post(address, {**asked, "scopes": ["events:write"]}).status_code == 302
    made = AuditEntry.objects.get(what="key made")
    assert (made.by, made.about, made.detail["scopes"]) == (people[I], "shop", ["events:write"])


def test_who_looks_after_users_gives_nobody_rights(people: dict[str, User], client: Client) -> None:
    keeper, boss = people[O], User.objects.create_superuser("boss")
    keeper.user_permissions.set(Permission.objects.filter(content_type__app_label="auth"))
    client.force_login(keeper)
    new = User.objects.create_user("new")
    told = {"username": "new", "is_active": "on", "is_staff": "on", "is_superuser": "on", "groups": ["1", "2"]}
    when = {"date_joined_0": "2026-01-01", "date_joined_1": "00:00:00"}
    client.post(reverse("admin:auth_user_change", args=[new.pk]), {**told, **when})
    new = User.objects.get(pk=new.pk)
    assert (new.is_staff, new.is_superuser, new.groups.count()) == (True, False, 0)
    for one in (boss, people[M], keeper):
        assert client.post(reverse("admin:auth_user_change", args=[one.pk]), told).status_code == 403
        assert client.post(reverse("admin:auth_user_password_change", args=[one.pk]), {}).status_code == 403
    assert client.post(reverse("admin:auth_group_add"), {"name": "mine"}).status_code == 403


def test_a_new_role_of_somebody_is_noted(people: dict[str, User], client: Client) -> None:
    client.force_login(User.objects.create_superuser("boss"))
    new, group = User.objects.create_user("new"), Group.objects.get(name=M)
    told = {"username": "new", "date_joined_0": "2026-01-01", "date_joined_1": "00:00:00", "groups": [group.pk]}
    assert client.post(reverse("admin:auth_user_change", args=[new.pk]), told).status_code == 302
    noted = AuditEntry.objects.get(what="roles changed")
    assert (noted.about, noted.detail) == ("new", {"before": [], "after": [M]})


def test_the_groups_are_given_back_what_the_table_says() -> None:
    roles.make()
    group = Group.objects.get(name=M)
    group.permissions.set(Permission.objects.filter(codename="change_programme"))
    own = Group.objects.create(name="our own")
    roles.make()
    held = {f"{one.content_type.app_label}.{one.codename}" for one in group.permissions.all()}
    assert held == roles.permissions_of(M)
    assert own.permissions.count() == 0
    assert Group.objects.count() == len(roles.ROLES) + 1


def test_the_operators_read_the_same_table() -> None:
    page = (Path(__file__).parents[2] / "docs" / "operators.md").read_text(encoding="utf-8")
    assert roles.written() in page
