"""The few words that mails hold by themselves, in the languages that we know; else in English."""

from typing import NamedTuple

RIGHT_TO_LEFT = frozenset({"ar", "fa", "he", "ur"})


class Phrases(NamedTuple):
    why: str
    unsubscribe: str
    preferences: str
    code: str
    valid_until: str


PHRASES = {
    "en": Phrases(
        "You get this mail because you agreed to hear from {{ company }}.",
        "Unsubscribe",
        "Choose what you get",
        "Your code",
        "Valid until {{ offer.valid_until }}",
    ),
    "de": Phrases(
        "Sie erhalten diese E-Mail, weil Sie Nachrichten von {{ company }} zugestimmt haben.",
        "Abmelden",
        "Auswählen, was Sie erhalten",
        "Ihr Code",
        "Gültig bis {{ offer.valid_until }}",
    ),
    "fr": Phrases(
        "Vous recevez cet e-mail car vous avez accepté de recevoir des nouvelles de {{ company }}.",
        "Se désabonner",
        "Choisir ce que vous recevez",
        "Votre code",
        "Valable jusqu’au {{ offer.valid_until }}",
    ),
    "es": Phrases(
        "Recibe este correo porque aceptó tener noticias de {{ company }}.",
        "Darse de baja",
        "Elegir lo que recibe",
        "Su código",
        "Válido hasta el {{ offer.valid_until }}",
    ),
    "it": Phrases(
        "Ricevi questa e-mail perché hai accettato di ricevere notizie da {{ company }}.",
        "Annulla l’iscrizione",
        "Scegli che cosa ricevere",
        "Il tuo codice",
        "Valido fino al {{ offer.valid_until }}",
    ),
    "nl": Phrases(
        "U krijgt deze e-mail omdat u ermee instemde van {{ company }} te horen.",
        "Afmelden",
        "Kiezen wat u krijgt",
        "Uw code",
        "Geldig tot {{ offer.valid_until }}",
    ),
    "pt": Phrases(
        "Recebe este e-mail porque aceitou ter notícias de {{ company }}.",
        "Cancelar a subscrição",
        "Escolher o que recebe",
        "O seu código",
        "Válido até {{ offer.valid_until }}",
    ),
    "pl": Phrases(
        "Otrzymujesz tę wiadomość, bo zgadzasz się na wiadomości od {{ company }}.",
        "Wypisz się",
        "Wybierz, co otrzymujesz",
        "Twój kod",
        "Ważny do {{ offer.valid_until }}",
    ),
}


def of(language: str) -> Phrases:
    """Give the phrases of a language, or of its root."""
    return PHRASES.get(language) or PHRASES.get(language.partition("-")[0]) or PHRASES["en"]


def direction(language: str) -> str:
    return "rtl" if language.partition("-")[0] in RIGHT_TO_LEFT else "ltr"
