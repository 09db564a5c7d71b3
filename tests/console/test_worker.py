"""The console of real workers, with a real Kafka and a simulated Alipay, from parked to refunded, by keyboard alone."""

from pathlib import Path
from typing import Any

from tests.broker.harness import World, mode, refund, world
from tests.console.conftest import launched
from tests.console.person import person
from tests.console.stand import TOKEN
from worker.demo.broker import Broker
from worker.demo.local import free_port


async def console(here: World, folder: Path) -> str:
    """Another worker with a console, and where that is."""
    token, port = folder / "console.token", free_port()
    token.write_text(TOKEN)
    section: dict[str, Any] = {"enabled": True, "port": port, "token_file": str(token)}
    await here.started(here.configured(console=section, **{"channels.hasty": {"attempts_max": 2}}))
    return f"http://127.0.0.1:{port}"


async def test_a_parked_refund_is_settled_at_one_worker_and_issued_anew_at_another(
    real_kafka: Broker, topic_prefix: str, tmp_path: Path, chromium: Path
) -> None:
    async with (
        world(real_kafka.bootstrap_servers, topic_prefix, tmp_path) as here,
        launched(chromium) as browser,
    ):
        first, second = await console(here, tmp_path), await console(here, tmp_path)
        here.simulator.behaviour.script("r-1", mode("in_process_then_success", inquiries=99))
        await here.ask(refund("r-1", channel="hasty"))
        async with person(browser, first) as ada:
            await ada.opens()
            await ada.signs_in()
            await ada.presses("link", "r-1")
            await ada.sees("2 calls brought no final answer.")
            # It comes by itself once no call can be under way any more.
            await ada.presses("button", "Settle")
            await ada.reaches("radio", "The money has reached the buyer: succeeded")
            await ada.page.keyboard.press("ArrowDown")
            await ada.types("Evidence", "statement 7")
            await ada.reaches("combobox", "Advice with a failure")
            await ada.page.keyboard.type("Make a new")
            await ada.types("Reason", "not on the statement")
            await ada.types("Type r-1 to confirm", "r-1")
            await ada.page.keyboard.press("Enter")
            await ada.is_told("Done.")
            await ada.sees("Failed")
            await ada.sees("by Ada Wong")
        async with person(browser, second, locale="zh-CN") as ming:
            await ming.opens("/#/refund/r-1")
            await ming.signs_in("王小明", words=("您的姓名", "令牌"))
            await ming.sees("statement 7")
            await ming.presses("button", "重新发起")
            await ming.types("原因", "再次退款")
            await ming.types("输入 r-1 以确认", "r-1")
            await ming.page.keyboard.press("Enter")
            await ming.is_told("完成。")
            await ming.presses("link", "r-1~2")
            await ming.sees("已成功")
            await ming.presses("link", "新退款")
            await ming.types("支付单号", "pay-9")
            await ming.types("金额", "10.50")
            await ming.reaches("combobox", "币种")
            await ming.page.keyboard.type("USD")
            await ming.presses("button", "再次核对")
            await ming.presses("button", "发起退款")
            await ming.sees("已成功", role="heading")
        await here.until(here.final(["r-1", "r-1~2"]), "both issues are final")
        assert here.outcomes("r-1") == ["refund.failed.v1"]
        assert here.outcomes("r-1~2") == ["refund.succeeded.v1"]
        (submitted,) = [
            event for event in here.events("refund.succeeded.v1") if b"pay-9" in (event.value or b"")
        ]
        assert b'"value":"1050"' in (submitted.value or b"")
