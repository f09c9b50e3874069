"""Writing a bundle: networks as ONNX, checked against PyTorch, and the card. Needs torch."""
