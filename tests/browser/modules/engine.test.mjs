import assert from "node:assert/strict";
import { test } from "node:test";
import * as engine from "../../../src/stillage/console/upload/engine.js";
import { LARGEST, lanesFor, MIB, pieceOf } from "../../../src/stillage/console/upload/pace.js";

const GIB = 1024 * MIB;
const nothing = { ranges: [], verified: 0, complete: false };
const broke = { why: "the connection broke", now: 1000, random: 0, broken: true };

/** An upload of `size` bytes whose first piece is there and verified. */
function sending(size = GIB) {
  return engine.begin(size, { ranges: [[0, MIB - 1]], verified: MIB, complete: false });
}

/** Take the next piece. */
function take(upload) {
  const piece = engine.next(upload);
  assert.ok(piece);
  return [engine.taken(upload, piece), piece];
}

test("the first piece has one MiB and goes alone", () => {
  const [upload, piece] = take(engine.begin(GIB, nothing));
  assert.deepEqual(piece, { first: 0, end: MIB });
  assert.equal(engine.next(upload), null);
});

test("nothing else is sent until the first piece is verified", () => {
  const [begun, piece] = take(engine.begin(GIB, nothing));
  const { upload } = engine.arrived(begun, piece, piece, 10, false);
  assert.equal(upload.phase, "checking");
  assert.equal(engine.next(upload), null);
  const verified = engine.heard(upload, { ranges: [[0, MIB - 1]], verified: MIB, complete: false });
  assert.equal(verified.phase, "sending");
  assert.equal(engine.next(verified).first, MIB);
});

test("a server that does not verify the first piece in time does not stop the upload", () => {
  const [begun, piece] = take(engine.begin(GIB, nothing));
  const { upload } = engine.arrived(begun, piece, piece, 10, false);
  assert.equal(engine.impatient(upload).phase, "sending");
  assert.equal(engine.impatient(begun).phase, "checking");
});

test("lanes send different pieces, and no more than there are lanes", () => {
  let upload = sending();
  const pieces = [];
  for (let lane = 0; lane < lanesFor(GIB); lane++) {
    const [taken, piece] = take(upload);
    upload = taken;
    pieces.push(piece);
  }
  assert.equal(engine.next(upload), null);
  assert.equal(new Set(pieces.map((piece) => piece.first)).size, lanesFor(GIB));
});

test("a whole file is sent once, in whatever order its pieces arrive", () => {
  let upload = sending(37 * MIB + 5);
  let sent = MIB;
  while (upload.phase === "sending") {
    const flying = [];
    for (let piece = engine.next(upload); piece; piece = engine.next(upload)) {
      upload = engine.taken(upload, piece);
      flying.unshift(piece);
    }
    for (const piece of flying) {
      sent += piece.end - piece.first;
      upload = engine.arrived(upload, piece, piece, 10, false).upload;
    }
  }
  assert.equal(upload.phase, "verifying");
  assert.equal(sent, 37 * MIB + 5);
});

test("after a failure the server is asked before anything is sent again", () => {
  const [taken, piece] = take(sending());
  const failed = engine.failed(taken, piece, broke);
  assert.equal(engine.next(failed), null);
  const retried = engine.retried(failed, failed.hold.until);
  assert.equal(engine.next(retried), null);
  assert.equal(engine.next(engine.heard(retried, { ranges: [[0, MIB - 1]], verified: MIB, complete: false })).first, MIB);
});

test("an answer that was lost does not make a piece be sent twice", () => {
  const [taken, piece] = take(sending());
  const failed = engine.retried(engine.failed(taken, piece, broke), 1e9);
  const heard = engine.heard(failed, { ranges: [[0, piece.end - 1]], verified: MIB, complete: false });
  assert.equal(engine.next(heard).first, piece.end);
});

test("bytes that the server has lost are sent again", () => {
  const whole = engine.begin(4 * MIB, { ranges: [[0, 4 * MIB - 1]], verified: MIB, complete: false });
  assert.equal(whole.phase, "verifying");
  const heard = engine.heard(whole, { ranges: [[0, 2 * MIB - 1]], verified: 0, complete: false });
  assert.equal(heard.phase, "sending");
  assert.equal(engine.next(heard).first, 2 * MIB);
});

test("an outage that breaks all lanes counts as one failure", () => {
  const [one, first] = take(sending());
  const [two, second] = take(one);
  const failed = engine.failed(engine.failed(two, first, broke), second, broke);
  assert.equal(failed.failures, 1);
  assert.equal(failed.flying.length, 0);
});

