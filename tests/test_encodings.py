"""The encoding of a text is found out and right, or it is an error: never is a text spoiled in silence."""

import codecs
import random
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from stages.lib.exceptions import SourceError
from stages.lib.readers.encodings import encoding_of
from stages.lib.readers.old_encodings import readings_of
from stages.lib.readers.reading import layout_of
from stages.lib.readers.rows import Row
from stages.lib.source_keys import Format
from tests import read_files

TEXTS = {
    "French": """J'ai commandé cet appareil il y a deux semaines et il est déjà cassé.
Le service après-vente ne répond pas, très déçu.
Ça marche à merveille, je suis ravie de mon achat !
Livraison rapide, emballage soigné, rien à redire.
Qualité médiocre pour le prix, je ne recommande à personne.""",
    "French of 1999": """Un cœur brisé pour 20 € seulement.
Une œuvre très réussie, à voir.
Ma sœur a payé 15 € de trop.
Le bœuf était froid, quelle déception.
Des vœux de bonheur à tous.""",
    "Lithuanian": """Siunta atkeliavo greitai, bet dėžutė buvo sulaužyta.
Labai gera kokybė, pirksiu dar kartą.
Klientų aptarnavimas visiškai neatsako į laiškus.
Filmas buvo jaudinantis, o aktoriai vaidino puikiai.
Už tokią kainą galima rasti ką nors geresnio.""",
    "German": """Die Lieferung kam pünktlich, aber das Gerät war beschädigt.
Schöne Farbe, gute Qualität, ich würde es wieder kaufen.
Der Kundendienst hat mir überhaupt nicht geholfen.
Größe fällt zu klein aus, bitte eine Nummer größer bestellen.
Äußerst zufrieden, schnelle Abwicklung.""",
    "Spanish": """El envío llegó tarde y la caja estaba rota.
¡Qué maravilla de producto! Lo recomiendo a todos los niños.
No funcionó desde el primer día, pésima atención.
Muy buena relación calidad-precio, volveré a comprar mañana.
¿Por qué nadie contesta mis correos?""",
    "English": """I can’t believe how bad this was.
“Great” they said — it wasn’t.
The café was nice, though.
Costs £20 and it’s worth it.
Don’t buy.""",
    "Polish": """Przesyłka dotarła szybko, ale pudełko było zniszczone.
Świetna jakość, na pewno kupię jeszcze raz.
Obsługa klienta w ogóle nie odpowiada na moje wiadomości.
Za tę cenę można znaleźć coś lepszego, nie polecam.
Film był wzruszający, a aktorzy zagrali znakomicie.""",
    "Czech": """Zásilka dorazila rychle, ale krabice byla poškozená.
Skvělá kvalita, určitě koupím znovu.
Zákaznický servis vůbec neodpovídá na mé zprávy.
Film byl dojemný a herci hráli výborně.
Za tuto cenu lze najít něco lepšího.""",
    "Turkish": """Kargo hızlı geldi ama kutu kırılmıştı.
Çok güzel bir ürün, herkese tavsiye ederim.
Müşteri hizmetleri hiç yardımcı olmadı.
Film çok duygusaldı, oyuncular harikaydı.
Fiyatına göre kalitesi iyi, şiddetle öneririm.""",
    "Russian": """Доставка была быстрой, но товар пришёл повреждённым.
Очень доволен покупкой, рекомендую всем.
Служба поддержки не отвечает уже неделю.
Качество плохое, за такие деньги можно найти лучше.
Отличный фильм, смотрел с удовольствием.""",
    "Greek": """Η αποστολή ήταν γρήγορη αλλά το κουτί ήταν σπασμένο.
Πολύ καλή ποιότητα, θα το αγοράσω ξανά.
Η εξυπηρέτηση πελατών ήταν απαράδεκτη.
Η ταινία ήταν συγκινητική και οι ηθοποιοί εξαιρετικοί.
Το συνιστώ σε όλους.""",
    "Arabic": """وصلت الشحنة بسرعة لكن الصندوق كان مكسورا.
جودة ممتازة وسأشتري مرة أخرى.
خدمة العملاء سيئة للغاية.
كان الفيلم مؤثرا والممثلون رائعون.
أنصح به الجميع.""",
    "Chinese": """物流很快,但是包装破了,东西也有划痕。
质量非常好,下次还会再来购买。
客服态度太差,等了三天都没有回复。
电影很感人,演员的表演非常出色。
价格便宜,性价比很高,推荐给大家。""",
    "Taiwanese": """物流很快,但是包裝破了,東西也有刮痕。
品質非常好,下次還會再來購買。
客服態度太差,等了三天都沒有回覆。
電影很感人,演員的表演非常出色。
價格便宜,性價比很高,推薦給大家。""",
    "Japanese": """配送は早かったのですが、箱が壊れていました。
とても良い商品です。また購入したいと思います。
カスタマーサービスの対応が最悪でした。
映画はとても感動的で、俳優の演技も素晴らしかった。
値段の割に品質が良いのでおすすめです。""",
    "Korean": """배송은 빨랐지만 상자가 망가져 있었습니다.
품질이 아주 좋아서 다시 구매하고 싶습니다.
고객 센터의 대응이 최악이었습니다.
영화가 매우 감동적이고 배우들의 연기가 훌륭했습니다.
가격에 비해 품질이 좋아서 추천합니다.""",
}
WRITTEN = [
    ("French", "latin-1"),
    ("French", "cp1252"),
    ("French", "cp850"),
    ("French", "mac_roman"),
    ("French of 1999", "iso8859_15"),
    ("French of 1999", "cp1252"),
    ("Lithuanian", "cp1257"),
    ("German", "latin-1"),
    ("German", "cp850"),
    ("Spanish", "latin-1"),
    ("English", "cp1252"),
    ("Polish", "cp1250"),
    ("Polish", "iso8859_2"),
    ("Czech", "cp1250"),
    ("Czech", "iso8859_2"),
    ("Turkish", "cp1254"),
    ("Russian", "cp1251"),
    ("Russian", "koi8_r"),
    ("Russian", "iso8859_5"),
    ("Russian", "cp866"),
    ("Greek", "cp1253"),
    ("Arabic", "cp1256"),
    ("Chinese", "gb18030"),
    ("Chinese", "gbk"),
    ("Taiwanese", "big5"),
    ("Japanese", "shift_jis"),
    ("Japanese", "euc_jp"),
    ("Korean", "euc_kr"),
]


