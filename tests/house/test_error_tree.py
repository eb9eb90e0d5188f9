"""The docstring of the errors draws the tree that the classes really form."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from greenroom.domain import errors
from greenroom.domain.errors import GreenroomError

_BRANCH = re.compile(
    r"^(?P<bars>[| ]*)[|`]-- (?P<name>\w+)(?: +(?P<code>[a-z]+(_[a-z]+)*)(?=\s|$))?(?P<rest>.*)$"
)


def drawn() -> Iterator[tuple[str, str, str | None, set[str]]]:
    """(class, parent, code, attributes) as the docstring has it; no code for a base."""
    lines = (errors.__doc__ or "").splitlines()
    (root,) = (line for line in lines if line.strip() == "GreenroomError")
    margin = len(root) - len("GreenroomError")
    path = ["GreenroomError"]
    for line in lines:
        if found := _BRANCH.match(line):
            depth = (len(found["bars"]) - margin) // 4 + 1
            path[depth:] = [found["name"]]
            yield (
                found["name"],
                path[depth - 1],
                found["code"],
                set(re.findall(r"(?<!`)\.(\w+)", found["rest"])),
            )


def classes() -> dict[str, type[GreenroomError]]:
    return {
        name: value
        for name, value in vars(errors).items()
        if isinstance(value, type)
        and issubclass(value, GreenroomError)
        and value is not GreenroomError
    }


OURS = {error for error in classes().values() if "__init__" in vars(error)}


def test_every_error_is_drawn_below_its_base() -> None:
    assert {name: parent for name, parent, _, _ in drawn()} == {
        name: error.__mro__[1].__name__ for name, error in classes().items()
    }


def test_every_code_is_drawn_and_is_the_name_in_snake_case() -> None:
    for name, _, code, _ in drawn():
        error = classes()[name]
        if "code" in vars(error):
            assert error.code == code == re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
        else:
            assert not hasattr(error, "code"), f"{name} has the code of another"


def test_no_two_errors_share_a_code() -> None:
    codes = [error.code for error in classes().values() if hasattr(error, "code")]
    assert len(set(codes)) == len(codes)


@pytest.mark.parametrize("name", sorted(classes()))
def test_every_error_is_explained(name: str) -> None:
    assert vars(classes()[name]).get("__doc__")


def test_the_attributes_drawn_are_those_set() -> None:
    for name, _, _, attributes in drawn():
        setters = (base.__init__.__code__ for base in classes()[name].__mro__ if base in OURS)
        assert attributes <= {attribute for code in setters for attribute in code.co_names}, name
