export {
  Counter,
  type CounterMutations,
  type CounterOptions,
  openCounter,
  type SyncTransactionCounter,
  TransactionCounter,
  Turns,
} from "./counter.ts";
