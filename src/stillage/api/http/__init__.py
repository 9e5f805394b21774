"""HTTP beyond what aiohttp does by itself: protection against slow, broken and hostile clients.

aiohttp handles malformed heads, contradictory lengths, truncated chunks and back-pressure correctly. We add:

* **The delayed 100** (`body`). aiohttp answers ``Expect: 100-continue`` before any handler runs. `connection` removes
  the header when it creates the request, and the first read of the body sends the 100. A refusal is sent instead of
  it.
* **The early answer** (`answer`). A refused client may keep sending for hours. We answer at once, read a little more
  so that a reset does not overtake the answer, and close the connection.
* **The half-closed connection** (`connection`). A client may close its side and wait for the answer; aiohttp would
  close the connection.
* **The broken chunk** (`connection`). aiohttp queues a 400 behind the running request, and does not tell the reader of
  the body.
* **Many small chunks** (`connection`). One read of the socket, 256 KiB, may hold ten thousand chunks, which the parser
  handles without a pause. We feed it slices, and let other tasks run between slow ones.
* **The size of the head** (`connection`). aiohttp limits each field and their number, 4 MiB in all.
* **Large bodies** of known length bypass the parser (`receiving`).
* **The time limits of bodies** (`body`, `time_limits`). aiohttp waits for ever for the next piece.
* **The time limit of answers** (`listening`). aiohttp waits for ever for a client to read. We set a limit in the
  kernel, if it has one.
* **The time limit of TLS** (`listening`). Python allows half a minute and more for the handshake and the shutdown.
* **Plain HTTP to the port for HTTPS** (`plain_http`). Python closes the connection without a word. We answer 400.
* **The limit of open files** (`accepting`). uvloop resets connections that it has no descriptor for. Ours wait.
* **Draining** (`stopping`). aiohttp's graceful shutdown drops the incoming bytes of running uploads. We count running
  requests, stop listening, wait for the count to fall to zero, and only then let aiohttp clean up.
"""
