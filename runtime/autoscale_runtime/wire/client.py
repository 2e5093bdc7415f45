"""A client of the Open Inference Protocol over gRPC: any server of it, ours or another's."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import grpc
from google.protobuf.message import DecodeError

from autoscale.errors import (
    AutoScaleError,
    DeadlineExceeded,
    FeedError,
    Overloaded,
    TargetUnavailable,
    WrongAnswer,
)
from autoscale_runtime._proto import open_inference_pb2 as pb
from autoscale_runtime.backends.tensors import Array, Feeds, TensorSpec
from autoscale_runtime.wire.access import Access, Bearer, reached
from autoscale_runtime.wire.certificates import client_credentials
from autoscale_runtime.wire.cost import RemoteCost
from autoscale_runtime.wire.identity import Identity
from autoscale_runtime.wire.parameters import cost_of, identity_of
from autoscale_runtime.wire.status import error_of_call
from autoscale_runtime.wire.tensors import datatype_of, request_bytes, spec_of, tensors_of

NOBODYS: Final = "autoscale-measures-the-link"
"""The name of no model."""
_SERVICE: Final = "/inference.GRPCInferenceService/"
_OPTIONS: Final = (
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    ("grpc.enable_http_proxy", 0),
    # A link that comes back is found at once: gRPC's own steps go up to two minutes.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 2_000),  # in truth how long one attempt to connect may take
    ("grpc.max_reconnect_backoff_ms", 2_000),
    # A peer that has vanished without a word is noticed within 15 s by calls that have no deadline.
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    # Clients do not share a connection, so neither its failures.
    ("grpc.use_local_subchannel_pool", 1),
)


_Call: TypeAlias = "grpc.UnaryUnaryMultiCallable[bytes, bytes]"


@dataclass(frozen=True, slots=True)
class Reply:
    """The outputs of one query by name, and what the server reports of their cost and of the model."""

    outputs: dict[str, Array]
    cost: RemoteCost
    identity: Identity


class OffloadClient:
    """One server, reached at ``host:port`` or ``grpcs://host:port``. Thread-safe; the first call opens the connection.

    Every call takes ``timeout_s`` (None: no limit) and raises what the table in ``status`` makes of a failure:
    TargetUnavailable (AccessRefused where one side does not trust the other, Overloaded with when to come again),
    DeadlineExceeded, TargetError, or UnknownName and InvalidInput where the server blames the request.

    Raises:
        InvalidInput: not an address, or an access that cannot be: see ``reached`` and ``client_credentials``.
    """

    def __init__(self, address: str, access: Access | None = None) -> None:
        self.address, self._access = reached(address, access)
        self._credentials = client_credentials(self._access) if self._access.is_secure else None
        self._bearer = Bearer(self._access.token)
        self._channel: grpc.Channel | None = None
        self._calls: dict[str, _Call] = {}
        self._is_closed = False
        self._connections: _Connections | None = None
        self._lock = threading.Lock()

    def describe(
        self, model: str, version: str = "", timeout_s: float | None = None
    ) -> tuple[tuple[TensorSpec, ...], tuple[TensorSpec, ...]]:
        """The inputs and the outputs of a model.

        Raises:
            WrongAnswer: it has a tensor of a type that numpy does not have.
        """
        request = pb.ModelMetadataRequest(name=model, version=version)
        raw = self._call("ModelMetadata", request.SerializeToString(), timeout_s)
        try:
            answer = pb.ModelMetadataResponse.FromString(raw)
            return tuple(map(spec_of, answer.inputs)), tuple(map(spec_of, answer.outputs))
        except (DecodeError, FeedError) as error:
            raise WrongAnswer(f"{self.address} described '{model}' as nothing it can be: {error}") from error

    def probe(self, model: str, version: str = "", timeout_s: float | None = None) -> tuple[int, int]:
        """Ask for a model's description and tell how many bytes went there and back."""
        sent = pb.ModelMetadataRequest(name=model, version=version).SerializeToString()
        return len(sent), len(self._call("ModelMetadata", sent, timeout_s))

    def ask_live(self, timeout_s: float | None = None) -> None:
        """Ask whether the server lives: the least that can be asked."""
        self._call("ServerLive", b"", timeout_s)

    def send_unanswered(self, payload: bytes, timeout_s: float | None = None) -> None:
        """Send a query that is read whole and refused, since no server has a model of that name."""
        request = pb.ModelInferRequest(model_name=NOBODYS, raw_input_contents=[payload])
        try:
            self._call("ModelInfer", request.SerializeToString(), timeout_s)
        except (DeadlineExceeded, Overloaded):
            raise
        except TargetUnavailable:  # a refusal in some servers' words, unless nobody answers any more
            self.ask_live(timeout_s)
        except AutoScaleError:
            return

    def infer(
        self,
        model: str,
        feeds: Feeds,
        output_names: Sequence[str] | None = None,
        version: str = "",
        timeout_s: float | None = None,
    ) -> Reply:
        """Send one query; None asks for all outputs.

        Raises:
            FeedError: a dtype that the protocol does not have; nothing was sent.
            WrongAnswer: the answer cannot be read.
        """
        sent = request_bytes(_request(model, feeds, output_names, version), feeds.values())
        raw = self._call("ModelInfer", sent, timeout_s)
        try:
            answer = pb.ModelInferResponse.FromString(raw)
            outputs = tensors_of(answer.outputs, answer.raw_output_contents)
        except (DecodeError, FeedError) as error:
            raise WrongAnswer(f"{self.address} answered for '{model}' what cannot be read: {error}") from error
        return Reply(outputs, cost_of(answer.parameters, len(sent), len(raw)), identity_of(answer))

    @property
    def connection(self) -> int:
        """The number of the connection, counted from when this was first asked: another one may lead to another server.

        Being counted costs a thread of gRPC's, so ask only where nothing else tells who answers.
        """
        with self._lock:
            if self._channel is None or self._is_closed:
                return 0
            if self._connections is None:
                self._connections = _Connections()
                self._channel.subscribe(self._connections.see)
            return self._connections.number

    def close(self) -> None:
        """End the connection; calls under way fail, later ones too."""
        with self._lock:
            self._is_closed = True
            if self._channel is not None:
                if self._connections is not None:
                    self._channel.unsubscribe(self._connections.see)
                self._channel.close()

    def _call(self, method: str, payload: bytes, timeout_s: float | None) -> bytes:
        # Bytes in, bytes out: their lengths are what crosses the link, and no message is written twice.
        try:
            return self._connected(method)(payload, timeout=timeout_s, metadata=self._bearer.metadata())
        except grpc.RpcError as error:
            raise error_of_call(error, self.address) from error
        except ValueError as error:  # gRPC's way to say that the channel was closed meanwhile
            raise TargetUnavailable(f"{self.address}: {error}") from error

    def _connected(self, method: str) -> _Call:
        with self._lock:
            if self._is_closed:
                raise TargetUnavailable(f"{self.address}: the client was closed")
            if self._channel is None:
                self._channel = open_channel(self.address, self._access, self._credentials, _OPTIONS)
            if method not in self._calls:
                self._calls[method] = self._channel.unary_unary(_SERVICE + method)
            return self._calls[method]


