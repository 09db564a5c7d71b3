"""The page in Chinese, in the words of Alipay's own documents; what codes mean is with each interface's tables."""

import re
from collections.abc import Mapping
from typing import Final

from worker.alipay.ams import chinese as ams
from worker.alipay.mainland import chinese as mainland
from worker.alipay.policy_page.deeds import Deed
from worker.alipay.policy_page.language import CodeTexts, Language, Named, by_name
from worker.alipay.policy_page.picture import FAILED, HALTED, HELD, PARKED, SUCCEEDED, When
from worker.refunds.policy import Rule
from worker.refunds.reply import (
    Contradicted,
    Declined,
    Misconfigured,
    NextAction,
    NotFound,
    Pending,
    Reply,
    Succeeded,
    Throttled,
    Unfunded,
    Unknown,
    Unreadable,
)
from worker.refunds.verdict import ParkReason

# In the page a paragraph is one line: a break within it would be shown as a space. Here lines end in punctuation.
_BREAK: Final = re.compile(r"(?<=[，。；：、）])\n *(?=[^\n#-])")


def _flowing(text: str) -> str:
    return _BREAK.sub("", text)


_OPENING: Final = """# 处理策略

English: [policy.md](policy.md)

本页由 `worker/refunds/policy.py`、`worker/alipay/ams/codes.py` 和 `worker/alipay/mainland/codes.py` 中的表生成，
命令为 `python -m worker.alipay.policy_page zh > docs/policy.zh.md`；页面与表不一致时，测试会失败。

## 收到应答之后

一笔退款处于以下三个阶段之一，阶段决定下一次调用做什么：**SUBMIT** 发起退款；**INQUIRE** 查询退款结果；
**CONFIRM** 确认退款确实没有成功，因为收到的拒绝尚不能采信。每次 SUBMIT 发送的业务报文都相同；
支付宝按退款请求号保证幂等，因此重发不会造成重复退款。只要有一次调用可能已经到达支付宝而没有得到可信的应答，
或者本程序的前一个进程可能发起过这样的调用，这笔退款就属于*结果不明*。"""

_LIFE: Final = """## 一笔退款的生命周期

图中的箭头来自上面的表，方括号内为条件。在任何阶段，如果应答仍不能确定结果，而调用次数或时间已经用尽，
退款都会被挂起（`parked`）。被暂停（`halted`）的退款在凭证恢复可用后回到原来的阶段；
被暂缓（`held`）的退款在所属分区换了处理的程序后会重新查询。`parked` 需要人工处理。
只有 `succeeded` 和 `failed` 是终态。

支付宝的异步通知不能确定任何结果：它只会使下一次调用变为查询，并尽可能立即进行；
已挂起的退款也是如此（以 `contradicted` 为原因挂起的除外）。如果通知称退款成功，而此后的应答是拒绝，
程序两者都不采信，并将退款挂起。通知与已经发布的结果不一致时，
另外发布 `refund.returned.v1` 或 `refund.contradicted.v1`。"""

_CODES: Final = """## 结果码

同一个结果码，在不同的接口中，在退款调用和查询中，含义各不相同。状态与表中所列不符的结果码按“未列出”处理。
“程序的处理”一列由上面的策略和该行的标记得出：

- 如果拒绝背后可能隐藏着我方已经成功的退款，或者支付宝要求先核实，程序先查询，再采信。
- 如果拒绝可能由我方配置引起，程序暂缓发布，直到同一账户有退款成功。
- 只能由人决定的退款，程序将其挂起，而不判定为失败。
- 如果支付宝指出错误在*我方*（密钥、应用、权限、令牌），程序暂停整个账户，
  或只暂停指令中指定的商户（指令未指定商户时为整个账户）。没有退款会因此失败，也不消耗调用次数和时间。"""

_AMS_REFUND: Final = "状态为 `resultStatus`：S 成功，F 失败，U 未知。"

_AMS_INQUIRY: Final = """\
查询的结果码只表示*查询*本身是否成功。退款的结果只看 `refundStatus`：
SUCCESS 为 Succeeded，FAIL 和 CANCELLED 为 Declined，其他取值均为 Pending。"""

_MAINLAND_REFUND: Final = """\
适用于 v2 和 v3。结果码为去掉前缀（`ACQ.`、`isv.`、`aop.` 等）的 `sub_code`，状态为 v2 的公共返回码 `code`；
没有 `sub_code` 时，结果码即公共返回码。只有 `fund_change` 为 Y 才表示退款成功。
v3 的错误应答没有签名，因此在 v3 中，任何拒绝都要先查询，再采信。
退款失败后，只能用原退款请求号（`out_request_no`）重新发起。"""

_MAINLAND_INQUIRY: Final = """\
查询的结果码只表示*查询*本身是否成功。只有 `refund_status` 为 REFUND_SUCCESS，
并且退款请求号和金额与我方一致，才是 Succeeded；
查询成功而既没有 `refund_status` 也没有退款金额，为 NotFound。"""

_PARKS: Final = "挂起的退款不是终态，程序对其资金不作任何断言。原因见 `refund.parked.v1`。"