def as_csv(language: str, repeated: int = 1) -> str:
    rows = [f'"{line}",{number % 2}' for number, line in enumerate(TEXTS[language].split("\n"))]
    return "\n".join(["text,label", *rows * repeated, ""])


def read(path: Path, encoding: str | None = None) -> list[Row]:
    return read_files.read(path, Format(encoding=encoding), wanted=("text", "label"))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "rows.csv"


@pytest.mark.parametrize(("language", "encoding"), WRITTEN)
def test_a_text_in_an_old_encoding_is_read_as_it_was_written(
    file: Path, language: str, encoding: str
) -> None:
    file.write_bytes(as_csv(language).encode(encoding))
    assert [row.cells.get("text") for row in read(file)] == TEXTS[language].split("\n")


@pytest.mark.parametrize(("language", "encoding"), WRITTEN)
def test_few_lines_are_read_rightly_or_not_at_all(language: str, encoding: str) -> None:
    draw = random.Random(f"{language} {encoding}")
    lines = [line for line in TEXTS[language].encode(encoding).split(b"\n") if not line.isascii()]
    for number in (1, 2, 3):
        some = [draw.choice(lines) for _ in range(number)]
        readings = readings_of(some)
        if len(readings) == 1:
            assert readings[0].text == b"\n".join(some).decode(encoding)
        else:
            assert (
                number < 3 or not readings or b"\n".join(some).decode(encoding) in [r.text for r in readings]
            )


@pytest.mark.parametrize(
    ("mark", "encoding", "found"),
    [
        (b"", "utf-8", "utf-8-sig"),
        (codecs.BOM_UTF8, "utf-8", "utf-8-sig"),
        (codecs.BOM_UTF16_LE, "utf-16-le", "utf-16"),
        (codecs.BOM_UTF16_BE, "utf-16-be", "utf-16"),
        (codecs.BOM_UTF32_LE, "utf-32-le", "utf-32"),
        (b"", "utf-16-le", "utf-16-le"),
        (b"", "utf-16-be", "utf-16-be"),
    ],
)
@pytest.mark.parametrize("language", ["English", "Chinese"])
def test_unicode_is_known_by_its_mark_or_its_form(
    file: Path, mark: bytes, encoding: str, found: str, language: str
) -> None:
    file.write_bytes(mark + as_csv(language).encode(encoding))
    assert encoding_of([file]) == found
    rows = read(file)
    assert [row.cells["text"] for row in rows] == TEXTS[language].split("\n")
    assert [row.line for row in rows] == [2, 3, 4, 5, 6]