def open_channel(
    address: str,
    access: Access,
    credentials: grpc.ChannelCredentials | None,
    options: Sequence[tuple[str, int]],
    compression: grpc.Compression | None = None,
) -> grpc.Channel:
    """A channel of gRPC's; without credentials it does not encrypt."""
    if credentials is None:
        return grpc.insecure_channel(address, options, compression)
    named = (("grpc.ssl_target_name_override", access.server_name),) if access.server_name else ()
    return grpc.secure_channel(address, credentials, (*options, *named), compression)


class _Connections:
    """Counts how often a connection was lost."""

    def __init__(self) -> None:
        self.number = 1
        self._was_ready = False

    def see(self, state: grpc.ChannelConnectivity) -> None:
        """Be told of each change of state."""
        is_ready = state is grpc.ChannelConnectivity.READY
        if self._was_ready and not is_ready:
            self.number += 1
        self._was_ready = is_ready


def _request(model: str, feeds: Feeds, output_names: Sequence[str] | None, version: str) -> pb.ModelInferRequest:
    tensor = pb.ModelInferRequest.InferInputTensor
    output = pb.ModelInferRequest.InferRequestedOutputTensor
    return pb.ModelInferRequest(
        model_name=model,
        model_version=version,
        inputs=[
            tensor(name=name, datatype=datatype_of(array.dtype), shape=array.shape) for name, array in feeds.items()
        ],
        outputs=[output(name=name) for name in output_names or ()],
    )
