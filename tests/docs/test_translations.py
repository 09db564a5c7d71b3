"""A page in Chinese says what the English one says: neither is changed without the other."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from urllib.parse import unquote

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

from tests.docs.test_links import DOCUMENTS, ROOT, anchors

# The policy's pages are made from tables, and have a test of their own.
CHINESE: Final = [
    document for document in DOCUMENTS if document.name.endswith(".zh.md") and document.name != "policy.zh.md"
]
MARKDOWN: Final = MarkdownIt("commonmark").enable("table")
CODE: Final = {"fence", "code_block", "html_block"}
COMMENT: Final = re.compile(r"(^|[ \t]+)# .*$", re.MULTILINE)
FIGURE: Final = re.compile(r"\d(?:[\d,.]*\d)?")
ADDRESS: Final = re.compile(r"https?://\S+")

each = pytest.mark.parametrize("page", CHINESE, ids=lambda page: str(page.relative_to(ROOT)))


def counterpart(path: Path) -> Path:
    """The same page or picture in the other language; itself where it has none."""
    stem = path.stem.removesuffix(".zh") if path.stem.endswith(".zh") else f"{path.stem}.zh"
    other = path.with_name(stem + path.suffix)
    return other if other.exists() else path


def blocks(page: Path) -> list[Token]:
    return MARKDOWN.parse(page.read_text())


def texts(page: Path) -> Iterator[Token]:
    """Headings, paragraphs and the cells of tables."""
    return (block for block in blocks(page) if block.type == "inline")


def both(page: Path) -> Iterator[tuple[Token, Token]]:
    """Each text in English and in Chinese."""
    return zip(texts(counterpart(page)), texts(page), strict=True)


def parts(text: Token, kind: str) -> list[str]:
    return [part.content for part in text.children or () if part.type == kind]


def code(page: Path) -> list[str]:
    """Without comments, but for a picture made of signs: that has none."""
    return [
        f"{block.info}\n{COMMENT.sub('', block.content) if block.info else block.content}"
        for block in blocks(page)
        if block.type in CODE
    ]


def figures(text: Token) -> set[str]:
    return {figure for part in parts(text, "text") for figure in FIGURE.findall(part)}


def links(text: Token, page: Path) -> list[tuple[str, str]]:
    """The file or address of each link and picture, and its anchor."""
    found = []
    for part in text.children or ():
        link = unquote(str(part.attrs.get("href") or part.attrs.get("src") or ""))
        path, _, anchor = link.partition("#")
        if link.startswith("https://"):
            found.append((link, ""))
        elif link:
            found.append((str((page.parent / path).resolve() if path else page), anchor))
    return found


def translated(target: str, anchor: str) -> tuple[str, str]:
    """Where the same link leads in the other language. The headings there are in the same order."""
    path = Path(target)
    there = counterpart(path)
    if anchor and there != path:
        anchor = anchors(there)[anchors(path).index(anchor)]
    return (target if there == path else str(there)), anchor


@each
def test_both_pages_have_the_same_blocks_in_the_same_order(page: Path) -> None:
    """Headings of the same levels, lists of as many items, tables of as many rows and columns."""
    original, translation = blocks(counterpart(page)), blocks(page)
    for english, chinese in zip(original, translation, strict=False):
        lines = f"lines from 0: {english.map} and {chinese.map}"
        assert (chinese.type, chinese.tag) == (english.type, english.tag), lines
    assert len(translation) == len(original)


@each
def test_both_pages_show_the_same_code_but_for_its_comments(page: Path) -> None:
    assert code(page) == code(counterpart(page))


@each
def test_a_link_leads_to_the_page_in_the_readers_language_where_there_is_one(page: Path) -> None:
    for english, chinese in both(page):
        wanted = [translated(*link) for link in links(english, counterpart(page))]
        assert sorted(links(chinese, page)) == sorted(wanted), english.content


@each
def test_both_pages_name_the_same_settings_commands_and_events(page: Path) -> None:
    """All that is in backticks is the program's own word, and no translation's business."""
    for english, chinese in both(page):
        assert set(parts(chinese, "code_inline")) == set(parts(english, "code_inline")), english.content


@each
def test_both_pages_give_the_same_figures(page: Path) -> None:
    for english, chinese in both(page):
        assert figures(chinese) == figures(english), english.content


@each
def test_each_page_begins_with_a_link_to_the_other(page: Path) -> None:
    for one in (page, counterpart(page)):
        _, first, *_ = texts(one)
        assert (str(counterpart(one)), "") in links(first, one)


@each
def test_stars_and_addresses_end_where_they_are_meant_to(page: Path) -> None:
    """Without spaces between words stars may be no emphasis, and an address takes what follows into itself."""
    for text in texts(page):
        for part in parts(text, "text"):
            assert "*" not in part, text.content
            assert all(address.isascii() for address in ADDRESS.findall(part)), text.content
