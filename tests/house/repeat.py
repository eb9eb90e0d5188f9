"""Run the whole suite again and again: `nox -s repeat -- 10`, and no test may fail.

Each run is `nox -s fast` and `nox -s slow` under another seed: it has other examples, another
order of the tests and another order of sets. `--seed 4711` begins with that seed, which makes a
run again; `--beside 2` runs two suites at a time; what else there is goes to pytest. After a
failure no run begins. The table at the end is for `docs/reference/suite.md`.
"""

from __future__ import annotations

import argparse
import os
import platform
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import Final
from xml.etree import ElementTree as ET

from tests.house.shuffled import ORDER

SESSIONS: Final = ("fast", "slow")
SEEDS: Final = 10_000
"""The first seed is drawn below this."""
ENDED_WITHOUT_A_WORD: Final = "pytest itself: it ended before it had told of its tests"


@dataclass(frozen=True)
class Told:
    """What became of the tests of one session."""

    seconds: float
    verdicts: Mapping[str, int]
    """How many passed, failed, were skipped."""
    failed: Sequence[str]
    """The tests that failed, by name."""

    def __str__(self) -> str:
        counted = ", ".join(f"{times:,} {verdict}" for verdict, times in self.verdicts.items())
        return f"{counted or 'nothing'} in {self.seconds:,.0f} s"


@dataclass(frozen=True)
class Run:
    """One suite from end to end."""

    number: int
    seed: int
    told: Mapping[str, Told]
    """By session; none comes after one that failed."""

    @property
    def good(self) -> bool:
        """No test failed, and each session ran to its end."""
        return not any(told.failed for told in self.told.values())


def main(words: Sequence[str]) -> int:
    """Run as often as `words` say; 0 if every run was good."""
    parser = argparse.ArgumentParser("nox -s repeat --", description="the whole suite, repeatedly")
    parser.add_argument("times", type=int, nargs="?", default=10)
    parser.add_argument("--beside", type=int, default=1, help="so many suites at a time")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(SEEDS))
    said, others = parser.parse_known_args(words)
    began = datetime.now(UTC)
    runs = list(repeated(said.times, said.seed, said.beside, others))
    print("\n".join(table(runs, said.times, said.beside, began)))
    return 0 if len(runs) == said.times and all(run.good for run in runs) else 1


def repeated(times: int, seed: int, beside: int, others: Sequence[str]) -> Iterator[Run]:
    """The runs, in order; none begins after one that is not good."""
    bad: list[Run] = []

    def one(number: int) -> Run | None:
        if bad:
            return None
        mine = seed + number - 1
        run = Run(number, mine, sessions(mine, others))
        if not run.good:
            bad.append(run)
        print("\n".join(lines(run)), flush=True)
        return run

    with ThreadPoolExecutor(beside) as pool:
        yield from (run for run in pool.map(one, range(1, times + 1)) if run)


def sessions(seed: int, others: Sequence[str]) -> Mapping[str, Told]:
    """What became of each session under that seed, up to one that failed."""
    found: dict[str, Told] = {}
    for name in SESSIONS:
        found[name] = session(name, seed, others)
        if found[name].failed:
            break
    return found


def session(name: str, seed: int, others: Sequence[str]) -> Told:
    """Run the session of that name; its words and its results are kept beside each other."""
    results = kept(name, seed, "xml")
    results.unlink(missing_ok=True)
    env = {
        **os.environ,
        "HYPOTHESIS_PROFILE": "repeat",
        "PYTHONHASHSEED": str(seed),
        ORDER: str(seed),
    }
    to_pytest = ["-p", "tests.house.shuffled", f"--hypothesis-seed={seed}", f"--junitxml={results}"]
    command = [sys.executable, "-m", "nox", "-s", name, "--", *to_pytest, *others]
    began = monotonic()
    with kept(name, seed, "log").open("w") as log:
        ended = subprocess.run(command, env=env, stdout=log, stderr=log, check=False)
    return told(results, ended.returncode, monotonic() - began)


def kept(name: str, seed: int, kind: str) -> Path:
    """Where a session's words (log) or results (xml) are."""
    place = Path(".nox", "repeat")
    place.mkdir(parents=True, exist_ok=True)
    return place.resolve() / f"{seed}-{name}.{kind}"


def told(results: Path, code: int, seconds: float) -> Told:
    """What pytest has written down; that it ended badly is a failure whatever it wrote."""
    verdicts: Counter[str] = Counter()
    failed: list[str] = []
    cases: Iterable[ET.Element] = ()
    if results.is_file():
        cases = ET.parse(results).iter("testcase")  # noqa: S314 # what pytest wrote just now
    for case in cases:
        found = {part.tag for part in case}
        if found & {"failure", "error"}:
            verdicts["failed"] += 1
            failed.append(f"{case.get('classname')}::{case.get('name')}")
        else:
            verdicts["skipped" if "skipped" in found else "passed"] += 1
    if code and not failed:
        failed.append(ENDED_WITHOUT_A_WORD)
    return Told(seconds, verdicts, failed)


def lines(run: Run) -> Iterator[str]:
    """One line on a run, and one on each test that failed."""
    yield f"run {run.number}, seed {run.seed}: " + "; ".join(
        f"{name} {told}" for name, told in run.told.items()
    )
    for name, told in run.told.items():
        for test in told.failed:
            yield f"  FAILED {test} (see {kept(name, run.seed, 'log')})"


def table(runs: Sequence[Run], times: int, beside: int, began: datetime) -> Iterator[str]:
    """The runs as Markdown, with what a reader has to know of them."""
    machine = f"Python {platform.python_version()}, {os.cpu_count()} cores"
    done = f"{len(runs)} of {times} runs, {beside} at a time"
    yield f"\n{began:%Y-%m-%d}, {machine}, {done}:\n"
    yield "| Run | Seed | Passed | Failed | Skipped | Fast, seconds | Slow, seconds |"
    yield "|---:|---:|---:|---:|---:|---:|---:|"
    for run in runs:
        passed, skipped = (
            sum(told.verdicts.get(verdict, 0) for told in run.told.values())
            for verdict in ("passed", "skipped")
        )
        failed = sum(len(told.failed) for told in run.told.values())
        took = {name: f"{told.seconds:,.0f}" for name, told in run.told.items()}
        seconds = " | ".join(took.get(name, "not run") for name in SESSIONS)
        yield f"| {run.number} | {run.seed} | {passed:,} | {failed} | {skipped} | {seconds} |"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
