"""The pages behind the links of mails speak the customer's language, or her browser's."""

import gettext
import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from django.test import Client

from campaigns import languages, preferences, rating, unsubscribe
from customers.models import Consent, Customer
from tests.campaigns.mailbox import planned_mails

PAGES = sorted((Path(settings.BASE_DIR) / "templates" / "pages").glob("*.html"))
WORDS = re.compile(r'{% translate "([^"]+)"')
BLOCKS = re.compile(r"{% blocktranslate[^%]*%}(.*?){% endblocktranslate %}")
OTHERS = [one for one in languages.SPOKEN if one != "en"]


def said() -> set[str]:
    """Give all that the pages say, as catalogues name it."""
    texts = [page.read_text() for page in PAGES]
    blocks = [re.sub(r"{{ (\w+) }}", r"%(\1)s", one) for text in texts for one in BLOCKS.findall(text)]
    return {*(one for text in texts for one in WORDS.findall(text)), *blocks, rating.QUESTION}


@pytest.mark.parametrize("language", OTHERS)
def test_all_that_the_pages_say_is_translated_with_its_places(language: str) -> None:
    folder = Path(settings.BASE_DIR) / "locale" / language / "LC_MESSAGES"
    with (folder / "django.mo").open("rb") as file:
        catalogue = gettext.GNUTranslations(file)
    written = dict(re.findall(r'msgid "(.+)"\nmsgstr "(.+)"', (folder / "django.po").read_text()))
    assert len(said()) > 30
    assert said() <= written.keys()
    for text, translated in written.items():
        assert catalogue.gettext(text) == translated != ""
        assert sorted(re.findall(r"%\(\w+\)s", text)) == sorted(re.findall(r"%\(\w+\)s", translated))


@pytest.mark.parametrize(
    ("known", "accepted", "chosen"),
    [
        ("", "", "en"),
        ("", "de-AT,de;q=0.9,en;q=0.8", "de"),
        ("", "it, fr;q=0.5, es;q=0.9", "es"),
        ("es_MX", "de", "es"),
        ("ES", "de", "es"),
        ("it", "fr", "fr"),
        ("tlh", "*", "en"),
        ("../../etc", "x" * 5000, "en"),
    ],
)
def test_her_own_language_goes_before_her_browsers(known: str, accepted: str, chosen: str) -> None:
    assert languages.choose(known, accepted) == chosen


@pytest.mark.door
@pytest.mark.django_db
class TestPages:
    @pytest.mark.parametrize(
        ("language", "asks", "topics"),
        [
            ("de", "Möchten Sie sich abmelden?", "Worüber möchten Sie von uns hören?"),
            ("fr", "Voulez-vous vous désabonner ?", "De quoi voulez-vous être informé ?"),
            ("es", "¿Quiere darse de baja?", "¿Sobre qué quiere recibir noticias?"),
        ],
    )
    def test_she_leaves_and_chooses_in_her_language(
        self, client: Client, language: str, asks: str, topics: str
    ) -> None:
        (delivery,) = planned_mails(1)
        Customer.objects.update(language=language)
        delivery.refresh_from_db()
        topic = delivery.decision.campaign.topic
        leave = urlsplit(unsubscribe.link(delivery.customer, topic, delivery)).path
        answer = client.get(leave, headers={"Accept-Language": "en"})
        page = answer.content.decode()
        assert asks in page
        assert f'<html lang="{language}">' in page
        assert answer["Content-Language"] == language
        assert "Accept-Language" in answer["Vary"]
        chosen = client.get(urlsplit(preferences.link(delivery.customer, delivery)).path).content.decode()
        assert topics in chosen
        client.post(leave, {"List-Unsubscribe": "One-Click"})
        assert not Consent.objects.get(customer=delivery.customer, channel="email").is_granted

    def test_she_is_asked_how_she_liked_it_in_her_browsers_language(self, client: Client) -> None:
        (delivery,) = planned_mails(1)
        address = urlsplit(rating.link(delivery)).path + "4/"
        german = {"Accept-Language": "de"}
        page = client.get(address, headers=german).content.decode()
        assert "Wie zufrieden sind Sie?" in page
        assert "1: gar nicht" in page
        assert "How satisfied are you?" in client.get(address).content.decode()
        refused = client.post(address, {"score": "9"}, headers=german)
        assert refused.status_code == 400
        assert "Wählen Sie eine Zahl von 1 bis 5." in refused.content.decode()
        assert "Vielen Dank" in client.post(address, {"score": "4"}, headers=german).content.decode()

    def test_a_link_that_is_not_ours_is_refused_in_the_browsers_language(self, client: Client) -> None:
        answer = client.get("/u/none/", headers={"Accept-Language": "fr-CH"})
        assert answer.status_code == 404
        assert "Ce lien ne fonctionne pas" in answer.content.decode()
