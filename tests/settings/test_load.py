import contextlib
from pathlib import Path

import pytest
from pydantic import ValidationError

from tests.settings.files import MINIMAL, problems, written
from worker.refunds.backoff import Backoff
from worker.refunds.policy import Terms
from worker.settings import GlobalSettings, Problem, SettingsWrong, load, parse
from worker.settings.sources import FILE_SIZE_MAX, LINE_SIZE_MAX
from worker.stream.limits import Limits


def test_a_minimal_file_is_enough(tmp_path: Path) -> None:
    settings = load(written(tmp_path), {})
    assert settings.kafka.group_id == "refund-worker"
    assert settings.topics.dead_letters == "refund.commands.dlt"
    assert settings.channels["local"].environment == "production"


def test_defaults_of_limits_and_terms_are_those_of_the_code_that_uses_them(tmp_path: Path) -> None:
    settings = load(written(tmp_path), {})
    assert {name: getattr(settings.stream, name) for name in Limits.__dataclass_fields__} == {
        name: getattr(Limits(), name) for name in Limits.__dataclass_fields__
    }
    assert settings.channels["local"].terms == Terms(asynchronous=False)


def test_a_channels_numbers_become_its_terms(tmp_path: Path) -> None:
    more = "quiet_s = 80\nabsences_needed = 4\nbackoff_floor_s = 1\nbackoff_base_s = 2\nbackoff_cap_s = 3\n"
    text = MINIMAL.replace('"synchronous"', '"asynchronous"')
    terms = load(written(tmp_path, more, text), {}).channels["local"].terms
    assert terms == Terms(asynchronous=True, quiet_s=80, absences_needed=4, backoff=Backoff(1, 2, 3))


def test_a_variable_wins_over_the_file_with_the_type_of_its_setting(tmp_path: Path) -> None:
    environ = {
        "WORKER_STREAM__OPEN_MAX": "7",
        "WORKER_KAFKA__GROUP_ID": "4711",
        "WORKER_STREAM__LEASE_S": "2.5",
        "WORKER_CHANNELS__LOCAL__KEY_VERSION": "3",
        "WORKER_CHANNELS__LOCAL__CURRENCIES": '["USD"]',
        "WORKER_SOURCE": "/test",
    }
    settings = load(written(tmp_path, "\n[stream]\nopen_max = 5\n"), environ)
    assert (settings.stream.open_max, settings.stream.lease_s) == (7, 2.5)
    assert settings.kafka.group_id == "4711"
    channel = settings.channels["local"]
    assert isinstance(channel, GlobalSettings)
    assert (channel.key_version, channel.currencies) == (3, ("USD",))
    assert settings.source == "/test"


def test_the_variables_alone_are_enough(tmp_path: Path) -> None:
    written(tmp_path)
    channel = {
        "TYPE": "global",
        "CLIENT_ID": "SANDBOX_1",
        "BASE_URL": "https://alipay.example",
        "REFUNDS": "asynchronous",
        "PRIVATE_KEY_FILE": str(tmp_path / "private.pem"),
        "ALIPAY_PUBLIC_KEY_FILES": f'["{tmp_path}/alipay.pem"]',
    }
    environ = {f"WORKER_CHANNELS__CN__{name}": value for name, value in channel.items()}
    environ |= {"KAFKA_BOOTSTRAP_SERVERS": "kafka:9092", "WORKER_CONFIG": str(tmp_path / "empty.toml")}
    (tmp_path / "empty.toml").touch()
    settings = load(None, environ)
    assert settings.kafka.bootstrap_servers == "kafka:9092"
    assert settings.channels["cn"].environment == "sandbox"


def test_kafka_bootstrap_servers_wins_over_the_file_and_its_own_variable_over_that(tmp_path: Path) -> None:
    file = written(tmp_path)
    short = {"KAFKA_BOOTSTRAP_SERVERS": "a:1"}
    assert load(file, short).kafka.bootstrap_servers == "a:1"
    full = short | {"WORKER_KAFKA__BOOTSTRAP_SERVERS": "b:2"}
    assert load(file, full).kafka.bootstrap_servers == "b:2"


