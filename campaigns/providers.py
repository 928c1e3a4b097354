"""What mail providers report: each in its own words and by its own proof, all told to feedback.receive in one.

django-anymail reads and proves the reports; here they are bounded, and hard bounces are told from soft ones, which
anymail does not do.
"""

import logging
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from anymail.exceptions import AnymailError, AnymailWebhookValidationFailure
from anymail.signals import AnymailTrackingEvent, EventType, RejectReason
from anymail.webhooks.amazon_ses import AmazonSESBaseWebhookView, AmazonSESTrackingWebhookView
from anymail.webhooks.brevo import BrevoTrackingWebhookView
from anymail.webhooks.mailgun import MailgunTrackingWebhookView
from anymail.webhooks.mailjet import MailjetTrackingWebhookView
from anymail.webhooks.postmark import PostmarkTrackingWebhookView
from anymail.webhooks.sendgrid import SendGridBaseWebhookView, SendGridTrackingWebhookView
from anymail.webhooks.sparkpost import SparkPostTrackingWebhookView
from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone

from campaigns import feedback
from campaigns.feedback import FeedbackRefused

MOST_BYTES = 2_500_000
DESCRIPTION_LENGTH = 300
# Openings and clicks are not among these: our own links tell of them, and people from machines.
KINDS = {
    EventType.DELIVERED: "delivered",
    EventType.BOUNCED: "bounced",
    EventType.COMPLAINED: "complained",
    EventType.UNSUBSCRIBED: "unsubscribed",
}
# What a provider refused to send, because of what happened earlier.
REJECTED = {
    RejectReason.SPAM: "complained",
    RejectReason.UNSUBSCRIBED: "unsubscribed",
    RejectReason.BOUNCED: "bounced",
    RejectReason.INVALID: "bounced",
}
UNREADABLE = (AnymailError, ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError)
log = logging.getLogger(__name__)


class _Told:
    """Takes reports in, in place of anymail's signals."""

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Answer 200 for what was understood, whether or not it was about a mail of ours."""
        if int(request.META.get("CONTENT_LENGTH") or 0) > MOST_BYTES:
            return _said(f"A report has at most {MOST_BYTES:,} bytes.", 413)
        view: Any = self
        if view.basic_auth and "Authorization" not in request.headers:
            answer = _said("The address of this webhook needs the name and password of WEBHOOK_SECRET.", 401)
            answer["WWW-Authenticate"] = 'Basic realm="feedback"'
            return answer
        try:
            view.run_validators(request)
            events = view.parse_events(request)
        except AnymailWebhookValidationFailure:
            return _said("This report is not from the provider.", 403)
        except UNREADABLE:
            return _said("This report cannot be read.", 400)
        received = timezone.now()
        for event in events:
            self._tell(event, received)
        return _said("Thank you.", 200)

    def _tell(self, event: AnymailTrackingEvent, received: datetime) -> None:
        try:
            payload = told(event, received, is_hard=self.is_hard(_mapping(event.esp_event)))
            if payload:
                feedback.receive("email", payload, received)
        except (FeedbackRefused, *UNREADABLE):
            log.exception("A report of a provider was left out")

    def is_hard(self, report: Mapping[str, Any]) -> bool:
        """Tell whether a bounce is for ever: nobody is behind the address."""
        raise NotImplementedError


def told(event: AnymailTrackingEvent, received: datetime, *, is_hard: bool) -> dict[str, object] | None:
    """Give an event of anymail as feedback.receive expects it; None for what says nothing about the address."""
    kind, hard = KINDS.get(event.event_type), is_hard
    if event.event_type == EventType.REJECTED:
        kind = REJECTED.get(event.reject_reason, "bounced")
        hard = event.reject_reason in (RejectReason.BOUNCED, RejectReason.INVALID)
    if kind is None:
        return None
    metadata = _mapping(event.metadata)
    return {
        "event_type": kind,
        "delivery": str(metadata.get("delivery") or ""),
        "message_id": str(event.message_id or ""),
        "timestamp": event.timestamp or received,
        "recipient": str(event.recipient or ""),
        "description": str(event.mta_response or event.description or "")[:DESCRIPTION_LENGTH],
        "bounce": "hard" if hard else "soft",
    }


class Postmark(_Told, PostmarkTrackingWebhookView):  # type: ignore[misc]
    """https://postmarkapp.com/developer/api/bounce-api#bounce-types"""

    def is_hard(self, report: Mapping[str, Any]) -> bool:
        """Tell by the type of the bounce."""
        return report.get("Type", report.get("SuppressionReason")) in ("HardBounce", "BadEmailAddress")


