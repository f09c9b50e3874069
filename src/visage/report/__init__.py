"""The report: one offline page about a run."""
