"""What the page asks for, under /api/. All that changes something is a POST, and is logged with who and why."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from aiohttp import web

from worker.console.access import Access
from worker.console.answer import answer, encoded
from worker.console.body import Fields, fields_of
from worker.console.guard import SESSION, WHO
from worker.console.refusal import Refused
from worker.desk.answers import Desk, Language, NotPossible
from worker.kafka.connection import Unreachable
from worker.messages.control import EVERYTHING, TEXT_MAX
from worker.refunds.entry import State
from worker.refunds.instruction import INSTRUCTIONS
from worker.refunds.reply import NextAction

log = logging.getLogger(__name__)
ROWS_MAX: Final = 200
EVIDENCE_MAX: Final = 1_024
FIELD_MAX: Final = 256
SUBMISSIONS_MAX: Final = 16
SUBMISSION_MAX_S: Final = 300.0  # the page then points to the refund, which goes on
TYPED_FOR_EVERYTHING: Final = "ALL"
TYPED: Final = frozenset({"settle", "reissue"})
"""Instructions that cannot be taken back: the refund's id has to be typed."""

SUBMITTED: Final = ("channel", "payment", "order", "amount", "currency", "id", "merchant", "reason")


@dataclass(frozen=True, slots=True)
class Choice:
    """A channel that a refund can be submitted to. `mainland`: it takes order numbers, and knows yuan only."""

    name: str
    mainland: bool
    merchants: Sequence[str]
    currencies: Sequence[str]


