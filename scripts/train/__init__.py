"""Trains the project's own models; never on a device. README.md has the commands."""
