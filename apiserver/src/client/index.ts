/** The client of the HTTP API, without the server. */
export { ApiError, type ApiErrorCode } from "../http/api-error.ts";
export { ADDRESS_ALLOWED, MAX_ADDRESSES, parseApiAddresses } from "./address.ts";
export { ApiClient, type ApiClientOptions, type ApiRequest } from "./api-client.ts";
export { ControlClient } from "./control-client.ts";
export {
  EventReader,
  type EventReaderEvents,
  type EventReaderOptions,
} from "./event-reader.ts";
