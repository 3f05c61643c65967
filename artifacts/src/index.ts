export { ArtifactError, type ArtifactErrorCode } from "./artifact-error.ts";
export {
  type ArtifactFacts,
  type ArtifactStore,
  type ByteStream,
  MAX_ARTIFACT_BYTES,
  MAX_ARTIFACTS,
} from "./artifact-store.ts";
export { type Digest, digestBytes, digestOf, digestText, isDigest } from "./digest.ts";
export { BucketStore, type BucketStoreOptions } from "./s3/bucket-store.ts";
export {
  DirectoryStore,
  type DirectoryStoreDependencies,
  type DirectoryStoreOptions,
} from "./store/directory-store.ts";
