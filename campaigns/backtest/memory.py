"""What a replayed campaign remembers from one day to the next, and as bytes, so that another worker can go on."""

import json
from dataclasses import dataclass, field
from datetime import datetime
from io import BytesIO

import polars as pl

from campaigns.looks import STATE, Edges
from campaigns.models import Campaign, TriggerBaseline
from customers import bulk

DECIDED: bulk.Schema = {
    "customer_id": pl.Int64,
    "bucket": pl.Int64,
    "round": pl.Int64,
    "outcome": pl.String,
    "reason": pl.String,
    "as_of": bulk.UTC_MICROSECONDS,
    "due_at": bulk.UTC_MICROSECONDS,
    "expires_at": bulk.UTC_MICROSECONDS,
    "sent_at": bulk.UTC_MICROSECONDS,
    "cause": pl.String,
    "score": pl.Float64,
    "arm": pl.String,
    "draw": pl.Float64,
    "probability": pl.Float64,
    "variant": pl.String,
}
SINCE: bulk.Schema = {"customer_id": pl.Int64, "since": bulk.UTC_MICROSECONDS}
Day = dict[str, object]


@dataclass
class Memory:
    """Trigger states, baselines, since when members are members, all decisions, and what each day was."""

    states: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=STATE))
    baselines: dict[int, Day] = field(default_factory=dict)
    members: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=SINCE))
    decisions: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=DECIDED))
    days: list[Day] = field(default_factory=list)

    @property
    def last(self) -> datetime | None:
        """Give when the last day was looked at."""
        return datetime.fromisoformat(str(self.days[-1]["at"])) if self.days else None

    def remember(self, edges: Edges, as_of: datetime) -> None:
        """Take in what one look found."""
        if not edges.states.is_empty():
            new = edges.states.select(*STATE)
            self.states = pl.concat([self.states.join(new, on="customer_id", how="anti"), new])
        for row in edges.baselines.iter_rows(named=True):
            told = {name: json.loads(row[name]) for name in ("rule_versions", "model_versions")}
            self.baselines[row["bucket"]] = {
                **told,
                "campaign_version": row["campaign_version"],
                "as_of": as_of.isoformat(),
            }

    def noted(self, campaign: Campaign) -> list[TriggerBaseline]:
        """Give the baselines as rows that are not stored."""
        return [
            TriggerBaseline(
                campaign=campaign,
                bucket=bucket,
                campaign_version=int(str(told["campaign_version"])),
                rule_versions=told["rule_versions"],
                model_versions=told["model_versions"],
                as_of=datetime.fromisoformat(str(told["as_of"])),
            )
            for bucket, told in self.baselines.items()
        ]

    def packed(self) -> bytes:
        """Give all of it as bytes."""
        frames = [_parquet(one) for one in (self.states, self.members, self.decisions)]
        baselines = {str(bucket): told for bucket, told in self.baselines.items()}
        head = {"baselines": baselines, "days": self.days, "sizes": [len(one) for one in frames]}
        told = json.dumps(head).encode()
        return b"".join([len(told).to_bytes(8), told, *frames])


def unpacked(content: bytes) -> Memory:
    """Give what `packed` gave as bytes."""
    start = 8 + int.from_bytes(content[:8])
    head = json.loads(content[8:start])
    frames = []
    for size in head["sizes"]:
        frames.append(pl.read_parquet(BytesIO(content[start : start + size])))
        start += size
    baselines = {int(bucket): told for bucket, told in head["baselines"].items()}
    return Memory(frames[0], baselines, frames[1], frames[2], head["days"])


def _parquet(frame: pl.DataFrame) -> bytes:
    content = BytesIO()
    frame.write_parquet(content, compression="zstd", statistics=False)
    return content.getvalue()
