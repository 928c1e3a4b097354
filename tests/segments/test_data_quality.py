"""Data quality as people and programs see it: faults stand at the top, changes of what is in use are in the inbox."""

from datetime import date, timedelta

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.utils import timezone

from customers import keys, quality_days
from customers.models import Alert, Attribute, Customer, FieldQuality, Import, Quarantine, Source
from scoring.models import ModelVersion, Target
from segments import field_alerts
from segments.models import Segment
from tests.customers.histories import add_customers, tell
from tests.customers.test_quality_days import take

pytestmark = [pytest.mark.door, pytest.mark.django_db]
NOW = timezone.now()
DAY = timedelta(days=1)
PAGE = "/admin/customers/fieldquality/"
MANY = 120


@pytest.fixture
def staff(client: Client) -> Client:
    user = User.objects.create_user("steward", is_staff=True)
    names = ("view_fieldquality", "add_segment", "view_segment", "view_quarantine", "view_import", "view_target")
    user.user_permissions.set(Permission.objects.filter(codename__in=names))
    client.force_login(user)
    return client


@pytest.fixture
def world() -> None:
    count_people()


def count_people() -> None:
    """Count customers whose birthdays partly lie ahead, and of whom a third has no age and two an odd one."""
    Attribute.objects.create(name="age", label="Age", type="number")
    Attribute.objects.create(name="plan", label="Plan", type="text")
    people = add_customers(*(f"c{n}" for n in range(MANY)))
    for n, customer in enumerate(people):
        born = date(1980, 1, 1) + timedelta(days=n) if n % 10 else NOW.date() + 30 * DAY
        tell(customer, "birth_date", f'"{born.isoformat()}"', NOW - 20 * DAY)
        tell(customer, "plan", '"pro"' if n % 2 else '"basic"', NOW - 20 * DAY)
        if n % 3:
            tell(customer, "age", "9999" if n < 3 else f"{20 + n % 40}", NOW - 20 * DAY)
    take(NOW)
    quality_days.count(NOW)


def asking(name: str, field: str = "attributes.age") -> Segment:
    rule = {"version": 1, "rule": {"all": [{"field": field, "op": "has_value"}]}}
    return Segment.objects.create(key=name.lower(), name=name, rule=rule, created_at=NOW)


@pytest.mark.usefixtures("world")
def test_the_list_has_what_is_wrong_first_in_plain_sentences(staff: Client) -> None:
    asking("Adults")
    found = staff.get(PAGE).context["lines"]
    said = {one.row.field: [trouble.sentence for trouble in one.troubles] for one in found}
    assert said["birth_date"] == ["12 of 120 lie in the future."]
    assert said["attributes.age"][0].startswith("2 of 80 lie far outside of the rest: below ")
    assert said["attributes.plan"] == []
    assert [one.row.field for one in found[:2]] == ["attributes.age", "birth_date"]  # the age is in use
    assert {one.level for one in found[2:]} == {0}
    assert len(staff.get(PAGE, {"which": "used"}).context["lines"]) == 1
    assert "No field is like that" in staff.get(PAGE, {"q": "nothing"}).content.decode()


def test_before_the_first_count_the_page_says_what_to_do(staff: Client) -> None:
    assert "let a cycle run" in staff.get(PAGE).content.decode()
    assert staff.get(PAGE, {"field": "country"}).status_code == 404
    staff.logout()
    assert staff.get(PAGE).status_code == 302


@pytest.mark.usefixtures("world")
def test_the_page_of_a_field_shows_refused_examples_models_and_leads_to_customers(staff: Client) -> None:
    source = Source.objects.create(key="file", name="File", kind="import")
    file = Import.objects.create(kind="customers", file_name="odd.csv", sha256="0", started_at=NOW, source=source)
    Quarantine.objects.create(
        source=source, of_import=file, line=17, column="Age", reason="old is not a number", received_at=NOW
    )
    model("Churn")
    page = staff.get(PAGE, {"field": "attributes.age"}).content.decode()
    assert "old is not a number" in page
    assert f"/admin/customers/import/{file.pk}/change/" in page
    assert "no value is marked" in page
    row = FieldQuality.objects.get(field="attributes.age")
    for where, op in (("outside", ">"), ("empty", "no_value")):
        begun = staff.get("/admin/segments/segment/add/", {"quality": str(row.pk), "where": where})
        assert f'"op": "{op}"' in begun.context["adminform"].form.json_text()
    assert staff.get(f"{PAGE}{row.pk}/change/")["Location"].endswith("?field=attributes.age")


def model(label: str) -> None:
    """Make a live model that reads the age."""
    target = Target.objects.create(
        key=label.lower(), label=label, kind="event", event="x", horizon_days=30, created_at=NOW
    )
    fields = [{"field": "attributes.age", "label": "Age", "kind": "number", "missing": 40, "outliers": 2, "rare": 0}]
    done = "The number as it is; no value is marked; 2 far outside of the rest are pulled in to its edge (18 or 62)."
    report = {"preparation": {"rows": 120, "fields": [{**fields[0], "done": done}], "left_out": {}}, "guard": None}
    ModelVersion.objects.create(
        target=target,
        number=1,
        state="live",
        learner="tree",
        validated="over_time",
        as_of=NOW,
        created_at=NOW,
        seed=0,
        customers=120,
        positives=12,
        threshold=0.5,
        report=report,
    )


