export { u256Add, u256Compare, u256Subtract, u256Transfer } from "./add";
export {
  u256AddEach,
  u256FailedIndex,
  u256MultiplyEach,
  u256SubtractEach,
  u256Sum,
  u256TransferEach,
} from "./batch";
export { u256ParseDecimal, u256PrintDecimal } from "./decimal";
export { u256Divide, u256DivideRemainder, u256Remainder } from "./divide";
export { u256ParseHex, u256PrintHex } from "./hex";
export { u256Multiply } from "./multiply";