class SendGrid(_Told, SendGridTrackingWebhookView):  # type: ignore[misc]
    """https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/event: `blocked` may pass."""

    def __init__(self, **kwargs: Any) -> None:
        """Leave out the signature, which needs a package more; name and password prove the report."""
        super(SendGridBaseWebhookView, self).__init__(**kwargs)

    def is_hard(self, report: Mapping[str, Any]) -> bool:
        """Tell by the type, and by the status (RFC 3463) where there is one."""
        return report.get("type", "bounce") == "bounce" and not str(report.get("status", "")).startswith("4")


class Mailgun(_Told, MailgunTrackingWebhookView):  # type: ignore[misc]
    """https://documentation.mailgun.com/docs/mailgun/user-manual/events/events: `old` was tried for too long."""

    def is_hard(self, report: Mapping[str, Any]) -> bool:
        """Tell by the reason, and by the status: a full mailbox (RFC 3463, 5.2.2) may be emptied."""
        data = _mapping(report.get("event-data"))
        status = _mapping(data.get("delivery-status"))
        is_full = str(status.get("enhanced-code", "")).startswith(("5.2.", "4."))
        return data.get("severity") == "permanent" and data.get("reason") != "old" and not is_full


class Brevo(_Told, BrevoTrackingWebhookView):  # type: ignore[misc]
    """https://developers.brevo.com/docs/transactional-webhooks"""

    def is_hard(self, report: Mapping[str, Any]) -> bool:
        """Tell by the event."""
        return report.get("event") in ("hard_bounce", "invalid_email")


class Mailjet(_Told, MailjetTrackingWebhookView):  # type: ignore[misc]
    """https://dev.mailjet.com/email/guides/webhooks/"""

    def is_hard(self, report: Mapping[str, Any]) -> bool:
        """Tell by the mark of the report."""
        return report.get("hard_bounce") in (True, 1)


class SparkPost(_Told, SparkPostTrackingWebhookView):  # type: ignore[misc]
    """https://support.sparkpost.com/docs/deliverability/bounce-classification-codes"""

    def is_hard(self, report: Mapping[str, Any]) -> bool:
        """Tell by the class: an invalid recipient, no recipient, or one who left."""
        kinds = _mapping(report.get("msys"))
        classes = {str(_mapping(one).get("bounce_class")) for one in kinds.values()}
        return bool(classes & {"10", "30", "90"})


class AmazonSES(_Told, AmazonSESTrackingWebhookView):  # type: ignore[misc]
    """https://docs.aws.amazon.com/ses/latest/dg/event-publishing-retrieving-sns-contents.html"""

    def __init__(self, **kwargs: Any) -> None:
        """Leave out the client of Amazon's own: a subscription is confirmed by hand."""
        super(AmazonSESBaseWebhookView, self).__init__(**kwargs)

    def auto_confirm_sns_subscription(self, sns_message: Mapping[str, Any]) -> None:
        """Tell the operator where to confirm."""
        log.warning("Confirm the subscription of Amazon SNS by opening %s", sns_message.get("SubscribeURL"))

    def is_hard(self, report: Mapping[str, Any]) -> bool:
        """Tell by the type of the bounce."""
        return _mapping(report.get("bounce")).get("bounceType") == "Permanent"


VIEWS: dict[str, Any] = {
    "postmark": Postmark,
    "sendgrid": SendGrid,
    "mailgun": Mailgun,
    "brevo": Brevo,
    "mailjet": Mailjet,
    "sparkpost": SparkPost,
    "amazon-ses": AmazonSES,
}


def view(name: str) -> Any:
    """Give the view of a provider; raise Http404 for one whose reports could not be proved."""
    proof = "MAILGUN_WEBHOOK_SIGNING_KEY" if name == "mailgun" else "WEBHOOK_SECRET"
    if name not in VIEWS or not settings.ANYMAIL.get(proof):
        raise Http404(f"There is no webhook for {name}.")
    return VIEWS[name].as_view()


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _said(sentence: str, status: int) -> HttpResponse:
    return HttpResponse(f"{sentence}\n", status=status, content_type="text/plain; charset=utf-8")
