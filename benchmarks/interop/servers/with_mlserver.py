"""MLServer with the models of files, PATH..., at loopback's port PORT, each run on its loop, as its runtimes do."""

import asyncio
import sys
from pathlib import Path

from mlserver import MLServer, ModelSettings, Settings
from mlserver.settings import ModelParameters

*paths, port = sys.argv[1:]
sys.path.insert(0, str(Path(__file__).parent))

from mlserver_runtime import OnnxModel  # noqa: E402


async def main():
    settings = Settings(
        host="127.0.0.1",
        grpc_port=int(port),
        http_port=int(port) + 1,
        metrics_endpoint=None,
        parallel_workers=0,
        debug=False,
    )
    models = [
        ModelSettings(name=Path(path).parents[1].name, implementation=OnnxModel, parameters=ModelParameters(uri=path))
        for path in paths
    ]
    await MLServer(settings).start(models)


asyncio.run(main())
