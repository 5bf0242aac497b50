"""dvc.yaml tells the truth about the code, and each check of tests/graph.py refuses where it does not."""

import copy
import dataclasses
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import graph
from tests.graph import Project, read_project
from tests.tiny import ROOT

Check = Callable[[Project], Iterator[str]]
Stages = dict[str, dict[str, Any]]

CHECKS: tuple[Check, ...] = (
    graph.code_is_declared,
    graph.packages_hold_no_code,
    graph.arrows_run_one_way,
    graph.lib_is_used,
    graph.params_are_declared,
    graph.params_are_used,
    graph.commands_name_declared_files,
    graph.names_agree,
    graph.stages_are_described,
    graph.nothing_defeats_the_cache,
    graph.paths_stand_in_dvc_yaml,
)
# Packages -> the stages that do not need them, and whose start must not wait for them.
NOT_IMPORTED = {
    ("torch", "transformers"): (
        "ingest",
        "clean",
        "split",
        "encoder",  # unless it has to find out what it is given
        "profile",
        "tokenize",
        "baseline",
        "crossfit",  # unless it has to train
        "errors",
        "report",
        "package",
    ),
    ("sklearn", "scipy.stats", "pandas"): (
        "ingest",
        "clean",
        "tokenize",
        "profile",
        "encoder",
        "features",
        "predict",
        "robustness",
        "explain",
        "crossfit",
        "package",
        "report",
    ),
    ("matplotlib", "scipy"): ("ingest", "clean", "tokenize", "encoder", "features", "crossfit", "package"),
    ("scipy",): ("profile", "report"),
    # imported once more by the process that lays the map out
    ("cleanlab", "datasets", "sklearn.cluster"): ("errors",),
}


@pytest.mark.parametrize("check", CHECKS)
def test_the_project_passes(check: Check) -> None:
    assert list(check(read_project(ROOT))) == []


def set_option(stages: Stages, path: str, **options: bool) -> None:
    outs = stages["clean"]["outs"]
    outs[outs.index(path)] = {path: options}


