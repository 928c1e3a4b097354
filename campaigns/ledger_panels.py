"""Blocks of the pages of decisions and deliveries: what a decision rests on, attempts, touches and headers."""

from django.db.models import Count, Q
from django.utils.html import format_html
from django.utils.safestring import SafeString

from campaigns import action_words, programme, slots, version_pages
from campaigns.campaign_page import state_tag
from campaigns.channels.email import feedback_id, message_id
from campaigns.models import Decision, Delivery
from customers.panels import LAST, Cell, Panel, link, moment, number, share

CAUSES = {
    "data": "what the customer did",
    "time": "time that passed",
    "import": "an import",
    "merge": "a merge of two customers",
    "rule": "an edited rule",
    "model": "a new model",
    "start": "the launch, which was asked to act on those who matched already",
    "widened": "a pilot that was widened, which was asked to act on those who matched already",
    "hand": "somebody, by hand",
}


def rests_on(item: Decision) -> Panel:
    """Give what a decision rests on."""
    facts: list[tuple[str, Cell]] = [
        ("Caused by", CAUSES.get(item.cause, item.cause)),
        ("Score", number(item.score, 3)),
        ("By", link(item.model_version) if item.model_version else "–"),
        ("Campaign", version_pages.linked(item.campaign, item.campaign_version)),
        ("Segment's rule", f"version {item.rule_version}" if item.rule_version else "–"),
        ("Crossing", f"number {item.round}"),
        ("Arm", f"{item.arm}, as {share(item.probability, 0)} are"),
        ("Variant", item.variant or "–"),
        ("Drawn", f"{item.draw:.4f} of 0 to 1"),
        ("Given up after", moment(item.expires_at)),
    ]
    if slot := slots.slot_of(item):
        facts.insert(1, ("In the run", link(slot, moment(slot.at))))
    return Panel("What it rests on", facts=facts)


def deliveries_of(item: Decision) -> Panel:
    """Give what was planned for a decision."""
    rows = [
        (
            link(d, d.get_action_display()),
            delivery_tag(d),
            moment(d.due_at),
            moment(d.ended_at),
            d.reason,
        )
        for d in item.deliveries.select_related("webhook_message").order_by("step")
    ]
    head = ("Delivery", "State", "Due", "Ended", "Reason")
    return Panel("Deliveries", head=head, rows=rows, empty="Nothing was planned for it.")


def delivery_tag(item: Delivery) -> SafeString:
    """Give how a delivery stands, in its colour."""
    said = action_words.state(item)
    return state_tag(action_words.colour(item), said[:1].upper() + said[1:])


def message_to(item: Delivery) -> list[Panel]:
    """Give how the message to another program stands that a delivery was turned into; nothing where it was not."""
    message = action_words.message_of(item)
    if message is None:
        return []
    last = message.tries.order_by("-number").first()
    answer = f"{last.status or 'none'}{f': {last.answer}' if last.answer else ''}" if last else "–"
    facts: list[tuple[str, Cell]] = [
        ("It is", delivery_tag(item)),
        ("To", link(message.webhook)),
        ("Message", link(message, message.public_id)),
        ("Tries", number(message.attempts)),
        ("Last answer", answer),
    ]
    if message.state == "planned":
        facts.append(("Next try", moment(message.due_at)))
    is_lost = message.state == "failed"
    warning = (
        "The program did not take it, and it was given up. It can be sent again on its own page." if is_lost else ""
    )
    return [Panel("Message to another program", facts=facts, warning=warning)]


def attempts(item: Delivery) -> Panel:
    """Give every call of the channel with its answer."""
    rows = [
        (
            number(t.number),
            moment(t.began_at),
            moment(t.ended_at),
            t.result or "–",
            t.receipt or "–",
            t.provider_id or "–",
        )
        for t in item.tries.order_by("number")
    ]
    head = ("Attempt", "Began", "Ended", "Result", "Receipt", "Called by the provider")
    return Panel("Attempts", head=head, rows=rows, empty="The channel was not called yet.")


def touches(item: Delivery) -> Panel:
    """Give when the mail was opened and followed, by people and by machines."""
    counted = item.touches.aggregate(
        people=Count("pk", filter=Q(is_machine=False)),
        machines=Count("pk", filter=Q(is_machine=True)),
        unknown=Count("pk", filter=Q(is_machine__isnull=True)),
    )
    rows = [
        (
            moment(t.at),
            t.get_kind_display(),
            "not judged yet" if t.is_machine is None else f"a machine: {t.why}" if t.is_machine else "a person",
            t.link.url if t.link else "–",
            t.tag or "–",
            t.agent or "–",
        )
        for t in item.touches.select_related("link").order_by("-at", "-pk")[:LAST]
    ]
    facts = [
        ("By people", number(counted["people"])),
        ("By machines", number(counted["machines"])),
        ("Not judged yet", number(counted["unknown"])),
    ]
    head = ("When", "What", "By", "Link", "Part of the mail", "Said it is")
    empty = "Nobody has opened it or followed a link of it, as far as can be seen."
    return Panel("At the customer's", facts=facts if rows else (), head=head, rows=rows, empty=empty)


def headers(item: Delivery) -> Panel:
    """Give the headers by which a mail is found in the logs of mail servers.

    They are put together again, not stored: all of them follow from the delivery, its campaign and the sender. A copy
    of each mail would be one more place with personal data to write and to erase.
    """
    told = [
        f"Message-ID: {message_id(item.public_id, programme.current().sender)}",
        f"Feedback-ID: {feedback_id(item)}",
        "List-Unsubscribe-Post: List-Unsubscribe=One-Click",
    ]
    note = (
        "By these it is found in the logs of mail servers. They are put together again, by today's sender; "
        "the link to unsubscribe is the customer's alone."
    )
    return Panel("Headers", note, drawing=format_html('<pre class="cusp-raw">{}</pre>', "\n".join(told)))
