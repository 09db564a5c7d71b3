"""The rights of each Kafka user, as deploy/kubernetes says them, given to users of a test's broker."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml
from aiokafka.client import AIOKafkaClient
from aiokafka.protocol.admin import CreateAclsRequest

MANIFEST: Final = Path(__file__).parents[2] / "deploy/kubernetes/components/strimzi/users.yaml"

# Kafka's numbers (org.apache.kafka.common.resource, .acl).
RESOURCES: Final = {"topic": 2, "group": 3, "cluster": 4, "transactionalId": 5}
PATTERNS: Final = {"literal": 3, "prefix": 4}
OPERATIONS: Final = {
    "Read": 3, "Write": 4, "Create": 5, "Alter": 7, "Describe": 8, "DescribeConfigs": 10, "IdempotentWrite": 12,
}  # fmt: skip
ALLOW: Final = 3
CLUSTER: Final = "kafka-cluster"


@dataclass(frozen=True, slots=True)
class Right:
    """`name` may be the beginning of names, if `pattern` is "prefix"."""

    resource: str
    name: str
    pattern: str
    operation: str

    def covers(self, resource: str, name: str) -> bool:
        """Whether it is about this one."""
        same = name.startswith(self.name) if self.pattern == "prefix" else name == self.name
        return self.resource == resource and same

    def under(self, prefix: str) -> "Right":
        """The same for a test's topics and group, which have a prefix."""
        name = self.name.replace("refund-worker", f"{prefix}group").replace("refund.", prefix)
        if self.resource == "group" and not name.startswith(prefix):
            name = f"{prefix}{name}"
        return Right(
            self.resource, CLUSTER if self.resource == "cluster" else name, self.pattern, self.operation
        )


def manifest_rights() -> Mapping[str, Sequence[Right]]:
    """By user."""
    users = [one for one in yaml.safe_load_all(MANIFEST.read_text()) if one["kind"] == "KafkaUser"]
    return {user["metadata"]["name"]: tuple(_rights(user)) for user in users}


def _rights(user: Mapping[str, Any]) -> Iterator[Right]:
    for acl in user["spec"]["authorization"]["acls"]:
        about = acl["resource"]
        for operation in acl["operations"]:
            yield Right(about["type"], about.get("name", ""), about.get("patternType", "literal"), operation)


async def give(bootstrap_servers: str, prefix: str) -> None:
    """Every user's rights, for the topics and the group of a test; the caller is the super user."""
    client = AIOKafkaClient(bootstrap_servers=bootstrap_servers)
    await client.bootstrap()
    try:
        node = client.get_random_node()
        for user, rights in manifest_rights().items():
            for right in (one.under(prefix) for one in rights):
                answer: Any = await client.send(
                    node,
                    CreateAclsRequest(
                        RESOURCES[right.resource], right.name, PATTERNS[right.pattern], f"User:{user}", "*",
                        OPERATIONS[right.operation], ALLOW,
                    ),
                )  # fmt: skip
                assert answer.to_object()["creation_responses"][0]["error_code"] == 0, (user, right, answer)
    finally:
        await client.close()
