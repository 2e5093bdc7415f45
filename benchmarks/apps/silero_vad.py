"""silero-vad listens for speech in a tone that comes and goes."""

from typing import Any

import torch


def outputs() -> Any:
    """The probability of speech in each of 40 pieces; the state goes from one to the next."""
    from silero_vad import load_silero_vad

    model = load_silero_vad(onnx=True)
    time_s = torch.arange(40 * 512) / 16000.0
    wave = torch.sin(2 * torch.pi * 220 * time_s) * (torch.sin(2 * torch.pi * 3 * time_s) > 0)
    return [float(model(piece, 16000)) for piece in wave.split(512)]
