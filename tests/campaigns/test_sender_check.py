"""What the sender's domain publishes is told, good or bad; where nobody answers, that is told and nothing else."""

import time
from collections.abc import Mapping

import dns.exception
import dns.resolver
import pytest

from campaigns import dns_check
from campaigns.dns_check import BAD, GOOD, UNKNOWN, WEAK, Finding, Lookup, LookupFailed
from campaigns.models import Programme

SENDER = "Shop <hello@mail.shop.example>"
DOMAIN = "mail.shop.example"
Zone = Mapping[tuple[str, str], list[str]]
GOOD_ZONE: Zone = {
    (DOMAIN, "TXT"): ["site-verification=1", "v=spf1 include:_spf.provider.example ~all"],
    ("_spf.provider.example", "TXT"): ["v=spf1 ip4:192.0.2.0/24 -all"],
    (f"s1._domainkey.{DOMAIN}", "TXT"): ["v=DKIM1; k=rsa; p=MIGf"],
    ("_dmarc.shop.example", "TXT"): ["v=DMARC1; p=reject; rua=mailto:d@shop.example"],
    (DOMAIN, "MX"): ["10 mx.provider.example."],
}


def answering(zone: Zone) -> Lookup:
    return lambda name, kind: zone.get((name, kind), [])


def found(selector: str = "s1", /, **changes: list[str]) -> dict[str, Finding]:
    """Give the findings of a good zone with some records changed: spf, dkim, dmarc, mx."""
    places = {
        "spf": (DOMAIN, "TXT"),
        "dkim": (f"s1._domainkey.{DOMAIN}", "TXT"),
        "dmarc": ("_dmarc.shop.example", "TXT"),
        "own": (f"_dmarc.{DOMAIN}", "TXT"),
        "mx": (DOMAIN, "MX"),
        "included": ("_spf.provider.example", "TXT"),
    }
    zone = {**GOOD_ZONE, **{places[name]: rows for name, rows in changes.items()}}
    return {one.name: one for one in dns_check.check(SENDER, selector, answering(zone))}


def test_a_domain_that_publishes_all_is_good() -> None:
    told = found()
    assert {name: one.verdict for name, one in told.items()} == dict.fromkeys(("SPF", "DKIM", "DMARC", "MX"), GOOD)
    assert told["SPF"].told == "v=spf1 include:_spf.provider.example ~all (1 of 10 lookups)"
    assert told["MX"].told == "mx.provider.example"


def test_a_domain_that_publishes_nothing_is_told_what_to_do() -> None:
    told = dns_check.check(SENDER, "s1", answering({}))
    assert [one.verdict for one in told] == [BAD, BAD, BAD, WEAK]
    assert "publish" in told[0].told
    assert told[1].told.startswith(f"There is no key at s1._domainkey.{DOMAIN}")


@pytest.mark.parametrize(
    ("record", "verdict", "said"),
    [
        (["v=spf1 +all"], BAD, "lets everybody send"),
        (["v=spf1 a mx ?all"], WEAK, "says nothing of other servers"),
        (["v=spf1 a"], WEAK, "says nothing of other servers"),
        (["v=spf1 redirect=_spf.provider.example"], GOOD, "1 of 10"),
        (["v=spf1 a -all", "v=spf1 mx -all"], BAD, "2 SPF records"),
        (["v=spf1 include:nobody.example -all"], BAD, "names nobody.example, which has none"),
        (["v=spf10 -all"], BAD, "no SPF record"),
        ([f"v=spf1 {' '.join(f'a:h{n}.example' for n in range(10))} -all"], GOOD, "10 of 10"),
        ([f"v=spf1 {' '.join(f'a:h{n}.example' for n in range(11))} -all"], BAD, "more than 10 lookups"),
        (["v=spf1 ip4:192.0.2.1 ip6:2001:db8::/32 -all"], GOOD, "0 of 10"),
        ([f"v=spf1 include:{DOMAIN} -all"], BAD, "more than 10 lookups"),
    ],
)
def test_spf_is_read_as_receivers_read_it(record: list[str], verdict: str, said: str) -> None:
    told = found(spf=record)["SPF"]
    assert told.verdict == verdict
    assert said in told.told


