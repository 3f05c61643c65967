export {
  ClientHandshake,
  type ClientHandshakeDependencies,
  type ClientHandshakeOptions,
  type HandshakeStep,
} from "./client-handshake.ts";
export { COOKIE_LIFE_MS } from "./cookies.ts";
export {
  type Admission,
  type DoorAnswer,
  HandshakeDoor,
  type HandshakeDoorDependencies,
  type HandshakeDoorOptions,
} from "./handshake-door.ts";
export { createServerIdentity, type ServerIdentity } from "./server-identity.ts";
export { newPrivateKey } from "./x25519.ts";
