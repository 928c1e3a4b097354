"""What the sender's domain publishes about its mail: SPF (RFC 7208), DKIM (RFC 6376), DMARC (RFC 7489) and MX.

Gmail and Yahoo ask bulk senders for all three, aligned with the domain of the From address. Our envelope's sender is
that address, so SPF is aligned when it passes; DKIM is aligned when its key lies at that domain.
"""

import time
from collections.abc import Callable, Iterator
from email.utils import parseaddr
from typing import NamedTuple

import dns.exception
import dns.rdatatype
import dns.resolver

from campaigns.models import Programme
from customers.panels import Panel, tag

SECONDS = 2.0  # for all that is looked up together
MOST_LOOKUPS = 10  # RFC 7208, 4.6.4
COSTLY = ("include", "a", "mx", "ptr", "exists")
DEEPEST = 8  # labels that are asked for a policy (DMARC's walk up the tree)
GOOD, WEAK, BAD, UNKNOWN = "good", "wait", "bad", ""
WORDS = {GOOD: "good", WEAK: "could be better", BAD: "missing or wrong", UNKNOWN: "not known"}
ASKED = "Providers ask for SPF, DKIM and DMARC of everybody who sends many mails."
Lookup = Callable[[str, str], list[str]]


class LookupFailed(Exception):
    """The name system gave no answer: nothing is known, neither good nor bad."""


class SpfError(ValueError):
    """An SPF record that receivers treat as an error; the message says why."""


class Finding(NamedTuple):
    """What one kind of record is, how good that is, and what to do."""

    name: str
    verdict: str
    told: str


def check(sender: str, selector: str, lookup: Lookup) -> list[Finding]:
    """Give the findings about the domain of a sender, one for each kind of record."""
    domain = parseaddr(sender)[1].rpartition("@")[2].lower().rstrip(".")
    if not domain:
        return [Finding("Sender", BAD, f"“{sender}” is no address.")]
    checks: tuple[tuple[str, Callable[[], Finding]], ...] = (
        ("SPF", lambda: _spf(domain, lookup)),
        ("DKIM", lambda: _dkim(domain, selector, lookup)),
        ("DMARC", lambda: _dmarc(domain, lookup)),
        ("MX", lambda: _mx(domain, lookup)),
    )
    found = []
    for name, look in checks:
        try:
            found.append(look())
        except LookupFailed as error:
            found.append(Finding(name, UNKNOWN, f"The records of {domain} could not be looked up: {error}."))
    return found


def within(seconds: float) -> Lookup:
    """Give a lookup by the machine's resolver that takes at most so long over all its questions."""
    end = time.monotonic() + seconds

    def lookup(name: str, kind: str) -> list[str]:
        left = end - time.monotonic()
        if left <= 0:
            raise LookupFailed("the resolver is too slow")
        try:
            answer = dns.resolver.resolve(name, kind, lifetime=left)
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return []
        except dns.resolver.NoResolverConfiguration as error:
            raise LookupFailed("there is no resolver on this machine") from error
        except (dns.exception.DNSException, OSError) as error:
            raise LookupFailed("the resolver does not answer") from error
        if answer.rdtype == dns.rdatatype.TXT:
            return [b"".join(row.strings).decode(errors="replace") for row in answer]
        return [row.to_text() for row in answer]

    return lookup


def now(ours: Programme) -> list[Finding]:
    """Give what is published for the programme's sender now."""
    return check(ours.sender, ours.dkim_selector, within(SECONDS))


def panel(ours: Programme) -> Panel:
    """Give the findings as a block of the programme's page."""
    rows = [(one.name, tag(WORDS[one.verdict], one.verdict), one.told) for one in now(ours)]
    return Panel("The sender's records", ASKED, head=("Record", "State", "What there is"), rows=rows)


def _spf(domain: str, lookup: Lookup) -> Finding:
    try:
        record = _spf_record(domain, lookup)
        if not record:
            return Finding("SPF", BAD, f"{domain} has no SPF record: publish which servers may send for it.")
        lookups = sum(1 for _ in _lookups(record, lookup, MOST_LOOKUPS))
    except SpfError as error:
        return Finding("SPF", BAD, str(error))
    end = _end(record)
    cost = f"{lookups} of {MOST_LOOKUPS} lookups"
    if end in ("-all", "~all") or "redirect=" in record:
        return Finding("SPF", GOOD, f"{record} ({cost})")
    if end in ("+all", "all"):
        return Finding("SPF", BAD, f"{record} lets everybody send for {domain}: end it with ~all.")
    return Finding("SPF", WEAK, f"{record} says nothing of other servers: end it with ~all.")


