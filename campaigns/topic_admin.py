"""The admin of topics: what campaigns are about, in the words that customers read."""

from collections.abc import Sequence
from typing import Any

from django.http import HttpRequest, HttpResponse

from customers import topics
from customers.admin import BaseAdmin
from customers.models import Topic


class TopicAdmin(BaseAdmin):
    """What customers may agree to hear about; a topic that a consent names stands here by itself."""

    list_display = ("name", "key", "is_offered", "position")
    next_step = "A topic stands here once somebody agreed to it, or add one: customers then see it on their page."
    search_fields = ("name", "key")
    ordering = ("position", "name")
    fields = (("name", "key"), "description", ("is_offered", "position"))

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Give the topics, with those that consents brought along."""
        topics.note_seen()
        answer: HttpResponse = super().changelist_view(request, extra_context)
        return answer

    def get_readonly_fields(self, request: HttpRequest, obj: Topic | None = None) -> Sequence[str]:
        """Keep the key of a topic: consents and campaigns name it."""
        return ("key",) if obj else ()

    def has_delete_permission(self, request: HttpRequest, obj: Topic | None = None) -> bool:
        """Refuse: a topic that is no longer offered says so."""
        return False
