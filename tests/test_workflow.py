""".github/workflows/ci.yml: two linters take it, and its commands do on real branches as docs/ci.md says."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import polars as pl
import pytest
from ruamel.yaml import YAML

from stages.lib.config import read_yaml
from stages.lib.splits.made_roles import MADE, roles_by_hash
from tests.browser import NAMES
from tests.tiny import ROOT, commit, copy_of, dvc, environment, git, sentence, set_knobs
from tests.workflow import WORKFLOW, Ran, evaluate, is_wanted, jobs, run_job

TEXT = WORKFLOW.read_text(encoding="utf-8")
DOCS = " ".join((ROOT / "docs/ci.md").read_text(encoding="utf-8").split())
REPOSITORY = "team/project"
UNCOMMITTED = "What git keeps of this run is committed"  # the step that fails where it is not

# --- fast: the file itself ---------------------------------------------------------------------------------


def schema_complaints(path: Path) -> str | None:
    return complaints("check_jsonschema", "--builtin-schema", "vendor.github-workflows", str(path))


def security_complaints(path: Path) -> str | None:
    program = shutil.which("zizmor", path=str(Path(sys.executable).parent)) or "zizmor"
    done = subprocess.run(
        (program, "--offline", "--pedantic", "--no-config", str(path)),
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout + done.stderr if done.returncode else None


def complaints(module: str, *words: str) -> str | None:
    done = subprocess.run((sys.executable, "-m", module, *words), capture_output=True, text=True, check=False)
    return done.stdout + done.stderr if done.returncode else None


def test_github_would_take_it_and_an_attacker_would_not() -> None:
    assert schema_complaints(WORKFLOW) is None
    assert security_complaints(WORKFLOW) is None


@pytest.mark.slow
@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("timeout-minutes: 5", "timeout: 5", "Additional properties are not allowed"),
        ("runs-on: ubuntu-24.04\n    timeout-minutes: 5", "timeout-minutes: 5", "is not valid under any"),
        ("needs: gate", "needs: [1]", "is not valid under any"),
    ],
)
def test_the_schema_refuses(tmp_path: Path, old: str, new: str, complaint: str) -> None:
    assert complaint in (schema_complaints(spoilt(tmp_path, old, new)) or "")


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ('"origin/$BASE" $FLAGS', '"origin/${{ github.head_ref }}" $FLAGS', "template-injection"),
        ("@11bd71901bbe5b1630ceea73d27597364c9af683", "@v4", "unpinned-uses"),
        ("        with:\n          persist-credentials: false\n", "", "artipacked"),
        ("permissions: {} # each job names what it needs", "permissions: write-all", "excessive-permissions"),
        ("on:\n  pull_request:", "on:\n  pull_request_target:", "dangerous-triggers"),
    ],
)
def test_the_security_linter_refuses(tmp_path: Path, old: str, new: str, complaint: str) -> None:
    assert complaint in (security_complaints(spoilt(tmp_path, old, new)) or "")


def spoilt(folder: Path, old: str, new: str) -> Path:
    assert old in TEXT
    path = folder / "ci.yml"
    path.write_text(TEXT.replace(old, new, 1), encoding="utf-8")
    return path


def test_commands_are_plain_and_get_values_by_env() -> None:
    for job in jobs().values():
        for step in job["steps"]:
            assert "${{" not in step.get("run", "")
            assert "\n" not in step.get("run", "")


def test_no_installer_and_no_test_sees_a_secret_and_no_code_of_the_branch_may_write() -> None:
    assert len(re.findall(r"\bsecrets\b", TEXT)) == 1
    assert len(re.findall(r"\bgithub\.token\b", TEXT)) == 1
    assert "github.token" in json.dumps(jobs()["comment"])
    steps = jobs()["gate"]["steps"]
    (credentials,) = (n for n, step in enumerate(steps) if "secrets." in json.dumps(step))
    installers = [n for n, step in enumerate(steps) if re.search(r"\b(make|pip|uv)\b", step.get("run", ""))]
    assert installers
    assert max(installers) < credentials
    assert "pytest" not in json.dumps(steps)
    assert [steps[n]["run"].split()[1] for n in installers] == ["set-up"]
    checkouts = re.findall(r"actions/checkout@.*\n        with:\n(?:          .*\n)+", TEXT)
    assert ["persist-credentials: false" in checkout for checkout in checkouts] == [True, True]
    rights = {name: job["permissions"] for name, job in jobs().items()}
    assert rights["tests"] == rights["gate"] == {"contents": "read"}
    assert rights["comment"] == {"actions": "read", "pull-requests": "write"}
    assert all(step["run"].startswith("gh ") for step in jobs()["comment"]["steps"])


def test_the_verdict_waits_for_no_test() -> None:
    needs = {name: job.get("needs") for name, job in jobs().items()}
    assert needs == {"tests": None, "gate": None, "comment": "gate"}


def test_both_jobs_begin_alike() -> None:
    tests, gate = jobs()["tests"]["steps"], jobs()["gate"]["steps"]
    assert tests[1:3] == gate[1:3]  # Python, and what is installed how
    pins = re.findall(r"uses: (\S+)@(\S+)", TEXT)
    assert len(set(pins)) == len({action for action, _ in pins})


def test_the_docs_name_what_is_required_and_how_long_it_may_take() -> None:
    required = {name: job for name, job in jobs().items() if name != "comment"}
    names = [f"*{job['name']}*" for job in required.values()]
    assert f"require the checks {' and '.join(names)}," in DOCS
    assert {name: job["timeout-minutes"] for name, job in required.items()} == {"tests": 60, "gate": 120}
    assert "*Every test* (an hour at most)" in DOCS
    assert "runner's CPUs (two hours at most: `timeout-minutes`)" in DOCS
    assert {f"`{name}`" for name in re.findall(r"vars\.(\w+)", TEXT)} <= set(re.findall(r"`\w+`", DOCS))


@pytest.mark.parametrize(
    ("repository", "judged", "wanted"),
    [
        (REPOSITORY, "success", True),
        (REPOSITORY, "failure", True),
        (REPOSITORY, "skipped", False),
        (REPOSITORY, "", False),
        ("somebody/fork", "failure", False),
    ],
)
def test_who_gets_a_comment(repository: str, judged: str, wanted: bool) -> None:
    context = event(repository=repository) | {"needs": {"gate": {"outputs": {"judged": judged}}}}
    assert bool(evaluate(jobs()["comment"]["if"], context)) is wanted


@pytest.mark.parametrize("who", ["a push to main", "a merge queue"])
def test_what_is_judged_already_has_no_comment_and_no_gate(who: str) -> None:
    context = COMERS[who]
    needs = {"needs": {"gate": {"outputs": {"judged": "skipped"}}}}
    assert not evaluate(jobs()["comment"]["if"], context | needs)
    wanted = {
        step["name"]: bool(evaluate(step["if"], context)) for step in jobs()["gate"]["steps"] if "if" in step
    }
    assert not wanted["The gate"]
    assert wanted["Run what is stale, pull the rest"]
    assert wanted["Keep what ran"]
    assert wanted[UNCOMMITTED]


def test_a_fork_stores_nothing() -> None:
    (keep,) = (step for step in jobs()["gate"]["steps"] if step["name"] == "Keep what ran")
    assert evaluate(keep["if"], event())
    assert not evaluate(keep["if"], event(repository="somebody/fork"))


# --- fast: no change gets in without the slow tests --------------------------------------------------------


def ways_around(text: str) -> Iterator[str]:
    """How a change could get into main without its slow tests, by this workflow."""
    workflow: Any = YAML(typ="safe", pure=True).load(text)
    types, pushes, queue = (workflow["on"].get(name) for name in ("pull_request", "push", "merge_group"))
    if set(types) != {"types"} or not {"opened", "synchronize", "reopened"} <= set(types["types"]):
        yield "not every pull request starts it"
    if pushes != {"branches": ["main"]}:
        yield "not every push to main starts it"
    if queue != {"types": ["checks_requested"]}:
        yield "not every merge queue starts it"
    job = workflow["jobs"]["tests"]
    yield from (f"the job has {key}" for key in ("if", "needs", "continue-on-error") if key in job)
    for who, context in COMERS.items():
        if "make test" not in commands_that_count(job, context):
            yield f"{who}: no make test"


def commands_that_count(job: Any, context: dict[str, Any]) -> list[str]:
    """Of the steps that run, those whose failure is the job's."""
    steps = (step for step in job["steps"] if "run" in step and "continue-on-error" not in step)
    return [step["run"] for step in steps if is_wanted(step.get("if"), context, failed=False)]


