"""commands.export and commands.predict --onnx: the same answers as torch's, without torch."""

import csv
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import polars as pl
import pyarrow as pa
import pytest
from onnx import TensorProto, helper, numpy_helper

from commands import export, predict
from commands.lib import exported as onnx_models
from commands.lib.exported import Exported, Runner, Weights, chosen_numbers, infer, load_runner, session_of
from commands.lib.int8_loss import Rules, differences, untested
from stages.lib.arrow import write_stream
from stages.lib.behaviour.said import reader
from stages.lib.digests import sha256
from stages.lib.encoders.encoding import KEEP, MAX_TOKENS
from stages.lib.encoders.served import read_served
from stages.lib.exceptions import ConfigError, DataError, EncoderError
from stages.lib.kinds import Kind
from stages.lib.tables import write_json
from stages.lib.task import write_task
from tests.predicted import task_of
from tests.tiny import ALARM, CALM, ROOT, environment
from tests.tiny_model import write_model

LABELS = ["calm", "alarm"]
TEXTS = [
    "Fire in my town",
    "",
    "lovely <b>music</b> &amp; cake",
    "火事 smoke",
    "word " * 20_000,
    *(f"{alarm} near {calm}" for alarm in ALARM for calm in CALM),
]
VOCABULARY = 2_000


def put_graph(path: Path, classes: int = 2, seed: int = 1) -> None:
    """A model in a line: the mean of the tokens' vectors, which are their logits. Padding does not count."""
    table_VC = np.random.default_rng(seed).normal(size=(VOCABULARY, classes)).astype(np.float32)
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["vectors"]),
        helper.make_node("Cast", ["attention_mask"], ["mask"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["mask", "last"], ["mask_BT1"]),
        helper.make_node("Mul", ["vectors", "mask_BT1"], ["seen"]),
        helper.make_node("ReduceSum", ["seen", "middle"], ["sums"], keepdims=0),
        helper.make_node("ReduceSum", ["mask_BT1", "middle"], ["counts"], keepdims=0),
        helper.make_node("Div", ["sums", "counts"], ["logits"]),
    ]
    graph = helper.make_graph(
        nodes,
        "mean",
        [helper.make_tensor_value_info(name, TensorProto.INT64, ["B", "T"]) for name in INPUTS],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["B", classes])],
        [
            numpy_helper.from_array(table_VC, "table"),
            numpy_helper.from_array(np.array([2]), "last"),
            numpy_helper.from_array(np.array([1]), "middle"),
        ],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), path)


INPUTS = ["input_ids", "attention_mask"]


def put_export(folder: Path, *, int8: bool = True) -> Exported:
    """By hand, as commands.export leaves it; int8 answers otherwise than float32."""
    write_model(folder, ["lowercase", "html"], LABELS, ["text"])
    (folder / "model.safetensors").unlink()
    weights: dict[Any, Weights] = {}
    for numbers, seed in (("float32", 1), ("int8", 2))[: 1 + int8]:
        path = folder / f"{numbers}.onnx"
        put_graph(path, seed=seed)
        weights[numbers] = Weights(file=path.name, sha256=sha256(path), megabytes=0.1)
    made = Exported(inputs=INPUTS, padding_id=0, weights=weights, int8="accuracy -0.020", report={})
    write_json(made.model_dump(), folder / "export.json")
    return made


def put_texts(path: Path, texts: list[str] = TEXTS, header: tuple[str, ...] = ("text",)) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *([text] for text in texts)])
    return path


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_batches_and_threads_change_nothing(tmp_path: Path) -> None:
    made = put_export(tmp_path / "onnx")
    tokens = reader(tmp_path / "onnx", read_served(tmp_path / "onnx"))(pl.DataFrame({"text": TEXTS}))
    session = session_of(tmp_path / "onnx/float32.onnx", 1)
    alone = infer(Runner(session, made, 1), tokens, 1)
    for batch_tokens, threads in ((64, 1), (512, 2), (100_000, 3)):
        together = infer(Runner(session, made, threads), tokens, batch_tokens)
        np.testing.assert_allclose(together, alone, atol=1e-6)
    assert len(np.unique(alone, axis=0)) > len(TEXTS) / 2  # they do differ


