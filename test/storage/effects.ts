/** What a call changes on a medium, as data: so that a crash can keep it, lose it or tear it. */
import type { MemoryMedium } from "../../src/storage/memory/index.ts";
import { rootBytes } from "../../src/storage/port.ts";
import type { Random } from "./random.ts";

export type Effect =
  | { kind: "write"; segment: number; at: number; bytes: Uint8Array }
  | { kind: "create segment"; segment: number; bytes: number }
  | { kind: "remove segment"; segment: number }
  | { kind: "seal"; name: string; bytes: Uint8Array }
  | { kind: "remove blob"; name: string }
  | { kind: "create root"; bytes: Uint8Array }
  | { kind: "write root"; slot: number; bytes: Uint8Array };

/** What may persist of the effects that were not made durable before the crash. */
export type Personality =
  /** The process was killed, the machine lives on: all that had taken effect is there. */
  | "kill"
  /** The power failed, and nothing but what was durable is there. */
  | "synced"
  /** The power failed, and the device had worked in order: a prefix is there, its last one torn. */
  | "prefix"
  /** The power failed, and each effect by itself is there, or not, or torn at any byte. */
  | "adversary";

export const personalities: readonly Personality[] = ["kill", "synced", "prefix", "adversary"];

/** Bytes of an effect that a crash may tear; undefined where it is all or nothing. */
export function tearableBytes(effect: Effect): Uint8Array | undefined {
  return effect.kind === "write" || effect.kind === "write root" ? effect.bytes : undefined;
}

/** The part of an effect that stays when the crash comes after `bytes` of it. */
export function prefixOf(effect: Effect, bytes: number): Effect {
  if (effect.kind !== "write" && effect.kind !== "write root") return effect;
  return { ...effect, bytes: effect.bytes.subarray(0, bytes) };
}

export function applyEffect(medium: MemoryMedium, effect: Effect): void {
  switch (effect.kind) {
    case "write":
      medium.segments.get(effect.segment)?.set(effect.bytes, effect.at);
      return;
    case "create segment":
      medium.segments.set(effect.segment, new Uint8Array(effect.bytes));
      return;
    case "remove segment":
      medium.segments.delete(effect.segment);
      return;
    case "seal":
      medium.blobs.set(effect.name, effect.bytes);
      return;
    case "remove blob":
      medium.blobs.delete(effect.name);
      return;
    case "create root":
      medium.root = [effect.bytes.slice(), effect.bytes.slice()];
      return;
    case "write root":
      medium.root ??= [new Uint8Array(rootBytes), new Uint8Array(rootBytes)];
      medium.root[effect.slot]?.set(effect.bytes);
  }
}

export interface PendingEffect {
  effect: Effect;
  /** False while the call runs: then it may have been done in part. */
  done: boolean;
}

/** The medium after a crash: all that was durable, and what `personality` kept of the rest. */
export function surviving(
  durable: MemoryMedium,
  pending: readonly PendingEffect[],
  random: Random,
  personality: Personality,
): MemoryMedium {
  const medium = durable.copy();
  const kept = personality === "prefix" ? random.integer(pending.length + 1) : pending.length;
  pending.forEach(({ effect, done }, index) => {
    const fate = fateOf(personality, done, index, kept, random);
    if (fate === "lost") return;
    const bytes = tearableBytes(effect)?.byteLength ?? 0;
    const torn = fate === "torn" ? prefixOf(effect, random.integer(bytes + 1)) : effect;
    applyEffect(medium, torn);
  });
  return medium;
}

function fateOf(
  personality: Personality,
  done: boolean,
  index: number,
  kept: number,
  random: Random,
): "kept" | "lost" | "torn" {
  switch (personality) {
    case "kill":
      return done ? "kept" : random.pick(["kept", "lost", "torn"]);
    case "synced":
      return "lost";
    case "prefix":
      if (index < kept - 1) return "kept";
      return index === kept - 1 ? random.pick(["kept", "torn"]) : "lost";
    case "adversary":
      return random.pick(["kept", "lost", "torn"]);
  }
}
