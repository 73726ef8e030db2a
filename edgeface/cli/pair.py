"""`edgeface pair`: the door's side of joining a site."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from edgeface.app import wiring, wiring_site
from edgeface.app.known_time import known_utc_s
from edgeface.app.settings import Settings, load_settings
from edgeface.app.site_pairing import Offer, PairedSite, Pairing, PairingError
from edgeface.cli.output import ConfigOption, JsonOption, examples, print_json, print_table, say
from edgeface.control.client import is_running
from edgeface.domain.errors import SourceError

app = typer.Typer(help="Join this door to a site, see which one, leave it.")

MAX_ANSWER_BYTES = 1 << 20


@app.command(
    epilog=examples(
        "edgeface pair",
        "edgeface pair --out /media/stick/front.offer",
        "edgeface pair --answer /media/stick/front.answer",
        "edgeface pair --show",
        "edgeface pair --leave",
    )
)
def pair(
    out: Annotated[Path | None, typer.Option(help="Write the offer to this file as well: on a stick.")] = None,
    answer: Annotated[
        Path | None, typer.Option(help="The site's answer, a file; - reads it from standard input.")
    ] = None,
    show: Annotated[bool, typer.Option("--show", help="Only say which site this door belongs to.")] = False,
    leave: Annotated[
        bool, typer.Option("--leave", help="Leave the site: its people and its keys are destroyed on this door.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Leave without asking.")] = False,
    qr: Annotated[bool, typer.Option("--qr/--no-qr", help="Show the offer as a QR code on a terminal.")] = True,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Join this door to a site, see which one, leave it.

    Two steps: the offer (this door's public keys and a short code) goes to the site's owner, who compares the code and
    runs `edgeface admin device add`; his answer comes back as a file and is taken with --answer."""
    if sum((answer is not None, show, leave)) > 1:
        raise typer.BadParameter("--answer, --show and --leave exclude each other.")
    settings = load_settings(config)
    with _pairing(settings, create=not (show or leave)) as pairing:
        if leave:
            _leave(settings, pairing, yes)
        elif answer is not None:
            _joined(settings, pairing.accept(_read(answer)), pairing, as_json)
        elif show:
            _show(pairing, as_json)
        else:
            _offer(pairing, out, qr, as_json)


@contextmanager
def _pairing(settings: Settings, *, create: bool) -> Iterator[Pairing]:
    keys = wiring.open_keys(settings, create=create)
    store = wiring.open_gallery(settings, keys)
    try:
        yield wiring_site.open_pairing(settings, store, keys)
    finally:
        store.close()


def _offer(pairing: Pairing, out: Path | None, qr: bool, as_json: bool) -> None:
    offer = pairing.offer(known_utc_s(wiring.system_clock()))
    if out is not None:
        try:
            out.write_bytes(offer.data)
        except OSError as e:
            raise SourceError(f"The offer can't be written to {out}: {e.strerror}.", "Is the stick there?") from e
    if as_json:
        print_json({"device": offer.device, "code": offer.code, "offer": offer.text})
        return
    if qr and sys.stdout.isatty():
        _draw(offer)
    print_table(("", ""), [("code", offer.code), ("device", offer.device), ("offer", offer.text)])
    say(f"Compare the code {offer.code} with what the site's owner sees; then take his answer:")
    say("  edgeface pair --answer FILE")


def _draw(offer: Offer) -> None:
    import segno

    segno.make(offer.text, error="l", boost_error=False).terminal(out=sys.stdout, compact=True)


def _read(path: Path) -> bytes:
    """Whole, and no more than an answer has."""
    try:
        if str(path) == "-":
            data = sys.stdin.buffer.read(MAX_ANSWER_BYTES + 1)
        else:
            with path.open("rb") as f:
                data = f.read(MAX_ANSWER_BYTES + 1)
    except OSError as e:
        raise SourceError(
            f"The answer {path} can't be read: {e.strerror}.", "Name the file that the owner gave you."
        ) from e
    if len(data) > MAX_ANSWER_BYTES:
        raise PairingError(f"{path} is too large for an answer.", "Name the file that the owner gave you.")
    return data


def _joined(settings: Settings, site: PairedSite, pairing: Pairing, as_json: bool) -> None:
    wiring_site.write_tls(settings, pairing)
    if as_json:
        print_json(_facts(site, pairing))
    say(f"This door belongs to the site {site.name} now, as {site.door_name}. Its code is {site.code}: compare it.")
    if is_running(settings.control_socket):
        say("Restart the daemon: it connects from its next start on.")


def _show(pairing: Pairing, as_json: bool) -> None:
    site = pairing.site
    if as_json:
        print_json({"paired": False, "device_code": pairing.device_code} if site is None else _facts(site, pairing))
        return
    if site is None:
        say("This door belongs to no site.")
        return
    print_table(
        ("", ""),
        [
            ("site", f"{site.name}, code {site.code}, {site.id}"),
            ("this door", f"{site.door_name}, code {pairing.device_code}"),
            ("broker", f"{site.host}:{site.port}"),
        ],
    )


def _facts(site: PairedSite, pairing: Pairing) -> dict[str, object]:
    return {
        "paired": True, "site": site.id, "site_name": site.name, "site_code": site.code, "door": site.door_name,
        "device_code": pairing.device_code, "broker": f"{site.host}:{site.port}",
    }  # fmt: skip


def _leave(settings: Settings, pairing: Pairing, yes: bool) -> None:
    site = pairing.site
    name = "no site" if site is None else f"the site {site.name}"
    if is_running(settings.control_socket):
        raise PairingError("The daemon is running with this site's people.", "Stop it first, then leave.")
    if site is None and not pairing.device_code:
        say("This door belongs to no site.")
        return
    if not yes:
        typer.confirm(f"This door belongs to {name}. Destroy everything that it has of it?", abort=True, err=True)
    pairing.leave()
    shutil.rmtree(settings.site_folder, ignore_errors=True)
    say("Done: the site's people, its keys and this door's own are gone from here. The owner should run "
        "`edgeface admin device remove`.")  # fmt: skip