def test_no_rows_are_no_answers(tmp_path: Path) -> None:
    put_export(tmp_path / "onnx")
    predict.main(put_texts(tmp_path / "in.csv", []), tmp_path / "out.csv", onnx=tmp_path / "onnx")
    assert (tmp_path / "out.csv").read_text() == "text,label,probability,decision\n"


def test_int8_is_taken_where_it_counts_and_float32_where_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    put_export(tmp_path / "onnx")
    source, said = put_texts(tmp_path / "in.csv"), {}
    for name, int8 in (("unasked", None), ("int8", True), ("float32", False)):
        predict.main(source, tmp_path / f"{name}.csv", onnx=tmp_path / "onnx", int8=int8)
        said[name] = (tmp_path / f"{name}.csv").read_bytes()
    assert said["unasked"] == said["int8"] != said["float32"]
    told = [line.partition(";")[0].rpartition(" by ")[2] for line in capsys.readouterr().out.splitlines()]
    assert told == ["int8", "int8", "float32"]


def test_int8_that_lost_is_refused_and_float32_taken(tmp_path: Path) -> None:
    made = put_export(tmp_path / "onnx", int8=False)
    assert chosen_numbers(made, None) == "float32"
    with pytest.raises(EncoderError, match=r"the export left it out: accuracy -0\.020; take --float32"):
        predict.main(put_texts(tmp_path / "in.csv"), tmp_path / "out.csv", onnx=tmp_path / "onnx", int8=True)
    assert not (tmp_path / "out.csv").exists()


def test_another_file_than_was_checked_is_refused(tmp_path: Path) -> None:
    made = put_export(tmp_path / "onnx")
    put_graph(tmp_path / "onnx/float32.onnx", seed=3)
    with pytest.raises(EncoderError, match=r"float32\.onnx: its SHA-256 is .* export\.json has .* again"):
        load_runner(tmp_path / "onnx", made, "float32")
    (tmp_path / "onnx/int8.onnx").unlink()
    with pytest.raises(EncoderError, match=r"int8\.onnx: no such file"):
        load_runner(tmp_path / "onnx", made, "int8")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, r"export\.json: no such file; expected a folder that `python -m commands.export` wrote"),
        (
            '{"inputs": []}',
            r"export\.json: padding_id: Field required; run `.*commands.export` again",
        ),
    ],
)
def test_a_folder_that_is_no_export(tmp_path: Path, content: str | None, message: str) -> None:
    put_export(tmp_path / "onnx")
    (tmp_path / "onnx/export.json").unlink()
    if content:
        (tmp_path / "onnx/export.json").write_text(content)
    with pytest.raises(EncoderError, match=message):
        predict.main(put_texts(tmp_path / "in.csv"), tmp_path / "out.csv", onnx=tmp_path / "onnx")


def test_what_was_never_exported_is_asked_for(tmp_path: Path) -> None:
    with pytest.raises(EncoderError, match=r"onnx: no such folder; `python -m commands.export` writes"):
        predict.main(put_texts(tmp_path / "in.csv"), tmp_path / "out.csv", onnx=tmp_path / "onnx")


def test_int8_without_onnx_is_refused(tmp_path: Path) -> None:
    write_model(tmp_path / "model", [], LABELS, ["text"])
    with pytest.raises(ConfigError, match=r"--int8, --float32: .* name it with --onnx"):
        predict.main(put_texts(tmp_path / "in.csv"), tmp_path / "o.csv", tmp_path / "model", int8=True)


