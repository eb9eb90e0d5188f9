"""A plugin of pytest that runs tests in another order: `-p tests.house.shuffled`.

Files change places, and the tests in each; those of a file stay together, for they share what they
have built. `TESTS_ORDER=7` is always the same order.
"""

from __future__ import annotations

import os
import random
from typing import Final

import pytest

ORDER: Final = "TESTS_ORDER"
"""Names the order; every worker has to come to the same one."""


@pytest.hookimpl(tryfirst=True)  # pytest then brings those together that share a wide fixture
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Shuffle, if an order is named."""
    named = os.environ.get(ORDER)
    if named is None:
        return
    lots = random.Random(named)
    files = sorted({item.nodeid.partition("::")[0] for item in items})
    places = {file: lots.random() for file in files}
    items.sort(key=lambda item: item.nodeid)
    lots.shuffle(items)
    items.sort(key=lambda item: places[item.nodeid.partition("::")[0]])
