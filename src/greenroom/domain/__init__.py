"""The rules of calls, pure: no clock, no ids, no I/O."""
