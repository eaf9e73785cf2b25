"""See DESIGN in docs/architecture.md: the site room."""
