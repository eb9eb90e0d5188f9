"""What proof costs: `python benchmarks/proof.py [--save]`.

Baseline: greenroom's own views catching up with the same log. Beside it stand hashing the log into
a ledger (leaves, chains, tree, map, signature), comparing a store with its checkpoints, and
judging a bundle that holds the whole log as one call would. The targets: hashing takes at most a
tenth of the time of catching up (reading what is hashed is told apart: it is done anew, by whoever
asks for a checkpoint), 100,000 events are verified a second, and the map of 100,000 calls takes
less than a second.

Processor time is taken: nothing here waits for anybody.
"""

from __future__ import annotations

import random
import shutil
import sys
from contextlib import ExitStack, closing
from pathlib import Path
from time import process_time
from typing import Final

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks._audience import record
from benchmarks._evenings import EVENTS, evenings, long_evening
from benchmarks._places import SQLITE, Place, places
from benchmarks._report import Arguments, Contender, arguments, measure, table, tell
from benchmarks.catch_up import FreshViews

from greenroom.adapters.stores import open_store
from greenroom.adapters.tables import open_tables
from greenroom.audit.archive import unpack
from greenroom.audit.bundles import bundle
from greenroom.audit.call_map import map_root
from greenroom.audit.checking import check
from greenroom.audit.ledger import Ledger
from greenroom.audit.log import Log
from greenroom.audit.trees import DIGEST
from greenroom.audit.verifier import verdict

CALLS: Final = 100_000
ORIGIN: Final = "example.org/evenings"
CALL: Final = "livestream:evening-0"


class Options(Arguments):
    """What the command line says."""

    events: int


class FreshLedger:
    """A ledger of a log, new in every round."""

    def __init__(self, directory: Path, log: Log) -> None:
        self._directory = directory
        self._log = log
        self.ledger = Ledger(directory)

    def prepare(self) -> None:
        """Make it."""
        shutil.rmtree(self._directory, ignore_errors=True)
        self.ledger = Ledger.found(self._directory, ORIGIN)

    def run(self) -> None:
        """Let it hash the log."""
        assert self.ledger.checkpoint(self._log).checkpoint.size == self._log.position()

    def read(self) -> None:
        """Read the log, and nothing more."""
        assert sum(map(len, self._log.pages(0, self._log.position()))) == self._log.position()

    def check(self) -> None:
        """Compare the log with it."""
        assert check(self._log, self.ledger).whole


def compare(place: Place, options: Options) -> str:
    with ExitStack() as stack:
        url = place.url()
        record(url, evenings(options.events // EVENTS))
        store = stack.enter_context(closing(open_store(url)))
        views = stack.enter_context(closing(FreshViews(place, store)))
        log = Log(stack.enter_context(open_tables(url)))
        fresh = FreshLedger(Path(url.removeprefix("sqlite:///")).with_name("ledger"), log)
        rows = measure(
            {
                "views catch up": Contender(views.run, log.position(), views.prepare),
                "its records are read, as the ledger does": Contender(fresh.read, log.position()),
                "the ledger is made": Contender(fresh.run, log.position(), fresh.prepare),
                "a store is compared with it": Contender(fresh.check, log.position()),
            },
            rounds=options.rounds,
            clock=process_time,
            warm_up=False,
        )
    took = {row.name: row.seconds for row in rows}
    views_took, read = took["views catch up"], took["its records are read, as the ledger does"]
    made = took["the ledger is made"]
    title = f"Proof of {options.events:,} events, {place.title}"
    return (
        f"{table(title, rows, 'events')}\n\n"
        f"Hashing takes {(made - read) / views_took:.1%} of the time of catching up,"
        f" and reading what is hashed {read / views_took:.1%}."
    )


def judge_one_call(place: Place, options: Options) -> str:
    """A bundle of one call with as many events."""
    url = place.url()
    record(url, long_evening(options.events))
    directory = Path(url.removeprefix("sqlite:///")).with_name("ledger-of-one")
    with open_tables(url) as tables:
        archive = bundle(Ledger.found(directory, ORIGIN), Log(tables), CALL).archive
    files, key = unpack(archive), Ledger(directory).verifier

    def judge() -> None:
        assert len(verdict(files, key).records) == options.events

    rows = measure(
        {"a bundle of one call is judged": Contender(judge, options.events)},
        rounds=options.rounds,
        clock=process_time,
    )
    return table(f"Verifying {options.events:,} events of one call", rows, "events")


def map_many_calls(options: Options) -> str:
    lots = random.Random(6)
    entries = {lots.randbytes(DIGEST): (one, lots.randbytes(DIGEST)) for one in range(CALLS)}

    def make() -> None:
        assert len(map_root(entries)) == DIGEST

    rows = measure(
        {"the map is made": Contender(make, CALLS)},
        rounds=options.rounds,
        clock=process_time,
    )
    made = table(f"The map of {CALLS:,} calls", rows, "calls")
    return f"{made}\n\nOne map takes {rows[0].seconds * CALLS:.2f} s."


def main() -> None:
    parser = arguments(__doc__, rounds=3)
    parser.add_argument("--events", type=int, default=20_000, help="of each log (%(default)s)")
    options = parser.parse_args(namespace=Options())
    with places([SQLITE]) as kinds:
        (place,) = kinds
        tables = [
            compare(place, options),
            judge_one_call(place, options),
            map_many_calls(options),
        ]
    tell("proof", tables, save=options.save)


if __name__ == "__main__":
    main()
