export type { Latency } from "./answers.ts";
export { MemoryMedium } from "./medium.ts";
export { MemoryStorage, type MemoryStorageOptions } from "./memory-storage.ts";
