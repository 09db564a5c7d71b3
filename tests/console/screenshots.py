"""Writes the pictures of docs/console.md: `make screenshots`. Needs Debian's chromium, fonts-noto-cjk and pngquant."""

import asyncio
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from playwright.async_api import Page

from tests.console.conftest import launched
from tests.console.fake_desk import FakeDesk, row
from tests.console.person import Person, person
from tests.console.stand import stand
from worker.refunds.money import Money

FOLDER: Final = Path(__file__).parents[2] / "docs" / "console"
SIZE: Final = {"width": 1100, "height": 860}
ZH: Final = ("您的姓名", "令牌")


def desk() -> FakeDesk:
    """A day at the office."""
    now = time.time()
    parked = [
        row(
            "refund-20931", "parked", 123_450, since=now - 93_000,
            reason="attempts_used_up", code="PROCESS_FAIL", attempts=60,
        ),
        row("refund-20944", "parked", 8_800, since=now - 51_000, reason="contradicted", code="SUCCESS", attempts=7),
        row(
            "refund-21007", "parked", 1_250_000, since=now - 9_400, amount=Money("CNY", 1_250_000), channel="cn",
            merchant="shop-1", reason="merchant_balance", code="ACQ.SELLER_BALANCE_NOT_ENOUGH", attempts=31,
        ),
    ]  # fmt: skip
    waiting = [
        row(f"refund-21{number}", "waiting", 4_990 + number, since=now - number, next_at=now + 40)
        for number in range(100, 104)
    ]
    found = FakeDesk({one.refund_request_id: one for one in [*parked, *waiting]})
    found.halted["cn"] = ("王小明", "对账中")
    return found


async def shoot(page: Page, name: str, *, whole: bool = True) -> None:
    file = FOLDER / f"{name}.png"
    await page.screenshot(path=file, full_page=whole, animations="disabled")


async def english(ada: Person) -> None:
    await ada.opens()
    await ada.signs_in()
    await ada.sees("refund-20931")
    await shoot(ada.page, "overview")
    await ada.opens("/#/refund/refund-20931")
    await ada.sees("Settle", role="button")
    await ada.page.locator(".timeline li").first.wait_for()
    await shoot(ada.page, "refund")
    await ada.presses("button", "Settle")
    await ada.reaches("radio", "The money has reached the buyer: succeeded")
    await ada.page.keyboard.press("Space")
    await ada.types("Evidence", "Alipay's statement of 22 November, line 117")
    await ada.types("Reason", "the buyer has it")
    await shoot(ada.page, "settle", whole=False)


async def chinese(ming: Person) -> None:
    await ming.opens()
    await ming.signs_in("王小明", words=ZH)
    await ming.sees("refund-20931")
    await shoot(ming.page, "overview.zh")


async def take(chromium: Path) -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        async with stand(Path(folder), desk()) as served, launched(chromium) as browser:
            async with person(browser, served.url, viewport=SIZE) as ada:
                await english(ada)
            async with person(
                browser, served.url, viewport=SIZE, locale="zh-CN", color_scheme="dark"
            ) as ming:
                await chinese(ming)


def main() -> None:
    chromium = shutil.which("chromium")
    if chromium is None or shutil.which("pngquant") is None:
        sys.exit("a program is missing; install Debian's chromium, fonts-noto-cjk and pngquant")
    asyncio.run(take(Path(chromium)))
    smaller = ("pngquant", "--ext", ".png", "--force", "--strip", "--speed", "1", "64")
    for file in sorted(FOLDER.glob("*.png")):
        subprocess.run([*smaller, file], check=True)
        sys.stdout.write(f"{file.relative_to(FOLDER.parents[1])} {file.stat().st_size // 1024} kB\n")


if __name__ == "__main__":
    main()
