"""A bundle at work on photos. Needs onnxruntime, numpy, OpenCV and pyyaml; no torch and no DVC."""
