"""dvc.yaml held against the code. Each check gives its complaints, one a line; none is good."""

import ast
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any

from stages.lib.config import read_yaml

ROOMS = ("stages", "commands", "tests", "bench")
ROOMS_OF_LIB: dict[str, tuple[str, ...]] = {
    "readers": (),
    "remotes": ("readers",),
    "sources": ("cleaning", "readers", "remotes"),
    "splits": (),
    "cleaning": (),
    "statistics": (),
    "encoders": ("cleaning", "statistics"),
    "training": ("encoders", "statistics"),
    "errors": ("statistics",),
    "behaviour": ("cleaning", "encoders", "sources", "statistics"),
    "pages": ("statistics",),
    "profile": ("pages", "statistics"),
    "card": ("cleaning", "encoders", "pages", "statistics"),
}
ROOMS_OF_COMMANDS = ("new_source",)  # each for the command of its name
KNOBS = "params.yaml"
# the knobs are params; the lock is read to warn and the log is written for people: no output comes of either;
# a model's card has the name that our own page has
NO_CODE = (KNOBS, "requirements.lock", ".textrail/timings.jsonl", "README.md")
# a stage that reads more than the section of its own name: those that it may, and why
SECTIONS_OF_OTHERS = {
    "crossfit": {
        "errors": "errors.folds says whether errors wants its answer, and of how many models",
        "finetune": "it trains as finetune does",
    },
    "package": {"finetune": "the card tells the knobs that the model was trained with"},
}
PLAIN_PATH = re.compile(r"\w[\w.-]*(/\w[\w.-]*)*")
DATA_PATH = re.compile(r"(data|models|metrics|reports)/[\w./-]+")


@dataclass(frozen=True)
class Project:
    root: Path
    stages: dict[str, dict[str, Any]]  # dvc.yaml's, with ${...} filled in
    params: dict[str, dict[str, Any]]


def read_project(root: Path) -> Project:
    params = read_yaml(root / KNOBS)
    return Project(root, _filled_in(read_yaml(root / "dvc.yaml")["stages"], params), params)


def _filled_in(node: Any, params: dict[str, Any]) -> Any:
    if isinstance(node, dict):
        return {_filled_in(key, params): _filled_in(value, params) for key, value in node.items()}
    if isinstance(node, list):
        return [_filled_in(item, params) for item in node]
    if isinstance(node, str):
        return re.sub(r"\$\{(\w+)\.(\w+)\}", lambda found: str(params[found[1]][found[2]]), node)
    return node


# --- the checks --------------------------------------------------------------------------------------------


def code_is_declared(project: Project) -> Iterator[str]:
    """DVC does not follow imports: a stage lists each project file that its code consists of."""
    for name, stage in project.stages.items():
        used = code_of(name, project)
        declared = {dep for dep in stage.get("deps", []) if dep.split("/")[0] in ROOMS}
        yield from (f"{name}: uses {path}, which its deps lack" for path in sorted(used - declared))
        yield from (f"{name}: lists {path}, which it does not use" for path in sorted(declared - used))


def packages_hold_no_code(project: Project) -> Iterator[str]:
    """So that nobody has to declare them; how often Python looks for garbage is no code of theirs."""
    for room in ("stages", "commands"):
        for path in sorted((project.root / room).rglob("__init__.py")):
            statements = map(ast.unparse, _parsed(path.read_text(encoding="utf-8")).body[1:])
            if not all(re.match(r"import gc$|gc\.set_threshold\(", each) for each in statements):
                yield f"{path.relative_to(project.root)}: holds more than a docstring"


def arrows_run_one_way(project: Project) -> Iterator[str]:
    """commands -> commands.lib -> stages.lib, commands -> stages -> stages.lib; no stage imports a stage.

    Rooms of either lib rest on what lies in lib itself; ROOMS_OF_LIB says which of stages.lib's on which.
    """
    everything = tuple(f"stages/lib{room}" for room in ("", *(f"/{name}" for name in ROOMS_OF_LIB)))
    rooms_of_commands = tuple(f"commands/lib/{name}" for name in ROOMS_OF_COMMANDS)
    allowed = {
        "commands": ("commands", "commands/lib", *rooms_of_commands, "stages", *everything),
        "commands/lib": ("commands/lib", *everything),
        "stages": everything,
        "stages/lib": ("stages/lib",),
    } | {
        f"stages/lib/{name}": ("stages/lib", *(f"stages/lib/{room}" for room in (name, *below)))
        for name, below in ROOMS_OF_LIB.items()
    }
    allowed |= {room: (room, "commands/lib", *everything) for room in rooms_of_commands}
    for room, rooms in allowed.items():
        for path in sorted((project.root / room).glob("*.py")):
            for used in sorted(imported_files(path, project.root)):
                if str(PurePosixPath(used).parent) not in rooms:
                    yield f"{path.relative_to(project.root)}: imports {used}"