def test_no_change_gets_in_without_its_slow_tests() -> None:
    assert list(ways_around(TEXT)) == []


QUEUE = (
    "  merge_group: # a merge queue waits for the same checks, on main as it will be\n"
    "    types: [checks_requested]\n"
)
PULL = "    types: [opened, synchronize, reopened, labeled]"
TESTED_IF = "if: github.event_name != 'pull_request' || vars.SLOW_TESTS_AFTER_MERGE != 'true'\n"


@pytest.mark.parametrize(
    ("old", "new", "way"),
    [
        ("run: make test\n", "run: make check\n", "a push to main: no make test"),
        ("run: make test\n", "run: make test || true\n", "a fork's pull request: no make test"),
        (
            "run: make test\n",
            "continue-on-error: true\n        run: make test\n",
            "a pull request: no make test",
        ),
        (TESTED_IF, "if: github.event_name == 'push'\n", "a pull request: no make test"),
        (TESTED_IF, "if: github.event_name == 'pull_request'\n", "a push to main: no make test"),
        (TESTED_IF, TESTED_IF.replace("!= 'true'", "== 'false'"), "a pull request: no make test"),
        ("name: Every test\n", "name: Every test\n    if: github.event_name == 'push'\n", "the job has if"),
        ("name: Every test\n", "name: Every test\n    needs: gate\n", "the job has needs"),
        ("name: Every test\n", "name: Every test\n    continue-on-error: true\n", "has continue-on-error"),
        (PULL, "    types: [opened, labeled]", "not every pull request starts it"),
        (PULL, f"    paths-ignore: [docs/**]\n{PULL}", "not every pull request starts it"),
        (
            "    branches: [main]",
            "    branches: [main]\n    paths: [stages/**]",
            "not every push to main starts it",
        ),
        (QUEUE, "", "not every merge queue starts it"),
        (QUEUE, f"{QUEUE}    branches: [release]\n", "not every merge queue starts it"),
        (TESTED_IF, TESTED_IF.replace("!= 'p", "== 'p").replace("||", "&&"), "a merge queue: no make test"),
    ],
)
def test_ways_around_the_slow_tests_are_seen(old: str, new: str, way: str) -> None:
    assert TEXT.count(old) == 1
    assert way in "\n".join(ways_around(TEXT.replace(old, new)))


