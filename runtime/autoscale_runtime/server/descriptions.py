"""What the protocol tells of models: their tensors, how they are served, what became of queries, what is there."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from autoscale.units import NANO_PER_UNIT
from autoscale_runtime._proto import model_config_pb2 as mc
from autoscale_runtime._proto import open_inference_pb2 as pb
from autoscale_runtime.backends.tensors import TensorSpec
from autoscale_runtime.server.execution.served_model import ServedModel
from autoscale_runtime.server.repository.config_pbtxt import ModelConfig
from autoscale_runtime.server.repository.scan import asked_as
from autoscale_runtime.server.serving import Served, Serving
from autoscale_runtime.server.statistics import Duration
from autoscale_runtime.wire.tensors import BYTES, datatype_of, metadata_of

READY: Final = "READY"
UNAVAILABLE: Final = "UNAVAILABLE"


def metadata_of_model(served: Served, model: ServedModel) -> pb.ModelMetadataResponse:
    """Versions, inputs and outputs."""
    return pb.ModelMetadataResponse(
        name=model.name,
        versions=[str(each) for each in sorted(served.versions)],
        platform=model.platform,
        inputs=[metadata_of(each) for each in model.inputs],
        outputs=[metadata_of(each) for each in model.outputs],
    )


def config_of(served: Served, model: ServedModel) -> mc.ModelConfig:
    """How it is served, as Triton would say it."""
    config = served.entry.config if served.entry is not None else ModelConfig()
    told = mc.ModelConfig(
        name=model.name,
        platform=model.platform,
        max_batch_size=config.max_batch_size,
        input=[mc.ModelInput(name=e.name, data_type=_type(e), dims=_dims(e, config)) for e in model.inputs],
        output=[mc.ModelOutput(name=e.name, data_type=_type(e), dims=_dims(e, config)) for e in model.outputs],
        instance_group=[
            mc.ModelInstanceGroup(name=model.name, kind=mc.ModelInstanceGroup.KIND_CPU, count=served.executor.instances)
        ],
        default_model_filename=config.file,
    )
    if config.specific:
        told.version_policy.specific.versions.extend(config.specific)
    elif config.latest:
        told.version_policy.latest.num_versions = config.latest
    else:
        told.version_policy.all.SetInParent()
    batching = served.scheduler.batching
    if batching.most > 1:
        told.dynamic_batching.preferred_batch_size.append(batching.preferred)
        told.dynamic_batching.max_queue_delay_microseconds = round(batching.delay_s * 1e6)
    return told


def statistics_of(served: Served, model: ServedModel) -> pb.ModelStatistics:
    """What became of its queries, of all versions together."""
    have = served.statistics
    return pb.ModelStatistics(
        name=model.name,
        version=str(model.version),
        last_inference=int(have.last_s * 1e3),
        inference_count=have.compute.count,
        execution_count=round(sum(each.count / rows for rows, each in have.batches.items())),
        inference_stats=pb.InferStatistics(
            success=_duration(have.success),
            fail=_duration(have.fail),
            queue=_duration(have.queue),
            compute_infer=_duration(have.compute),
        ),
        batch_stats=[
            pb.InferBatchStatistics(batch_size=rows, compute_infer=_duration(each))
            for rows, each in sorted(have.batches.items())
        ],
    )


def index_of(serving: Serving, is_ready_only: bool) -> Iterator[pb.RepositoryIndexResponse.ModelIndex]:
    """What is in the repository: what is served, then what is left out, with the reason."""
    index = pb.RepositoryIndexResponse.ModelIndex
    for name, served in sorted(serving.models.items()):
        for version in sorted(served.versions):
            yield index(name=name, version=str(version), state=READY)
    for path, reason in () if is_ready_only else serving.left_out.items():
        model, whose = asked_as(Path(path))
        yield index(name=model, version=whose, state=UNAVAILABLE, reason=reason)


def _type(spec: TensorSpec) -> mc.DataType.ValueType:
    name = datatype_of(spec.dtype)
    return mc.DataType.Value(f"TYPE_{'STRING' if name == BYTES else name}")


def _dims(spec: TensorSpec, config: ModelConfig) -> list[int]:
    dims = [-1 if each is None else each for each in spec.shape]
    return dims[1:] if config.max_batch_size else dims


def _duration(of: Duration) -> pb.StatisticDuration:
    return pb.StatisticDuration(count=of.count, ns=round(of.total_s * NANO_PER_UNIT))
