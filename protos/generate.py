"""Generate the Python code of the contract: ``python protos/generate.py [--out DIR]``.

Writes ``*_pb2.py``, ``*_pb2.pyi``, ``*_pb2_grpc.py`` and ``*_pb2_grpc.pyi`` beside
each ``.proto``, or under DIR. The result depends on nothing but the sources and the
pinned generators, so a test regenerates and compares. It also copies the protos of
other people that the contract imports to ``build/third_party``, for buf.
"""

import os
import shutil
import sys
from importlib.metadata import distribution, version
from pathlib import Path

import grpc_tools
from grpc_tools import protoc

PROTOS = Path(__file__).resolve().parent
THIRD_PARTY = PROTOS.parent / "build" / "third_party"
THIRD_PARTY_FILES = (
    "google/api/field_behavior.proto",
    "google/rpc/error_details.proto",
    "google/rpc/status.proto",
)
GENERATORS = {"grpcio-tools": "1.78.0", "mypy-protobuf": "5.1.0"}


def check_generators() -> None:
    """Stop unless the generators are the pinned ones: others write other text."""
    for name, wanted in GENERATORS.items():
        found = version(name)
        if found != wanted:
            sys.exit(f"generate.py needs {name} {wanted}, found {found}")


def copy_third_party(wheel: Path) -> None:
    """Copy the imported Google protos where buf.yaml looks for them."""
    for name in THIRD_PARTY_FILES:
        target = THIRD_PARTY / name
        source = wheel / name
        if target.exists() and target.read_bytes() == source.read_bytes():
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)


def generate(out: Path, wheel: Path) -> None:
    """Run protoc over every proto of the contract, in sorted order."""
    out.mkdir(parents=True, exist_ok=True)
    # The mypy plugins are console scripts beside the running interpreter.
    scripts = str(Path(sys.executable).parent)
    os.environ["PATH"] = scripts + os.pathsep + os.environ.get("PATH", "")
    sources = sorted(p.relative_to(PROTOS) for p in PROTOS.glob("cage/**/*.proto"))
    arguments = [
        "protoc",
        f"--proto_path={PROTOS}",
        f"--proto_path={wheel}",
        f"--proto_path={Path(grpc_tools.__file__).parent / '_proto'}",
        f"--python_out={out}",
        f"--grpc_python_out={out}",
        f"--mypy_out=quiet:{out}",
        f"--mypy_grpc_out=quiet:{out}",
        *(source.as_posix() for source in sources),
    ]
    if protoc.main(arguments) != 0:
        sys.exit("protoc failed")
    # A file without a service has nothing to say to grpc.
    for source in sources:
        if not source.name.endswith("_service.proto"):
            for suffix in ("_pb2_grpc.py", "_pb2_grpc.pyi"):
                stem = source.with_suffix("").as_posix()
                (out / f"{stem}{suffix}").unlink(missing_ok=True)


def main(arguments: list[str]) -> None:
    """Generate beside the sources, or under DIR with ``--out DIR``."""
    if arguments and (len(arguments) != 2 or arguments[0] != "--out"):
        sys.exit("usage: python protos/generate.py [--out DIR]")
    out = Path(arguments[1]).resolve() if arguments else PROTOS
    check_generators()
    wheel = Path(str(distribution("googleapis-common-protos").locate_file("")))
    copy_third_party(wheel)
    generate(out, wheel)


if __name__ == "__main__":
    main(sys.argv[1:])
