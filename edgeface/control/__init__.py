"""The running daemon's Unix socket: the one way in for the CLI and the console (docs/design.md, 10.5)."""
