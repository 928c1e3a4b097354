"""Call tasks: the channel that ends in our own agents' queue."""

from collections.abc import Callable, Iterator, Sequence

from campaigns import render
from campaigns.calls import making
from campaigns.channels import Receipt, Result, in_turn
from campaigns.gate import Passed
from campaigns.steps import CallStep


class Queue:
    """Our own queue, which always stands open."""

    def open(self) -> str:
        return ""

    def trouble(self) -> str:
        return ""

    def send_all(self, messages: Sequence[Passed], is_over: Callable[[], bool]) -> Iterator[Receipt]:
        """Hand messages over in turn and give the answers; what has none in the end was certainly not handed over."""
        return in_turn(self.send, messages, is_over)

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