def lib_is_used(project: Project) -> Iterator[str]:
    """A lib module that no stage and no command reaches is dead (docs/decisions/lib.md)."""
    users = [path for room in ("stages", "commands") for path in (project.root / room).glob("*.py")]
    reached = {path: _reachable(path, project.root) for path in users}
    libs = [path for room in ("stages", "commands") for path in (project.root / room / "lib").rglob("*.py")]
    for path in sorted(libs):
        name = str(path.relative_to(project.root))
        if path.name != "__init__.py" and not any(name in files for files in reached.values()):
            yield f"{name}: no stage and no command uses it"


def params_are_declared(project: Project) -> Iterator[str]:
    """A stage reads the section of its own name and, but for SECTIONS_OF_OTHERS, no other.

    It declares a section whole, or as `section.key` where it reads `load_params("section", ...).key` alone.
    """
    for name, stage in project.stages.items():
        read, declared = params_read(f"stages/{name}.py", project), set(stage.get("params", []))
        if read != declared:
            yield f"{name}: reads params {sorted(read)}, declares {sorted(declared)}"
        sections = {each.partition(".")[0] for each in read}
        others = sections - {name} - set(SECTIONS_OF_OTHERS.get(name, {}))
        yield from (f"{name}: reads section '{section}' of another" for section in sorted(others))
        lent = SECTIONS_OF_OTHERS.get(name, {}).keys() - sections
        yield from (f"{name}: may read section '{section}', and does not" for section in sorted(lent))


def params_are_used(project: Project) -> Iterator[str]:
    """Each section is read, and its keys are the fields of the reader's Params, which have no defaults."""
    for section, keys in project.params.items():
        owner = next(
            (r for r in ("stages", "commands") if (project.root / r / f"{section}.py").exists()), None
        )
        path = f"{owner}/{section}.py"
        if owner is None or section not in sections_read(path, project):
            yield f"{KNOBS}: nobody reads section '{section}'"
            continue
        fields, defaults = params_fields(path, project)
        if fields != set(keys):
            yield f"{KNOBS}: {section} has {sorted(keys)}, Params in {path} has {sorted(fields)}"
        yield from (f"{path}: {field} has a default" for field in defaults)


def commands_name_declared_files(project: Project) -> Iterator[str]:
    """`--option path` is an InPath of main and a dep, or an OutPath and an out; and the other way round."""
    for name, stage in project.stages.items():
        words = shlex.split(stage["cmd"])
        if words[:3] != ["python", "-m", f"stages.{name}"] or len(words) % 2 == 0:
            yield f"{name}: cmd is not `python -m stages.{name} --option path ...`"
            continue
        paths = {words[i].removeprefix("--"): words[i + 1] for i in range(3, len(words), 2)}
        kinds = path_options(name, project)
        if list(paths) != list(kinds):
            yield f"{name}: cmd has options {list(paths)}, main has {list(kinds)}"
        read = {path for option, path in paths.items() if kinds.get(option) == "InPath"}
        written = {path for option, path in paths.items() if kinds.get(option) == "OutPath"}
        deps = {dep for dep in stage.get("deps", []) if dep.split("/")[0] not in ROOMS}
        yield from _differences(name, "reads", read, "deps", deps)
        yield from _differences(name, "writes", written, "outs", set(outs_of(stage)))


def _differences(name: str, verb: str, done: set[str], kind: str, declared: set[str]) -> Iterator[str]:
    yield from (f"{name}: {verb} {path}, which its {kind} lack" for path in sorted(done - declared))
    yield from (f"{name}: {kind} list {path}, which cmd does not name" for path in sorted(declared - done))


