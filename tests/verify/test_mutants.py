"""Small errors in a module's source: what is changed, what is left alone."""

from __future__ import annotations

import ast

import pytest

from catalog.verify.mutants import mutants

MODULE = '''"""A module with 3 words."""

from torch import nn


class Block(nn.Module):
    """Width 64."""

    def __init__(self, inputs: int, *, stride: int = 1) -> None:
        self.layers = nn.Sequential(nn.Conv2d(inputs, 64, 3, padding=1), nn.BatchNorm2d(64), nn.ReLU())

    def forward(self, x):
        if x.dim() != 4:
            raise ValueError("four dimensions, not 3")
        return self.layers(x) + x


VARIANTS = {"net-2": {"stride": 2}}
'''


def changes(source: str) -> set[str]:
    """The changed line of each mutant, without its indentation."""
    found = set()
    for mutant in mutants(source):
        before, after = source.splitlines(), mutant.source.splitlines()
        found |= {line.strip() for line in after if line not in before}
    return found


@pytest.mark.parametrize(
    "line",
    [
        "self.layers = nn.Sequential(nn.Conv2d(inputs, 64, 4, padding=1), nn.BatchNorm2d(64), nn.ReLU())",
        "self.layers = nn.Sequential(nn.Conv2d(inputs, 64, 3), nn.BatchNorm2d(64), nn.ReLU())",
        "self.layers = nn.Sequential(nn.Conv2d(64, inputs, 3, padding=1), nn.BatchNorm2d(64), nn.ReLU())",
        "self.layers = nn.Sequential(nn.Conv2d(inputs, 64, 3, padding=1), nn.ReLU())",
        "self.layers = nn.Sequential(nn.Conv2d(inputs, 64, 3, padding=1), nn.Identity(), nn.ReLU())",
        "self.layers = nn.Sequential(nn.Conv2d(inputs, 64, 3, padding=1), nn.ReLU(), nn.BatchNorm2d(64))",
        "self.layers = nn.Sequential(nn.Conv2d(inputs, 64, 3, padding=1), nn.BatchNorm2d(64), nn.GELU())",
        "return self.layers(x) * x",
        "if x.dim() == 4:",
        "def __init__(self, inputs: int, *, stride: int = 2) -> None:",
        'VARIANTS = {"net-2": {"stride": 3}}',
    ],
)
def test_errors_that_people_make(line: str) -> None:
    assert line in changes(MODULE)


def test_words_are_left_alone() -> None:
    for line in ('"""A module with 4 words."""', '"""Width 65."""', 'raise ValueError("four dimensions, not 4")'):
        assert line not in changes(MODULE)
    assert not any("net-3" in line for line in changes(MODULE))


def test_mutants_are_different_programs_in_the_order_of_their_lines() -> None:
    found = mutants(MODULE)
    assert len({mutant.source for mutant in found}) == len(found)
    assert MODULE not in {mutant.source for mutant in found}
    assert [mutant.line for mutant in found] == sorted(mutant.line for mutant in found)
    for mutant in found:
        ast.parse(mutant.source)


def test_columns_are_counted_in_characters() -> None:
    assert changes('x = ["é", 1 + 1]') >= {'x = ["é", 1 * 1]', 'x = ["é", 2 + 1]'}


def test_the_diff_shows_the_line_alone() -> None:
    (mutant,) = (mutant for mutant in mutants("a = 1\nb = True\nc = 2\n") if mutant.line == 2)
    assert mutant.error == "True to False"
    assert mutant.diff == "@@ -2 +2 @@\n-b = True\n+b = False"
