"""What a person can do in the admin, a program can do over REST; what it cannot is named here with its reason.

A page, a form or a button without a line fails, as does a line whose address is gone.
"""

import re
from typing import Any

import pytest
from django.http import Http404
from django.urls import resolve

from tests.config.test_roles import BUTTONS, NOBODY, PAGES, TABLES

FORM = "a part of a form: what it helps to write is sent whole over REST"
PICTURE = "shows to people what REST tells as figures"
PEOPLE = "who works here, and what they may do, is said by people who are logged in"
OPERATOR = "the operator's, who has commands for it (docs/operators.md)"
LATER = "customers and events come in by /v1/ and by the import commands"
INBOX = "the inbox is where people share out what is to be mended; other programs hear by webhooks"

# Of every form and button: how it is called over REST, or why it is not.
ACTIONS: dict[str, str] = {
    "campaigns.agent add": PEOPLE,
    "campaigns.agent change": PEOPLE,
    "campaigns.agent delete": PEOPLE,
    "campaigns.campaign add": "POST campaigns/",
    "campaigns.campaign change": "PATCH campaigns/1/",
    "campaigns.campaign delete": "a draft that nobody wants is no harm, and decisions of others stay: people tidy up",
    "campaigns.campaign widen-20": "POST campaigns/1/widen/",
    "campaigns.campaign pause": "POST campaigns/1/pause/",
    "campaigns.campaign stop": "POST campaigns/1/stop/",
    "campaigns.campaign go-on": "POST campaigns/1/resume/",
    "campaigns.campaign resume": "POST campaigns/1/resume/",
    "campaigns.cycle cancel": OPERATOR,
    "campaigns.delivery arrived": "POST deliveries/1/resolve/",
    "campaigns.delivery again": "POST deliveries/1/resolve/",
    "campaigns.offer add": "POST offers/",
    "campaigns.offer change": "PATCH offers/1/",
    "campaigns.offer delete": "an offer with codes stays: people tidy up those without",
    "campaigns.programme change": OPERATOR,
    "campaigns.schedule change": OPERATOR,
    "campaigns.webhook add": "POST webhooks/",
    "campaigns.webhook change": "PATCH webhooks/1/",
    "campaigns.webhook delete": "DELETE webhooks/1/",
    "campaigns.webhook test": "POST webhooks/1/test/",
    "campaigns.webhook disable": "POST webhooks/1/disable/",
    "campaigns.webhook rotate": "POST webhooks/1/rotate/",
    "campaigns.webhookmessage replay": "POST webhooks/1/deliveries/1/replay/",
    "customers.alert mine": INBOX,
    "customers.alert day": INBOX,
    "customers.alert week": INBOX,
    "customers.alert done": INBOX,
    "customers.apikey add": "a key is made by a person: a key that makes keys could not be taken away",
    "customers.apikey revoke": PEOPLE,
    "customers.attribute add": LATER,
    "customers.attribute change": LATER,
    "customers.eventname add": LATER,
    "customers.eventname change": LATER,
    "customers.feed add": "POST feeds/",
    "customers.feed change": "PATCH feeds/1/",
    "customers.feed delete": "DELETE feeds/1/",
    "customers.feed run": "POST feeds/1/run/",
    "customers.feed pause": "PATCH feeds/1/",
    "customers.feed resume": "PATCH feeds/1/",
    "customers.import add": LATER,
    "customers.source add": "POST sources/",
    "customers.source change": "PATCH sources/1/",
    "customers.suppression add": "POST suppressions/",
    "customers.suppression open": "DELETE suppressions/1/",
    "customers.topic add": "the words that customers read are chosen by people",
    "customers.topic change": "the words that customers read are chosen by people",
    "scoring.modelversion retire": "POST models/1/1/retire/",
    "scoring.modelversion promote": "POST models/1/1/promote/",
    "scoring.target add": "POST targets/",
    "scoring.target change": "PATCH targets/1/",
    "scoring.target delete": "DELETE targets/1/",
    "scoring.target train": "POST models/1/trainings/",
    "segments.segment add": "POST segments/",
    "segments.segment change": "PATCH segments/1/",
    "segments.segment delete": "DELETE segments/1/",
}
# Of every other page.
OTHERS: dict[str, str] = {
    "admin:auth_user_password_change": PEOPLE,
    "admin:campaigns_calltask_export": "GET call-tasks/",
    "admin:campaigns_calltask_keep": "POST call-tasks/1/claim/",
    "admin:campaigns_calltask_list": "POST suppressions/do-not-call/",
    "admin:campaigns_calltask_load": "GET call-tasks/",
    "admin:campaigns_calltask_move": "POST call-tasks/1/release/",
    "admin:campaigns_calltask_next": "POST call-tasks/1/claim/",
    "admin:campaigns_calltask_queue": "GET call-tasks/",
    "admin:campaigns_calltask_work": "POST call-tasks/1/outcome/",
    "admin:campaigns_campaign_versions": "GET campaigns/1/versions/",
    "admin:campaigns_campaign_version": "GET campaigns/1/versions/1/",
    "admin:campaigns_campaign_revert": "POST campaigns/1/versions/1/revert/",
    "admin:campaigns_campaign_copy": "POST campaigns/1/duplicate/",
    "admin:campaigns_campaign_backtest": "POST campaigns/1/backtest/",
    "admin:campaigns_campaign_backtest_export": "GET campaigns/1/backtest/",
    "admin:campaigns_campaign_backtest_progress": "GET campaigns/1/backtest/",
    "admin:campaigns_campaign_check": FORM,
    "admin:campaigns_campaign_compose": "PATCH campaigns/1/",
    "admin:campaigns_campaign_composer_customer": FORM,
    "admin:campaigns_campaign_composer_designs": FORM,
    "admin:campaigns_campaign_composer_pictures": FORM,
    "admin:campaigns_campaign_composer_preview": FORM,
    "admin:campaigns_campaign_composer_save": "PATCH campaigns/1/",
    "admin:campaigns_campaign_composer_test": PEOPLE,
    "admin:campaigns_campaign_launch": "POST campaigns/1/launch/",
    "admin:campaigns_campaign_report": "GET campaigns/1/report/",
    "admin:campaigns_campaign_report_export": "GET campaigns/1/report/",
    "admin:campaigns_campaign_try": FORM,
    "admin:campaigns_cycle_progress": OPERATOR,
    "admin:campaigns_cycle_run": OPERATOR,
    "admin:campaigns_decision_explain": "GET customers/1/explain/",
    "admin:campaigns_delivery_uncertain": "GET deliveries/",
    "admin:campaigns_offer_files": "POST offers/1/codes/",
    "admin:campaigns_offercode_till": "POST offers/1/redeem/",
    "admin:campaigns_programme_report": PICTURE,
    "admin:campaigns_programme_report_export": PICTURE,
    "admin:campaigns_programme_sample": FORM,
    "admin:customers_customer_consent": "POST customers/1/consents/",
    "admin:customers_import_export": "programs are told in the answer what is refused of what they send",
    "admin:customers_import_map": LATER,
    "admin:customers_import_progress": "GET imports/1/",
    "admin:scoring_target_count": "POST targets/count/",
    "admin:scoring_target_edit": "PATCH targets/1/",
    "admin:scoring_target_field": FORM,
    "admin:scoring_target_training": "GET models/1/trainings/",
    "admin:scoring_target_values": FORM,
    "admin:segments_segment_catalogue": "GET fields/",
    "admin:segments_segment_edit": "PATCH segments/1/",
    "admin:segments_segment_effect": "POST segments/preview/",
    "admin:segments_segment_effect_on": "POST segments/preview/",
    "admin:segments_segment_explain": "GET segments/1/explain/",
    "admin:segments_segment_export": "GET segments/1/members.csv",
    "admin:segments_segment_freeze": "POST segments/1/freeze/",
    "admin:segments_segment_overlap": "POST segments/overlap/",
    "admin:segments_segment_pin": "POST segments/1/pins/",
    "admin:segments_segment_preview": "POST segments/preview/",
    "admin:segments_segment_reach": PICTURE,
    "admin:segments_segment_refused": "GET segments/1/list/1/refused/",
    "admin:segments_segment_unpin": "DELETE segments/1/pins/",
    "sending": "POST sending/",
}
CALL = re.compile(r"(GET|POST|PATCH|DELETE) (\S+)\Z")