SPOILT_GRAPHS: list[tuple[Check, Callable[[Stages], object], str]] = [
    (
        graph.code_is_declared,
        lambda stages: stages["clean"]["deps"].remove("stages/clean.py"),
        "clean: uses stages/clean.py, which its deps lack",
    ),
    (
        graph.code_is_declared,
        lambda stages: stages["ingest"]["deps"].remove("stages/lib/config.py"),  # imported through params.py
        "ingest: uses stages/lib/config.py, which its deps lack",
    ),
    (
        graph.code_is_declared,
        lambda stages: stages["split"]["deps"].append("stages/lib/pages/plots.py"),
        "split: lists stages/lib/pages/plots.py, which it does not use",
    ),
    (
        graph.code_is_declared,
        lambda stages: stages["split"]["deps"].append("stages/clean.py"),
        "split: lists stages/clean.py, which it does not use",
    ),
    (
        graph.code_is_declared,
        lambda stages: stages["report"]["deps"].remove("stages/templates/errors.html"),
        "report: uses stages/templates/errors.html, which its deps lack",
    ),
    (
        graph.code_is_declared,
        lambda stages: stages["report"]["deps"].remove(
            "stages/templates/page.css"
        ),  # errors.html includes it
        "report: uses stages/templates/page.css, which its deps lack",
    ),
    (
        graph.params_are_declared,
        lambda stages: stages["split"].pop("params"),
        "split: reads params ['split'], declares []",
    ),
    (
        graph.params_are_declared,
        lambda stages: stages["split"]["params"].append("finetune"),
        "split: reads params ['split'], declares ['finetune', 'split']",
    ),
    (
        graph.params_are_declared,
        lambda stages: stages["crossfit"].update(params=["errors", "finetune"]),
        "crossfit: reads params ['errors.folds', 'finetune'], declares ['errors', 'finetune']",
    ),
    (
        graph.params_are_declared,
        lambda stages: stages["crossfit"].update(params=["errors.seed", "finetune"]),
        "crossfit: reads params ['errors.folds', 'finetune'], declares ['errors.seed', 'finetune']",
    ),
    (
        graph.params_are_declared,
        lambda stages: stages["crossfit"]["params"].remove("finetune"),
        "crossfit: reads params ['errors.folds', 'finetune'], declares ['errors.folds']",
    ),
    (
        graph.params_are_declared,
        lambda stages: stages["errors"].update(params=["errors.folds"]),
        "errors: reads params ['errors'], declares ['errors.folds']",
    ),
    (
        graph.commands_name_declared_files,
        lambda stages: stages["split"]["deps"].remove("data/cleaned.parquet"),
        "split: reads data/cleaned.parquet, which its deps lack",
    ),
    (
        graph.commands_name_declared_files,
        lambda stages: stages["split"]["deps"].append("data/ingested.parquet"),
        "split: deps list data/ingested.parquet, which cmd does not name",
    ),
    (
        graph.commands_name_declared_files,
        lambda stages: stages["split"]["outs"].remove("data/splits.parquet"),
        "split: writes data/splits.parquet, which its outs lack",
    ),
    (
        graph.commands_name_declared_files,
        lambda stages: stages["split"]["outs"].append("data/more.parquet"),
        "split: outs list data/more.parquet, which cmd does not name",
    ),
    (
        graph.commands_name_declared_files,
        lambda stages: stages["split"].update(cmd="python stages/split.py --task data/task.json"),
        "split: cmd is not `python -m stages.split --option path ...`",
    ),
    (
        graph.commands_name_declared_files,
        lambda stages: stages["split"].update(cmd="python -m stages.split --task data/task.json"),
        "split: cmd has options ['task'], main has ['task', 'cleaned', 'splits', 'copies', 'metrics']",
    ),
    (
        graph.names_agree,
        lambda stages: stages.update(divide=stages.pop("split")),
        "stages/split.py: no such stage in dvc.yaml",
    ),
    (
        graph.names_agree,
        lambda stages: stages.update(divide=stages.pop("split")),
        "divide: no tests/test_divide.py",
    ),
    (
        graph.names_agree,
        lambda stages: stages["split"].update(outs=["data/splits.parquet", "metrics/divide.json"]),
        "split: metrics/split.json is not among its outs",
    ),
    (
        graph.stages_are_described,
        lambda stages: stages["split"].pop("desc"),
        "split: desc is not one sentence: None",
    ),
    (
        graph.stages_are_described,
        lambda stages: stages["split"].update(desc="Give roles"),
        "split: desc is not one sentence: 'Give roles'",
    ),
    (
        graph.stages_are_described,
        lambda stages: stages["split"].update(desc="Give roles. Leave out copies."),
        "split: desc is not one sentence: 'Give roles. Leave out copies.'",
    ),
    (
        graph.nothing_defeats_the_cache,
        lambda stages: set_option(stages, "data/cleaned.parquet", cache=False),
        "clean: data/cleaned.parquet is not cached, and neither metric nor plot",
    ),
    (
        graph.nothing_defeats_the_cache,
        lambda stages: set_option(stages, "data/cleaned.parquet", persist=True),
        "clean: data/cleaned.parquet persists",
    ),
    (
        graph.nothing_defeats_the_cache,
        lambda stages: stages["encoder"].update(frozen=True),
        "encoder: frozen",
    ),
    (
        graph.nothing_defeats_the_cache,
        lambda stages: stages["encoder"].update(always_changed=True),
        "encoder: always_changed",
    ),
]


@pytest.mark.parametrize(("check", "spoil", "complaint"), SPOILT_GRAPHS)
def test_a_spoilt_dvc_yaml_is_refused(
    check: Check, spoil: Callable[[Stages], object], complaint: str
) -> None:
    project = read_project(ROOT)
    stages = copy.deepcopy(project.stages)
    spoil(stages)
    assert complaint not in check(project)
    assert complaint in check(dataclasses.replace(project, stages=stages))


