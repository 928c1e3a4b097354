"""The admin of campaigns: the list, the page of one, and what its buttons do."""

from collections.abc import Callable
from typing import Any, cast

from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.forms import ModelForm
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe
from unfold.views import ChangeList

from campaigns import (
    approval_page,
    asking,
    campaign_page,
    composer,
    composer_pages,
    experiment_page,
    launch,
    launch_check,
    launch_page,
    launch_start,
    ready_texts,
    reconcile_panel,
    report_page,
    slot_pages,
    trial_message,
    trigger_words,
    version_pages,
)
from campaigns.backtest import page as backtest_page
from campaigns.campaign_page import state_tag
from campaigns.forms import CampaignForm
from campaigns.models import Campaign
from customers.admin import BaseAdmin, Button
from customers.panels import Cell, Panel

LAUNCHES = "campaigns.launch_campaign"
ASKED = "Approval is asked for. Nothing is changed before it is put into force."


class CampaignList(ChangeList):  # type: ignore[misc]
    """A page of campaigns with their triggers in words; the names are read once."""

    def get_results(self, request: HttpRequest) -> None:
        """Read the page."""
        super().get_results(request)
        known = trigger_words.names()
        for campaign in self.result_list:
            campaign.trigger_words = trigger_words.told(campaign, known)


