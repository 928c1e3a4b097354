"""The page of agents: who works the queue, and how much each takes."""

from typing import Any

from django.contrib.auth.models import User
from django.forms import ModelForm
from django.http import HttpRequest
from django.utils import timezone

from campaigns.calls import roles
from campaigns.models import Agent
from customers import audit
from customers.admin import BaseAdmin, user_of


class AgentAdmin(BaseAdmin):
    """Who works the call queue. Whoever is added joins the group of agents, which may do nothing else."""

    list_display = ("user", "at_once", "calls_a_day")
    list_select_related = ("user",)
    fields = ("user", "at_once", "calls_a_day")
    next_step = "Add those who work the call queue: they may open it, and nothing else."

    def save_model(self, request: HttpRequest, obj: Any, form: "ModelForm[Agent]", change: bool) -> None:
        """Store the limits, and make the user an agent."""
        super().save_model(request, obj, form, change)
        if not change:
            user: User = obj.user
            roles.enrol(user)
            audit.note(timezone.now(), user_of(request), "agent added", str(user))
