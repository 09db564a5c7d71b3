"""The second act: three accounts at the mainland's OpenAPI beside the global one, all through the same worker.

One merchant's token is wrong and another's balance is empty. Both wait, and only they; then both are mended while the
worker runs.
"""

import time
from collections import Counter
from collections.abc import Collection

from worker.demo import accounts
from worker.demo.evidence import Evidence
from worker.demo.mainland_claims import REPEATS_MIN, Waiting, said
from worker.demo.mainland_trouble import rules, share_of_trouble
from worker.demo.scene import LOOK_AGAIN_S, Scene, left
from worker.demo.trouble import QUIET
from worker.demo.trouble import rules as global_rules
from worker.messages.events import RETURNED, SUCCEEDED
from worker.refunds.entry import OpenEntry, State

TITLE = "Act 2: the mainland, three accounts and three merchants at once"
INTERFACES = {
    accounts.GLOBAL: "AMS, JSON; Alipay's public key",
    accounts.V2: "gateway.do (v2), forms; Alipay's public key; three merchants with an app_auth_token each",
    accounts.V3: "REST (v3), JSON; Alipay's public key",
    accounts.CERTIFIED: "gateway.do (v2), forms; certificates",
}


async def play(scene: Scene) -> Waiting:
    """Until every refund is final or parked; the worker runs on. Raises StoryFailed, WorkerFailed, NotReached."""
    scene.screen.act(TITLE)
    _introduce(scene)
    waiting = await _orders_come(scene)
    await _mended(scene)
    await _told_later(scene)
    return waiting


def _introduce(scene: Scene) -> None:
    screen = scene.screen
    screen.table("Accounts of this worker", ("channel", "how Alipay is called"), INTERFACES.items())
    kinds = Counter(post.kind for post in scene.mainland.posts)
    screen.table(
        "What order systems send", ("count", ""), [(count, kind.value) for kind, count in kinds.items()]
    )
    screen.say("")
    screen.say(
        f"Alipay misbehaves on {share_of_trouble():.0%} of the refund calls, and on some queries. The token of "
        f"{accounts.HALTED_SHOP} is wrong, the balance of {accounts.EMPTY_SHOP} is empty."
    )


async def _orders_come(scene: Scene) -> Waiting:
    work, waiting = scene.mainland, Waiting()
    evidence: Evidence | None = None

    def detail() -> str:
        return scene.at_alipay() + ("" if evidence is None else f"; {left(evidence)}")

    with scene.screen.stage("orders come through all four accounts", detail) as stage:
        for order, trade_no, fen in work.trades:
            scene.alipay.endpoint.register_trade(trade_no, order, fen)
        scene.behave([*rules(funded=False), *global_rules(QUIET)])
        await scene.post(work.posts)

        async def settled() -> str:
            nonlocal evidence, waiting
            evidence = await scene.look()
            waiting = waiting_in(evidence, work.of("halted"), work.of("unfunded"))
            calls = [scene.alipay.observed.seen(name).refunds for name in work.of("unfunded")]
            complete = (len(work.of("halted")), len(work.of("unfunded")), 0)
            quiet = not evidence.unread and (waiting.halted, waiting.unfunded, waiting.others) == complete
            return "" if quiet and min(calls, default=REPEATS_MIN) >= REPEATS_MIN else left(evidence)

        await scene.until("all but two merchants' refunds to be settled", settled, LOOK_AGAIN_S)
        stage.outcome = (
            f"{len(work.posts)} commands; {waiting.halted} refunds of {accounts.HALTED_SHOP} wait for its token, "
            f"{waiting.unfunded} of {accounts.EMPTY_SHOP} for its balance, all others are settled"
        )
    return waiting


def waiting_in(evidence: Evidence, halted: Collection[str], unfunded: Collection[str]) -> Waiting:
    """What is open now. A refund that is under way to find out whether its merchant is still halted counts as that."""
    names = [
        key
        for (_, key), entry in evidence.ledger.items()
        if isinstance(entry, OpenEntry) and entry.state is not State.PARKED
    ]
    counts = Counter(
        "halted" if name in halted else "unfunded" if name in unfunded else "others" for name in names
    )
    return Waiting(counts["halted"], counts["unfunded"], counts["others"])


async def _mended(scene: Scene) -> None:
    title = (
        f"the token file of {accounts.HALTED_SHOP} is replaced, the balance of {accounts.EMPTY_SHOP} refilled"
    )
    with scene.screen.stage(title, scene.at_alipay) as stage:
        accounts.mend_token(scene.folder)
        scene.behave([*rules(funded=True), *global_rules(QUIET)])

        async def done() -> str:
            return left(await scene.look())

        await scene.until("every refund to be final or parked", done, LOOK_AGAIN_S)
        stage.outcome = "the worker took the new token over while it ran; every refund is final or parked"


async def _told_later(scene: Scene) -> None:
    """Something happens at Alipay, and it says so by itself: to the worker's endpoint, signed."""
    late, returned = scene.mainland.of("late"), scene.mainland.of("returned")
    title = "Alipay notifies the worker: parked refunds went through after all, a bank sent others back"
    wanted = {*((SUCCEEDED, name) for name in late), *((RETURNED, name) for name in returned)}
    with scene.screen.stage(title, scene.at_alipay) as stage:
        now, ledger = time.time(), scene.alipay.ledger
        for name in late:
            ledger.refunds[name].inquiries_left = 0
            ledger.inquire(name, now)
        for name in returned:
            scene.alipay.notifier.post(scene.alipay.endpoint.notices.of_deposit_back(name, now))

        async def told() -> str:
            evidence = await scene.look()
            missing = wanted - {said(record) for record in evidence.results}
            if missing or not evidence.at_rest:
                return f"{len(missing)} events missing; {left(evidence)}"
            pending = scene.alipay.notifier.pending
            return f"{pending} notifications are still being sent" if pending else ""

        await scene.until("what Alipay told to be in results", told, LOOK_AGAIN_S)
        stage.outcome = f"{len(late)} parked refunds are settled, {len(returned)} are announced as returned"
