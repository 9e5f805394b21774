"""What a client does that lists the pieces of its file and proves to have them."""

import hashlib

from stillage.formats.piece_digests import PIECE, PieceList
from stillage.operations.resumable.possession import Proof


def listed(data: bytes, first: int = 0, most: int = 1024) -> PieceList:
    """Return the digests of at most *most* pieces of *data*, from the piece *first* on."""
    starts = range(first * PIECE, len(data), PIECE)[:most]
    return PieceList(first, b"".join(hashlib.sha256(data[at : at + PIECE]).digest() for at in starts), len(data))


def proven(proof: Proof, data: bytes) -> list[str]:
    nonce = proof.nonce.encode()
    return [hashlib.sha256(nonce + data[span.first : span.end]).hexdigest() for span in proof.ranges]
