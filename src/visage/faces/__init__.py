"""From photos to faces: detection, boxes, crops, mattes, and the comparison of detectors."""
