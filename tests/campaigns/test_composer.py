"""A marketer composes a mail: it is shown as a customer gets it, stored, and tried on colleagues."""

import json
from io import BytesIO
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.core import mail
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from PIL import Image

from campaigns import trial
from campaigns.models import Asset, Campaign, Delivery, FrequencyCap, MailDesign, Programme
from customers.models import AuditEntry, Customer
from tests.config import world

pytestmark = [pytest.mark.door, pytest.mark.once, pytest.mark.django_db]
CONTENT: dict[str, Any] = {
    "subject": "Hello {{ customer.first_name | default: 'there' }}",
    "preheader": "Something new",
    "blocks": [
        {"kind": "heading", "id": "h", "text": "New in {{ customer.city | default: 'your town' }}"},
        {"kind": "button", "id": "b", "label": "Look", "url": "https://shop.test/new"},
    ],
}


@pytest.fixture
def boss(client: Client) -> Client:
    client.force_login(User.objects.create_superuser("boss", email="boss@shop.test"))
    return client


def campaign(state: str = "draft") -> Campaign:
    trigger = {"kind": "segment", "segment": "regulars", "edge": "entered"}
    step = {"action": "email", "content": CONTENT}
    return Campaign.objects.create(
        key="news", name="News", state=state, trigger=trigger, steps=[step], created_at=world.T
    )


def ask(client: Client, page: str, of: Campaign, variant: str = "", **body: Any) -> Any:
    address = f"/admin/campaigns/campaign/{of.pk}/compose/{page}/{f'?variant={variant}' if variant else ''}"
    return client.post(address, json.dumps(body), "application/json")


def with_block(**block: Any) -> dict[str, Any]:
    return {**CONTENT, "blocks": [*CONTENT["blocks"], {"id": "x", **block}]}


def test_a_mail_is_shown_as_an_invented_and_as_a_real_customer_gets_it(boss: Client) -> None:
    world.fill(2)
    shown = ask(boss, "preview", campaign(), content=CONTENT).json()
    assert (shown["subject"], shown["problems"]) == ("Hello Ada", [])
    assert "New in your town" in shown["html"]
    assert "https://shop.test/new" in shown["text"]
    found = boss.get(f"/admin/campaigns/campaign/{Campaign.objects.get(key='news').pk}/compose/customer/?q=c-0001")
    grace = Customer.objects.get(external_id="c-0001")
    assert found.json()["customer"] == grace.public_id
    told = ask(boss, "preview", Campaign.objects.get(key="news"), content=CONTENT, customer=grace.public_id).json()
    assert told["subject"] == "Hello Grace"
    assert "New in Vienna" in told["html"]


def test_who_may_not_see_customers_sees_no_mail_of_one(client: Client) -> None:
    world.fill(1)
    writer = User.objects.create_user("writer", is_staff=True)
    for name in ("view_campaign", "change_campaign"):
        writer.user_permissions.add(Permission.objects.get(codename=name))
    client.force_login(writer)
    person, news = Customer.objects.get(), campaign()
    assert ask(client, "preview", news, content=CONTENT).status_code == 200
    assert ask(client, "preview", news, content=CONTENT, customer=person.public_id).status_code == 403
    assert client.get(f"/admin/campaigns/campaign/{news.pk}/compose/customer/?q=c-0000").status_code == 403
    writer.user_permissions.remove(Permission.objects.get(codename="change_campaign"))
    assert ask(client, "save", news, content=CONTENT).status_code == 403


