"""Check an OpenPGP signature with ``gpgv`` from GnuPG, which trusts the keys of one key ring and no others.

It is a process of its own, because no library for it is maintained as that one is. It gets a list of arguments that
nobody can change, a folder that is removed afterwards, no environment, and ten seconds.
"""

import asyncio
import shutil
import tempfile
from asyncio.subprocess import DEVNULL, PIPE
from pathlib import Path

from stillage.errors import BadSettings

CLEARSIGNED = b"-----BEGIN PGP SIGNED MESSAGE-----"
LIMIT_S = 10.0
PREFIX = b"[GNUPG:] "


class KeyRing:
    """The keys in one file, as ``gpg --export`` writes it."""

    def __init__(self, keys: Path) -> None:
        """Take *keys*.

        Raises:
            BadSettings: If the file or gpgv is missing.
        """
        program = shutil.which("gpgv")
        if program is None:
            raise BadSettings("import_keyring needs the program gpgv; install GnuPG's package gpgv")
        if not keys.is_file():
            raise BadSettings(f"import_keyring: the file {keys} does not exist")
        self._program = program
        self._keys = keys.resolve()

    async def signed(self, text: bytes, signature: bytes | None) -> bytes | None:
        """Return what of *text* is signed by one of the keys; None if that is nothing.

        Args:
            text: With the signature inside, or without.
            signature: Of all of *text*; None if it is inside.
        """
        with tempfile.TemporaryDirectory(prefix="stillage-gpgv-") as name:
            folder = Path(name)
            (folder / "text").write_bytes(text)
            files = ["--output", str(folder / "out"), str(folder / "text")]
            if signature is not None:
                (folder / "signature").write_bytes(signature)
                files = [str(folder / "signature"), str(folder / "text")]
            status = await self._run(folder, files)
            if b"GOODSIG" not in status:  # there may be others, of keys that nobody knows here
                return None
            return text if signature is not None else (folder / "out").read_bytes()

    async def _run(self, folder: Path, files: list[str]) -> set[bytes]:
        """Return the first words of the lines in which gpgv says what it found."""
        fixed = ["--homedir", str(folder), "--status-fd", "1", "--keyring", str(self._keys)]
        process = await asyncio.create_subprocess_exec(
            self._program, *fixed, *files, stdin=DEVNULL, stdout=PIPE, stderr=DEVNULL, env={}, cwd=folder
        )
        try:
            async with asyncio.timeout(LIMIT_S):
                output, _ = await process.communicate()
        except TimeoutError:
            return set()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        lines = [line.removeprefix(PREFIX) for line in output.splitlines() if line.startswith(PREFIX)]
        return {line.partition(b" ")[0] for line in lines}