test("pauses grow while nothing gets through, and begin anew afterwards", () => {
  let upload = sending();
  const pauses = [];
  for (let round = 0; round < 4; round++) {
    upload = engine.failed(upload, null, { ...broke, now: 0 });
    pauses.push(upload.hold.until);
    upload = engine.retried(upload, upload.hold.until);
  }
  assert.deepEqual(pauses, [250, 500, 1000, 2000]);
  const [taken, piece] = take({ ...upload, stale: false });
  assert.equal(engine.arrived(taken, piece, piece, 10, false).upload.failures, 0);
});

test("a proxy's 413 halves the piece and says so", () => {
  const [taken, piece] = take({ ...sending(), pace: { bytes: 2 * MIB, most: 3 * MIB } });
  const upload = engine.tooLargeForProxy(taken, piece, 2 * MIB);
  assert.equal(upload.limit, MIB);
  assert.deepEqual(engine.next(upload), { first: MIB, end: 2 * MIB });
});

test("a proxy that refuses even 64 KiB ends the upload with a sentence", () => {
  let [upload, piece] = take(engine.begin(GIB, nothing));
  for (let bytes = piece.end; upload.phase !== "failed"; bytes /= 2) {
    upload = engine.tooLargeForProxy(upload, piece, bytes);
    assert.ok(bytes >= 64 * 1024);
  }
  assert.match(upload.problem.message, /proxy/);
});

test("large requests that always break are taken for a proxy's limit", () => {
  let upload = { ...sending(), pace: { bytes: 2 * MIB, most: 3 * MIB } };
  for (let round = 0; round < 3; round++) {
    const [taken, piece] = take({ ...upload, stale: false, hold: null });
    upload = engine.failed(taken, piece, broke);
  }
  assert.equal(upload.pace.most, MIB);
});

test("a paused upload sends nothing, and goes on where it was", () => {
  const paused = engine.setPaused(sending(), true);
  assert.equal(engine.next(paused), null);
  assert.equal(engine.next(engine.setPaused(paused, false)).first, MIB);
});

test("zeros grow up to what others send", () => {
  let upload = sending();
  upload = engine.taken(upload, { first: 8 * MIB, end: 9 * MIB });
  const piece = { first: MIB, end: 2 * MIB };
  const grown = engine.grown(engine.taken(upload, piece), piece, 32 * MIB);
  assert.deepEqual(grown.piece, { first: MIB, end: 8 * MIB });
  assert.equal(engine.grown(grown.upload, grown.piece, MIB), null);
});

test("a suspended upload waits for the user", () => {
  const upload = engine.heard(sending(), { ranges: [[0, MIB - 1]], verified: MIB, complete: false, suspended: "the user is disabled" });
  assert.deepEqual(upload.hold, { kind: "server", why: "the user is disabled" });
  assert.equal(engine.next(upload), null);
});

test("large files have more lanes", () => {
  assert.deepEqual([100 * MIB, GIB, 2 * GIB, 100 * GIB].map(lanesFor), [2, 2, 4, 4]);
});

test("pieces become smaller towards the end, but not small", () => {
  const pace = { bytes: LARGEST, most: LARGEST };
  assert.equal(pieceOf(pace, GIB, 2), LARGEST);
  assert.equal(pieceOf(pace, 100 * MIB + 5, 2), 25 * MIB);
  assert.equal(pieceOf(pace, MIB, 2), 4 * MIB);
  assert.equal(pieceOf({ ...pace, bytes: MIB }, GIB, 2), MIB);
});

test("the last bytes go when all others are there", () => {
  const last = { first: 4 * MIB - 64 * 1024, end: 4 * MIB };
  const [upload, piece] = take({ ...sending(4 * MIB), pace: { bytes: LARGEST, most: LARGEST } });
  assert.deepEqual(piece, { first: MIB, end: last.first });
  assert.equal(engine.next(upload), null);
  assert.equal(engine.grown(upload, piece, MIB), null);
  const after = engine.arrived(upload, piece, piece, 10, false).upload;
  assert.deepEqual(engine.next(after), last);
});

test("what comes after the end changes nothing", () => {
  const refused = engine.ended(sending(), "refused", { message: "no" });
  assert.equal(engine.heard(refused, { ranges: [], verified: 0, complete: true }).phase, "refused");
  assert.equal(engine.failed(refused, null, broke).phase, "refused");
});
