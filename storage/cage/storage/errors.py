"""Name what can be wrong with a database file."""


class DatabaseLockedError(Exception):
    """Refuse to open a database that another process holds."""

    def __init__(self, path: str, holder: str) -> None:
        super().__init__(f"{path} is held by {holder or 'another process'}")
        self.path = path
        self.holder = holder


class UnusableDatabaseError(Exception):
    """Refuse a file that cannot be opened or is no database."""

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(f"{path} cannot be used: {problem}")
        self.path = path


class SchemaError(Exception):
    """Refuse a database whose schema is not that of this version."""

    def __init__(self, path: str, found: int, known: int) -> None:
        remedy = (
            f"stop every caged on it and run: caged migrate {path}"
            if found < known
            else "a newer caged migrated it: run pip install -U cage-wallet"
        )
        super().__init__(
            f"{path} has schema version {found}, this is {known}; {remedy}"
        )
        self.found = found
        self.known = known


class DurabilityError(Exception):
    """Refuse a database that does not promise what was asked of it."""

    def __init__(self, setting: str, wanted: object, found: object) -> None:
        super().__init__(f"the database has {setting} {found!r}, not {wanted!r}")
        self.setting = setting