def test_all_problems_are_said_at_once_each_with_its_place_and_cure(tmp_path: Path) -> None:
    more = 'refund = "x"\n\n[stream]\nopen_maxx = 1\nlease_s = "5"\n\n[nothing]\n'
    text = MINIMAL.replace('client_id = "PRODUCTION_1"\n', "")
    found = {str(problem) for problem in problems(written(tmp_path, more, text))}
    assert found == {
        (
            "worker.toml: channels.local.client_id: missing; expected the client id from Alipay's dashboard, for "
            'example client_id = "5J5YHH2Z4W2K00001"'
        ),
        "worker.toml: channels.local.refund: no such setting; did you mean refunds?",
        "worker.toml: stream.open_maxx: no such setting; did you mean open_max?",
        "worker.toml: stream.lease_s: '5' is wrong: a number without quotes was expected",
        "worker.toml: nothing: no such setting; remove it",
    }


def test_a_problem_of_a_variable_names_the_variable(tmp_path: Path) -> None:
    environ = {"WORKER_CHANNELS__LOCAL__DEADLINE_S": "soon", "KAFKA_BOOTSTRAP_SERVERS": "nowhere"}
    assert {problem.place for problem in problems(written(tmp_path), environ)} == {
        "WORKER_CHANNELS__LOCAL__DEADLINE_S",
        "KAFKA_BOOTSTRAP_SERVERS",
    }


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("WORKER_KAFKAA__GROUP_ID", "x", "no such setting"),
        ("WORKER_CHANNELS__LOCAL__ALIPAY_PUBLIC_KEY_FILES", "a.pem", "not JSON"),
        ("WORKER_STREAM__NOTHING", "1", "no such setting"),
        ("WORKER_SOURCE__NOTHING", "1", "no such setting"),
        ("WORKER_LOG", "debug", "not JSON"),
        ("WORKER_KAFKA", "5", "5 is wrong"),
        ("WORKER_CHANNELS__LOCAL__CURRENCIES", "[" * 100_000, "not JSON"),
    ],
    ids=lambda value: value[:40],
)
def test_a_wrong_variable_is_refused(tmp_path: Path, name: str, value: str, said: str) -> None:
    (problem,) = problems(written(tmp_path), {name: value})
    assert (problem.place, said in problem.text) == (name, True)


def test_variables_that_kubernetes_sets_for_a_service_called_worker_are_not_ours(tmp_path: Path) -> None:
    environ = {"WORKER_PORT": "tcp://10.0.0.1:80", "WORKER_SERVICE_HOST": "10.0.0.1"}
    assert problems(written(tmp_path), environ) == ()


def test_a_missing_file_says_how_to_get_it(tmp_path: Path) -> None:
    file = written(tmp_path)
    (tmp_path / "private.pem").unlink()
    (problem,) = problems(file)
    assert str(problem) == (
        f"worker.toml: channels.local.private_key_file: no such file '{tmp_path}/private.pem'; "
        "make one with: python -m worker keys new"
    )


def test_parse_does_not_ask_for_the_files_of_another_machine(tmp_path: Path) -> None:
    file = written(tmp_path)
    (tmp_path / "private.pem").unlink()
    assert parse(file, {}).channels["local"].private_key_file == tmp_path / "private.pem"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "no such file"),
        (b"[kafka", "not TOML"),
        (b"\xff", "cannot be read"),
        (b"a = " + b"[" * (LINE_SIZE_MAX - 4), "nested too deeply"),
        (b"a." * LINE_SIZE_MAX + b"a = 1", "line 1 has"),
        (b"\n" * (FILE_SIZE_MAX + 1), "too large"),
    ],
    ids=lambda value: repr(value)[:24],
)
def test_a_settings_file_that_cannot_be_read_is_named(
    tmp_path: Path, content: bytes | None, said: str
) -> None:
    file = tmp_path / "worker.toml"
    if content is not None:
        file.write_bytes(content)
    (problem,) = problems(file)
    assert problem.place == str(file)
    assert said in problem.text


