"""Copies all that a database holds into an empty one, of another kind as it may be."""

import hashlib

from sqlalchemy import MetaData, Table, select, text
from sqlalchemy.engine import Connection, RowMapping

from serving.errors import StateError
from serving.state.database import Database

_ROWS_AT_ONCE = 1000
_OF_ALEMBIC = "alembic_version"


def copy_rows(source: Database, target: Database) -> dict[str, int]:
    """Copies every row of every table in one transaction, and compares what arrived.

    Both are brought up to date first. Servers should be stopped: what they write to the source
    meanwhile is not copied.

    Args:
        source: where from; only read, but for being brought up to date.
        target: where to; it must hold no row yet.

    Returns:
        Table name -> number of rows.

    Raises:
        StateError: the target holds rows, the source has tables that this version does not
            know, or what arrived is not what was sent; the target is left as it was.
    """
    copied = {}
    with source.read() as reading, target.write() as writing:
        sources, targets = read_tables(reading), read_tables(writing)
        if unknown := sources.keys() - targets.keys():
            raise StateError(f"{source.name} has unknown tables: {', '.join(sorted(unknown))}")
        for name, table in targets.items():
            if writing.execute(select(table).limit(1)).first() is not None:
                raise StateError(f"{target.name} is not empty: {name} has rows")
        for name, table in targets.items():
            query = select(sources[name]).execution_options(yield_per=_ROWS_AT_ONCE)
            for rows in reading.execute(query).mappings().partitions():
                writing.execute(table.insert(), [dict(row) for row in rows])
            _count_on(writing, table)
            sent, arrived = summarise(reading, sources[name]), summarise(writing, table)
            if sent != arrived:
                raise StateError(
                    f"{name}: {arrived[0]} rows arrived of {sent[0]}, or not as they were"
                )
            copied[name] = sent[0]
    return copied


def read_tables(connection: Connection) -> dict[str, Table]:
    """Returns the tables that hold rows of ours; those that others refer to come first."""
    found = MetaData()
    found.reflect(connection)
    return {table.name: table for table in found.sorted_tables if table.name != _OF_ALEMBIC}


def summarise(connection: Connection, table: Table) -> tuple[int, int]:
    """Returns the number of rows, and the sum of their hashes, which no order changes."""
    number, total = 0, 0
    query = select(table).execution_options(yield_per=_ROWS_AT_ONCE)
    for row in connection.execute(query).mappings():
        number += 1
        total += int.from_bytes(_hash(row))
    return number, total


def _hash(row: RowMapping) -> bytes:
    return hashlib.sha256(repr(sorted(row.items())).encode()).digest()


def _count_on(connection: Connection, table: Table) -> None:
    """Lets keys that count up go on after the highest that was copied, as SQLite does itself."""
    column = table.autoincrement_column
    if column is None or connection.dialect.name != "postgresql":
        return
    sequence = f"pg_get_serial_sequence('{table.name}', '{column.name}')"
    connection.execute(text(f"SELECT setval({sequence}, max({column.name})) FROM {table.name}"))
