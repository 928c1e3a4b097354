"""A segment's rule is posted as JSON; a fault is told with its place; nobody overwrites what another one saved."""

import json
import re
from datetime import timedelta
from typing import Any

import polars as pl
import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from campaigns.models import Campaign
from customers.models import Attribute, Customer, Identity
from segments import definition, membership, movement, pins
from segments.models import Segment
from tests.config import world
from tests.segments.test_preview import stored_snapshot

pytestmark = [pytest.mark.door, pytest.mark.django_db]
DAY = timedelta(days=1)
ADD = "admin:segments_segment_add"
EDIT = "admin:segments_segment_edit"
CHANGE = "admin:segments_segment_change"
GERMAN = {"field": "country", "op": "any_of", "value": ["DE"]}


@pytest.fixture
def boss(client: Client) -> Client:
    world.fill()
    client.force_login(User.objects.create_superuser("boss"))
    return client


def form(rule: object, **others: str) -> dict[str, str]:
    """Give what the browser posts for a rule."""
    text = rule if isinstance(rule, str) else json.dumps(rule)
    return {"name": "New", "key": "new", "description": "", "rule_json": text, "opened": "", **others}


def ask(client: Client, name: str, rule: object, *args: object, **others: str) -> Any:
    """Give what the builder is answered."""
    return client.post(
        reverse(f"admin:segments_segment_{name}", args=args), {"rule": json.dumps(rule), **others}
    ).json()


def test_a_rule_is_stored_as_it_was_posted(boss: Client) -> None:
    rule = {"any": [GERMAN, {"not": {"at_least": 1, "of": [{"event": "Order Completed", "count": {"=": 0}}]}}]}
    answer = boss.post(reverse(ADD), form({"version": 1, "rule": rule}))
    stored = Segment.objects.get(key="new")
    assert stored.rule == {"version": 1, "rule": rule}
    assert answer["Location"] == reverse(CHANGE, args=[stored.pk])


def test_a_rule_without_its_version_is_taken_too(boss: Client) -> None:
    boss.post(reverse(ADD), form(GERMAN))
    assert Segment.objects.get(key="new").rule == {"version": 1, "rule": GERMAN}


def test_the_key_follows_from_the_name(boss: Client) -> None:
    boss.post(reverse(ADD), form(GERMAN, name="German speakers", key=""))
    assert Segment.objects.filter(key="german-speakers").exists()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "add at least one condition"),
        ("{", "line 1"),
        ('{"field": "age"}', "no field named"),
        ("[1]", "expects"),
        ('{"all": [{"field": "scores.lapse", "op": ">=", "value": "much"}]}', "rule.all[0].value: expects a number"),
    ],
)
def test_what_is_no_rule_is_refused_with_its_place(boss: Client, text: str, said: str) -> None:
    page = boss.post(reverse(ADD), form(text)).content.decode()
    assert said in page.split('id="rule-json-error"')[1].split("</p>")[0]
    assert not Segment.objects.filter(key="new").exists()


def test_a_list_is_pasted_and_changed(boss: Client) -> None:
    for one in Customer.objects.all():
        Identity.objects.create(customer=one, kind=Identity.Kind.EXTERNAL, value=one.external_id, known_at=world.T)
    assert 'name="ids"' in boss.get(reverse(ADD), {"kind": "list"}).content.decode()
    pasted = {"name": "Friends", "key": "friends", "description": "", "kind": "list"}
    assert "Paste the ids" in boss.post(reverse(ADD), pasted).content.decode()
    page = boss.post(reverse(ADD), {**pasted, "ids": "c-0000\nc-0004, c-0000\nnobody"}, follow=True)
    friends = Segment.objects.get(key="friends")
    people = friends.memberships.order_by("customer_id").values_list("customer__external_id", flat=True)
    assert list(people) == ["c-0000", "c-0004"]
    assert "1 of 4 are of nobody: nobody." in page.content.decode()
    assert "Edit the list" in page.content.decode()
    change = {"name": "Friends", "description": "", "ids": "c-0004", "list_how": "remove", "opened": "1"}
    boss.post(reverse(EDIT, args=[friends.pk]), change)
    assert list(people.all()) == ["c-0000"]
    assert "Taken off" in section(page_of(boss, friends), "What was done to the list")


