import assert from "node:assert/strict";
import { test } from "node:test";
import { meaningOf } from "../../../src/stillage/console/upload/answers.js";
import { newImageCommands } from "../../../src/stillage/console/upload/commands.js";
import { fixFor, quoted } from "../../../src/stillage/console/upload/fixes.js";
import { ratesOf, sampled, tenth } from "../../../src/stillage/console/upload/figures.js";
import { guessFormat, guessName } from "../../../src/stillage/console/upload/guess.js";
import { listsOf } from "../../../src/stillage/console/upload/having.js";
import { halved, MIB, paced, pauseMs } from "../../../src/stillage/console/upload/pace.js";
import { fromRanges, gaps, merged } from "../../../src/stillage/console/upload/spans.js";
import { blocksOf, isZero, segments } from "../../../src/stillage/console/upload/zeros.js";
import { partOf, runsOf, shadeOf, withGaps } from "../../../src/stillage/console/disk/geometry.js";

const error = (status, error) => ({ status, retryAfter: null, body: JSON.stringify({ error }) });

test("spans are joined, and gaps are what is left", () => {
  const spans = merged([{ first: 5, end: 9 }, { first: 0, end: 3 }, { first: 3, end: 5 }, { first: 20, end: 20 }]);
  assert.deepEqual(spans, [{ first: 0, end: 9 }]);
  assert.deepEqual(gaps(fromRanges([[2, 3], [6, 7]]), { first: 0, end: 10 }), [
    { first: 0, end: 2 }, { first: 4, end: 6 }, { first: 8, end: 10 },
  ]);
});

test("every byte of a piece is in one segment, and only zeros are called so", () => {
  const bytes = new Uint8Array(5 * MIB + 7);
  bytes[MIB + 1] = 1;
  bytes[5 * MIB + 6] = 1;
  const found = segments(blocksOf(bytes, 100), MIB);
  assert.deepEqual(found.map(({ zeros }) => zeros), [true, false, true, false]);
  assert.equal(found[0].first, 100);
  assert.equal(found.at(-1).end, 100 + bytes.length);
  found.slice(1).forEach((part, index) => assert.equal(part.first, found[index].end));
  for (const { first, end, zeros } of found) if (zeros) assert.ok(isZero(bytes.subarray(first - 100, end - 100)));
});

test("short runs of zeros are data, unless the piece is nothing else", () => {
  const bytes = new Uint8Array(256 * 1024);
  bytes[0] = 1;
  assert.deepEqual(segments(blocksOf(bytes, 0), MIB), [{ first: 0, end: bytes.length, zeros: false }]);
  assert.deepEqual(segments(blocksOf(new Uint8Array(1000), 0), MIB), [{ first: 0, end: 1000, zeros: true }]);
});

test("zeros are seen in every byte, at any alignment", () => {
  const bytes = new Uint8Array(64);
  for (const [first, end] of [[0, 64], [1, 64], [4, 63]]) {
    assert.ok(isZero(bytes.subarray(first, end)));
    for (let at = first; at < end; at++) {
      bytes[at] = 128;
      assert.ok(!isZero(bytes.subarray(first, end)), `${first} ${at}`);
      bytes[at] = 0;
    }
  }
});

test("pieces tend to two seconds, by a factor of two at most, within their bounds", () => {
  const pace = { bytes: 4 * MIB, most: 32 * MIB };
  assert.equal(paced(pace, 4 * MIB, 1).bytes, 8 * MIB);
  assert.equal(paced(pace, 4 * MIB, 1_000_000).bytes, 2 * MIB);
  assert.equal(paced({ ...pace, bytes: 32 * MIB }, 32 * MIB, 1).bytes, 32 * MIB);
  assert.equal(paced({ ...pace, bytes: MIB }, MIB, 1_000_000).bytes, MIB);
  assert.equal(paced(pace, 1000, 1_000_000).bytes, 4 * MIB, "the end of a gap says nothing");
  assert.equal(halved({ bytes: MIB, most: MIB }, 64 * 1024), null);
});

test("pauses double, have jitter, end at thirty seconds, and respect the server", () => {
  assert.deepEqual([1, 2, 3].map((failures) => pauseMs(failures, 1)), [500, 1000, 2000]);
  assert.equal(pauseMs(1, 0), 250);
  assert.equal(pauseMs(99, 1), 30_000);
  assert.equal(pauseMs(1, 0, 7000), 7000);
});

test("answers mean what the protocol says", () => {
  const document = { ranges: [], verified: 0, complete: false };
  assert.equal(meaningOf({ status: 202, retryAfter: null, body: JSON.stringify(document) }).kind, "accepted");
  assert.equal(meaningOf({ status: 204, retryAfter: null, body: "" }).kind, "active");
  const refused = meaningOf(error(415, { message: "no", stillage_code: "content_rejected", rule: "qcow2.backing-file", offset: 8, fix: "x IN OUT" }));
  assert.equal(refused.kind, "refused");
  assert.equal(refused.problem.offset, 8);
  assert.equal(meaningOf(error(400, { message: "no", stillage_code: "piece_digest_mismatch" })).kind, "passing");
  assert.equal(meaningOf(error(409, { message: "no", stillage_code: "piece_taken_over" })).kind, "passing");
  assert.equal(meaningOf(error(409, { message: "no", stillage_code: "bytes_differ" })).kind, "ended");
  assert.equal(meaningOf(error(410, { message: "no", stillage_code: "upload_gone" })).kind, "ended");
  assert.equal(meaningOf(error(403, { message: "no", stillage_code: "upload_suspended" })).kind, "held");
  assert.equal(meaningOf(error(413, { message: "quota", stillage_code: "quota_exceeded" })).kind, "held");
});