@pytest.mark.parametrize(
    ("block", "said"),
    [
        ({"kind": "button", "label": "Look", "url": "javascript:alert(1)"}, "Where it leads must begin with"),
        ({"kind": "image", "alt": "A shoe"}, "The picture is missing: choose a picture."),
        ({"kind": "text", "text": "Hi {{ customer.frist_name }}"}, "unknown name 'customer.frist_name'"),
        ({"kind": "text", "text": "Hi {{ customer.first_name }}"}, "Not every customer has customer.first_name"),
        ({"kind": "code"}, "a code needs an offer"),
        ({"kind": "script", "text": "x"}, "expects one of"),
    ],
)
def test_a_fault_is_said_at_its_block_and_the_rest_is_still_shown(
    boss: Client, block: dict[str, str], said: str
) -> None:
    shown = ask(boss, "preview", campaign(), content=with_block(**block)).json()
    assert "Look" in shown["html"]
    assert [(one["block"], one["is_fault"]) for one in shown["problems"]] == [("x", True)]
    assert said.lower() in shown["problems"][0]["text"].lower()


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"blocks": 7},
        {"blocks": [7, None, []]},
        {"blocks": [{"kind": "columns", "columns": [[{"kind": "columns", "columns": []}], 3]}]},
        {"subject": 3, "blocks": [{"kind": "divider"}], "languages": {"DE": 1, "fr": {"blocks": {"q": {}}}}},
        {"subject": "a\nb", "preheader": {}, "language": "??", "blocks": [{"kind": "divider"}]},
    ],
)
def test_whatever_is_posted_is_answered_with_sentences(boss: Client, content: dict[str, Any]) -> None:
    answer = ask(boss, "preview", campaign(), content=content)
    assert answer.status_code == 200
    assert answer.json()["problems"]


def test_scripts_and_pixels_of_a_customer_do_not_reach_the_preview(boss: Client) -> None:
    world.fill(1)
    Customer.objects.update(first_name="<script>alert(1)</script>")
    person = Customer.objects.get()
    shown = ask(boss, "preview", campaign(), content=CONTENT, customer=person.public_id).json()
    assert "<script" not in shown["html"]


def test_what_somebody_else_stored_is_not_overwritten_unseen(boss: Client) -> None:
    news = campaign()
    told = json.loads(
        boss.get(f"/admin/campaigns/campaign/{news.pk}/compose/")
        .content.decode()
        .split('id="composer-told" type="application/json">')[1]
        .split("</script>")[0]
    )
    theirs, mine = {**CONTENT, "subject": "Theirs"}, {**CONTENT, "subject": "Mine"}
    saved = ask(boss, "save", news, content=theirs, edition=told["edition"])
    assert saved.status_code == 200
    assert ask(boss, "save", news, content=mine, edition=told["edition"]).status_code == 409
    news.refresh_from_db()
    assert news.steps[0]["content"]["subject"] == "Theirs"
    assert ask(boss, "save", news, content=mine, edition=saved.json()["edition"]).status_code == 200


def test_a_draft_may_be_unfinished_and_a_launched_campaign_may_not(boss: Client) -> None:
    world.fill(1)
    news = campaign("live")
    refused = ask(boss, "save", news, content=with_block(kind="button", label="Look"))
    assert refused.status_code == 400
    assert "Button 3: Where it leads is missing." in refused.json()["error"]
    news.refresh_from_db()
    assert news.steps[0]["content"] == CONTENT
    Campaign.objects.filter(pk=news.pk).update(state="draft")
    assert ask(boss, "save", news, content=with_block(kind="button", label="Look")).status_code == 200


def test_each_variant_has_a_mail_of_its_own(boss: Client) -> None:
    news = campaign()
    news.variants = [{"key": "short", "share": 0.5, "step": {"action": "email", "content": CONTENT}}]
    news.save()
    assert ask(boss, "save", news, "short", content={**CONTENT, "subject": "Short"}).status_code == 200
    news.refresh_from_db()
    assert news.variants[0]["step"]["content"]["subject"] == "Short"
    assert news.steps[0]["content"] == CONTENT
    assert ask(boss, "save", news, "long", content=CONTENT).status_code == 404


def test_a_test_goes_to_people_who_work_here_and_counts_nowhere(boss: Client) -> None:
    world.fill(2)
    delivered = Delivery.objects.count()
    customer = User.objects.create_user("shopper", email="shopper@else.test")
    ben = User.objects.create_user("ben", email="ben@shop.test", is_staff=True)
    news = campaign()
    assert ask(boss, "test", news, content=CONTENT, to=[customer.pk]).status_code == 400
    answer = ask(boss, "test", news, content=CONTENT, to=[ben.pk, customer.pk])
    assert answer.json() == {"said": "Sent to ben@shop.test."}
    assert [(one.subject, one.to) for one in mail.outbox] == [("[Test] Hello Ada", ["ben@shop.test"])]
    assert Delivery.objects.count() == delivered
    assert AuditEntry.objects.filter(what=trial.SENT, about="news").count() == 1
    Programme.objects.update(is_sending_stopped=True)
    assert "stopped" in ask(boss, "test", news, content=CONTENT, to=[ben.pk]).json()["error"]


