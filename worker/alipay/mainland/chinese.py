"""The mainland's tables in Chinese, for the policy page: of each code, what it means and what a person does.

By the same codes as the tables of `codes`, and one table for each of those.
"""

from collections.abc import Mapping
from typing import Final

Texts = tuple[str, str]

_WAIT: Final = "等待"
_REPORT: Final = "请报告：本程序的版本过旧"
_OUR_FAULT: Final = "请报告：这是本程序的错误"
_RENEW: Final = "请商户重新授权应用，并将新的 app_auth_token 写入对应文件"
_NO_ENCRYPTION: Final = "在支付宝开放平台关闭该应用的内容加密"
_CERTIFICATES: Final = "配置证书模式，或在支付宝开放平台移除该应用的证书"
_UPLOAD: Final = "上传应用公钥或应用证书"
_CONTACT: Final = "联系支付宝客服，之后用原退款请求号重新发起"
_CONTACT_OR_OFFLINE: Final = f"{_CONTACT}；或线下退款"
_OFFLINE: Final = "线下退款"
_ADD_PRODUCT: Final = "为应用添加退款产品"
_SIGN_UP: Final = "请商户签约该产品"

_SLOW: Final[Mapping[str, Texts]] = {
    "app-call-limited": ("该应用调用过于频繁", _WAIT),
    "method-call-limited": ("该接口调用过于频繁", _WAIT),
}
_CREDENTIAL: Final[Mapping[str, Texts]] = {
    "invalid-auth-token": ("授权令牌无效", _RENEW),
    "auth-token-time-out": ("授权令牌已过期", _RENEW),
    "invalid-app-auth-token": ("应用授权令牌无效", _RENEW),
    "invalid-app-auth-token-no-api": ("应用授权令牌未包含退款接口的权限", _RENEW),
    "app-auth-token-time-out": ("应用授权令牌已过期", _RENEW),
    "no-product-reg-by-partner": ("商户未签约该产品", _SIGN_UP),
    "missing-method": ("缺少参数 method", _REPORT),
    "missing-signature": ("缺少参数 sign", _REPORT),
    "missing-signature-type": ("缺少参数 sign_type", _REPORT),
    "missing-signature-key": ("支付宝没有该应用的密钥", _UPLOAD),
    "missing-app-id": ("缺少参数 app_id", "检查 app_id"),
    "missing-timestamp": ("缺少参数 timestamp", _REPORT),
    "missing-version": ("缺少参数 version", _REPORT),
    "decryption-error-missing-encrypt-type": ("该应用要求请求内容加密", _NO_ENCRYPTION),
    "missing-app-cert-sn": ("该应用为证书模式", _CERTIFICATES),
    "missing-alipay-root-cert-sn": ("该应用为证书模式", _CERTIFICATES),
    "invalid-method": ("接口名不存在", _REPORT),
    "invalid-format": ("数据格式无效", _REPORT),
    "invalid-signature-type": ("签名类型与应用设置不符", "将应用的密钥类型设为 RSA2"),
    "invalid-signature": ("签名与已上传的公钥不符", "上传当前所用密钥的公钥，并检查密钥所属的环境"),
    "invalid-app-id": ("app_id 不存在", "检查 app_id 及其所属的环境"),
    "invalid-timestamp": ("请求时间偏差过大", "检查本机时钟"),
    "invalid-charset": ("字符集无效", _REPORT),
    "invalid-encrypt": ("加密内容无效", _NO_ENCRYPTION),
    "invalid-encrypt-type": ("加密类型无效", _NO_ENCRYPTION),
    "invalid-digest": ("摘要无效", "检查是否有代理改写请求"),
    "invalid-token": ("令牌无效", _RENEW),
    "forbidden-api": ("该应用无权调用此接口", _ADD_PRODUCT),
    "not-support-app-auth": ("该应用不支持代商户调用", "移除商户令牌的配置"),
    "decryption-error-not-valid-encrypt-type": ("加密类型无效", _NO_ENCRYPTION),
    "decryption-error-not-valid-encrypt-key": ("加密密钥无效", _NO_ENCRYPTION),
    "decryption-error-unknown": ("请求内容解密失败", _NO_ENCRYPTION),
    "app-cert-expired": ("应用证书已过期", "在支付宝开放平台更新证书，再更新本地文件"),
    "not-online-app": ("应用未上线", "在支付宝开放平台将应用上线"),
    "invalid-auth-relations": ("商户未授权该应用", _RENEW),
    "missing-signature-config": ("支付宝没有该应用的密钥", _UPLOAD),
    "unsupported-sdk-version": ("支付宝要求更新的版本", _REPORT),
    "insufficient-isv-permissions": ("应用权限不足", _ADD_PRODUCT),
    "insufficient-user-permissions": ("商户权限不足", _SIGN_UP),
    "self-invoke-forbidden": ("该应用不能为自身调用", "配置商户令牌"),
    "ip-forbidden": ("本机 IP 不在白名单内", "将本机 IP 加入应用的白名单"),
    "ACCESS_FORBIDDEN": ("应用无权使用该产品", _ADD_PRODUCT),
    "PARTNER_ERROR": ("应用与商户不匹配", "检查 app_id 是否属于该商户"),
    "MERCHANT_AGREEMENT_NOT_EXIST": ("商户没有签约", _SIGN_UP),
}

