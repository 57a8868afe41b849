"""Compare keys for names, e-mail addresses, phones, postal codes, tax numbers and SKUs. Stored values are never altered.

A normaliser takes the text of one field and returns its compare key, or None where the text cannot be compared
(blank, a placeholder, not of the form). Equal keys mean "written differently, the same". What merely looks the same
(ニ/二, キヤノン/キャノン, 髙/高) is only equal under `confusable_key`, which raises a question and never decides.
Source: what-good-means.md rows 78–81; docs/decisions/0004-matching.md.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import jaconv
import phonenumbers
from stdnum.jp import cn

Normaliser = Callable[[str], str | None]
Place = Literal["front", "behind"]

_LONG_MARK = re.compile(r"(?<=[ァ-ヺー])[-‐‑‒–—―−ー~〜]")
_BRACKETS = str.maketrans("〔〕【】[]〈〉", "()()()()")
_DASHES = re.compile(r"[-‐‑‒–—―−ー~〜_]")
_LATIN_MARKS = re.compile(r"[\u0300-\u036f]")
_LETTERS = str.maketrans({"ø": "o", "đ": "d", "ł": "l", "æ": "ae", "œ": "oe", "þ": "th", "ı": "i"})
_APOSTROPHES = re.compile(r"['’‘`´ʼ]")
_NO_DIGIT = re.compile(r"\D")
_DIGITS = re.compile(r"\d")
_MARKS = re.compile(r"[^\w\u3099\u309a]|_")
_INITIALS = re.compile(r"(?<=\b[a-z])\.\s?(?=[a-z]\b)")  # s.a. → sa, k. k. → kk, but not "st. john"

# Look-alikes of what-good-means.md row 80, old and new forms of one character in names, small and large kana.
_LOOK_ALIKES = (
    str.maketrans("二夕工口力八卜一", "ニタエロカハトー")
    | str.maketrans("ァィゥェォッャュョヮヵヶヰヱヲヂヅ", "アイウエオツヤユヨワカケイエオジズ")
    | str.maketrans("髙﨑嵜碕齋斎齊邊邉澤廣國櫻濱德會學", "高崎崎崎斉斉斉辺辺沢広国桜浜徳会学")
    | str.maketrans("龍嶋嶌眞圓藏澁瀧萬與冨壽兒淵檜", "竜島島真円蔵渋滝万与富寿児渕桧")
)


@dataclass(frozen=True, slots=True)
class LegalForm:
    """`form` is our word for it (`kk` for 株式会社, `ltd`, …), `place` where it stands in the name."""

    form: str
    place: Place


_JAPANESE_FORMS = (
    ("kk", ("株式会社", "かぶしきがいしゃ", "かぶしきかいしゃ", "(株)", "(カ)", "カ)", "(カ", "株)", "(株")),
    ("yk", ("特例有限会社", "有限会社", "ゆうげんがいしゃ", "ゆうげんかいしゃ", "(有)", "(ユ)", "ユ)", "(ユ")),
    ("gk", ("合同会社", "ごうどうがいしゃ", "(同)", "(ド)", "ド)", "(ド")),
    ("goshi", ("合資会社", "(資)")),
    ("gomei", ("合名会社", "(名)")),
    ("sogo", ("相互会社", "(相)")),
    ("ippan_shadan", ("一般社団法人", "(一社)")),
    ("ippan_zaidan", ("一般財団法人", "(一財)")),
    ("koeki_shadan", ("公益社団法人", "(公社)")),
    ("koeki_zaidan", ("公益財団法人", "(公財)")),
    ("shadan", ("社団法人", "(社)")),
    ("zaidan", ("財団法人", "(財)")),
    ("iryo", ("医療法人社団", "医療法人財団", "医療法人", "(医)")),
    ("gakko", ("学校法人", "(学)")),
    ("shafuku", ("社会福祉法人", "(福)")),
    ("shukyo", ("宗教法人", "(宗)")),
    ("npo", ("特定非営利活動法人", "npo法人", "(特非)")),
    ("dokuritsu", ("独立行政法人", "(独)")),
    ("kokudai", ("国立大学法人", "(大)")),
)  # fmt: skip
_WESTERN_FORMS = {
    "kk": ("kk", "kabushiki kaisha", "kabushiki gaisha", "kabushikikaisha", "kabushikigaisha"),
    "yk": ("yk", "yugen kaisha", "yugen gaisha"),
    "gk": ("gk", "godo kaisha", "godo gaisha"),
    "ltd": ("ltd", "limited"),
    "co_ltd": ("co ltd", "co limited", "company ltd", "company limited", "coltd"),
    "inc": ("inc", "incorporated", "co inc"),
    "corp": ("corp", "corporation"),
    "co": ("co", "company"),
    "plc": ("plc", "public limited company"),
    "llc": ("llc", "limited liability company"),
    "llp": ("llp", "limited liability partnership"),
    "lp": ("lp", "limited partnership"),
    "gmbh": ("gmbh", "gesellschaft mit beschrankter haftung"),
    "gmbh_co_kg": ("gmbh and co kg", "gmbh co kg", "gmbh und co kg"),
    "ag": ("ag", "aktiengesellschaft"),
    "kg": ("kg", "kommanditgesellschaft"),
    "ohg": ("ohg",),
    "ev": ("ev",),
    "sa": ("sa", "s a", "societe anonyme", "sociedad anonima"),
    "sa_de_cv": ("sa de cv",),
    "sas": ("sas",),
    "sarl": ("sarl",),
    "srl": ("srl",),
    "spa": ("spa", "s p a"),
    "sl": ("sl",),
    "bv": ("bv", "b v"),
    "nv": ("nv", "n v"),
    "ab": ("ab", "aktiebolag"),
    "as": ("as",),
    "oy": ("oy",),
    "oyj": ("oyj",),
    "aps": ("aps",),
    "pty_ltd": ("pty ltd", "pty limited", "proprietary limited"),
    "pvt_ltd": ("pvt ltd", "private limited", "pvt limited", "private ltd"),
    "pte_ltd": ("pte ltd", "pte limited"),
    "sdn_bhd": ("sdn bhd",),
    "sro": ("sro",),
    "doo": ("doo",),
    "ltda": ("ltda", "limitada"),
    "lda": ("lda",),
}  # fmt: skip
_FRONT_WESTERN = frozenset({"kk", "yk", "gk"})  # the only ones that also stand before a name

# Mail providers: their domain says nothing about the company.
FREE_MAIL = frozenset({
    "gmail.com", "googlemail.com", "yahoo.com", "yahoo.co.jp", "ymail.com", "ymail.ne.jp", "hotmail.com", "hotmail.co.jp",
    "outlook.com", "outlook.jp", "live.com", "live.jp", "msn.com", "icloud.com", "me.com", "mac.com", "aol.com", "aol.jp",
    "gmx.de", "gmx.net", "gmx.com", "web.de", "mail.ru", "yandex.ru", "qq.com", "163.com", "126.com", "proton.me",
    "protonmail.com", "zoho.com", "zohomail.com", "docomo.ne.jp", "ezweb.ne.jp", "au.com", "softbank.ne.jp", "i.softbank.jp",
    "vodafone.ne.jp", "ybb.ne.jp", "nifty.com", "biglobe.ne.jp", "ocn.ne.jp", "so-net.ne.jp", "plala.or.jp", "dion.ne.jp",
    "excite.co.jp", "infoseek.jp", "goo.jp", "mail.goo.ne.jp", "rakuten.jp", "orange.fr", "free.fr", "laposte.net",
    "libero.it", "comcast.net", "btinternet.com", "yahoo.co.uk", "yahoo.fr", "yahoo.de", "t-online.de",
})  # fmt: skip


def fold(text: str) -> str:
    """NFKC, lower case, hiragana as katakana, any dash after kana as ー, no Latin accents, & as and."""
    if text.isascii():
        return text.casefold().replace("&", " and ")
    text = unicodedata.normalize("NFKC", text).casefold()
    text = unicodedata.normalize("NFC", _LATIN_MARKS.sub("", unicodedata.normalize("NFD", text))).translate(_LETTERS)
    text = _LONG_MARK.sub("ー", str(jaconv.hira2kata(text)))
    return text.replace("&", " and ")


def words_of(text: str) -> str:
    """The folded text as words with one space between: apostrophes and dots of initials drop out, other marks part words."""
    return " ".join(_MARKS.sub(" ", _INITIALS.sub("", _APOSTROPHES.sub("", fold(text)))).split())


def _by_length(pairs: list[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(pairs, key=lambda pair: (-len(pair[0]), pair[0])))


_JAPANESE = _by_length([(fold(text), form) for form, texts in _JAPANESE_FORMS for text in texts])
_JAPANESE_HINT = re.compile("会社|法人|カイシャ|ガイシャ|[()]")  # every form of _JAPANESE_FORMS holds one of them
_WESTERN = {text: form for form, texts in _WESTERN_FORMS.items() for text in texts}
_LONGEST_WESTERN = max(text.count(" ") + 1 for text in _WESTERN)  # words


def _split_japanese(folded: str) -> tuple[str, LegalForm | None]:
    """A bracketed or whole form anywhere; a half-open bank form (カ)…, …(カ) only at its own end."""
    for text, form in _JAPANESE if _JAPANESE_HINT.search(folded) else ():
        at = folded.find(text)
        if at < 0:
            continue
        before, behind = folded[:at].strip(), folded[at + len(text) :].strip()
        half_open = text.startswith("(") != text.endswith(")") and ("(" in text or ")" in text)
        if half_open and (before if text.endswith(")") else behind):
            continue
        if before or behind:
            return f"{before} {behind}".strip(), LegalForm(form, "behind" if before else "front")
    return folded, None


def _split_western(words: str) -> tuple[str, LegalForm | None]:
    """The longest form at the end, else one of those that also stand in front. Something has to be left."""
    parts = words.split(" ")
    for length in range(min(_LONGEST_WESTERN, len(parts) - 1), 0, -1):
        if form := _WESTERN.get(" ".join(parts[-length:])):
            return " ".join(parts[:-length]).removesuffix(" and"), LegalForm(form, "behind")
    for length in range(min(_LONGEST_WESTERN, len(parts) - 1), 0, -1):
        form = _WESTERN.get(" ".join(parts[:length]))
        if form in _FRONT_WESTERN:
            return " ".join(parts[length:]), LegalForm(form, "front")
    return words, None


@lru_cache(maxsize=65_536)  # one name is asked for by every key that reads it
def split_form(name: str) -> tuple[str, LegalForm | None]:
    """The words of a company's name without its legal form, and the form. A name that is only a form keeps it."""
    rest, form = _split_japanese(fold(name).translate(_BRACKETS).strip())
    if form is not None and words_of(rest):
        return words_of(rest), form
    return _split_western(words_of(name))


