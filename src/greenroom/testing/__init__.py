"""What embedders test with, and what every adapter must pass.

The contracts and strategies need the extra `test`, `Peer` the extra `media`; each is loaded when
it is first asked for.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from greenroom.domain.turn import Claim
    from greenroom.testing.captured import Captured
    from greenroom.testing.clock import VirtualClock
    from greenroom.testing.clock_contract import ClockContract
    from greenroom.testing.driver import Driver, RoomDriver, ThreadedDriver
    from greenroom.testing.faults import Fault, FaultStore
    from greenroom.testing.history import History, Wish, wish
    from greenroom.testing.ids import SequentialIds
    from greenroom.testing.key_store_contract import KeyStoreContract
    from greenroom.testing.lease_contract import LeasesContract
    from greenroom.testing.machine import CallMachine, Disagreement, MediaMachine, asked
    from greenroom.testing.media import FakeMedia
    from greenroom.testing.media_contract import (
        MediaLifeContract,
        MediaPortContract,
        MediaReportsContract,
    )
    from greenroom.testing.model import CallModel, Outcome, Refusal
    from greenroom.testing.notifier import RecordingNotifier
    from greenroom.testing.notifier_contract import NotifierContract
    from greenroom.testing.peer import Peer
    from greenroom.testing.processes import ProcessDriver, Workers
    from greenroom.testing.recording_contract import RecordsContract, RecordsNothingContract
    from greenroom.testing.store_contract import EventStoreContract

__all__ = [
    "CallMachine",
    "CallModel",
    "Captured",
    "Claim",
    "ClockContract",
    "Disagreement",
    "Driver",
    "EventStoreContract",
    "FakeMedia",
    "Fault",
    "FaultStore",
    "History",
    "KeyStoreContract",
    "LeasesContract",
    "MediaLifeContract",
    "MediaMachine",
    "MediaPortContract",
    "MediaReportsContract",
    "NotifierContract",
    "Outcome",
    "Peer",
    "ProcessDriver",
    "RecordingNotifier",
    "RecordsContract",
    "RecordsNothingContract",
    "Refusal",
    "RoomDriver",
    "SequentialIds",
    "ThreadedDriver",
    "VirtualClock",
    "Wish",
    "Workers",
    "asked",
    "wish",
]

_WHERE = {
    "CallMachine": "machine",
    "CallModel": "model",
    "Captured": "captured",
    "Claim": "history",
    "ClockContract": "clock_contract",
    "Disagreement": "machine",
    "Driver": "driver",
    "EventStoreContract": "store_contract",
    "FakeMedia": "media",
    "Fault": "faults",
    "FaultStore": "faults",
    "History": "history",
    "KeyStoreContract": "key_store_contract",
    "LeasesContract": "lease_contract",
    "MediaLifeContract": "media_contract",
    "MediaMachine": "machine",
    "MediaPortContract": "media_contract",
    "MediaReportsContract": "media_contract",
    "NotifierContract": "notifier_contract",
    "Outcome": "model",
    "Peer": "peer",
    "ProcessDriver": "processes",
    "RecordingNotifier": "notifier",
    "RecordsContract": "recording_contract",
    "RecordsNothingContract": "recording_contract",
    "Refusal": "model",
    "RoomDriver": "driver",
    "SequentialIds": "ids",
    "ThreadedDriver": "driver",
    "VirtualClock": "clock",
    "Wish": "history",
    "Workers": "processes",
    "asked": "machine",
    "wish": "history",
}

_ASSERTING = (
    "recording_contract",
    "key_store_contract",
    "lease_contract",
    "clock_contract",
    "media_contract",
    "notifier_contract",
    "store_contract",
    "store_contract_life",
    "store_contract_batch",
    "store_contract_log",
    "store_contract_shelf",
)


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    _explain_failures()
    return getattr(import_module(f"{__name__}.{_WHERE[name]}"), name)


def _explain_failures() -> None:
    """Where pytest runs, let the asserts of the contracts say what they compared, as tests do."""
    pytest = sys.modules.get("pytest")
    if pytest is not None:
        told = [f"{__name__}.{module}" for module in _ASSERTING]
        pytest.register_assert_rewrite(*(module for module in told if module not in sys.modules))


def __dir__() -> list[str]:
    return __all__


_explain_failures()  # for those who import a module of this package by its name
