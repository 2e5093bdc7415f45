"""What an operator sets: TLS, tokens, a configuration, metrics, an access log, the manifests in ``deploy/``."""

import hashlib
import json
import queue
import re
import shlex
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import grpc
import numpy as np
import pytest
import yaml

from autoscale.errors import InvalidInput
from autoscale.profiles import load_device
from autoscale_runtime._proto import open_inference_pb2 as pb
from autoscale_runtime._proto.open_inference_pb2_grpc import GRPCInferenceServiceStub
from autoscale_runtime.server.access_log import AccessLog
from autoscale_runtime.server.configuration import read_configuration
from autoscale_runtime.server.limits import Limits
from autoscale_runtime.server.operation import Operation
from autoscale_runtime.server.query_cost import ServerAccount
from autoscale_runtime.server.server import Server
from autoscale_runtime.server.transports.choice import GRPC
from autoscale_runtime.wire.certificates import Certificates
from autoscale_runtime.wire.tokens import TokenFile
from tests.runtime.certificate_parts import made, needs_openssl
from tests.waiting import LONGEST_WAIT_S

DEPLOY = Path(__file__).resolve().parents[3] / "deploy"


def ones(model: str = "scale") -> pb.ModelInferRequest:
    request = pb.ModelInferRequest(model_name=model, raw_input_contents=[np.ones((1, 4), np.float32).tobytes()])
    request.inputs.add(name="x", datatype="FP32", shape=[1, 4])
    return request


def operated(repository: Path, operation: Operation, transport: str = GRPC) -> Server:
    account = ServerAccount(load_device("laptop"))
    return Server(Limits(1), account, repository=repository, operation=operation, transport=transport)


def code_of(call: object, *arguments: object, **options: object) -> str:
    try:
        call(*arguments, timeout=LONGEST_WAIT_S, **options)  # type: ignore[operator]
    except grpc.RpcError as error:
        return str(error.code().name)
    return "OK"


def test_only_who_has_a_token_is_answered(repository: Path, tmp_path: Path, transport: str) -> None:
    digests = [hashlib.sha256(each.encode()).hexdigest() for each in ("secret", "admin")]
    (tmp_path / "t.toml").write_text(
        f'[clients.phone]\nsha256 = "{digests[0]}"\nqueries_per_s = 0.001\nburst = 2\n'
        f'[clients.boss]\nsha256 = "{digests[1]}"\nadmin = true\n'
    )
    operation = Operation(tokens=TokenFile(tmp_path / "t.toml"))
    with operated(repository, operation, transport) as server, grpc.insecure_channel(server.address) as channel:
        stub = GRPCInferenceServiceStub(channel)
        phone, boss = ([("authorization", f"Bearer {each}")] for each in ("secret", "admin"))
        unload = pb.RepositoryModelUnloadRequest(model_name="two")
        assert code_of(stub.ServerLive, pb.ServerLiveRequest()) == "OK"
        assert code_of(stub.ModelInfer, ones()) == "UNAUTHENTICATED"
        assert [code_of(stub.ModelInfer, ones(), metadata=phone) for _ in range(3)] == [
            "OK",
            "OK",
            "RESOURCE_EXHAUSTED",
        ]
        with pytest.raises(grpc.RpcError) as refused:
            stub.ModelInfer(ones(), metadata=phone)
        assert int(dict(refused.value.trailing_metadata())["retry-after-ms"]) > 900_000
        assert code_of(stub.ModelInfer, ones(), metadata=boss) == "OK"
        assert code_of(stub.RepositoryModelUnload, unload, metadata=phone) == "PERMISSION_DENIED"
        assert code_of(stub.RepositoryModelUnload, unload, metadata=boss) == "OK"


def test_a_stream_outlives_neither_its_quota_nor_its_token(repository: Path, tmp_path: Path, transport: str) -> None:
    file, now_s = tmp_path / "t.toml", [0.0]
    digest = hashlib.sha256(b"secret").hexdigest()
    file.write_text(f'[clients.phone]\nsha256 = "{digest}"\nqueries_per_s = 0.001\nburst = 4\n')
    operation = Operation(tokens=TokenFile(file, clock=lambda: now_s[0]))
    with operated(repository, operation, transport) as server, grpc.insecure_channel(server.address) as channel:
        # each its own requests: a stream that has ended may still take one, or leave one behind
        asked: tuple[queue.SimpleQueue[pb.ModelInferRequest | None], ...] = queue.SimpleQueue(), queue.SimpleQueue()

        def streamed(number: int) -> Iterator[pb.ModelStreamInferResponse]:
            bearer = [("authorization", "Bearer secret")]
            call = GRPCInferenceServiceStub(channel).ModelStreamInfer
            answers: Iterator[pb.ModelStreamInferResponse] = call(
                iter(asked[number].get, None), metadata=bearer, timeout=LONGEST_WAIT_S
            )
            return answers

        def answer(stream: Iterator[pb.ModelStreamInferResponse], number: int) -> str:
            asked[number].put(ones())
            return code_of(lambda timeout: next(stream))

        greedy = streamed(0)
        assert [answer(greedy, 0) for _ in range(5)] == 4 * ["OK"] + ["RESOURCE_EXHAUSTED"]
        asked[0].put(None)
        file.write_text(f'[clients.phone]\nsha256 = "{digest}"\n')
        now_s[0] += 2.0
        revoked = streamed(1)
        assert answer(revoked, 1) == "OK"
        file.write_text("[clients]\n")
        now_s[0] += 2.0
        assert answer(revoked, 1) == "UNAUTHENTICATED"
        asked[1].put(None)


