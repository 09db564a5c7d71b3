"""The mainland's codes that say that *we* are wrong: key, app, permission, token. The same for every method.

Source: Alipay's "public error codes" (opendocs.alipay.com, common/02km9f), and the pages of sibling methods.
"""

from collections.abc import Mapping
from typing import Final

from worker.alipay.codes import Row
from worker.refunds.reply import Misconfigured, NextAction


def misconfigured(
    status: str, meaning: str, what_to_do: str, *, credential: bool = True, merchant: bool = False
) -> Row:
    """A row that halts. `credential`: believed even unsigned. `merchant`: only that merchant's refunds wait."""
    return Row(
        status,
        Misconfigured,
        meaning,
        what_to_do,
        NextAction.CONTACT_PROVIDER,
        credential=credential,
        merchant=merchant,
    )


_REPORT: Final = "Report it: this program is out of date"
_RENEW: Final = "Have the merchant authorise the app again; put the new app_auth_token into its file"
_NO_ENCRYPTION: Final = "Turn encryption off for this app in Alipay's dashboard"
_CERTIFICATES: Final = "Configure certificate mode, or remove the app's certificates in Alipay's dashboard"

_TOKENS: Final = {
    "invalid-auth-token": ("The authorisation token is invalid", _RENEW),
    "auth-token-time-out": ("The authorisation token has expired", _RENEW),
    "invalid-app-auth-token": ("The app_auth_token is invalid", _RENEW),
    "invalid-app-auth-token-no-api": ("The app_auth_token does not cover refunds", _RENEW),
    "app-auth-token-time-out": ("The app_auth_token has expired", _RENEW),
    "no-product-reg-by-partner": (
        "The merchant has not signed up for the product",
        "Have the merchant sign up",
    ),
}
_MISSING: Final = {
    "missing-method": ("Parameter method is missing", _REPORT),
    "missing-signature": ("Parameter sign is missing", _REPORT),
    "missing-signature-type": ("Parameter sign_type is missing", _REPORT),
    "missing-signature-key": ("Alipay has no key for this app", "Upload the app's public key or certificate"),
    "missing-app-id": ("Parameter app_id is missing", "Check app_id"),
    "missing-timestamp": ("Parameter timestamp is missing", _REPORT),
    "missing-version": ("Parameter version is missing", _REPORT),
    "decryption-error-missing-encrypt-type": ("The app expects encrypted requests", _NO_ENCRYPTION),
    "missing-app-cert-sn": ("The app is in certificate mode", _CERTIFICATES),
    "missing-alipay-root-cert-sn": ("The app is in certificate mode", _CERTIFICATES),
}
_INVALID: Final = {
    "invalid-method": ("The method is unknown", _REPORT),
    "invalid-format": ("The format is unknown", _REPORT),
    "invalid-signature-type": ("The app expects another sign_type", "Set the app's key type to RSA2"),
    "invalid-signature": (
        "The signature does not match the uploaded key",
        "Upload the public key of the key in use; check that the environment is the key's",
    ),
    "invalid-app-id": ("The app_id is unknown", "Check app_id and its environment"),
    "invalid-timestamp": ("The time is too far off", "Check the machine's clock"),
    "invalid-charset": ("The charset is unknown", _REPORT),
    "invalid-encrypt": ("The encryption is wrong", _NO_ENCRYPTION),
    "invalid-encrypt-type": ("The encryption's type is wrong", _NO_ENCRYPTION),
    "invalid-digest": ("The digest is wrong", "Check for a proxy that rewrites requests"),
    "invalid-token": ("The token is invalid", _RENEW),
    "forbidden-api": ("The app may not call this method", "Have the refund product added to the app"),
    "not-support-app-auth": ("The app may not call for other merchants", "Remove the merchants' tokens"),
    "decryption-error-not-valid-encrypt-type": ("The encryption's type is wrong", _NO_ENCRYPTION),
    "decryption-error-not-valid-encrypt-key": ("The encryption's key is wrong", _NO_ENCRYPTION),
    "decryption-error-unknown": ("The request could not be decrypted", _NO_ENCRYPTION),
    "app-cert-expired": ("The app's certificate has expired", "Renew it in Alipay's dashboard, then here"),
    "not-online-app": ("The app is not online", "Put the app online in Alipay's dashboard"),
}
_PERMISSIONS: Final = {
    "insufficient-isv-permissions": ("The app lacks the permission", "Have the refund product added to it"),
    "insufficient-user-permissions": (
        "The merchant lacks the permission",
        "Have the merchant sign up for the product",
    ),
    "self-invoke-forbidden": ("The app may not call for itself", "Configure the merchants' tokens"),
    "ip-forbidden": ("This machine's address is not allowed", "Add it to the app's list of addresses"),
}

CREDENTIAL_CODES: Final[Mapping[str, Row]] = {
    **{code: misconfigured("20001", *texts, merchant=True) for code, texts in _TOKENS.items()},
    **{code: misconfigured("40001", *texts) for code, texts in _MISSING.items()},
    **{code: misconfigured("40002", *texts) for code, texts in _INVALID.items()},
    "invalid-auth-relations": misconfigured(
        "40003", "The merchant has not authorised the app", _RENEW, merchant=True
    ),
    "missing-signature-config": misconfigured(
        "40003", "Alipay has no key for this app", "Upload the app's public key or certificate"
    ),
    "unsupported-sdk-version": misconfigured("40004", "Alipay expects something newer", _REPORT),
    **{code: misconfigured("40006", *texts) for code, texts in _PERMISSIONS.items()},
}

# Business answers, which Alipay signs: unsigned, nothing tells them from a stranger's.
AGREEMENT_CODES: Final[Mapping[str, Row]] = {
    "ACCESS_FORBIDDEN": misconfigured(
        "40004", "The app may not use this product", "Have the refund product added to it", credential=False
    ),
    "PARTNER_ERROR": misconfigured(
        "40004", "The app's partner is wrong", "Check that app_id is the merchant's", credential=False
    ),
    "MERCHANT_AGREEMENT_NOT_EXIST": misconfigured(
        "40004",
        "The merchant has no contract",
        "Have the merchant sign up for the product",
        credential=False,
        merchant=True,
    ),
}
