"""What one signature and one verification cost on this machine, now."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from worker.alipay.keys import load_private_key
from worker.alipay.signing import Signer, Verifier

SIGNATURES: Final = 100
VERIFICATIONS: Final = 1_000
CONTENT: Final = b"POST /ams/api/v1/payments/refund\nC1.1780000000000." + b"x" * 180


@dataclass(frozen=True, slots=True)
class Cost:
    """CPU seconds of one RSA-2048 signature (SHA256withRSA, in base64), and of one verification."""

    signature_s: float
    verification_s: float


def cost(key_file: Path) -> Cost:
    """Measured for about a tenth of a second, with the worker's own signer."""
    signer = Signer(load_private_key(key_file.read_bytes()))
    verifier = Verifier((signer.key.public_key(),))
    signature = signer.sign(CONTENT)
    return Cost(
        _each(SIGNATURES, lambda: signer.sign(CONTENT)),
        _each(VERIFICATIONS, lambda: verifier.verify(CONTENT, signature)),
    )


def _each(times: int, work: Callable[[], object]) -> float:
    began = time.process_time()
    for _ in range(times):
        work()
    return (time.process_time() - began) / times


def processor() -> str:
    """The CPU's name, and whether it has the instructions that make RSA three times as fast."""
    lines = (line.partition(":") for line in Path("/proc/cpuinfo").read_text().splitlines())
    fields = {name.strip(): value.strip() for name, _, value in lines}
    ifma = "with" if "avx512ifma" in fields.get("flags", "").split() else "without"
    return f"{fields.get('model name', 'unknown')}, {ifma} AVX-512 IFMA"