SPOILT_CODE = [
    (
        graph.code_is_declared,
        "stages/clean.py",
        "from stages.lib.pages import plots",
        "clean: uses stages/lib/pages/plots.py, which its deps lack",
    ),
    (
        graph.code_is_declared,
        "stages/clean.py",
        "def late() -> None:\n    import stages.lib.pages.plots",
        "clean: uses stages/lib/pages/plots.py, which its deps lack",
    ),
    (
        graph.code_is_declared,
        "stages/clean.py",
        "from .lib.pages.plots import color_of",
        "clean: uses stages/lib/pages/plots.py, which its deps lack",
    ),
    (
        graph.code_is_declared,
        "stages/clean.py",
        "PAGES = Path(__file__).parent / 'templates'",
        "clean: uses stages/templates, which its deps lack",
    ),
    (
        graph.code_is_declared,
        "stages/clean.py",
        "GRAPH = Path('dvc.yaml')",
        "clean: uses dvc.yaml, which its deps lack",
    ),
    (
        graph.packages_hold_no_code,
        "stages/lib/__init__.py",
        "SEED = 1",
        "stages/lib/__init__.py: holds more than a docstring",
    ),
    (
        graph.arrows_run_one_way,
        "stages/clean.py",
        "from stages import split",
        "stages/clean.py: imports stages/split.py",
    ),
    (
        graph.arrows_run_one_way,
        "stages/clean.py",
        "from commands.summary import main",
        "stages/clean.py: imports commands/summary.py",
    ),
    (
        graph.arrows_run_one_way,
        "stages/lib/tables.py",
        "from stages.split import main",
        "stages/lib/tables.py: imports stages/split.py",
    ),
    (
        graph.arrows_run_one_way,
        "stages/lib/tables.py",
        "import stages.lib.pages.plots",
        "stages/lib/tables.py: imports stages/lib/pages/plots.py",
    ),
    (
        graph.arrows_run_one_way,
        "stages/lib/readers/reading.py",
        "from stages.lib.statistics.scores import scores",
        "stages/lib/readers/reading.py: imports stages/lib/statistics/scores.py",
    ),
    (
        graph.arrows_run_one_way,
        "stages/lib/readers/reading.py",
        "from stages.lib.sources.source import read_source",
        "stages/lib/readers/reading.py: imports stages/lib/sources/source.py",
    ),
    (
        graph.arrows_run_one_way,
        "commands/lib/terminal.py",
        "from commands.lib.new_source.guess import Guess",
        "commands/lib/terminal.py: imports commands/lib/new_source/guess.py",
    ),
    (
        graph.arrows_run_one_way,
        "commands/summary.py",
        "import tests.tiny",
        "commands/summary.py: imports tests/tiny.py",
    ),
    (
        graph.arrows_run_one_way,
        "commands/lib/runs.py",
        "import commands.predict",
        "commands/lib/runs.py: imports commands/predict.py",
    ),
    (
        graph.lib_is_used,
        "commands/lib/utils.py",
        "SEED = 1",
        "commands/lib/utils.py: no stage and no command uses it",
    ),
    (
        graph.lib_is_used,
        "stages/lib/utils.py",
        "SEED = 1",
        "stages/lib/utils.py: no stage and no command uses it",
    ),
    (
        graph.lib_is_used,
        "stages/lib/pages/utils.py",
        "SEED = 1",
        "stages/lib/pages/utils.py: no stage and no command uses it",
    ),
    (
        graph.params_are_declared,
        "stages/clean.py",
        "other = load_params('split', Params)",
        "clean: reads section 'split' of another",
    ),
    (
        graph.params_are_declared,
        "stages/lib/tables.py",
        "other = load_params('split', Params)",  # read through an import
        "clean: reads section 'split' of another",
    ),
    (
        graph.params_are_declared,
        "stages/crossfit.py",
        "more = load_params('errors', ErrorsParams).seed",
        "crossfit: reads params ['errors.folds', 'errors.seed', 'finetune'], "
        "declares ['errors.folds', 'finetune']",
    ),
    (
        graph.params_are_declared,
        "stages/crossfit.py",
        "more = load_params('errors', ErrorsParams)",
        "crossfit: reads params ['errors', 'finetune'], declares ['errors.folds', 'finetune']",
    ),
    (
        graph.params_are_declared,
        "stages/crossfit.py",
        "more = load_params('split', Params)",
        "crossfit: reads section 'split' of another",
    ),
    (
        graph.params_are_declared,
        "stages/explain.py",
        "other = load_params('finetune', Params)",  # lent to crossfit and package, not to others
        "explain: reads section 'finetune' of another",
    ),
    (
        graph.params_are_used,
        "params.yaml",
        "spilt:\n  seed: 1",
        "params.yaml: nobody reads section 'spilt'",
    ),
    (
        graph.params_are_used,
        "stages/split.py",
        "class Params(StageParams):\n    seed: int\n    fraction: float",
        "params.yaml: split has ['group', 'near_copies', 'seed', 'test_fraction', 'time', 'train_rows', "
        "'validation_fraction'], "
        "Params in stages/split.py has ['fraction', 'seed']",
    ),
    (
        graph.params_are_used,
        "stages/split.py",
        "class Params(StageParams):\n    seed: int = 13",
        "stages/split.py: Params.seed has a default",
    ),
    (
        graph.params_are_used,
        "stages/split.py",
        "class Nested(StrictModel):\n    rate: float = Field(gt=0, default=1.0)",
        "stages/split.py: Nested.rate has a default",
    ),
    (
        graph.commands_name_declared_files,
        "stages/split.py",
        "def main(*, task: InPath, cleaned: OutPath, splits: OutPath, metrics: OutPath) -> None: ...",
        "split: writes data/cleaned.parquet, which its outs lack",
    ),
    (
        graph.names_agree,
        "stages/vacuum.py",
        "",
        "stages/vacuum.py: no such stage in dvc.yaml",
    ),
    (
        graph.paths_stand_in_dvc_yaml,
        "stages/split.py",
        "OUT = 'data/splits.parquet'",
        "stages/split.py: 'data/splits.parquet' is a path of data",
    ),
]


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what the checks read."""
    copied = tmp_path_factory.mktemp("tree")
    for room in ("stages", "commands", "tests"):
        shutil.copytree(ROOT / room, copied / room, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("dvc.yaml", "params.yaml"):
        shutil.copy(ROOT / file, copied / file)
    return copied


@pytest.mark.parametrize(("check", "file", "addition", "complaint"), SPOILT_CODE)
def test_spoilt_code_is_refused(tree: Path, check: Check, file: str, addition: str, complaint: str) -> None:
    path = tree / file
    before = path.read_text(encoding="utf-8") if path.exists() else None
    assert complaint not in check(read_project(tree))
    try:
        path.write_text(f"{before or ''}\n{addition}\n", encoding="utf-8")
        assert complaint in check(read_project(tree))
    finally:
        path.unlink() if before is None else path.write_text(before, encoding="utf-8")


def test_every_check_has_something_it_refuses() -> None:
    refused = {check for check, *_ in SPOILT_GRAPHS} | {check for check, *_ in SPOILT_CODE}
    assert refused == set(CHECKS)


@pytest.mark.slow
@pytest.mark.parametrize("packages", NOT_IMPORTED, ids="-".join)
def test_stages_do_not_import_what_they_do_not_need(packages: tuple[str, ...]) -> None:
    imports = "\n".join(f"import stages.{name}" for name in NOT_IMPORTED[packages])
    asked = f"import sys\n{imports}\nprint([m for m in {packages} if m in sys.modules])"
    result = subprocess.run(
        [sys.executable, "-c", asked], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"
