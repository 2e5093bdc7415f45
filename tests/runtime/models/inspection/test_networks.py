"""Published full-size networks, which come with the package onnx, against counts from their papers' tables."""

from pathlib import Path

import onnx

from autoscale.profiles.networks import load_network
from autoscale_runtime.models.inspection import inspect


def layers(report):
    return report.conv, report.depthwise_conv, report.fully_connected, report.recurrent


def light(name):
    return Path(onnx.__file__).parent / "backend" / "test" / "data" / "light" / f"light_{name}.onnx"


def resnet50():
    """MACs, kernel elements and normalised channels: He et al. 2015, table 1, stride in the 3x3 (version 1.5)."""
    macs, parameters, norms, side, channels = 112 * 112 * 64 * 3 * 49, 64 * 3 * 49, 64, 56, 64
    for stage, blocks in enumerate((3, 4, 6, 3)):
        width = 64 * 2**stage
        for block in range(blocks):
            before, side = side, 56 // 2**stage
            kernels = [(channels * width, before), (width * width * 9, side), (width * 4 * width, side)]
            kernels += [(channels * 4 * width, side)] if block == 0 else []
            macs += sum(kernel * at * at for kernel, at in kernels)
            parameters += sum(kernel for kernel, _ in kernels)
            norms += 6 * width + (4 * width if block == 0 else 0)
            channels = 4 * width
    return macs, parameters, norms


def test_resnet_50():
    convolutions, kernels, norms = resnet50()
    report = inspect(light("resnet50"))
    assert layers(report) == (53, 0, 1, 0)
    assert report.macs == convolutions + 2048 * 1000 == 4_089_184_256
    assert report.parameters == kernels + 4 * norms + 2048 * 1000 + 1000
    assert report.uncounted == ()
    shipped = load_network("resnet-50")  # its file has no softmax, which reads and writes 1000 values
    assert report.other == shipped.other + 1
    assert report.spatial_macs == shipped.spatial_macs
    assert report.values_by_kind["conv"] == shipped.values_by_kind["conv"]
    assert report.values_by_kind["other"] == shipped.values_by_kind["other"] + 2000


def test_vgg_19():
    """Simonyan and Zisserman 2014, configuration E."""
    macs, parameters, channels, side = 0, 0, 3, 224
    for width, repeats in ((64, 2), (128, 2), (256, 4), (512, 4), (512, 4)):
        for _ in range(repeats):
            macs += side * side * channels * width * 9
            parameters += channels * width * 9 + width
            channels = width
        side //= 2
    for rows, columns in ((25088, 4096), (4096, 4096), (4096, 1000)):
        macs += rows * columns
        parameters += rows * columns + columns
    report = inspect(light("vgg19"))
    assert (layers(report), report.macs, report.parameters) == ((16, 0, 3, 0), macs, parameters)


def test_alexnet_with_its_grouped_convolutions():
    """Krizhevsky 2012 as Caffe's reference model has it, on 224 x 224."""
    shape = [(54, 96, 3, 11), (26, 256, 48, 5), (12, 384, 256, 3), (12, 384, 192, 3), (12, 256, 192, 3)]
    convolutions = sum(side**2 * out * per_group * kernel**2 for side, out, per_group, kernel in shape)
    dense = 9216 * 4096 + 4096 * 4096 + 4096 * 1000
    report = inspect(light("bvlc_alexnet"))
    assert layers(report) == (5, 0, 3, 0)
    assert report.macs_by_kind["conv"] == convolutions
    assert report.macs_by_kind["fully_connected"] == dense
    assert report.parameters == 60_965_224  # the published count of Caffe's model
