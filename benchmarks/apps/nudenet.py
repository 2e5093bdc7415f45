"""nudenet looks for what it knows in a picture of shapes."""

from typing import Any

import cv2
import numpy as np

SKIN = (140, 172, 224)


def outputs() -> Any:
    """What it detects, and a part of what its network says of the picture."""
    from nudenet import NudeDetector

    detector = NudeDetector()
    picture = np.full((320, 320, 3), (190, 200, 210), np.uint8)
    cv2.ellipse(picture, (160, 90), (50, 60), 0, 0, 360, SKIN, -1)
    for x in (140, 180):
        cv2.circle(picture, (x, 80), 6, (30, 30, 40), -1)
    cv2.rectangle(picture, (100, 150), (220, 310), SKIN, -1)
    found = detector.detect(picture)
    values = picture.astype(np.float32).transpose(2, 0, 1)[None] / 255
    session = detector.onnx_session
    [scores] = session.run(None, {session.get_inputs()[0].name: values})
    return [found, scores.ravel()[:: max(1, scores.size // 50)].tolist()]
