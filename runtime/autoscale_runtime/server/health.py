"""``grpc.health.v1`` and server reflection, so that probes, load balancers and grpcurl know the server."""

from typing import Final, Protocol

import grpc

from autoscale.errors import MissingExtra

SERVICE: Final = "inference.GRPCInferenceService"


class Health(Protocol):
    """What is left to do with health once it is served."""

    def enter_graceful_shutdown(self) -> None:
        """Answer NOT_SERVING from now on."""


def add_health_and_reflection(server: grpc.Server) -> Health:
    """Register both services; the server as a whole and the inference service are SERVING.

    Raises:
        MissingExtra: the packages of the extra ``serve`` are not installed.
    """
    try:
        from grpc_health.v1 import health, health_pb2, health_pb2_grpc
        from grpc_reflection.v1alpha import reflection
    except ImportError as error:
        package = "grpcio-reflection" if "reflection" in str(error) else "grpcio-health-checking"
        raise MissingExtra(package, "serve", "the offload server") from error
    servicer = health.HealthServicer()
    for service in ("", SERVICE):
        servicer.set(service, health_pb2.HealthCheckResponse.SERVING)
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    names = (SERVICE, health.SERVICE_NAME, reflection.SERVICE_NAME)
    reflection.enable_server_reflection(names, server)
    registered: Health = servicer
    return registered
