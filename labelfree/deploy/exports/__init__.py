"""Heads for other programs: ONNX that takes stored pixels, a script that runs it, and the plain network."""
