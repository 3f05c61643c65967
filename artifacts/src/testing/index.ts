// For tests: of whoever implements the artifact store port (needs node:test), and of whoever uses it.
export { FakeBucket, type FakeBucketOptions, type Fault } from "./fake-bucket.ts";
export type { SigningKey } from "./signature.ts";
export {
  artifactStoreAcceptance,
  bytesOf,
  pieces,
  readAll,
  type StoreFixture,
} from "./store-acceptance.ts";
export { moduleFiles, type RawEntry, rawTarball, tarballOf } from "./tarballs.ts";
export { tinyControl } from "./tiny-control.ts";
