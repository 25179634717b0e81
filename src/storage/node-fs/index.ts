export { breakLock, lockHolder } from "./break-lock.ts";
export { NodeStorage, type NodeStorageOptions, openNodeStorage } from "./node-storage.ts";
