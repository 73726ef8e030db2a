"""python -m scripts.train pack|spoof|embedding|export|eval|look: see `--help` of each, and README.md."""

from __future__ import annotations

import argparse
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
WORK = Path(".train")
CALIBRATION = 320  # pictures that the quantiser sees


def main() -> None:
    args = _parser().parse_args()
    globals()[f"_{args.command}"](args)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m scripts.train", description="Trains the project's own models.")
    commands = parser.add_subparsers(dest="command", required=True)
    pack = commands.add_parser("pack", help="one file of crops, 64 MiB at most, from the data folder")
    pack.add_argument("what", choices=("spoof", "embedding", "test"), help="test: the spoof model's, never trained on")
    pack.add_argument("--data", type=Path, required=True, help="folder with lfw/, spoof/, motion/, negatives/ ...")
    pack.add_argument("--reference", type=Path, required=True, help="folder of the teachers")
    pack.add_argument("--models", type=Path, default=ROOT / "models", help="where the detector is (models/)")
    pack.add_argument("--portraits", type=int, default=0, help="LFW pictures at most (4,300; embedding 6,700)")
    pack.add_argument("--out", type=Path, help="the file (.train/<what>.npz)")
    for name, steps, batch, rate in (("spoof", 2600, 48, 2e-3), ("embedding", 6000, 48, 2e-3)):
        train = commands.add_parser(name, help=f"trains the {name} network; goes on where the folder's last.pt ends")
        train.add_argument("--pack", type=Path, default=WORK / f"{name}.npz")
        train.add_argument("--folder", type=Path, default=WORK / name, help="checkpoints and curve.csv")
        train.add_argument("--steps", type=int, default=steps)
        train.add_argument("--batch", type=int, default=batch)
        train.add_argument("--rate", type=float, default=rate, help="highest learning rate")
        train.add_argument("--seed", type=int, default=1)
        train.add_argument("--threads", type=int, default=1, help="of the CPU, for the network")
        train.add_argument("--workers", type=int, default=0, help="processes that make pictures; 0: in this one")
        train.add_argument("--keep-every", type=int, default=200, help="steps between checkpoints")
        train.add_argument("--limit-minutes", type=float, default=float("inf"), help="of the whole training")
        train.add_argument("--run-minutes", type=float, default=float("inf"), help="of this run; go on with another")
        train.add_argument("--begin", type=Path, help="folder of a training whose weights this one starts with")
        train.add_argument("--device", default="auto", help="auto, cpu or cuda")
    export = commands.add_parser("export", help="averaged weights -> <name>_f32.tflite and <name>_int8.tflite")
    export.add_argument("what", choices=("spoof", "embedding"))
    export.add_argument("--folder", type=Path, help="of the training (.train/<what>)")
    export.add_argument("--pack", type=Path, help="calibration pictures come from it (.train/<what>.npz)")
    export.add_argument("--out", type=Path, default=WORK, help="folder for the two files")
    measure = commands.add_parser("eval", help="the spoof model's table: teachers, the shipped model, these files")
    measure.add_argument("files", type=Path, nargs="*", help="TFLite files, float or int8")
    measure.add_argument("--test", type=Path, default=WORK / "test.npz", help="made by `pack test`")
    measure.add_argument(
        "--write", metavar="ID", help="FLOAT INT8 are the files: puts INT8's figures into the manifest"
    )
    measure.add_argument("--models", type=Path, default=ROOT / "models")
    look = commands.add_parser("look", help="writes a sheet of training pictures: live above, attacks below")
    look.add_argument("--pack", type=Path, default=WORK / "spoof.npz")
    look.add_argument("--seed", type=int, default=1)
    look.add_argument("out", type=Path, help="a .png")
    return parser


def _pack(args: argparse.Namespace) -> None:
    out = args.out or WORK / f"{args.what}.npz"
    if args.what == "spoof":
        from scripts.train.pack_spoof import pack_spoof

        pack_spoof(args.data, args.reference, args.models, out, args.portraits or 4300)
    elif args.what == "embedding":
        from scripts.train.pack_embedding import pack_embedding

        pack_embedding(args.data, args.reference, args.models, out, args.portraits or 6700)
    else:
        from scripts.train.pack_test import pack_test

        pack_test(args.data, args.reference, args.models, out)


def _spoof(args: argparse.Namespace) -> None:
    from scripts.train.spoof import train_spoof

    train_spoof(args.pack, _plan(args))


def _embedding(args: argparse.Namespace) -> None:
    from scripts.train.embedding import train_embedding

    train_embedding(args.pack, _plan(args))


def _plan(args: argparse.Namespace):  # type: ignore[no-untyped-def]  # its type would load PyTorch for --help
    from scripts.train.loop import Plan

    return Plan(
        folder=args.folder,
        steps=args.steps,
        batch=args.batch,
        rate=args.rate,
        seed=args.seed,
        threads=args.threads,
        workers=args.workers,
        keep_every=args.keep_every,
        limit_s=args.limit_minutes * 60,
        run_s=args.run_minutes * 60,
        begin=args.begin,
        device=args.device,
    )


def _export(args: argparse.Namespace) -> None:
    from scripts.train import export

    pack = args.pack or WORK / f"{args.what}.npz"
    net, side, pictures = export.trained(args.what, args.folder or WORK / args.what, pack, CALIBRATION)
    float_path, int8_path = (args.out / f"{args.what}_{kind}.tflite" for kind in ("f32", "int8"))
    export.float_file(net, side, float_path)
    export.int8_file(float_path, pictures, int8_path)
    print(f"operators of {int8_path.name} after XNNPACK took its own: {export.operators(int8_path)}")
    print(f"int8 against float: {export.difference(float_path, int8_path, pictures)}")


def _eval(args: argparse.Namespace) -> None:
    from scripts.train import eval_spoof

    pack = eval_spoof.load(args.test)
    by_name = eval_spoof.scores(pack, args.files)
    print(eval_spoof.text(eval_spoof.table(pack, by_name)))
    if args.write:
        plain, quantised = (by_name[p.stem] for p in args.files[-2:])  # the float file, then the int8 one
        eval_spoof.write(args.models, args.write, pack, quantised, plain, eval_spoof.speed(*args.files[-2:]))


def _look(args: argparse.Namespace) -> None:
    import cv2

    from scripts.train.samples import sheet

    cv2.imwrite(str(args.out), sheet(args.pack, args.seed))


if __name__ == "__main__":
    main()
