"""The command line: each file one group of commands; they parse, call, print and choose the exit code. No rules."""
