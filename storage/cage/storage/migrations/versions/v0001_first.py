"""Begin with the tables of ``schema.py``, which every new database is given.

Until a first release freezes it, this revision is whatever ``schema.py`` says; what
changes the schema after that release is a revision of its own.
"""

revision = "1"
down_revision = None


def upgrade() -> None:
    """Change nothing: whoever has a version has these tables."""
