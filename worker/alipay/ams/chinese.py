"""The global API's tables in Chinese, for the policy page: of each code, what it means and what a person does.

By the same codes as the tables of `codes`, and one table for each of those.
"""

from collections.abc import Mapping
from typing import Final

from worker.alipay.ams.codes import Status

Texts = tuple[str, str]

_WAIT: Final = "等待"
_WAIT_OR_CONTACT: Final = "等待；如退款已挂起，联系支付宝客服"
_UPLOAD: Final = "上传当前所用密钥的公钥"
_OFFLINE: Final = "线下退款"

_CREDENTIAL: Final[Mapping[str, Texts]] = {
    "ACCESS_DENIED": ("拒绝访问", "向支付宝客服询问缺少哪项权限"),
    "API_INVALID": ("接口名或调用格式错误", "检查路径和方法，联系支付宝客服"),
    "CLIENT_INVALID": ("client id 错误或被限制", "检查 client id 及其所属的环境"),
    "INVALID_API": ("接口不存在或未开通", "为该 client id 开通退款接口"),
    "INVALID_SIGNATURE": ("签名与已上传的公钥不符", _UPLOAD),
    "SIGNATURE_INVALID": ("签名与已上传的公钥不符", _UPLOAD),
    "KEY_NOT_FOUND": ("支付宝没有该 client id 的密钥", "上传公钥，并检查 key_version"),
    "MEDIA_TYPE_NOT_ACCEPTABLE": ("不支持该媒体类型", "请报告：本程序的版本过旧"),
    "METHOD_NOT_SUPPORTED": ("不支持该 HTTP 方法", "检查是否有代理改写请求"),
    "NO_INTERFACE_DEF": ("接口地址不存在", "检查 base_url"),
}

CHINESE: Final[Mapping[str, Texts]] = {
    "SUCCESS": ("退款成功（异步渠道：已受理）", "无需处理"),
    "REFUND_IN_PROCESS": ("支付宝仍在处理", _WAIT),
    "REQUEST_TRAFFIC_EXCEED_LIMIT": ("请求过多", _WAIT),
    "UNKNOWN_EXCEPTION": ("未知异常", _WAIT),
    **_CREDENTIAL,
    "INVALID_CONTRACT": ("请求与合同不符", "与支付宝核对合同"),
    "INVALID_MERCHANT_STATUS": ("商户被限制", "向支付宝客服询问原因"),
    "MERCHANT_NOT_REGISTERED": ("商户未注册", "向支付宝注册该商户"),
    "MULTIPLE_REFUNDS_NOT_SUPPORTED": ("合同规定每笔支付只能退款一次", "查明之前的退款，其余线下退款"),
    "ORDER_IS_CANCELED": ("支付已撤销", "查明撤销时是否已将款项退给买家"),
    "ORDER_IS_CLOSED": ("支付已关闭", "查明买家是否已收到退款"),
    "ORDER_STATUS_INVALID": ("支付仍在处理，或已失败", "处理中：稍后新建退款；已失败：无款可退"),
    "PARTIAL_REFUND_NOT_SUPPORTED": ("只支持全额退款", "用新的 refundRequestId 全额退款，或线下退款"),
    "REFUND_AMOUNT_EXCEED": ("超过剩余可退金额", "查明之前的退款，再以不超过剩余可退金额的金额新建退款"),
    "REFUND_NOT_SUPPORTED": ("该支付不能退款", "检查该支付和合同的退款条款"),
    "PROCESS_FAIL": ("业务处理失败", "向支付宝客服询问原因"),
    "SYSTEM_ERROR": ("支付宝系统错误", "向支付宝客服询问原因"),
    "MERCHANT_BALANCE_NOT_ENOUGH": ("商户余额不足", "为商户账户充值，再用新的 refundRequestId 新建退款"),
    "CURRENCY_NOT_SUPPORT": ("币种不支持", "使用合同约定的币种，或联系支付宝客服开通该币种"),
    "ORDER_NOT_EXIST": ("支付不存在", "检查 paymentId，以及它是否属于该环境"),
    "PARAM_ILLEGAL": ("字段缺失或格式错误", "更正返回信息中指出的字段"),
    "PAYMENT_METHOD_NOT_SUPPORTED": ("该支付方式不能退款", _OFFLINE),
    "REFUND_WINDOW_EXCEED": ("已超过合同约定的退款期限", _OFFLINE),
    "FREFUND_WINDOW_EXCEED": ("已超过合同约定的退款期限", _OFFLINE),
    "RISK_REJECT": ("被风控拒绝", "联系支付宝客服"),
    "REPEAT_REQ_INCONSISTENT": (
        "该 refundRequestId 曾用于其他金额或币种",
        "查明之前的请求，切勿盲目重新发起",
    ),
}

INQUIRY_CHINESE: Final[Mapping[str, Texts]] = {
    "SUCCESS": ("查询成功，结果见 refundStatus", "无需处理"),
    "REQUEST_TRAFFIC_EXCEED_LIMIT": ("请求过多", _WAIT),
    "UNKNOWN_EXCEPTION": ("查询失败，原因未知", _WAIT),
    **_CREDENTIAL,
    "ORDER_NOT_EXIST": ("没有该退款请求号的退款", _WAIT),
    "PARAM_ILLEGAL": ("查询的字段格式错误", "请报告：这是本程序的错误"),
    "PROCESS_FAIL": ("查询失败", _WAIT_OR_CONTACT),
    "SYSTEM_ERROR": ("查询失败", _WAIT_OR_CONTACT),
}

_UNLISTED: Final = "支付宝文档中没有"
UNLISTED_CHINESE: Final[Mapping[str, Texts]] = {
    Status.S: (_UNLISTED, _WAIT),
    Status.F: (_UNLISTED, "向支付宝客服询问其含义"),
    Status.U: (_UNLISTED, _WAIT),
}
UNLISTED_INQUIRY_CHINESE: Final[Mapping[str, Texts]] = dict.fromkeys(Status, (_UNLISTED, _WAIT))