def test_lookups_of_included_records_count() -> None:
    many = f"v=spf1 {' '.join(f'mx:h{n}.example' for n in range(10))} -all"
    assert "more than 10 lookups" in found(included=[many])["SPF"].told


@pytest.mark.parametrize(
    ("changes", "verdict", "said"),
    [
        ({"dkim": ["v=DKIM1; p="]}, BAD, "revoked"),
        ({"dkim": ["v=DKIM1; t=y; p=MIGf"]}, WEAK, "only tried out"),
        ({"dkim": ["hello"]}, BAD, "no key"),
    ],
)
def test_a_key_that_is_none_is_told(changes: dict[str, list[str]], verdict: str, said: str) -> None:
    told = found(**changes)["DKIM"]
    assert told.verdict == verdict
    assert said in told.told


def test_without_a_selector_the_key_is_not_known() -> None:
    assert found("")["DKIM"].verdict == UNKNOWN


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({"dmarc": ["v=DMARC1; p=none"]}, WEAK),
        ({"dmarc": ["v=DMARC1; p=reject; sp=none"]}, WEAK),
        ({"dmarc": ["v=DMARC1; p=none", "v=DMARC1; p=reject"]}, BAD),
        ({"dmarc": ["v=DMARC1; rua=mailto:x@shop.example"]}, BAD),
        ({"own": ["v=DMARC1; p=quarantine"], "dmarc": ["v=DMARC1; p=none"]}, GOOD),
    ],
)
def test_the_policy_that_holds_for_the_domain_is_the_one_that_is_told(
    changes: dict[str, list[str]], verdict: str
) -> None:
    assert found(**changes)["DMARC"].verdict == verdict


def test_a_domain_that_says_it_takes_no_mail_is_told() -> None:
    assert found(mx=["0 ."])["MX"].verdict == BAD


def test_a_resolver_that_does_not_answer_is_no_verdict() -> None:
    def silent(name: str, kind: str) -> list[str]:
        raise LookupFailed("the resolver does not answer")

    told = dns_check.check(SENDER, "s1", silent)
    assert {one.verdict for one in told} == {UNKNOWN}
    assert told[0].told == f"The records of {DOMAIN} could not be looked up: the resolver does not answer."


def test_a_sender_that_is_no_address_is_told() -> None:
    assert dns_check.check("Shop", "s1", answering({}))[0].verdict == BAD


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (dns.resolver.NoResolverConfiguration, "there is no resolver on this machine"),
        (dns.resolver.NoNameservers, "the resolver does not answer"),
        (dns.exception.Timeout, "the resolver does not answer"),
        (OSError, "the resolver does not answer"),
    ],
)
def test_no_fault_of_the_resolver_is_an_error(
    fault: type[Exception], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def resolve(*_: object, **__: object) -> object:
        raise fault

    monkeypatch.setattr(dns.resolver, "resolve", resolve)
    with pytest.raises(LookupFailed, match=said):
        dns_check.within(2.0)("shop.example", "TXT")


def test_a_name_that_does_not_exist_has_no_records(monkeypatch: pytest.MonkeyPatch) -> None:
    def resolve(*_: object, **__: object) -> object:
        raise dns.resolver.NXDOMAIN

    monkeypatch.setattr(dns.resolver, "resolve", resolve)
    assert dns_check.within(2.0)("shop.example", "TXT") == []


def test_all_questions_together_have_two_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[float] = []
    clock = iter((100.0, 100.5, 101.5, 102.1))

    def resolve(name: str, kind: str, lifetime: float) -> object:
        asked.append(lifetime)
        raise dns.resolver.NXDOMAIN

    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    monkeypatch.setattr(dns.resolver, "resolve", resolve)
    lookup = dns_check.within(2.0)
    assert lookup("a.example", "TXT") == lookup("b.example", "TXT") == []
    with pytest.raises(LookupFailed, match="too slow"):
        lookup("c.example", "TXT")
    assert asked == [1.5, 0.5]


def test_the_page_shows_each_record(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dns_check, "within", lambda seconds: answering(GOOD_ZONE))
    shown = dns_check.panel(Programme(sender=SENDER, dkim_selector="s1"))
    assert [row[0] for row in shown.rows] == ["SPF", "DKIM", "DMARC", "MX"]
    assert all("cusp-tag-good" in row[1] for row in shown.rows)
