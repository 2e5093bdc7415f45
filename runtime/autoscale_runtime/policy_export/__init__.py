"""Policies as ONNX graphs, for phones in any language: neither Python nor this package is needed to run one."""

from autoscale_runtime.policy_export.export import export_policy

__all__ = ["export_policy"]
