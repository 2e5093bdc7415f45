"""Which measurements calibrate which processor of which device, and what is usual of a processor before them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from autoscale.physics.fitting import Prior, Sample
from autoscale.profiles import DeviceProfile
from autoscale.profiles.networks import known_network
from autoscale.query.model_profile import ModelProfile
from autoscale.query.target import Target
from benchmarks.calibration.samples import LITTLE, ncnn, slim, tflite
from benchmarks.calibration.sources import is_fit, measured

TFLITE: Final = """\
TensorFlow lite/g3doc hosted_models.md (commit 0406598a) and benchmarks.md (00f0938a); MobileNet v3: tensorflow/models \
research/slim/nets/mobilenet/README.md (0ba83cf0)"""
LITERT: Final = "LiteRT leaderboard, google-ai-edge/litert-samples (commit 187fde03, 2026-09-18)"
MLPERF: Final = "Fit rows derived from MLPerf Inference logs, mlcommons/inference_results_v1.0 to v3.0"
NCNN: Final = "Tencent/ncnn benchmark/README.md (commit a4d2ea1d)"

PIXEL3_HZ: Final = 2_500_000_000
MI8PRO_HZ: Final = 2_649_600_000
"""The highest clocks of the large cores: the Pixel 3 holds its SDM845 back."""


@dataclass(frozen=True, slots=True)
class Derived:
    """A precision nobody measured on the processor: as fast as another one times a ratio, within a range."""

    precision: str
    of: str
    ratio: float
    low: float
    high: float
    reason: str


@dataclass(frozen=True, slots=True)
class Peak:
    """What a maker states of a GPU with tensor cores, at its boost clock, as recalled.

    Attributes:
        mac_per_s: in int8, dense.
        memory_bytes_per_s: of the memory that the GPU computes from: its own, where it has some.
    """

    mac_per_s: float
    memory_bytes_per_s: float


@dataclass(frozen=True, slots=True)
class Study:
    """Measured latencies that the speed of a processor is fitted to.

    Attributes:
        device: the profile that holds the speed.
        processor: ``cpu``, ``gpu`` or ``npu``.
        measured: on what, by which framework.
        read: the samples, from the data beside the checkout.
        near: the study of a like processor whose figures this one's lean on, where there is little data.
        is_same_chip: whether the device holds the chip that was measured; a figure from another one is a default.
        derived: precisions that were not measured.
        source: where the latencies were published.
        label: the study's name, where it is not that of device and processor: a helper of another study.
        has_products: whether the processor multiplies activations, too, where it is no CPU: attention, say.
        peak: of a GPU with tensor cores.
    """

    device: str
    processor: str
    measured: str
    read: Callable[[], list[Sample]]
    near: str = ""
    is_same_chip: bool = True
    derived: tuple[Derived, ...] = ()
    source: str = TFLITE
    label: str = ""
    has_products: bool = False
    peak: Peak | None = None

    @property
    def name(self) -> str:
        """Device and processor, as in ``mi8pro cpu``."""
        return self.label or f"{self.device} {self.processor}"


_ADRENO_FP32: Final = Derived(
    "fp32",
    "fp16",
    0.6,
    0.45,
    0.9,
    "Adreno 6xx computes fp16 at twice the rate of fp32, but what limits it is often loads",
)
_ARM_FP16: Final = Derived("fp16", "fp32", 1.8, 1.2, 2.2, "NEON computes fp16 at twice the rate of fp32")
_ARM_FP32: Final = Derived("fp32", "fp16", 0.55, 0.45, 0.75, "NEON computes fp16 at twice the rate of fp32")


def _pixel3_cpu() -> list[Sample]:
    found: list[Sample] = []
    for precision in ("fp32", "int8"):
        found += tflite("Pixel 3", "cpu_ms", Target("device", "cpu", precision, frequency_hz=PIXEL3_HZ))
        found += [
            replace(sample, latency_s=sample.latency_s * PIXEL3_HZ / MI8PRO_HZ)
            for sample in slim("pixel3_ms", Target("device", "cpu", precision, threads=1))
        ]
    return found


def _pixel4_cpu() -> list[Sample]:
    fp32, int8 = (Target("device", "cpu", precision) for precision in ("fp32", "int8"))
    # "62 ms latency on a Pixel 4 phone": Sun et al., MobileBERT, ACL 2020; 128 tokens, 4 threads.
    return [
        *tflite("Pixel 4", "cpu_ms", fp32),
        Sample("mobilebert-128", fp32, 0.062),
        *tflite("Pixel 4", "cpu_ms", int8),
    ]


def _ncnn_cpu(platform: str, *precisions: str, threads: Sequence[int] = (1, 4)) -> list[Sample]:
    return [
        sample
        for precision in precisions
        for count in threads
        for sample in ncnn(platform, Target("device", "cpu", precision, threads=count))
    ]


def _dimensity9300_cpu() -> list[Sample]:
    # A thread on each core of a Cortex-X4 and three A720 is done when the A720 are: the four A720 of this chip, at 2.0
    # GHz where the Pixel 9's run at 2.6, stand for four threads.
    found = []
    for precision in ("fp16", "int8"):
        found += ncnn("Dimensity 9300", Target("device", "cpu", precision, threads=1))
        found += [
            Sample(sample.network, sample.target, sample.latency_s * 2.0 / 2.6)
            for sample in ncnn("Dimensity 9300", Target("device", "cpu", precision, threads=4), powersave=LITTLE)
        ]
    return found


def rows(device: str, processor: str) -> list[Sample]:
    """The fit rows of a device's own source whose networks are known."""
    found = measured(device)
    return [
        Sample(row.network, row.target, row.latency_s.mid)
        for row in found
        if row.target.processor == processor and is_fit(found, row.network) and known_network(row.network, {})
    ]


