"""What the name of a column, or of a file, says about it, in the languages that people name them in."""

import re

TEXT = """text texts message messages msg tweet tweets sentence sentences review reviews comment
comments content contents body document documents doc description utterance utterances post
posts passage article query question headline title abstract summary feedback transcript
dialogue prompt response email sms snippet narrative input texto texte textes nachricht
kommentar bewertung anfrage beschreibung freitext mensaje comentario reseña opinión consulta commentaire avis
messaggio commento recensione mensagem comentário testo tekst metin
文本 内容 评论 正文 句子 评价 留言 标题 微博 文章 问题 текст отзыв
сообщение комментарий コメント 本文 テキスト 내용 댓글 본문 نص تعليق"""
LABEL = """label labels target targets class classes category categories sentiment sentiments emotion
emotions topic topics intent intents y gold rating ratings stars star score scores polarity
tag tags genre queue department toxic spam is_spam is_duplicate quality answer stance
verdict outcome annotation similarity severity grade etiqueta clase categoria classe
kategorie klasse bezeichnung abteilung thema departamento tema etichetta etykieta etiket
标签 类别 分类 情感 类型 标注 得分 评分 极性 метка класс категория
оценка categoría étiquette ラベル カテゴリ 分類 라벨 레이블 تصنيف"""
ID = """id ids idx index uuid guid key rowid row_id unnamed nr no number ticket identifier
nummer kennung número numero identificador numéro identifiant
编号 序号 工单号 订单号 流水号 номер"""
TIME = """date time datetime timestamp created created_at year month day posted published updated
fecha datum data_ora
日期 时间 发布时间 дата время 日時 날짜"""
GROUP = """user users author username user_id customer customer_id account thread thread_id
conversation conversation_id session session_id group speaker source_id patient patient_id
用户 作者 автор пользователь"""
PAIRS = (
    ("sentence1", "sentence2"), ("question1", "question2"), ("premise", "hypothesis"), ("text1", "text2"),
    ("text_a", "text_b"), ("sentence_a", "sentence_b"), ("sent1", "sent2"), ("question", "sentence"),
    ("query", "passage"), ("query", "document"), ("question", "answer"), ("question", "context"),
    ("title", "body"), ("title", "text"), ("title", "description"), ("title", "content"), ("s1", "s2"),
    ("subject", "body"), ("headline", "body"), ("句子1", "句子2"), ("标题", "内容"), ("标题", "正文"),
)  # fmt: skip
POSITIVE = """1 1.0 true yes y positive pos spam toxic disaster duplicate hate offensive abusive fraud urgent
sarcastic ironic clickbait fake positiv positif positivo
正面 积极 正向 是 垃圾 да"""
NEGATIVE = """0 0.0 false no n negative neg ham normal ordinary none other neutral benign genuine real negativ
negativo
负面 消极 负向 否 正常 нет négatif"""

ROLES = {
    "train": "train", "training": "train", "trn": "train",
    "validation": "validation", "valid": "validation", "val": "validation", "dev": "validation",
    "development": "validation", "eval": "validation",
    "test": "test", "testing": "test", "tst": "test", "heldout": "test",
    "unlabelled": "unlabelled", "unlabeled": "unlabelled", "unsup": "unlabelled",
    "unsupervised": "unlabelled",
    "训练": "train", "训练集": "train", "验证": "validation", "验证集": "validation",
    "测试": "test", "测试集": "test",
}  # fmt: skip


def hint(name: str, words: str) -> int:
    """2: the name is one of the words; 1: one of its own words is; 0: neither."""
    known = set(words.split())
    parts = words_of(name)
    if name.strip().casefold() in known or "_".join(parts) in known:
        return 2
    return (
        1
        if known & set(parts) or any(not word.isascii() and word in name.casefold() for word in known)
        else 0
    )


def words_of(name: str) -> list[str]:
    """`dev_mismatched` and `devMismatched` -> dev, mismatched."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name)
    return re.findall(r"[^\W\d_]+|\d+", spaced.casefold())


def is_pair(first: str, second: str) -> bool:
    words = [words_of(name) for name in (first, second)]
    bare = [[word for word in each if word not in ("1", "2", "a", "b")] for each in words]
    if bare[0] == bare[1] not in (words[0], [], ["column"]) and words[0] < words[1]:
        return True  # `#1 String`, `#2 String`
    names = tuple("_".join(each) for each in words)
    return any(names == tuple("_".join(words_of(name)) for name in pair) for pair in PAIRS)


def role_of(stem: str) -> tuple[str | None, list[str]]:
    """The role that a file's name says, and its further words: `dev_mismatched` -> validation, mismatched."""
    words = words_of(stem)
    found = next((word for word in words if word in ROLES), None)
    if found is None:
        return None, words
    return ROLES[found], [word for word in words if word != found]


def is_submission(stem: str) -> bool:
    """Kaggle's sample_submission.csv, a form to hand predictions in."""
    words = set(words_of(stem))
    return bool(words & {"submission", "submissions", "samplesubmission"})