def form_of(name: str) -> LegalForm | None:
    """The legal form of a company's name and its place; None where the name shows none."""
    return split_form(name)[1]


def legal_words(name: str) -> str:
    """The name without legal form and leading "the", as words: what likeness is measured on."""
    words = split_form(name)[0]
    return words.removeprefix("the ") if words.startswith("the ") and len(words) > 6 else words


def _joined(words: str, text: str) -> str | None:
    """Without spaces (山田 太郎 = 山田太郎). A text of marks only stays as it is, a blank one is None."""
    return words.replace(" ", "") or unicodedata.normalize("NFKC", text).casefold().strip() or None


def text(value: str) -> str | None:
    """Any text under width, case, kana, dashes, accents, marks and spaces. A legal form stays part of it."""
    return _joined(words_of(value), value)


def legal_name(value: str) -> str | None:
    """A company's name without its legal form; compare `form_of` beside it."""
    return _joined(legal_words(value), value)


_HONORIFIC = re.compile(r"^(?:mr|mrs|ms|miss|dr|prof)\s+(?=\S)|(?<=\S)\s*(?:様|サマ|殿|御中|先生|サン)$")


def person_name(value: str) -> str | None:
    """A person's name without a form of address. The order of names is kept: Thomas James is not James Thomas."""
    return _joined(_HONORIFIC.sub("", words_of(value)), value)


