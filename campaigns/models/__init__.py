"""What we do about it: campaigns, decisions, deliveries, offers, call tasks, and the cycle that drives them."""

from campaigns.models.calls import Agent, Call, CallTask
from campaigns.models.contents import Asset, MailDesign
from campaigns.models.cycles import Cycle, CycleTask, Schedule
from campaigns.models.decisions import (
    Decision,
    Delivery,
    DeliveryAttempt,
    OfferCode,
    TriggerBaseline,
    TriggerState,
    Way,
)
from campaigns.models.plans import Campaign, FrequencyCap, Offer, Outage, Programme, Slot, Throughput
from campaigns.models.touches import MailLink, Touch
from campaigns.models.webhooks import Gateway, Webhook, WebhookAttempt, WebhookMessage

__all__ = [
    "Agent",
    "Asset",
    "Call",
    "CallTask",
    "Campaign",
    "Cycle",
    "CycleTask",
    "Decision",
    "Delivery",
    "DeliveryAttempt",
    "FrequencyCap",
    "Gateway",
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
    "Way",
    "Webhook",
    "WebhookAttempt",
    "WebhookMessage",
]
