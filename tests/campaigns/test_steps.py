"""A campaign's steps are parsed, or refused with the place and the reason."""

from typing import Any

import pytest

from campaigns import steps
from campaigns.steps import CallStep, EmailStep, Known, OfferStep, StepError

EMAIL = {"action": "email", "subject": "Hi {{ customer.first_name }}", "body": "Hello."}
OFFER = {"action": "offer", "offer": "ten", "subject": "For you", "body": "{{ offer.code }}"}
CALL = {"action": "call", "title": "Call {{ customer.name }}", "talking_points": "{{ reasons | join: ', ' }}"}
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
        ([{**EMAIL, "action": "fax"}], "steps[0].action: expects one of email, offer, call, got 'fax'"),
        ([{**EMAIL, "action": ["email"]}], "steps[0].action: expects one of email, offer, call, got ['email']"),
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


def test_names_that_may_be_missing_are_listed() -> None:
    assert steps.unguarded(steps.parse([EMAIL])[0]) == ["customer.first_name"]
