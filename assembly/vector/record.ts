/**
 * The record of a slot, 32 bytes:
 *
 *     0   u32  label
 *     4   u32  in-links on level 0
 *     8   u64  born
 *     16  u64  died; ALIVE as long as it has not
 *     24  u32  upper row of level 1 plus 1, 0 for none; of a free slot the next free one plus 1
 *     28  u8   level
 *     29  u8   state, and two unused bytes
 */
import { recordOf } from "./shape";

export const STATE_FREE: u32 = 0;
export const STATE_UNLINKED: u32 = 1;
export const STATE_LINKED: u32 = 2;
export const ALIVE: u64 = u64.MAX_VALUE;

export function labelOf(slot: u32): u32 {
  return load<u32>(recordOf(slot));
}
export function inLinksOf(slot: u32): u32 {
  return load<u32>(recordOf(slot), 4);
}
export function changeInLinks(slot: u32, by: i32): void {
  const at = recordOf(slot);
  store<u32>(at, load<u32>(at, 4) + <u32>by, 4);
}
export function bornOf(slot: u32): u64 {
  return load<u64>(recordOf(slot), 8);
}
export function diedOf(slot: u32): u64 {
  return load<u64>(recordOf(slot), 16);
}
export function setDied(slot: u32, seq: u64): void {
  store<u64>(recordOf(slot), seq, 16);
}
export function upperOf(slot: u32): u32 {
  return load<u32>(recordOf(slot), 24);
}
export function setUpper(slot: u32, row: u32): void {
  store<u32>(recordOf(slot), row, 24);
}
export function levelOf(slot: u32): u32 {
  return load<u8>(recordOf(slot), 28);
}
export function stateOf(slot: u32): u32 {
  return load<u8>(recordOf(slot), 29);
}
export function setState(slot: u32, state: u32): void {
  store<u8>(recordOf(slot), <u8>state, 29);
}

export function writeRecord(slot: u32, label: u32, born: u64, level: u32, state: u32): void {
  const at = recordOf(slot);
  store<u32>(at, label);
  store<u32>(at, 0, 4);
  store<u64>(at, born, 8);
  store<u64>(at, ALIVE, 16);
  store<u32>(at, 0, 24);
  store<u32>(at, 0, 28);
  store<u8>(at, <u8>level, 28);
  store<u8>(at, <u8>state, 29);
}
