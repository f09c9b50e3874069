"""Side-by-side measurements. A module here has `figures()`; `make bench` runs them all into metrics/bench.json."""