@pytest.mark.usefixtures("world")
def test_what_is_in_use_and_changed_is_in_the_inbox_once_and_settles_itself(staff: Client) -> None:
    later = NOW + 8 * DAY
    for customer in Customer.objects.values_list("pk", flat=True):
        tell(customer, "plan", '"gone"', NOW + DAY)
    take(later)
    field_alerts.watch(later)
    assert not Alert.objects.exists()  # nobody uses it
    asking("Pros", "attributes.plan")
    field_alerts.watch(later)
    field_alerts.watch(later + DAY / 24)
    alert = Alert.objects.get()
    assert alert.sentence.startswith("“Plan”: The values lie quite otherwise than those before")
    assert alert.sentence.endswith("Used by the segment “Pros”.")
    assert staff.get(alert.link).status_code == 200
    take(later + 9 * DAY)
    field_alerts.watch(later + 9 * DAY)
    assert Alert.objects.get().state == "done"


@pytest.mark.usefixtures("world")
def test_programs_read_it_with_a_scope_of_its_own(client: Client) -> None:
    asking("Adults")
    _, secret = keys.create("shop", ["quality:read"], NOW)
    held = {"Authorization": f"Bearer {secret}"}
    listed = client.get("/api/v1/quality/?kind=number", headers=held).json()["results"]
    assert [one["field"] for one in listed] == ["attributes.age"]
    assert (listed[0]["filled"], listed[0]["rows"], listed[0]["above"]) == (80, 120, 2)
    whole = client.get("/api/v1/quality/birth_date/", headers=held).json()
    assert whole["troubles"] == [{"level": "some", "key": "future", "sentence": "12 of 120 lie in the future."}]
    assert (len(whole["history"]), whole["drift"]) == (1, None)
    assert client.get("/api/v1/quality/attributes.age/", headers=held).json()["segments"] == ["adults"]
    assert client.get("/api/v1/quality/nothing/", headers=held).status_code == 404
    _, other = keys.create("other", ["segments:read"], NOW)
    assert client.get("/api/v1/quality/", headers={"Authorization": f"Bearer {other}"}).status_code == 403


@pytest.mark.usefixtures("world")
def test_programs_get_the_worst_first_in_pages_as_the_page_shows_them(client: Client, staff: Client) -> None:
    asking("Adults")
    _, secret = keys.create("shop", ["quality:read"], NOW)
    held = {"Authorization": f"Bearer {secret}"}
    shown = [one.row.field for one in staff.get(PAGE).context["lines"]]
    assert shown[:2] == ["attributes.age", "birth_date"]

    def listed(query: str) -> list[str]:
        at, found = f"/api/v1/quality/?limit=1{query}", []
        while at:
            page = client.get(at, headers=held).json()
            found += [one["field"] for one in page["results"]]
            at = page["next"]
        return found

    assert listed("") == listed("&sort=trouble") == shown
    assert listed("&sort=-trouble") == shown[::-1]
    assert listed("&sort=field") == sorted(shown)
    wrong = [one.row.field for one in staff.get(PAGE, {"which": "trouble"}).context["lines"]]
    assert listed("&which=trouble") == wrong
    assert len(wrong) < len(shown)
    assert listed("&which=used") == ["attributes.age"]
    assert listed("&words=BIRTH") == ["birth_date"]


@pytest.mark.usefixtures("world")
def test_a_page_goes_on_behind_its_last_field_after_everything_was_counted_anew(client: Client) -> None:
    _, secret = keys.create("shop", ["quality:read"], NOW)
    held = {"Authorization": f"Bearer {secret}"}
    first = client.get("/api/v1/quality/?limit=2&sort=field", headers=held).json()
    FieldQuality.objects.all().delete()
    quality_days.count(NOW)
    rest = client.get(first["next"].replace("limit=2", "limit=100"), headers=held).json()
    fields = [one["field"] for one in [*first["results"], *rest["results"]]]
    assert (fields, rest["next"]) == (sorted(FieldQuality.objects.values_list("field", flat=True)), None)


@pytest.mark.parametrize("query", ["sort=figures", "kind=blob", "which=best", "unknown=1", "limit=0"])
def test_only_the_orders_and_filters_that_the_schema_lists_are_taken(client: Client, query: str) -> None:
    _, secret = keys.create("shop", ["quality:read"], NOW)
    refused = client.get(f"/api/v1/quality/?{query}", headers={"Authorization": f"Bearer {secret}"})
    assert (refused.status_code, refused.json()["errors"][0]["path"]) == (400, query.partition("=")[0])
