export { createTicketKeys, type KeySet, KeySetError } from "../tickets/jose-ticket-keys.ts";
export { TicketClaimError } from "../tickets/ticket-claims.ts";
export { KeyFileError, loadOrCreateKeyFile } from "./key-file.ts";
export { type LoadConfigOptions, loadConfig } from "./load-config.ts";
export { NodeDisk } from "./node-disk.ts";
export { settle } from "./settle.ts";
export { systemClock } from "./system-clock.ts";
export { systemRandom } from "./system-random.ts";
