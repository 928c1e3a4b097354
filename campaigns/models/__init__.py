"""What we do about it: campaigns, decisions, deliveries, offers, call tasks, and the cycle that drives them."""

from campaigns.models.contents import Asset, MailDesign
from campaigns.models.cycles import Cycle, CycleTask, Schedule
from campaigns.models.decisions import (
    CallTask,
    Decision,
    Delivery,
    DeliveryAttempt,
    OfferCode,
    TriggerBaseline,
    TriggerState,
)
from campaigns.models.plans import Campaign, FrequencyCap, Offer, Outage, Programme, Slot, Throughput
from campaigns.models.touches import MailLink, Touch

__all__ = [
    "Asset",
    "CallTask",
    "Campaign",
    "Cycle",
    "CycleTask",
    "Decision",
    "Delivery",
    "DeliveryAttempt",
    "FrequencyCap",
    "MailDesign",
    "MailLink",
    "Offer",
    "OfferCode",
    "Outage",
    "Programme",
    "Schedule",
    "Slot",
    "Throughput",
    "Touch",
    "TriggerBaseline",
    "TriggerState",
]
