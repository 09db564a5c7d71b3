"""Quix Streams with requests, one record after the other, as it works. `python -m tests.bench.peers.quix PLACE`"""

from typing import Any

import orjson
import requests  # type: ignore[import-untyped] # another environment's
from quixstreams import Application  # type: ignore[import-not-found] # as above

from tests.bench.peers.program import Merchant, Place, asked, outcome


def main(place: Place) -> None:
    """Until the process is ended."""
    merchant = Merchant.of(place)
    session = requests.Session()

    def refund(command: dict[str, Any]) -> dict[str, Any]:
        body = orjson.dumps(asked(command))
        response = session.post(merchant.url, data=body, headers=merchant.headers(body), timeout=15)
        return outcome(command, response.json())

    app = Application(
        broker_address=place.bootstrap, consumer_group=place.group, auto_offset_reset="earliest"
    )
    commands = app.topic(place.commands, value_deserializer="json")
    results = app.topic(place.results, value_serializer="json")
    app.dataframe(commands).apply(refund).to_topic(results)
    app.run()


if __name__ == "__main__":
    main(Place.given())
