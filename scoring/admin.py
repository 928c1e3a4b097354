"""The admin of targets, model versions and their figures; a customer's scores."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import get_object_or_404, render
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from customers.admin import BaseAdmin, Button, ReadOnlyAdmin
from customers.customer_page import CUSTOMER_PANELS
from customers.models import Customer
from customers.panels import Cell, Panel, column, lines, link, moment, number, tag
from scoring import model_page, removal, save_rate, target_page, training_page, training_queue, versions, why
from scoring.api import scores_of
from scoring.known_values import known_values
from scoring.model_story import learner
from scoring.models import ModelVersion, Score, ScoreRun, Target, TrainingRun
from scoring.target_form import OWN, NewTargetForm, TargetForm
from scoring.target_words import meaning


@admin.register(Target)
class TargetAdmin(BaseAdmin):
    """What models predict, with the figures of the live one."""

    form = TargetForm
    list_display = ("label", "sentence_shown", "quality_shown", "key", "is_active")
    next_step = "A prediction says who will buy, leave or spend. It takes four choices; training it takes minutes."
    list_filter = ("kind", "is_active")
    search_fields = ("key", "label")
    fieldsets = (
        (None, {"fields": (("label", "owner"), "is_active")}),
        ("What it is worth", {"fields": (("value", "save_rate"), ("contact_cost", "offer_cost"))}),
        ("How often", {"fields": (("retrain_days", "rescore_hours"),)}),
        ("What it may read", {"fields": ("excluded", "vouched")}),
    )
    add_fieldsets = ((None, {"fields": OWN}),)
    change_form_outer_before_template = "admin/target_above.html"
    change_form_outer_after_template = "admin/target_below.html"

    @admin.display(description="What it foresees", ordering="kind")
    def sentence_shown(self, target: Target) -> str:
        """Give what is foreseen in words."""
        return meaning(target)

    @admin.display(description="Quality")
    def quality_shown(self, target: Target) -> Cell:
        """Give the grade of the live version."""
        live = next((one for one in target.versions.all() if one.state == ModelVersion.State.LIVE), None)
        return model_page.short(live) if live else "no live model"

    def lead(self, request: HttpRequest, item: Target) -> list[Panel]:
        """Give what is foreseen in words, and how the scores lie."""
        live = target_page.live_of(item)
        return [
            *training_page.panels(item),
            *(model_page.lead(live) if live else []),
            target_page.distribution(item),
        ]

    def buttons(self, request: HttpRequest, item: Target) -> list[Button]:
        """Offer to train it, and what may be done with its versions."""
        found = []
        if self.has_change_permission(request, item):
            found = [*target_page.train_buttons(item), *target_page.rate_buttons(item)]
        if request.user.has_perm("scoring.change_modelversion"):
            found += target_page.buttons(item)
        return found

    def do(self, request: HttpRequest, item: Target, name: str) -> str:
        """Train it, take over what campaigns measured, or go back to the version before."""
        by: Any = request.user
        if name == "train":
            return training_page.begin(item, by, timezone.now())
        if name == "rate":
            return save_rate.take(item, by, timezone.now())
        back = versions.roll_back(item, by, timezone.now())
        return f"{back} is live again: the next full cycle scores everybody by it."

    def get_queryset(self, request: HttpRequest) -> QuerySet[Target]:
        """Give the targets with their versions and evaluations, read once a page."""
        found: QuerySet[Target] = super().get_queryset(request).prefetch_related("versions__evaluations")
        return found

    def get_form(self, request: HttpRequest, obj: Target | None = None, change: bool = False, **kwargs: Any) -> Any:
        """Give the form of four choices for a new target, and the settings of a stored one."""
        return super().get_form(request, obj, change, **kwargs, form=TargetForm if obj else NewTargetForm)

    def get_fieldsets(self, request: HttpRequest, obj: Target | None = None) -> Any:
        """Give the fields of a stored target; a new one's are drawn by its own template."""
        return self.fieldsets if obj else self.add_fieldsets

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Begin with what a link asks for, owned by who makes it."""
        return {**super().get_changeform_initial_data(request), "owner": request.user.pk}

    def get_urls(self) -> list[URLPattern]:
        """Give the addresses, with those that the form asks and the one that says something about a field."""
        at = self.admin_site.admin_view
        own = [
            path("count/", at(require_POST(self.count_view)), name="scoring_target_count"),
            path("values/", at(require_safe(self.values_view)), name="scoring_target_values"),
            path("training/<int:run_id>/", at(require_safe(self.training_view)), name="scoring_target_training"),
            path("<int:target_id>/field/", at(require_POST(self.field_view)), name="scoring_target_field"),
            path("<path:object_id>/edit/", at(self.edit_view), name="scoring_target_edit"),
        ]
        return [*own, *super().get_urls()]

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Give what a deletion takes along, in numbers, and what uses the target and so forbids it."""
        found = list(objs)
        counts = {
            "versions": ModelVersion.objects.filter(target__in=found).count(),
            "scores": Score.objects.filter(run__in=ScoreRun.objects.values("pk"), target__in=found).count(),
        }
        return (
            [f"The prediction {one}" for one in found],
            counts,
            set(),
            [u for one in found for u in removal.users(one)],
        )

    def delete_model(self, request: HttpRequest, obj: Target) -> None:
        """Delete it through the one door of removals."""
        removal.delete(obj)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Give the page of a target, with the address of a campaign that acts on its score."""
        target = self.get_object(request, object_id)
        live = target_page.live_of(target) if target else None
        extra = {"campaign": model_page.campaign_address(target, live)} if target and live else {}
        return super().change_view(request, object_id, form_url, {**extra, **(extra_context or {})})

    def edit_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Give the settings of a target."""
        answer: HttpResponse = self.changeform_view(request, object_id, "", {"is_editing": True})
        return answer

    def count_view(self, request: HttpRequest) -> HttpResponse:
        """Give what there is to learn from, for what stands in the form."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = self.get_form(request)(request.POST)
        return render(request, "admin/prediction_count.html", {"found": target_page.learnable(form, timezone.now())})

    def values_view(self, request: HttpRequest) -> HttpResponse:
        """Give the values that an attribute has, with how many customers had each."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        found = known_values(request.GET.get("attribute", ""))
        return JsonResponse({"values": [one._asdict() for one in found]})

    def training_view(self, request: HttpRequest, run_id: int) -> HttpResponse:
        """Give the bar of a training that waits or runs; nothing once it has ended."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        run = get_object_or_404(TrainingRun, pk=run_id)
        if run.state not in training_queue.OPEN:
            return HttpResponse(status=204)
        return HttpResponse(training_page.progress(run))

    def response_add(self, request: HttpRequest, obj: Target, post_url_continue: str | None = None) -> HttpResponse:
        """Go to the page of the new target, where its training is watched if one was asked for."""
        by: Any = request.user
        is_trained = "_train" in request.POST
        said = training_page.begin(obj, by, timezone.now()) if is_trained else f"“{obj.label}” is made."
        messages.success(request, said)
        return HttpResponseRedirect(reverse("admin:scoring_target_change", args=[obj.pk]))

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
        told = model_page.panels(live, request) if live else []
        return [*told, *target_page.won(item), target_page.all_versions(item)]


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
    fields = (("target", "number"),)

    @admin.display(description="State", ordering="state")
    def state_shown(self, version: ModelVersion) -> Cell:
        """Give the state in its colour."""
        return tag(version.get_state_display(), model_page.STATE_TAGS[version.state])

    def buttons(self, request: HttpRequest, item: ModelVersion) -> list[Button]:
        """Offer to let it go live, and to take it out of use."""
        return model_page.buttons(item) if request.user.has_perm("scoring.change_modelversion") else []

    def do(self, request: HttpRequest, item: ModelVersion, name: str) -> str:
        """Let it go live, or retire it."""
        by: Any = request.user
        said, now = request.POST.get("said", ""), timezone.now()
        if name == "promote":
            versions.promote(item, by, now, said)
            return f"{item} is live: the next full cycle scores everybody by it. No campaign fires because of it."
        versions.retire(item, by, now, said)
        return f"{item} is retired."

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
    told = why.of_customer(customer)
    rows = [
        (
            link(targets[s["target"]]),
            f"{s['value']:.3f}",
            tag(s["band"], target_page.band_kind(live.get(targets[s["target"]].pk), s["band"])) if s["band"] else "–",
            f"at or above {number(s['percentile'], 1)} % of all" if s["percentile"] is not None else "–",
            number(s["rank"]),
            moment(s["as_of"]),
            _reasons(told.get(s["target"])),
        )
        for s in scores_of([customer.pk]).get(customer.pk, [])
    ]
    head = ("Target", "Score", "Band", "Among all", "Rank", "As of", "Why")
    return Panel("Scores", head=head, rows=rows, empty="Not scored yet. The next cycle scores with the live models.")


def _reasons(told: why.Why | None) -> Cell:
    """Give what raises and what lowers a score, as a list."""
    if told is None:
        return "–"
    higher, lower = [f"Higher: {one}" for one in told.up], [f"Lower: {one}" for one in told.down]
    said = [*higher, *lower, *([told.note] if told.note else [])]
    return lines(said) if said else "–"


CUSTOMER_PANELS.append(customer_scores)