def test_a_duplicate_begins_with_the_rule_of_the_other(boss: Client) -> None:
    segment = Segment.objects.get()
    page = boss.get(reverse(ADD), {"from": segment.pk}).content.decode()
    assert f"Copy of {segment.name}" in page
    assert "&quot;Order Completed&quot;" in page.split('name="rule_json"')[1].split("</textarea>")[0]
    assert boss.get(reverse(ADD), {"from": "x"}).status_code == 200


def test_who_saved_meanwhile_is_not_overwritten_unless_that_is_said(boss: Client) -> None:
    segment = Segment.objects.get()
    opened = str(segment.edition)
    address = reverse(EDIT, args=[segment.pk])
    theirs = {"version": 1, "rule": {"field": "country", "op": "is", "value": "AT"}}
    boss.post(address, form(theirs, name="Theirs", opened=opened))
    page = boss.post(address, form(GERMAN, name="Mine", opened=opened)).content.decode()
    segment.refresh_from_db()
    assert (segment.name, segment.rule) == ("Theirs", theirs)
    assert "Theirs: Country is AT." in page
    assert 'value="Mine"' in page
    assert "&quot;DE&quot;" in page
    boss.post(address, form(GERMAN, name="Mine", opened=opened, over=str(segment.edition)))
    segment.refresh_from_db()
    assert (segment.name, segment.rule["rule"]) == ("Mine", GERMAN)
    assert [one.rule["rule"] for one in segment.versions.order_by("number")][1:] == [theirs["rule"], GERMAN]


def test_before_it_saves_the_builder_tells_who_would_enter_and_leave(boss: Client) -> None:
    stored_snapshot()
    segment = Segment.objects.get()
    segment.memberships.all().delete()
    for customer_id, bucket in ((1, 0), (2, 1)):
        segment.memberships.create(customer_id=customer_id, bucket=bucket, since=world.T, as_of=world.T)
    rule = {"field": "country", "op": "is", "value": "AT"}
    answer = ask(boss, "effect_on", rule, segment.pk, opened=str(segment.edition))
    assert (answer["entering"], answer["entering_examples"]) == (1, ["c"])
    assert (answer["leaving"], answer["leaving_examples"]) == (2, ["a", "b"])
    assert "saved_by" not in answer
    assert ask(boss, "effect_on", rule, segment.pk, opened="0")["saved_by"] == "Somebody else"
    assert ask(boss, "effect", rule)["entering_examples"] == ["c"]


def test_a_fault_is_answered_to_the_builder_with_its_path(boss: Client) -> None:
    rule = {"version": 1, "rule": {"all": [GERMAN, {"field": "nothing", "op": "is", "value": "x"}]}}
    for name in ("preview", "effect"):
        assert ask(boss, name, rule)["error"]["path"] == "rule.all[1]"


def test_a_rule_is_told_in_words_before_the_first_cycle(boss: Client) -> None:
    answer = ask(boss, "preview", GERMAN)
    assert answer["sentence"] == "country is DE"
    assert "no snapshot" in answer["problem"]


def test_the_builder_is_told_what_a_rule_may_ask(boss: Client) -> None:
    listed = boss.get(reverse("admin:segments_segment_catalogue")).json()
    assert {"name", "label", "group", "type", "operators"} <= listed["results"][0].keys()
    assert "count" in listed["measures"]
    assert {one["form"] for one in listed["operators"]["number"]} >= {"number", "number_range", "percent"}


def test_the_builder_answers_only_those_who_may_write_rules(boss: Client, client: Client) -> None:
    client.force_login(User.objects.create_user("new", is_staff=True))
    segment = Segment.objects.get()
    assert client.get(reverse("admin:segments_segment_catalogue")).status_code == 403
    for address in ("preview", "effect"):
        assert client.post(reverse(f"admin:segments_segment_{address}"), {"rule": "{}"}).status_code == 403
    assert client.get(reverse(EDIT, args=[segment.pk])).status_code == 403


def test_the_page_of_a_segment_shows_its_sentence_and_members_by_score(boss: Client) -> None:
    page = boss.get(reverse("admin:segments_segment_change", args=[Segment.objects.get().pk])).content.decode()
    assert "Country is DE or AT" in page
    assert page.index(">c-0000<") < page.index(">c-0001<") < page.index(">c-0002<")


