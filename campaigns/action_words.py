"""What a step does, in words. Pure: of the stored JSON, which may still be unfinished."""

from collections.abc import Mapping
from typing import Any

from campaigns.models import Delivery, WebhookMessage

SHOWN = 60
UNWRITTEN = "still to be written"
MAILS = ("email", "offer")
MESSAGES = {
    "planned": "handed over, not taken yet",
    "claimed": "handed over, not taken yet",
    "taken": "taken",
    "failed": "given up",
}
Step = Mapping[str, Any]
DOES = {
    "email": "Send the e-mail {said}",
    "offer": "Send the offer {said}",
    "call": "Make the call task {said}",
    "sms": "Send the SMS {said}",
    "push": "Send the push message {said}",
    "webhook": "Tell the webhook {webhook}",
    "attribute": "Set {name} to {value}",
    "list": "Put on the list {list}",
    "unlist": "Take off the list {list}",
    "nothing": "Do nothing, and measure",
}
BEFALLS = {
    "email": "Ada gets the e-mail {said}",
    "offer": "Ada gets the offer {said}",
    "call": "Ada gets a call: the task {said}",
    "sms": "Ada gets the SMS {said}",
    "push": "Ada's devices get the message {said}",
    "webhook": "the webhook “{webhook}” is told of Ada",
    "attribute": "Ada's {name} is set to {value}",
    "list": "Ada comes on the list “{list}”",
    "unlist": "Ada goes off the list “{list}”",
    "nothing": "nothing is done, and what Ada does is measured all the same",
}


def headline(step: Step) -> str:
    """Give what a step says first: a subject, a title, the beginning of an SMS; nothing while it is to be written."""
    content = step.get("content")
    subject = content.get("subject") if isinstance(content, dict) else step.get("subject")
    return _short(subject or step.get("title") or step.get("text") or "")


def does(step: Step) -> str:
    """Give what a campaign does, as an order: "Set plan to gold"."""
    return DOES.get(_form(step), "Nothing yet").format(**_named(step, f"“{headline(step) or UNWRITTEN}”"))


def befalls(step: Step) -> str:
    """Give what happens to Ada, a customer; nothing while no action is chosen."""
    said = f"“{headline(step)}”" if headline(step) else f"that is {UNWRITTEN}"
    return BEFALLS.get(_form(step), "").format(**_named(step, said))


def _form(step: Step) -> str:
    action = str(step.get("action"))
    return "unlist" if action == "list" and step.get("does") == "remove" else action


def _named(step: Step, said: str) -> dict[str, str]:
    names = {name: str(step.get(name) or UNWRITTEN) for name in ("webhook", "name", "list")}
    return {"said": said, "value": value(step), **names}


def value(step: Step) -> str:
    """Give the value that an attribute is set to, as people write it."""
    found = step.get("value")
    if isinstance(found, bool):
        return "yes" if found else "no"
    if isinstance(found, int | float):
        return f"{found:g}"
    return _short(found) if isinstance(found, str) and found else UNWRITTEN


def is_contact(step: Step) -> bool:
    """Say whether the customer notices it."""
    return step.get("action") not in ("webhook", "attribute", "list", "nothing")


def state(delivery: Delivery) -> str:
    """Give how a delivery stands: what only changes data is done, not sent; a message to a program, as it stands."""
    message = message_of(delivery)
    if message is not None:
        return MESSAGES[message.state]
    if delivery.channel == "data":
        return {"sent": "done", "sending": "under way"}.get(delivery.state, delivery.get_state_display().lower())
    return delivery.get_state_display().lower()


def message_of(delivery: Delivery) -> WebhookMessage | None:
    """Give the message to another program that a delivery was turned into, if it was."""
    is_told = delivery.action == Delivery.Action.WEBHOOK and delivery.state == Delivery.State.SENT
    return getattr(delivery, "webhook_message", None) if is_told else None


def colour(delivery: Delivery) -> str:
    """Give the state by which a delivery is coloured: a message that was given up has failed."""
    message = message_of(delivery)
    if message is None or message.state == WebhookMessage.State.TAKEN:
        return delivery.state
    return "failed" if message.state == WebhookMessage.State.FAILED else "running"


def _short(text: object) -> str:
    line = " ".join(str(text).split())
    return line if len(line) <= SHOWN else f"{line[: SHOWN - 1].rstrip()}…"