def _rows_of(device: str, processor: str) -> Callable[[], list[Sample]]:
    return lambda: rows(device, processor)


_TENSOR_CORES: Final = (
    Derived("fp16", "int8", 0.55, 0.4, 0.8, "tensor cores compute fp16 at half the rate of int8"),
    Derived("fp32", "int8", 0.25, 0.12, 0.4, "TF32 at a quarter of it, or fp32 outside of the tensor cores"),
)

STUDIES: Final = (
    Study("mi8pro", "cpu", "Pixel 3 (SDM845), TensorFlow Lite, 4 threads and 1", _pixel3_cpu),
    Study(
        "mi8pro",
        "gpu",
        "Pixel 3 (SDM845), TensorFlow Lite GPU delegate",
        lambda: tflite("Pixel 3", "gpu_ms", Target("device", "gpu", "fp16")),
        derived=(_ADRENO_FP32,),
    ),
    Study(
        "mi8pro",
        "npu",
        "Pixel 3 (SDM845), TensorFlow Lite over NNAPI",
        lambda: tflite("Pixel 3", "nnapi_ms", Target("device", "npu", "int8")),
    ),
    Study(
        "moto-x-force",
        "cpu",
        "MSM8994, ncnn, 1 and 4 threads",
        lambda: _ncnn_cpu("MSM8994", "fp32", "int8"),
        source=NCNN,
    ),
    Study(
        "moto-x-force",
        "gpu",
        "MSM8994, ncnn on Vulkan",
        lambda: ncnn("MSM8994", Target("device", "gpu", "fp32")),
        source=NCNN,
        derived=(Derived("fp16", "fp32", 1.4, 1.0, 2.2, "ncnn computes fp32 here; half-size loads help at least"),),
    ),
    Study("tab-s6", "cpu", "Pixel 4 (SM8150), TensorFlow Lite, 4 threads", _pixel4_cpu, near="mi8pro cpu"),
    Study(
        "tab-s6",
        "gpu",
        "Pixel 4 (SM8150), TensorFlow Lite GPU delegate",
        lambda: tflite("Pixel 4", "gpu_ms", Target("device", "gpu", "fp16")),
        near="mi8pro gpu",
        derived=(_ADRENO_FP32,),
    ),
    Study(
        "tab-s6",
        "npu",
        "Pixel 4 (SM8150), TensorFlow Lite over NNAPI",
        lambda: tflite("Pixel 4", "nnapi_ms", Target("device", "npu", "int8")),
        near="mi8pro npu",
    ),
    Study(
        "rpi5",
        "cpu",
        "Raspberry Pi 5, ncnn, 1 and 4 threads",
        lambda: _ncnn_cpu("BCM2712", "fp16", "int8"),
        source=NCNN,
        derived=(_ARM_FP32,),
    ),
    Study(
        "pixel9",
        "cpu",
        "Dimensity 9300, ncnn, 1 thread on its Cortex-X4 and 4 on its A720",
        _dimensity9300_cpu,
        source=NCNN,
        is_same_chip=False,
        label="dimensity9300 cpu",
    ),
    Study(
        "pixel9",
        "cpu",
        "Pixel 9 Pro, LiteRT, 1 thread",
        lambda: rows("pixel9", "cpu"),
        near="dimensity9300 cpu",
        source=f"{LITERT}; {NCNN}",
        derived=(_ARM_FP16,),
    ),
    Study(
        "pixel9",
        "gpu",
        "Pixel 9 Pro, LiteRT's GPU delegate",
        lambda: rows("pixel9", "gpu"),
        source=LITERT,
        derived=(Derived("fp32", "fp16", 0.6, 0.4, 1.0, "Mali computes fp16 at twice the rate of fp32"),),
        has_products=True,
    ),
    Study(
        "galaxy-s25",
        "cpu",
        "Galaxy S25 Ultra, LiteRT, 1 thread",
        lambda: rows("galaxy-s25", "cpu"),
        near="pixel9 cpu",
        source=LITERT,
        derived=(_ARM_FP16,),
    ),
    Study(
        "galaxy-s25",
        "gpu",
        "Galaxy S25 Ultra, LiteRT's GPU delegate",
        lambda: rows("galaxy-s25", "gpu"),
        near="pixel9 gpu",
        source=LITERT,
        derived=(_ADRENO_FP32,),
        has_products=True,
    ),
    *(
        Study(board, processor, "the board itself, TFLite and ArmNN", _rows_of(board, processor), source=MLPERF)
        for board, processor in (
            ("rpi4", "cpu"),
            ("odroid-n2plus", "cpu"),
            ("odroid-n2plus", "gpu"),
            ("rk3588s", "cpu"),
            ("rk3588s", "gpu"),
        )
    ),
    *(
        Study(
            machine,
            "gpu",
            "the machine itself, TensorRT",
            _rows_of(machine, "gpu"),
            near=near,
            source=MLPERF,
            derived=_TENSOR_CORES,
            has_products=True,
            peak=peak,
        )
        for machine, near, peak in (
            ("jetson-xavier-nx", "", Peak(6.15e12, 51.2e9)),
            ("jetson-xavier", "jetson-xavier-nx gpu", Peak(11e12, 136.5e9)),
            ("a2-server", "", Peak(18e12, 200e9)),
            ("a30-server", "a2-server gpu", Peak(165e12, 933e9)),
            ("a100-server", "a30-server gpu", Peak(312e12, 1935e9)),
            ("t4-server", "a2-server gpu", Peak(65e12, 320e9)),
        )
    ),
    Study(
        "laptop",
        "cpu",
        "Ryzen 5700G (8x Zen 3), ncnn, 1 thread and 16",
        lambda: _ncnn_cpu("5700g", "fp32", threads=(1, 16)),
        source=NCNN,
        is_same_chip=False,
        derived=(
            Derived("fp16", "fp32", 1.0, 0.9, 1.3, "Zen 4 computes fp16 as fp32"),
            Derived("int8", "fp32", 2.8, 1.8, 4.0, "Zen 4 has AVX512-VNNI, which Zen 3 lacks: four MACs for one"),
        ),
    ),
)


