"""The commands under `greenroom media`."""
