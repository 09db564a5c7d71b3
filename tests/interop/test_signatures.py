"""One signature: each vector through each SDK, the worker's requests through theirs, theirs through the worker."""

import base64
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from typing import Any
from urllib.parse import parse_qsl, unquote

import pytest

from tests.interop import certificates
from tests.interop.sdks import COMMUNITY, GLOBAL, GLOBAL_OLD, NODE, OFFICIAL, Sdk, SdkError
from tests.interop.stand import PEERS, Peer, Stand, content, interface, refund
from tests.interop.texts import (
    ALIPAY_PUBLIC,
    APP_ID,
    CLIENT_ID,
    MERCHANT_PRIVATE,
    MERCHANT_PUBLIC,
    NEGATIVE,
    TOKEN,
    VECTORS,
)
from worker.alipay.ams.signing import signature_in
from worker.alipay.ams.signing import string_to_sign as ams_string
from worker.alipay.interface import Request
from worker.alipay.mainland.v2 import string_to_sign as v2_string
from worker.alipay.mainland.v3 import MainlandV3
from worker.alipay.mainland.v3 import string_to_sign as v3_string
from worker.refunds.attempt import Attempt, Stage

NOW = 1_795_338_000.0
BEIJINGS_CLOCK = f"{datetime.fromtimestamp(NOW, timezone(timedelta(hours=8))):%Y-%m-%d %H:%M:%S}"
NONCE = "6f0b2f1c-5b0e-4c52-8f8e-2f3f2b4f5a60"
GLOBALS = pytest.mark.parametrize("sdk", [GLOBAL, GLOBAL_OLD], ids=lambda sdk: sdk.name)
MAINLANDS = pytest.mark.parametrize("sdk", [OFFICIAL, COMMUNITY, NODE], ids=lambda sdk: sdk.name)
PUBLIC_KEYS = {"merchant": MERCHANT_PUBLIC, "alipay": ALIPAY_PUBLIC}


def vectors(family: str, *kinds: str) -> pytest.MarkDecorator:
    chosen = [each for each in VECTORS.values() if each["family"] == family and each["kind"] in kinds]
    return pytest.mark.parametrize("vector", chosen, ids=lambda vector: str(vector["id"]))


def operation(method_or_path: str) -> str:
    return "query" if "query" in method_or_path.lower() else "refund"


@GLOBALS
@vectors("ams", "request")
async def test_sdks_sign_the_global_vectors_alike(stand: Stand, sdk: Sdk, vector: dict[str, Any]) -> None:
    signature = await stand.sdk(sdk).ask(
        "sign",
        path=vector["path"],
        account=vector["client_id"],
        time=vector["time"],
        body=vector["body"],
        private_key=MERCHANT_PRIVATE,
    )
    assert signature == vector["signature_urlencoded"]


@GLOBALS
@vectors("ams", "request", "response", "notification")
async def test_sdks_verify_the_global_vectors(stand: Stand, sdk: Sdk, vector: dict[str, Any]) -> None:
    found = {"path": vector["path"], "account": vector["client_id"], "time": vector["time"]}
    found |= {"body": vector["body"], "public_key": PUBLIC_KEYS[vector["signer"]]}
    process = stand.sdk(sdk)
    assert await process.ask("verify", signature=vector["signature_urlencoded"], **found)
    assert await process.ask("notified", signature=vector["signature_header"], **found)


@MAINLANDS
@vectors("openapi-v2", "request")
async def test_sdks_sign_the_mainlands_vectors_alike(stand: Stand, sdk: Sdk, vector: dict[str, Any]) -> None:
    params = dict(vector["params"])
    extra = {name: value for name, value in params.items() if name.endswith("cert_sn")}
    signed = await stand.sdk(sdk).ask(
        "sign",
        account=params["app_id"],
        private_key=MERCHANT_PRIVATE,
        operation=operation(params["method"]),
        content=params["biz_content"],
        now=params["timestamp"] if sdk is not NODE else NOW * 1000,
        extra=extra,
    )
    assert signed == params | {"sign": vector["signature_b64"]}