def names_agree(project: Project) -> Iterator[str]:
    """Stage, module, test file and metrics file bear one name."""
    modules = {path.stem for path in (project.root / "stages").glob("*.py")} - {"__init__"}
    yield from (
        f"stages/{name}.py: no such stage in dvc.yaml" for name in sorted(modules - set(project.stages))
    )
    for name, stage in project.stages.items():
        for path in (f"stages/{name}.py", f"tests/test_{name}.py"):
            if not (project.root / path).exists():
                yield f"{name}: no {path}"
        if f"metrics/{name}.json" not in outs_of(stage):
            yield f"{name}: metrics/{name}.json is not among its outs"


def stages_are_described(project: Project) -> Iterator[str]:
    for name, stage in project.stages.items():
        if not re.fullmatch(r"[A-Z][^.!?]*( params\.yaml[^.!?]*)?\.", stage.get("desc", "")):
            yield f"{name}: desc is not one sentence: {stage.get('desc')!r}"


def nothing_defeats_the_cache(project: Project) -> Iterator[str]:
    """See docs/decisions: each of these makes DVC run too little, too much, or never restore a run."""
    for name, stage in project.stages.items():
        yield from (f"{name}: {key}" for key in ("frozen", "always_changed") if stage.get(key))
        for kind in ("outs", "metrics", "plots"):
            for path, options in outs_of(stage, (kind,)).items():
                if options.get("persist"):
                    yield f"{name}: {path} persists"
                if kind == "outs" and options.get("cache") is False:
                    yield f"{name}: {path} is not cached, and neither metric nor plot"


def paths_stand_in_dvc_yaml(project: Project) -> Iterator[str]:
    """dvc.yaml is the only place where the paths of data are written: no stage holds one."""
    for path in sorted((project.root / "stages").rglob("*.py")):
        for text in _strings(path.read_text(encoding="utf-8")):
            if DATA_PATH.fullmatch(text):
                yield f"{path.relative_to(project.root)}: {text!r} is a path of data"


# --- what they read ----------------------------------------------------------------------------------------


def outs_of(
    stage: dict[str, Any], kinds: tuple[str, ...] = ("outs", "metrics", "plots")
) -> dict[str, dict[str, Any]]:
    """Path -> its options in dvc.yaml."""
    entries = [entry for kind in kinds for entry in stage.get(kind, [])]
    return {path: options for entry in entries for path, options in _with_options(entry)}


def _with_options(entry: str | dict[str, dict[str, Any]]) -> list[tuple[str, dict[str, Any]]]:
    return [(entry, {})] if isinstance(entry, str) else list(entry.items())


def code_of(name: str, project: Project) -> set[str]:
    """The stage's module, what it imports of the project, and the files beside these that they open."""
    module, root = project.root / f"stages/{name}.py", project.root
    if not module.exists():
        return set()
    modules = {str(module.relative_to(root)), *_reachable(module, root)}
    texts = {text for path in modules for text in _strings((root / path).read_text(encoding="utf-8"))}
    beside = {found for path in modules for found in _data_beside(root / path, root)}
    opened = {
        file for found in beside for file in (_files_named(found, texts) if found.is_dir() else [found])
    }
    return modules | {str(path.relative_to(root)) for path in opened}


def _data_beside(path: Path, root: Path) -> set[Path]:
    """What a string of the module names: a file or folder beside it or beside a folder that it is in."""
    texts = {text for text in _strings(path.read_text(encoding="utf-8")) if PLAIN_PATH.fullmatch(text)}
    folders = list(path.parents)[: len(path.relative_to(root).parents)]
    return {folder / text for folder in folders for text in texts if _is_data(folder / text, root)}


def _files_named(folder: Path, texts: set[str]) -> set[Path]:
    """The folder's files that the code names, and those that these include; all of it where it names none."""
    used = {path for path in folder.iterdir() if path.name in texts}
    size = -1
    while size < len(used):
        size, pages = len(used), [path.read_text(encoding="utf-8") for path in used]
        used |= {path for path in folder.iterdir() for page in pages if f'"{path.name}"' in page}
    return used or {folder}


def _is_data(path: Path, root: Path) -> bool:
    if path.is_dir():  # a folder in the root holds outs or sources, and options name those
        return path.parent != root and not (path / "__init__.py").exists()
    return path.is_file() and path.suffix != ".py" and str(path.relative_to(root)) not in NO_CODE


@cache
def _strings(source: str) -> frozenset[str]:
    """The string literals of the code."""
    constants = (node.value for node in ast.walk(_parsed(source)) if isinstance(node, ast.Constant))
    return frozenset(value for value in constants if isinstance(value, str))