def test_a_changed_rule_is_a_new_version(boss: Client) -> None:
    segment = Segment.objects.get()
    address = reverse("admin:segments_segment_change", args=[segment.pk])
    boss.post(address, form(GERMAN))
    segment.refresh_from_db()
    assert (segment.rule_version, segment.versions.count()) == (2, 2)


def test_a_segment_in_use_is_not_deleted(boss: Client) -> None:
    segment = Segment.objects.get()
    page = boss.post(reverse("admin:segments_segment_delete", args=[segment.pk]), {"post": "yes"}, follow=True)
    assert page.status_code == 200
    assert Segment.objects.filter(pk=segment.pk).exists()


def test_an_attribute_that_a_segment_asks_is_not_deleted(boss: Client) -> None:
    asked, other = (Attribute.objects.create(name=name, type=Attribute.Type.TEXT) for name in ("tier", "tie"))
    rule = {"version": 1, "rule": {"any": [{"field": "attributes.tier", "op": "has_value"}]}}
    Segment.objects.filter(pk=Segment.objects.get().pk).update(name="Gold", rule=rule)
    page = boss.post(reverse("admin:customers_attribute_delete", args=[asked.pk]), {"post": "yes"}, follow=True)
    assert "It is used by segment Gold." in page.content.decode()
    boss.post(reverse("admin:customers_attribute_delete", args=[other.pk]), {"post": "yes"})
    both = {"action": "delete_selected", "_selected_action": [asked.pk], "post": "yes"}
    boss.post(reverse("admin:customers_attribute_changelist"), both)
    assert set(Attribute.objects.filter(pk__in=[asked.pk, other.pk])) == {asked}


def test_a_segment_that_a_live_campaign_waits_for_is_not_deleted(boss: Client) -> None:
    segment = Segment.objects.get()
    Campaign.objects.filter(key="win-back").update(audience=None)
    Campaign.objects.filter(key="call-them").update(watched=segment)
    page = boss.post(reverse("admin:segments_segment_delete", args=[segment.pk]), {"post": "yes"}, follow=True)
    assert "It is used by campaign Call the best." in page.content.decode()
    assert Segment.objects.filter(pk=segment.pk).exists()


def test_a_segment_with_a_problem_says_so_on_its_page_and_in_the_list(boss: Client) -> None:
    segment = Segment.objects.get()
    Segment.objects.update(problem="rule.all[0]: no field named 'plan'")
    page = boss.get(reverse("admin:segments_segment_change", args=[segment.pk])).content.decode()
    assert "could not be brought up to date. rule.all[0]: no field named &#x27;plan&#x27;" in page
    assert "has a problem" in boss.get(reverse("admin:segments_segment_changelist")).content.decode()


def section(page: str, title: str) -> str:
    """Give one block of a page."""
    return page.split(f'aria-label="{title}"')[1].split("</section>")[0]


def page_of(client: Client, segment: Segment, **query: str) -> str:
    return client.get(reverse(CHANGE, args=[segment.pk]), query).content.decode()


def test_the_size_over_time_is_that_of_every_day(boss: Client) -> None:
    segment = Segment.objects.get()
    now = timezone.now()
    for days, size, entered, left in ((3, 3, 3, 0), (1, 5, 6, 1)):
        segment.sizes.create(as_of=now - days * DAY, size=size, entered=entered, left=left)
    told = section(page_of(boss, segment), "Size over time")
    rows = [re.findall(r"<td>(\d+)</td>", row) for row in told.split("<tr>")[2:]]
    assert rows == [["5", "3", "1"], ["3", "3", "0"]]
    assert "<svg" in told


def test_members_are_searched_and_put_in_order(boss: Client) -> None:
    segment = Segment.objects.get()
    assert re.findall(r">(c-\d+)<", section(page_of(boss, segment, order="-lapse"), "Members"))[0] == "c-0002"
    found = re.findall(r">(c-\d+)<", section(page_of(boss, segment, member="grace.1@example.test"), "Members"))
    assert found == ["c-0001"]
    assert re.findall(r">(c-\d+)<", section(page_of(boss, segment, member="c-0002"), "Members")) == ["c-0002"]
    assert "No member has this id" in page_of(boss, segment, member="c-0005", page="x", order="<b>")


