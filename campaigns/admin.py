"""The admin of campaigns: plans, decisions, deliveries, offers, and what turns the loop."""

from django.contrib import admin

from campaigns.calls.agent_page import AgentAdmin
from campaigns.calls.pages import CallTaskAdmin
from campaigns.campaign_admin import CampaignAdmin
from campaigns.cycle_pages import CycleAdmin, ScheduleAdmin
from campaigns.ledger_pages import DecisionAdmin, DeliveryAdmin
from campaigns.models import (
    Agent,
    CallTask,
    Campaign,
    Cycle,
    Decision,
    Delivery,
    Offer,
    OfferCode,
    Programme,
    Schedule,
    Slot,
    Webhook,
    WebhookMessage,
)
from campaigns.offers.pages import OfferAdmin, OfferCodeAdmin
from campaigns.programme_page import ProgrammeAdmin
from campaigns.slot_pages import SlotAdmin
from campaigns.topic_admin import TopicAdmin
from campaigns.webhooks.pages import WebhookAdmin, WebhookMessageAdmin
from customers.models import Topic

admin.site.register(Campaign, CampaignAdmin)
admin.site.register(Agent, AgentAdmin)
admin.site.register(CallTask, CallTaskAdmin)
admin.site.register(Cycle, CycleAdmin)
admin.site.register(Schedule, ScheduleAdmin)
admin.site.register(Decision, DecisionAdmin)
admin.site.register(Delivery, DeliveryAdmin)
admin.site.register(Offer, OfferAdmin)
admin.site.register(OfferCode, OfferCodeAdmin)
admin.site.register(Programme, ProgrammeAdmin)
admin.site.register(Slot, SlotAdmin)
admin.site.register(Topic, TopicAdmin)
admin.site.register(Webhook, WebhookAdmin)
admin.site.register(WebhookMessage, WebhookMessageAdmin)