def test_a_team_may_have_the_slow_tests_after_the_merge() -> None:
    later = {"vars": {"SLOW_TESTS_AFTER_MERGE": "true"}}
    ran = {who: commands_that_count(jobs()["tests"], context | later) for who, context in COMERS.items()}
    assert {who: commands[-1] for who, commands in ran.items()} == {
        "a pull request": "make check",
        "a fork's pull request": "make check",  # were it given variables
        "a push to main": "make test",
        "a merge queue": "make test",
    }
    assert all(commands[-2] == "google-chrome --version" for commands in ran.values())


def test_a_runner_without_a_browser_fails_before_its_tests_are_skipped() -> None:
    before = commands_that_count(jobs()["tests"], event())
    assert before[-2] in {f"{name} --version" for name in NAMES}


# What may stand in a line of pytest's without choosing among the tests.
CHOOSES_NOTHING = {"-n", "2", "--dist", "worksteal", "loadgroup", "--no-loadscope-reorder", "-rfEs"}


def chosen(makefile: str, folder: Path) -> list[list[str]]:
    """For each of the runs of pytest by `make test`, the words that choose tests."""
    (folder / "Makefile").write_text(makefile, encoding="utf-8")
    (folder / "pyproject.toml").touch()
    (folder / "requirements.lock").touch()
    variables = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    done = subprocess.run(
        ("make", "--dry-run", "test"), cwd=folder, env=variables, capture_output=True, text=True, check=True
    )
    runs = [shlex.split(line) for line in done.stdout.splitlines() if " -m pytest" in line]
    return [[word for word in run[run.index("pytest") + 1 :] if word not in CHOOSES_NOTHING] for run in runs]


def test_make_test_runs_every_fast_and_every_slow_test(tmp_path: Path) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert chosen(makefile, tmp_path) == [[], ["-m", "slow"]]
    for old, new in (
        ("-m slow -n 2 --dist", "-n 2 --dist"),
        ("test: check ##", "test: ##"),
        ("-m slow", "-m slow -k a"),
    ):
        assert old in makefile
        assert chosen(makefile.replace(old, new), tmp_path) != [[], ["-m", "slow"]]