def test_why_somebody_entered_is_told_as_far_as_it_is_known(boss: Client) -> None:
    segment = Segment.objects.get()
    last = Customer.objects.get(external_id="c-0005")
    segment.sizes.create(as_of=world.T, size=3, entered=3, left=0)
    by_data = segment.changes.create(customer=last, bucket=last.bucket, kind="left", as_of=world.T + DAY)
    boss.post(
        reverse("admin:segments_segment_pin", args=[segment.pk]),
        {"customer": "c-0005", "kind": "include", "reason": "A <b>friend</b>"},
    )
    told = section(page_of(boss, segment), "Entered and left lately")
    assert "Always in, set by hand: A &lt;b&gt;friend&lt;/b&gt;" in told
    assert "The segment was new" in told
    assert movement.DATA in told
    assert by_data.kind == "left"


def test_a_customer_set_by_hand_is_a_member_until_the_rule_decides_again(boss: Client) -> None:
    segment = Segment.objects.get()
    address = reverse("admin:segments_segment_pin", args=[segment.pk])
    boss.post(address, {"customer": "c-0005", "kind": "include"})
    assert segment.memberships.filter(customer__external_id="c-0005").exists()
    assert "c-0005" in section(page_of(boss, segment), "Set by hand")
    boss.post(reverse("admin:segments_segment_unpin", args=[segment.pk]), {"customer": "c-0005"})
    assert not segment.pins.exists()
    for wrong in ({"customer": "nobody", "kind": "include"}, {"customer": "c-0005", "kind": "perhaps"}):
        boss.post(address, wrong)
    assert not segment.pins.exists()


def test_a_browser_may_send_the_form_that_sets_a_customer_by_hand(boss: Client) -> None:
    segment = Segment.objects.get()
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(User.objects.get(username="boss"))
    form = section(page_of(browser, segment), "Set by hand")
    token = re.findall(r'name="csrfmiddlewaretoken" value="(\w+)"', form)[0]
    posted = {"customer": "c-0005", "kind": "include", "csrfmiddlewaretoken": token}
    browser.post(reverse("admin:segments_segment_pin", args=[segment.pk]), posted)
    assert segment.pins.get().customer.external_id == "c-0005"


def test_only_who_may_change_a_segment_sets_customers_by_hand(boss: Client, client: Client) -> None:
    person = User.objects.create_user("reader", is_staff=True)
    person.user_permissions.add(Permission.objects.get(codename="view_segment"))
    client.force_login(person)
    segment = Segment.objects.get()
    address = reverse("admin:segments_segment_pin", args=[segment.pk])
    assert client.post(address, {"customer": "c-0005", "kind": "include"}).status_code == 403
    assert "Let the rule decide" not in page_of(client, segment)
    assert "Edit the rule" not in page_of(client, segment)


def test_an_explanation_says_what_holds_and_what_was_seen(boss: Client) -> None:
    world.take_snapshot()
    segment = Segment.objects.get()
    address = reverse("admin:segments_segment_explain", args=[segment.pk])
    told = boss.get(address, {"customer": "c-0002"}).content.decode()
    assert "is not in it" in told
    assert re.search(r'cb-no">\s*<span class="cb-answer">no</span>\s*<span>country is DE or AT .*here: CH', told)
    assert "No customer has the id" in boss.get(address, {"customer": "<script>"}).content.decode()
    assert "<script>" not in boss.get(address, {"customer": "<script>"}).content.decode()


def test_members_leave_as_a_file_which_is_noted_and_only_for_those_who_may(boss: Client, client: Client) -> None:
    segment = Segment.objects.get()
    address = reverse("admin:segments_segment_export", args=[segment.pk])
    body = b"".join(boss.post(address)).decode()
    assert [line.split(",")[0] for line in body.split()[:2]] == ["external_id", "c-0000"]
    assert body.count("c-000") == 3
    noted = segment.exports.get()
    assert (noted.by, noted.rows) == ("boss", 3)
    assert boss.get(address).status_code == 405
    person = User.objects.create_user("reader", is_staff=True)
    person.user_permissions.add(Permission.objects.get(codename="view_segment"))
    client.force_login(person)
    assert client.post(address).status_code == 403


