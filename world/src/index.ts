export {
  ByteReader,
  ByteWriter,
  DecodeError,
  EndsTooEarlyError,
  hexOf,
  sameBytes,
} from "./bytes.ts";
export { type CloseCode, closeCodeOf, closeCodes } from "./close-codes.ts";
export { compileStruct, type FieldList, type StructCodec, type StructValue } from "./codec.ts";
export {
  type ChannelsOf,
  type ClientMessagesOf,
  type CompiledComponent,
  type CompiledDefinition,
  type CompiledStruct,
  type ComponentsOf,
  canonicalJson,
  checkDefinition,
  compileDefinition,
  type Definition,
  type DefinitionData,
  DefinitionError,
  defineWorld,
  type InputsOf,
  type JoinOf,
  parseDefinition,
  type ServerMessagesOf,
  type StructData,
  schemaHash,
  type WorldSpec,
} from "./definition.ts";
export {
  bool,
  bytes,
  checkValue,
  defaultOf,
  type Field,
  FieldError,
  type Fields,
  float32,
  float64,
  int,
  list,
  oneOf,
  quantized,
  ref,
  type StructOf,
  text,
  uint,
  type ValueOf,
} from "./fields.ts";
export {
  MAX_SLOTS,
  type MirrorChanges,
  type MirrorEntity,
  StateFlag,
  WorldMirror,
} from "./mirror.ts";
export {
  type Behaviour,
  type Entity,
  type EntityBase,
  implementWorld,
  JoinRefused,
  type KeyValue,
  type LeaveReason,
  type OldEntity,
  type Plain,
  type Player,
  type Response,
  type World,
  type WorldContext,
  type WorldRandom,
} from "./module.ts";
export { type ComponentTarget, RecordOp, readSection, type SectionSink } from "./section.ts";
export { CellGrid, grid2d, grid3d, type Position, type Space } from "./space.ts";
export { type TopicChange, type TopicEntity, TopicMirror } from "./topic-mirror.ts";