CHINESE: Final[Mapping[str, Texts]] = {
    "10000": ("fund_change 为 Y 时退款成功，否则仅表示已受理", "无需处理"),
    "unknow-error": ("结果未知", _WAIT),
    "SYSTEM_ERROR": ("支付宝系统错误，资金可能已退", _WAIT),
    "REFUND_CHARGE_ERROR": ("退收费异常，稍后再试", _WAIT),
    **_SLOW,
    **_CREDENTIAL,
    "SELLER_BALANCE_NOT_ENOUGH": ("卖家余额不足", "为卖家账户充值；如退款已挂起，再用原退款请求号重新发起"),
    "DISCORDANT_REPEAT_REQUEST": ("该退款请求号已有一笔金额不同的退款", "查明之前的退款，切勿盲目重新发起"),
    "TRADE_HAS_CLOSE": ("交易已关闭：未付款，或已全额退款", "查明买家是否已收到退款"),
    "REASON_TRADE_REFUND_FEE_ERR": (
        "累计退款金额超过交易金额",
        "查明之前的退款，再以不超过剩余可退金额的金额新建退款",
    ),
    "REFUND_AMT_NOT_EQUAL_TOTAL": (
        "退款金额超过交易金额，或部分退款未传退款请求号",
        "查明之前的退款；部分退款需要独立的退款请求号",
    ),
    "REFUND_FEE_ERROR": ("退款金额错误", "查明之前的退款，再以正确的金额新建退款"),
    "NOT_ALLOW_PARTIAL_REFUND": ("不支持部分退款", "用新的退款请求号全额退款，或线下退款"),
    "TRADE_STATUS_ERROR": ("交易状态不允许退款", "确认交易已付款，再用原退款请求号重新发起"),
    "REASON_TRADE_STATUS_INVALID": ("交易状态异常", "查询交易；如已付款，联系支付宝客服"),
    "TRADE_NOT_ALLOW_REFUND": ("该交易不允许退款", "检查交易状态和合同"),
    "TRADE_HAS_FINISHED": ("已超过合同约定的退款期限", _OFFLINE),
    "ONLINE_TRADE_VOUCHER_NOT_ALLOW_REFUND": ("使用该券的交易不能退款", _OFFLINE),
    "BUYER_NOT_EXIST": ("买家账户已注销", _OFFLINE),
    "REASON_TRADE_BEEN_FREEZEN": ("交易已被冻结", _CONTACT),
    "BUYER_ERROR": ("买家账户异常", _CONTACT_OR_OFFLINE),
    "BUYER_ENABLE_STATUS_FORBID": ("买家账户状态受限", _CONTACT_OR_OFFLINE),
    "CUSTOMER_VALIDATE_ERROR": (
        "账户已注销或被冻结",
        "已注销：线下退款；被冻结：联系支付宝客服，之后用原退款请求号重新发起",
    ),
    "USER_NOT_MATCH_ERR": ("交易用户不匹配", _CONTACT),
    "ENTERPRISE_PAY_BIZ_ERROR": ("企业支付业务拒绝退款", _CONTACT),
    "TRADE_SETTLE_ERROR": (
        "交易结算业务拒绝退款",
        "检查交易的结算信息，或联系支付宝客服；之后用原退款请求号重新发起",
    ),
    "ALLOC_AMOUNT_VALIDATE_ERROR": ("退分账金额超限", "降低分账金额，再用原退款请求号重新发起"),
    "REFUNDALLOC_UNAUTH_LIMIT": ("收款方未授权退分账", "请收款方授权，再用原退款请求号重新发起"),
    "REFUND_ROYALTY_PAYEE_ACCOUNT_NOT_EXIST": (
        "分账收款方不存在",
        "更正收款方账户，再用原退款请求号重新发起",
    ),
    "REFUND_ACCOUNT_NOT_EXIST": ("退款出资账户不存在", "更正出资账户，再用原退款请求号重新发起"),
    "OVERDRAFT_AGREEMENT_NOT_MATCH": ("垫资退款协议不匹配", "更正协议，再用原退款请求号重新发起"),
    "OVERDRAFT_ASSIGN_ACCOUNT_INVALID": ("垫资账户无效", "更正垫资账户，再用原退款请求号重新发起"),
    "TRADE_NOT_EXIST": ("交易不存在", "检查交易号，以及交易是否属于该环境"),
    "CURRENCY_NOT_SUPPORT": ("币种不支持", "使用交易的币种"),
    "INVALID_PARAMETER": ("字段缺失或格式错误", "更正返回信息中指出的字段，退款请求号不变"),
    "invalid-parameter": ("参数缺失或格式错误", "更正返回信息中指出的字段，退款请求号不变"),
    "illegal-json": ("biz_content 不是支付宝能读取的 JSON", _OUR_FAULT),
    "suspected-attack": ("内容疑似攻击", "检查退款原因中是否有标记语言，退款请求号不变"),
}

