"""`edgeface config`: check, explain, show and reload the settings."""

from __future__ import annotations

from pathlib import Path, PurePath
from typing import Annotated, Any

import typer

from edgeface.app import settings_help, wiring_tools
from edgeface.app.settings import Loaded, Settings, load_settings, read_settings
from edgeface.app.settings_sources import PREFIX
from edgeface.cli.output import ConfigOption, JsonOption, examples, print_json, print_table, say
from edgeface.cli.starting import require_startable
from edgeface.control.client import ControlClient, is_running
from edgeface.domain.errors import ConfigError
from edgeface.domain.redaction import without_secrets

app = typer.Typer(help="Check, explain, show and reload the settings.", no_args_is_help=True)


@app.command(epilog=examples("edgeface config check", "edgeface config check --config door.toml"))
def check(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Check the settings as a whole, as the daemon does when it starts.

    Camera and door are not opened: whether they are there is no setting. Ends with 0 where the settings are fine, with
    78 and a sentence where they are not."""
    loaded = read_settings(config)
    require_startable(loaded.settings)
    wiring_tools.check_models(loaded.settings)
    given = [key for key in settings_help.fields(Settings) if loaded.origin(key) != "default"]
    if as_json:
        print_json({"ok": True, "file": loaded.file and str(loaded.file), "given": given})
        return
    source = f"{loaded.file}" if loaded.file else "no settings file"
    typer.echo(f"Fine: {source}, {len(given)} of {len(settings_help.fields(Settings))} settings given, the others "
               "at their defaults.")  # fmt: skip


@app.command(epilog=examples("edgeface config explain door.pulse_ms", "edgeface config explain matching"))
def explain(
    key: Annotated[str, typer.Argument(metavar="KEY", help="A setting as door.pulse_ms, or a table as door.")],
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Explain a setting, or a table of them: meaning, unit, bounds, default, value now and where it is set."""
    keys = [name for name in _all_keys() if name == key or name.startswith(f"{key}.")] or [key]
    told = [settings_help.explain(name, Settings) for name in keys]
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    try:
        loaded = read_settings(config)
        values = _values(loaded)
        origins = {name: loaded.origin(name) for name in values}
    except ConfigError as error:  # the very moment when somebody asks
        say(f"edgeface: {error}")
    rows = [
        {
            "key": one.key,
            "description": one.description,
            "type": one.type,
            "unit": one.unit,
            "bounds": one.bounds,
            "default": one.default,
            "value": values.get(one.key),
            "source": origins.get(one.key),
            "variable": _variable(one.key),
        }
        for one in told
    ]
    if as_json:
        print_json(rows)
    elif len(rows) == 1:
        print_table(("", ""), [(name, _shown(value)) for name, value in rows[0].items() if value not in ("", None)])
    else:
        columns = ("key", "description", "type", "unit", "bounds", "default")
        print_table(columns, [[row[name] for name in columns] for row in rows])


@app.command(epilog=examples("edgeface config show", "edgeface config show --json"))
def show(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Show every setting's value now, and whether it is a default, from the file or from the environment.

    An address is shown without its password."""
    loaded = read_settings(config)
    values = _values(loaded)
    if as_json:
        print_json({key: {"value": value, "source": loaded.origin(key)} for key, value in values.items()})
    else:
        print_table(("setting", "value", "from"), [(k, _shown(v), loaded.origin(k)) for k, v in values.items()])


@app.command(epilog=examples("edgeface config reload", "systemctl reload edgeface"))
def reload(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Have the running daemon read its settings anew, without a stop.

    Thresholds, schedules, limits of quality, lockouts, pulse and logging change at once; what can't is named, and is in
    force after the next start. Settings that are wrong change nothing, and end this with 78."""
    with ControlClient(_control_socket(config)) as client:
        answer = client.call("settings.reload")
    if as_json:
        print_json(answer)
        return
    if answer["changed"]:
        say(f"In force now: {', '.join(answer['changed'])}.")
    elif not answer["refused"]:
        say("Nothing has changed.")
    if answer["refused"]:
        say(f"Not before the next start (`systemctl restart edgeface`): {', '.join(answer['refused'])}.")


def _control_socket(config: Path | None) -> Path:
    """Also where the settings are wrong: the daemon itself is to say so, and that it kept its own."""
    try:
        return load_settings(config).control_socket
    except ConfigError:
        if is_running(path := Settings().control_socket):
            return path
        raise


@app.command(epilog=examples("edgeface config example > edgeface.toml"))
def example() -> None:
    """Print a settings file with every setting as a comment, to begin with."""
    from edgeface.app.settings_example import example_file

    typer.echo(example_file(), nl=False)


def _values(loaded: Loaded) -> dict[str, Any]:
    dump = loaded.settings.model_dump(by_alias=True)
    return {key: _plain(settings_help.get(dump, key)) for key in settings_help.fields(Settings)}


def _all_keys() -> list[str]:
    return [*settings_help.fields(Settings), *settings_help.fields_of_lists(Settings)]


def _variable(key: str) -> str | None:
    """None for what stands inside a list of tables."""
    return PREFIX + key.upper().replace(".", "__") if key in settings_help.fields(Settings) else None


def _plain(value: Any) -> Any:
    """JSON's own types, and an address without its password."""
    if isinstance(value, dict):
        return {key: _plain(below) for key, below in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, str):
        return without_secrets(value)
    return str(value) if isinstance(value, PurePath) or hasattr(value, "isoformat") else value


def _shown(value: Any) -> str:
    if value is None:
        return "unset"
    if isinstance(value, bool):
        return str(value).lower()
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