_NUMBERS: Final = """\
各项均为渠道的设置，见 [settings.md](settings.md)（英文），其中还有中国内地渠道各自的默认值；
实际生效的值，可用 `python -m worker check` 查看。名称以 `_s` 结尾的，单位为秒。
下一次调用之前的等待时间为 `backoff_floor_s` 加上一个随机时长，
随机时长不超过 `backoff_base_s` · 2ⁿ，也不超过 `backoff_cap_s`。
随机时长由退款的请求号得出，因此重复投递时保持不变。"""

_REPLIES: Final[Mapping[type[Reply], str]] = {
    Succeeded: "资金已退（对于异步渠道的退款调用：请求已受理）",
    Declined: "可信的、表中列出的、最终的拒绝",
    Pending: "支付宝已收到退款，仍在处理",
    Unknown: "已签名的 U、超时、连接中断或 HTTP 5xx",
    Unreadable: "不可信的应答：缺少签名、验签失败、报文损坏或缺少字段",
    Contradicted: "可信的应答，但说的是另外的请求号、交易、金额或币种",
    Throttled: "支付宝限流",
    NotFound: "支付宝（尚）没有该退款请求号的退款",
    Misconfigured: "支付宝指出错误在*我方*：密钥、应用或权限",
    Unfunded: "卖家余额不足，充值后可用原退款请求号重试",
}

_RULES: Final[Mapping[Rule, str]] = {
    Rule.SUCCEED: "成功",
    Rule.FAIL: "失败",
    Rule.FAIL_IF_CERTAIN: "从未出现结果不明则失败，否则确认",
    Rule.SUBMIT: "重发相同的报文",
    Rule.SUBMIT_SLOWLY: "以较长间隔重发相同的报文",
    Rule.INQUIRE: "查询",
    Rule.CONFIRM: "确认",
    Rule.SUBMIT_IF_ABSENT: "查无此退款达到所需次数后，重发相同的报文",
    Rule.FAIL_IF_ABSENT: "查无此退款达到所需次数后，以原拒绝码判定失败",
    Rule.HALT: "暂停该凭证",
    Rule.PARK: "挂起",
}

_WHENS: Final[Mapping[When, str]] = {
    When.ALWAYS: "",
    When.ASYNCHRONOUS: "异步渠道",
    When.LONG_IN_DOUBT: "结果不明，且首次发送已过 submit_for_s",
    When.CERTAIN: "从未结果不明",
    When.DOUBTFUL: "结果不明，或背后可能隐藏成功的结果码",
    When.SUSPECT: "可能由我方配置引起的结果码",
    When.SUSPECT_AND_CERTAIN: "可能由我方配置引起的结果码，从未结果不明",
    When.A_PERSONS: "由人决定的结果码",
    When.LATER: "间隔 balance_interval_s",
    When.ABSENT: "查无此退款已达所需次数",
    When.NOT_ABSENT: "查无此退款未达所需次数",
    When.FORGOTTEN: "支付宝可能已不再保留该请求号",
    When.OVERTAKEN: "之后的退款已成功",
    When.PROVED: "该账户已有退款成功",
    When.NOT_PROVED: "期限内没有退款成功",
    When.NOTIFIED: "收到异步通知",
}

_DEEDS: Final[Mapping[Deed, str]] = {
    Deed.TAKE_AS_SUCCESS: "其他字段足以证明时发布成功；字段不足以确定或渠道为异步时查询；字段与请求矛盾时挂起",
    Deed.GO_BY_ITS_STATUS: "以应答中退款自身的状态为准",
    Deed.FAIL: "判定失败",
    Deed.HOLD: "暂缓发布，待该账户有退款成功后判定失败",
    Deed.PARK: "挂起",
    Deed.SUBMIT: "重发相同的报文",
    Deed.SUBMIT_THEN_INQUIRE: "重发相同的报文；结果不明超过 `submit_for_s` 后改为查询",
    Deed.SUBMIT_SLOWLY: "每隔 `balance_interval_s` 重发相同的报文；超过 `balance_wait_s` 后挂起",
    Deed.INQUIRE: "反复查询，直到有确定的结果",
    Deed.ACT_ON_ABSENCE: "查无此退款达到所需次数后重发相同的报文；若查询是因拒绝而起，则以该拒绝为准",
    Deed.HALT_ACCOUNT: "暂停整个账户",
    Deed.HALT_MERCHANT: "暂停该商户",
    Deed.SLOW_DOWN: "降低该渠道的请求频率",
    Deed.ASK_FIRST: "先查询；确认没有退款后，{}",
    Deed.ASK_FIRST_IN_DOUBT: "{}；结果不明时先查询",
    Deed.UNLESS_IT_CONFIRMS: "{}；若此前的拒绝是同一结果码，则视为对该拒绝的确认",
}

