"""Mails to start from: they are there, they can be sent, and a copy is one's own."""

import json
from typing import Any

import pytest

from campaigns import blocks, designs, letters, render
from campaigns.brand import Brand
from campaigns.models import MailDesign
from tests.campaigns.people import T0

READY = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(designs.READY.glob("*.json"))}
PRODUCTS = [{"id": "p 1", "name": "Mug", "price": "9 €"}]
NOBODY: dict[str, Any] = {
    "customer": {"email": "a@example.test", "attributes": {}},
    "company": "Our shop",
    "postal_address": "1 Example Street",
    "unsubscribe_url": "https://cusp.example/u/x/",
    "rating_url": "https://cusp.example/r/x/",
    "offer": {"code": "TEN-ABC", "value": "10 %", "valid_until": "1 May 2026"},
    "products_viewed": PRODUCTS,
    "products_bought": PRODUCTS,
}


def test_there_are_designs_for_the_usual_occasions() -> None:
    assert {"welcome", "win-back", "back-in-stock", "thanks", "newsletter", "birthday", "savings"} <= READY.keys()


@pytest.mark.parametrize("key", READY)
def test_a_design_can_be_sent_to_somebody_of_whom_nothing_is_known(key: str) -> None:
    content = blocks.parse(READY[key]["content"])
    for language in ("", *content.languages):
        mail = letters.mail(content, NOBODY, language, Brand())
        assert mail.subject
        for part in (mail.html, mail.text):
            assert "https://cusp.example/u/x/" in part
            assert "1 Example Street" in part
            assert "{{" not in part
    assert [name for _, text in blocks.texts(content) for name in render.unguarded(text)] == []
    assert blocks.lint(content) == []


@pytest.mark.door
@pytest.mark.django_db
def test_ready_designs_are_stored_once_and_what_a_marketer_made_is_left_alone() -> None:
    assert designs.ensure(T0) == len(READY)
    MailDesign.objects.filter(key="welcome").update(name="Old name")
    own = designs.duplicate(MailDesign.objects.get(key="thanks"), T0)
    MailDesign.objects.filter(pk=own.pk).update(name="Mine")
    assert designs.ensure(T0) == 1
    assert designs.ensure(T0) == 0
    assert MailDesign.objects.get(key="welcome").name == "Welcome"
    assert MailDesign.objects.get(pk=own.pk).name == "Mine"


@pytest.mark.door
@pytest.mark.django_db
def test_a_design_is_copied_any_number_of_times() -> None:
    designs.ensure(T0)
    design = MailDesign.objects.get(key="welcome")
    copies = [designs.duplicate(design, T0) for _ in range(3)]
    assert [one.key for one in copies] == ["welcome-copy", "welcome-copy2", "welcome-copy3"]
    assert copies[1].name == "Copy 2 of Welcome"
    assert not any(one.is_ready_made for one in copies)
    assert designs.content(copies[0]) == designs.content(design)
