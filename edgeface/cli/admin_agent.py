"""`edgeface admin agent`: the site's agent as a service."""

from __future__ import annotations

import signal
import threading
from typing import Annotated

import typer

from edgeface.admin.desk import SERVICE, open_agent
from edgeface.admin.home import AGENT
from edgeface.cli.admin_common import PassphraseOption, SiteOption, now_s, open_home
from edgeface.cli.admin_models import photo_templates
from edgeface.cli.output import ConfigOption, examples, say
from edgeface.domain.errors import LinkBusy

EXAMPLES = examples("edgeface admin agent", "edgeface admin agent --site /var/lib/edgeface-agent/site")
STEP_S = 0.25


def agent(
    site: SiteOption = None,
    passphrase_file: PassphraseOption = None,
    config: ConfigOption = None,
    verbose: Annotated[bool, typer.Option("--verbose", help="Report every refused message.")] = False,
) -> None:
    """Run the site's agent: it answers admins and doors, until it is told to end.

    Beside it every `edgeface admin` command goes through it; without it each command does its work itself."""
    home = open_home(site, passphrase_file)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())

    def report(level: str, sentence: str) -> None:
        if verbose or level != "warning":
            say(f"{level}: {sentence}")

    with home.lock(AGENT, 60.0, SERVICE) as got:
        if not got:
            raise LinkBusy("Another agent of this site runs on this machine.", "End it first.")
        with open_agent(home, now_s, templates=photo_templates(config), report=report) as (made, _):
            say(f"The agent of {home.info.name} runs.")
            ready = False
            while not stop.is_set():
                made.step(STEP_S)
                if made.ready and not ready:
                    ready = True
                    say("It has its broker.")
    say("The agent has ended.")
