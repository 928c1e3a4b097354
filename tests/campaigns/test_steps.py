"""A campaign's steps are parsed, or refused with the place and the reason."""

from typing import Any

import pytest

from campaigns import steps
from campaigns.brand import Brand
from campaigns.steps import CallStep, EmailStep, Known, OfferStep, StepError

EMAIL: dict[str, Any] = {"action": "email", "subject": "Hi {{ customer.first_name }}", "body": "Hello."}
OFFER = {"action": "offer", "offer": "ten", "subject": "For you", "body": "{{ offer.code }}"}
CALL = {"action": "call", "title": "Call {{ customer.name }}", "talking_points": "{{ reasons | join: ', ' }}"}
ACTIONS = "email, offer, call, sms, push, webhook, attribute, list, nothing"
MJML = "<mjml><mj-body><mj-section><mj-column><mj-text>{}</mj-text></mj-column></mj-section></mj-body></mjml>"


def refused(data: object, known: Known | None = None) -> str:
    with pytest.raises(StepError) as error:
        steps.parse(data, known)
    return str(error.value)


def test_the_three_forms_are_read() -> None:
    assert steps.parse([EMAIL]) == (EmailStep("Hi {{ customer.first_name }}", "Hello."),)
    assert steps.parse([OFFER]) == (OfferStep("For you", "{{ offer.code }}", offer="ten"),)
    assert steps.parse([CALL]) == (CallStep("Call {{ customer.name }}", "{{ reasons | join: ', ' }}"),)
    assert [steps.parse([one])[0].channel for one in (EMAIL, OFFER, CALL)] == ["email", "email", "phone"]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({}, "steps: expects a list, got dict"),
        ([], "steps: expects exactly one step, got 0"),
        ([EMAIL, CALL], "steps: expects exactly one step, got 2"),
        (["mail"], "steps[0]: expects an object, got str"),
        ([{**EMAIL, "action": "fax"}], f"steps[0].action: expects one of {ACTIONS}, got 'fax'"),
        ([{**EMAIL, "action": ["email"]}], f"steps[0].action: expects one of {ACTIONS}, got ['email']"),
        ([{**EMAIL, "boddy": "x"}], "steps[0].boddy: is not known here; expects subject, body"),
        ([{**EMAIL, "body": " "}], "steps[0].body: expects a text"),
        ([{"action": "email", "subject": "x"}], "steps[0].body: is missing"),
        ([{**EMAIL, "subject": 3}], "steps[0].subject: expects a text"),
        ([{**EMAIL, "subject": "a\r\nBcc: b@example.test"}], "steps[0].subject: must be one line"),
        ([{**EMAIL, "subject": "x" * 201}], "steps[0].subject: is longer than 200 characters"),
        (
            [{**EMAIL, "body": "Dear {{ customer.naem }}"}],
            "steps[0].body: the template uses an unknown name 'customer.naem'; did you mean customer.name?",
        ),
        (
            [{**EMAIL, "body": "{{ customer.name "}],
            "steps[0].body: the template cannot be read: expected '}}', found end of file",
        ),
        (
            [{**EMAIL, "body": "{{ customer.name | upcaze }}"}],
            "steps[0].body: the template uses an unknown filter 'upcaze'; did you mean upcase?",
        ),
        ([{**OFFER, "body": "No code."}], "steps[0].body: must show {{ offer.code }}"),
        (
            [{**EMAIL, "body": MJML.format("Hi")}],
            "steps[0].body: a mail written in MJML must show {{ unsubscribe_url }}",
        ),
    ],
)
def test_a_wrong_step_is_refused_with_its_place(data: Any, message: str) -> None:
    assert refused(data) == message


def test_offers_and_attributes_must_exist_where_they_are_known() -> None:
    known = Known(offers=frozenset({"ten"}), attributes=frozenset({"plan"}))
    assert steps.parse([OFFER], known)
    assert refused([{**OFFER, "offer": "tem"}], known) == "steps[0].offer: there is no offer 'tem'"
    assert "did you mean customer.attributes.plan?" in refused(
        [{**EMAIL, "body": "{{ customer.attributes.pln }}"}], known
    )


def test_a_call_may_name_an_offer_whose_code_the_agent_tells() -> None:
    known = Known(offers=frozenset({"ten"}), attributes=frozenset())
    told = {**CALL, "talking_points": "Tell her {{ offer.code }}."}
    assert steps.parse([{**told, "offer": "ten"}], known)[0].offer == "ten"  # type: ignore[union-attr]
    assert refused([{**told, "offer": "tem"}], known) == "steps[0].offer: there is no offer 'tem'"
    assert refused([{**told, "offer": 3}]) == "steps[0].offer: expects a text"
    assert refused([told]) == "steps[0].talking_points: speaks of an offer, and the step names none"