def test_nobody_sends_tests_without_end(boss: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "MOST", 2)
    news, me = campaign(), User.objects.get()
    answers = [ask(boss, "test", news, content=CONTENT, to=[me.pk]).status_code for _ in range(3)]
    assert answers == [200, 200, 400]
    assert len(mail.outbox) == 2


def test_a_picture_is_uploaded_and_a_drawing_with_scripts_is_not(boss: Client) -> None:
    address = f"/admin/campaigns/campaign/{campaign().pk}/compose/pictures/"
    out = BytesIO()
    Image.new("RGB", (4, 2)).save(out, "PNG")
    made = boss.post(address, {"file": SimpleUploadedFile("shoe.png", out.getvalue())}).json()
    assert boss.get(address).json()["pictures"] == [{"id": made["id"], "name": "shoe.png"}]
    drawing = SimpleUploadedFile("shoe.png", b"<svg onload='alert(1)'/>", "image/png")
    assert "no picture" in boss.post(address, {"file": drawing}).json()["error"]
    assert Asset.objects.count() == 1


def test_a_mail_is_kept_as_a_design_to_start_from(boss: Client) -> None:
    news = campaign()
    assert ask(boss, "designs", news, name="Ours", content=CONTENT).status_code == 200
    assert ask(boss, "designs", news, name="Ours", content=CONTENT).status_code == 200
    assert ask(boss, "designs", news, name="", content=CONTENT).status_code == 400
    assert ask(boss, "designs", news, name="Faulty", content={"blocks": []}).status_code == 400
    listed = boss.get(f"/admin/campaigns/campaign/{news.pk}/compose/designs/").json()["designs"]
    ours = [one for one in listed if one["name"] == "Ours"]
    assert [one["key"] for one in ours] == ["ours", "ours-1"]
    assert "New in your town" in ours[0]["html"]
    assert ask(boss, "designs", news, remove="ours-1").status_code == 200
    ready = next(one["key"] for one in listed if one["is_ready_made"])
    assert ask(boss, "designs", news, remove=ready).status_code == 404
    assert MailDesign.objects.filter(key__startswith="ours").count() == 1


def test_the_programme_is_changed_with_its_caps_and_its_logo_and_noted(boss: Client) -> None:
    world.fill(1)
    out = BytesIO()
    Image.new("RGB", (40, 20)).save(out, "PNG")
    told = {
        **{"company": "Cusp & Co", "sender": "Cusp <hello@cusp.test>", "postal_address": "1 Lane", "colour": "#aa0033"},
        **{"background": "#ffffff", "holdout_share": "8", "cap_messages": "3", "cap_days": "7"},
        **{"quiet_from": "21:00", "quiet_until": "08:00", "alert_emails": "a@cusp.test, b@cusp.test"},
        **{"caps-TOTAL_FORMS": "1", "caps-INITIAL_FORMS": "0", "caps-0-messages": "1", "caps-0-days": "1"},
        **{"caps-0-channel": "email", "rates-TOTAL_FORMS": "0", "rates-INITIAL_FORMS": "0"},
        **{"calling_from": "08:00", "calling_until": "21:00"},
    }
    page = "/admin/campaigns/programme/1/change/"
    wrong = {**told, "sender": "nobody", "quiet_until": "", "logo_file": SimpleUploadedFile("l.svg", b"<svg/>")}
    said = boss.post(page, wrong).content.decode()
    for fault in ("holds no e-mail address", "a beginning and an end", "no picture that mails can show"):
        assert fault in said
    assert FrequencyCap.objects.count() == 0
    logo = SimpleUploadedFile("logo.png", out.getvalue())
    assert boss.post(page, {**told, "logo_file": logo}).status_code == 302
    stored = Programme.objects.get()
    assert (stored.holdout_share, stored.colour, stored.alert_emails) == (0.08, "#aa0033", "a@cusp.test, b@cusp.test")
    assert stored.logo is not None
    assert FrequencyCap.objects.get().channel == "email"
    assert "logo" in AuditEntry.objects.get(what="programme changed").detail["fields"]
    sample = boss.post("/admin/campaigns/programme/sample/", {**told, "colour": "#00aa33"}).json()["html"]
    assert "#00aa33" in sample.lower()
    assert Programme.objects.get().colour == "#aa0033"
