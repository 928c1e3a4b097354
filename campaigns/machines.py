"""Who touched a mail: a person, or a program that looks at every mail before a person does.

Pure. Each rule is one that is published for such programs: they follow links with HEAD, name themselves, come from
their makers' networks (scanners.json says where that is told), come sooner than anybody can read, follow several
links at once, and do so for many customers at a time. A person behind such a program comes later, from elsewhere, and
counts. Whoever comes once, late, from an unknown network, under a browser's name counts as a person, too.
"""

import ipaddress
import json
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import polars as pl

from customers import bulk

CLICK_SECONDS = 10  # from `sending` on: nobody has read a mail by then
OPEN_SECONDS = 3
LINKS_AT_ONCE = 3
LINKS_SECONDS = 5  # between one link and the next
TWO_LINKS_SECONDS = 1
CROWD = 10  # customers that one network comes for within a minute
CROWD_AFTER = 600  # and soon after their mails were sent: later, it is an office or a mobile network
TOGETHER_SECONDS = 60

SCHEMA: bulk.Schema = {
    "touch_id": pl.Int64,
    "delivery_id": pl.Int64,
    "kind": pl.String,
    "at": pl.Datetime("us", "UTC"),
    "sent_at": pl.Datetime("us", "UTC"),
    "link_id": pl.Int64,
    "method": pl.String,
    "agent": pl.String,
    "network": pl.String,
}
MAIL = ["delivery_id", "kind"]
VISITOR = ["delivery_id", "network", "agent"]
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Scanner(NamedTuple):
    """A program that touches mails. `kind`: machine, opens (its openings only say nothing) or proxy (a person's)."""

    name: str
    kind: str
    agents: tuple[str, ...]
    networks: tuple[Network, ...]


def judge(touches: pl.DataFrame) -> pl.DataFrame:
    """Give each touch of a frame (SCHEMA) with `why` it is a machine's; nothing: a person's.

    The frame holds all touches of the deliveries it is about, and of the networks it is about those of that minute.
    """
    if touches.is_empty():
        return touches.with_columns(why=pl.lit("", pl.String))
    late = (pl.col("at") - pl.col("sent_at")).dt.total_milliseconds() / 1000
    too_fast = late < pl.when(pl.col("kind") == "click").then(CLICK_SECONDS).otherwise(OPEN_SECONDS)
    first = pl.coalesce(
        _said(pl.col("method") == "HEAD", "asks with HEAD, as programs do that look ahead"),
        pl.when(pl.col("scanner") != "").then(pl.format("is {}", "scanner")),
        _said(pl.col("agent") == "", "does not say what it is; browsers do"),
        _said(too_fast, "came sooner after the sending than anybody reads"),
        _said(_at_once("visit_5s", LINKS_AT_ONCE), f"followed {LINKS_AT_ONCE} links or more within seconds"),
        _said(_at_once("visit_1s", 2), "followed two links within a second"),
        _said(_crowd(late), f"its network came for {CROWD} customers or more within a minute of their mails"),
    )
    judged = _visits(touches.join(_known(touches), on=["kind", "agent", "network"])).with_columns(why=first)
    company = pl.col("why").is_not_null().any().over([*VISITOR, "visit_60s"])
    together = _said(company & ~pl.col("is_proxy"), "came together with touches of a machine")
    return judged.select(*SCHEMA, why=pl.coalesce("why", together, pl.lit("")))


def _visits(touches: pl.DataFrame) -> pl.DataFrame:
    """Number the visits: one ends where nothing happens for so long."""
    return touches.sort("at", "touch_id").with_columns(
        _session(LINKS_SECONDS, MAIL).alias("visit_5s"),
        _session(TWO_LINKS_SECONDS, MAIL).alias("visit_1s"),
        _session(TOGETHER_SECONDS, VISITOR).alias("visit_60s"),
    )


def _session(seconds: int, of: list[str]) -> pl.Expr:
    gap = pl.col("at").diff().dt.total_milliseconds() / 1000
    return (gap >= seconds).fill_null(False).cast(pl.Int32).cum_sum().over(of)


def _said(is_so: pl.Expr, sentence: str) -> pl.Expr:
    return pl.when(is_so.fill_null(False)).then(pl.lit(sentence))


def _at_once(visit: str, links: int) -> pl.Expr:
    """Tell clicks of a mail that come one upon the other and follow so many links, from wherever they come."""
    return (pl.col("link_id").n_unique().over([*MAIL, visit]) >= links) & (pl.col("kind") == "click")


def _crowd(late: pl.Expr) -> pl.Expr:
    """Tell touches of a network that comes for many at a time, shortly after they were sent to."""
    soon = pl.when(late < CROWD_AFTER).then(pl.col("delivery_id"))
    many = soon.drop_nulls().n_unique().over(["network", pl.col("at").dt.truncate("1m")]) >= CROWD
    return many & (late < CROWD_AFTER) & (pl.col("network") != "") & ~pl.col("is_proxy")


def _known(touches: pl.DataFrame) -> pl.DataFrame:
    """Give for each kind, agent and network which known machine that is, and whether it is a person's proxy."""
    visitors = touches.select("kind", "agent", "network").unique()
    found = [known(kind, agent.lower(), network) for kind, agent, network in visitors.iter_rows()]
    return visitors.with_columns(
        scanner=pl.Series([one.name if one and one.kind != "proxy" else "" for one in found], dtype=pl.String),
        is_proxy=pl.Series([one is not None and one.kind == "proxy" for one in found], dtype=pl.Boolean),
    )


@lru_cache(maxsize=10_000)
def known(kind: str, agent: str, network: str) -> Scanner | None:
    """Give the known program behind an agent (in lower case) or a network; nothing: it may be a person's browser."""
    for one in _scanners():
        if one.kind != "machine" and kind != "open":
            continue
        if any(_names(pattern, agent) for pattern in one.agents) or _holds(one.networks, network):
            return one
    return None


def _names(pattern: str, agent: str) -> bool:
    """Tell whether an agent is one: all of it where the pattern begins with `=`, else anywhere within."""
    return agent == pattern[1:] if pattern.startswith("=") else pattern in agent


def _holds(networks: tuple[Network, ...], told: str) -> bool:
    if not networks or not told:
        return False
    network = ipaddress.ip_network(told)
    return any(one.version == network.version and one.overlaps(network) for one in networks)


@lru_cache(maxsize=1)
def _scanners() -> tuple[Scanner, ...]:
    rows = json.loads((Path(__file__).parent / "scanners.json").read_text(encoding="utf-8"))
    return tuple(
        Scanner(row["name"], row["kind"], tuple(row["agents"]), tuple(map(ipaddress.ip_network, row["networks"])))
        for row in rows
    )
