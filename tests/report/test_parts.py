"""The chapter of what each part is worth: words, places along the line, and commands for the rest."""

import pandas as pd
import pytest

from tests.report.example_run import example_ablation
from visage.formats.tables import read_text_table
from visage.report.page import render_page
from visage.report.parts import describe_parts, format_signed, judge_interval
from visage.report.run_results import RunResults


@pytest.fixture
def table(tmp_path) -> pd.DataFrame:
    """As the report reads it: all text."""
    example_ablation().to_csv(tmp_path / "ablation.csv", index=False, float_format="%.6f")
    return read_text_table(tmp_path / "ablation.csv")


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.012, "+.012"), (-0.004, "\N{MINUS SIGN}.004"), (0.0004, "+.000"), (0.0, ".000"), (-1.0, "\N{MINUS SIGN}1.000")],
)
def test_a_gain_is_written_with_its_sign(value, text):
    assert format_signed(value) == text


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [(0.01, 0.02, "better"), (-0.02, -0.01, "worse"), (-0.01, 0.01, "none"), (0.0, 0.02, "none"), (0.0, 0.0, "same")],
)
def test_a_part_is_better_or_worse_where_its_whole_interval_is(low, high, verdict):
    assert judge_interval(low, high) == verdict


def test_every_line_has_nought_at_one_place_and_its_parts_in_order(table):
    gains = [gain for part in describe_parts(table).parts for gain in part.gains]
    assert len({gain.zero for gain in gains}) == 1
    assert all(0 <= gain.from_share <= gain.at_share <= gain.to_share <= 1 for gain in gains)
    for gain in gains:
        assert (gain.from_share > gain.zero) == (gain.verdict == "better")
        assert (gain.to_share < gain.zero) == (gain.verdict == "worse")


def test_the_page_says_in_words_what_a_part_is_worth_and_what_fills_the_rest(table):
    text = render_page(RunResults(ablation=table), "tiny", faces=False)
    section = text.partition('<section id="parts">')[2].partition("</section>")[0]
    assert "+.012 [\N{MINUS SIGN}.004, +.030]" in section and "not told apart from noise" in section
    assert "</b> from without background to with background</th>" in section and "60 people" in section
    assert "<code>dvc exp run -S &#39;rounds.first=[plain,no_transplants]&#39;</code>" in section


def test_a_table_of_commands_alone_has_no_lines(table):
    parts = describe_parts(table[table["command"] != ""])
    assert [(part.name, part.gains) for part in parts.parts] == [("transplants", [])] and parts.people == 0
    assert "dvc exp run" in render_page(RunResults(ablation=table[table["command"] != ""]), "tiny", faces=False)
