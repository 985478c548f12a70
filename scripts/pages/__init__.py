"""The generated pages of the documentation, one module a page or two; see scripts/reference.py."""
