"""`edgeface admin`: a site, its people, doors and admins, over MQTT."""

from __future__ import annotations

import typer

from edgeface.cli import (
    admin_admin,
    admin_agent,
    admin_device,
    admin_door,
    admin_events,
    admin_import,
    admin_key,
    admin_person,
    admin_seal,
    admin_site,
    admin_status,
)

app = typer.Typer(help="Run a site over MQTT: people, doors, admins, keys.", no_args_is_help=True)
app.add_typer(admin_site.app, name="site")
app.add_typer(admin_device.app, name="device")
admin_person.app.command("import", epilog=admin_import.EXAMPLES)(admin_import.import_people)
app.add_typer(admin_person.app, name="person")
app.command("status", epilog=admin_status.EXAMPLES)(admin_status.status)
app.command("events", epilog=admin_events.EXAMPLES)(admin_events.events)
app.add_typer(admin_door.app, name="door")
app.add_typer(admin_admin.app, name="admin")
app.add_typer(admin_key.app, name="key")
app.command("agent", epilog=admin_agent.EXAMPLES)(admin_agent.agent)
app.command("seal", epilog=admin_seal.EXAMPLES)(admin_seal.seal)