@cache
def _parsed(source: str) -> ast.Module:
    return ast.parse(source)


def imported_files(path: Path, root: Path) -> set[str]:
    """The project's files that the module imports itself, wherever in its text; packages left out."""
    names = _imported_names(path.read_text(encoding="utf-8"), path.relative_to(root).parent.parts)
    return {file for name in names if (root / (file := f"{name.replace('.', '/')}.py")).is_file()}


@cache
def _imported_names(source: str, package: tuple[str, ...]) -> frozenset[str]:
    names: set[str] = set()
    for node in ast.walk(_parsed(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join([*above, *([node.module] if node.module else [])])
            names |= {module, *(f"{module}.{alias.name}" for alias in node.names)}
    return frozenset(names)


def _reachable(path: Path, root: Path) -> set[str]:
    found: set[str] = set()
    waiting = imported_files(path, root)
    while waiting:
        found |= waiting
        waiting = {new for used in waiting for new in imported_files(root / used, root)} - found
    return found


def sections_read(module: str, project: Project) -> set[str]:
    """The sections that the module, or what it imports, asks load_params for."""
    path = project.root / module
    if not path.exists():
        return set()
    files = [path, *(project.root / used for used in _reachable(path, project.root))]
    return {section for file in files for section in _load_params_calls(file.read_text(encoding="utf-8"))}


def params_read(module: str, project: Project) -> set[str]:
    """Those sections; as `section.key` where the code reads nothing else of it."""
    path = project.root / module
    if not path.exists():
        return set()
    files = [path, *(project.root / used for used in _reachable(path, project.root))]
    found = {each for file in files for each in _params_read(file.read_text(encoding="utf-8"))}
    return {each for each in found if each.partition(".")[0] == each or each.partition(".")[0] not in found}


def _load_params_calls(source: str) -> Iterator[str]:
    return (each.partition(".")[0] for each in _params_read(source))


@cache
def _params_read(source: str) -> frozenset[str]:
    """`section.key` of each `load_params("section", ...).key`, the section of any other such call."""
    nodes = [*ast.walk(_parsed(source))]
    keys = {id(node.value): node.attr for node in nodes if isinstance(node, ast.Attribute)}
    found = set()
    for node in nodes:
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "load_params":
            section, key = ast.literal_eval(node.args[0]), keys.get(id(node))
            found.add(section if key is None else f"{section}.{key}")
    return frozenset(found)


def params_fields(module: str, project: Project) -> tuple[set[str], list[str]]:
    """The keys of the module's Params, and which fields of it and of the models beside it have a default.

    A command may have its Params in a file that it imports.
    """
    path = project.root / module
    files = [path, *(project.root / used for used in sorted(_reachable(path, project.root)))]
    models = next((found for file in files if "Params" in (found := _models_in(file))), {})
    fields = [
        (name, node) for name in models for node in models[name].body if isinstance(node, ast.AnnAssign)
    ]
    defaults = [f"{name}.{_key_of(node)}" for name, node in fields if _has_default(node.value)]
    return {_key_of(node) for name, node in fields if name == "Params"}, defaults


def _models_in(path: Path) -> dict[str, ast.ClassDef]:
    tree = _parsed(path.read_text(encoding="utf-8"))
    return {node.name: node for node in tree.body if isinstance(node, ast.ClassDef) and node.bases}


def _key_of(field: ast.AnnAssign) -> str:
    options = field.value.keywords if isinstance(field.value, ast.Call) else []
    alias = next((option.value for option in options if option.arg == "alias"), None)
    return ast.unparse(field.target) if alias is None else str(ast.literal_eval(alias))


def _has_default(value: ast.expr | None) -> bool:
    if not isinstance(value, ast.Call):
        return value is not None
    return bool(value.args) or any(option.arg in ("default", "default_factory") for option in value.keywords)


def path_options(name: str, project: Project) -> dict[str, str]:
    """Option of the stage's main, as typed on the command line -> InPath or OutPath."""
    path = project.root / f"stages/{name}.py"
    if not path.exists():
        return {}
    tree = _parsed(path.read_text(encoding="utf-8"))
    mains = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "main"]
    arguments = [argument for main in mains for argument in (*main.args.args, *main.args.kwonlyargs)]
    return {a.arg.replace("_", "-"): ast.unparse(a.annotation) if a.annotation else "" for a in arguments}
