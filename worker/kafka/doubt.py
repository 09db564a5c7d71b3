"""The border at which aiokafka's errors become the stream's."""

from collections.abc import Iterator
from contextlib import contextmanager

from aiokafka.errors import KafkaError

from worker.stream.ports import InDoubt


@contextmanager
def in_doubt_if_lost() -> Iterator[None]:
    """A broker that is away, slow or refuses is told as InDoubt: try again later, nothing is known."""
    try:
        yield
    except (KafkaError, OSError) as error:  # TimeoutError is an OSError
        raise InDoubt(repr(error)) from error
