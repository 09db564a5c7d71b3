"""What is remembered of a final refund, as bytes: short, because there are millions of them.

Since when it is final (4 bytes, Unix seconds, rounded up), whether it succeeded, the lengths of digest and channel,
digest, channel; and, only where there is more to say, that as JSON. Changing any of it means a new FORMAT.
"""

import math
import struct
import sys
from typing import Final as Constant

import orjson

from worker.refunds.reply import NextAction
from worker.stream.finals import Final, Stored

FORMAT: Constant = 1
_START: Constant = struct.Struct(">I?BB")
# What follows the channel is of few.
_NO_MORE: Constant = Final(b"", None, succeeded=True, channel="")[4:]


def encoded(final: Final, at: float) -> bytes:
    """`at`: Unix seconds since when it is final."""
    channel = final.channel.encode()
    start = _START.pack(math.ceil(at), final.succeeded, len(final.digest), len(channel))
    return b"".join((start, final.digest, channel, _more(final)))


def final_since(value: bytes) -> int:
    """Unix seconds, of what `encoded` has made."""
    since: int = _START.unpack_from(value)[0]
    return since


def decoded(refund_request_id: str, value: bytes) -> Final:
    """What `encoded` was given. Raises ValueError or struct.error for bytes that it did not make."""
    _, succeeded, digest_size, channel_size = _START.unpack_from(value)
    channel_at = _START.size + digest_size
    more_at = channel_at + channel_size
    digest = value[_START.size : channel_at]
    channel = sys.intern(value[channel_at:more_at].decode())
    if len(value) == more_at:
        return Final(digest, None, succeeded, channel)
    payment, at_provider, advice, made_from, stored = orjson.loads(value[more_at:])
    return Final(
        digest,
        None if stored is None else _stored(refund_request_id, stored),
        succeeded,
        channel,
        payment,
        at_provider,
        NextAction(advice),
        bytes.fromhex(made_from),
    )


def _more(final: Final) -> bytes:
    if final.stored is None and final[4:] == _NO_MORE:
        return b""
    stored = None if final.stored is None else final.stored.value.decode()
    return orjson.dumps(
        [
            final.payment,
            final.provider_request_id,
            final.next_action.value,
            final.made_from.hex(),
            stored,
        ]
    )


def _stored(refund_request_id: str, text: str) -> Stored:
    stored = Stored(refund_request_id, text.encode())
    stored.entry()  # or it is not what was written
    return stored
