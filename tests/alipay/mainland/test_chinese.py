"""Every row of every table is there in Chinese as well, and rows that say the same say the same there."""

from collections.abc import Mapping

import pytest

from worker.alipay.ams import chinese as ams_chinese
from worker.alipay.ams import codes as ams_codes
from worker.alipay.codes import Row
from worker.alipay.mainland import chinese, codes


def _by_text(unlisted: Mapping[ams_codes.Status, Row]) -> Mapping[str, Row]:
    return {str(status): row for status, row in unlisted.items()}


TABLES: list[tuple[Mapping[str, Row], Mapping[str, tuple[str, str]]]] = [
    (codes.REFUND_CODES, chinese.CHINESE),
    (codes.INQUIRY_CODES, chinese.INQUIRY_CHINESE),
    (codes.UNLISTED_REFUND, chinese.UNLISTED_CHINESE),
    (codes.UNLISTED_INQUIRY, chinese.UNLISTED_INQUIRY_CHINESE),
    (ams_codes.REFUND_CODES, ams_chinese.CHINESE),
    (ams_codes.INQUIRY_CODES, ams_chinese.INQUIRY_CHINESE),
    (_by_text(ams_codes.UNLISTED_REFUND), ams_chinese.UNLISTED_CHINESE),
    (_by_text(ams_codes.UNLISTED_INQUIRY), ams_chinese.UNLISTED_INQUIRY_CHINESE),
]
tables = pytest.mark.parametrize(("english", "translated"), TABLES)


def _is_chinese(text: str) -> bool:
    return any("\u4e00" <= char <= "\u9fff" for char in text)


@tables
def test_every_row_is_translated_and_nothing_else(
    english: Mapping[str, Row], translated: Mapping[str, tuple[str, str]]
) -> None:
    assert set(translated) == set(english)
    assert all(_is_chinese(text) for texts in translated.values() for text in texts)


@tables
def test_what_is_the_same_in_one_language_is_the_same_in_the_other(
    english: Mapping[str, Row], translated: Mapping[str, tuple[str, str]]
) -> None:
    """A text that was changed in one language only shows here, if any other row says the same."""
    meant: dict[str, set[str]] = {}
    for code, (meaning, what_to_do) in translated.items():
        meant.setdefault(english[code].meaning, set()).add(meaning)
        meant.setdefault(english[code].what_to_do, set()).add(what_to_do)
    assert {text: same for text, same in meant.items() if len(same) > 1} == {}