def test_names_that_may_be_missing_are_listed() -> None:
    assert steps.unguarded(steps.parse([EMAIL])[0]) == ["customer.first_name"]


CONTENT: dict[str, Any] = {"subject": "Hi", "blocks": [{"kind": "heading", "id": "title", "text": "Hello"}]}
WITH_CODE = {**CONTENT, "blocks": [*CONTENT["blocks"], {"kind": "code"}]}
MAILED = {"action": "email", "content": CONTENT}
OFFERED = {"action": "offer", "offer": "ten", "content": WITH_CODE}
FACTS: dict[str, Any] = {
    "customer": {"email": "ada@example.test", "attributes": {}},
    "company": "Our shop",
    "postal_address": "1 Example Street",
    "unsubscribe_url": "https://cusp.example/u/x/",
    "offer": {"code": "TEN-1"},
}


def test_mails_and_offers_are_also_read_as_blocks() -> None:
    email, offer = steps.parse([MAILED])[0], steps.parse([OFFERED])[0]
    assert isinstance(email, EmailStep)
    assert isinstance(offer, OfferStep)
    assert (email.subject, offer.subject, offer.offer) == ("Hi", "Hi", "ten")
    assert steps.parse([MAILED]) == (email,)
    assert "Hello" in email.mail(FACTS, "", Brand()).html
    assert "Your code: TEN-1" in offer.mail(FACTS, "", Brand()).text


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({**MAILED, "body": "x"}, "steps[0].body: is not known here; expects content"),
        ({**MAILED, "content": []}, "steps[0].content: expects an object, got list"),
        ({**MAILED, "content": WITH_CODE}, "steps[0].content.blocks[1].kind: a code needs an offer"),
        ({**OFFERED, "content": CONTENT}, "steps[0].content.blocks: must show {{ offer.code }}"),
        ({**OFFERED, "offer": ""}, "steps[0].offer: is missing"),
        (
            {
                **MAILED,
                "content": {"subject": "Hi", "blocks": [{"kind": "button", "label": "x", "url": "javascript:x"}]},
            },
            "steps[0].content.blocks[0].url: must begin with https://",
        ),
        ({**EMAIL, "body": "[Go](javascript:x)"}, "steps[0].body: the address 'javascript:x' must begin with https://"),
    ],
)
def test_a_wrong_mail_of_blocks_is_refused_with_its_place(data: Any, message: str) -> None:
    assert refused([data]).startswith(message)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (EMAIL, "steps[0].subject: not every customer has customer.first_name: say what stands there then, as"),
        (CALL, "steps[0].title: not every customer has customer.name"),
        (
            {
                **MAILED,
                "content": {**CONTENT, "languages": {"de": {"blocks": {"title": {"text": "{{ customer.city }}"}}}}},
            },
            "steps[0].content.languages.de.blocks.title.text: not every customer has customer.city",
        ),
        (
            {**MAILED, "content": {**CONTENT, "preheader": "{{ customer.attributes.plan | upcase }}"}},
            "steps[0].content.preheader: not every customer has customer.attributes.plan",
        ),
        (
            {**EMAIL, "subject": "Hi", "body": "[Go](https://www.example.com/new)"},
            "steps[0].body: leads to https://www.",
        ),
    ],
)
def test_what_some_customers_lack_needs_a_fallback_before_it_is_sent(data: Any, message: str) -> None:
    plan = steps.parse([data])
    with pytest.raises(StepError) as error:
        steps.check_ready(plan)
    assert str(error.value).startswith(message)


def test_what_is_there_for_everybody_or_has_a_fallback_is_ready() -> None:
    steps.check_ready(steps.parse([MAILED]))
    steps.check_ready(steps.parse([{**EMAIL, "subject": "{{ customer.first_name | default: 'You' }}, {{ company }}"}]))
    steps.check_ready(steps.parse([{**EMAIL, "subject": "{% if customer.city %}In {{ customer.city }}{% endif %}"}]))


def test_a_preview_names_what_this_customer_lacks() -> None:
    plan = steps.parse([{**EMAIL, "body": "{{ customer.email }} {{ customer.city }}"}])
    assert steps.lacking(plan[0], FACTS) == [("subject", "customer.first_name"), ("body", "customer.city")]
