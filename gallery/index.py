"""The searchable index of the gallery: SQLite in WAL mode, synchronous=FULL. A cache of the files.

It knows rows. It opens no picture and decides nothing about files.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from sqlite3 import Connection

from sqlalchemy import ColumnElement, String, create_engine, delete, event, func, or_, select, text
from sqlalchemy.exc import DatabaseError, OperationalError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

MOST_WORDS = 32  # of a search; SQLite allows expressions a thousand deep
MOST_CHARACTERS = 2000  # of a search; SQLite allows patterns of 50,000 bytes
SCHEMA = 2  # PRAGMA user_version; an index of another schema is made again from the files


class IndexDamaged(Exception):
    """The file is not a sound index of this schema. Nothing is lost: it can be made again."""


class _Base(DeclarativeBase):
    pass


class _Picture(_Base):
    __tablename__ = "pictures"
    __table_args__ = {"sqlite_autoincrement": True}

    number: Mapped[int] = mapped_column(primary_key=True)  # the order of saving; clocks may jump
    id: Mapped[str] = mapped_column(String(32), unique=True)
    path: Mapped[str]  # below the pictures folder, with forward slashes
    created: Mapped[str]  # ISO 8601 with time zone
    width: Mapped[int]
    height: Mapped[int]
    recipe: Mapped[str]  # JSON, or "" where the file could not be read
    parents: Mapped[str]  # ids joined by spaces
    words: Mapped[str]  # what `searchable` made of the prompt
    pixels: Mapped[str] = mapped_column(String(64), index=True)  # their SHA-256, "" where unreadable
    made: Mapped[float]  # `created` in seconds since 1970, to compare


class _Tie(_Base):
    """``child`` was made from ``parent``: an entry's id, or the SHA-256 of a picture's pixels."""

    __tablename__ = "ties"

    child: Mapped[str] = mapped_column(String(32), primary_key=True)
    parent: Mapped[str] = mapped_column(String(64), primary_key=True, index=True)


@dataclass(frozen=True)
class Row:
    """One picture as the index holds it; ``words`` (made by ``searchable``) is what it is found by.

    ``pixels`` is its picture's SHA-256 as recipes name pictures, ``needs`` those its recipe was made with.
    """

    id: str
    path: str
    created: str
    width: int
    height: int
    recipe: str
    parents: tuple[str, ...]
    words: str
    pixels: str = ""
    needs: tuple[str, ...] = ()


class Index:
    """Rows of pictures, newest first. Opening raises IndexDamaged."""

    def __init__(self, file: Path) -> None:
        self._engine = create_engine(f"sqlite:///{file}", connect_args={"timeout": 10})
        event.listen(self._engine, "connect", _prepare)
        try:
            self._check()
        except Exception as error:
            self._engine.dispose()
            if isinstance(error, DatabaseError) and not isinstance(error, OperationalError):
                raise IndexDamaged(str(error.orig)) from None  # operational: locked, disk full; not damage
            raise

    def _check(self) -> None:
        with self._engine.begin() as connection:
            schema = connection.execute(text("PRAGMA user_version")).scalar_one()
            if schema not in (0, SCHEMA):
                raise IndexDamaged(f"schema {schema}, not {SCHEMA}")
            sound = connection.execute(text("PRAGMA quick_check")).scalar_one()
            if sound != "ok":
                raise IndexDamaged(sound)
            connection.execute(text(f"PRAGMA user_version = {SCHEMA}"))
            _Base.metadata.create_all(connection)

    def close(self) -> None:
        self._engine.dispose()

    def add(self, rows: Iterable[Row]) -> None:
        """Insert in the order given; a row whose id is known is left as it is."""
        with Session(self._engine) as session, session.begin():
            for row in rows:
                if session.scalar(select(_Picture.number).where(_Picture.id == row.id)) is None:
                    session.add(_picture(row))
                    ties = dict.fromkeys((*row.parents, *row.needs))
                    session.add_all(_Tie(child=row.id, parent=parent) for parent in ties)
                    session.flush()  # so that numbers follow the order given

    def remove(self, ids: Iterable[str]) -> None:
        with Session(self._engine) as session, session.begin():
            for entry_id in ids:
                session.execute(delete(_Picture).where(_Picture.id == entry_id))
                session.execute(delete(_Tie).where(_Tie.child == entry_id))

    def get(self, entry_id: str) -> Row | None:
        with Session(self._engine) as session:
            found = session.scalar(select(_Picture).where(_Picture.id == entry_id))
            return None if found is None else _row(found)

    def find(self, words: str, limit: int, before: str | None) -> list[Row]:
        """Rows whose prompt has every one of ``words`` (beginnings of words count), newest first.

        ``before`` is the id after which to go on, for the next page. A whole page of text may be pasted:
        its first 2000 characters, and 32 different words of them, are looked for.
        """
        query = select(_Picture).order_by(_Picture.number.desc()).limit(limit)
        for word in list(dict.fromkeys(split(words[:MOST_CHARACTERS])))[:MOST_WORDS]:
            # A beginning of a word: "app" finds "apples" and "red" does not find "scattered". Scripts
            # that write no spaces are searched anywhere.
            query = query.where(
                _Picture.words.contains(f" {word}" if word.isascii() else word, autoescape=True)
            )
        if before is not None:
            number = select(_Picture.number).where(_Picture.id == before).scalar_subquery()
            query = query.where(_Picture.number < number)
        with Session(self._engine) as session:
            return [_row(found) for found in session.scalars(query)]

    def drawn(self, pixels: str) -> Row | None:
        """The newest picture of those pixels."""
        query = select(_Picture).where(_Picture.pixels == pixels).order_by(_Picture.number.desc()).limit(1)
        with Session(self._engine) as session:
            found = session.scalar(query)
            return None if found is None else _row(found)

    def parents(self, entry_id: str) -> list[Row]:
        """The pictures that one was made from, oldest first; those that are no longer here are left out.

        They are those it names, and earlier ones whose pixels are one of its recipe's pictures.
        """
        named = select(_Tie.parent).where(_Tie.child == entry_id)
        child = select(_Picture.made).where(_Picture.id == entry_id).scalar_subquery()
        earlier = _Picture.pixels.in_(named) & (_Picture.made < child)
        return self._related(or_(_Picture.id.in_(named), earlier), entry_id)

    def children(self, entry_id: str) -> list[Row]:
        """The pictures that were made from one, oldest first."""
        pixels = select(_Picture.pixels).where(_Picture.id == entry_id).scalar_subquery()
        made = select(_Picture.made).where(_Picture.id == entry_id).scalar_subquery()
        by_id = select(_Tie.child).where(_Tie.parent == entry_id)
        by_pixels = select(_Tie.child).where(_Tie.parent == pixels)
        later = _Picture.id.in_(by_pixels) & (_Picture.made > made)
        return self._related(or_(_Picture.id.in_(by_id), later), entry_id)

    def _related(self, how: ColumnElement[bool], entry_id: str) -> list[Row]:
        query = select(_Picture).where(how, _Picture.id != entry_id)
        with Session(self._engine) as session:
            return [_row(found) for found in session.scalars(query.order_by(_Picture.made, _Picture.number))]

    def paths(self) -> dict[str, str]:
        """id -> path of every row."""
        with Session(self._engine) as session:
            rows = session.execute(select(_Picture.id, _Picture.path))
            return {row.id: row.path for row in rows}

    def count(self) -> int:
        with Session(self._engine) as session:
            return session.scalar(select(func.count(_Picture.number))) or 0


def split(words: str) -> list[str]:
    return re.findall(r"\w+", words.casefold())


def searchable(prompt: str) -> str:
    """The prompt's words, case folded, a space before each."""
    return " " + " ".join(split(prompt))


def remove_files(file: Path) -> None:
    """Delete a lost cause: the database and its side files."""
    for suffix in ("", "-wal", "-shm"):
        file.with_name(file.name + suffix).unlink(missing_ok=True)


def _prepare(connection: Connection, _record: object) -> None:
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=10000"):
        connection.execute(f"PRAGMA {pragma}")


def _picture(row: Row) -> _Picture:
    return _Picture(
        id=row.id, path=row.path, created=row.created, width=row.width, height=row.height,
        recipe=row.recipe, parents=" ".join(row.parents), words=row.words, pixels=row.pixels,
        made=datetime.fromisoformat(row.created).timestamp(),
    )  # fmt: skip


def _row(found: _Picture) -> Row:
    return Row(
        id=found.id, path=found.path, created=found.created, width=found.width, height=found.height,
        recipe=found.recipe, parents=tuple(found.parents.split()), words=found.words,
        pixels=found.pixels,
    )  # fmt: skip
