"""The REST addresses, and the one resource that joins all apps: a customer."""

from typing import Any

from django.urls import URLPattern, path, re_path
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from campaigns import api as campaigns
from campaigns import campaign_doors, ledger_doors, life_doors, sending_doors
from campaigns import version_doors as campaign_versions
from campaigns.backtest import doors as backtest_doors
from campaigns.calls import doors as call_doors
from campaigns.dry_run import doors as dry_run_doors
from campaigns.offers import doors as offer_doors
from campaigns.webhooks import doors as webhook_doors
from customers import (
    batch_doors,
    consent_doors,
    customer_doors,
    device_doors,
    import_doors,
    source_doors,
    suppression_doors,
)
from customers.api import Door, FactsSerializer, customer_of
from customers.feeds import doors as feed_doors
from customers.keys import Scope
from customers.problems import NowhereView, refusals
from scoring import api as scoring
from scoring import model_doors, score_doors, target_doors, training_doors
from segments import api as segments
from segments import field_doors, hand_doors, member_doors, quality_doors, version_doors


class CustomerSerializer(FactsSerializer):
    """One customer: what was told, what we think, where they belong."""

    scores = scoring.ScoreSerializer(many=True)
    segments = segments.BelongsSerializer(many=True)


class CustomerView(Door):
    """`customers/{external_id}/`."""

    required_scope = Scope.CUSTOMERS_READ

    @extend_schema(operation_id="customers_retrieve", responses={200: CustomerSerializer, **refusals(400, 404)})
    def get(self, request: Request, external_id: str) -> Response:
        """Give one customer with consents, scores and segments."""
        customer: Any = customer_of(external_id)
        facts = FactsSerializer(customer).data
        joined = {
            "scores": scoring.ScoreSerializer(scoring.scores_of([customer.pk]).get(customer.pk, []), many=True).data,
            "segments": segments.BelongsSerializer(segments.segments_of(customer.pk), many=True).data,
        }
        return Response({**facts, **joined})


