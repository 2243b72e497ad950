"""The files of examples/production, tried as far as a machine without systemd or a cluster can."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from saddleproof.cli import main

ROOT = Path(__file__).parents[2]
HOME = ROOT / "examples" / "production"
UNITS = sorted((HOME / "systemd").glob("*.service"))
PAGE = (ROOT / "docs" / "production.md").read_text()


def documents(name: str) -> list[dict[str, Any]]:
    """What stands in a manifest."""
    yaml = pytest.importorskip("yaml")
    return list(yaml.safe_load_all((HOME / "kubernetes" / name).read_text()))


def joined(unit: Path) -> list[str]:
    """The lines of a unit file, those that a backslash cuts put together."""
    return unit.read_text().replace("\\\n", " ").splitlines()


def containers() -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Each pod that a manifest describes, and its container."""
    jobs = [d for name in ("server.yaml", "worker.yaml") for d in documents(name)]
    pods = [job["spec"]["template"]["spec"] for job in jobs if job["kind"] == "Job"]
    return [(pod, container) for pod in pods for container in pod["containers"]]


def parsed(words: list[str]) -> dict[str, Any]:
    """The options that these words give to a command of ours, which must take them all."""
    name, *rest = words
    return main.commands[name].make_context(name, rest).params


def test_a_unit_s_command_is_one_that_the_command_line_takes():
    for unit in UNITS:
        (line,) = [line for line in joined(unit) if line.startswith("ExecStart=")]
        program, *words = shlex.split(line.removeprefix("ExecStart="))
        assert Path(program).name == "saddleproof"
        assert parsed(words)["keys"] == Path("/etc/saddleproof/keys")


def test_a_unit_starts_again_by_the_exit_codes_that_the_page_explains():
    codes = set(re.findall(r"^\| (\d+) \|", PAGE, re.MULTILINE))
    assert codes == {"0", "1", "2", "3", "4", "130", "143"}
    for unit in UNITS:
        settings = dict(line.split("=", 1) for line in joined(unit) if re.match(r"[A-Z]\w+=", line))
        assert settings["Restart"] == "on-failure"
        assert "2" in settings["RestartPreventExitStatus"].split()
        never = "3" in settings["RestartPreventExitStatus"].split()
        assert never == ("worker" in unit.name)  # a server waits for workers, and goes on


def test_systemd_finds_nothing_wrong_with_the_units(tmp_path):
    if (verify := shutil.which("systemd-analyze")) is None:
        pytest.skip("there is no systemd-analyze")
    for unit in UNITS:
        text = unit.read_text().replace("/opt/saddleproof/bin/saddleproof", sys.executable)
        text = re.sub("^User=.*$", "", text, flags=re.MULTILINE)
        (tmp_path / unit.name.replace("@", "@clinic-a")).write_text(text)
    for unit in tmp_path.iterdir():
        told = subprocess.run(
            [verify, "verify", str(unit)], capture_output=True, text=True, check=False
        )
        assert (told.returncode, told.stderr) == (0, "")


def test_a_container_s_arguments_are_ones_that_the_command_line_takes():
    for pod, container in containers():
        options = parsed(container["args"])
        places = {mount["mountPath"] for mount in container["volumeMounts"]}
        assert str(options["keys"]) in places
        assert options["log_format"] == "json"
        if container["args"][0] == "serve":
            assert str(options["out"]) in places
            assert str(options["roster"].parent) in places
            assert options["resume"]
        named = {volume["name"] for volume in pod["volumes"]}
        assert named == {mount["name"] for mount in container["volumeMounts"]}


def test_a_container_has_no_rights_that_it_does_not_need():
    for pod, container in containers():
        assert pod["securityContext"]["runAsNonRoot"]
        assert not pod["automountServiceAccountToken"]
        rights = container["securityContext"]
        assert rights["readOnlyRootFilesystem"]
        assert not rights["allowPrivilegeEscalation"]
        assert rights["capabilities"] == {"drop": ["ALL"]}
        (secret,) = [v["secret"] for v in pod["volumes"] if "secret" in v]
        assert secret["defaultMode"] & 0o007 == 0