def event(
    *, repository: str = REPOSITORY, trained_elsewhere: bool = False, label: str = ""
) -> dict[str, Any]:
    """The contexts of a pull request into main."""
    request = {
        "number": 7,
        "head": {"repo": {"full_name": repository}},
        "label_names": [label] if label else [],
    }
    return {
        "github": {
            "event_name": "pull_request",
            "base_ref": "main",
            "repository": REPOSITORY,
            "token": "a token",
            "event": {"pull_request": request},
        },
        "vars": {"TRAINED_ELSEWHERE": "true"} if trained_elsewhere else {},
    }


COMERS = {
    "a pull request": event(),
    "a fork's pull request": event(repository="somebody/fork"),
    "a push to main": {
        "github": {"event_name": "push", "repository": REPOSITORY, "event": {}},
        "vars": {},
    },
    "a merge queue": {
        "github": {"event_name": "merge_group", "repository": REPOSITORY, "event": {"merge_group": {}}},
        "vars": {},
    },
}


# --- slow: its commands, on branches of a real project -----------------------------------------------------

FAKE_GH = """\
#!/bin/sh -eu
echo "$*" >> "$GH_SAID/commands"
if [ "$1 $2" = "run download" ]; then cp -R "$ARTIFACT/." .; fi
while [ $# -gt 0 ]; do
    if [ "$1" = --body-file ]; then cp "$2" "$GH_SAID/body"; fi
    shift
done
"""
# wide: 28 test rows show little
POLICY = {"margins": {"accuracy": 0.3, "macro_f1": 0.3}, "floors": {"accuracy": 0.7}}
UNLIMITED = dict.fromkeys(("ece", "rmse", "mae", "churn", "model_megabytes"))
CEILINGS = UNLIMITED | {"leaked_copies": 0}
UNTRAINED = {"finetune": {"learning_rate": 1e-9}}
TRAINED = {"finetune": {"learning_rate": 1e-2}}


@dataclass(frozen=True)
class Team:
    """A bare repository as origin, a folder as DVC remote, and what authors and CI make of them."""

    folder: Path

    @property
    def secret(self) -> str:
        return f"['remote \"storage\"']\n    url = {self.folder / 'storage'}"

    def clone(self, name: str) -> Path:
        git(self.folder, "clone", "--quiet", "origin.git", name)
        return self.folder / name

    def author(self, branch: str) -> Path:
        """A clone that can reach the DVC remote, on a new branch off main."""
        clone = self.clone(f"author of {branch}")
        (clone / ".dvc/config.local").write_text(self.secret, encoding="utf-8")
        git(clone, "checkout", "--quiet", "-b", branch)
        return clone

    def pushes(self, clone: Path) -> None:
        commit(clone)
        git(clone, "push", "--quiet", "origin", "HEAD")


@dataclass(frozen=True)
class Result:
    gate: Ran
    verdict: Any  # metrics/gate.json of the artifact
    comment: str | None
    commands: list[str]  # of gh
    artifact: Path


def ci(team: Team, branch: str, run: str, *, trained_elsewhere: bool = False, label: str = "") -> Result:
    """What CI does for a pull request of the branch into main: on the merge of both, in a fresh clone."""
    place = team.folder / f"ci of {run}"
    (place / "bin").mkdir(parents=True)
    (place / "comment").mkdir()
    checkout = team.clone(f"{place.name}/checkout")
    git(checkout, "merge", "--quiet", "--no-ff", "--message", "merge", f"origin/{branch}")
    (place / "bin/gh").write_text(FAKE_GH, encoding="utf-8")
    (place / "bin/gh").chmod(0o755)
    surroundings = environment()
    surroundings |= {
        "PATH": f"{place / 'bin'}{os.pathsep}{surroundings['PATH']}",
        "DVC_SITE_CACHE_DIR": str(place / "site"),
        "GITHUB_PATH": str(place / "path"),
        "GITHUB_RUN_ID": "1",
        "GH_SAID": str(place),
        "ARTIFACT": str(place / "artifact"),
    }
    context = event(trained_elsewhere=trained_elsewhere, label=label)
    secrets = {"secrets": {"DVC_CONFIG_LOCAL": team.secret}}
    gate = run_job(jobs()["gate"], checkout, context | secrets, surroundings, place / "artifact")
    needs = {"needs": {"gate": {"outputs": gate.outputs}}}
    if evaluate(jobs()["comment"]["if"], context | needs):
        done = run_job(jobs()["comment"], place / "comment", context | needs, surroundings, place / "none")
        assert done.failed == []
    body, commands, verdict = place / "body", place / "commands", place / "artifact/metrics/gate.json"
    return Result(
        gate=gate,
        verdict=json.loads(verdict.read_text(encoding="utf-8")) if verdict.exists() else None,
        comment=body.read_text(encoding="utf-8") if body.exists() else None,
        commands=commands.read_text(encoding="utf-8").splitlines() if commands.exists() else [],
        artifact=place / "artifact",
    )