@vectors("openapi-v3", "request")
async def test_the_sdk_signs_v3s_vectors_alike(stand: Stand, vector: dict[str, Any]) -> None:
    text = vector["string_to_sign"]
    signed = await stand.sdk(NODE).ask("sign_v3", content=text, private_key=MERCHANT_PRIVATE)
    assert signed == vector["signature_b64"]


@MAINLANDS
@vectors("openapi-v2", "request", "response", "notification")
async def test_sdks_verify_the_mainlands_vectors(stand: Stand, sdk: Sdk, vector: dict[str, Any]) -> None:
    key = PUBLIC_KEYS[vector["signer"]]
    text, signature = vector["string_to_sign"], vector["signature_b64"]
    assert await stand.sdk(sdk).ask("verify", content=text, signature=signature, public_key=key)


@vectors("openapi-v3", "request", "response")
async def test_the_sdk_verifies_v3s_vectors(stand: Stand, vector: dict[str, Any]) -> None:
    key = PUBLIC_KEYS[vector["signer"]]
    text, signature = vector["string_to_sign"], vector["signature_b64"]
    assert await stand.sdk(NODE).ask("verify_v3", content=text, signature=signature, public_key=key)


@pytest.mark.parametrize("vector", NEGATIVE.values(), ids=NEGATIVE)
async def test_no_sdk_verifies_what_was_not_signed(stand: Stand, vector: dict[str, Any]) -> None:
    text = base64.b64decode(vector["string_b64"]).decode()
    found = {"signature": vector["signature_b64"], "public_key": PUBLIC_KEYS[vector["signer"]]}
    if vector["id"].startswith("neg-ams"):
        head, body = text.split("\n", 1)
        account, time, body = body.split(".", 2)
        found |= {"path": head.removeprefix("POST "), "account": account, "time": time, "body": body}
        asked = [(sdk, "verify", found) for sdk in (GLOBAL, GLOBAL_OLD)]
    elif vector["id"].startswith("neg-v2"):
        asked = [(sdk, "verify", {"content": text, **found}) for sdk in (OFFICIAL, COMMUNITY, NODE)]
    else:
        asked = [(NODE, "verify_v3", {"content": text, **found})]
    for sdk, verify, arguments in asked:
        verified = False
        with suppress(SdkError):  # some raise instead
            verified = await stand.sdk(sdk).ask(verify, **arguments)
        assert not verified, sdk.name


def made(name: str, stage: Stage, token: str = "", *, certified: bool = False) -> Request:
    """A request of the worker's, of a refund with a reason that has to be encoded."""
    speaker = interface(name, token=token, certificates=certificates.OURS if certified else None)
    command = refund(name, "signed-1")
    return speaker.request(Attempt(command, stage), speaker.body(command), NOW)


STAGES = pytest.mark.parametrize("stage", [Stage.SUBMIT, Stage.INQUIRE])


@GLOBALS
@STAGES
async def test_the_workers_global_requests_are_what_an_sdk_signs(
    stand: Stand, sdk: Sdk, stage: Stage
) -> None:
    request = made("ams", stage)
    found = {
        "path": request.target,
        "account": CLIENT_ID,
        "time": request.headers["request-time"],
        "body": request.body.decode(),
    }
    signature = request.headers["signature"].removeprefix("algorithm=RSA256,keyVersion=1,signature=")
    process = stand.sdk(sdk)
    assert await process.ask("verify", signature=signature, public_key=MERCHANT_PUBLIC, **found)
    assert await process.ask("sign", private_key=MERCHANT_PRIVATE, **found) == signature


