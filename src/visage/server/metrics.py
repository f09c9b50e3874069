"""Counts and times of a server in Prometheus' text format."""

import threading
from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping

BUCKETS = (0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)  # seconds, upper bounds
PHOTOS_PATH = "/v1/faces"
HELP = {
    "visage_requests_total": ("counter", "Requests answered, by path and status."),
    "visage_photos_total": ("counter", "Photos judged."),
    "visage_faces_total": ("counter", "Faces found in them."),
    "visage_requests_open": ("gauge", "Requests for photos being read, waiting or being answered."),
    "visage_photos_waiting": ("gauge", "Photos waiting or being judged."),
}


class Metrics:
    """Safe to use from several threads."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.requests: Counter[tuple[str, int]] = Counter()
        self.photos = self.faces = 0
        self.buckets = [0] * (len(BUCKETS) + 1)
        self.seconds = 0.0

    def count_request(self, path: str, status: int, seconds: float) -> None:
        """One answer; paths that the server does not have are counted together, the time only of photos judged."""
        with self.lock:
            self.requests[path, status] += 1
            if path == PHOTOS_PATH and status == 200:
                self.buckets[bisect_left(BUCKETS, seconds)] += 1
                self.seconds += seconds

    def count_photos(self, photos: int, faces: int) -> None:
        with self.lock:
            self.photos += photos
            self.faces += faces

    def write_text(self, gauges: Mapping[str, int]) -> str:
        """The text that a Prometheus server reads; `gauges` are the values of this moment."""
        with self.lock:
            values = {
                "visage_requests_total": {
                    f'{{path="{path}",status="{status}"}}': count
                    for (path, status), count in sorted(self.requests.items())
                },
                "visage_photos_total": {"": self.photos},
                "visage_faces_total": {"": self.faces},
                **{name: {"": value} for name, value in gauges.items()},
            }
            lines = []
            for name, rows in values.items():
                kind, text = HELP[name]
                lines += [f"# HELP {name} {text}", f"# TYPE {name} {kind}"]
                lines += [f"{name}{labels} {value}" for labels, value in rows.items()]
            return "\n".join([*lines, *self.histogram(), ""])

    def histogram(self) -> list[str]:
        name, total = "visage_request_seconds", 0
        lines = [f"# HELP {name} Seconds of answered requests for photos.", f"# TYPE {name} histogram"]
        for bound, count in zip([*BUCKETS, "+Inf"], self.buckets, strict=True):
            total += count
            lines.append(f'{name}_bucket{{le="{bound}"}} {total}')
        return [*lines, f"{name}_sum {self.seconds:.6f}", f"{name}_count {total}"]