def test_what_was_found_out_is_told_and_what_was_stated_is_not(file: Path) -> None:
    file.write_bytes(as_csv("Chinese").encode("gb18030"))
    assert layout_of(file, Format(), None).found_out == "csv, gb18030"
    assert layout_of(file, Format(encoding="gb18030"), None).found_out == "csv"
    assert layout_of(file, Format(type="csv", encoding="gb18030"), None).found_out == ""


def test_ascii_is_utf_8_and_so_is_a_nul(file: Path) -> None:
    file.write_bytes(b"text,label\na\0b,0\n")
    assert encoding_of([file]) == "utf-8-sig"
    assert read(file)[0].cells["text"] == "a\0b"


def test_utf_8_with_a_few_broken_characters_stays_utf_8(file: Path) -> None:
    good = as_csv("French", repeated=20).encode()
    file.write_bytes(good + "écrasé,1\n".encode("cp1252") + b"fin,0\n")
    rows = read(file)
    assert [row.fault for row in rows if row.fault] == ["not utf-8"]
    assert rows[-2] == Row(102, {}, ["\\xe9cras\\xe9", "1"], "not utf-8")
    assert rows[-1].cells["text"] == "fin"


def test_utf_8_it_stays_while_no_more_is_broken_than_valid(file: Path) -> None:
    french = as_csv("French")
    file.write_bytes(french.encode() * 3 + french.encode("cp1252") * 2)
    assert encoding_of([file]) == "utf-8-sig"
    assert sum(row.fault == "not utf-8" for row in read(file)) == 10


@pytest.mark.parametrize("encoding", ["shift_jis", "euc_jp"])
def test_kana_are_japanese(encoding: str) -> None:
    for line in TEXTS["Japanese"].split("\n"):
        assert [reading.text for reading in readings_of([line.encode(encoding)])] == [line]


def test_a_few_accents_may_be_in_doubt_where_an_old_reading_fits_too() -> None:
    line = "Äußerst zufrieden, schnelle Abwicklung."
    readings = readings_of([line.encode("cp850")])
    assert len(readings) > 1
    assert line in [reading.text for reading in readings]


def test_a_lone_character_of_chinese_is_not_taken_for_accents() -> None:
    readings = readings_of(["内 is inside".encode("gbk")])
    assert len(readings) > 1
    assert "内 is inside" in [reading.text for reading in readings]


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_half_a_surrogate_pair_spoils_its_row_alone(file: Path, encoding: str) -> None:
    mark = codecs.BOM_UTF16_LE if encoding.endswith("le") else codecs.BOM_UTF16_BE
    file.write_bytes(mark + "text,label\na\ud800b,0\nfine,1\n".encode(encoding, "surrogatepass"))
    rows = read(file)
    assert [(row.line, row.fault) for row in rows] == [(2, "not utf-16"), (3, None)]
    assert rows[1].cells == {"text": "fine", "label": "1"}


def test_a_text_in_two_encodings_is_an_error_that_says_so(file: Path) -> None:
    french = as_csv("French")
    file.write_bytes(french.encode() + french.encode("cp1252") * 4)
    with pytest.raises(SourceError, match=r"rows.csv: written in two encodings: .* UTF-8, others cp1252"):
        read(file)


def test_a_doubt_is_an_error_that_shows_each_reading(file: Path) -> None:
    file.write_bytes("text,label\n那个,0\n".encode("gb18030"))
    with pytest.raises(
        SourceError, match=r"rows.csv: its encoding cannot be told for sure: as .*, as "
    ) as told:
        read(file)
    assert "那个" in str(told.value)
    assert "state the right one in source.yaml: format: {encoding: " in str(told.value)
    assert read(file, encoding="gb18030")[0].cells["text"] == "那个"


def test_bytes_that_are_no_text_are_an_error(file: Path) -> None:
    file.write_bytes(random.Random(1).randbytes(5000))
    with pytest.raises(
        SourceError, match=r"rows.csv: (not text in any encoding|its encoding cannot be told)"
    ):
        read(file)


def test_one_accent_in_an_english_text_is_enough(file: Path) -> None:
    file.write_bytes(b"text,label\nnice,1\nthe caf\xe9 was nice,1\n" + b"fine,0\n" * 1000)
    assert layout_of(file, Format(), None).found_out == "csv, cp1252"


def test_names_of_many_languages_are_latin_1(file: Path) -> None:
    names = ["Vårsund", "São Tadeu", "Großenhain", "Łódź", "Málaga", "Besançon", "Århus", "Köyceğiz", "Évora"]
    lines = "".join(f"a storm in {name} again,1\n" for name in names).encode("cp1252", "ignore")
    file.write_bytes(b"text,label\n" + lines * 3)
    assert layout_of(file, Format(), None).found_out == "csv, cp1252"


