"""`python -m edgeface`."""

from edgeface.cli.main import main

main()
