"""Drawings have names, tell their numbers, and stay within their frames."""

import re
from datetime import UTC, datetime, timedelta

import pytest

from customers.charts import Lane, Part, calendar, funnel
from customers.plots import Reading, ranges

T = datetime(2026, 3, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def spots(svg: str, shape: str) -> list[tuple[float, float]]:
    """Give the corners of a shape."""
    found = re.search(rf'<{shape}[^>]* points="([^"]+)"', svg)
    assert found
    return [(float(x), float(y)) for x, y in (one.split(",") for one in found[1].split())]


def test_a_funnel_tells_each_step_and_its_part_of_the_first() -> None:
    svg = funnel([Part("Considered", 2000), Part("Eligible", 500), Part("Clicked", 0), Part("Converted", 2)], "Steps")
    assert 'role="img" aria-label="Steps; the table has the numbers"' in svg
    assert "500 (25.0%)" in svg
    assert "Converted: 2 (0.1%)<" in svg
    widths = [float(one) for one in re.findall(r'rect class="cusp-fill-main"[^>]* width="([\d.]+)"', svg)]
    assert widths[0] == pytest.approx(4 * widths[1])


def test_ranges_over_time_are_drawn_around_zero_and_cut_where_they_would_squeeze_the_last() -> None:
    told = [Reading(T, 1.0, -400.0, 402.0, "wide"), Reading(T + DAY, 4.0, 1.0, 7.0, "4 (1 to 7)")]
    svg = ranges(told, "Earned", "{:+.1f}".format)
    edge, line = spots(svg, "polygon"), spots(svg, "polyline")
    assert all(0 <= y <= 200 for _, y in edge)
    zero = re.search(r'class="cusp-zero"[^>]* y1="([\d.]+)"', svg)
    assert zero
    assert edge[1][1] < line[1][1] < edge[2][1] < float(zero[1])
    assert "<title>4 (1 to 7)</title>" in svg
    assert "1 Mar 2026" in svg
    assert "2 Mar 2026" in svg


def test_one_reading_alone_is_drawn() -> None:
    assert "1 Mar 2026" in ranges([Reading(T, 0.0, -1.0, 1.0, "so far")], "Earned", "{:+.1f}".format)


def test_a_calendar_tells_what_ran_and_what_is_to_come() -> None:
    name = "A campaign with a name & more"
    svg = calendar(
        [Lane(name, [(0, 40, False, "40 on 1 March"), (3, 9, True, "9 foreseen")])], [(0, "1 Mar")], 4, 2, "When"
    )
    assert svg.count('class="cusp-day-past"') == svg.count('class="cusp-day-next"') == 1
    assert "<title>A campaign with a name &amp; more</title>" in svg
    assert "<title>9 foreseen</title>" in svg
