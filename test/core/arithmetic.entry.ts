export { crc32c } from "../../assembly/crc32c";
export * from "../../assembly/u256/index";