def actions() -> set[str]:
    """Give every form and button that somebody may use."""
    forms = {
        f"{table} {verb}"
        for table, (_, *may) in TABLES.items()
        for verb, who in zip(("add", "change", "delete"), may, strict=True)
        if who != NOBODY
    }
    return forms | {f"{table} {name}" for table, rows in BUTTONS.items() for _, offered in rows for name in offered}


def test_whatever_the_admin_does_has_a_line() -> None:
    assert actions() - set(ACTIONS) == set(), "say how a program does this, or why it cannot"
    assert set(PAGES) - set(OTHERS) == set(), "say how a program does this, or why it cannot"
    assert set(ACTIONS) - actions() == set(), "these lines are of nothing"
    assert set(OTHERS) - set(PAGES) == set(), "these lines are of nothing"


@pytest.mark.parametrize("told", sorted({*ACTIONS.values(), *OTHERS.values()}))
def test_every_call_is_served(told: str) -> None:
    if (call := CALL.match(told)) is None:
        assert len(told.split()) > 4, "a reason is a sentence"
        return
    try:
        view: Any = resolve(f"/api/v1/{call[2]}").func
    except Http404:
        pytest.fail(f"nothing is served at {call[2]}")
    assert hasattr(view.view_class, call[1].lower()), f"{told} is not served"
