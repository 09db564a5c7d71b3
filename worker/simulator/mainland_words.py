"""What AMS's words are called on the mainland: code, msg, sub_code and sub_msg, and v3's HTTP status.

Source: opendocs.alipay.com, "public error codes" and the error codes of alipay.trade.refund. The books and the modes
speak AMS's words; a code that is the mainland's own already (with or without ACQ., isv., aop., isp.) stays what it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from worker.simulator.results import Result

# code → msg, v3's HTTP status
CODES: Final[Mapping[str, tuple[str, int]]] = {
    "10000": ("Success", 200),
    "20000": ("Service Currently Unavailable", 500),
    "20001": ("Insufficient Token Permissions", 401),
    "40001": ("Missing Required Arguments", 400),
    "40002": ("Invalid Arguments", 400),
    "40003": ("Insufficient Conditions", 403),
    "40004": ("Business Failed", 400),
    "40005": ("Call Limited", 429),
    "40006": ("Insufficient Permissions", 403),
}
UNSIGNED: Final = frozenset({"40001", "40002", "40003"})  # the gateway's own errors
_CODE_OF: Final[Mapping[str, str]] = {
    "isp.unknow-error": "20000",
    "aop.unknow-error": "20000",
    "aop.invalid-auth-token": "20001",
    "aop.auth-token-time-out": "20001",
    "aop.invalid-app-auth-token": "20001",
    "aop.invalid-app-auth-token-no-api": "20001",
    "aop.app-auth-token-time-out": "20001",
    "aop.no-product-reg-by-partner": "20001",
    "isv.decryption-error-missing-encrypt-type": "40001",
    "isv.invalid-auth-relations": "40003",
    "isv.missing-signature-config": "40003",
    "isv.unsupported-sdk-version": "40004",
    "isv.app-call-limited": "40005",
    "isv.method-call-limited": "40005",
    "isv.insufficient-isv-permissions": "40006",
    "isv.insufficient-user-permissions": "40006",
    "isv.self-invoke-forbidden": "40006",
    "isv.ip-forbidden": "40006",
}
_SUB_CODES: Final[Mapping[str, str]] = {  # AMS's word → the mainland's, where they differ
    "UNKNOWN_EXCEPTION": "isp.unknow-error",
    "NOT_PROCESSED": "isp.unknow-error",
    "REQUEST_TRAFFIC_EXCEED_LIMIT": "isv.app-call-limited",
    "ACCESS_DENIED": "isv.insufficient-isv-permissions",
    "API_INVALID": "isv.invalid-method",
    "CLIENT_INVALID": "isv.invalid-app-id",
    "INVALID_API": "isv.invalid-method",
    "INVALID_SIGNATURE": "isv.invalid-signature",
    "KEY_NOT_FOUND": "isv.missing-signature-config",
    "MEDIA_TYPE_NOT_ACCEPTABLE": "isv.invalid-format",
    "METHOD_NOT_SUPPORTED": "isv.invalid-method",
    "NO_INTERFACE_DEF": "isv.invalid-method",
    "PARAM_ILLEGAL": "isv.invalid-parameter",
    "INVALID_MERCHANT_STATUS": "aop.invalid-app-auth-token",
    "MERCHANT_BALANCE_NOT_ENOUGH": "ACQ.SELLER_BALANCE_NOT_ENOUGH",
    "ORDER_IS_CANCELED": "ACQ.TRADE_HAS_CLOSE",
    "ORDER_IS_CLOSED": "ACQ.TRADE_HAS_CLOSE",
    "ORDER_NOT_EXIST": "ACQ.TRADE_NOT_EXIST",
    "ORDER_STATUS_INVALID": "ACQ.TRADE_STATUS_ERROR",
    "PARTIAL_REFUND_NOT_SUPPORTED": "ACQ.NOT_ALLOW_PARTIAL_REFUND",
    "REFUND_AMOUNT_EXCEED": "ACQ.REASON_TRADE_REFUND_FEE_ERR",
    "REFUND_NOT_SUPPORTED": "ACQ.TRADE_NOT_ALLOW_REFUND",
    "REFUND_WINDOW_EXCEED": "ACQ.TRADE_HAS_FINISHED",
    "REPEAT_REQ_INCONSISTENT": "ACQ.DISCORDANT_REPEAT_REQUEST",
}
_MESSAGES: Final[Mapping[str, str]] = {
    "isp.unknow-error": "系统繁忙",
    "isv.app-call-limited": "应用调用次数超限，包含调用频率超限",
    "isv.invalid-app-id": "无效的AppID参数",
    "isv.invalid-signature": "验签出错，建议检查签名字符串或签名私钥与应用公钥是否匹配",
    "isv.invalid-timestamp": "非法的时间戳参数",
    "aop.invalid-app-auth-token": "无效的应用授权令牌",
    "ACQ.DISCORDANT_REPEAT_REQUEST": "请求不一致，请检查该退款号对应的退款金额",
    "ACQ.REASON_TRADE_REFUND_FEE_ERR": "退款金额无效",
    "ACQ.REFUND_AMT_NOT_EQUAL_TOTAL": "退款金额超限或部分退款未传退款请求号",
    "ACQ.SELLER_BALANCE_NOT_ENOUGH": "卖家余额不足",
    "ACQ.SYSTEM_ERROR": "系统错误",
    "ACQ.TRADE_HAS_CLOSE": "交易已经关闭",
    "ACQ.TRADE_NOT_EXIST": "交易不存在",
}


@dataclass(frozen=True, slots=True)
class Words:
    """A result on the mainland. `sub_code` is empty for 10000; `http_status` is v3's."""

    code: str
    sub_code: str = ""
    sub_msg: str = ""
    http_status: int = 200

    @property
    def msg(self) -> str:
        return CODES[self.code][0]

    @property
    def v3_code(self) -> str:
        """The sub_code without who is to blame."""
        return _bare(self.sub_code)

    @property
    def signed(self) -> bool:
        """Whether v2 signs such an answer."""
        return self.code not in UNSIGNED


OK: Final = Words("10000")


def words(result: Result, *, inquiry: bool) -> Words:
    """What the mainland says for `result`."""
    if result.status == "S" or result.code == "REFUND_IN_PROCESS":
        return OK
    if inquiry and result.code == "PROCESS_FAIL":  # the inquiry failed: of the refund it says nothing
        return error("ACQ.SYSTEM_ERROR")
    sub_code = _SUB_CODES.get(result.code, result.code)
    if not sub_code.startswith(("ACQ.", "isv.", "aop.", "isp.")):
        sub_code = f"aop.ACQ.{sub_code}" if result.status == "U" else f"ACQ.{sub_code}"
    said = error(sub_code)
    if result.code == "NOT_PROCESSED":
        return Words(said.code, said.sub_code, said.sub_msg, 202)
    return said


def error(sub_code: str, message: str = "") -> Words:
    """The error that `sub_code` names, with the code that goes with it."""
    if sub_code in _CODE_OF:
        code = _CODE_OF[sub_code]
    elif sub_code.startswith("ACQ."):
        code = "40004"
    elif sub_code.startswith(("aop.", "isp.")):
        code = "20000"
    elif sub_code.startswith("isv.missing-"):
        code = "40001"
    else:
        code = "40002"
    return Words(code, sub_code, message or _MESSAGES.get(sub_code, "处理失败"), CODES[code][1])


def _bare(sub_code: str) -> str:
    for prefix in ("isv.", "aop.", "isp."):
        sub_code = sub_code.removeprefix(prefix)
    return sub_code
