"""Rules broken on purpose, one at a time: each must be seen by the guarantee that is named."""

from typing import Final

from tests.simulation.canary import Canary, Edit


def _one(name: str, guarantee: str, path: str, old: str, new: str) -> Canary:
    return Canary(name, guarantee, (Edit(f"worker/{path}", old, new),))


EVERYWHERE: Final = (
    _one(
        "a time-out counts as failed",
        "G4",
        "refunds/policy.py",
        "    if attempt.stage is Stage.SUBMIT:\n        attempt = _learnt(",
        "    if isinstance(reply, Unknown):\n        reply = Declined(reply.reason)\n"
        "    if attempt.stage is Stage.SUBMIT:\n        attempt = _learnt(",
    ),
    _one(
        "a command that may have been sent is taken for a first attempt",
        "G4",
        "stream/takeover.py",
        "        return inherited(Attempt(command), self.at, self._quiet_s(terms), since)",
        "        return Attempt(command)",
    ),
    _one(
        "the transaction is committed before its sends are awaited",
        "G1",
        "kafka/journal.py",
        "        written = await asyncio.gather(*sends)\n",
        "        written = ()\n",
    ),
    _one(
        "a producer is used again after a time-out, with its EndTxn still on the way",
        "G2",
        "kafka/journal.py",
        "        except Exception as error:\n            # Whatever went wrong,",
        "        except TimeoutError:\n            await self._transaction(batch)\n"
        "        except Exception as error:\n            # Whatever went wrong,",
    ),
    _one(
        "a commit in doubt is taken for done",
        "G1",
        "kafka/journal.py",
        "            raise InDoubt(repr(error)) from error\n"
        "        except BaseException:\n            self._over = True\n",
        "            self._over = False\n        except BaseException:\n            self._over = True\n",
    ),
    _one(
        "the transactional id names the process",
        "G2",
        "kafka/journal.py",
        '{self._input_topic}:{partition}",',
        '{self._input_topic}:{id(self)}:{partition}",',
    ),
    _one(
        "the ledger is not replayed, but for its head",
        "G2",
        "stream/replay.py",
        "            replayed.take(record)\n",
        "            if record.key != HEAD_KEY:\n                continue\n            replayed.take(record)\n",
    ),
    Canary(
        "the ledger is replayed to its last stable offset, before the writer is initialised",
        "G2",
        (
            Edit(
                "worker/kafka/journal.py",
                "                await producer.start()\n",
                "                journal._early = [found async for found in journal.replay()]\n"
                "                await producer.start()\n",
            ),
            Edit(
                "worker/kafka/journal.py",
                "        with in_doubt_if_lost():\n            begin, end = await self._bounds()\n",
                "        if hasattr(self, '_early'):\n"
                "            for found in self._early:\n"
                "                yield found\n"
                "            return\n"
                "        with in_doubt_if_lost():\n            begin, end = await self._bounds()\n",
            ),
            Edit(
                "worker/kafka/journal.py",
                'consumer = self._reader("read_uncommitted")',
                'consumer = self._reader("read_committed")',
            ),
        ),
    ),
    _one(
        "calls are made above the reach",
        "G4",
        "stream/owner.py",
        "within_reach = reader is None or origin.offset < reader.reach",
        "within_reach = True",
    ),
    _one(
        "a decline of an ambiguous refund is booked without confirmation",
        "G4",
        "refunds/policy.py",
        "if not certain and (attempt.ambiguous or reply.confirm):",
        "if not certain and reply.confirm:",
    ),
    _one(
        "another digest under a known id is a duplicate",
        "G1",
        "stream/intake.py",
        "earlier.digest is not None and earlier.digest != digest",
        "False",
    ),
    _one(
        "the first not found is believed",
        "G4",
        "refunds/policy.py",
        "    if attempt.absences < terms.absences_needed:\n        return _wait(attempt, attempt.stage, terms, now)\n",
        "",
    ),
    _one(
        "not found counts while a refund call may still be on its way",
        "G4",
        "refunds/policy.py",
        "counts = now >= attempt.quiet_at and now",
        "counts = now",
    ),
    _one(
        "outcomes are committed in a transaction of their own",
        "G2",
        "kafka/journal.py",
        "                return await self._transaction(batch)\n",
        "                events = tuple(one for one in batch.records if one.topic == 'refund.results')\n"
        "                if events:\n"
        "                    await self._transaction(Batch({}, events))\n"
        "                    batch = Batch(batch.positions, tuple(o for o in batch.records if o not in events))\n"
        "                return await self._transaction(batch)\n",
    ),
    _one(
        "an offset is released before its refund is in the ledger",
        "G1",
        "stream/books.py",
        "        self._fresh.append(refund)\n",
        "        self._fresh.append(refund)\n"
        "        self._readers[refund.entry.origin.topic].release(refund.entry.origin.offset)\n",
    ),
    _one(
        "the group is told of records that the head has not passed",
        "G1",
        "stream/books.py",
        "positions = {topic: self.head.inputs[topic].position for topic in self._readers}",
        "positions = {topic: reader.next_offset for topic, reader in self._readers.items()}",
    ),
    _one(
        "a retry has a new id",
        "G3",
        "stream/dispatch.py",
        "line.gateway.call(attempt, call.refund.entry.pin.body, may_start)",
        "line.gateway.call(attempt, call.refund.entry.pin.body.replace("
        "b'refundRequestId\":\"', b'refundRequestId\":\"%d-' % attempt.number), may_start)",
    ),
    _one(
        "aborted commands are read",
        "G3",
        "kafka/source.py",
        'isolation_level="read_committed"',
        'isolation_level="read_uncommitted"',
    ),
    _one(
        "refunds of one payment do not wait for each other",
        "G5",
        "stream/refund.py",
        "{self.entry.attempt.command.payment}",
        "{self.entry.attempt.command.refund_request_id}",
    ),
    _one(
        "a successor does not wait for its predecessor's call",
        "G5",
        "stream/takeover.py",
        "return self.at + terms.deadline_s + self.scope.limits.lease_s",
        "return self.at",
    ),
    _one(
        "calls are made without a lease",
        "G5",
        "stream/owner.py",
        "        return age <= limits.lease_s and self._heard()",
        "        return age >= 0",
    ),
    _one(
        "a restart ends every back-off",
        "G6",
        "stream/partition.py",
        "                self.schedule.at(entry.next_at, refund)\n",
        "                self.schedule.at(entry.accepted_at, refund)\n",
    ),
    _one(
        "a slow refund keeps its offset",
        "G6",
        "stream/books.py",
        "        return self.unjournaled and mono - self._fresh[0].read_at >= self._scope.limits.journal_after_s",
        "        return False",
    ),
    _one(
        "a halt halts nothing",
        "G7",
        "stream/credential.py",
        "        return bool(self.code)",
        "        return False",
    ),
    Canary(
        "a probe ignores the operator's halt",
        "G7",
        (
            Edit(
                "worker/stream/line.py",
                "if self.switch.halted:\n",
                "if self.switch.halted and self.account.probing is not call:\n",
            ),
            Edit(
                "worker/stream/dispatch.py",
                "                if not line.switch.halted:\n",
                "                if line.switch is not None:\n",
            ),
        ),
    ),
    _one(
        "a worker begins without knowing what operators have halted",
        "G7",
        "stream/engine.py",
        "                self._dispatcher.heed(said)\n",
        "",
    ),
    _one(
        "calls are made although the news of halts do not come",
        "G7",
        "stream/owner.py",
        "return member and self._control.age_s() <= self._scope.limits.lease_s",
        "return member",
    ),
    _one(
        "what an operator's halt left waiting is forgotten",
        "L",
        "stream/dispatch.py",
        "        self._release(line.switch)\n",
        "",
    ),
    _one(
        "a refund is settled whatever may be under way",
        "G4",
        "stream/instructions.py",
        "        if refund.calling or now < entry.attempt.quiet_at:\n            return True\n",
        "        if not refund.closed:\n            return False\n",
    ),
    _one(
        "a refund is settled by what was seen before another call",
        "G4",
        "refunds/instruction.py",
        "    if settle.attempts_seen not in (None, attempt.number):\n        return Refusal.CHANGED\n",
        "",
    ),
    _one(
        "a refund that has succeeded is issued anew",
        "G3",
        "stream/instructions.py",
        "        if final.succeeded:\n            return Refusal.SUCCEEDED\n",
        "        if final.succeeded:\n            return None\n",
    ),
    _one(
        "a refund is issued anew twice",
        "G3",
        "stream/instructions.py",
        "self._chains.newest(name) != name",
        "name in self._chains.refunds",
    ),
    Canary(
        "a settled refund is still called for",
        "G3",
        (
            Edit(
                "worker/stream/call.py",
                "return self.owner.live and not self.refund.closed",
                "return self.owner.live",
            ),
            Edit("worker/stream/schedule.py", " and not refund.closed", ""),
        ),
    ),
    _one(
        "calls under way are not limited",
        "G8",
        "stream/dispatch.py",
        "while line.runnable and line.in_flight < in_flight_max and",
        "while line.runnable and",
    ),
    _one(
        "open refunds are not limited",
        "G8",
        "stream/feed.py",
        "elif count >= open_max and number not in self._full:",
        "elif count >= 100 * open_max and number not in self._full:",
    ),
    _one(
        "a suspect decline is published at once",
        "G7",
        "stream/partition.py",
        "                self._changes.make(refund, State.HELD, attempt=attempt, held=outcome)",
        "                self._changes.close(refund, outcome, now)",
    ),
    _one(
        "what an inquiry cannot tell is parked at once",
        "L",
        "refunds/policy.py",
        "        case Rule.INQUIRE:\n",
        "        case Rule.INQUIRE if isinstance(reply, Unknown):\n"
        "            return Park(ParkReason.TIME_USED_UP, attempt)\n"
        "        case Rule.INQUIRE:\n",
    ),
    _one(
        "a parked refund is not told of",
        "L",
        "stream/changes.py",
        "        self._publish(refund, parked_event(refund.entry, park, now, self._scope.source, self.key(refund)))\n",
        "",
    ),
    _one(
        "dead letters are written at once",
        "G1",
        "stream/outbox.py",
        "        self._count += 1\n",
        "        return self.add(record)\n        self._count += 1\n",
    ),
)