def prior_of(
    study: Study,
    device: DeviceProfile,
    samples: Sequence[Sample],
    networks: Mapping[str, ModelProfile],
    near: Mapping[str, float] | None,
) -> Prior:
    """What is thought of a study's processor before its samples; ``near`` are the parameters of the one it leans on."""
    if near is None:
        prior = usual(device, study.processor, samples, networks)
        return prior if study.peak is None else prior | _with_tensor_cores(study.peak)
    other = next(each.peak for each in STUDIES if each.name == study.near)
    prior = like(near)
    return prior if study.peak is None or other is None else prior | _scaled(near, other, study.peak)


REACHED: Final = 0.46, 0.36
"""Of the stated int8 rate, what networks reach in large batches, and the spread of its logarithm: the median of 101
offline logs of MLPerf Inference v1.0 to v3.0 on A100, A30, A2, T4 and Xaviers (ResNet-50, SSDs, RetinaNet, BERT)."""


def _with_tensor_cores(peak: Peak) -> Prior:
    """Products of matrices reach as much as convolutions do, which are such products here.

    A kernel of CUDA takes about 5 us to launch, an input over PCIe and an answer back about 0.1 ms.
    """
    share, spread = REACHED
    return {
        "rate": (share * peak.mac_per_s, spread),
        "bandwidth": (0.75 * peak.memory_bytes_per_s, 0.3),
        "launch_s": (1e-4, 1.0),
        "layer_s": (5e-6, 1.0),
        "fully_connected": (1.0, 0.5),
    }


