"""What becomes of calls that nobody makes, who is told, and how those who look after the agents see it."""

import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile, UploadedFile
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django.utils.datastructures import MultiValueDict

from campaigns.calls import list_page, lists, load, outcomes, queue, roles, watch
from campaigns.calls.load_page import as_csv
from campaigns.calls.outcomes import Said
from campaigns.models import Agent, CallTask
from customers.models import Alert, AuditEntry, Suppression
from tests.campaigns.people import T0
from tests.campaigns.test_calls import DAY, NOON, agent, said, tasks

pytestmark = [pytest.mark.door, pytest.mark.django_db]


def open_alerts() -> list[str]:
    return list(Alert.objects.filter(state="open").order_by("key").values_list("key", flat=True))


def test_calls_that_wait_longer_than_a_day_are_told_of_until_they_are_made() -> None:
    (task,) = tasks()
    watch.watch(NOON)
    assert open_alerts() == []
    watch.watch(T0 + 2 * DAY)
    assert open_alerts() == [watch.WAITING]
    assert Alert.objects.get().sentence.startswith("One call waits longer than a day, the oldest for 2 days")
    said(task, "reached", T0 + 2 * DAY)
    watch.watch(T0 + 2 * DAY)
    assert open_alerts() == []


def test_the_watch_gives_back_what_was_abandoned_and_cancels_what_expired() -> None:
    left, late = tasks(2)
    CallTask.objects.filter(pk=late.pk).update(expires_at=NOON)
    queue.claim(left, agent(), T0)
    for _ in range(2):
        watch.watch(T0 + queue.LEASE)
    left.refresh_from_db()
    assert left.state == "open"
    watch.watch(NOON)
    late.refresh_from_db()
    assert late.state == "cancelled"
    assert AuditEntry.objects.filter(what=queue.ABANDONED).count() == 1


def test_an_old_list_is_told_of_where_calls_are_made_and_one_was_ever_uploaded() -> None:
    tasks()
    watch.watch(NOON)
    assert open_alerts() == []
    lists.take("+49301234567", "", None, T0 - 31 * DAY)
    watch.watch(T0)
    assert open_alerts() == []
    watch.watch(NOON)
    assert open_alerts() == [watch.OLD_LIST]
    lists.take("+49301234568", "", None, NOON)
    watch.watch(NOON)
    assert open_alerts() == []


def test_the_load_counts_by_campaign_agent_and_day() -> None:
    first, second, third, _ = tasks(4)
    Agent.objects.create(user=agent("ann"), at_once=3, calls_a_day=9)
    said(first, "reached", NOON)
    said(second, "no_answer", NOON + timedelta(minutes=2))
    queue.claim(third, agent("bob"), NOON)
    queue.abandoned(NOON + queue.LEASE)
    queue.claim(third, agent("ann"), NOON + queue.LEASE)
    at = NOON + queue.LEASE
    (campaign,) = load.campaigns(at)
    assert (campaign.open, campaign.claimed, campaign.done, campaign.oldest) == (1, 1, 1, T0)
    ann, bob = load.agents(at)
    assert (ann.agent, ann.held, ann.today, ann.most, ann.calls, ann.abandoned) == ("ann", 1, 2, 9, 2, 0)
    assert (bob.agent, bob.calls, bob.abandoned) == ("bob", 0, 1)
    assert ann.outcomes == {"reached": 1, "no_answer": 1}
    assert load.days(at)[-1].outcomes == ann.outcomes
    assert [one.pk for one in load.call_backs(at, 5)] == [second.pk]
    queue.expire(T0 + 8 * DAY)
    assert load.campaigns(T0 + 8 * DAY)[0].expired == 2


def test_a_call_is_taken_from_one_agent_and_given_to_another() -> None:
    (task,) = tasks()
    queue.claim(task, agent("ann"), NOON)
    queue.take_back(task, agent("boss"), NOON)
    assert queue.claim(task, agent("bob"), NOON).agent == agent("bob")
    assert AuditEntry.objects.get(what="call taken back").detail == {"agent": "ann"}


def test_no_cell_of_the_export_is_a_formula() -> None:
    (task,) = tasks()
    said(task, "reached", NOON, "=HYPERLINK(evil)")
    head, row = as_csv(list(load.calls(T0, NOON))).splitlines()
    assert head == "at,campaign,customer,try,outcome,seconds,agent,note"
    assert row == f"{NOON.isoformat()},winback,c0,1,reached,0,ann,'=HYPERLINK(evil)"


# Pages


def test_an_agent_sees_the_queue_and_nothing_else(client: Client) -> None:
    (task,) = tasks()
    ann = agent()
    roles.enrol(ann)
    client.force_login(ann)
    assert client.get(reverse("admin:campaigns_calltask_queue")).status_code == 200
    closed = (
        reverse("admin:customers_customer_changelist"),
        reverse("admin:customers_customer_change", args=[task.customer_id]),
        reverse("admin:campaigns_calltask_changelist"),
        reverse("admin:campaigns_calltask_load"),
        reverse("admin:campaigns_calltask_list"),
        reverse("admin:campaigns_campaign_changelist"),
    )
    assert {address: client.get(address).status_code for address in closed} == dict.fromkeys(closed, 403)
    assert client.post(reverse("admin:campaigns_calltask_export")).status_code == 403
    assert client.post(reverse("admin:campaigns_calltask_move", args=[task.pk])).status_code == 403
    home = client.get(reverse("admin:index")).content.decode()
    assert "Call queue" in home
    assert reverse("admin:customers_customer_changelist") not in home