def confusable_key(value: str) -> str | None:
    """The legal name with look-alike characters made one. Equality here raises a question and never decides."""
    name = legal_name(value)
    return name.translate(_LOOK_ALIKES).replace("0", "o").replace("1", "l") if name else None


def _head(words: str, length: int) -> str | None:
    joined = words.replace(" ", "")
    return f"{_DIGITS.sub('', joined)[:length]}|{_NO_DIGIT.sub('', joined)}" if joined else None


def _head_length(words: str) -> int:
    return 4 if words.isascii() else 2


def name_head(value: str) -> str | None:
    """A block: the first four Latin letters or two Japanese characters of the legal name, and all of its digits."""
    words = legal_words(value)
    return _head(words, _head_length(words))


def name_tail(value: str) -> str | None:
    """A block: the last letters of the legal name, back to front, and all of its digits back to front."""
    words = legal_words(value)
    return _head(words[::-1], _head_length(words))


def name_words(value: str) -> str | None:
    """A block: the words of the legal name in the order of the alphabet (Reggiani Caseifici, Caseifici Reggiani)."""
    return " ".join(sorted(legal_words(value).split())) or None


_EMAIL = re.compile(r"[^\s@<>(),;:\"\[\]]+@(?:[^\s@.,;:<>()]+\.)+[^\s@.,;:<>()\d]{2,}")