def _spf_record(domain: str, lookup: Lookup) -> str:
    found = [text for text in lookup(domain, "TXT") if text.lower().split(" ")[0] == "v=spf1"]
    if len(found) > 1:
        raise SpfError(f"{domain} has {len(found)} SPF records, which is an error: there must be one.")
    return found[0] if found else ""


def _lookups(record: str, lookup: Lookup, left: int) -> Iterator[str]:
    """Give each term that costs the receiver a question, through all records that are included."""
    for term in record.lower().split()[1:]:
        name, _, target = term.lstrip("+-~?").replace("redirect=", "redirect:").partition(":")
        if name.partition("/")[0] not in (*COSTLY, "redirect"):
            continue
        if left <= 0:
            raise SpfError(f"The SPF record needs more than {MOST_LOOKUPS} lookups, which is an error: name fewer.")
        left -= 1
        yield term
        if name in ("include", "redirect"):
            inner = _spf_record(target, lookup)
            if not inner:
                raise SpfError(f"The SPF record names {target}, which has none: that is an error.")
            for one in _lookups(inner, lookup, left):
                left -= 1
                yield one


def _end(record: str) -> str:
    return next((term for term in reversed(record.lower().split()) if term.endswith("all")), "")


def _dkim(domain: str, selector: str, lookup: Lookup) -> Finding:
    if not selector:
        return Finding("DKIM", UNKNOWN, "Write down the selector of your DKIM key on this page, and it is looked up.")
    name = f"{selector}._domainkey.{domain}"
    found = [tags for text in lookup(name, "TXT") if "p" in (tags := _tags(text))]
    if not found:
        return Finding("DKIM", BAD, f"There is no key at {name}: publish what your mail provider gave you.")
    if not found[0]["p"]:
        return Finding("DKIM", BAD, f"The key at {name} was revoked.")
    testing = " It says that it is only tried out (t=y)." if "y" in found[0].get("t", "").split(":") else ""
    return Finding("DKIM", WEAK if testing else GOOD, f"There is a key at {name}, aligned with {domain}.{testing}")


def _dmarc(domain: str, lookup: Lookup) -> Finding:
    labels = domain.split(".")
    for first in range(min(len(labels) - 1, DEEPEST)):
        parent = ".".join(labels[first:])
        found = [text for text in lookup(f"_dmarc.{parent}", "TXT") if _tags(text).get("v") == "DMARC1"]
        if len(found) > 1:
            return Finding("DMARC", BAD, f"_dmarc.{parent} has {len(found)} policies, which counts as none.")
        if found:
            return _policy(_tags(found[0]), found[0], is_own=parent == domain)
    return Finding("DMARC", BAD, f"There is no policy at _dmarc.{domain}: publish v=DMARC1; p=none to begin with.")


def _policy(tags: dict[str, str], record: str, *, is_own: bool) -> Finding:
    policy = tags.get("p", "") if is_own else tags.get("sp", tags.get("p", ""))
    if policy in ("quarantine", "reject"):
        return Finding("DMARC", GOOD, record)
    if policy == "none":
        return Finding("DMARC", WEAK, f"{record} (others may write in your name: go on to p=quarantine)")
    return Finding("DMARC", BAD, f"{record} names no policy: it needs p=none, quarantine or reject.")


def _mx(domain: str, lookup: Lookup) -> Finding:
    found = sorted(lookup(domain, "MX"))
    if not found:
        return Finding("MX", WEAK, f"{domain} takes no mail: answers and bounces are lost.")
    if any(row.split()[-1] == "." for row in found):
        return Finding("MX", BAD, f"{domain} says that it takes no mail (RFC 7505): others may refuse what it sends.")
    return Finding("MX", GOOD, ", ".join(row.split()[-1].rstrip(".") for row in found))


def _tags(text: str) -> dict[str, str]:
    """Give the tags of a DKIM or DMARC record: `v=DMARC1; p=none`."""
    pairs = (part.partition("=") for part in text.split(";") if "=" in part)
    return {name.strip().lower(): value.strip() for name, _, value in pairs}