test("only a 413 that is not from Stillage is a proxy's", () => {
  const page = "<html><h1>413 Request Entity Too Large</h1></html>";
  assert.equal(meaningOf({ status: 413, retryAfter: null, body: page }).kind, "too-large-for-proxy");
  assert.equal(meaningOf({ status: 502, retryAfter: null, body: page }).kind, "passing");
  assert.equal(meaningOf({ status: 404, retryAfter: null, body: page }).kind, "passing", "a proxy that is being configured");
});

test("Retry-After is respected within reason", () => {
  assert.equal(meaningOf({ status: 503, retryAfter: "7", body: "" }).atLeastMs, 7000);
  assert.equal(meaningOf({ status: 503, retryAfter: "999999", body: "" }).atLeastMs, 120_000);
  assert.equal(meaningOf({ status: 503, retryAfter: "Mon, 30 Nov 2026 00:00:00 GMT", body: "" }).atLeastMs, 0);
});

test("the fix names the file, quoted for a shell", () => {
  assert.equal(fixFor("qemu-img convert -O qcow2 IN OUT", "a.vmdk", "vmdk"), "qemu-img convert -O qcow2 a.vmdk a.fixed.qcow2");
  assert.equal(fixFor("gunzip -c IN > OUT", "disk.img.gz", null), "gunzip -c disk.img.gz > disk.img");
  assert.equal(fixFor("x -f FORMAT IN", "it's; rm -rf", "raw"), `x -f raw 'it'"'"'s; rm -rf'`);
  assert.equal(fixFor("x IN", "IN OUT.img", null), "x 'IN OUT.img'");
  assert.equal(quoted("$(reboot)"), "'$(reboot)'");
});

test("the commands of a new image have what the form says", () => {
  const image = { name: "a b", disk_format: "qcow2", visibility: "private", properties: { os_distro: "${x}" }, min_disk: 3 };
  const { stillage, openstack, curl, terraform } = newImageCommands(image, "x y.qcow2", "https://images.example.net");
  assert.match(stillage, /stillage upload 'x y.qcow2'/);
  assert.match(stillage, /--name 'a b'/);
  assert.match(stillage, /--min-disk 3/);
  assert.match(openstack, /--disk-format qcow2/);
  assert.match(openstack, /--property 'os_distro=\$\{x\}'/);
  assert.match(curl, /"min_disk":3/);
  assert.match(curl, /-T 'x y.qcow2'/);
  assert.match(terraform, /"os_distro" = "\$\$\{x\}"/);
});

test("formats are guessed by their signatures", () => {
  const head = (text, at = 0) => {
    const bytes = new Uint8Array(33 * 1024);
    bytes.set([...text].map((letter) => letter.charCodeAt(0)), at);
    return bytes;
  };
  const tail = new Uint8Array(512);
  assert.equal(guessFormat(head("QFI\xfb\0\0\0\x03"), tail), "qcow2");
  assert.equal(guessFormat(head("QFI\xfb\0\0\0\x01"), tail), "qcow");
  assert.equal(guessFormat(head("\x7f\x10\xda\xbe", 64), tail), "vdi");
  assert.equal(guessFormat(head("CD001", 32769), tail), "iso");
  assert.equal(guessFormat(head("anything"), tail), "raw");
  assert.equal(guessFormat(head("anything"), head("conectix").subarray(0, 512)), "vhd");
  assert.equal(guessName("debian-13.qcow2"), "debian-13");
  assert.equal(guessName(".img"), ".img");
});

test("the rate is of the last ten seconds, and there is none after a moment", () => {
  assert.deepEqual(ratesOf([{ at: 0, done: 0, sent: 0 }], 100), { rate: null, seconds: null });
  let samples = [];
  for (let at = 0; at <= 60_000; at += 1000) samples = sampled(samples, { at, done: at, sent: at });
  assert.equal(samples.length, 10);
  assert.deepEqual(ratesOf(samples, 120_000), { rate: 1000, seconds: 60 });
});

test("every tenth is said once, and the end by another sentence", () => {
  assert.equal(tenth(0.19, 0.21), 20);
  assert.equal(tenth(0.21, 0.29), null);
  assert.equal(tenth(0.95, 1), null);
});

test("the pictures' parts are inside, in order, and seen", () => {
  assert.deepEqual(partOf({ first: 0, end: 50 }, 100), { at: 0, width: 50 });
  assert.ok(partOf({ first: 99, end: 99 }, 1e12).width > 0);
  const { at, width } = partOf({ first: 100, end: 100 }, 100);
  assert.ok(at + width <= 100);
  assert.deepEqual(runsOf([1, 1, 0]), [{ kind: 1, first: 0, end: 2 }, { kind: 0, first: 2, end: 3 }]);
  assert.deepEqual([0, 0.001, 0.5, 1].map(shadeOf), [0, 1, 2, 4]);
  const parts = withGaps([{ first: 60, length: 100 }, { first: 10, length: 20 }], 100);
  assert.deepEqual(parts.map(({ span }) => [span.first, span.end]), [[0, 10], [10, 30], [30, 60], [60, 100]]);
});

test("the lists of pieces are short at first, and leave out what the server has", () => {
  const piece = 4 * MIB;
  const lists = [...listsOf(60 * piece + 1, [{ first: 0, end: MIB }, { first: 55 * piece, end: 60 * piece }])];
  assert.deepEqual(lists.map(({ first, spans }) => [first, spans.length]), [[0, 16], [16, 32], [48, 13]]);
  assert.deepEqual(lists[2]?.spans[12], { first: 60 * piece, end: 60 * piece + 1 });
  assert.deepEqual([...listsOf(piece, [{ first: 0, end: piece }])], []);
});