@needs_openssl
def test_mutual_tls_lets_in_who_has_a_certificate(repository: Path, tmp_path: Path, transport: str) -> None:
    made(tmp_path, "server", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost")
    made(tmp_path, "client")
    made(tmp_path, "stranger")
    files = {each.name: each.read_bytes() for each in tmp_path.iterdir()}
    certificates = Certificates(tmp_path / "server.pem", tmp_path / "server.key", tmp_path / "client.pem")
    codes = {}
    with operated(repository, Operation(certificates=certificates), transport) as server:
        for name in ("client", "stranger"):
            credentials = grpc.ssl_channel_credentials(files["server.pem"], files[f"{name}.key"], files[f"{name}.pem"])
            with grpc.secure_channel(server.address, credentials) as channel:
                codes[name] = code_of(GRPCInferenceServiceStub(channel).ModelInfer, ones())
        with grpc.insecure_channel(server.address) as channel:
            codes["nobody"] = code_of(GRPCInferenceServiceStub(channel).ModelInfer, ones())
    assert codes == {"client": "OK", "stranger": "UNAVAILABLE", "nobody": "UNAVAILABLE"}


def test_a_certificate_that_is_none_is_told(tmp_path: Path) -> None:
    (tmp_path / "x.pem").write_text("no certificate")
    with pytest.raises(InvalidInput, match="not in PEM"):
        Certificates(tmp_path / "x.pem", tmp_path / "x.pem").credentials()
    with pytest.raises(InvalidInput, match="not in PEM"):
        Certificates(tmp_path / "x.pem", tmp_path / "x.pem").context()
    with pytest.raises(InvalidInput, match=r"private key .* cannot be read"):
        Certificates(tmp_path / "x.pem", tmp_path / "none").credentials()


def test_metrics_and_the_access_log_tell_what_was_told(repository: Path, tmp_path: Path, transport: str) -> None:
    log = AccessLog(tmp_path / "log")
    operation = Operation(metrics_port=0, access_log=log)
    with operated(repository, operation, transport) as server, grpc.insecure_channel(server.address) as channel:
        stub = GRPCInferenceServiceStub(channel)
        told_j = sum(stub.ModelInfer(ones()).parameters["energy_joules"].double_param for _ in range(20))
        wrong = ones()
        wrong.inputs[0].name = "z"
        assert code_of(stub.ModelInfer, wrong) == "INVALID_ARGUMENT"
        page = urllib.request.urlopen(f"http://127.0.0.1:{server.metrics_port}/metrics", timeout=30).read().decode()
    log.close()
    values = {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1]) for line in page.splitlines() if line[0] != "#"}
    assert values['autoscale_answers_total{model="scale",code="OK"}'] == 20
    assert values['autoscale_answers_total{model="scale",code="INVALID_ARGUMENT"}'] == 1
    assert values['autoscale_energy_joules_total{use="told",method="modelled"}'] == pytest.approx(told_j)
    assert values['autoscale_energy_joules_total{use="idle",method="modelled"}'] > 0.0
    lines = [json.loads(each) for each in (tmp_path / "log").read_text().splitlines()]
    assert [each["code"] for each in lines] == ["OK"] * 20 + ["INVALID_ARGUMENT"]
    assert sum(each["energy_j"] for each in lines[:20]) == pytest.approx(told_j)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a file that is full")
def test_a_full_disk_under_the_access_log_is_told_once_and_holds_no_query_up(
    repository: Path, caplog: pytest.LogCaptureFixture
) -> None:
    log = AccessLog(Path("/dev/full"))
    with (
        operated(repository, Operation(access_log=log)) as server,
        grpc.insecure_channel(server.address) as channel,
    ):
        stub = GRPCInferenceServiceStub(channel)
        assert [code_of(stub.ModelInfer, ones()) for _ in range(3)] == ["OK"] * 3
    log.close()
    [told] = [each.getMessage() for each in caplog.records if each.levelname == "ERROR"]
    assert told == "the access log '/dev/full' cannot be written, lines are lost: No space left on device"


