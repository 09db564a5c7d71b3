"""The first act: a bad day at the global API, and a worker that is killed in the middle of it."""

import time
from collections import Counter

from worker.demo.evidence import Evidence
from worker.demo.report import Death
from worker.demo.scene import LOOK_AGAIN_S, POLL_S, Scene, left
from worker.demo.setting import changed
from worker.demo.trouble import QUIET, rules, share_of_trouble

TITLE = "Act 1: the global API, and the end of a worker"


async def play(scene: Scene) -> Death:
    """Until every refund is final or parked; the worker runs on. Raises StoryFailed, WorkerFailed, NotReached."""
    scene.screen.act(TITLE)
    _introduce(scene)
    await _orders_come(scene)
    death = await _worker_dies(scene)
    await _worker_returns(scene)
    return death


def _introduce(scene: Scene) -> None:
    kinds = Counter(post.kind for post in scene.work.posts)
    screen = scene.screen
    screen.table(
        "What order systems send", ("count", ""), [(count, kind.value) for kind, count in kinds.items()]
    )
    screen.table(
        "Times and rates that this demo changes, in both acts",
        ("setting", "demo", "default"),
        [(change.name, f"{change.demo:g}", f"{change.default:g}") for change in changed()],
    )
    screen.say("")
    screen.say(f"Alipay misbehaves on {share_of_trouble():.0%} of the refund calls, and on some inquiries.")
    for limit in scene.kafka.limits:
        screen.say(f"Not shown with this broker: {limit}", "yellow")


async def _orders_come(scene: Scene) -> None:
    with scene.screen.stage("the worker starts, orders come", scene.at_alipay) as stage:
        await scene.worker.start()
        await scene.post(scene.work.first)
        count = 0

        async def some() -> str:
            nonlocal count
            count = len((await scene.look()).results)
            return "" if count >= scene.scale.outcomes_before_kill else f"{count} outcomes so far"

        await scene.until(f"{scene.scale.outcomes_before_kill} outcomes", some, LOOK_AGAIN_S)
        stage.outcome = f"{len(scene.work.first)} commands, {count} outcomes so far"


async def _worker_dies(scene: Scene) -> Death:
    observed, wanted = scene.alipay.observed, scene.scale.in_flight_min
    title = "kill -9 while calls are in flight" if scene.kafka.real else "SIGTERM while calls are in flight"
    with scene.screen.stage(title, scene.at_alipay) as stage:
        await scene.post(scene.work.rush)

        async def busy() -> str:
            few = observed.in_flight < wanted
            return f"{observed.in_flight} calls in flight, {wanted} are wanted" if few else ""

        await scene.until("calls in flight", busy, POLL_S)
        # Nothing else has run since they were counted: what Alipay has in flight here dies with the worker.
        death = Death(observed.in_flight, time.time(), killed=scene.kafka.real)
        if death.killed:
            scene.worker.kill()
            await scene.worker.ended()
            stage.outcome = f"{death.in_flight} in flight"
        else:
            await scene.worker.stop()
            stage.outcome = (
                f"{death.in_flight} in flight; with this broker a killed worker would have no successor"
            )
    return death


async def _worker_returns(scene: Scene) -> None:
    if scene.kafka.real:
        session_s = scene.settings.kafka.session_timeout_s
        scene.screen.say(
            f"  (its group gives the dead one {session_s:g} s before another may have its partitions)"
        )
    evidence: Evidence | None = None

    def detail() -> str:
        return scene.at_alipay() + ("" if evidence is None else f"; {left(evidence)}")

    with scene.screen.stage("the worker is started again, orders go on coming", detail) as stage:
        scene.behave(rules(QUIET))
        await scene.post(scene.work.rest)
        await scene.worker.start()

        async def done() -> str:
            nonlocal evidence
            evidence = await scene.look()
            return left(evidence)

        await scene.until("every refund to be final or parked", done, LOOK_AGAIN_S)
        stage.outcome = "every command was read, every refund is final or parked"
