"""The annotation page: boxes and labels corrected by hand in a browser."""