@MAINLANDS
@STAGES
@pytest.mark.parametrize(
    ("token", "certified"), [("", False), (TOKEN, False), ("", True)], ids=["plain", "token", "certified"]
)
async def test_the_workers_requests_are_what_an_sdk_signs_to_the_last_parameter(
    stand: Stand, sdk: Sdk, stage: Stage, token: str, certified: bool
) -> None:
    """With the same clock, each SDK's parameters and signature are the worker's, byte for byte."""
    params = dict(parse_qsl(made("v2", stage, token, certified=certified).body.decode(), strict_parsing=True))
    extra = {name: params[name] for name in params if name.endswith(("cert_sn", "auth_token"))}
    signed = await stand.sdk(sdk).ask(
        "sign",
        account=APP_ID,
        private_key=MERCHANT_PRIVATE,
        operation=operation(params["method"]),
        content=params["biz_content"],
        now=BEIJINGS_CLOCK if sdk is not NODE else NOW * 1000,
        extra=extra,
    )
    assert signed == params


@STAGES
@pytest.mark.parametrize(
    ("token", "certified"), [("", False), (TOKEN, False), ("", True)], ids=["plain", "token", "certified"]
)
async def test_the_workers_v3_requests_are_what_the_sdk_sends(
    stand: Stand, stage: Stage, token: str, certified: bool
) -> None:
    """With the same clock and nonce, but for the order of the two: the documents allow any."""
    command = refund("v3", "signed-1")
    asked = operation("query" if stage is Stage.INQUIRE else "refund")
    arguments = {
        "url": stand.canned.url,
        "account": APP_ID,
        "private_key": MERCHANT_PRIVATE,
        "public_key": ALIPAY_PUBLIC,
        "operation": asked,
        "content": content("v3", command, asked),
        "certificates": certificates.PEMS if certified else None,
        "token": token,
        "now": int(NOW * 1000),
        "nonce": NONCE,
    }
    with suppress(SdkError):
        await stand.sdk(NODE).ask("call_frozen", **arguments)
    ((target, headers, body),) = stand.canned.came
    speaker = interface("v3", token=token, certificates=certificates.OURS if certified else None)
    assert isinstance(speaker, MainlandV3)
    frozen = MainlandV3(
        APP_ID, "production", speaker.keys, speaker.tokens, speaker.certificates, nonce=lambda: NONCE
    )
    ours = frozen.request(Attempt(command, stage), frozen.body(command), NOW)
    assert (target, body) == (ours.target, ours.body)
    told, _, sign = headers["authorization"].removeprefix("ALIPAY-SHA256withRSA ").partition(",sign=")
    own, _, own_sign = ours.headers["Authorization"].removeprefix("ALIPAY-SHA256withRSA ").partition(",sign=")
    assert sorted(told.split(",")) == sorted(own.split(","))
    for name in ("alipay-root-cert-sn", "alipay-app-auth-token", "alipay-request-id"):
        assert headers.get(name) == ours.headers.get(name), name
    theirs_signed = v3_string(told, "POST", target, body, token).decode()
    ours_signed = v3_string(own, "POST", target, body, token).decode()
    assert await stand.sdk(NODE).ask("sign_v3", content=ours_signed, private_key=MERCHANT_PRIVATE) == own_sign
    assert speaker.keys.signer.sign(theirs_signed.encode()) == sign


@pytest.mark.parametrize("peer", PEERS[:5], ids=lambda peer: peer.id)
@pytest.mark.parametrize("asked", ["refund", "query"])
async def test_what_an_sdk_sends_is_signed_as_the_worker_signs(stand: Stand, peer: Peer, asked: str) -> None:
    command = refund(peer.interface, "signed-2")
    with suppress(SdkError):
        await stand.theirs(peer, asked, command, url=stand.canned.url, token=TOKEN)
    ((target, headers, body),) = stand.canned.came
    signer = interface(peer.interface).keys.signer
    if peer.interface == "ams":
        assert headers["agent-token"] == TOKEN
        signed = ams_string("POST", target, CLIENT_ID, headers["request-time"], body)
        assert signer.sign(signed) == signature_in(headers["signature"])
    else:
        path, _, query = target.partition("?")
        params = dict(parse_qsl(f"{query}&{body.decode()}"))
        assert path == "/gateway.do"
        assert params["app_auth_token"] == TOKEN
        assert signer.sign(v2_string(params)) == params["sign"]
        assert f"charset={unquote(params['charset'])}" in query
