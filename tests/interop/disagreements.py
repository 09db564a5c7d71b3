"""Where the SDKs and the worker do not agree, and who is right; each row is shown by cells of the tables, or by a test.

In the tables Alipay's key has signed the bytes, or it has not; what the bytes should have been is said by a vector
where there is one, else by the documents, else by nobody.
"""

from dataclasses import dataclass
from typing import Final

OURS: Final = "the worker"
OPEN: Final = "open: no vector decides it"


@dataclass(frozen=True, slots=True)
class Disagreement:
    """`cells`: ``sample/peer`` of the tables that show it. `test`: the name of one that does."""

    about: str
    whose: str
    they: str
    we: str
    right: str
    cells: tuple[str, ...] = ()
    test: str = ""


def _cells(samples: str, peers: str) -> tuple[str, ...]:
    return tuple(f"{sample}/{peer}" for sample in samples.split() for peer in peers.split())


DISAGREEMENTS: Final = (
    Disagreement(
        "a brace in a text of an answer",
        "python-alipay-sdk",
        "counts braces without looking for quotes, and raises `AliPayValidationError` for a refund that was done",
        "cuts out the node with strings and escapes in mind",
        f"{OURS}, by the documents: the signature is over the node as it came",
        _cells("opening closing", "python-alipay-sdk"),
    ),
    Disagreement(
        "an answer in GBK",
        "alipay-sdk-python, python-alipay-sdk, npm (v2, v3)",
        "decode it as UTF-8 first: an exception, or another text than the signed one",
        "verifies the bytes, then decodes them",
        f"{OURS}, by the documents: bytes are signed, in the charset that they are sent in",
        (*_cells("gbk", "alipay-sdk-python python-alipay-sdk npm-v2"), "v3-gbk/npm-v3"),
    ),
    Disagreement(
        "`sign` before what it signs",
        "alipay-sdk-python, npm (v2)",
        "expect the node first",
        "takes them in any order",
        f"{OURS}: an object of JSON has no order (RFC 8259); Alipay has not been seen to do it",
        _cells("sign-first", "alipay-sdk-python npm-v2"),
    ),
    Disagreement(
        "certificate mode",
        "alipay-sdk-python",
        "has none: an answer with `alipay_cert_sn` in it is an illegal shape",
        "has it, as python-alipay-sdk and npm",
        f"{OURS}, by the documents: they have the mode",
        _cells("between", "alipay-sdk-python"),
    ),
    Disagreement(
        "a signed `error_response`",
        "npm (v2)",
        "looks for the method's own node, and verifies something else",
        "verifies the node that came",
        f"{OURS}, by the documents: it stands in the place of the node",
        _cells("error-node", "npm-v2"),
    ),
    Disagreement(
        "whether v2's answers are verified",
        "npm (v2)",
        "only with `validateSign`, which is not the default",
        "always",
        f"{OURS}, by the documents, and by the negative vectors",
        _cells("altered stranger unsigned unsigned-error unsigned-failure", "npm-v2-default"),
    ),
    Disagreement(
        "codes in unsigned answers, v2",
        "python-alipay-sdk",
        "raises them with the same exception as signed ones, even 10000",
        "hears credential codes as a reason to halt, everything else as no answer",
        "a choice: Alipay leaves its gateway's errors unsigned, and anybody may write one; the worker is the stricter",
        _cells("unsigned unsigned-error unsigned-failure", "python-alipay-sdk"),
    ),
    Disagreement(
        "codes in unsigned answers, v3",
        "npm (v3)",
        "raises the code of any status from 400 on and never looks at the signature, not even at a wrong one",
        "asks before it believes a refusal; a wrong signature is no answer",
        f"a choice, as above, where there is no signature; {OURS} where there is a wrong one",
        _cells("v3-unsigned-error v3-false-error", "npm-v3"),
    ),
    Disagreement(
        "an empty signature on a success",
        "global-open-sdk-python (old)",
        "gives the body out unverified",
        "refuses it",
        f"{OURS}, and the new version, which refuses it too",
        _cells("ams-empty-S", "global-open-sdk-python-old"),
    ),
    Disagreement(
        "an empty signature on a failure",
        "global-open-sdk-python (both)",
        "gives the body out: F and U are taken unsigned",
        "refuses it, and asks",
        "a choice: Alipay means it so, for errors of its gateway; but a forged F would have a refund paid again by "
        "other means. Without the headers both versions refuse",
        _cells("ams-empty-F", "global-open-sdk-python global-open-sdk-python-old"),
    ),
    Disagreement(
        "headers' names in capitals",
        "global-open-sdk-python (both)",
        "look for `signature` in small letters only, and miss it",
        "reads either",
        f"{OURS}: names of headers have no case (RFC 9110, 5.1)",
        _cells("capitals", "global-open-sdk-python global-open-sdk-python-old"),
    ),
    Disagreement(
        "`%` in a notification",
        "npm (`checkNotifySign`)",
        "decodes values that are decoded already, and raises; `checkNotifySignV2` does not",
        "decodes once",
        f"{OURS}, by the vector",
        _cells("v2-notify-1-partial-refund", "npm-v1"),
    ),
    Disagreement(
        "a notification in GBK",
        "all of the mainland's",
        "encode the values in UTF-8 before they verify",
        "verifies the form's own bytes",
        f"{OURS}, by the documents: as above",
        _cells("gbk-form", "alipay-sdk-python python-alipay-sdk npm-v2 npm-v1"),
    ),
    Disagreement(
        "`sign_type` in messages of the app's gateway",
        "python-alipay-sdk, alipay-sdk-python's parts",
        "leave it out, as for a trade's notification",
        "tries with and without, as npm",
        f"{OURS}: seen in real ones; a message verifies only with it, a notification (and the vector) only without",
        _cells("message", "alipay-sdk-python python-alipay-sdk"),
    ),
    Disagreement(
        "an unsigned `alipay_cert_sn` in a notification",
        "all of the mainland's",
        "sign over it",
        "tries both",
        OPEN,
        _cells("certificate", "alipay-sdk-python python-alipay-sdk npm-v2 npm-v1"),
    ),
    Disagreement(
        "an unsigned empty value in a notification",
        "all of the mainland's",
        "sign over it",
        "tries both",
        OPEN,
        _cells("empty-unsigned", "alipay-sdk-python python-alipay-sdk npm-v2 npm-v1"),
    ),
    Disagreement(
        "`timestamp` of v2",
        "alipay-sdk-python, python-alipay-sdk, npm (v2)",
        "the machine's local time: outside China the call is refused with `isv.invalid-timestamp`",
        "Beijing's, wherever it runs",
        f"{OURS}, by the documents and the vectors",
        test="test_local_time_is_refused_and_beijings_is_not",
    ),
    Disagreement(
        "a private key as PKCS#8",
        "alipay-sdk-python",
        "only PKCS#1 can be read; the other is a `TypeError`",
        "reads both",
        f"{OURS}: Alipay's own tools hand out both, and the vectors have both",
        test="test_a_key_is_readable_in_either_form",
    ),
    Disagreement(
        "a parameter without a value",
        "alipay-sdk-python, python-alipay-sdk, npm (v2)",
        "sign it; the gateway does not, and answers `isv.invalid-signature`",
        "neither sends nor signs one",
        f"{OURS}, by the documents: empty values are no part of the string to sign",
        test="test_an_empty_parameter_is_signed_by_them_only",
    ),
    Disagreement(
        "the method of HTTP, v2",
        "python-alipay-sdk",
        "GETs, with all parameters in the URL",
        "POSTs a form",
        "both, it seems: the documents have a POST, the SDK is in wide use, and the simulator takes either",
        test="test_one_sdk_gets_where_the_documents_post",
    ),
)
