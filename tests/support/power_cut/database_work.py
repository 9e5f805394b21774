"""``python database_work.py FOLDER``: commit to a new SQLite database, to be recorded, and say so: ``committed N``."""

import asyncio
import os
import sys
from pathlib import Path

from sqlalchemy import Connection, text

from stillage.db.session import Database

ROWS = 8


def add(connection: Connection, number: int) -> None:
    if number == 0:
        connection.execute(text("CREATE TABLE rows (number INTEGER PRIMARY KEY, content TEXT)"))
    values = {"number": number, "content": f"{number} " * 3000}  # several pages: a commit can be half written
    connection.execute(text("INSERT INTO rows VALUES (:number, :content)"), values)


async def work(path: Path) -> None:
    database = Database(f"sqlite:///{path}")
    for number in range(ROWS):
        await database.write(add, number)
        os.write(1, f"committed {number}\n".encode())
    database.close()


if __name__ == "__main__":
    asyncio.run(work(Path(sys.argv[1]) / "stillage.db"))
