"""What HTTP needs beyond what aiohttp does by itself: rude, slow and broken clients.

aiohttp is right on its own about malformed heads, contradictory lengths, cut chunks and back-pressure. Ours are:

* **The delayed 100** (`body`). aiohttp answers ``Expect: 100-continue`` before any handler has looked. `connection`
  takes the header out of the request at its birth, and the first read of the body sends the 100; a refusal goes out
  instead of it.
* **The early answer** (`answer`). A client that is refused may go on sending for hours. The answer is sent at once, a
  little more is read so that a reset does not overtake the answer, and the connection is closed.
* **The half-closed connection** (`connection`). A client may end its side and wait for the answer; aiohttp would hang
  up on it.
* **The broken chunk** (`connection`). aiohttp queues a 400 behind the running request, and does not tell the one that
  reads the body.
* **Many small chunks** (`connection`). What the socket gives at once, 256 KiB, may be ten thousand chunks, and the
  parser takes them without a pause. It gets them in slices, and where those take their time others have their turn.
* **The size of the head** (`connection`). aiohttp limits each field and their number, 4 MiB in all.
* **Large bodies** of known length go past the parser (`receiving`).
* **The time limits of bodies** (`body`, `time_limits`). aiohttp waits for ever for the next piece.
* **The time limit of answers** (`listening`). aiohttp waits for ever for a client to read. The kernel does not, where
  it is told.
* **The time limit of TLS** (`listening`). Python gives a handshake, and the good-bye, half a minute and more.
* **The limit of open files** (`accepting`). uvloop resets what it has no descriptor for. Here it waits.
* **The drain** (`stopping`). aiohttp's own graceful stop drops the incoming bytes of running uploads. We count running
  requests, stop listening, wait for the count to fall to zero, and only then let aiohttp clean up.
"""