def test_who_looks_after_the_agents_moves_calls_and_takes_the_list_out(client: Client) -> None:
    (task,) = tasks()
    CallTask.objects.update(expires_at=None)
    queue.claim(task, agent(), NOON)
    boss = User.objects.create_superuser("boss")
    client.force_login(boss)
    page = client.get(reverse("admin:campaigns_calltask_load")).content.decode()
    for text in ("Being called now", "Waiting, by campaign", "No call has been made", "Nobody is to be called again"):
        assert text in page, text
    client.post(reverse("admin:campaigns_calltask_move", args=[task.pk]), {"agent": ""})
    task.refresh_from_db()
    assert (task.state, AuditEntry.objects.get(what="call taken back").by) == ("open", boss)
    queue.claim(task, agent(), NOON)
    outcomes.close(task, agent(), Said("reached"), timezone.now() - timedelta(minutes=1))
    answer = client.post(reverse("admin:campaigns_calltask_export"))
    assert "winback,c0,1,reached" in answer.content.decode()
    assert AuditEntry.objects.get(what="calls exported").by == boss
    assert "Outcomes of the last 30 days" in client.get(reverse("admin:campaigns_calltask_load")).content.decode()


def test_a_list_is_uploaded_and_its_bad_lines_are_named(client: Client) -> None:
    client.force_login(User.objects.create_superuser("boss"))
    address = reverse("admin:campaigns_calltask_list")
    shown = client.get(address).content.decode()
    assert "No list was uploaded yet" in shown
    assert re.search(r'<input type="file"[^>]*data-plain', shown), "unfold's script would look for a field of its own"
    page = client.post(address, {"numbers": "030 1234567\n\nnot a number\n", "country": "DE"}).content.decode()
    assert "Closed for calls: 1 number, 1 of them new." in page
    assert "Line 3 is no phone number: “not a number”." in page
    row = Suppression.objects.get()
    assert (row.channel, row.reason, row.hint) == ("phone", "do_not_call", "+…67")
    for body, words in (({}, "Choose a file"), ({"numbers": "none"}, "There is no phone number in it")):
        assert words in client.post(address, body).content.decode()


def test_a_list_that_is_no_text_is_refused_at_its_field() -> None:
    files: MultiValueDict[str, UploadedFile[bytes]] = MultiValueDict(
        {"file": [SimpleUploadedFile("list.csv", b"\xff\xfe\x00")]}
    )
    form = list_page.ListForm({}, files)
    assert form.errors == {"file": ["The file is no text in UTF-8."]}


def test_whoever_is_added_as_an_agent_may_work_in_the_queue(client: Client) -> None:
    client.force_login(User.objects.create_superuser("boss"))
    ann = agent()
    client.post(reverse("admin:campaigns_agent_add"), {"user": ann.pk, "at_once": 2, "calls_a_day": ""})
    ann.refresh_from_db()
    assert (ann.is_staff, ann.agent.at_once, ann.agent.calls_a_day) == (True, 2, None)
    assert User.objects.get(pk=ann.pk).get_all_permissions() == {"campaigns.change_calltask"}


def test_a_call_back_is_said_in_words_and_told_by_her_clock(client: Client) -> None:
    (task,) = tasks()
    CallTask.objects.update(expires_at=None)
    queue.claim(task, agent(), NOON)
    roles.enrol(agent())
    client.force_login(agent())
    address = reverse("admin:campaigns_calltask_work", args=[task.pk, "close"])
    body = {"outcome": "call_back", "call_again_at": "soonish", "note": "She has guests."}
    page = client.post(address, body).content.decode()
    for words in ("This names no time", 'value="soonish"', "She has guests.", " checked"):
        assert words in page, words
    body = {"outcome": "call_back", "call_again_at": "tomorrow 15:00"}
    assert "15:00 by the customer’s clock" in client.post(address, body, follow=True).content.decode()
    task.refresh_from_db()
    assert (task.state, task.tries) == ("open", 1)
    assert (task.due_at - timezone.now()) < 2 * DAY


def test_a_claim_is_kept_up_by_its_page_and_by_nobody_else(client: Client) -> None:
    (task,) = tasks()
    queue.claim(task, agent(), NOON)
    address = reverse("admin:campaigns_calltask_keep", args=[task.pk])
    for name, status in (("ann", 204), ("bob", 409)):
        roles.enrol(agent(name))
        client.force_login(agent(name))
        assert client.post(address).status_code == status
    task.refresh_from_db()
    assert task.lease_until is not None
    assert task.lease_until > NOON + DAY
