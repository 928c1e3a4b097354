"""Call tasks: the channel that ends in our own agents' queue."""

from campaigns import render
from campaigns.channels import Receipt, Result, email
from campaigns.gate import Passed
from campaigns.models import CallTask
from campaigns.steps import CallStep


class Queue:
    """Our own queue, which always stands open."""

    def open(self) -> str:
        return ""

    def trouble(self) -> str:
        return ""

    def send(self, passed: Passed) -> Receipt:
        """Put one call into the queue."""
        return make(passed)


def make(passed: Passed) -> Receipt:
    """Put the call into the queue. Doing it again for the same delivery changes nothing."""
    step, decision = passed.step, passed.delivery.decision
    if not isinstance(step, CallStep):
        raise TypeError(f"{step} is not a call")
    reasons = [decision.reason]
    values = {"customer": passed.facts(), "company": passed.programme.company, "reasons": reasons}
    if passed.code:
        values["offer"] = email.offer_values(passed.code, passed.customer.language or "")
    try:
        title, talking_points = render.line(step.title, values), render.prose(step.talking_points, values)
    except render.TemplateRefused as error:
        return Receipt(Result.REFUSED, f"The call cannot be described: {error}.")
    CallTask.objects.get_or_create(
        delivery=passed.delivery,
        defaults={
            "customer": passed.customer,
            "campaign": decision.campaign,
            "title": title[:200],
            "talking_points": talking_points,
            "reasons": reasons,
            "expected_gain": decision.score,  # until an uplift is known, the likelier ones first
            "due_at": passed.delivery.began_at or decision.due_at,
        },
    )
    return Receipt(Result.ACCEPTED, "In the queue.")