def test_the_dashboard_asks_for_metrics_that_there_are(repository: Path) -> None:
    with operated(repository, Operation(metrics_port=0)) as server, grpc.insecure_channel(server.address) as channel:
        GRPCInferenceServiceStub(channel).ModelInfer(ones())
        page = urllib.request.urlopen(f"http://127.0.0.1:{server.metrics_port}/metrics", timeout=30).read().decode()
    series = [line for line in page.splitlines() if line[0] != "#"]
    labels = {line.partition("{")[0]: {"instance", *re.findall(r'(\w+)="', line)} for line in series}
    dashboard = json.loads((DEPLOY / "grafana.json").read_text())
    asked = [each["expr"] for panel in dashboard["panels"] for each in panel["targets"]]
    variables = [each["definition"] for each in dashboard["templating"]["list"] if each["type"] == "query"]
    assert {name for text in asked for name in re.findall(r"\bautoscale_\w+", text)} == set(labels)
    for name, label in (re.findall(r"(autoscale_\w+), (\w+)", text)[0] for text in variables):
        assert label in labels[name]
    for text in asked:
        grouped = set(re.findall(r"by \((\w+)\)", text))
        for name, filters in re.findall(r"(autoscale_\w+)\{([^}]*)\}", text):
            assert grouped | set(re.findall(r"(\w+)=", filters)) <= labels[name], text
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in dashboard["panels"]]
    assert len(set(places)) == len(places)


def test_a_configuration_says_how_a_model_is_served(repository: Path, tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text("[models.scale]\nmax_batch_size = 8\nbatch_delay_ms = 50\ninstances = 3\n")
    operation = Operation(configuration=read_configuration(tmp_path / "c.toml"))
    with operated(repository, operation) as server, grpc.insecure_channel(server.address) as channel:
        stub = GRPCInferenceServiceStub(channel)
        config = stub.ModelConfig(pb.ModelConfigRequest(name="scale")).config
        assert (config.max_batch_size, config.instance_group[0].count) == (8, 3)
        answers = [each.result(LONGEST_WAIT_S) for each in [stub.ModelInfer.future(ones()) for _ in range(16)]]
        assert {np.frombuffer(each.raw_output_contents[0], np.float32)[0] for each in answers} == {10.0}
        [counts] = stub.ModelStatistics(pb.ModelStatisticsRequest(name="scale")).model_stats
        assert counts.inference_count == 16
        assert counts.execution_count < 16
        assert counts.inference_stats.success.count == 16


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("[sever]", "unknown key 'sever' .did you mean 'server'"),
        ("[models.a]\nthread = 2", "unknown key 'thread' .did you mean 'threads'"),
        ("[models.a]\nthreads = 1.5", "threads is 1.5; allowed: a whole number"),
        ("[models.a]\ninstances = -1", "instances is -1"),
        ("[models]\na = 1", "allowed: a table"),
        ("models", "cannot be read"),
    ],
)
def test_a_configuration_that_says_what_there_is_not_is_refused(tmp_path: Path, content: str, why: str) -> None:
    (tmp_path / "c.toml").write_text(content)
    with pytest.raises(InvalidInput, match=why):
        read_configuration(tmp_path / "c.toml")


def arguments() -> dict[str, list[str]]:
    """What each manifest starts the server with."""
    container = (DEPLOY / "Containerfile").read_text()
    unit = re.search(r"^ExecStart=\S+/autoscale serve (.*)$", (DEPLOY / "autoscale.service").read_text(), re.MULTILINE)
    runtime = yaml.safe_load((DEPLOY / "clusterservingruntime.yaml").read_text())
    command = re.search(r"^CMD (\[.*\])$", container, re.MULTILINE)
    assert command is not None
    assert unit is not None
    [kserve] = runtime["spec"]["containers"]
    return {
        "container": json.loads(command[1]),
        "systemd": shlex.split(unit[1]),
        "kserve": [each.replace("{{.Name}}", "net") for each in kserve["args"]],
    }


@pytest.mark.parametrize("name", ["container", "systemd", "kserve"])
def test_a_manifest_starts_the_server_with_what_it_knows(name: str, tmp_path: Path) -> None:
    """The folder is not there, which is the first thing that the command looks at once it knows its arguments."""
    repository, *options = arguments()[name]
    command = [
        sys.executable,
        "-c",
        "from autoscale.cli import main; main()",
        "serve",
        str(tmp_path / "none"),
        *options,
    ]
    done = subprocess.run([*command, "--port", "0", "--metrics-port", "0"], capture_output=True, text=True, timeout=60)
    assert repository.startswith("/")
    assert (done.returncode, "is not a folder" in done.stderr) == (2, True)


def test_the_manifests_agree_on_ports() -> None:
    runtime = yaml.safe_load((DEPLOY / "clusterservingruntime.yaml").read_text())["spec"]
    [container] = runtime["containers"]
    [port] = container["ports"]
    assert (container["name"], port["name"]) == ("kserve-container", "h2c")
    assert f"--port={port['containerPort']}" in container["args"]
    assert f"--metrics-port={runtime['annotations']['prometheus.kserve.io/port']}" in container["args"]
    assert runtime["protocolVersions"] == ["grpc-v2"]
    assert "EXPOSE 8001 9101" in (DEPLOY / "Containerfile").read_text()
