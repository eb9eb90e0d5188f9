"""Fuzz what reads strangers' words: `python tests/fuzz/fuzz.py filter -max_total_time=60`.

The laws are the tests in `test_reading.py`; which inputs to try next is found by the branches that
the last ones reached (atheris, over libFuzzer). What follows the name goes to libFuzzer. It ends
with the failure that it found, written by Hypothesis as an example that can be kept, or quietly.
"""

from __future__ import annotations

import sys

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

OPTIONS = [
    "-len_control=0",  # or it begins with inputs of eight bytes, and stays there for long
    "-max_len=4096",
    "-artifact_prefix=.fuzzed-",  # an input that fails stays where git does not see it
]


def main(name: str, *options: str) -> None:
    """Try the law of that name until the options or a failure say stop."""
    with atheris.instrument_imports(include=READERS):  # pyright: ignore[reportAttributeAccessIssue]  # atheris puts it there by hand
        from tests.fuzz.test_reading import FUZZED  # noqa: PLC0415 - instrumented as it is imported
    law = FUZZED[name].hypothesis.fuzz_one_input  # type: ignore[attr-defined]  # Hypothesis puts it there
    atheris.Setup([sys.argv[0], *OPTIONS, *options], law)
    atheris.Fuzz()


if __name__ == "__main__":
    main(*sys.argv[1:])
