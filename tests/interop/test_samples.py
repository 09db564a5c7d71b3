"""Every cell of the page's tables, tried: who believes which answer and which notification."""

from typing import Any
from urllib.parse import urlencode

import pytest

from tests.interop.answers_others import AMS, V3
from tests.interop.answers_v2 import V2
from tests.interop.postings import POSTINGS
from tests.interop.sample import ASKS, CODE, COMMANDS, NO, YES, Posting, Sample
from tests.interop.sdks import COMMUNITY, GLOBAL, GLOBAL_OLD, NODE, OFFICIAL, SdkError
from tests.interop.stand import PEERS, Stand, interface
from tests.interop.texts import ALIPAY_PUBLIC, APP_ID, CLIENT_ID, VECTORS
from worker.alipay.ams.notification import AmsNotifications
from worker.alipay.mainland.notification import MainlandNotifications
from worker.alipay.notification import Posted
from worker.alipay.signing import Verifier
from worker.refunds.attempt import Stage
from worker.refunds.notice import Notice
from worker.refunds.reply import Declined, Misconfigured, Reply, Throttled, Unfunded, Unknown, Unreadable

SAMPLES = (*V2, *V3, *AMS)
CELLS = [(sample, peer) for sample in SAMPLES for peer in sample.cells]
POSTED = [(posting, peer) for posting in POSTINGS for peer in posting.cells]


@pytest.mark.parametrize(("sample", "peer"), CELLS, ids=lambda each: getattr(each, "id", each))
async def test_an_sdk_does_with_an_answer_what_the_page_says(stand: Stand, sample: Sample, peer: str) -> None:
    chosen = next(each for each in PEERS if each.id == peer.removesuffix("-default"))
    more: dict[str, Any] = {"validate": False} if peer.endswith("-default") else {}
    answer(stand, sample)
    try:
        await stand.theirs(chosen, sample.operation, COMMANDS[sample.interface], url=stand.canned.url, **more)
        found = YES
    except SdkError as error:
        told = error.code and error.code.encode() in sample.body
        found = CODE if told else NO
    assert found == sample.cells[peer]


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.id)
async def test_the_worker_believes_an_answer_if_it_is_alipays(stand: Stand, sample: Sample) -> None:
    """And only then: whatever else it makes of one, it is no outcome of a refund."""
    answer(stand, sample)
    speaker = interface(sample.interface)
    command = COMMANDS[sample.interface]
    stage = Stage.INQUIRE if sample.operation == "query" else Stage.SUBMIT
    reply = await stand.ours(speaker, command, stage, 1_795_338_000.0, url=stand.canned.url)
    asks = isinstance(reply, Declined) and reply.confirm
    assert type(reply).__name__ + (ASKS if asks else "") == sample.ours
    assert believed(reply) == sample.good


def answer(stand: Stand, sample: Sample) -> None:
    stand.canned.status, stand.canned.headers, stand.canned.body = sample.status, sample.headers, sample.body


def believed(reply: Reply) -> bool:
    if isinstance(reply, Declined):
        return not reply.confirm
    if isinstance(reply, (Unreadable, Misconfigured, Unfunded)):
        return reply.signed
    return not isinstance(reply, (Unknown, Throttled))


@pytest.mark.parametrize(("posting", "peer"), POSTED, ids=lambda each: getattr(each, "id", each))
async def test_an_sdk_does_with_a_notification_what_the_page_says(
    stand: Stand, posting: Posting, peer: str
) -> None:
    sdk = {"alipay-sdk-python": OFFICIAL, "python-alipay-sdk": COMMUNITY}.get(peer, NODE)
    do = "notified_first" if peer == "npm-v1" else "notified"
    try:
        found = await stand.sdk(sdk).ask(do, form=dict(posting.form), public_key=ALIPAY_PUBLIC)
    except SdkError:
        found = False
    assert (YES if found else NO) == posting.cells[peer]


@pytest.mark.parametrize("posting", POSTINGS, ids=lambda posting: posting.id)
def test_the_worker_believes_a_notification_if_it_is_alipays(posting: Posting) -> None:
    body = urlencode(posting.form, encoding=posting.encoding).encode()
    read = reader().read(Posted("POST", "/notify", {}, body), 0.0)
    assert isinstance(read, Notice) == posting.ours == posting.good


def reader() -> MainlandNotifications:
    return MainlandNotifications("cn", APP_ID, verifier())


def verifier() -> Verifier:
    return interface("ams").keys.verifier


CHANGES = {"": True, "body": False, "path": False, "time": False, "client": False}


@pytest.mark.parametrize(("change", "good"), CHANGES.items(), ids=[name or "as it is" for name in CHANGES])
async def test_the_global_apis_notifications_are_believed_alike(
    stand: Stand, change: str, good: bool
) -> None:
    vector = VECTORS["ams-notify-1"]
    found = {name: vector[name] for name in ("path", "time", "body")}
    client = CLIENT_ID
    if change == "client":
        client = f"{CLIENT_ID}9"
    elif change:
        found[change] = found[change].replace("1", "2").replace("notify", "other")
    header = vector["signature_header"]
    headers = {"client-id": client, "request-time": found["time"], "signature": header}
    posted = Posted("POST", found["path"], headers, found["body"].encode())
    assert isinstance(AmsNotifications("global", client, verifier()).read(posted, 0.0), Notice) == good
    for sdk in (GLOBAL, GLOBAL_OLD):
        try:
            verified = await stand.sdk(sdk).ask(
                "notified", account=client, signature=header, public_key=ALIPAY_PUBLIC, **found
            )
        except SdkError:
            verified = False
        assert verified == good, sdk.name
