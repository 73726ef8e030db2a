"""`edgeface gallery factor`: PIN and cards of a person, and what they are good for."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from edgeface.app.factors import FactorChange, change_factors, clear_factors
from edgeface.app.settings import load_settings
from edgeface.app.wiring_site import no_factors_here
from edgeface.cli.output import ConfigOption, JsonOption, examples, print_json, say
from edgeface.cli.people import find, open_office
from edgeface.domain.types import Person, SecondFactor, WithoutFace

app = typer.Typer(help="Set and clear a person's PIN and cards.", no_args_is_help=True)
Who = Annotated[str, typer.Argument(metavar="WHO", help="An id, its first six digits, or a name.")]


@app.command(
    "set",
    epilog=examples(
        'edgeface gallery factor set "Ada Lovelace" --pin --second always',
        "edgeface gallery factor set 3f09c1 --card 26:12:3456 --without-face card_and_pin --pin",
    ),
)
def set_factor(
    who: Who,
    pin: Annotated[bool, typer.Option("--pin", help="Ask for a new PIN, twice, without showing it.")] = False,
    card: Annotated[
        list[str] | None,
        typer.Option(help="Add a card: bits:facility:number, or what a USB reader types; may be repeated."),
    ] = None,
    second: Annotated[SecondFactor | None, typer.Option(help="When a recognised face needs a PIN or card too.")] = None,
    without_face: Annotated[WithoutFace | None, typer.Option(help="What lets the person in without the face.")] = None,
    wiegand: Annotated[
        str | None, typer.Option(help="What an existing controller gets with a grant: bits:facility:number.")
    ] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Set a person's PIN, add cards, or say what they are good for.

    A PIN never says who somebody is; it confirms a face or a card. PINs are kept as salted hashes, cards as keyed
    ones: nobody can read them back."""
    change = FactorChange(None, tuple(card or ()), second, without_face, wiegand)
    if not (pin or change.what):
        raise typer.BadParameter("Nothing to set. Give --pin, --card, --second, --without-face or --wiegand.")
    with open_office(load_settings(config), create=False, at_a_site=no_factors_here) as office:
        person = find(office.store, who)
        if pin:
            typed = typer.prompt("PIN", hide_input=True, confirmation_prompt=True, err=True)
            change = FactorChange(typed.strip(), change.cards, second, without_face, wiegand)
        person = change_factors(person, change, office.store, office.hasher, office.clock, office.recorder)
    _report(person, as_json)


@app.command(
    "clear", epilog=examples("edgeface gallery factor clear 3f09c1 --pin", "edgeface gallery factor clear Ada")
)
def clear(
    who: Who,
    pin: Annotated[bool, typer.Option("--pin", help="The PIN alone.")] = False,
    cards: Annotated[bool, typer.Option("--cards", help="The cards alone.")] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Clear a person's PIN or cards; where neither is named everything, back to the face alone."""
    with open_office(load_settings(config), create=False, at_a_site=no_factors_here) as office:
        person = find(office.store, who)
        person = clear_factors(person, pin, cards, office.store, office.clock, office.recorder)
    _report(person, as_json)


def summary(person: Person) -> dict[str, Any]:
    """What may be shown: that there is a PIN and how many cards, never which."""
    f = person.factors
    return {
        "pin": f.pin is not None,
        "cards": len(f.cards),
        "second": f.second.value,
        "without_face": f.without_face.value,
        "wiegand": None if f.wiegand is None else ":".join(map(str, f.wiegand)),
    }


def shown(person: Person) -> str:
    f = person.factors
    has = [*(["a PIN"] if f.pin else []), *([f"{len(f.cards)} card{'s' * (len(f.cards) > 1)}"] if f.cards else [])]
    told = [" and ".join(has) or "none", f"second factor {f.second.value}", f"without the face {f.without_face.value}"]
    return "; ".join(told if has else told[:1])


def _report(person: Person, as_json: bool) -> None:
    if as_json:
        print_json({"person": person.id, "factors": summary(person)})
    else:
        say(f"{person.name} ({person.id}): {shown(person)}.")