class CampaignAdmin(BaseAdmin):
    """Who, when, what, limits, and how it is measured; launched, paused and stopped by buttons."""

    form = CampaignForm
    list_display = ("name", "state_shown", "trigger_shown", "action_shown", "audience", "launched_at")
    next_step = "A campaign says who gets what, and when. A share is left alone, so that its effect can be measured."
    list_select_related = ("audience",)
    list_filter = ("state",)
    search_fields = ("name", "key")
    ordering = ("priority", "name")
    fieldsets = ((None, {"fields": CampaignForm.Meta.fields}),)

    @admin.display(description="State", ordering="state")
    def state_shown(self, campaign: Campaign) -> Cell:
        """Give the state in its colour."""
        return state_tag(campaign.state, campaign.get_state_display())

    @admin.display(description="When")
    def trigger_shown(self, campaign: Any) -> str:
        """Give the trigger in words."""
        return str(campaign.trigger_words)

    @admin.display(description="What")
    def action_shown(self, campaign: Campaign) -> str:
        """Give the action in words."""
        return campaign_page.action(campaign)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        """Give the list that reads all names at once."""
        return CampaignList

    def save_model(self, request: HttpRequest, obj: Campaign, form: CampaignForm, change: bool) -> None:
        """Store a draft, or change a plan through the one door of edits."""
        if change:
            stored = Campaign.objects.select_for_update(of=("self",)).get(pk=obj.pk)
            if launch.edition(stored) != form.edition:
                raise launch.LaunchError("Somebody changed this campaign at the same time: nothing is saved.")
            by: Any = request.user
            if "_ask" in request.POST and stored.state != Campaign.State.DRAFT:
                asking.ask(obj, by, timezone.now(), form.asked_changes())
            elif changes := form.changes():
                is_asked = bool(request.POST.get("while_sending"))
                launch.edit(obj, by, timezone.now(), while_sending=is_asked, **changes)
            return
        obj.created_at, obj.edited_by = timezone.now(), request.user.get_username()
        super().save_model(request, obj, form, change)

    def get_form(self, request: HttpRequest, obj: Campaign | None = None, change: bool = False, **kwargs: Any) -> Any:
        """Give the form of the plan to those who may change it; the page of the others has none."""
        form = CampaignForm if obj is None or self.has_change_permission(request, obj) else ModelForm
        return super().get_form(request, obj, change, **kwargs, form=form)

    def get_readonly_fields(self, request: HttpRequest, obj: Campaign | None = None) -> tuple[str, ...]:
        """Keep the key of a stored campaign."""
        return ("key",) if obj else ()

    def has_change_permission(self, request: HttpRequest, obj: Campaign | None = None) -> bool:
        """Refuse for what was stopped for good; what is live is changed only by those who may launch it."""
        may = super().has_change_permission(request, obj)
        if obj is None or not may:
            return bool(may)
        if obj.state == Campaign.State.LIVE:
            return bool(request.user.has_perm(LAUNCHES))
        return obj.state != Campaign.State.STOPPED

    def has_delete_permission(self, request: HttpRequest, obj: Campaign | None = None) -> bool:
        """Let drafts go; what ran stays, with its decisions."""
        return (obj is None or obj.state == Campaign.State.DRAFT) and super().has_delete_permission(request, obj)

    def buttons(self, request: HttpRequest, item: Campaign) -> list[Button]:
        """Offer what its state and the permissions allow: who may change it or launch it may pause and stop it."""
        by: Any = request.user
        asked = list(approval_page.buttons(item, by))
        if request.user.has_perm(LAUNCHES):
            return [*asked, *experiment_page.buttons(item), *launch_page.buttons(item)]
        may_end = request.user.has_perm("campaigns.change_campaign")
        return [*asked, *(one for one in launch_page.buttons(item) if may_end and one.name in launch_page.ENDS)]

    def do(self, request: HttpRequest, item: Campaign, name: str) -> str:
        """Launch, widen, pause, resume or stop."""
        by: Any = request.user
        if name in approval_page.NAMES:
            return approval_page.do(item, name, by, timezone.now(), request.POST.get("said", ""))
        if experiment_page.does(name):
            return experiment_page.do(item, name, by, timezone.now())
        return launch_page.do(item, name, by, timezone.now())

    def lead(self, request: HttpRequest, item: Campaign) -> list[Panel]:
        """Give the plan in words, what it earned, what it decided, and what it sends."""
        page, tries = campaign_page, trial_message.panels(request, item)
        coming = launch_start.what_next(item, timezone.now())
        asked = approval_page.panels(item)
        if item.state == Campaign.State.DRAFT:
            return [*asked, launch_page.plan(item), coming, backtest_page.way(item), page.step(item), *tries]
        books = reconcile_panel.panel(item, timezone.now())
        runs = slot_pages.last(item)
        return [
            *asked,
            launch_page.plan(item),
            coming,
            page.effect(item),
            *experiment_page.panels(item, timezone.now()),
            *runs,
            page.decisions(item),
            books,
            backtest_page.way(item),
            page.step(item),
            *tries,
        ]

    def get_urls(self) -> list[URLPattern]:
        """Give the addresses, with those of the form."""
        at = self.admin_site.admin_view
        own = [
            path("check/", at(require_POST(self.check_view)), name="campaigns_campaign_check"),
            *(
                path(
                    f"<int:campaign_id>/compose/{name}/",
                    at(self._composer(view)),
                    name=f"campaigns_campaign_composer_{name}",
                )
                for name, view in composer_pages.VIEWS.items()
            ),
            path("<int:object_id>/compose/", at(require_safe(self.compose_view)), name="campaigns_campaign_compose"),
            path("<int:campaign_id>/try/", at(require_POST(self.try_view)), name="campaigns_campaign_try"),
            *report_page.urls_of_campaign(self),
            *version_pages.urls(self),
            *backtest_page.urls(self),
            path("<int:campaign_id>/launch/", at(self.launch_view), name="campaigns_campaign_launch"),
        ]
        return [*own, *super().get_urls()]

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Begin with what a link asks for, named after it, looked after by who makes it."""
        told = super().get_changeform_initial_data(request)
        return {"owner": request.user.pk, "name": ready_texts.name_of(told), **told}

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Give the launch page, store what stands in it, or start it; where that is refused, nothing is stored."""
        if request.method == "POST" and "_start" in request.POST and not request.user.has_perm(LAUNCHES):
            raise PermissionDenied
        try:
            answer: HttpResponse = super().changeform_view(request, object_id, form_url, extra_context)
        except launch.LaunchError as refused:
            messages.error(request, launch_page.sentence(str(refused)))
            return HttpResponseRedirect(request.get_full_path())
        return answer

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Add who may start it, and the check where it was asked for by a press."""
        may_start = request.user.has_perm(LAUNCHES)
        context |= {"may_start": may_start, "launchers": "" if may_start else launch_start.launchers()}
        if request.method == "POST" and "_check" in request.POST:
            context["check"] = launch_check.of_form(context["adminform"].form, timezone.now())
        answer: HttpResponse = super().render_change_form(request, context, *args, **kwargs)
        return answer

    def launch_view(self, request: HttpRequest, campaign_id: int) -> HttpResponse:
        """Give the page on which a campaign is changed, checked and started."""
        campaign = get_object_or_404(Campaign, pk=campaign_id)
        may_start = request.user.has_perm(LAUNCHES) and self.has_view_permission(request, campaign)
        if campaign.state == Campaign.State.STOPPED and self.has_view_permission(request, campaign):
            messages.warning(request, f"{campaign.name} was stopped for good: its plan is not changed any more.")
            return HttpResponseRedirect(reverse("admin:campaigns_campaign_change", args=[campaign.pk]))
        if self.has_change_permission(request, campaign):
            extra = {"is_editing": True, "next_version": campaign.version + 1, "title": campaign.name}
            return self.changeform_view(request, str(campaign_id), "", extra)
        if not may_start or campaign.state != Campaign.State.DRAFT:
            raise PermissionDenied
        return self._start(request, campaign) if request.method == "POST" else self._read(request, campaign)

    def _read(self, request: HttpRequest, campaign: Campaign) -> HttpResponse:
        """Give the page to somebody who may launch a plan and not change it."""
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": campaign.name,
            "original": campaign,
            "check": launch_check.of_campaign(campaign, timezone.now()),
            "form": CampaignForm(instance=campaign),
            "may_start": True,
        }
        return render(request, "admin/campaign_launch.html", context)

    def _start(self, request: HttpRequest, campaign: Campaign) -> HttpResponse:
        """Launch a stored plan as it was read."""
        try:
            if request.POST.get("edition") != launch.edition(campaign):
                raise launch.LaunchError("Somebody changed this campaign after you opened it: it is not started.")
            by, now = cast(User, request.user), timezone.now()
            told = launch_start.asked(request.POST)
            is_asked = "_ask" in request.POST
            said = launch_start.ask(campaign, by, now) if is_asked else launch_start.start(campaign, told, by, now)
        except launch.LaunchError as refused:
            messages.error(request, launch_page.sentence(str(refused)))
            return HttpResponseRedirect(reverse("admin:campaigns_campaign_launch", args=[campaign.pk]))
        messages.success(request, said)
        return HttpResponseRedirect(reverse("admin:campaigns_campaign_change", args=[campaign.pk]))

    def check_view(self, request: HttpRequest) -> HttpResponse:
        """Give what is known of the plan that stands in the form: in words, its faults, and what is counted."""
        may_change = self.has_add_permission(request) or self.has_change_permission(request)
        if not (may_change or request.user.has_perm(LAUNCHES)):
            raise PermissionDenied
        stored = request.GET.get("of", "")
        campaign = get_object_or_404(Campaign, pk=int(stored)) if stored.isdecimal() else None
        found = launch_check.of_form(CampaignForm(request.POST, instance=campaign), timezone.now())
        return render(request, "admin/campaign_check.html", {"check": found, "original": campaign})

    def try_view(self, request: HttpRequest, campaign_id: int) -> HttpResponse:
        """Send a campaign's SMS or push message to one's own phone."""
        campaign, by = self._changeable(request, campaign_id), cast(User, request.user)
        try:
            messages.success(request, trial_message.send(campaign, request.POST.get("to", ""), by, timezone.now()))
        except trial_message.TrialError as error:
            messages.error(request, str(error))
        return HttpResponseRedirect(reverse("admin:campaigns_campaign_change", args=[campaign.pk]))

    def _changeable(self, request: HttpRequest, campaign_id: int) -> Campaign:
        campaign = get_object_or_404(Campaign, pk=campaign_id)
        if not self.has_change_permission(request, campaign):
            raise PermissionDenied
        return campaign

    def _composer(self, view: composer_pages.Answer) -> Callable[..., HttpResponse]:
        """Let a question of the composer be asked by those who may change the campaign."""

        def answered(request: HttpRequest, campaign_id: int) -> HttpResponse:
            campaign = self._changeable(request, campaign_id)
            try:
                return view(request, composer.place_of(campaign, request.GET.get("variant", "")))
            except composer.ComposerError as error:
                raise Http404(str(error)) from error

        return answered

    def compose_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Give the composer with a campaign's mail in it, or with that of a variant."""
        campaign = self._changeable(request, object_id)
        try:
            place = composer.place_of(campaign, request.GET.get("variant", ""))
        except composer.ComposerError as error:
            raise Http404(str(error)) from error
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": f"The mail of “{campaign}”",
            "campaign": campaign,
            "place": place,
            "told": composer_pages.told(request, place),
            "may_see_customers": request.user.has_perm("customers.view_customer"),
        }
        return render(request, "admin/composer.html", context)

    def response_add(self, request: HttpRequest, obj: Campaign, post_url_continue: str | None = None) -> HttpResponse:
        """Go on to its mail, or to its page."""
        return self._go_on(request, obj, f"“{obj.name}” is made. It does nothing until it is launched.")

    def response_change(self, request: HttpRequest, obj: Campaign) -> HttpResponse:
        """Go on to its mail, or to its page."""
        return self._go_on(request, obj, f"“{obj.name}” is saved.")

    def _go_on(self, request: HttpRequest, campaign: Campaign, said: str) -> HttpResponse:
        if "_start" in request.POST:
            by: Any = request.user
            also = launch_start.asked(request.POST)._replace(share=None)
            said = launch_start.start(campaign, also, by, timezone.now())
        if "_ask" in request.POST:
            asker: Any = request.user
            is_draft = campaign.state == Campaign.State.DRAFT
            said = launch_start.ask(campaign, asker, timezone.now()) if is_draft else ASKED
        messages.success(request, said)
        composes = "_compose" in request.POST and campaign_page.is_mail(campaign)
        page = "compose" if composes else "change"
        return HttpResponseRedirect(reverse(f"admin:campaigns_campaign_{page}", args=[campaign.pk]))
