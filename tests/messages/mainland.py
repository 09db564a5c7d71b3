"""Commands for a mainland channel, in each of the shapes there are; schemas/examples shows the same ones."""

import hashlib
from typing import Any, Final

from worker.messages.cloud_events import REQUESTED, Headers
from worker.messages.command import CommandLimits
from worker.messages.shapes import CLOUD, ORDER

TOKEN: Final = "202408BB8f5f0a31c3d84c2a8ba2b5b6a0c1dX42"
OTHER_TOKEN: Final = "202408BBother"
LIMITS: Final = CommandLimits(
    65_536,
    {"global": None, "cn": frozenset({"CNY"}), "cn-2": None},
    interfaces={"cn": "mainland", "cn-2": "mainland"},
    merchants={"cn": frozenset({"shop-7", "shop-8"})},
    token_digests={
        hashlib.sha256(TOKEN.encode()).digest(): ("cn", "shop-7"),
        hashlib.sha256(OTHER_TOKEN.encode()).digest(): ("cn-2", ""),
    },
    shapes_channel="cn",
)

BY_ORDER: Final[dict[str, Any]] = {
    "refundRequestId": "refund-4711",
    "orderNumber": "6823789339978248",
    "refundAmount": {"currency": "CNY", "value": "8888"},
    "channel": "cn",
}
FULL: Final[dict[str, Any]] = {
    **BY_ORDER,
    "paymentId": "2014112611001004680073956707",
    "merchant": "shop-7",
    "refundReason": "正常退款",
    "refundGoodsDetail": [
        {
            "goods_id": "apple-01",
            "refund_amount": "88.88",
            "out_certificate_no_list": ["202407013232143231"],
        }
    ],
    "refundRoyaltyParameters": [
        {
            "royalty_type": "transfer",
            "trans_out": "2088101126765726",
            "trans_out_type": "userId",
            "trans_in": "2088101126708402",
            "trans_in_type": "userId",
            "amount": "0.10",
            "desc": "commission",
        }
    ],
    "queryOptions": ["refund_detail_item_list", "deposit_back_info"],
}
CLOUD_WHOLE: Final[dict[str, Any]] = {"outTradeNo": "6823789339978248", "refundAmount": "88.88"}
CLOUD_PART: Final[dict[str, Any]] = {
    "outTradeNo": "6823789339978248",
    "refundAmount": "10.5",
    "outRequestNo": "refund-4711",
    "refundReason": "item returned",
    "merchant": "shop-7",
    "channel": "cn",
}
ORDER_WHOLE: Final[dict[str, Any]] = {"orderNo": "6823789339978248", "amount": "88.88"}
ORDER_PART: Final[dict[str, Any]] = {
    "orderNo": "6823789339978248",
    "amount": "10.5",
    "requestNo": "refund-4711",
    "channel": "cn",
}

EXAMPLES: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    "refund.requested.v1.mainland": (REQUESTED, BY_ORDER),
    "refund.requested.v1.mainland.full": (REQUESTED, FULL),
    "cloud.payment.common.refund.v1": (CLOUD, CLOUD_WHOLE),
    "cloud.payment.common.refund.v1.part": (CLOUD, CLOUD_PART),
    "alipay.order.refund.v1": (ORDER, ORDER_WHOLE),
    "alipay.order.refund.v1.part": (ORDER, ORDER_PART),
}
"""By the file's name: the event's type, and its data."""


def event(kind: str) -> Headers:
    """The headers of a command event in binary mode."""
    return (
        ("ce_specversion", b"1.0"),
        ("ce_id", b"order-4711"),
        ("ce_source", b"/orders"),
        ("ce_type", kind.encode()),
        ("content-type", b"application/json"),
    )