def test_a_stated_encoding_wins_and_its_broken_rows_are_set_aside(file: Path) -> None:
    file.write_bytes(as_csv("French").encode("cp1252"))
    assert {row.fault for row in read(file, encoding="utf-8")} == {"not utf-8"}
    assert read(file, encoding="cp1253")[0].cells["text"] != TEXTS["French"].split("\n")[0]


def test_a_broken_character_loses_no_line_whatever_the_encoding(file: Path) -> None:
    lines = [line.encode("gb18030") for line in as_csv("Chinese", repeated=40).split("\n")]
    lines[7] = b'"' + lines[7][1:5] + b'\x81",1'  # half a character before the quote that closes
    file.write_bytes(b"\n".join(lines))
    rows = read(file)
    assert [(row.line, row.fault) for row in rows if row.fault] == [(8, "not gb18030")]
    assert len(rows) == 200


def test_utf_16_of_an_odd_length_loses_its_last_row_alone(file: Path) -> None:
    file.write_bytes("text,label\nfirst,0\nlast,1".encode("utf-16") + b"x")
    assert [(row.line, row.fault) for row in read(file)] == [(2, None), (3, "not utf-16")]


@pytest.mark.slow
@pytest.mark.parametrize("between", ["\n", ",", ""])
@pytest.mark.parametrize(
    ("language", "encoding", "found"),
    [("Chinese", "gb18030", "gb18030"), ("Japanese", "shift_jis", "cp932"), ("Russian", "koi8_r", "koi8_r")],
)
def test_lines_of_any_length_or_none_at_all_are_sampled(
    file: Path, language: str, encoding: str, found: str, between: str
) -> None:
    text = "".join(TEXTS[language].split("\n")) * 40
    file.write_bytes(between.join([text[n:] for n in range(30)]).encode(encoding))
    assert encoding_of([file]) == found


def test_a_mark_in_one_of_the_files_is_not_hidden_by_the_others(tmp_path: Path) -> None:
    paths = [tmp_path / f"{number}.txt" for number in range(6)]
    for path, line in zip(paths, [*TEXTS["Russian"].split("\n"), ""], strict=True):
        path.write_bytes(line.encode("cp1251"))
    paths[5].write_bytes(codecs.BOM_UTF8 + b"plain")
    with pytest.raises(SourceError, match="not in one encoding"):
        encoding_of(paths)
    for path in paths[:5]:
        path.write_bytes(path.read_bytes().decode("cp1251").encode())
    assert encoding_of(paths) == "utf-8-sig"


def test_only_one_encoding_is_expected_of_the_texts_of_a_pattern(tmp_path: Path) -> None:
    paths = [tmp_path / f"{number}.txt" for number in range(5)]
    for path, line in zip(paths, TEXTS["Russian"].split("\n"), strict=True):
        path.write_bytes(line.encode("cp1251"))
    assert encoding_of(paths) == "cp1251"
    paths[0].write_bytes(codecs.BOM_UTF16_LE + "один".encode("utf-16-le"))
    with pytest.raises(SourceError, match="not in one encoding"):
        encoding_of(paths)


def large(language: str, encoding: str, mega_bytes: int) -> Iterator[bytes]:
    block = (as_csv(language, repeated=200).split("\n", 1)[1]).encode(encoding)
    yield from (block for _ in range(mega_bytes * 2**20 // len(block)))


@pytest.mark.slow
def test_a_large_file_takes_no_more_memory_than_a_small_one(tmp_path: Path) -> None:
    peaks = []
    for size in (1, 5):
        path = tmp_path / f"{size}.csv"
        with path.open("wb") as file:
            file.writelines([b"plain,0\n" * 100_000, *large("Chinese", "gb18030", size)])
        tracemalloc.start()
        assert encoding_of([path]) == "gb18030"
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.2 * peaks[0]


def test_a_file_whose_lines_all_end_in_an_accent_is_judged_too(tmp_path: Path) -> None:
    path = tmp_path / "short.txt"
    path.write_bytes(b"x\r\n-\xe9\r\n")
    with pytest.raises(SourceError, match="cannot be told for sure: as cp1252 it reads '-é'"):
        encoding_of([path])
    path.write_bytes("Le café\nIl a aimé\nUn degré\nDu thé\nLa beauté\n".encode("cp1252"))
    assert encoding_of([path]) == "cp1252"
