"""The admin of targets, model versions and their figures; a customer's scores."""

from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.views.decorators.http import require_POST

from customers.admin import BaseAdmin, ReadOnlyAdmin
from customers.customer_page import CUSTOMER_PANELS
from customers.models import Customer
from customers.panels import Cell, Panel, column, link, moment, number, tag, when
from scoring import model_page, ranking, target_page, targets
from scoring.api import scores_of
from scoring.model_story import learner
from scoring.models import ModelVersion, Target


class TargetForm(forms.ModelForm):  # type: ignore[type-arg]
    """A target that speaks of what exists."""

    class Meta:
        model = Target
        fields = ("key", "label", "kind", "event", "horizon_days", "attribute", "equals", "is_active", "rescore_hours")
        labels = {"horizon_days": "Within days", "is_active": "Is scored", "equals": "Has the value"}
        help_texts = {
            "key": "Its name in rules, after “scores.”",
            "event": "An event's name, such as Order Completed.",
            "attribute": "An attribute's name, such as plan.",
        }

    def clean(self) -> dict[str, Any]:
        """Refuse a target that cannot be trained, at the fields that make it so."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        is_attribute = cleaned.get("kind") == Target.Kind.ATTRIBUTE
        needed = ("attribute", "equals") if is_attribute else ("event", "horizon_days")
        for name in needed:
            if not cleaned.get(name) and name not in self.errors:
                self.add_error(name, "This kind needs it.")
        if not self.errors:
            try:
                targets.check(Target(**{name: cleaned.get(name) for name in ("kind", *needed)}))
            except targets.TargetError as error:
                self.add_error(needed[0], str(error))
        return cleaned


@admin.register(Target)
class TargetAdmin(BaseAdmin):
    """What models predict, with the figures of the live one."""

    form = TargetForm
    list_display = ("label", "sentence_shown", "key", "is_active")
    next_step = "A target says what a model foresees: add one, then run manage.py train with its key."
    list_filter = ("kind", "is_active")
    search_fields = ("key", "label")
    fieldsets = (
        (None, {"fields": (("label", "key"), ("kind", "is_active"))}),
        ("An event, or none, within a time", {"fields": (("event", "horizon_days"),)}),
        ("An attribute has a value", {"fields": (("attribute", "equals"),)}),
        ("How often", {"fields": ("rescore_hours", "scored_shown")}),
    )
    readonly_fields = ("scored_shown",)
    change_form_outer_after_template = "admin/target_below.html"

    @admin.display(description="What it foresees", ordering="kind")
    def sentence_shown(self, target: Target) -> str:
        """Give what is foreseen in words."""
        return target_page.meaning(target)

    @admin.display(description="Last and next scored")
    def scored_shown(self, target: Target) -> str:
        """Give as of when everybody was last scored, and as of when at the earliest they are again."""
        run = ranking.published()
        last = run.scored_at.get(str(target.pk)) if run else None
        if last is None:
            return "Not yet; the next full cycle does."
        at = datetime.fromisoformat(last)
        if not target.rescore_hours:
            return f"As of {when(at)}; again by the next full cycle."
        return (
            f"As of {when(at)}; again by the first full cycle from {when(at + timedelta(hours=target.rescore_hours))}."
        )

    def lead(self, request: HttpRequest, item: Target) -> list[Panel]:
        """Give what is foreseen in words, and how the scores lie."""
        live = target_page.live_of(item)
        return [*(model_page.lead(live) if live else []), target_page.distribution(item)]

    def save_model(self, request: HttpRequest, obj: Target, form: forms.Form, change: bool) -> None:
        """Store it, noting when it was made."""
        obj.created_at = obj.created_at or timezone.now()
        super().save_model(request, obj, form, change)

    def get_urls(self) -> list[URLPattern]:
        """Give the addresses, with the one that says something about a field."""
        view = require_POST(self.admin_site.admin_view(self.field_view))
        return [path("<int:target_id>/field/", view, name="scoring_target_field"), *super().get_urls()]

    def field_view(self, request: HttpRequest, target_id: int) -> HttpResponse:
        """Vouch for a field, exclude it, or take either back; the page it was said on comes again."""
        target = get_object_or_404(Target, pk=target_id)
        if not self.has_change_permission(request, target):
            raise PermissionDenied
        try:
            messages.success(request, target_page.say(target, request.GET.get("do", ""), request.POST.get("field", "")))
        except ValueError as error:
            messages.error(request, str(error))
        return HttpResponseRedirect(reverse("admin:scoring_target_change", args=[target_id]))

    def panels(self, request: HttpRequest, item: Target) -> list[Panel]:
        """Give the live version's figures and charts, then all versions."""
        live = target_page.live_of(item)
        return [*(model_page.panels(live, request) if live else []), target_page.versions(item)]


@admin.register(ModelVersion)
class ModelVersionAdmin(ReadOnlyAdmin):
    """Fitted pipelines with their evaluation."""

    list_display = (
        "__str__",
        "state_shown",
        column("learner", "Learner", lambda name: learner(name)),
        column("customers", "Customers", number),
        column("positives", "Positives", number),
        "as_of",
        "reason",
    )
    next_step = "Nothing was trained yet. Make a target, then run manage.py train with its key."
    list_select_related = ("target",)
    list_filter = ("state", "target")
    search_fields = ("target__key", "learner")
    ordering = ("-created_at",)
    change_form_outer_after_template = "admin/target_below.html"
    fields = (("target", "number"), "reason", ("state", "validated"), ("as_of", "created_at"))

    @admin.display(description="State", ordering="state")
    def state_shown(self, version: ModelVersion) -> Cell:
        """Give the state in its colour."""
        return tag(version.get_state_display(), model_page.STATE_TAGS[version.state])

    def lead(self, request: HttpRequest, item: ModelVersion) -> list[Panel]:
        """Give the grade."""
        return model_page.lead(item)

    def panels(self, request: HttpRequest, item: ModelVersion) -> list[Panel]:
        """Give what it rests on."""
        return model_page.panels(item, request)


def customer_scores(customer: Customer) -> Panel:
    """Give a customer's published scores with bands."""
    targets = {target.key: target for target in Target.objects.all()}
    live = {version.target_id: version for version in ModelVersion.objects.filter(state=ModelVersion.State.LIVE)}
    rows = [
        (
            link(targets[s["target"]]),
            f"{s['value']:.3f}",
            tag(s["band"], target_page.band_kind(live.get(targets[s["target"]].pk), s["band"])) if s["band"] else "–",
            f"at or above {number(s['percentile'], 1)} % of all" if s["percentile"] is not None else "–",
            number(s["rank"]),
            moment(s["as_of"]),
        )
        for s in scores_of([customer.pk]).get(customer.pk, [])
    ]
    head = ("Target", "Score", "Band", "Among all", "Rank", "As of")
    return Panel("Scores", head=head, rows=rows, empty="Not scored yet. The next cycle scores with the live models.")


CUSTOMER_PANELS.append(customer_scores)
