// Sends one file: runs what the engine decides, over the lanes that all tabs share, until the image is active or not.

/**
 * @typedef {import("./engine.js").Upload} Upload
 * @typedef {import("./engine.js").Document} Document
 * @typedef {import("./spans.js").Span} Span
 * @typedef {import("./zeros.js").Segment} Segment
 */

import { meaningOf } from "./answers.js";
import { arrived, begin, ended, failed, grown, heard, held, impatient, next, retried, returned, succeeded, taken, tooLargeForProxy } from "./engine.js";
import { listsOf, takeWhatIsThere } from "./having.js";
import { onLane } from "./lanes.js";
import { MIB } from "./pace.js";
import { hasEnded } from "./phases.js";
import { Reader } from "./reading.js";
import { total } from "./spans.js";
import { Broken, FileChanged, ask, declareZeros, sendPiece } from "./transport.js";

/** Bytes of each place where a file that was chosen again is compared with what the server has. */
const SAMPLE = 64 * 1024;
/** In the place of an answer that did not come. */
const unknown = { status: 503, retryAfter: null, body: "" };
const GROW = 4 * MIB;
const LONGEST_ZEROS = 256 * MIB;
const FIRST_POLL_MS = 100;
const LONGEST_POLL_MS = 1000;
/** So long the rest waits for the verdict on the first piece. A busy server must not stop an upload. */
const VERDICT_WITHIN_MS = 10_000;
/** A server that was restarted while it verified learns from a byte that is sent again that somebody waits. */
const NUDGE_AFTER_MS = 15_000;

export class Sender {
  /**
   * @param {string} url        The address of the upload.
   * @param {File} file
   * @param {Document} document  Of the upload.
   * @param {(upload: Upload, flying: number, sent: number) => void} report  Told of every change, of the bytes that are on
   *   their way, and of all that were sent.
   */
  constructor(url, file, document, report) {
    this.url = url;
    this.reader = new Reader(file);
    this.upload = begin(file.size, document);
    this.report = report;
    this.stopping = new AbortController();
    /** @type {Map<Span, number>} Bytes sent of pieces that have not been answered. */
    this.counts = new Map();
    this.sent = 0;
    this.hasAsked = false;
    /** While the server is asked for pieces that it has, none are sent. */
    this.isAsking = false;
    /** @type {Set<() => void>} */
    this.waiting = new Set();
    /** @type {Promise<unknown>} */
    this.ended = Promise.resolve();
  }

  get isOver() {
    return hasEnded(this.upload) || this.stopping.signal.aborted;
  }

  /** Send everything; return when the upload has ended or was stopped. */
  async run() {
    this.set(this.upload);
    const lanes = Array.from({ length: this.upload.lanes }, () => this.runLane());
    await Promise.all([...lanes, this.watch()]);
  }

  /**
   * Send a little of what the server has once more: it refuses what differs, so an upload never becomes of two files.
   *
   * @returns {Promise<boolean>} False if the file is another one.
   */
  async prove() {
    for (const span of samplesOf(this.upload.received)) {
      const [part] = await this.reader.prepare(span);
      if (!part) continue;
      const meaning = meaningOf(await this.request(part, () => undefined).catch(() => unknown));
      if (meaning.kind === "ended" && meaning.problem.code === "bytes_differ") return false;
    }
    return true;
  }

  stop() {
    this.stopping.abort();
    this.wake();
  }

  /** @param {Upload} upload */
  set(upload) {
    this.upload = upload;
    if (upload.phase === "sending" && !this.hasAsked) void this.askForPieces();
    this.tell();
    this.wake();
  }

  /** Once the first piece is verified: have the server take what it has of the file. */
  async askForPieces() {
    this.hasAsked = this.isAsking = true;
    const lists = listsOf(this.upload.size, this.upload.received);
    const isStopped = () => this.isOver || this.upload.paused || this.upload.hold !== null;
    // Whatever goes wrong here, the next piece shows it as well.
    const hadAny = await takeWhatIsThere(this.url, this.reader, lists, isStopped).catch(() => true);
    this.isAsking = false;
    this.set({ ...this.upload, stale: this.upload.stale || hadAny });
  }

  tell() {
    this.report(this.upload, [...this.counts.values()].reduce((sum, bytes) => sum + bytes, 0), this.sent);
  }

  wake() {
    for (const resume of this.waiting) resume();
    this.waiting.clear();
  }

