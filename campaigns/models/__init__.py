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
from campaigns.models.plans import (
    Approval,
    Backtest,
    Campaign,
    CampaignVersion,
    FrequencyCap,
    Offer,
    Outage,
    Programme,
    Slot,
    Throughput,
    VariantShares,
)
from campaigns.models.reports import ReportState, ReportSum, ReportTag
from campaigns.models.touches import MailLink, Touch
from campaigns.models.webhooks import Gateway, Webhook, WebhookAttempt, WebhookMessage

__all__ = [
    "Agent",
    "Approval",
    "Asset",
    "Backtest",
    "Call",
    "CallTask",
    "Campaign",
    "CampaignVersion",
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
    "ReportState",
    "ReportSum",
    "ReportTag",
    "Schedule",
    "Slot",
    "Throughput",
    "Touch",
    "TriggerBaseline",
    "TriggerState",
    "VariantShares",
    "Way",
    "Webhook",
    "WebhookAttempt",
    "WebhookMessage",
]
