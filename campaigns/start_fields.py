"""What is asked when a campaign is started: whom it begins with, and how many of them."""

from collections.abc import Mapping
from typing import Any

from django import forms

from campaigns.models import Campaign
from customers.panels import share

PILOT = 0.05
LATER, ALSO = "later", "also"
ALL, FEW, OWN = "all", "few", "own"
WHOM = ((LATER, "Only those who come to match from now on"), (ALSO, "Those who match already, too"))
HOW_MANY = ((ALL, "Everybody"), (FEW, f"{share(PILOT, 0)} of them first, as a pilot"), (OWN, "Another share"))


def whom() -> forms.ChoiceField:
    """Give the question about those who match already."""
    return forms.ChoiceField(choices=WHOM, required=False, initial=LATER, widget=forms.RadioSelect)


def how_many() -> forms.ChoiceField:
    """Give the question how many get it to begin with."""
    return forms.ChoiceField(choices=HOW_MANY, required=False, widget=forms.RadioSelect)


def how_many_of(campaign: Campaign) -> str:
    """Give the answer that a stored share was written from."""
    return {1.0: ALL, PILOT: FEW}.get(campaign.pilot_share, OWN)


def share_of(cleaned: Mapping[str, Any]) -> float | None:
    """Give the share that the answers say; None where they say nothing."""
    said: float | None = cleaned.get("pilot_share")
    return {ALL: 1.0, FEW: PILOT}.get(str(cleaned.get("how_many")), said)
