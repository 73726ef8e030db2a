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
from edgeface.ports import LinkStatus

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
        with open_agent(home, now_s, templates=photo_templates(config), report=report) as (made, link):
            say(f"The agent of {home.info.name} runs.")
            broker = BrokerWatch()
            while not stop.is_set():
                made.step(STEP_S)
                for sentence in broker.look(link.status(), made.ready):
                    say(sentence)
    say("The agent has ended.")


class BrokerWatch:
    """What an operator hears of the way to the broker: that it is there, and once for each reason why it isn't."""

    def __init__(self) -> None:
        self._had = False
        self._told: set[str] = set()  # reasons, since it was there last
        self._ready = False

    def look(self, link: LinkStatus, ready: bool) -> list[str]:
        """Sentences to say now."""
        if ready:
            said = [] if self._ready else [f"It has its broker{' again' if self._had else ''}."]
            self._had = self._ready = True
            self._told.clear()
            return said
        if link.connected or not link.fault or link.fault_code in self._told:
            return []
        self._told.add(link.fault_code)
        lost, self._ready = self._ready, False
        what = "It has lost its broker" if lost else "It can't reach its broker"
        return [f"{what}: {link.fault} It is tried again; nothing is lost."]
