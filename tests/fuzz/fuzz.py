"""Fuzz what reads strangers' words: `python tests/fuzz/fuzz.py filter -max_total_time=60`.

The laws are the tests in this folder; which inputs to try next is found by the branches that the
last ones reached (atheris, over libFuzzer). What follows the name goes to libFuzzer. It ends with
the failure that it found, written by Hypothesis as an example that can be kept, or quietly.

Signatures are checked by a library here, a hundred times quicker than by our own plain Python:
`tests/audit/test_ed25519.py` is about whether the two agree.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from random import Random
from unittest.mock import patch

import atheris

READERS = [
    "greenroom.audit",
    "greenroom.domain.checks",
    "greenroom.domain.instants",
    "greenroom.media.description",
    "greenroom.media.fragment",
    "greenroom.projections.cursor",
    "greenroom.projections.parse",
    "greenroom.projections.query",
]
"""What tells the fuzzer which branches an input reached."""

KEPT = Path(".fuzzed")
"""Inputs that reached something new, by law: the next run begins with them."""
LONGEST = 4096
OPTIONS = [
    "-len_control=0",  # or it begins with inputs of eight bytes, and stays there for long
    f"-max_len={LONGEST}",
    "-artifact_prefix=.fuzzed-",  # an input that fails stays where git does not see it
]
SEEDS = 40


def main(name: str, *options: str) -> None:
    """Try the law of that name until the options or a failure say stop."""
    with atheris.instrument_imports(include=READERS):  # pyright: ignore[reportAttributeAccessIssue]  # atheris puts it there by hand
        from tests.fuzz.laws import LAWS  # noqa: PLC0415 - instrumented as it is imported
    from tests.audit.test_ed25519 import library_says  # noqa: PLC0415 - after what is instrumented

    from greenroom.audit import notes  # noqa: PLC0415 - likewise

    law = LAWS[name].hypothesis.fuzz_one_input  # type: ignore[attr-defined]  # Hypothesis puts it there
    corpus = KEPT / name
    with patch.object(notes, "is_signed", library_says):
        if not corpus.exists():
            _sow(law, corpus)
        atheris.Setup([sys.argv[0], *OPTIONS, *options, str(corpus)], law)
        atheris.Fuzz()


def _sow(law: Callable[[bytes], bytes | None], corpus: Path) -> None:
    """Begin with inputs that say something: of those that are made up, most end too soon."""
    corpus.mkdir(parents=True)
    lots = Random(1)
    for number in range(SEEDS):
        said = law(lots.randbytes(LONGEST))
        if said is not None:
            (corpus / str(number)).write_bytes(said)


if __name__ == "__main__":
    main(*sys.argv[1:])
