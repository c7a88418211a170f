"""No page makes a phone fetch more than its budget."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Request

    from tests.browser.browsing import Visit

BUDGETS: dict[str, int] = yaml.safe_load(Path(__file__).with_name("budgets.yaml").read_text(encoding="utf-8"))


def fetched(window: Visit, path: str) -> int:
    """How many bytes a page and all that it loads are, as they are sent."""
    answers: list[Request] = []
    window.context.on("requestfinished", lambda request: answers.append(request))
    window.open(path).wait_for_load_state("networkidle")
    return sum(max(0, answer.sizes()["responseBodySize"]) for answer in answers)


@pytest.mark.parametrize("path", BUDGETS)
def test_a_page_stays_within_its_budget(visit: Callable[..., Visit], path: str) -> None:
    assert fetched(visit(), path) <= BUDGETS[path] * 1000
