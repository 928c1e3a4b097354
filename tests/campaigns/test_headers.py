"""Raw mails, as a mail server gets them, hold what RFC 5322, 2369 and 8058 and the large receivers ask for."""

import re
from email import message_from_bytes, policy
from email.message import EmailMessage
from email.utils import parsedate_to_datetime
from typing import Any

import pytest

from campaigns import claims, gate
from campaigns.channels import mime
from campaigns.channels.email import compose
from campaigns.models import Programme
from tests.campaigns import people
from tests.campaigns.mailbox import planned_mails
from tests.campaigns.people import T0

pytestmark = [pytest.mark.door, pytest.mark.django_db]
ONCE = ("From", "To", "Subject", "Date", "Message-ID", "Reply-To", "MIME-Version", "List-Unsubscribe")
LONG = "Grüße an {{ customer.first_name }}: " + "alles neu für den Frühling, " * 6
STEP = {"action": "email", "subject": LONG[:190], "body": "Schöne Grüße.\n\n.A line that begins with a dot."}


def written(settings: Any, **rules: Any) -> tuple[bytes, EmailMessage, str]:
    """Give a mail as bytes, as read again, and the id of its delivery."""
    settings.PUBLIC_URL = "https://cusp.example"
    (delivery,) = planned_mails(1, steps=[STEP])
    Programme.objects.update(sender="Müllers Laden <laden@bücher.example>", **rules)
    (passed,) = gate.pass_(claims.take("email", "t", T0, 1), "t", T0).passed
    raw = mime.raw(compose(passed))
    return raw, message_from_bytes(raw, policy=policy.default), delivery.public_id


def test_a_raw_mail_passes_eighteen_checks(settings: Any) -> None:
    raw, mail, public_id = written(settings, reply_to="help@shop.example")
    head, _, body = raw.partition(b"\r\n\r\n")
    plain, html = mail.get_body(("plain",)), mail.get_body(("html",))
    assert plain is not None
    assert html is not None
    unsubscribe = mail["List-Unsubscribe"]
    checks = {
        "every header stands once": all(len(mail.get_all(name, [])) == 1 for name in ONCE),
        "headers are ASCII (RFC 5322, 2.2)": head.isascii(),
        "no line is longer than 998 characters (2.1.1)": max(map(len, raw.split(b"\r\n"))) <= 998,
        "lines end in CR LF alone (2.1)": not re.search(rb"(?<!\r)\n|\r(?!\n)", raw),
        "encoded words are folded at 76 (RFC 2047, 2)": all(
            len(part) <= 75 for part in re.findall(rb"=\?\S+\?=", head)
        ),
        "the sender has a name and an address": mail["From"].addresses[0].display_name == "Müllers Laden",
        "the sender's domain is in ASCII": b"<laden@xn--bcher-kva.example>" in head,
        "one recipient": [one.addr_spec for one in mail["To"].addresses] == ["c0@example.test"],
        "the subject survives": mail["Subject"].startswith("Grüße an First0: alles neu"),
        "the date can be read (3.3)": parsedate_to_datetime(mail["Date"]).year >= 2025,
        "the Message-ID is the delivery's (3.6.4)": re.fullmatch(rf"<{public_id}@\S+>", mail["Message-ID"]) is not None,
        "answers go where they should": mail["Reply-To"] == "help@shop.example",
        "one way out by https (RFC 2369, 8058)": re.fullmatch(r"<https://cusp\.example/u/\S+>", unsubscribe)
        is not None,
        "by one click (RFC 8058)": mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click",
        "complaints can be counted": re.fullmatch(r"[^:]+:[^:]+:[^:]+:\w{5,15}", mail["Feedback-ID"]) is not None,
        "plain comes before HTML (RFC 2046, 5.1.4)": [part.get_content_type() for part in mail.iter_parts()]
        == ["text/plain", "text/html"],
        "both parts are UTF-8 and whole": all("Schöne Grüße." in part.get_content() for part in (plain, html)),
        "both parts show the way out and the address": all(
            "1 Example Street" in part.get_content() and "https://cusp.example/u/" in part.get_content()
            for part in (plain, html)
        ),
    }
    assert len(checks) == 18
    assert [name for name, holds in checks.items() if not holds] == []
    assert body.rstrip().endswith(b"--")


def test_answers_go_to_the_sender_where_nothing_else_is_said(settings: Any) -> None:
    _, mail, _ = written(settings)
    assert mail["Reply-To"].addresses == mail["From"].addresses


def test_a_customer_cannot_add_a_header_by_her_address_or_name() -> None:
    (delivery,) = planned_mails(1, steps=[{**people.EMAIL_STEP, "subject": "Hi {{ customer.first_name }}"}])
    type(delivery.customer).objects.update(first_name="Eve\r\nBcc: all@example.test")
    (passed,) = gate.pass_(claims.take("email", "t", T0, 1), "t", T0).passed
    raw = mime.raw(compose(passed))
    assert message_from_bytes(raw, policy=policy.default)["Bcc"] is None
    message = compose(passed)
    message.to = ["eve@example.test\r\nBcc: all@example.test"]
    with pytest.raises(ValueError, match="more than one line"):
        mime.raw(message)
