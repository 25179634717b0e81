/** A bit that is flipped on the way from the medium, and right when it is read again. */
import { expect, test } from "vitest";
import { segmentHeaderBytes } from "../../../src/engine/log/segment.ts";
import { MapLog } from "./map-log.ts";
import { appendSync, payloadOf, readAll, writerOf } from "./session.ts";

/** Flips one bit of what one read brings, after the header of the segment was read. */
class FlippingLog extends MapLog {
  /** Byte of the segment, until it has been flipped once. */
  flipAt: number | undefined;

  override read(segment: number, at: number, into: Uint8Array): number {
    const count = super.read(segment, at, into) as number;
    const { flipAt } = this;
    if (at < segmentHeaderBytes || flipAt === undefined || flipAt < at || flipAt >= at + count) {
      return count;
    }
    into[flipAt - at] = (into[flipAt - at] as number) ^ 1;
    this.flipAt = undefined;
    return count;
  }
}

function write(): { log: FlippingLog; end: number } {
  const log = new FlippingLog();
  const writer = writerOf(log, { firstBytes: 8192, maxBytes: 8192 });
  for (let seq = 0; seq < 3; seq++) appendSync(writer, payloadOf(seq, 40), 1);
  return { log, end: writer.position.offset };
}

test("a flip while the last group is read costs no acknowledged commit", () => {
  const { end } = write();
  for (let flipAt = segmentHeaderBytes; flipAt < end; flipAt++) {
    const { log } = write();
    log.flipAt = flipAt;
    const { groups, tail } = readAll(log, { windowBytes: 1 << 20 });
    expect(log.flipAt).toBeUndefined();
    expect([flipAt, groups.length, tail.kind]).toEqual([flipAt, 3, "unclosed"]);
  }
});

test("a flip that is there again is a torn end, and told", () => {
  const { log, end } = write();
  const bytes = log.segments.get(1) as Uint8Array;
  bytes[end - 9] = (bytes[end - 9] as number) ^ 1;
  const { groups, tail } = readAll(log, { windowBytes: 1 << 20 });
  expect([groups.length, tail.kind, tail.droppedBytes > 0]).toEqual([2, "torn", true]);
});

test("a header that one read brings as zeros costs no acknowledged commit", () => {
  const { log } = write();
  const whole = log.segments.get(1) as Uint8Array;
  let reads = 0;
  log.read = (_segment, at, into) => {
    const isFirst = at === 0 && ++reads === 1;
    const count = Math.min(into.length, whole.length - at);
    if (isFirst) into.fill(0);
    else into.set(whole.subarray(at, at + count));
    return count;
  };
  const { groups, tail } = readAll(log, { windowBytes: 1 << 20 });
  expect([reads > 1, groups.length, tail.kind]).toEqual([true, 3, "unclosed"]);
});