INQUIRY_CHINESE: Final[Mapping[str, Texts]] = {
    "10000": ("查询成功，结果见 refund_status", "无需处理"),
    "NO_REFUND_STATUS": ("返回 10000 而没有 refund_status：没有该退款请求号的退款", _WAIT),
    "unknow-error": ("查询失败", _WAIT),
    "SYSTEM_ERROR": ("查询失败", _WAIT),
    **_SLOW,
    **_CREDENTIAL,
    "TRADE_NOT_EXIST": ("交易不存在", "检查交易号和环境"),
    "INVALID_PARAMETER": ("查询的字段格式错误", _OUR_FAULT),
    "invalid-parameter": ("查询的参数格式错误", _OUR_FAULT),
    "illegal-json": ("biz_content 不是支付宝能读取的 JSON", _OUR_FAULT),
    "suspected-attack": ("内容疑似攻击", "检查交易号"),
}

_UNLISTED: Final = "支付宝文档中没有"
_ASK_SUPPORT: Final = "向支付宝客服询问其含义"
_UNLISTED_CREDENTIAL: Final[Mapping[str, Texts]] = {
    "20001": ("商户的令牌被拒绝", "更新 app_auth_token"),
    "40001": ("缺少公共参数", _ASK_SUPPORT),
    "40003": ("缺少权限", _ASK_SUPPORT),
    "40005": ("调用过于频繁", _WAIT),
    "40006": ("缺少权限", _ASK_SUPPORT),
}
UNLISTED_CHINESE: Final[Mapping[str, Texts]] = {
    **_UNLISTED_CREDENTIAL,
    "10000": (_UNLISTED, _WAIT),
    "20000": (_UNLISTED, _WAIT),
    "40002": (_UNLISTED, _ASK_SUPPORT),
    "40004": (_UNLISTED, _ASK_SUPPORT),
    "": (_UNLISTED, _WAIT),
}
UNLISTED_INQUIRY_CHINESE: Final[Mapping[str, Texts]] = {**_UNLISTED_CREDENTIAL, "": (_UNLISTED, _WAIT)}
