"""The accounts and the vectors' keys, in the forms in which SDKs want them."""

import json
from pathlib import Path
from typing import Any, Final

ALIPAY_TESTS: Final = Path(__file__).parents[1] / "alipay"
AMS_VECTORS: Final[dict[str, Any]] = json.loads((ALIPAY_TESTS / "vectors.json").read_bytes())
MAINLAND_VECTORS: Final[dict[str, Any]] = json.loads(
    (ALIPAY_TESTS / "mainland" / "vectors.json").read_bytes()
)
KEYS: Final[dict[str, dict[str, str]]] = AMS_VECTORS["keys"]
VECTORS: Final[dict[str, dict[str, Any]]] = {
    vector["id"]: vector for vector in AMS_VECTORS["vectors"] + MAINLAND_VECTORS["vectors"]
}
NEGATIVE: Final[dict[str, dict[str, Any]]] = {
    vector["id"]: vector for vector in AMS_VECTORS["negative"] + MAINLAND_VECTORS["negative"]
}
MERCHANT_PRIVATE: Final = KEYS["merchant"]["private_pkcs1_der_b64"]
MERCHANT_PUBLIC: Final = KEYS["merchant"]["public_spki_der_b64"]
ALIPAY_PUBLIC: Final = KEYS["alipay_simulated"]["public_spki_der_b64"]

CLIENT_ID: Final = "TEST_5X00000000000001"
SANDBOX_CLIENT_ID: Final = "SANDBOX_5X00000000000001"
APP_ID: Final = "2021000000000001"
CERTIFIED_APP_ID: Final = "2021000000000002"
TOKEN: Final = "202611BBtesttoken000000000000000000000X01"