def test_without_a_file_the_variables_must_say_all(tmp_path: Path) -> None:
    with contextlib.chdir(tmp_path), pytest.raises(SettingsWrong) as wrong:
        load(None, {})
    assert {str(problem).split(";")[0] for problem in wrong.value.problems} == {
        "worker.toml: kafka: missing",
        "worker.toml: channels: missing",
    }


def test_a_file_that_cannot_exist_is_named() -> None:
    for name in ("\0", "x" * 5000):
        (problem,) = problems(Path(name))
        assert "cannot be read" in problem.text


def test_names_that_mean_something_to_a_library_are_no_settings(tmp_path: Path) -> None:
    """pydantic-settings takes options of its own by such names, one of which ends the process."""
    file = written(tmp_path)
    names = ("_cli_parse_args", "_env_file", "_env_prefix", "__pydantic_self__", "model_config")
    file.write_text("".join(f'{name} = ["--help"]\n' for name in names) + file.read_text())
    assert {str(problem) for problem in problems(file)} == {
        f"worker.toml: {name}: no such setting; remove it" for name in names
    }


def test_tables_deeper_than_any_setting_are_refused_however_deep(tmp_path: Path) -> None:
    deep = "X." * (LINE_SIZE_MAX // 3)
    variable = {"WORKER_KAFKA__" + "__".join(deep.split(".")) + "X": "1"}
    file = written(tmp_path, text=MINIMAL.replace("[kafka]\n", f"[kafka]\n{deep.lower()}x = 1\n"))
    (problem,) = problems(file, variable)
    assert problem == Problem("WORKER_KAFKA__X", "no such setting; remove it")


def test_a_problem_is_one_short_line_whatever_was_written(tmp_path: Path) -> None:
    text = MINIMAL + '["channels"."a\\nb"]\ntype = "' + "x" * 1000 + '"\n'
    for problem in problems(written(tmp_path, text=text)):
        assert len(str(problem)) < 400
        assert "\n" not in str(problem)


@pytest.mark.parametrize("name", ["", "x" * 300, "private.pem/x", "a\\u0000b"], ids=lambda name: name[:12])
def test_a_key_file_that_cannot_be_one_is_named(tmp_path: Path, name: str) -> None:
    text = MINIMAL.replace("{folder}/private.pem", "{folder}/" + name)
    (problem,) = problems(written(tmp_path, text=text))
    assert problem.place == "worker.toml: channels.local.private_key_file"


def test_settings_do_not_change_once_they_are_read(tmp_path: Path) -> None:
    settings = load(written(tmp_path), {})
    with pytest.raises(ValidationError):
        settings.kafka.group_id = "other"  # type: ignore[misc] # that it is refused is the point


def test_without_refunds_a_channel_is_refused(tmp_path: Path) -> None:
    """Whether S means done is a fact about the account, so there is no default for it."""
    (problem,) = problems(written(tmp_path, text=MINIMAL.replace('refunds = "synchronous"\n', "")))
    assert problem.place == "worker.toml: channels.local.refunds"


@pytest.mark.parametrize(
    "url",
    [
        "http://]",
        "https://[::1",
        "https://:443",
        "https://a:0",
        "https://a:65536",
        "https://a:b",
        "https:///",
    ],
)
def test_a_url_without_a_host_and_a_usable_port_is_refused(tmp_path: Path, url: str) -> None:
    (problem,) = problems(written(tmp_path, text=MINIMAL.replace("https://alipay.example", url)))
    assert problem.place == "worker.toml: channels.local.base_url"
    assert "expected Alipay's host as a URL" in problem.text


def test_a_secret_as_a_value_is_no_setting(tmp_path: Path) -> None:
    (problem,) = problems(written(tmp_path), {"WORKER_KAFKA__SASL_PASSWORD": "hunter2"})
    assert "did you mean sasl_password_file?" in problem.text
    assert "hunter2" not in str(SettingsWrong([problem]))