class Api:
    """`choices`: for the form. `desk` does all the work."""

    def __init__(self, desk: Desk, access: Access, choices: Sequence[Choice]) -> None:
        self._desk = desk
        self._access = access
        self._choices = choices
        self._submissions = 0

    def routes(self) -> Sequence[web.RouteDef]:
        return (
            web.get(SESSION, self._session),
            web.post(SESSION, self._access.sign_in),
            web.post(f"{SESSION}/end", self._end),
            web.get("/api/overview", self._overview),
            web.get("/api/refunds", self._rows),
            web.get("/api/refunds/{id}", self._show),
            web.get("/api/refunds/{id}/history", self._history),
            web.post("/api/refunds/{id}/instructions", self._instruct),
            web.post("/api/control", self._control),
            web.post("/api/submissions", self._submit),
        )

    async def _session(self, request: web.Request) -> web.Response:
        known: dict[str, object] = {"kind": self._access.kind, "who": request[WHO]}
        if request[WHO]:
            actions = sorted(NextAction)
            known |= {"channels": self._choices, "next_actions": actions, "states": list(State)}
        return answer(known)

    async def _end(self, request: web.Request) -> web.Response:
        return self._access.sign_out(request)

    async def _overview(self, _: web.Request) -> web.Response:
        return answer(await self._desk.overview())

    async def _rows(self, request: web.Request) -> web.Response:
        state = request.query.get("state", "")
        if state and state not in tuple(State):
            raise Refused(HTTPStatus.BAD_REQUEST, "field", f"state: expected one of {', '.join(State)}")
        return answer(await self._desk.rows(state, ROWS_MAX))

    async def _show(self, request: web.Request) -> web.Response:
        return answer(await self._desk.show(request.match_info["id"], _language(request)))

    async def _history(self, request: web.Request) -> web.Response:
        return answer(await self._desk.history(request.match_info["id"], _language(request)))

    async def _instruct(self, request: web.Request) -> web.Response:
        name = request.match_info["id"]
        fields = await fields_of(request)
        instruction = fields.text("instruction", FIELD_MAX)
        if instruction not in INSTRUCTIONS:
            known = ", ".join(INSTRUCTIONS)
            raise Refused(HTTPStatus.BAD_REQUEST, "field", f"instruction: expected one of {known}")
        reason = fields.text("reason", TEXT_MAX, required=True)
        details = _verdict(fields) if instruction == "settle" else {}
        if instruction in TYPED:
            fields.confirmed(name)
        by = request[WHO]
        log.info("asked for in the console: %s", instruction, extra=_said(name, by, reason))
        answered = await self._desk.instruct(instruction, name, by, reason, details, _language(request))
        return answer(answered)

    async def _control(self, request: web.Request) -> web.Response:
        fields = await fields_of(request)
        channel, halted = fields.text("channel", FIELD_MAX, required=True), fields.truth("halted")
        reason = fields.text("reason", TEXT_MAX, required=True)
        if channel == EVERYTHING:
            fields.confirmed(TYPED_FOR_EVERYTHING)
        if not halted:
            await self._still_halted(channel, fields.text("since", FIELD_MAX))
        by = request[WHO]
        said = {"channel": channel, "by": by, "reason": reason}
        log.warning("asked for in the console: %s", "halt" if halted else "resume", extra=said)
        await self._desk.halt(channel, by, reason, halted=halted)
        return web.Response(status=HTTPStatus.NO_CONTENT)

    async def _still_halted(self, channel: str, since: str) -> None:
        """Who resumes must have seen this very halt: another may have come meanwhile, for another reason."""
        for one in (await self._desk.overview()).credentials:
            meant = one.everything if channel == EVERYTHING else one.channel == channel
            if meant and one.halted == "operator" and one.since == since:
                return
        text = f"{channel} was halted or resumed by somebody else meanwhile; look again"
        raise Refused(HTTPStatus.CONFLICT, "changed", text)

    async def _submit(self, request: web.Request) -> web.StreamResponse:
        """A line of JSON for each event as it comes; {"code", "text"} for what went wrong."""
        fields = await fields_of(request)
        asked = {name: text for name in SUBMITTED if (text := fields.text(name, FIELD_MAX))}
        # A click that is repeated must be the same refund, so the page says which.
        fields.text("id", FIELD_MAX, required=True)
        if self._submissions >= SUBMISSIONS_MAX:
            raise Refused(HTTPStatus.SERVICE_UNAVAILABLE, "busy", "too many refunds are waited for at once")
        self._submissions += 1
        try:
            log.info(
                "submitted in the console", extra=_said(asked["id"], request[WHO], asked.get("reason", ""))
            )
            return await self._stream(request, asked)
        finally:
            self._submissions -= 1

    async def _stream(self, request: web.Request, asked: Mapping[str, str]) -> web.StreamResponse:
        response = web.StreamResponse(
            headers={"Content-Type": "application/x-ndjson", "X-Accel-Buffering": "no"}
        )
        await response.prepare(request)
        try:
            async with asyncio.timeout(SUBMISSION_MAX_S):
                async for event in self._desk.submit(asked, request[WHO], _language(request)):
                    await response.write(encoded(event) + b"\n")
        except TimeoutError:
            await response.write(encoded({"code": "still_open", "text": "not final yet"}) + b"\n")
        except NotPossible as error:
            await response.write(encoded({"code": "not_possible", "text": str(error)}) + b"\n")
        except Unreachable as error:
            await response.write(encoded({"code": "unreachable", "text": str(error)}) + b"\n")
        await response.write_eof()
        return response


def _verdict(fields: Fields) -> Mapping[str, str]:
    said = fields.text("as", FIELD_MAX, required=True)
    if said not in ("succeeded", "failed"):
        raise Refused(HTTPStatus.BAD_REQUEST, "field", "as: expected succeeded or failed")
    evidence = fields.text("evidence", EVIDENCE_MAX, required=True)
    next_action = fields.text("next_action", FIELD_MAX)
    if next_action and next_action not in tuple(NextAction):
        expected = ", ".join(NextAction)
        raise Refused(HTTPStatus.BAD_REQUEST, "field", f"next_action: expected one of {expected}")
    # What the page showed: a verdict is about that, whatever has happened since.
    attempts = str(fields.count("attempts"))
    return {"as": said, "evidence": evidence, "next_action": next_action, "attempts": attempts}


def _said(refund_request_id: str, by: str, reason: str) -> Mapping[str, str]:
    return {"refundRequestId": refund_request_id, "by": by, "reason": reason}


def _language(request: web.Request) -> Language:
    return "zh" if request.query.get("language") == "zh" else "en"