def _scaled(parameters: Mapping[str, float], other: Peak, own: Peak) -> Prior:
    """As much of what the maker states as the other reaches; what the host adds may be another's."""
    rate, bandwidth = own.mac_per_s / other.mac_per_s, own.memory_bytes_per_s / other.memory_bytes_per_s
    return {
        "rate": (parameters["rate"] * rate, REACHED[1]),
        "bandwidth": (parameters["bandwidth"] * bandwidth, 0.3),
        "launch_s": (parameters["launch_s"], 1.0),
        "layer_s": (parameters["layer_s"], 1.0),
    }


def usual(
    device: DeviceProfile, processor: str, samples: Sequence[Sample], networks: Mapping[str, ModelProfile]
) -> Prior:
    """What is usual of a processor: figures that hold for most of its kind within a factor of two or three."""
    precisions = list(dict.fromkeys(sample.target.precision for sample in samples))
    is_cpu = processor == "cpu"
    rates = [
        networks[sample.network].macs / sample.latency_s / (1.0 if sample.target.threads == 1 or not is_cpu else 3.0)
        for sample in samples
        if sample.target.precision == precisions[0]
    ]
    prior = {
        "rate": (float(np.median(rates)), 1.0),
        "launch_s": (1e-4 if is_cpu else 1.5e-3, 1.0),
        "layer_s": (5e-6 if is_cpu else 2e-5, 1.5),
        "bandwidth": (0.3 * device.memory.bandwidth_bytes_per_s, 0.5),
        "spatial_ratio": (1.0, 0.4),
        "depthwise_conv": (0.2, 0.7),
        "fully_connected": (1.0 if is_cpu else 0.5, 0.5),
        "other": (0.3, 0.5),
    }
    if is_cpu:
        prior["serial"] = (0.1, 0.8)
    for precision in precisions[1:]:
        prior |= {precision: (1.5, 0.5), f"{precision}.depthwise_conv": (1.0, 0.3)}
    return prior


def like(parameters: Mapping[str, float]) -> Prior:
    """A processor like another one: as fast within a factor, and of the same build."""
    loose = {"rate": 1.0, "launch_s": 0.7, "bandwidth": 0.3}
    precisions = ("fp32", "fp16", "int8")
    return {name: (value, loose.get(name, 0.3 if name in precisions else 0.15)) for name, value in parameters.items()}
