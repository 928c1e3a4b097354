"""A setting that cannot work is named, with the reason."""

import json
from datetime import timedelta
from pathlib import Path

import pytest
from pytest_django import Settings

from config.checks import check_settings


def said() -> list[str]:
    return [str(message.msg) for message in check_settings(None)]


def test_settings_that_work_are_left_alone(lake: Path) -> None:
    assert said() == []
    assert not lake.exists(), "a check must not make the lake"


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("BUCKETS", 0, "BUCKETS is 0, but customers are spread over 1 to 1024 buckets."),
        ("BUCKETS", 1025, "BUCKETS is 1025, but customers are spread over 1 to 1024 buckets."),
        ("TIME_ZONE", "Mars/Phobos", 'TIME_ZONE is "Mars/Phobos", which is no time zone'),
        ("CYCLE_EVERY", timedelta(0), "CYCLE_EVERY is 0, but a cycle takes time"),
        ("PUBLIC_URL", "cusp.example", 'PUBLIC_URL is "cusp.example", which is no address'),
        ("PUBLIC_URL", "ftp://cusp.example", 'PUBLIC_URL is "ftp://cusp.example", which is no address'),
        ("REDIS_URL", "localhost:6379", "REDIS_URL does not begin with redis://"),
        ("LAKE_URL", "s3://bucket/lake", "LAKE_URL is s3://bucket/lake, but the lake must be a folder."),
        ("LAKE_URL", "/dev/null/lake", "LAKE_URL is /dev/null/lake, but /dev/null is not a folder."),
        ("LAKE_URL", "/proc/lake", "LAKE_URL is /proc/lake, but /proc cannot be written to."),
    ],
)
def test_a_setting_that_cannot_work_is_named(settings: Settings, name: str, value: object, sentence: str) -> None:
    setattr(settings, name, value)
    assert [each[: len(sentence)] for each in said()] == [sentence]


def test_a_lake_with_other_buckets_is_refused(lake: Path) -> None:
    lake.mkdir()
    (lake / "manifest.json").write_text(json.dumps({"buckets": 16}))
    assert said() == [
        f"BUCKETS is 4, but the lake in {lake} was made with 16: the number cannot change once customers are stored."
    ]


@pytest.mark.parametrize(
    "secret", ["no-colon-in-it-at-all", "cusp:short", ":only-a-password-here", "cusp:with\nbreak-and-more"]
)
def test_a_secret_that_proves_nothing_is_refused(settings: Settings, secret: str) -> None:
    settings.ANYMAIL = settings.ANYMAIL | {"WEBHOOK_SECRET": secret}
    assert [each[:50] for each in said()] == ["WEBHOOK_SECRET must be a name, a colon and a passw"]


def test_a_key_that_cannot_sign_is_refused(settings: Settings) -> None:
    settings.ANYMAIL = settings.ANYMAIL | {"MAILGUN_WEBHOOK_SIGNING_KEY": " key-ü"}
    assert said() == ["MAILGUN_WEBHOOK_SIGNING_KEY is not a key of Mailgun's."]


def test_proxies_are_counted_from_none_on(settings: Settings) -> None:
    settings.PROXIES = -1
    assert said() == ["PROXIES is less than 0, but it counts the proxies before Cusp."]
