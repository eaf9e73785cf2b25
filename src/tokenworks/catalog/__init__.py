"""See DESIGN in docs/architecture.md: the catalog room."""