def test_the_server_s_parts_name_each_other():
    parts = {part["kind"]: part for part in documents("server.yaml")}
    pod = parts["Job"]["spec"]["template"]
    label = pod["metadata"]["labels"]
    assert parts["Service"]["spec"]["selector"] == label
    assert parts["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"] == label
    ports = {port["name"]: port["containerPort"] for port in pod["spec"]["containers"][0]["ports"]}
    options = parsed(pod["spec"]["containers"][0]["args"])
    assert ports == {"workers": 7443, "metrics": options["metrics_port"]}
    claim = parts["PersistentVolumeClaim"]["metadata"]["name"]
    volumes = pod["spec"]["volumes"]
    assert claim in [v.get("persistentVolumeClaim", {}).get("claimName") for v in volumes]
    (server,) = [c for _, c in containers() if c["args"][0] == "worker"]
    assert parsed(server["args"])["server"] == f"{parts['Service']['metadata']['name']}:7443"


def test_the_image_starts_the_command_as_nobody_in_particular():
    lines = (HOME / "Dockerfile").read_text().splitlines()
    assert 'ENTRYPOINT ["saddleproof"]' in lines
    assert any(line.startswith("USER 10001") for line in lines)
    for copied in re.findall(r"^COPY ([^-].*) \S+$", "\n".join(lines), re.MULTILINE):
        assert all((ROOT / name).exists() for name in copied.split())


def test_every_file_is_on_the_page_and_every_file_of_the_page_is_there():
    named = set(re.findall(r"`(examples/production/[\w./@-]+)`", PAGE))
    there = {
        str(path.relative_to(ROOT))
        for path in HOME.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert named == there


def test_the_configuration_of_the_examples_passes_its_check(project, tmp_path):
    out = str(tmp_path / "out")
    told = ["--roster", str(HOME / "roster.txt"), "--keys", str(project), "--out", out]
    told += ["--listen", "127.0.0.1:0", "--check"]
    ran = CliRunner().invoke(main, ["serve", str(HOME / "run.toml"), *told])
    assert ran.exit_code == 0, ran.output
    assert "b = 1 of 7 leaves room for 3 crashes" in ran.output


class Quadratic:
    """|w - data|^2 / 2."""

    d = 1000

    def value(self, w: Any, data: Any) -> float:
        return float((w - data) @ (w - data)) / 2

    def gradient(self, points: Any, data: Any) -> Any:
        return points - data

    def product(self, w: Any, v: Any, data: Any) -> Any:
        return v


def test_a_server_of_the_examples_leads_a_run_over_workers_with_data_of_their_own(
    project, tmp_path, free_port
):
    from saddleproof.fleets.grpc import keys
    from saddleproof.fleets.grpc.client import Client, honest
    from saddleproof.fleets.worker import Worker

    home = tmp_path / "keys"
    keys.init(home)
    names = [f"clinic-{letter}" for letter in "abcdefg"]
    keys.issue(home, names)
    address = f"127.0.0.1:{free_port}"
    data = np.random.default_rng(0).standard_normal((7, Quadratic.d)) * 0.01
    clients = [
        Client(honest(Worker(Quadratic(), own)), address, keys.load(home, name), pause=0.2)
        for name, own in zip(names, data, strict=True)
    ]
    threads = [threading.Thread(target=client.run) for client in clients]
    for thread in threads:
        thread.start()
    told = ["--roster", str(HOME / "roster.txt"), "--keys", str(home), "--listen", address]
    told += ["--out", str(tmp_path / "out"), "--grace", "30"]
    ran = CliRunner().invoke(main, ["serve", str(HOME / "run.toml"), *told])
    for client, thread in zip(clients, threads, strict=True):
        client.stop()
        thread.join(30)
    assert ran.exit_code == 0, ran.output
    assert "status: second_order" in ran.stdout


def test_every_option_of_the_page_s_commands_exists():
    for block in re.findall(r"^```sh\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE):
        for line in block.replace("\\\n", " ").splitlines():
            if line.startswith("saddleproof "):
                parsed(shlex.split(line, comments=True)[1:])


def test_every_event_of_the_log_is_on_the_page_with_its_fields():
    source = ROOT / "src" / "saddleproof"
    text = "\n".join(
        path.read_text()
        for folder in ("cli", "fleets")
        for path in (source / folder).rglob("*.py")
        if "flower" not in path.parts
    )
    logged = set(re.findall(r'event="(\w+)"', text)) | {"alarm", "turned_away", "unseated"}
    inner = {"gone", "failed"}  # at the level of details, and where we are wrong
    table = PAGE.split("| event | level |")[1].split("\n\n")[0]
    told = set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE))
    assert logged - inner == told