urlpatterns: list[URLPattern] = [
    path("events/", batch_doors.EventsView.as_view(), name="events"),
    path("customers/", batch_doors.CustomersView.as_view(), name="customers"),
    path("customers/<str:external_id>/", CustomerView.as_view(), name="customer"),
    path("customers/<str:external_id>/events/", customer_doors.CustomerEventsView.as_view(), name="customer-events"),
    path("customers/<str:external_id>/erase/", customer_doors.EraseView.as_view(), name="customer-erase"),
    path("customers/<str:external_id>/scores/", score_doors.ScoresView.as_view(), name="customer-scores"),
    path(
        "customers/<str:external_id>/decisions/",
        ledger_doors.CustomerDecisionsView.as_view(),
        name="customer-decisions",
    ),
    path("customers/<str:external_id>/explain/", ledger_doors.CustomerExplainView.as_view(), name="customer-explain"),
    path("customers/<str:external_id>/consents/", consent_doors.ConsentsView.as_view(), name="customer-consents"),
    path("customers/<str:external_id>/devices/", device_doors.DevicesView.as_view(), name="customer-devices"),
    path(
        "customers/<str:external_id>/devices/<path:token>/", device_doors.DeviceView.as_view(), name="customer-device"
    ),
    path("feeds/", feed_doors.FeedsView.as_view(), name="feeds"),
    path("feeds/<str:public_id>/", feed_doors.FeedView.as_view(), name="feed"),
    path("feeds/<str:public_id>/run/", feed_doors.RunView.as_view(), name="feed-run"),
    path("imports/", import_doors.ImportsView.as_view(), name="imports"),
    path("imports/<str:public_id>/", import_doors.ImportView.as_view(), name="import"),
    path("sources/", source_doors.SourcesView.as_view(), name="sources"),
    path("sources/<str:key>/", source_doors.SourceView.as_view(), name="source"),
    path("suppressions/", suppression_doors.SuppressionsView.as_view(), name="suppressions"),
    path("suppressions/do-not-call/", call_doors.DoNotCallView.as_view(), name="do-not-call"),
    path("suppressions/<str:suppression>/", suppression_doors.SuppressionView.as_view(), name="suppression"),
    path("models/", model_doors.VersionsView.as_view(), name="models"),
    path("models/<str:target>/trainings/", training_doors.TrainingsView.as_view(), name="model-trainings"),
    path("models/<str:target>/roll-back/", model_doors.RollBackView.as_view(), name="model-roll-back"),
    path("models/<str:target>/<int:number>/", model_doors.VersionView.as_view(), name="model"),
    path(
        "models/<str:target>/<int:number>/evaluations/", model_doors.EvaluationsView.as_view(), name="model-evaluations"
    ),
    path("models/<str:target>/<int:number>/backtests/", model_doors.BacktestsView.as_view(), name="model-backtests"),
    path("models/<str:target>/<int:number>/promote/", model_doors.PromoteView.as_view(), name="model-promote"),
    path("models/<str:target>/<int:number>/retire/", model_doors.RetireView.as_view(), name="model-retire"),
    path("targets/", target_doors.TargetsView.as_view(), name="targets"),
    path("targets/questions/", target_doors.QuestionsView.as_view(), name="target-questions"),
    path("targets/count/", target_doors.CountView.as_view(), name="target-count"),
    path("targets/<str:key>/", target_doors.TargetView.as_view(), name="target"),
    path("quality/", quality_doors.FieldsQualityView.as_view(), name="quality"),
    path("quality/<path:field>/", quality_doors.FieldQualityView.as_view(), name="quality-field"),
    path("fields/", field_doors.FieldsView.as_view(), name="fields"),
    path("segments/", segments.SegmentsView.as_view(), name="segments"),
    path("segments/preview/", segments.PreviewView.as_view(), name="segment-preview"),
    path("segments/overlap/", version_doors.OverlapView.as_view(), name="segment-overlap"),
    path("segments/<str:public_id>/", segments.SegmentView.as_view(), name="segment"),
    path("segments/<str:public_id>/members/", member_doors.MembersView.as_view(), name="segment-members"),
    path("segments/<str:public_id>/members/<str:external_id>/", member_doors.IsInView.as_view(), name="segment-is-in"),
    path("segments/<str:public_id>/members.parquet", member_doors.ParquetView.as_view(), name="segment-parquet"),
    path("segments/<str:public_id>/members.csv", member_doors.CsvView.as_view(), name="segment-csv"),
    path("segments/<str:public_id>/members.ndjson", member_doors.NdjsonView.as_view(), name="segment-ndjson"),
    path("segments/<str:public_id>/changes/", member_doors.ChangesView.as_view(), name="segment-changes"),
    path("segments/<str:public_id>/explain/", member_doors.ExplainView.as_view(), name="segment-explain"),
    path("segments/<str:public_id>/pins/", hand_doors.PinsView.as_view(), name="segment-pins"),
    path("segments/<str:public_id>/list/", hand_doors.ListView.as_view(), name="segment-list"),
    path(
        "segments/<str:public_id>/list/<str:change>/refused/",
        hand_doors.RefusedView.as_view(),
        name="segment-list-refused",
    ),
    path("segments/<str:public_id>/versions/", version_doors.VersionsView.as_view(), name="segment-versions"),
    path(
        "segments/<str:public_id>/versions/<int:number>/restore/",
        version_doors.RestoreView.as_view(),
        name="segment-restore",
    ),
    path("segments/<str:public_id>/sizes/", version_doors.SizesView.as_view(), name="segment-sizes"),
    path("segments/<str:public_id>/duplicate/", version_doors.DuplicateView.as_view(), name="segment-duplicate"),
    path("segments/<str:public_id>/freeze/", version_doors.FreezeView.as_view(), name="segment-freeze"),
    path("offers/", offer_doors.OffersView.as_view(), name="offers"),
    path("offers/<str:key>/", offer_doors.OfferView.as_view(), name="offer"),
    path("offers/<str:key>/codes/", offer_doors.CodesView.as_view(), name="offer-codes"),
    path("offers/<str:key>/redeem/", offer_doors.RedeemView.as_view(), name="offer-redeem"),
    path("offers/<str:key>/redemptions/", offer_doors.RedemptionsView.as_view(), name="offer-redemptions"),
    path("offers/<str:key>/report/", offer_doors.OfferReportView.as_view(), name="offer-report"),
    path("campaigns/", campaign_doors.CampaignsView.as_view(), name="campaigns"),
    path("campaigns/<str:public_id>/", campaign_doors.CampaignView.as_view(), name="campaign"),
    path("campaigns/<str:public_id>/versions/", campaign_versions.VersionsView.as_view(), name="campaign-versions"),
    path(
        "campaigns/<str:public_id>/versions/<int:number>/",
        campaign_versions.VersionView.as_view(),
        name="campaign-version",
    ),
    path(
        "campaigns/<str:public_id>/versions/<int:number>/revert/",
        campaign_versions.RevertView.as_view(),
        name="campaign-revert",
    ),
    path("campaigns/<str:public_id>/duplicate/", campaign_versions.DuplicateView.as_view(), name="campaign-duplicate"),
    path("campaigns/<str:public_id>/under-way/", campaign_versions.UnderWayView.as_view(), name="campaign-under-way"),
    path("campaigns/<str:public_id>/approval/", campaign_versions.ApprovalView.as_view(), name="campaign-approval"),
    path("campaigns/<str:public_id>/launch/", life_doors.LaunchView.as_view(), name="campaign-launch"),
    path("campaigns/<str:public_id>/pause/", life_doors.PauseView.as_view(), name="campaign-pause"),
    path("campaigns/<str:public_id>/resume/", life_doors.ResumeView.as_view(), name="campaign-resume"),
    path("campaigns/<str:public_id>/stop/", life_doors.StopView.as_view(), name="campaign-stop"),
    path("campaigns/<str:public_id>/widen/", life_doors.WidenView.as_view(), name="campaign-widen"),
    path("campaigns/<str:public_id>/send/", life_doors.SendView.as_view(), name="campaign-send"),
    path(
        "campaigns/<str:public_id>/reconciliation/",
        life_doors.ReconciliationView.as_view(),
        name="campaign-reconciliation",
    ),
    path("decisions/", ledger_doors.DecisionsView.as_view(), name="decisions"),
    path("deliveries/", ledger_doors.DeliveriesView.as_view(), name="deliveries"),
    path("deliveries/<str:public_id>/", ledger_doors.DeliveryView.as_view(), name="delivery"),
    path("deliveries/<str:public_id>/resolve/", ledger_doors.ResolveView.as_view(), name="delivery-resolve"),
    path("campaigns/<str:public_id>/dry-run/", dry_run_doors.DryRunView.as_view(), name="campaign-dry-run"),
    path("campaigns/<str:public_id>/backtest/", backtest_doors.BacktestView.as_view(), name="campaign-backtest"),
    path("campaigns/<str:public_id>/report/", campaigns.ReportView.as_view(), name="campaign-report"),
    path("call-tasks/", call_doors.CallTasksView.as_view(), name="call-tasks"),
    path("call-tasks/<str:public_id>/", call_doors.CallTaskView.as_view(), name="call-task"),
    path("call-tasks/<str:public_id>/claim/", call_doors.ClaimView.as_view(), name="call-task-claim"),
    path("call-tasks/<str:public_id>/release/", call_doors.ReleaseView.as_view(), name="call-task-release"),
    path("call-tasks/<str:public_id>/outcome/", call_doors.OutcomeView.as_view(), name="call-task-outcome"),
    path("webhooks/", webhook_doors.WebhooksView.as_view(), name="webhooks"),
    path("webhooks/<str:public_id>/", webhook_doors.WebhookView.as_view(), name="webhook"),
    path("webhooks/<str:public_id>/rotate/", webhook_doors.RotateView.as_view(), name="webhook-rotate"),
    path("webhooks/<str:public_id>/enable/", webhook_doors.EnableView.as_view(), name="webhook-enable"),
    path("webhooks/<str:public_id>/disable/", webhook_doors.DisableView.as_view(), name="webhook-disable"),
    path("webhooks/<str:public_id>/test/", webhook_doors.TestView.as_view(), name="webhook-test"),
    path("webhooks/<str:public_id>/replay/", webhook_doors.ReplayAllView.as_view(), name="webhook-replay"),
    path("webhooks/<str:public_id>/deliveries/", webhook_doors.MessagesView.as_view(), name="webhook-deliveries"),
    path(
        "webhooks/<str:public_id>/deliveries/<str:message>/replay/",
        webhook_doors.ReplayView.as_view(),
        name="webhook-delivery-replay",
    ),
    path("programme/report/", campaigns.ProgrammeReportView.as_view(), name="programme-report"),
    path("sending/", sending_doors.SendingView.as_view(), name="sending"),
    re_path(r"", NowhereView.as_view()),
]
