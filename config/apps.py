from django.apps import AppConfig
from django.core import checks

from config import broker
from config.checks import check_settings


class ConfigConfig(AppConfig):
    name = "config"
    verbose_name = "Cusp"
    broker = broker.app  # loaded with the apps, so that every process sends its messages to the same broker

    def ready(self) -> None:
        checks.register(check_settings)
