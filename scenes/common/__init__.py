"""What both networks share: layers, the training loop, drawn portraits, street scenes, the ONNX file."""
