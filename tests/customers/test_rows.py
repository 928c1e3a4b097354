"""Rows of customers as arrays."""

import numpy as np
import pytest

from customers.rows import Rows

FIRST = ([1, 1, 3], [30, 20, 10])
NEWER = ([1, 2, 3], [15, 12, 5])
OLDER = ([1, 2, 3], [90, 80, 70])


@pytest.mark.parametrize("second", [NEWER, OLDER])
def test_rows_of_two_files_come_by_customer_with_the_oldest_first(second: tuple[list[int], list[int]]) -> None:
    who, age = np.array(FIRST[0] + second[0]), np.array(FIRST[1] + second[1])

    found = Rows(4, who, age, value=np.arange(6.0)).in_order()

    told = list(zip(found.who.tolist(), found.age.tolist(), strict=True))
    assert told == sorted(told, key=lambda row: (row[0], -row[1]))
    assert {int(n): (who[int(n)], age[int(n)]) for n in found["value"]} == dict(
        zip(found["value"].astype(int).tolist(), told, strict=True)
    )


def test_rows_of_one_time_stay_in_their_order() -> None:
    rows = Rows(2, np.array([1, 0, 1, 0]), np.array([5, 5, 5, 5]), value=np.arange(4.0))

    assert rows.in_order()["value"].tolist() == [1, 3, 0, 2]
