"""Photographs of people to mask, gender and age."""

import os

# A thread that waits for the others looks out for a moment (some ten microseconds) and then sleeps. By default it looks
# out for milliseconds, and where a machine is shared a training step then takes ten times as long; if it slept at once,
# a step would take half as long again. It has to be set before torch is first imported.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("GOMP_SPINCOUNT", "2000")

# No picture decodes to more pixels than `formats.photos.MAX_PIXELS`, whatever its header made us believe. OpenCV reads
# this when it is first imported.
os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", "100000000")
