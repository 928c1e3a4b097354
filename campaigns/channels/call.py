"""Call tasks: the channel that ends in our own agents' queue."""

from campaigns import render
from campaigns.calls import making
from campaigns.channels import Receipt, Result
from campaigns.gate import Passed
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
    if not isinstance(passed.step, CallStep):
        raise TypeError(f"{passed.step} is not a call")
    try:
        making.make(passed, passed.step)
    except render.TemplateRefused as error:
        return Receipt(Result.REFUSED, f"The call cannot be described: {error}.")
    return Receipt(Result.ACCEPTED, "In the queue.")
