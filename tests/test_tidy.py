"""Hold the repository to its own rules: what ruff, mypy and buf do not check."""

import ast
import fnmatch
import json
import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from importlib.metadata import distribution
from pathlib import Path

import grpc
import grpc_tools
import pytest
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
)
from grpc_tools import protoc

ROOT = Path(__file__).resolve().parents[1]
CODE = ("protos", "storage", "server", "clients")
FUNCTION_LINES = 70
MODULE_LINES = 500
MARKDOWN_LINES = {"README.md": 120, "CONTRIBUTING.md": 100}
EMPTY_NAMES = {"util", "utils", "helper", "helpers", "base", "manager", "managers"}
# A folder of one machine, such as a home. Not the end of a longer path or address.
MACHINE_PATH = re.compile(r"(?<![\w.~-])/(?:home|root|Users|work)/\w")


def committed_files() -> list[Path]:
    """List the files of the repository that .gitignore does not name."""
    lines = (ROOT / ".gitignore").read_text().splitlines()
    ignored = [line.strip("/") for line in lines if line and not line.startswith("#")]
    ignored.append(".git")

    def walk(folder: Path) -> Iterator[Path]:
        for path in sorted(folder.iterdir()):
            if any(fnmatch.fnmatch(path.name, pattern) for pattern in ignored):
                continue
            if path.is_dir():
                yield from walk(path)
            else:
                yield path

    return list(walk(ROOT))


def python_files() -> list[Path]:
    """List the Python files that people wrote."""
    return [
        path
        for path in committed_files()
        if path.suffix == ".py" and not re.search(r"_pb2(_grpc)?$", path.stem)
    ]


def markdown_files() -> list[Path]:
    """List the Markdown files."""
    return [path for path in committed_files() if path.suffix == ".md"]


def prose(path: Path) -> str:
    """Read a Markdown file without its code blocks."""
    return re.sub(r"^```.*?^```$", "", path.read_text(), flags=re.DOTALL | re.MULTILINE)


def name(path: Path) -> str:
    """Name a file for a message: its path inside the repository."""
    return path.relative_to(ROOT).as_posix()


