"""Writes the JSON Schemas of Strimzi's kinds, as Strimzi's own program makes them. See `make deploy-env`.

python -m tests.deploy.strimzi_kinds FOLDER
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from worker.demo import artifacts

RECIPE: Final = Path(__file__).parent / "strimzi"
JAVA_MIN: Final = 21
"""What Strimzi 1.2 is compiled for."""

KINDS: Final = {
    "KafkaTopic": "io.strimzi.api.kafka.model.topic.KafkaTopic",
    "KafkaUser": "io.strimzi.api.kafka.model.user.KafkaUser",
}


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        jars, made = Path(scratch) / "jars", Path(scratch) / "made"
        goal = [artifacts.maven(), "-B", "-q", "-C", "-f", str(RECIPE / "pom.xml")]
        subprocess.run([*goal, "dependency:copy-dependencies", f"-DoutputDirectory={jars}"], check=True)
        classpath = os.pathsep.join(map(str, artifacts.check(jars, RECIPE / "jars.sha256")))
        made.mkdir()
        wanted = [f"{name}={made / name}" for name in KINDS.values()]
        program = [str(java()), "-cp", classpath, "io.strimzi.crdgenerator.CrdGenerator"]
        subprocess.run([*program, *wanted], check=True)
        for kind, name in KINDS.items():
            definition = json.loads((made / name).read_bytes())["spec"]
            for version in definition["versions"]:
                file = folder / f"{definition['group']}_{version['name']}_{kind}.json"
                file.write_text(json.dumps(version["schema"]["openAPIV3Schema"]))


def java() -> Path:
    machines = artifacts.jdk()
    return machines if artifacts.java_version(machines) >= JAVA_MIN else artifacts.wheel_jdk()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