def test_an_earlier_version_opens_in_the_builder(boss: Client) -> None:
    segment = Segment.objects.get()
    boss.post(reverse(CHANGE, args=[segment.pk]), form(GERMAN))
    page = page_of(boss, segment)
    assert "?version=1" in section(page, "Versions of the rule")
    shown = boss.get(reverse(EDIT, args=[segment.pk]), {"version": "1"}).content.decode()
    assert "Order Completed" in shown.split('name="rule_json"')[1].split("</textarea>")[0]


def test_segments_are_compared_by_their_members(boss: Client) -> None:
    page = reverse("admin:segments_segment_overlap")
    assert "Choose 2 to 6 segments" in boss.get(page).content.decode()
    stored_snapshot()
    for key, rule in (("a", GERMAN), ("b", {"sample": 100, "salt": "x"})):
        boss.post(reverse(ADD), form(rule, name=f"Name of {key}", key=key))
    people = Customer.objects.all()
    frame = pl.DataFrame(
        {
            "customer_id": [one.pk for one in people],
            "bucket": [one.bucket for one in people],
            "seed": [one.seed for one in people],
            "external_id": [one.external_id for one in people],
            "country": [one.country for one in people],
        }
    )
    membership.refresh(frame, world.T)
    assert "were not counted yet" in boss.get(page, {"segment": ["a", "b"]}).content.decode()
    Segment.objects.update(as_of=world.T)
    told = section(boss.get(page, {"segment": ["a", "b"]}).content.decode(), "How they overlap")
    rows = re.findall(r"</span> ([^<]+)</td><td>(\d+) ", told)
    assert rows == [("only Name of b", "4"), ("Name of a, Name of b", "2")]
    assert "can be compared, not 1" in boss.get(page, {"segment": ["a"]}).content.decode()


def test_who_can_be_reached_is_asked_after_the_page_and_only_by_those_who_may_see_it(
    boss: Client, client: Client
) -> None:
    address = reverse("admin:segments_segment_reach", args=[Segment.objects.get().pk])
    assert (
        address in boss.get(reverse("admin:segments_segment_change", args=[Segment.objects.get().pk])).content.decode()
    )
    assert "no snapshot" in boss.get(address).json()["text"]
    client.force_login(User.objects.create_user("new", is_staff=True))
    assert client.get(address).status_code == 403


def test_who_can_be_reached_counts_the_members_of_a_list_and_those_set_by_hand(boss: Client) -> None:
    world.take_snapshot()
    friends = definition.save(Segment(key="friends", name="Friends", kind="list"), None, world.T)
    pins.put(friends, [Customer.objects.get(external_id="c-0005").pk], pins.Pinned("include", "", "boss", world.T))
    told = boss.get(reverse("admin:segments_segment_reach", args=[friends.pk])).json()["text"]
    assert ", of 1 (" in told


def test_a_segment_is_filed_in_a_folder_with_tags_and_found_by_them(boss: Client) -> None:
    boss.post(reverse(ADD), form(GERMAN, folder="Spring", tag_words="shoes, sale,shoes"))
    stored = Segment.objects.get(key="new")
    assert (stored.folder, stored.tags) == ("Spring", ["shoes", "sale"])
    assert 'value="shoes, sale"' in boss.get(reverse(EDIT, args=[stored.pk])).content.decode()
    found = boss.get(reverse("admin:segments_segment_changelist"), {"q": "shoes", "folder": "Spring"})
    assert [one.key for one in found.context["cl"].result_list] == ["new"]
    refused = boss.post(reverse(ADD), form(GERMAN, key="other", tag_words="x" * 41))
    assert "too long for a tag" in refused.content.decode()


def test_who_is_in_a_segment_now_is_kept_as_a_list(boss: Client) -> None:
    segment = Segment.objects.get(key="regulars")
    for _ in range(2):
        boss.post(reverse("admin:segments_segment_freeze", args=[segment.pk]))
    lists = Segment.objects.filter(kind="list").order_by("pk")
    assert [len({*one.memberships.values_list("customer")}) for one in lists] == [segment.memberships.count()] * 2
    assert segment.memberships.exists()
