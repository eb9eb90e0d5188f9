"""Change the rules in small ways, one at a time, and count who notices: types, tests, nobody.

`nox -s mutants -- 300 7` judges 300 of those that types let pass, drawn with seed 7; without a
number all of them. mutmut makes the changes and runs the tests, in `mutants/`; what it has judged
there it remembers, so that a run that was interrupted goes on.
"""

from __future__ import annotations

import ast
import json
import random
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Final

MUTANTS: Final = Path("mutants")
DOMAIN: Final = Path("src/greenroom/domain")
ANY: Final = "greenroom.domain.streams.x_session_id*"
"""A few that are judged at once: with them all are made."""
OF_COPIES: Final = {
    *("has-type", "ignore-without-code", "name-defined", "no-any-return", "no-redef"),
    *("redundant-expr", "truthy-bool", "unused-ignore", "var-annotated"),
}
"""Kinds of errors that come of how mutants stand beside each other, not of what they are."""
NO_TEST: Final = "no test runs it"
VERDICTS: Final = {
    None: "not judged",
    0: "survived",
    1: "killed",
    3: "killed",
    5: NO_TEST,
    33: NO_TEST,
}
"""By what pytest ended with; anything else took too long."""
AT_IMPORT: Final = ("access.x__grants", "access.x__table")
"""Tables that are made when the module is imported, before mutmut changes anything."""
AT_ONCE: Final = 300
"""As many names as a command line bears."""


def main(wanted: int | None = None, seed: int = 7) -> None:
    """Judge so many (None: all) of those that types let pass, and print what became of them."""
    mutmut(ANY)
    names = set(verdicts())
    typed = caught_by_types() & names
    tables = {name for name in names - typed if any(table in name for table in AT_IMPORT)}
    left = sorted(names - typed - tables)
    random.Random(seed).shuffle(left)
    drawn = left[:wanted]
    for start in range(0, len(drawn), AT_ONCE):
        mutmut(*drawn[start : start + AT_ONCE])
    found = verdicts()
    became = {name: VERDICTS.get(found[name], "took too long") for name in drawn}
    print(f"{len(names)} mutants: {len(typed)} do not type-check, {len(tables)} cannot be judged")
    print(f"{len(drawn)} of the other {len(left)}, seed {seed}: {dict(Counter(became.values()))}")
    for name, verdict in sorted(became.items()):
        if verdict != "killed":
            print(f"  {verdict}: {name}")


def mutmut(*names: str) -> None:
    """Make what is missing of all mutants, and judge these."""
    subprocess.run([sys.executable, "-m", "mutmut", "run", *names], check=True)


def verdicts() -> Mapping[str, int | None]:
    """What pytest ended with, by mutant; None: not judged."""
    found: dict[str, int | None] = {}
    for notes in MUTANTS.glob(f"{DOMAIN}/**/*.meta"):
        found |= json.loads(notes.read_text())["exit_code_by_key"]
    return found


def caught_by_types() -> set[str]:
    """The mutants of which mypy says what it does not say of the original."""
    said = errors_of_types()
    return {
        f"{path.removeprefix('src/').removesuffix('.py').replace('/', '.')}.{name}"
        for (path, name), errors in said.items()
        if errors - said.get((path, f"{name.partition('__mutmut_')[0]}__mutmut_orig"), set())
    }


def errors_of_types() -> Mapping[tuple[str, str], set[tuple[str, str]]]:
    """(code, message) of each error, by file and function: mutants stand beside each other."""
    spans = {
        str(path.relative_to(MUTANTS)): functions(path) for path in (MUTANTS / DOMAIN).rglob("*.py")
    }
    mypy = [sys.executable, "-m", "mypy", "--output", "json", str(DOMAIN)]
    told = subprocess.run(mypy, cwd=MUTANTS, capture_output=True, text=True, check=False)
    said = defaultdict(set)
    for line in told.stdout.splitlines():
        error = json.loads(line)
        if error["severity"] != "error" or error["code"] in OF_COPIES:
            continue
        for first, last, name in spans.get(error["file"], ()):
            if first <= error["line"] <= last:
                said[error["file"], name].add((error["code"], error["message"]))
    return said


def functions(path: Path) -> list[tuple[int, int, str]]:
    """First and last line, and name, of every mutant in a file, and of what it was made of."""
    return [
        (node.lineno, node.end_lineno or node.lineno, node.name)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef) and "__mutmut_" in node.name
    ]


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