_PARK_REASONS: Final[Mapping[ParkReason, str]] = {
    ParkReason.CONTRADICTED: "已签名的应答说的是另外的请求号、交易、金额或币种；该请求号曾用于其他退款；"
    "支付宝的应答与其异步通知相反；或它是重新发起的退款，而支付宝又称之前那一次已成功",
    ParkReason.ATTEMPTS_USED_UP: "调用了 `attempts_max` 次，仍没有最终结果",
    ParkReason.TIME_USED_UP: "过了 `age_max_s`，仍没有最终结果；暂停的时间不计入",
    ParkReason.PROVIDER_ID_WINDOW: "查无此退款，但时间过久，支付宝可能已不再保留该请求号：既不能证明没有退款，"
    "重发又可能造成重复退款",
    ParkReason.MERCHANT_BALANCE: "商户余额不足；充值后按 `next_action` 处理",
    ParkReason.UNLISTED_CODE: "经查询确认的拒绝，但其结果码不在支付宝文档中，或按表应由人决定",
    ParkReason.MISCONFIGURED_ALONE: "支付宝对这笔退款拒绝该凭证，却接受它用于之后的退款",
    ParkReason.IMPOSSIBLE_REPLY: "该调用不可能有的应答",
    ParkReason.SUSPECT_DECLINE: "可能由我方配置引起的拒绝，而在 `age_max_s` 内，该账户没有退款成功来证明配置无误",
}

_NEXT_ACTIONS: Final[Mapping[NextAction, str]] = {
    NextAction.NONE: "无",
    NextAction.PAY_OFFLINE: "线下退款给买家",
    NextAction.NEW_REFUND: "可用新的退款请求号新建退款",
    NextAction.FIX_AND_NEW_REFUND: "更正指令，再用新的退款请求号新建退款",
    NextAction.FUND_AND_NEW_REFUND: "为商户账户充值，再用新的退款请求号新建退款",
    NextAction.REISSUE: "可在支付宝用原退款请求号重新发起",
    NextAction.FIX_AND_REISSUE: "更正指令，再在支付宝用原退款请求号重新发起",
    NextAction.FUND_AND_REISSUE: "为商户账户充值，再在支付宝用原退款请求号重新发起",
    NextAction.CONTACT_PROVIDER: "联系支付宝客服",
    NextAction.ASK_A_HUMAN: "在做其他任何事之前，必须由人核实",
}

_NUMBER_MEANINGS: Final[Mapping[str, str]] = {
    "submit_for_s": "首次发送后，在这段时间内直接重发，之后先查询",
    "absences_needed": "证明退款不存在所需的查无此退款次数",
    "absences_apart_s": "计入次数的两次查询的最小间隔",
    "quiet_s": "最后一次退款调用之后，过了这段时间才开始计次",
    "provider_id_window_s": "相信支付宝保留退款请求号的时长",
    "attempts_max": "转人工之前的最多调用次数",
    "age_max_s": "转人工之前的最长时间",
    "deadline_s": "一次调用的最长时间",
    "balance_interval_s": "卖家余额不足时两次调用的间隔（中国内地）",
    "balance_wait_s": "余额不足时，转人工之前的最长时间",
    "payment_spacing_s": "对同一笔交易的两次调用之间的最小间隔",
    "backoff_floor_s": "两次调用之间的最短等待",
    "backoff_base_s": "首个随机时长的上限，之后每次加倍",
    "backoff_cap_s": "随机时长的最大值",
}

CHINESE: Final = Language(
    opening=_flowing(_OPENING),
    policy_columns=("应答", "含义"),
    replies=_REPLIES,
    rules=_RULES,
    life=_flowing(_LIFE),
    whens=_WHENS,
    ends={SUCCEEDED: "成功", FAILED: "失败", HELD: "暂缓", PARKED: "挂起", HALTED: "暂停"},
    codes=_flowing(_CODES),
    code_columns=("结果码", "状态", "应答", "含义", "程序的处理", "人工处理", "next_action"),
    unlisted="*未列出*",
    other_status="*其他*",
    deeds=_DEEDS,
    between="；",
    tables=(
        CodeTexts("国际接口：退款调用的结果码", _AMS_REFUND, ams.CHINESE, ams.UNLISTED_CHINESE),
        CodeTexts(
            "国际接口：查询的结果码",
            _flowing(_AMS_INQUIRY),
            ams.INQUIRY_CHINESE,
            ams.UNLISTED_INQUIRY_CHINESE,
        ),
        CodeTexts(
            "中国内地：退款调用的结果码",
            _flowing(_MAINLAND_REFUND),
            mainland.CHINESE,
            mainland.UNLISTED_CHINESE,
        ),
        CodeTexts(
            "中国内地：查询的结果码",
            _flowing(_MAINLAND_INQUIRY),
            mainland.INQUIRY_CHINESE,
            mainland.UNLISTED_INQUIRY_CHINESE,
        ),
    ),
    parks=Named("退款为何被挂起", _PARKS, ("原因", "含义"), by_name(_PARK_REASONS)),
    next_actions=Named("`next_action` 的建议", "", ("next_action", "含义"), by_name(_NEXT_ACTIONS)),
    numbers=Named("各项数值", _flowing(_NUMBERS), ("名称", "默认值", "含义"), _NUMBER_MEANINGS),
)
