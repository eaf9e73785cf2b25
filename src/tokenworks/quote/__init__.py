"""See DESIGN in docs/architecture.md: the quote room."""
