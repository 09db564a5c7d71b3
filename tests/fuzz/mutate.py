"""Damage to inputs: of bytes, of JSON and of TOML's lines. The same random numbers give the same damage."""

from collections.abc import Callable, Sequence
from random import Random
from typing import Any, Final

import orjson

Parts = tuple[bytes, ...]
SIZE_MAX: Final = 4_096
"""Bytes of a part that is grown: most mistakes are small, and large inputs have tests of their own."""

# What has broken readers before.
TOKENS: Final = (
    b"", b"\x00", b"\xff", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\\ud800", b"\\u0000", b"\n", b"\r\n", b'"', b"'", b"\\",
    b"{", b"}", b"[", b"]", b",", b":", b"=", b"#", b"null", b"true", b"NaN", b"-0", b"1e999", b"-1", b"0",
    b"9" * 40, b"18446744073709551616", b"1.5", b'""', b"[]", b"{}", b"__", b"_", b"%", b"$", b"/", b".", b"-", b"inf",
)  # fmt: skip
LEAVES: Final[tuple[Any, ...]] = (
    None, True, False, 0, -1, 1, 2**63 - 1, 2**64 - 1, -(2**63), 0.5, -0.0, 1e308, "", " ", "0", "1", "-1", "\x00",
    "a\nb", "é", "\u202e", "😀", "x" * 65, "x" * 300, "9" * 33, "S", "F", "U", "USD", "open", "submit",
    [], {}, [[]], [{}], {"": None}, [None],
)  # fmt: skip


def mutated(parts: Parts, others: Sequence[Parts], random: Random) -> Parts:
    """`parts` with one to four things wrong."""
    for _ in range(random.choice((1, 1, 1, 2, 4))):
        # The first parts are the keys and values; the damage is mostly theirs.
        place = min(int(random.random() ** 2 * len(parts)), len(parts) - 1)
        damage = random.choice(DAMAGES)
        damaged = damage(parts[place], random.choice(others), random)[:SIZE_MAX]
        parts = (*parts[:place], damaged, *parts[place + 1 :])
    return parts


def _cut(data: bytes, other: Parts, random: Random) -> bytes:
    first, last = _span(data, random)
    return data[:first] + data[last:]


def _repeated(data: bytes, other: Parts, random: Random) -> bytes:
    first, last = _span(data, random)
    return data[:last] + data[first:last] * random.choice((1, 2, 40)) + data[last:]


def _flipped(data: bytes, other: Parts, random: Random) -> bytes:
    if not data:
        return data
    place = random.randrange(len(data))
    return data[:place] + bytes((data[place] ^ (1 << random.randrange(8)),)) + data[place + 1 :]


def _inserted(data: bytes, other: Parts, random: Random) -> bytes:
    first, last = _span(data, random)
    return data[:first] + random.choice(TOKENS) + data[random.choice((first, last)) :]


def _crossed(data: bytes, other: Parts, random: Random) -> bytes:
    donor = random.choice(other)
    return data[: _span(data, random)[0]] + donor[_span(donor, random)[0] :]


def _line_moved(data: bytes, other: Parts, random: Random) -> bytes:
    lines = data.split(b"\n")
    line = lines.pop(random.randrange(len(lines)))
    lines.insert(random.randrange(len(lines) + 1), line)
    return b"\n".join(lines)


def _json(data: bytes, other: Parts, random: Random) -> bytes:
    """One node of a JSON document replaced, removed, renamed or put elsewhere; other bytes are cut."""
    try:
        root = orjson.loads(data)
    except orjson.JSONDecodeError:
        return _cut(data, other, random)
    nodes = [node for node in _containers(root) if node]
    if not nodes:
        return orjson.dumps(random.choice(LEAVES))
    node = random.choice(nodes)
    name = random.choice(list(node) if isinstance(node, dict) else range(len(node)))
    match random.randrange(5):
        case 0:
            del node[name]
        case 1 if isinstance(node, dict):
            node[str(random.choice(LEAVES))[:40]] = node[name]
        case 2:
            node[name] = random.choice(nodes) if random.random() < 0.5 else [node[name]]
        case _:
            node[name] = random.choice(LEAVES)
    try:
        return orjson.dumps(root)
    except TypeError:  # a node was put into itself
        return data


def _containers(value: Any) -> list[Any]:
    found, level = [], [value]
    while level:
        level = [node for node in level if isinstance(node, dict | list)]
        found += level
        level = [child for node in level for child in (node.values() if isinstance(node, dict) else node)]
    return found


def _span(data: bytes, random: Random) -> tuple[int, int]:
    first = random.randint(0, len(data))
    return first, min(first + random.choice((1, 1, 2, 8, 64)), len(data))


Damage = Callable[[bytes, Parts, Random], bytes]
DAMAGES: Final[tuple[Damage, ...]] = (
    *(_cut, _repeated, _flipped, _inserted, _inserted, _crossed, _line_moved),
    *(_json, _json, _json, _json),
)
