"""Many processes at once take no more codes than there are, and redeem none twice."""

import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.db import connection

from campaigns import deliver
from campaigns.models import Delivery, Offer, OfferCode
from customers.models import Event
from tests.campaigns.mailbox import planned_mails
from tests.campaigns.people import OFFER_STEP, T0

ROOT = Path(__file__).parents[2]
DAY = timedelta(days=1)
BEGIN = """
import sys, datetime, django
django.setup()
from campaigns import deliver, offers
from campaigns.offers import lapse
at = datetime.datetime.fromisoformat(sys.argv[1])
sys.stdin.readline()
"""
SEND = f"{BEGIN}deliver.deliver(at)"
REDEEM = f"""{BEGIN}
try:
    offers.redeem(sys.argv[2], at)
    print("done")
except offers.OfferRefused as refused:
    print(refused.code)
"""
LAPSE = f"{BEGIN}print(lapse.lapse(datetime.datetime.fromisoformat(sys.argv[2])).lapsed)"

pytestmark = [
    pytest.mark.door,
    pytest.mark.long,
    pytest.mark.skipif(connection.vendor == "sqlite", reason="a SQLite test database lives in memory"),
    pytest.mark.django_db(transaction=True),
]


def at_once(*scripts: tuple[str, ...]) -> list[str]:
    """Run scripts with their arguments in processes of their own, let go together; give what each said."""
    place = connection.settings_dict
    url = urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{place['NAME']}", query=f"host={place['HOST']}")
    environment = {**os.environ, "DATABASE_URL": url.geturl(), "DJANGO_SETTINGS_MODULE": "config.settings"}
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", *script],
            env=environment,
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for script in scripts
    ]
    return [worker.communicate("go\n", timeout=240)[0].strip().rpartition("\n")[2] for worker in workers]


@pytest.mark.parametrize("is_pool", [False, True])
def test_forty_who_want_one_of_ten_codes_take_exactly_ten(is_pool: bool) -> None:
    offer = Offer.objects.create(
        key="ten", name="Ten off", value=10.0, stock=10, codes_from="pool" if is_pool else "generated"
    )
    if is_pool:
        OfferCode.objects.bulk_create(OfferCode(offer=offer, code=f"LIST-{n}", state="free") for n in range(10))
    planned_mails(40, steps=[OFFER_STEP])
    at_once(*[(SEND, T0.isoformat())] * 4)
    assert OfferCode.objects.filter(state="given").count() == OfferCode.objects.count() == 10
    assert Delivery.objects.filter(state="sent").count() == 10
    assert set(Delivery.objects.filter(state="cancelled").values_list("reason", flat=True)) == {
        "10 of 10 codes of the offer “Ten off” are taken."
    }


def test_of_several_who_redeem_one_code_while_it_lapses_one_at_most_does() -> None:
    Offer.objects.create(key="ten", name="Ten off", value=10.0)
    planned_mails(1, steps=[OFFER_STEP])
    deliver.deliver(T0)
    code, at = OfferCode.objects.get(), (T0 + DAY).isoformat()
    said = at_once((REDEEM, at, code.code), (REDEEM, at, code.code), (LAPSE, at, (T0 + 99 * DAY).isoformat()))
    code.refresh_from_db()
    assert sorted(said[:2]) == ["done", "redeemed"]
    assert code.state == "redeemed"
    assert Event.objects.filter(name="Offer Redeemed").count() == 1
