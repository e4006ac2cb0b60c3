"""Hold one revision per version of the schema, for Alembic."""