def email(value: str) -> str | None:
    """The address in lower case; None where it cannot be one."""
    address = unicodedata.normalize("NFKC", value).strip().casefold()
    return address if _EMAIL.fullmatch(address) and ".." not in address else None


def domain(value: str) -> str | None:
    """The host of an e-mail address or a website without www; None for mail providers and what is neither."""
    address = unicodedata.normalize("NFKC", value).strip().casefold()
    host = re.split(r"[/?#]", re.sub(r"^[a-z][a-z+.-]*://", "", address), maxsplit=1)[0].rpartition("@")[2]
    host = host.partition(":")[0].removeprefix("www.").rstrip(".")
    return host if re.fullmatch(r"(?:[^\s.]+\.)+[^\s.\d]{2,}", host) and host not in FREE_MAIL else None


_EXTENSION = re.compile(r"\s*(?:内線|ext\.?|extension|x)\s*\d+\s*$", re.IGNORECASE)
_NATIONAL_JP = re.compile(r"(?=(?:\D*\d){10,11}\D*$)\(?0(?!1-?0)[1-9][\d ()-]*")  # 10 or 11 digits; 010 dials abroad
LEAST_PHONE_DIGITS = 6  # fewer are an extension or a remnant, and shared by strangers


def phone_in(region: str) -> Normaliser:
    """A normaliser of phone numbers to E.164 (`+81312345678`), reading a number without + as of `region` (ISO 3166).

    A number that the region's plan does not know gives its bare digits, so that equal spellings still meet; None below
    six digits and for placeholders of one digit (000-0000-0000). Extensions are left out.
    """

    def phone(value: str) -> str | None:
        written = _EXTENSION.sub("", _DASHES.sub("-", unicodedata.normalize("NFKC", value)).strip())
        digits = _NO_DIGIT.sub("", written)
        if len(digits) < LEAST_PHONE_DIGITS or len(set(digits)) == 1:
            return None
        if region == "JP" and _NATIONAL_JP.fullmatch(written):  # the usual case, without the slow library
            return f"+81{digits[1:]}"
        try:
            number = phonenumbers.parse(written, region)
        except phonenumbers.NumberParseException:
            return digits
        if not phonenumbers.is_possible_number(number):
            return digits
        return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))

    return phone


def postal_code(value: str) -> str | None:
    """Letters and digits only, without 〒; None below three."""
    code = re.sub(r"[^0-9A-Z]", "", unicodedata.normalize("NFKC", value).upper())
    return code if len(code) >= 3 and any(char.isdigit() for char in code) else None


def is_corporate_number(value: str) -> bool:
    """True for a 13-digit corporate number (with or without T) whose check digit is right.

    Only corporations have one: the T number of a sole trader follows no such rule.
    """
    digits = _tax_text(value).removeprefix("T")
    return bool(cn.is_valid(digits))


def _tax_text(value: str) -> str:
    return re.sub(r"[\s.]", "", _DASHES.sub("", unicodedata.normalize("NFKC", value))).upper()


def tax_number(value: str) -> str | None:
    """T + 13 digits; bare digits only as a valid corporate number; or a VAT number (DE123456789). Otherwise None."""
    number = _tax_text(value)
    if re.fullmatch(r"T\d{13}", number):
        return number if len(set(number[1:])) > 1 else None
    if re.fullmatch(r"\d{13}", number):
        return f"T{number}" if is_corporate_number(number) and len(set(number)) > 1 else None
    is_vat = re.fullmatch(r"[A-Z]{2}[0-9A-Z]{8,13}", number) and sum(char.isdigit() for char in number) >= 7
    return number if is_vat else None


def sku(value: str) -> str | None:
    """Width, case, spaces and dashes aside."""
    code = re.sub(r"\s", "", _DASHES.sub("", unicodedata.normalize("NFKC", value).casefold()))
    return unicodedata.normalize("NFKC", code) or None  # what stood apart from its mark stands before it now


def sku_confusable(value: str) -> str | None:
    """The SKU with O/0 and I/l/1 made one: equality raises a question and never decides."""
    code = sku(value)
    return code.translate(str.maketrans("oil", "011")) if code else None


NORMALISERS: dict[str, Normaliser] = {
    "legal_name": legal_name,
    "person_name": person_name,
    "text": text,
    "email": email,
    "phone": phone_in("JP"),
    "postal_code": postal_code,
    "tax_number": tax_number,
    "sku": sku,
    "domain": domain,
    "confusable": confusable_key,
    "sku_confusable": sku_confusable,
    "name_head": name_head,
    "name_tail": name_tail,
    "name_words": name_words,
}
