"""What benchmarks find is compared round by round, and shown as it was kept."""

from collections.abc import Sequence

import pytest
from figures import MARKED, Figures, worse

LIMITS = {"ours": "by hand"}


def figures(*rows: tuple[str, str, Sequence[float]], unit: str = "ms") -> Figures:
    """Return figures of one table: what was done, by whom, and what the rounds gave."""
    made = Figures("some_benchmark", "9.4.3", LIMITS)
    for row, column, values in rows:
        made.add("A table", row, column, unit, [*values])
    return made


def test_a_ratio_is_the_median_of_those_of_the_rounds() -> None:
    # The second round was slow for both, and says the same as the first.
    measured = figures(("add", "by hand", [10, 100, 10]), ("add", "ours", [11, 110, 30]))
    assert measured.ratios() == {("A table", "add", "ours"): pytest.approx(1.1)}


def test_of_a_rate_the_smaller_one_is_slower() -> None:
    measured = figures(("add", "by hand", [300]), ("add", "ours", [200]), unit="turns/s")
    assert measured.ratios() == {("A table", "add", "ours"): pytest.approx(1.5)}


def test_what_has_no_limit_has_no_ratio() -> None:
    assert figures(("add", "ours", [1]), ("read", "by hand", [1])).ratios() == {}


def test_a_table_says_the_spread_and_the_ratio() -> None:
    measured = figures(
        *(("add", "by hand", [9, 10, 11]), ("add", "ours", [9, 12, 11])),
        *(("read", "by hand", [1000, 1000, 1000]), ("read", "ours", [1234, 1234, 1234])),
    )
    assert measured.markdown("A table").splitlines() == [
        "| ms | by hand | ours |",
        "| --- | --- | --- |",
        "| add | 10 ±10% | 11 ±14%, 1.00 |",
        "| read | 1,000 ±0% | 1,234 ±0%, 1.23 |",
    ]


def test_a_table_with_more_columns_than_rows_stands_upright() -> None:
    measured = figures(("add", "ours", [1.5]), ("add", "theirs", [2]))
    assert measured.markdown("A table").splitlines() == [
        "| ms | add |",
        "| --- | --- |",
        "| ours | 1.5 |",
        "| theirs | 2 |",
    ]


def test_a_place_in_a_page_names_a_run_a_table_and_perhaps_columns() -> None:
    text = "<!-- figures: a_run: A table{} -->\n\nold\n\n<!-- end of figures -->"
    for columns, found in (("", None), (": ours, theirs", "ours, theirs")):
        marked = MARKED.search(text.format(columns))
        assert marked is not None
        assert marked.groups()[1:5] == ("a_run", "A table", found, "old")


@pytest.mark.parametrize(("now", "lines"), [(12.4, 0), (12.6, 1)])
def test_what_is_a_quarter_further_from_its_limit_than_before_is_named(
    now: float, lines: int
) -> None:
    kept = figures(("add", "by hand", [10]), ("add", "ours", [10]))
    said = worse(figures(("add", "by hand", [10]), ("add", "ours", [now])), kept)
    assert len(said) == lines
    assert all("add, ours: 1.26 times its limit, kept 1.00" in line for line in said)


def test_the_slowest_of_a_hundred_is_not_judged() -> None:
    kept = figures(("p99", "by hand", [10]), ("p99", "ours", [10]))
    assert worse(figures(("p99", "by hand", [10]), ("p99", "ours", [20])), kept) == []


def test_a_slow_machine_makes_nothing_worse() -> None:
    kept = figures(("add", "by hand", [10]), ("add", "ours", [11]))
    assert worse(figures(("add", "by hand", [50]), ("add", "ours", [55])), kept) == []


def test_figures_of_other_rows_cannot_be_compared() -> None:
    kept = figures(("add", "by hand", [10]), ("add", "ours", [10]))
    (line,) = worse(figures(("read", "by hand", [1]), ("read", "ours", [1])), kept)
    assert "none of the rows" in line
