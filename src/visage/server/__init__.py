"""A bundle by HTTP, and a page to try it. Needs the extra `serve`."""