def run(*arguments: str) -> str:
    """Run a program of this environment at the root; return what it printed."""
    done = subprocess.run(
        arguments,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout

    return done.stdout


@pytest.fixture(scope="module")
def contract(tmp_path_factory: pytest.TempPathFactory) -> list[FileDescriptorProto]:
    """Parse the protos, with their comments."""
    out = tmp_path_factory.mktemp("contract") / "set.binpb"
    wheel = distribution("googleapis-common-protos").locate_file("")
    sources = sorted((ROOT / "protos").glob("cage/**/*.proto"))
    arguments = [
        "protoc",
        f"--proto_path={ROOT / 'protos'}",
        f"--proto_path={wheel}",
        f"--proto_path={Path(grpc_tools.__file__).parent / '_proto'}",
        "--include_source_info",
        f"--descriptor_set_out={out}",
        *(source.relative_to(ROOT / "protos").as_posix() for source in sources),
    ]

    assert protoc.main(arguments) == 0

    return list(FileDescriptorSet.FromString(out.read_bytes()).file)


@pytest.fixture(scope="module")
def wheel_names(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Build the wheel and list what is in it."""
    out = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(out))
    (wheel,) = out.glob("*.whl")
    return zipfile.ZipFile(wheel).namelist()


# The package


def test_wheel_holds_only_cage(wheel_names: list[str]) -> None:
    """The wheel puts nothing but cage and its metadata into site-packages."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    info = f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"

    assert {entry.split("/")[0] for entry in wheel_names} == {"cage", info}
    assert f"{info}/licenses/LICENSE" in wheel_names


def test_wheel_holds_every_part(wheel_names: list[str]) -> None:
    """The wheel holds every file of the four folders, generated code included."""
    wanted = {
        path.relative_to(ROOT / folder).as_posix()
        for folder in CODE
        for path in committed_files()
        if path.is_relative_to(ROOT / folder / "cage")
    }

    assert "cage/wallet/v1/wallet_service_pb2_grpc.py" in wanted
    assert wanted <= set(wheel_names)


def test_cage_is_a_namespace(wheel_names: list[str]) -> None:
    """No cage/__init__.py hides the other portions of the namespace."""
    found = [name(path) for path in ROOT.glob("*/cage/__init__.py")]

    assert not found, found
    assert "cage/__init__.py" not in wheel_names


def test_generated_code_is_typed() -> None:
    """Every folder of generated code says with py.typed that its stubs count."""
    folders = {path.parent for path in (ROOT / "protos" / "cage").rglob("*_pb2.pyi")}
    missing = [name(f) for f in sorted(folders) if not (f / "py.typed").is_file()]

    assert folders
    assert not missing


def test_constraints_hold_names_and_versions() -> None:
    """constraints.txt holds exact versions, and no address or hash."""
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pin = re.compile(r"[A-Za-z0-9][\w.-]*==\d[\w.+!]*")

    assert lines
    assert [line for line in lines if not pin.fullmatch(line)] == []


def test_constraints_pin_every_dependency() -> None:
    """Every dependency of pyproject.toml has its version in constraints.txt."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = list(project["dependencies"])
    for extra in project["optional-dependencies"].values():
        wanted += extra
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pinned = {normal(line.split("==")[0]) for line in lines}

    assert {normal(re.split(r"[^\w.-]", need)[0]) for need in wanted} <= pinned


def normal(distribution_name: str) -> str:
    """Write the name of a distribution as package indexes compare it."""
    return re.sub(r"[-_.]+", "-", distribution_name).lower()


# The contract


def test_generated_code_is_fresh(tmp_path: Path) -> None:
    """Generating again gives the committed code, byte for byte."""
    run(sys.executable, "protos/generate.py", "--out", str(tmp_path))
    fresh = {path.relative_to(tmp_path): path for path in tmp_path.rglob("*_pb2*")}
    protos = ROOT / "protos"
    committed = {
        path.relative_to(protos): path
        for path in protos.rglob("*_pb2*")
        if path.suffix != ".pyc"
    }
    stale = [
        path.as_posix()
        for path in sorted(fresh.keys() & committed.keys())
        if fresh[path].read_bytes() != committed[path].read_bytes()
    ]

    assert fresh.keys() == committed.keys()
    assert not stale, stale


def elements(file: FileDescriptorProto) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Yield each element of a proto file: its name and its source-info path."""
    for i, message in enumerate(file.message_type):
        yield from message_elements(message, (4, i))
    for i, enum in enumerate(file.enum_type):
        yield from enum_elements(enum, (5, i))
    for i, service in enumerate(file.service):
        yield service.name, (6, i)
        for j, rpc in enumerate(service.method):
            yield f"{service.name}.{rpc.name}", (6, i, 2, j)


def message_elements(
    message: DescriptorProto, path: tuple[int, ...]
) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Yield a message and what is inside it."""
    if message.options.map_entry:
        return
    yield message.name, path
    # An optional field stands in a oneof that nobody wrote.
    unwritten = {f.oneof_index for f in message.field if f.proto3_optional}
    for i, field in enumerate(message.field):
        yield f"{message.name}.{field.name}", (*path, 2, i)
    for i, oneof in enumerate(message.oneof_decl):
        if i not in unwritten:
            yield f"{message.name}.{oneof.name}", (*path, 8, i)
    for i, nested in enumerate(message.nested_type):
        yield from message_elements(nested, (*path, 3, i))
    for i, enum in enumerate(message.enum_type):
        yield from enum_elements(enum, (*path, 4, i))


def enum_elements(
    enum: EnumDescriptorProto, path: tuple[int, ...]
) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Yield an enum and its values."""
    yield enum.name, path
    for i, value in enumerate(enum.value):
        yield f"{enum.name}.{value.name}", (*path, 2, i)


def comments(file: FileDescriptorProto) -> dict[tuple[int, ...], str]:
    """Map source-info paths of a proto file to the comments above them."""
    return {
        tuple(location.path): location.leading_comments
        for location in file.source_code_info.location
        if location.leading_comments.strip()
    }


def test_protos_are_commented(contract: list[FileDescriptorProto]) -> None:
    """Every message, field, oneof, enum, value, service and rpc has a comment."""
    bare = [
        f"{file.name}: {element}"
        for file in contract
        for element, path in elements(file)
        if path not in comments(file)
    ]

    assert sum(len(list(elements(file))) for file in contract) > 0
    assert not bare, bare


def error_reasons(contract: list[FileDescriptorProto]) -> dict[str, str]:
    """Map each reason, without its prefix, to its comment."""
    (file,) = (f for f in contract if f.name == "cage/error/v1/error_reason.proto")
    written = comments(file)
    return {
        value.name.removeprefix("ERROR_REASON_"): written.get((5, 0, 2, i), "")
        for i, value in enumerate(file.enum_type[0].value)
        if value.number != 0
    }


def advices(contract: list[FileDescriptorProto]) -> set[str]:
    """List the advices of the contract, without their prefix."""
    enums = (enum for file in contract for enum in file.enum_type)
    (advice,) = (enum for enum in enums if enum.name == "Advice")
    return {v.name.removeprefix("ADVICE_") for v in advice.value if v.number != 0}


def test_reasons_are_documented(contract: list[FileDescriptorProto]) -> None:
    """Every reason states its code, advice and metadata, with an example of JSON."""
    codes = {code.name for code in grpc.StatusCode} - {"OK"}
    layout = re.compile(
        r"\S.*\n\n Code: (?P<code>\w+)\. Advice: (?P<advice>\w+)\.\n"
        r" Metadata: (?P<metadata>.+)\.\n\n Example:\n\n(?P<example>.+)",
        re.DOTALL,
    )
    for reason, comment in error_reasons(contract).items():
        found = layout.search(comment)

        assert found, f"{reason} lacks a line: {comment}"
        assert found["code"] in codes, reason
        assert found["advice"] in advices(contract), reason

        example = json.loads(found["example"])
        keys = set(re.findall(r"(?:^|; )(\w+) \(", found["metadata"].replace("\n", "")))

        assert example["reason"] == reason
        assert example["domain"] == "cage"
        assert example.get("metadata", {}).keys() == keys, reason
        assert keys or found["metadata"] == "none", reason


def test_reasons_are_tested(contract: list[FileDescriptorProto]) -> None:
    """Every reason is raised by a test, which names it or the client's error."""
    # Unit tests list reasons without raising them.
    tests = set((ROOT / "tests").rglob("*.py")) - {Path(__file__)}
    tests -= set((ROOT / "tests" / "unit").rglob("*.py"))
    words = {word for test in tests for word in re.findall(r"\w+", test.read_text())}
    missing = [
        reason
        for reason in error_reasons(contract)
        if not words & {reason, f"{reason.title().replace('_', '')}Error"}
    ]

    assert not missing, missing


# The code


def test_functions_are_short() -> None:
    """No function is longer than a reader can hold."""
    long = [
        f"{name(path)}:{node.lineno} {node.name}"
        for path in python_files()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or 0) - node.lineno + 1 > FUNCTION_LINES
    ]

    assert not long, long


def test_modules_are_short() -> None:
    """No module is longer than a reader can hold."""
    lines = {name(p): len(p.read_text().splitlines()) for p in python_files()}

    assert {n: count for n, count in lines.items() if count > MODULE_LINES} == {}


def test_modules_are_named_after_nouns() -> None:
    """No module or package has a name that says nothing."""
    found = [
        name(path)
        for path in python_files()
        if EMPTY_NAMES & {part.strip("_") for part in path.with_suffix("").parts}
    ]

    assert not found, found


def test_all_is_complete() -> None:
    """The __all__ of a package lists exactly the public names that it binds."""
    for path in python_files():
        tree = ast.parse(path.read_text())
        listed = exported(tree)
        if path.name == "__init__.py" and listed is not None:
            assert sorted(listed) == sorted(public_names(tree)), name(path)


def exported(tree: ast.Module) -> list[str] | None:
    """Return the __all__ of a module; None if it has none."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return list(ast.literal_eval(node.value))
    return None


def public_names(tree: ast.Module) -> Iterator[str]:
    """Yield the public names that a package defines or takes from cage."""
    for node in tree.body:
        found: list[str] = []
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("cage"):
            found = [alias.asname or alias.name for alias in node.names]
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found = [node.name]
        elif isinstance(node, ast.Assign):
            found = [ast.unparse(target) for target in node.targets]
        yield from (each for each in found if not each.startswith("_"))


def test_imports_follow_the_layers() -> None:
    """Imports between the parts go only where the contracts allow."""
    run(str(Path(sys.executable).parent / "lint-imports"), "--no-logo", "--no-cache")


# The texts


def test_markdown_has_one_title() -> None:
    """Every Markdown file has one title, on its first line."""
    wrong = [
        name(path)
        for path in markdown_files()
        if not path.read_text().startswith("# ")
        or len(re.findall(r"^# ", prose(path), re.MULTILINE)) != 1
    ]

    assert markdown_files()
    assert not wrong, wrong


def test_markdown_is_short() -> None:
    """README and CONTRIBUTING stay short enough to be read."""
    for file, limit in MARKDOWN_LINES.items():
        assert len((ROOT / file).read_text().splitlines()) <= limit, file


def test_links_lead_somewhere() -> None:
    """Every relative link in a Markdown file leads to a file of the repository."""
    broken = [
        f"{name(path)}: {target}"
        for path in markdown_files()
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", prose(path))
        if "://" not in target and not (path.parent / target).exists()
    ]

    assert not broken, broken


def test_make_targets_exist() -> None:
    """Every make target that the documents name is in the Makefile."""
    targets = set(
        re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    )
    for path in markdown_files():
        # In code only: "to make sure" is English.
        code = re.findall(r"(?:^|`)make ([a-z]+)", path.read_text(), re.MULTILINE)

        assert set(code) <= targets, name(path)


def test_no_file_names_a_machine() -> None:
    """No committed file holds a path of the machine that it was written on."""
    found = [
        f"{name(path)}:{number}"
        for path in committed_files()
        for number, line in enumerate(path.read_bytes().split(b"\n"), start=1)
        if MACHINE_PATH.search(line.decode(errors="replace"))
    ]

    assert not found, found
