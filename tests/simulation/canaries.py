"""Rules broken on purpose, one at a time, in a copy of the tree: a simulation that does not notice proves nothing."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
HUNT_SEEDS_MAX: Final = 1_000  # the rarest of them takes some 200
TIMEOUT_S: Final = 600.0


@dataclass(frozen=True, slots=True)
class Edit:
    """`old`, which occurs once in the file, becomes `new`."""

    path: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Canary:
    """`guarantee`: the number of the one that must notice."""

    name: str
    guarantee: str
    edits: tuple[Edit, ...]


@dataclass(frozen=True, slots=True)
class Caught:
    """`seeds`: how many it took; 0: it was not caught. `broken`: what the first seed broke, by number."""

    canary: Canary
    seeds: int
    broken: tuple[str, ...]
    said: str


def _one(name: str, guarantee: str, path: str, old: str, new: str) -> Canary:
    return Canary(name, guarantee, (Edit(f"worker/{path}", old, new),))


CANARIES: Final = (
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
        "        for send in sends:\n            await send\n",
        "",
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
        "stream/opening.py",
        "            replayed.take(record,",
        "            if record.key != HEAD_KEY:\n                continue\n            replayed.take(record,",
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
                "        with in_doubt_if_lost():\n            end = await self._high_watermark()\n",
                "        if hasattr(self, '_early'):\n"
                "            for found in self._early:\n"
                "                yield found\n"
                "            return\n"
                "        with in_doubt_if_lost():\n            end = await self._high_watermark()\n",
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
        "                await self._transaction(batch)\n",
        "                events = tuple(one for one in batch.records if one.topic == 'refund.results')\n"
        "                if events:\n"
        "                    await self._transaction(Batch({}, events))\n"
        "                    batch = Batch(batch.positions, tuple(o for o in batch.records if o not in events))\n"
        "                await self._transaction(batch)\n",
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
        "{self.entry.attempt.command.payment_id}",
        "{self.entry.attempt.command.refund_request_id}",
    ),
    _one(
        "a successor does not wait for its predecessor's call",
        "G5",
        "stream/schedule.py",
        "        self._unsettled[payment] = until\n",
        "        del payment, until\n",
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
    _one(
        "calls under way are not limited",
        "G8",
        "stream/dispatch.py",
        "while line.runnable and line.in_flight < self._limits.in_flight_max:",
        "while line.runnable:",
    ),
    _one(
        "open refunds are not limited",
        "G8",
        "stream/engine.py",
        "elif count >= open_max and number not in self._full:",
        "elif count >= 100 * open_max and number not in self._full:",
    ),
    _one(
        "a suspect decline is published at once",
        "G7",
        "stream/partition.py",
        "                self._set(refund, State.HELD, attempt=attempt, held=outcome)",
        "                self._close(refund, outcome, now)",
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
        "stream/partition.py",
        "        self._publish(refund, parked_event(refund.entry, park, now, self._scope.source, self._key(refund)))\n",
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


class DoesNotApply(Exception):
    """The code has moved on: the canary must follow it."""


@contextmanager
def mutated(canary: Canary) -> Iterator[Path]:
    """A copy of the tree with the rule broken."""
    with tempfile.TemporaryDirectory(prefix="canary-") as folder:
        copy = Path(folder)
        for part in ("worker", "tests"):
            shutil.copytree(
                ROOT / part, copy / part, ignore=shutil.ignore_patterns("__pycache__", "broker", "demo/kafka")
            )
        for edit in canary.edits:
            file = copy / edit.path
            text = file.read_text()
            if text.count(edit.old) != 1:
                raise DoesNotApply(
                    f"canary {canary.name!r}: {edit.path} has {text.count(edit.old)} times {edit.old!r}; expected it "
                    "once: write the canary anew for the code as it is"
                )
            file.write_text(text.replace(edit.old, edit.new))
        yield copy


def hunt(canary: Canary, refunds: int, seeds_max: int = HUNT_SEEDS_MAX) -> Caught:
    """Run the simulation on the broken copy until its guarantee notices."""
    with mutated(canary) as copy:
        command = [sys.executable, "-m", "tests.simulation", "--hunt", canary.guarantee]
        ended = subprocess.run(
            [*command, "--seeds", str(seeds_max), "--refunds", str(refunds)],
            cwd=copy,
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
    lines = ended.stdout.strip().splitlines()
    if not lines:
        return Caught(canary, 0, (), ended.stderr[-500:])
    found = json.loads(lines[-1])
    return Caught(canary, found["seeds"], tuple(found["broken"]), found["said"])
