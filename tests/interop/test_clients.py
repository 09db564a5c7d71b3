"""Alipay's SDKs as clients of the simulator: what they ask for is booked once, and each finds the other's refunds."""

import time
from dataclasses import replace
from typing import Any

import pytest

from tests.interop import certificates
from tests.interop.sdks import NODE
from tests.interop.stand import PEERS, Peer, Stand, interface, refund
from tests.interop.texts import CERTIFIED_APP_ID, SANDBOX_CLIENT_ID, TOKEN
from worker.refunds.attempt import Stage
from worker.refunds.money import Money
from worker.refunds.reply import Contradicted, Declined, Pending, Succeeded

EACH = pytest.mark.parametrize("peer", PEERS, ids=lambda peer: peer.id)
OF_THE_MAINLAND = [peer for peer in PEERS if peer.interface != "ams"]
CERTIFIED = [peer for peer in OF_THE_MAINLAND if peer.id != "alipay-sdk-python"]


def done(peer: Peer, answer: dict[str, Any]) -> bool:
    """Whether the fields that an SDK gives out say that the money went back."""
    if peer.interface == "ams":
        found = answer.get("refundStatus", "SUCCESS")
        return (answer["result"]["resultStatus"], found) == ("S", "SUCCESS")
    if peer.interface == "v2" and answer["code"] != "10000":
        return False
    return answer.get("fund_change") == "Y" or answer.get("refund_status") == "REFUND_SUCCESS"


@EACH
async def test_what_an_sdk_refunds_is_booked_and_the_worker_finds_it(stand: Stand, peer: Peer) -> None:
    command = refund(peer.interface, "theirs-1")
    assert done(peer, await stand.theirs(peer, "refund", command))
    assert stand.moved("theirs-1") == [command.amount]
    assert done(peer, await stand.theirs(peer, "query", command))
    found = await stand.ours(interface(peer.interface), command, Stage.INQUIRE, time.time())
    assert isinstance(found, Succeeded)


@EACH
async def test_what_the_worker_refunds_an_sdk_finds(stand: Stand, peer: Peer) -> None:
    command = refund(peer.interface, "ours-1")
    assert isinstance(
        await stand.ours(interface(peer.interface), command, Stage.SUBMIT, time.time()), Succeeded
    )
    assert done(peer, await stand.theirs(peer, "query", command))
    assert stand.moved("ours-1") == [command.amount]


@EACH
async def test_one_number_is_one_refund_whoever_asks(stand: Stand, peer: Peer) -> None:
    """The worker's bytes and an SDK's differ; Alipay compares what they ask for."""
    command = refund(peer.interface, "shared-1")
    await stand.theirs(peer, "refund", command)
    repeated = await stand.ours(interface(peer.interface), command, Stage.SUBMIT, time.time())
    assert isinstance(repeated, Succeeded if peer.interface == "ams" else Pending)
    await stand.theirs(peer, "refund", command)
    other = await stand.ours(
        interface(peer.interface), refund(peer.interface, "shared-1", 200), Stage.SUBMIT, time.time()
    )
    assert isinstance(other, Declined | Contradicted)
    assert stand.moved("shared-1") == [command.amount]


@EACH
async def test_a_merchants_token_is_sent_alike(stand: Stand, peer: Peer) -> None:
    command = refund(peer.interface, "token-1")
    assert done(peer, await stand.theirs(peer, "refund", command, token=TOKEN))
    speaker = interface(peer.interface, token=TOKEN)
    assert isinstance(await stand.ours(speaker, command, Stage.INQUIRE, time.time()), Succeeded)
    assert stand.moved("token-1") == [command.amount]


@pytest.mark.parametrize("peer", PEERS[:2], ids=lambda peer: peer.id)
async def test_the_sandbox_has_the_same_path_for_both(stand: Stand, peer: Peer) -> None:
    command = refund("ams", "sandbox-1")
    assert done(peer, await stand.theirs(peer, "refund", command, account=SANDBOX_CLIENT_ID))
    speaker = interface("ams", SANDBOX_CLIENT_ID)
    assert isinstance(await stand.ours(speaker, command, Stage.INQUIRE, time.time()), Succeeded)
    assert stand.moved("sandbox-1") == [Money("USD", 100)]


@pytest.mark.parametrize("peer", CERTIFIED, ids=lambda peer: peer.id)
async def test_in_certificate_mode_both_name_the_same_certificates(stand: Stand, peer: Peer) -> None:
    command = replace(refund(peer.interface, "certified-1"), reason="normal")
    more: dict[str, Any] = {"account": CERTIFIED_APP_ID, "certificates": certificates.PEMS}
    assert done(peer, await stand.theirs(peer, "refund", command, **more))
    speaker = interface(peer.interface, CERTIFIED_APP_ID, certificates=certificates.OURS)
    assert isinstance(await stand.ours(speaker, command, Stage.INQUIRE, time.time()), Succeeded)
    assert stand.moved("certified-1") == [command.amount]


@pytest.mark.parametrize("sdk", sorted({peer.sdk.name for peer in CERTIFIED}))
async def test_certificates_have_one_serial_number(stand: Stand, sdk: str) -> None:
    chosen = next(peer.sdk for peer in CERTIFIED if peer.sdk.name == sdk)
    given = {"app": certificates.APP, "root": certificates.ROOT + "\n" + certificates.PEMS["alipay"]}
    if chosen is NODE:
        given["root"] = certificates.ROOT + certificates.PEMS["alipay"]
    app, root = await stand.sdk(chosen).ask("serial_numbers", **given)
    assert app == certificates.OURS.app_cert_sn
    assert root == f"{certificates.OURS.alipay_root_cert_sn}_{certificates.SIMULATED.alipay_sn}"
