"""What both of the mainland's interfaces ask of an app's settings."""

from collections.abc import Mapping

from worker.alipay.mainland.certificates import Certificates


def check_credentials(account: str, environment: str, tokens: Mapping[str, str]) -> None:
    """Raise ValueError unless they can be sent: what is wrong, what was expected."""
    if environment not in ("production", "sandbox"):
        raise ValueError(f"environment: {environment!r}; expected 'production' or 'sandbox'")
    if not account.isascii() or not account.isalnum() or len(account) > 32:
        raise ValueError(
            f"app_id: {account[:64]!r}; expected up to 32 digits; copy it from Alipay's dashboard"
        )
    if any(not token.isascii() or not token.isprintable() for token in tokens.values()):
        raise ValueError("app_auth_token: has characters that no token has; copy it again")


def trusted_sn(certificates: Certificates | None, cert_sn: str | None) -> bool:
    """Whether the certificate that an answer names, None if it names none, is one of Alipay's.

    The name itself is not signed, and the signature is checked against the configured certificates in any case: the
    sandbox leaves it out, and that is as good. Another one means a certificate that is not configured.
    """
    return certificates is None or cert_sn is None or cert_sn in certificates.alipay_cert_sns
