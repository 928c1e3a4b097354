"""What happens to variants by itself: a winner is told or used from then on, and shares follow what does better."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import QuerySet
from django.urls import reverse

from campaigns import barrier, launch, sharing
from campaigns.contest import Contest, contest, drawn_shares
from campaigns.models import Campaign, VariantShares
from campaigns.steps import StepError
from customers import alerts
from customers.alerts import Cause
from customers.audit import Actor
from customers.models import Alert

PREFIX = "campaign.variants."
CHOSEN = "campaign.chosen."
BATCH = timedelta(days=1)
LEAD = timedelta(minutes=1)  # new shares are stored before the first pass that they hold for
State, Winner = Campaign.State, Campaign.Winner


class ChoiceError(ValueError):
    """A variant cannot be chosen, or a choice not be taken back; the sentence says why."""


def look(at: datetime) -> None:
    """Judge the variants of live campaigns: share out anew, tell or use a winner. Safe to do twice, and at once."""
    causes = [cause for campaign in _tried() for cause in _looked_at(campaign, at)]
    for cause in causes:
        alerts.raise_(cause, at)
    alerts.settle_others(PREFIX, [cause.key for cause in causes], at)


def choose(campaign: Campaign, variant: str, by: Actor, at: datetime) -> bool:
    """Give everybody one variant from now on, as a new version. False: the plan is no more as it was judged.

    The other variants stay in the plan: what is on its way to somebody is sent, and reports name them. What makes a
    customer due is the same as before, so nobody's edge is passed over in silence.
    """
    why = " ".join(contest(campaign, at).words)
    with transaction.atomic():
        ours = _held(campaign)
        if ours.version != campaign.version or ours.chosen_variant or ours.state not in (State.LIVE, State.PAUSED):
            return False
        launch.edit(ours, by, at, chosen_variant=variant)
        launch.note("variant chosen", ours, by, at, {"variant": variant, "why": why})
        alerts.settle_others(f"{PREFIX}{ours.key}.", [], at)
    campaign.refresh_from_db()
    return True


def take_back(campaign: Campaign, by: Actor, at: datetime) -> None:
    """Let the shares hold again. No winner is looked for until somebody asks for it, or it would be chosen again."""
    with transaction.atomic():
        ours = _held(campaign)
        if not ours.chosen_variant:
            raise ChoiceError("No variant is chosen; the shares hold.")
        variant = ours.chosen_variant
        launch.edit(ours, by, at, chosen_variant="", winner=Winner.OFF)
        launch.note("choice of a variant taken back", ours, by, at, {"variant": variant})
        alerts.settle(f"{CHOSEN}{ours.key}", at)
    campaign.refresh_from_db()


def winner_told(campaign: Campaign) -> str:
    """Give the variant that an open alert says does best; "" where none does."""
    prefix = f"{PREFIX}{campaign.key}.best."
    told = Alert.objects.filter(key__startswith=prefix).exclude(state=Alert.State.DONE).values_list("key", flat=True)
    return "" if campaign.chosen_variant else next((key.removeprefix(prefix) for key in told), "")


def _tried() -> "QuerySet[Campaign]":
    live = Campaign.objects.filter(state=State.LIVE, chosen_variant="").exclude(variants=[])
    return live.select_related("audience").order_by("pk")


def _looked_at(campaign: Campaign, at: datetime) -> Iterator[Cause]:
    """Share out anew where that is due, use a winner, and give what somebody should know."""
    is_adaptive = campaign.split == Campaign.Split.ADAPTIVE
    if campaign.winner == Winner.OFF and not is_adaptive:
        return
    try:
        found = contest(campaign, at)
    except StepError:  # campaigns.campaign_alerts tells of a plan that cannot be read
        return
    if is_adaptive and found.is_sound and any(arm.n for arm in found.plain.values()):
        share_out(campaign, found, at)
    if not found.is_sound:
        yield _cause(campaign, "unsound", f"“{campaign}”: {found.words[0]}")
    if campaign.winner == Winner.OFF or found.verdict is None:
        return
    if found.verdict.alike:
        yield _cause(campaign, "alike", f"“{campaign}”: {' '.join(found.words)} Choose one, or try something else.")
    elif (best := found.verdict.winner) and campaign.winner == Winner.SUGGEST:
        yield _cause(campaign, f"best.{best}", f"“{campaign}”: {' '.join(found.words)} Use it for everybody?")
    elif best:
        yield from _used(campaign, best, " ".join(found.words), at)


def _used(campaign: Campaign, best: str, words: str, at: datetime) -> Iterator[Cause]:
    """Use a winner and tell of it; give why that cannot be."""
    try:
        if choose(campaign, best, None, at):
            told = f"“{campaign}” gives everybody “{best}” from now on. {words} This can be taken back."
            alerts.raise_(_cause(campaign, "", told)._replace(key=f"{CHOSEN}{campaign.key}"), at)
    except launch.LaunchError as error:
        yield _cause(campaign, f"best.{best}", f"“{campaign}”: {words} It could not be used: {error}.")


def share_out(campaign: Campaign, found: Contest, at: datetime) -> VariantShares | None:
    """Store the shares of the next batch, which hold in a moment; None while the last ones are not a day old."""
    begins = at + LEAD
    with transaction.atomic():
        Campaign.objects.select_for_update(no_key=True).get(pk=campaign.pk)
        if sharing.learned(campaign).filter(at__gt=begins - BATCH).exists():
            return None
        known = {key: {"customers": arm.n, "total": arm.total} for key, arm in found.plain.items()}
        shares = drawn_shares(found, campaign, begins)
        return VariantShares.objects.create(campaign=campaign, at=begins, shares=shares, drawn_from=known)


def _held(campaign: Campaign) -> Campaign:
    """Give a campaign as it is, which nobody else changes until the commit; locked in the order of launch.change."""
    barrier.change(campaign)
    return Campaign.objects.select_for_update(no_key=True).get(pk=campaign.pk)


def _cause(campaign: Campaign, what: str, words: str) -> Cause:
    link = reverse("admin:campaigns_campaign_change", args=[campaign.pk])
    return Cause(f"{PREFIX}{campaign.key}.{what}", Alert.Kind.CAMPAIGN, words, link, campaign.owner_id)