MAINLAND: Final = (
    _one(
        "10000 is a success, whatever fund_change says",
        "G4",
        "alipay/mainland/content.py",
        'done = row.kind is Succeeded and told.fields.get("fund_change") == "Y"',
        "done = row.kind is Succeeded",
    ),
    _one(
        "a query without refund_status is a failure at once",
        "G4",
        "alipay/mainland/codes.py",
        'DONE, NotFound, "10000 without refund_status',
        'DONE, Declined, "10000 without refund_status',
    ),
    _one(
        "an unsigned answer is believed",
        "G4",
        "alipay/mainland/v2.py",
        "return unsigned_reply(request.operation, _told(envelope))",
        "return signed_reply(request.operation, _told(envelope), command)",
    ),
    _one(
        "an empty balance is a failure",
        "G4",
        "alipay/mainland/codes.py",
        '        Unfunded,\n        "The seller',
        '        Declined,\n        "The seller',
    ),
    _one(
        "a retry has another out_request_no",
        "G3",
        "stream/dispatch.py",
        "line.gateway.call(attempt, call.refund.entry.pin.body, may_start)",
        "line.gateway.call(attempt, call.refund.entry.pin.body.replace("
        "b'out_request_no\":\"', b'out_request_no\":\"%d-' % attempt.number), may_start)",
    ),
    _one(
        "a trade does not rest between two calls",
        "G5",
        "stream/dispatch.py",
        "call_later(rest_s, self._free, call)",
        "call_later(0.0, self._free, call)",
    ),
    _one(
        "a merchant's refused token halts the whole channel",
        "G7",
        "stream/line.py",
        "if not (isinstance(reply, Misconfigured) and reply.merchant and call.merchant):",
        "if reply is not None:",
    ),
    _one(
        "a merchant's refused token halts nothing",
        "G7",
        "stream/line.py",
        "        for credential in (self.account, merchant):\n",
        "        for credential in (self.account,):\n",
    ),
    _one(
        "a merchant's refused token fails its refunds",
        "G7",
        "alipay/codes.py",
        "    if row.kind is Misconfigured:\n",
        "    if row.kind is Misconfigured and row.merchant:\n        return Declined(code, message)\n"
        "    if row.kind is Misconfigured:\n",
    ),
)

CANARIES: Final = EVERYWHERE + MAINLAND
