"""What contacting somebody costs and wins, by the formula of scoring.money."""

from dataclasses import dataclass

from scoring.models import Target

LOSSES = ("lapse", "leave", "cancel", "unsubscribe")  # ready questions about what should not happen
KINDS_OF_LOSS = (Target.Kind.NO_EVENT, Target.Kind.ATTRIBUTE, Target.Kind.BECOMES)  # where no question tells


@dataclass(frozen=True)
class Terms:
    """What a contact costs and wins; `save_rate` is None where it is not known."""

    value: float
    contact_cost: float = 0.0
    offer_cost: float = 0.0
    save_rate: float | None = None
    is_loss: bool = True

    def won(self, save_rate: float) -> float:
        """Give what contacting one is expected to earn, the contact's cost aside, if it comes true without it."""
        return save_rate * (self.value - self.offer_cost) - (0.0 if self.is_loss else self.offer_cost)

    def expected(self, chance: float) -> float | None:
        """Give what contacting one of that chance is expected to earn; None where the share won is not known."""
        if self.save_rate is None:
            return None
        return chance * self.won(self.save_rate) - (1.0 - chance) * self.spent - self.contact_cost

    @property
    def spent(self) -> float:
        """Give what the offer costs on one of whom it does not come true without it."""
        return self.offer_cost if self.is_loss else 0.0


def terms_of(target: Target) -> Terms | None:
    """Give a target's terms; None where nobody said what one is worth."""
    if target.value is None:
        return None
    return Terms(
        target.value, target.contact_cost or 0.0, target.offer_cost or 0.0, target.save_rate, speaks_of_loss(target)
    )


def speaks_of_loss(target: Target) -> bool:
    """Tell whether a target foresees what should not happen."""
    return target.question in LOSSES if target.question else target.kind in KINDS_OF_LOSS


def break_even(terms: Terms) -> float | None:
    """Give the chance from which contacting pays; None where it never does, or where the share won is not known."""
    if terms.save_rate is None:
        return None
    slope = terms.won(terms.save_rate) + terms.spent
    cost = terms.contact_cost + terms.spent
    if slope <= 0 or cost > slope:
        return None
    return cost / slope