@pytest.fixture(scope="module")
def team(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Team:
    """Main holds an untrained model; the run of a trained one is in the DVC remote's run cache."""
    team = Team(tmp_path_factory.mktemp("team"))
    git(team.folder, "init", "--quiet", "--bare", "--initial-branch", "main", "origin.git")
    project = copy_of(finished, team.folder / "first author")
    dvc(project, "remote", "add", "--default", "storage", "s3://out-of-reach/from-here")
    (project / ".dvc/config.local").write_text(team.secret, encoding="utf-8")
    set_knobs(project, {"gate": POLICY | {"ceilings": CEILINGS}})
    dvc(project, "push", "--run-cache")
    set_knobs(project, UNTRAINED)
    dvc(project, "repro")
    dvc(project, "push", "--run-cache")
    commit(project)
    git(project, "remote", "add", "origin", str(team.folder / "origin.git"))
    git(project, "push", "--quiet", "origin", "main")
    return team


@pytest.fixture(scope="module")
def improved(team: Team) -> tuple[Result, Result]:
    """A branch that improves, whose author ran nothing: before and after committing what ran; merged."""
    author = team.author("improves")
    set_knobs(author, TRAINED)
    team.pushes(author)
    first = ci(team, "improves", "improves")
    for name in ("dvc.lock", "metrics/summary.json"):
        shutil.copy(first.artifact / name, author / name)
    team.pushes(author)
    second = ci(team, "improves", "improves, with its lock")
    git(author, "push", "--quiet", "origin", "HEAD:main")
    return first, second


@pytest.fixture(scope="module")
def results(team: Team, improved: tuple[Result, Result]) -> dict[str, Result]:
    """Of the branches off the improved main; two at a time."""

    def quick() -> dict[str, Result]:
        return {
            "worsens": ci(team, worsens(team), "worsens"),
            "loosens": ci(team, loosens(team), "loosens"),
            "stale": ci(team, stale(team), "stale", trained_elsewhere=True),
        }

    def adds() -> dict[str, Result]:
        return {"adds": ci(team, adds_rows(team), "adds")}

    def edits() -> dict[str, Result]:
        branch = edits_rows(team)
        return {
            "edits": ci(team, branch, "edits", trained_elsewhere=True),
            "edits, accepted": ci(team, branch, "accepted", trained_elsewhere=True, label="new-test-set"),
        }

    with ThreadPoolExecutor(max_workers=2) as pool:
        runs = [pool.submit(work) for work in (adds, edits, quick)]
        return {name: result for run in runs for name, result in run.result().items()}


def worsens(team: Team) -> str:
    author = team.author("worsens")
    set_knobs(author, UNTRAINED)
    team.pushes(author)
    return "worsens"


def loosens(team: Team) -> str:
    """The same, with a policy that would take it."""
    author = team.author("loosens")
    set_knobs(author, UNTRAINED | {"gate": {"margins": {"accuracy": 1.0}, "floors": {"accuracy": 0.0}}})
    team.pushes(author)
    return "loosens"


def stale(team: Team) -> str:
    author = team.author("stale")
    set_knobs(author, {"finetune": {"epochs": 4}})
    team.pushes(author)
    return "stale"


def adds_rows(team: Team) -> str:
    """Eight rows that all fall to test, so that the model stays what it is."""
    author, chance, rows = team.author("adds"), Random(11), list[str]()
    while len(rows) < 8:
        label = len(rows) % 2
        text = sentence(label, chance)
        if falls_to_test(text, author):
            rows.append(f"{2000 + len(rows)},{text},Oslo,{label}\n")
    with (author / "data/sources/tiny/train.csv").open("a", encoding="utf-8") as file:
        file.writelines(rows)
    team.pushes(author)
    return "adds"


def edits_rows(team: Team) -> str:
    """One word more in two test rows; run by its author, who pushed the outputs and committed the lock."""
    author = team.author("edits")
    path = author / "data/sources/tiny/train.csv"
    lines, edited = path.read_text(encoding="utf-8").splitlines(), 0
    for n, line in enumerate(lines[1:141], start=1):
        key, text, *rest = line.split(",")
        if edited < 2 and falls_to_test(text, author) and falls_to_test(f"{text} indeed", author):
            lines[n], edited = ",".join((key, f"{text} indeed", *rest)), edited + 1
    assert edited == 2
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    dvc(author, "repro", "--pull")
    dvc(author, "push")
    team.pushes(author)
    return "edits"


def falls_to_test(text: str, project: Path) -> bool:
    knobs, role = read_yaml(project / "params.yaml")["split"], pl.Series(["train"])
    shares = {made: knobs[f"{made}_fraction"] for made in MADE}
    return roles_by_hash(role, pl.Series([text.casefold()]), shares, knobs["seed"]).to_list() == ["test"]


@pytest.mark.slow
def test_a_branch_that_improves_passes_once_it_brings_its_lock(improved: tuple[Result, Result]) -> None:
    first, second = improved
    for result in improved:
        assert result.verdict["verdict"] == "pass"
        assert result.gate.outcomes["The gate"] == "success"
        assert result.comment is not None
        assert result.comment.startswith("#")
    assert first.gate.failed == [UNCOMMITTED]
    assert second.gate.failed == []
    assert "Running stage" not in second.gate.said["Run what is stale, pull the rest"]


@pytest.mark.slow
def test_the_comment_replaces_the_one_before(improved: tuple[Result, Result]) -> None:
    assert improved[0].commands == [
        "run download 1 --name gate",
        "pr comment 7 --edit-last --create-if-none --body-file reports/gate.md",
    ]


@pytest.mark.slow
def test_the_artifact_has_verdict_metrics_and_plots_of_both_sides(improved: tuple[Result, Result]) -> None:
    artifact = improved[0].artifact
    for name in ("dvc.lock", "metrics/summary.json", "metrics/gate.json", "reports/gate.md"):
        assert (artifact / name).is_file()
    page = (artifact / "dvc_plots/index.html").read_text(encoding="utf-8")
    assert "origin/main" in page
    assert "workspace" in page
    assert not (artifact / "reports/errors.html").exists()  # it holds texts


@pytest.mark.slow
def test_a_branch_that_worsens_is_refused_and_told_why(results: dict[str, Result]) -> None:
    result = results["worsens"]
    assert result.gate.failed == ["The gate"]
    assert result.verdict["verdict"] == "worse"
    assert any("accuracy" in reason for reason in result.verdict["reasons"])
    assert result.comment is not None
    assert "accuracy" in result.comment
    assert (result.artifact / "dvc_plots/index.html").is_file()


@pytest.mark.slow
def test_a_branch_cannot_loosen_its_own_gate(results: dict[str, Result]) -> None:
    result = results["loosens"]
    assert (result.gate.failed, result.verdict["verdict"]) == (["The gate"], "worse")
    assert "floors.accuracy" in (result.comment or "")


@pytest.mark.slow
def test_added_test_rows_are_compared(results: dict[str, Result]) -> None:
    result = results["adds"]
    assert result.verdict["verdict"] == "pass"
    assert result.gate.failed == [UNCOMMITTED]
    assert "8 added" in (result.comment or "")


@pytest.mark.slow
def test_edited_test_rows_need_a_label(results: dict[str, Result]) -> None:
    refused, accepted = results["edits"], results["edits, accepted"]
    assert (refused.gate.failed, refused.verdict["verdict"]) == (["The gate"], "incomparable")
    assert "--accept-new-test-set" in (refused.comment or "").replace("\\", "")  # escaped for Markdown
    assert (accepted.gate.failed, accepted.verdict["verdict"]) == ([], "pass")


@pytest.mark.slow
def test_a_stale_lock_stops_a_project_that_trains_elsewhere(results: dict[str, Result]) -> None:
    result = results["stale"]
    assert result.gate.failed == [
        "Trained elsewhere, so dvc.lock is current and its outputs are in the remote"
    ]
    assert "finetune: params.yaml: finetune.epochs is 4, in dvc.lock 8" in "\n".join(
        result.gate.said.values()
    )
    assert (result.comment, result.verdict) == (None, None)
    assert result.gate.outcomes["The gate"] == "skipped"
