"""A Mosquitto for trying things out: the configuration that ships, fresh certificates, a free port on this machine.

    scripts/dev-broker broker door1 door2 --admin alice

makes the folder `broker` with a CA, the broker's certificate, and one for the agent and each NAME
(clients/NAME/client.pem and client.key), and runs until Ctrl-C. A second call goes on with the same CA, retained
messages and sessions; client certificates are made anew."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from pathlib import Path

from edgeface.adapters.link.broker import LocalBroker
from edgeface.adapters.link.certificates import CLIENT_DAYS
from edgeface.domain.errors import EdgefaceError

CONFIG = Path(__file__).resolve().parent.parent / "config" / "mosquitto"


def run(options: argparse.Namespace, stop: threading.Event) -> None:
    broker = LocalBroker(options.folder, CONFIG, site=options.site, port=options.port)
    home = options.home_assistant or options.remote_unlock
    broker.write_acl(*options.admin, home_assistant=home, remote_unlock=options.remote_unlock)
    names = list(dict.fromkeys(["agent", *options.names, *options.admin, *(["homeassistant"] if home else [])]))
    files = {name: broker.client(name, options.days) for name in names}
    broker.start()
    try:
        print(f"host = localhost\nport = {broker.port}\nca   = {broker.ca}\nlog  = {broker.log}")
        for name, tls in files.items():
            print(f"{name}: {tls.certificate} {tls.key}")
        print("Ctrl-C ends it.", flush=True)
        while not stop.wait(0.5):
            if broker.pid is None:
                raise SystemExit(f"Mosquitto ended by itself; see {broker.log}")
    finally:
        broker.stop()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where certificates, configuration, database and log lie")
    parser.add_argument("names", nargs="*", metavar="NAME", help="devices to make certificates for")
    parser.add_argument("--admin", action="append", default=[], metavar="NAME", help="an admin to make one for")
    parser.add_argument("--home-assistant", action="store_true", help="rights and a certificate for Home Assistant")
    parser.add_argument("--remote-unlock", action="store_true", help="the same, and Home Assistant may unlock doors")
    parser.add_argument("--port", type=int, help="instead of a free one")
    parser.add_argument("--days", type=float, default=CLIENT_DAYS, help="how long the certificates hold")
    parser.add_argument("--site", default="dev", help="the site's name in the CA's certificate")
    stop = threading.Event()
    for one in (signal.SIGINT, signal.SIGTERM):
        signal.signal(one, lambda *_: stop.set())
    try:
        run(parser.parse_args(), stop)
    except EdgefaceError as e:
        sys.exit(str(e))


if __name__ == "__main__":
    main()
