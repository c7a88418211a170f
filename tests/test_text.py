"""Text for people."""

from __future__ import annotations

import pytest

from catalog import text


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (22855952, "22,855,952"),
        (True, "yes"),
        (0.5, "0.5"),
        (36.0, "36"),
        (0.11248444, "0.112484"),
        (3.21e-16, "3.21e-16"),
        (1e-6, "1e-6"),
        (-0.25, "-0.25"),
        (22855951.6, "22,855,951.6"),
        (0.0, "0"),
        ([728, 19, 19], "[728, 19, 19]"),
        ([1024, 1536], "[1024, 1536]"),
        (list(range(9)), "[0, 1, 2, …, 8]"),
        (None, "–"),
        ("nan", "nan"),
    ],
)
def test_numbers_are_written_as_people_write_them(value: object, written: str) -> None:
    assert text.number(value) == written


@pytest.mark.parametrize(
    ("comparator", "written"),
    [
        ({"equals": 22855952}, "22,855,952"),
        ({"equals": [728, 19, 19]}, "[728, 19, 19]"),
        ({"within": [0.1125, 1e-6]}, "0.1125 ± 1e-6"),
        ({"between": [-1, -0.5]}, "-1 to -0.5"),
        ({"at_least": 0.01}, "≥ 0.01"),
        ({"at_most": 1e-10}, "≤ 1e-10"),
        ({"increasing": True}, "increasing"),
    ],
)
def test_expectations(comparator: dict[str, object], written: str) -> None:
    assert text.expectation(comparator) == written


def test_every_comparison_of_a_record_has_words() -> None:
    from catalog.records import COMPARISONS

    values = {"within": [1, 2], "between": [1, 2]}
    for comparison in COMPARISONS:
        written = text.expectation({comparison: values.get(comparison, 1)})
        assert written, comparison
        assert "{" not in written, comparison


def test_wrapping_keeps_every_word_within_the_width() -> None:
    paragraph = "an Inception module with one tower per channel is a separable convolution in the other order"
    lines = text.wrap(paragraph, 30, "├─ ", "│  ")
    assert all(len(line) <= 30 for line in lines)
    assert lines[0].startswith("├─ an")
    assert all(line.startswith("│  ") for line in lines[1:])
    assert " ".join(line[3:] for line in lines) == paragraph


def test_wrapping_breaks_no_address_and_keeps_a_number_with_its_percent_sign() -> None:
    address = "https://arxiv.org/abs/1610.02357"
    assert text.wrap(f"see {address} there", 12) == ["see", address, "there"]
    assert text.wrap("an error of 6.67 % there", 17) == ["an error of", "6.67 % there"]


def test_colour_takes_no_room() -> None:
    plain, coloured = "Batch Normalization extends it", f"{text.bold('Batch Normalization')} extends it"
    assert len(text.wrap(coloured, len(plain))) == 1
    rows = text.columns([(text.status("verified"), "a"), ("x", "b")])
    assert rows[1] == "x" + " " * 7 + "  b"


def test_columns() -> None:
    rows = [("id", "n"), ("xception", "1,024"), ("lenet", "7\n8")]
    assert text.columns(rows, right=(1,)) == ["id            n", "xception  1,024", "lenet         7\n              8"]
    assert text.columns([]) == []


def test_the_last_column_takes_what_is_left() -> None:
    (row,) = text.columns([("parameters", "one two three four five six seven eight")], width=32)
    first, *others = row.split("\n")
    assert first.startswith("parameters  one")
    assert others
    assert all(len(line) <= 32 and line.startswith(" " * 12) for line in others)


def test_counting() -> None:
    assert [text.counted(n, "family", "families") for n in (0, 1, 2000)] == ["no family", "1 family", "2,000 families"]
    assert text.listed(["a"]) == "a"
    assert text.listed(["a", "b", "c"]) == "a, b and c"
    assert text.listed(["a", "b"], "or") == "a or b"
