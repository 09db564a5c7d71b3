"""The page in a real browser, by keyboard alone, before a desk in memory."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest
from axe_playwright_python.async_playwright import Axe  # type: ignore[import-untyped] # it has no types
from playwright.async_api import Browser, expect

from tests.console.fake_desk import FAILED, NOW, PARKED, SENTENCES, WAITING, full_desk, row
from tests.console.person import Person, person
from tests.console.stand import TOKEN, stand
from worker.desk.answers import Moment
from worker.kafka.connection import Unreachable

pytestmark = pytest.mark.asyncio(loop_scope="session")
CHINESE: Final = ("您的姓名", "令牌")


async def test_a_parked_refund_is_found_and_settled(browser: Browser, tmp_path: Path) -> None:
    async with stand(tmp_path) as served, person(browser, served.url) as ada:
        await ada.opens()
        await ada.signs_in()
        await ada.sees("All attempts are used up")
        await ada.presses("link", PARKED)
        await ada.sees(SENTENCES["en"]["why"])
        await ada.sees("1,234.50 USD")
        await ada.presses("button", "Settle")
        await ada.sees("Calls so far: 3.")
        # What the page showed is sent, whatever has happened since.
        served.desk.refunds[PARKED] = replace(served.desk.refunds[PARKED], attempts=4)
        await ada.reaches("radio", "The money has reached the buyer: succeeded")
        await ada.page.keyboard.press("Space")
        await ada.types("Evidence", "statement 7, line 3")
        await ada.types("Reason", "seen by the buyer")
        await ada.types(f"Type {PARKED} to confirm", PARKED)
        await ada.page.keyboard.press("Enter")
        await ada.is_told(SENTENCES["en"]["settled"])
        await ada.sees("by Ada Wong")
        details = {"as": "succeeded", "evidence": "statement 7, line 3", "next_action": "", "attempts": "3"}
        assert served.desk.changes == [("settle", PARKED, "Ada Wong", "seen by the buyer", details)]


async def test_a_failed_refund_is_found_by_its_id_and_issued_anew_in_chinese(
    browser: Browser, tmp_path: Path
) -> None:
    async with stand(tmp_path) as served, person(browser, served.url, locale="zh-CN") as ming:
        await ming.opens()
        await ming.signs_in("王小明", words=CHINESE)
        await ming.reaches("searchbox", "refundRequestId")
        await ming.page.keyboard.type(FAILED)
        await ming.page.keyboard.press("Enter")
        await ming.presses("button", "重新发起")
        await ming.types("原因", "余额已充值")
        await ming.types(f"输入 {FAILED} 以确认", FAILED)
        await ming.presses("button", "重新发起")
        await ming.is_told(SENTENCES["zh"]["issued"])
        await ming.presses("link", f"{FAILED}~2")
        await ming.sees(f"{FAILED}~2", role="heading")
        assert served.desk.changes == [("reissue", FAILED, "王小明", "余额已充值", {})]


async def test_what_is_missing_is_said_at_its_field_and_nothing_is_done(
    browser: Browser, tmp_path: Path
) -> None:
    async with stand(tmp_path) as served, person(browser, served.url) as ada:
        await ada.opens()
        await ada.signs_in()
        await ada.presses("link", PARKED)
        await ada.presses("button", "Settle")
        await ada.types("Reason", "seen")
        await ada.types(f"Type {PARKED} to confirm", "refund-4712")
        await ada.presses("button", "Settle")
        evidence = ada.page.get_by_label("Evidence")
        await expect(evidence).to_have_attribute("aria-invalid", "true")
        await expect(ada.page.locator("#field-as")).to_be_focused()
        await ada.sees(f"Type exactly: {PARKED}")
        await expect(ada.page.get_by_text("This is missing.")).to_have_count(2)
        await ada.types("Evidence", "statement 7")
        await expect(ada.page.get_by_text("This is missing.")).to_have_count(1)
        await expect(evidence).not_to_have_attribute("aria-invalid", "true")
        await ada.page.keyboard.press("Escape")
        await expect(ada.page.get_by_role("button", name="Settle")).to_be_focused()
        assert served.desk.changes == []


async def test_a_refusal_is_told_in_words_and_what_failed_stays_in_the_dialog(
    browser: Browser, tmp_path: Path
) -> None:
    async with stand(tmp_path) as served, person(browser, served.url) as ada:
        await ada.opens()
        await ada.signs_in()
        await ada.opens(f"/#/refund/{WAITING}")
        await ada.presses("button", "Retry now")
        await ada.types("Reason", "in a hurry")
        served.desk.trouble = RuntimeError("a fault of our own")
        await ada.page.keyboard.press("Enter")
        await expect(ada.page.get_by_role("dialog").get_by_role("alert")).to_contain_text("status 500")
        served.desk.trouble = None
        served.desk.refuse = True
        await ada.page.keyboard.press("Enter")
        await ada.is_told("Not followed. " + SENTENCES["en"]["refused"])


async def test_a_channel_and_then_everything_is_halted_and_resumed(browser: Browser, tmp_path: Path) -> None:
    async with stand(tmp_path) as served, person(browser, served.url) as ada:
        await ada.opens()
        await ada.signs_in()
        await ada.presses("button", "Halt cn")
        await ada.page.keyboard.type("wrong key")
        await ada.page.keyboard.press("Enter")
        await ada.is_told("Halted: cn.")
        await ada.sees("Halted by Ada Wong")
        await ada.presses("button", "Halt everything")
        await ada.types("Reason", "audit")
        await ada.types("Type ALL to confirm", "ALL")
        await ada.page.keyboard.press("Enter")
        await ada.sees("Kill switch: on. No call to Alipay starts.")
        await ada.presses("button", "Resume everything")
        await ada.types("Reason", "audit done")
        await ada.types("Type ALL to confirm", "ALL")
        await ada.page.keyboard.press("Enter")
        await ada.presses("button", "Resume cn")
        await ada.page.keyboard.type("key replaced")
        await ada.page.keyboard.press("Enter")
        await ada.is_told("Resumed: cn.")
        assert [change[:2] for change in served.desk.changes] == [
            ("halt", "cn"), ("halt", "*"), ("resume", "*"), ("resume", "cn"),
        ]  # fmt: skip


async def test_a_refund_is_submitted_after_a_second_look_and_its_events_come_as_they_happen(
    browser: Browser, tmp_path: Path
) -> None:
    desk = full_desk()
    desk.go_on = asyncio.Semaphore(1)
    async with stand(tmp_path, desk) as served, person(browser, served.url) as ada:
        await ada.opens()
        await ada.signs_in()
        await ada.presses("link", "New refund")
        await ada.reaches("combobox", "Channel")
        await ada.page.keyboard.type("cn")
        await ada.reaches("radio", "Payment number")
        await ada.page.keyboard.press("ArrowDown")
        await ada.types("Number", "order-7")
        await ada.types("Amount", "1,234.5")
        await ada.page.keyboard.press("Enter")
        await expect(ada.page.get_by_label("Amount")).to_be_focused()
        await ada.types("Amount", "1234.5")
        await ada.page.keyboard.press("Enter")
        await ada.sees("1,234.5 CNY of order-7 are refunded to the buyer through cn.")
        assert desk.changes == []
        await ada.presses("button", "Make the refund")
        await ada.sees("Waiting for its outcome …", role="heading")
        desk.go_on.release()
        await ada.sees(SENTENCES["en"]["delayed"])
        desk.go_on.release()
        await ada.sees("Succeeded", role="heading")
        ((_, asked, _),) = desk.changes
        assert asked.pop("id").startswith("console-")
        assert asked == {"channel": "cn", "order": "order-7", "amount": "1234.5", "currency": "CNY"}


async def test_after_a_lost_answer_the_same_refund_is_sent_again_and_no_other(
    browser: Browser, tmp_path: Path
) -> None:
    async with stand(tmp_path) as served, person(browser, served.url) as ada:
        await ada.opens()
        await ada.signs_in()
        await ada.opens("/#/new")
        await ada.types("Payment number", "pay-1")
        await ada.types("Amount", "10.50")
        await ada.page.route("**/api/submissions*", lambda route: route.abort())
        await ada.page.keyboard.press("Enter")
        await ada.presses("button", "Make the refund")
        await ada.sees("What became of it is not known here", role="heading")
        first = await ada.page.get_by_role("link", name="console-").text_content()
        await ada.page.unroute("**/api/submissions*")
        await ada.presses("button", "Back to the form, same refund")
        await ada.presses("button", "Look at it once more")
        await ada.presses("button", "Make the refund")
        await ada.sees("Succeeded", role="heading")
        assert [change[1]["id"] for change in served.desk.changes] == [first]


async def test_what_changes_meanwhile_comes_by_itself_and_leaves_the_focus_alone(
    browser: Browser, tmp_path: Path
) -> None:
    async with stand(tmp_path) as served, person(browser, served.url) as ada:
        await ada.page.clock.install()
        await ada.opens()
        await ada.signs_in()
        await ada.reaches("link", PARKED)
        served.desk.refunds["refund-new"] = served.desk.refunds[PARKED]
        served.desk.progress, served.desk.braked = 0.5, {3: "too much is unreadable"}
        await ada.page.clock.run_for(5_000)
        await ada.sees("The ledger is being read: 50 %.")
        await ada.sees("python -m worker resume-partition 3")
        await expect(ada.page.get_by_role("link", name=PARKED).first).to_be_focused()


async def test_a_worker_that_is_slow_to_answer_is_not_asked_again_meanwhile(
    browser: Browser, tmp_path: Path
) -> None:
    async with stand(tmp_path) as served, person(browser, served.url) as ada:
        await ada.page.clock.install()
        await ada.opens()
        await ada.signs_in()
        await ada.sees(PARKED)
        asked: list[str] = []
        ada.page.on("request", lambda request: asked.append(request.url))
        async with served.desk.answering:
            await ada.page.clock.run_for(60_000)
            await ada.page.evaluate("0")
            assert len([url for url in asked if "/api/overview" in url]) == 1
        served.desk.trouble = Unreachable("no answer from kafka:9092")
        await ada.page.clock.run_for(10_000)
        await ada.sees("Kafka cannot be reached: no answer from kafka:9092")
        served.desk.trouble = None
        await ada.page.clock.run_for(10_000)
        await expect(ada.page.get_by_text("Kafka cannot be reached")).to_have_count(0)


async def test_what_is_not_read_yet_is_told_from_what_is_not_there(browser: Browser, tmp_path: Path) -> None:
    async with stand(tmp_path) as served, person(browser, served.url) as ada:
        await ada.opens()
        async with served.desk.answering:
            await ada.signs_in()
            await expect(ada.page.get_by_text("Reading …")).to_have_count(3)
        await ada.sees(PARKED)
        await expect(ada.page.get_by_text("Reading …")).to_have_count(0)
        await ada.presses("link", PARKED)
        await ada.sees(SENTENCES["en"]["accepted"])
        await expect(ada.page.get_by_text("Reading …")).to_have_count(0)


async def test_a_session_that_is_over_leads_back_to_signing_in(browser: Browser, tmp_path: Path) -> None:
    async with stand(tmp_path) as served, person(browser, served.url) as ada:
        await ada.opens()
        await ada.signs_in()
        await ada.sees(PARKED)
        await ada.page.context.clear_cookies()
        await ada.opens(f"/#/refund/{PARKED}")
        await ada.signs_in()
        await ada.sees(SENTENCES["en"]["why"])
        await ada.presses("button", "Sign out")
        await expect(ada.page.get_by_label("Your name")).to_be_focused()
        await expect(ada.page.get_by_text(PARKED)).to_have_count(0)
        assert await ada.page.evaluate("localStorage.getItem('console.page')") is None


async def test_a_wrong_token_is_told_and_the_right_one_then_opens(browser: Browser, tmp_path: Path) -> None:
    async with stand(tmp_path) as served, person(browser, served.url) as ada:
        await ada.opens()
        await ada.signs_in(token="wrong")
        await ada.sees("This is not the token.")
        await expect(ada.page.get_by_label("Token")).to_be_focused()
        await ada.page.keyboard.press("Control+a")
        await ada.page.keyboard.type(TOKEN)
        await ada.page.keyboard.press("Enter")
        await ada.sees(PARKED)


async def test_the_language_is_remembered(browser: Browser, tmp_path: Path) -> None:
    async with stand(tmp_path) as served, person(browser, served.url) as ada:
        await ada.opens()
        await ada.signs_in()
        await ada.sees("Money at risk", role="heading")
        await ada.presses("button", "中文")
        await ada.sees("风险资金", role="heading")
        await ada.page.reload()
        await ada.sees("风险资金", role="heading")
        await expect(ada.page.locator("html")).to_have_attribute("lang", "zh-CN")


async def test_what_others_wrote_is_text_and_never_code(browser: Browser, tmp_path: Path) -> None:
    desk = full_desk()
    evil = "<img src=x onerror=document.title='taken'><script>document.title='taken'</script>"
    desk.halted["cn"] = (evil, evil)
    async with stand(tmp_path, desk) as served, person(browser, served.url) as ada:
        await ada.opens()
        await ada.signs_in()
        await ada.sees(f"Halted by {evil}")
        assert await ada.page.locator("main img, main script").count() == 0


async def test_what_others_wrote_about_a_refund_is_text_too(browser: Browser, tmp_path: Path) -> None:
    """Its id and payment, its sentences, who, and the facts as events have them."""
    evil = "'\"><img src=x onerror=document.title='taken'><a href=javascript:document.title='taken'>$&"
    desk = full_desk()
    desk.refunds = {evil: row(evil, "parked", 1, payment=evil, merchant=evil, reason=evil, code=evil)}
    desk.said[evil].append(Moment(NOW, "settled", evil, evil, {evil: evil, "__proto__": {"toString": evil}}))
    desk.braked[0] = evil
    async with stand(tmp_path, desk) as served, person(browser, served.url) as ada:
        await ada.opens()
        await ada.signs_in(evil[:60])
        await ada.sees(f"Partition 0 is not read on: {evil}")
        await ada.page.get_by_role("link", name=evil).press("Enter")
        await ada.sees(f"by {evil}")
        await ada.presses("button", "Settle")
        await ada.sees(f"Type {evil} to confirm")
        assert await ada.page.locator("img, main script, a[href^=javascript]").count() == 0
        assert "taken" not in (await ada.page.title()).partition(evil)[2]


async def test_whatever_operators_call_themselves_what_they_halt_can_be_resumed(
    browser: Browser, tmp_path: Path
) -> None:
    async with stand(tmp_path) as served, person(browser, served.url) as ada:
        served.desk.halted["cn"] = ("provider", "wrong key")
        await ada.opens()
        await ada.signs_in()
        await ada.sees("Halted by provider")
        await expect(ada.page.get_by_role("button", name="Resume cn")).to_be_visible()


async def test_a_dialog_that_was_left_open_does_not_resume_what_was_halted_again(
    browser: Browser, tmp_path: Path
) -> None:
    async with stand(tmp_path) as served, person(browser, served.url) as ada:
        served.desk.halted["cn"] = ("Ben", "slow")
        await ada.opens()
        await ada.signs_in()
        await ada.presses("button", "Resume cn")
        await ada.types("Reason", "it is fast again")
        served.desk.halted_at = "2026-11-23T02:00:00.000Z"
        await ada.page.keyboard.press("Enter")
        await ada.sees("was halted or resumed by somebody else meanwhile")
        assert served.desk.changes == []
        await ada.presses("button", "Cancel")
        await expect(ada.page.locator(f"time[datetime='{served.desk.halted_at}']")).to_be_visible()
        await ada.presses("button", "Resume cn")
        await ada.types("Reason", "it is fast again")
        await ada.page.keyboard.press("Enter")
        await ada.is_told("Resumed: cn.")


async def test_signing_out_ends_it_in_the_browser_even_where_the_worker_cannot_hear(
    browser: Browser, tmp_path: Path
) -> None:
    async with stand(tmp_path) as served, person(browser, served.url) as ada:
        await ada.opens()
        await ada.signs_in()
        await ada.sees(PARKED)
        await ada.page.route("**/api/session/end*", lambda route: route.abort())
        await ada.presses("button", "Sign out")
        await ada.sees("nobody knows whether it heard")
        await expect(ada.page.get_by_label("Token")).to_be_visible()
        await ada.opens()
        await expect(ada.page.get_by_label("Token")).to_be_visible()


@pytest.mark.parametrize("name", ["%", "%E0%A4", "%00", "constructor", "__proto__"])
async def test_an_address_that_means_nothing_is_told_of(browser: Browser, tmp_path: Path, name: str) -> None:
    async with stand(tmp_path) as served, person(browser, served.url) as ada:
        await ada.opens()
        await ada.signs_in()
        await ada.opens(f"/#/refund/{name}")
        await ada.sees("no such refund in the ledger")
        await expect(ada.page.get_by_text("Reading …")).to_have_count(0)


async def each_view(somebody: Person) -> list[str]:
    """Shows each view in turn, and gives what axe finds wrong with it."""
    found: list[str] = []

    async def look(view: str) -> None:
        result = await Axe().run(somebody.page, options={"resultTypes": ["violations"]})
        found.extend(
            f"{view}: {one['id']}: {one['nodes'][0]['html']}" for one in result.response["violations"]
        )

    page = somebody.page
    await somebody.opens()
    await expect(page.locator("#field-who")).to_be_focused()
    await look("sign-in")
    await somebody.signs_in(words=await labels(somebody))
    await expect(page.locator(f"#row-{PARKED}")).to_be_visible()
    await look("overview")
    await somebody.opens(f"/#/refund/{PARKED}")
    await expect(page.locator(".timeline li").first).to_be_visible()
    await look("refund")
    await page.locator("#do-settle").press("Enter")
    await page.locator("#dialog-go").press("Enter")
    await expect(page.locator("#field-evidence")).to_have_attribute("aria-invalid", "true")
    await look("dialog")
    await page.keyboard.press("Escape")
    await somebody.opens("/#/new")
    await expect(page.locator("#submit")).to_be_visible()
    await look("new")
    return found


async def labels(somebody: Person) -> tuple[str, str]:
    chinese = await somebody.page.locator("html").get_attribute("lang") == "zh-CN"
    return CHINESE if chinese else ("Your name", "Token")


@pytest.mark.parametrize(
    ("locale", "color_scheme", "width"), [("en-GB", "light", 320), ("zh-CN", "dark", 1280)]
)
async def test_nothing_keeps_people_from_using_it(
    browser: Browser, tmp_path: Path, locale: str, color_scheme: str, width: int
) -> None:
    shape = {"locale": locale, "color_scheme": color_scheme, "viewport": {"width": width, "height": 800}}
    # axe is put into the page, which the page's own policy forbids.
    async with stand(tmp_path) as served, person(browser, served.url, bypass_csp=True, **shape) as somebody:
        assert await each_view(somebody) == []
        wide = await somebody.page.evaluate("document.documentElement.scrollWidth")
        assert wide <= width
