"""The Open Inference Protocol: tensors, parameters, status and the client; devices, servers and any peer use it."""
