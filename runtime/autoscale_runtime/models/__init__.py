"""Models on disk: bundles, bare files, their inspection and preparation."""