@pytest.mark.slow
def test_a_process_that_runs_onnx_imports_no_torch(tmp_path: Path) -> None:
    put_export(tmp_path / "onnx")
    code = (
        "import sys; from pathlib import Path; from commands.predict import main;"
        f"main(Path({str(put_texts(tmp_path / 'in.csv'))!r}), Path({str(tmp_path / 'o.csv')!r}),"
        f" onnx=Path({str(tmp_path / 'onnx')!r}));"
        "print(sorted({*sys.modules} & {'torch', 'transformers', 'pandas.core', 'sklearn', 'onnx'}))"
    )
    done = subprocess.run(
        (sys.executable, "-c", code), cwd=ROOT, env=environment(), capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"


RULES = Rules({"accuracy": 0.01, "pearson": 0.005, "subset_accuracy": 0.01}, 0.95, 200, 1)


def pair(broken: int, fixed: int, n: int = 1_000) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels; what float32 and int8 say, which alone breaks and fixes so many."""
    labels_N, float32_N, int8_N = np.zeros((3, n), int)
    int8_N[:broken] = 1
    float32_N[broken : broken + fixed] = 1
    return labels_N, float32_N, int8_N


@pytest.mark.parametrize(
    ("broken", "fixed", "n", "loss"),
    [
        (0, 0, 1_000, ""),
        (4, 4, 1_000, ""),
        (3, 5, 1_000, ""),
        (16, 4, 10_000, "worse by more than chance"),  # 0.0012, far within the margin
        (40, 20, 1_000, "worse by more than chance"),
        (17, 7, 4_000, "worse by more than chance"),  # p 0.064, and the whole interval below 0
        (10, 8, 500, "not shown to lose less than 0.01"),
        (0, 0, 100, "not shown to lose less than 0.01"),  # too few to tell
    ],
)
def test_int8_is_kept_where_no_test_sees_a_loss(broken: int, fixed: int, n: int, loss: str) -> None:
    labels_N, float32_N, int8_N = pair(broken, fixed, n)
    (found,) = differences(task_of(), labels_N, float32_N, int8_N, RULES)
    assert (found.score, found.test, found.n) == ("accuracy", "McNemar's exact test", n)
    assert found.difference == pytest.approx((fixed - broken) / n)
    assert found.loss == loss


def test_numbers_are_judged_by_their_correlation() -> None:
    rng = np.random.default_rng(1)
    labels_N = rng.normal(size=500)
    float32_N = labels_N + 0.3 * rng.normal(size=500)
    (same,) = differences(task_of(kind="regression"), labels_N, float32_N, float32_N + 1e-3, RULES)
    assert (same.score, same.loss) == ("pearson", "")
    worse_N = float32_N + 0.3 * rng.normal(size=500)
    (worse,) = differences(task_of(kind="regression"), labels_N, float32_N, worse_N, RULES)
    assert worse.loss == "worse by more than chance"


def test_a_score_that_int8_leaves_undefined_keeps_it_out_whatever_the_others_say() -> None:
    """Float32 nearly says one number of all, int8 does, and by mae that is no loss."""
    task, rng = task_of(kind="regression"), np.random.default_rng(1)
    labels_N, float32_N = rng.normal(size=500), 1e-3 * rng.normal(size=500)
    rules = RULES._replace(margins={"mae": 0.05, "pearson": 0.005, "accuracy": 0.01})
    tests = differences(task, labels_N, float32_N, np.zeros(500), rules)
    assert [(test.score, test.loss) for test in tests] == [("mae", "")]
    lacking = untested(task, rules.margins, tests)
    assert lacking == ["pearson"]
    assert not export.is_kept(tests, lacking)
    assert export.verdict_on(tests, lacking).startswith("pearson is undefined for float32 or int8")


# --- the whole command: torch's exporter takes seconds ------------------------------------------------------


def stage(folder: Path, kind: Kind = "classification", pair: bool = False, seed: int = 1) -> None:
    """A project as dvc repro leaves it, as far as export reads it. Labels are drawn."""
    columns: list[str | list[str]] = ["text", "other"] if pair else ["text"]
    write_model(folder / "models/finetuned", ["lowercase", "html"], LABELS, columns, kind=kind)
    shutil.copy(ROOT / "params.yaml", folder)
    (folder / "data").mkdir()
    write_task(task_of(LABELS, kind=kind, pair="other" if pair else None), folder / "data/task.json")
    texts = pl.DataFrame([TEXTS, TEXTS[::-1]][: len(columns)], ["text_1", "text_2"][: len(columns)])
    tokens = reader(folder / "models/finetuned", read_served(folder / "models/finetuned"))(texts)
    rng, n = np.random.default_rng(seed), len(TEXTS)
    labels = {
        "classification": rng.integers(0, 2, n).tolist(),
        "regression": rng.normal(size=n).tolist(),
        "multi-label": [np.flatnonzero(row).tolist() for row in rng.integers(0, 2, (n, 2))],
    }[kind]
    roles = ["train", "unlabelled", *["validation", "test"] * n][:n]
    tokens = tokens.append_column("role", pa.array(roles)).append_column("label", pa.array(labels))
    tokens = tokens.replace_schema_metadata({MAX_TOKENS: b"24", KEEP: b"head"})
    write_stream(tokens.schema, tokens.to_batches(), folder / "data/tokens.arrow")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "pair"),
    [("classification", False), ("classification", True), ("regression", False), ("multi-label", False)],
)
def test_the_export_says_what_torch_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: Kind, pair: bool
) -> None:
    stage(tmp_path, kind, pair)
    monkeypatch.chdir(tmp_path)
    export.main()
    found = json.loads(Path("models/onnx/export.json").read_text())
    assert found["report"]["texts"] == len(TEXTS) - 2
    assert found["report"]["roles"] == ["test", "validation"]
    assert ("token_type_ids" in found["inputs"]) == pair
    assert {"torch", "float32", "int8"} == set(found["report"]["speed"])
    assert ("int8" in found["weights"]) == Path("models/onnx/int8.onnx").exists()
    rows = list(zip(TEXTS, TEXTS[::-1], strict=True)) if pair else [(text,) for text in TEXTS]
    with Path("in.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("text", "other")[: len(rows[0])], *rows])
    predict.main(Path("in.csv"), Path("torch.csv"), Path("models/finetuned"))
    shutil.move("models/onnx", "elsewhere")  # the folder is all that is needed
    shutil.rmtree("models")
    predict.main(Path("in.csv"), Path("onnx.csv"), onnx=Path("elsewhere"), int8=False)
    for torchs, onnxs in zip(read(Path("torch.csv")), read(Path("onnx.csv")), strict=True):
        assert torchs.keys() == onnxs.keys()
        for name, value in torchs.items():
            if "prob" in name or name == "prediction":
                assert float(onnxs[name]) == pytest.approx(float(value), abs=1e-5)
            else:
                assert onnxs[name] == value


@pytest.mark.slow
def test_float32_that_differs_from_torch_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage(tmp_path)
    monkeypatch.chdir(tmp_path)
    wrong = onnx_models.infer
    monkeypatch.setattr(export, "infer", lambda *words: wrong(*words) + 0.01)
    with pytest.raises(EncoderError, match=r"float32: a logit is 0\.01 from torch's, on 67 texts"):
        export.main()
    assert sorted(path.name for path in Path("models").iterdir()) == ["finetuned"]


@pytest.mark.parametrize("name", ["tokenizer.json", "config.json", "textrail.json", "model.safetensors"])
def test_a_model_that_is_not_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    stage(tmp_path)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models/finetuned" / name).unlink()
    with pytest.raises(EncoderError, match=rf"models/finetuned/{name}: no such file; expected a model"):
        export.main()
    assert not Path("models/onnx").exists()


def test_a_folder_of_the_users_own_is_not_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stage(tmp_path)
    monkeypatch.chdir(tmp_path)
    Path("mine").mkdir()
    Path("mine/thesis.txt").write_text("years")
    with pytest.raises(ConfigError, match=r"--output: mine has no export\.json, .* name another"):
        export.main(output=Path("mine"))
    assert Path("mine/thesis.txt").read_text() == "years"


def test_tokens_of_another_run_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stage(tmp_path)
    monkeypatch.chdir(tmp_path)
    served = json.loads(Path("models/finetuned/textrail.json").read_text())
    write_json(served | {"max_tokens": 12}, Path("models/finetuned/textrail.json"))
    with pytest.raises(DataError, match="cut at 24 tokens, the model was trained at 12: run `dvc repro`"):
        export.main()
