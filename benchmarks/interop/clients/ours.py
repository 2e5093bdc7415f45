"""A session asks a server of another maker, ADDRESS, for the model of a file, PATH; prints check: whether it held."""

import json
import sys

import numpy as np
import onnxruntime

from autoscale_runtime import RemoteModel, Session, SessionOptions

address, path = sys.argv[1:]
rng = np.random.default_rng(1)
feeds = [{"x": rng.normal(size=(1, 8)).astype(np.float32)} for _ in range(5)]
bare = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
right = [bare.run(None, each)[0] for each in feeds]
remotes = {"cloud": RemoteModel(address, "net")}
with Session(path, remotes=remotes, mode="ONLY_IN_CLOUD", options=SessionOptions(sensors=())) as session:
    came, where = [], set()
    for each in feeds:
        came.append(session.run(None, each)[0])
        where.add(session.last.inference_source)
    print(
        json.dumps(
            {
                "answers are the network's": all(
                    np.allclose(one, other, atol=1e-5) for one, other in zip(came, right, strict=True)
                ),
                "all from there": where == {"in_cloud"},
            }
        )
    )