  /** Wait until something changes, or for so many ms. @param {number} [ms] @returns {Promise<void>} */
  changed(ms) {
    return new Promise((resolve) => {
      this.waiting.add(resolve);
      if (ms !== undefined) setTimeout(() => (this.waiting.delete(resolve), resolve()), ms);
    });
  }

  async runLane() {
    while (!this.isOver) {
      if (this.isAsking || !next(this.upload)) await this.changed();
      else await onLane((release) => this.sendNext(release));
    }
  }

  /** @param {() => void} release */
  async sendNext(release) {
    const piece = this.isOver || this.isAsking ? null : next(this.upload); // other lanes have been at it while we waited for ours
    if (!piece) return;
    this.set(taken(this.upload, piece));
    try {
      await this.deliver(piece, await this.reader.prepare(piece), release);
    } catch (error) {
      if (!(error instanceof FileChanged)) throw error;
      this.give(piece);
      this.set(held(this.upload, { kind: "file", why: error.message }));
    }
  }

  /**
   * @param {Span} piece
   * @param {Segment[]} parts
   * @param {() => void} release
   */
  async deliver(piece, parts, release) {
    let rest = piece;
    for (const part of parts) {
      if (this.isOver) return;
      if (part.zeros && part.end === rest.end) rest = await this.grow(rest);
      const sent = part.zeros && part.end !== rest.end && part === parts[parts.length - 1] ? { ...part, end: rest.end } : part;
      const left = await this.sendPart(rest, sent, release);
      if (!left) return;
      rest = left;
    }
  }

  /** Make a piece of zeros as long as the file has them. @param {Span} piece @returns {Promise<Span>} */
  async grow(piece) {
    const most = piece.first + LONGEST_ZEROS;
    for (let now = piece; ; ) {
      const more = now.end < most ? grown(this.upload, now, GROW) : null;
      if (!more || !(await this.reader.isZero({ first: now.end, end: more.piece.end }))) return now;
      const again = grown(this.upload, now, more.piece.end - now.end); // another lane may have begun there
      if (!again || again.piece.end !== more.piece.end) return now;
      this.upload = again.upload;
      now = again.piece;
    }
  }

  /**
   * @param {Span} piece   What of it is on its way.
   * @param {Segment} part  Its beginning.
   * @param {() => void} release
   * @returns {Promise<Span | null>}  What is left of the piece, to send next.
   */
  async sendPart(piece, part, release) {
    const began = performance.now();
    try {
      const answer = await this.request(part, release);
      const tookMs = performance.now() - began;
      this.counts.delete(part);
      return this.judge(meaningOf(answer), piece, part, tookMs);
    } catch (error) {
      this.counts.delete(part);
      if (!(error instanceof Broken)) throw error;
      await this.lost(piece, error.message);
      return null;
    }
  }

  /** A request with bytes of a file that has changed breaks like any other. @param {Span} piece @param {string} why */
  async lost(piece, why) {
    const changed = await this.reader.requireUnchanged().then(() => null, (/** @type {Error} */ error) => error.message);
    if (changed === null) return this.fail(piece, why, 0, true);
    this.give(piece);
    this.set(held(this.upload, { kind: "file", why: changed }));
  }

  /** @param {Segment} part @param {() => void} release */
  request(part, release) {
    const { size } = this.upload;
    if (part.zeros) return declareZeros(this.url, part, size);
    const isLast = total(this.upload.received) + part.end - part.first >= size;
    return sendPiece(this.url, this.reader.slice(part), part, size, {
      signal: this.stopping.signal,
      progress: (bytes) => this.count(part, bytes),
      bodySent: () => isLast && release(), // its answer is the verdict, and comes when the whole image is verified
    });
  }

  /** @param {Span} part @param {number} bytes  Of it that were sent. */
  count(part, bytes) {
    this.sent += bytes - (this.counts.get(part) ?? 0);
    this.counts.set(part, bytes);
    this.tell();
  }

