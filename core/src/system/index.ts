export {
  asBuffer,
  BadFile,
  encodeBeginning,
  endOfHeader,
  HeaderReader,
  headerJson,
  isZero,
  NewerFormat,
} from "./file-format.ts";
export { NodeDisk } from "./node-disk.ts";
export { messageOf, StorageError, storageError } from "./storage-error.ts";
export { systemClock } from "./system-clock.ts";
export { systemRandom } from "./system-random.ts";
