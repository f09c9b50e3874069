"""Write both networks as ONNX files that the packages retina-face and rembg take for their own."""

from pathlib import Path

from common.weights import load_weights
from detector.network import Detector, export_detector
from matting.network import Matting, export_matting
from visage.runtime.stage import run


def main(detector_weights: Path, matting_weights: Path, detector: Path, matting: Path) -> None:
    export_detector(load_weights(Detector(), detector_weights), detector)
    export_matting(load_weights(Matting(), matting_weights), matting)


if __name__ == "__main__":
    run(main)