  /**
   * @param {import("./answers.js").Meaning} meaning
   * @param {Span} piece
   * @param {Segment} part
   * @param {number} tookMs
   * @returns {Span | null}
   */
  judge(meaning, piece, part, tookMs) {
    if (meaning.kind === "accepted") {
      const { upload, rest } = arrived(this.upload, piece, part, tookMs, part.zeros);
      this.set(heard(upload, meaning.document));
      return this.isOver ? null : rest;
    }
    if (meaning.kind === "too-large-for-proxy") {
      this.set(tooLargeForProxy(this.upload, piece, part.end - part.first));
    } else if (meaning.kind === "passing") {
      this.fail(piece, meaning.why, meaning.atLeastMs, false);
    } else {
      this.give(piece);
      this.conclude(meaning);
    }
    return null;
  }

  /** @param {Exclude<import("./answers.js").Meaning, { kind: "accepted" | "too-large-for-proxy" | "passing" }>} meaning */
  conclude(meaning) {
    if (meaning.kind === "active") this.set(succeeded(this.upload));
    else if (meaning.kind === "refused") this.set(ended(this.upload, "refused", meaning.problem));
    else if (meaning.kind === "ended") this.set(ended(this.upload, "failed", meaning.problem));
    else this.set(held(this.upload, { kind: "server", why: meaning.why }));
    if (this.isOver) this.stop(); // what other lanes still send is in vain
  }

  /** @param {Span} piece */
  give(piece) {
    this.upload = returned(this.upload, piece);
  }

  /** @param {Span | null} piece @param {string} why @param {number} atLeastMs @param {boolean} broken */
  fail(piece, why, atLeastMs, broken) {
    const failure = { why, now: Date.now(), random: Math.random(), atLeastMs, broken };
    this.set(failed(this.upload, piece, failure));
  }

  /** Ask the server: after failures, until the first piece is verified, and while it verifies the rest. */
  async watch() {
    let pause = FIRST_POLL_MS;
    let since = Date.now();
    while (!this.isOver) {
      const { hold, stale, phase, flying, verified } = this.upload;
      if (hold?.kind === "retry") {
        await this.changed(Math.max(1, hold.until - Date.now()));
        this.upload = retried(this.upload, Date.now());
        if (!this.upload.hold) await this.askNow();
      } else if (!hold && (stale || phase === "verifying" || (phase === "checking" && total(this.upload.received) && !flying.length))) {
        await this.askNow();
        const moved = this.upload.verified > verified || this.upload.phase !== phase;
        if (moved) [pause, since] = [FIRST_POLL_MS, Date.now()];
        if (phase === "checking" && Date.now() - since > VERDICT_WITHIN_MS) this.set(impatient(this.upload));
        if (phase === "verifying" && Date.now() - since > NUDGE_AFTER_MS) [since] = [Date.now(), await this.nudge()];
        if (!this.isOver && !this.upload.hold) await sleep(pause);
        pause = Math.min(LONGEST_POLL_MS, pause * 1.5);
      } else {
        [pause, since] = [FIRST_POLL_MS, Date.now()];
        await this.changed();
      }
    }
  }

  async askNow() {
    try {
      const meaning = meaningOf(await ask(this.url));
      if (meaning.kind === "accepted") this.set(heard(this.upload, meaning.document));
      else if (meaning.kind === "passing") this.fail(null, meaning.why, meaning.atLeastMs, false);
      else if (meaning.kind !== "too-large-for-proxy") this.conclude(meaning);
    } catch (error) {
      if (!(error instanceof Broken)) throw error;
      this.fail(null, error.message, 0, false);
    }
  }

  async nudge() {
    const last = { first: this.upload.size - 1, end: this.upload.size };
    const [part] = await this.reader.prepare(last);
    if (!part) return;
    const quiet = { signal: AbortSignal.any([this.stopping.signal, AbortSignal.timeout(LONGEST_POLL_MS)]), progress() {}, bodySent() {} };
    await sendPiece(this.url, this.reader.slice(last), last, this.upload.size, quiet).catch(() => undefined);
  }
}

/**
 * Places whose bytes tell files apart: the ends and the middle of what the server has.
 *
 * @param {readonly Span[]} received
 * @returns {Span[]}
 */
function samplesOf(received) {
  const longest = [...received].sort((a, b) => b.end - b.first - (a.end - a.first))[0];
  if (!longest) return [];
  const middle = Math.floor((longest.first + longest.end) / 2);
  return [longest.first, middle, longest.end - SAMPLE].map((at) => {
    const first = Math.max(longest.first, at);
    return { first, end: Math.min(longest.end, first + SAMPLE) };
  });
}

/** @param {number} ms @returns {Promise<void>} */
function sleep(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
