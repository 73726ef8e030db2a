"""`edgeface admin`: a site, its people, doors and admins, over MQTT."""

from __future__ import annotations

import typer

from edgeface.cli import admin_agent, admin_device, admin_person, admin_site, admin_status

app = typer.Typer(help="Run a site over MQTT: people, doors, admins, keys.", no_args_is_help=True)
app.add_typer(admin_site.app, name="site")
app.add_typer(admin_device.app, name="device")
app.add_typer(admin_person.app, name="person")
app.command("status", epilog=admin_status.STATUS_EXAMPLES)(admin_status.status)
app.command("agent", epilog=admin_agent.EXAMPLES)(admin_agent.agent)
