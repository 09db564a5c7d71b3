"""Each row of the page's list is shown: by cells of the tables that are wrong, or by a test here."""

import sys
import time
from contextlib import suppress
from typing import Any

import pytest

from tests.interop.answers_others import AMS, V3
from tests.interop.answers_v2 import V2
from tests.interop.disagreements import DISAGREEMENTS, Disagreement
from tests.interop.page import PAGE, page, wrong_cells
from tests.interop.postings import POSTINGS
from tests.interop.sdks import BEIJING, COMMUNITY, NODE, OFFICIAL, SDKS, UTC, Sdk, SdkError
from tests.interop.stand import PEERS, Peer, Stand, interface, refund
from tests.interop.texts import KEYS
from worker.alipay.keys import load_private_key
from worker.refunds.attempt import Stage
from worker.refunds.reply import Succeeded

V2_PEERS = [peer for peer in PEERS if peer.interface == "v2"]
EACH = pytest.mark.parametrize("peer", V2_PEERS, ids=lambda peer: peer.id)


def test_every_wrong_cell_of_the_tables_is_listed_as_a_disagreement() -> None:
    listed = [cell for row in DISAGREEMENTS for cell in row.cells]
    assert sorted(listed) == sorted(wrong_cells(*V2, *V3, *AMS, *POSTINGS))


@pytest.mark.parametrize("row", DISAGREEMENTS, ids=lambda row: row.about)
def test_a_disagreement_is_shown_by_cells_or_by_a_test(row: Disagreement) -> None:
    assert row.cells or callable(getattr(sys.modules[__name__], row.test, None))


def test_the_page_says_what_the_tables_say() -> None:
    assert PAGE.read_text() == page(), "run: python -m tests.interop.page > docs/interop.md"


@pytest.mark.parametrize("sdk", SDKS, ids=lambda sdk: sdk.name)
async def test_the_sdks_are_the_pinned_ones(stand: Stand, sdk: Sdk) -> None:
    assert await stand.sdk(sdk).ask("version") == sdk.version, "run: make interop-env"


@EACH
async def test_local_time_is_refused_and_beijings_is_not(stand: Stand, peer: Peer) -> None:
    command = refund("v2", "time-1")
    with pytest.raises(SdkError):
        await stand.theirs(peer, "refund", command, timezone=UTC)
    assert stand.simulator.observed.refused["isv.invalid-timestamp"] == 1
    assert not stand.moved("time-1")
    await stand.theirs(peer, "refund", command, timezone=BEIJING)
    assert stand.moved("time-1") == [command.amount]


@EACH
async def test_a_key_is_readable_in_either_form(stand: Stand, peer: Peer) -> None:
    command = refund("v2", "key-1")
    pkcs8 = KEYS["merchant"]["private_pkcs8_der_b64"]
    load_private_key(pkcs8)
    more: dict[str, Any] = {"private_key": pkcs8, **({"key_type": "PKCS8"} if peer.sdk is NODE else {})}
    if peer.sdk is OFFICIAL:
        with pytest.raises(SdkError, match=r"request sign failed.*Sequence"):
            await stand.theirs(peer, "refund", command, **more)
        return
    await stand.theirs(peer, "refund", command, **more)
    assert stand.moved("key-1") == [command.amount]


@EACH
async def test_an_empty_parameter_is_signed_by_them_only(stand: Stand, peer: Peer) -> None:
    command = refund("v2", "empty-1")
    with pytest.raises(SdkError):
        await stand.theirs(peer, "refund", command, extra={"app_auth_token": ""})
    assert stand.simulator.observed.refused["isv.invalid-signature"] == 1
    ours = await stand.ours(interface("v2", token=""), command, Stage.SUBMIT, time.time())
    assert isinstance(ours, Succeeded)


async def test_one_sdk_gets_where_the_documents_post(stand: Stand) -> None:
    command = refund("v2", "get-1")
    peer = next(each for each in V2_PEERS if each.sdk is COMMUNITY)
    await stand.theirs(peer, "refund", command, method="GET")
    assert stand.moved("get-1")


@pytest.mark.parametrize("peer", PEERS[:3], ids=lambda peer: peer.id)
async def test_two_sdks_ask_their_server_for_a_whole_address(stand: Stand, peer: Peer) -> None:
    """What the page says that the drivers bend."""
    url = stand.canned.url
    with suppress(SdkError):
        await stand.theirs(peer, "refund", refund(peer.interface, "whole-1"), url=url, whole=True)
    ((target, _, _),) = stand.canned.came
    assert target.startswith(f"{url}/")
