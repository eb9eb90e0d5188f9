"""Rooms on stores that can be broken: fixtures of `tests.engine`, and what breaks them."""

from tests.engine.conftest import clock, file_url, pytest_generate_tests, rooms

__all__ = ["clock", "file_url", "pytest_generate_tests", "rooms"]
