"""The clinic keeps to its rules; each mistake that it can be made to make is found."""

from __future__ import annotations

import pytest
from examples.clinic.clinic import Bug
from examples.clinic.machine import DOCTOR, PATIENT, ClinicMachine, machine_with
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from tests.laws import times

from greenroom.testing import Disagreement, wish

SOME = settings(
    max_examples=times(6), stateful_step_count=20, suppress_health_check=[HealthCheck.too_slow]
)
UNTIL_FOUND = settings(
    SOME, max_examples=300, stateful_step_count=15, derandomize=True, phases=[Phase.generate]
)


@pytest.mark.slow
@pytest.mark.hypothesis
def test_the_clinic_keeps_to_its_rules() -> None:
    run_state_machine_as_test(ClinicMachine, settings=SOME)


@pytest.mark.slow
@pytest.mark.parametrize("bug", Bug, ids=lambda bug: bug.name)
def test_a_mistake_is_found(bug: Bug) -> None:
    with pytest.raises(Disagreement) as found:
        run_state_machine_as_test(machine_with(bug), settings=UNTIL_FOUND)
    assert "a test that shows it:" in str(found.value)


@pytest.mark.slow
def test_the_doctors_second_device_keeps_the_room_open() -> None:
    """As the harness told it of the clinic that is mistaken about devices."""
    course = [
        wish("system:clinic", "create"),
        wish(DOCTOR, "join"),
        wish(DOCTOR, "join"),
        wish(DOCTOR, "leave", entry=0),
    ]
    ClinicMachine.replay("default:appointment", course)
    with pytest.raises(Disagreement):
        machine_with(Bug.FIRST_DEVICE_COUNTS).replay("default:appointment", course)


def test_who_has_withdrawn_their_consent_is_out_and_stays_out() -> None:
    ClinicMachine.replay(
        "default:appointment",
        [
            wish("system:clinic", "create"),
            wish(PATIENT, "consent", given=True),
            wish(DOCTOR, "join"),
            wish(PATIENT, "join"),
            wish(PATIENT, "consent", given=False),
            wish(PATIENT, "join"),
        ],
    )
