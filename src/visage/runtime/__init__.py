"""How a stage runs: its parameters, its memo, its processes."""
