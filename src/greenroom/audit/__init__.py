"""Proof: that the log is what it was, that a call's events are all there, and who says so.

`trees`, `call_map`, `leaves`, `ed25519`, `notes`, `archive` and `verifier` import the standard
library alone: put together they are the program that comes with a bundle (`single_file`).
"""
