"""See DESIGN in docs/architecture.md: the scenario room."""
