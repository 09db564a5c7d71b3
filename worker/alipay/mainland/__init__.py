"""The mainland's OpenAPI: alipay.trade.refund and alipay.trade.fastpay.refund.query, over its v2 gateway or v3 REST."""
