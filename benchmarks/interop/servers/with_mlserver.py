"""MLServer with the model of a file, PATH, at loopback's port PORT; prints a line when it is started."""

import asyncio
import sys
from pathlib import Path

from mlserver import MLServer, ModelSettings, Settings
from mlserver.settings import ModelParameters

path, port = sys.argv[1], int(sys.argv[2])
sys.path.insert(0, str(Path(__file__).parent))

from mlserver_runtime import OnnxModel  # noqa: E402


async def main():
    settings = Settings(
        host="127.0.0.1", grpc_port=port, http_port=port + 1, metrics_endpoint=None, parallel_workers=0, debug=False
    )
    server = MLServer(settings)
    model = ModelSettings(name="net", implementation=OnnxModel, parameters=ModelParameters(uri=path))
    print("starting", flush=True)
    await server.start([model])


asyncio.run(main())
