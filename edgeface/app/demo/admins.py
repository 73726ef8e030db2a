"""Who enrols and revokes in the demo, with the commands that people use: an admin of a site over a real broker, or
somebody at the door itself where there is no broker."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Protocol

from edgeface.app.demo.ending import unwound_by_signals
from edgeface.app.demo.stage import EDGEFACE, Stage, end
from edgeface.app.settings import environment_of_a_fresh_machine
from edgeface.domain.errors import EdgefaceError

AGENT_S = 20.0
HOST = "localhost"


class Admin(Protocol):
    """`heard`: the daemon itself says who was enrolled and revoked. Both methods raise EdgefaceError with what the
    command said."""

    heard: bool

    def enrol(self, people: dict[str, Path]) -> dict[str, str]:
        """Name -> photo in, name -> record id out; before the door's daemon runs."""
        ...

    def revoke(self, person: str) -> None:
        """By record id, while it runs."""
        ...


class Broker(Protocol):
    """adapters.link.broker.LocalBroker."""

    def start(self) -> None: ...

    def stop(self) -> None: ...


@contextmanager
def at_the_door(stage: Stage) -> Iterator[Admin]:
    yield _LocalAdmin(stage)


def over_a_broker(
    free_port: Callable[[], int], broker: Callable[[Path, int, list[str]], Broker]
) -> Callable[[Stage], AbstractContextManager[Admin]]:
    """A site of one door. `broker`: a folder with certificates and rights, a port, what stands before its command."""

    @contextmanager
    def site(stage: Stage) -> Iterator[Admin]:
        port = free_port()
        with unwound_by_signals(), ExitStack() as stack:
            admin = _SiteAdmin(stage, stack)
            admin.say("site", "create", "The demo's site", "--broker", HOST, "--port", str(port))
            running = broker(admin.folder / "broker", port, _leash())
            stack.callback(running.stop)
            running.start()
            yield admin

    return site


class _LocalAdmin:
    heard = False

    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    def enrol(self, people: dict[str, Path]) -> dict[str, str]:
        return {n: str(self._stage.edgeface("enroll", n, "--photo", str(p))["id"]) for n, p in people.items()}

    def revoke(self, person: str) -> None:
        self._stage.run("gallery", "remove", person, "--yes", "--config", str(self._stage.config))


class _SiteAdmin:
    heard = True

    def __init__(self, stage: Stage, stack: ExitStack) -> None:
        """What it starts ends with `stack`."""
        self._stage, self._stack, self.folder = stage, stack, stage.folder / "site"

    def enrol(self, people: dict[str, Path]) -> dict[str, str]:
        """Pairs the door as well, and starts the site's agent."""
        offer, answer = str(self._stage.folder / "front.offer"), str(self._stage.folder / "front.answer")
        with ThreadPoolExecutor(1) as pool:
            offered = pool.submit(self._stage.edgeface, "pair", "--out", offer)
            ids = {name: self._add(name, photo) for name, photo in people.items()}
            offered.result()
        self.say("device", "add", offer, "--answer", answer, "--name", "front", "--yes")
        self._start_agent()
        self._stage.edgeface("pair", "--answer", answer)
        self._await_agent()
        return ids

    def revoke(self, person: str) -> None:
        """Returns when the door has confirmed it."""
        self.say("person", "revoke", person, "--yes")

    def say(self, *arguments: str) -> str:
        return self._stage.run("admin", *arguments, "--site", str(self.folder))

    def _add(self, name: str, photo: Path) -> str:
        said = self._stage.json_of(
            "admin", "person", "add", "--name", name, "--photo", str(photo),
            "--site", str(self.folder), "--config", str(self._stage.config), "--json",
        )  # fmt: skip
        return str(said["id"])

    @property
    def _log(self) -> Path:
        return self._stage.folder / "agent.log"

    def _start_agent(self) -> None:
        log = self._stack.enter_context(self._log.open("wb"))
        process = subprocess.Popen(
            [*_leash(), *EDGEFACE, "admin", "agent", "--site", str(self.folder)],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment_of_a_fresh_machine(),
        )  # fmt: skip
        self._stack.callback(end, process)

    def _await_agent(self) -> None:
        until_s = time.monotonic() + AGENT_S
        while b"It has its broker" not in self._log.read_bytes():
            if time.monotonic() > until_s:
                said = self._log.read_text(encoding="utf-8", errors="replace")[-400:]
                raise EdgefaceError(f"The site's agent did not come to its broker. {said}".strip())
            time.sleep(0.02)


def _leash() -> list[str]:
    """Before a command that is not ours: it ends with the thread that started it, whatever ends that."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "TERM"] if setpriv else []
