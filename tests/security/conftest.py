"""A Kafka as it is run where others are about: TLS, users, rights."""

from collections.abc import Iterator

import pytest

from tests.conftest import not_run
from tests.security.secured import Secured, secured_kafka
from worker.demo.artifacts import CannotHave


@pytest.fixture(scope="session")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    """The broker with TLS, SCRAM and an authorizer, for all tests of this folder: use names of your own."""
    try:
        with secured_kafka(tmp_path_factory.mktemp("secured")) as started:
            yield started
    except CannotHave as error:
        not_run(f"Apache Kafka: {error}")
