"""FastStream, as it works on most records at once. `python -m tests.bench.peers.fast_stream_first PLACE`

`ACK_FIRST`, its default: offsets are committed by the clock whatever has become of their records, so a crash loses what
was in flight.
"""

import asyncio
from typing import Final

from faststream import AckPolicy  # type: ignore[import-not-found] # another environment's

from tests.bench.peers.fast_stream import application
from tests.bench.peers.program import Place

WORKERS: Final = 100

if __name__ == "__main__":
    asyncio.run(application(Place.given(), ack_policy=AckPolicy.ACK_FIRST, max_workers=WORKERS).run())
